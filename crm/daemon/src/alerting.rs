//! Calling alert agents: a few at once, each with a bound to its time, and nothing waits for them. Whom to call and what
//! to say is decided by the node.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use alerts::timestamp::{self, Moment};
use controller::{Level, Note};
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use nix::unistd::{User, geteuid};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};

use crate::log;
use crate::processes;

/// Calls that wait for their turn. In an incident of a large cluster a node sees some hundred events.
const WAITING: usize = 1024;
/// Agents at work at once: as many as a host bears beside what it is there for.
const AT_ONCE: usize = 8;
/// What is kept of what an agent says: for the operator a line will do.
const SAID: u64 = 4096;
/// Whom agents run as where there is such a user, as under Pacemaker: they need not be root to send a mail.
const USER: &str = "hacluster";

/// Who calls them.
#[derive(Debug)]
pub struct Alerting {
    waiting: mpsc::Sender<(alerts::Call, Moment)>,
    name: String,
    /// Some could not be called, and that was said.
    overrun: bool,
}

impl Alerting {
    /// Begins; to be called within a runtime. `name` is the node's.
    pub fn new(name: &str) -> Self {
        let (waiting, calls) = mpsc::channel(WAITING);
        tokio::spawn(call_all(name.to_owned(), calls));
        Alerting { waiting, name: name.to_owned(), overrun: false }
    }

    /// Calls an agent, in its turn.
    pub fn call(&mut self, call: alerts::Call, at: Moment) {
        let room = self.waiting.try_send((call, at)).is_ok();
        if !room && !self.overrun {
            let text =
                format!("alert agents are behind by {WAITING} calls; newer events are not told until they catch up");
            log::note(&self.name, &Note::new(Level::Warning, "alerts", text));
        }
        self.overrun = !room;
    }
}

async fn call_all(name: String, mut calls: mpsc::Receiver<(alerts::Call, Moment)>) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    while let Some((call, at)) = calls.recv().await {
        // It is never closed.
        let Ok(turn) = turns.clone().acquire_owned().await else { return };
        let name = name.clone();
        tokio::spawn(async move {
            if let Err(why) = run(&call, at).await {
                let text = format!("alert {}: {} {why}", call.id, call.path);
                log::note(&name, &Note::new(Level::Warning, "alert", text));
            }
            drop(turn);
        });
    }
}

async fn run(call: &alerts::Call, at: Moment) -> Result<(), String> {
    let mut command = Command::new(&call.path);
    command
        .envs(&call.environment)
        .envs(timestamp::variables(at, &call.timestamp_format, |format| local(at.unix, format)))
        .env("PATH", processes::search_path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .current_dir("/")
        .process_group(0);
    if geteuid().is_root()
        && let Ok(Some(user)) = User::from_name(USER)
    {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let mut child = command.spawn().map_err(|error| format!("could not be started: {error}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let mut said = String::new();
    let stderr = child.stderr.take();
    let work = async {
        if let Some(stderr) = stderr {
            let mut bytes = Vec::new();
            // One that says more is not read to its end, and finds its pipe closed.
            let _ = stderr.take(SAID).read_to_end(&mut bytes).await;
            said = String::from_utf8_lossy(&bytes).into_owned();
        }
        child.wait().await
    };
    match tokio::time::timeout(Duration::from_millis(call.timeout_ms), work).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => {
            let how = match (status.code(), status.signal()) {
                (Some(code), _) => format!("exited with code {code}"),
                (None, signal) => format!("was ended by signal {}", signal.unwrap_or(0)),
            };
            let line = said.lines().map(str::trim).rfind(|line| !line.is_empty());
            Err(line.map_or(how.clone(), |line| format!("{how}: {line}")))
        }
        Ok(Err(error)) => Err(format!("could not be waited for: {error}")),
        Err(_) => {
            group.into_iter().for_each(|group| processes::signal(group, executor::Signal::Kill));
            // Reaped, however it ends.
            tokio::spawn(async move { child.wait().await });
            Err(format!("did not end within {} ms and was killed", call.timeout_ms))
        }
    }
}

/// The time in words, in this host's zone. A format that has no meaning is told as it is.
fn local(unix: i64, format: &str) -> String {
    let written = Timestamp::from_second(unix).map(|time| time.to_zoned(TimeZone::system()));
    written.and_then(|time| strtime::format(format, &time)).unwrap_or_else(|_| format.to_owned())
}
