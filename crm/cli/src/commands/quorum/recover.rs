//! `systole quorum expected-votes` and `unblock`: those that are left go on without those that are lost. Both are refused
//! as long as anyone who is missing may run: two halves that both go on destroy what they share.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use host_agent::units;
use wire::host::Engine;

use super::status::engine;
use crate::EXIT_OK;
use crate::commands::Command;
use crate::hosts::{Abouts, Field};
use crate::terminal::print;

/// `quorum expected-votes`.
pub const EXPECTED_VOTES: Command = Command { name: "expected-votes", grammar: expected_grammar, run: expected };
/// `quorum unblock`.
pub const UNBLOCK: Command = Command { name: "unblock", grammar: unblock_grammar, run: unblock };

/// Corosync's tools answer from memory.
const ASK_TIME: Duration = Duration::from_secs(20);
/// Whether votequorum waits for all nodes; written by it alone.
const WAITS: &str = "runtime.votequorum.wait_for_all_status";
/// What ends that.
const CANCEL: &str = "quorum.cancel_wait_for_all";

fn force_argument() -> Arg {
    Arg::new("force")
        .long("force")
        .action(ArgAction::SetTrue)
        .help("Hosts whose agents do not answer are off: you have seen to it")
}

fn expected_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Expect so many votes from now on, so that those who are left have quorum")
        .after_help(
            "It holds until nodes come back or Corosync starts anew. Nodes that are missing must be off: a node that runs \
             and is not heard is the other half of a split, and then this is refused.\n\nExample:\n  \
             systole quorum expected-votes 1",
        )
        .arg(Arg::new("votes").required(true).value_name("VOTES").value_parser(value_parser!(u32).range(1..)))
        .arg(force_argument())
}

fn unblock_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Do not wait for all nodes any more, after a start with wait_for_all")
        .after_help("Nodes that are missing must be off.\n\nExample:\n  systole quorum unblock")
        .arg(force_argument())
}

/// Why the missing cannot be taken for off.
fn objections(engine: &Engine, abouts: &Abouts, force: bool) -> Vec<String> {
    let missing = engine.nodes.iter().filter(|node| !node.member);
    let objection = |name: String| {
        match (abouts.known.get(&name), abouts.silent.get(&name)) {
        (Some(about), _) => about.engine.as_ref().map(|other| {
            format!(
                "{name} runs Corosync{} and is not heard here: it is the other half of a split. Mend the network, or stop \
                 it there: `systole cluster stop`",
                if other.quorate { ", has quorum," } else { "" }
            )
        }),
        (None, reason) if !force => Some(format!(
            "whether {name} is off is not known ({}): switch it off, then --force",
            reason.map_or("it is not enrolled on this host", String::as_str)
        )),
        _ => None,
    }
    };
    missing.filter_map(|node| objection(node.name.clone().unwrap_or_else(|| format!("node {}", node.id)))).collect()
}

/// Fails while someone who is missing may run.
fn missing_are_off(engine: &Engine, arguments: &ArgMatches) -> anyhow::Result<()> {
    let field = Field::load()?;
    let names: Vec<String> =
        engine.nodes.iter().filter(|node| !node.member).filter_map(|node| node.name.clone()).collect();
    let objections = objections(engine, &field.abouts(&names), arguments.get_flag("force"));
    ensure!(objections.is_empty(), "nothing was done: {}", objections.join("; "));
    Ok(())
}

fn expected(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let votes = *arguments.get_one::<u32>("votes").expect("it is required");
    let engine = engine()?;
    missing_are_off(&engine, arguments)?;
    let said = units::run("corosync-quorumtool", &["-e", &votes.to_string()], ASK_TIME)?;
    ensure!(said.success, "corosync-quorumtool -e {votes}: {}", said.text.replace('\n', " | "));
    let now = super::status::engine()?;
    let votes = now.votes.as_ref().context("votequorum does not provide quorum")?;
    print(&format!(
        "{} votes are expected and {} are there: {}.\n",
        votes.expected,
        votes.total,
        if now.quorate { "there is quorum" } else { "there is no quorum" }
    ))?;
    Ok(EXIT_OK)
}

fn unblock(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let engine = engine()?;
    let waits = units::run("corosync-cmapctl", &["-g", WAITS], ASK_TIME)?;
    ensure!(
        waits.success && waits.text.ends_with("= 1"),
        "Corosync does not wait for all nodes here: `systole quorum status` shows what is missing"
    );
    missing_are_off(&engine, arguments)?;
    let said = units::run("corosync-cmapctl", &["-s", CANCEL, "u8", "1"], ASK_TIME)?;
    ensure!(said.success, "corosync-cmapctl -s {CANCEL}: {}", said.text.replace('\n', " | "));
    print("Corosync waits no longer. Nodes that come up later join as ever.\n")?;
    Ok(EXIT_OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use wire::host::EngineNode;

    fn engine() -> Engine {
        let node = |id: u32, member| EngineNode {
            id,
            name: Some(format!("n{id}")),
            member,
            votes: Some(1),
            links: Vec::new(),
            mtus: Vec::new(),
        };
        Engine {
            cluster: None,
            config_version: None,
            token: None,
            me: 1,
            quorate: false,
            nodes: vec![node(1, true), node(2, false)],
            votes: None,
            device: None,
        }
    }

    #[test]
    fn who_is_not_known_to_be_off_keeps_quorum_from_being_changed() {
        let about = |engine| wire::host::About {
            host: "n2".into(),
            systole: String::new(),
            corosync: None,
            addresses: Vec::new(),
            clock: 0,
            files: Vec::new(),
            units: Vec::new(),
            engine,
            pending: None,
            settled: None,
            remembers: false,
            clock_kept: None,
            free: Vec::new(),
            resolved: Vec::new(),
            ..wire::host::About::default()
        };
        let with = |engine| Abouts { known: [("n2".to_owned(), about(engine))].into(), silent: BTreeMap::new() };
        let silent = Abouts { known: BTreeMap::new(), silent: [("n2".to_owned(), "no route".to_owned())].into() };
        for force in [false, true] {
            let told = objections(&engine(), &with(Some(engine())), force);
            assert!(told[0].contains("the other half of a split"), "{told:?}");
            assert!(objections(&engine(), &with(None), force).is_empty(), "its agent says that Corosync does not run");
        }
        assert!(objections(&engine(), &silent, false)[0].contains("is not known (no route)"));
        assert!(objections(&engine(), &silent, true).is_empty());
    }
}
