//! From a reason to plan to the end of the plan: when one is asked for, what its answer is worth, and which of its steps
//! go out. What the steps are lies in `walking`.

use std::collections::BTreeSet;
use std::time::Duration;

use cib::{Cib, Write};
use engine::NodeId;
use transition::Transition;
use wire::FenceOrder;

use super::{Controller, DAEMON_GRACE, DC_DEADTIME, Phase};
use crate::brake::{self, Limits};
use crate::event::Command;
use crate::membership::{reconcile, without_daemon};
use crate::note::{Level, Note};
use crate::pace::{BREATH, PLAN_PAUSE, STORM_WINDOW, Wait};
use crate::property;
use crate::recheck::{self, RECHECK_INTERVAL};
use crate::walking::{Step, Walking};

impl Controller {
    pub(super) fn turn(&mut self, now: Duration, unix: i64, cib: &Cib) {
        if let Phase::Walking(walking) = &mut self.phase {
            let limits = *self.limits.get_or_insert_with(|| Limits::of(cib, unix));
            let mut judge = |order: &FenceOrder, begun| self.brake.judge(now, order, cib, &limits, begun);
            let steps = walking.begin(&self.view, self.me, cib, unix, &mut judge);
            let over = walking.is_over();
            for step in steps {
                match step {
                    Step::Run(order) => self.send(Command::Run(order), None),
                    Step::Fence(order) => self.send(Command::Fence(order), None),
                    Step::Write(action, write) => self.send(Command::Write(write), Some(action)),
                    Step::Hold(order, hold) => self.hold(&order, &hold, cib),
                }
            }
            if over {
                self.finish_walk();
            }
        }
        if matches!(self.phase, Phase::Idle) && self.out.iter().all(|command| matches!(command, Command::Note(_))) {
            self.consider(now, unix, cib);
        }
    }

    pub(super) fn may_plan(&self) -> bool {
        self.dirty || self.follow_up.is_wanted()
    }

    /// Nothing is being done: is there a reason to plan, and is this the moment?
    fn consider(&mut self, now: Duration, unix: i64, cib: &Cib) {
        if !self.may_plan() || !self.synced || !self.sent.is_empty() {
            return;
        }
        self.limits = Some(Limits::of(cib, unix));
        self.brake.look(cib);
        let away = self.grant_grace(now, cib);
        self.dead_time = property::time(cib, "dc-deadtime", unix, DC_DEADTIME);
        self.recheck_interval = property::time(cib, "cluster-recheck-interval", unix, RECHECK_INTERVAL);
        // Hosts whose daemon is still to come count as not here: they would be fenced in the middle of their start.
        let complete = self.view.votes >= self.view.expected_votes && self.view.members.len() == self.view.hosts.len();
        self.settled |= complete;
        if complete {
            self.gather_until = None;
        }
        let mut writes = reconcile(&self.view, cib, &away, &self.stayed, unix);
        if self.settled && self.view.quorate {
            let (held, notes) = self.quarantine.judge(cib, unix);
            notes.into_iter().for_each(|note| self.note(note));
            writes.extend(held.into_iter().chain(property::watchdog(cib, unix)));
        }
        if !writes.is_empty() {
            writes.into_iter().for_each(|write| self.send(Command::Write(write), None));
            return;
        }
        let gathers = self.gather_until.is_some_and(|time| now < time);
        let waits = !self.settled || gathers || !away.is_empty() || !self.pending.is_empty();
        if waits || self.not_before.is_some_and(|time| now < time) || (self.dirty && self.is_too_soon(now)) {
            return;
        }
        self.follow_up.asked(self.dirty);
        self.dirty = false;
        self.generation += 1;
        self.asked_at = (now, unix);
        self.phase = Phase::Planning { generation: self.generation };
        self.out.push_back(Command::Plan { generation: self.generation });
    }

    /// Daemons that are away from a running host, and may be for a while yet.
    fn grant_grace(&mut self, now: Duration, cib: &Cib) -> BTreeSet<NodeId> {
        let away = without_daemon(&self.view, cib);
        self.grace.retain(|id, _| away.contains(id));
        for id in &away {
            self.grace.entry(*id).or_insert(Some(now + DAEMON_GRACE));
        }
        away.into_iter().filter(|id| self.grace.get(id).is_some_and(Option::is_some)).collect()
    }

    /// Whether plans follow each other so fast that something has to pass first.
    fn is_too_soon(&mut self, now: Duration) -> bool {
        let because = self.news.taken();
        let (pause, because) = match self.pace.plan(now, because) {
            None => return false,
            Some(Wait::Breath) => {
                self.not_before = Some(now + BREATH);
                return true;
            }
            Some(Wait::Storm { pause, because }) => (pause, because),
        };
        let why = because.map_or_else(
            || "something fails as fast as it is tried".to_owned(),
            |what| format!("{what} is written again and again, and each time resources move; look who writes it"),
        );
        let text =
            format!("too many plans within {} s: {why}; pausing for {} s", STORM_WINDOW.as_secs(), pause.as_secs());
        self.note(Note::new(Level::Error, "storm", text));
        self.not_before = Some(now + pause);
        true
    }

    pub(super) fn planned(&mut self, now: Duration, generation: u64, mut transition: Transition) {
        if !matches!(self.phase, Phase::Planning { generation: asked } if asked == generation) {
            return;
        }
        if self.dirty || !self.view.has_member(self.me) {
            // Something happened while it was made: it is older than what is known.
            self.pace.idle();
            self.phase = Phase::Idle;
            return;
        }
        self.ruled |= self.view.quorate;
        self.transitions += 1;
        transition.settings.transition_id = self.transitions;
        self.recheck_at = recheck::at(now, self.recheck_interval, self.asked_at, transition.settings.recheck_by);
        if transition.is_empty() {
            self.note(Note::new(Level::Debug, "plan_empty", "all is as it should be"));
            self.pace.idle();
            self.phase = Phase::Idle;
            return;
        }
        self.pace.busy();
        let text = format!("transition {} has {} actions", self.transitions, transition.len());
        self.note(Note::new(Level::Info, "plan", text));
        self.phase = Phase::Walking(Box::new(Walking::new(transition, &self.incarnation, self.transitions)));
    }

    pub(super) fn not_planned(&mut self, now: Duration, generation: u64, reason: &str) {
        if !matches!(self.phase, Phase::Planning { generation: asked } if asked == generation) {
            return;
        }
        self.note(Note::new(
            Level::Error,
            "not_planned",
            format!(
                "no plan could be made ({reason}): everything stays as it is; tried again in {} s",
                PLAN_PAUSE.as_secs()
            ),
        ));
        self.phase = Phase::Idle;
        self.not_before = Some(now + PLAN_PAUSE);
        self.dirty = true;
    }

    /// A fencing waits. Everyone can read why in the CIB, and whoever coordinates next goes on with it.
    fn hold(&mut self, order: &FenceOrder, hold: &brake::Hold, cib: &Cib) {
        let known = brake::held(cib, &order.target_id);
        if !hold.told || known == Some(&*hold.reason) {
            return;
        }
        let text = format!(
            "{} is not fenced: {}; what it may hold starts nowhere; look at the nodes, then `systole stonith release`",
            order.target, hold.reason
        );
        self.note(Note::new(Level::Error, "fencing_held", text).on(&order.target));
        let write = Write::Attribute {
            node: order.target_id.clone(),
            lifetime: cib::Lifetime::Transient,
            name: brake::HELD.to_owned(),
            author: cib::Author::default(),
            value: Some(hold.reason.clone()),
        };
        self.send(Command::Write(write), None);
    }

    fn finish_walk(&mut self) {
        let Phase::Walking(walking) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        let summary = walking.summary();
        // What waits for something that no plan will do waits for news; planning anew now would give the same again.
        self.dirty |= walking.abandoned().is_some();
        self.follow_up.carried_out(walking.draws());
        self.note(summary);
    }
}
