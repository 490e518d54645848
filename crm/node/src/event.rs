//! What a node can see and do: its events, its commands, and what they speak of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cib::Cib;
use controller::Note;
use engine::Host;
use executor::{Agent, End, Operation, Signal};
use ocf::Metadata;
use store::Entry;
use transition::Transition;
use wire::{Record, Reply, Request};

use crate::clients::ClientId;

/// The time, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Since any fixed moment; never goes back.
    pub monotonic: Duration,
    /// Seconds since 1970: only ever written down, never waited for.
    pub unix: i64,
}

/// What does not change while a node runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This node.
    pub me: Host,
    /// Name of the cluster.
    pub cluster: String,
    /// Differs at every start of every daemon; written as a UUID.
    pub incarnation: String,
    /// The newest protocol to speak: [`wire::PROTOCOL`], or an older one to rehearse an upgrade.
    pub protocol: u32,
    /// The longest piece that the engine carries, in bytes: [`engine::MAX_PAYLOAD`], or less to try what is cut.
    pub payload: usize,
    /// How many agents may run at once.
    pub limit: usize,
    /// Where chance comes from, such as in `pcmk_delay_max`.
    pub seed: u64,
    /// What there is for fencing.
    pub fencing: FencingSettings,
    /// The failovers as they were kept on disk.
    pub failovers: String,
}

/// What a node has for fencing.
#[derive(Clone, Debug, Default)]
pub struct FencingSettings {
    /// Differs at every start of the host; empty when it is not known.
    pub boot_id: String,
    /// After how many seconds unfed the host's watchdog ends it; `None`: it is not armed.
    pub watchdog_s: Option<u64>,
    /// An earlier daemon ended since this host started and left its watchdog armed: what it had started may run on.
    pub was_left_armed: bool,
    /// The history of fencing as it was kept on disk.
    pub history: String,
}

/// A process that the node asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Process {
    /// A resource agent, or a fence agent that is watched as a resource.
    Agent(executor::RunId),
    /// A fence agent that fences.
    Fence(fencer::RunId),
}

/// What the process is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Program {
    /// An operation of a resource; class `stonith` is a fence agent's `monitor`.
    Operation(Arc<Operation>),
    /// The agent of a recurring operation, as the watcher beside it. One that knows no watching has not started, and is
    /// missing.
    Watch(Arc<Operation>),
    /// A fence agent with its options for standard input.
    Fence {
        /// Its name.
        agent: String,
        /// `name=value` lines.
        options: BTreeMap<String, String>,
    },
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The cluster engine has told something.
    Engine(engine::Event),
    /// A process ended, or could not be started.
    Ended {
        /// Which.
        process: Process,
        /// How.
        end: End,
    },
    /// The answer to [`Command::Describe`]. It must come, and within seconds: results wait for it.
    Described {
        /// Who was asked.
        agent: Agent,
        /// What it says of itself, or why it does not.
        metadata: Result<Arc<Metadata>, String>,
    },
    /// The answer to [`Command::Examine`].
    Examined {
        /// Which process.
        process: Process,
        /// What was seen of it and of the host, in words for the operator.
        evidence: String,
    },
    /// A [`Program::Watch`] has said that it watches, and that all is well.
    Watching {
        /// Which.
        process: Process,
    },
    /// The answer to [`Command::Plan`].
    Planned {
        /// Of which question.
        generation: u64,
        /// The plan.
        transition: Transition,
    },
    /// No plan could be made.
    NotPlanned {
        /// For which question.
        generation: u64,
        /// What happened.
        reason: String,
    },
    /// A tool asks.
    Asked {
        /// Who.
        client: ClientId,
        /// What.
        request: Request,
    },
    /// A tool has gone.
    Gone {
        /// Who.
        client: ClientId,
    },
    /// The answer to [`Command::Persist`].
    Persisted {
        /// The number of the last that was put there.
        number: u64,
        /// `admin_epoch`, `epoch` of what is on disk, or could not be put there.
        configuration: (u64, u64),
        /// Why it could not, if so.
        error: Option<String>,
    },
    /// Something happened that all nodes are to keep.
    Record(Record),
    /// This node is to leave; what runs here moves away first.
    Shutdown,
    /// The deadline has come.
    Timeout,
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Multicast these bytes; when the engine is busy, later, in this order.
    Send(Vec<u8>),
    /// Start a process, as a process group of its own.
    Spawn {
        /// The number to give back.
        process: Process,
        /// What it is to be.
        program: Program,
    },
    /// Ask an agent what it is (`meta-data`).
    Describe {
        /// Whom.
        agent: Agent,
    },
    /// Look at a process that did not end in time, and at the host, before it is signalled.
    Examine {
        /// Which.
        process: Process,
    },
    /// Signal the whole process group.
    Signal {
        /// Which.
        process: Process,
        /// Which signal.
        signal: Signal,
    },
    /// Make a plan, away from this thread.
    Plan {
        /// Number of the question.
        generation: u64,
        /// What to plan for.
        cib: Arc<Cib>,
    },
    /// Put a change, or the whole configuration, on the disk, in this order. Several may be put there together, and
    /// answered together.
    Persist {
        /// Counts them.
        number: u64,
        /// What.
        entry: Entry,
    },
    /// Answer a tool with the history that the disk keeps, or with one configuration of it.
    History {
        /// Whom.
        client: ClientId,
        /// `admin_epoch`, `epoch` of the configuration; `None` for the list of changes.
        version: Option<(u64, u64)>,
    },
    /// Keep this among what happened.
    Record(Record),
    /// Answer a tool with what is kept of that: [`Request::Records`] or [`Request::Plan`].
    Recall {
        /// Whom.
        client: ClientId,
        /// What it asks.
        request: Request,
    },
    /// Keep this history of fencing, in the place of the one before.
    KeepFenceHistory(String),
    /// Keep these failovers, likewise.
    KeepFailovers(String),
    /// Keep a configuration that another's took the place of, under a name with the date.
    SetAside(Arc<Cib>),
    /// Answer a tool.
    Reply {
        /// Whom.
        client: ClientId,
        /// What.
        reply: Reply,
    },
    /// Tell the operator.
    Note(Note),
    /// Call an alert agent. Nothing waits for it.
    Alert(alerts::Call),
    /// End the daemon. An error says why it cannot go on.
    Exit(Result<(), String>),
}
