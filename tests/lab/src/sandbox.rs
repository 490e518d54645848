//! The world around the lab: a set of namespaces that ends with the command that made it.
//!
//! The command (the *keeper*) leaves its namespaces, and starts itself again as process 1 of the new ones (the
//! *stage*), where everything else happens. Nothing made there — bridges, mounts, sockets, processes, files — exists
//! outside, and all of it ends when the stage ends; the kernel ends the stage when the keeper ends, however that was.
//! So there is nothing to clean up, and no way to forget it.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::unistd::{getegid, geteuid};

/// Where all of the lab's files are, in the stage and in every node.
pub const LAB: &str = "/run/lab";
/// The programs under test, in the stage and in every node.
pub const PROGRAMS: &str = "/run/lab/bin";
/// The machine's own `/proc`, kept to tell people the numbers that its processes have outside.
pub const OUTER_PROC: &str = "/run/lab/outer-proc";

/// Tells the stage how much it may do.
const PRIVILEGE: &str = "SYSTOLE_LAB_PRIVILEGE";

/// With which power the lab runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privilege {
    /// Started by root: loop devices and file systems of their own are possible.
    Root,
    /// Root only in a user namespace: no loop devices.
    UserNamespace,
}

/// Runs this program again with `arguments` as process 1 of namespaces of its own, and waits for its end.
///
/// Must be called before the process has started a thread.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let privilege = leave_namespaces()?;

    // From here on signals are taken one by one below, so that no end of ours comes before the stage's end.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block().context("holding signals back")?;

    let stage = Command::new("/proc/self/exe")
        .arg0("systole-lab")
        .args(arguments)
        .env(PRIVILEGE, format!("{privilege:?}"))
        // Ctrl-C is the keeper's: it must not reach the nodes, which would take it for a shutdown.
        .process_group(0)
        .spawn()
        .context("starting the lab in its namespaces")?;
    wait(stage, &signals)
}

/// Waits for the stage, or ends it when asked to by a signal.
fn wait(mut stage: Child, signals: &SigSet) -> Result<ExitCode> {
    loop {
        let signal = signals.wait().context("waiting for the lab")?;
        if signal == Signal::SIGCHLD {
            if let Some(status) = stage.try_wait().context("waiting for the lab")? {
                let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
                return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
            }
            continue;
        }
        // The stage is process 1 of its namespace: when it is reaped, every process of the lab is dead.
        stage.kill().context("ending the lab")?;
        stage.wait().context("waiting for the lab's end")?;
        eprintln!("ended by {}; nothing is left behind", signal.as_str());
        return Ok(ExitCode::from(u8::try_from(128 + signal as i32).unwrap_or(1)));
    }
}

/// Puts this process's next child into namespaces of its own; as root, or as root of a user namespace.
fn leave_namespaces() -> Result<Privilege> {
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID;
    if geteuid().is_root() {
        match unshare(namespaces) {
            Ok(()) => return Ok(Privilege::Root),
            // A container's root: it may still be allowed a user namespace.
            Err(Errno::EPERM) => {}
            Err(error) => return Err(refused(error, true)),
        }
    }
    let (user, group) = (geteuid(), getegid());
    let refuse = |error| refused(error, user.is_root());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(refuse)?;
    let map = |file: &str, text: String| match fs::write(format!("/proc/self/{file}"), text) {
        // A root without its capabilities may not be mapped.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(refuse(Errno::EPERM)),
        written => written.with_context(|| format!("writing /proc/self/{file}")),
    };
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("0 {user} 1"))?;
    map("gid_map", format!("0 {group} 1"))?;
    unshare(namespaces).map_err(refuse)?;
    Ok(Privilege::UserNamespace)
}

/// Why this machine gives us no namespaces, and what its administrator can do.
fn refused(error: Errno, by_root: bool) -> anyhow::Error {
    let knob = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let mut remedies = Vec::new();
    if knob("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        remedies.push("kernel.unprivileged_userns_clone is 0: `sysctl kernel.unprivileged_userns_clone=1`".to_owned());
    }
    if knob("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        remedies.push("AppArmor restricts them: `sysctl kernel.apparmor_restrict_unprivileged_userns=0`".to_owned());
    }
    for kind in ["user", "mnt", "net", "pid", "uts", "ipc"] {
        if knob(&format!("/proc/sys/user/max_{kind}_namespaces")).as_deref() == Some("0") {
            remedies.push(format!("user.max_{kind}_namespaces is 0: `sysctl user.max_{kind}_namespaces=10000`"));
        }
    }
    if error == Errno::ENOSPC && remedies.is_empty() {
        remedies.push("a limit user.max_*_namespaces is used up: raise it with `sysctl`".to_owned());
    }
    if remedies.is_empty() {
        remedies.push(
            "in a container, start it with `--privileged`, or with a seccomp profile that allows unshare".to_owned(),
        );
    }
    remedies.push(match by_root {
        true => "or run the command as another user, or as a root with its capabilities".to_owned(),
        false => "or run the command as root".to_owned(),
    });
    anyhow!("this machine gives us no namespaces ({}):\n  {}", error.desc(), remedies.join("\n  "))
}

/// The stage's first steps: ties its life to the keeper's, and gives it `/proc`, `/run` and the programs.
///
/// `programs` is the directory of the binaries under test; it is seen as [`PROGRAMS`] from here on. `writable` are
/// directories of this machine that the nodes shall find empty and writable.
pub fn enter(programs: &Path, writable: &[PathBuf]) -> Result<Privilege> {
    set_pdeathsig(Signal::SIGKILL).context("tying the lab to the command that started it")?;
    SigSet::all().thread_unblock().context("taking signals again")?;
    let privilege = match std::env::var(PRIVILEGE).as_deref() {
        Ok("Root") => Privilege::Root,
        Ok("UserNamespace") => Privilege::UserNamespace,
        _ => bail!("this is a part of the lab's own works: start it with `cargo xtask demo`"),
    };
    if nix::unistd::getpid().as_raw() != 1 {
        bail!("the lab's stage is not process 1 of its namespace: start it with `cargo xtask demo`");
    }

    // Kept open: the path may lie where something is mounted below.
    let programs_directory = open(programs, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .with_context(|| format!("opening {}", programs.display()))?;

    remount("/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE).map_err(|error| match error {
        Errno::EPERM | Errno::EACCES => refused(error, privilege == Privilege::Root),
        _ => anyhow!("making the mounts private: {}", error.desc()),
    })?;
    tmpfs("/run", "0755")?;
    for directory in [LAB, PROGRAMS, OUTER_PROC] {
        fs::create_dir_all(directory).with_context(|| format!("making {directory}"))?;
    }
    bind(format!("/proc/self/fd/{}", programs_directory.as_raw_fd()), PROGRAMS)?;
    bind("/proc", OUTER_PROC)?;
    mount_proc()?;
    for directory in writable {
        tmpfs(directory, "0755")?;
    }
    crate::netlink::Netlink::open()?.set_up("lo", true)?;
    Ok(privilege)
}

/// Mounts the `/proc` of the pid namespace that this process is in.
pub fn mount_proc() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).map_err(|error| {
        anyhow!(
            "mounting /proc: {} (in a container the real one must be visible whole: start it with `--privileged` or \
             `--security-opt systempaths=unconfined`)",
            error.desc()
        )
    })
}

/// Mounts an empty directory over `target`.
pub fn tmpfs(target: impl AsRef<Path>, mode: &str) -> Result<()> {
    mount_tmpfs(target.as_ref(), &format!("mode={mode}"))
}

/// The same, with room for so much and no more.
pub fn tmpfs_of(target: impl AsRef<Path>, mode: &str, kib: u64) -> Result<()> {
    mount_tmpfs(target.as_ref(), &format!("mode={mode},size={kib}k"))
}

fn mount_tmpfs(target: &Path, options: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("lab"), target, Some("tmpfs"), flags, Some(options))
        .with_context(|| format!("mounting an empty directory over {}", target.display()))
}

/// Shows what is at `source`, with all that is mounted below it, at `target` too.
pub fn bind(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<()> {
    let (source, target) = (source.as_ref(), target.as_ref());
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .with_context(|| format!("showing {} at {}", source.display(), target.display()))
}

/// Changes how a mount passes on what is mounted below it.
pub fn remount(target: &str, kind: Option<&str>, flags: MsFlags) -> Result<(), Errno> {
    mount(kind, target, kind, flags, None::<&str>)
}

/// The number that a process of the lab has outside of it, for people who want to look into the lab. `pid` is its
/// number in the stage's namespace.
pub fn outer_pid(pid: u32) -> Option<u32> {
    let ours = fs::read_link("/proc/self/ns/pid").ok()?;
    let in_our_namespace =
        |outer: u32| fs::read_link(format!("{OUTER_PROC}/{outer}/ns/pid")).is_ok_and(|namespace| namespace == ours);
    fs::read_dir(OUTER_PROC).ok()?.flatten().find_map(|entry| {
        let outer: u32 = entry.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        // Outermost first, and the stage's namespace is one below the outermost that this /proc knows.
        let inner: u32 = field("NSpid")?.split_whitespace().nth(1)?.parse().ok()?;
        // A process 1 of a node is in the node's namespace, but its parent is in ours. Another lab's is in another.
        let parent: u32 = field("PPid")?.trim().parse().ok()?;
        (inner == pid && (in_our_namespace(outer) || in_our_namespace(parent))).then_some(outer)
    })
}
