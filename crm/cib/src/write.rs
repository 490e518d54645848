//! What can be written to the CIB: the messages that every member applies in the same order. What each of them does is
//! in [`cib`](crate::Cib::apply).

use crate::document::ParseError;
use crate::patch::{self, Patch};

/// How new a CIB is: compared field by field, as Pacemaker does.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version {
    /// Raised by hand only, to make one CIB win over another.
    pub admin_epoch: u64,
    /// Raised by every change of the configuration.
    pub epoch: u64,
    /// Raised by every change of the status, 0 after a change of the configuration.
    pub num_updates: u64,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.admin_epoch, self.epoch, self.num_updates)
    }
}

/// One write. Nodes are named by id or by name, whichever the writer has.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "results are the usual write, and writes are not kept in numbers")]
pub enum Write {
    /// A patch of the configuration, by someone.
    Configure {
        /// The changes.
        patch: Patch,
        /// The version the patch was made for; refused when it is another. `None` takes what is there.
        expected: Option<Expected>,
        /// Who wants it.
        author: Author,
    },
    /// Another configuration in the place of the one that is there. The status stays.
    Replace {
        /// A whole `<cib>`, or only its `<configuration>`.
        xml: String,
        /// As for [`Write::Configure`].
        expected: Option<Expected>,
        /// As for [`Write::Configure`].
        author: Author,
    },
    /// One change of any part of the CIB as Pacemaker's `cibadmin` says it.
    Edit {
        /// What is done.
        operation: Operation,
        /// Where.
        place: Place,
        /// The element that is created, merged, put in another's place, or named for deletion; "" for a deletion by
        /// XPath alone.
        xml: String,
        /// As for [`Write::Configure`].
        expected: Option<Expected>,
        /// As for [`Write::Configure`].
        author: Author,
    },
    /// A node that may not stand in the configuration yet.
    Node {
        /// The engine's id of it.
        id: String,
        /// Its name.
        uname: String,
    },
    /// What the cluster knows of a node.
    NodeState {
        /// The engine's id of it.
        id: String,
        /// Its name.
        uname: String,
        /// Since when it is a member, in Unix seconds; 0 when it is none.
        in_ccm: i64,
        /// Since when its daemon takes part, in Unix seconds; 0 when it does not.
        crmd: i64,
        /// `member`, `pending`, `banned` or `down`.
        join: String,
        /// What is wanted of it: `member` or `down`.
        expected: String,
        /// Which join of the process group this state is of: the engine's `since` of the member.
        since: u64,
    },
    /// A node may go: what it ran has moved away, and it is not missed when it leaves.
    LetGo {
        /// The node.
        node: String,
    },
    /// What came of an operation, or that it has begun.
    Result(OpResult),
    /// An attribute of a node.
    Attribute {
        /// The node.
        node: String,
        /// How long it is kept.
        lifetime: Lifetime,
        /// Its name.
        name: String,
        /// Its value; `None` takes it away.
        value: Option<String>,
        /// Who wants it: for a permanent one, as for [`Write::Configure`].
        author: Author,
    },
    /// Transient attributes of nodes that change in one instant, so that nobody sees some of them without the others.
    Attributes {
        /// Each with its value, or without one to take it away.
        values: Vec<NodeAttribute>,
    },
    /// History that no longer counts: what is forgotten is probed anew. Of a node that is away nothing is forgotten that
    /// could not be found out again.
    Forget {
        /// On this node only.
        node: Option<String>,
        /// Of this resource (and its instances) only.
        resource: Option<String>,
        /// Failures only; what is known of a resource otherwise stays.
        failures_only: bool,
    },
    /// A node was cut off, or let in again.
    Fenced {
        /// The node.
        node: String,
        /// `off`, `reboot`, or `on` for letting it in.
        action: String,
        /// The node whose device did it.
        by: String,
        /// When, in Unix seconds.
        at: i64,
        /// The join that was ended; a node that has joined anew meanwhile is not touched. `None`: whatever it was.
        since: Option<u64>,
        /// The coordinator's run that ordered it; empty when an administrator vouches for it.
        coordinator: String,
        /// The transition of the order.
        transition: u32,
        /// The action of the order.
        number: u32,
    },
    /// A node came, or came back, and nothing is known of what runs there.
    Joined {
        /// The node.
        node: String,
    },
    /// A daemon came back to a host that was never away. What runs there is to be looked at anew; the host's transient
    /// attributes are still true, but that it wants to leave.
    Returned {
        /// The node.
        node: String,
    },
}

/// A transient attribute of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeAttribute {
    /// The node.
    pub node: String,
    /// The attribute's name.
    pub name: String,
    /// Its value; `None` takes it away.
    pub value: Option<String>,
}

/// Who makes a change of the configuration. It stands in the CIB's root and in the history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Author {
    /// The user, `update-user`; empty when the cluster itself writes.
    pub user: String,
    /// The host, `update-origin`.
    pub host: String,
    /// The command as it was typed; its first word is `update-client`.
    pub command: String,
    /// When, in Unix seconds, `cib-last-written`.
    pub at: i64,
}

/// The version that a change was made for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// `admin_epoch` of it.
    pub admin_epoch: u64,
    /// `epoch` of it.
    pub epoch: u64,
    /// `num_updates` of it; `None` when changes of the status do not matter.
    pub num_updates: Option<u64>,
}

impl Expected {
    /// Whether that version is the one.
    pub fn is(&self, version: Version) -> bool {
        (self.admin_epoch, self.epoch) == (version.admin_epoch, version.epoch)
            && self.num_updates.is_none_or(|num_updates| num_updates == version.num_updates)
    }
}

impl From<(u64, u64)> for Expected {
    fn from((admin_epoch, epoch): (u64, u64)) -> Self {
        Expected { admin_epoch, epoch, num_updates: None }
    }
}

impl From<Version> for Expected {
    fn from(version: Version) -> Self {
        let Version { admin_epoch, epoch, num_updates } = version;
        Expected { admin_epoch, epoch, num_updates: Some(num_updates) }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.admin_epoch, self.epoch)?;
        self.num_updates.map_or(Ok(()), |num_updates| write!(f, ".{num_updates}"))
    }
}

/// What [`Write::Edit`] does, as `cibadmin` has it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Adds; what is there already is an error.
    Create,
    /// Merges attributes and children into what is there.
    Modify {
        /// What is not there is added; otherwise that is an error.
        create: bool,
    },
    /// Puts it in the place of what is there.
    Replace,
    /// Takes it away; what is not there is no error.
    Delete,
}

/// Where [`Write::Edit`] works.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a section: `resources`, `status` …; in the whole CIB when `None`.
    Section(Option<String>),
    /// At what an XPath finds.
    XPath {
        /// The XPath.
        path: String,
        /// At all that it finds, not only the first.
        all: bool,
    },
}

/// How long an attribute of a node is kept.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// Until the node leaves: in the status.
    Transient,
    /// Until it is taken away: in the configuration.
    Permanent,
}

/// What came of one operation of a resource, or that it has begun ([`OpStatus::Pending`]).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpResult {
    /// Where it ran.
    pub node: String,
    /// The resource; instances of anonymous clones go by their name without a number.
    pub resource: String,
    /// Class of the agent.
    pub class: String,
    /// Provider of the agent, for classes that have one.
    pub provider: Option<String>,
    /// Type of the agent.
    pub kind: String,
    /// `start`, `stop`, `monitor` …
    pub operation: String,
    /// Milliseconds; 0 when it does not recur.
    pub interval_ms: u64,
    /// Number of the action in its transition.
    pub number: u32,
    /// Number of the transition.
    pub transition: u32,
    /// Id of the coordinator's run that planned it.
    pub coordinator: String,
    /// The exit status that was expected.
    pub target_rc: i32,
    /// The exit status.
    pub rc: i32,
    /// How it ended.
    pub status: OpStatus,
    /// The executor's count; -1 while pending.
    pub call_id: i32,
    /// When it began, in Unix seconds.
    pub started_at: i64,
    /// How long it ran.
    pub ran_ms: u64,
    /// How long it waited before.
    pub queued_ms: u64,
    /// The agent's own words about a failure.
    pub exit_reason: String,
    /// `op-digest`.
    pub digest: Option<String>,
    /// `op-force-restart` (names with blanks around) and `op-restart-digest`.
    pub restart: Option<(String, String)>,
    /// `op-secure-params` (names with blanks around) and `op-secure-digest`.
    pub secure: Option<(String, String)>,
    /// For `migrate_to` and `migrate_from`: the node it leaves.
    pub migrate_source: Option<String>,
    /// For `migrate_to` and `migrate_from`: the node it goes to.
    pub migrate_target: Option<String>,
}

impl OpResult {
    /// `RESOURCE_OPERATION_INTERVAL`.
    pub fn key(&self) -> String {
        format!("{}_{}_{}", self.resource, self.operation, self.interval_ms)
    }

    /// Whether this is a failure: it could not run to its end, or it ended otherwise than expected.
    pub fn failed(&self) -> bool {
        match self.status {
            OpStatus::Pending | OpStatus::Cancelled => false,
            OpStatus::Done => self.rc != self.target_rc,
            _ => true,
        }
    }
}

/// How an operation ended; the numbers are Pacemaker's `op-status`.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(i8)]
pub enum OpStatus {
    /// Nothing is known.
    #[default]
    Unknown = -2,
    /// It has begun.
    Pending = -1,
    /// The agent ran to its end.
    Done = 0,
    /// A recurring operation was ended on purpose.
    Cancelled = 1,
    /// It took too long.
    Timeout = 2,
    /// The agent does not know the operation.
    NotSupported = 3,
    /// It could not be done.
    Error = 4,
    /// The same with a permanent cause.
    ErrorHard = 5,
    /// The same on every node.
    ErrorFatal = 6,
    /// There is no such agent.
    NotInstalled = 7,
    /// The executor was not reachable.
    NotConnected = 8,
    /// It could not even be tried.
    Invalid = 9,
    /// No fence device can do it.
    NoFenceDevice = 10,
    /// A secret is missing.
    NoSecrets = 11,
}

impl OpStatus {
    /// All of them.
    pub const ALL: [OpStatus; 14] = [
        OpStatus::Unknown,
        OpStatus::Pending,
        OpStatus::Done,
        OpStatus::Cancelled,
        OpStatus::Timeout,
        OpStatus::NotSupported,
        OpStatus::Error,
        OpStatus::ErrorHard,
        OpStatus::ErrorFatal,
        OpStatus::NotInstalled,
        OpStatus::NotConnected,
        OpStatus::Invalid,
        OpStatus::NoFenceDevice,
        OpStatus::NoSecrets,
    ];

    /// Pacemaker's number.
    pub const fn number(self) -> i8 {
        self as i8
    }

    /// The status with this number.
    pub fn from_number(number: i64) -> Option<OpStatus> {
        OpStatus::ALL.into_iter().find(|status| i64::from(status.number()) == number)
    }
}

/// What a write did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// The version after it.
    pub version: Version,
    /// Whether anything changed; a write that says what was there already changes nothing, its version included.
    pub changed: bool,
    /// Whether the configuration is another one now.
    pub configuration: bool,
    /// The id of the node it was about, if it was about one.
    pub node: Option<String>,
    /// The resource it was about, if it was about one.
    pub resource: Option<String>,
    /// All that changed outside the status, the root's attributes included: what a disk has to be told. Empty when the
    /// configuration did not change.
    pub patch: Patch,
}

/// Why a write was refused. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Someone else was faster.
    #[error(
        "the change was made for version {expected}, but the cluster has {found} by now; look at the new configuration \
         and make the change again"
    )]
    Outdated {
        /// What the write was made for.
        expected: Expected,
        /// What there is.
        found: Version,
    },
    /// The patch does not fit.
    #[error("the change does not fit the configuration: {0}")]
    Patch(#[from] patch::Error),
    /// The new configuration cannot be read.
    #[error("the new configuration cannot be read: {0}")]
    Xml(#[from] ParseError),
    /// It can be read, but is no configuration.
    #[error("expected a <cib> or a <configuration>, found <{0}>")]
    NotACib(String),
    /// The patch takes away what every CIB has.
    #[error("after the change there would be no <{0}> section; leave it, empty if need be")]
    Section(&'static str),
    /// A permanent attribute for a node that does not exist.
    #[error("there is no node '{0}' in the configuration")]
    UnknownNode(String),
    /// A new one comes with a version that is older than what there is.
    #[error(
        "the new one is of version {given}, older than the cluster's {found}: someone's change would be undone; take the \
             version's attributes out of it, or raise admin_epoch in it"
    )]
    Older {
        /// The version it comes with.
        given: Version,
        /// What there is.
        found: Version,
    },
    /// An element of that kind and id is there already.
    #[error("there is a <{name}> '{id}' already; modify or replace it, or give the new one another id")]
    Exists {
        /// Its kind.
        name: String,
        /// Its id.
        id: String,
    },
    /// Nothing is there that could be changed.
    #[error("{0} is not there; look at the configuration for what is, or create it")]
    NotThere(String),
    /// There is no such section.
    #[error(
        "'{0}' is no section of the CIB; expected configuration, crm_config, nodes, resources, constraints, status, \
             rsc_defaults, op_defaults, acls, tags, alerts or fencing-topology"
    )]
    NoSection(String),
    /// The XPath is none.
    #[error(transparent)]
    XPath(#[from] crate::xpath::Error),
    /// Something that needs a name has none.
    #[error("{0} has no name")]
    Nameless(&'static str),
}
