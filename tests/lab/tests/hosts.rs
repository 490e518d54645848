//! From bare hosts to a cluster and back, by the commands a person would type, on hosts with a systemd of their own and
//! Debian's Corosync: set up, changed while it runs, grown and shrunk, with a host that dies and a command that is
//! killed in the middle, and ended.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::bare::{COROSYNC, Host, Networks, refusal};
use lab::bare_steps::{boot, healthy, until};

#[test]
fn from_bare_hosts_to_a_cluster_and_back() {
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
    let hosts = boot(&networks, 4)?;
    for unit in ["systole-host-agent", "systoled"] {
        hosts[0].say(&format!("systemd-analyze verify --man=no /lib/systemd/system/{unit}.service"))?;
    }
    enroll(&hosts)?;
    set_up(&hosts)?;
    change(&hosts, &networks)?;
    look_back(&hosts)?;
    examine(&hosts)?;
    grow_and_shrink(&hosts)?;
    interrupted(&hosts)?;
    end(&hosts)
}

/// One token a host, given to the first.
fn enroll(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    let wrong = first.run("systole cluster setup hacl node1 node2")?;
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    ensure!(!wrong.status.success() && said.contains("not enrolled on this host: node1, node2"), "{said}");
    first.say("systole host auth node1 addr=10.77.0.1")?;
    for host in &hosts[1..] {
        let token = host.say("systole host-agent token")?;
        let number = host.name.trim_start_matches("node");
        let line = format!("systole host auth {} addr=10.77.0.{number} --token {}", host.name, token.trim());
        first.say(&line)?;
        let again = first.run(&line)?;
        ensure!(!again.status.success(), "a token works once");
    }
    let list = first.say("systole host list")?;
    ensure!(list.lines().count() == 4 && list.lines().all(|line| line.contains("answers;")), "{list}");
    Ok(())
}

fn set_up(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    let line = "systole cluster setup hacl node1 node2 node3 totem token=1000";
    let shown = first.say(&format!("{line} --plan"))?;
    ensure!(shown.contains("+     ring0_addr: 10.77.0.3") || shown.contains("ring0_addr: 10.77.0.3"), "{shown}");
    ensure!(shown.ends_with("Nothing was done.\n"), "{shown}");
    ensure!(!first.run("test -e /etc/corosync/corosync.conf")?.status.success(), "a plan changes nothing");
    first.say(&format!("{line} --start --enable"))?;
    healthy(first, 3)?;
    ensure!(first.say("systemctl is-enabled corosync.service")?.trim() == "enabled");
    // Each host has what it takes to call the others.
    healthy(&hosts[2], 3)?;
    until("every node runs systoled and knows the others", || {
        let status = first.say("systole status")?;
        ensure!(["node1", "node2", "node3"].iter().all(|name| status.contains(name)), "{status}");
        Ok(())
    })?;
    let again = first.run(line)?;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    ensure!(!again.status.success() && said.contains("Corosync runs there"), "{said}");
    Ok(())
}

/// Live changes, and one that a host cannot take part in.
fn change(hosts: &[Host], networks: &Networks) -> Result<()> {
    let first = &hosts[0];
    first.say("systole cluster config update totem token=1500")?;
    for host in &hosts[..3] {
        let runs = host.say("corosync-cmapctl -g runtime.config.totem.token")?;
        // Three nodes: the coefficient of the third is added.
        ensure!(runs.trim().ends_with("= 2150"), "{runs}");
    }
    first.say("systole cluster link add node1=10.78.0.1 node2=10.78.0.2 node3=10.78.0.3 options link_priority=5")?;
    until("the second link is up", || {
        let links = first.say("corosync-cfgtool -n")?;
        ensure!(links.matches("enabled connected").count() == 4, "{links}");
        Ok(())
    })?;
    let before = first.say("sha256sum /etc/corosync/authkey")?;
    first.say("systole cluster authkey corosync")?;
    let after = first.say("sha256sum /etc/corosync/authkey")?;
    ensure!(before != after, "a new key");
    healthy(first, 3)?;

    // A host that cannot be reached: nothing is changed anywhere.
    let version = version(first)?;
    hosts[2].say("systemctl stop systole-host-agent.service")?;
    let output = first.run("systole cluster config update totem token=2000")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && said.contains("node3: no host agent answers"), "{said}");
    hosts[2].say("systemctl start systole-host-agent.service")?;
    alike(hosts, version)?;

    // A host that cannot lay the file, and one that cannot put it in force: it is taken back everywhere.
    for (make, clear) in [
        ("touch /var/lib/systole-host-agent/operation.making", "rm /var/lib/systole-host-agent/operation.making"),
        ("mkdir /etc/corosync/corosync.conf.systole-new", "rmdir /etc/corosync/corosync.conf.systole-new"),
    ] {
        hosts[1].say(make)?;
        let output = first.run("systole cluster config update totem token=2000")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && said.contains("Everything is as it was"), "{make}: {said}");
        hosts[1].say(clear)?;
        alike(hosts, version)?;
    }

    // What cannot be is refused before anything is asked.
    for (line, why) in [
        ("config update totem tokn=1", "Did you mean token?"),
        ("config update transport ip_version=ipv4", "stop the cluster first"),
        ("link remove 7", "expected the number of a link: 0, 1"),
        ("node add node4", "has 1 addresses; the cluster has 2 links"),
        ("node remove nobody", "the cluster has no node nobody"),
    ] {
        let output = first.run(&format!("systole cluster {line}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && said.contains(why), "{line}: {said}");
    }
    alike(hosts, version)?;

    // The link goes while packets are on it, and quorum stays.
    networks.cable(&hosts[0], 1, false)?;
    first.say("systole cluster link remove 1")?;
    networks.cable(&hosts[0], 1, true)?;
    healthy(first, 3)
}

/// The doctor sees what Corosync's tools do not.
fn examine(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    let findings = |rule: &str| -> Result<bool> {
        let output = first.run("systole doctor --json")?;
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).context("the doctor's report")?;
        Ok(found.as_array().is_some_and(|found| found.iter().any(|one| one["rule"] == rule && one["host"] == "node2")))
    };
    ensure!(!findings("engine")? && !findings("services")?, "all is well: {}", first.say("systole doctor")?);
    // A file that was changed by hand and never read again, and a service that ended.
    hosts[1].say("sed -i s/token:.*1500/token:1700/ /etc/corosync/corosync.conf")?;
    hosts[1].say("systemctl stop systoled.service")?;
    let report = first.run("systole doctor")?;
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    ensure!(report.status.code() == Some(1) && text.contains("the hosts have different files corosync.conf"), "{text}");
    ensure!(findings("services")?, "{text}");
    hosts[1].say("systemctl start systoled.service")?;
    first.say("systole cluster sync")?;
    ensure!(!findings("services")?, "it runs again");
    healthy(first, 3)
}

fn grow_and_shrink(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    first.say("systole cluster node add node4 --start --enable")?;
    healthy(first, 4)?;
    let status = hosts[3].say("systole cluster status")?;
    ensure!(status.lines().count() == 5, "{status}");
    first.say("systole cluster node remove node4")?;
    healthy(first, 3)?;
    ensure!(!hosts[3].run("test -e /etc/corosync/corosync.conf")?.status.success(), "the file is put aside");
    ensure!(!hosts[3].run("systemctl is-active corosync.service")?.status.success(), "it does not run any more");
    Ok(())
}

/// A command that is killed at some moment leaves the old or the new configuration, once the next one has run.
fn interrupted(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    for (round, pause) in [0, 40, 80, 120, 180, 260, 400].into_iter().enumerate() {
        let token = 1600 + 10 * round;
        let argument = format!("token={token}");
        let mut child = first
            .command("systole", &["cluster", "config", "update", "totem", &argument])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("starting a command")?;
        thread::sleep(Duration::from_millis(pause));
        // Where it has ended by itself already there is nothing to kill.
        let kill = ["-KILL", "-f", "^systole cluster config update"];
        first.command("pkill", &kill).output().context("killing it")?;
        child.wait().context("waiting")?;
        first.say("systole cluster config show")?;
        let version = version(first)?;
        alike(hosts, version)?;
    }
    Ok(())
}

fn end(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    let asked = first.run("systole cluster destroy --all")?;
    ensure!(!asked.status.success(), "it is asked for first");
    first.say("systole cluster stop --all")?;
    first.say("systole quorum update wait_for_all=1")?;
    first.say("systole cluster rename hacl2")?;
    first.say("systole cluster start --all")?;
    healthy(first, 3)?;
    let runs = hosts[2].say("corosync-cmapctl -g totem.cluster_name -g quorum.wait_for_all")?;
    ensure!(runs.contains("= hacl2"), "{runs}");
    first.say("systole cluster destroy --all --yes")?;
    for host in &hosts[..3] {
        ensure!(!host.run("test -e /etc/corosync/corosync.conf")?.status.success(), "on {}", host.name);
        ensure!(!host.run("systemctl is-active corosync.service systoled.service")?.status.success());
    }
    first.say("systole cluster setup anew node1 node2 --start")?;
    healthy(first, 2)
}

/// The configuration of resources: changed on two hosts, looked back at, compared, taken back; and versions that are none.
fn look_back(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    let newest = |host: &Host| -> Result<serde_json::Value> {
        let list: serde_json::Value = serde_json::from_str(&host.say("systole config history --json")?)?;
        Ok(list[0].clone())
    };
    let made_by = |what: &str| {
        until(&format!("node1 has heard of \"{what}\""), || {
            let change = newest(first)?;
            ensure!(change["command"].as_str().is_some_and(|command| command.ends_with(what)), "{change}");
            Ok(())
        })?;
        newest(first)
    };
    // The daemons may still be meeting.
    until("a change is made", || first.say("systole property set cluster-recheck-interval=7min").map(drop))?;
    let earlier = made_by("property set cluster-recheck-interval=7min")?;
    ensure!(earlier["host"] == "node1" && earlier["at"].as_i64() > Some(0), "{earlier}");
    hosts[1].say("systole property set cluster-recheck-interval=9min")?;
    let later = made_by("property set cluster-recheck-interval=9min")?;
    ensure!(later["host"] == "node2", "{later}");
    let version = |change: &serde_json::Value| change["version"].as_str().unwrap_or_default().to_owned();
    let (earlier, later) = (version(&earlier), version(&later));

    let listed = first.say("systole config history")?;
    ensure!(listed.starts_with(&later) && listed.contains("@node2"), "{listed}");
    let differs = first.say(&format!("systole config diff {earlier} {later}"))?;
    ensure!(["cluster-recheck-interval", "7min", "9min"].iter().all(|word| differs.contains(word)), "{differs}");
    let shown = first.say(&format!("systole config show {earlier}"))?;
    ensure!(shown.contains("value=\"7min\"") && !shown.contains("9min"), "{shown}");

    let would = first.say(&format!("systole config restore {earlier} --dry-run"))?;
    ensure!(would.contains(&format!("Back to the configuration of version {earlier}")), "{would}");
    ensure!(first.say("systole cib show")?.contains("9min"), "--dry-run changes nothing");
    first.say(&format!("systole config restore {earlier}"))?;
    until("node3 has the earlier one", || {
        let cib = hosts[2].say("systole cib show")?;
        ensure!(cib.contains("value=\"7min\"") && !cib.contains("9min"), "{cib}");
        Ok(())
    })?;
    made_by(&format!("config restore {earlier}"))?;
    let again = first.say(&format!("systole config restore {earlier}"))?;
    ensure!(again.contains("nothing was changed"), "{again}");

    for line in ["restore 99999", "restore newest", "show 0.x", "diff 99999 99998"] {
        let output = first.run(&format!("systole config {line}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let helps = said.contains("there is no version") && said.contains("systole config history");
        ensure!(output.status.code() == Some(1) && helps, "{line}: {said}");
    }
    ensure!(first.run("systole config restore")?.status.code() == Some(2), "a version is needed");
    Ok(())
}

fn version(host: &Host) -> Result<u64> {
    let text = host.say("corosync-cmapctl -g totem.config_version")?;
    text.trim().rsplit(' ').next().and_then(|number| number.parse().ok()).with_context(|| text.clone())
}

/// All three have the same file and run with it.
fn alike(hosts: &[Host], expected: u64) -> Result<()> {
    let sums =
        hosts[..3].iter().map(|host| host.say("sha256sum /etc/corosync/corosync.conf")).collect::<Result<Vec<_>>>()?;
    ensure!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    until("all run with the file", || {
        for host in &hosts[..3] {
            let runs = version(host)?;
            ensure!(runs == expected, "{} runs with {runs}, not {expected}", host.name);
            let file = host.say("grep config_version /etc/corosync/corosync.conf")?;
            ensure!(file.trim().ends_with(&format!(" {expected}")), "{file}");
        }
        Ok(())
    })
}
