//! A node that no fence device can reach loses its mind: its watchdog is the last guard.

use anyhow::{Context as _, Result, ensure};
use cib::Document;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::course::{Course, is_event, set_property};
use crate::node::Node;
use crate::story::What;
use crate::watchdogs::TIMEOUT;

/// The daemon of the active node stands still while its services run on; the watchdog ends the host, and only after that
/// does anybody start what it had. No device is there to fence.
pub fn bites(course: &Course) -> Result<()> {
    let active = course.active_that_coordinates(false)?;
    let before = course.change(&active, "watchdog", rely_on_watchdogs)?;
    course.field().rest()?;
    course.cluster().connect_watchdogs(true);
    let daemon = active.daemon().context("the active node has no daemon")?;
    course.strike(&active);
    course.story().lab(format!("the daemon of {} stands still", active.name()));
    kill(Pid::from_raw(daemon as i32), Signal::SIGSTOP).context("stopping a daemon")?;
    let bitten = is_reset(course, &active);
    course.cluster().connect_watchdogs(false);
    bitten?;
    course.goes_from(&active)?;
    course.cluster().switch_on(&active)?;
    course.field().rest()?;
    let resets = course.count(|one| matches!(&one.what, What::Lab(text) if text.starts_with("the watchdog of")));
    ensure!(resets == 1, "one watchdog was to bite once, and there were {resets} resets");
    course.restore(&*course.active()?, &before)
}

/// The isolated active node stops what it has in time, so that its watchdog need not bite.
pub fn spares(course: &Course) -> Result<()> {
    let active = course.active()?;
    let before = course.change(&active, "watchdog", rely_on_watchdogs)?;
    course.field().rest()?;
    course.cluster().connect_watchdogs(true);
    course.strike(&active);
    course.cluster().isolate(&active)?;
    let gone = course.goes_from(&active);
    let is_on = active.is_on();
    course.cluster().connect_watchdogs(false);
    gone?;
    ensure!(is_on, "a node that had stopped everything was reset all the same");
    course.cluster().heal(&active)?;
    course.field().rest()?;
    course.restore(&*course.active()?, &before)
}

/// Takes the fence device away, and has a lost node count as dead once its watchdog must have ended it.
fn rely_on_watchdogs(cib: &mut Document) -> Result<()> {
    let resources = cib.descend(&["configuration", "resources"]).context("the CIB has no resources")?;
    let device = cib.children(resources).find(|one| cib.attribute(*one, "class") == Some("stonith"));
    cib.remove(device.context("the configuration has no fence device")?);
    set_property(cib, "have-watchdog", "true")?;
    set_property(cib, "stonith-watchdog-timeout", &format!("{}s", 2 * TIMEOUT.as_secs()))
}

/// The watchdog has bitten, and nobody has started anything before the lost node counted as dead.
fn is_reset(course: &Course, node: &Node) -> Result<()> {
    let reset = format!("the watchdog of {} was not fed", node.name());
    course.sees(
        "the watchdog to reset the node",
        |one| matches!(&one.what, What::Lab(text) if text.starts_with(&reset)),
    )?;
    let address = course.field().address();
    let is_held = || course.has_seen(|one| one.what == What::Held(address.clone()));
    course.field().expect("the lost node to count as dead", || {
        let is_dead = course.has_seen(|one| is_event(one, "fenced"));
        ensure!(is_dead || !is_held(), "the services were started before the lost node counted as dead");
        Ok(is_dead.then_some(()))
    })
}
