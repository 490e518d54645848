//! keepalived as it runs on this host: its processes, its arguments, its configuration; and the addresses of the host.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use migrate::handover::Held;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Where keepalived looks for its configuration if it is not told.
const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";
/// Where it leaves its number if it is not told.
const PID_FILE: &str = "/run/keepalived.pid";
/// Between two looks at processes and addresses.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The unit of Debian's package.
const UNIT: &str = "keepalived.service";

/// How keepalived was started.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments {
    /// All words, the program first.
    pub words: Vec<String>,
    /// The unit of systemd's that it runs as; empty if systemd did not start it.
    pub unit: String,
}

/// Whether systemd is this host's first process.
pub(super) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// This unit, or the package's if none is known.
pub(super) fn unit_or_packages(unit: &str) -> &str {
    if unit.is_empty() { UNIT } else { unit }
}

/// The unit that a process belongs to, by what the kernel says of its cgroup.
fn unit(cgroup: &str) -> Option<&str> {
    let mut lines = cgroup.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        // systemd's own hierarchy: that of version 2, or the one it names.
        matches!(controllers, "" | "name=systemd").then_some(path)
    });
    lines.find_map(|path| path.rsplit('/').find(|part| part.ends_with(".service")))
}

impl Arguments {
    /// The value of an option: `-f X`, `-fX`, `--use-file X` or `--use-file=X`.
    fn value(&self, short: &str, long: &str) -> Option<&str> {
        let mut words = self.words.iter().skip(1);
        while let Some(word) = words.next() {
            if word == short || word == long {
                return words.next().map(String::as_str);
            }
            let joined = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
            if let Some(value) = joined.or_else(|| word.strip_prefix(short)) {
                return Some(value);
            }
        }
        None
    }

    /// The configuration it reads.
    pub fn configuration(&self) -> PathBuf {
        PathBuf::from(self.value("-f", "--use-file").unwrap_or(CONFIGURATION))
    }

    /// The file with its number.
    pub fn pid_file(&self) -> PathBuf {
        PathBuf::from(self.value("-p", "--pid").unwrap_or(PID_FILE))
    }
}

/// A keepalived that runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// The process that watches the others.
    pub parent: Pid,
    /// The others.
    pub children: Vec<Pid>,
    /// How it was started.
    pub arguments: Arguments,
}

/// The keepalived whose number stands in this file; none if it does not run.
pub(super) fn running(pid_file: Option<&Path>) -> anyhow::Result<Option<Running>> {
    let path = pid_file.unwrap_or(Path::new(PID_FILE));
    let Ok(text) = fs::read_to_string(path) else { return Ok(None) };
    let Some(number) = text.trim().parse::<i32>().ok().filter(|number| *number > 1) else {
        bail!("{} holds no process number", path.display());
    };
    let folder = PathBuf::from(format!("/proc/{number}"));
    let Ok(line) = fs::read(folder.join("cmdline")) else { return Ok(None) };
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let is_keepalived = words.first().is_some_and(|word| word.rsplit('/').next() == Some("keepalived"));
    if !is_keepalived {
        // The number belongs to someone else by now.
        return Ok(None);
    }
    let cgroup = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
    let unit = unit(&cgroup).filter(|unit| has_systemd() && is_of(unit, number)).unwrap_or_default().to_owned();
    Ok(Some(Running {
        parent: Pid::from_raw(number),
        children: children(number)?,
        arguments: Arguments { words, unit },
    }))
}

/// Whether systemd takes this process for the unit's main one: what someone started by hand in a service, such as that of
/// ssh, belongs to its cgroup too.
fn is_of(unit: &str, number: i32) -> bool {
    let output = Command::new("systemctl").args(["show", "--property=MainPID", "--value", unit]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == number.to_string())
}

fn children(parent: i32) -> anyhow::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("reading /proc")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name may have blanks and brackets: what counts stands behind the last one.
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let of: Option<i32> = rest.split(' ').nth(1).and_then(|word| word.parse().ok());
        if of == Some(parent) {
            found.push(Pid::from_raw(number));
        }
    }
    Ok(found)
}

/// The addresses of this host.
pub(super) fn addresses() -> anyhow::Result<Vec<Held>> {
    let output = Command::new("ip").args(["-j", "address", "show"]).output().context("running ip -j address show")?;
    if !output.status.success() {
        bail!("ip -j address show: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let links: Value = serde_json::from_slice(&output.stdout).context("reading what ip -j address show says")?;
    let mut found = Vec::new();
    for link in links.as_array().into_iter().flatten() {
        for one in link["addr_info"].as_array().into_iter().flatten() {
            let ip = one["local"].as_str().and_then(|text| text.parse::<IpAddr>().ok());
            let prefix = one["prefixlen"].as_u64().and_then(|prefix| u8::try_from(prefix).ok());
            if let (Some(ip), Some(prefix), Some(device)) = (ip, prefix, link["ifname"].as_str()) {
                found.push(Held { ip, prefix, device: device.to_owned() });
            }
        }
    }
    Ok(found)
}

/// Waits until something is so; false if it is not within the limit.
pub(super) fn wait(limit: Duration, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let end = Instant::now() + limit;
    loop {
        if is_so()? {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Is this process gone, or dead and not yet fetched by its parent?
pub(super) fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_none_or(|state| matches!(state, 'Z' | 'X'))
}

/// Whether it has its children, each alive.
pub(super) fn is_whole(running: &Running) -> bool {
    !running.children.is_empty() && running.children.iter().all(|child| !is_gone(*child))
}

/// Ends keepalived without a chance to take its addresses away. The order is everything: a parent that is not held
/// starts a new child, which takes them away first; a child that outlives its parent is told, and takes them away.
pub(super) fn end_without_a_word(running: &Running) -> anyhow::Result<()> {
    let signal = |pid: Pid, signal: Signal| kill(pid, signal).with_context(|| format!("sending {signal} to {pid}"));
    signal(running.parent, Signal::SIGSTOP)?;
    for child in &running.children {
        if let Err(error) = signal(*child, Signal::SIGKILL) {
            // Nothing is lost yet: it goes on as before.
            let _ = kill(running.parent, Signal::SIGCONT);
            return Err(error);
        }
    }
    wait(Duration::from_secs(5), || Ok(running.children.iter().all(|child| is_gone(*child))))?;
    signal(running.parent, Signal::SIGKILL)
}

/// Starts keepalived as it was started.
pub(super) fn start(arguments: &Arguments) -> anyhow::Result<()> {
    if !arguments.unit.is_empty() && has_systemd() {
        // Started by us, it would be a part of our service or session, and end with it.
        let output = Command::new("systemctl").args(["start", &arguments.unit]).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("running systemctl start {}", arguments.unit))?;
        if !output.status.success() {
            bail!("systemctl start {}: {}", arguments.unit, String::from_utf8_lossy(&output.stderr).trim());
        }
        return Ok(());
    }
    let (program, rest) = arguments.words.split_first().context("how keepalived was started is not known")?;
    Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
        .with_context(|| format!("starting {}", arguments.words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_found_in_all_their_forms() {
        let of = |text: &str| Arguments { words: text.split(' ').map(str::to_owned).collect(), ..Arguments::default() };
        for text in ["keepalived -f /a", "keepalived -f/a", "keepalived --use-file=/a", "keepalived -D --use-file /a"] {
            assert_eq!(of(text).configuration(), PathBuf::from("/a"), "{text}");
        }
        assert_eq!(of("keepalived --dont-fork").configuration(), PathBuf::from(CONFIGURATION));
        assert_eq!(of("keepalived -p /x").pid_file(), PathBuf::from("/x"));
    }

    #[test]
    fn the_unit_stands_in_systemds_hierarchy() {
        assert_eq!(unit("0::/system.slice/keepalived.service\n"), Some("keepalived.service"));
        assert_eq!(unit("4:cpu:/x.service\n1:name=systemd:/system.slice/k@2.service\n"), Some("k@2.service"));
        assert_eq!(unit("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(unit("nonsense"), None);
    }
}
