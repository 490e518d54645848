//! Who is here: what a new membership, or the loss of the engine, means for each part of the node.

use controller::{Level, Note};
use engine::{Member, Membership};

use crate::event::{Command, Now};
use crate::machine::Node;

impl Node {
    /// The engine tells who is a member.
    pub(crate) fn membership(&mut self, now: Now, view: Membership) {
        self.describe(&view);
        self.alert_of_members(now, &view);
        self.failover_of_members(now, &view);
        let again = self.voice.membership(&self.view, &view);
        self.carry(again);
        for lost in self.view.hosts.iter().filter(|host| !view.has_host(host.id)) {
            self.attributes.forget(&lost.name);
        }
        self.attributes.membership(now.monotonic, self.replica.cib());
        for (client, reply) in self.clients.membership(&view) {
            self.out.push_back(Command::Reply { client, reply });
        }
        let lost = self.view.members.iter().any(|member| !view.has_member(member.id));
        self.view = view;
        let (settled, step) =
            self.replica.membership(&self.view, self.controller.is_settled(), self.orders.under_way());
        settled.into_iter().for_each(|settled| self.settled(now, settled));
        self.replica.mark("have-quorum", if self.view.quorate { "1" } else { "0" });
        if let Some(coordinator) = self.view.eldest() {
            self.replica.mark("dc-uuid", &coordinator.to_string());
        }
        self.cut_off_membership(now, lost);
        self.look_for_proof(now);
        self.controller.handle(now.monotonic, controller::Event::Membership(self.view.clone()));
        self.steps(now, step.into_iter().collect());
        self.answer_clients();
    }

    /// Without an engine a node is alone and without quorum: it acts as its `no-quorum-policy` says until the engine
    /// is back. Its messages go to itself.
    pub(crate) fn lost(&mut self, now: Now, reason: &str) {
        let what = if self.replica.in_step() { "the cluster engine is gone" } else { "waiting for the cluster engine" };
        self.note(Note::new(Level::Error, "engine_lost", format!("{what}: {reason}")));
        self.voice.lost(self.replica.in_step());
        for (client, reply) in self.clients.engine_lost() {
            self.out.push_back(Command::Reply { client, reply });
        }
        let view = Membership {
            number: self.view.number + 1,
            hosts: vec![self.settings.me.clone()],
            members: vec![Member { id: self.settings.me.id, since: 0 }],
            quorate: false,
            votes: 0,
            expected_votes: self.view.expected_votes,
        };
        if self.replica.in_step() {
            self.membership(now, view);
        } else {
            self.view = Membership::default();
        }
    }
}
