//! Nodes and links are lost.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::course::{Course, is_event};
use crate::fault::at_once;
use crate::holdings::Thing;
use crate::node::Node;
use crate::power::BOOT;
use crate::story::What;

fn crash_of(course: &Course, victim: &Arc<Node>) -> Result<()> {
    course.strike(victim);
    victim.switch_off()?;
    course.goes_from(victim)?;
    course.sees("the lost node to be fenced", |one| is_event(one, "fenced"))
}

/// The active node loses power, another one coordinates.
pub fn crash(course: &Course) -> Result<()> {
    crash_of(course, &course.active_that_coordinates(false)?)
}

/// The active node loses power, and coordinated.
pub fn crash_coordinator(course: &Course) -> Result<()> {
    crash_of(course, &course.active_that_coordinates(true)?)
}

/// A node that does not serve the client loses power.
pub fn crash_bystander(course: &Course) -> Result<()> {
    let active = course.active()?;
    let victim = course.another(&[&active])?;
    course.strike(&victim);
    victim.switch_off()?;
    course.sees("the lost node to be fenced", |one| is_event(one, "fenced"))?;
    course.field().rest()?;
    ensure!(course.active()?.name() == active.name(), "the services moved without a reason");
    let address = course.field().address();
    ensure!(!course.has_seen(|one| one.what == What::Released(address.clone())), "the client's address was let go of");
    Ok(())
}

/// The active node is cut off.
pub fn isolate(course: &Course) -> Result<()> {
    let victim = course.active()?;
    course.strike(&victim);
    course.cluster().isolate(&victim)?;
    course.goes_from(&victim)?;
    course.sees("the isolated node to be fenced", |one| is_event(one, "fenced"))
}

/// A node is cut off, and nothing fences. Only an address is at stake: nobody can know whether the other side has let go
/// of it, and a file system would not survive that.
pub fn isolate_unfenced(course: &Course) -> Result<()> {
    let spare = course.spare()?;
    let active = course.active()?;
    let victim = course.spared_from(&active)?;
    course.set_property(&active, "stonith-enabled", "false")?;
    course.field().rest()?;
    course.may_overlap(spare);
    course.strike(&victim);
    course.cluster().isolate(&victim)?;
    let thing = Thing::Address(spare);
    course.field().expect("the isolated node to give up its address, and another to take it", || {
        let holder = course.field().holder_of(&thing);
        Ok(holder.filter(|holder| holder.name() != victim.name()))
    })?;
    course.nobody_was_fenced()?;
    ensure!(course.active()?.name() == active.name(), "the services moved without a reason");
    course.cluster().heal(&victim)?;
    course.field().rest()?;
    course.set_property(&active, "stonith-enabled", "true")
}

/// Longer than any engine of the lab needs to count someone as lost, were it to.
fn long_enough(course: &Course) -> Duration {
    Duration::from_millis(3 * course.options.token_ms)
}

/// One link is cut, then the other one of another node.
pub fn link_loss(course: &Course) -> Result<()> {
    let active = course.active()?;
    let spare = Thing::Address(course.spare()?);
    let spares = course.field().holder_of(&spare).context("nobody has the second address")?;
    // An address on a link without a carrier is of no use, and its agent says so.
    let bystander = course.another(&[&active, &spares])?;
    course.strike(&bystander);
    // The first link of the active node is the client's way to it.
    for (node, link) in [(&bystander, 0), (&active, 1)] {
        course.story().lab(format!("link {link} of {} is cut", node.name()));
        node.plug_link(link, false)?;
        course.let_pass(long_enough(course));
        node.plug_link(link, true)?;
        course.let_pass(long_enough(course));
    }
    ensure!(!course.has_seen(|one| is_event(one, "membership")), "a node was lost with a link to spare");
    course.nothing_was_stopped()?;
    course.nobody_was_fenced()
}

/// Two of five nodes lose power in the same moment.
pub fn two_of_five(course: &Course) -> Result<()> {
    let active = course.active()?;
    let other = course.another(&[&active])?;
    course.strike(&active);
    at_once([&active, &other].into_iter(), |node| node.switch_off())?;
    course.goes_from(&active)?;
    for victim in [&active, &other] {
        course.sees(&format!("{} to be fenced", victim.name()), |one| {
            matches!(&one.what, What::Log(line) if line.event == "fenced" && line.on.as_deref() == Some(victim.name()))
        })?;
    }
    Ok(())
}

/// The active node shuts down in good order, and boots again.
pub fn leave(course: &Course) -> Result<()> {
    let active = course.active()?;
    let pid = active.pid().context("the active node is off")?;
    course.strike(&active);
    kill(Pid::from_raw(i32::try_from(pid).context("a process's number fits")?), Signal::SIGTERM)
        .with_context(|| format!("shutting {} down", active.name()))?;
    course.goes_from(&active)?;
    course.field().expect("the node to go off", || Ok((!active.is_on()).then_some(())))?;
    course.nobody_was_fenced()?;
    course.cluster().boot_later(active, BOOT);
    course.field().rest()?;
    course.nobody_was_fenced()
}
