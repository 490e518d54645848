//! What the controller is told and what it asks for.

use cib::Write;
use engine::{Membership, NodeId};
use transition::Transition;
use wire::{FenceOrder, OrderId, RunOrder};

use crate::note::Note;

/// What happened. Everything but `Planned` and `Timeout` is seen alike by all members, in the same order.
#[derive(Clone, Debug)]
pub enum Event {
    /// Who is here now.
    Membership(Membership),
    /// All members hold the same CIB. `running`: one of them was in a cluster before, so this is not a cold start.
    Synced {
        /// Whether this cluster ran before we came.
        running: bool,
    },
    /// A member said, when it met others, what is under way with it.
    UnderWay {
        /// Who said it.
        node: NodeId,
        /// What it has been told to run and has not answered.
        orders: Vec<RunOrder>,
    },
    /// An order was seen by all members. `valid`: it came from the coordinator of that moment, and will be obeyed.
    Ordered {
        /// The order.
        order: Order,
        /// Whether it will be obeyed.
        valid: bool,
        /// Whether this controller gave it.
        own: bool,
    },
    /// A write was applied, or refused, by all members.
    Applied {
        /// What was written.
        write: Write,
        /// Why not, if it was refused.
        refused: Option<String>,
        /// Whether this controller asked for it.
        own: bool,
    },
    /// A fencing did not succeed. Success comes as a write.
    FenceFailed {
        /// Which.
        order: OrderId,
        /// Why.
        reason: String,
    },
    /// The answer to [`Command::Plan`].
    Planned {
        /// Of which question.
        generation: u64,
        /// The plan.
        transition: Transition,
    },
    /// No plan could be made: a fault of ours, from which the cluster must not stop working.
    NotPlanned {
        /// Of which question.
        generation: u64,
        /// What happened.
        reason: String,
    },
    /// A deadline has come.
    Timeout,
}

/// Either kind of order.
#[derive(Clone, Debug)]
pub enum Order {
    /// To run an operation.
    Run(RunOrder),
    /// To fence a node.
    Fence(FenceOrder),
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Multicast a write.
    Write(Write),
    /// Multicast an order to run.
    Run(RunOrder),
    /// Multicast an order to fence.
    Fence(FenceOrder),
    /// Make a plan of the CIB as it is now.
    Plan {
        /// Number of the question; an answer to an older one is dropped.
        generation: u64,
    },
    /// Tell the operator.
    Note(Note),
}
