//! The server as the kernel shows it in `/proc/fs/nfsd`: its threads, its lease and its grace. There is one for each
//! network namespace.

use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use ocf::{ExitCode, Failure};

use super::settings::Settings;
use crate::bounded::Deadline;
use crate::command;
use crate::filesystem::mounts::{mounted_at, mounts};
use crate::run_directory::{Level, log};

const PLACE: &str = "/proc/fs/nfsd";
const THREADS: &str = "/proc/fs/nfsd/threads";
const LEASE: &str = "/proc/fs/nfsd/nfsv4leasetime";
const GRACE: &str = "/proc/fs/nfsd/nfsv4gracetime";
/// The lock manager's grace, which NFSv4's locks wait for as well.
const LOCKD_GRACE: &str = "/proc/sys/fs/nfs/nlm_grace_period";

/// How many threads serve; none where the kernel has no server.
pub fn threads() -> Result<u64, Failure> {
    match fs::read_to_string(THREADS) {
        Ok(text) => {
            text.trim().parse().map_err(|_| Failure::error(format!("{THREADS} says {text:?}; expected a number")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::new(
            ExitCode::InsufficientPrivileges,
            format!("reading {THREADS}: {error}; run the agent as root"),
        )),
        Err(error) => Err(Failure::error(format!("reading {THREADS}: {error}"))),
    }
}

/// Ends all threads; the kernel answers when they are gone.
pub fn end_threads() -> Result<(), Failure> {
    if threads()? == 0 {
        return Ok(());
    }
    fs::write(THREADS, "0\n")
        .map_err(|error| Failure::error(format!("ending the NFS server through {THREADS}: {error}")))
}

/// Has the kernel's server loaded and its files mounted, and sets the times, which can be set only before it runs.
pub fn prepare(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    if !is_known() {
        if let Some(modprobe) = command::find("modprobe") {
            // What it says matters only if the server is not there then.
            let _ = command::run(&modprobe, &["--quiet", "nfsd"], deadline)?;
        }
        if !is_known() {
            return Err(Failure::not_installed(
                "this host's kernel has no NFS server: the module nfsd cannot be loaded",
            ));
        }
    }
    let mounts = mounts().map_err(|error| Failure::error(format!("looking at what is mounted: {error}")))?;
    if mounted_at(&mounts, Path::new(PLACE)).is_none() {
        mount(Some("nfsd"), PLACE, Some("nfsd"), MsFlags::empty(), None::<&str>)
            .map_err(|error| Failure::error(format!("mounting nfsd on {PLACE}: {}", error.desc())))?;
    }
    for (file, seconds) in [(LEASE, settings.lease_s), (GRACE, settings.grace_s), (LOCKD_GRACE, settings.grace_s)] {
        if let Some(seconds) = seconds
            && read(file) != Some(seconds)
        {
            fs::write(file, format!("{seconds}\n"))
                .map_err(|error| Failure::error(format!("setting {file} to {seconds}: {error}")))?;
        }
    }
    Ok(())
}

/// Tells when the server runs with other times than were asked for: its own configuration has the last word.
pub fn compare(settings: &Settings) {
    for (file, wanted, name) in
        [(LEASE, settings.lease_s, "nfs_lease_time"), (GRACE, settings.grace_s, "nfs_grace_time")]
    {
        if let (Some(wanted), Some(found)) = (wanted, read(file))
            && wanted != found
        {
            log(
                Level::Warning,
                &format!("{name} is {wanted}, but the server runs with {found} s: /etc/nfs.conf sets it"),
            );
        }
    }
}

fn read(file: &str) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn is_known() -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.split_whitespace().last() == Some("nfsd"))
}
