//! What goes wrong, and what operators do meanwhile. A new kind of fault is a variant here, its line in `Fault::any`, and
//! its deed in [`strike`](crate::strike): the seeds find it by themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::NodeId;

use crate::agents::{State, Trouble};
use crate::power::Mood;
use crate::random::Random;
use crate::scenario::Shape;

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
    /// A whole host stands still, as a virtual machine that is moved, and goes on where it was.
    Pause(NodeId, Duration),
    /// Only a daemon stands still, for want of memory or by a signal; its host goes on.
    PauseDaemon(NodeId, Duration),
    /// A host hears the others and is not heard, or is heard at times only: rings form and break again and again.
    OneWay(NodeId, Duration),
    /// The wall clock of a host jumps so many seconds.
    ClockJump(NodeId, i64),
    /// A disk takes up to so many milliseconds to write something down.
    SlowDisk(NodeId, u64),
    /// A host crashes three times in a row, as one with a broken part does.
    Flap(NodeId),
    /// The daemons are restarted one after the other, as an upgrade does.
    RollingRestart(Duration),
    /// A daemon is restarted as one of that protocol: a build that is newer or older than its peers.
    Version(NodeId, u32),
    /// Somebody sends what is no message, or one of a version that nobody knows.
    Garbage(NodeId, u64),
    /// The whole cluster is told to stop; its daemons are started again later.
    StopCluster(Duration),
    /// An operator puts the whole cluster into maintenance, or out of it.
    Maintenance(bool),
    /// Every node says within a moment what it measures, as agents that ping a router do.
    Measured(u64),
    /// One node says what it measures; for so many milliseconds what the nodes say is gathered.
    Attribute(NodeId, String, u64),
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
    /// What kind of fault it is: its name, and how a power switch behaves.
    pub fn kind(&self) -> String {
        let text = format!("{self:?}");
        match self {
            Fault::PowerMood(_) => text,
            _ => text.split('(').next().unwrap_or_default().to_owned(),
        }
    }

    /// Some fault for a cluster of that shape.
    pub fn any(shape: &Shape, random: &mut Random) -> Fault {
        let node = *random.pick(&shape.ids());
        let resource = random.pick(&shape.resources).clone();
        // What goes wrong goes wrong with containers as well.
        let any_of_all = random.pick(&shape.all().cloned().collect::<Vec<_>>()).clone();
        match random.below(138) {
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
                Fault::ResourceDies(any_of_all, left)
            }
            56..66 => {
                let action = (*random.pick(&["start", "stop", "monitor"])).to_owned();
                let many = 1 + random.below(3);
                let troubles = (0..many).map(|_| *random.pick(&Trouble::ALL)).collect();
                Fault::AgentTrouble(node, any_of_all, action, troubles)
            }
            66..72 => Fault::PowerMood(loop {
                let mood = *random.pick(&Mood::ALL);
                // Two that believe of each other that they are off both go on, and what one wrote is lost when they meet.
                if mood != Mood::Lying || shape.hosts.len() > 2 {
                    break mood;
                }
            }),
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
            99..100 => Fault::Cleanup(random.percent(50).then_some(resource)),
            100..105 => Fault::Pause(node, random.mostly_short(100, 120_000)),
            105..109 => Fault::PauseDaemon(node, random.mostly_short(100, 60_000)),
            109..113 => Fault::OneWay(node, random.ms(1_000, 20_000)),
            113..116 => Fault::ClockJump(node, random.between(0, 7_200) as i64 - 3_600),
            116..119 => Fault::SlowDisk(node, random.between(1_000, 30_000)),
            119..121 => Fault::Flap(node),
            121..123 => Fault::RollingRestart(random.ms(100, 3_000)),
            123..127 => Fault::Version(node, random.between(1, u64::from(wire::PROTOCOL)) as u32),
            127..129 => Fault::Garbage(node, random.number()),
            129..131 => Fault::StopCluster(random.ms(20_000, 60_000)),
            131..133 => Fault::Maintenance(random.percent(40)),
            133..136 => Fault::Measured(random.between(0, 3) * 100),
            _ => Fault::Attribute(node, "load".into(), random.between(0, 5)),
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
