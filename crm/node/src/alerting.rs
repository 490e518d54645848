//! When alert agents are told: who came and went, how fencings and operations ended, which attributes changed. Who is
//! called, and in which words, is the crate `alerts`' affair.

use alerts::Happened;
use cib::{Lifetime, NodeAttribute, OpResult, Write};
use engine::{Membership, NodeId};
use wire::stonith::{FenceOutcome, FenceRecord};

use crate::event::{Command, Now};
use crate::machine::Node;

impl Node {
    /// Who came and who went, against who was here before. Every member tells it, for any may be lost next.
    pub(crate) fn alert_of_members(&mut self, now: Now, view: &Membership) {
        let name = |id: NodeId, of: &Membership| {
            of.hosts.iter().find(|host| host.id == id).map_or_else(|| id.to_string(), |host| host.name.clone())
        };
        let before = &self.view;
        let lost = before.members.iter().filter(|old| !view.has_member(old.id)).map(|old| (old.id, before, false));
        let come = view.members.iter().filter(|new| !before.has_member(new.id)).map(|new| (new.id, view, true));
        let changes: Vec<_> = lost.chain(come).map(|(id, of, member)| (id, name(id, of), member)).collect();
        for (id, name, member) in changes {
            self.alert(now, &Happened::Node { name: &name, id: &id.to_string(), member });
        }
    }

    /// A fencing is over. Every member tells it.
    pub(crate) fn alert_of_fencing(&mut self, now: Now, record: &FenceRecord) {
        let failed = match &record.outcome {
            FenceOutcome::Failed(reason) => Some(reason.as_str()),
            FenceOutcome::Done(_) | FenceOutcome::Pending => None,
        };
        let FenceRecord { target, action, delegate, origin, .. } = record;
        self.alert(now, &Happened::Fencing { target, action, delegate, origin, failed });
    }

    /// An operation of this node has a result.
    pub(crate) fn alert_of_result(&mut self, now: Now, result: &OpResult) {
        self.alert(now, &Happened::Resource(result));
    }

    /// A write was applied. Attributes that it changed are told by the eldest, once.
    pub(crate) fn alert_of_write(&mut self, now: Now, write: &Write) {
        if self.view.eldest() != Some(self.settings.me.id) {
            return;
        }
        match write {
            Write::Attribute { node, name, value, lifetime: Lifetime::Transient, .. } => {
                self.alert_of_attribute(now, node, name, value.as_deref());
            }
            Write::Attributes { values } => {
                for NodeAttribute { node, name, value } in values {
                    self.alert_of_attribute(now, node, name, value.as_deref());
                }
            }
            _ => {}
        }
    }

    fn alert_of_attribute(&mut self, now: Now, node: &str, name: &str, value: Option<&str>) {
        let host = self.view.hosts.iter().find(|host| host.name == node);
        let id = host.map_or_else(String::new, |host| host.id.to_string());
        self.alert(now, &Happened::Attribute { node, id: &id, name, value });
    }

    fn alert(&mut self, now: Now, happened: &Happened<'_>) {
        let cib = self.replica.cib().clone();
        let calls = alerts::calls(cib.document(), now.unix, self.alerts + 1, happened);
        // Only what somebody is told counts: a gap would look like an event that was lost.
        self.alerts += u64::from(!calls.is_empty());
        self.out.extend(calls.into_iter().map(Command::Alert));
    }
}
