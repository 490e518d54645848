//! A fence device that says that it is done is not proof. A host that could be heard and was cut off must fall silent,
//! or come back as another; until it does, nothing that it may hold starts elsewhere. Agents that report success too
//! early, or for the wrong plug, have cost data.

use std::time::Duration;

use controller::{Level, Note};
use fencer::Success;
use wire::{FenceOrder, Message, Origin};

use crate::event::Now;
use crate::fencing;
use crate::machine::Node;

/// How long a host may be heard after its device said that it is off. The engine misses a host after a few seconds, a
/// large cluster on Corosync after some ten; who is heard longer is on.
pub const SILENCE: Duration = Duration::from_secs(30);

/// A success that waits for its proof.
#[derive(Debug)]
pub(crate) struct Unproved {
    order: FenceOrder,
    success: Success,
    until: Duration,
}

impl Node {
    /// A device has said that it is done.
    pub(crate) fn fence_device_said_done(&mut self, now: Now, order: FenceOrder, success: Success) {
        if order.action == "on" || !self.hears(&order) || self.only_cuts_access(&success) {
            self.believe(now, &order, &success);
            return;
        }
        let text = format!("the device has cut {} off; waiting until it is silent", order.target);
        self.note(Note::new(Level::Info, "fence_proof", text).on(&order.target));
        self.unproved.push(Unproved { order, success, until: now.monotonic + SILENCE });
    }

    /// When the next proof is overdue.
    pub(crate) fn proof_deadline(&self) -> Option<Duration> {
        self.unproved.iter().map(|one| one.until).min()
    }

    /// Who is here has changed, or time has passed: who is silent now is off, who is heard for too long is not.
    pub(crate) fn look_for_proof(&mut self, now: Now) {
        for one in std::mem::take(&mut self.unproved) {
            // Without an engine we hear nobody, and that proves nothing.
            let heard = self.is_alone() || self.hears(&one.order);
            if !heard {
                self.believe(now, &one.order, &one.success);
            } else if one.until <= now.monotonic {
                let reason = format!(
                    "the device said that it cut {0} off, but {0} is still heard {1} s later; look whether the device \
                     switches the right host",
                    one.order.target,
                    SILENCE.as_secs()
                );
                self.send(&Message::FenceFailed { order: one.order.id, reason });
            } else {
                self.unproved.push(one);
            }
        }
    }

    /// Whether the host that was to be cut off is heard, and is the one it was when that was ordered.
    fn hears(&self, order: &FenceOrder) -> bool {
        let Some(host) = self.view.hosts.iter().find(|host| host.name == order.target) else { return false };
        let member = self.view.members.iter().find(|member| member.id == host.id);
        match (order.since, member) {
            (Some(since), Some(member)) => member.since == since,
            _ => true,
        }
    }

    fn believe(&mut self, now: Now, order: &FenceOrder, success: &Success) {
        let but: String = success.remarks.iter().map(|remark| format!("; {remark}")).collect();
        let text = format!("{} is fenced ({}{but})", order.target, order.action);
        self.note(Note::new(Level::Warning, "fenced", text).on(&order.target));
        for write in fencing::done(order, success, &self.settings.me.name, now.unix) {
            self.multicast_write(Origin::Local, &write);
        }
    }
}
