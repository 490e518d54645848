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
    /// What was seen of it when its time was over.
    pub evidence: String,
    /// The process is the operation's first, second, …
    pub tries: u32,
}

/// How far a process is on its way from spawned to given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It works, and has until then.
    Working { until: Duration },
    /// It did not end in time, and is looked at before it is asked to end, at the latest then.
    Late { until: Duration },
    /// It was asked to end, and has until then.
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
            Phase::Working { until }
            | Phase::Late { until }
            | Phase::Terminated { until }
            | Phase::Killed { until } => Some(until),
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
    /// One of its moments, where it does not simply come an interval after its last end.
    pub anchor: Option<Duration>,
    /// It did not end in time, and is asked a second time before that counts.
    pub is_asked_again: bool,
    /// Its agent knows no watching.
    pub is_unwatchable: bool,
    /// When watchers were started of late.
    pub watched_at: Vec<Duration>,
}

/// An agent's process that watches beside a recurring operation.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// Whose result it gives.
    pub job: Job,
    pub phase: WatcherPhase,
}

/// How far a watcher is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatcherPhase {
    /// It was started.
    Arming,
    /// It said that it watches, so its end is a result.
    Watching,
    /// It was asked to end, and has until then.
    Terminated { until: Duration },
    /// It was killed, and has until then to be gone.
    Killed { until: Duration },
}

impl Watcher {
    pub(crate) fn is_ending(&self) -> bool {
        self.until().is_some()
    }

    fn until(&self) -> Option<Duration> {
        match self.phase {
            WatcherPhase::Arming | WatcherPhase::Watching => None,
            WatcherPhase::Terminated { until } | WatcherPhase::Killed { until } => Some(until),
        }
    }
}

/// What tells the recurring operations of one resource apart: action and interval.
pub(crate) type Key = (String, u32);

pub(crate) fn key(operation: &Operation) -> Key {
    (operation.action.clone(), operation.interval_ms)
}

/// Everything about one resource.
#[derive(Debug)]
pub(crate) struct Lane {
    pub name: Arc<str>,
    pub queue: VecDeque<Waiting>,
    pub busy: Option<Running>,
    pub recurring: BTreeMap<Key, Recurring>,
    pub watchers: BTreeMap<RunId, Watcher>,
    /// What the machine has noted of it, by which it finds the lanes that something is to be done about.
    pub noted: Noted,
}

/// When a lane is due, and in which turn it may start something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    pub deadline: Option<Duration>,
    pub turn: Option<(u8, u64)>,
}

impl Lane {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Lane {
            name,
            queue: VecDeque::new(),
            busy: None,
            recurring: BTreeMap::new(),
            watchers: BTreeMap::new(),
            noted: Noted::default(),
        }
    }

    /// What is to be noted of it now.
    pub(crate) fn now_due(&self) -> Noted {
        let is_free = self.busy.is_none() && !self.watchers.values().any(Watcher::is_ending);
        let front = self.queue.front().filter(|_| is_free);
        Noted { deadline: self.deadline(), turn: front.map(|waiting| (waiting.job.operation.rank(), waiting.order)) }
    }

    /// Whether somebody watches for this operation.
    pub(crate) fn is_watched(&self, call_id: u32) -> bool {
        let watches = |watcher: &Watcher| watcher.job.call_id == call_id && watcher.phase == WatcherPhase::Watching;
        self.watchers.values().any(watches)
    }

    /// Whether nothing is left to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.busy.is_none() && self.recurring.is_empty() && self.watchers.is_empty()
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
    fn deadline(&self) -> Option<Duration> {
        let process = self.busy.as_ref().and_then(|running| running.phase.until());
        let given_up = self.is_stuck().then(|| self.queue.iter().map(Waiting::until).min()).flatten();
        let watchers = self.watchers.values().filter_map(Watcher::until);
        let recurring = self.recurring.values().filter_map(|recurring| recurring.next);
        recurring.chain(process).chain(given_up).chain(watchers).min()
    }
}
