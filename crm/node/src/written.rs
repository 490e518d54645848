//! A write has its place in the order: it is made here as everywhere, and who waits for it, who looks after it, and the
//! controller are told. Attributes of nodes come here on their way to becoming one.

use cib::Write;
use engine::NodeId;
use wire::failover::Seen;
use wire::write::WriteForm;
use wire::{Origin, Update};

use crate::clients::Majority;
use crate::disk;
use crate::event::{Command, Now};
use crate::machine::Node;
use crate::replica::{Delivered, Settled};

impl Node {
    /// A member writes. `obeyed`: it is the coordinator of this moment.
    pub(crate) fn write_heard(&mut self, now: Now, from: NodeId, origin: Origin, write: WriteForm, obeyed: bool) {
        let write = match Write::try_from(write) {
            Ok(write) => write,
            Err(error) => return self.garbage(from, &format!("a write that cannot be read: {error}")),
        };
        // What a coordinator made of a CIB and of members that are others by now would be a lie here. Its results are
        // facts all the same.
        if origin == Origin::Controller && !obeyed && !matches!(write, Write::Result(_)) {
            let refused = Some("another node coordinates now".to_owned());
            let own = from == self.settings.me.id;
            self.controller.handle(now.monotonic, controller::Event::Applied { write, refused, own });
        } else if self.replica.is_stuck() {
            let reason = "the members do not come to agree on a configuration; this node begins anew";
            self.out.push_back(Command::Exit(Err(reason.into())));
        } else {
            self.write_here(now, from, origin, write);
        }
    }

    /// A write was made, or refused, at its place in the order.
    pub(crate) fn settled(&mut self, now: Now, settled: Settled) {
        let Settled { delivered: Delivered { from, origin, write }, outcome } = settled;
        let mine = from == self.settings.me.id;
        let mut outcome = outcome;
        let configuration = outcome.as_ref().is_ok_and(|applied| applied.configuration);
        if let Some(applied) = outcome.as_mut().ok().filter(|applied| applied.configuration) {
            let patch = std::mem::take(&mut applied.patch);
            let host = self.view.hosts.iter().find(|host| host.id == from).map_or("", |host| &*host.name);
            let author = disk::author(&write, host, now.unix);
            self.configuration_changed(now, author, patch);
        }
        if outcome.is_ok() {
            self.applied(&write);
            self.alert_of_write(now, &write);
            self.failover_of_write(now, &write);
        }
        if mine && let Origin::Client(number) = origin {
            let answer = match &outcome {
                // What was so already may be so only in memory: it is no less to be found on disks. Others' writes may
                // have been applied since.
                Ok(cib::Applied { version: cib::Version { admin_epoch, epoch, num_updates }, .. }) => {
                    self.clients.applied(
                        number,
                        (*admin_epoch, *epoch, *num_updates),
                        configuration || disk::is_of_configuration(&write),
                    )
                }
                Err(refused) => self.clients.refused(number, wire::Why::of(refused), refused.to_string()),
            };
            if let Some((client, reply)) = answer {
                self.out.push_back(Command::Reply { client, reply });
            }
        }
        self.answer_clients();
        let refused = outcome.err().map(|refused| refused.to_string());
        let own = mine && origin == Origin::Controller;
        if refused.is_none() {
            self.cut_off_applied(now, &write);
        }
        self.controller.handle(now.monotonic, controller::Event::Applied { write, refused, own });
    }

    /// What a write that was applied means for this node itself.
    fn applied(&mut self, write: &Write) {
        let me = &self.settings.me.name;
        let asks = |node: &str, name: &str, value: &Option<String>| {
            node == me && name == "shutdown" && value.as_ref().is_some_and(|value| value != "0")
        };
        match write {
            Write::LetGo { node } => self.let_go |= node == me && self.leaving,
            Write::Joined { node } => self.attributes.forget(node),
            Write::Fenced { node, action, .. } if action != "on" => self.attributes.forget(node),
            Write::Attribute { node, name, value, lifetime: cib::Lifetime::Transient, .. }
                if asks(node, name, value) =>
            {
                self.leaves();
            }
            Write::Attributes { values } if values.iter().any(|of| asks(&of.node, &of.name, &of.value)) => {
                self.leaves();
            }
            _ => {}
        }
    }

    /// A member sets an attribute of a node, which is gathered with others before it is written.
    pub(crate) fn update(&mut self, now: Now, from: NodeId, origin: Origin, update: Update) {
        let Some(node) = update.node.clone().filter(|node| !node.is_empty() && !update.name.is_empty()) else {
            self.garbage(from, "an attribute without a name, or for no node");
            return;
        };
        if let Some(seen) = Seen::reported(&update) {
            self.failovers.seen(now, &seen);
        }
        if !self.replica.in_step() {
            self.attributes.hold_back(&node, update);
        } else if let Some(write) = self.attributes.update(now.monotonic, self.replica.cib(), &node, &update) {
            self.write_here(now, from, origin, write);
            return;
        }
        if from == self.settings.me.id
            && let Origin::Client(number) = origin
        {
            let version = self.replica.cib().version();
            let version = (version.admin_epoch, version.epoch, version.num_updates);
            if let Some((client, reply)) = self.clients.applied(number, version, false) {
                self.out.push_back(Command::Reply { client, reply });
            }
        }
    }

    /// A write that all members make at this place in the order, without its being sent.
    pub(crate) fn write_here(&mut self, now: Now, from: NodeId, origin: Origin, write: Write) {
        if let Some(settled) = self.replica.write(Delivered { from, origin, write }) {
            self.settled(now, settled);
        }
    }

    /// Answers those whose writes most nodes hold, or never will.
    pub(crate) fn answer_clients(&mut self) {
        if self.clients.nobody_waits() {
            return;
        }
        let accounted = self.is_majority_accounted();
        let missing = if accounted { Vec::new() } else { self.unaccounted() };
        let majority = if accounted { Majority::Accounted } else { Majority::Missing(&missing) };
        for (client, reply) in self.clients.answers(&self.view, majority) {
            self.out.push_back(Command::Reply { client, reply });
        }
    }
}
