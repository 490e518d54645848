//! nfsserver: the kernel's NFS server, or NFS-Ganesha, as a service that moves: its memory of clients and locks lies in a
//! directory that moves with it, and clients of the host before get their locks back. What is exported is `exportfs`'s.
//!
//! ```text
//!  how it is run       programs (rpc.nfsd and its helpers), units of systemd, an init script, or Ganesha     manner
//!  what it remembers   /var/lib/nfs, shown from the shared directory                                          memory
//!  what the kernel says threads, lease, grace                                                                  kernel
//!  who lost locks      sm-notify for NFSv3; for NFSv4 nfsdcld and the scope                                notify, scope
//! ```

mod daemons;
mod describe;
mod ganesha;
mod kernel;
mod memory;
mod notify;
mod programs;
mod scope;
mod settings;
mod units;

use std::path::Path;
use std::process::ExitCode;

use ocf::{Agent, Context, Failure, Metadata, Status};

use crate::bounded::Deadline;
use crate::command;
use crate::run_directory::{Level, log};
use crate::startable::startable;
use settings::{Manner, Settings};

/// The agent.
pub struct Nfsserver;

/// First arguments of processes that this agent starts of itself.
pub const OWN_PROCESSES: [&str; 2] = [notify::NOTIFY, scope::WITH_SCOPE];

/// Runs one of these processes; the arguments begin with its name.
pub fn own_process(arguments: &[String]) -> ExitCode {
    match arguments.split_first() {
        Some((name, rest)) if name == notify::NOTIFY => notify::command(rest),
        Some((name, rest)) if name == scope::WITH_SCOPE => scope::command(rest),
        _ => ExitCode::from(2),
    }
}

impl Agent for Nfsserver {
    fn metadata(&self) -> Metadata {
        describe::metadata()
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let (settings, deadline) = (Settings::read(call)?, Deadline::of(call));
        let manner = settings.manner()?;
        if look(&settings, &manner, deadline)? == Status::Running {
            return Ok(());
        }
        // What a start that failed has left is the stop's to clear away: the resource manager stops after that.
        if let Manner::Units = manner {
            units::free_memory(&settings, deadline)?;
        }
        memory::show(&settings)?;
        let lost = notify::Lost::gather(&settings)?;
        if let Manner::Ganesha = manner {
            ganesha::start(&settings, deadline)?;
            return lost.notify(&settings, deadline);
        }
        kernel::prepare(&settings, deadline)?;
        memory::show_pipes(&settings)?;
        match &manner {
            Manner::Programs => programs::start(&settings, deadline)?,
            Manner::Units => units::start(&settings, deadline)?,
            Manner::Script(script) => script_start(script, &settings, deadline)?,
            Manner::Ganesha => {}
        }
        if kernel::threads()? == 0 {
            return Err(Failure::error(
                "the NFS server was started without an error, but the kernel has no threads for it: see /proc/fs/nfsd/threads",
            ));
        }
        kernel::compare(&settings);
        lost.notify(&settings, deadline)
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        // With parameters that make no sense there may still be a server, of this host's own: it is not ours.
        let Some(settings) = startable(Settings::read(call))? else { return Ok(()) };
        let deadline = Deadline::of(call);
        // Without the programs nothing of it can run here.
        let Ok(manner) = settings.manner() else { return Ok(()) };
        notify::end(deadline)?;
        // Only of a server that runs: what a host has of its own, where none runs, is not ours to keep.
        if !matches!(look(&settings, &manner, deadline), Ok(Status::Stopped)) {
            notify::keep(&settings);
        }
        match &manner {
            Manner::Ganesha => ganesha::stop(&settings, deadline)?,
            Manner::Programs => programs::stop(deadline)?,
            Manner::Units => units::stop(&settings, deadline)?,
            Manner::Script(script) => {
                let ran = command::run(script, &["stop"], deadline)?;
                if !ran.is_good() {
                    return Err(Failure::error(format!("{} stop: {}", script.display(), ran.words())));
                }
                programs::stop(deadline)?;
            }
        }
        memory::hide(&settings, deadline)
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let (settings, deadline) = (Settings::read(call)?, Deadline::of(call));
        match settings.manner() {
            Ok(manner) => look(&settings, &manner, deadline),
            // A probe of a host where it can never run finds it not running.
            Err(_) if call.environment.is_probe() => Ok(Status::Stopped),
            Err(failure) => Err(failure),
        }
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        Settings::read(call)?.manner().map(drop)
    }
}

/// Whether it runs; an error when a part of it is missing.
fn look(settings: &Settings, manner: &Manner, deadline: Deadline) -> Result<Status, Failure> {
    if let Manner::Ganesha = manner {
        return ganesha::monitor(settings, deadline);
    }
    if kernel::threads()? == 0 {
        return Ok(Status::Stopped);
    }
    if let Some(directory) = &settings.shared_directory
        && !memory::is_shown(directory)?
    {
        return Err(Failure::error(format!(
            "an NFS server runs here that keeps its memory in this host's own /var/lib/nfs, and not in {}: something else has \
             started it (is nfs-server enabled at boot?)",
            directory.display()
        )));
    }
    match manner {
        Manner::Programs => programs::check(settings)?,
        Manner::Units => units::check(settings, deadline)?,
        Manner::Script(script) => {
            let ran = command::run(script, &["status"], deadline)?;
            if !ran.is_good() {
                return Err(Failure::error(format!(
                    "the kernel's server runs, but {} status: {}",
                    script.display(),
                    ran.words()
                )));
            }
        }
        Manner::Ganesha => {}
    }
    Ok(Status::Running)
}

fn script_start(script: &Path, settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    if !settings.v4_only {
        programs::start_for_locks(deadline)?;
    }
    let ran = match &settings.scope {
        None => command::run(script, &["start"], deadline)?,
        Some(name) => {
            let (program, mut words) = scope::wrapped(name)?;
            words.extend([script.display().to_string(), "start".to_owned()]);
            command::run(&program, &words, deadline)?
        }
    };
    if ran.is_good() {
        log(Level::Info, &format!("{} start: {}", script.display(), ran.words()));
        return Ok(());
    }
    Err(Failure::error(format!("{} start: {}", script.display(), ran.words())))
}
