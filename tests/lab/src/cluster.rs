//! The cluster in the lab: the embedded engine's hub, and the nodes with `systoled` as their process 1.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use embedded::{Reply, Request, SocketPath};

use crate::adapt::POWER_SOCKET;
use crate::log;
use crate::machine::{Link, Plan, Work};
use crate::network::Address;
use crate::node::Node;
use crate::power;
use crate::sandbox::{LAB, PROGRAMS};
use crate::scene::{Scene, ocf_agents};
use crate::story::Storyteller;
use crate::witness::Witness;

/// Where Debian's own agents are, if they are installed.
const SYSTEM_OCF_ROOT: &str = "/usr/lib/ocf";

/// Where `systoled` listens for tools, seen from its node.
const CONTROL: &str = "systole/systoled.sock";

/// The hub and the nodes.
pub struct Cluster {
    nodes: Vec<Arc<Node>>,
    hub: Mutex<Child>,
    story: Storyteller,
    /// A node is cut off from the others by a partition.
    is_partitioned: AtomicBool,
    /// Nodes that are on their way from off to on.
    booting: AtomicUsize,
}

impl Cluster {
    /// Writes the configuration, starts the hub and the power switch; the nodes are still off.
    pub fn prepare(
        scene: &Scene,
        addresses: &[Address],
        token_ms: u64,
        witness: &Witness,
        story: &Storyteller,
    ) -> Result<Arc<Self>> {
        let cib = lab("cib.xml");
        fs::write(&cib, scene.cib.to_xml()).with_context(|| format!("writing {}", cib.display()))?;
        install_agents()?;
        for (id, provider, kind, line) in ocf_agents(scene) {
            if !lab("ocf/resource.d").join(provider).join(kind).exists() {
                bail!(
                    "{}:{line}: the agent ocf:{provider}:{kind} of the resource {id} is neither one of ours \
                     (`systole-agents list`) nor in {SYSTEM_OCF_ROOT}/resource.d: install the package that has it, as a \
                     rule resource-agents",
                    scene.file
                );
            }
        }

        let plan = |(index, (name, address)): (usize, (&String, &Address))| {
            let id = (index + 1).to_string();
            let state = lab(&format!("nodes/{name}/state"));
            fs::create_dir_all(&state).with_context(|| format!("making {}", state.display()))?;
            let plan = Plan {
                name: name.clone(),
                links: vec![Link { interface: scene.interface.clone(), address: address.to_string() }],
                run: lab(&format!("nodes/{name}/run")).display().to_string(),
                disks: Vec::new(),
                memory: Vec::new(),
                work: Work::Become(command(name, &id, &state)),
            };
            Ok(Node::new(plan, index + 1, witness.clone(), story.clone()))
        };
        let nodes: Vec<Arc<Node>> = scene.nodes.iter().zip(addresses).enumerate().map(plan).collect::<Result<_>>()?;

        let mut hub = Command::new(program("systoled"))
            .arg("hub")
            .arg("--socket")
            .arg(hub_socket())
            .args(["--expected-votes", &nodes.len().to_string(), "--token", &token_ms.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the engine's hub")?;
        if let Some(log) = hub.stderr.take() {
            let story = story.clone();
            thread::spawn(move || log::follow_text("hub", log, &story));
        }
        let cluster = Arc::new(Self {
            nodes,
            hub: Mutex::new(hub),
            story: story.clone(),
            is_partitioned: AtomicBool::new(false),
            booting: AtomicUsize::new(0),
        });
        power::serve(Path::new(POWER_SOCKET), &cluster)?;
        Ok(cluster)
    }

    /// Whether the hub answers; an error if it has ended.
    pub fn is_hub_up(&self) -> Result<bool> {
        let ended = self.hub.lock().unwrap_or_else(PoisonError::into_inner).try_wait().context("looking at the hub")?;
        if let Some(status) = ended {
            bail!("the engine's hub ended by itself ({status})");
        }
        Ok(matches!(self.ask_hub(&Request::Status), Ok(Reply::Status(_))))
    }

    /// How many nodes have a daemon that is a member, on whatever side.
    pub fn members(&self) -> Result<usize> {
        match self.ask_hub(&Request::Status)? {
            Reply::Status(status) => Ok(status.nodes.iter().filter(|node| node.since.is_some()).count()),
            reply => bail!("the engine's hub did not say who is here: {reply:?}"),
        }
    }

    /// The member that coordinates, if there is one.
    pub fn coordinator(&self) -> Option<String> {
        match self.ask_hub(&Request::Status).ok()? {
            Reply::Status(status) => {
                let members = status.nodes.into_iter().filter_map(|node| Some((node.since?, node.host)));
                members.min_by_key(|(since, host)| (*since, host.id)).map(|(_, host)| host.name)
            }
            _ => None,
        }
    }

    /// A node was switched off to be switched on again, and is on its way.
    pub fn is_booting(&self) -> bool {
        self.booting.load(Ordering::SeqCst) > 0
    }

    /// Switches a node on after a while, as a machine needs one to boot.
    pub fn boot_later(self: &Arc<Self>, node: Arc<Node>, after: Duration) {
        self.booting.fetch_add(1, Ordering::SeqCst);
        let cluster = Arc::clone(self);
        thread::spawn(move || {
            thread::sleep(after);
            if let Err(error) = cluster.switch_on(&node) {
                cluster.story.lab(format!("{} does not boot: {error:#}", node.name()));
            }
            cluster.booting.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// Names of the nodes, in order.
    pub fn names(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| node.name()).collect()
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// A node by its name.
    pub fn node(&self, name: &str) -> Option<Arc<Node>> {
        self.nodes.iter().find(|node| node.name() == name).cloned()
    }

    /// The story that the cluster is a part of.
    pub fn story(&self) -> &Storyteller {
        &self.story
    }

    /// Switches a node on; its cables are plugged in again if they were not.
    pub fn switch_on(&self, node: &Arc<Node>) -> Result<()> {
        if self.is_partitioned.swap(false, Ordering::SeqCst) {
            self.request(&Request::Heal)?;
        }
        if !node.is_on() {
            node.switch_on()?;
            self.story.lab(format!("{} is switched on", node.name()));
        }
        Ok(())
    }

    /// Cuts a node off from all others: its network and its connection to the engine. It does not know that.
    pub fn isolate(&self, node: &Node) -> Result<()> {
        let id = self.nodes.iter().position(|known| known.name() == node.name()).context("the node is not ours")? + 1;
        let side = format!("partition {id}").parse().context("asking for a partition")?;
        node.plug(false)?;
        self.is_partitioned.store(true, Ordering::SeqCst);
        self.request(&side)
    }

    fn request(&self, request: &Request) -> Result<()> {
        match self.ask_hub(request)? {
            Reply::Refused(reason) => bail!("the engine's hub refused {request}: {reason}"),
            _ => Ok(()),
        }
    }

    fn ask_hub(&self, request: &Request) -> Result<Reply> {
        let socket: SocketPath = hub_socket().display().to_string().parse().context("naming the hub's socket")?;
        embedded::control(&socket, request).with_context(|| format!("asking the engine's hub: {request}"))
    }
}

/// The command that talks to a node's daemon, from outside of the node.
pub fn tool(node: &Node) -> Command {
    let mut command = Command::new(program("systole"));
    command.arg("--socket").arg(control_socket(node)).stdin(Stdio::null());
    command
}

/// Where a node's daemon listens, seen from outside of the node.
pub fn control_socket(node: &Node) -> PathBuf {
    node.run_directory().join(CONTROL)
}

/// A program under test.
pub fn program(name: &str) -> PathBuf {
    Path::new(PROGRAMS).join(name)
}

fn lab(path: &str) -> PathBuf {
    Path::new(LAB).join(path)
}

fn hub_socket() -> PathBuf {
    lab("hub.sock")
}

/// What a node runs as process 1.
fn command(name: &str, id: &str, state: &Path) -> Vec<String> {
    let path = |path: PathBuf| path.display().to_string();
    let (systoled, hub) = (path(program("systoled")), path(hub_socket()));
    let identity = ["--name", name, "--id", id, "--engine", &hub, "--log", "json"];
    let control = format!("/run/{CONTROL}");
    let (ocf, fence, cib, state) = (path(lab("ocf")), path(lab("fence")), path(lab("cib.xml")), path(state.to_owned()));
    let own = ["--state", &state, "--socket", &control, "--ocf-root", &ocf, "--fence-agents", &fence, "--cib", &cib];
    let words =
        [systoled.as_str(), "supervise"].into_iter().chain(identity).chain(["--", "run"]).chain(identity).chain(own);
    words.map(str::to_owned).collect()
}

/// Lays out an OCF root with our agents, and with the machine's own where we have none of that name.
fn install_agents() -> Result<()> {
    let (root, fence) = (lab("ocf"), lab("fence"));
    for directory in [&root, &fence] {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    }
    for (installer, arguments, place) in
        [("systole-agents", &["install", "--heartbeat"][..], &root), ("systole-fence-agents", &["install"][..], &fence)]
    {
        let output = Command::new(program(installer))
            .args(arguments)
            .arg(place)
            .output()
            .with_context(|| format!("running {installer}"))?;
        if !output.status.success() {
            bail!("{installer} cannot install its agents: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    let system = Path::new(SYSTEM_OCF_ROOT);
    if !system.is_dir() {
        return Ok(());
    }
    let link = |from: &Path, to: &Path| {
        if to.symlink_metadata().is_ok() {
            return Ok(());
        }
        symlink(from, to).with_context(|| format!("linking {} to {}", to.display(), from.display()))
    };
    link(&system.join("lib"), &root.join("lib"))?;
    let providers =
        fs::read_dir(system.join("resource.d")).map(|found| found.flatten().collect()).unwrap_or_else(|_| Vec::new());
    for provider in providers {
        let place = root.join("resource.d").join(provider.file_name());
        fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
        for agent in fs::read_dir(provider.path()).into_iter().flatten().flatten() {
            link(&agent.path(), &place.join(agent.file_name()))?;
        }
    }
    Ok(())
}
