//! Stop of a file system: unmounts what is inside first, names the processes that hold it, ends them, and says at the
//! end what is left. Every wait ends with the action's time.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ocf::Failure;

use super::holders::{Holder, holders};
use super::loop_device;
use super::mounts::{Mount, mounted_at, mounted_below, mounted_elsewhere, mounts};
use super::obstacles::obstacles;
use super::settings::{Settings, Source};
use super::{Identity, find, hangs, identify, source_text};
use crate::bounded::{Deadline, within};
use crate::run_directory::{Level, log};

/// Between two tries to unmount: begins short, since most holders end at once, and doubles up to the second.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// The search for those that are named in the reason, when the time is up: part of what is kept for the answer.
const LAST_SEARCH: Duration = Duration::from_millis(500);
/// One directory may have been mounted over many times; more layers than this are not a resource.
const LAYERS: usize = 64;

/// Unmounts it, unless it is not mounted.
pub(super) fn stop(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    let deadline = settings.stop_limit.map_or(deadline, |limit| deadline.at_most(limit));
    let aside = settings.aside();
    if settings.move_aside {
        move_aside(settings, &aside, deadline)?;
    }
    // Also what a stop that was killed had moved.
    if is_mounted(&aside)? {
        unmount_all(&aside, deadline)?;
    }
    // Somebody else's directory of this name is not empty, and stays.
    let _ = fs::remove_dir(&aside.directory);
    unmount_all(settings, deadline)
}

/// Is anything mounted there?
pub(super) fn is_mounted(settings: &Settings) -> Result<bool, Failure> {
    let all = mounts().map_err(|error| Failure::error(format!("reading /proc/self/mountinfo: {error}")))?;
    Ok(mounted_at(&all, &settings.directory).is_some())
}

/// Moves the mount to where nobody looks for it. Who cannot is as well off as without.
fn move_aside(settings: &Settings, aside: &Settings, deadline: Deadline) -> Result<(), Failure> {
    let found = find(settings, deadline)?;
    let Some(seen) = found.seen else { return Ok(()) };
    if identify(settings, &seen, deadline)? == Identity::Foreign || is_mounted(aside)? {
        return Ok(());
    }
    let (from, to) = (seen.point, aside.directory.clone());
    let moved = fs::create_dir_all(&to).and_then(|()| {
        let (from, to) = (from.clone(), to.clone());
        let call = move || mount(Some(&from), &to, None::<&str>, MsFlags::MS_MOVE, None::<&str>);
        within(deadline.left(), call).unwrap_or(Err(Errno::ETIMEDOUT)).map_err(Into::into)
    });
    match moved {
        Ok(()) => log(Level::Info, &format!("moved {} to {}", from.display(), to.display())),
        Err(error) => {
            let _ = fs::remove_dir(&to);
            log(
                Level::Warning,
                &format!("moving {} to {}: {error}; it is unmounted where it is", from.display(), to.display()),
            );
        }
    }
    Ok(())
}

fn unmount_all(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
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
    holder.pid <= 1 || callers().contains(&holder.pid)
}

/// The processes that this one descends from.
fn callers() -> Vec<i32> {
    let parent = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok().filter(|parent| *parent > 0)
    };
    // Loops are not possible, but a limit costs nothing: nobody is a hundred generations from the first process.
    std::iter::successors(parent(&Pid::this().as_raw()), parent).take(100).collect()
}

/// What would keep a stop from working now, and what it would end: one thing a line.
pub(super) fn check(settings: &Settings, deadline: Deadline) -> Result<Vec<String>, Failure> {
    let found = find(settings, deadline)?;
    let Some(seen) = &found.seen else { return Ok(Vec::new()) };
    if identify(settings, seen, deadline)? == Identity::Foreign {
        return Ok(vec![format!("{} is not ours ({}): a stop leaves it alone", seen.point.display(), seen.source)]);
    }
    let mut lines = Vec::new();
    let inside: Vec<&Mount> = mounted_below(&found.all, &found.point).collect();
    for inner in &inside {
        lines.push(format!("{} ({}) is mounted inside: it is unmounted first", inner.point.display(), inner.fstype));
    }
    lines.extend(obstacles(&seen.point));
    for mount in inside.into_iter().chain([seen]) {
        for holder in search(settings, mount, deadline.left()) {
            lines.push(match () {
                () if is_spared(&holder) => format!("process {holder} is never ended: end it yourself"),
                () if is_stuck(holder.pid) => {
                    format!("process {holder} waits in the kernel, where no signal reaches it: only an answer of its device ends that")
                }
                () if !settings.end_holders => {
                    format!("process {holder} is not ended: end it, or set force_unmount=true")
                }
                () => format!("process {holder} is ended"),
            });
        }
    }
    Ok(lines)
}

/// Is the process in a sleep that no signal ends?
fn is_stuck(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('D'))
}

fn still_held(settings: &Settings, mount: &Mount) -> Failure {
    let holders: Vec<String> = search(settings, mount, LAST_SEARCH).iter().map(Holder::to_string).collect();
    let others = obstacles(&mount.point);
    let who = match (holders.is_empty(), settings.end_holders) {
        (true, _) if others.is_empty() => {
            "but no process shows how; it may be held by another mount namespace or by the kernel".to_owned()
        }
        (true, _) => others.join("; "),
        (false, true) => format!("and did not let go after {:?}: by {}", settings.kill_signals, holders.join(", ")),
        (false, false) => format!("by {}; end these processes, or set force_unmount=true", holders.join(", ")),
    };
    Failure::error(format!("unmounting {}: it is in use, {who}", mount.point.display()))
}
