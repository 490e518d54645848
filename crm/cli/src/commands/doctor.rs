//! `systole doctor`: what is wrong with the hosts of the cluster, with evidence and remedy; what speaks against a host that
//! is to join, or against the removal of a node; and what a journal means.

mod configured;

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use corosync_conf::{Model, Severity};
use serde_json::json;
use setup::doctor::{Finding, Seen, examine, join, logs};

use super::Command;
use super::cluster::{probe, this_hosts};
use crate::client::Client;
use crate::cluster::Live;
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
             MTU, firewalls, services, fencing and its proofs, watchdogs, what moves left, certificates, disk space, what \
             corosync.conf itself has wrong, and the token's time against what the last `cluster probe` measured.\n\nThe exit status is 1 if there is an error, 0 \
             with warnings and advice alone.\n\nExamples:\n  systole doctor\n  systole doctor --json\n  \
             systole doctor join node4\n  systole doctor logs --since -1h",
        )
        .args_conflicts_with_subcommands(true)
        .subcommand(
            clap::Command::new("join")
                .about("Say what speaks against a host that is to become a node")
                .arg(Arg::new("name").required(true).value_name("HOST").help("A host that is enrolled on this one"))
                .arg(json_argument()),
        )
        .subcommand(
            clap::Command::new("remove")
                .about("Say what speaks against a node's removal")
                .arg(Arg::new("name").required(true).value_name("NODE"))
                .arg(json_argument()),
        )
        .subcommand(
            clap::Command::new("logs")
                .about("Say what Corosync's lines in this host's journal mean, or in a file's")
                .after_help("Examples:\n  systole doctor logs --since -1h\n  journalctl -u corosync | systole doctor logs -")
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .value_parser(value_parser!(PathBuf))
                        .help("A log; `-` for standard input. Without it this host's journal"),
                )
                .arg(
                    Arg::new("since")
                        .long("since")
                        .value_name("TIME")
                        .default_value("-1d")
                        .allow_hyphen_values(true)
                        .help("As journalctl takes it"),
                ),
        )
        .arg(json_argument())
        .arg(
            Arg::new("probe")
                .long("probe")
                .action(ArgAction::SetTrue)
                .help("Also probe the links for some seconds, as `cluster probe` does"),
        )
}

fn json_argument() -> Arg {
    Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("For programs: a list of {\"rule\", \"severity\", \"host\", \"message\", \"evidence\", \"remedy\"}")
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    match arguments.subcommand() {
        Some(("logs", arguments)) => return read_logs(arguments),
        Some((which, arguments)) => return join_or_remove(arguments, which == "join"),
        None => {}
    }
    let field = Field::load()?;
    let conf = this_hosts(&field)?;
    let nodes: Vec<String> = Model::of(&conf).nodes.iter().map(|node| node.called()).collect();
    let abouts = field.abouts(&nodes);
    let now = host_agent::about::clock();
    let mut measured = Vec::new();
    if arguments.get_flag("probe") {
        measured = probed(&field)?;
    }
    // Where no daemon answers, that is a finding of its own.
    let live = Client::from_arguments(arguments).and_then(|mut client| Live::fetch(&mut client)).ok();
    let configured = live.map(|live| configured::configured(&live.view.document, live.view.now));
    let figures = probe::figures();
    let seen = Seen {
        conf: &conf,
        known: &abouts.known,
        silent: &abouts.silent,
        now,
        configured: configured.as_ref(),
        figures: figures.as_ref(),
    };
    let mut found = examine(&seen);
    found.extend(measured);
    found.sort_by_key(|finding| finding.severity);
    tell(&found, arguments, &format!("Nothing is wrong on {} hosts.\n", nodes.len()))
}

/// How long a probe takes that only looks.
const PROBE: Duration = Duration::from_secs(5);
/// And how many packets a second it sends.
const PROBE_RATE: u32 = 100;

/// What a short probe finds; its figures are kept.
fn probed(field: &Field) -> anyhow::Result<Vec<Finding>> {
    let places = probe::places(field, &[])?;
    let (measured, mut found) = probe::measure(field, &places, PROBE, PROBE_RATE)?;
    probe::keep(&measured)?;
    found.extend(measured.judge());
    found.iter_mut().for_each(|finding| finding.rule.insert_str(0, "probe/"));
    Ok(found)
}

fn tell(found: &[Finding], arguments: &ArgMatches, nothing: &str) -> anyhow::Result<u8> {
    if arguments.get_flag("json") {
        print_json(&found.iter().map(as_json).collect())?;
    } else {
        print(&text(found, nothing, Paint::for_output()))?;
    }
    let errors = found.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if errors { EXIT_FAILURE } else { EXIT_OK })
}

/// A host that is to come, or a node that is to go.
fn join_or_remove(arguments: &ArgMatches, joins: bool) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("name").expect("it is required");
    let field = Field::load()?;
    let conf = this_hosts(&field)?;
    let nodes: Vec<String> = Model::of(&conf).nodes.iter().map(|node| node.called()).collect();
    let abouts = field.abouts(&nodes);
    let now = host_agent::about::clock();
    let (known, silent) = (&abouts.known, &abouts.silent);
    let seen = Seen { conf: &conf, known, silent, now, configured: None, figures: None };
    if !joins {
        let nothing = format!("Nothing speaks against it: `systole cluster node remove {name}`.\n");
        return tell(&join::leaves(&seen, name), arguments, &nothing);
    }
    field.need(std::slice::from_ref(name))?;
    let theirs = field.abouts(std::slice::from_ref(name));
    let Some(about) = theirs.known.get(name) else {
        bail!("{name}: {}", theirs.silent.get(name).map_or("it does not answer", String::as_str))
    };
    let nothing = format!("Nothing speaks against it: `systole cluster node add {name} --start --enable`.\n");
    tell(&join::joins(&seen, name, about), arguments, &nothing)
}

/// A journal of some days has some megabytes.
const MAX_LOG: u64 = 256 << 20;
/// And is read in seconds.
const JOURNAL_TIME: Duration = Duration::from_secs(60);

fn read_logs(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let text = match arguments.get_one::<PathBuf>("file") {
        Some(path) => {
            let mut bytes = Vec::new();
            let reading = || format!("reading {}", path.display());
            let read: Box<dyn std::io::Read> = match path.as_os_str() == "-" {
                true => Box::new(std::io::stdin()),
                false => Box::new(std::fs::File::open(path).with_context(reading)?),
            };
            read.take(MAX_LOG).read_to_end(&mut bytes).with_context(reading)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        None => journal(arguments.get_one::<String>("since").map_or("-1d", String::as_str))?,
    };
    let told = logs::read(&text);
    print(&meanings(&told, Paint::for_output()))?;
    Ok(if told.iter().any(|told| told.sign.severity == Severity::Error) { EXIT_FAILURE } else { EXIT_OK })
}

/// What Corosync and its quorum device wrote.
fn journal(since: &str) -> anyhow::Result<String> {
    let since = format!("--since={since}");
    let units = ["--unit=corosync.service", "--unit=corosync-qdevice.service"];
    let words = [&["--no-pager", "--quiet", "--output=short-iso", since.as_str()], units.as_slice()].concat();
    let said = host_agent::units::hear("journalctl", &words, JOURNAL_TIME, MAX_LOG)?;
    anyhow::ensure!(said.success, "journalctl: {}", said.text);
    Ok(said.text)
}

fn meanings(told: &[logs::Told<'_>], paint: Paint) -> String {
    if told.is_empty() {
        return "No line tells of anything wrong.\n".into();
    }
    let one = |told: &logs::Told<'_>| {
        let word = match told.sign.severity {
            Severity::Error => paint.bad("error"),
            other => word(other).to_owned(),
        };
        let lines = match told.count {
            1 => format!("  line:  {}\n", told.first.trim()),
            count => format!("  first: {}\n  last:  {} ({count} in all)\n", told.first.trim(), told.last.trim()),
        };
        format!("{word}: {}\n{lines}  do:    {}\n", told.sign.cause, told.sign.remedy)
    };
    told.iter().map(one).collect()
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "advice",
    }
}

pub(super) fn text(found: &[Finding], nothing: &str, paint: Paint) -> String {
    if found.is_empty() {
        return nothing.to_owned();
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

pub(super) fn as_json(finding: &Finding) -> serde_json::Value {
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
    fn a_journal_is_shown_with_what_it_means() {
        let journal = "10:00 corosync[7]: [KNET  ] link: host: 2 link: 0 is down\n10:05 corosync[7]: [KNET  ] link: host: 2 link: 0 is down\n";
        let text = meanings(&logs::read(journal), Paint::PLAIN);
        assert!(text.starts_with("warning: a link to that node is down\n  first: 10:00 corosync[7]"), "{text}");
        assert!(text.contains("  last:  10:05") && text.contains("(2 in all)"), "{text}");
        assert_eq!(meanings(&[], Paint::PLAIN), "No line tells of anything wrong.\n");
    }

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
            text(std::slice::from_ref(&finding), "", Paint::PLAIN),
            "error[clocks]: node2: its clock differs by 30 s\n  seen: compared\n  do:   chrony\n"
        );
        assert_eq!(as_json(&finding)["severity"], "error");
        assert_eq!(text(&[], "Nothing.\n", Paint::PLAIN), "Nothing.\n");
    }
}
