//! Fencing between nodes and for tools: what a person orders, steps that one node does for another, the history that all
//! share.

use serde::{Deserialize, Serialize};

use crate::order::{FenceOrder, OrderId};

/// Between nodes, in total order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StonithMessage {
    /// A person at the sender wants a node fenced. The sender sees to it.
    ByHand {
        /// What is to be done.
        order: FenceOrder,
        /// Who wants it.
        user: String,
    },
    /// A step that the sender cannot do itself.
    Errand {
        /// Who is to do it.
        to: u32,
        /// The sender's number for it.
        number: u64,
        /// What is to be done.
        errand: ErrandForm,
    },
    /// What became of one.
    ErrandEnded {
        /// Whose it was.
        to: u32,
        /// Its number there.
        number: u64,
        /// How it went.
        end: ErrandEndForm,
    },
    /// Fencings that the sender remembers: for those who were not here.
    History(Vec<FenceRecord>),
    /// Fencings that are over are to be forgotten.
    Forget {
        /// Of this node only.
        target: Option<String>,
    },
}

/// One device, one action.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrandForm {
    /// The device.
    pub device: String,
    /// Name of the node to be fenced.
    pub target: String,
    /// Its number, if it has one.
    pub target_id: Option<u32>,
    /// `reboot`, `off` or `on`.
    pub action: String,
    /// Milliseconds that the device may take, unless it has a time of its own.
    pub timeout_ms: u64,
}

/// How an errand went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ErrandEndForm {
    /// It is done.
    Done,
    /// Nothing was tried, and why.
    Unfit(String),
    /// It was tried and failed, or nobody knows.
    Failed(String),
}

/// A fencing, under way or over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FenceRecord {
    /// Which: every member knows it by this.
    pub id: OrderId,
    /// The node.
    pub target: String,
    /// `reboot`, `off` or `on`.
    pub action: String,
    /// Who wanted it: a person, or the cluster's plan.
    pub origin: String,
    /// The node that saw to it.
    pub delegate: String,
    /// When it began, in Unix seconds.
    pub begun: i64,
    /// When it was over, in Unix seconds; 0 while it is not.
    pub ended: i64,
    /// How it went.
    pub outcome: FenceOutcome,
}

/// How a fencing went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FenceOutcome {
    /// It is under way.
    Pending,
    /// It was done, by these devices; by none when a person vouches for it.
    Done(Vec<String>),
    /// It was not done, and why.
    Failed(String),
}

/// What tools ask about fencing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StonithRequest {
    /// Devices, history and what is wrong: [`StonithReply::View`].
    Show,
    /// Fence a node: [`StonithReply::Begun`] at once; how it goes is in the history.
    Fence {
        /// Name of the node.
        target: String,
        /// `reboot`, `off` or `on`.
        action: String,
        /// Milliseconds that one device may take.
        timeout_ms: u64,
        /// Milliseconds to wait before.
        delay_ms: u64,
        /// Who wants it.
        user: String,
    },
    /// Forget fencings that are over: [`crate::Reply::Done`].
    Forget {
        /// Of this node only.
        target: Option<String>,
    },
}

/// Answers to a [`StonithRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StonithReply {
    /// To [`StonithRequest::Fence`].
    Begun(OrderId),
    /// To [`StonithRequest::Show`].
    View(StonithView),
}

/// Fencing as a node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StonithView {
    /// The devices.
    pub devices: Vec<DeviceView>,
    /// What is wrong with the configuration.
    pub problems: Vec<String>,
    /// The last fencings, oldest first.
    pub history: Vec<FenceRecord>,
    /// Why this node does not feed its watchdog, if it has one and does not.
    pub unfed: Option<String>,
}

/// A device as a node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceView {
    /// Its name.
    pub name: String,
    /// Its agent.
    pub agent: String,
    /// The agent's actions; none when it does not say.
    pub actions: Vec<String>,
    /// Whether the node that answers may use it.
    pub allowed_here: bool,
}

/// The history as text for a disk.
pub fn history_to_text(records: &[FenceRecord]) -> String {
    serde_json::to_string(records).expect("records hold only text and numbers")
}

/// Reads it back; what cannot be read is no history.
pub fn history_from_text(text: &str) -> Vec<FenceRecord> {
    serde_json::from_str(text).unwrap_or_default()
}
