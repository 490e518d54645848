//! What tools ask of a node, and what it answers: who is here, a write, that it leaves.

use cib::Write;
use controller::{Level, Note};
use engine::NodeId;
use wire::write::WriteForm;
use wire::{Message, Origin, Reply, Request, Status};

use crate::clients::ClientId;
use crate::event::{Command, Now};
use crate::machine::Node;
use crate::replica::has_majority;

impl Node {
    /// A tool asks; the answer comes now, or when what it asked for is done.
    pub(crate) fn asked(&mut self, now: Now, client: ClientId, request: Request) {
        let reply = match request {
            Request::Status => Some(Reply::Status(Box::new(self.status()))),
            Request::Shutdown => {
                self.shutdown(now);
                Some(Reply::Done)
            }
            Request::Write { write, force } => self.asked_to_write(client, write, force).err(),
        };
        if let Some(reply) = reply {
            self.out.push_back(Command::Reply { client, reply });
        }
    }

    fn asked_to_write(&mut self, client: ClientId, write: WriteForm, force: bool) -> Result<(), Reply> {
        let refuse = |reason: &str| Err(Reply::Refused { reason: reason.to_owned() });
        if !self.view.quorate && !force {
            return refuse(
                "this part of the cluster has no quorum, so nothing is written; bring more nodes up, or use --force if \
                 you know that the others are down",
            );
        }
        // Hosts vote before their daemons have come, and theirs may be the disks that hold what was acknowledged last.
        if !force && !self.controller.is_settled() && !has_majority(&self.view) {
            return refuse(
                "the cluster is starting and waits for its nodes, which may hold a newer configuration; try again in \
                 half a minute, or use --force to write now",
            );
        }
        if let Err(error) = Write::try_from(write.clone()) {
            return refuse(&error);
        }
        let Some(number) = self.clients.wait(client, force) else {
            return refuse("too many writes are under way at this node; try again");
        };
        self.send(&Message::Write { origin: Origin::Client(number), write });
        Ok(())
    }

    fn status(&self) -> Status {
        let view = &self.view;
        let name = |id: NodeId| {
            view.hosts.iter().find(|host| host.id == id).map_or_else(|| id.to_string(), |host| host.name.clone())
        };
        let version = self.replica.cib().version();
        Status {
            node: self.settings.me.name.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: self.settings.cluster.clone(),
            members: view.members.iter().map(|member| name(member.id)).collect(),
            hosts_only: view.hosts.iter().filter(|h| !view.has_member(h.id)).map(|h| h.name.clone()).collect(),
            coordinator: view.eldest().map(name),
            quorate: view.quorate,
            votes: view.votes,
            expected_votes: view.expected_votes,
            synced: self.replica.in_step(),
            quiet: self.is_quiet(),
            under_way: view
                .members
                .iter()
                .flat_map(|member| self.controller.under_way(member.id))
                .map(|order| format!("{} of {} on {}", order.operation, order.resource.id, order.node))
                .collect(),
            cib: self.replica.cib().document().to_xml(),
            version: (version.admin_epoch, version.epoch, version.num_updates),
        }
    }

    /// This node is to leave; what runs here moves away first.
    pub(crate) fn shutdown(&mut self, now: Now) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        self.note(Note::new(Level::Info, "shutdown", "this node leaves; what runs here moves away first"));
        if self.view.members.is_empty() || !self.replica.in_step() {
            // Nobody is there to plan it, and nothing was started by this daemon.
            self.out.push_back(Command::Exit(Ok(())));
            return;
        }
        let write = Write::Attribute {
            node: self.settings.me.name.clone(),
            lifetime: cib::Lifetime::Transient,
            name: "shutdown".into(),
            value: Some(now.unix.to_string()),
        };
        self.multicast_write(Origin::Local, &write);
    }
}
