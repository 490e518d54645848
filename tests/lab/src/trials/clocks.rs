//! Wall clocks jump.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::course::{Course, is_event};
use crate::cluster::CLOCK_OFFSET;
use crate::node::Node;

/// What the clocks are turned by, one after the other: an hour, as a wrong time zone has it, a day, and years, as a board
/// whose battery is empty.
const JUMPS_S: [i64; 6] = [3_600, -3_600, 86_400, -86_400, -1_000_000_000, 0];

/// Longer than any recurring monitor of the trials needs to come around again.
const WATCHED: Duration = Duration::from_secs(2);

/// The clocks of the active node, of the coordinator, then of all jump to and fro: nothing happens, and what is asked for
/// meanwhile is done.
pub fn jump(course: &Course) -> Result<()> {
    let active = course.active_that_coordinates(false)?;
    let coordinator = course.coordinator()?;
    course.strike(&active);
    for (place, seconds) in JUMPS_S.into_iter().enumerate() {
        let turned: Vec<&Arc<Node>> = match place % 3 {
            0 => vec![&active],
            1 => vec![&coordinator],
            _ => course.cluster().nodes().iter().collect(),
        };
        for node in &turned {
            course.story().lab(format!("the clock of {} is turned by {seconds} s", node.name()));
            turn(node, seconds)?;
        }
        course.let_pass(WATCHED);
        let (name, value) = ("lab-clock", place.to_string());
        course.set_property(&active, name, &value).context("while clocks are off")?;
        let found = course.property(&coordinator, name)?;
        ensure!(found.as_ref() == Some(&value), "{} holds {found:?} for {name}", coordinator.name());
    }
    course.cluster().nodes().iter().try_for_each(|node| turn(node, 0))?;
    course.field().rest()?;
    course.nothing_was_stopped()?;
    course.nobody_was_fenced()?;
    ensure!(!course.has_seen(|one| is_event(one, "membership")), "a node was lost for its clock");
    ensure!(course.active()?.name() == active.name(), "the services moved without a reason");
    Ok(())
}

fn turn(node: &Node, seconds: i64) -> Result<()> {
    let file = node.run_directory().join(CLOCK_OFFSET);
    fs::write(&file, seconds.to_string()).with_context(|| format!("writing {}", file.display()))
}
