//! From keepalived under systemd to a cluster that did not exist, and back, by commands on one of two bare hosts: the
//! other is reached by its host agent alone.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use lab::bare::{COROSYNC, Host, Networks, refusal};
use lab::bare_steps::{boot, enroll, refused, until};

const KEEPALIVED: (&str, &str) = ("/usr/sbin/keepalived", "keepalived");
/// The address that moves.
const ADDRESS: &str = "10.77.0.100";
/// The words of a move.
const APPLY: &str = "systole migrate keepalived apply node1=@ node2=@ --answers /root/answers.txt";

#[test]
fn from_keepalived_to_a_cluster_of_its_own_and_back() {
    if let Some(why) = refusal(&[COROSYNC, KEEPALIVED]) {
        println!("not tested: {why}");
        return;
    }
    if let Err(error) = walk() {
        panic!("{error:#}");
    }
}

fn walk() -> Result<()> {
    let networks = Networks::make()?;
    let hosts = boot(&networks, 2)?;
    let first = &hosts[0];
    for (host, priority) in hosts.iter().zip([150, 100]) {
        write(host, "/etc/keepalived/keepalived.conf", &configuration(priority))?;
        host.say("systemctl enable --now keepalived.service")?;
    }
    is_on(&hosts, "node1")?;
    write(first, "/root/answers.txt", "defaults = yes\n")?;

    refused(first, "systole migrate keepalived scan node1=@ node2=@", "not enrolled on this host: node2")?;
    enroll(&hosts)?;
    let scanned = first.say("systole migrate keepalived scan node1=@ node2=@")?;
    ensure!(scanned.contains("The files agree.") && scanned.contains("10.77.0.100 is on node1."), "{scanned}");
    refused(first, &format!("{APPLY} --state /x"), "takes no --pid-file, --state or --program")?;

    // Killed while the cluster is being set up, and gone on with.
    for sign in ["test -e /var/lib/systole-migrate/course/set-up", "test -e /etc/corosync/authkey"] {
        first.say(&format!("systemd-run --quiet --collect --unit=move {APPLY}"))?;
        until(sign, || first.say(sign).map(drop))?;
        // Where it ended first, there is nothing to kill.
        first.run("systemctl kill --signal=KILL move.service")?;
        until("it is gone", || {
            ensure!(!first.run("systemctl is-active --quiet move.service")?.status.success(), "it still runs");
            Ok(())
        })?;
    }
    let said = first.say(APPLY)?;
    ensure!(said.contains("cluster: it was set up; 2 of 2 are members"), "{said}");
    handed_over(&hosts)?;

    first.say("systole migrate keepalived rollback --all")?;
    as_before(&hosts)?;

    // A second time, and back from the middle.
    first.say(&format!("{APPLY} --until release"))?;
    first.say("systole migrate keepalived rollback --all")?;
    as_before(&hosts)
}

fn configuration(priority: u8) -> String {
    format!(
        "vrrp_instance WEB {{\n    interface eth0\n    virtual_router_id 51\n    priority {priority}\n    advert_int 1\n    \
         virtual_ipaddress {{\n        {ADDRESS}/24 dev eth0\n    }}\n}}\n"
    )
}

fn write(host: &Host, path: &str, text: &str) -> Result<()> {
    let output = host.command("sh", &["-c", "printf %s \"$1\" > \"$2\"", "sh", text, path]).output()?;
    ensure!(output.status.success(), "writing {path}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The address is on one host alone.
fn is_on(hosts: &[Host], name: &str) -> Result<()> {
    until(&format!("{ADDRESS} is on {name} alone"), || {
        for host in hosts {
            let has = host.say("ip -o address show dev eth0")?.contains(&format!(" {ADDRESS}/24 "));
            ensure!(has == (host.name == name), "{} has it: {has}", host.name);
        }
        Ok(())
    })
}

/// The cluster has the address, and keepalived does not come back: not when it is started, and not at boot.
fn handed_over(hosts: &[Host]) -> Result<()> {
    is_on(hosts, "node1")?;
    for host in hosts {
        ensure!(host.run("systemctl is-enabled keepalived.service")?.stdout == b"disabled\n", "on {}", host.name);
        host.run("systemctl start keepalived.service")?;
        thread::sleep(Duration::from_millis(200));
        ensure!(!host.run("systemctl is-active --quiet keepalived.service")?.status.success(), "on {}", host.name);
        for unit in ["corosync", "systoled"] {
            host.say(&format!("systemctl is-enabled {unit}.service"))?;
        }
    }
    let verified = hosts[0].say("systole migrate keepalived verify")?;
    ensure!(!verified.contains(" NO\n"), "{verified}");
    Ok(())
}

/// keepalived runs as systemd's unit and at boot, and there is no cluster.
fn as_before(hosts: &[Host]) -> Result<()> {
    is_on(hosts, "node1")?;
    for host in hosts {
        host.say("systemctl is-active keepalived.service")?;
        host.say("systemctl is-enabled keepalived.service")?;
        for unit in ["corosync", "systoled"] {
            let line = format!("systemctl is-active --quiet {unit}.service");
            ensure!(!host.run(&line)?.status.success(), "{unit} still runs on {}", host.name);
        }
        ensure!(!host.run("test -e /etc/corosync/authkey")?.status.success(), "a cluster's key is on {}", host.name);
        let text = host.say("cat /etc/keepalived/keepalived.conf")?;
        ensure!(!text.contains("255") && text.contains("virtual_router_id 51"), "on {}: {text}", host.name);
    }
    Ok(())
}
