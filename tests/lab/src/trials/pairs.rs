//! Two nodes: where one of them has to go on alone, or must not.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cib::Document;

use super::course::{Course, is_event, set_property};
use crate::fault::at_once;

/// So long a node waits before it fences one that runs more important things: many times what a fencing takes here, also
/// on a busy machine.
const HEAD_START: &str = "15s";

/// So long a node that must start nothing is watched: many times what starting takes.
const ALONE: Duration = Duration::from_secs(5);

/// Two nodes that do not hear each other both may fence, and the one that serves the client is to be first.
pub fn prefer_who_serves(cib: &mut Document) -> Result<()> {
    set_property(cib, "priority-fencing-delay", HEAD_START)?;
    let defaults = cib.descend(&["configuration", "rsc_defaults", "meta_attributes"]);
    let pair = cib.append(defaults.context("the CIB has no defaults of resources")?, "nvpair");
    cib.set(pair, "id", "lab-priority");
    cib.set(pair, "name", "priority");
    cib.set(pair, "value", "1");
    Ok(())
}

/// The node that does not serve the client is cut off: it may fence too, and is slower.
pub fn split(course: &Course) -> Result<()> {
    let active = course.active()?;
    let other = course.another(&[&active])?;
    course.strike(&other);
    course.cluster().isolate(&other)?;
    course.sees("the other node to be fenced", |one| is_event(one, "fenced"))?;
    course.field().rest()?;
    ensure!(course.active()?.name() == active.name(), "the services moved without a reason");
    course.nothing_was_stopped_on(&active)
}

/// Both lose power, and one gets it back: it cannot know whether the other one runs and only the network is gone.
pub fn alone(course: &Course) -> Result<()> {
    let active = course.active()?;
    let other = course.another(&[&active])?;
    let (field, cluster) = (course.field(), course.cluster());
    course.strike(&active);
    at_once(cluster.nodes().iter(), |node| node.switch_off())?;
    cluster.switch_on(&other)?;
    field.expect("the node to be there", || Ok((cluster.members()? == 1).then_some(())))?;
    course.let_pass(ALONE);
    ensure!(!field.witness.holdings().is_anything_held(), "something was started before both were there");
    course.nobody_was_fenced()?;
    cluster.switch_on(&active)?;
    field.rest()
}

/// The same where a third vote says that the others hear nothing either: it is enough to go on.
pub fn alone_with_device(course: &Course) -> Result<()> {
    let active = course.active()?;
    let other = course.another(&[&active])?;
    let (field, cluster) = (course.field(), course.cluster());
    course.strike(&active);
    at_once(cluster.nodes().iter(), |node| node.switch_off())?;
    cluster.switch_on(&other)?;
    course.sees("the missing node to be fenced", |one| is_event(one, "fenced"))?;
    course.comes_to(&other)?;
    field.rest()
}

/// The quorum device is gone for a while; the two nodes have two of three votes without it.
pub fn device_lost(course: &Course) -> Result<()> {
    let active = course.active()?;
    let device = course.cluster().device().context("there is no quorum device")?;
    course.strike(&active);
    device.switch_off()?;
    course.story().lab("the quorum device is switched off".to_owned());
    course.let_pass(Duration::from_millis(12 * course.options.token_ms));
    device.switch_on()?;
    course.story().lab("the quorum device is switched on".to_owned());
    course.field().rest()?;
    course.nothing_was_stopped()?;
    course.nobody_was_fenced()
}
