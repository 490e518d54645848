//! `systole history`: what moved, when, and because of what, a line each. Every node keeps it.

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches};
use wire::record::{Change, Happening, Record};
use wire::{Reply, Request};

use super::{Command, failovers};
use crate::EXIT_OK;
use crate::client::Client;
use crate::lasting;
use crate::terminal::{print, print_json};

/// The command.
pub const COMMAND: Command = Command { name: "history", grammar, run };

/// So much is shown unless all is asked for.
const SHOWN: usize = 200;

fn grammar() -> clap::Command {
    let after = "A line for each change that a plan makes of a resource or node. Every node keeps the same; a node that was \
                 away lacks what happened then. `systole why RESOURCE --at TIME` tells more of one of them, \
                 `systole config history` who changed the configuration, `systole failovers` how long failovers took.\n\n\
                 Examples:\n  systole history\n  systole history web --since 2h\n  systole history node1 --since \"2026-11-20 06:00\"";
    let command = clap::Command::new("").about("Show what moved, when, and because of what").after_help(after);
    let below = (failovers::COMMAND.grammar)().name(failovers::COMMAND.name);
    command.args_conflicts_with_subcommands(true).subcommand(below).args([
        Arg::new("of").value_name("RESOURCE|NODE").help("Only of this resource or node"),
        Arg::new("since")
            .long("since")
            .value_name("TIME")
            .value_parser(|text: &str| lasting::past(text))
            .help("Only since then: 2h (ago), 06:00, 2026-12-24 18:00"),
        Arg::new("all").long("all").action(ArgAction::SetTrue).help(format!("All that is kept, not only the last {SHOWN} lines")),
        Arg::new("json").long("json").action(ArgAction::SetTrue).help(
            "For programs: a list of {\"at\", \"node\", \"what\": {\"Planned\": {\"input\", \"version\", \"changes\", \"count\"}}}",
        ),
    ])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    if let Some((_, arguments)) = arguments.subcommand() {
        return (failovers::COMMAND.run)(arguments);
    }
    let since = arguments.get_one::<i64>("since").copied().unwrap_or(0);
    let of = arguments.get_one::<String>("of").map(String::as_str);
    let mut records = records(&mut Client::from_arguments(arguments)?, since)?;
    if let Some(of) = of {
        records.iter_mut().for_each(|record| only(record, of));
        records.retain(|record| match &record.what {
            Happening::Planned(planned) => !planned.changes.is_empty(),
        });
    }
    if arguments.get_flag("json") {
        print_json(&serde_json::to_value(&records)?)?;
        return Ok(EXIT_OK);
    }
    unrepeated(&mut records);
    let lines: Vec<String> = records.iter().flat_map(lines).collect();
    let skip = if arguments.get_flag("all") { 0 } else { lines.len().saturating_sub(SHOWN) };
    let mut text = lines[skip..].concat();
    if lines.is_empty() {
        text = match of {
            Some(of) => format!("Nothing is kept of {of}.\n"),
            None => "Nothing is kept yet.\n".to_owned(),
        };
    } else if skip > 0 {
        text.insert_str(0, &format!("({skip} earlier lines; --all shows them)\n"));
    }
    print(&text)?;
    Ok(EXIT_OK)
}

/// What this node keeps.
///
/// # Errors
/// When its daemon does not answer, or cannot.
pub fn records(client: &mut Client, since: i64) -> anyhow::Result<Vec<Record>> {
    match client.ask(&Request::Records { since })? {
        Reply::Records(records) => Ok(records),
        Reply::Refused { reason, .. } => bail!("what happened cannot be read: {reason}"),
        _ => bail!("systoled answered to another question; are both of the same release?"),
    }
}

/// A plan that is made anew while its changes are under way says them again: they are told once, as long as the next plans
/// of the same node follow within this time, in seconds.
const AGAIN_WITHIN_S: i64 = 60;

fn unrepeated(records: &mut [Record]) {
    let mut before: Option<(i64, String, Vec<Change>)> = None;
    for record in records {
        let Happening::Planned(planned) = &mut record.what;
        let all = planned.changes.clone();
        if let Some((at, node, changes)) = &before
            && *node == record.node
            && record.at - at <= AGAIN_WITHIN_S
        {
            planned.changes.retain(|change| !changes.contains(change));
        }
        before = Some((record.at, record.node.clone(), all));
    }
}

/// Leaves only what is said of a resource (or an instance of it) or of a node.
fn only(record: &mut Record, of: &str) {
    match &mut record.what {
        Happening::Planned(planned) => planned.changes.retain(|change| {
            let node = |part: &str| part.split_whitespace().any(|word| word == of);
            let instance = change.of.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
            instance || node(&change.details) || (change.is_node && node(&change.of))
        }),
    }
}

/// What is said of a record.
pub fn lines(record: &Record) -> Vec<String> {
    let at = lasting::local(record.at);
    match &record.what {
        Happening::Planned(planned) => {
            let more = planned.count.saturating_sub(planned.changes.len());
            let more = (more > 0 && planned.changes.len() == wire::record::MOST_CHANGES)
                .then(|| format!("{at}  … and {more} more: `systole why RESOURCE --at \"{at}\"`\n"));
            planned.changes.iter().map(|change| format!("{at}  {}\n", said(change))).chain(more).collect()
        }
    }
}

fn said(change: &Change) -> String {
    let Change { verb, of, details, reason, blocked, .. } = change;
    let because = reason.as_ref().map(|reason| format!("  because: {reason}")).unwrap_or_default();
    let blocked = if *blocked { "  (could not be done)" } else { "" };
    format!("{verb:<8} {of:<16} {details}{because}{blocked}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::record::Planned;

    fn record(changes: &[(&str, &str, bool, &str, Option<&str>)]) -> Record {
        let changes: Vec<Change> = changes
            .iter()
            .map(|(verb, of, is_node, details, reason)| Change {
                verb: (*verb).into(),
                of: (*of).into(),
                is_node: *is_node,
                details: (*details).into(),
                reason: reason.map(str::to_owned),
                blocked: false,
            })
            .collect();
        let count = changes.len();
        let planned = Planned { input: "pe-input-1.bz2".into(), version: (0, 1, 2), changes, count };
        Record { at: 1_700_000_000, node: "one".into(), what: Happening::Planned(planned) }
    }

    #[test]
    fn a_plan_made_anew_says_nothing_twice() {
        let start = record(&[("Start", "web", false, "one", None)]);
        let both = record(&[("Start", "web", false, "one", None), ("Stop", "db", false, "two", None)]);
        let later = Record { at: start.at + AGAIN_WITHIN_S + 1, ..start.clone() };
        let mut all = vec![start.clone(), both, start.clone(), later];
        unrepeated(&mut all);
        let counts: Vec<usize> = all.iter().map(|record| lines(record).len()).collect();
        assert_eq!(counts, [1, 1, 0, 1]);
    }

    #[test]
    fn a_line_says_what_moved_when_and_because_of_what() {
        let all = record(&[
            ("Fence (reboot)", "two", true, "", Some("peer is no longer part of the cluster")),
            ("Move", "web", false, "two -> one", None),
            ("Start", "ping:1", false, "three", None),
        ]);
        let told = lines(&all);
        assert!(
            told[0].ends_with("Fence (reboot) two                because: peer is no longer part of the cluster\n"),
            "{told:?}"
        );
        assert!(told[1].ends_with("Move     web              two -> one\n"), "{told:?}");
        for (of, count) in [("two", 2), ("web", 1), ("ping", 1), ("we", 0), ("one", 1)] {
            let mut some = all.clone();
            only(&mut some, of);
            assert_eq!(lines(&some).len(), count, "{of}");
        }
    }
}
