//! What must hold whatever Corosync does: members on one side agree who they are, and all who hold the same once hold
//! the same for good.
//!
//! Corosync is played here by a model of its rings and groups: one order of events in each ring, rings that split and
//! merge at any moment, quorum that comes early or late, daemons that die, come back under the same number, or hang. On
//! each group sits a *copy*, which does what the replica of the CIB does: it applies messages in the order in which
//! they come, and when someone new is among the members, all say what they hold and take the winner's. A message that
//! one hears and another does not, or a meeting that not all know of, shows as copies that differ or wait for good.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use corosync::group::{Command, Event, Group, Settings};
use corosync::ring::{Left, Process, Ring, Votes};
use engine::{Membership, NodeId};
use proptest::prelude::*;

const NODES: usize = 4;

/// Chance from a seed: an xorshift is enough to choose among what can happen.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below a usize")
    }
}

/// What stands in the replica's place.
#[derive(Default)]
struct Copy {
    view: Option<Membership>,
    log: Vec<u64>,
    meeting: Option<(String, BTreeMap<NodeId, Vec<u64>>)>,
    held: Vec<u64>,
    /// What it wants to send.
    out: VecDeque<Vec<u8>>,
    /// Writes of this node that came back, since its connection was made.
    own: Vec<u64>,
    last_number: u64,
}

impl Copy {
    fn take(&mut self, me: NodeId, event: engine::Event) {
        match event {
            engine::Event::Membership(view) => self.membership(view),
            engine::Event::Delivered { from, payload } => {
                let view = self.view.as_ref().expect("nothing is delivered before the first membership");
                assert!(view.has_member(from), "a message of node {from}, which is no member of {view:?}");
                let text = String::from_utf8(payload).expect("copies send text");
                let words: Vec<&str> = text.split(' ').collect();
                match words[..] {
                    ["write", number, ..] => self.write(me, from, number.parse().expect("a number")),
                    ["hello", key, log] => {
                        let log = log.split(',').filter_map(|number| number.parse().ok()).collect();
                        self.hello(from, key, log);
                    }
                    _ => panic!("{text:?}"),
                }
            }
            engine::Event::Lost { .. } => unreachable!("the shell says this"),
        }
    }

    fn membership(&mut self, view: Membership) {
        assert!(view.number > self.last_number, "numbers grow: {} after {}", view.number, self.last_number);
        self.last_number = view.number;
        let old = self.view.replace(view.clone());
        let joined = view.members.iter().any(|member| !old.as_ref().is_some_and(|old| old.members.contains(member)));
        if !joined && self.meeting.is_none() {
            return;
        }
        self.meeting = None;
        self.log.append(&mut self.held);
        let key: Vec<String> = view.members.iter().map(|m| format!("{}@{}", m.id, m.since)).collect();
        let log: Vec<String> = self.log.iter().map(u64::to_string).collect();
        let key = key.join(",");
        self.out.push_back(format!("hello {key} {}", log.join(",")).into_bytes());
        self.meeting = Some((key, BTreeMap::new()));
    }

    fn hello(&mut self, from: NodeId, key: &str, log: Vec<u64>) {
        let (Some((mine, hellos)), Some(view)) = (&mut self.meeting, &self.view) else { return };
        if mine != key {
            return;
        }
        hellos.insert(from, log);
        if view.members.iter().all(|member| hellos.contains_key(&member.id)) {
            let winner = hellos.iter().max_by_key(|(id, log)| (log.len(), std::cmp::Reverse(**id)));
            self.log = winner.expect("we are among them").1.clone();
            self.meeting = None;
            self.log.append(&mut self.held);
        }
    }

    fn write(&mut self, me: NodeId, from: NodeId, number: u64) {
        if from == me {
            assert!(self.own.last().is_none_or(|last| *last < number), "node {me} hears {number} after {:?}", self.own);
            self.own.push(number);
        }
        if self.meeting.is_some() { self.held.push(number) } else { self.log.push(number) }
    }

    fn lose(&mut self) {
        self.view = None;
        self.meeting = None;
        self.held.clear();
        self.out.clear();
        self.own.clear();
    }
}

struct Daemon {
    process: Process,
    group: Group,
    inbox: VecDeque<Event>,
    votes: VecDeque<Votes>,
    copy: Copy,
    /// Stopped: it does nothing until it goes on.
    hangs: bool,
}

/// A host with its Corosync.
struct Station {
    id: NodeId,
    ring: Ring,
    hosts: Vec<NodeId>,
    /// The group as this Corosync has it.
    known: BTreeSet<Process>,
    /// Taken from the daemon, and not yet in the order.
    outgoing: VecDeque<(Process, Vec<u8>)>,
    daemon: Option<Daemon>,
}

struct World {
    chance: Chance,
    now: Duration,
    stations: Vec<Station>,
    rings: u64,
    writes: u64,
    nonces: u32,
    /// This Corosync does not tell of those who were away while it was not looking.
    forgetful: bool,
    /// All that happened, for whoever has to find out why it went wrong.
    story: Vec<String>,
}

impl World {
    fn new(seed: u64) -> World {
        let stations = (1..=u32::try_from(NODES).expect("few")).map(NodeId).map(|id| Station {
            id,
            ring: Ring { sequence: u64::from(id.0), leader: id.0 },
            hosts: vec![id],
            known: BTreeSet::new(),
            outgoing: VecDeque::new(),
            daemon: None,
        });
        World {
            chance: Chance(seed | 1),
            now: Duration::from_secs(1),
            stations: stations.collect(),
            rings: 100,
            writes: 0,
            nonces: 0,
            forgetful: seed.is_multiple_of(3),
            story: Vec::new(),
        }
    }

    fn in_ring(&self, ring: Ring) -> Vec<usize> {
        (0..NODES).filter(|at| self.stations[*at].ring == ring).collect()
    }

    fn group(&mut self, process: Process, number: u64) -> Group {
        self.nonces += 1;
        Group::new(Settings {
            me: process,
            name: format!("n{}", process.node),
            cluster: "laws".into(),
            version: "1".into(),
            nonce: self.nonces,
            started: u32::try_from(self.now.as_secs()).expect("a short life"),
            number,
            now: self.now,
        })
    }

    fn start(&mut self, at: usize) {
        if self.stations[at].daemon.is_some() {
            return;
        }
        // Process numbers come again: a node in a namespace has the same ones after each start.
        let process =
            Process { node: self.stations[at].id, pid: 10 + u32::try_from(self.chance.below(2)).expect("few") };
        self.join(at, process, Copy::default());
    }

    fn join(&mut self, at: usize, process: Process, copy: Copy) {
        self.story.push(format!("{process} joins in {}", self.stations[at].ring));
        let group = self.group(process, copy.last_number);
        let daemon = Daemon { process, group, inbox: VecDeque::new(), votes: VecDeque::new(), copy, hangs: false };
        self.stations[at].daemon = Some(daemon);
        let ring = self.stations[at].ring;
        for other in self.in_ring(ring) {
            let station = &mut self.stations[other];
            station.known.insert(process);
            let members = station.known.iter().copied().collect();
            station.give(Event::Members { members, left: Vec::new() });
        }
        let station = &mut self.stations[at];
        let hosts = station.hosts.clone();
        station.give(Event::Ring { ring, hosts });
        self.vote(at);
    }

    fn vote(&mut self, at: usize) {
        let Station { ring, hosts, daemon, .. } = &mut self.stations[at];
        let votes = u32::try_from(hosts.len()).expect("few");
        if let Some(daemon) = daemon {
            daemon.votes.push_back(Votes { ring: *ring, quorate: hosts.len() * 2 > NODES, votes, expected: 4 });
        }
    }

    fn end(&mut self, at: usize) -> Option<Copy> {
        // What it gave to Corosync goes before its end.
        while self.order(at) {}
        let daemon = self.stations[at].daemon.take()?;
        self.story.push(format!("{} ends", daemon.process));
        for other in self.in_ring(self.stations[at].ring) {
            let station = &mut self.stations[other];
            station.known.remove(&daemon.process);
            let members = station.known.iter().copied().collect();
            let left = vec![Left { process: daemon.process, host_down: false }];
            station.give(Event::Members { members, left });
        }
        Some(daemon.copy)
    }

    /// The next message of a station gets its place in the order of its ring. Whether there was one.
    fn order(&mut self, at: usize) -> bool {
        let Some((from, bytes)) = self.stations[at].outgoing.pop_front() else { return false };
        for other in self.in_ring(self.stations[at].ring) {
            if self.stations[other].known.contains(&from) {
                self.stations[other].give(Event::Message { from, bytes: bytes.clone() });
            }
        }
        true
    }

    /// New rings, as sides of the network: stations with one number are together.
    fn split(&mut self, sides: &[usize; NODES]) {
        self.story.push(format!("sides {sides:?}"));
        for side in BTreeSet::from(*sides) {
            let here: Vec<usize> = (0..NODES).filter(|at| sides[*at] == side).collect();
            self.form(&here);
        }
    }

    /// One station is alone for a moment, which the others of its ring notice only when it is back.
    fn flicker(&mut self, at: usize) {
        let side = self.in_ring(self.stations[at].ring);
        self.story.push(format!("station {} is away from {side:?} for a moment", at + 1));
        self.form(&[at]);
        for _ in 0..self.chance.below(60) {
            let one = side[self.chance.below(side.len())];
            self.work(one);
            self.order(one);
        }
        self.form(&side);
    }

    /// A new ring of these stations.
    fn form(&mut self, here: &[usize]) {
        let before: Vec<Ring> = self.stations.iter().map(|station| station.ring).collect();
        self.rings += 1;
        let ring = Ring { sequence: self.rings, leader: self.stations[here[0]].id.0 };
        let hosts: Vec<NodeId> = here.iter().map(|at| self.stations[*at].id).collect();
        let alive: BTreeSet<Process> =
            here.iter().filter_map(|at| self.stations[*at].daemon.as_ref()).map(|daemon| daemon.process).collect();
        for at in here {
            let forgets = self.forgetful && self.chance.below(2) == 0;
            let came_along = |node: NodeId| {
                here.iter().any(|o| self.stations[*o].id == node && (forgets || before[*o] == before[*at]))
            };
            let left: Vec<Left> = (self.stations[*at].known.iter())
                .filter(|process| !came_along(process.node) || !alive.contains(process))
                .map(|process| Left { process: *process, host_down: true })
                .collect();
            let station = &mut self.stations[*at];
            for gone in &left {
                station.known.remove(&gone.process);
            }
            if !left.is_empty() {
                let members = station.known.iter().copied().collect();
                station.give(Event::Members { members, left });
            }
            let joined: Vec<Process> = alive.difference(&station.known).copied().collect();
            station.known.extend(&alive);
            if !joined.is_empty() {
                let members = station.known.iter().copied().collect();
                station.give(Event::Members { members, left: Vec::new() });
            }
            station.ring = ring;
            station.hosts.clone_from(&hosts);
            station.give(Event::Ring { ring, hosts: hosts.clone() });
            self.vote(*at);
        }
    }

    /// A daemon does something, if there is something to do.
    fn work(&mut self, at: usize) -> bool {
        let now = self.now;
        let quorum_first = self.chance.below(2) == 0;
        let Station { daemon: Some(daemon), outgoing, .. } = &mut self.stations[at] else { return false };
        if daemon.hangs {
            return false;
        }
        let mut busy = true;
        if quorum_first && let Some(votes) = daemon.votes.pop_front() {
            daemon.group.handle(now, Event::Votes(votes));
        } else if let Some(event) = daemon.inbox.pop_front() {
            daemon.group.handle(now, event);
        } else if let Some(votes) = daemon.votes.pop_front() {
            daemon.group.handle(now, Event::Votes(votes));
        } else if daemon.group.deadline().is_some_and(|deadline| deadline <= now) {
            daemon.group.handle(now, Event::Timeout);
        } else {
            busy = false;
        }
        let mut reason = None;
        while let Some(command) = daemon.group.poll() {
            match command {
                Command::Tell(event) => daemon.copy.take(daemon.process.node, event),
                Command::Warn { message, .. } => self.story.push(format!("{} warns: {message}", daemon.process)),
                Command::Leave { reason: why } => reason = Some(why),
            }
        }
        if daemon.copy.view.is_some()
            && daemon.group.takes_payloads()
            && let Some(payload) = daemon.copy.out.pop_front()
        {
            daemon.group.handle(now, Event::Send(payload));
            busy = true;
        }
        // Corosync takes a message or is busy.
        if self.chance.below(3) > 0
            && let Some(bytes) = daemon.group.frame()
        {
            daemon.group.sent();
            outgoing.push_back((daemon.process, bytes));
            busy = true;
        }
        if let Some(reason) = reason {
            let process = daemon.process;
            self.story.push(format!("{process} leaves: {reason}"));
            let mut copy = self.end(at).expect("it is there");
            copy.lose();
            self.join(at, process, copy);
        }
        busy
    }

    fn write(&mut self, at: usize) {
        self.writes += 1;
        // Some are long enough to go in parts.
        let padding = if self.chance.below(4) == 0 { 150_000 } else { 0 };
        if let Some(daemon) = &mut self.stations[at].daemon
            && daemon.copy.view.is_some()
        {
            daemon.copy.out.push_back(format!("write {} {}", self.writes, "x".repeat(padding)).into_bytes());
        }
    }

    fn something(&mut self) {
        let at = self.chance.below(NODES);
        match self.chance.below(200) {
            0 => {
                let sides = std::array::from_fn(|_| self.chance.below(3));
                self.split(&sides);
            }
            1 => self.split(&[0; NODES]),
            2..=4 => self.start(at),
            5 => drop(self.end(at)),
            6 => {
                if let Some(daemon) = &mut self.stations[at].daemon {
                    daemon.hangs = !daemon.hangs;
                }
            }
            7..=9 => self.now += Duration::from_millis(self.chance.below(900) as u64),
            10 => self.calm(),
            11 => self.flicker(at),
            12..=19 => self.write(at),
            20..=99 => {
                self.order(at);
            }
            _ => {
                self.now += Duration::from_micros(100);
                self.work(at);
            }
        }
    }

    /// Some seconds in which nothing new happens: long enough for whoever hangs to be missed.
    fn calm(&mut self) {
        for _ in 0..(20 + self.chance.below(60)) {
            self.now += Duration::from_millis(100);
            for _ in 0..4 {
                for at in 0..NODES {
                    self.work(at);
                    self.order(at);
                }
            }
        }
    }

    /// Goes on without anything new until all is quiet.
    fn settle(&mut self) {
        for station in &mut self.stations {
            station.daemon.iter_mut().for_each(|daemon| daemon.hangs = false);
        }
        let mut quiet_for = 0;
        for _ in 0..200_000 {
            let mut busy = false;
            for at in 0..NODES {
                busy |= self.work(at);
                busy |= self.order(at);
            }
            self.now += Duration::from_micros(100);
            let quiet = |daemon: &Daemon| {
                let Daemon { copy, group, .. } = daemon;
                copy.view.is_some() && copy.meeting.is_none() && copy.out.is_empty() && group.takes_payloads()
            };
            // Corosync is busy now and then; so often in a row it is not.
            quiet_for = if !busy && self.daemons().all(quiet) { quiet_for + 1 } else { 0 };
            if quiet_for > 10 {
                return;
            }
            if !busy && quiet_for == 0 {
                // Whoever waits for its time gets there.
                self.now += Duration::from_millis(50);
            }
        }
        panic!("it never comes to rest");
    }

    fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        self.stations.iter().filter_map(|station| station.daemon.as_ref())
    }

    /// What must hold when all is quiet.
    fn check(&self) {
        for station in &self.stations {
            let Some(daemon) = &station.daemon else { continue };
            let view = daemon.copy.view.as_ref().expect("all is quiet");
            let hosts: Vec<NodeId> = view.hosts.iter().map(|host| host.id).collect();
            assert_eq!(hosts, station.hosts, "{} sees the hosts of its ring", daemon.process);
            assert_eq!(view.quorate, station.hosts.len() * 2 > NODES, "{} knows its quorum", daemon.process);
            let here = self.in_ring(station.ring);
            let others = || here.iter().filter_map(|at| self.stations[*at].daemon.as_ref());
            let members: Vec<NodeId> = view.members.iter().map(|member| member.id).collect();
            let expected: Vec<NodeId> = others().map(|other| other.process.node).collect();
            assert_eq!(members, expected, "{} sees all daemons of its ring", daemon.process);
            for other in others() {
                let theirs = other.copy.view.as_ref().expect("all is quiet");
                assert_eq!(view.members, theirs.members, "{} and {} agree", daemon.process, other.process);
                assert_eq!(daemon.copy.log, other.copy.log, "{} and {} hold the same", daemon.process, other.process);
            }
        }
    }
}

impl Station {
    fn give(&mut self, event: Event) {
        if let Some(daemon) = &mut self.daemon {
            daemon.inbox.push_back(event);
        }
    }
}

fn live(seed: u64, steps: usize) -> World {
    let mut world = World::new(seed);
    world.split(&[0; NODES]);
    (0..NODES).for_each(|at| world.start(at));
    for _ in 0..3 {
        (0..steps).for_each(|_| world.something());
        world.settle();
        world.check();
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn members_agree_and_hold_the_same(seed in any::<u64>(), steps in 1_usize..2_000) {
        live(seed, steps);
    }
}

#[test]
fn the_worlds_are_not_dull() {
    let told = (0..20).map(|seed| live(seed * 7_919, 2_000));
    let (mut writes, mut story) = (0, String::new());
    for world in told {
        writes += world.daemons().map(|daemon| daemon.copy.log.len()).max().unwrap_or(0);
        story.push_str(&world.story.join("\n"));
    }
    assert!(writes > 400, "{writes} writes were agreed upon");
    for word in ["ends", "leaves: ", "says nothing for", "sides"] {
        assert!(story.contains(word), "{word:?} never happened");
    }
}
