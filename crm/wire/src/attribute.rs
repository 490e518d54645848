//! Transient attributes of nodes on their way: what a tool asks for, and what members tell each other of values that
//! are still being gathered.

use serde::{Deserialize, Serialize};

/// A transient attribute of one node is to change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Update {
    /// Name of the node; `None`: the node that is asked.
    pub node: Option<String>,
    /// Name of the attribute.
    pub name: String,
    /// What becomes of its value.
    pub change: AttributeChange,
    /// What becomes of the attribute's dampening.
    pub dampening: Dampening,
    /// The value is kept by the members and never written to the CIB.
    pub private: bool,
}

/// What becomes of an attribute's dampening: for so many milliseconds after the first change all changes of the
/// attribute, on all nodes, are gathered, and then written at once. A new attribute has 0: each change is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Dampening {
    /// It stays as it is.
    Keep,
    /// So many milliseconds if the attribute is new; otherwise it stays.
    IfNew(u64),
    /// So many milliseconds.
    Set(u64),
}

/// What becomes of an attribute's value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AttributeChange {
    /// Nothing: only the dampening changes.
    Keep,
    /// It has this value. `value++` and `value+=N` count on from the one it has.
    Set(String),
    /// It has none.
    Clear,
}

/// What a member knows of one attribute that the CIB does not say: part of a [`crate::Hello`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttributeState {
    /// Its name.
    pub name: String,
    /// See [`Dampening`].
    pub dampening_ms: u64,
    /// See [`Update::private`].
    pub private: bool,
    /// By the name of the node: values that are private, or not written yet; `None` is one to be taken away.
    pub values: Vec<(String, Option<String>)>,
}

/// The value of an attribute: part of an answer to a tool.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct AttributeValue {
    /// Name of the node.
    pub node: String,
    /// Name of the attribute.
    pub name: String,
    /// Its value.
    pub value: String,
}
