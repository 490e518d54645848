//! `systole failovers`: the receipt of each failover that this node has seen, and how long they took as a histogram.

use std::fmt::Write as _;

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches};
use jiff::Timestamp;
use probe::{Histogram, label};
use serde_json::json;
use wire::failover::{Cause, Failover};
use wire::{Reply, Request};

use super::Command;
use crate::EXIT_OK;
use crate::client::Client;
use crate::terminal::{print, print_json};

/// The command.
pub const COMMAND: Command = Command { name: "failovers", grammar, run };

/// The metric of their steps.
const METRIC: &str = "systole_failover_seconds";

fn grammar() -> clap::Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    clap::Command::new("")
        .about("Show the receipt of each failover, newest first")
        .after_help(
            "Each node keeps the receipts of what happened while it was up. Times are since it was noticed. What clients saw \
             is told by `systole probe --report`, and only then is known.\n\nExamples:\n  systole failovers\n  \
             systole failovers --histogram > /var/lib/node_exporter/systole.prom",
        )
        .arg(flag("histogram", "How long they took until each step, in the text form of Prometheus").conflicts_with("json"))
        .arg(flag("json", "For programs: what the daemon keeps"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut client = Client::from_arguments(arguments)?;
    let mut failovers = match client.ask(&Request::Failovers)? {
        Reply::Failovers(failovers) => failovers,
        Reply::Refused { reason, .. } => bail!("systoled does not tell: {reason}"),
        _ => bail!("systoled answered something else; are it and this program of the same release?"),
    };
    failovers.reverse();
    match (arguments.get_flag("json"), arguments.get_flag("histogram")) {
        (true, _) => print_json(&failovers.iter().map(as_json).collect())?,
        (_, true) => print(&histogram(&failovers))?,
        _ if failovers.is_empty() => print("This node has seen no failover.\n")?,
        _ => print(&failovers.iter().map(as_text).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(EXIT_OK)
}

/// The steps that have a time, each with its name for programs and a sentence for people.
fn steps(failover: &Failover) -> [(&'static str, Option<i64>, &'static str); 5] {
    let ms = |ms: Option<u64>| ms.and_then(|ms| i64::try_from(ms).ok());
    [
        ("fenced", ms(failover.fenced_ms), "the lost node is known to be dead"),
        ("stopped", ms(failover.stopped_ms), "the last resource was stopped"),
        ("started", ms(failover.started_ms), "the last resource was started"),
        ("announced", ms(failover.announced_ms), "the last address leads to its new place"),
        ("first answer", failover.first_answer_ms(), "the client that waited longest is served again"),
    ]
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Lost { node } => format!("{node} is gone"),
        Cause::Failed { operation, resource, node } => format!("{operation} of {resource} failed on {node}"),
        Cause::Stopped { resource, node } => format!("{resource} was stopped on {node}"),
    }
}

fn as_text(failover: &Failover) -> String {
    let at = Timestamp::from_second(failover.at).unwrap_or(Timestamp::MIN);
    let causes: Vec<String> = failover.causes.iter().map(cause).collect();
    let mut out = format!("{at}  {}{}\n", causes.join("; "), if failover.is_over { "" } else { " (under way)" });
    for (name, ms, sentence) in steps(failover) {
        if let Some(ms) = ms {
            let _ = writeln!(out, "  {name:<13}{ms:>8} ms  {sentence}");
        }
    }
    for seen in &failover.seen {
        let _ = writeln!(out, "  silent       {:>8} ms  {}", seen.silent_ms, seen.target);
    }
    if let Some(kept) = failover.locks_kept() {
        let _ = writeln!(out, "  locks        {:>11}", if kept { "kept" } else { "LOST" });
    }
    if !failover.started.is_empty() {
        let _ = writeln!(out, "  {}", failover.started.join(", "));
    }
    out
}

fn as_json(failover: &Failover) -> serde_json::Value {
    let mut value = json!({
        "at": failover.at,
        "over": failover.is_over,
        "causes": failover.causes.iter().map(cause).collect::<Vec<_>>(),
        "started_resources": failover.started,
        "locks_kept": failover.locks_kept(),
        "seen": failover.seen.iter().map(|seen| json!({
            "target": seen.target, "silent_ms": seen.silent_ms, "first_answer_ms": seen.first_answer_ms,
            "locks_kept": seen.locks_kept,
        })).collect::<Vec<_>>(),
    });
    for (name, ms, _) in steps(failover) {
        value[format!("{}_ms", name.replace(' ', "_"))] = json!(ms);
    }
    value
}

fn histogram(failovers: &[Failover]) -> String {
    let mut out = Histogram::head(METRIC, "From when a failover was noticed to the end of a step.");
    for number in 0..steps(&Failover::default()).len() {
        let mut histogram = Histogram::default();
        let mut name = "";
        for failover in failovers.iter().filter(|failover| failover.is_over) {
            let (step, ms, _) = steps(failover)[number];
            name = step;
            if let Some(ms) = ms {
                // A client that was served before it was noticed waited for nothing after that.
                histogram.add(ms.max(0) as f64);
            }
        }
        if !name.is_empty() {
            out.push_str(&histogram.series(METRIC, &label("until", name)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::failover::Silence;

    fn failover() -> Failover {
        Failover {
            at: 1_000_000_000,
            causes: vec![Cause::Lost { node: "node1".into() }],
            fenced_ms: Some(52),
            started_ms: Some(1_140),
            announced_ms: Some(940),
            started: vec!["ip on node2".into(), "web on node2".into()],
            seen: vec![Silence {
                target: "tcp:192.0.2.7:80".into(),
                silent_ms: 1_402,
                first_answer_ms: 1_155,
                locks_kept: Some(true),
            }],
            is_over: true,
            ..Failover::default()
        }
    }

    #[test]
    fn a_receipt_for_people() {
        assert_eq!(
            as_text(&failover()),
            "2001-09-09T01:46:40Z  node1 is gone\n\
             \x20 fenced             52 ms  the lost node is known to be dead\n\
             \x20 started          1140 ms  the last resource was started\n\
             \x20 announced         940 ms  the last address leads to its new place\n\
             \x20 first answer     1155 ms  the client that waited longest is served again\n\
             \x20 silent           1402 ms  tcp:192.0.2.7:80\n\
             \x20 locks               kept\n\
             \x20 ip on node2, web on node2\n"
        );
    }

    #[test]
    fn receipts_for_programs() {
        let value = as_json(&failover());
        assert_eq!((value["started_ms"].as_i64(), value["stopped_ms"].as_i64()), (Some(1_140), None));
        assert_eq!((value["first_answer_ms"].as_i64(), value["locks_kept"].as_bool()), (Some(1_155), Some(true)));
        let open = Failover { is_over: false, ..failover() };
        let text = histogram(&[failover(), failover(), open]);
        assert!(text.contains("systole_failover_seconds_count{until=\"started\"} 2\n"), "{text}");
        assert!(text.contains("systole_failover_seconds_bucket{until=\"first answer\",le=\"2\"} 2\n"), "{text}");
        assert!(text.contains("systole_failover_seconds_count{until=\"stopped\"} 0\n"), "{text}");
        assert_eq!(histogram(&[]).lines().count(), 2);
    }
}
