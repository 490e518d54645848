//! Nodes in namespaces, each with a real Corosync, joined by a bridge. What is tried on them is for others.
//!
//! All of it lives in a network namespace of the test's own, which is where the bridge is. A node is network, mount,
//! process, host-name and IPC namespaces with `/etc/corosync`, `/run`, `/dev/shm` and `/var/lib/corosync` to itself. The
//! end of a node's process 1 is the end of all in it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before the test gives up: far beyond what it takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a node does before it is one: directories of its own, then a process 1 that only waits.
const FURNISH: &str = "set -e
for dir in /etc/corosync /run /dev/shm /var/lib/corosync; do mount -t tmpfs none $dir; done
hostname $1
ip link set lo up
echo up
exec tail -f /dev/null";

/// A node.
pub struct Node {
    pub id: u32,
    board: Option<Child>,
    corosync: Option<Child>,
    directory: PathBuf,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
}

fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

/// Asks again until it is so.
pub fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < until, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The bridge that all nodes hang on, in the test's own network namespace.
pub fn lay_the_bridge() {
    ip("link add switch type bridge stp_state 0 mcast_snooping 0");
    ip("link set switch up");
}

/// A `corosync.conf` for nodes 1 to `count`. The token is as short as it can be where a busy machine may let a process wait
/// for a second: who loses it is lost, and that is not what is tried.
pub fn configuration(count: u32) -> String {
    let nodes: String = (1..=count)
        .map(|id| format!("  node {{\n    name: n{id}\n    nodeid: {id}\n    ring0_addr: 10.77.0.{id}\n  }}\n"))
        .collect();
    format!(
        "totem {{\n  version: 2\n  cluster_name: trial\n  transport: knet\n  crypto_cipher: aes256\n  crypto_hash: sha256\n  \
         token: 2000\n  token_coefficient: 0\n}}\nnodelist {{\n{nodes}}}\nquorum {{\n  provider: corosync_votequorum\n}}\n\
         logging {{\n  to_stderr: no\n  to_syslog: no\n  to_logfile: yes\n  logfile: /run/corosync.log\n  timestamp: hires\n}}\n\
         system {{\n  move_to_root_cgroup: no\n}}\n"
    )
}

impl Node {
    /// A node that is switched off.
    pub fn new(id: u32, directory: &Path) -> Node {
        Node { id, board: None, corosync: None, directory: directory.to_owned() }
    }

    /// Switches it on and starts Corosync with this configuration and key.
    pub fn start(&mut self, configuration: &str, key: &[u8; 128]) {
        let log = fs::File::create(self.directory.join(format!("n{}.console", self.id))).expect("a file of ours");
        let up = self.directory.join(format!("n{}.up", self.id));
        let _ = fs::remove_file(&up);
        let board = Command::new("unshare")
            .args(["--net", "--mount", "--ipc", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", FURNISH, "sh", &format!("n{}", self.id)])
            .stdin(Stdio::null())
            .stdout(fs::File::create(&up).expect("a file of ours"))
            .stderr(log)
            .spawn()
            .expect("util-linux has unshare");
        self.board = Some(board);
        wait_for("a node to be furnished", || fs::read_to_string(&up).is_ok_and(|text| text.contains("up")));
        let (id, pid) = (self.id, self.init());
        ip(&format!("link add port{id} type veth peer name eth0 netns {pid}"));
        ip(&format!("link set port{id} master switch up"));
        run(self.inside("ip").args(["addr", "add", &format!("10.77.0.{id}/24"), "dev", "eth0"]));
        run(self.inside("ip").args(["link", "set", "eth0", "up"]));
        self.configure(configuration, key);
        self.start_corosync();
    }

    /// Gives it a configuration and a key, for when Corosync is started next.
    pub fn configure(&self, configuration: &str, key: &[u8; 128]) {
        self.write("/etc/corosync/corosync.conf", configuration.as_bytes());
        self.write("/etc/corosync/authkey", key);
    }

    /// The node's process 1, by its number outside.
    fn init(&self) -> u32 {
        let board = self.board.as_ref().expect("the node is on").id();
        let children = fs::read_to_string(format!("/proc/{board}/task/{board}/children")).expect("unshare is there");
        children.trim().parse().expect("unshare has one child")
    }

    /// A command that runs in the node.
    pub fn inside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        let pid = self.init().to_string();
        command.args(["--target", &pid, "--net", "--mount", "--ipc", "--uts", "--pid", "--"]).arg(program);
        command
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let mut tee = self.inside("tee").arg(path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("tee");
        tee.stdin.take().expect("piped").write_all(bytes).expect("tee reads");
        assert!(tee.wait().expect("ours").success(), "writing {path} in n{}", self.id);
    }

    /// Starts Corosync, which must not run.
    pub fn start_corosync(&mut self) {
        let log = fs::File::create(self.directory.join(format!("n{}.corosync", self.id))).expect("a file of ours");
        let corosync = self.inside("corosync").arg("-f").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.corosync = Some(corosync.expect("nsenter"));
    }

    /// Kills Corosync, and nothing else.
    pub fn kill_corosync(&mut self) {
        // nsenter has become corosync, as it forks only to enter a process namespace: the child is the one to kill.
        let corosync = self.corosync.as_mut().expect("it runs");
        let nsenter = corosync.id();
        let children = fs::read_to_string(format!("/proc/{nsenter}/task/{nsenter}/children")).expect("it runs");
        let pid: i32 = children.trim().parse().expect("nsenter has one child");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("it runs");
        corosync.wait().expect("ours");
        self.corosync = None;
    }

    /// Pulls the node's cable, or puts it back.
    pub fn cable(&self, plugged: bool) {
        ip(&format!("link set port{} {}", self.id, if plugged { "up" } else { "down" }));
    }

    /// Cuts the node's power.
    pub fn kill(&mut self) {
        let Some(mut board) = self.board.take() else { return };
        board.kill().expect("unshare is ours");
        board.wait().expect("ours");
        if let Some(mut corosync) = self.corosync.take() {
            corosync.wait().expect("it ended with its node");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
