//! The Debian package: what is in it; installed beside a Pacemaker that runs, where it starts and stops nothing; on two
//! hosts that become a cluster with what the package brings, and nothing else; renewed while that runs; removed, purged.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lab::bare::{COROSYNC, Host, Networks, refusal};
use lab::bare_steps::{healthy, programs, until};

/// Where hosts find the package.
const PLACE: &str = "/var/tmp/systole.deb";
/// Everything is below one of these, each with what is to be there.
const FOLDERS: [(&str, &str); 15] = [
    ("./usr/bin/", "systole"),
    ("./usr/sbin/", "systoled"),
    ("./usr/lib/systole/", "systole-agents"),
    ("./usr/lib/systole/tools/", "crm_attribute"),
    ("./usr/lib/ocf/resource.d/systole/", "IPaddr2"),
    ("./usr/lib/systemd/system/", "systole-host-agent.service"),
    ("./usr/lib/sysusers.d/", "systole.conf"),
    ("./usr/lib/tmpfiles.d/", "systole.conf"),
    ("./usr/share/man/man1/", "systole-cluster-setup.1.gz"),
    ("./usr/share/man/man8/", "systoled-run.8.gz"),
    ("./usr/share/bash-completion/completions/", "systole"),
    ("./usr/share/zsh/vendor-completions/", "_systole"),
    ("./usr/share/fish/vendor_completions.d/", "systole.fish"),
    ("./usr/share/doc/systole/", "copyright"),
    ("./etc/", "pam.d/systole-host-agent"),
];
/// The units of the package.
const UNITS: [&str; 2] = ["systoled.service", "systole-host-agent.service"];

fn package(folder: &Path) -> Result<PathBuf> {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["deb", "--fast", "--programs"])
        .arg(programs()?)
        .arg("--output")
        .arg(folder)
        .output()
        .context("starting xtask")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Runs a program of this machine and gives what it printed.
fn ask(program: &str, arguments: &[&str], path: &Path) -> Result<String> {
    let output = Command::new(program).args(arguments).arg(path).output().with_context(|| program.to_owned())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    ensure!(output.status.success(), "{program}: {}{}", text(output.stdout), text(output.stderr));
    Ok(text(output.stdout))
}

#[test]
fn the_package_holds_what_it_should_and_works() {
    if !Path::new("/usr/bin/dpkg-deb").exists() {
        println!("not tested: this machine has no dpkg-deb");
        return;
    }
    let folder = tempfile::tempdir().expect("a directory of ours");
    if let Err(error) = package(folder.path()).and_then(|package| contents(&package).and_then(|()| lives(&package))) {
        panic!("{error:#}");
    }
}

fn contents(package: &Path) -> Result<()> {
    let listed = ask("dpkg-deb", &["--contents"], package)?;
    let mut files = Vec::new();
    for line in listed.lines() {
        let mut words = line.split_whitespace();
        let (mode, owner) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        ensure!(owner == "root/root", "{line}");
        ensure!(mode.starts_with('l') || !mode[1..].contains(['s', 'S', 't']), "{line}");
        ensure!(mode.starts_with('l') || mode.as_bytes()[5] == b'-' && mode.as_bytes()[8] == b'-', "{line}");
        let path = words.nth(3).context("a path")?;
        if !mode.starts_with('d') {
            ensure!(FOLDERS.iter().any(|(folder, _)| path.starts_with(folder)), "{path}: where nothing is expected");
            files.push(path);
        }
    }
    for (folder, name) in FOLDERS {
        let path = format!("{folder}{name}");
        ensure!(files.contains(&path.as_str()), "{path} is missing: {listed}");
    }
    let fields = ask("dpkg-deb", &["--field"], package)?;
    ensure!(fields.contains("Package: systole\n") && fields.contains("Depends: libc6 (>= 2."), "{fields}");
    ensure!(!fields.contains("Conflicts") && !fields.contains("Breaks"), "it stands beside Pacemaker: {fields}");
    if Path::new("/usr/bin/lintian").exists() {
        let said = ask("lintian", &["--fail-on", "error", "--suppress-tags", ACCEPTED], package)?;
        println!("{said}");
    }
    Ok(())
}

/// What Debian's own packages must not have, and one that is not in the archive may: its distribution and its first bug.
const ACCEPTED: &str = "bogus-mail-host,initial-upload-closes-no-bugs";

fn sh(host: &Host, script: &str) -> Result<String> {
    let output = host.command("sh", &["-ec", script]).env("DEBIAN_FRONTEND", "noninteractive").output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "on {}: {script}: {}{}", host.name, text(&output.stdout), text(&output.stderr));
    Ok(text(&output.stdout))
}

fn lives(package: &Path) -> Result<()> {
    if let Some(why) = refusal(&[COROSYNC]) {
        println!("not tested: the package on hosts ({why})");
        return Ok(());
    }
    let networks = Networks::make()?;
    let hosts = (1..=3).map(|number| Host::boot(&networks, number, &[(package, PLACE)])).collect::<Result<Vec<_>>>();
    let mut hosts = hosts?;
    hosts.iter_mut().try_for_each(Host::booted)?;
    beside(&hosts[0])?;
    in_a_cluster(&hosts[1], &hosts[2])
}

/// Beside what runs: Corosync, and Pacemaker where this machine has it.
fn beside(host: &Host) -> Result<()> {
    let conf = "totem {\\n  version: 2\\n  cluster_name: other\\n  transport: knet\\n}\\nnodelist {\\n  node {\\n    \
                ring0_addr: 10.77.0.1\\n    name: node1\\n    nodeid: 1\\n  }\\n}\\nquorum {\\n  provider: \
                corosync_votequorum\\n}\\n";
    sh(host, &format!("printf '{conf}' > /etc/corosync/corosync.conf; systemctl start corosync"))?;
    if Path::new("/usr/sbin/pacemakerd").exists() {
        sh(host, "rm -f /etc/systemd/system/pacemaker.service; systemctl daemon-reload; systemctl start pacemaker")?;
    }
    let running = || sh(host, "systemctl show --property=Id,MainPID,ActiveState corosync pacemaker");
    let (before, users) = (running()?, sh(host, "getent group haclient; getent passwd hacluster; true")?);
    sh(host, &format!("dpkg --install {PLACE}"))?;
    ensure!(running()? == before, "what ran runs on: {before}");
    for unit in UNITS {
        ensure!(!host.run(&format!("systemctl is-active {unit}"))?.status.success(), "{unit} was started");
        ensure!(!host.run(&format!("systemctl is-enabled {unit}"))?.status.success(), "{unit} was enabled");
        let said = host.say(&format!("systemd-analyze verify /usr/lib/systemd/system/{unit}"))?;
        ensure!(said.is_empty(), "{said}");
    }
    let now = sh(host, "getent group haclient; getent passwd hacluster; true")?;
    ensure!(users.is_empty() || now == users, "whom Pacemaker's packages made stays: {users}{now}");
    ensure!(now.contains("haclient") && now.contains("hacluster"), "{now}");
    let modes = host.say("stat --format %a:%U /var/lib/systole /var/lib/systole-host-agent /run/systole")?;
    ensure!(modes == "700:root\n700:root\n755:root\n", "{modes}");
    ensure!(sh(host, "dpkg --verify systole")?.is_empty(), "all is as it was packed");
    // Debian may leave manual pages out of a machine: then they are not missed here either.
    let page = "/usr/share/man/man1/systole-cluster-setup.1.gz";
    sh(host, &format!("test ! -e {page} || gzip -dc {page} | grep -q failover"))?;
    sh(host, "bash -ec '. /usr/share/bash-completion/completions/systole; complete -p systole'")?;
    let agents = sh(
        host,
        "for a in /usr/lib/ocf/resource.d/systole/*; do $a meta-data | grep -q '<resource-agent' && echo $a; done",
    )?;
    ensure!(agents.lines().count() > 10, "{agents}");

    let files = sh(host, "dpkg --listfiles systole")?;
    sh(
        host,
        "touch /var/lib/systole/kept; dpkg --remove systole; test -e /var/lib/systole/kept -a -e /etc/default/systole",
    )?;
    sh(host, "dpkg --purge systole")?;
    for file in files.lines().filter(|file| file.contains("systole")) {
        ensure!(!host.run(&format!("test -e {file}"))?.status.success(), "{file} is left");
    }
    sh(host, "test ! -e /var/lib/systole -a ! -e /var/lib/systole-host-agent; ! find /etc -name '*systole*' | grep .")?;
    ensure!(running()? == before, "what ran runs on: {before}");
    Ok(())
}

/// Two hosts with the package become a cluster: users, PAM's rules, units, agents and tools are those of the package.
fn in_a_cluster(one: &Host, two: &Host) -> Result<()> {
    for host in [one, two] {
        sh(host, &format!("dpkg --install {PLACE}; systemctl enable --now systole-host-agent"))?;
        sh(host, "echo hacluster:of-the-lab | chpasswd")?;
    }
    let hosts = "node2 addr=10.77.0.2 node3 addr=10.77.0.3";
    let refused = one.run(&format!("systole host auth {hosts} -u hacluster -p wrong"))?;
    ensure!(!refused.status.success(), "a wrong password");
    one.say(&format!("systole host auth {hosts} -u hacluster -p of-the-lab"))?;
    one.say("systole cluster setup packed node2 node3 totem token=1000 --start --enable")?;
    healthy(one, 2)?;
    until("the daemons have met", || one.say("systole property set stonith-enabled=false").map(drop))?;
    one.say("systole resource create d ocf:systole:Dummy op monitor interval=5s")?;
    one.say("systole resource create s ocf:pacemaker:Stateful promotable").or_else(|_| {
        // The machine has no agents of Pacemaker's: ours does the same.
        one.say("systole resource create s ocf:systole:Stateful promotable")
    })?;
    // Promotion scores are set by the agents through the classic tools that the package has for them.
    until("all of it runs, one is promoted", || {
        let status = one.say("systole status")?;
        ensure!(status.contains("Promoted") || status.contains("promoted"), "{status}");
        ensure!(!status.contains("fail"), "{status}");
        Ok(())
    })?;

    let of = |unit: &str| one.say(&format!("systemctl show --property=MainPID --value {unit}"));
    let (daemon, agent) = (of("systoled")?, of("systole-host-agent")?);
    let said = sh(one, &format!("dpkg --install {PLACE} 2>&1"))?;
    ensure!(said.contains("systemctl restart systoled"), "{said}");
    ensure!(of("systoled")? == daemon, "systoled runs on");
    ensure!(of("systole-host-agent")? != agent, "the host agent is the new one");
    one.say("systemctl restart systoled")?;
    healthy(one, 2)?;
    sh(two, "dpkg --remove systole; test ! -e /usr/sbin/systoled; ! systemctl is-active systoled")?;
    until("the other node has all of it", || {
        let status = one.say("systole status")?;
        ensure!(status.contains("node3") && status.contains("offline"), "{status}");
        Ok(())
    })?;
    sh(two, "dpkg --purge systole; test ! -e /var/lib/systole; test -e /etc/corosync/corosync.conf")?;
    Ok(())
}
