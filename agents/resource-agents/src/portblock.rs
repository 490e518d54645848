//! portblock: drops what comes to ports of an address while the service behind them is not there, so that clients wait
//! instead of being refused; and sees to it that connections do not outlive the address they were made to.
//!
//! Two resources make a pair around a service. The one with `block` starts first and blocks; the one with `unblock`
//! starts last and unblocks, and the other way round when they stop. While the ports are open the first one still
//! counts as started: whether it is only its mark can tell.

mod connections;
mod describe;
mod firewall;
mod settings;
mod tickle;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ocf::{Agent, Context, Failure, Metadata, Status};

use crate::bounded::{Deadline, within};
use crate::run_directory::{Level, log, run_directory};
use crate::startable::startable;
use firewall::{Firewall, Rule};
use settings::{Settings, Side};

/// The agent.
pub struct Portblock;

/// Clients are told so often that their connection is over: a packet may be lost.
const TICKLES: u32 = 3;
/// Between two looks at what is left of connections that were reset.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Connections that are still there after so long are left to the kernel's own timers: a stop has more to do.
const RESET_WAIT: Duration = Duration::from_secs(2);

impl Agent for Portblock {
    fn metadata(&self) -> Metadata {
        describe::metadata()
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let (settings, deadline) = (Settings::read(call)?, Deadline::of(call));
        let firewall = Firewall::find(&settings, deadline)?;
        mark(call)?;
        match settings.side {
            Side::Block => firewall.add(&settings.rules()),
            Side::Unblock => {
                firewall.remove(&settings.rules())?;
                tickle_clients(&settings, deadline);
                Ok(())
            }
        }
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let Some(settings) = startable(Settings::read(call))? else { return Ok(()) };
        let deadline = Deadline::of(call);
        let firewall = Firewall::find(&settings, deadline)?;
        match settings.side {
            Side::Block => firewall.remove(&settings.rules())?,
            Side::Unblock => {
                // Only what was started is kept and cut: a stop of what is stopped changes nothing but the rules.
                if is_marked(call) {
                    keep_connections(&settings, deadline);
                }
                if settings.resets && !firewall.has_all(&settings.rules())? {
                    reset_connections(&settings, &firewall, deadline)?;
                }
                firewall.add(&settings.rules())?;
            }
        }
        unmark(call)
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let (settings, deadline) = (Settings::read(call)?, Deadline::of(call));
        let blocked = Firewall::find(&settings, deadline)?.has_all(&settings.rules())?;
        Ok(match (settings.side, blocked) {
            (Side::Block, true) => Status::Running,
            (Side::Unblock, true) => Status::Stopped,
            (_, false) if !is_marked(call) => Status::Stopped,
            (Side::Block, false) => Status::Running,
            (Side::Unblock, false) => {
                keep_connections(&settings, deadline);
                Status::Running
            }
        })
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        Firewall::find(&settings, Deadline::of(call))?;
        if let Some(directory) = &settings.tickle_directory
            && !directory.is_dir()
        {
            return Err(Failure::not_installed(format!(
                "tickle_dir {} is not a directory: make it, on a file system that moves with the address or is shared",
                directory.display()
            )));
        }
        if settings.resets && settings.tickle_directory.is_none() {
            log(
                Level::Warning,
                "reset_local_on_unblock_stop without tickle_dir: clients are not told on the next host",
            );
        }
        Ok(())
    }
}

/// The file that says that this resource was started since the host booted; the shell agent's has the same name.
fn marker(call: &Context) -> PathBuf {
    let resource = call.environment.resource.replace(['/', '\0'], "_");
    run_directory(call).join(if resource.is_empty() { "portblock-default".to_owned() } else { resource })
}

fn is_marked(call: &Context) -> bool {
    marker(call).exists()
}

fn mark(call: &Context) -> Result<(), Failure> {
    let file = marker(call);
    fs::create_dir_all(run_directory(call))
        .and_then(|()| fs::write(&file, ""))
        .map_err(|error| Failure::error(format!("writing {}: {error}", file.display())))
}

fn unmark(call: &Context) -> Result<(), Failure> {
    let file = marker(call);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::error(format!("removing {}: {error}", file.display())))
        }
        _ => Ok(()),
    }
}

/// Writes which connections there are to the address, for the host that has it next. Connections come and go: that it
/// fails costs some clients some seconds, and is told and no more.
fn keep_connections(settings: &Settings, deadline: Deadline) {
    let (Some(file), Some(ip)) = (settings.kept_file(), settings.ip) else { return };
    let shown = file.display().to_string();
    let sync = settings.sync_script.is_none();
    let kept = within(deadline.half().left(), move || -> io::Result<()> {
        let text = connections::to_text(&connections::established(ip)?);
        if fs::read_to_string(&file).is_ok_and(|before| before == text) {
            return Ok(());
        }
        let new = file.with_extension("new");
        {
            use std::io::Write as _;
            let mut out = fs::File::create(&new)?;
            out.write_all(text.as_bytes())?;
            // On a disk that the next host mounts after a crash, what is not on it was never written.
            if sync {
                out.sync_all()?;
            }
        }
        fs::rename(&new, &file)
    });
    match kept {
        Some(Ok(())) => {
            if let (Some(script), Some(file)) = (&settings.sync_script, settings.kept_file()) {
                send(script, &file);
            }
        }
        Some(Err(error)) => log(Level::Warning, &format!("keeping the list of connections in {shown}: {error}")),
        None => {
            log(Level::Warning, &format!("keeping the list of connections in {shown}: the file system does not answer"))
        }
    }
}

/// Starts the script that brings the file to the other hosts. Nobody waits for it.
fn send(script: &str, file: &std::path::Path) {
    let started = Command::new("/bin/sh")
        .args(["-c", "exec $0 \"$1\"", script])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        log(Level::Warning, &format!("starting the sync_script {script}: {error}"));
    }
}

/// Tells the clients of the host before this one that their connections are over.
fn tickle_clients(settings: &Settings, deadline: Deadline) {
    let Some(file) = settings.kept_file() else { return };
    let shown = file.display().to_string();
    let text = match within(deadline.half().left(), move || fs::read_to_string(&file)) {
        Some(Ok(text)) => text,
        // The first start ever.
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => return,
        Some(Err(error)) => return log(Level::Warning, &format!("reading the list of connections {shown}: {error}")),
        None => {
            return log(
                Level::Warning,
                &format!("reading the list of connections {shown}: the file system does not answer"),
            );
        }
    };
    let connections = connections::parse(&text);
    for _ in 0..TICKLES {
        if let Err(error) = tickle::send(&connections) {
            return log(Level::Warning, &format!("telling clients that their connections are over: {error}"));
        }
    }
    if !connections.is_empty() {
        log(
            Level::Info,
            &format!("{} connections of the host before are over, their clients were told", connections.len()),
        );
    }
}

/// Ends this host's own side of the connections, so that it does not take the clients for old friends when the address
/// comes back: what the server sends is answered with a reset, and it is made to send something.
fn reset_connections(settings: &Settings, firewall: &Firewall, deadline: Deadline) -> Result<(), Failure> {
    let Some(ip) = settings.ip else { return Ok(()) };
    let reset = Rule::reset(settings);
    firewall.insert(&reset)?;
    let mut left = Vec::new();
    let end = deadline.at_most(RESET_WAIT);
    loop {
        match connections::established(ip) {
            Ok(now) => left = now.into_iter().filter(|one| settings.ports.contain(one.local.port())).collect(),
            Err(error) => log(Level::Warning, &format!("looking for connections to {ip}: {error}")),
        }
        if left.is_empty() || end.is_over() {
            break;
        }
        let turned: Vec<_> = left.iter().map(connections::Connection::turned).collect();
        if let Err(error) = tickle::send(&turned) {
            log(Level::Warning, &format!("resetting connections to {ip}: {error}"));
            break;
        }
        thread::sleep(LOOK_AGAIN);
    }
    if !left.is_empty() {
        log(
            Level::Warning,
            &format!("{} connections to {ip} are still there, the first one from {}", left.len(), left[0].remote),
        );
    }
    firewall.remove(&[reset])
}
