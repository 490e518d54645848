//! The server's helpers as processes: which of them run in this network namespace, and their end.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ocf::Failure;

use crate::bounded::Deadline;
use crate::run_directory::{Level, log};

/// Between two looks whether processes that were told to end are gone.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The kernel keeps so much of a program's name.
const NAME_BYTES: usize = 15;

/// The processes of this name here. Those of containers with a network of their own are not ours.
pub fn named(name: &str) -> Vec<Pid> {
    let name = &name[..name.len().min(NAME_BYTES)];
    all().into_iter().filter(|pid| comm(*pid).is_some_and(|comm| comm == name)).collect()
}

/// The processes here with this word among their arguments.
pub fn with_argument(word: &str) -> Vec<Pid> {
    let has = |pid: &Pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        *pid != Pid::this() && line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    all().into_iter().filter(has).collect()
}

fn all() -> Vec<Pid> {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    pids.filter(|pid| !is_gone(*pid) && fs::read_link(format!("/proc/{pid}/ns/net")).ok() == own).collect()
}

fn comm(pid: Pid) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// One that is dead and only waits for its parent to notice holds nothing any more.
fn is_gone(pid: Pid) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => true,
        Ok(stat) => stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X'])),
    }
}

/// Ends these processes: TERM, and KILL when half of the time is over. `what` is for people.
pub fn end(pids: Vec<Pid>, what: &str, deadline: Deadline) -> Result<(), Failure> {
    let mut left = pids;
    for (signal, until) in [(Signal::SIGTERM, deadline.half()), (Signal::SIGKILL, deadline)] {
        for pid in &left {
            // One that has just ended of itself is as it should be.
            let _ = kill(*pid, signal);
        }
        loop {
            left.retain(|pid| !is_gone(*pid));
            if left.is_empty() {
                return Ok(());
            }
            if until.is_over() {
                break;
            }
            thread::sleep(LOOK_AGAIN);
        }
        log(Level::Warning, &format!("{what}, process {}, is still there after {signal}", left[0]));
    }
    Err(Failure::error(format!("{what}, process {}, could not be ended, not even with SIGKILL", left[0])))
}

/// Does this process wait for files to appear, or has it one whose path ends so?
pub fn watches_or_has(pid: Pid, file: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.into_iter().any(|fd| match fs::read_link(fd.path()) {
        Ok(path) if path.ends_with(file) => true,
        Ok(path) if path.as_os_str() == "anon_inode:inotify" => {
            let watched = Path::new("/proc").join(pid.to_string()).join("fdinfo").join(fd.file_name());
            fs::read_to_string(watched).is_ok_and(|info| info.contains("inotify wd:"))
        }
        _ => false,
    })
}
