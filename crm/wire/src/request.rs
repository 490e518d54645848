//! What tools ask a daemon, and what it answers: a line of JSON each, at most [`MAX_LINE`] bytes, one after another on
//! one connection.

use cib::{Refused, patch};
use serde::{Deserialize, Serialize};

use crate::attribute::{AttributeValue, Update};
use crate::stonith::{StonithReply, StonithRequest};
use crate::write::WriteForm;

/// The longest line that either side reads.
pub const MAX_LINE: usize = 512 * 1024 * 1024;

/// What a tool asks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Who is here, and the whole CIB: [`Reply::Status`].
    Status,
    /// Write: [`Reply::Written`] once every member has applied it and, for the configuration, a majority holds it on
    /// disk; [`Reply::Refused`] if nothing was written.
    Write {
        /// What is written.
        write: WriteForm,
        /// Also without quorum.
        force: bool,
    },
    /// Look for something in the CIB as this node holds it: [`Reply::Found`].
    Query {
        /// In this section; in the whole CIB when neither is given.
        section: Option<String>,
        /// What the XPath finds.
        xpath: Option<String>,
        /// What of it is wanted.
        what: QueryWhat,
    },
    /// About fencing: [`Reply::Stonith`], [`Reply::Done`] or [`Reply::Refused`].
    Stonith(StonithRequest),
    /// The changes of the configuration that this node keeps, newest last: [`Reply::History`].
    History,
    /// A configuration of the history, whole: [`Reply::Configuration`].
    Configuration {
        /// `admin_epoch`, `epoch` of it.
        version: (u64, u64),
    },
    /// The failovers that this node has seen: [`Reply::Failovers`].
    Failovers,
    /// What happened since then, in seconds since 1970, as this node keeps it, oldest first: [`Reply::Records`].
    Records {
        /// Since when.
        since: i64,
    },
    /// A plan that this node made and keeps: [`Reply::Plan`].
    Plan(WhichPlan),
    /// Let this node go: its resources move away, then its daemon ends. [`Reply::Done`] at once.
    Shutdown,
    /// Let all nodes go together: services are stopped in their order, nothing moves, then all daemons end.
    /// [`Reply::Written`] once all members know.
    StopCluster,
    /// Change a transient attribute: [`Reply::Written`] once all members know it. It stands in the CIB when its
    /// dampening is over.
    Update(Update),
    /// What is being gathered of any attribute is written now. [`Reply::Done`] at once.
    Refresh,
    /// The transient attributes, those included that are being gathered or private: [`Reply::Attributes`].
    Attributes {
        /// Of this name only.
        name: Option<String>,
        /// Of this node only.
        node: Option<String>,
    },
}

/// What a daemon answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// The write was made; the version of the CIB with it.
    Written {
        /// `admin_epoch`, `epoch`, `num_updates`.
        version: (u64, u64, u64),
    },
    /// To [`Request::Attributes`], by node and name.
    Attributes(Vec<AttributeValue>),
    /// To [`Request::Stonith`].
    Stonith(Box<StonithReply>),
    /// Nothing was written or done, unless `why` is [`Why::NotDurable`].
    Refused {
        /// Of which kind the reason is, for programs.
        #[serde(default)]
        why: Why,
        /// Why, and what to do.
        reason: String,
    },
    /// To [`Request::Query`].
    Found {
        /// Elements as XML, or paths; none when nothing was found.
        items: Vec<String>,
        /// `admin_epoch`, `epoch`, `num_updates` of the CIB that was looked into.
        version: (u64, u64, u64),
    },
    /// To [`Request::History`].
    History(Vec<Kept>),
    /// To [`Request::Failovers`], oldest first.
    Failovers(Vec<crate::failover::Failover>),
    /// To [`Request::Configuration`].
    Configuration {
        /// The CIB without its status.
        xml: String,
    },
    /// To [`Request::Records`].
    Records(Vec<crate::record::Record>),
    /// To [`Request::Plan`].
    Plan(Box<crate::record::Kept>),
    /// Done, or begun.
    Done,
}

impl Reply {
    /// A refusal whose kind does not matter.
    pub fn refused(reason: impl Into<String>) -> Reply {
        Reply::Refused { why: Why::Other, reason: reason.into() }
    }
}

/// Which of the plans that a node keeps is meant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WhichPlan {
    /// The last one at that time or before it, in seconds since 1970.
    At(i64),
    /// The one whose input is in this file, such as `pe-input-12.bz2`.
    Input(String),
}

/// What of the elements that were found is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum QueryWhat {
    /// They themselves.
    Whole,
    /// They without what is in them.
    NoChildren,
    /// Where they are.
    Paths,
}

/// Kinds of refusals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Why {
    /// None of the others.
    #[default]
    Other,
    /// This part of the cluster has no quorum, or the cluster is only starting.
    NoQuorum,
    /// It was made for another version, or brings an older one.
    Outdated,
    /// What it means is not there.
    NotFound,
    /// What it would add is there.
    Exists,
    /// It cannot be read, or no configuration would be left.
    Invalid,
    /// It was made, or may still be, but cannot be relied on: too few disks could take it, most of the nodes are missing,
    /// quorum or the engine was lost meanwhile, or a disk does not answer. It alone does not mean that nothing was
    /// written.
    NotDurable,
    /// Too much is under way.
    Busy,
    /// Who asks may not: ACLs restrict them.
    Denied,
}

impl Why {
    /// Of which kind a refusal of all members is.
    pub fn of(refused: &Refused) -> Why {
        match refused {
            Refused::Outdated { .. } | Refused::Older { .. } => Why::Outdated,
            Refused::NotThere(_) | Refused::UnknownNode(_) | Refused::Patch(patch::Error::NotThere { .. }) => {
                Why::NotFound
            }
            Refused::Exists { .. } => Why::Exists,
            Refused::Patch(_)
            | Refused::Xml(_)
            | Refused::NotACib(_)
            | Refused::Section(_)
            | Refused::NoSection(_)
            | Refused::XPath(_)
            | Refused::Nameless(_) => Why::Invalid,
        }
    }
}

/// A change of the configuration that a node keeps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// `admin_epoch`, `epoch` before it.
    pub from: (u64, u64),
    /// `admin_epoch`, `epoch` with it.
    pub to: (u64, u64),
    /// Who made it.
    pub author: crate::write::AuthorForm,
    /// What changed.
    pub patch: Vec<crate::write::ChangeForm>,
}

/// How a node sees the cluster now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Name of the node that answers.
    pub node: String,
    /// Version of its program.
    pub program: String,
    /// Name of the cluster.
    pub cluster: String,
    /// The members' names, by id.
    pub members: Vec<String>,
    /// Hosts that are up without a daemon.
    pub hosts_only: Vec<String>,
    /// The member that coordinates.
    pub coordinator: Option<String>,
    /// Whether there is quorum.
    pub quorate: bool,
    /// Votes present.
    pub votes: u32,
    /// Votes of the whole cluster.
    pub expected_votes: u32,
    /// Whether all members are known to hold the same CIB.
    pub synced: bool,
    /// Nothing is being done or waited for, as this node knows.
    pub quiet: bool,
    /// Operations under way, such as `start of web on node1`.
    pub under_way: Vec<String>,
    /// The CIB.
    pub cib: String,
    /// Its version.
    pub version: (u64, u64, u64),
    /// Who asked, if ACLs keep a part of it from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<String>,
}

/// One line of JSON with its newline.
pub fn to_line<T: Serialize>(value: &T) -> String {
    let mut line =
        serde_json::to_string(value).expect("requests and replies hold only text, numbers and lists of them");
    line.push('\n');
    line
}

/// Reads one line; the error says what is wrong with it.
pub fn from_line<T: for<'de> Deserialize<'de>>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| format!("expected one request or reply as a line of JSON: {error}"))
}
