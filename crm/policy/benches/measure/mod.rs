//! One case, measured in this process: what both benchmarks, each with an allocator of its own, have in common.

// A benchmark is the place for clocks; the crate itself stays without.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::env;
use std::error::Error;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use cib::Document;
use policy::{Input, plan};

use crate::clusters::{self, NOW, State};

/// A case is repeated for at least that long, and the best run counts.
const AT_LEAST: Duration = Duration::from_millis(600);

/// The state of that name.
pub fn state_of(name: &str) -> Result<State, String> {
    State::parse(name).ok_or_else(|| format!("'{name}' is no state; expected steady, lost or cold"))
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

/// Measures one case and prints its figures, as [`growth`] reads them: seconds for the plan alone, for reading and
/// planning, bytes of XML, actions, and the peak of memory of one reading and planning in bytes.
pub fn case(nodes: &str, primitives: &str, state: &str) -> Result<(), Box<dyn Error>> {
    let text = clusters::cib(nodes.parse()?, primitives.parse()?, state_of(state)?);
    // As in the daemon, plans are made on a thread of their own, whose memory some allocators manage in another way.
    let measured = thread::spawn(move || measure(&text).map_err(|error| error.to_string()));
    println!("{}", measured.join().map_err(|_| "the case panicked")??);
    Ok(())
}

fn measure(text: &str) -> Result<String, Box<dyn Error>> {
    let document = Document::parse(text)?;
    let actions = plan(&Input::new(&document, NOW)).transition.len();
    let peak = peak_memory()?;
    let alone = best(|| plan(&Input::new(&document, NOW)))?;
    drop(document);
    let whole = best(|| Document::parse(text).map(|document| plan(&Input::new(&document, NOW))))?;
    Ok(format!("{alone} {whole} {} {actions} {peak}", text.len()))
}

fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// The table of all states in these sizes (nodes and primitives), smallest first, and how the times grow.
pub fn growth(sizes: &[(usize, usize)]) -> Result<(), Box<dyn Error>> {
    println!(
        "{:<7} {:>5} {:>10} {:>8} {:>8} {:>10} {:>12} {:>8} {:>9} {:>9}",
        "state", "nodes", "primitives", "XML MB", "actions", "plan ms", "+parse ms", "peak MB", "growth", "+parse"
    );
    for state in State::ALL {
        let mut measured: Vec<(f64, f64, f64)> = Vec::new();
        for (nodes, primitives) in sizes.iter().copied() {
            let figures = in_a_process(nodes, primitives, state)?;
            let [alone, whole, bytes, actions, peak] = figures[..] else {
                return Err("a case said something else".into());
            };
            let pairs = (nodes * primitives) as f64;
            let last = measured.last().copied();
            measured.push((alone, whole, pairs));
            let (grows, whole_grows) =
                last.map_or((String::new(), String::new()), |last| growth_since(last, (alone, whole, pairs)));
            println!(
                "{:<7} {nodes:>5} {primitives:>10} {:>8.1} {actions:>8} {:>10.1} {:>12.1} {:>8.0} {grows:>9} {whole_grows:>9}",
                state.name(),
                bytes / 1e6,
                alone * 1e3,
                whole * 1e3,
                peak / 1e6
            );
        }
        if let [first, .., last] = measured[..] {
            let (grows, whole_grows) = growth_since(first, last);
            println!("{:<7} {:<62} {grows:>9} {whole_grows:>9}", state.name(), "from the smallest to the largest");
        }
    }
    println!("growth: exponent of the time in nodes x primitives, from one size to the next; 1 is in proportion.");
    Ok(())
}

/// The exponents of growth in nodes times primitives, of the plan and of the whole: 1 is in proportion.
fn growth_since(then: (f64, f64, f64), now: (f64, f64, f64)) -> (String, String) {
    let exponent = |now_s: f64, then_s: f64| format!("{:.2}", (now_s / then_s).ln() / (now.2 / then.2).ln());
    (exponent(now.0, then.0), exponent(now.1, then.1))
}

/// Runs one case in a process of its own.
fn in_a_process(nodes: usize, primitives: usize, state: State) -> Result<Vec<f64>, Box<dyn Error>> {
    let arguments = ["case", &nodes.to_string(), &primitives.to_string(), state.name()];
    let output = Command::new(env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}
