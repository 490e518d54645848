//! What happened, as every node keeps it: told once by the node that knows, in the one order that is the same for all.

use serde::{Deserialize, Serialize};

/// Changes that a record of a plan tells one by one; of more the first are told, and how many there are. A cluster that
/// loses a node with all it runs has about a hundred.
pub const MOST_CHANGES: usize = 200;

/// Something that happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// When, in seconds since 1970, by the clock of the node that tells.
    pub at: i64,
    /// Name of the node that tells.
    pub node: String,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Happening {
    /// A plan was made that changes something.
    Planned(Planned),
}

/// A plan that changes something.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// The file on the node that tells, in which its input is kept: `pe-input-12.bz2`.
    pub input: String,
    /// `admin_epoch`, `epoch`, `num_updates` of the CIB it was made from.
    pub version: (u64, u64, u64),
    /// What it changes, at most [`MOST_CHANGES`].
    pub changes: Vec<Change>,
    /// How many changes there are in all.
    pub count: usize,
}

/// A change of a node or a resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// `Start`, `Move`, `Fence (reboot)`, …
    pub verb: String,
    /// The resource or node.
    pub of: String,
    /// It is a node.
    #[serde(default)]
    pub is_node: bool,
    /// From where to where.
    #[serde(default)]
    pub details: String,
    /// Because of what.
    pub reason: Option<String>,
    /// It should be done and cannot be.
    #[serde(default)]
    pub blocked: bool,
}

/// A plan as its node kept it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The file of its input.
    pub input: String,
    /// When it was made, in seconds since 1970.
    pub at: i64,
    /// The CIB it was made from.
    pub xml: String,
    /// What it changes and why, as it was written then.
    pub plan: String,
}
