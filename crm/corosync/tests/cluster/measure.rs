//! Figures: `cargo test -p corosync --test cluster -- measure`. What they should be is not said here.

use std::time::{Duration, Instant};

use corosync::cpg::{Cpg, Told};
use corosync::{Client, quorum::Quorum};
use engine::{Engine as _, Event, SendError};

use crate::nodes::{Node, configuration};
use crate::probe::{Probe, microseconds};

/// Measures from one node how long a message takes to come back, and how many go through.
pub fn be(count: &str, bytes: &str) {
    let (count, bytes): (usize, usize) = (count.parse().expect("a number"), bytes.parse().expect("a number"));
    let found = corosync::find().unwrap_or_else(|error| panic!("finding Corosync: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut client = Client::connect(&found, "trial").expect("a thread");
        loop {
            match client.event().await {
                Event::Membership(view) if view.members.len() == 3 => break,
                _ => {}
            }
        }
        let mut took: Vec<Duration> = Vec::with_capacity(count);
        for _ in 0..count {
            let sent = Instant::now();
            client.send(vec![7; bytes]).expect("nothing else is sent");
            came_back(&mut client).await;
            took.push(sent.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        took.sort();
        let at = |percent: usize| took[(took.len() - 1) * percent / 100];
        println!("{bytes} bytes, one after the other: p50 {:?} p90 {:?} p99 {:?}", at(50), at(90), at(99));
        let (begun, mut sent, mut back) = (Instant::now(), 0, 0);
        while back < count {
            while sent < count {
                match client.send(vec![7; bytes]) {
                    Ok(()) => sent += 1,
                    Err(SendError::Busy) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            came_back(&mut client).await;
            back += 1;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let (rate, megabytes) = (count as f64 / seconds, (count * bytes) as f64 / seconds / 1e6);
        println!("{bytes} bytes, as many as go: {rate:.0} a second, {megabytes:.1} MB/s");
        client.leave().await;
    });
}

async fn came_back(client: &mut Client) {
    let me = client.me().id;
    loop {
        match client.event().await {
            Event::Delivered { from, .. } if from == me => return,
            Event::Lost { reason } => panic!("{reason}"),
            _ => {}
        }
    }
}

/// Says when Corosync itself tells of a new ring and of its quorum: beside an engine on the same node, what that one
/// takes on top.
pub fn watch() {
    let run = || {
        let mut cpg = Cpg::connect().expect("corosync runs");
        while let Err(error) = cpg.join("watch") {
            assert!(error.is_try_again(), "{error}");
        }
        let mut quorum = Quorum::connect().expect("corosync runs");
        quorum.track().expect("corosync runs");
        let mut told = Vec::new();
        loop {
            if quorum.dispatch().expect("corosync runs").is_some() {
                println!("quorum {}", microseconds());
            }
            cpg.dispatch(100, &mut told).expect("corosync runs");
            for told in told.drain(..) {
                if let Told::Ring { hosts, .. } = told {
                    println!("ring {} of {}", microseconds(), hosts.len());
                }
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    };
    let thread = std::thread::Builder::new().stack_size(4 * 1024 * 1024).spawn(run).expect("a thread");
    thread.join().expect("it says why");
}

/// Prints them.
pub fn figures(nodes: &mut [Node]) {
    let mut others: Vec<Probe> = nodes[1..].iter().map(|node| Probe::start(node, "trial")).collect();
    others.iter().for_each(|probe| drop(probe.wait_members(&[2, 3], true)));
    for (count, bytes) in [("1000", "64"), ("1000", "4096"), ("300", "65536"), ("60", "524288")] {
        let measured = Probe::with(&nodes[0], &["latency", count, bytes]);
        measured.wait("figures", |probe| probe.lines().len() == 2);
        measured.lines().iter().for_each(|line| println!("three nodes, {line}"));
    }
    let watch = Probe::with(&nodes[0], &["watch"]);
    let probe = Probe::start(&nodes[0], "trial");
    probe.wait_members(&[1, 2, 3], true);
    for _ in 0..5 {
        nodes[2].kill();
        probe.wait_members(&[1, 2], true);
        let said = |word: &str| {
            let lines = watch.lines();
            let line = lines.iter().rfind(|line| line.starts_with(word))?;
            line.split(' ').nth(1)?.parse::<i64>().ok()
        };
        watch.wait("the ring", |watch| {
            watch.lines().iter().rfind(|l| l.starts_with("ring")).is_some_and(|l| l.ends_with("of 2"))
        });
        let told: i64 = (probe.lines().last())
            .and_then(|line| line.split(' ').nth(7)?.parse().ok())
            .expect("a membership with its time");
        let after = |word: &str| told - said(word).expect("it was said");
        println!(
            "loss of a node: the daemon's membership comes {} us after Corosync's ring, {} us after its quorum",
            after("ring"),
            after("quorum")
        );
        nodes[2].start(&configuration(3), &[7; 128]);
        others[1] = Probe::start(&nodes[2], "trial");
        probe.wait_members(&[1, 2, 3], true);
    }
}
