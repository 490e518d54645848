//! A watchdog and the two ends of a daemon's life: one that cannot start arms none, and one that is told to end as soon as
//! it has armed one leaves it disarmed. What feeds it in between is tried with the fencing, and in the guest.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::small::{Small, systoled};

/// A daemon with a plain file for its watchdog.
fn guarded(small: &Small) -> Command {
    let mut command = Command::new(systoled());
    command.args(["run", "--name", "a", "--id", "1", "--engine"]).arg(small.at("hub.sock"));
    for (option, file) in [
        ("--cib", "cib.xml"),
        ("--state", "a.state"),
        ("--socket", "a.sock"),
        ("--ocf-root", "ocf"),
        ("--watchdog", "watchdog"),
    ] {
        command.arg(option).arg(small.at(file));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

#[test]
fn a_daemon_that_cannot_start_arms_none() {
    let small = Small::new(1);
    fs::write(small.at("cib.xml"), "<cib").unwrap();
    let output = guarded(&small).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && errors.contains("cib.xml"), "{errors}");
    assert!(!small.at("watchdog").exists(), "a mistake in a file would be the host's end");
}

#[test]
fn a_daemon_that_is_told_to_end_at_once_leaves_none_armed() {
    let small = Small::new(1);
    small.configure("", "");
    let mut daemon = guarded(&small).stderr(Stdio::null()).spawn().unwrap();
    small.until("the watchdog is armed", || small.read("watchdog").starts_with("fed ").then_some(()));
    kill(Pid::from_raw(daemon.id().cast_signed()), Signal::SIGTERM).unwrap();
    let ended = daemon.wait().unwrap();
    assert!(ended.success(), "{ended}");
    assert_eq!(small.read("watchdog"), "V");
}
