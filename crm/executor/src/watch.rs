//! Watchers: processes of agents that stay beside a recurring monitor and end with its result as soon as there is one,
//! so that a failure is seen when it happens. When the monitor itself runs lies with the machine.

use std::time::Duration;

use ocf::ExitCode;

use crate::executor::Executor;
use crate::lane::{Job, Watcher, WatcherPhase};
use crate::outcome::judge;
use crate::{Command, End, KILL_GRACE, RunId, Signal, TERM_GRACE};

/// While an agent watches, its monitor runs once in so many of its intervals: for a watcher that hangs.
pub const WATCHED_TURNS: u32 = 20;

/// But not less often than this, or than configured if that is less often still.
pub const WATCHED_POLL_LIMIT: Duration = Duration::from_secs(300);

/// A watcher that ends is started again so often …
pub const WATCH_STARTS: usize = 5;

/// … within this time. One that always ends at once would keep a processor busy; the monitor alone does as well.
pub const WATCH_STARTS_WITHIN: Duration = Duration::from_secs(60);

/// Watchers are counted from here on, so that they and runs are told apart at a glance.
pub(crate) const WATCHERS: u64 = 1 << 48;

impl Executor {
    /// A recurring monitor found its resource running: from here on its agent may watch as well.
    pub(crate) fn begin_watch(&mut self, resource: &str, job: &Job) {
        let operation = &job.operation;
        if operation.action != "monitor" || !matches!(operation.agent.class.as_str(), "ocf" | "systemd") {
            return;
        }
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(resource) else { return };
        // One for a resource is enough: it watches the resource, not the monitor.
        if !lane.watchers.is_empty() {
            return;
        }
        let Some(recurring) = lane.recurring_of(job).filter(|recurring| !recurring.is_unwatchable) else { return };
        recurring.watched_at.retain(|start| now.saturating_sub(*start) < WATCH_STARTS_WITHIN);
        if recurring.watched_at.len() >= WATCH_STARTS {
            return;
        }
        recurring.watched_at.push(now);
        let run = RunId(WATCHERS + self.next_watcher);
        self.next_watcher += 1;
        lane.watchers.insert(run, Watcher { job: job.clone(), phase: WatcherPhase::Arming });
        self.watches.insert(run, lane.name.clone());
        self.commands.push_back(Command::Watch { run, operation: operation.clone() });
    }

    pub(crate) fn watching(&mut self, run: RunId) {
        let Some(name) = self.watches.get(&run) else { return };
        let watcher = self.lanes.get_mut(name).and_then(|lane| lane.watchers.get_mut(&run));
        if let Some(watcher) = watcher.filter(|watcher| watcher.phase == WatcherPhase::Arming) {
            watcher.phase = WatcherPhase::Watching;
        }
    }

    pub(crate) fn watch_ended(&mut self, run: RunId, end: &End) {
        let Some(name) = self.watches.remove(&run) else { return };
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        let Some(Watcher { job, phase }) = lane.watchers.remove(&run) else { return };
        let Some(recurring) = lane.recurring_of(&job) else { return self.touch(&name) };
        match (phase, end) {
            (WatcherPhase::Terminated { .. } | WatcherPhase::Killed { .. }, _) => {}
            // OCF: 3 is an agent's word for an action it does not know.
            (_, End::NotStarted { missing: true, .. } | End::Exited { code: 3, .. }) => recurring.is_unwatchable = true,
            (WatcherPhase::Watching, End::Exited { code, .. }) if *code != 0 => {
                let verdict = judge(&job.operation, end);
                // What is queued or runs comes anyway; what would come after many turns comes after one.
                if recurring.next.is_some() {
                    recurring.next = Some(now + Duration::from_millis(job.operation.interval_ms.into()));
                }
                self.tell(&name, &job, verdict, Duration::ZERO, Duration::ZERO);
            }
            // It watched, and does no longer for reasons of its own: look at once, nobody else does.
            (WatcherPhase::Watching, _) if recurring.next.is_some() => recurring.next = Some(now),
            _ => {}
        }
        self.touch(&name);
    }

    /// The recurring operation is no more, so nobody is to watch for it. The resource waits until the watcher is gone: an
    /// agent that stops a resource shall not be told that it went.
    pub(crate) fn end_watchers(&mut self, resource: &str, call_id: u32) {
        let until = self.now + TERM_GRACE;
        let Some(lane) = self.lanes.get_mut(resource) else { return };
        let of_it = lane.watchers.iter_mut().filter(|(_, watcher)| watcher.job.call_id == call_id);
        for (run, watcher) in of_it.filter(|(_, watcher)| !watcher.is_ending()) {
            watcher.phase = WatcherPhase::Terminated { until };
            self.commands.push_back(Command::Signal { run: *run, signal: Signal::Term });
        }
    }

    /// Goes one step further with watchers that do not end.
    pub(crate) fn press_watchers(&mut self, resource: &str) {
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(resource) else { return };
        let mut given_up = Vec::new();
        for (run, watcher) in &mut lane.watchers {
            match watcher.phase {
                WatcherPhase::Terminated { until } if until <= now => {
                    watcher.phase = WatcherPhase::Killed { until: now + KILL_GRACE };
                    self.commands.push_back(Command::Signal { run: *run, signal: Signal::Kill });
                }
                // It only watches: that it hangs in the kernel keeps nobody from anything.
                WatcherPhase::Killed { until } if until <= now => given_up.push(*run),
                _ => {}
            }
        }
        for run in given_up {
            lane.watchers.remove(&run);
            self.watches.remove(&run);
        }
    }
}

/// Whether a monitor that found this leaves something to watch.
pub(crate) fn is_worth_watching(rc: i32) -> bool {
    ExitCode::from_code(rc).is_some_and(ExitCode::is_active)
}
