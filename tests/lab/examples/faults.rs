//! Faults in the middle of each operation on a cluster's engine, on hosts with a systemd of their own and Debian's
//! Corosync: the command is killed, a host dies, the network splits, a disk is full. Whatever the moment, the same command
//! again ends what was begun, and all hosts have one configuration and run with it: the old one or the new one.
//!
//! It takes minutes, and is held by hand: `cargo build --workspace --bins && cargo run -p lab --example faults`, with a word
//! of `links`, `nodes`, `quorum` for a part of it.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lab::bare::{COROSYNC, Host, Networks, refusal};
use lab::bare_steps::{boot, enroll, healthy, until};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// The command ends, as by `kill -9`.
    Killed,
    /// All that runs on a host ends at once, and nobody hears of it any more.
    Dies,
    /// A host is cut off and goes on.
    Split,
    /// A host can write no configuration.
    Full,
}

/// When, as seen on the host that it concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    /// The new files are laid there.
    Laid,
    /// They are being put in force.
    InForce,
    /// From the beginning.
    Before,
}

/// Every operation meets every one of these.
const FAULTS: [(Fault, Moment); 4] = [
    (Fault::Killed, Moment::InForce),
    (Fault::Dies, Moment::Laid),
    (Fault::Split, Moment::InForce),
    (Fault::Full, Moment::Before),
];
/// So long nobody hears of a host: longer than a token lasts, and a command begins to miss it.
const AWAY: Duration = Duration::from_secs(6);
/// No command may take longer, whatever happens: an answer that does not come is waited for a minute.
const PATIENCE: Duration = Duration::from_secs(240);

/// An operation: its command, what takes it back, and how the configuration tells that it was done.
struct Operation {
    line: &'static str,
    back: &'static str,
    is_done: fn(&State) -> bool,
}

/// What a host has.
#[derive(Clone, PartialEq, Eq, Debug)]
struct State {
    conf: String,
    key: String,
    /// The key before the operation.
    key_before: String,
}

impl State {
    fn has(&self, words: &str) -> bool {
        self.conf.contains(words)
    }
}

/// Hosts, and what is set up on them.
struct World {
    networks: Networks,
    hosts: Vec<Host>,
    /// The host that faults concern.
    victim: usize,
}

fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    for (name, trial) in [
        ("links", links_timers_and_keys as fn()),
        ("nodes", nodes_and_whole_clusters as fn()),
        ("quorum", quorum_devices as fn()),
    ] {
        if name.contains(&part) {
            trial();
        }
    }
}

fn links_timers_and_keys() {
    const LINKS: &str = "systole cluster link add node1=10.78.0.1 node2=10.78.0.2 node3=10.78.0.3";
    let operations = [
        Operation { line: LINKS, back: "systole cluster link remove 1", is_done: |state| state.has("ring1_addr") },
        Operation { line: "systole cluster link remove 1", back: LINKS, is_done: |state| !state.has("ring1_addr") },
        Operation {
            line: "systole cluster config update totem token=3300",
            back: "systole cluster config update totem token=3000",
            is_done: |state| state.has("token: 3300"),
        },
        Operation {
            line: "systole cluster authkey corosync",
            back: "true",
            is_done: |state| !state.key.is_empty() && state.key != state.key_before,
        },
    ];
    run(&[], 3, 1, &["systole cluster setup hacl node1 node2 node3 --start --enable"], &operations);
}

fn nodes_and_whole_clusters() {
    const SETUP: &str = "systole cluster setup hacl node1 node2 --start --enable --force";
    const ADD: &str = "systole cluster node add node3 --start --enable";
    let operations = [
        Operation { line: ADD, back: "systole cluster node remove node3", is_done: |state| state.has("name: node3") },
        Operation {
            line: "systole cluster node remove node3",
            back: ADD,
            is_done: |state| state.has("totem") && !state.has("name: node3"),
        },
        Operation {
            line: "systole cluster destroy --all --yes",
            back: SETUP,
            is_done: |state| state.conf.is_empty() && state.key.is_empty(),
        },
        Operation {
            line: SETUP,
            back: "systole cluster destroy --all --yes",
            is_done: |state| state.has("cluster_name: hacl"),
        },
    ];
    run(&[], 3, 1, &[SETUP], &operations);
}

fn quorum_devices() {
    const ADD: &str = "systole quorum device add model net host=node3 algorithm=ffsplit";
    let operations = [
        Operation { line: ADD, back: "systole quorum device remove", is_done: |state| state.has("device {") },
        Operation { line: "systole quorum device remove", back: ADD, is_done: |state| !state.has("device {") },
    ];
    let needed = [("/usr/bin/corosync-qnetd", "corosync-qnetd"), ("/usr/sbin/corosync-qdevice", "corosync-qdevice")];
    let setup = [
        "systole cluster setup hacl node1 node2 --start --enable",
        "on node3 systole qdevice setup model net --enable --start",
    ];
    run(&needed, 3, 1, &setup, &operations);
}

fn run(needed: &[(&str, &str)], count: u8, victim: usize, setup: &[&str], operations: &[Operation]) {
    let needed: Vec<(&str, &str)> = [COROSYNC].iter().chain(needed).copied().collect();
    if let Some(why) = refusal(&needed) {
        println!("not tested: {why}");
        return;
    }
    let all = || -> Result<()> {
        let networks = Networks::make()?;
        let hosts = boot(&networks, count)?;
        enroll(&hosts)?;
        let world = World { networks, hosts, victim };
        for line in setup {
            match line.strip_prefix("on node3 ") {
                Some(line) => world.hosts[2].say(line)?,
                None => world.hosts[0].say(line)?,
            };
        }
        for operation in operations {
            for (fault, moment) in FAULTS {
                let begun = Instant::now();
                world.prepare(operation)?;
                let told = format!("{}, {fault:?} when {moment:?}", operation.line);
                world.try_one(operation, fault, moment).with_context(|| told.clone())?;
                println!("{told}: {:.1} s", begun.elapsed().as_secs_f32());
            }
        }
        Ok(())
    };
    if let Err(error) = all() {
        panic!("{error:#}");
    }
}

impl World {
    fn first(&self) -> &Host {
        &self.hosts[0]
    }

    fn victim(&self) -> &Host {
        &self.hosts[self.victim]
    }

    /// Sees to it that the operation is still to be done.
    fn prepare(&self, operation: &Operation) -> Result<()> {
        let state = state(self.first(), "")?;
        if operation.back != "true" && (operation.is_done)(&state) {
            self.first().say(operation.back)?;
        }
        self.is_one()
    }

    fn try_one(&self, operation: &Operation, fault: Fault, moment: Moment) -> Result<()> {
        let before = state(self.first(), "")?;
        if fault == Fault::Full {
            self.fill()?;
        }
        let begun = self.start(operation.line)?;
        self.wait_for(moment, &begun);
        match fault {
            Fault::Killed => kill_command(self.first())?,
            Fault::Dies => self.die()?,
            Fault::Split => self.networks.connect(self.victim(), false)?,
            Fault::Full => {}
        }
        if matches!(fault, Fault::Dies | Fault::Split) {
            thread::sleep(AWAY);
            self.networks.connect(self.victim(), true)?;
        }
        if fault == Fault::Dies {
            self.begin_anew()?;
        }
        let said = end(begun)?;
        if fault == Fault::Full {
            ensure!(said.contains("Everything is as it was"), "{said}");
            self.make_room()?;
            ensure!(!(operation.is_done)(&state(self.first(), &before.key)?), "{said}");
            self.is_one().context("at once, as no host was lost")?;
        }
        // Again: where it was not made, it is now; where it was, it says so.
        let again = self.again(operation, &before).with_context(|| format!("the first time it said: {said}"))?;
        let after = state(self.first(), &before.key)?;
        ensure!((operation.is_done)(&after), "{said}\n{again}\n{}", after.conf);
        self.is_one().with_context(|| format!("the first time it said: {said}\nthen: {again}"))
    }

    /// A node that was away may have to come back before a command finds all as it should be.
    fn again(&self, operation: &Operation, before: &State) -> Result<String> {
        let mut last = String::new();
        until("the same command ends what was begun", || {
            let output = self.first().run(operation.line)?;
            last = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_done = (operation.is_done)(&state(self.first(), &before.key)?);
            ensure!(output.status.success() || is_done, "{last}");
            Ok(())
        })?;
        Ok(last)
    }

    fn start(&self, line: &str) -> Result<Child> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = self.first().command(words[0], &words[1..]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().with_context(|| format!("starting {line}"))
    }

    /// Looks from outside, so often that no moment is missed on a machine that has time for it; where one is, the fault
    /// comes after it, and the same must hold.
    fn wait_for(&self, moment: Moment, command: &Child) {
        let name = match moment {
            Moment::Laid => "name",
            Moment::InForce => "active",
            Moment::Before => return,
        };
        let file = self.victim().root().join("var/lib/systole-host-agent/operation").join(name);
        let is_over = format!("/proc/{}/stat", command.id());
        let lives = || std::fs::read_to_string(&is_over).is_ok_and(|stat| !stat.contains(") Z "));
        while !file.exists() && lives() {
            thread::sleep(Duration::from_micros(500));
        }
    }

    /// All of the cluster's processes there at once, and the cables.
    fn die(&self) -> Result<()> {
        self.networks.connect(self.victim(), false)?;
        let kill = "systemctl kill --signal=KILL systole-host-agent corosync-qdevice systoled corosync";
        // Of units that do not run it says so, and there need not be any.
        self.victim().run(kill).map(drop)
    }

    /// What a host does when it starts.
    fn begin_anew(&self) -> Result<()> {
        let script = "systemctl reset-failed; systemctl start systole-host-agent; for unit in corosync corosync-qdevice \
                      systoled; do systemctl --quiet is-enabled $unit && systemctl start $unit; done; true";
        let output = self.victim().command("sh", &["-c", script]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// A small disk where configurations are, with the same files on it and no room.
    fn fill(&self) -> Result<()> {
        self.script(
            "mkdir -p /run/small; mount -t tmpfs -o size=512k small /run/small; cp -a /etc/corosync/. /run/small; \
             mount --move /run/small /etc/corosync; \
             dd if=/dev/zero of=/etc/corosync/filler bs=4k 2>/dev/null || true; systemctl restart systole-host-agent",
        )
    }

    fn make_room(&self) -> Result<()> {
        self.script("systemctl stop systole-host-agent; umount /etc/corosync; systemctl start systole-host-agent")
    }

    fn script(&self, script: &str) -> Result<()> {
        let output = self.victim().command("sh", &["-ec", script]).output()?;
        ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// The hosts that the first one's file names have the same files and run with them, and nobody is half-way anywhere.
    fn is_one(&self) -> Result<()> {
        until("all hosts have one configuration, and run with it", || {
            let first = state(self.first(), "")?;
            let nodes: Vec<&Host> =
                self.hosts.iter().filter(|host| first.has(&format!("name: {}\n", host.name))).collect();
            for host in &self.hosts {
                let half = host.root().join("var/lib/systole-host-agent/operation/active");
                ensure!(!half.exists(), "{} is half-way in an operation", host.name);
                let theirs = state(host, "")?;
                if nodes.iter().any(|node| node.name == host.name) {
                    ensure!(theirs == first, "{} has another configuration: {}{}", host.name, theirs.conf, first.conf);
                    let version = host.say("corosync-cmapctl -g totem.config_version")?;
                    let version = version.trim().rsplit(' ').next().unwrap_or_default();
                    ensure!(first.has(&format!("config_version: {version}\n")), "{} runs with {version}", host.name);
                } else {
                    ensure!(theirs.conf.is_empty() && theirs.key.is_empty(), "{} is no node: {theirs:?}", host.name);
                    let runs = host.run("systemctl is-active corosync")?.status.success();
                    ensure!(!runs, "{} runs Corosync", host.name);
                }
            }
            Ok(())
        })?;
        let nodes = state(self.first(), "")?.conf.matches("nodeid: ").count();
        if nodes > 0 { healthy(self.first(), nodes) } else { Ok(()) }
    }
}

fn state(host: &Host, key_before: &str) -> Result<State> {
    let conf = std::fs::read_to_string(host.root().join("etc/corosync/corosync.conf")).unwrap_or_default();
    let key = std::fs::read(host.root().join("etc/corosync/authkey")).unwrap_or_default();
    let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(State { conf, key, key_before: key_before.to_owned() })
}

fn kill_command(host: &Host) -> Result<()> {
    // Where it has ended by itself already there is nothing to kill.
    let kill = ["-KILL", "-f", "^systole (cluster|quorum) "];
    host.command("pkill", &kill).output().context("killing the command").map(drop)
}

/// Waits for a command; what it said.
fn end(mut command: Child) -> Result<String> {
    let mut words = command.stderr.take().context("a pipe")?;
    let reader = thread::spawn(move || {
        let mut said = String::new();
        // Words that are no text are not needed to tell what went wrong.
        let _ = std::io::Read::read_to_string(&mut words, &mut said);
        said
    });
    let until = Instant::now() + PATIENCE;
    while command.try_wait()?.is_none() {
        if Instant::now() > until {
            command.kill()?;
            bail!("the command hangs: {}", reader.join().unwrap_or_default());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(reader.join().unwrap_or_default())
}
