//! `systole quorum what-if`: for every loss of nodes, links and the quorum device, who would be quorate, by the actual
//! corosync.conf.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::votequorum::{NodeId, Rules};
use corosync_conf::what_if::{ALL_SETS_UP_TO, Loss, Outcome, all};
use corosync_conf::{Conf, Model};
use serde_json::{Value, json};

use crate::commands::Command;
use crate::commands::corosync::ConfFile;
use crate::terminal::{print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "what-if", grammar, run };

/// So many sets of one size are named one by one; more are counted.
const MOST_NAMED: usize = 6;

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show for every loss of nodes, links and the quorum device who stays quorate")
        .after_help(
            "Votequorum's arithmetic on the file as it is: nothing is asked of a running cluster. Nodes are lost at once; a \
             split cuts the network into two parts. The exit status is 1 if a split leaves both parts quorate.\n\n\
             Examples:\n  systole quorum what-if\n  systole quorum what-if corosync.conf --json",
        )
        .arg(ConfFile::argument())
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs: every loss with its outcome"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let file = ConfFile::from_arguments(arguments)?;
    if let Some(problem) = file.conf.problems().first() {
        let line = problem.span.map_or(0, |span| file.conf.position(span.start).0);
        bail!("{}, line {line}: {}; `systole corosync lint` says more", file.name, problem.message);
    }
    let model = Model::of(&file.conf);
    let Some(rules) = Rules::of(&model) else {
        bail!("{} has no nodelist in which each node has its nodeid; `systole corosync lint` says more", file.name);
    };
    let outcomes = all(&rules);
    let names = names(&model);
    if arguments.get_flag("json") {
        print_json(&outcomes.iter().map(|outcome| as_json(outcome, &names)).collect::<Value>())?;
    } else {
        print(&text(&file.conf, &rules, &outcomes, &names))?;
    }
    let both = outcomes.iter().any(|outcome| outcome.quorate_groups() > 1);
    Ok(if both { EXIT_FAILURE } else { EXIT_OK })
}

type Names = BTreeMap<NodeId, String>;

fn names(model: &Model<'_>) -> Names {
    model.nodes.iter().filter_map(|node| Some((node.id.as_ref()?.value, node.called()))).collect()
}

fn called(set: &BTreeSet<NodeId>, names: &Names) -> String {
    let name = |id: &NodeId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    set.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn text(conf: &Conf, rules: &Rules, outcomes: &[Outcome], names: &Names) -> String {
    let count = rules.votes.len();
    let votes: u32 = rules.votes.values().sum();
    let device = rules.device.as_ref().map_or(String::new(), |device| format!(" and {} of the device", device.votes));
    let mut out = format!("{count} nodes with {votes} votes{device}; {} are expected.\n", rules.expected);
    if count > ALL_SETS_UP_TO {
        out += &format!(
            "Of {count} nodes not every set is tried: of each size those of the lowest and of the highest ids.\n"
        );
    }
    for device_lost in [false, true] {
        let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.device_lost == device_lost).collect();
        if of.is_empty() {
            continue;
        }
        if rules.device.is_some() {
            out += if device_lost { "\nWith the quorum device lost\n" } else { "\nWith the quorum device there\n" };
        } else {
            out += "\n";
        }
        out += &losses(&of, count, names);
        out += &splits(&of, names);
        out += &cold_start(&of, count);
    }
    out + &links(conf)
}

/// Nodes lost at once, a line for each number of them.
fn losses(outcomes: &[&Outcome], count: usize, names: &Names) -> String {
    let mut out = String::from("Nodes lost at once:\n");
    for lost in 0..count {
        let of: Vec<(&BTreeSet<NodeId>, bool)> = outcomes
            .iter()
            .filter_map(|outcome| match &outcome.loss {
                Loss::Nodes(nodes) if nodes.len() == lost => Some((nodes, outcome.quorate_groups() > 0)),
                _ => None,
            })
            .collect();
        let (well, ill): (Vec<_>, Vec<_>) = of.iter().partition(|(_, quorate)| *quorate);
        let named = |sets: &[(&BTreeSet<NodeId>, bool)]| {
            let shown: Vec<String> = sets.iter().take(MOST_NAMED).map(|(set, _)| called(set, names)).collect();
            let more = sets.len().saturating_sub(MOST_NAMED);
            shown.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() }
        };
        let what = match (well.is_empty(), ill.is_empty()) {
            (_, true) => "the rest goes on".to_owned(),
            (true, _) => "everything stops".to_owned(),
            _ if ill.len() <= well.len() => format!("the rest goes on, but everything stops if it is {}", named(&ill)),
            _ => format!("everything stops, but the rest goes on if it is {}", named(&well)),
        };
        out += &format!("  {lost:>2} of {count}: {what}\n");
    }
    out
}

/// Splits that leave no part quorate, or both.
fn splits(outcomes: &[&Outcome], names: &Names) -> String {
    let split = |outcome: &&&Outcome| matches!(outcome.loss, Loss::Split(..));
    let all: Vec<&&Outcome> = outcomes.iter().filter(split).collect();
    if all.is_empty() {
        return String::new();
    }
    let shown = |of: &[&&&Outcome]| {
        let line = |outcome: &&&&Outcome| match &outcome.loss {
            Loss::Split(one, other) => format!("    {} | {}\n", called(one, names), called(other, names)),
            _ => String::new(),
        };
        let more = of.len().saturating_sub(MOST_NAMED);
        of.iter().take(MOST_NAMED).map(line).collect::<String>()
            + &if more > 0 { format!("    and {more} more\n") } else { String::new() }
    };
    let with = |groups: usize| all.iter().filter(|outcome| outcome.quorate_groups() == groups).collect::<Vec<_>>();
    let (none, one, both) = (with(0), with(1), with(2));
    let mut out = format!(
        "The network in two parts: in {} of {} cases one part goes on and the other stops.\n",
        one.len(),
        all.len()
    );
    if !none.is_empty() {
        out += &format!("  Both parts stop:\n{}", shown(&none));
    }
    if !both.is_empty() {
        out += &format!("  BOTH PARTS ARE QUORATE; only fencing keeps services from running twice:\n{}", shown(&both));
    }
    out
}

fn cold_start(outcomes: &[&Outcome], count: usize) -> String {
    let least = outcomes.iter().filter_map(|outcome| match &outcome.loss {
        Loss::ColdStart(nodes) if outcome.quorate_groups() > 0 => Some(nodes.len()),
        _ => None,
    });
    match least.min() {
        Some(least) if least == count => "After a cold start nothing runs until all nodes were seen once.\n".to_owned(),
        Some(least) => format!("After a cold start {least} of {count} nodes can be enough.\n"),
        None => "After a cold start nothing is ever quorate.\n".to_owned(),
    }
}

/// What the loss of a link does: nothing, as long as there is another.
fn links(conf: &Conf) -> String {
    let links = Model::of(conf).links();
    match links[..] {
        [] => String::new(),
        [only] => format!("\nLink {only} is the only one: when it fails everywhere, each node is alone.\n"),
        _ => format!(
            "\nLinks {}: as long as one of them works between all nodes, nothing is lost.\n",
            links.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn as_json(outcome: &Outcome, names: &Names) -> Value {
    let list = |set: &BTreeSet<NodeId>| {
        set.iter().map(|id| names.get(id).cloned().unwrap_or_else(|| id.to_string())).collect::<Vec<_>>()
    };
    let loss = match &outcome.loss {
        Loss::Nodes(nodes) => json!({"nodes_lost": list(nodes)}),
        Loss::Split(one, other) => json!({"split": [list(one), list(other)]}),
        Loss::ColdStart(nodes) => json!({"cold_start": list(nodes)}),
    };
    let groups: Vec<Value> =
        outcome.groups.iter().map(|(set, quorate)| json!({"nodes": list(set), "quorate": quorate})).collect();
    json!({"loss": loss, "device_lost": outcome.device_lost, "groups": groups})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(nodes: usize, quorum: &str) -> String {
        let node = |id| format!("node {{\nname: n{id}\nnodeid: {id}\nring0_addr: 10.0.0.{id}\n}}\n");
        let list: String = (1..=nodes).map(node).collect();
        let conf =
            Conf::parse(format!("nodelist {{\n{list}}}\nquorum {{\nprovider: corosync_votequorum\n{quorum}\n}}\n"));
        let model = Model::of(&conf);
        let rules = Rules::of(&model).unwrap();
        text(&conf, &rules, &all(&rules), &names(&model))
    }

    #[test]
    fn three_nodes() {
        let expected = "3 nodes with 3 votes; 3 are expected.\n\nNodes lost at once:\n   0 of 3: the rest goes on\n   1 of 3: the rest goes on\n   2 of 3: everything stops\n\
                        The network in two parts: in 3 of 3 cases one part goes on and the other stops.\nAfter a cold start 2 of 3 nodes can be enough.\n\n\
                        Link 0 is the only one: when it fails everywhere, each node is alone.\n";
        assert_eq!(shown(3, ""), expected);
    }

    #[test]
    fn two_nodes_can_both_go_on() {
        let text = shown(2, "two_node: 1");
        assert!(text.contains("BOTH PARTS ARE QUORATE") && text.contains("    n1 | n2\n"), "{text}");
        assert!(text.contains("until all nodes were seen once"), "{text}");
        let text = shown(4, "auto_tie_breaker: 1");
        assert!(
            text.contains("2 of 4: the rest goes on, but everything stops if it is n1, n2; n1, n3; n1, n4\n"),
            "{text}"
        );
    }
}
