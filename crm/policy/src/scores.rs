//! The log of scores: what each step of placing gave each node, in the words `crm_simulate -s` prints.

use std::fmt;

use crate::model::readable;

/// One line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScoreLine {
    /// A node's score when a resource was placed.
    Allocation {
        /// The step that looked at it: `pcmk__primitive_assign`, `pcmk__group_assign`, …
        step: &'static str,
        /// The resource.
        resource: String,
        /// The node.
        node: String,
        /// The score.
        score: i32,
    },
    /// An instance's score for promotion.
    Promotion {
        /// The instance.
        resource: String,
        /// Its node, if it has one.
        node: Option<String>,
        /// The score.
        score: i32,
    },
    /// A node's capacity: `Original: node1 capacity: cpu=8`.
    Capacity {
        /// `Original` or `Remaining`.
        when: &'static str,
        /// The node.
        node: String,
        /// Names and values.
        values: Vec<(String, String)>,
    },
    /// What a resource uses of its node: `pcmk__assign_resource: rsc utilization on node1: cpu=1`.
    Utilization {
        /// The step.
        step: &'static str,
        /// The resource.
        resource: String,
        /// The node.
        node: String,
        /// Names and values.
        values: Vec<(String, String)>,
    },
}

impl fmt::Display for ScoreLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScoreLine::Allocation { step, resource, node, score } => {
                write!(f, "{step}: {resource} allocation score on {node}: {}", readable(*score))
            }
            ScoreLine::Promotion { resource, node, score } => {
                let place = node.as_ref().map_or("(inactive)".to_owned(), |node| format!("on {node}"));
                write!(f, "{resource} promotion score {place}: {}", readable(*score))
            }
            ScoreLine::Capacity { when, node, values } => {
                write!(f, "{when}: {node} capacity:")?;
                values.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
            ScoreLine::Utilization { step, resource, node, values } => {
                write!(f, "{step}: {resource} utilization on {node}:")?;
                values.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
        }
    }
}
