//! Running an agent by hand, as the cluster would but without it, and finding out which agents there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::status::{self, Failure};

/// Where OCF agents are unless `OCF_ROOT` says otherwise.
const OCF_ROOT: &str = "/usr/lib/ocf";
/// Where init scripts are.
const INIT_SCRIPTS: &str = "/etc/init.d";
/// Where fence agents are; their names begin with `fence_`.
const FENCE_AGENTS: &str = "/usr/sbin";
/// How often we look whether an agent has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What of an agent's output is kept: metadata is a tenth of it at most.
const OUTPUT_KEPT: u64 = 1024 * 1024;

/// An agent by its names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    /// `ocf`, `lsb`, `stonith`, …
    pub class: String,
    /// Of class `ocf`.
    pub provider: Option<String>,
    /// Its own name.
    pub kind: String,
}

impl Agent {
    /// Reads `class:provider:agent` or `class:agent`.
    pub fn parse(text: &str) -> Option<Agent> {
        let words: Vec<&str> = text.split(':').collect();
        let (class, provider, kind) = match words[..] {
            [class, provider, kind] => (class, Some(provider).filter(|provider| !provider.is_empty()), kind),
            [class, kind] => (class, None, kind),
            _ => return None,
        };
        let named = !class.is_empty() && !kind.is_empty();
        named.then(|| Agent { class: class.into(), provider: provider.map(str::to_owned), kind: kind.into() })
    }

    /// `class:provider:agent`.
    pub fn name(&self) -> String {
        match &self.provider {
            Some(provider) => format!("{}:{provider}:{}", self.class, self.kind),
            None => format!("{}:{}", self.class, self.kind),
        }
    }

    /// Its program. Names that lead out of the directory are no agents.
    fn path(&self) -> Option<PathBuf> {
        let sound = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        if !sound(&self.kind) || !self.provider.as_deref().is_none_or(sound) {
            return None;
        }
        match self.class.as_str() {
            "ocf" => Some(ocf_directory().join(self.provider.as_deref()?).join(&self.kind)),
            "lsb" => Some(Path::new(INIT_SCRIPTS).join(&self.kind)),
            "stonith" => Some(Path::new(FENCE_AGENTS).join(&self.kind)),
            _ => None,
        }
    }
}

fn ocf_directory() -> PathBuf {
    let root = std::env::var_os("OCF_ROOT").filter(|root| !root.is_empty());
    root.map_or_else(|| PathBuf::from(OCF_ROOT), PathBuf::from).join("resource.d")
}

/// How an agent ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Its exit status.
    pub rc: u8,
    /// It was ended because it took too long.
    pub timed_out: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// What the agent says why, if it does.
    pub fn reason(&self) -> Option<&str> {
        self.err.lines().rev().find_map(|line| line.strip_prefix("ocf-exit-reason:"))
    }
}

/// Runs an action of an agent with these parameters.
///
/// # Errors
/// When there is no such agent, or it cannot be started.
pub fn run(
    agent: &Agent,
    resource: &str,
    action: &str,
    parameters: &BTreeMap<String, String>,
    level: Option<u32>,
    timeout: Duration,
) -> Result<Ended, Failure> {
    let missing = || Failure::new(status::NOT_INSTALLED, format!("there is no agent {} on this machine", agent.name()));
    let path = agent.path().filter(|path| path.is_file()).ok_or_else(missing)?;
    let mut command = Command::new(&path);
    match agent.class.as_str() {
        "ocf" => {
            let provider = agent.provider.as_deref().unwrap_or("heartbeat");
            let mut environment = ocf::Environment::new(resource, provider, &agent.kind, action);
            environment.add_attributes(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            environment.timeout_ms = Some(timeout.as_millis() as u64);
            environment.check_level = level;
            environment.extra.insert("OCF_OUTPUT_FORMAT".into(), "text".into());
            command.arg(action).envs(environment.variables());
        }
        "lsb" => {
            command.arg(if action == "monitor" { "status" } else { action });
        }
        _ => {
            command.args(["-o", if action == "meta-data" { "metadata" } else { action }]);
        }
    }
    wait(command, &path, timeout)
}

fn wait(mut command: Command, path: &Path, timeout: Duration) -> Result<Ended, Failure> {
    let failed = |error: std::io::Error| Failure::new(status::ERROR, format!("starting {}: {error}", path.display()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
    let mut child = command.spawn().map_err(failed)?;
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let end = Instant::now() + timeout;
    let (rc, timed_out) = loop {
        if let Some(exited) = child.try_wait().map_err(failed)? {
            break (exited.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(status::ERROR), false);
        }
        if Instant::now() >= end {
            // It is ours, and nobody else waits for it. One that is gone meanwhile is as good.
            let _ = child.kill();
            child.wait().map_err(failed)?;
            break (status::TIMEOUT, true);
        }
        thread::sleep(LOOK_EVERY);
    };
    // What a daemon that was left behind holds open is not waited for.
    let text = |reader: thread::JoinHandle<String>| {
        let end = Instant::now() + LOOK_EVERY * 10;
        while !reader.is_finished() && Instant::now() < end {
            thread::sleep(LOOK_EVERY);
        }
        if reader.is_finished() { reader.join().unwrap_or_default() } else { String::new() }
    };
    Ok(Ended { rc, timed_out, out: text(out), err: text(err) })
}

fn reader(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What cannot be read is not shown; the exit status counts.
            let _ = stream.take(OUTPUT_KEPT).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The providers of OCF agents.
pub fn providers() -> Vec<String> {
    names(&ocf_directory(), |path| path.is_dir())
}

/// The agents of a standard, and of a provider if one is named.
pub fn agents(standard: &str, provider: Option<&str>) -> Vec<String> {
    match (standard, provider) {
        ("ocf", Some(provider)) => names(&ocf_directory().join(provider), is_program),
        ("ocf", None) => {
            // Agents of all providers, in the order of the providers, each name once.
            let all = providers().into_iter().flat_map(|provider| agents("ocf", Some(&provider)));
            let all: BTreeSet<String> = all.collect();
            all.into_iter().collect()
        }
        ("lsb", _) => names(Path::new(INIT_SCRIPTS), is_program),
        ("service", _) => {
            let all: BTreeSet<String> = agents("lsb", None).into_iter().chain(agents("systemd", None)).collect();
            all.into_iter().collect()
        }
        ("stonith", _) => {
            let all = names(Path::new(FENCE_AGENTS), is_program);
            all.into_iter().filter(|name| name.starts_with("fence_")).collect()
        }
        ("systemd", _) => units(),
        _ => Vec::new(),
    }
}

/// The standards whose agents can be had here.
pub fn standards() -> Vec<&'static str> {
    let all = [("ocf", ocf_directory()), ("lsb", INIT_SCRIPTS.into())];
    let mut known: Vec<&str> = all.iter().filter(|(_, path)| path.is_dir()).map(|(name, _)| *name).collect();
    known.push("service");
    if Path::new("/run/systemd/system").is_dir() {
        known.push("systemd");
    }
    known.push("stonith");
    known
}

fn units() -> Vec<String> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Vec::new();
    }
    let places = ["/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system"];
    let all = places.iter().flat_map(|place| names(Path::new(place), |_| true));
    let services = all.filter_map(|name| name.strip_suffix(".service").map(str::to_owned));
    let services: BTreeSet<String> = services.collect();
    services.into_iter().collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn names(directory: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let found = entries.flatten().filter(|entry| wanted(&entry.path()));
    let mut names: Vec<String> = found.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_named_by_standard_provider_and_type() {
        let agent = Agent::parse("ocf:heartbeat:IPaddr2").unwrap();
        assert_eq!((agent.name().as_str(), agent.provider.as_deref()), ("ocf:heartbeat:IPaddr2", Some("heartbeat")));
        assert_eq!(Agent::parse("stonith:fence_ipmilan").unwrap().name(), "stonith:fence_ipmilan");
        assert!(["", "ocf", "ocf:", ":x", "a:b:c:d"].iter().all(|text| Agent::parse(text).is_none()));
        assert_eq!(Agent::parse("ocf:..:..").unwrap().path(), None);
        assert_eq!(Agent::parse("lsb:../x").unwrap().path(), None);
    }

    #[test]
    fn an_agent_that_takes_too_long_is_ended() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo said; echo ocf-exit-reason:why >&2; exec sleep 60"]);
        let ended = wait(command, Path::new("/bin/sh"), Duration::from_millis(300)).unwrap();
        assert_eq!((ended.rc, ended.timed_out, ended.out.as_str()), (status::TIMEOUT, true, "said\n"));
        assert_eq!(ended.reason(), Some("why"));
    }
}
