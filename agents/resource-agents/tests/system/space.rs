//! Namespaces for the system tests: a network and mounts of their own, with the real program run inside. As root they
//! are made directly, else within a user namespace.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What the tests need that is not ours.
const NEEDED: &str = "the system tests make network and mount namespaces: run them as root, or where a user may make user \
                      namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces > 0, and no AppArmor \
                      rule against it); they use unshare and nsenter of util-linux, and ip of iproute2";
/// What some of them need besides.
pub const PACKAGES: &str = "apt-get install resource-agents pacemaker-resource-agents libxml2-utils strace";
/// For what the kernel or a process does a moment later. Reached only when it never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A network and a mount namespace, as long as it lives.
pub struct Space {
    keeper: Child,
    user: bool,
    /// For files of the test, and the agents' run directory.
    pub directory: tempfile::TempDir,
}

/// What an agent answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub reason: String,
    pub output: String,
    pub log: String,
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

impl Space {
    pub fn new() -> Space {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount"]);
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        Space::keep(command, !is_root())
    }

    /// A second space, which can be joined to this one by a cable.
    pub fn neighbour(&self) -> Space {
        let mut command = self.enter("unshare");
        command.args(["--net", "--mount"]);
        Space::keep(command, self.user)
    }

    fn keep(mut command: Command, user: bool) -> Space {
        let keeper =
            command.args(["sh", "-c", "echo here; exec sleep 600"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut keeper = keeper.unwrap_or_else(|error| panic!("unshare: {error}; {NEEDED}"));
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "here\n", "no namespaces could be made: {NEEDED}");
        let space = Space { keeper, user, directory: tempfile::tempdir().unwrap() };
        space.run("ip link set lo up");
        space
    }

    pub fn pid(&self) -> u32 {
        self.keeper.id()
    }

    /// A command that runs inside.
    pub fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid().to_string(), "--net", "--mount"]);
        if self.user {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// Runs a command line of a shell inside, which must succeed; returns what it printed.
    pub fn run(&self, line: &str) -> String {
        let output = self.enter("sh").args(["-c", line]).output().expect(NEEDED);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{line}: {}\n{NEEDED}", text(&output.stderr));
        text(&output.stdout)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Calls an agent: `AGENT ACTION NAME=VALUE …`. Words that begin with `OCF_` or `HA_` are variables, the others
    /// parameters.
    pub fn call(&self, line: &str) -> Answer {
        answer(self.command(line).output().unwrap())
    }

    /// The same, to be run otherwise.
    pub fn command(&self, line: &str) -> Command {
        self.command_by(&[], line)
    }

    /// The same, run by another program that is given it as its last arguments.
    pub fn command_by(&self, wrapper: &[&str], line: &str) -> Command {
        let mut words = line.split(' ');
        let (agent, action) = (words.next().unwrap(), words.next().unwrap());
        let program = [wrapper, &[env!("CARGO_BIN_EXE_systole-agents")]].concat();
        let mut command = self.enter(program[0]);
        command.args(&program[1..]).args([agent, action]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.environment(words));
        command
    }

    /// Calls an agent's `watch` and waits until it is armed.
    pub fn watch(&self, line: &str) -> Watcher {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        Watcher { process, first }
    }

    /// The variables of a call with these words.
    pub fn environment<'a>(&self, words: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
        let mut out = BTreeMap::from([
            ("HA_RSCTMP".to_owned(), self.path("run").display().to_string()),
            ("OCF_RESOURCE_INSTANCE".to_owned(), "test".to_owned()),
            ("OCF_RA_VERSION_MAJOR".to_owned(), "1".to_owned()),
            ("OCF_RESKEY_CRM_meta_timeout".to_owned(), "20000".to_owned()),
        ]);
        for (name, value) in words.map(|word| word.split_once('=').expect("NAME=VALUE")) {
            let own = ["OCF_", "HA_"].iter().any(|prefix| name.starts_with(prefix));
            out.insert(if own { name.to_owned() } else { format!("OCF_RESKEY_{name}") }, value.to_owned());
        }
        out
    }

    /// Calls an agent and wants this exit status.
    pub fn expect(&self, code: i32, line: &str) -> Answer {
        let answer = self.call(line);
        assert_eq!(answer.code, code, "{line}: {answer:#?}");
        answer
    }

    /// Calls an agent, and wants this exit status and a reason with these words.
    pub fn refuse(&self, code: i32, line: &str, words: &[&str]) {
        let answer = self.expect(code, line);
        for word in words {
            assert!(answer.reason.contains(word), "{word:?} is not in the reason of {line}: {answer:#?}");
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// A `watch` that stays.
pub struct Watcher {
    process: Child,
    /// The first line it said.
    pub first: String,
}

impl Watcher {
    /// Does it stay?
    pub fn stays(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits until it ends by itself.
    pub fn end(mut self) -> Answer {
        until("the end of the watch", || !self.stays());
        answer(self.process.wait_with_output().unwrap())
    }

    /// Its caller goes.
    pub fn leave(mut self) -> Answer {
        drop(self.process.stdin.take());
        self.end()
    }
}

pub fn answer(output: Output) -> Answer {
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    Answer {
        code: output.status.code().unwrap_or(-1),
        reason: ocf::exit_reason(&log).unwrap_or("").to_owned(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        log,
    }
}

/// Waits for something that comes by itself.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{what} did not come in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes that have all of these among their arguments.
pub fn processes_with(arguments: &[&str]) -> Vec<i32> {
    let pids =
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_all = |pid: &i32| {
        let line = std::fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        arguments.iter().all(|argument| words.contains(&argument.as_bytes()))
    };
    pids.filter(has_all).collect()
}
