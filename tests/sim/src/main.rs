#![forbid(unsafe_code)]
//! `systole-sim`: runs seeds from the command line. What a run is lies in the library.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use sim::world::Counts;
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
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs seed after seed until it is told to stop (Ctrl-C) or the time is over, and says how it goes.
    Soak {
        /// The first seed.
        #[arg(long, default_value_t = 1_000_000)]
        from: u64,
        /// Minutes; without it, until Ctrl-C.
        #[arg(long)]
        minutes: Option<u64>,
    },
    /// Plays a scenario told as text; see `tests/sim/scripts`.
    Play {
        /// The file.
        file: PathBuf,
    },
}

/// How often a soak says how it goes.
const PROGRESS: Duration = Duration::from_secs(10);

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("expected FROM..TO with FROM below TO, such as 0..1000, found {text:?}");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
    if from < to { Ok(from..to) } else { Err(wrong()) }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match (options.command, options.seed) {
        (Some(Command::Soak { from, minutes }), _) => {
            let end = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
            soak(from, end, options.most)
        }
        (Some(Command::Play { file }), _) => play(&file),
        (None, Some(seed)) => one(seed, options.trace),
        (None, None) => many(&options.seeds, options.most, &|_| false),
    }
}

fn play(file: &Path) -> ExitCode {
    let told = std::fs::read_to_string(file).map_err(|error| format!("reading {}: {error}", file.display()));
    match told.and_then(|text| sim::script::play(&text)) {
        Ok(()) => {
            println!("{}: all went as it says", file.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn soak(from: u64, end: Option<Instant>, most: usize) -> ExitCode {
    let stopped = Arc::new(AtomicBool::new(false));
    if let Err(error) = watch_for_ctrl_c(stopped.clone()) {
        println!("watching for Ctrl-C: {error}");
        return ExitCode::FAILURE;
    }
    let (begun, said) = (Instant::now(), Mutex::new(Instant::now()));
    many(&(from..u64::MAX), most, &|totals| {
        let mut said = locked(&said);
        if said.elapsed() >= PROGRESS {
            *said = Instant::now();
            totals.say(begun.elapsed());
        }
        stopped.load(Ordering::Relaxed) || end.is_some_and(|end| Instant::now() >= end)
    })
}

/// Ctrl-C ends it after the runs under way, so that the summary is said; a second one ends it at once.
fn watch_for_ctrl_c(stopped: Arc<AtomicBool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stopped.swap(true, Ordering::Relaxed) {
                    // As a shell has it for what ended by SIGINT.
                    std::process::exit(130);
                }
                println!("the runs under way are finished; Ctrl-C again ends it at once");
            }
        });
    });
    Ok(())
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

/// Runs seeds on all processors until they are through, too many broke a rule, or `enough` says so of what there is.
fn many(seeds: &Range<u64>, most: usize, enough: &(dyn Fn(&Totals) -> bool + Sync)) -> ExitCode {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let totals = Mutex::new(Totals::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = || {
                        let totals = locked(&totals);
                        totals.broken >= most || enough(&totals)
                    };
                    if seed >= seeds.end || is_over() {
                        return;
                    }
                    let verdict = run(seed, Keep::Hash);
                    if let Some(how) = &verdict.broken {
                        println!("seed {seed}: {how}\n    {}", verdict.command());
                    }
                    locked(&totals).add(&verdict);
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    totals.say(begun.elapsed());
    if totals.broken > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came of all runs together.
#[derive(Default)]
struct Totals {
    seeds: u64,
    broken: usize,
    lasted: Duration,
    counts: Counts,
}

impl Totals {
    fn add(&mut self, verdict: &Verdict) {
        self.seeds += 1;
        self.broken += usize::from(verdict.broken.is_some());
        self.lasted += verdict.lasted;
        self.counts.add(&verdict.counts);
    }

    fn say(&self, took: Duration) {
        let hours = self.lasted.as_secs_f64() / 3600.0;
        let Counts { faults, plans, deliveries, processes, cut_off, acknowledged, ref kinds } = self.counts;
        println!(
            "{} seeds, {} of them broke a rule; {hours:.1} simulated hours, {faults} faults of {} kinds ({:.0} an hour), \
             {plans} plans, {processes} processes, {deliveries} messages, {cut_off} hosts cut off, \
             {acknowledged} writes acknowledged; {:.1} seeds a second",
            self.seeds,
            self.broken,
            kinds.len(),
            faults as f64 / hours.max(0.001),
            self.seeds as f64 / took.as_secs_f64().max(0.001),
        );
    }
}
