//! The simulated cluster engine: who hears whom, one order of messages and memberships for each ring, quorum by votes.
//!
//! What it promises is what Corosync promises and not more. While the network and the agreed membership differ, a ring
//! is frozen: what is sent then is delivered under the next membership, which may have others in it. What was in flight
//! when the network was cut reaches all of a side or none of it, and the sides need not agree. A host is not a member:
//! its daemon joins and leaves while it stays.
//!
//! The engine asks the world to come back later ([`Later`]); it has no clock of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use engine::{Event, Host, Member, Membership, NodeId};

use crate::random::Random;

/// Numbers one start of one daemon; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Life(pub u64);

/// What is to be called later, and when.
#[derive(Clone, Debug)]
pub enum Later {
    /// [`Engine::deliver`].
    Deliver(NodeId, Life),
    /// [`Engine::order`].
    Order(NodeId),
    /// [`Engine::form`].
    Form(BTreeMap<NodeId, u64>),
}

/// How fast the network and the engine are; fixed for a run, but for faults.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The longest a message takes to one node, in milliseconds.
    pub delivery_ms: u64,
    /// How long a loss takes to be noticed, at least and at most, in milliseconds: Corosync's token and consensus.
    pub detect_ms: (u64, u64),
    /// Messages are ordered among those who are left before a loss is noticed, as with a hub. Corosync's ring stands.
    pub orders_on: bool,
    /// Corosync's `two_node`: one of two votes is quorum, once both have been seen.
    pub two_node: bool,
}

/// Something in a node's stream.
#[derive(Clone, Debug)]
struct Item {
    at: Duration,
    from: Option<NodeId>,
    sequence: u64,
    event: Event,
}

#[derive(Clone, Copy, Debug)]
struct Joined {
    life: Life,
    since: u64,
    announced: bool,
}

#[derive(Debug, Default)]
struct Seat {
    name: String,
    /// Hosts of one side hear each other.
    side: u32,
    /// Nobody hears it.
    muted: bool,
    /// Which start of its engine, when it is up.
    up: Option<u64>,
    /// The ring it has agreed on: hosts and which start of each.
    agreed: BTreeMap<NodeId, u64>,
    /// Those of that ring with whom it has gone on while it did not hear the others, and nobody has noticed yet.
    apart: BTreeMap<NodeId, u64>,
    /// Since its engine started, it was in a ring with all others: Corosync's `wait_for_all`.
    seen_all: bool,
    member: Option<Joined>,
    /// Its daemon came or went, and nobody was told yet.
    untold: bool,
    /// From this place in the order on, nothing is delivered before a ring has formed.
    stalled_from: Option<u64>,
    outbound: VecDeque<Vec<u8>>,
    stream: VecDeque<Item>,
    last: Duration,
}

/// A ring that was agreed on, and who of it went on together.
type OldRing = (BTreeMap<NodeId, u64>, BTreeMap<NodeId, u64>);

impl Seat {
    fn old_ring(&self) -> OldRing {
        (self.agreed.clone(), self.apart.clone())
    }
}

/// What a daemon is given, and where in the order it stands.
#[derive(Debug)]
pub struct Delivery {
    /// What it is.
    pub event: Event,
    /// Place in the order; the same for all who are given it.
    pub sequence: u64,
}

/// The engine of all hosts together.
#[derive(Debug)]
pub struct Engine {
    /// See [`Pace`].
    pub pace: Pace,
    seats: BTreeMap<NodeId, Seat>,
    random: Random,
    starts: u64,
    number: u64,
    since: u64,
    sequence: u64,
    later: Vec<(Duration, Later)>,
}

impl Engine {
    /// Hosts that are all down yet and on one side.
    pub fn new(hosts: &[Host], pace: Pace, random: Random) -> Self {
        let seat = |host: &Host| (host.id, Seat { name: host.name.clone(), ..Seat::default() });
        Engine {
            pace,
            seats: hosts.iter().map(seat).collect(),
            random,
            starts: 0,
            number: 0,
            since: 0,
            sequence: 0,
            later: Vec::new(),
        }
    }

    /// What is to be called when; call after each other call.
    pub fn later(&mut self) -> Vec<(Duration, Later)> {
        std::mem::take(&mut self.later)
    }

    /// Whether the engine of that host is up.
    pub fn is_up(&self, id: NodeId) -> bool {
        self.seats[&id].up.is_some()
    }

    /// Whether the network is whole.
    pub fn is_whole(&self) -> bool {
        let mut sides = self.seats.values().map(|seat| seat.side);
        let first = sides.next();
        sides.all(|side| Some(side) == first) && !self.seats.values().any(|seat| seat.muted)
    }

    /// A host's engine starts.
    pub fn start(&mut self, now: Duration, id: NodeId) {
        self.starts += 1;
        let start = self.starts;
        let seat = self.seat(id);
        seat.up = Some(start);
        seat.agreed = BTreeMap::new();
        seat.apart = BTreeMap::new();
        seat.seen_all = false;
        self.rewired(now);
    }

    /// A host's engine is gone, and all it had to say or to hear with it.
    pub fn stop(&mut self, now: Duration, id: NodeId) {
        let seat = self.seat(id);
        seat.up = None;
        seat.muted = false;
        seat.member = None;
        seat.stalled_from = None;
        seat.outbound.clear();
        seat.stream.clear();
        self.rewired(now);
    }

    /// The network is parted, or made whole: who is on which side; hosts that are not named are on side 0.
    pub fn part(&mut self, now: Duration, sides: &BTreeMap<NodeId, u32>) {
        for (id, seat) in &mut self.seats {
            seat.side = sides.get(id).copied().unwrap_or(0);
        }
        self.rewired(now);
    }

    /// A host is heard by nobody from now on, or is heard again.
    pub fn mute(&mut self, now: Duration, id: NodeId, muted: bool) {
        let seat = self.seat(id);
        if std::mem::replace(&mut seat.muted, muted) != muted {
            self.rewired(now);
        }
    }

    /// A daemon joins.
    pub fn join(&mut self, now: Duration, id: NodeId, life: Life) {
        self.since += 1;
        let since = self.since;
        let seat = self.seat(id);
        seat.outbound.clear();
        seat.stream.clear();
        seat.stalled_from = None;
        seat.untold = true;
        seat.member = Some(Joined { life, since, announced: false });
        if self.agrees(id) {
            self.announce(now, &self.component(id));
        }
    }

    /// A daemon is gone from a host that stays.
    pub fn leave(&mut self, now: Duration, id: NodeId) {
        let seat = self.seat(id);
        seat.outbound.clear();
        seat.stream.clear();
        seat.stalled_from = None;
        if seat.member.take().is_some() && seat.up.is_some() {
            seat.untold = true;
            if self.agrees(id) {
                self.announce(now, &self.component(id));
            }
        }
    }

    /// A daemon multicasts.
    pub fn send(&mut self, now: Duration, id: NodeId, payload: Vec<u8>) {
        let delay = self.random.mostly_short(0, 2 + self.pace.delivery_ms / 10);
        let seat = self.seat(id);
        if seat.member.is_some() && seat.up.is_some() {
            seat.outbound.push_back(payload);
            self.later.push((now + delay, Later::Order(id)));
        }
    }

    /// The oldest of what that node sent is put in order, unless its ring stands.
    pub fn order(&mut self, now: Duration, id: NodeId) {
        if !self.may_order(id) {
            return;
        }
        let Some(payload) = self.seat(id).outbound.pop_front() else { return };
        self.sequence += 1;
        let component = self.component(id);
        if self.seats[&id].agreed != component {
            component.keys().for_each(|to| self.seat(*to).apart = component.clone());
        }
        for to in component.keys() {
            self.push(now, *to, Some(id), Event::Delivered { from: id, payload: payload.clone() });
        }
    }

    /// Hosts agree on a ring, if they are still those who hear each other.
    pub fn form(&mut self, now: Duration, hosts: &BTreeMap<NodeId, u64>) {
        let Some(first) = hosts.keys().next() else { return };
        if self.seats[first].up.is_none() || self.component(*first) != *hosts {
            return;
        }
        if self.is_ring(hosts) {
            return;
        }
        self.settle_in_flight(hosts);
        let parts = self.old_rings(hosts);
        for ((old, _), part) in &parts {
            // Corosync's transitional configuration: whoever went away and came back unnoticed is seen to have been away.
            if parts.len() > 1 && !old.is_empty() && old != part {
                part.keys().for_each(|id| self.flow(now, *id));
                self.announce(now, part);
            }
        }
        let all = hosts.len() == self.seats.len();
        for id in hosts.keys() {
            self.flow(now, *id);
            let seat = self.seat(*id);
            seat.agreed = hosts.clone();
            seat.apart = BTreeMap::new();
            seat.seen_all |= all;
        }
        self.announce(now, hosts);
        // What could not be ordered before is now: under the new membership, whoever was meant by it.
        self.flush(now, hosts);
    }

    /// The next thing for a daemon, if its time has come.
    pub fn deliver(&mut self, now: Duration, id: NodeId, life: Life) -> Option<Delivery> {
        let seat = self.seat(id);
        let next = seat.stream.front()?;
        let stuck = seat.stalled_from.is_some_and(|from| from <= next.sequence);
        if stuck || next.at > now || seat.member.is_none_or(|member| member.life != life) {
            return None;
        }
        let item = seat.stream.pop_front()?;
        Some(Delivery { event: item.event, sequence: item.sequence })
    }

    fn seat(&mut self, id: NodeId) -> &mut Seat {
        self.seats.get_mut(&id).expect("the hosts of a run are fixed when it begins")
    }

    /// Hosts that hear this one, itself included, each with which start of its engine it is.
    fn component(&self, id: NodeId) -> BTreeMap<NodeId, u64> {
        let me = &self.seats[&id];
        let hears = |other: &NodeId, seat: &Seat| *other == id || (seat.side == me.side && !seat.muted && !me.muted);
        self.seats.iter().filter(|(id, s)| hears(id, s)).filter_map(|(id, s)| Some((*id, s.up?))).collect()
    }

    fn agrees(&self, id: NodeId) -> bool {
        self.is_ring(&self.component(id))
    }

    /// Whether these have agreed on just each other, and have done nothing apart since.
    fn is_ring(&self, hosts: &BTreeMap<NodeId, u64>) -> bool {
        hosts.keys().map(|id| &self.seats[id]).all(|seat| seat.agreed == *hosts && seat.apart.is_empty())
    }

    fn may_order(&self, id: NodeId) -> bool {
        let seat = &self.seats[&id];
        if seat.up.is_none() || !seat.member.is_some_and(|member| member.announced) {
            return false;
        }
        let component = self.component(id);
        let like_us = |other: &Seat| (&other.agreed, &other.apart) == (&seat.agreed, &seat.apart);
        let one_ring = component.keys().all(|other| like_us(&self.seats[other]));
        let within = component.iter().all(|(other, start)| seat.agreed.get(other) == Some(start));
        one_ring && within && (seat.agreed == component || self.pace.orders_on)
    }

    /// Who hears whom has changed: what is in flight may get stuck, and rings form anew after a while.
    fn rewired(&mut self, now: Duration) {
        let mut seen = BTreeSet::new();
        let ids: Vec<NodeId> = self.seats.iter().filter(|(_, seat)| seat.up.is_some()).map(|(id, _)| *id).collect();
        for id in ids {
            if !seen.insert(id) {
                continue;
            }
            let component = self.component(id);
            seen.extend(component.keys().copied());
            if self.is_ring(&component) {
                self.as_before(now, &component);
                continue;
            }
            self.stall(&component);
            let lost =
                component.keys().any(|other| self.seats[other].agreed.keys().any(|id| !component.contains_key(id)));
            // Newcomers say so at once; who is lost is missed only after a token's time.
            let (low, high) = if lost { self.pace.detect_ms } else { (5, 200) };
            let delay = self.random.ms(low, high);
            self.later.push((now + delay, Later::Form(component)));
        }
    }

    /// The network is again as the ring has it, before anyone missed anybody: all goes on.
    fn as_before(&mut self, now: Duration, ring: &BTreeMap<NodeId, u64>) {
        ring.keys().for_each(|id| self.flow(now, *id));
        if ring.keys().any(|id| self.seats[id].untold) {
            self.announce(now, ring);
        }
        self.flush(now, ring);
    }

    fn flush(&mut self, now: Duration, ring: &BTreeMap<NodeId, u64>) {
        for id in ring.keys() {
            while !self.seats[id].outbound.is_empty() && self.may_order(*id) {
                self.order(now, *id);
            }
        }
    }

    /// Messages of hosts that this side does not hear now, and that nobody of the side has been given yet.
    fn in_flight(&self, side: &BTreeMap<NodeId, u64>, members: &[NodeId]) -> BTreeSet<u64> {
        let outside = |item: &&Item| item.from.is_some_and(|from| !side.contains_key(&from));
        let waiting = |id: &NodeId| self.seats[id].stream.iter().filter(outside).map(|item| item.sequence).collect();
        let mut each = members.iter().map(waiting);
        let first: BTreeSet<u64> = each.next().unwrap_or_default();
        each.fold(first, |both, next: BTreeSet<u64>| both.intersection(&next).copied().collect())
    }

    fn members_of(&self, side: &BTreeMap<NodeId, u64>) -> Vec<NodeId> {
        side.keys().copied().filter(|id| self.seats[id].member.is_some()).collect()
    }

    /// From some message in flight on, nothing is delivered on this side before it has agreed on a ring.
    fn stall(&mut self, side: &BTreeMap<NodeId, u64>) {
        let members = self.members_of(side);
        let candidates: Vec<u64> = self.in_flight(side, &members).into_iter().collect();
        if candidates.is_empty() || self.random.percent(50) {
            return;
        }
        let from = *self.random.pick(&candidates);
        for id in members {
            let seat = self.seat(id);
            seat.stalled_from = Some(seat.stalled_from.map_or(from, |before| before.min(from)));
        }
    }

    /// Which of these hosts come from which ring.
    fn old_rings(&self, hosts: &BTreeMap<NodeId, u64>) -> BTreeMap<OldRing, BTreeMap<NodeId, u64>> {
        let mut parts: BTreeMap<_, BTreeMap<NodeId, u64>> = BTreeMap::new();
        for (id, start) in hosts {
            parts.entry(self.seats[id].old_ring()).or_default().insert(*id, *start);
        }
        parts
    }

    /// Those of one old ring go on together into a new one: what got stuck is lost for all of them if its sender is
    /// not among them, and is delivered to all of them otherwise.
    fn settle_in_flight(&mut self, ring: &BTreeMap<NodeId, u64>) {
        let mut groups: BTreeMap<OldRing, Vec<NodeId>> = BTreeMap::new();
        for id in self.members_of(ring) {
            groups.entry(self.seats[&id].old_ring()).or_default().push(id);
        }
        for members in groups.into_values() {
            let Some(from) = members.iter().filter_map(|id| self.seats[id].stalled_from).min() else { continue };
            let lost: BTreeSet<u64> = self.in_flight(ring, &members).split_off(&from);
            for id in members {
                self.seat(id).stream.retain(|item| !lost.contains(&item.sequence));
            }
        }
    }

    /// What is in a node's stream is delivered again as it comes.
    fn flow(&mut self, now: Duration, id: NodeId) {
        let seat = self.seat(id);
        seat.stalled_from = None;
        let Some(Joined { life, .. }) = seat.member else { return };
        for item in &mut seat.stream {
            item.at = item.at.max(now);
            seat.last = seat.last.max(item.at);
        }
        let times: Vec<Duration> = seat.stream.iter().map(|item| item.at).collect();
        self.later.extend(times.into_iter().map(|at| (at, Later::Deliver(id, life))));
    }

    /// Tells all members of a ring who is in it.
    fn announce(&mut self, now: Duration, ring: &BTreeMap<NodeId, u64>) {
        self.number += 1;
        self.sequence += 1;
        let votes = ring.len() as u32;
        let expected_votes = self.seats.len() as u32;
        let seen_all = ring.keys().any(|id| self.seats[id].seen_all);
        let member = |id: &NodeId| self.seats[id].member.map(|joined| Member { id: *id, since: joined.since });
        let view = Membership {
            number: self.number,
            hosts: ring.keys().map(|id| Host { id: *id, name: self.seats[id].name.clone() }).collect(),
            members: ring.keys().filter_map(member).collect(),
            quorate: votes * 2 > expected_votes || (self.pace.two_node && expected_votes == 2 && seen_all),
            votes,
            expected_votes,
        };
        for id in ring.keys() {
            let seat = self.seat(*id);
            seat.untold = false;
            if let Some(joined) = &mut seat.member {
                joined.announced = true;
            }
            self.push(now, *id, None, Event::Membership(view.clone()));
        }
    }

    fn push(&mut self, now: Duration, to: NodeId, from: Option<NodeId>, event: Event) {
        let delay = Duration::from_micros(50) + self.random.mostly_short(0, self.pace.delivery_ms);
        let sequence = self.sequence;
        let seat = self.seat(to);
        let Some(Joined { life, announced: true, .. }) = seat.member else { return };
        let at = seat.last.max(now + delay);
        seat.last = at;
        seat.stream.push_back(Item { at, from, sequence, event });
        self.later.push((at, Later::Deliver(to, life)));
    }
}
