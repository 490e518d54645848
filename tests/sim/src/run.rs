//! One run, from a seed to a verdict: the cluster comes up, things go wrong for some minutes, all is mended, and after
//! a while everything must run where it should.

use std::time::Duration;

use cib::Cib;
use engine::NodeId;

use crate::agents::State;
use crate::checkers::Checkers;
use crate::faults::Fault;
use crate::random::Random;
use crate::scenario::Shape;
use crate::trace::Keep;
use crate::world::{Counts, Happening, World};

/// After everything was mended, all must run again within this. The longest chain there is: a fencing under way that
/// never answers (the timeouts of all its attempts and a margin, 220 s), a pause after it (60 s), a host that boots
/// (12 s), a stop that hangs (27 s), and the starts.
pub const BOUND: Duration = Duration::from_secs(600);
/// How often it is looked whether all is quiet.
const LOOK: Duration = Duration::from_secs(5);
/// Quiet for so many looks in a row is quiet: longer than the interval of a monitor, so that what died is missed.
const QUIET_LOOKS: u32 = 4;
/// The same where containers run, whose monitors come once a minute.
const QUIET_LOOKS_WITH_CONTAINERS: u32 = 15;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// The rule that was broken, if one was.
    pub broken: Option<String>,
    /// Virtual time that passed.
    pub lasted: Duration,
    /// How long it took from the mending until all was well.
    pub recovered: Duration,
    /// How much happened.
    pub counts: Counts,
    /// Of the trace: equal for equal runs.
    pub hash: u64,
    /// The last lines of the trace, if they were kept.
    pub lines: Vec<String>,
}

impl Verdict {
    /// The one command that repeats this run.
    pub fn command(&self) -> String {
        format!("cargo run -p sim --release -- --seed {} --trace", self.seed)
    }
}

/// Makes the run of a seed.
pub fn run(seed: u64, keep: Keep) -> Verdict {
    let mut random = Random::new(seed);
    let shape = Shape::any(&mut random);
    let mut world = world_of(&shape, random.number(), keep);
    world.trace.line(Duration::ZERO, "SHAPE", format_args!("{:?} {}", shape.pace, shape.cib));
    let mixed = random.percent(20);
    for id in shape.ids() {
        let delay = random.mostly_short(0, 60_000);
        world.after(delay, Happening::PowerReturns(id, 0));
        if mixed && random.percent(50) {
            world.host(id).protocol = wire::FIRST_PROTOCOL;
        }
    }
    let end = schedule(&mut world, &shape, &mut random);
    world.run_until(end);
    let recovered = settle(&mut world, &shape);
    verdict(seed, world, recovered)
}

/// A world in which this cluster is about to be switched on.
pub fn world_of(shape: &Shape, seed: u64, keep: Keep) -> World {
    let cib = Cib::parse(&shape.cib).expect("shapes are sound, as their test says");
    let watch = Checkers::new(shape.exclusive.iter().cloned());
    let mut world = World::new(seed, keep, &shape.hosts, &cib, shape.pace, watch);
    world.watchdog = shape.watchdog;
    world
}

/// Puts the faults of a run on the calendar. Gives the time after the last.
fn schedule(world: &mut World, shape: &Shape, random: &mut Random) -> Duration {
    // Now and then things go wrong before the cluster has come up.
    let mut at = if random.percent(15) { random.ms(1_000, 30_000) } else { random.ms(50_000, 90_000) };
    let many = random.between(3, 14);
    let longest_ms = *random.pick(&[3_000, 20_000, 60_000]);
    for _ in 0..many {
        world.after(at, Happening::Fault(Fault::any(shape, random)));
        at += random.ms(10, longest_ms);
    }
    at + random.ms(0, 30_000)
}

/// Mends everything and waits until all is well. Gives how long that took.
pub fn settle(world: &mut World, shape: &Shape) -> Duration {
    if world.watch.broken.is_some() {
        return Duration::ZERO;
    }
    let mended = world.now;
    world.mend(shape);
    let enough = if shape.implied.is_empty() { QUIET_LOOKS } else { QUIET_LOOKS_WITH_CONTAINERS };
    let mut looks = 0;
    let mut cleaned = false;
    while world.watch.broken.is_none() {
        let next = world.now + LOOK;
        world.run_until(next);
        looks = if is_quiet(world) { looks + 1 } else { 0 };
        if looks >= enough {
            if cleaned {
                judge(world, shape);
                break;
            }
            // What failed while it was being mended counts as a failure still.
            cleaned = true;
            looks = 0;
            world.forget_failures();
        }
        if world.now > mended + BOUND {
            let why = unrest(world);
            world.watch.breaks(format!("{} s after all was mended there is no quiet: {why}", BOUND.as_secs()));
        }
    }
    world.now - mended
}

/// What keeps the cluster from being quiet, in words; empty when it is.
fn unrest(world: &World) -> String {
    let mut why = Vec::new();
    if !world.operator.is_content() {
        why.push("an operator still waits".to_owned());
    }
    for host in world.hosts.values() {
        let name = &host.me.name;
        let Some(daemon) = &host.daemon else {
            why.push(format!("{name} has no daemon"));
            continue;
        };
        if daemon.node.view().members.len() != world.hosts.len() {
            why.push(format!("{name} sees {} members", daemon.node.view().members.len()));
        }
        if !daemon.node.is_quiet() {
            why.push(format!("{name} is not quiet"));
        }
        if host.agents.busy(daemon.life) {
            why.push(format!("agents run on {name}"));
        }
    }
    if world.coordinators().len() != 1 {
        why.push(format!("{} nodes coordinate", world.coordinators().len()));
    }
    why.join(", ")
}

fn is_quiet(world: &World) -> bool {
    unrest(world).is_empty()
}

/// All is quiet: is it as it should be?
pub fn judge(world: &mut World, shape: &Shape) {
    for id in shape.ids() {
        world.compare(id);
    }
    let Some(coordinator) = world.coordinators().first().copied() else { return };
    let clocks = world.hosts[&coordinator].clocks(world.now);
    let Some(daemon) = &world.hosts[&coordinator].daemon else { return };
    let cib = daemon.node.cib().clone();
    let digests: Vec<(NodeId, String)> = world.daemons().map(|(id, daemon)| (id, daemon.node.cib().digest())).collect();
    if let Some((other, _)) = digests.iter().find(|(_, digest)| *digest != cib.digest()) {
        world.watch.breaks(format!("nodes {coordinator} and {other} hold different CIBs in the end"));
    }
    world.watch.final_cib(&cib.document().to_xml());
    let planned = node::remote::plannable(&cib);
    let plan = policy::plan(&policy::Input::new(planned.document(), clocks.unix));
    if !plan.transition.is_empty() {
        let actions: Vec<String> = plan.transition.ids().map(|id| plan.transition.action(id).key.clone()).collect();
        world.watch.breaks(format!("all is quiet, but a plan would still do: {}", actions.join(", ")));
    }
    for resource in shape.all() {
        let there =
            |id: &NodeId| matches!(world.hosts[id].agents.state(resource), Some(State::Running | State::Promoted));
        let places: Vec<NodeId> = shape.ids().into_iter().filter(there).collect();
        let wanted = if shape.exclusive.contains(resource) { 1 } else { shape.hosts.len() };
        if places.len() != wanted {
            world.watch.breaks(format!("all is quiet, but {resource} runs on {} nodes, not on {wanted}", places.len()));
        }
    }
    for resource in shape.resources.iter().filter(|resource| resource.starts_with('m')) {
        let chosen = |id: &NodeId| world.hosts[id].agents.state(resource) == Some(State::Promoted);
        let many = shape.ids().iter().filter(|id| chosen(id)).count();
        if many != 1 {
            world.watch.breaks(format!("all is quiet, but {resource} is promoted on {many} nodes, not on 1"));
        }
    }
    if world.watch.broken.is_some() {
        world.say(coordinator, format_args!("its CIB in the end: {}", cib.document().to_xml()));
    }
}

/// What came of a world.
pub fn verdict(seed: u64, world: World, recovered: Duration) -> Verdict {
    Verdict {
        seed,
        broken: world.watch.broken.clone(),
        lasted: world.now,
        recovered,
        counts: world.counts,
        hash: world.trace.hash(),
        lines: world.trace.kept().map(str::to_owned).collect(),
    }
}
