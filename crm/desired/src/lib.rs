#![forbid(unsafe_code)]
//! A whole configuration in a short form that reads well: TOML, with the words that operators use.
//!
//! ```toml
//! [properties]
//! no-quorum-policy = "freeze"
//!
//! [resource.vip]
//! agent = "ocf:heartbeat:IPaddr2"
//! parameters = { ip = "10.0.0.5", cidr_netmask = 24 }
//! operations = { monitor = { interval = "10s" } }
//!
//! [[location]]
//! resource = "vip"
//! node = "node1"
//! score = 100
//! ```
//!
//! [`Desired`] is what it says. [`read`] makes it of a text, [`write`] makes a text of it, [`of`] reads it out of a CIB, and
//! [`build`] makes the CIB of it that is wanted, beside the one there is: what stands there keeps its id, its order and the
//! cluster's own marks, so that nothing differs where nothing is wanted otherwise. What the short form has no word for stands
//! in it as the XML it is; so nothing is lost between a CIB and its short form.

mod words;

pub mod build;
pub mod of;
pub mod read;
pub mod write;

pub use build::build;
pub use of::of;
pub use read::read;
pub use write::write;

/// Names and values, in order.
pub type Pairs = Vec<(String, String)>;

/// A configuration as it is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Desired {
    /// Options of the cluster; those it sets itself are left out.
    pub properties: Pairs,
    /// Meta attributes of all resources.
    pub resource_defaults: Pairs,
    /// Options of all operations.
    pub operation_defaults: Pairs,
    /// What is known of nodes beside their names.
    pub nodes: Vec<Node>,
    /// Resources, those within others as well.
    pub resources: Vec<Resource>,
    /// Constraints of one kind and no more than attributes.
    pub constraints: Vec<Constraint>,
    /// Fencing levels.
    pub levels: Vec<Level>,
    /// Tags, with the ids of what has them.
    pub tags: Vec<(String, Vec<String>)>,
    /// What has no short form.
    pub xml: Vec<Xml>,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Pairs,
    /// What it offers.
    pub utilization: Pairs,
}

/// A resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// What it is for.
    pub description: Option<String>,
    /// Meta attributes.
    pub meta: Pairs,
}

/// What a resource is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An agent's.
    Primitive {
        /// `class:provider:type`, or `class:type`.
        agent: Option<String>,
        /// A template's id in the place of an agent.
        template: Option<String>,
        /// Instance attributes.
        parameters: Pairs,
        /// What it takes.
        utilization: Pairs,
        /// Each with its `name` first.
        operations: Vec<Pairs>,
    },
    /// Resources that run together, in order.
    Group(Vec<String>),
    /// A resource that runs several times.
    Clone(String),
    /// Something else, with all in it.
    Xml(String),
}

/// A constraint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Constraint {
    /// The element: `rsc_location`, `rsc_order`, `rsc_colocation` or `rsc_ticket`.
    pub element: String,
    /// Attributes as the CIB names them; `id` among them if it is not the one that the others give.
    pub attributes: Pairs,
}

/// A fencing level of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Level {
    /// Its id, unless it is the one that the others give.
    pub id: Option<String>,
    /// The node.
    pub target: String,
    /// From 1 to 9.
    pub index: String,
    /// What is asked in turn.
    pub devices: Vec<String>,
}

/// An element as it stands in the CIB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Xml {
    /// The section it stands in.
    pub section: String,
    /// The element.
    pub text: String,
}

/// Why a text or a wish is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The line it stands on, from 1, if it stands on one.
    pub line: Option<usize>,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl Problem {
    /// One that belongs to no line.
    pub fn of(message: impl Into<String>) -> Problem {
        Problem { line: None, message: message.into() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Problem {}
