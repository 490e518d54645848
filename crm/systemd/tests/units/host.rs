//! A host of its own: systemd as process 1 in namespaces and a cgroup of its own, on an overlay of this machine's root.
//! Nothing is written to the machine, and nothing is left of it when it is dropped. What is tried there is left to others.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// How long systemd may take to boot; it takes four seconds on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// Where programs that are taken along lie inside: the directory that cargo builds in may not be on the machine's root.
const PROGRAMS: &str = "/run/programs";

/// Makes the root of the new host and becomes its systemd. $1 is a directory of ours, the others are programs to take
/// along.
const INIT: &str = r#"
set -e
T=$1
mount --make-rprivate /
mount -t tmpfs tmpfs $T
mkdir $T/upper $T/work $T/root
mount -t overlay overlay -o lowerdir=/,upperdir=$T/upper,workdir=$T/work $T/root
R=$T/root
mount -t proc proc $R/proc
mount -t sysfs -o ro sysfs $R/sys
mount -t cgroup2 cgroup2 $R/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs $R/run
mount -t tmpfs -o mode=1777 tmpfs $R/tmp
mount -t tmpfs -o mode=755 tmpfs $R/dev
for device in null zero full random urandom tty; do
    touch $R/dev/$device
    mount --bind /dev/$device $R/dev/$device
done
mkdir $R/dev/pts $R/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts $R/dev/pts
ln -s pts/ptmx $R/dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs $R/dev/shm
mkdir $R/run/programs
shift
for program in "$@"; do
    inside=$R/run/programs/$(basename "$program")
    touch "$inside"
    mount --bind "$program" "$inside"
done
rm -f $R/etc/systemd/system/*.wants/*
: > $R/etc/machine-id
: > $R/etc/fstab
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-networkd.service systemd-logind.service \
    systemd-timesyncd.service systemd-resolved.service e2scrub_reap.service getty.target console-getty.service \
    corosync.service pacemaker.service; do
    ln -sf /dev/null $R/etc/systemd/system/$unit
done
printf '[Unit]\nRequires=basic.target dbus.service\nAfter=basic.target dbus.service\nAllowIsolate=yes\n' \
    > $R/etc/systemd/system/trial.target
cd $R
mkdir .old
pivot_root . .old
umount -l /.old
export container=trial
exec /lib/systemd/systemd --system --unit=trial.target --show-status=false --log-target=null
"#;

/// The host. It ends with this value.
pub struct Host {
    unshare: Child,
    pid: i32,
    cgroup: PathBuf,
    _directory: tempfile::TempDir,
}

/// Why there can be none on this machine; `None` when there can.
pub fn refusal() -> Option<String> {
    if !geteuid().is_root() {
        return Some("a systemd of its own is for root to start".into());
    }
    for (needed, package) in [("/lib/systemd/systemd", "systemd"), ("/usr/bin/dbus-daemon", "dbus")] {
        if !Path::new(needed).exists() {
            return Some(format!("{needed} is missing: apt-get install {package}"));
        }
    }
    let cgroup = cgroups().join(format!("systole-refusal-{}", std::process::id()));
    if let Err(error) = fs::create_dir(&cgroup) {
        return Some(format!("making a cgroup of its own, {}: {error}", cgroup.display()));
    }
    let _ = fs::remove_dir(&cgroup);
    None
}

/// Where a program that was taken along lies inside.
pub fn inside(program: &Path) -> String {
    format!("{PROGRAMS}/{}", program.file_name().expect("it is a file").to_string_lossy())
}

/// Where version 2 of cgroups is: beside version 1 on hosts that still have that.
fn cgroups() -> PathBuf {
    let beside = Path::new("/sys/fs/cgroup/unified");
    if beside.is_dir() { beside.into() } else { "/sys/fs/cgroup".into() }
}

impl Host {
    /// Boots it, and takes programs along.
    pub fn boot(programs: &[&Path]) -> Host {
        let directory = tempfile::tempdir().expect("a directory of ours");
        let cgroup = cgroups().join(format!("systole-trial-{}", std::process::id()));
        fs::create_dir(&cgroup).expect("it was tried a moment ago");
        // Whoever writes itself in there takes its children along: it becomes the root of the namespace of cgroups.
        let enter = format!("echo $$ > {}/cgroup.procs; exec unshare \"$@\"", cgroup.display());
        let unshare = Command::new("sh")
            .args(["-c", &enter, "sh", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork"])
            .args(["--kill-child", "sh", "-c", INIT, "init"])
            .arg(directory.path())
            .args(programs)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh is there");
        let mut host = Host { unshare, pid: 0, cgroup, _directory: directory };
        host.wait("unshare has a child", |host| {
            host.pid = host.child().unwrap_or(0);
            host.pid > 0
        });
        host.wait("systemd has booted", |host| {
            let state = host.command("systemctl", &["is-system-running"]).stderr(Stdio::null()).output();
            state.is_ok_and(|state| matches!(String::from_utf8_lossy(&state.stdout).trim(), "running" | "degraded"))
        });
        host
    }

    /// A command inside.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--all", "--", program]).args(arguments).stdin(Stdio::null());
        command
    }

    fn child(&self) -> Option<i32> {
        let of = self.unshare.id();
        fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?.split_whitespace().next()?.parse().ok()
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Host) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            if let Ok(Some(status)) = self.unshare.try_wait() {
                panic!("{what}: the host ended before that, {status}");
            }
            assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Process 1 takes all others of its namespace along.
        if self.pid > 0 {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let until = Instant::now() + Duration::from_secs(5);
        while !remove_cgroups(&self.cgroup) && Instant::now() < until {
            thread::sleep(LOOK);
        }
    }
}

/// Removes a cgroup with all below it; whether it is gone.
fn remove_cgroups(cgroup: &Path) -> bool {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroups(&entry.path());
        }
    }
    fs::remove_dir(cgroup).is_ok() || !cgroup.exists()
}
