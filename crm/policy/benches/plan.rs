//! How long a plan takes, how that grows, and how it compares with Pacemaker: `cargo bench -p policy` prints it all,
//! `-- growth` and `-- peer` one half. Each case runs in a process of its own, so that its peak of memory is its own. The
//! clusters are made up by `clusters`; `peer.sh` measures whole processes.

// A benchmark is the place for clocks and processes; the crate itself stays without.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod clusters;

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cib::Document;
use clusters::{NOW, State};
use mimalloc::MiMalloc;
use policy::{Input, plan};

/// As in the program `systole`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Nodes and primitives; each step has four times as many pairs of the two.
const SIZES: [(usize, usize); 4] = [(8, 250), (16, 500), (32, 1000), (64, 2000)];

/// A case is repeated for at least that long, and the best run counts.
const AT_LEAST: Duration = Duration::from_millis(600);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] if env::args().any(|argument| argument == "--bench") => {
            growth()?;
            println!();
            peer()
        }
        ["growth"] => growth(),
        ["peer"] => peer(),
        // `cargo test --benches`: what is measured must be what it is said to be.
        [] => {
            check();
            Ok(())
        }
        ["case", nodes, primitives, state] => case(nodes.parse()?, primitives.parse()?, state_of(state)?),
        ["write", nodes, primitives, state, file] => {
            Ok(fs::write(file, clusters::cib(nodes.parse()?, primitives.parse()?, state_of(state)?))?)
        }
        _ => {
            Err("expected nothing, growth, peer, case NODES PRIMITIVES STATE, or write NODES PRIMITIVES STATE FILE"
                .into())
        }
    }
}

fn state_of(name: &str) -> Result<State, String> {
    State::parse(name).ok_or_else(|| format!("'{name}' is no state; expected steady, lost or cold"))
}

/// A steady cluster needs nothing, one that lost a node fencing, a cold one everything.
fn check() {
    for state in State::ALL {
        let document = Document::parse(&clusters::cib(4, 60, state)).expect("what is made here is XML");
        let transition = plan(&Input::new(&document, NOW)).transition;
        let (least, most) = match state {
            State::Steady => (0, 0),
            State::Lost => (10, 200),
            State::Cold => (240, 1000),
        };
        assert!((least..=most).contains(&transition.len()), "{state:?}: {} actions", transition.len());
    }
}

/// The best of several runs, in seconds of the processor: other work of the machine does not count.
fn best<T>(mut work: impl FnMut() -> T) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    let mut best = u64::MAX;
    let mut runs = 0;
    while runs < 3 || begun.elapsed() < AT_LEAST {
        let start = processor_ns()?;
        let made = work();
        best = best.min(processor_ns()? - start);
        drop(made);
        runs += 1;
    }
    Ok(best as f64 / 1e9)
}

/// Nanoseconds this thread has run so far: the first number of its schedstat.
fn processor_ns() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("nothing in schedstat")?.parse()?)
}

/// Measures one case and prints its figures: seconds for the plan alone, for reading and planning, bytes of XML,
/// actions, and the peak of memory of one reading and planning in bytes.
fn case(nodes: usize, primitives: usize, state: State) -> Result<(), Box<dyn Error>> {
    let text = clusters::cib(nodes, primitives, state);
    let document = Document::parse(&text)?;
    let actions = plan(&Input::new(&document, NOW)).transition.len();
    let peak = peak_memory()?;
    let alone = best(|| plan(&Input::new(&document, NOW)))?;
    drop(document);
    let whole = best(|| Document::parse(&text).map(|document| plan(&Input::new(&document, NOW))))?;
    println!("{alone} {whole} {} {actions} {peak}", text.len());
    Ok(())
}

fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Ours and Pacemaker's programs in turn.
fn peer() -> Result<(), Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer.sh");
    let status = Command::new(&script).env("BENCH", env::current_exe()?).status()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", script.display()).into()) }
}

fn growth() -> Result<(), Box<dyn Error>> {
    println!(
        "{:<7} {:>5} {:>10} {:>8} {:>8} {:>10} {:>12} {:>8} {:>9} {:>9}",
        "state", "nodes", "primitives", "XML MB", "actions", "plan ms", "+parse ms", "peak MB", "growth", "+parse"
    );
    for state in State::ALL {
        let mut last: Option<(f64, f64, f64)> = None;
        for (nodes, primitives) in SIZES {
            let figures = measure(nodes, primitives, state)?;
            let [alone, whole, bytes, actions, peak] = figures[..] else {
                return Err("a case said something else".into());
            };
            let pairs = (nodes * primitives) as f64;
            // The exponent of growth in nodes times primitives: 1 is in proportion.
            let growth =
                |now: f64, then: f64, pairs_then: f64| format!("{:.2}", (now / then).ln() / (pairs / pairs_then).ln());
            let (grows, whole_grows) = last.map_or((String::new(), String::new()), |(alone_then, whole_then, then)| {
                (growth(alone, alone_then, then), growth(whole, whole_then, then))
            });
            println!(
                "{:<7} {nodes:>5} {primitives:>10} {:>8.1} {actions:>8} {:>10.1} {:>12.1} {:>8.0} {grows:>9} {whole_grows:>9}",
                state.name(),
                bytes / 1e6,
                alone * 1e3,
                whole * 1e3,
                peak / 1e6
            );
            last = Some((alone, whole, pairs));
        }
    }
    println!("growth: exponent of the time in nodes x primitives, from one size to the next; 1 is in proportion.");
    Ok(())
}

/// Runs one case in a process of its own.
fn measure(nodes: usize, primitives: usize, state: State) -> Result<Vec<f64>, Box<dyn Error>> {
    let arguments = ["case", &nodes.to_string(), &primitives.to_string(), state.name()];
    let output = Command::new(env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}
