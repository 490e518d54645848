//! What the fencer is told and asked: devices, levels, targets, and how a request ended.
//! Values only; the rules lie in the other files.

use std::collections::BTreeMap;

/// A fence device: a primitive of class `stonith`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The primitive's id.
    pub name: String,
    /// The fence agent: `fence_ipmilan`.
    pub agent: String,
    /// Its parameters, the `pcmk_*` ones among them.
    pub parameters: BTreeMap<String, String>,
    /// Whether this node may use it: a constraint may keep it away, as from a host without a way to it.
    pub allowed_here: bool,
}

/// Which nodes a topology level is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetMatch {
    /// One node by its name.
    Node(String),
    /// Every node whose name the regular expression finds something in.
    Pattern(String),
    /// Every node with this attribute.
    Attribute {
        /// The attribute's name.
        name: String,
        /// The value it must have.
        value: String,
    },
}

/// A `fencing-level`: all its devices must succeed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Whom it is for.
    pub target: TargetMatch,
    /// Its place: low ones are tried first.
    pub index: u32,
    /// Device names, in the order to use them.
    pub devices: Vec<String>,
}

/// The node to fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The cluster engine's number for it, when it has one.
    pub id: Option<u32>,
    /// Its node attributes, for levels that go by attribute.
    pub attributes: BTreeMap<String, String>,
}

/// What is to be done to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Cut it off and bring it up again.
    Reboot,
    /// Cut it off.
    Off,
    /// Give it back what was cut.
    On,
}

impl Action {
    /// The word for it in the CIB, in parameter names and in the fence-agent protocol.
    pub fn word(self) -> &'static str {
        match self {
            Action::Reboot => "reboot",
            Action::Off => "off",
            Action::On => "on",
        }
    }
}

/// The target was fenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// The devices that did it, in the order they were used.
    pub devices: Vec<String>,
    /// What did not go well on the way, in words for the operator: devices that failed before another
    /// succeeded, or that could not switch the target on again.
    pub remarks: Vec<String>,
}

/// The target was not fenced, or nobody knows whether it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What was tried and how each attempt ended, in words for the operator.
    pub reason: String,
}
