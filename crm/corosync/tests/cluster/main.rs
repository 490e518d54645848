//! Three nodes with Debian's Corosync, and what happens to those who use this engine on them.

mod measure;
mod nodes;
mod probe;

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::Signal;
use nodes::{Node, configuration, lay_the_bridge, wait_for};
use probe::Probe;

const KEY: [u8; 128] = [7; 128];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments[1..].iter().map(String::as_str).collect();
    match words[..] {
        ["probe", cluster] => {
            tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
            probe::be(cluster);
        }
        ["stranger", what] => be_a_stranger(what),
        ["latency", count, bytes] => measure::be(count, bytes),
        ["watch"] => measure::watch(),
        ["stage"] => on_the_stage(&SCENES),
        ["stage", "only", word] => {
            on_the_stage(&SCENES.into_iter().filter(|(name, _)| name.contains(word)).collect::<Vec<_>>());
        }
        ["stage", "measure"] => on_the_stage(&[("figures", measure::figures)]),
        ["--list", ..] => {}
        ["measure"] => take_the_stage(&["measure"]),
        [word] if !word.starts_with('-') => take_the_stage(&["only", word]),
        _ => take_the_stage(&[]),
    }
}

/// Runs this program again in namespaces of its own: as root, or as one who is root in a namespace of users.
fn take_the_stage(what: &[&str]) {
    let program = std::env::current_exe().expect("we run");
    assert!(
        std::path::Path::new("/usr/sbin/corosync").exists(),
        "this test needs a real Corosync: apt install corosync libcpg4 libquorum5 libvotequorum8 libcmap4 libcfg7"
    );
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let error = command.args(["--net", "--mount"]).arg(program).arg("stage").args(what).exec();
    panic!("unshare (package util-linux) could not be started: {error}");
}

type Scene = fn(&mut [Node]);

const SCENES: [(&str, Scene); 11] = [
    ("three nodes form and agree", forming),
    ("messages of all sizes come in one order", one_order),
    ("a flood is held up, not lost", flood),
    ("who joins while others send hears what they hear", joining_in_a_flood),
    ("a daemon that dies leaves its host", daemon_dies),
    ("a daemon that hangs is missed", daemon_hangs),
    ("strangers in the group are left out", strangers),
    ("corosync dies under a daemon and comes back", corosync_dies),
    ("a partition and its heal", partition),
    ("a node loses power", power),
    ("what is configured wrongly is said", misconfigured),
];

fn on_the_stage(scenes: &[(&str, Scene)]) {
    let directory = tempfile::tempdir().expect("a directory of ours");
    lay_the_bridge();
    let mut nodes: Vec<Node> = (1..=3).map(|id| Node::new(id, directory.path())).collect();
    nodes.iter_mut().for_each(|node| node.start(&configuration(3), &KEY));
    for (name, scene) in scenes {
        let begun = std::time::Instant::now();
        scene(&mut nodes);
        println!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
    }
    println!("test result: ok. {} scenes", scenes.len());
}

fn probes(nodes: &[Node]) -> Vec<Probe> {
    nodes.iter().map(|node| Probe::start(node, "trial")).collect()
}

fn all_in(probes: &[Probe]) {
    let ids: Vec<u32> = probes.iter().map(|probe| probe.id).collect();
    probes.iter().for_each(|probe| drop(probe.wait_members(&ids, true)));
}

/// Waits until all have so many messages, and asserts that they are the same in the same order.
fn same_order(probes: &[Probe], count: usize) {
    for probe in probes {
        probe.wait(&format!("{count} messages"), |probe| probe.messages().len() >= count);
    }
    let first = probes[0].messages();
    assert_eq!(first.len(), count);
    assert!(first.iter().all(|line| line.ends_with(" whole")), "n{} heard what nobody sent", probes[0].id);
    for probe in &probes[1..] {
        assert!(probe.messages() == first, "n{} heard another order than n{}", probe.id, probes[0].id);
    }
}

/// From each sender all came, in the order in which they were sent.
fn complete(probe: &Probe, from: u32, count: usize) {
    let prefix = format!("message {from} ");
    let numbers: Vec<String> = probe
        .messages()
        .iter()
        .filter_map(|line| Some(line.strip_prefix(&prefix)?.split(' ').next()?.to_owned()))
        .collect();
    let expected: Vec<String> = (0..count).map(|number| format!("{from}:{number}")).collect();
    assert!(numbers == expected, "n{} heard of node {from}: {numbers:?}", probe.id);
}

fn forming(nodes: &mut [Node]) {
    let found = Probe::with(&nodes[0], &["probe", "trial"]);
    found.wait("hosts without a daemon, by their names", |probe| {
        probe.views().last().is_some_and(|view| view.hosts == "n1,n2,n3" && view.quorate && view.members == [1])
    });
    let second = Probe::start(&nodes[1], "trial");
    second.wait_members(&[1, 2], true);
    let third = Probe::start(&nodes[2], "trial");
    let view = third.wait_members(&[1, 2, 3], true);
    assert!(view.places[&1] < view.places[&2] && view.places[&2] < view.places[&3], "{view:?}");
    assert_eq!(found.wait_members(&[1, 2, 3], true), view);
    assert_eq!(second.wait_members(&[1, 2, 3], true), view);
    assert!(third.views().len() == 1, "who joins is told once, when all is known: {:?}", third.views());
    // Who leaves and comes back is younger than all.
    found.stop();
    second.wait_members(&[2, 3], true);
    let again = Probe::start(&nodes[0], "trial");
    let view = again.wait_members(&[1, 2, 3], true);
    assert!(view.places[&1] > view.places[&3], "{view:?}");
}

fn one_order(nodes: &mut [Node]) {
    let mut probes = probes(nodes);
    all_in(&probes);
    let sizes = [100, 4_000, 65_536, 65_537, 524_288, 5 * 1024 * 1024];
    for probe in &mut probes {
        for (place, size) in sizes.iter().enumerate() {
            probe.send(if place < 2 { 20 } else { 2 }, *size);
        }
    }
    let each = 20 * 2 + 2 * 4;
    same_order(&probes, 3 * each);
    for sender in 1..=3 {
        complete(&probes[0], sender, each);
    }
}

fn flood(nodes: &mut [Node]) {
    let mut probes = probes(nodes);
    all_in(&probes);
    probes.iter_mut().for_each(|probe| probe.send(1_000, 20_000));
    same_order(&probes, 3_000);
    for sender in 1..=3 {
        complete(&probes[1], sender, 1_000);
    }
    for probe in &probes {
        assert_eq!(probe.views().last().map(|view| view.members.len()), Some(3), "nobody was lost");
    }
}

fn joining_in_a_flood(nodes: &mut [Node]) {
    let mut old: Vec<Probe> = nodes[..2].iter().map(|node| Probe::start(node, "trial")).collect();
    all_in(&old);
    // Each newcomer has a flood of its own, so that there is one however long it takes to come.
    let flood = |old: &mut [Probe]| {
        for probe in old {
            for _ in 0..2 {
                probe.send(50, 2_000);
                probe.send(2, 1_000_000);
            }
        }
    };
    for _ in 0..4 {
        flood(&mut old);
        let new = Probe::start(&nodes[2], "trial");
        new.wait_members(&[1, 2, 3], true);
        new.stop();
    }
    flood(&mut old);
    let new = Probe::start(&nodes[2], "trial");
    new.wait_members(&[1, 2, 3], true);
    // It hears the end of the flood, or at least this.
    old.iter_mut().for_each(|probe| probe.send(1, 100));
    let each = 5 * 104 + 1;
    same_order(&old, 2 * each);
    for sender in 1..=2 {
        complete(&old[0], sender, each);
    }
    // What the newcomer heard is the end of what the others heard: from the membership it came with on.
    new.wait("the last message", |new| new.messages().last() == old[0].messages().last());
    let (heard, all) = (new.messages(), old[0].messages());
    assert!(all.ends_with(&heard), "the newcomer heard {} messages that are not the last of theirs", heard.len());
    let after = old[0].lines();
    let came = after.iter().rposition(|line| line.starts_with("members 1@")).expect("it was told");
    let since = after[came..].iter().filter(|line| line.starts_with("message")).count();
    assert_eq!(heard.len(), since, "the newcomer hears from the membership it came with on, no more and no less");
}

fn daemon_dies(nodes: &mut [Node]) {
    let mut probes = probes(nodes);
    all_in(&probes);
    let before = probes[1].wait_members(&[1, 2, 3], true).places[&1];
    probes[0].kill();
    let view = probes[1].wait_members(&[2, 3], true);
    assert_eq!(view.hosts, "n1,n2,n3", "its host is still there");
    // A new one in its place is seen to be new, even by those who are told of both at once.
    probes[0] = Probe::start(&nodes[0], "trial");
    let view = probes[1].wait_members(&[1, 2, 3], true);
    assert_ne!(view.places[&1], before);
    assert_eq!(probes[0].wait_members(&[1, 2, 3], true), view);
}

fn daemon_hangs(nodes: &mut [Node]) {
    let probes = probes(nodes);
    all_in(&probes);
    probes[1].signal(Signal::SIGSTOP);
    for at in [0, 2] {
        let view = probes[at].wait_members(&[1, 3], true);
        assert_eq!(view.hosts, "n1,n2,n3");
        // What it logs comes to us on another way than what it is told, so perhaps later.
        let told = || probes[at].errors().iter().filter(|line| line.contains("does its daemon hang?")).count();
        probes[at].wait("it to be said", |_| told() > 0);
        assert_eq!(told(), 1, "{:?}", probes[at].errors());
    }
    probes[1].signal(Signal::SIGCONT);
    all_in(&probes);
    assert!(probes[1].lines().iter().any(|line| line.starts_with("lost")), "it knows that it was away");
    // One that hangs before it has ever reported holds the others up only for as long.
    let silent = Probe::with(&nodes[0], &["stranger", "silent"]);
    silent.wait("it to be in", |probe| !probe.lines().is_empty());
    let late = Probe::start(&nodes[2], "trial");
    drop(late);
    all_in(&probes);
}

fn strangers(nodes: &mut [Node]) {
    let mut probes = probes(nodes);
    all_in(&probes);
    let garbage = Probe::with(&nodes[0], &["stranger", "garbage"]);
    let newer = Probe::with(&nodes[1], &["stranger", "newer"]);
    let warned = |probe: &Probe, text: &str| probe.errors().iter().filter(|line| line.contains(text)).count();
    for probe in &probes {
        probe.wait("strangers to be seen", |probe| {
            warned(probe, "what no systoled sends") == 1 && warned(probe, "another version") == 1
        });
    }
    probes.iter_mut().for_each(|probe| probe.send(10, 1_000));
    same_order(&probes, 30);
    for probe in &probes {
        assert_eq!(probe.views().last().map(|view| view.members.clone()), Some(vec![1, 2, 3]));
        let told = probe.errors();
        assert!(warned(probe, "process") <= 2, "each stranger is logged once: {told:?}");
        assert!(told.iter().any(|line| line.contains("on n1")), "it is said who: {told:?}");
    }
    drop((garbage, newer));
    // A daemon of another cluster, and a second one on a node: refused with a reason, and nobody else is disturbed.
    let other = Probe::start(&nodes[2], "another");
    let second = Probe::start(&nodes[0], "trial");
    other.wait("a refusal", |other| other.lines().iter().any(|line| line.contains("the cluster \"another\"")));
    second.wait("a refusal", |second| second.lines().iter().any(|line| line.contains("has a daemon already")));
    assert!(other.views().is_empty() && second.views().is_empty(), "they never took part");
    drop((other, second));
    all_in(&probes);
    let places: BTreeSet<_> = probes.iter().map(|probe| probe.views().last().map(|v| v.places.clone())).collect();
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(probes.iter().all(|probe| !probe.lines().iter().any(|line| line.starts_with("lost"))));
}

fn corosync_dies(nodes: &mut [Node]) {
    let mut probes = probes(nodes);
    all_in(&probes);
    nodes[2].kill_corosync();
    probes[2].wait("the loss", |probe| probe.lines().last().is_some_and(|line| line.starts_with("lost")));
    let view = probes[0].wait_members(&[1, 2], true);
    assert_eq!(view.hosts, "n1,n2", "a host without Corosync is gone");
    probes[0].send(5, 100);
    same_order(&probes[..2], 5);
    nodes[2].start_corosync();
    all_in(&probes);
    assert!(probes[2].messages().is_empty());
    probes[2].send(5, 100);
    probes[2].wait("its own messages", |probe| probe.messages().len() == 5);
    same_order(&probes[..2], 10);
    let numbers: Vec<u64> = probes[2]
        .lines()
        .iter()
        .filter_map(|line| line.rsplit_once('#').and_then(|(_, number)| number.parse().ok()))
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "numbers grow over connections: {numbers:?}");
}

fn partition(nodes: &mut [Node]) {
    let probes = probes(nodes);
    all_in(&probes);
    let before = probes[0].views().last().cloned().expect("all are in");
    nodes[2].cable(false);
    let small = probes[2].wait_members(&[3], false);
    let large = probes[0].wait_members(&[1, 2], true);
    assert_eq!((small.hosts.as_str(), large.hosts.as_str()), ("n3", "n1,n2"));
    assert_eq!(probes[1].wait_members(&[1, 2], true), large);
    let told = probes[0].views();
    let flashes = told.iter().filter(|view| !view.quorate).count();
    assert_eq!(flashes, 0, "the side with quorum is never told that it has none: {told:?}");
    nodes[2].cable(true);
    for probe in &probes {
        let view = probe.wait_members(&[1, 2, 3], true);
        assert_eq!(view.places, before.places, "places are kept through a partition");
    }
}

fn power(nodes: &mut [Node]) {
    let mut probes = probes(nodes);
    all_in(&probes);
    probes.iter_mut().for_each(|probe| probe.send(200, 5_000));
    probes[1].wait("some messages", |probe| probe.messages().len() > 50);
    nodes[0].kill();
    let view = probes[1].wait_members(&[2, 3], true);
    assert_eq!(view.hosts, "n2,n3");
    probes[2].wait_members(&[2, 3], true);
    wait_for("the rest of the messages", || {
        let (one, other) = (probes[1].messages(), probes[2].messages());
        let of = |from: &str| one.iter().filter(|line| line.starts_with(&format!("message {from} "))).count();
        one == other && of("2") == 200 && of("3") == 200
    });
    // The loss stands at the same place between the messages.
    let order = |probe: &Probe| {
        let lines = probe.lines();
        let at = lines.iter().rposition(|line| line.starts_with("members")).expect("it was told");
        lines[..at].iter().filter(|line| line.starts_with("message")).count()
    };
    assert_eq!(order(&probes[1]), order(&probes[2]));
    nodes[0].start(&configuration(3), &KEY);
    probes[0] = Probe::start(&nodes[0], "trial");
    all_in(&probes);
}

fn misconfigured(nodes: &mut [Node]) {
    let probes: Vec<Probe> = nodes[..2].iter().map(|node| Probe::start(node, "trial")).collect();
    probes.iter().for_each(|probe| drop(probe.wait_members(&[1, 2], true)));
    let restart = |node: &mut Node, configuration: &str, key: &[u8; 128]| {
        node.kill_corosync();
        node.configure(configuration, key);
        node.start_corosync();
    };
    let said = |probe: &Probe, text: &str| {
        probe.wait(text, |probe| probe.errors().iter().chain(&probe.lines()).any(|line| line.contains(text)));
    };
    let right = configuration(3);

    // Its own file calls two nodes alike; and a file that differs from the others', so that only meeting them tells.
    restart(&mut nodes[2], &right.replace("name: n3", "name: n1"), &KEY);
    said(&Probe::start(&nodes[2], "trial"), "corosync.conf calls nodes 1 and 3 all n1");
    restart(&mut nodes[2], &right.replace("name: n1", "name: n4").replace("name: n3", "name: n1"), &KEY);
    said(&Probe::start(&nodes[2], "trial"), "the name n1 belongs to node 1");

    restart(&mut nodes[2], &right.replace("provider: corosync_votequorum", ""), &KEY);
    said(&Probe::start(&nodes[2], "trial"), "no provider of quorum");

    restart(&mut nodes[2], &right, &[8; 128]);
    let alone = Probe::start(&nodes[2], "trial");
    said(&alone, "compare `md5sum /etc/corosync/authkey`");
    alone.wait_members(&[3], false);
    assert!(alone.errors().iter().any(|line| line.contains("n1 (no link is connected)")), "{:?}", alone.errors());
    drop(alone);

    nodes[2].kill_corosync();
    let waiting = Probe::start(&nodes[2], "trial");
    said(&waiting, "corosync does not answer");
    nodes[2].configure(&right, &KEY);
    nodes[2].start_corosync();
    waiting.wait_members(&[1, 2, 3], true);
    for probe in &probes {
        let views = probe.views();
        let together =
            views.iter().position(|view| view.members == [1, 2] && view.quorate).expect("they were together");
        assert!(views[together..].iter().all(|view| view.quorate && view.places.contains_key(&1)), "{views:?}");
    }
}

/// A process in the group that is none of ours.
fn be_a_stranger(what: &str) {
    // The library puts a megabyte on the stack.
    let run = {
        let what = what.to_owned();
        move || {
            let mut cpg = corosync::cpg::Cpg::connect().expect("corosync runs");
            while let Err(error) = cpg.join("systole") {
                assert!(error.is_try_again(), "{error}");
            }
            let mut told = Vec::new();
            while told.is_empty() {
                cpg.dispatch(1, &mut told).expect("corosync runs");
            }
            println!("in");
            let bytes: &[u8] = match what.as_str() {
                "garbage" => b"\x00\xffnobody understands this",
                "newer" => b"SYTG\x63\x01 from the future",
                _ => b"",
            };
            loop {
                if !bytes.is_empty()
                    && let Err(error) = cpg.multicast(bytes)
                {
                    assert!(error.is_try_again(), "{error}");
                }
                cpg.dispatch(1_000, &mut told).expect("corosync runs");
                told.clear();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(4 * 1024 * 1024).spawn(run).expect("a thread");
    thread.join().expect("it says why");
}
