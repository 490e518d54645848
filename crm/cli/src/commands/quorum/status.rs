//! `systole quorum status`: votes and members as `corosync-quorumtool -s` shows them, and nodes that are not there too.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::{Conf, Model};
use host_agent::about;
use serde_json::json;
use wire::host::Engine;

use crate::commands::Command;
use crate::terminal::{print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "status", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show votes and members as this node's Corosync counts them, nodes that are not there included")
        .after_help("The exit status is 1 without quorum.\n\nExample:\n  systole quorum status")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let engine = engine()?;
    if arguments.get_flag("json") {
        print_json(&json!({"engine": engine}))?;
    } else {
        print(&(summary(&engine) + &members(&engine, &Shown::default())))?;
        if let Some(waits) = setup::votes::waits_for(&engine) {
            print(&format!("\nThere is no quorum: {waits}.\n"))?;
        }
    }
    Ok(if engine.quorate { EXIT_OK } else { EXIT_FAILURE })
}

/// What this node's Corosync says.
///
/// # Errors
/// When it does not run.
pub fn engine() -> anyhow::Result<Engine> {
    about::engine().context(
        "Corosync does not answer on this host: `systole cluster start` starts it, `systole cluster status` shows all hosts",
    )
}

/// How members are shown.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Numbers as hexadecimal digits.
    pub hexadecimal: bool,
    /// Addresses instead of names, by number.
    pub addresses: BTreeMap<u32, String>,
}

/// The first address of each node.
pub fn addresses(conf: &Conf) -> BTreeMap<u32, String> {
    let nodes = Model::of(conf).nodes;
    let one = |node: &corosync_conf::model::Node| {
        Some((node.id.as_ref()?.value, node.addresses.values().next()?.value.clone()))
    };
    nodes.iter().filter_map(one).collect()
}

/// The two blocks above the members.
pub fn summary(engine: &Engine) -> String {
    let here = engine.nodes.iter().filter(|node| node.member).count();
    let mut text = format!("Quorum information\n{}\n", "-".repeat(18));
    // Writing to a string does not fail, here and below.
    let _ = writeln!(text, "Nodes:            {here} of {}", engine.nodes.len());
    let _ = writeln!(text, "Node ID:          {}", engine.me);
    let _ = writeln!(text, "Quorate:          {}\n", if engine.quorate { "Yes" } else { "No" });
    let _ = writeln!(text, "Votequorum information\n{}", "-".repeat(22));
    let Some(votes) = &engine.votes else {
        return text + "votequorum does not provide quorum: `systole corosync lint` says why\n\n";
    };
    let blocked = if engine.quorate { "" } else { " Activity blocked" };
    let _ = writeln!(text, "Expected votes:   {}", votes.expected);
    let _ = writeln!(text, "Total votes:      {}", votes.total);
    let _ = writeln!(text, "Quorum:           {}{blocked}", votes.quorum);
    let flags: Vec<&str> = votes.rules.iter().map(|rule| flag(rule)).filter(|flag| !flag.is_empty()).collect();
    let _ = writeln!(text, "Flags:            {}\n", flags.join(" "));
    text
}

/// A rule as `corosync-quorumtool` calls it.
fn flag(rule: &str) -> &str {
    match rule {
        "two_node" => "2Node",
        "quorate" => "Quorate",
        "wait_for_all" => "WaitForAll",
        "last_man_standing" => "LastManStanding",
        "auto_tie_breaker" => "AutoTieBreaker",
        "allow_downscale" => "AllowDownscale",
        "qdevice" => "Qdevice",
        _ => "",
    }
}

/// The members, and those that are not.
pub fn members(engine: &Engine, shown: &Shown) -> String {
    let mut text = format!("Membership information\n{}\n", "-".repeat(22));
    let device = engine.device.as_ref();
    let column = |name: &str| if device.is_some() { format!("{name:>11}") } else { String::new() };
    let _ = writeln!(text, "{:>10}{:>11}{} Name", "Nodeid", "Votes", column("Qdevice"));
    for node in &engine.nodes {
        let number = if shown.hexadecimal { format!("0x{:08x}", node.id) } else { node.id.to_string() };
        let votes = node.votes.filter(|_| node.member).map_or("-".to_owned(), |votes| votes.to_string());
        let name = node.name.clone().unwrap_or_else(|| format!("node {}", node.id));
        let name = shown.addresses.get(&node.id).unwrap_or(&name);
        let me = node.id == engine.me;
        // Each node's own client votes for it; of the others' this node is told nothing.
        let state = device.filter(|_| me).map_or(String::new(), |device| {
            format!("{},{}", if device.alive { "A" } else { "NA" }, if device.casts { "V" } else { "NV" })
        });
        let remark = if me { " (local)" } else { "" }.to_owned() + if node.member { "" } else { " (offline)" };
        let _ = writeln!(text, "{number:>10}{votes:>11}{} {name}{remark}", column(&state));
    }
    if let Some(device) = device {
        let number = if shown.hexadecimal { "0x00000000" } else { "0" };
        let remark = if device.casts { String::new() } else { format!(" (votes {}, not cast)", device.votes) };
        let votes = if device.casts { device.votes } else { 0 };
        let _ = writeln!(text, "{number:>10}{votes:>11}{} Qdevice{remark}", column(""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::host::{EngineDevice, EngineNode, EngineVotes};

    fn engine(device: Option<EngineDevice>) -> Engine {
        let node = |id: u32, member| EngineNode {
            id,
            name: Some(format!("node{id}")),
            member,
            votes: Some(1),
            links: Vec::new(),
            mtus: Vec::new(),
        };
        Engine {
            cluster: Some("hacl".into()),
            config_version: Some(4),
            token: None,
            me: 1,
            quorate: true,
            nodes: vec![node(1, true), node(2, false)],
            votes: Some(EngineVotes {
                expected: 3,
                total: 2,
                quorum: 2,
                rules: vec!["quorate".into(), "qdevice".into(), "qdevice_alive".into()],
            }),
            device,
        }
    }

    #[test]
    fn nodes_that_are_not_there_are_shown_too() {
        let engine = engine(Some(EngineDevice { votes: 1, alive: true, casts: true }));
        let text = summary(&engine) + &members(&engine, &Shown::default());
        let expected = "Quorum information\n------------------\nNodes:            1 of 2\nNode ID:          1\nQuorate:          Yes\n\n\
            Votequorum information\n----------------------\nExpected votes:   3\nTotal votes:      2\nQuorum:           2\nFlags:            Quorate Qdevice\n\n\
            Membership information\n----------------------\n    Nodeid      Votes    Qdevice Name\n         1          1        A,V node1 (local)\n         2          -            node2 (offline)\n         0          1            Qdevice\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_and_addresses_as_asked_for() {
        let shown = Shown { hexadecimal: true, addresses: [(1, "10.0.0.1".to_owned())].into() };
        let text = members(&engine(None), &shown);
        assert!(text.contains("0x00000001          1 10.0.0.1 (local)\n"), "{text}");
        assert!(text.contains("0x00000002          - node2 (offline)\n"), "{text}");
        let lost = engine(Some(EngineDevice { votes: 1, alive: true, casts: false }));
        let text = members(&lost, &Shown::default());
        assert!(text.contains("A,NV") && text.contains("Qdevice (votes 1, not cast)"), "{text}");
    }
}
