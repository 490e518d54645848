//! The cluster in the lab: nodes with `systoled`, on the embedded engine with its hub, or on Corosync.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use embedded::{Reply, Request, SocketPath};

use crate::adapt::POWER_SOCKET;
use crate::control;
use crate::ledger;
use crate::log;
use crate::machine::{Link, Plan, Work};
use crate::network::{self, Address};
use crate::node::{BOOT_ID, Node};
use crate::power;
use crate::ring::{self, Votes};
use crate::sandbox::{self, LAB, PROGRAMS};
use crate::scene::{Scene, ocf_agents};
use crate::services::Service;
use crate::story::Storyteller;
use crate::watchdogs;
use crate::witness::Witness;

/// The name of the host that the quorum device is on.
const DEVICE: &str = "device";

/// Where Debian's own agents are, if they are installed.
const SYSTEM_OCF_ROOT: &str = "/usr/lib/ocf";

/// Where `systoled` listens for tools, seen from its node.
pub const CONTROL: &str = "systole/systoled.sock";

/// The file in a node's `/run` that says by how many seconds its daemon's wall clock is off.
pub const CLOCK_OFFSET: &str = "clock-offset";

/// What a node's state directory has room for: a hundred small configurations. It is a file system of its own, so that
/// it can be full.
const STATE_KIB: u64 = 16 << 10;

/// Daemons are not asked more often than this: telling the whole CIB is work for them, which must not be measured.
const LOOK: Duration = Duration::from_millis(50);

/// Which engine the nodes run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineKind {
    /// Ours, for nodes on one machine.
    Embedded,
    /// Debian's Corosync.
    Corosync,
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "corosync" => Ok(Self::Corosync),
            _ => Err(format!("{text:?} is no engine: expected embedded or corosync")),
        }
    }
}

impl std::fmt::Display for EngineKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Corosync => "corosync",
        })
    }
}

/// What the nodes are built on.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The engine.
    pub engine: EngineKind,
    /// After how many milliseconds of silence the engine counts a node as lost.
    pub token_ms: u64,
    /// The node that starts first, and so coordinates.
    pub coordinator: Option<String>,
    /// Whether two nodes have a quorum device beside them.
    pub has_device: bool,
    /// Whether the nodes have watchdogs, and clocks that can be turned: for trials.
    pub is_for_trials: bool,
}

/// The engine, as far as it is the lab's to start.
enum Engine {
    /// The hub.
    Embedded(Mutex<Child>),
    /// Each node has its own Corosync.
    Corosync,
}

/// What the daemons said when they were asked last.
#[derive(Default)]
struct Said {
    at: Option<Instant>,
    members: usize,
    coordinator: Option<String>,
}

/// The engine and the nodes.
pub struct Cluster {
    nodes: Vec<Arc<Node>>,
    /// The host of the quorum device, which is none of the nodes.
    device: Option<Arc<Node>>,
    engine: Engine,
    said: Mutex<Said>,
    story: Storyteller,
    /// A node is cut off from the others by a partition.
    is_partitioned: AtomicBool,
    /// Nodes that are on their way from off to on.
    booting: AtomicUsize,
    /// The power switch does not answer: it is without power as well.
    is_switch_dead: AtomicBool,
    /// The nodes' watchdogs are connected to their resets.
    are_watchdogs_connected: AtomicBool,
}

impl Cluster {
    /// Writes the configuration, starts the hub if there is to be one, and the power switch; the nodes are still off.
    /// `addresses` are the nodes', and one more for the quorum device if there is to be one.
    pub fn prepare(
        scene: &Scene,
        addresses: &[Address],
        ground: &Ground,
        witness: &Witness,
        story: &Storyteller,
    ) -> Result<Arc<Self>> {
        let Ground { engine: kind, token_ms, is_for_trials, has_device, .. } = *ground;
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

        let (addresses, beside) = addresses.split_at(scene.nodes.len());
        let device = beside.first().filter(|_| has_device);
        let mut links: Vec<Vec<Address>> = addresses.iter().map(|address| vec![*address]).collect();
        if kind == EngineKind::Corosync {
            network::make_bridge(network::SECOND)?;
            links.iter_mut().zip(ring::second_link(addresses.len())).for_each(|(links, second)| links.push(second));
            let votes = match device {
                Some(address) => Votes::Device(address.ip),
                None if scene.nodes.len() == 2 => Votes::TwoNode,
                None => Votes::Nodes,
            };
            ring::Setup { names: scene.nodes.clone(), addresses: links.clone(), token_ms, votes }.write()?;
        }
        let plan = |(index, (name, links)): (usize, (&String, Vec<Address>))| {
            let state = state_directory(name);
            fs::create_dir_all(&state).with_context(|| format!("making {}", state.display()))?;
            sandbox::tmpfs_of(&state, "0755", STATE_KIB)?;
            let corosync = kind == EngineKind::Corosync;
            let link = |(address, interface): (&Address, &str)| Link {
                interface: interface.to_owned(),
                address: address.to_string(),
            };
            let plan = Plan {
                name: name.clone(),
                links: links.iter().zip([scene.interface.as_str(), "second"]).map(link).collect(),
                run: lab(&format!("nodes/{name}/run")).display().to_string(),
                disks: if corosync { ring::disks(name) } else { Vec::new() },
                memory: if corosync { ring::memory() } else { Vec::new() },
                work: if corosync {
                    let client = device.map(|_| ring::device_client());
                    let both = [ring::service(), daemon_on_corosync(&state, is_for_trials)];
                    Work::LookAfter(both.into_iter().chain(client).collect())
                } else {
                    Work::Become(supervised(name, &(index + 1).to_string(), &state, is_for_trials))
                },
            };
            Ok(Node::new(plan, index + 1, witness.clone(), story.clone()))
        };
        let nodes: Vec<Arc<Node>> = scene.nodes.iter().zip(links).enumerate().map(plan).collect::<Result<_>>()?;
        let device = device.map(|address| {
            let link = Link { interface: scene.interface.clone(), address: address.to_string() };
            let plan = Plan {
                name: DEVICE.to_owned(),
                links: vec![link],
                run: lab(&format!("nodes/{DEVICE}/run")).display().to_string(),
                disks: Vec::new(),
                memory: Vec::new(),
                work: Work::LookAfter(vec![ring::device_server()]),
            };
            Node::new(plan, nodes.len() + 1, witness.clone(), story.clone())
        });
        let engine = match kind {
            EngineKind::Embedded => Engine::Embedded(Mutex::new(start_hub(nodes.len(), token_ms, story)?)),
            EngineKind::Corosync => Engine::Corosync,
        };
        let cluster = Arc::new(Self {
            nodes,
            device,
            engine,
            said: Mutex::default(),
            story: story.clone(),
            is_partitioned: AtomicBool::new(false),
            booting: AtomicUsize::new(0),
            is_switch_dead: AtomicBool::new(false),
            are_watchdogs_connected: AtomicBool::new(false),
        });
        watchdogs::guard(&cluster)?;
        power::serve(Path::new(POWER_SOCKET), &cluster)?;
        Ok(cluster)
    }

    /// Which engine it is.
    pub fn kind(&self) -> EngineKind {
        match self.engine {
            Engine::Embedded(_) => EngineKind::Embedded,
            Engine::Corosync => EngineKind::Corosync,
        }
    }

    /// Whether the engine is there to be joined; an error if it has ended. A node brings its Corosync with it.
    pub fn is_engine_up(&self) -> Result<bool> {
        let Engine::Embedded(hub) = &self.engine else { return Ok(true) };
        let ended = hub.lock().unwrap_or_else(PoisonError::into_inner).try_wait().context("looking at the hub")?;
        if let Some(status) = ended {
            bail!("the engine's hub ended by itself ({status})");
        }
        Ok(matches!(self.ask_hub(&Request::Status), Ok(Reply::Status(_))))
    }

    /// How many nodes have a daemon that is a member. On Corosync all daemons of nodes that are on must agree on it:
    /// while they do not, or one does not answer, it is none.
    pub fn members(&self) -> Result<usize> {
        match &self.engine {
            Engine::Embedded(_) => match self.ask_hub(&Request::Status)? {
                Reply::Status(status) => Ok(status.nodes.iter().filter(|node| node.since.is_some()).count()),
                reply => bail!("the engine's hub did not say who is here: {reply:?}"),
            },
            Engine::Corosync => Ok(self.said().members),
        }
    }

    /// The member that coordinates, if there is one.
    pub fn coordinator(&self) -> Option<String> {
        match &self.engine {
            Engine::Embedded(_) => match self.ask_hub(&Request::Status).ok()? {
                Reply::Status(status) => {
                    let members = status.nodes.into_iter().filter_map(|node| Some((node.since?, node.host)));
                    members.min_by_key(|(since, host)| (*since, host.id)).map(|(_, host)| host.name)
                }
                _ => None,
            },
            Engine::Corosync => self.said().coordinator.clone(),
        }
    }

    /// What the daemons say, asked now or a moment ago.
    fn said(&self) -> MutexGuard<'_, Said> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.at.is_none_or(|at| at.elapsed() >= LOOK) {
            let all: Option<Vec<wire::Status>> =
                self.nodes.iter().filter(|node| node.is_on()).map(|node| control::status(node)).collect();
            let all = all.unwrap_or_default();
            let agreed = all.first().filter(|first| {
                all.iter()
                    .all(|one| one.synced && (&one.members, &one.coordinator) == (&first.members, &first.coordinator))
            });
            said.members = agreed.map_or(0, |status| status.members.len());
            said.coordinator = agreed.and_then(|status| status.coordinator.clone());
            said.at = Some(Instant::now());
        }
        said
    }

    /// What each node says of the cluster, and its Corosync of itself: a line each, for the reader of a wait in vain.
    pub fn views(&self) -> String {
        self.nodes.iter().map(|node| format!("\n  {}: {}", node.name(), self.view(node))).collect()
    }

    fn view(&self, node: &Node) -> String {
        if !node.is_on() {
            return "is off".to_owned();
        }
        let daemon = match control::status(node) {
            Some(status) => format!(
                "sees {} with {} as coordinator, {}, {} {}",
                status.members.join(" "),
                status.coordinator.as_deref().unwrap_or("nobody"),
                if status.quorate { "quorate" } else { "not quorate" },
                if status.synced { "synced at" } else { "not synced at" },
                format_args!("{}.{}.{}", status.version.0, status.version.1, status.version.2)
            ),
            None => "its daemon does not answer".to_owned(),
        };
        match self.kind() {
            EngineKind::Embedded => daemon,
            EngineKind::Corosync => format!("{daemon}; {}", ring::account(node)),
        }
    }

    /// A node was switched off to be switched on again, and is on its way.
    pub fn is_booting(&self) -> bool {
        self.booting.load(Ordering::SeqCst) > 0
    }

    /// Takes the power switch out of service, or puts it back.
    pub fn set_switch_dead(&self, dead: bool) {
        self.is_switch_dead.store(dead, Ordering::SeqCst);
    }

    /// From now on a watchdog that is not fed resets its node, or no longer. On a machine so busy that a daemon cannot feed
    /// its own in time, that would be a fault that a trial did not ask for.
    pub fn connect_watchdogs(&self, connected: bool) {
        self.are_watchdogs_connected.store(connected, Ordering::SeqCst);
    }

    /// Whether a watchdog that is not fed resets its node.
    pub fn are_watchdogs_connected(&self) -> bool {
        self.are_watchdogs_connected.load(Ordering::SeqCst)
    }

    /// Whether the power switch is out of service.
    pub fn is_switch_dead(&self) -> bool {
        self.is_switch_dead.load(Ordering::SeqCst)
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

    /// The host of the quorum device.
    pub fn device(&self) -> Option<&Arc<Node>> {
        self.device.as_ref()
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
        if self.is_partitioned.swap(false, Ordering::SeqCst) && self.kind() == EngineKind::Embedded {
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
        node.plug(false)?;
        self.is_partitioned.store(true, Ordering::SeqCst);
        match self.kind() {
            EngineKind::Embedded => self.request(&format!("partition {id}").parse().context("asking for a partition")?),
            EngineKind::Corosync => Ok(()),
        }
    }

    /// Takes an isolation back, of a node that is on.
    pub fn heal(&self, node: &Node) -> Result<()> {
        node.plug(true)?;
        if self.is_partitioned.swap(false, Ordering::SeqCst) && self.kind() == EngineKind::Embedded {
            self.request(&Request::Heal)?;
        }
        Ok(())
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

/// A program under test.
pub fn program(name: &str) -> PathBuf {
    Path::new(PROGRAMS).join(name)
}

/// Where the lab has something of its own.
pub fn lab(path: &str) -> PathBuf {
    Path::new(LAB).join(path)
}

fn hub_socket() -> PathBuf {
    lab("hub.sock")
}

/// Where a node keeps its configuration; a file system of its own, which outlives the node's power.
pub fn state_directory(node: &str) -> PathBuf {
    lab(&format!("nodes/{node}/state"))
}

fn start_hub(votes: usize, token_ms: u64, story: &Storyteller) -> Result<Child> {
    let mut hub = Command::new(program("systoled"))
        .arg("hub")
        .arg("--socket")
        .arg(hub_socket())
        .args(["--expected-votes", &votes.to_string(), "--token", &token_ms.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting the engine's hub")?;
    if let Some(log) = hub.stderr.take() {
        let story = story.clone();
        thread::spawn(move || log::follow_text("hub", log, &story));
    }
    Ok(hub)
}

/// What a node on the embedded engine runs as process 1.
fn supervised(name: &str, id: &str, state: &Path, is_for_trials: bool) -> Vec<String> {
    let (systoled, hub) = (program("systoled").display().to_string(), hub_socket().display().to_string());
    let identity = ["--name", name, "--id", id, "--engine", &hub, "--log", "json"];
    let words = [systoled.as_str(), "supervise"].into_iter().chain(identity).chain(["--", "run"]).chain(identity);
    words.map(str::to_owned).chain(own_places(state, is_for_trials)).collect()
}

/// The daemon of a node on Corosync: it has its name and number from there.
fn daemon_on_corosync(state: &Path, is_for_trials: bool) -> Service {
    let words = [program("systoled").display().to_string()].into_iter();
    let words = words.chain(["run", "--engine", "corosync", "--log", "json"].map(str::to_owned));
    Service {
        name: "systoled".to_owned(),
        command: words.chain(own_places(state, is_for_trials)).collect(),
        again: true,
        log: None,
    }
}

/// Where a daemon in the lab has its things.
fn own_places(state: &Path, is_for_trials: bool) -> impl Iterator<Item = String> {
    let (control, state) = (format!("/run/{CONTROL}"), state.display().to_string());
    let path = |path: &str| lab(path).display().to_string();
    let pairs = [
        ("--state", state),
        ("--socket", control),
        ("--ocf-root", path("ocf")),
        ("--fence-agents", path("fence")),
        ("--cib", path("cib.xml")),
        ("--boot-id", format!("/run/{BOOT_ID}")),
    ];
    let for_trials = [
        ("--watchdog", format!("/run/{}", watchdogs::FILE)),
        ("--watchdog-timeout", watchdogs::TIMEOUT.as_secs().to_string()),
        ("--clock-offset", format!("/run/{CLOCK_OFFSET}")),
    ];
    let pairs = pairs.into_iter().chain(for_trials.into_iter().filter(move |_| is_for_trials));
    pairs.flat_map(|(option, value)| [option.to_owned(), value])
}

/// Lays out an OCF root with our agents, and with the machine's own where we have none of that name.
fn install_agents() -> Result<()> {
    let (root, fence) = (lab("ocf"), lab("fence"));
    ledger::install(&root)?;
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
