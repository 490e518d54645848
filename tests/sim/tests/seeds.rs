//! Two thousand clusters, each from its seed, and the promise that a seed is a run. More are run with
//! `cargo run -p sim --release -- --seeds 0..100000`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sim::{Keep, Verdict, run};

/// Two quiet processors need four minutes for them.
const SEEDS: u64 = 10_000;

/// A machine that is slower, or busy with other things, stops here, but not before it has run some.
const TIME: Duration = Duration::from_secs(300);
const LEAST: u64 = 1_000;

/// Of so many kinds are the faults of all runs together, at least, and so many strike in an hour of a cluster's time.
const KINDS: usize = 25;
const FAULTS_AN_HOUR: f64 = 60.0;

#[test]
fn no_seed_breaks_a_rule() {
    let (next, begun) = (AtomicU64::new(0), Instant::now());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut verdicts = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS || (seed >= LEAST && begun.elapsed() >= TIME) {
                return verdicts;
            }
            verdicts.push(run(seed, Keep::Hash));
        }
    };
    let verdicts: Vec<Verdict> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a run that panics has said where")).collect()
    });
    let broken: Vec<String> = verdicts
        .iter()
        .filter_map(|verdict| {
            Some(format!("seed {}: {}\n    {}", verdict.seed, verdict.broken.as_ref()?, verdict.command()))
        })
        .collect();
    let run = verdicts.len() as u64;
    println!("{run} seeds in {:.0} s", begun.elapsed().as_secs_f64());
    assert!(broken.is_empty(), "{} of {run} seeds broke a rule:\n{}", broken.len(), broken.join("\n"));
    // Runs in which nothing happens prove nothing.
    let kinds: BTreeSet<&String> = verdicts.iter().flat_map(|verdict| &verdict.counts.kinds).collect();
    let hours = verdicts.iter().map(|verdict| verdict.lasted.as_secs_f64()).sum::<f64>() / 3600.0;
    assert!(kinds.len() >= KINDS, "only these kinds of fault: {kinds:?}");
    let sum = |count: fn(&Verdict) -> u64| verdicts.iter().map(count).sum::<u64>();
    let an_hour = sum(|v| v.counts.faults) as f64 / hours;
    assert!(an_hour > FAULTS_AN_HOUR, "only {an_hour:.0} things go wrong in an hour");
    assert!(sum(|v| v.counts.cut_off) > run / 2, "too few nodes are fenced");
    assert!(sum(|v| v.counts.acknowledged) > run / 10, "too few writes are acknowledged");
}

#[test]
fn a_seed_is_a_run() {
    for seed in 0..20 {
        let [first, second] = [run(seed, Keep::Hash), run(seed, Keep::Hash)];
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_ne!(first.hash, run(seed + 1000, Keep::Hash).hash, "seed {seed}");
    }
}
