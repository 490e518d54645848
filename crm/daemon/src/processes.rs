//! Starting agents and waiting for them: each a process group of its own, its output read to a bound.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use executor::{End, Operation, Output, Signal};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal as Unix, killpg};
use nix::unistd::Pid;
use node::{Event, Process, Program};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

/// How much of an agent's output is kept, of each of the two streams: its metadata is at most half of that, and an
/// exit reason is a line. The rest is read and dropped, so that the agent does not wait.
const OUTPUT_KEPT: usize = 64 * 1024;

/// Where agents lie.
#[derive(Clone, Debug)]
pub struct Directories {
    /// `OCF_ROOT`.
    pub ocf_root: PathBuf,
    /// Of fence agents.
    pub fence_agents: PathBuf,
}

/// Starts a process; `Ended` comes when it has, also when it could not be started. Gives its process group.
pub fn start(
    directories: &Directories,
    process: Process,
    program: &Program,
    events: &mpsc::Sender<Event>,
) -> Option<i32> {
    let started = prepare(directories, program).and_then(|(mut command, input)| {
        let child = command.spawn().map_err(|error| not_started(command.as_std().get_program().as_ref(), &error))?;
        Ok((child, input))
    });
    let events = events.clone();
    match started {
        Ok((child, input)) => {
            let group = child.id().and_then(|id| i32::try_from(id).ok());
            tokio::spawn(async move {
                let end = watch(child, input).await;
                // The daemon is gone when nobody takes it.
                let _ = events.send(Event::Ended { process, end }).await;
            });
            group
        }
        Err(end) => {
            tokio::spawn(async move {
                let _ = events.send(Event::Ended { process, end }).await;
            });
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

fn prepare(directories: &Directories, program: &Program) -> Result<(Command, Option<String>), End> {
    let (mut command, input) = match program {
        Program::Fence { agent, options } => {
            let path = in_directory(&directories.fence_agents, agent)?;
            (Command::new(path), Some(lines(options.iter())))
        }
        Program::Operation(operation) if operation.agent.class == "stonith" => {
            let path = in_directory(&directories.fence_agents, &operation.agent.kind)?;
            let own = |(name, _): &(&String, &String)| !name.starts_with("pcmk_") && !is_cluster_name(name);
            let action = operation.parameters.get("pcmk_monitor_action").map_or("monitor", String::as_str);
            let mut input = lines([(&"action".to_owned(), &action.to_owned())].into_iter());
            input.push_str(&lines(operation.parameters.iter().filter(own)));
            (Command::new(path), Some(input))
        }
        Program::Operation(operation) => (resource_agent(directories, operation)?, None),
    };
    command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .current_dir("/")
        .process_group(0);
    Ok((command, input))
}

fn resource_agent(directories: &Directories, operation: &Operation) -> Result<Command, End> {
    let provider = operation.agent.provider.as_deref().unwrap_or("heartbeat");
    let path = in_directory(&directories.ocf_root.join("resource.d").join(name(provider)?), &operation.agent.kind)?;
    let mut environment =
        ocf::Environment::new(&operation.resource, provider, &operation.agent.kind, &operation.action);
    environment.root = directories.ocf_root.display().to_string();
    environment.add_attributes(operation.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    environment.interval_ms = operation.interval_ms.into();
    environment.timeout_ms = Some(operation.timeout_ms.into());
    let mut command = Command::new(path);
    command.arg(&operation.action).envs(environment.variables());
    Ok(command)
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

fn not_started(path: &Path, error: &std::io::Error) -> End {
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
async fn watch(mut child: Child, input: Option<String>) -> End {
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
    if let Some(stream) = stdout
        && let Ok(rest) = stream.into_owned_fd()
    {
        drain(rest, &mut out);
    }
    if let Some(stream) = stderr
        && let Ok(rest) = stream.into_owned_fd()
    {
        drain(rest, &mut err);
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let output = Output { stdout: text(out), stderr: text(err) };
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

async fn keep(stream: &mut Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
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

fn drain(rest: std::os::fd::OwnedFd, kept: &mut Vec<u8>) {
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
