//! `systole doctor`: what is wrong with the hosts of the cluster, with evidence and remedy.

use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::{Model, Severity};
use serde_json::json;
use setup::doctor::{Finding, Seen, examine};

use super::Command;
use super::cluster::this_hosts;
use crate::hosts::Field;
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "doctor", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Say what is wrong with the cluster's hosts, with evidence and remedy")
        .after_help(
            "Asks all hosts at once: versions, names, clocks, files, what Corosync runs with, links, quorum and its margin, \
             services, disk space, and what corosync.conf itself has wrong.\n\nThe exit status is 1 if there is an error, 0 \
             with warnings and advice alone.\n\nExamples:\n  systole doctor\n  systole doctor --json",
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs: a list of {\"rule\", \"severity\", \"host\", \"message\", \"evidence\", \"remedy\"}"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let field = Field::load()?;
    let conf = this_hosts(&field)?;
    let nodes: Vec<String> = Model::of(&conf).nodes.iter().map(|node| node.called()).collect();
    let abouts = field.abouts(&nodes);
    let now = host_agent::about::clock();
    let found = examine(&Seen { conf: &conf, known: &abouts.known, silent: &abouts.silent, now });
    if arguments.get_flag("json") {
        print_json(&found.iter().map(as_json).collect())?;
    } else {
        print(&text(&found, nodes.len(), Paint::for_output()))?;
    }
    let errors = found.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if errors { EXIT_FAILURE } else { EXIT_OK })
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "advice",
    }
}

fn text(found: &[Finding], hosts: usize, paint: Paint) -> String {
    if found.is_empty() {
        return format!("Nothing is wrong on {hosts} hosts.\n");
    }
    let one = |finding: &Finding| {
        let word = match finding.severity {
            Severity::Error => paint.bad("error"),
            other => word(other).to_owned(),
        };
        let host = finding.host.as_ref().map_or(String::new(), |host| format!("{host}: "));
        format!(
            "{word}[{}]: {host}{}\n  seen: {}\n  do:   {}\n",
            finding.rule, finding.message, finding.evidence, finding.remedy
        )
    };
    found.iter().map(one).collect()
}

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "rule": finding.rule,
        "severity": word(finding.severity),
        "host": finding.host,
        "message": finding.message,
        "evidence": finding.evidence,
        "remedy": finding.remedy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_shown_with_evidence_and_remedy() {
        let finding = Finding {
            rule: "clocks".into(),
            severity: Severity::Error,
            host: Some("node2".into()),
            message: "its clock differs by 30 s".into(),
            evidence: "compared".into(),
            remedy: "chrony".into(),
        };
        assert_eq!(
            text(std::slice::from_ref(&finding), 3, Paint::PLAIN),
            "error[clocks]: node2: its clock differs by 30 s\n  seen: compared\n  do:   chrony\n"
        );
        assert_eq!(as_json(&finding)["severity"], "error");
        assert_eq!(text(&[], 3, Paint::PLAIN), "Nothing is wrong on 3 hosts.\n");
    }
}
