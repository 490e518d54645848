//! Those who asked this node for something, and what they wait for. A write of the configuration is answered once most
//! of the cluster's nodes hold it on disk, or all members when they are fewer: after that, no single failure loses it.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Membership, NodeId};
use wire::{Reply, Why};

/// A client's connection, numbered by the shell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClientId(pub u64);

/// Writes under way at once, over all clients. More are refused: they would only wait behind each other.
pub const MAX_WAITING: usize = 1024;

#[derive(Debug)]
struct Waiting {
    client: ClientId,
    /// It is to be made without quorum too.
    force: bool,
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
    pub fn wait(&mut self, client: ClientId, force: bool) -> Option<u64> {
        if self.waiting.len() >= MAX_WAITING {
            return None;
        }
        self.next += 1;
        self.waiting.insert(self.next, Waiting { client, force, applied: None });
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
            .map(|waiting| (waiting.client, Reply::refused(reason)))
            .collect()
    }

    /// A write was refused by all.
    pub fn refused(&mut self, number: u64, why: Why, reason: String) -> Option<(ClientId, Reply)> {
        self.waiting.remove(&number).map(|waiting| (waiting.client, Reply::Refused { why, reason }))
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
        self.held.insert(node, configuration);
    }

    /// Members have agreed on a configuration, which may be of another line of versions: they say anew what they hold.
    pub fn nobody_holds(&mut self) {
        self.held.clear();
    }

    /// Nobody waits for disks.
    pub fn nobody_waits(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Who is here changed. What nodes hold who are not here is forgotten: they say it again when they come. Without
    /// quorum no write is acknowledged that was not forced: the others may go on without it, and then theirs counts.
    pub fn membership(&mut self, view: &Membership) -> Vec<(ClientId, Reply)> {
        self.held.retain(|node, _| view.has_member(*node));
        if view.quorate {
            return Vec::new();
        }
        let reason = "quorum was lost while this was being written; look whether it was, when there is quorum again";
        let (lost, kept) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, waiting)| !waiting.force);
        self.waiting = kept;
        let lost: BTreeMap<u64, Waiting> = lost;
        lost.into_values().map(|waiting| (waiting.client, Reply::refused(reason))).collect()
    }

    /// Those whose write is now on enough disks: of most nodes of the cluster, or of all members when they are fewer.
    /// `accounted`: most of the nodes are here, or known to be dead. Where they are not, others may act and write as
    /// well, and only what was forced is answered.
    pub fn answers(&mut self, view: &Membership, accounted: bool) -> Vec<(ClientId, Reply)> {
        let members: BTreeSet<NodeId> = view.members.iter().map(|member| member.id).collect();
        let most = view.expected_votes as usize / 2 + 1;
        let enough = most.max(members.len() / 2 + 1).min(members.len());
        let held = &self.held;
        let ready: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| accounted || waiting.force)
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

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Member;

    fn view(quorate: bool, members: u32) -> Membership {
        let members = (1..=members).map(|id| Member { id: NodeId(id), since: u64::from(id) }).collect();
        Membership { members, quorate, expected_votes: 3, ..Membership::default() }
    }

    #[test]
    fn a_write_is_answered_once_most_members_hold_it() {
        let mut clients = Clients::default();
        let number = clients.wait(ClientId(7), false).unwrap();
        assert_eq!(clients.applied(number, (0, 4, 0), true), None);
        clients.held(NodeId(1), (0, 4));
        assert_eq!(clients.answers(&view(true, 3), true), []);
        clients.held(NodeId(2), (0, 5));
        assert_eq!(clients.answers(&view(true, 3), true), [(ClientId(7), Reply::Written { version: (0, 4, 0) })]);
    }

    #[test]
    fn one_of_two_waits_until_the_other_is_known_to_be_dead() {
        let mut clients = Clients::default();
        let number = clients.wait(ClientId(7), false).unwrap();
        let two = Membership { expected_votes: 2, ..view(true, 1) };
        clients.applied(number, (0, 4, 0), true);
        clients.held(NodeId(1), (0, 4));
        assert_eq!(clients.answers(&two, false), []);
        assert_eq!(clients.answers(&two, true).len(), 1);
    }

    #[test]
    fn what_a_node_held_of_another_line_does_not_count() {
        let mut clients = Clients::default();
        clients.held(NodeId(1), (0, 9));
        clients.held(NodeId(2), (0, 9));
        clients.nobody_holds();
        let number = clients.wait(ClientId(7), false).unwrap();
        clients.applied(number, (0, 4, 0), true);
        clients.held(NodeId(1), (0, 3));
        assert_eq!(clients.answers(&view(true, 3), true), []);
    }

    #[test]
    fn without_quorum_only_what_was_forced_goes_on() {
        for force in [false, true] {
            let mut clients = Clients::default();
            let number = clients.wait(ClientId(7), force).unwrap();
            assert_eq!(clients.applied(number, (0, 4, 0), true), None);
            let told = clients.membership(&view(false, 1));
            assert_eq!(told.is_empty(), force);
            clients.held(NodeId(1), (0, 4));
            assert_eq!(clients.answers(&view(false, 1), false).len(), usize::from(force));
        }
    }
}
