//! Steps that this node cannot do and another does: a device that a constraint keeps away from here, that is out of
//! reach, whose agent is not installed; and no node is to cut itself off while others are here. Each of the others is
//! asked in turn; one that is not fit says so at once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::fencer::{KILL_GRACE, QUESTION_TIMEOUT};
use crate::metadata::AgentInfo;
use crate::operation::{Asker, Operation, Request, Stage};
use crate::topology::{Route, Step};
use crate::{Action, Command, Fencer, Target};

/// How many other nodes try one step in vain before it has failed: what three cannot do is the device's fault, and each
/// costs a whole timeout. Those that are not fit do not count.
pub const MAX_ERRANDS: usize = 3;

/// How much longer than the agent may take an errand is waited for: two questions before it, and the way there and back.
const MARGIN: Duration = Duration::from_secs(2 * QUESTION_TIMEOUT.as_secs() + 2 * KILL_GRACE.as_secs());

/// What one node does for another: one device, one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// The device.
    pub device: String,
    /// Whom.
    pub target: Target,
    /// What is to be done.
    pub action: Action,
    /// How long the device may take unless it has a time of its own.
    pub device_timeout: Duration,
}

/// What became of an errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrandEnd {
    /// It is done.
    Done,
    /// Nothing was tried: the device is not for the target, or not for the node that was asked.
    Unfit(String),
    /// It was tried and failed, or nobody knows.
    Failed(String),
}

impl Fencer {
    /// Who is here changed. What those were doing who are gone counts as failed.
    pub(crate) fn peers(&mut self, me: String, others: Vec<String>) {
        // Who was lost and is heard again was fed, or has been started anew: that it was cut off in between is not known,
        // and its next loss is another one.
        let is_back = |name: &String| others.contains(name) && !self.others.contains(name);
        for operation in self.operations.values_mut().filter(|operation| is_back(&operation.target.name)) {
            operation.watchdog = operation.watchdog.clone().and(Err("the node came back meanwhile".to_owned()));
        }
        (self.me, self.others) = (me, others);
        let lost: Vec<(String, u64)> = self
            .operations
            .values()
            .filter_map(|operation| match (&operation.stage, &operation.away) {
                (Stage::Away { number, .. }, Some(away)) if !self.others.contains(away) => {
                    Some((away.clone(), *number))
                }
                _ => None,
            })
            .collect();
        for (away, number) in lost {
            self.errand_ended(&away, number, ErrandEnd::Failed("left the cluster".into()));
        }
    }

    /// Takes another node's errand.
    pub(crate) fn errand(&mut self, from: String, number: u64, errand: Errand) {
        let asker = Asker::Peer(from, number);
        if self.operations.values().flat_map(|operation| &operation.requests).any(|request| request.asker == asker) {
            return;
        }
        let allowed = self.allowed_for(&errand.device, errand.action, errand.device_timeout);
        let request = Request { asker, since: self.now, until: self.now.saturating_add(allowed) };
        let step = Step { device: errand.device, action: errand.action, afterwards: false, skipped_if_unfit: false };
        let routes = vec![Route { level: None, steps: vec![step] }];
        let mut operation = Operation::new(request, errand.target, errand.action, routes);
        (operation.device_timeout, operation.errand) = (errand.device_timeout, true);
        self.add(operation);
    }

    /// Whether this node may do a step at all; a reason if not.
    pub(crate) fn may_do(&self, operation: &Operation, step: &Step, agent: Option<&AgentInfo>) -> Result<(), String> {
        let myself = operation.target.name.eq_ignore_ascii_case(&self.me);
        let on_target = step.action == Action::On && agent.is_some_and(|agent| agent.on_target);
        if on_target && !myself && !self.me.is_empty() {
            return Err(format!("has to be run on {} itself", operation.target.name));
        }
        if myself && step.action != Action::On && !self.others.is_empty() {
            return Err(format!("would have {} cut itself off", self.me));
        }
        match self.devices.get(&step.device) {
            Some(device) if !device.allowed_here => Err(format!("is not allowed on {}", self.me)),
            _ => Ok(()),
        }
    }

    /// Gives the current step of an operation to the next node that may do it; false when there is none.
    pub(crate) fn send_away(&mut self, id: u64) -> bool {
        let Some(operation) = self.operations.get(&id) else { return false };
        let Some(step) = operation.current().cloned() else { return false };
        if operation.errand || operation.errands >= MAX_ERRANDS {
            return false;
        }
        let agent = self.devices.get(&step.device).and_then(|device| self.agent(&device.agent));
        let on_target = step.action == Action::On && agent.is_some_and(|agent| agent.on_target);
        let target = operation.target.clone();
        let is_target = |name: &&String| name.eq_ignore_ascii_case(&target.name);
        let fit = |name: &&String| step.action == Action::On && !on_target || on_target == is_target(name);
        let all: VecDeque<String> = self.others.iter().filter(fit).cloned().collect();
        let allowed = self.allowed_for(&step.device, step.action, operation.device_timeout);
        let (until, number) = (self.now.saturating_add(allowed), self.next_errand + 1);

        let operation = self.operations.get_mut(&id).expect("it was there above");
        let Some(to) = operation.peers.get_or_insert(all).pop_front() else { return false };
        self.next_errand = number;
        operation.stage = Stage::Away { number, until };
        operation.away = Some(to.clone());
        let errand =
            Errand { device: step.device, target, action: step.action, device_timeout: operation.device_timeout };
        self.commands.push_back(Command::Errand { to, number, errand });
        true
    }

    /// An answer to an errand, also for one that never came.
    pub(crate) fn errand_ended(&mut self, from: &str, number: u64, end: ErrandEnd) {
        let awaited = |operation: &Operation| {
            matches!(operation.stage, Stage::Away { number: own, .. } if own == number)
                && operation.away.as_deref() == Some(from)
        };
        let Some((id, operation)) = self.operations.iter_mut().find(|(_, operation)| awaited(operation)) else {
            return;
        };
        let id = *id;
        let (attempted, reason) = match end {
            ErrandEnd::Done => {
                let next = operation.step_succeeded();
                return self.go_on(id, next);
            }
            ErrandEnd::Unfit(reason) => (false, reason),
            ErrandEnd::Failed(reason) => (true, reason),
        };
        operation.errands += usize::from(attempted);
        self.cannot(id, attempted, &format!("on {from}: {}", crate::fencer::plain(&reason)));
    }

    /// The step could not be done where it was tried: another node's turn, or that was it.
    pub(crate) fn cannot(&mut self, id: u64, attempted: bool, reason: &str) {
        let tried = |fencer: &mut Fencer| {
            if let Some(operation) = fencer.operations.get_mut(&id) {
                operation.tried_here(attempted, reason);
            }
        };
        if self.send_away(id) {
            return tried(self);
        }
        let Some(operation) = self.operations.get_mut(&id) else { return };
        let next = if attempted { operation.step_failed(reason) } else { operation.step_unfit(reason) };
        self.go_on(id, next);
    }

    /// Errands whose answer should have come by now.
    pub(crate) fn late_errands(&mut self) {
        let late: Vec<(String, u64)> = self
            .operations
            .values()
            .filter_map(|operation| match (&operation.stage, &operation.away) {
                (Stage::Away { number, until }, Some(away)) if *until <= self.now => Some((away.clone(), *number)),
                _ => None,
            })
            .collect();
        for (away, number) in late {
            self.errand_ended(&away, number, ErrandEnd::Failed("did not answer".into()));
        }
    }

    /// How long an errand may take.
    fn allowed_for(&self, device: &str, action: Action, device_timeout: Duration) -> Duration {
        let own = self.devices.get(device).and_then(|device| device.timeout(action.word()));
        own.unwrap_or(device_timeout).saturating_add(MARGIN)
    }
}
