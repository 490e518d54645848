//! What one resource has to do: a queue, at most one process, and its recurring operations.
//! Which lane may start next, and what is told to whom, lies with the machine in `executor`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::Verdict;
use crate::{Operation, RunId};

/// An operation with the number it got when it was given.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub operation: Arc<Operation>,
    pub call_id: u32,
}

/// A job that is ready to run as soon as the resource is free.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub job: Job,
    pub since: Duration,
    /// Grows over all lanes, so that the lanes take turns when the limit binds.
    pub order: u64,
}

impl Waiting {
    /// How long it waits for a resource that is stuck: as long as it might have run.
    pub(crate) fn until(&self) -> Duration {
        self.since + self.job.operation.timeout()
    }
}

/// The process that keeps the resource busy.
#[derive(Debug)]
pub(crate) struct Running {
    pub run: RunId,
    pub job: Job,
    pub since: Duration,
    pub queued: Duration,
    pub phase: Phase,
}

/// How far a process is on its way from spawned to given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It works, and has until then.
    Working { until: Duration },
    /// It did not end in time, was asked to end, and has until then.
    Terminated { until: Duration },
    /// It was killed, and has until then to be gone.
    Killed { until: Duration },
    /// Not even killing it helped (it hangs in the kernel). Its result has been told; the resource
    /// stays busy until it is gone.
    Stuck,
}

impl Phase {
    pub(crate) fn until(self) -> Option<Duration> {
        match self {
            Phase::Working { until } | Phase::Terminated { until } | Phase::Killed { until } => Some(until),
            Phase::Stuck => None,
        }
    }
}

/// A recurring operation.
#[derive(Debug)]
pub(crate) struct Recurring {
    pub job: Job,
    /// When it is due; `None` while it waits in the queue or runs.
    pub next: Option<Duration>,
    /// What was told of it last.
    pub told: Option<Verdict>,
}

/// What tells the recurring operations of one resource apart: action and interval.
pub(crate) type Key = (String, u32);

pub(crate) fn key(operation: &Operation) -> Key {
    (operation.action.clone(), operation.interval_ms)
}

/// Everything about one resource.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub queue: VecDeque<Waiting>,
    pub busy: Option<Running>,
    pub recurring: BTreeMap<Key, Recurring>,
}

impl Lane {
    /// Whether nothing is left to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.busy.is_none() && self.recurring.is_empty()
    }

    /// How many operations it holds, as the bound counts them.
    pub(crate) fn len(&self) -> usize {
        // A recurring operation in the queue is counted once.
        self.queue.iter().filter(|waiting| !waiting.job.operation.is_recurring()).count() + self.recurring.len()
    }

    /// Takes a recurring operation out, from the queue as well. A process it has is left to end.
    pub(crate) fn remove_recurring(&mut self, key: &Key) -> Option<Recurring> {
        let removed = self.recurring.remove(key)?;
        self.queue.retain(|waiting| waiting.job.call_id != removed.job.call_id);
        Some(removed)
    }

    /// The recurring operation this job is a run of, unless it was taken back meanwhile.
    pub(crate) fn recurring_of(&mut self, job: &Job) -> Option<&mut Recurring> {
        let recurring = self.recurring.get_mut(&key(&job.operation))?;
        (recurring.job.call_id == job.call_id).then_some(recurring)
    }

    /// Whether a process that cannot be killed holds it.
    pub(crate) fn is_stuck(&self) -> bool {
        self.busy.as_ref().is_some_and(|running| running.phase == Phase::Stuck)
    }

    /// When something is to be done about it.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let process = self.busy.as_ref().and_then(|running| running.phase.until());
        let given_up = self.is_stuck().then(|| self.queue.iter().map(Waiting::until).min()).flatten();
        self.recurring.values().filter_map(|recurring| recurring.next).chain(process).chain(given_up).min()
    }
}
