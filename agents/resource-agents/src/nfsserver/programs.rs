//! The kernel's server run by its programs, one by one: rpcbind, rpc.statd, nfsdcld, rpc.mountd, rpc.nfsd.

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use ocf::Failure;

use super::settings::Settings;
use super::{daemons, kernel, scope};
use crate::bounded::Deadline;
use crate::command;

const PACKAGE: &str = "nfs-kernel-server";
/// Where rpcbind answers; newer and older place.
const RPCBIND: [&str; 2] = ["/run/rpcbind.sock", "/var/run/rpcbind.sock"];
/// Between two looks whether a helper is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The helpers that are ended with the server. rpcbind stays: others may have registered there.
const OURS: [&str; 4] = ["rpc.mountd", "sm-notify", "rpc.statd", "nfsdcld"];

/// Starts everything, and returns when it serves.
pub fn start(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    if !settings.v4_only {
        start_for_locks(deadline)?;
    }
    start_recovery(deadline)?;
    // What is listed as exported is what the host before has exported; what is exported here is started after this.
    call("exportfs", &["-r"], deadline)?;
    if daemons::named("rpc.mountd").is_empty() {
        let without: &[&str] = if settings.v4_only { &["--no-nfs-version", "3", "--no-nfs-version", "2"] } else { &[] };
        call("rpc.mountd", without, deadline)?;
    }
    let mut words = Vec::new();
    if settings.v4_only {
        words.extend(["--no-nfs-version".to_owned(), "3".to_owned()]);
    }
    words.extend(settings.threads.map(|threads| threads.to_string()));
    let nfsd = command::need("rpc.nfsd", PACKAGE)?;
    let ran = match &settings.scope {
        None => command::run(&nfsd, &words, deadline)?,
        Some(name) => {
            let (program, mut wrapped) = scope::wrapped(name)?;
            wrapped.push(nfsd.display().to_string());
            wrapped.extend(words);
            command::run(&program, &wrapped, deadline)?
        }
    };
    if ran.is_good() { Ok(()) } else { Err(Failure::error(format!("starting rpc.nfsd: {}", ran.words()))) }
}

/// Starts what NFSv3 needs for its locks.
pub fn start_for_locks(deadline: Deadline) -> Result<(), Failure> {
    if !rpcbind_answers() {
        call("rpcbind", &[], deadline)?;
        wait("rpcbind to answer", deadline, rpcbind_answers)?;
    }
    if daemons::named("rpc.statd").is_empty() {
        // Clients are told by the agent, from the service's address.
        call("rpc.statd", &["--no-notify"], deadline)?;
    }
    Ok(())
}

/// Starts what remembers NFSv4 clients. The kernel asks for it once and not for long, when the server starts, through a
/// pipe that it makes then: nfsdcld must be watching for it, or nobody gets a lock back.
fn start_recovery(deadline: Deadline) -> Result<(), Failure> {
    if daemons::named("nfsdcld").is_empty() {
        if command::find("nfsdcld").is_none() {
            // Older servers keep it in v4recovery, which is shared as well.
            return Ok(());
        }
        call("nfsdcld", &[], deadline)?;
    }
    wait("nfsdcld to watch for the kernel", deadline, || {
        daemons::named("nfsdcld").iter().any(|pid| daemons::watches_or_has(*pid, "nfsd/cld"))
    })
}

fn rpcbind_answers() -> bool {
    RPCBIND.iter().any(|socket| UnixStream::connect(socket).is_ok()) && !daemons::named("rpcbind").is_empty()
}

fn call(program: &str, words: &[&str], deadline: Deadline) -> Result<(), Failure> {
    let package = if program == "rpcbind" { "rpcbind" } else { PACKAGE };
    let ran = command::run(&command::need(program, package)?, words, deadline)?;
    if ran.is_good() { Ok(()) } else { Err(Failure::error(format!("starting {program}: {}", ran.words()))) }
}

fn wait(what: &str, deadline: Deadline, mut is_so: impl FnMut() -> bool) -> Result<(), Failure> {
    while !is_so() {
        if deadline.is_over() {
            return Err(Failure::error(format!("waited in vain for {what}")));
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Ends everything.
pub fn stop(deadline: Deadline) -> Result<(), Failure> {
    kernel::end_threads()?;
    for name in OURS {
        daemons::end(daemons::named(name), name, deadline)?;
    }
    Ok(())
}

/// Is every helper there? The kernel's threads run.
pub fn check(settings: &Settings) -> Result<(), Failure> {
    let for_locks: &[&str] = if settings.v4_only { &[] } else { &["rpcbind", "rpc.statd"] };
    let for_recovery: &[&str] = if command::find("nfsdcld").is_some() { &["nfsdcld"] } else { &[] };
    for name in for_locks.iter().chain(for_recovery).chain(&["rpc.mountd"]) {
        if daemons::named(name).is_empty() {
            return Err(Failure::error(format!(
                "the NFS server runs, but its helper {name} does not: it has ended or was killed"
            )));
        }
    }
    Ok(())
}
