//! Resources fail, and operators have wishes.

use anyhow::{Context as _, Result, ensure};

use super::course::Course;
use crate::control::systole;
use crate::netlink::Netlink;
use crate::network::Namespace;
use crate::node::Node;
use crate::story::What;

/// The client's address is deleted.
pub fn fail(course: &Course) -> Result<()> {
    let active = course.active()?;
    course.strike(&active);
    delete_address(course, &active)?;
    let address = course.field().address();
    course.sees("the address to go", |one| one.what == What::Released(address.clone()))?;
    course.comes_to(&active)?;
    course.nobody_was_fenced()
}

/// Takes the client's address off the node that has it.
pub fn delete_address(course: &Course, node: &Node) -> Result<()> {
    let ip = course.scene().network.ip;
    let pid = node.pid().context("the active node is off")?;
    let deleted = Namespace::of_process(pid)?.inside(|| Netlink::open()?.delete_address(ip))?;
    ensure!(deleted, "{} does not have the address {ip}", node.name());
    Ok(())
}

/// The ledger is killed.
pub fn fail_service(course: &Course) -> Result<()> {
    let active = course.active()?;
    let ledger = course.scene().ledger.as_ref().context("the configuration has no ledger")?;
    let pid_file = active.run_directory().join(format!("Ledger-{}.pid", ledger.port));
    let number = std::fs::read_to_string(&pid_file).with_context(|| format!("reading {}", pid_file.display()))?;
    course.strike(&active);
    // The number is the node's own, so the node's own kill(1) knows it.
    let status = active.inside("kill")?.args(["-KILL", number.trim()]).status().context("killing the ledger")?;
    ensure!(status.success(), "killing the ledger: {status}");
    let id = ledger.id.clone();
    course.sees("the ledger to be started again", |one| {
        matches!(&one.what, What::Log(line) if line.event == "operation_end"
            && line.operation.as_deref() == Some("start") && line.resource.as_ref() == Some(&id) && line.rc == Some(0))
    })?;
    course.field().rest()?;
    ensure!(course.active()?.name() == active.name(), "one failure moved the services");
    course.nobody_was_fenced()
}

/// The services are moved, the constraint is taken back, and they stay.
pub fn move_away(course: &Course) -> Result<()> {
    let active = course.active()?;
    let target = course.another(&[&active])?;
    course.strike(&active);
    systole(&target, &["move", &course.scene().subject, target.name()])?;
    course.comes_to(&target)?;
    systole(&target, &["clear", &course.scene().subject])?;
    course.field().rest()?;
    ensure!(course.active()?.name() == target.name(), "the services did not stay where they were moved");
    course.nobody_was_fenced()
}

/// The active node is put on standby, and taken back; what has moved stays.
pub fn standby(course: &Course) -> Result<()> {
    let active = course.active()?;
    let other = course.another(&[&active])?;
    course.strike(&active);
    systole(&other, &["standby", active.name()])?;
    let target = course.goes_from(&active)?;
    course.field().rest()?;
    systole(&other, &["unstandby", active.name()])?;
    course.field().rest()?;
    ensure!(course.active()?.name() == target.name(), "the services did not stay where they were");
    course.nobody_was_fenced()
}
