//! A small cluster for tests: a hub and daemons on it, with agents and files of the test's own. What is tried on it is
//! left to the tests.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wire::request::{from_line, to_line};
use wire::{Reply, Request, Status};

/// How long anything may take before the test fails; most takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The program under test, which lies elsewhere on a host that a test has made.
pub fn systoled() -> std::ffi::OsString {
    let beside = || option_env!("CARGO_BIN_EXE_systoled").map(Into::into);
    std::env::var_os("SYSTOLED").or_else(beside).expect("a test of another package names it in SYSTOLED")
}

/// The cluster. It ends with this value.
pub struct Small {
    /// What daemons find in their environment beside what the test does.
    pub environment: Vec<(String, String)>,
    directory: tempfile::TempDir,
    hub: Child,
    daemons: Vec<(String, Child)>,
}

impl Small {
    /// A hub, and a directory for all that the test needs; every user may read and write there.
    pub fn new(votes: u32) -> Small {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let socket = directory.path().join("hub.sock");
        let hub = Command::new(systoled())
            .args(["hub", "--expected-votes", &votes.to_string(), "--socket"])
            .arg(&socket)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let small = Small { environment: Vec::new(), directory, hub, daemons: Vec::new() };
        small.until("the hub listens", || UnixStream::connect(&socket).ok());
        small
    }

    /// A path in the directory.
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a program.
    pub fn program(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What a file says; nothing while it is not there.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    /// The configuration to begin with: what stands between `<resources>` and its end, and what comes after constraints.
    pub fn configure(&self, resources: &str, rest: &str) {
        let cib = format!(
            "<cib validate-with=\"pacemaker-3.9\" epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\"><configuration>\
             <crm_config><cluster_property_set id=\"o\"><nvpair id=\"o-1\" name=\"stonith-enabled\" value=\"false\"/>\
             </cluster_property_set></crm_config><nodes/><resources>{resources}</resources><constraints/>{rest}\
             </configuration></cib>"
        );
        fs::write(self.at("cib.xml"), cib).unwrap();
    }

    /// Starts a node. Its agents are those below `ocf` and `init.d`.
    pub fn start(&mut self, name: &str, id: u32) {
        self.start_as(name, name, id);
    }

    /// The same, for a node that gives itself another name than its files have.
    pub fn start_as(&mut self, name: &str, says: &str, id: u32) {
        self.start_by(name, says, id, Command::new(systoled()));
    }

    /// The same, by a command that ends in the daemon's program and takes its arguments.
    pub fn start_by(&mut self, name: &str, says: &str, id: u32, mut command: Command) {
        let log = fs::File::create(self.at(&format!("{name}.log"))).unwrap();
        command.args(["run", "--name", says, "--id", &id.to_string(), "--engine"]).arg(self.at("hub.sock"));
        for (option, file) in [
            ("--cib", "cib.xml".to_owned()),
            ("--state", format!("{name}.state")),
            ("--socket", format!("{name}.sock")),
            ("--ocf-root", "ocf".to_owned()),
            ("--init-scripts", "init.d".to_owned()),
        ] {
            command.arg(option).arg(self.at(&file));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.daemons.push((name.to_owned(), command.stderr(log).spawn().unwrap()));
    }

    /// Kills a node's daemon.
    pub fn kill(&mut self, name: &str) {
        let (_, daemon) = self.daemons.iter_mut().rfind(|(known, _)| known == name).unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Asks a node.
    pub fn ask(&self, node: &str, request: &Request) -> Option<Reply> {
        let stream = UnixStream::connect(self.at(&format!("{node}.sock"))).ok()?;
        (&stream).write_all(to_line(request).as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).ok()?;
        from_line(&line).ok()
    }

    /// What a node knows.
    pub fn status(&self, node: &str) -> Option<Status> {
        match self.ask(node, &Request::Status)? {
            Reply::Status(status) => Some(*status),
            _ => None,
        }
    }

    /// Waits until so many members are up and have nothing to do.
    pub fn quiet(&self, node: &str, members: usize) {
        self.until("the cluster is quiet", || {
            let status = self.status(node)?;
            (status.members.len() == members && status.synced && status.quiet).then_some(())
        });
    }

    /// Waits until there is something; says what the daemons logged when it does not come.
    pub fn until<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            if begun.elapsed() > PATIENCE {
                for (name, _) in &self.daemons {
                    eprintln!("{name}:\n{}", self.read(&format!("{name}.log")));
                }
                panic!("{what}: not within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        for child in self.daemons.iter_mut().map(|(_, daemon)| daemon).chain([&mut self.hub]) {
            // They are ours; one that is gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
