//! What was fenced, when, by what, and how it went: the last ones, for displays.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Action, Failure, Success};

/// How many operations are remembered: weeks of a bad cluster, and a few kilobytes.
pub const HISTORY_LENGTH: usize = 128;

/// One fencing operation that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whom.
    pub target: String,
    /// What was to be done.
    pub action: Action,
    /// When it was asked for.
    pub started: Duration,
    /// When it was over.
    pub ended: Duration,
    /// How it went, and by which devices.
    pub result: Result<Success, Failure>,
}

/// The last operations, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    records: VecDeque<Record>,
}

impl History {
    pub(crate) fn push(&mut self, record: Record) {
        if self.records.len() == HISTORY_LENGTH {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter()
    }
}
