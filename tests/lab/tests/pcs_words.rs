//! From bare hosts to a running service and back, in pcs's words: this program under the name of pcs, on hosts with a
//! systemd of their own and Debian's Corosync. Links, timers and the shared key change while writes go on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use lab::bare::{COROSYNC, Host, Networks, refusal};
use lab::bare_steps::{boot, healthy, refused, until};

const AGENT: (&str, &str) = ("/usr/lib/ocf/resource.d/heartbeat/IPaddr2", "resource-agents");
const TOOLS: &str = "/usr/local/lib/systole/tools";
const ADDRESS: &str = "10.77.0.100";

#[test]
fn from_bare_hosts_to_a_service_and_back_in_the_words_of_pcs() {
    if let Some(why) = refusal(&[COROSYNC, AGENT]) {
        println!("not tested: {why}");
        return;
    }
    if let Err(error) = walk() {
        panic!("{error:#}");
    }
}

fn pcs(host: &Host, line: &str) -> Result<String> {
    host.say(&format!("{TOOLS}/pcs {line}"))
}

fn walk() -> Result<()> {
    let networks = Networks::make()?;
    let hosts = boot(&networks, 4)?;
    let first = &hosts[0];
    first.say(&format!("systole tools install {TOOLS}"))?;
    log_in(&hosts)?;
    pcs(first, "cluster setup hacl node1 node2 node3 totem token=2000 --start --enable --wait=60")?;
    healthy(first, 3)?;
    serve(&hosts[..3])?;
    change_under_traffic(&hosts[..3])?;
    pcs(first, "cluster node add node4 addr=10.77.0.4 --start --enable --wait")?;
    healthy(first, 4)?;
    lose(&hosts, &networks)?;
    pcs(first, "cluster node remove node4")?;
    healthy(first, 3)?;
    let quorum = pcs(first, "quorum status")?;
    ensure!(quorum.contains("Expected votes:   3"), "{quorum}");
    pcs(first, "cluster stop --all")?;
    pcs(first, "cluster start --all --wait=60")?;
    healthy(first, 3)?;
    pcs(first, "cluster destroy --all --force")?;
    for host in &hosts[..3] {
        ensure!(!host.run("test -e /etc/corosync/corosync.conf")?.status.success(), "on {}", host.name);
    }
    Ok(())
}

/// Hosts are enrolled with a user's password, who has to be in the group.
fn log_in(hosts: &[Host]) -> Result<()> {
    for host in hosts {
        host.say("groupadd -f haclient")?;
        let hash = host.say("openssl passwd -6 secret-of-the-lab")?;
        for (user, groups) in [("operator1", "-Ghaclient"), ("guest1", "-U")] {
            host.say(&format!("useradd {groups} -p {} {user}", hash.trim()))?;
        }
    }
    let all = "node1 addr=10.77.0.1 node2 addr=10.77.0.2 node3 addr=10.77.0.3 node4 addr=10.77.0.4";
    for (user, password) in [("operator1", "wrong"), ("guest1", "secret-of-the-lab"), ("nobody1", "secret-of-the-lab")]
    {
        let line = format!("{TOOLS}/pcs host auth {all} -u {user} -p {password}");
        refused(&hosts[0], &line, "the user or the password is wrong")?;
    }
    let said = pcs(&hosts[0], &format!("host auth {all} -u operator1 -p secret-of-the-lab"))?;
    ensure!(said.matches("is enrolled; its certificate is SHA-256").count() == 3, "{said}");
    let who = hosts[1].say("systole host-agent list")?;
    ensure!(who.contains("operator1@node1"), "{who}");
    Ok(())
}

fn holder(hosts: &[Host]) -> Result<Option<usize>> {
    for (at, host) in hosts.iter().enumerate() {
        if host.say("ip -brief address show dev eth0")?.contains(ADDRESS) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// An address that runs on one of them.
fn serve(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    until("the daemons have met", || pcs(first, "property set stonith-enabled=false").map(drop))?;
    pcs(
        first,
        &format!("resource create vip ocf:heartbeat:IPaddr2 ip={ADDRESS} cidr_netmask=24 op monitor interval=10s"),
    )?;
    until("the address is there", || holder(hosts)?.map(drop).context("nobody has it"))
}

/// Writes go on, each of which needs quorum and every node, while links, timers and the key change.
fn change_under_traffic(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    let (end, written) = (AtomicBool::new(false), AtomicU32::new(0));
    let traffic = || -> Result<()> {
        while !end.load(Ordering::SeqCst) {
            let minutes = 5 + written.fetch_add(1, Ordering::SeqCst) % 50;
            hosts[1].say(&format!("systole property set cluster-recheck-interval={minutes}min"))?;
        }
        Ok(())
    };
    let changes = || -> Result<()> {
        for line in [
            "cluster link add node1=10.78.0.1 node2=10.78.0.2 node3=10.78.0.3 options link_priority=5",
            "cluster config update totem token=2500",
            "cluster authkey corosync",
            "cluster link remove 1",
        ] {
            let before = written.load(Ordering::SeqCst);
            pcs(first, line).with_context(|| line.to_owned())?;
            until("writes go on", || {
                ensure!(written.load(Ordering::SeqCst) > before + 1, "none came through since `{line}`");
                Ok(())
            })?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let writer = scope.spawn(traffic);
        let changed = changes();
        end.store(true, Ordering::SeqCst);
        let wrote = writer.join();
        changed?;
        match wrote {
            Ok(wrote) => wrote.context("a write that was under way"),
            Err(_) => bail!("the writer panicked"),
        }
    })?;
    healthy(first, 3)?;
    let runs = hosts[2].say("corosync-cmapctl -g runtime.config.totem.token")?;
    ensure!(runs.trim().ends_with("= 3150"), "three nodes, so 650 more: {runs}");
    ensure!(holder(hosts)?.is_some(), "the address stayed");
    Ok(())
}

/// The node that has the address is cut off: another one takes it.
fn lose(hosts: &[Host], networks: &Networks) -> Result<()> {
    let at = holder(hosts)?.context("nobody has the address")?;
    // The commands are given on the first host, which stays.
    if at == 0 {
        pcs(&hosts[0], "resource move vip node2")?;
        until("the address has moved", || {
            ensure!(holder(&hosts[1..2])?.is_some(), "node2 has it not");
            Ok(())
        })?;
    }
    let at = holder(hosts)?.context("nobody has the address")?;
    networks.connect(&hosts[at], false)?;
    let others: Vec<&Host> = hosts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, host)| host).collect();
    until("another node has the address", || {
        for host in &others {
            if host.say("ip -brief address show dev eth0")?.contains(ADDRESS) {
                return Ok(());
            }
        }
        bail!("nobody has it")
    })?;
    networks.connect(&hosts[at], true)?;
    healthy(&hosts[0], 4)
}
