//! What a thousand recurring monitors cost the executor itself, agents left out: processor time for an hour of them, and
//! how many are due in the same tenth of a second.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use executor::{Agent, Command, End, Event, Executor, Operation, Output, RunId};

const MONITORS: usize = 1_000;
const INTERVAL: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3_600);
/// How long an agent is taken to run.
const RUNS: Duration = Duration::from_millis(5);

fn main() {
    let begun = Instant::now();
    let mut executor = Executor::new(16, 1);
    let mut now = Duration::ZERO;
    for number in 0..MONITORS {
        executor.handle(now, Event::Run(monitor(number)));
    }
    let mut working: BTreeMap<(Duration, RunId), ()> = BTreeMap::new();
    let (mut runs, mut at_once, mut most) = (0u64, (Duration::ZERO, 0u32), 0u32);
    while now < HOUR {
        while let Some(command) = executor.poll() {
            match command {
                Command::Spawn { run, .. } => {
                    working.insert((now + RUNS, run), ());
                    runs += 1;
                    // The first minute is for them to find their places.
                    if now > Duration::from_secs(60) {
                        let tenth = Duration::from_millis((now.as_millis() / 100 * 100) as u64);
                        at_once = if at_once.0 == tenth { (tenth, at_once.1 + 1) } else { (tenth, 1) };
                        most = most.max(at_once.1);
                    }
                }
                Command::Watch { run, .. } => {
                    let end = End::NotStarted { reason: "it knows no watching".into(), missing: true };
                    executor.handle(now, Event::Ended { run, end });
                }
                _ => {}
            }
        }
        let deadline = executor.deadline().unwrap_or(HOUR);
        match working.first_key_value().map(|(key, ())| *key).filter(|(at, _)| *at <= deadline) {
            Some(first @ (at, run)) => {
                working.remove(&first);
                now = at;
                executor.handle(now, Event::Ended { run, end: End::Exited { code: 0, output: Output::default() } });
            }
            None => {
                now = deadline;
                executor.handle(now, Event::Timeout);
            }
        }
    }
    let took = begun.elapsed();
    println!(
        "{MONITORS} monitors at {} s: {:.1} us each, {:.3} % of one core; at most {most} begin within 100 ms",
        INTERVAL.as_secs(),
        took.as_secs_f64() * 1e6 / runs as f64,
        took.as_secs_f64() / HOUR.as_secs_f64() * 100.0,
    );
}

fn monitor(number: usize) -> Operation {
    Operation {
        id: number as u64,
        resource: format!("vip-{number}"),
        agent: Agent { class: "ocf".into(), provider: Some("heartbeat".into()), kind: "IPaddr2".into() },
        action: "monitor".into(),
        interval_ms: INTERVAL.as_millis() as u32,
        timeout_ms: 20_000,
        start_delay_ms: 0,
        parameters: BTreeMap::new(),
        target_rc: 0,
    }
}
