//! Those who asked this node for something, and what they wait for. A write of the configuration is answered once a
//! majority of the members holds it on disk: after that, no single failure loses it.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Membership, NodeId};
use wire::Reply;

/// A client's connection, numbered by the shell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClientId(pub u64);

/// Writes under way at once, over all clients. More are refused: they would only wait behind each other.
pub const MAX_WAITING: usize = 1024;

#[derive(Debug)]
struct Waiting {
    client: ClientId,
    /// Applied, and waiting for disks.
    applied: Option<(u64, u64, u64)>,
}

/// Those who wait.
#[derive(Debug, Default)]
pub struct Clients {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// The newest configuration (`admin_epoch`, `epoch`) each node is known to hold on disk.
    held: BTreeMap<NodeId, (u64, u64)>,
}

impl Clients {
    /// A client's write is under way; the number it is known by. `None` when too many are.
    pub fn wait(&mut self, client: ClientId) -> Option<u64> {
        if self.waiting.len() >= MAX_WAITING {
            return None;
        }
        self.next += 1;
        self.waiting.insert(self.next, Waiting { client, applied: None });
        Some(self.next)
    }

    /// A client has gone; its writes are made all the same.
    pub fn gone(&mut self, client: ClientId) {
        self.waiting.retain(|_, waiting| waiting.client != client);
    }

    /// The engine is gone: whether writes under way reached the others is not known, and the clients are told so.
    pub fn engine_lost(&mut self) -> Vec<(ClientId, Reply)> {
        let reason = "the cluster engine was lost while this was being written; look whether it was, when it is back";
        std::mem::take(&mut self.waiting)
            .into_values()
            .map(|waiting| (waiting.client, Reply::Refused { reason: reason.to_owned() }))
            .collect()
    }

    /// A write was refused by all.
    pub fn refused(&mut self, number: u64, reason: String) -> Option<(ClientId, Reply)> {
        self.waiting.remove(&number).map(|waiting| (waiting.client, Reply::Refused { reason }))
    }

    /// A write was applied by all. `durable`: it is answered only when disks hold it.
    pub fn applied(&mut self, number: u64, version: (u64, u64, u64), durable: bool) -> Option<(ClientId, Reply)> {
        if durable {
            self.waiting.get_mut(&number)?.applied = Some(version);
            return None;
        }
        self.waiting.remove(&number).map(|waiting| (waiting.client, Reply::Written { version }))
    }

    /// A node holds that configuration on its disk.
    pub fn held(&mut self, node: NodeId, configuration: (u64, u64)) {
        let known = self.held.entry(node).or_default();
        *known = configuration.max(*known);
    }

    /// Forgets what nodes hold who are not here: they say it again when they come.
    pub fn keep_only(&mut self, view: &Membership) {
        self.held.retain(|node, _| view.has_member(*node));
    }

    /// Those whose write a majority of the members now holds.
    pub fn answers(&mut self, view: &Membership) -> Vec<(ClientId, Reply)> {
        let members: BTreeSet<NodeId> = view.members.iter().map(|member| member.id).collect();
        let enough = members.len() / 2 + 1;
        let held = &self.held;
        let ready: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| {
                waiting.applied.is_some_and(|(admin_epoch, epoch, _)| {
                    members.iter().filter(|id| held.get(id).is_some_and(|v| *v >= (admin_epoch, epoch))).count()
                        >= enough
                })
            })
            .map(|(number, _)| *number)
            .collect();
        ready
            .into_iter()
            .filter_map(|number| self.waiting.remove(&number))
            .filter_map(|waiting| Some((waiting.client, Reply::Written { version: waiting.applied? })))
            .collect()
    }
}
