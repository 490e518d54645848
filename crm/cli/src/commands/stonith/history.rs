//! `systole stonith history`: what was fenced, when, by whom, and how it went; the same on every node.

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
    clap::Command::new("")
        .about("Show what was fenced, newest first, or forget it")
        .after_help("Examples:\n  systole stonith history\n  systole stonith history node2 --cleanup")
        .arg(Arg::new("node").value_name("NODE").help("Of this node only"))
        .arg(Arg::new("cleanup").long("cleanup").action(ArgAction::SetTrue).help("Forget it, on all nodes"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help(
            "For programs: [{\"target\", \"action\", \"origin\", \"delegate\", \"begun\", \"ended\", \"outcome\", \
             \"devices\", \"reason\"}]",
        ))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let node = arguments.get_one::<String>("node").cloned();
    let mut client = Client::from_arguments(arguments)?;
    if arguments.get_flag("cleanup") {
        stonith::forget(&mut client, node.clone())?;
        let of = node.map_or_else(String::new, |node| format!(" of {node}"));
        print(&format!("The history of fencing{of} is forgotten on all nodes.\n"))?;
        return Ok(EXIT_OK);
    }
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
