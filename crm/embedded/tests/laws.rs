//! The laws of virtual synchrony, over random joins, departures, partitions, silences and messages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use embedded::frame::{PROTOCOL, ToClient, ToHub};
use embedded::{ClientId, Command, Config, Event, Hub};
use engine::{Host, Membership, NodeId};
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Step {
    Member(u32),
    Presence(u32),
    /// One of the connections there are ends.
    Close(Index),
    Send(Index),
    Pong(Index),
    Behind(Index),
    CaughtUp(Index),
    /// The side of each node.
    Partition(Vec<u8>),
    Heal,
    ExpectedVotes(u32),
    Time(u64),
    /// The hub is asked what to do.
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<Index>;
    prop_oneof![
        4 => (1u32..6).prop_map(Step::Member),
        1 => (1u32..6).prop_map(Step::Presence),
        2 => which().prop_map(Step::Close),
        8 => which().prop_map(Step::Send),
        4 => which().prop_map(Step::Pong),
        1 => which().prop_map(Step::Behind),
        1 => which().prop_map(Step::CaughtUp),
        2 => prop::collection::vec(0u8..3, 5).prop_map(Step::Partition),
        1 => Just(Step::Heal),
        1 => (1u32..6).prop_map(Step::ExpectedVotes),
        3 => (1u64..400).prop_map(Step::Time),
        6 => Just(Step::Turn),
    ]
}

/// What one client heard: for each membership, the messages in it.
#[derive(Default, Debug)]
struct History {
    memberships: Vec<(Membership, Vec<(NodeId, u32)>)>,
}

struct World {
    hub: Hub,
    now: Duration,
    last_client: u64,
    /// Clients that neither the hub nor we have closed, with their node when they are members.
    there: BTreeMap<ClientId, Option<NodeId>>,
    histories: BTreeMap<ClientId, History>,
    sent: u32,
}

impl World {
    fn tell(&mut self, event: Event) {
        self.hub.handle(self.now, event);
    }

    fn greet(&mut self, frame: ToHub, node: Option<NodeId>) {
        self.last_client += 1;
        let client = ClientId(self.last_client);
        self.tell(Event::Connected { client });
        self.tell(Event::Received { client, frame });
        self.there.insert(client, node);
    }

    fn ask(&mut self, request: &str) {
        self.greet(ToHub::Control { protocol: PROTOCOL, request: request.into() }, None);
    }

    fn pick(&self, index: &Index) -> Option<ClientId> {
        let there: Vec<ClientId> = self.there.keys().copied().collect();
        (!there.is_empty()).then(|| *index.get(&there))
    }

    /// A member says something, if the shell would read it now.
    fn say(&mut self, index: &Index, frame: ToHub) {
        let member = self.pick(index).filter(|client| self.there[client].is_some());
        if let Some(client) = member.filter(|_| self.hub.takes_messages()) {
            self.tell(Event::Received { client, frame });
        }
    }

    fn step(&mut self, step: &Step) {
        let host = |id: u32| Host { id: NodeId(id), name: format!("n{id}") };
        match step {
            Step::Member(id) => {
                let frame = ToHub::Member { protocol: PROTOCOL, host: host(*id), votes: 1 + id % 2 };
                self.greet(frame, Some(NodeId(*id)));
            }
            Step::Presence(id) => self.greet(ToHub::Presence { protocol: PROTOCOL, host: host(*id) }, None),
            Step::Close(index) => {
                if let Some(client) = self.pick(index) {
                    self.there.remove(&client);
                    self.tell(Event::Closed { client });
                }
            }
            Step::Send(index) => {
                self.sent += 1;
                self.say(index, ToHub::Send { payload: self.sent.to_le_bytes().to_vec() });
            }
            Step::Pong(index) => self.say(index, ToHub::Pong),
            Step::Behind(index) => {
                if let Some(client) = self.pick(index) {
                    self.tell(Event::Behind { client });
                }
            }
            Step::CaughtUp(index) => {
                if let Some(client) = self.pick(index) {
                    self.tell(Event::CaughtUp { client });
                }
            }
            Step::Partition(side_of) => {
                let side = |wanted: u8| {
                    let nodes = (1u32..).zip(side_of).filter(|(_, side)| **side == wanted);
                    nodes.map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(",")
                };
                let sides: Vec<String> = (0..3).map(side).filter(|side| !side.is_empty()).collect();
                self.ask(&format!("partition {}", sides.join("|")));
            }
            Step::Heal => self.ask("heal"),
            Step::ExpectedVotes(votes) => self.ask(&format!("expected-votes {votes}")),
            Step::Time(ms) => {
                let end = self.now + Duration::from_millis(*ms);
                while let Some(due) = self.hub.deadline().filter(|due| *due <= end) {
                    self.now = self.now.max(due);
                    self.tell(Event::Timeout);
                }
                self.now = end;
            }
            Step::Turn => self.turn(),
        }
    }

    fn turn(&mut self) {
        while let Some(command) = self.hub.poll() {
            match command {
                Command::Close { client, .. } => drop(self.there.remove(&client)),
                Command::Stop => panic!("nobody asked to stop"),
                Command::Send { to, frame: ToClient::Membership(membership) } => {
                    for client in to {
                        self.histories.entry(client).or_default().memberships.push((membership.clone(), Vec::new()));
                    }
                }
                Command::Send { to, frame: ToClient::Delivered { from, payload } } => {
                    let number = u32::from_le_bytes(payload.as_slice().try_into().expect("four bytes"));
                    for client in to {
                        let last = self.histories.get_mut(&client).and_then(|history| history.memberships.last_mut());
                        last.expect("a membership comes before messages").1.push((from, number));
                    }
                }
                Command::Send { .. } => {}
            }
        }
    }

    /// The last membership of each member that is still there.
    fn current(&self) -> impl Iterator<Item = (ClientId, NodeId, &Membership)> {
        self.there.iter().filter_map(|(client, node)| {
            let (membership, _) = self.histories.get(client)?.memberships.last()?;
            Some((*client, (*node)?, membership))
        })
    }
}

/// What holds after each turn.
fn check_now(world: &World) {
    let mut quorate = BTreeSet::new();
    for (client, node, membership) in world.current() {
        assert!(membership.has_member(node), "{client:?} is told of itself");
        assert!(membership.members.iter().all(|member| membership.has_host(member.id)));
        if membership.quorate {
            quorate.insert(membership.number);
        }
        for (other, other_node, other_membership) in world.current() {
            let together = membership.number == other_membership.number;
            assert_eq!(membership.has_member(other_node), together, "{client:?} and {other:?}");
        }
    }
    assert!(quorate.len() <= 1, "two sides have quorum: {quorate:?}");
}

/// What holds for each client's history.
fn check_history(history: &History, node_of: &mut BTreeMap<u64, NodeId>) {
    let mut last_of: BTreeMap<NodeId, u32> = BTreeMap::new();
    for pair in history.memberships.windows(2) {
        assert!(pair[0].0.number < pair[1].0.number, "numbers grow");
    }
    for (membership, messages) in &history.memberships {
        for member in &membership.members {
            assert_eq!(*node_of.entry(member.since).or_insert(member.id), member.id, "a since is one member's own");
        }
        for (from, number) in messages {
            assert!(membership.has_member(*from), "who sends is in the membership");
            assert!(last_of.insert(*from, *number) < Some(*number), "each sender's messages in its order, once");
        }
    }
}

/// A member keeps its `since` from its first membership to its last.
fn check_since(history: &History, node: NodeId) {
    let since = |membership: &Membership| membership.members.iter().find(|member| member.id == node).cloned();
    let sinces: BTreeSet<_> =
        history.memberships.iter().map(|(membership, _)| since(membership).map(|m| m.since)).collect();
    assert!(sinces.len() <= 1 && !sinces.contains(&None), "node {node}: {sinces:?}");
}

/// Who were in one membership heard the same in it: wholly when each is still in it or went on, and otherwise as far as
/// the one that was taken out heard anything.
fn check_pair(world: &World, (one, left): (ClientId, &History), (other, right): (ClientId, &History)) {
    for (index, (membership, messages)) in left.memberships.iter().enumerate() {
        let found = right.memberships.iter().position(|(theirs, _)| theirs.number == membership.number);
        let Some(position) = found else { continue };
        let (theirs, their_messages) = &right.memberships[position];
        assert_eq!(membership, theirs, "a number means one membership");
        let length = messages.len().min(their_messages.len());
        assert_eq!(messages[..length], their_messages[..length], "{one:?} and {other:?} in {}", membership.number);
        let whole = |client, history: &History, at: usize| {
            at + 1 < history.memberships.len() || world.there.contains_key(&client)
        };
        if whole(one, left, index) && whole(other, right, position) {
            assert_eq!(messages.len(), their_messages.len(), "{one:?} and {other:?} in {}", membership.number);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn all_who_are_in_a_membership_hear_the_same(
        expected_votes in prop::option::of(1u32..6),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World {
            hub: Hub::new(&Config::new(Duration::from_secs(1), expected_votes).expect("a configuration")),
            now: Duration::ZERO,
            last_client: 0,
            there: BTreeMap::new(),
            histories: BTreeMap::new(),
            sent: 0,
        };
        for step in steps.iter().chain([&Step::Turn]) {
            world.step(step);
            if matches!(step, Step::Turn) {
                check_now(&world);
            }
        }
        let mut node_of = BTreeMap::new();
        for (one, left) in &world.histories {
            check_history(left, &mut node_of);
            if let Some(node) = world.there.get(one).copied().flatten() {
                check_since(left, node);
            }
            for (other, right) in world.histories.range(..one) {
                check_pair(&world, (*one, left), (*other, right));
            }
        }
    }
}
