//! Process 1 of a node that runs several programs, as Corosync beside `systoled`: it starts them, starts those again
//! that are to live on, reaps what is left, and ends them in good order. What the programs do is their own affair.
//!
//! Orders come on standard input, a line each: `start NAME`, `stop NAME`. SIGTERM ends all, the last one first.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, read};
use serde::{Deserialize, Serialize};

use crate::clock;

/// Before a program that died is started again: as `RestartSec=` in our unit, long enough not to take a processor.
const WAIT: Duration = Duration::from_millis(200);

/// A program that was told to end has so long before it is killed; systemd gives 90 s, and a test is not that patient.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest order; a service's name is a word.
const ORDER_BYTES: usize = 256;

/// A program that a node runs.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// What orders call it; also the name of its process.
    pub name: String,
    /// Its program and arguments.
    pub command: Vec<String>,
    /// Whether it is started again when it dies.
    pub again: bool,
    /// The file that its output goes to; the node's own standard error when absent.
    pub log: Option<String>,
}

struct Running<'a> {
    service: &'a Service,
    pid: Option<Pid>,
    start_at: Option<Instant>,
    /// It was told to end, and is not started again of itself.
    stopping: bool,
}

/// Runs them until it is told to end.
pub fn run(services: &[Service]) -> Result<ExitCode> {
    let mut signals = SigSet::empty();
    [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT].into_iter().for_each(|signal| signals.add(signal));
    signals.thread_block().context("holding signals back")?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .context("making a descriptor for signals")?;
    let now = Some(Instant::now());
    let running = services.iter().map(|service| Running { service, pid: None, start_at: now, stopping: false });
    let mut init = Init { running: running.collect(), order: Vec::new(), is_heard: true };
    loop {
        for running in &mut init.running {
            running.start_if_due();
        }
        init.wait(&signals)?;
        while let Some(signal) = signals.read_signal().context("reading signals")? {
            if signal.ssi_signo != Signal::SIGCHLD as u32 {
                return init.end();
            }
        }
        init.reap()?;
    }
}

struct Init<'a> {
    running: Vec<Running<'a>>,
    /// What has come of the next order.
    order: Vec<u8>,
    /// Whether orders may still come.
    is_heard: bool,
}

impl Init<'_> {
    /// Waits for a signal or an order, or until a program is due.
    fn wait(&mut self, signals: &SignalFd) -> Result<()> {
        let due = self.running.iter().filter_map(|running| running.start_at).min();
        let timeout = match due.map(|due| due.saturating_duration_since(Instant::now())) {
            None => PollTimeout::NONE,
            // Rounded up, so that it is not awake a little early again and again.
            Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
        };
        let stdin = io::stdin();
        let mut waited = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if self.is_heard {
            waited.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut waited, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("waiting for signals"),
        }
        if waited.get(1).is_some_and(|polled| polled.any().unwrap_or(true)) {
            let mut bytes = [0; ORDER_BYTES];
            match read(stdin.as_fd(), &mut bytes) {
                Ok(0) | Err(_) => self.is_heard = false,
                Ok(length) => self.hear(&bytes[..length]),
            }
        }
        Ok(())
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.order.extend_from_slice(bytes);
        while let Some(end) = self.order.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.order.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let (verb, name) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            match (verb, self.running.iter_mut().find(|running| running.service.name == name)) {
                ("start", Some(running)) => {
                    running.stopping = false;
                    if running.pid.is_none() {
                        running.start_at = Some(Instant::now());
                    }
                }
                ("stop", Some(running)) => running.stop(Signal::SIGTERM),
                _ => tell("error", &format!("process 1 does not understand the order {:?}", line.trim())),
            }
        }
        // Who sends a line without an end is not heard out.
        self.order.truncate(ORDER_BYTES);
    }

    /// Reaps all that have ended, strangers that were left to process 1 included.
    fn reap(&mut self) -> Result<()> {
        loop {
            let (pid, status) = match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, ExitStatus::from_raw(code << 8)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, ExitStatus::from_raw(signal as i32)),
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(error) => return Err(error).context("reaping processes"),
            };
            if let Some(running) = self.running.iter_mut().find(|running| running.pid == Some(pid)) {
                running.ended(status);
            }
        }
    }

    /// Ends all, the last one first: the daemon leaves the cluster before its engine goes.
    fn end(mut self) -> Result<ExitCode> {
        for index in (0..self.running.len()).rev() {
            self.running[index].stop(Signal::SIGTERM);
            let until = Instant::now() + PATIENCE;
            while self.running[index].pid.is_some() {
                if Instant::now() >= until {
                    self.running[index].stop(Signal::SIGKILL);
                }
                std::thread::sleep(Duration::from_millis(5));
                self.reap()?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Running<'_> {
    fn start_if_due(&mut self) {
        if self.pid.is_some() || self.start_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.start_at = None;
        match self.start() {
            Ok(pid) => self.pid = Some(pid),
            Err(error) => tell("error", &format!("{} cannot be started: {error:#}", self.service.name)),
        }
    }

    fn start(&self) -> Result<Pid> {
        let program = self.service.command.first().context("it has no program")?;
        // It begins with no signal blocked, whatever is done to those of process 1; and in a group of its own.
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETPGROUP)?;
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_pgroup(Pid::from_raw(0))?;
        let mut files = PosixSpawnFileActions::init()?;
        let null = File::open("/dev/null").context("opening /dev/null")?;
        files.add_dup2(null.as_raw_fd(), 0)?;
        let log = self.service.log.as_ref().map(|path| {
            let log = OpenOptions::new().create(true).append(true).open(path);
            log.with_context(|| format!("opening its log {path}"))
        });
        let log = log.transpose()?;
        if let Some(log) = &log {
            files.add_dup2(log.as_raw_fd(), 1)?;
            files.add_dup2(log.as_raw_fd(), 2)?;
        }
        let text = |text: &[u8]| CString::new(text).context("a program's words have no zero byte");
        let words = self.service.command.iter().map(|word| text(word.as_bytes())).collect::<Result<Vec<_>>>()?;
        let variables =
            std::env::vars_os().map(|(name, value)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat()));
        let variables = variables.collect::<Result<Vec<_>>>()?;
        posix_spawn(Path::new(program), &files, &attributes, &words, &variables)
            .with_context(|| format!("starting {program}"))
    }

    fn stop(&mut self, signal: Signal) {
        self.stopping = true;
        self.start_at = None;
        if let Some(pid) = self.pid {
            // It may have ended already; then it is reaped next.
            let _ = kill(pid, signal);
        }
    }

    fn ended(&mut self, status: ExitStatus) {
        self.pid = None;
        if self.stopping {
            return;
        }
        tell("warn", &format!("{} ended: {status}{}", self.service.name, self.last_words()));
        if self.service.again {
            self.start_at = Some(Instant::now() + WAIT);
        }
    }

    /// What it wrote last, if that went to a file.
    fn last_words(&self) -> String {
        let text = self.service.log.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().last().map(|line| format!(", its last words: {line}")).unwrap_or_default()
    }
}

/// A line in the form of `systoled`'s log, which the stage reads.
fn tell(level: &str, message: &str) {
    let line = serde_json::json!({
        "mono_us": clock::now_us(), "level": level, "event": "service", "message": message,
    });
    eprintln!("{line}");
}
