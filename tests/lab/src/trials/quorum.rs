//! The majority is lost, or all.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::course::Course;
use crate::clock;
use crate::fault::at_once;

/// So long whatever is stopped must stay stopped.
const ALONE: Duration = Duration::from_secs(2);

/// All nodes but the active one lose power, and the power switch with them: for a moment the active one may have one of
/// the two still beside it, and so the right to fence the other, which would bring that one back.
pub fn lost_and_regained(course: &Course) -> Result<()> {
    let active = course.active()?;
    let (field, cluster) = (course.field(), course.cluster());
    course.strike(&active);
    cluster.set_switch_dead(true);
    at_once(cluster.nodes().iter().filter(|node| node.name() != active.name()), |node| node.switch_off())?;
    let held = || field.witness.holdings().is_anything_held();
    field.expect("everything to stop without quorum", || Ok((!held()).then_some(())))?;
    let stopped_us = clock::now_us();
    course.let_pass(ALONE);
    ensure!(!held(), "something was started without quorum");
    // One that was asked for before may be acknowledged to a client that looks for its answer only now.
    let asked_us = field.recorder.as_ref().map_or(0, |recorder| recorder.records().asked_us);
    ensure!(asked_us <= stopped_us, "a record was acknowledged without quorum");
    cluster.set_switch_dead(false);
    at_once(cluster.nodes().iter().filter(|node| !node.is_on()), |node| cluster.switch_on(node))
}

/// All nodes lose power right after a change was acknowledged.
pub fn power(course: &Course) -> Result<()> {
    let active = course.active()?;
    let mark = clock::now_us().to_string();
    course.set_property(&active, "lab-mark", &mark)?;
    all_off_and_on(course)?;
    course.field().rest()?;
    for node in course.cluster().nodes() {
        let found = course.property(node, "lab-mark")?;
        ensure!(found.as_ref() == Some(&mark), "{} has lost an acknowledged change: it holds {found:?}", node.name());
    }
    Ok(())
}

/// The power fails, and comes back.
pub fn all_off_and_on(course: &Course) -> Result<()> {
    let active = course.active()?;
    course.strike(&active);
    at_once(course.cluster().nodes().iter(), |node| node.switch_off())?;
    ensure!(!course.field().witness.holdings().is_anything_held(), "a node without power holds something");
    let cluster = course.cluster();
    at_once(cluster.nodes().iter(), |node| cluster.switch_on(node))
}
