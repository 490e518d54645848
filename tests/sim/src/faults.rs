//! What goes wrong, and what operators do meanwhile. A new kind of fault is a variant here, its deed in `strike`, its
//! line in `Fault::any`: the seeds find it by themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use cib::patch::Change;
use cib::{Author, Lifetime, Patch, Write};
use engine::NodeId;
use wire::Request;

use crate::agents::{State, Trouble};
use crate::host::EPOCH;
use crate::operator::Wish;
use crate::power::Mood;
use crate::random::Random;
use crate::scenario::Shape;
use crate::world::{Happening, World};

/// Something that goes wrong, or that somebody does.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A host loses its power, and gets it back by itself or not.
    Crash(NodeId, Option<Duration>),
    /// A daemon is killed; its supervisor starts it again.
    KillDaemon(NodeId, Duration),
    /// A node is told to leave; its daemon is started again later.
    Shutdown(NodeId, Duration),
    /// The engine of a host dies.
    EngineDies(NodeId, Duration),
    /// The network is parted: who is on which side.
    Part(BTreeMap<NodeId, u32>),
    /// The network is whole again.
    Heal,
    /// The network is slow: a message may take so many milliseconds.
    SlowNetwork(u64),
    /// What truly runs dies, cleanly or half-way, wherever it is.
    ResourceDies(String, Option<State>),
    /// The next runs of an action of a resource on a node go wrong.
    AgentTrouble(NodeId, String, String, Vec<Trouble>),
    /// The power switches change their behaviour.
    PowerMood(Mood),
    /// A disk is full, or no longer.
    DiskFull(NodeId, bool),
    /// The coordinator crashes, or its daemon is killed, once it has asked for so many things.
    CoordinatorTrap(Trap),
    /// An operator puts a node on standby, or lets it in again.
    Standby(NodeId, bool),
    /// An operator moves a resource to a node.
    Move(String, NodeId),
    /// An operator takes the constraint of a move away.
    Clear(String),
    /// An operator stops a resource, or lets it run again.
    Disable(String, bool),
    /// An operator changes a parameter of a resource.
    Parameter(String, u64),
    /// A program writes something and remembers that it was told it is there.
    Mark(NodeId, u64),
    /// Programs write on every node, and within so long the power of all hosts goes at once.
    Blackout(u64, Duration),
    /// All hosts lose their power in the same instant, and get it back.
    PowerCut,
    /// An operator clears failures.
    Cleanup(Option<String>),
}

/// A crash that waits for its moment.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// How many more things the coordinator asks for before.
    pub left: u32,
    /// Its host loses power; otherwise its daemon is killed.
    pub power: bool,
    /// How long until what was lost comes back by itself.
    pub back: Duration,
}

impl Fault {
    /// Some fault for a cluster of that shape.
    pub fn any(shape: &Shape, random: &mut Random) -> Fault {
        let node = *random.pick(&shape.ids());
        let resource = random.pick(&shape.resources).clone();
        match random.below(100) {
            0..10 => {
                let by_itself = random.percent(60).then(|| random.mostly_short(500, 120_000));
                Fault::Crash(node, by_itself)
            }
            10..20 => Fault::KillDaemon(node, random.mostly_short(100, 15_000)),
            20..24 => Fault::Shutdown(node, random.ms(1_000, 60_000)),
            24..28 => Fault::EngineDies(node, random.mostly_short(500, 60_000)),
            28..40 => Fault::Part(sides(&shape.ids(), random)),
            40..48 => Fault::Heal,
            48..50 => Fault::SlowNetwork(random.between(1, 400)),
            50..56 => {
                let left = random.percent(40).then_some(State::Failed);
                Fault::ResourceDies(resource, left)
            }
            56..66 => {
                let action = (*random.pick(&["start", "stop", "monitor"])).to_owned();
                let many = 1 + random.below(3);
                let troubles = (0..many).map(|_| *random.pick(&Trouble::ALL)).collect();
                Fault::AgentTrouble(node, resource, action, troubles)
            }
            66..72 => Fault::PowerMood(*random.pick(&[Mood::Good, Mood::Slow, Mood::Failing, Mood::Late])),
            72..74 => Fault::DiskFull(node, random.percent(50)),
            74..80 => Fault::CoordinatorTrap(Trap {
                left: random.between(1, 60) as u32,
                power: random.percent(50),
                back: random.mostly_short(200, 40_000),
            }),
            80..84 => Fault::Standby(node, random.percent(60)),
            84..87 => Fault::Move(resource, node),
            87..89 => Fault::Clear(resource),
            89..91 => Fault::Disable(resource, random.percent(60)),
            91..93 => Fault::Parameter(resource, random.number() % 1000),
            93..96 => Fault::Mark(node, random.number()),
            96..99 => Fault::Blackout(random.number(), random.mostly_short(1, 2_000)),
            _ => Fault::Cleanup(random.percent(50).then_some(resource)),
        }
    }
}

/// One node alone, or any two sides.
fn sides(ids: &[NodeId], random: &mut Random) -> BTreeMap<NodeId, u32> {
    if random.percent(40) {
        return BTreeMap::from([(*random.pick(ids), 1)]);
    }
    let most = if random.percent(20) { 2 } else { 1 };
    ids.iter().map(|id| (*id, random.between(0, most) as u32)).collect()
}

impl World {
    /// It happens now.
    pub fn strike(&mut self, fault: Fault) {
        self.counts.faults += 1;
        self.trace.line(self.now, "FAULT", format_args!("{fault:?}"));
        match fault {
            Fault::Crash(id, back) => {
                self.power_off(id, "it crashes");
                if let Some(back) = back {
                    let boot = self.hosts[&id].boot;
                    self.after(back, Happening::PowerReturns(id, boot));
                }
            }
            Fault::KillDaemon(id, back) => self.kill_daemon(id, back),
            Fault::Shutdown(id, back) => {
                if self.hosts[&id].daemon.is_some() {
                    self.host(id).daemon_returns = Some(back);
                    self.tell(id, node::Event::Asked { client: node::ClientId(0), request: Request::Shutdown });
                }
            }
            Fault::EngineDies(id, back) => self.engine_dies(id, back),
            Fault::Part(sides) => self.with_engine(|engine, now| engine.part(now, &sides)),
            Fault::Heal => self.with_engine(|engine, now| engine.part(now, &BTreeMap::new())),
            Fault::SlowNetwork(delivery_ms) => self.engine.pace.delivery_ms = delivery_ms,
            Fault::ResourceDies(resource, left) => {
                for id in self.ids() {
                    if self.hosts[&id].agents.state(&resource).is_some() {
                        self.resource_becomes(id, &resource, left);
                    }
                }
            }
            Fault::AgentTrouble(id, resource, action, troubles) => {
                self.host(id).agents.troubles.entry((resource, action)).or_default().extend(troubles);
            }
            Fault::PowerMood(mood) => self.power.mood = mood,
            Fault::DiskFull(id, full) => self.host(id).disk.full = full,
            Fault::CoordinatorTrap(trap) => self.trap = Some(trap),
            Fault::Standby(id, on) => {
                self.wish(Wish { write: standby(&self.name(id), on), mark: None, insists: false })
            }
            Fault::Move(resource, id) => {
                let write = self.configure(move_to(&resource, &self.name(id)));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Clear(resource) => {
                let write = self.configure(clear(&resource));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Disable(resource, off) => {
                let write = self.configure(disable(&resource, off));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Parameter(resource, value) => {
                let write = self.configure(parameter(&resource, value));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Mark(id, number) => {
                let mark = format!("mark-{number:016x}");
                let write = Write::Attribute {
                    node: self.name(id),
                    lifetime: Lifetime::Permanent,
                    name: mark.clone(),
                    value: Some("1".into()),
                    author: Author::default(),
                };
                self.ask(id, Wish { write, mark: Some(mark), insists: false });
            }
            Fault::Blackout(number, soon) => {
                for (place, id) in self.ids().into_iter().enumerate() {
                    self.after(Duration::ZERO, Happening::Fault(Fault::Mark(id, number.wrapping_add(place as u64))));
                }
                self.after(soon, Happening::Fault(Fault::PowerCut));
            }
            Fault::PowerCut => {
                for id in self.ids() {
                    self.power_off(id, "the whole site is dark");
                    let (boot, back) = (self.hosts[&id].boot, self.random.ms(1_000, 20_000));
                    self.after(back, Happening::PowerReturns(id, boot));
                }
            }
            Fault::Cleanup(resource) => {
                let write = Write::Forget { node: None, resource, failures_only: false };
                self.wish(Wish { write, mark: None, insists: false });
            }
        }
    }

    /// Whether a coordinator that asks for one more thing crashes at that.
    pub fn spring(&mut self, id: NodeId) -> bool {
        let Some(trap) = &mut self.trap else { return false };
        let coordinates = self.hosts[&id].daemon.as_ref().is_some_and(|daemon| daemon.node.is_coordinator());
        if !coordinates {
            return false;
        }
        trap.left = trap.left.saturating_sub(1);
        if trap.left > 0 {
            return false;
        }
        let Trap { power, back, .. } = *trap;
        self.trap = None;
        if power {
            self.power_off(id, "it crashes in the middle of a step");
            let boot = self.hosts[&id].boot;
            self.after(back, Happening::PowerReturns(id, boot));
        } else {
            self.kill_daemon(id, back);
        }
        true
    }

    /// All that is broken is mended, all that is off is switched on, and operators take back what they did.
    pub fn mend(&mut self, shape: &Shape) {
        self.trace.line(self.now, "MEND", format_args!("all of it"));
        self.trap = None;
        self.attended = true;
        self.power.mood = Mood::Good;
        self.engine.pace.delivery_ms = shape.pace.delivery_ms;
        self.with_engine(|engine, now| engine.part(now, &BTreeMap::new()));
        for id in self.ids() {
            let host = self.host(id);
            host.disk.full = false;
            host.agents.troubles.clear();
            host.daemon_returns = Some(Duration::from_secs(1));
            self.power_on(id);
            let (boot, back) = (self.hosts[&id].boot, Duration::from_secs(1));
            self.after(back, Happening::EngineStarts(id, boot));
            self.after(back * 2, Happening::DaemonStarts(id, boot));
            self.wish(Wish { write: standby(&self.name(id), false), mark: None, insists: true });
        }
        for resource in &shape.resources {
            let mut changes = clear(resource);
            changes.extend(disable(resource, false));
            let write = self.configure(changes);
            self.wish(Wish { write, mark: None, insists: true });
        }
        self.forget_failures();
    }

    /// An operator clears all failures and releases all nodes, and does not give up before it is done.
    pub fn forget_failures(&mut self) {
        for id in self.ids() {
            let write = Write::Attribute {
                node: self.name(id),
                lifetime: Lifetime::Permanent,
                name: controller::quarantine::ATTRIBUTE.into(),
                value: None,
                author: Author::default(),
            };
            self.wish(Wish { write, mark: None, insists: true });
        }
        let write = Write::Forget { node: None, resource: None, failures_only: false };
        self.wish(Wish { write, mark: None, insists: true });
    }

    fn configure(&self, changes: Vec<Change>) -> Write {
        let at = EPOCH + self.now.as_secs() as i64;
        let author = Author { user: "operator".into(), at, ..Author::default() };
        Write::Configure { patch: Patch { changes }, expected: None, author }
    }
}

fn standby(node: &str, on: bool) -> Write {
    Write::Attribute {
        node: node.to_owned(),
        lifetime: Lifetime::Permanent,
        name: "standby".into(),
        value: on.then(|| "on".to_owned()),
        author: Author::default(),
    }
}

fn move_to(resource: &str, node: &str) -> Vec<Change> {
    let mut changes = clear(resource);
    changes.push(Change::Create {
        path: "/cib/configuration/constraints".into(),
        position: usize::MAX,
        xml: format!(
            "<rsc_location id=\"cli-prefer-{resource}\" rsc=\"{resource}\" node=\"{node}\" score=\"INFINITY\"/>"
        ),
    });
    changes
}

fn clear(resource: &str) -> Vec<Change> {
    let path = format!("/cib/configuration/constraints/rsc_location[@id='cli-prefer-{resource}']");
    vec![Change::Delete { path }]
}

fn disable(resource: &str, off: bool) -> Vec<Change> {
    change_of(
        format!("{resource}-meta"),
        "meta_attributes",
        resource,
        "target-role",
        if off { "Stopped" } else { "Started" },
    )
}

fn parameter(resource: &str, value: u64) -> Vec<Change> {
    change_of(format!("{resource}-params"), "instance_attributes", resource, "value", &value.to_string())
}

/// One value of a set that every simulated primitive has. Where the primitive stands is not in the path, so groups and
/// clones are found by their depth.
fn change_of(set: String, kind: &str, resource: &str, name: &str, value: &str) -> Vec<Change> {
    let path = format!("{}/{kind}[@id='{set}']/nvpair[@id='{set}-{name}']", crate::scenario::path_of(resource));
    vec![Change::Modify { path, set: vec![("value".into(), value.to_owned())], unset: vec![] }]
}
