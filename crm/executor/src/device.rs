//! Fence devices as resources: nothing runs for them between two operations, and whether one is well is asked more than
//! once before it counts as failed.

use std::sync::Arc;
use std::time::Duration;

use crate::lane::{Phase, Running};
use crate::outcome::Verdict;
use crate::{Command, Executor, Operation, RunId, Status};

/// How often a device's agent is asked unless `pcmk_monitor_retries` says otherwise: Pacemaker's two.
const DEFAULT_TRIES: u32 = 2;
/// More tries than this are not made, whatever is configured: an agent that fails at once would else be run as fast as the
/// host can for the whole timeout.
const MAX_TRIES: u32 = 10;

/// Whether an operation asks a fence device how it is: its start does the same as its monitor.
fn asks_device(operation: &Operation) -> bool {
    operation.agent.class == "stonith" && matches!(operation.action.as_str(), "start" | "monitor")
}

fn tries(operation: &Operation) -> u32 {
    let retries = operation.parameters.get("pcmk_monitor_retries").and_then(|text| text.trim().parse().ok());
    retries.unwrap_or(DEFAULT_TRIES).clamp(1, MAX_TRIES)
}

/// Later than this there is no use in asking again: what was not answered in seven tenths of the time will hardly be in the
/// rest. Pacemaker's share.
fn last_moment(operation: &Operation) -> Duration {
    operation.timeout() * 7 / 10
}

impl Executor {
    /// A device said that it is not well: it is asked again, as part of the same operation and within its time. `failed`:
    /// the process that has ended. Gives it back when the answer counts.
    pub(crate) fn ask_device_again(
        &mut self,
        resource: &Arc<str>,
        mut failed: Running,
        verdict: &Verdict,
    ) -> Option<Running> {
        let operation = failed.job.operation.clone();
        let answered = matches!(failed.phase, Phase::Working { .. }) && verdict.status != Status::NotInstalled;
        let good = verdict.status == Status::Done && verdict.rc == 0;
        let ran = self.now.saturating_sub(failed.since);
        let Some(lane) = self.lanes.get_mut(resource).filter(|_| {
            asks_device(&operation)
                && answered
                && !good
                && failed.tries < tries(&operation)
                && ran < last_moment(&operation)
        }) else {
            return Some(failed);
        };
        if operation.is_recurring() && lane.recurring_of(&failed.job).is_none() {
            // Nobody wants it any more.
            return Some(failed);
        }
        let run = RunId(self.next_run);
        self.next_run += 1;
        (failed.run, failed.tries) = (run, failed.tries + 1);
        lane.busy = Some(failed);
        self.runs.insert(run, resource.clone());
        self.commands.push_back(Command::Spawn { run, operation });
        None
    }

    /// Remembers which devices were started here.
    pub(crate) fn note_device(&mut self, operation: &Operation, verdict: &Verdict) {
        let good = verdict.status == Status::Done && verdict.rc == 0;
        match (operation.agent.class.as_str(), operation.action.as_str()) {
            ("stonith", "start") if good => self.started_devices.insert(operation.resource.clone()),
            ("stonith", "stop") => self.started_devices.remove(&operation.resource),
            _ => return,
        };
    }
}
