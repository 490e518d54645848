//! A node, as the one sees it who can switch it on and off.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock;
use crate::log;
use crate::machine::{BOARD, Plan};
use crate::network::{self, Namespace};
use crate::nfs;
use crate::story::Storyteller;
use crate::witness::Witness;

/// The file in a node's `/run` that tells one start of it from the next.
pub const BOOT_ID: &str = "boot-id";

/// A board that says nothing for so long never will: namespaces take milliseconds, also on a busy machine.
const FURNISH: Duration = Duration::from_secs(20);

/// A node of the lab; on or off.
pub struct Node {
    plan: Plan,
    /// The cables' ends at the bridges.
    cables: Vec<String>,
    witness: Witness,
    story: Storyteller,
    running: Mutex<Option<Running>>,
}

/// What a node is while it is on.
struct Running {
    board: Child,
    /// Process 1 of the node, by its number in the stage.
    pid: u32,
    /// For orders to process 1. Kept open: its end would be the end of what init waits for.
    stdin: ChildStdin,
}

impl Node {
    /// A node that is off.
    pub fn new(plan: Plan, number: usize, witness: Witness, story: Storyteller) -> Arc<Self> {
        let cables = (0..plan.links.len()).map(|link| format!("port{number}-{link}")).collect();
        Arc::new(Self { plan, cables, witness, story, running: Mutex::new(None) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Pulls the plugs of its cables at the bridges, or puts them back. The node does not know that.
    pub fn plug(&self, plugged: bool) -> Result<()> {
        (0..self.cables.len()).try_for_each(|link| self.plug_link(link, plugged))
    }

    /// The same for one of its links.
    pub fn plug_link(&self, link: usize, plugged: bool) -> Result<()> {
        network::plug(self.cables.get(link).context("the node has no such link")?, plugged)
    }

    /// The directory that is its `/run`, as the stage sees it.
    pub fn run_directory(&self) -> &Path {
        Path::new(&self.plan.run)
    }

    /// Process 1 of the node, by its number in the stage; `None` when it is off.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(|running| running.pid)
    }

    /// The daemon that process 1 runs, by its number in the stage; `None` while there is none.
    pub fn daemon(&self) -> Option<u32> {
        self.service("systoled")
    }

    /// A program that process 1 runs, by its number in the stage; `None` while there is none.
    pub fn service(&self, name: &str) -> Option<u32> {
        let init = self.pid()?;
        let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).ok()?;
        // Others among its children are processes that were left to it.
        let mut numbers = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        numbers
            .find(|pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name))
    }

    /// Kills a program that process 1 runs, with SIGKILL.
    pub fn kill_service(&self, name: &str) -> Result<()> {
        let pid = self.service(name).with_context(|| format!("{} has no {name} to kill", self.name()))?;
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).with_context(|| format!("killing {name} of {}", self.name()))
    }

    /// Tells process 1 to start one of its programs.
    pub fn start_service(&self, name: &str) -> Result<()> {
        self.order(&format!("start {name}"))
    }

    /// Tells process 1 to end one of its programs in good order, and not to start it again.
    pub fn stop_service(&self, name: &str) -> Result<()> {
        self.order(&format!("stop {name}"))
    }

    fn order(&self, line: &str) -> Result<()> {
        let mut running = self.lock();
        let Some(running) = running.as_mut() else { bail!("{} is off", self.name()) };
        writeln!(running.stdin, "{line}").with_context(|| format!("telling {} to {line}", self.name()))
    }

    /// A command that runs a program inside of the node, in all of its namespaces.
    pub fn inside(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let pid = self.pid().with_context(|| format!("{} is off", self.name()))?;
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(pid.to_string());
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--"]).arg(program).stdin(Stdio::null());
        Ok(command)
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.pid().is_some()
    }

    /// Switches it on. Nothing happens if it is on.
    pub fn switch_on(self: &Arc<Self>) -> Result<()> {
        let mut running = self.lock();
        if running.is_some() {
            return Ok(());
        }
        *running = Some(self.boot().with_context(|| format!("switching {} on", self.name()))?);
        Ok(())
    }

    fn boot(self: &Arc<Self>) -> Result<Running> {
        // What was in memory is gone after a reboot; /run is memory.
        match fs::remove_dir_all(self.run_directory()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("emptying {}", self.plan.run));
            }
            _ => fs::create_dir_all(self.run_directory()).with_context(|| format!("making {}", self.plan.run))?,
        }
        // The kernel's own is one for all nodes here, and for all their lives.
        let boot_id = self.run_directory().join(BOOT_ID);
        fs::write(&boot_id, clock::now_us().to_string()).with_context(|| format!("writing {}", boot_id.display()))?;
        let plan = serde_json::to_string(&self.plan).context("writing the node's plan")?;
        let mut board = Command::new("/proc/self/exe")
            .arg0("systole-lab-board")
            .args([BOARD, &plan])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting its board")?;
        let connected = self.connect(&mut board);
        if connected.is_err() {
            // Its error matters, not how it ends.
            let _ = board.kill();
            let _ = board.wait();
        }
        connected.map(|(pid, stdin)| Running { board, pid, stdin })
    }

    fn connect(self: &Arc<Self>, board: &mut Child) -> Result<(u32, ChildStdin)> {
        let (stdin, stdout, stderr) = (board.stdin.take(), board.stdout.take(), board.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            bail!("the board was started without pipes");
        };
        let (story, name) = (self.story.clone(), self.name().to_owned());
        thread::spawn(move || log::follow(&name, stderr, &story));

        // What comes after the two lines below is the node's own output: nobody reads it, but it must not fill up.
        let (lines, output) = mpsc::channel();
        let node = Arc::downgrade(self);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
            // Its end is the end of every process of the node, however that came.
            if let Some(node) = node.upgrade() {
                node.clear_away();
            }
        });
        // The board says which process init is, and init that it is ready: whoever comes first.
        let (mut pid, mut is_furnished) = (None, false);
        while pid.is_none() || !is_furnished {
            let line = output.recv_timeout(FURNISH).context("waiting for its namespaces")?;
            match line.strip_prefix("pid ").map(str::parse) {
                Some(Ok(number)) => pid = Some(number),
                None if line == "furnished" => is_furnished = true,
                _ => bail!("its board speaks in riddles: {line:?}"),
            }
        }
        let pid = pid.context("its board did not say which process is its first")?;
        let namespace = Namespace::of_process(pid)?;
        for ((cable, link), bridge) in self.cables.iter().zip(&self.plan.links).zip([network::LAN, network::SECOND]) {
            // Of an earlier life. The kernel takes it away as well, but in its own time.
            let _ = network::disconnect(cable);
            network::connect(bridge, cable, &link.interface, &namespace)?;
        }
        self.witness.watch_node(self.name(), pid)?;
        stdin.write_all(b"connected\n").context("telling it that its cable is there")?;
        Ok((pid, stdin))
    }

    /// Cuts its power: process 1 and the cable are dead in the same moment. When this returns every process of the
    /// node is dead and reaped, nothing reaches its network, and what it had mounted is not mounted any more.
    pub fn switch_off(&self) -> Result<()> {
        let mut running = self.lock();
        let Some(mut on) = running.take() else { return Ok(()) };
        self.witness.let_go_of_mounts(self.name());
        let server = nfs::Server::of(on.pid);
        if let Some(server) = &server {
            self.plug(false)?;
            server.end().with_context(|| format!("ending the NFS server of {}", self.name()))?;
        }
        kill(Pid::from_raw(on.pid as i32), Signal::SIGKILL).with_context(|| format!("killing {}", self.name()))?;
        self.plug(false)?;
        on.board.wait().with_context(|| format!("waiting for the end of {}", self.name()))?;
        if let Some(server) = server {
            server.wait_for_release().with_context(|| format!("waiting for the end of {}", self.name()))?;
        }
        self.witness.forget_node(self.name());
        Ok(())
    }

    /// Process 1 has ended of itself, or was killed by someone else: what a machine without it would be, off.
    fn clear_away(&self) {
        let mut running = self.lock();
        let Some(mut on) = running.take() else { return };
        if matches!(on.board.try_wait(), Ok(None)) && fs::exists(format!("/proc/{}", on.pid)).unwrap_or(false) {
            // It is a later life of the node that runs.
            *running = Some(on);
            return;
        }
        let _ = self.plug(false);
        let _ = on.board.wait();
        self.witness.forget_node(self.name());
        self.story.lab(format!("{} went off by itself", self.name()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        // A thread that panicked here left a value that is as true as before.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
