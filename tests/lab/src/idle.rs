//! What the daemons of a node need when nothing happens: memory and CPU, its `systoled` processes together.

use std::fmt;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::clock;

/// What one node's daemons need. Agents that they run are not in it.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Idle {
    /// The node.
    pub node: String,
    /// Memory in MiB that would be free without them: shared pages count in parts.
    pub pss_mib: f64,
    /// Memory in MiB that they have mapped, shared pages in full.
    pub rss_mib: f64,
    /// CPU time in percent of one processor.
    pub cpu_percent: f64,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, pss_mib, rss_mib, cpu_percent } = self;
        write!(f, "{node}: {pss_mib:.1} MiB (PSS; {rss_mib:.1} MiB RSS), {cpu_percent:.3} % of a processor")
    }
}

/// Measures nodes, given by name and process 1, over a span of time.
pub fn measure(nodes: &[(String, u32)], span: Duration) -> Result<Vec<Idle>> {
    let daemons: Vec<Vec<u32>> = nodes.iter().map(|(_, pid)| daemons(*pid)).collect();
    let began = clock::now_us();
    let before = daemons.iter().map(|pids| cpu_ns(pids)).collect::<Result<Vec<u64>>>()?;
    thread::sleep(span);
    let mut measured = Vec::new();
    for (((node, _), pids), before) in nodes.iter().zip(&daemons).zip(before) {
        let used_ns = cpu_ns(pids)?.saturating_sub(before);
        let span_us = clock::now_us() - began;
        let cpu_percent = used_ns as f64 / 10.0 / span_us as f64;
        let (pss_mib, rss_mib) = (memory_mib(pids, "Pss:")?, memory_mib(pids, "Rss:")?);
        measured.push(Idle { node: node.clone(), pss_mib, rss_mib, cpu_percent });
    }
    Ok(measured)
}

/// Process 1 of a node and the daemon that it runs.
fn daemons(init: u32) -> Vec<u32> {
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    [init].into_iter().chain(children.filter(|pid| name(*pid) == name(init))).collect()
}

/// CPU time of all threads since they began. The scheduler's own count: clock ticks are too coarse for so little.
fn cpu_ns(pids: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/task");
        for thread in fs::read_dir(&path).with_context(|| format!("reading {path}"))?.flatten() {
            // A thread that ends just now has its part in nothing any more.
            let counted = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            sum += counted.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(sum)
}

fn memory_mib(pids: &[u32], field: &str) -> Result<f64> {
    let mut kib = 0.0;
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        kib += line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0);
    }
    Ok(kib / 1024.0)
}
