//! Programs of the cluster itself are killed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::course::{Course, is_event};
use crate::ring::COROSYNC;

/// Between two kills: from a daemon that is still starting to one that has long been at rest.
const PAUSE_MS: [u64; 2] = [200, 2500];

/// A supervisor gives a node up whose daemon dies more often in a minute; that is not what is tried here.
const KILLS_A_MINUTE: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// Daemons are killed at random.
pub fn killed_at_random(course: &Course) -> Result<()> {
    let active = course.active()?;
    course.strike(&active);
    let mut chance = Chance(course.options.seed | 1);
    let until = Instant::now() + Duration::from_secs(course.options.kill_s);
    let nodes = course.cluster().nodes();
    let mut kills: Vec<Vec<Instant>> = vec![Vec::new(); nodes.len()];
    while Instant::now() < until {
        let chosen = chance.below(nodes.len() as u64) as usize;
        let lately = kills[chosen].iter().filter(|at| at.elapsed() < MINUTE).count();
        if lately < KILLS_A_MINUTE && nodes[chosen].daemon().is_some() {
            course.story().lab(format!("the daemon of {} is killed", nodes[chosen].name()));
            nodes[chosen].kill_service("systoled")?;
            kills[chosen].push(Instant::now());
        }
        course.let_pass(Duration::from_millis(PAUSE_MS[0] + chance.below(PAUSE_MS[1] - PAUSE_MS[0])));
    }
    course.field().rest()?;
    course.nothing_was_stopped()?;
    course.nobody_was_fenced()?;
    ensure!(course.active()?.name() == active.name(), "the services moved without a reason");
    ensure!(kills.iter().any(|kills| !kills.is_empty()), "no daemon was killed");
    Ok(())
}

/// Corosync of the active node is killed.
pub fn corosync_killed(course: &Course) -> Result<()> {
    let active = course.active()?;
    course.strike(&active);
    active.kill_service(COROSYNC)?;
    course.goes_from(&active)?;
    course.sees("the node without Corosync to be fenced", |one| is_event(one, "fenced"))
}

/// Corosync is killed on all nodes, and started again when all have let go.
pub fn corosync_killed_everywhere(course: &Course) -> Result<()> {
    let active = course.active()?;
    course.strike(&active);
    for node in course.cluster().nodes() {
        node.kill_service(COROSYNC)?;
    }
    let field = course.field();
    field.expect("everything to stop without an engine", || {
        Ok((!field.witness.holdings().is_anything_held()).then_some(()))
    })?;
    for node in course.cluster().nodes() {
        node.start_service(COROSYNC)?;
    }
    Ok(())
}

/// Chance that can be had again: SplitMix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
