//! Stop of a file system: unmounts what is inside first, names the processes that hold it, ends them, and says at the
//! end what is left. Every wait ends with the action's time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use ocf::Failure;

use super::holders::{Holder, holders};
use super::loop_device;
use super::mounts::{Mount, mounted_at, mounted_below, mounted_elsewhere, mounts};
use super::settings::{Settings, Source};
use super::{Identity, find, hangs, identify, source_text};
use crate::bounded::{Deadline, within};
use crate::run_directory::{Level, log};

/// Between two tries to unmount: begins short, since most holders end at once, and doubles up to the second.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// The search for those that are named in the reason, when the time is up: part of what is kept for the answer.
const LAST_SEARCH: Duration = Duration::from_millis(200);
/// One directory may have been mounted over many times; more layers than this are not a resource.
const LAYERS: usize = 64;

/// Unmounts it, unless it is not mounted.
pub(super) fn stop(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    let deadline = settings.stop_limit.map_or(deadline, |limit| deadline.at_most(limit));
    for _ in 0..LAYERS {
        let found = find(settings, deadline)?;
        let Some(seen) = found.seen else { return Ok(()) };
        if identify(settings, &seen, deadline)? == Identity::Foreign {
            log(
                Level::Warning,
                &format!("{} is mounted on {}, which is not ours: left alone", seen.source, seen.point.display()),
            );
            return hidden_below(settings, &seen, &found.all, deadline);
        }
        let mut order: Vec<&Mount> = mounted_below(&found.all, &found.point).collect();
        if matches!(settings.source, Source::Device(_)) {
            // A device is free for another host only when no mount of it is left.
            order.extend(mounted_elsewhere(&found.all, &seen));
        }
        order.push(&seen);
        for mount in order {
            unmount(settings, mount, deadline)?;
        }
        if let Source::Device(_) = &settings.source
            && seen.source.starts_with('/')
            && !seen.source.starts_with("/dev/loop")
            && let Err(error) = loop_device::flush_buffers(seen.source.as_ref())
        {
            log(Level::Warning, &format!("dropping what is remembered of {}: {error}", seen.source));
        }
    }
    Err(Failure::error(format!("{} has been mounted over more than {LAYERS} times", settings.directory.display())))
}

/// What is seen is not ours; but it may hide ours.
fn hidden_below(settings: &Settings, seen: &Mount, all: &[Mount], deadline: Deadline) -> Result<(), Failure> {
    for mount in all.iter().filter(|mount| mount.point == seen.point && mount.id != seen.id) {
        if let Source::Device(_) = settings.source
            && identify(settings, mount, deadline)? == Identity::Ours
        {
            return Err(Failure::error(format!(
                "{} is mounted on {}, but hidden by {}: unmount that first",
                source_text(&settings.source),
                seen.point.display(),
                seen.source
            )));
        }
    }
    Ok(())
}

fn unmount(settings: &Settings, mount: &Mount, deadline: Deadline) -> Result<(), Failure> {
    let half = deadline.half();
    let mut wait = FIRST_WAIT;
    let mut rounds = Rounds { last: None, named: BTreeMap::new() };
    loop {
        match try_unmount(settings, mount, deadline)? {
            Ok(()) => {
                log(Level::Info, &format!("unmounted {} from {}", mount.source, mount.point.display()));
                return Ok(());
            }
            Err(Errno::EBUSY) => {}
            Err(error) => {
                return Err(Failure::error(format!("unmounting {}: {}", mount.point.display(), error.desc())));
            }
        }
        if deadline.is_over() {
            return Err(still_held(settings, mount));
        }
        if settings.end_holders {
            let signals = if half.is_over() { &settings.kill_signals } else { &settings.term_signals };
            rounds.signal(settings, mount, signals, deadline);
        }
        thread::sleep(wait.min(deadline.left()));
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// One try. The outer error is for a call that hangs.
fn try_unmount(settings: &Settings, mount: &Mount, deadline: Deadline) -> Result<nix::Result<()>, Failure> {
    let point: PathBuf = mount.point.clone();
    let mut flags = MntFlags::UMOUNT_NOFOLLOW;
    if settings.is_remote() {
        // Lets go of requests that a dead server will never answer.
        flags |= MntFlags::MNT_FORCE;
    }
    // At least a moment even when the time is up: the last try after the last signal.
    let limit = deadline.left().max(LONGEST_WAIT);
    let result = within(limit, move || umount2(&point, flags))
        .ok_or_else(|| hangs(&format!("unmounting {}", mount.point.display())))?;
    // What counts is whether it is gone, not what the call says.
    let left = mounts().map_err(|error| Failure::error(format!("reading /proc/self/mountinfo: {error}")))?;
    Ok(match (left.iter().any(|other| other.id == mount.id), result) {
        (false, _) => Ok(()),
        (true, Ok(())) => Err(Errno::EBUSY),
        // Something was mounted on top of it in the meantime.
        (true, Err(_)) if mounted_at(&left, &mount.point).is_some_and(|top| top.id != mount.id) => Err(Errno::EBUSY),
        (true, Err(error)) => Err(error),
    })
}

/// Who has been told to end, and when it was said last.
struct Rounds {
    last: Option<(Instant, Vec<Signal>)>,
    /// So that each holder is named once.
    named: BTreeMap<i32, String>,
}

impl Rounds {
    /// Sends the signals to all holders at once, unless it is too early to say it again.
    fn signal(&mut self, settings: &Settings, mount: &Mount, signals: &[Signal], deadline: Deadline) {
        let early = |(when, what): &(Instant, Vec<Signal>)| what == signals && when.elapsed() < settings.signal_delay;
        if self.last.as_ref().is_some_and(early) {
            return;
        }
        self.last = Some((Instant::now(), signals.to_vec()));
        for holder in search(settings, mount, deadline.left()) {
            let names: Vec<&str> = signals.iter().map(|signal| signal.as_str()).collect();
            let what = format!("{} with {}", holder, names.join(", "));
            if self.named.insert(holder.pid, what.clone()).as_ref() != Some(&what) {
                log(Level::Info, &format!("{} is held: ending {what}", mount.point.display()));
            }
            if is_spared(&holder) {
                log(Level::Warning, &format!("process {holder} runs this agent, and is not ended"));
                continue;
            }
            for signal in signals {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(holder.pid), *signal);
            }
        }
    }
}

/// Finds the holders. A process that is stuck in the file system can even hang who reads about it in /proc.
fn search(settings: &Settings, mount: &Mount, limit: Duration) -> Vec<Holder> {
    let (mount_of, is_remote) = (mount.clone(), settings.is_remote());
    within(limit, move || holders(&mount_of, is_remote)).unwrap_or_else(|| {
        log(
            Level::Warning,
            &format!("looking for the processes that hold {} did not come back in time", mount.point.display()),
        );
        Vec::new()
    })
}

/// The first process of the system and whoever called us are never ended.
fn is_spared(holder: &Holder) -> bool {
    holder.pid <= 1 || holder.pid == getppid().as_raw()
}

fn still_held(settings: &Settings, mount: &Mount) -> Failure {
    let holders: Vec<String> = search(settings, mount, LAST_SEARCH).iter().map(Holder::to_string).collect();
    let point = mount.point.display();
    let who = match (holders.is_empty(), settings.end_holders) {
        (true, _) => {
            "but no process shows how; it may be exported by NFS, hold a swap file or a loop device, or be held by the \
                      kernel: release that"
                .to_owned()
        }
        (false, true) => format!("and did not let go after {:?}: by {}", settings.kill_signals, holders.join(", ")),
        (false, false) => format!("by {}; end these processes, or set force_unmount=true", holders.join(", ")),
    };
    Failure::error(format!("unmounting {point}: it is in use, {who}"))
}
