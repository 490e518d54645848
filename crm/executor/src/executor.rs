//! The machine: takes events in, starts what may start, sees to timeouts, and tells what has news.
//! How a result is judged lies in `outcome`, what one resource holds in `lane`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ocf::ExitCode;

use crate::lane::{Job, Key, Lane, Phase, Recurring, Running, Waiting, key};
use crate::outcome::{Verdict, judge};
use crate::recurrence::{self, SPREAD_FROM};
use crate::watch::{self, WATCHED_POLL_LIMIT, WATCHED_TURNS};
use crate::{Cancel, Command, End, Event, Operation, Outcome, RunId, Signal, Status};

/// What is told of a process that could not be looked at.
const UNSEEN: &str = "its processes cannot even be looked at";

/// How long a look at a process that did not end in time is waited for. All that is read is the kernel's memory and takes a
/// millisecond, but a process in the middle of an exec can hold the lock that its stack is read under, and on a busy host,
/// of which the look is to tell, the one who looks has to wait for its turn. Nothing but this one process waits for it.
pub const LOOK_GRACE: Duration = Duration::from_secs(2);

/// How long an agent has between TERM and KILL. Long enough for a shell to run its trap, short
/// beside the timeouts people give, since recovery waits for it.
pub const TERM_GRACE: Duration = Duration::from_secs(2);

/// How long a killed process may take to be gone before it counts as stuck in the kernel. A process
/// that can die does so in milliseconds; a loaded host may need seconds.
pub const KILL_GRACE: Duration = Duration::from_secs(5);

/// How many operations one resource may have, waiting and recurring together. A plan gives a handful;
/// more than this is a caller gone wrong.
pub const MAX_OPERATIONS_PER_RESOURCE: usize = 64;

/// The operations of one node. See the crate's guide.
#[derive(Debug)]
pub struct Executor {
    limit: usize,
    next_call_id: u32,
    pub(crate) next_run: u64,
    pub(crate) next_watcher: u64,
    next_order: u64,
    pub(crate) now: Duration,
    draining: bool,
    pub(crate) lanes: BTreeMap<Arc<str>, Lane>,
    /// Which resource a process belongs to. Invariant: one entry for each `Lane::busy`.
    pub(crate) runs: BTreeMap<RunId, Arc<str>>,
    /// Which resource a watcher belongs to. Invariant: one entry for each of `Lane::watchers`.
    pub(crate) watches: BTreeMap<RunId, Arc<str>>,
    /// Lanes by their deadline, and those that may start something by their turn. Invariant: they hold what each
    /// `Lane::noted` says. With a thousand resources, looking through all of them each time would be most of the work.
    deadlines: BTreeSet<(Duration, Arc<str>)>,
    turns: BTreeSet<((u8, u64), Arc<str>)>,
    /// How many recurring operations there are.
    recurring: usize,
    /// Processes that count against the limit: those in `runs` that are not stuck.
    working: usize,
    /// Fence devices that were started here. Nothing runs for them between two operations, so this
    /// is the only place that knows.
    pub(crate) started_devices: BTreeSet<String>,
    pub(crate) commands: VecDeque<Command>,
}

/// A recurring operation, for status displays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurringView<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// Its number.
    pub call_id: u32,
    /// Status and exit code last told, if any was.
    pub last: Option<(Status, i32)>,
    /// When it is due; `None` while it waits for the resource or runs.
    pub next: Option<Duration>,
}

/// A process, for status displays and the end of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunView<'a> {
    /// Its number.
    pub run: RunId,
    /// What it does.
    pub operation: &'a Operation,
    /// Since when.
    pub since: Duration,
    /// Whether it was killed and is still there.
    pub stuck: bool,
}

impl Executor {
    /// A new, idle executor that runs at most `limit` agents at once (at least one).
    /// `first_call_id` must be above every call id in this node's history, which is ordered by it.
    pub fn new(limit: usize, first_call_id: u32) -> Self {
        Executor {
            limit: limit.max(1),
            next_call_id: first_call_id,
            next_run: 1,
            next_watcher: 1,
            next_order: 1,
            now: Duration::ZERO,
            draining: false,
            lanes: BTreeMap::new(),
            runs: BTreeMap::new(),
            watches: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            turns: BTreeSet::new(),
            recurring: 0,
            working: 0,
            started_devices: BTreeSet::new(),
            commands: VecDeque::new(),
        }
    }

    /// Takes an event in. Never blocks, never fails.
    pub fn handle(&mut self, now: Duration, event: Event) {
        self.now = self.now.max(now);
        match event {
            Event::Run(operation) => self.run(operation),
            Event::Cancel(cancel) => self.cancel(cancel),
            Event::Forget { resource } => self.forget(&resource),
            Event::Ended { run, end } if self.watches.contains_key(&run) => self.watch_ended(run, &end),
            Event::Ended { run, end } => self.ended(run, &end),
            Event::Examined { run, evidence } => self.examined(run, evidence),
            Event::Watching { run } => self.watching(run),
            Event::Timeout => self.timeout(),
            Event::Drain => self.draining = true,
        }
    }

    /// The next thing to do; call until it gives `None`.
    pub fn poll(&mut self) -> Option<Command> {
        while self.commands.is_empty() && self.start_next() {}
        self.commands.pop_front()
    }

    /// When to send [`Event::Timeout`].
    pub fn deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// How many agents may run at once.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether nothing runs and nothing waits to run. Recurring operations between two runs do not
    /// count, nor does a stuck process: nobody can say when it will be gone.
    pub fn is_idle(&self) -> bool {
        self.working == 0
            && self.commands.is_empty()
            && self.lanes.values().all(|lane| lane.queue.is_empty() || lane.busy.is_some())
    }

    /// The processes there are, in the order they were started.
    pub fn in_flight(&self) -> impl Iterator<Item = RunView<'_>> {
        let busy = self.runs.values().filter_map(|resource| self.lanes.get(resource)?.busy.as_ref());
        busy.map(|running| RunView {
            run: running.run,
            operation: &running.job.operation,
            since: running.since,
            stuck: running.phase == Phase::Stuck,
        })
    }

    /// The recurring operations, by resource, action and interval.
    pub fn recurring(&self) -> impl Iterator<Item = RecurringView<'_>> {
        self.lanes.values().flat_map(|lane| lane.recurring.values()).map(|recurring| RecurringView {
            operation: &recurring.job.operation,
            call_id: recurring.job.call_id,
            last: recurring.told.as_ref().map(|told| (told.status, told.rc)),
            next: recurring.next,
        })
    }

    // What the caller asks for.

    fn run(&mut self, operation: Operation) {
        let job = Job { operation: Arc::new(operation), call_id: self.next_call_id };
        self.next_call_id = self.next_call_id.saturating_add(1);
        let operation = &*job.operation;
        if operation.is_recurring() {
            if self.draining {
                let verdict = Verdict::new(Status::Cancelled, ExitCode::Error, "this node is shutting down");
                return self.report_unrun(&job, verdict);
            }
            self.drop_recurring(&operation.resource, &key(operation), "the same operation was given again");
        } else if matches!(operation.action.as_str(), "stop" | "migrate_to") {
            // The resource is about to leave: a monitor that still came would find it gone and call
            // that a failure.
            self.drop_all_recurring(&operation.resource, &format!("{} takes its place", operation.action));
        }
        if self.lanes.get(operation.resource.as_str()).is_some_and(|lane| lane.len() >= MAX_OPERATIONS_PER_RESOURCE) {
            let reason = format!(
                "{} already has {MAX_OPERATIONS_PER_RESOURCE} operations on this node; \
                 wait for them to end, or clean the resource up",
                operation.resource
            );
            return self.report_unrun(&job, Verdict::new(Status::Error, ExitCode::Error, reason));
        }
        let (now, start_delay) = (self.now, Duration::from_millis(operation.start_delay_ms.into()));
        let later = operation.is_recurring() && !start_delay.is_zero();
        let order = self.take_order();
        let name: Arc<str> = operation.resource.as_str().into();
        let lane = self.lanes.entry(name.clone()).or_insert_with(|| Lane::new(name.clone()));
        if operation.is_recurring() {
            let next = later.then(|| now + start_delay);
            let recurring = Recurring {
                job: job.clone(),
                next,
                told: None,
                // Whoever says when it first comes (interval-origin does) means its later times too.
                anchor: next,
                is_asked_again: false,
                is_unwatchable: false,
                watched_at: Vec::new(),
            };
            self.recurring += 1;
            lane.recurring.insert(key(operation), recurring);
        }
        if !later {
            lane.queue.push_back(Waiting { job, since: now, order });
        }
        self.touch(&name);
    }

    fn cancel(&mut self, cancel: Cancel) {
        let key = (cancel.action.clone(), cancel.interval_ms);
        let found = self.drop_recurring(&cancel.resource, &key, "it was cancelled");
        self.commands.push_back(Command::Cancelled { cancel, found });
    }

    fn forget(&mut self, resource: &str) {
        self.drop_all_recurring(resource, "the resource was removed from this node");
        let queue = self.lanes.get_mut(resource).map(|lane| std::mem::take(&mut lane.queue)).unwrap_or_default();
        for waiting in queue {
            self.report_cancelled(&waiting.job, "the resource was removed from this node");
        }
        self.started_devices.remove(resource);
        self.touch(resource);
    }

    // Recurring operations that go.

    fn drop_all_recurring(&mut self, resource: &str, reason: &str) {
        let keys: Vec<Key> =
            self.lanes.get(resource).map_or(Vec::new(), |lane| lane.recurring.keys().cloned().collect());
        for key in keys {
            self.drop_recurring(resource, &key, reason);
        }
    }

    fn drop_recurring(&mut self, resource: &str, key: &Key, reason: &str) -> bool {
        let Some(removed) = self.lanes.get_mut(resource).and_then(|lane| lane.remove_recurring(key)) else {
            return false;
        };
        self.recurring -= 1;
        self.end_watchers(resource, removed.job.call_id);
        self.touch(resource);
        // Whoever gave it and has heard nothing yet must not wait for ever.
        if removed.told.is_none() {
            self.report_cancelled(&removed.job, reason);
        }
        true
    }

    // Starting.

    /// Starts or answers the one operation whose turn it is; false when none can go on.
    fn start_next(&mut self) -> bool {
        let slot_free = self.working < self.limit;
        let can_go = |name: &Arc<str>| {
            let front = self.lanes.get(name).and_then(|lane| lane.queue.front());
            front.is_some_and(|front| slot_free || self.answer(&front.job.operation).is_some())
        };
        let Some((_, name)) = self.turns.iter().find(|(_, name)| can_go(name)).cloned() else { return false };
        let lane = self.lanes.get_mut(&name).expect("it was found a moment ago");
        let Waiting { job, since, .. } = lane.queue.pop_front().expect("its front was seen a moment ago");
        let queued = self.now.saturating_sub(since);
        match self.answer(&job.operation) {
            Some(verdict) => self.finish(&name, &job, verdict, queued, Duration::ZERO),
            None => self.spawn(&name, job, queued),
        }
        self.touch(&name);
        true
    }

    /// The result of an operation that needs no process.
    fn answer(&self, operation: &Operation) -> Option<Verdict> {
        match (operation.agent.class.as_str(), operation.action.as_str()) {
            ("ocf" | "systemd" | "service" | "lsb", _) => None,
            // Nothing runs for a fence device. That it works is shown by the agent's monitor; stopping
            // it means no longer using it.
            ("stonith", "monitor") if operation.is_probe() => {
                Some(Verdict::done(if self.started_devices.contains(&operation.resource) {
                    ExitCode::Ok
                } else {
                    ExitCode::NotRunning
                }))
            }
            ("stonith", "start" | "monitor") => None,
            ("stonith", "stop") => Some(Verdict::done(ExitCode::Ok)),
            ("stonith", action) => Some(Verdict::new(
                Status::NotSupported,
                ExitCode::Unimplemented,
                format!("a fence device has no action {action}; it has start, stop and monitor"),
            )),
            (class, _) => Some(Verdict::new(
                Status::NotInstalled,
                ExitCode::NotInstalled,
                format!(
                    "{} cannot be run: there is no class {class}; the classes are ocf, systemd, service, lsb and stonith",
                    operation.agent
                ),
            )),
        }
    }

    fn spawn(&mut self, resource: &Arc<str>, job: Job, queued: Duration) {
        let run = RunId(self.next_run);
        self.next_run += 1;
        let operation = job.operation.clone();
        let phase = Phase::Working { until: self.now + operation.timeout() };
        let lane = self.lanes.get_mut(resource).expect("its queue held the job");
        assert!(lane.busy.is_none(), "two operations at once for {resource}");
        lane.busy = Some(Running { run, job, since: self.now, queued, phase, evidence: String::new(), tries: 1 });
        self.working += 1;
        self.runs.insert(run, resource.clone());
        self.commands.push_back(Command::Spawn { run, operation });
    }

    // Ending.

    fn ended(&mut self, run: RunId, end: &End) {
        // An end told twice, or of a process of an earlier life, is nobody's.
        let Some(resource) = self.runs.remove(&run) else { return };
        let lane = self.lanes.get_mut(&resource).expect("a lane with a process is kept");
        let running = lane.busy.take().expect("runs has an entry only while busy");
        match running.phase {
            Phase::Stuck => self.schedule(&resource, &running.job),
            phase => {
                let verdict = match phase {
                    Phase::Working { .. } => judge(&running.job.operation, end),
                    _ => {
                        let evidence = running.evidence.clone();
                        Verdict { evidence, ..timed_out(&running.job.operation, &said(end)) }
                    }
                };
                let Some(running) = self.ask_device_again(&resource, running, &verdict) else {
                    return self.touch(&resource);
                };
                self.working -= 1;
                let Running { job, since, queued, .. } = running;
                let ran = self.now.saturating_sub(since);
                if !self.ask_again(&resource, &job, &verdict) {
                    self.finish(&resource, &job, verdict, queued, ran);
                }
            }
        }
        self.touch(&resource);
    }

    /// Slow is not dead: where that is wished, a monitor that did not end in time is asked once more before that counts.
    fn ask_again(&mut self, resource: &str, job: &Job, verdict: &Verdict) -> bool {
        if verdict.status != Status::Timeout || !job.operation.asks_again() {
            return false;
        }
        let (now, order) = (self.now, self.take_order());
        let Some(lane) = self.lanes.get_mut(resource) else { return false };
        let Some(recurring) = lane.recurring_of(job) else { return false };
        // What has failed that way already is not asked again while it stays so: that would double each timeout.
        let has_failed = recurring.told.as_ref().is_some_and(|told| told.status == Status::Timeout);
        if recurring.is_asked_again || has_failed {
            return false;
        }
        recurring.is_asked_again = true;
        lane.queue.push_back(Waiting { job: job.clone(), since: now, order });
        let reason = verdict.clone().words();
        self.commands.push_back(Command::AskedAgain { operation: job.operation.clone(), reason });
        true
    }

    fn examined(&mut self, run: RunId, evidence: String) {
        let Some(resource) = self.runs.get(&run).cloned() else { return };
        let busy = self.lanes.get_mut(&resource).and_then(|lane| lane.busy.as_mut());
        // What comes when it was asked to end already tells of a process that ends.
        let Some(running) = busy.filter(|running| running.run == run && matches!(running.phase, Phase::Late { .. }))
        else {
            return;
        };
        running.evidence = evidence;
        self.terminate(&resource);
        self.touch(&resource);
    }

    fn finish(&mut self, resource: &str, job: &Job, verdict: Verdict, queued: Duration, ran: Duration) {
        self.note_device(&job.operation, &verdict);
        let is_good = verdict.status == Status::Done && watch::is_worth_watching(verdict.rc);
        self.tell(resource, job, verdict, queued, ran);
        self.schedule(resource, job);
        if job.operation.is_recurring() && is_good {
            self.begin_watch(resource, job);
        }
    }

    /// A recurring operation is due again an interval after its last end, or at its next moment; seldom while its agent
    /// watches.
    fn schedule(&mut self, resource: &str, job: &Job) {
        let interval = Duration::from_millis(job.operation.interval_ms.into());
        let (now, is_one_of_many) = (self.now, self.recurring >= SPREAD_FROM);
        let Some(lane) = self.lanes.get_mut(resource) else { return };
        // What looks deeper than a watcher can is asked as often as configured.
        let deep = job.operation.parameters.get("OCF_CHECK_LEVEL").is_some_and(|level| level != "0");
        let is_watched = lane.is_watched(job.call_id) && !deep;
        let Some(recurring) = lane.recurring_of(job) else { return };
        recurring.is_asked_again = false;
        if is_one_of_many {
            recurring.anchor.get_or_insert_with(|| recurrence::anchor(resource, &job.operation.action, interval));
        }
        recurring.next = Some(match is_watched {
            true => now + (interval * WATCHED_TURNS).min(WATCHED_POLL_LIMIT).max(interval),
            false => recurrence::next(now, interval, recurring.anchor),
        });
    }

    /// Reports a result, unless it is of a recurring operation and either the same as the last or no
    /// longer wanted.
    pub(crate) fn tell(&mut self, resource: &str, job: &Job, verdict: Verdict, queued: Duration, ran: Duration) {
        if job.operation.is_recurring() {
            let Some(recurring) = self.lanes.get_mut(resource).and_then(|lane| lane.recurring_of(job)) else { return };
            if recurring.told.as_ref().is_some_and(|told| verdict.is_no_news(told)) {
                return;
            }
            recurring.told = Some(verdict.clone());
        }
        self.report(job, verdict, queued, ran);
    }

    // Time.

    fn timeout(&mut self) {
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= self.now);
        let names: Vec<Arc<str>> = due.map(|(_, name)| name.clone()).collect();
        for name in names {
            self.press(&name);
            self.press_watchers(&name);
            self.give_up_waiting(&name);
            self.enqueue_due(&name);
            self.touch(&name);
        }
    }

    /// Goes one step further with a process that does not end.
    fn press(&mut self, resource: &str) {
        let now = self.now;
        let Some(running) = self.lanes.get_mut(resource).and_then(|lane| lane.busy.as_mut()) else { return };
        if running.phase.until().is_none_or(|until| now < until) {
            return;
        }
        let run = running.run;
        match running.phase {
            Phase::Working { .. } => {
                running.phase = Phase::Late { until: now + LOOK_GRACE };
                // While it is still there, and stands as it stood.
                self.commands.push_back(Command::Examine { run });
            }
            Phase::Late { .. } => {
                running.evidence = UNSEEN.to_owned();
                self.terminate(resource);
            }
            Phase::Terminated { .. } => {
                running.phase = Phase::Killed { until: now + KILL_GRACE };
                self.commands.push_back(Command::Signal { run, signal: Signal::Kill });
            }
            Phase::Killed { .. } => {
                running.phase = Phase::Stuck;
                // It no longer counts against the limit: a few of its kind would stop the whole node.
                self.working -= 1;
                let (job, queued, ran) = (running.job.clone(), running.queued, now.saturating_sub(running.since));
                let evidence = running.evidence.clone();
                let remark = " and cannot be killed; nothing is started for this resource until it is gone";
                let verdict = Verdict { evidence, ..timed_out(&job.operation, remark) };
                self.tell(resource, &job, verdict, queued, ran);
            }
            Phase::Stuck => {}
        }
    }

    /// Asks a process to end that had its time, and was looked at.
    fn terminate(&mut self, resource: &str) {
        let now = self.now;
        let Some(running) = self.lanes.get_mut(resource).and_then(|lane| lane.busy.as_mut()) else { return };
        running.phase = Phase::Terminated { until: now + TERM_GRACE };
        self.commands.push_back(Command::Signal { run: running.run, signal: Signal::Term });
    }

    /// Answers operations that wait behind a stuck process when their time is up, so that whoever
    /// gave a stop learns that it failed and can have the node fenced.
    fn give_up_waiting(&mut self, resource: &str) {
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(resource).filter(|lane| lane.is_stuck()) else { return };
        let (over, left): (VecDeque<_>, _) = lane.queue.drain(..).partition(|waiting| waiting.until() <= now);
        lane.queue = left;
        for Waiting { job, since, .. } in over {
            let remark = ": it was not started, as an earlier process for the resource cannot be killed";
            let verdict = timed_out(&job.operation, remark);
            self.finish(resource, &job, verdict, now.saturating_sub(since), Duration::ZERO);
        }
    }

    fn enqueue_due(&mut self, resource: &str) {
        let now = self.now;
        let order = self.take_order();
        let Some(lane) = self.lanes.get_mut(resource) else { return };
        for recurring in lane.recurring.values_mut() {
            if let Some(due) = recurring.next.take_if(|due| *due <= now) {
                lane.queue.push_back(Waiting { job: recurring.job.clone(), since: due, order });
            }
        }
    }

    // Telling.

    fn report(&mut self, job: &Job, verdict: Verdict, queued: Duration, ran: Duration) {
        let (status, rc) = (verdict.status, verdict.rc);
        self.commands.push_back(Command::Report(Outcome {
            operation: job.operation.clone(),
            status,
            rc,
            exit_reason: verdict.words(),
            queued_ms: queued.as_millis() as u64,
            ran_ms: ran.as_millis() as u64,
            call_id: job.call_id,
        }));
    }

    fn report_unrun(&mut self, job: &Job, verdict: Verdict) {
        self.report(job, verdict, Duration::ZERO, Duration::ZERO);
    }

    fn report_cancelled(&mut self, job: &Job, reason: &str) {
        self.report_unrun(job, Verdict::new(Status::Cancelled, ExitCode::Error, reason));
    }

    fn take_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order += 1;
        order
    }

    /// Notes when a lane is due and in which turn it may start something; forgets one that holds nothing any more. To be
    /// called after each change of a lane.
    pub(crate) fn touch(&mut self, resource: &str) {
        let Some(lane) = self.lanes.get_mut(resource) else { return };
        let (name, before) = (lane.name.clone(), lane.noted);
        let now = lane.now_due();
        lane.noted = now;
        let is_empty = lane.is_empty();
        if before.deadline != now.deadline {
            before.deadline.map(|deadline| self.deadlines.remove(&(deadline, name.clone())));
            now.deadline.map(|deadline| self.deadlines.insert((deadline, name.clone())));
        }
        if before.turn != now.turn {
            before.turn.map(|turn| self.turns.remove(&(turn, name.clone())));
            now.turn.map(|turn| self.turns.insert((turn, name.clone())));
        }
        if is_empty {
            self.lanes.remove(resource);
        }
    }
}

/// What a process said of itself when it was made to end; begins with what joins it to the sentence before.
fn said(end: &End) -> String {
    match end {
        End::Exited { output, .. } | End::InitScript { output, .. } | End::Signalled { output, .. } => {
            ocf::exit_reason(&output.stderr).map_or_else(String::new, |reason| format!(": {reason}"))
        }
        End::NotStarted { reason, .. } => format!(": {reason}"),
    }
}

fn timed_out(operation: &Operation, remark: &str) -> Verdict {
    let timeout_ms = operation.timeout().as_millis();
    let timeout = match timeout_ms % 1000 {
        0 => format!("{} s", timeout_ms / 1000),
        _ => format!("{timeout_ms} ms"),
    };
    let reason = format!("{} did not end within {timeout}{remark}", operation.action);
    Verdict::new(Status::Timeout, ExitCode::Error, reason)
}
