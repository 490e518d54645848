//! Rules on a command line: read, written into the CIB, and shown again. Whether one holds is `cib::rule`'s affair.

mod parse;
mod show;
mod write;

pub use parse::parse;
pub use show::{has_expired, lines};
pub use write::{joined_by, write};

use crate::pairs::Pairs;

/// What a rule asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expression {
    /// All of these.
    And(Vec<Expression>),
    /// One of these.
    Or(Vec<Expression>),
    /// A node attribute is there, or is not.
    Defined {
        /// `defined` or `not_defined`.
        operation: String,
        /// The attribute.
        attribute: String,
    },
    /// A node attribute compares to a value.
    Attribute {
        /// `eq`, `lt`, …
        operation: String,
        /// The attribute.
        attribute: String,
        /// `string`, `integer`, … if it is said.
        kind: Option<String>,
        /// What it is compared to.
        value: String,
    },
    /// The time is before, after or between.
    Date {
        /// `lt`, `gt` or `in_range`.
        operation: String,
        /// From when.
        start: Option<String>,
        /// Until when.
        end: Option<String>,
        /// How long, in the place of an end.
        duration: Option<Pairs>,
    },
    /// The time is one of these hours, days, …
    DateSpec(Pairs),
    /// The resource's agent.
    Resource {
        /// `ocf`, …
        standard: Option<String>,
        /// `heartbeat`, …
        provider: Option<String>,
        /// `IPaddr2`, …
        kind: Option<String>,
    },
    /// The operation.
    Operation {
        /// `monitor`, …
        name: String,
        /// Its interval, if it is said.
        interval: Option<String>,
    },
}

/// Which rule it is: the words differ a little.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Context {
    /// Of a location constraint.
    Location,
    /// Of defaults of resources.
    ResourceDefaults,
    /// Of defaults of operations.
    OperationDefaults,
}
