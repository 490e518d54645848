//! `cargo xtask bench`: the demonstration again and again, and the medians of its receipts.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use lab::fault::FAULTS;
use serde_json::Value;

use crate::build;

/// The parts of a receipt that are shown, in columns.
const COLUMNS: [&str; 8] = [
    "detected_ms",
    "fenced_ms",
    "stopped_ms",
    "started_ms",
    "announced_ms",
    "known_again_ms",
    "outage_ms",
    "after_detection_ms",
];

/// Options of the measurements.
#[derive(clap::Args)]
pub struct Arguments {
    /// How often each fault is shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Seconds for which idle daemons are measured; 0 to leave that out
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=3600))]
    idle: u64,
    /// Only this fault
    #[arg(long, value_name = "FAULT")]
    fault: Option<String>,
    /// Measure programs without optimisation, which are built faster
    #[arg(long)]
    debug: bool,
}

/// One line of the table: an example, a fault, and who coordinates.
struct Row {
    example: &'static str,
    fault: &'static str,
    /// `None`: the node that is lost.
    coordinator: Option<&'static str>,
}

/// Measures and prints.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let programs = build::programs(!arguments.debug)?;
    let mut rows = Vec::new();
    for (fault, ..) in FAULTS {
        if arguments.fault.as_ref().is_some_and(|only| only != fault) {
            continue;
        }
        // Who coordinates matters only when that one is lost.
        let coordinators = if matches!(fault, "crash" | "isolate" | "daemon" | "leave") {
            &[None, Some("node2")][..]
        } else {
            &[None]
        };
        for example in ["vip", "file-vip"] {
            rows.extend(coordinators.iter().map(|&coordinator| Row { example, fault, coordinator }));
        }
    }
    if rows.is_empty() {
        bail!("there is no such fault: expected one of {}", FAULTS.map(|(name, ..)| name).join(", "));
    }
    println!("medians of {} runs each, in ms (in brackets the least and the most)", arguments.runs);
    let mut all_good = true;
    for row in &rows {
        all_good &= measure(row, &programs, arguments.runs)?;
    }
    if arguments.idle > 0 {
        all_good &= idle(&programs, arguments.idle)?;
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(row: &Row, programs: &Path, runs: u32) -> Result<bool> {
    let mut receipts = Vec::new();
    let mut good = 0;
    for _ in 0..runs {
        let mut words = vec!["--fault", row.fault];
        if let Some(coordinator) = row.coordinator {
            words.extend(["--coordinator", coordinator]);
        }
        let (receipt, is_good) = demonstrate(row.example, &words, programs)?;
        good += u32::from(is_good);
        receipts.push(receipt);
    }
    let coordinator = row.coordinator.map_or(String::new(), |name| format!(", {name} coordinates"));
    println!("\n{} {}{coordinator}: {good} of {runs} as they should be", row.example, row.fault);
    for column in COLUMNS {
        let mut values: Vec<f64> = receipts.iter().filter_map(|receipt| receipt[column].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        if let (Some(least), Some(most)) = (values.first(), values.last()) {
            println!("  {column:<20} {:>8.1}   ({least:.1} … {most:.1})", values[values.len() / 2]);
        }
    }
    Ok(good == runs)
}

fn idle(programs: &Path, seconds: u64) -> Result<bool> {
    println!("\nidle, three resources, {seconds} s");
    let (receipt, is_good) = demonstrate("file-vip", &["--idle", &seconds.to_string()], programs)?;
    for program in receipt["idle"].as_array().into_iter().flatten() {
        let text = |name: &str| program[name].as_str().unwrap_or("?");
        let number = |name: &str| program[name].as_f64().unwrap_or(f64::NAN);
        println!(
            "  {:<8} systoled {:<9} {:>6.1} MiB PSS {:>6.1} MiB RSS {:>7.3} % CPU, its agents {:>6.2} %",
            text("node"),
            text("program"),
            number("pss_mib"),
            number("rss_mib"),
            number("cpu_percent"),
            number("agents_percent")
        );
    }
    Ok(is_good)
}

/// One demonstration: its receipt, and whether all went as it should.
fn demonstrate(example: &str, words: &[&str], programs: &Path) -> Result<(Value, bool)> {
    let own = std::env::current_exe().context("finding this program's own file")?;
    let output = Command::new(own)
        .arg("demo")
        .arg(build::root().join("examples").join(example))
        .args(words)
        .arg("--json")
        .env(build::PROGRAMS, programs)
        .stdin(Stdio::null())
        .output()
        .context("starting the demonstration")?;
    let story = String::from_utf8_lossy(&output.stderr);
    let receipt = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the demonstration of {example} {} gave no receipt:\n{story}", words.join(" ")))?;
    if !output.status.success() {
        println!("\n{example} {} did not go as it should:\n{story}", words.join(" "));
    }
    Ok((receipt, output.status.success()))
}
