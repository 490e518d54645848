//! A quorum device from nothing and back, by the commands a person would type, on hosts with a systemd of their own and
//! Debian's corosync-qnetd and corosync-qdevice: two nodes and a witness, certificates exchanged by the host agents,
//! refusals and faults on the way, a lost node, a lost witness, a third node, and the end.

use anyhow::{Result, ensure};
use lab::bare::{COROSYNC, Host, Networks, refusal};
use lab::bare_steps::{boot, enroll, healthy, refused, until};

const ADD: &str = "systole quorum device add model net host=node4 algorithm=ffsplit";

#[test]
fn a_witness_comes_votes_and_goes() {
    let needed =
        [COROSYNC, ("/usr/bin/corosync-qnetd", "corosync-qnetd"), ("/usr/sbin/corosync-qdevice", "corosync-qdevice")];
    if let Some(why) = refusal(&needed) {
        println!("not tested: {why}");
        return;
    }
    if let Err(error) = walk() {
        panic!("{error:#}");
    }
}

fn walk() -> Result<()> {
    let networks = Networks::make()?;
    let hosts = boot(&networks, 4)?;
    let [one, two, three, witness] = hosts.as_slice() else { unreachable!("four were booted") };
    enroll(&hosts)?;
    one.say("systole cluster setup hacl node1 node2 totem token=1000 --start --enable")?;
    healthy(one, 2)?;
    refusals(one, two, witness)?;
    come(one, two, witness)?;
    lose(one, two, witness, &networks)?;
    change(one, two)?;
    grow_and_shrink(one, three)?;
    go(one, two)
}

/// What cannot be a witness is refused; what fails on a host is taken back on all.
fn refusals(one: &Host, two: &Host, witness: &Host) -> Result<()> {
    refused(one, "systole qdevice setup model net", "Corosync runs on this host")?;
    let with = |host: &str| format!("systole quorum device add model net host={host} algorithm=ffsplit");
    refused(one, &with("node2"), "node2 is a node of this cluster")?;
    refused(one, &with("10.78.0.2"), "10.78.0.2 is an address of node2")?;
    refused(one, &with("10.77.0.99"), "10.77.0.99 is not enrolled on this host")?;
    refused(one, &with("node4"), "corosync-qnetd does not run on node4")?;
    witness.say("systole qdevice setup model net --enable --start")?;
    let again = witness.say("systole qdevice setup model net")?;
    ensure!(again.contains("keeps them"), "{again}");

    let before = two.say("cat /etc/corosync/corosync.conf")?;
    let shown = one.say(&format!("{ADD} --plan"))?;
    ensure!(shown.contains(" host: 10.77.0.4") && shown.ends_with("Nothing was done.\n"), "{shown}");
    // A host that cannot put the certificates in force: nothing was made known to any Corosync.
    two.say("touch /etc/corosync/qdevice")?;
    refused(one, ADD, "Everything is as it was")?;
    two.say("rm /etc/corosync/qdevice")?;
    ensure!(two.say("cat /etc/corosync/corosync.conf")? == before);
    without_device(one)?;
    // And one whose client does not start, when all engines have taken the configuration already.
    two.say("systemctl mask corosync-qdevice.service")?;
    refused(one, ADD, "node2: it has no corosync-qdevice.service")?;
    two.say("systemctl unmask corosync-qdevice.service")?;
    break_client(two, true)?;
    refused(one, ADD, "Everything is as it was")?;
    break_client(two, false)?;
    without_device(one)?;
    without_device(two)
}

/// Lets the client's service fail at its start, or no longer.
fn break_client(host: &Host, broken: bool) -> Result<()> {
    let folder = "/run/systemd/system/corosync-qdevice.service.d";
    let script = match broken {
        true => format!("mkdir -p {folder}; printf '[Service]\\nExecStartPre=/bin/false\\n' > {folder}/broken.conf"),
        false => format!("rm -r {folder}; systemctl reset-failed corosync-qdevice.service"),
    };
    let output = host.command("sh", &["-c", &format!("{script}; systemctl daemon-reload")]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// No trace of a device, and quorum by the two nodes alone.
fn without_device(host: &Host) -> Result<()> {
    ensure!(!host.run("test -e /etc/corosync/qdevice/net/nssdb/cert9.db")?.status.success(), "on {}", host.name);
    ensure!(!host.run("systemctl is-active corosync-qdevice.service")?.status.success(), "on {}", host.name);
    until("two votes are expected", || {
        let status = host.say("systole quorum status")?;
        ensure!(status.contains("Expected votes:   2") && status.contains("2Node"), "{status}");
        ensure!(!status.contains("Qdevice"), "{status}");
        Ok(())
    })
}

fn come(one: &Host, two: &Host, witness: &Host) -> Result<()> {
    one.say(ADD)?;
    for host in [one, two] {
        let status = host.say("systole quorum status")?;
        ensure!(status.contains("Expected votes:   3") && status.contains("Total votes:      3"), "{status}");
        ensure!(status.contains("Qdevice") && !status.contains("2Node"), "{status}");
        ensure!(host.say("systemctl is-enabled corosync-qdevice.service")?.trim() == "enabled");
        let device = host.say("systole quorum device status")?;
        ensure!(device.contains("Connected") && device.contains("10.77.0.4"), "{device}");
    }
    let keys = "sha256sum /etc/corosync/qdevice/net/nssdb/cert9.db /etc/corosync/qdevice/net/nssdb/key4.db";
    ensure!(one.say(keys)? == two.say(keys)?, "both have the same");
    ensure!(
        !one.run("test -e /var/lib/systole-host-agent/qdevice.making")?.status.success(),
        "the key is in one place"
    );
    let status = witness.say("systole qdevice status net hacl")?;
    ensure!(status.contains("hacl") && status.contains("TLS"), "{status}");
    refused(witness, "systole qdevice stop net", "clusters are connected")?;
    let config = two.say("systole quorum config")?;
    ensure!(config.contains("Model: net") && config.contains("algorithm: ffsplit"), "{config}");
    refused(one, ADD, "the cluster has a quorum device")?;
    until("the doctor has nothing to say of it", || {
        let report = findings(one)?;
        ensure!(!["witness", "quorum device", "qdevice"].iter().any(|word| report.contains(word)), "{report}");
        Ok(())
    })
}

/// The rules of what is found, one a line.
fn findings(host: &Host) -> Result<String> {
    let output = host.run("systole doctor --json")?;
    let found: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let one = |finding: &serde_json::Value| format!("{} {}\n", finding["rule"], finding["message"]);
    Ok(found.as_array().map_or(String::new(), |found| found.iter().map(one).collect()))
}

/// One of two is enough with the witness, and two are without it.
fn lose(one: &Host, two: &Host, witness: &Host, networks: &Networks) -> Result<()> {
    witness.say("systole qdevice stop net --force")?;
    until("the doctor says that the witness is lost", || {
        let report = findings(one)?;
        ensure!(report.contains("the witness is lost"), "{report}");
        Ok(())
    })?;
    healthy(one, 2)?;
    witness.say("systole qdevice start net")?;
    votes(one, 3)?;
    votes(two, 3)?;

    networks.connect(two, false)?;
    until("one node and the witness go on", || {
        let status = one.say("systole quorum status")?;
        ensure!(status.contains("node2 (offline)") && status.contains("Total votes:      2"), "{status}");
        Ok(())
    })?;
    // What it runs elsewhere nobody knows, so nobody may count it out.
    refused(one, "systole quorum expected-votes 1", "whether node2 is off is not known")?;
    networks.connect(two, true)?;
    healthy(one, 2)?;
    votes(one, 3)
}

fn votes(host: &Host, votes: u32) -> Result<()> {
    until("all votes are there", || {
        let status = host.say("systole quorum status")?;
        ensure!(status.contains(&format!("Total votes:      {votes}")), "{status}");
        Ok(())
    })
}

fn change(one: &Host, two: &Host) -> Result<()> {
    one.say("systole quorum device update timeout=12000 model algorithm=lms")?;
    for host in [one, two] {
        votes(host, 3)?;
        let device = host.say("systole quorum device status")?;
        ensure!(device.contains("LMS"), "{device}");
    }
    one.say("systole quorum device update timeout= model algorithm=ffsplit")?;
    votes(two, 3)
}

/// Who comes gets the certificates with the configuration, and who goes leaves them.
fn grow_and_shrink(one: &Host, three: &Host) -> Result<()> {
    one.say("systole cluster node add node3 --start --enable")?;
    healthy(one, 3)?;
    votes(three, 4)?;
    one.say("systole cluster node remove node3")?;
    healthy(one, 2)?;
    ensure!(!three.run("test -e /etc/corosync/qdevice/net/nssdb/cert9.db")?.status.success(), "put aside");
    votes(one, 3)
}

fn go(one: &Host, two: &Host) -> Result<()> {
    one.say("systole quorum device remove")?;
    healthy(one, 2)?;
    without_device(one)?;
    without_device(two)?;
    // The same as people of Proxmox say it.
    one.say("systole pvecm qdevice setup 10.77.0.4")?;
    let status = two.say("systole pvecm status")?;
    ensure!(status.contains("Name:             hacl") && status.contains("0x00000001          1"), "{status}");
    ensure!(status.contains("10.77.0.2 (local)") && status.contains("0x00000000          1"), "{status}");
    let nodes = one.say("systole pvecm nodes")?;
    ensure!(nodes.contains("node1 (local)") && nodes.contains("node2"), "{nodes}");
    refused(one, "systole pvecm expected", "it wants a number")?;
    refused(one, "systole pvecm delnode node7", "the cluster has no node node7; it has node1, node2")?;
    refused(one, "systole pvecm corosync-cfgtool -c", "there is no such option")?;
    one.say("systole pvecm qdevice remove")?;
    without_device(two)?;
    one.say(ADD)?;
    one.say("systole cluster stop --all")?;
    one.say("systole cluster start --all")?;
    healthy(one, 2)?;
    votes(two, 3)?;
    one.say("systole cluster destroy --all --yes")?;
    for host in [one, two] {
        ensure!(!host.run("test -e /etc/corosync/qdevice/net/nssdb/cert9.db")?.status.success(), "on {}", host.name);
        ensure!(!host.run("systemctl is-enabled corosync-qdevice.service")?.status.success(), "on {}", host.name);
    }
    one.say("systole pvecm create prod --link0 10.77.0.1 --link1 10.78.0.1")?;
    healthy(one, 1)?;
    let status = one.say("systole pvecm status")?;
    ensure!(status.contains("Name:             prod") && status.contains("Quorate:          Yes"), "{status}");
    Ok(())
}
