//! Those who asked this node for something, and what they wait for. A write of the configuration is answered once most
//! of the cluster's nodes hold it on disk, or all that are up when they are fewer: after that, no single failure loses it.
//! A node that is up without its daemon counts: after a power cut its old configuration could be one of most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::{Membership, NodeId};
use wire::{Reply, Why};

/// A client's connection, numbered by the shell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClientId(pub u64);

/// Writes under way at once, over all clients. More are refused: they would only wait behind each other.
pub const MAX_WAITING: usize = 1024;
/// How long a client waits for disks that neither take its write nor fail. A disk that needs longer for a few hundred
/// bytes hangs, and tools give up after a minute without knowing why.
pub const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Waiting {
    client: ClientId,
    /// When it is told what it waits for in vain.
    until: Duration,
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
    /// Whose disk failed, at which configuration, and why. What came after that is tried anew.
    failing: BTreeMap<NodeId, ((u64, u64), String)>,
}

/// What has become of most of the nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Majority<'a> {
    /// Most of them are here, or known to be dead.
    Accounted,
    /// They are not: these may act and write as well.
    Missing(&'a [String]),
}

impl Clients {
    /// A client's write is under way; the number it is known by. `None` when too many are.
    pub fn wait(&mut self, now: Duration, client: ClientId, force: bool) -> Option<u64> {
        if self.waiting.len() >= MAX_WAITING {
            return None;
        }
        self.next += 1;
        self.waiting.insert(self.next, Waiting { client, until: now + PATIENCE, force, applied: None });
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
            .map(|waiting| (waiting.client, not_durable(reason.into())))
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
        self.failing.remove(&node);
    }

    /// A node's disk could not take that configuration.
    pub fn not_held(&mut self, node: NodeId, configuration: (u64, u64), reason: String) {
        self.failing.insert(node, (configuration, reason));
    }

    /// When a client's patience ends.
    pub fn deadline(&self) -> Option<Duration> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// Those whose patience has ended, and what they waited for.
    pub fn timeout(&mut self, now: Duration, view: &Membership) -> Vec<(ClientId, Reply)> {
        let late = |waiting: &Waiting| waiting.until <= now;
        let numbers: Vec<u64> = self.waiting.iter().filter(|(_, one)| late(one)).map(|(number, _)| *number).collect();
        let waiting: Vec<Waiting> = numbers.into_iter().filter_map(|number| self.waiting.remove(&number)).collect();
        waiting
            .into_iter()
            .map(|waiting| {
                let reason = match waiting.applied {
                    Some((admin_epoch, epoch, _)) => {
                        let silent = self.without(view, (admin_epoch, epoch)).map(|id| name(view, id));
                        format!(
                            "the change is made, but for {} s the disk of {} has not said that it holds it, so it may be \
                             lost if power fails now; look into the log there, and later at `systole config history`",
                            PATIENCE.as_secs(),
                            silent.collect::<Vec<_>>().join(", ")
                        )
                    }
                    None => format!(
                        "the members did not come to it within {} s, and may still make it; `systole status` shows what \
                         they wait for",
                        PATIENCE.as_secs()
                    ),
                };
                (waiting.client, not_durable(reason))
            })
            .collect()
    }

    /// The nodes that are up and not known to hold a configuration.
    fn without<'a>(&'a self, view: &'a Membership, at: (u64, u64)) -> impl Iterator<Item = NodeId> + 'a {
        up(view).into_iter().filter(move |id| self.held.get(id).is_none_or(|held| *held < at))
    }

    /// Members have agreed on a configuration, which may be of another line of versions: they say anew what they hold.
    pub fn nobody_holds(&mut self) {
        self.held.clear();
        self.failing.clear();
    }

    /// Nobody waits for disks.
    pub fn nobody_waits(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Who is here changed. What nodes hold who are not here is forgotten: they say it again when they come. Without
    /// quorum no write is acknowledged that was not forced: the others may go on without it, and then theirs counts.
    pub fn membership(&mut self, view: &Membership) -> Vec<(ClientId, Reply)> {
        self.held.retain(|node, _| view.has_member(*node));
        self.failing.retain(|node, _| view.has_member(*node));
        if view.quorate {
            return Vec::new();
        }
        let reason = "quorum was lost while this was being written; look whether it was, when there is quorum again";
        let (lost, kept) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, waiting)| !waiting.force);
        self.waiting = kept;
        let lost: BTreeMap<u64, Waiting> = lost;
        lost.into_values().map(|waiting| (waiting.client, not_durable(reason.into()))).collect()
    }

    /// Those whose write is now on enough disks — of most nodes of the cluster, or of all that are up when they are fewer —
    /// and those whose write cannot come there any more. While others may act and write as well, only what was forced is
    /// acknowledged.
    pub fn answers(&mut self, view: &Membership, majority: Majority<'_>) -> Vec<(ClientId, Reply)> {
        let up = up(view);
        let members = view.members.len();
        let most = (view.expected_votes as usize / 2 + 1).max(members / 2 + 1);
        let mut answers = Vec::new();
        let mut answered = Vec::new();
        for (number, waiting) in &self.waiting {
            let Some(version) = waiting.applied else { continue };
            let at = (version.0, version.1);
            let holds = |id: &&NodeId| self.held.get(id).is_some_and(|held| *held >= at);
            let failed = |id: &NodeId| self.failing.get(id).is_some_and(|(failed, _)| *failed >= at);
            let may_hold = up.iter().filter(|id| holds(id) || !failed(id)).count();
            // What is forced is not to wait for nodes that have no daemon.
            let enough = most.min(if waiting.force { members } else { up.len() });
            let reply = match majority {
                Majority::Missing(nodes) if !waiting.force => not_durable(format!(
                    "the change is made here, but most of the nodes are neither here nor known to be dead, and without \
                     this change they may go on with theirs ({}); it lasts once they are fenced or back: look at `systole \
                     config history` then",
                    nodes.join(", ")
                )),
                _ if up.iter().filter(holds).count() >= enough => Reply::Written { version },
                _ if may_hold < enough => not_durable(format!(
                    "the change is made in memory, but too few disks could take it, so it may be lost if power fails now \
                     ({}); make room there, and look at `systole config history` then",
                    self.failures(view)
                )),
                _ => continue,
            };
            answers.push((waiting.client, reply));
            answered.push(*number);
        }
        self.waiting.retain(|number, _| !answered.contains(number));
        answers
    }

    fn failures(&self, view: &Membership) -> String {
        let one = |(id, (_, reason)): (&NodeId, &(_, String))| format!("{}: {reason}", name(view, *id));
        self.failing.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// The nodes that are up, with their daemons or without.
fn up(view: &Membership) -> BTreeSet<NodeId> {
    let members = view.members.iter().map(|member| member.id);
    view.hosts.iter().map(|host| host.id).chain(members).collect()
}

fn name(view: &Membership, id: NodeId) -> String {
    view.hosts.iter().find(|host| host.id == id).map_or_else(|| format!("node {id}"), |host| host.name.clone())
}

fn not_durable(reason: String) -> Reply {
    Reply::Refused { why: Why::NotDurable, reason }
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
        let number = clients.wait(Duration::ZERO, ClientId(7), false).unwrap();
        assert_eq!(clients.applied(number, (0, 4, 0), true), None);
        clients.held(NodeId(1), (0, 4));
        assert_eq!(clients.answers(&view(true, 3), Majority::Accounted), []);
        clients.held(NodeId(2), (0, 5));
        assert_eq!(
            clients.answers(&view(true, 3), Majority::Accounted),
            [(ClientId(7), Reply::Written { version: (0, 4, 0) })]
        );
    }

    #[test]
    fn who_writes_while_others_may_as_well_is_told_who() {
        let mut clients = Clients::default();
        let number = clients.wait(Duration::ZERO, ClientId(7), false).unwrap();
        let two = Membership { expected_votes: 2, ..view(true, 1) };
        let missing = ["node2".to_owned()];
        assert_eq!(clients.answers(&two, Majority::Missing(&missing)), [], "it is not made yet");
        clients.applied(number, (0, 4, 0), true);
        clients.held(NodeId(1), (0, 4));
        let (_, why, reason) = refusal(clients.answers(&two, Majority::Missing(&missing)));
        assert!(why == Why::NotDurable && reason.contains("(node2)"), "{reason}");
        assert!(clients.nobody_waits());
    }

    #[test]
    fn who_waits_for_disks_that_failed_is_told_at_once_and_which() {
        let mut clients = Clients::default();
        let number = clients.wait(Duration::ZERO, ClientId(7), false).unwrap();
        clients.applied(number, (0, 4, 0), true);
        clients.not_held(NodeId(1), (0, 4), "it is full".into());
        assert_eq!(clients.answers(&view(true, 3), Majority::Accounted), [], "two others may hold it");
        clients.not_held(NodeId(2), (0, 4), "it is broken".into());
        let (_, why, reason) = refusal(clients.answers(&view(true, 3), Majority::Accounted));
        assert_eq!(why, Why::NotDurable);
        assert!(reason.contains("node 1: it is full; node 2: it is broken"), "{reason}");
        // What comes next is tried anew, by each of them.
        let number = clients.wait(Duration::ZERO, ClientId(7), false).unwrap();
        clients.applied(number, (0, 5, 0), true);
        assert_eq!(clients.answers(&view(true, 3), Majority::Accounted), []);
        clients.not_held(NodeId(1), (0, 5), "it is full".into());
        clients.held(NodeId(2), (0, 5));
        clients.held(NodeId(3), (0, 5));
        assert_eq!(
            clients.answers(&view(true, 3), Majority::Accounted),
            [(ClientId(7), Reply::Written { version: (0, 5, 0) })]
        );
    }

    #[test]
    fn patience_with_a_disk_that_hangs_has_an_end() {
        let mut clients = Clients::default();
        let number = clients.wait(Duration::from_secs(1), ClientId(7), false).unwrap();
        clients.applied(number, (0, 4, 0), true);
        clients.held(NodeId(1), (0, 4));
        clients.wait(Duration::from_secs(2), ClientId(8), true).unwrap();
        let end = Duration::from_secs(1) + PATIENCE;
        assert_eq!(clients.deadline(), Some(end));
        let (client, why, reason) = refusal(clients.timeout(end, &view(true, 3)));
        assert_eq!((client, why), (ClientId(7), Why::NotDurable));
        assert!(reason.contains("the disk of node 2, node 3"), "{reason}");
        let (client, _, reason) = refusal(clients.timeout(end * 2, &view(true, 3)));
        assert!(client == ClientId(8) && reason.contains("may still make it"), "{reason}");
    }

    fn refusal(answers: Vec<(ClientId, Reply)>) -> (ClientId, Why, String) {
        match &answers[..] {
            [(client, Reply::Refused { why, reason })] => (*client, *why, reason.clone()),
            other => panic!("expected one refusal, found {other:?}"),
        }
    }

    #[test]
    fn one_of_two_goes_on_once_the_other_is_known_to_be_dead() {
        let mut clients = Clients::default();
        let number = clients.wait(Duration::ZERO, ClientId(7), false).unwrap();
        let two = Membership { expected_votes: 2, ..view(true, 1) };
        clients.applied(number, (0, 4, 0), true);
        clients.held(NodeId(1), (0, 4));
        assert_eq!(clients.answers(&two, Majority::Accounted).len(), 1);
    }

    #[test]
    fn a_node_without_its_daemon_is_waited_for() {
        let host = |id: u32| engine::Host { id: NodeId(id), name: format!("node{id}") };
        let four =
            |members: u32| Membership { expected_votes: 4, hosts: [1, 2, 4].map(host).into(), ..view(true, members) };
        for force in [false, true] {
            let mut clients = Clients::default();
            let number = clients.wait(Duration::ZERO, ClientId(7), force).unwrap();
            clients.applied(number, (0, 4, 0), true);
            clients.held(NodeId(1), (0, 4));
            assert_eq!(clients.answers(&four(1), Majority::Accounted).len(), usize::from(force));
            clients.held(NodeId(2), (0, 4));
            assert_eq!(clients.answers(&four(2), Majority::Accounted), [], "power fails, and the others are most");
            if !force {
                let (_, _, reason) = refusal(clients.timeout(PATIENCE, &four(2)));
                assert!(reason.contains("the disk of node4"), "{reason}");
            }
        }
    }

    #[test]
    fn what_a_node_held_of_another_line_does_not_count() {
        let mut clients = Clients::default();
        clients.held(NodeId(1), (0, 9));
        clients.held(NodeId(2), (0, 9));
        clients.nobody_holds();
        let number = clients.wait(Duration::ZERO, ClientId(7), false).unwrap();
        clients.applied(number, (0, 4, 0), true);
        clients.held(NodeId(1), (0, 3));
        assert_eq!(clients.answers(&view(true, 3), Majority::Accounted), []);
    }

    #[test]
    fn without_quorum_only_what_was_forced_goes_on() {
        for force in [false, true] {
            let mut clients = Clients::default();
            let number = clients.wait(Duration::ZERO, ClientId(7), force).unwrap();
            assert_eq!(clients.applied(number, (0, 4, 0), true), None);
            let told = clients.membership(&view(false, 1));
            assert_eq!(told.is_empty(), force);
            clients.held(NodeId(1), (0, 4));
            assert_eq!(clients.answers(&view(false, 1), Majority::Missing(&[])).len(), usize::from(force));
        }
    }
}
