//! What the two programs of a node need when nothing happens: memory and CPU, each for itself.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::clock;
use crate::node::Node;

/// What one program needs.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Idle {
    /// The node.
    pub node: String,
    /// `run`: the daemon; `supervise`: the node's process 1, which starts the daemon again when it dies.
    pub program: &'static str,
    /// Memory in MiB that would be free without it: shared pages count in parts.
    pub pss_mib: f64,
    /// Memory in MiB that it has mapped, shared pages in full.
    pub rss_mib: f64,
    /// CPU time of its own threads, in percent of one processor.
    pub cpu_percent: f64,
    /// CPU time of the agents that it ran, its children, in percent of one processor. Counted by the kernel in
    /// hundredths of a second.
    pub agents_percent: f64,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, program, pss_mib, rss_mib, cpu_percent, agents_percent } = self;
        write!(f, "{node} {program:<9} {pss_mib:>5.1} MiB PSS {rss_mib:>5.1} MiB RSS {cpu_percent:>6.3} % CPU")?;
        if *agents_percent > 0.0 {
            write!(f, ", its agents {agents_percent:.2} %")?;
        }
        Ok(())
    }
}

/// CPU time in nanoseconds.
#[derive(Clone, Copy)]
struct Cpu {
    own: u64,
    agents: u64,
}

/// Measures nodes over a span of time.
pub fn measure(nodes: &[Arc<Node>], span: Duration) -> Result<Vec<Idle>> {
    let mut programs = Vec::new();
    for node in nodes {
        let found = [("run", node.daemon()), ("supervise", node.pid())];
        programs.extend(found.into_iter().filter_map(|(program, pid)| Some((node.name(), program, pid?))));
    }
    let began = clock::now_us();
    let before = programs.iter().map(|(.., pid)| cpu(*pid)).collect::<Result<Vec<Cpu>>>()?;
    thread::sleep(span);
    let mut measured = Vec::new();
    for ((node, program, pid), before) in programs.into_iter().zip(before) {
        let (after, span_us) = (cpu(pid)?, clock::now_us() - began);
        let percent = |after: u64, before: u64| after.saturating_sub(before) as f64 / 10.0 / span_us as f64;
        measured.push(Idle {
            node: node.to_owned(),
            program,
            pss_mib: memory_mib(pid, "Pss:")?,
            rss_mib: memory_mib(pid, "Rss:")?,
            cpu_percent: percent(after.own, before.own),
            // What the supervisor's children need is the daemon, which has a line of its own.
            agents_percent: if program == "run" { percent(after.agents, before.agents) } else { 0.0 },
        });
    }
    Ok(measured)
}

/// CPU time of all threads and of all children that have ended, since the program began.
fn cpu(pid: u32) -> Result<Cpu> {
    // The scheduler's own count: clock ticks are too coarse for so little.
    let mut own = 0;
    let path = format!("/proc/{pid}/task");
    for thread in fs::read_dir(&path).with_context(|| format!("reading {path}"))?.flatten() {
        // A thread that ends just now has its part in nothing any more.
        let counted = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        own += counted.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    // Behind the name, which may hold anything, cutime and cstime are the 14th and 15th field. See proc(5).
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // Linux tells everyone of a hundred ticks in a second, whatever it counts itself.
    Ok(Cpu { own, agents: ticks * 10_000_000 })
}

fn memory_mib(pid: u32, field: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().with_context(|| format!("reading {path}"))?;
    Ok(kib / 1024.0)
}
