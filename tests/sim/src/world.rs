//! The made world: one virtual clock, one queue of what is to happen, and every host, switch and wire in it.
//!
//! Whatever happens is taken from the queue in the order of its time, and of its being queued within one instant; all
//! chance comes from the seed. So a seed is a run, and the same run each time. What a daemon's shell would do is in
//! [`shell`](crate::shell); what goes wrong and when is in [`faults`](crate::faults).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use engine::{Event as EngineEvent, Host, NodeId};
use node::{Event, Node, Settings};
use transition::Transition;

use crate::agents::{Effect, Job, State, promoted};
use crate::checkers::Checkers;
use crate::disk::Disk;
use crate::engine::{Engine, Later, Life, Pace};
use crate::faults::{Fault, Trap};
use crate::host::{Daemon, Paused, SimHost};
use crate::operator::Operator;
use crate::power::Power;
use crate::random::Random;
use crate::trace::{Keep, Trace};

/// How long a daemon waits for agents that an earlier one left at work, before it kills them.
const LEFTOVERS_WAIT: Duration = Duration::from_secs(2);
/// In one of so many worlds messages are cut into pieces of [`SHORT_PIECE`] bytes.
const SHORT_PIECES: u64 = 3;
/// Short enough that orders, results and greetings are cut, long enough that a CIB is not thousands of pieces.
const SHORT_PIECE: usize = 300;

/// Something that is to happen.
#[derive(Debug)]
pub enum Happening {
    /// The engine is to be called.
    Engine(Later),
    /// A daemon asked to be told the time.
    Wake(NodeId, Life),
    /// A process has its effect.
    Acts(NodeId, u64),
    /// A process ends.
    Ends(NodeId, u64),
    /// A power switch acts by itself.
    Switch(String, bool),
    /// A plan is ready.
    Planned(NodeId, Life, u64, Box<Transition>),
    /// An agent has described itself, or has not.
    Described(NodeId, Life, executor::Agent, Result<Arc<ocf::Metadata>, String>),
    /// A disk has written.
    Written(NodeId, Life),
    /// A host is up far enough to have an engine.
    EngineStarts(NodeId, u32),
    /// A host's daemon starts.
    DaemonStarts(NodeId, u32),
    /// A daemon finds its engine.
    Joins(NodeId, Life),
    /// An operator or a program looks whether there is something to do.
    Operator,
    /// Something goes wrong, or is mended.
    Fault(Fault),
    /// A host gets its power back.
    PowerReturns(NodeId, u32),
    /// A host or a daemon that stood still goes on.
    Resumes(NodeId),
    /// A host is heard by the others again, or no longer.
    Heard(NodeId, bool),
    /// A daemon feeds its watchdog.
    Meal(NodeId, Life),
    /// A watchdog looks whether it was fed.
    Bites(NodeId, u32),
    /// A host that lost its power would have lost it by its watchdog by now.
    IsOff(NodeId, u32),
}

/// How much happened.
#[derive(Clone, Default, Debug)]
pub struct Counts {
    /// Things that went wrong or were done by an operator.
    pub faults: u64,
    /// Of which kinds they were.
    pub kinds: BTreeSet<String>,
    /// Plans made.
    pub plans: u64,
    /// Messages given to daemons.
    pub deliveries: u64,
    /// Processes started.
    pub processes: u64,
    /// Hosts that were cut off by a switch.
    pub cut_off: u64,
    /// Client writes acknowledged.
    pub acknowledged: u64,
}

impl Counts {
    /// These as well.
    pub fn add(&mut self, more: &Counts) {
        self.faults += more.faults;
        self.kinds.extend(more.kinds.iter().cloned());
        self.plans += more.plans;
        self.deliveries += more.deliveries;
        self.processes += more.processes;
        self.cut_off += more.cut_off;
        self.acknowledged += more.acknowledged;
    }
}

struct Queued {
    at: Duration,
    sequence: u64,
    what: Happening,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// The world.
pub struct World {
    /// Virtual time since the run began.
    pub now: Duration,
    /// What happened.
    pub trace: Trace,
    /// How much happened.
    pub counts: Counts,
    /// The judges.
    pub watch: Checkers,
    /// The network and the engine.
    pub engine: Engine,
    /// The power switches.
    pub power: Power,
    /// All hosts.
    pub hosts: BTreeMap<NodeId, SimHost>,
    /// Who writes the configuration.
    pub operator: Operator,
    /// The longest piece that daemons send: in some worlds so short that most messages are cut.
    pub payload: usize,
    /// After how long unfed a host's watchdog takes its power; `None` where they have none.
    pub watchdog: Option<Duration>,
    /// Somebody stands by and switches on again what was cut off for good.
    pub attended: bool,
    /// A crash that waits for its moment.
    pub trap: Option<Trap>,
    /// Chance.
    pub random: Random,
    /// Chance for what shall not change the course of everything else.
    pub aside: Random,
    /// Daemons that began anew by themselves.
    pub anew: u32,
    queue: BinaryHeap<Reverse<Queued>>,
    sequence: u64,
    lives: u64,
    pids: u64,
}

impl World {
    /// A world of these hosts, all off, with this configuration on every disk.
    pub fn new(seed: u64, keep: Keep, hosts: &[Host], cib: &cib::Cib, pace: Pace, watch: Checkers) -> Self {
        let mut random = Random::new(seed);
        let engine = Engine::new(hosts, pace, random.fork());
        let payload = if seed.is_multiple_of(SHORT_PIECES) { SHORT_PIECE } else { engine::MAX_PAYLOAD };
        let host = |host: &Host| {
            let skew = random.between(0, 4) as i64 - 2;
            (host.id, SimHost::new(host.clone(), Disk::with(cib), skew))
        };
        World {
            now: Duration::ZERO,
            trace: Trace::new(keep),
            counts: Counts::default(),
            watch,
            engine,
            power: Power::default(),
            hosts: hosts.iter().map(host).collect(),
            operator: Operator::default(),
            payload,
            watchdog: None,
            attended: false,
            trap: None,
            random,
            aside: Random::new(!seed),
            anew: 0,
            queue: BinaryHeap::new(),
            sequence: 0,
            lives: 0,
            pids: 0,
        }
    }

    /// Something is to happen after a while.
    pub fn after(&mut self, delay: Duration, what: Happening) {
        self.sequence += 1;
        self.queue.push(Reverse(Queued { at: self.now + delay, sequence: self.sequence, what }));
    }

    /// Lets everything happen up to that time, or until a rule is broken.
    pub fn run_until(&mut self, end: Duration) {
        while self.watch.broken.is_none() {
            if self.queue.peek().is_none_or(|Reverse(next)| next.at > end) {
                self.now = self.now.max(end);
                return;
            }
            let Some(Reverse(Queued { at, what, .. })) = self.queue.pop() else { return };
            self.now = at;
            match self.stands_still_until(&what) {
                Some(until) => self.after(until - at, what),
                None => self.happens(what),
            }
            self.watch.queue("the queue of the world", self.queue.len());
        }
    }

    /// Says something about the run.
    pub fn say(&mut self, id: NodeId, what: std::fmt::Arguments<'_>) {
        let who = self.hosts.get(&id).map_or("", |host| host.me.name.as_str());
        self.trace.line(self.now, who, what);
    }

    /// A host's name.
    pub fn name(&self, id: NodeId) -> String {
        self.hosts[&id].me.name.clone()
    }

    /// The host of that name.
    pub fn named(&self, name: &str) -> Option<NodeId> {
        self.hosts.values().find(|host| host.me.name == name).map(SimHost::id)
    }

    /// All hosts.
    pub fn ids(&self) -> Vec<NodeId> {
        self.hosts.keys().copied().collect()
    }

    /// A host of this run.
    ///
    /// # Panics
    /// When there is none of that number: hosts are fixed when a run begins.
    pub fn host(&mut self, id: NodeId) -> &mut SimHost {
        self.hosts.get_mut(&id).expect("hosts are fixed when a run begins")
    }

    /// The daemons that run, by host.
    pub fn daemons(&self) -> impl Iterator<Item = (NodeId, &Daemon)> {
        self.hosts.values().filter_map(|host| Some((host.id(), host.daemon.as_ref()?)))
    }

    /// Members that coordinate; more than one only while the cluster is parted or just whole again.
    pub fn coordinators(&self) -> Vec<NodeId> {
        self.daemons().filter(|(_, daemon)| daemon.node.is_coordinator()).map(|(id, _)| id).collect()
    }

    /// When something may happen that would happen on a host, or to a daemon, that stands still now.
    fn stands_still_until(&self, what: &Happening) -> Option<Duration> {
        let (id, by_the_host) = match what {
            Happening::Engine(Later::Deliver(id, _))
            | Happening::Wake(id, _)
            | Happening::Ends(id, _)
            | Happening::Planned(id, ..)
            | Happening::Described(id, ..)
            | Happening::Written(id, _)
            | Happening::Meal(id, _)
            | Happening::Joins(id, _) => (id, false),
            Happening::Engine(Later::Order(id))
            | Happening::Acts(id, _)
            | Happening::DaemonStarts(id, _)
            | Happening::EngineStarts(id, _) => (id, true),
            _ => return None,
        };
        let Paused { until, whole } = self.hosts[id].paused?;
        ((whole || !by_the_host) && until > self.now).then_some(until)
    }

    /// A host, or only its daemon, stands still for a while.
    pub fn pause(&mut self, id: NodeId, length: Duration, whole: bool) {
        if !self.hosts[&id].powered || self.hosts[&id].paused.is_some() {
            return;
        }
        self.host(id).paused = Some(Paused { until: self.now + length, whole });
        if whole {
            self.with_engine(|engine, now| engine.mute(now, id, true));
        }
        self.after(length, Happening::Resumes(id));
    }

    /// What stood still goes on.
    pub fn resume(&mut self, id: NodeId) {
        if let Some(Paused { whole: true, .. }) = self.host(id).paused.take() {
            self.with_engine(|engine, now| engine.mute(now, id, false));
        }
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Engine(Later::Deliver(id, life)) => self.delivered(id, life),
            Happening::Engine(Later::Order(id)) => self.with_engine(|engine, now| engine.order(now, id)),
            Happening::Engine(Later::Form(ring)) => self.with_engine(|engine, now| engine.form(now, &ring)),
            Happening::Wake(id, life) => {
                let now = self.now;
                let due = |daemon: &Daemon| daemon.life == life && daemon.wake.is_some_and(|wake| wake <= now);
                if self.hosts[&id].daemon.as_ref().is_some_and(due) {
                    self.tell(id, Event::Timeout);
                }
            }
            Happening::Acts(id, pid) => self.acts(id, pid),
            Happening::Ends(id, pid) => self.ends(id, pid),
            Happening::Switch(target, on_again) => self.switch(&target, on_again),
            Happening::Planned(id, life, generation, transition) => {
                if self.lives_on(id, life) {
                    self.tell(id, Event::Planned { generation, transition: *transition });
                }
            }
            Happening::Described(id, life, agent, metadata) => {
                if self.lives_on(id, life) {
                    self.tell(id, Event::Described { agent, metadata });
                }
            }
            Happening::Written(id, life) => self.written(id, life),
            Happening::EngineStarts(id, boot) => self.engine_starts(id, boot),
            Happening::DaemonStarts(id, boot) => self.daemon_starts(id, boot),
            Happening::Joins(id, life) => {
                if self.lives_on(id, life) && self.engine.is_up(id) {
                    self.with_engine(|engine, now| engine.join(now, id, life));
                }
            }
            Happening::Operator => self.operate(),
            Happening::Fault(fault) => self.strike(fault),
            Happening::PowerReturns(id, boot) => {
                if self.hosts[&id].boot == boot {
                    self.power_on(id);
                }
            }
            Happening::Resumes(id) => {
                if self.hosts[&id].paused.is_some_and(|paused| paused.until <= self.now) {
                    self.resume(id);
                }
            }
            Happening::Meal(id, life) => self.meal(id, life),
            Happening::Bites(id, boot) => self.bites(id, boot),
            Happening::IsOff(id, boot) => {
                if self.hosts[&id].boot == boot {
                    self.watch.fenced(id);
                }
            }
            Happening::Heard(id, heard) => {
                if self.engine.is_up(id) {
                    self.with_engine(|engine, now| engine.mute(now, id, !heard));
                }
            }
        }
    }

    /// Calls the engine, and takes over what it wants to be called for later.
    pub fn with_engine(&mut self, call: impl FnOnce(&mut Engine, Duration)) {
        call(&mut self.engine, self.now);
        for (at, later) in self.engine.later() {
            self.after(at.saturating_sub(self.now), Happening::Engine(later));
        }
    }

    fn lives_on(&self, id: NodeId, life: Life) -> bool {
        self.hosts[&id].daemon.as_ref().is_some_and(|daemon| daemon.life == life)
    }

    fn delivered(&mut self, id: NodeId, life: Life) {
        let Some(delivery) = self.engine.deliver(self.now, id, life) else { return };
        if !self.lives_on(id, life) {
            return;
        }
        self.counts.deliveries += 1;
        let daemon = self.host(id).daemon.as_mut().expect("it lives on");
        daemon.place = delivery.sequence;
        match &delivery.event {
            EngineEvent::Membership(view) => {
                daemon.given = (view.number, 0);
                let members: Vec<String> = view.members.iter().map(|m| format!("{}@{}", m.id, m.since)).collect();
                let quorum = if view.quorate { "" } else { ", no quorum" };
                self.say(id, format_args!("membership {}: {}{quorum}", view.number, members.join(" ")));
            }
            _ => daemon.given.1 = daemon.given.1.wrapping_mul(0x0100_0000_01b3) ^ delivery.sequence,
        }
        let compare = delivery.sequence % 16 == 0;
        self.tell(id, Event::Engine(delivery.event));
        if compare {
            self.compare(id);
        }
    }

    /// Shows the judges what a node holds, if it is in step with the others.
    pub fn compare(&mut self, id: NodeId) {
        let Some(daemon) = &self.hosts[&id].daemon else { return };
        if self.engine.is_up(id) && daemon.node.in_step() {
            let (view, given) = daemon.given;
            self.watch.holds(id, view, given, hash_of(daemon.node.cib()));
            if self.watch.broken.is_some() {
                let held = |(id, daemon): (NodeId, &Daemon)| (id, daemon.node.cib().document().to_xml());
                let all: Vec<(NodeId, String)> = self.daemons().map(held).collect();
                all.iter().for_each(|(id, text)| self.say(*id, format_args!("holds {text}")));
                return;
            }
            // Most of the nodes have agreed on this: whatever was acknowledged must be in it, now and not in the end.
            let view = daemon.node.view();
            if view.quorate && view.members.len() * 2 > self.hosts.len() {
                self.watch.is_here(self.now, id);
                self.watch.history(id, daemon.place, &marks(daemon.node.cib()));
            }
        }
    }

    // Power.

    /// A host gets power: it boots, and its engine and daemon start by and by.
    pub fn power_on(&mut self, id: NodeId) {
        if self.hosts[&id].powered {
            return;
        }
        self.say(id, format_args!("is switched on"));
        let host = self.host(id);
        host.powered = true;
        let boot = host.boot;
        let delay = self.random.ms(2_000, 10_000);
        self.after(delay, Happening::EngineStarts(id, boot));
    }

    /// The power of a host goes in this instant.
    pub fn power_off(&mut self, id: NodeId, why: &str) {
        if !self.hosts[&id].powered {
            return;
        }
        self.say(id, format_args!("loses its power: {why}"));
        let mut random = self.random.fork();
        let host = self.host(id);
        host.paused = None;
        host.powered = false;
        host.boot += 1;
        host.disk.crash(&mut random);
        let had = host.holds();
        host.agents.power_lost();
        let life = host.daemon.take().map(|daemon| daemon.life);
        self.watch.power_lost(id, had);
        self.off_for_certain(id);
        self.operator.daemon_gone(life);
        self.with_engine(|engine, now| engine.stop(now, id));
    }

    fn switch(&mut self, target: &str, on_again: bool) {
        let Some(id) = self.named(target) else { return };
        self.counts.cut_off += u64::from(self.hosts[&id].powered);
        self.power_off(id, "it is cut off");
        if on_again || self.attended {
            let boot = self.hosts[&id].boot;
            let delay = self.random.ms(500, 20_000);
            self.after(delay, Happening::PowerReturns(id, boot));
        }
    }

    fn engine_starts(&mut self, id: NodeId, boot: u32) {
        let host = &self.hosts[&id];
        if host.boot != boot || !host.powered || self.engine.is_up(id) {
            return;
        }
        self.with_engine(|engine, now| engine.start(now, id));
        let delay = self.random.ms(50, 2_000);
        match self.hosts[&id].daemon.as_ref().map(|daemon| daemon.life) {
            Some(life) => self.after(delay, Happening::Joins(id, life)),
            None => self.after(delay, Happening::DaemonStarts(id, boot)),
        }
    }

    /// The engine of a host dies, and is back after a while; the host stays.
    pub fn engine_dies(&mut self, id: NodeId, back: Duration) {
        let host = &self.hosts[&id];
        if !host.powered || !self.engine.is_up(id) {
            return;
        }
        let boot = host.boot;
        self.say(id, format_args!("its engine dies"));
        self.with_engine(|engine, now| engine.stop(now, id));
        self.after(back, Happening::EngineStarts(id, boot));
        if self.hosts[&id].daemon.is_some() {
            self.tell(id, Event::Engine(EngineEvent::Lost { reason: "the connection was closed".into() }));
        }
    }

    // Daemons.

    fn daemon_starts(&mut self, id: NodeId, boot: u32) {
        let host = &self.hosts[&id];
        if host.boot != boot || !host.powered || host.daemon.is_some() {
            return;
        }
        if self.host(id).agents.end_leftovers() {
            self.after(LEFTOVERS_WAIT, Happening::DaemonStarts(id, boot));
            return;
        }
        self.lives += 1;
        let life = Life(self.lives);
        let host = &self.hosts[&id];
        let settings = Settings {
            me: host.me.clone(),
            cluster: "sim".into(),
            incarnation: format!("{:08x}-0000-4000-8000-{:012x}", id.0, life.0),
            protocol: host.protocol,
            payload: self.payload,
            limit: 4,
            seed: self.random.number(),
            fencing: node::FencingSettings {
                boot_id: format!("boot {boot} of {id}"),
                watchdog_s: self.watchdog.map(|timeout| timeout.as_secs()),
                was_left_armed: host.fed.is_some(),
                ..Default::default()
            },
            failovers: String::new(),
        };
        let started = self.now;
        let clocks = node::Now { monotonic: Duration::ZERO, ..self.hosts[&id].clocks(self.now) };
        let found = self.host(id).disk.load();
        let node = Node::new(settings, found, clocks);
        self.say(id, format_args!("its daemon starts"));
        self.host(id).daemon =
            Some(Daemon { life, started, node, wake: None, given: (0, 0), place: 0, turns: (started, 0) });
        self.arm(id, life);
        if self.engine.is_up(id) {
            self.with_engine(|engine, now| engine.join(now, id, life));
        }
        self.carry_out(id);
    }

    /// A daemon is killed; what it started runs on.
    pub fn kill_daemon(&mut self, id: NodeId, back: Duration) {
        if self.hosts[&id].daemon.is_none() {
            return;
        }
        self.say(id, format_args!("its daemon is killed"));
        self.daemon_gone(id);
        let boot = self.hosts[&id].boot;
        self.after(back, Happening::DaemonStarts(id, boot));
    }

    /// A daemon is no more, however it ended.
    pub fn daemon_gone(&mut self, id: NodeId) {
        let mut random = self.random.fork();
        let host = self.host(id);
        host.paused = host.paused.filter(|paused| paused.whole);
        host.disk.crash(&mut random);
        let life = host.daemon.take().map(|daemon| daemon.life);
        self.operator.daemon_gone(life);
        if self.engine.is_up(id) {
            self.with_engine(|engine, now| engine.leave(now, id));
        }
    }

    fn written(&mut self, id: NodeId, life: Life) {
        if !self.lives_on(id, life) {
            return;
        }
        let Some((number, configuration, error)) = self.host(id).disk.written() else { return };
        if self.host(id).disk.writes_on() {
            self.disk_writes(id, life);
        }
        self.tell(id, Event::Persisted { number, configuration, error });
    }

    /// A disk begins to write.
    pub fn disk_writes(&mut self, id: NodeId, life: Life) {
        let most = self.hosts[&id].disk_ms;
        let delay = self.random.mostly_short(1, most);
        self.after(delay, Happening::Written(id, life));
    }

    // Processes.

    /// A new process's number.
    pub fn next_pid(&mut self) -> u64 {
        self.pids += 1;
        self.counts.processes += 1;
        self.pids
    }

    fn acts(&mut self, id: NodeId, pid: u64) {
        let Some(effect) = self.host(id).agents.processes.get_mut(&pid).and_then(|one| one.effect.take()) else {
            return;
        };
        match effect {
            Effect::Becomes(resource, state) => self.resource_becomes(id, &resource, state),
            Effect::Power { target, on_again } => self.switch(&target, on_again),
        }
    }

    /// The true state of a resource changes.
    pub fn resource_becomes(&mut self, id: NodeId, resource: &str, state: Option<crate::agents::State>) {
        self.say(id, format_args!("{resource} becomes {state:?}"));
        self.host(id).agents.set(resource, state);
        self.watch.becomes(id, resource, state.is_some());
        self.watch.becomes(id, &promoted(resource), state == Some(State::Promoted));
    }

    fn ends(&mut self, id: NodeId, pid: u64) {
        let Some(running) = self.host(id).agents.processes.remove(&pid) else { return };
        let end = self.hosts[&id].agents.end_of(&running);
        let good = matches!(&end, executor::End::Exited { code: 0, .. });
        match &running.job {
            Job::Fence(target) if good => {
                if let Some(target) = self.named(target) {
                    self.watch.fenced(target);
                }
            }
            Job::Lie(target) if good => {
                match self.named(target) {
                    // Of one that has no power anyhow it is the truth.
                    Some(target) if !self.hosts[&target].powered => self.watch.fenced(target),
                    Some(target) => self.watch.lied_about(self.now, target),
                    None => {}
                }
            }
            Job::Operation { resource, action, .. } if action == "monitor" => {
                if matches!(end, executor::End::Exited { .. }) {
                    self.watch.looked(id, resource);
                    self.watch.looked(id, &promoted(resource));
                }
            }
            _ => {}
        }
        let score = self.score_said_by(id, &running.job, &end);
        self.say(id, format_args!("{:?} ends: {}", running.job, brief(&end)));
        if self.lives_on(id, running.life) {
            if let Some(update) = score {
                self.request(id, wire::Request::Update(update));
            }
            self.tell(id, Event::Ended { process: running.process, end });
        }
    }
}

/// A hash of what a CIB's digest covers. Nodes are compared so often that the digest was a quarter of all work.
fn hash_of(cib: &cib::Cib) -> u64 {
    let (mut hasher, document) = (DefaultHasher::new(), cib.document());
    cib.version().to_string().hash(&mut hasher);
    for section in ["configuration", "status"] {
        document.child(document.root(), section).map(|section| document.element_to_xml(section)).hash(&mut hasher);
    }
    hasher.finish()
}

/// The marks that programs have left in a CIB.
fn marks(cib: &cib::Cib) -> std::collections::BTreeSet<String> {
    let document = cib.document();
    let nodes = document.descend(&["configuration", "nodes"]);
    let names = nodes.into_iter().flat_map(|nodes| document.descendants(nodes));
    names
        .filter_map(|pair| document.attribute(pair, "name"))
        .filter(|n| n.starts_with("mark-"))
        .map(str::to_owned)
        .collect()
}

fn brief(end: &executor::End) -> String {
    match end {
        executor::End::Exited { code, .. } | executor::End::InitScript { code, .. } => format!("exit {code}"),
        executor::End::Signalled { signal, .. } => format!("signal {signal}"),
        executor::End::NotStarted { reason, .. } => format!("not started, {reason}"),
    }
}
