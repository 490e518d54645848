//! Starting agents and waiting for them: each a process group of its own, its output read to a bound. Units of systemd
//! are no processes of ours; how those are asked is left to `units`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use executor::{Agent, End, Operation, Output, Signal};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal as Unix, killpg};
use nix::unistd::Pid;
use node::{Event, Process, Program};
use systemd::{Systemd, UnitName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use crate::units;

/// How much of an agent's output is kept, of each of the two streams: its metadata is at most half of that, and an
/// exit reason is a line. The rest is read and dropped, so that the agent does not wait.
const OUTPUT_KEPT: usize = 64 * 1024;

/// Where a shell's words are looked for. Agents count on those for administrators, which a daemon's PATH may lack.
const SEARCHED: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What agents find of the cluster itself, as they do under Pacemaker. Logs are read from their output.
const CLUSTER: [(&str, &str); 5] = [
    ("HA_cluster_type", "corosync"),
    ("HA_debug", "0"),
    ("HA_logfacility", "none"),
    ("PCMK_logfacility", "none"),
    ("PCMK_service", "systoled"),
];

/// Where agents lie, and who runs units.
#[derive(Clone, Debug)]
pub struct Agents {
    /// `OCF_ROOT`.
    pub ocf_root: PathBuf,
    /// Of fence agents.
    pub fence_agents: PathBuf,
    /// Of init scripts, class `lsb`.
    pub init_scripts: PathBuf,
    /// Units, class `systemd`.
    pub systemd: Systemd,
}

/// Something at work for the node: what it can be signalled by.
#[derive(Debug)]
pub enum Running {
    /// A process group of ours.
    Group(i32),
    /// A task of ours, which waits for systemd or for an agent that watches.
    Task(Asked),
}

/// A task that can be signalled like a process.
#[derive(Debug)]
pub struct Asked {
    signals: mpsc::Sender<Signal>,
}

/// TERM and KILL, once each.
const SIGNALS: usize = 2;

impl Asked {
    /// The handle, and what the task hears by.
    pub fn new() -> (Asked, mpsc::Receiver<Signal>) {
        let (signals, told) = mpsc::channel(SIGNALS);
        (Asked { signals }, told)
    }

    /// Signals it. One that has its answer needs no signal.
    pub fn signal(&self, what: Signal) {
        let _ = self.signals.try_send(what);
    }
}

impl Running {
    /// The process group, if it is one.
    pub fn group(&self) -> Option<i32> {
        match self {
            Running::Group(group) => Some(*group),
            Running::Task(_) => None,
        }
    }

    /// Signals it. What is gone needs no signal.
    pub fn signal(&self, what: Signal) {
        match self {
            Running::Group(group) => signal(*group, what),
            Running::Task(asked) => asked.signal(what),
        }
    }
}

/// Starts what the program says; `Ended` comes when it has ended, also when it could not be started. Gives what can be
/// signalled meanwhile.
pub fn start(agents: &Agents, process: Process, program: &Program, events: &mpsc::Sender<Event>) -> Option<Running> {
    let events = events.clone();
    let tell = async move |end| {
        // The daemon is gone when nobody takes it.
        let _ = events.send(Event::Ended { process, end }).await;
    };
    if let Program::Operation(operation) = program
        && let Some(unit) = agents.unit(operation)
    {
        let (asked, answered) = match unit {
            Some(unit) => units::ask(&agents.systemd, unit, &operation.action),
            None => {
                let reason = format!("{:?} is not the name of a unit", operation.agent.kind);
                tokio::spawn(async move { tell(End::NotStarted { reason, missing: true }).await });
                return None;
            }
        };
        tokio::spawn(async move { tell(answered.await).await });
        return Some(Running::Task(asked));
    }
    let started = prepare(agents, program).and_then(|prepared| {
        let mut command = prepared.command;
        let child = command.spawn().map_err(|error| not_started(command.as_std().get_program().as_ref(), &error))?;
        Ok((child, prepared.input, prepared.is_init_script))
    });
    match started {
        Ok((child, input, is_init_script)) => {
            let group = child.id().and_then(|id| i32::try_from(id).ok());
            tokio::spawn(async move {
                let end = watch(child, input).await;
                tell(match end {
                    End::Exited { code, output } if is_init_script => End::InitScript { code, output },
                    end => end,
                })
                .await;
            });
            group.map(Running::Group)
        }
        Err(end) => {
            tokio::spawn(async move { tell(end).await });
            None
        }
    }
}

/// Signals a whole process group. One that is gone needs no signal.
pub fn signal(group: i32, signal: Signal) {
    let signal = match signal {
        Signal::Term => Unix::SIGTERM,
        Signal::Kill => Unix::SIGKILL,
    };
    if group > 1 {
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

/// A program that is about to be started.
pub(crate) struct Prepared {
    pub command: Command,
    /// For standard input.
    pub input: Option<String>,
    is_init_script: bool,
}

/// How a program is started.
pub(crate) fn prepare(agents: &Agents, program: &Program) -> Result<Prepared, End> {
    let mut is_init_script = false;
    let (mut command, input) = match program {
        Program::Fence { agent, options } => {
            let path = in_directory(&agents.fence_agents, agent)?;
            (Command::new(path), Some(lines(options.iter())))
        }
        Program::Operation(operation) | Program::Watch(operation) => match operation.agent.class.as_str() {
            "stonith" => {
                let path = in_directory(&agents.fence_agents, &operation.agent.kind)?;
                let own = |(name, _): &(&String, &String)| !name.starts_with("pcmk_") && !is_cluster_name(name);
                let action = operation.parameters.get("pcmk_monitor_action").map_or("monitor", String::as_str);
                let mut input = lines([(&"action".to_owned(), &action.to_owned())].into_iter());
                input.push_str(&lines(operation.parameters.iter().filter(own)));
                (Command::new(path), Some(input))
            }
            "lsb" | "service" => {
                is_init_script = true;
                (init_script(agents, operation)?, None)
            }
            _ => (resource_agent(agents, operation, &operation.action)?, None),
        },
    };
    apart(&mut command)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(Prepared { command, input, is_init_script })
}

/// As agents are started: a process group of their own, which finds programs where administrators do.
pub(crate) fn apart(command: &mut Command) -> &mut Command {
    command.env("PATH", search_path()).current_dir("/").process_group(0)
}

impl Agents {
    /// Where a resource agent of class `ocf` lies.
    pub(crate) fn path(&self, agent: &Agent) -> Result<PathBuf, End> {
        in_directory(&self.ocf_root.join("resource.d").join(name(provider(agent))?), &agent.kind)
    }

    /// What it finds in its environment.
    pub(crate) fn environment(&self, operation: &Operation) -> ocf::Environment {
        let agent = &operation.agent;
        let mut environment =
            ocf::Environment::new(&operation.resource, provider(agent), &agent.kind, &operation.action);
        environment.root = self.ocf_root.display().to_string();
        environment.add_attributes(operation.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        environment.interval_ms = operation.interval_ms.into();
        environment.timeout_ms = Some(operation.timeout_ms.into());
        environment.extra = CLUSTER.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        environment
    }

    /// The unit that an operation is for: `None` when it is for none, `Some(None)` when that is no name of a unit.
    fn unit(&self, operation: &Operation) -> Option<Option<UnitName>> {
        let kind = &operation.agent.kind;
        match operation.agent.class.as_str() {
            "systemd" => Some(UnitName::new(kind)),
            // Either will do; an init script that is there was put there by somebody.
            "service" if !self.has_init_script(kind) => Some(UnitName::new(kind)),
            _ => None,
        }
    }

    fn has_init_script(&self, kind: &str) -> bool {
        name(kind).is_ok_and(|kind| self.init_scripts.join(kind).is_file())
    }
}

fn init_script(agents: &Agents, operation: &Operation) -> Result<Command, End> {
    let mut command = Command::new(in_directory(&agents.init_scripts, &operation.agent.kind)?);
    // LSB: what OCF calls monitor is called status there.
    command.arg(if operation.action == "monitor" { "status" } else { &operation.action });
    Ok(command)
}

/// PATH as this daemon has it, and behind it what it lacks of the places where Debian has its programs.
pub(crate) fn search_path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    let has: Vec<&str> = own.split(':').filter(|place| !place.is_empty()).collect();
    let lacking = SEARCHED.iter().copied().filter(|place| !has.contains(place));
    has.iter().copied().chain(lacking).collect::<Vec<_>>().join(":")
}

/// A resource agent with the environment of an operation, to be called with an argument that is the operation's action as
/// a rule.
pub(crate) fn resource_agent(agents: &Agents, operation: &Operation, argument: &str) -> Result<Command, End> {
    let mut command = Command::new(agents.path(&operation.agent)?);
    command.arg(argument).envs(agents.environment(operation).variables()).env("PATH", search_path());
    Ok(command)
}

/// Who an agent comes from.
fn provider(agent: &Agent) -> &str {
    agent.provider.as_deref().unwrap_or("heartbeat")
}

fn is_cluster_name(name: &str) -> bool {
    // Of a fence device's parameters these are for the cluster; `action` would turn a question into a reboot.
    name.starts_with("CRM_meta_")
        || matches!(name, "crm_feature_set" | "action" | "priority" | "stonith-timeout" | "provides")
}

fn lines<'a>(options: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    options
        .filter(|(name, value)| !name.contains(['\n', '=']) && !value.contains('\n'))
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

/// The path of an agent. Names come from the configuration: one that leads elsewhere is no agent.
fn in_directory(directory: &Path, agent: &str) -> Result<PathBuf, End> {
    Ok(directory.join(name(agent)?))
}

fn name(text: &str) -> Result<&str, End> {
    if text.is_empty() || text.starts_with('.') || text.contains(['/', '\0']) {
        let reason = format!("{text:?} is not the name of an agent");
        return Err(End::NotStarted { reason, missing: true });
    }
    Ok(text)
}

/// What is told of a program that could not be started.
pub(crate) fn not_started(path: &Path, error: &std::io::Error) -> End {
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    let reason = if missing {
        format!("there is no agent {}: install the package it comes from, on this node too", path.display())
    } else {
        format!("{} could not be started: {error}", path.display())
    };
    End::NotStarted { reason, missing }
}

/// Reads, feeds and waits until the process has ended. Children that it leaves behind with its output open do not
/// matter: what lies in the pipes by then is all that is read.
pub(crate) async fn watch(mut child: Child, input: Option<String>) -> End {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let feeding = tokio::spawn(feed(child.stdin.take(), input));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let reading = async {
            tokio::join!(keep(&mut stdout, &mut out), keep(&mut stderr, &mut err));
            std::future::pending::<()>().await
        };
        tokio::select! {
            status = child.wait() => status,
            () = reading => unreachable!("it waits for ever at its end"),
        }
    };
    feeding.abort();
    drained(stdout.and_then(|stream| stream.into_owned_fd().ok()), &mut out);
    drained(stderr.and_then(|stream| stream.into_owned_fd().ok()), &mut err);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let output = Output { stdout: text(out), stderr: text(err) };
    ended(status, output)
}

/// How a process ended that was waited for.
pub(crate) fn ended(status: std::io::Result<std::process::ExitStatus>, output: Output) -> End {
    match status {
        Ok(status) => match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
            (Some(code), _) => End::Exited { code, output },
            (None, signal) => End::Signalled { signal: signal.unwrap_or(0), output },
        },
        Err(error) => End::NotStarted { reason: format!("waiting for it: {error}"), missing: false },
    }
}

async fn feed(stdin: Option<ChildStdin>, input: Option<String>) {
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        // An agent that does not read its options says so itself.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
}

/// Reads to the end, keeps as much as is kept.
pub(crate) async fn keep(stream: &mut Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(stream) = stream else { return };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        append(kept, &buffer[..count]);
    }
}

fn append(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = OUTPUT_KEPT.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
}

/// Keeps what lies in a pipe, without waiting for more.
pub(crate) fn drained(rest: Option<std::os::fd::OwnedFd>, kept: &mut Vec<u8>) {
    let Some(rest) = rest else { return };
    if fcntl(&rest, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_err() {
        return;
    }
    let mut file = std::fs::File::from(rest);
    let mut buffer = [0; 4096];
    // A child left behind may go on writing: what is kept is the bound.
    while kept.len() < OUTPUT_KEPT {
        match file.read(&mut buffer) {
            Ok(count @ 1..) => append(kept, &buffer[..count]),
            _ => return,
        }
    }
}
