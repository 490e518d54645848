//! What happens to clusters after they were set up, on hosts with a systemd of their own and Debian's Corosync: a network
//! that is probed before, a node that is lost for good and comes back with its old file, a start with a host missing, and
//! a node that goes on by itself.

use anyhow::{Context as _, Result, ensure};
use lab::bare::{COROSYNC, Host, Networks, refusal};
use lab::bare_steps::{boot, enroll, healthy, refused, until};
use serde_json::Value;

#[test]
fn nodes_that_are_lost_come_back_or_go_for_good() {
    if let Some(why) = refusal(&[COROSYNC]) {
        println!("not tested: {why}");
        return;
    }
    if let Err(error) = walk() {
        panic!("{error:#}");
    }
}

fn walk() -> Result<()> {
    let networks = Networks::make()?;
    let hosts = boot(&networks, 3)?;
    enroll(&hosts)?;
    probe(&hosts, &networks)?;
    let first = &hosts[0];
    first.say("systole cluster setup hacl node1 node2 node3 --tolerate-pause 2s --start --enable")?;
    healthy(first, 3)?;
    probe_while_it_runs(first)?;
    examine(first)?;
    let_in(first)?;
    lost_for_good(&hosts, &networks)?;
    cold_start(&hosts)?;
    by_itself(&hosts)
}

fn report(host: &Host, line: &str) -> Result<(Option<i32>, Value)> {
    let output = host.run(line)?;
    let report = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{line}: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), report))
}

/// Findings of these rules; a busy machine may lose packets and pause, which is not what is tried here.
fn findings<'r>(report: &'r Value, rules: &[&str]) -> Vec<&'r Value> {
    let all = report["findings"].as_array().into_iter().flatten();
    all.filter(|finding| rules.iter().any(|rule| finding["rule"] == *rule)).collect()
}

const NETWORK: [&str; 4] = ["way", "address", "silent", "agent"];
const WITH_LINKS: &str = "systole cluster probe node1 addr=10.77.0.1 addr=10.78.0.1 node2 addr=10.77.0.2 addr=10.78.0.2 \
                          node3 addr=10.77.0.3 addr=10.78.0.3 --soak 1s --json";

/// Bare hosts: each pair and link is measured, and what is cut off is found.
fn probe(hosts: &[Host], networks: &Networks) -> Result<()> {
    let first = &hosts[0];
    refused(first, "systole cluster setup hacl node1 node2 --tolerate-pause probed", "no probe was made between")?;
    let (status, wrong) = report(first, "systole cluster probe node1 addr=10.77.0.9 node2 --soak 1s --json")?;
    let found = findings(&wrong, &["address"]);
    ensure!(
        status == Some(1) && found.first().is_some_and(|one| one["message"] == "nothing can listen at 10.77.0.9"),
        "{wrong}"
    );
    let (_, well) = report(first, WITH_LINKS)?;
    ensure!(findings(&well, &NETWORK).is_empty(), "{well}");
    let ways = well["ways"].as_array().context("ways")?;
    ensure!(ways.len() == 12, "three hosts, two links, both directions: {well}");
    for way in ways {
        ensure!(way["came"].as_u64() > Some(0) && way["mtu"] == 1500 && way["average_us"].as_u64() > Some(0), "{way}");
    }
    ensure!(well["pauses_us"]["node3"].is_u64(), "{well}");

    networks.cable(&hosts[2], 1, false)?;
    let (status, cut) = report(first, WITH_LINKS)?;
    let found = findings(&cut, &["way"]);
    let is = |one: &Value, from: &str, to: &str| {
        one["host"] == from && one["message"] == format!("nothing comes back from {to} over link 1").as_str()
    };
    ensure!(status == Some(1) && found.iter().any(|one| is(one, "node1", "node3")), "{cut}");
    ensure!(!found.iter().any(|one| is(one, "node1", "node2")), "{cut}");
    networks.cable(&hosts[2], 1, true)?;
    // What was measured is held against the timers of a set-up.
    let shown = first.run("systole cluster setup hacl node1 node2 node3 --tolerate-pause probed --plan")?;
    let told = String::from_utf8_lossy(&shown.stderr).into_owned();
    ensure!(shown.status.success() && told.contains("the probe measured a pause of"), "{told}");
    Ok(())
}

/// Corosync holds its own ports: others are used, and the network is found well all the same.
fn probe_while_it_runs(first: &Host) -> Result<()> {
    let (_, well) = report(first, "systole cluster probe --soak 1s --json")?;
    ensure!(findings(&well, &NETWORK).is_empty(), "{well}");
    ensure!(well["ways"].as_array().is_some_and(|ways| ways.len() == 6), "{well}");
    healthy(first, 3)
}

/// What the doctor says of resources, and what goes on with a probe.
fn examine(first: &Host) -> Result<()> {
    until("the daemons have met", || {
        let found: Value = serde_json::from_slice(&first.run("systole doctor --json")?.stdout)?;
        let rules: Vec<&str> = found.as_array().into_iter().flatten().filter_map(|one| one["rule"].as_str()).collect();
        ensure!(rules.contains(&"fencing") && !rules.contains(&"mtu"), "{found}");
        Ok(())
    })
}

fn let_in(first: &Host) -> Result<()> {
    first.say("systole cluster uidgid add uid=hacluster gid=haclient")?;
    ensure!(first.say("systole cluster uidgid")? == "UID/GID: uid=hacluster gid=haclient\n");
    first.say("systole cluster reload corosync")?;
    first.say("systole cluster uidgid delete uid=hacluster gid=haclient")?;
    refused(first, "systole cluster uidgid add uid=../x", "expected a name or a number")
}

/// A node that is lost is removed without its help; when it comes back, its old file does no harm, and it joins anew.
fn lost_for_good(hosts: &[Host], networks: &Networks) -> Result<()> {
    let [first, _, third] = hosts else { unreachable!("three were booted") };
    networks.connect(third, false)?;
    until("node3 is missed", || {
        let status = first.run("systole cluster status")?;
        let told = String::from_utf8_lossy(&status.stdout).into_owned();
        ensure!(told.matches("with quorum, together with node1, node2").count() == 2, "{told}");
        ensure!(!told.contains("together with node1, node2, node3"), "{told}");
        Ok(())
    })?;
    refused(first, "systole cluster node remove node3", "node3: no host agent answers")?;
    first.say("systole cluster node remove node3 --skip-offline")?;
    healthy(first, 2)?;
    ensure!(!first.say("systole status")?.contains("node3"), "the resources' configuration knows it no more");
    let cleared = first.say("systole cluster node clear node3")?;
    ensure!(cleared.contains("does not know node3"), "{cleared}");
    refused(first, "systole cluster node clear node2", "node2 is a node of corosync.conf")?;

    networks.connect(third, true)?;
    for line in ["start", "sync", "config update totem token=5000", "node add node9"] {
        until("the old file is refused", || {
            refused(third, &format!("systole cluster {line}"), "this host was removed from the cluster")
        })?;
    }
    healthy(first, 2)?;
    let status = third.run("systole cluster status")?;
    let told = String::from_utf8_lossy(&status.stdout).into_owned();
    ensure!(told.contains("node3: without quorum"), "alone it has none: {told}");
    third.say("systole cluster destroy --yes")?;
    first.say("systole cluster node add node3 --start --enable")?;
    healthy(first, 3)
}

/// All hosts were off, and not all come back: those that do start, and say whom they wait for.
fn cold_start(hosts: &[Host]) -> Result<()> {
    let [first, second, third] = hosts else { unreachable!("three were booted") };
    refused(first, "systole cluster stop node2 node3", "the nodes that are left have no quorum")?;
    first.say("systole cluster stop --all")?;
    for host in [second, third] {
        host.say("systemctl stop systole-host-agent.service")?;
    }
    let output = first.run("systole cluster start --all")?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1) && told.contains("node2 was left out"), "{told}");
    until("it says whom it waits for", || {
        let output = first.run("systole quorum status")?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(told.contains("it waits for one more vote, of node2, node3"), "{told}");
        Ok(())
    })?;
    refused(first, "systole cluster start node2", "node2: no host agent answers")?;
    for host in [second, third] {
        host.say("systemctl start systole-host-agent.service")?;
    }
    first.say("systole cluster start node2")?;
    until("two of three have quorum", || {
        let status = first.run("systole cluster status")?;
        let told = String::from_utf8_lossy(&status.stdout).into_owned();
        ensure!(told.matches("with quorum, together with node1, node2;").count() == 2, "{told}");
        Ok(())
    })?;
    first.say("systole cluster start --all")?;
    healthy(first, 3)
}

/// A node leaves and is a cluster of its own from then on.
fn by_itself(hosts: &[Host]) -> Result<()> {
    let [first, _, third] = hosts else { unreachable!("three were booted") };
    first.say("systole cluster node remove node3")?;
    healthy(first, 2)?;
    third.say("systole cluster setup solo node3 --start --force")?;
    healthy(third, 1)?;
    healthy(first, 2)
}
