#![forbid(unsafe_code)]
//! `systole-sim`: runs seeds from the command line. What a run is lies in the library.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use sim::{Keep, Verdict, run};

/// Simulates whole clusters, each from one seed, and says which broke a rule.
#[derive(Debug, Parser)]
#[command(name = "systole-sim", version)]
struct Options {
    /// One seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// All seeds of a range, such as 0..1000; the end is not in it.
    #[arg(long, value_parser = range, default_value = "0..1000")]
    seeds: Range<u64>,
    /// Prints what happens, line by line. For one seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// How many broken seeds end it.
    #[arg(long, default_value_t = 20)]
    most: usize,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("expected FROM..TO with FROM below TO, such as 0..1000, found {text:?}");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
    if from < to { Ok(from..to) } else { Err(wrong()) }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.seed {
        Some(seed) => one(seed, options.trace),
        None => many(&options.seeds, options.most),
    }
}

fn one(seed: u64, trace: bool) -> ExitCode {
    let verdict = run(seed, if trace { Keep::Print } else { Keep::Last(40) });
    verdict.lines.iter().for_each(|line| println!("{line}"));
    match &verdict.broken {
        None => {
            println!(
                "seed {seed}: every rule held for {:.0} s; trace {:016x}",
                verdict.lasted.as_secs_f64(),
                verdict.hash
            );
            ExitCode::SUCCESS
        }
        Some(how) => {
            println!("seed {seed}: {how}\nTo repeat it: {}", verdict.command());
            ExitCode::FAILURE
        }
    }
}

fn many(seeds: &Range<u64>, most: usize) -> ExitCode {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let results: Mutex<Vec<Verdict>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let broken = || locked(&results).iter().filter(|verdict| verdict.broken.is_some()).count();
                    if seed >= seeds.end || broken() >= most {
                        return;
                    }
                    let verdict = run(seed, Keep::Hash);
                    if let Some(how) = &verdict.broken {
                        println!("seed {seed}: {how}\n    {}", verdict.command());
                    }
                    locked(&results).push(verdict);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_default();
    summary(&results, begun.elapsed());
    if results.iter().any(|verdict| verdict.broken.is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn locked(results: &Mutex<Vec<Verdict>>) -> std::sync::MutexGuard<'_, Vec<Verdict>> {
    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn summary(results: &[Verdict], took: Duration) {
    let sum = |count: fn(&Verdict) -> u64| results.iter().map(count).sum::<u64>();
    let hours = results.iter().map(|verdict| verdict.lasted.as_secs_f64()).sum::<f64>() / 3600.0;
    let faults = sum(|verdict| verdict.counts.faults);
    let broken = results.iter().filter(|verdict| verdict.broken.is_some()).count();
    println!(
        "{} seeds, {broken} of them broke a rule; {hours:.1} simulated hours, {faults} faults ({:.0} an hour), \
         {} plans, {} processes, {} messages, {} hosts cut off, {} writes acknowledged; {:.1} seeds a second",
        results.len(),
        faults as f64 / hours.max(0.001),
        sum(|verdict| verdict.counts.plans),
        sum(|verdict| verdict.counts.processes),
        sum(|verdict| verdict.counts.deliveries),
        sum(|verdict| verdict.counts.cut_off),
        sum(|verdict| verdict.counts.acknowledged),
        results.len() as f64 / took.as_secs_f64().max(0.001),
    );
}
