//! The walk of the guides: a running cluster is emptied and furnished again, in the words of `pcs` alone, and each of its
//! tests is made.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};

use super::course::{Course, is_event};
use super::orders;
use crate::cluster;
use crate::control;
use crate::holdings::Thing;
use crate::node::Node;
use crate::story::What;

/// What is typed to furnish it.
const SCRIPT: &str = include_str!("walk.pcs");
/// What the script makes that runs.
const RUNNING: [&str; 3] = ["nfs-disk", "vip", "answer"];
/// What the second address becomes.
const OTHER: &str = "ip=192.168.122.199";
/// And what it makes beside that.
const DISABLED: [&str; 2] = ["nfs-daemon", "nfs-root"];

/// Furnished anew, the services fail, their node is put on standby and then loses power; all of it moves each time.
pub fn walk(course: &Course) -> Result<()> {
    let active = course.active()?;
    let subject = &course.scene().subject;
    let before = Course::configuration(&active)?;
    let disk = disk(course)?;
    pcs(&active, &["resource", "disable", subject, "--wait=120"])?;
    pcs(&active, &["resource", "delete", subject])?;
    for line in SCRIPT.replace("DISK", &disk).lines().filter(|line| !line.starts_with('#')) {
        pcs(&active, &line.split_whitespace().skip(1).collect::<Vec<_>>())?;
    }
    let first = served(course)?;
    says(&first, &["resource", "status"], &["nfs-disk", "vip", "Started"])?;
    says(&first, &["constraint"], &["nfs-disk", "vip", "kind:Optional"])?;
    says(&first, &["property", "config"], &["no-quorum-policy: stop"])?;
    pcs(&first, &["cluster", "verify"])?;

    // The second address is to be another one: the former goes, though the configuration does not know it any more.
    let former = course.spare()?;
    let spare = &course.scene().vips.get(1).context("the configuration has no second address")?.id;
    pcs(&first, &["resource", "update", spare, OTHER])?;
    course.sees("the former address to go", |one| one.what == What::Released(Thing::Address(former)))?;

    // One failure of the address, and all of it moves.
    course.strike(&first);
    orders::delete_address(course, &first)?;
    let second = course.goes_from(&first)?;
    says(&second, &["resource", "failcount", "show", "vip"], &[first.name()])?;
    pcs(&second, &["resource", "cleanup", "vip"])?;

    pcs(&second, &["node", "standby", second.name()])?;
    let third = course.goes_from(&second)?;
    pcs(&third, &["node", "unstandby", second.name()])?;

    // Its node loses power.
    course.strike(&third);
    third.switch_off()?;
    let last = course.goes_from(&third)?;
    course.sees("the lost node to be fenced", |one| is_event(one, "fenced"))?;
    says(&last, &["stonith", "history", "show", third.name()], &["reboot"])?;

    pcs(&last, &[&["resource", "disable"][..], &RUNNING, &["--wait=120"]].concat())?;
    for resource in RUNNING.iter().chain(&DISABLED) {
        pcs(&last, &["resource", "delete", resource])?;
    }
    course.restore(&last, &before)
}

/// The node that serves the client now.
fn served(course: &Course) -> Result<Arc<Node>> {
    course
        .field()
        .expect("the services to be there", || Ok(course.field().holder().filter(|_| course.field().is_answered())))
}

/// The parameters of the shared disk as they are configured, as pcs takes them.
fn disk(course: &Course) -> Result<String> {
    let cib = &course.scene().cib;
    let id = &course.scene().file_systems.first().context("the configuration has no file system")?.id;
    let primitive = cib.descendants(cib.root()).find(|element| cib.attribute(*element, "id") == Some(id));
    let set = primitive.and_then(|primitive| cib.child(primitive, "instance_attributes"));
    let set = set.with_context(|| format!("{id} has no parameters"))?;
    let pair = |pair| Some(format!("{}={}", cib.attribute(pair, "name")?, cib.attribute(pair, "value")?));
    Ok(cib.children_named(set, "nvpair").filter_map(pair).collect::<Vec<_>>().join(" "))
}

/// A command of pcs on a node; what it prints.
fn pcs(node: &Node, words: &[&str]) -> Result<String> {
    let mut command = Command::new(cluster::program("systole"));
    command.arg0("pcs").args(words).stdin(Stdio::null());
    command.env("SYSTOLE_SOCKET", control::socket(node)).env("OCF_ROOT", cluster::lab("ocf"));
    let output = command.output().context("running systole as pcs")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "pcs {}: {}", words.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Has a command tell something.
fn says(node: &Node, words: &[&str], wanted: &[&str]) -> Result<()> {
    let text = pcs(node, words)?;
    match wanted.iter().find(|wanted| !text.contains(**wanted)) {
        Some(missing) => bail!("pcs {}: expected {missing:?} in it:\n{text}", words.join(" ")),
        None => Ok(()),
    }
}
