//! Bare hosts: each a systemd as process 1 in namespaces and a cgroup of its own, on an overlay of this machine's root,
//! with two networks between them. Nothing is written to the machine, and nothing is left when they are dropped.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// How long systemd may take to boot; it takes four seconds on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(50);

/// Makes the root of a host and becomes its systemd. $1 is a directory of ours, $2 the host's name, and what follows
/// pairs of a file or directory and the place it is shown at.
const INIT: &str = r#"
set -e
T=$1
N=$2
hostname "$N"
shift 2
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
rm -rf $R/etc/systemd/system/*.wants/* $R/etc/corosync/* $R/var/lib/corosync/* $R/var/lib/systole*
while [ $# -gt 0 ]; do
    mkdir -p "$(dirname "$R$2")"
    if [ -d "$1" ]; then
        mkdir -p "$R$2"
    else
        rm -f "$R$2"
        touch "$R$2"
    fi
    mount --bind "$1" "$R$2"
    shift 2
done
echo "$N" > $R/etc/hostname
: > $R/etc/machine-id
: > $R/etc/fstab
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-networkd.service systemd-logind.service \
    systemd-timesyncd.service systemd-resolved.service e2scrub_reap.service getty.target console-getty.service \
    pacemaker.service pcsd.service; do
    ln -sf /dev/null $R/etc/systemd/system/$unit
done
printf '[Unit]\nRequires=basic.target dbus.service\nAfter=basic.target dbus.service\nAllowIsolate=yes\n' \
    > $R/etc/systemd/system/trial.target
# As in the lab's own corosync.conf (ring::SHARED): hosts share the machine's processors.
mkdir -p $R/etc/systemd/system/corosync.service.d
printf '[Service]\nRestrictRealtime=yes\n' > $R/etc/systemd/system/corosync.service.d/shared.conf
cd $R
mkdir .old
pivot_root . .old
umount -l /.old
ip link set lo up
export container=trial
exec /lib/systemd/systemd --system --unit=trial.target --show-status=false --log-target=journal-or-kmsg
"#;

/// The networks that hosts meet on: `10.77.0.0/24` on `eth0`, `10.78.0.0/24` on `eth1`.
pub struct Networks {
    /// A process that does nothing but keep the bridges' namespace.
    keeper: Child,
}

/// A bare host. It ends with this value.
pub struct Host {
    /// Its name.
    pub name: String,
    number: u8,
    unshare: Child,
    pid: i32,
    cgroup: PathBuf,
    _directory: tempfile::TempDir,
}

/// What a cluster of them needs beside systemd: a program, and its package.
pub const COROSYNC: (&str, &str) = ("/usr/sbin/corosync", "corosync");

/// Why there can be none on this machine, with these programs and their packages; `None` when there can.
pub fn refusal(others: &[(&str, &str)]) -> Option<String> {
    if !geteuid().is_root() {
        return Some("hosts with a systemd of their own are for root to start".into());
    }
    let own = [("/lib/systemd/systemd", "systemd"), ("/usr/bin/dbus-daemon", "dbus")];
    for (needed, package) in own.iter().chain(others) {
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

/// Where version 2 of cgroups is: beside version 1 on hosts that still have that.
fn cgroups() -> PathBuf {
    let beside = Path::new("/sys/fs/cgroup/unified");
    if beside.is_dir() { beside.into() } else { "/sys/fs/cgroup".into() }
}

impl Networks {
    /// Makes the two.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make() -> Result<Networks> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--kill-child", "--fork", "sleep", "infinity"]).stdin(Stdio::null()).process_group(0);
        let networks = Networks { keeper: command.spawn().context("starting unshare")? };
        let until = Instant::now() + PATIENCE;
        while networks.keeper_child().is_none() {
            ensure!(Instant::now() < until, "unshare has no child");
            thread::sleep(LOOK);
        }
        for bridge in ["lan0", "lan1"] {
            networks.ip(&["link", "add", bridge, "type", "bridge"])?;
            networks.ip(&["link", "set", bridge, "up"])?;
        }
        Ok(networks)
    }

    fn keeper_child(&self) -> Option<i32> {
        child_of(self.keeper.id())
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        let pid = self.keeper_child().context("the networks are gone")?.to_string();
        run(Command::new("nsenter").args(["--target", &pid, "--net", "ip"]).args(arguments))
    }

    /// Cuts a host off both networks, or connects it again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn connect(&self, host: &Host, connected: bool) -> Result<()> {
        for lan in 0..2 {
            self.cable(host, lan, connected)?;
        }
        Ok(())
    }

    /// Cuts a host off one network, or connects it again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn cable(&self, host: &Host, lan: u8, connected: bool) -> Result<()> {
        self.ip(&["link", "set", &format!("v{}-{lan}", host.number), if connected { "up" } else { "down" }])
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        if let Some(pid) = self.keeper_child() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

impl Host {
    /// Begins to boot host number N, called `nodeN`, with `10.77.0.N` and `10.78.0.N`, and these programs at these
    /// places.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn boot(networks: &Networks, number: u8, programs: &[(&Path, &str)]) -> Result<Host> {
        let directory = tempfile::tempdir().context("a directory of ours")?;
        let cgroup = cgroups().join(format!("systole-host{number}-{}", std::process::id()));
        fs::create_dir(&cgroup).with_context(|| format!("making {}", cgroup.display()))?;
        let name = format!("node{number}");
        // Whoever writes itself in there takes its children along: it becomes the root of the namespace of cgroups.
        let enter = format!("echo $$ > {}/cgroup.procs; exec unshare \"$@\"", cgroup.display());
        let mut command = Command::new("sh");
        command
            .args(["-c", &enter, "sh", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork"])
            .args(["--kill-child", "sh", "-c", INIT, "init"])
            .arg(directory.path())
            .arg(&name);
        for (program, place) in programs {
            command.arg(program).arg(place);
        }
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null()).process_group(0);
        let unshare = command.spawn().context("starting sh")?;
        let mut host = Host { name, number, unshare, pid: 0, cgroup, _directory: directory };
        host.wait("unshare has a child", |host| {
            host.pid = child_of(host.unshare.id()).unwrap_or(0);
            host.pid > 0
        })?;
        let pid = host.pid.to_string();
        // The child has its network namespace from the moment it is there.
        for lan in 0..2 {
            let (here, there) = (format!("v{number}-{lan}"), format!("eth{lan}"));
            networks.ip(&["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", &pid])?;
            networks.ip(&["link", "set", &here, "master", &format!("lan{lan}"), "up"])?;
            let address = format!("10.{}.0.{number}/24", 77 + lan);
            for words in [&["address", "add", &address, "dev", &there][..], &["link", "set", &there, "up"]] {
                run(Command::new("nsenter").args(["--target", &pid, "--net", "ip"]).args(words))?;
            }
        }
        Ok(host)
    }

    /// Waits until systemd has booted.
    ///
    /// # Errors
    /// When it ends, or takes too long.
    pub fn booted(&mut self) -> Result<()> {
        self.wait("systemd has booted", |host| {
            let state = host.command("systemctl", &["is-system-running"]).stderr(Stdio::null()).output();
            state.is_ok_and(|state| matches!(String::from_utf8_lossy(&state.stdout).trim(), "running" | "degraded"))
        })
    }

    /// Its root, as seen from this machine.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid))
    }

    /// How much processor time all that ran there has taken.
    ///
    /// # Errors
    /// When the kernel does not tell it.
    pub fn processor_time(&self) -> Result<Duration> {
        let path = self.cgroup.join("cpu.stat");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let told = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
        let microseconds = told.and_then(|number| number.trim().parse().ok());
        Ok(Duration::from_micros(microseconds.with_context(|| format!("{}: {text}", path.display()))?))
    }

    /// A command inside.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--all", "--", program]).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a line of words inside to its end.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run(&self, line: &str) -> Result<Output> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (program, arguments) = words.split_first().context("a command")?;
        self.command(program, arguments).output().with_context(|| format!("running {line}"))
    }

    /// Runs a line of words inside and gives what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn say(&self, line: &str) -> Result<String> {
        let output = self.run(line)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(
            output.status.success(),
            "on {}: {line}: {}\n{}{}",
            self.name,
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        Ok(text(&output.stdout))
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Host) -> bool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            if let Ok(Some(status)) = self.unshare.try_wait() {
                bail!("{what}: {} ended before that, {status}", self.name);
            }
            ensure!(Instant::now() < until, "{what}: not within {PATIENCE:?} on {}", self.name);
            thread::sleep(LOOK);
        }
        Ok(())
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

fn child_of(pid: u32) -> Option<i32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.split_whitespace().next()?.parse().ok()
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("starting it")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
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
