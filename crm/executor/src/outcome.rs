//! The result of an operation and how it is judged by the OCF contract.
//! When a result is reported, and when it is dropped, lies with the machine.

use std::sync::Arc;

use crate::Operation;

/// How far an operation came, with Pacemaker's numbers (`op-status` in the CIB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// The agent ran to its end; `rc` says what it found.
    Done,
    /// It was taken back before it gave a result.
    Cancelled,
    /// The agent did not end in time.
    Timeout,
    /// The agent does not know this action.
    NotSupported,
    /// The agent could not be run or was ended by a signal.
    Error,
    /// There is no such agent here.
    NotInstalled,
}

impl Status {
    /// The number that stands for it in `op-status`.
    pub fn number(self) -> i32 {
        match self {
            Status::Done => 0,
            Status::Cancelled => 1,
            Status::Timeout => 2,
            Status::NotSupported => 3,
            Status::Error => 4,
            Status::NotInstalled => 7,
        }
    }
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The operation as it was given.
    pub operation: Arc<Operation>,
    /// How far it came.
    pub status: Status,
    /// The OCF exit code.
    pub rc: i32,
    /// Why, in words for the operator; empty when there is nothing to say.
    pub exit_reason: String,
    /// How long it waited: for the resource to be free and for the limit.
    pub queued_ms: u64,
    /// How long the agent ran.
    pub ran_ms: u64,
    /// The executor's number for the operation. It grows with each one given and stays the same over
    /// the runs of a recurring one.
    pub call_id: u32,
}
