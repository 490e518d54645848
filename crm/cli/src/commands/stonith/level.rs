//! `systole stonith level`: which devices fence a node together, and which come next when they fail.

use clap::{Arg, ArgMatches};

use crate::EXIT_OK;
use crate::change::{self, Edit, How};
use crate::client::Client;
use crate::cluster::{Live, View};
use crate::commands::Command;
use crate::stonith::levels::{self, LevelTarget};
use crate::terminal::print;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "level", grammar, run };

fn grammar() -> clap::Command {
    let index = || {
        Arg::new("level")
            .value_name("LEVEL")
            .required(true)
            .value_parser(clap::value_parser!(u32).range(1..=9))
            .help("1 to 9: low ones are tried first")
    };
    let target = || Arg::new("target").value_name("TARGET").help("A node's name, regexp%PATTERN or attrib%NAME=VALUE");
    let devices = || Arg::new("devices").value_name("DEVICE").num_args(0..).help("Fence devices: all must succeed");
    clap::Command::new("")
        .about("Show or change the fencing levels")
        .after_help(
            "Examples:\n  systole stonith level\n  systole stonith level add 1 node1 ipmi-node1\n  \
             systole stonith level add 2 node1 pdu-a pdu-b",
        )
        .subcommand(clap::Command::new("config").about("Show all levels (also without a word)"))
        .subcommand(How::options(clap::Command::new("add").about("Add a level")).args([
            index(),
            target().required(true),
            devices().required(true).num_args(1..),
        ]))
        .subcommand(
            How::options(clap::Command::new("remove").about("Remove levels: those that are all that is given")).args([
                index(),
                target(),
                devices(),
            ]),
        )
        .subcommand(
            How::options(clap::Command::new("clear").about("Remove all levels, or those of a target")).arg(target()),
        )
        .subcommand(clap::Command::new("verify").about("Check that every level can be used"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut client = Client::from_arguments(arguments)?;
    let (name, below) = arguments.subcommand().unwrap_or(("config", arguments));
    let target =
        |arguments: &ArgMatches| arguments.get_one::<String>("target").map(|text| LevelTarget::parse(text)).transpose();
    match name {
        "add" | "remove" => {
            let index = *below.get_one::<u32>("level").expect("it is required");
            let devices: Vec<String> = below.get_many("devices").into_iter().flatten().cloned().collect();
            let target = target(below)?;
            change::make(&mut client, How::from_arguments(below), |live| match &target {
                Some(target) if name == "add" => add(&live.view, index, target, &devices),
                _ => remove(&live.view, Some(index), target.as_ref(), &devices),
            })
        }
        "clear" => {
            let target = target(below)?;
            change::make(&mut client, How::from_arguments(below), |live| remove(&live.view, None, target.as_ref(), &[]))
        }
        "verify" => {
            let wrong = levels::verify(&Live::fetch(&mut client)?.view.document);
            if !wrong.is_empty() {
                anyhow::bail!("{}", wrong.join("\n"));
            }
            print("Every fencing level can be used.\n")?;
            Ok(EXIT_OK)
        }
        _ => {
            print(&config(&Live::fetch(&mut client)?.view))?;
            Ok(EXIT_OK)
        }
    }
}

fn config(view: &View) -> String {
    let levels = levels::all(&view.document);
    if levels.is_empty() {
        return "No fencing level is configured: each device that is for a node is tried by itself.\n".into();
    }
    let mut text = String::new();
    let mut last = None;
    for level in &levels {
        if last != Some(&level.target) {
            text += &format!("Target: {}\n", level.target.text());
            last = Some(&level.target);
        }
        text += &format!("  Level {} - {}\n", level.index, level.devices.join(","));
    }
    text
}

fn add(view: &View, index: u32, target: &LevelTarget, devices: &[String]) -> anyhow::Result<Edit> {
    let mut document = view.document.clone();
    levels::add(&mut document, index, target, devices)?;
    let before = levels::verify(&view.document);
    let notes = levels::verify(&document).into_iter().filter(|wrong| !before.contains(wrong));
    let done = format!("Level {index} for {}: {} together.", target.text(), devices.join(", "));
    Ok(Edit { document, done: vec![done], notes: notes.map(|wrong| format!("But: {wrong}.")).collect() })
}

fn remove(view: &View, index: Option<u32>, target: Option<&LevelTarget>, devices: &[String]) -> anyhow::Result<Edit> {
    let mut document = view.document.clone();
    let devices = Some(devices).filter(|devices| !devices.is_empty());
    match levels::remove(&mut document, index, target, devices) {
        0 if index.is_some() => anyhow::bail!("there is no such fencing level; `systole stonith level` shows all"),
        0 => Ok(Edit::nothing(view, "There is no fencing level; nothing was changed.".into())),
        1 => Ok(Edit { document, done: vec!["One fencing level is gone.".into()], notes: Vec::new() }),
        count => Ok(Edit { document, done: vec![format!("{count} fencing levels are gone.")], notes: Vec::new() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    #[test]
    fn a_level_is_added_shown_and_removed() {
        let view = cluster();
        assert!(config(&view).starts_with("No fencing level"));
        let target = LevelTarget::parse("one").unwrap();
        let edit = add(&view, 2, &target, &["gone".into()]).unwrap();
        assert_eq!(edit.notes, ["But: level 2 for one names \"gone\", which is no fence device."]);
        let with = view.with(edit.document);
        assert_eq!(config(&with), "Target: one\n  Level 2 - gone\n");
        assert!(remove(&with, Some(1), None, &[]).unwrap_err().to_string().contains("no such fencing level"));
        assert_eq!(remove(&with, None, None, &[]).unwrap().document.to_xml(), view.document.to_xml());
    }
}
