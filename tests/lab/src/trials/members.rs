//! A node is taken out of the cluster for good, and one of its name comes in again.

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::course::Course;
use crate::control::classic;
use crate::holdings::Thing;
use crate::node::Node;
use crate::ring;

/// A node that runs nothing leaves, is taken out of Corosync and of the configuration, and comes back as a new one.
pub fn remove(course: &Course) -> Result<()> {
    let active = course.active()?;
    let spare = course.field().holder_of(&Thing::Address(course.spare()?)).context("nobody has the second address")?;
    let victim = course.another(&[&active, &spare])?;
    let others = || course.cluster().nodes().iter().filter(|node| node.name() != victim.name());
    let expected = || -> Result<u32> {
        let output = active.inside("corosync-quorumtool")?.arg("-s").output().context("running corosync-quorumtool")?;
        ring::expected_votes(&String::from_utf8_lossy(&output.stdout)).context("Corosync does not say its votes")
    };
    let all = expected()?;
    course.strike(&victim);
    let pid = victim.pid().context("a node is off")?;
    kill(Pid::from_raw(pid as i32), Signal::SIGTERM).with_context(|| format!("shutting {} down", victim.name()))?;
    course.field().expect("the node to go off", || Ok((!victim.is_on()).then_some(())))?;
    course.field().rest()?;

    let mut texts = Vec::new();
    for node in others() {
        let text = ring::read_configuration(node.name())?;
        ring::write_configuration(node.name(), &ring::without(&text, victim.name())?)?;
        texts.push((node, text));
    }
    reload(&active)?;
    classic(&active, &["crm_node", "--remove", victim.name(), "--force"])?;
    course.field().expect("Corosync to count one vote less", || Ok((expected()? == all - 1).then_some(())))?;
    course.field().rest()?;
    for node in others() {
        let cib = Course::configuration(node)?;
        let named = cib.descendants(cib.root()).any(|one| cib.attribute(one, "uname") == Some(victim.name()));
        ensure!(!named, "{} still has {} in its configuration", node.name(), victim.name());
    }

    for (node, text) in texts {
        ring::write_configuration(node.name(), &text)?;
    }
    reload(&active)?;
    course.cluster().switch_on(&victim)?;
    course.field().rest()?;
    ensure!(expected()? == all, "Corosync does not count the node that came back");
    let everyone = course.cluster().nodes().len();
    course.field().expect("all to be members", || Ok((course.cluster().members()? == everyone).then_some(())))?;
    course.nobody_was_fenced()?;
    course.nothing_was_stopped()?;
    Ok(())
}

/// Has all Corosyncs read their configuration again.
fn reload(by: &Node) -> Result<()> {
    let output = by.inside("corosync-cfgtool")?.arg("-R").output().context("running corosync-cfgtool")?;
    if !output.status.success() {
        bail!("corosync-cfgtool -R: {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    Ok(())
}
