//! The kernel's server run by its units, where systemd is process 1.

use std::fs;
use std::path::{Path, PathBuf};

use ocf::Failure;

use super::settings::Settings;
use super::{kernel, memory, programs, scope};
use crate::bounded::Deadline;
use crate::command;

const SERVER: &str = "nfs-server.service";
/// Red Hat's older name comes first: where both are there, it starts the other.
const FOR_LOCKS: [&str; 2] = ["nfs-lock.service", "rpc-statd.service"];
const HELPERS: [&str; 3] = ["nfs-mountd.service", "nfs-idmapd.service", "nfsdcld.service"];
const PIPES: &str = "var-lib-nfs-rpc_pipefs.mount";
/// Where systemd looks for units.
const PLACES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// What the agent adds to the server's unit while it is started by it.
const DROP_IN: &str = "/run/systemd/system/nfs-server.service.d/52-systole-scope.conf";

/// Does systemd run here, and does it know the server?
pub fn is_there() -> bool {
    Path::new("/run/systemd/system").is_dir() && file(SERVER).is_some()
}

fn file(unit: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(unit)).find(|path| path.exists())
}

fn known<'a>(units: &[&'a str]) -> Vec<&'a str> {
    units.iter().copied().filter(|unit| file(unit).is_some()).collect()
}

fn systemctl(words: &[&str], deadline: Deadline) -> Result<command::Ran, Failure> {
    command::run(&command::need("systemctl", "systemd")?, words, deadline)
}

/// Does it, or says what systemd says.
fn carry_out(order: &str, units: &[&str], deadline: Deadline) -> Result<(), Failure> {
    if units.is_empty() {
        return Ok(());
    }
    let ran = systemctl(&[&[order], units].concat(), deadline)?;
    if ran.is_good() {
        return Ok(());
    }
    Err(Failure::error(format!("systemctl {order} {}: {}", units.join(" "), ran.words())))
}

/// Has the pipes taken away that were mounted at boot: the shared directory is to be shown above them.
pub fn free_memory(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    match &settings.shared_directory {
        Some(directory) if !memory::is_shown(directory)? => carry_out("stop", &known(&[PIPES]), deadline),
        _ => Ok(()),
    }
}

/// Starts everything, and returns when it serves.
pub fn start(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    set_scope(settings.scope.as_deref(), deadline)?;
    let mut units = Vec::new();
    if !settings.v4_only {
        units.extend(known(&["rpcbind.service"]));
        units.extend(known(&FOR_LOCKS));
    }
    units.extend(known(&HELPERS));
    carry_out("start", &units, deadline)?;
    carry_out("start", &[SERVER], deadline)
}

/// Ends everything.
pub fn stop(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    carry_out("stop", &[SERVER], deadline)?;
    kernel::end_threads()?;
    let mut units = known(&HELPERS);
    if !settings.v4_only {
        units.extend(known(&FOR_LOCKS));
    }
    carry_out("stop", &units, deadline)?;
    set_scope(None, deadline)
}

/// Is every part of it active? The kernel's threads run.
pub fn check(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    let ran = systemctl(&["is-active", SERVER], deadline)?;
    if !ran.is_good() {
        let state = ran.output.trim();
        return Err(Failure::error(format!(
            "the kernel's NFS server runs, but {SERVER} is {state}: something else has started it"
        )));
    }
    programs::check(settings)
}

/// Makes systemd start the server under the scope's name, or as its unit says.
fn set_scope(name: Option<&str>, deadline: Deadline) -> Result<(), Failure> {
    let failed = |error| Failure::error(format!("writing {DROP_IN}: {error}"));
    let wanted = match name {
        None => None,
        Some(name) => {
            let unit = file(SERVER).unwrap_or_default();
            let text = fs::read_to_string(&unit)
                .map_err(|error| Failure::error(format!("reading {}: {error}", unit.display())))?;
            let (program, words) = scope::wrapped(name)?;
            Some(drop_in(&text, &format!("{} {}", program.display(), words.join(" "))))
        }
    };
    if fs::read_to_string(DROP_IN).ok() == wanted {
        // Reading all units again is work for systemd.
        return Ok(());
    }
    match (&wanted, Path::new(DROP_IN).parent()) {
        (Some(text), Some(directory)) => {
            fs::create_dir_all(directory).and_then(|()| fs::write(DROP_IN, text)).map_err(failed)?;
        }
        _ => fs::remove_file(DROP_IN).map_err(failed)?,
    }
    let ran = systemctl(&["daemon-reload"], deadline)?;
    if ran.is_good() { Ok(()) } else { Err(Failure::error(format!("systemctl daemon-reload: {}", ran.words()))) }
}

/// The server's start lines with another program in front of each.
fn drop_in(unit: &str, wrapper: &str) -> String {
    let mut out = "[Service]\nExecStart=\n".to_owned();
    for line in unit.lines().filter_map(|line| line.trim().strip_prefix("ExecStart=")) {
        let command = line.trim_start_matches(['-', '+', ':', '!', '@']);
        let marks = &line[..line.len() - command.len()];
        out += &format!("ExecStart={marks}{wrapper} {command}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_started_through_the_wrapper() {
        let unit = "[Service]\nType=oneshot\nExecStartPre=-/usr/sbin/exportfs -r\nExecStart=/usr/sbin/rpc.nfsd\nExecStart=-/bin/more x\n";
        assert_eq!(
            drop_in(unit, "/agents --with-scope nfs"),
            "[Service]\nExecStart=\nExecStart=/agents --with-scope nfs /usr/sbin/rpc.nfsd\nExecStart=-/agents --with-scope nfs /bin/more x\n"
        );
    }
}
