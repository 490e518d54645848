#![forbid(unsafe_code)]
//! Where everything should run, and the steps from here to there.

pub mod model;
pub mod reasons;
pub mod scores;

use cib::Document;
use transition::Transition;

pub use model::{Cluster, NodeId, RscId};
pub use reasons::Reasons;
pub use scores::ScoreLine;

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The CIB: configuration and status.
    pub cib: &'a Document,
    /// The time to plan for, in seconds since 1970.
    pub now: i64,
    /// Number of the transition, from 1.
    pub transition_id: u32,
    /// Whether to keep the log of scores.
    pub scores: bool,
    /// Whether to log the capacity of nodes as well.
    pub utilization: bool,
}

impl<'a> Input<'a> {
    /// A first transition with nothing logged.
    pub fn new(cib: &'a Document, now: i64) -> Self {
        Input { cib, now, transition_id: 1, scores: false, utilization: false }
    }
}

/// What is to be done, and why.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The actions and their order.
    pub transition: Transition,
    /// The cluster as planned: current and next roles and places, all actions with flags and reasons.
    pub cluster: Cluster,
    /// What gave each score.
    pub reasons: Reasons,
    /// The log of scores, if asked for, in the order the steps were made.
    pub scores: Vec<ScoreLine>,
    /// What was ignored, and where it stands.
    pub warnings: Vec<String>,
    /// Remarks `crm_simulate` prints among its output, such as changes of private parameters only.
    pub notices: Vec<String>,
}
