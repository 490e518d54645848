//! `systole stonith history`: what was fenced, when, by whom, and how it went; the same on every node.

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches};
use serde_json::json;
use wire::stonith::{FenceOutcome, FenceRecord};

use crate::EXIT_OK;
use crate::client::Client;
use crate::commands::Command;
use crate::stonith;
use crate::terminal::{print, print_json};

/// The command.
pub const COMMAND: Command = Command { name: "history", grammar, run };

fn grammar() -> clap::Command {
    let node = || Arg::new("node").value_name("NODE").help("Of this node only");
    let json = || {
        Arg::new("json").long("json").action(ArgAction::SetTrue).help(
            "For programs: [{\"target\", \"action\", \"origin\", \"delegate\", \"begun\", \"ended\", \"outcome\", \
             \"devices\", \"reason\"}]",
        )
    };
    // The words that pcs has for it.
    let show = clap::Command::new("show").about("Show it, as without this word").arg(node()).arg(json());
    let cleanup = clap::Command::new("cleanup").about("Forget it, on all nodes").arg(node());
    let update = clap::Command::new("update").about("Nothing: each node hears of every fencing when it happens");
    clap::Command::new("")
        .about("Show what was fenced, newest first, or forget it")
        .after_help("Examples:\n  systole stonith history\n  systole stonith history node2 --cleanup")
        .arg(node())
        // Or clap takes a second word for a command that it does not know.
        .arg(Arg::new("more").num_args(1..).hide(true))
        .arg(Arg::new("cleanup").long("cleanup").action(ArgAction::SetTrue).help("Forget it, on all nodes"))
        .arg(json())
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommands([show, cleanup, update])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    if let Some(more) = arguments.get_many::<String>("more") {
        let node = arguments.get_one::<String>("node").cloned().unwrap_or_default();
        let words: Vec<&str> = std::iter::once(&*node).chain(more.map(String::as_str)).collect();
        bail!("expected one node at most, found '{}'; without a node it shows all", words.join(" "));
    }
    match arguments.subcommand() {
        Some(("cleanup", words)) => forget(words),
        Some(("update", _)) => {
            print("Nothing to do: each node hears of every fencing when it happens.\n")?;
            Ok(EXIT_OK)
        }
        Some((_, words)) => show(words),
        None if arguments.get_flag("cleanup") => forget(arguments),
        None => show(arguments),
    }
}

fn forget(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let node = arguments.get_one::<String>("node").cloned();
    stonith::forget(&mut Client::from_arguments(arguments)?, node.clone())?;
    let of = node.map_or_else(String::new, |node| format!(" of {node}"));
    print(&format!("The history of fencing{of} is forgotten on all nodes.\n"))?;
    Ok(EXIT_OK)
}

fn show(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let node = arguments.get_one::<String>("node").cloned();
    let mut client = Client::from_arguments(arguments)?;
    let mut records = stonith::view(&mut client)?.history;
    records.retain(|record| node.as_ref().is_none_or(|node| *node == record.target));
    records.reverse();
    match arguments.get_flag("json") {
        true => print_json(&records.iter().map(as_json).collect())?,
        false if records.is_empty() => print("No fencing is on record.\n")?,
        false => print(&records.iter().map(|record| stonith::sentence(record) + "\n").collect::<String>())?,
    }
    Ok(EXIT_OK)
}

fn as_json(record: &FenceRecord) -> serde_json::Value {
    let (outcome, devices, reason) = match &record.outcome {
        FenceOutcome::Pending => ("pending", None, None),
        FenceOutcome::Done(devices) => ("done", Some(devices), None),
        FenceOutcome::Failed(reason) => ("failed", None, Some(reason)),
    };
    json!({
        "target": record.target,
        "action": record.action,
        "origin": record.origin,
        "delegate": record.delegate,
        "begun": record.begun,
        "ended": record.ended,
        "outcome": outcome,
        "devices": devices,
        "reason": reason,
    })
}
