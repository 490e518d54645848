//! `systole confirm`: lets a change last that would be taken back by itself, or takes it back now.

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches};
use expiring::due::{is_stuck, taken_back};
use expiring::{Kind, Mark, mark};
use serde_json::json;

use super::Command;
use crate::change::{self, Edit, How};
use crate::client::Client;
use crate::cluster::{Live, View};
use crate::terminal::{print, print_json};
use crate::{EXIT_OK, lasting};

/// The command.
pub const COMMAND: Command = Command { name: "confirm", grammar, run };

fn grammar() -> clap::Command {
    let after = "Without a number all changes on trial are confirmed. Wishes for a time (--for, --until) last on when they \
                 are confirmed by number.\n\n\
                 Examples:\n  systole apply cluster.toml --revert-after 2m\n  systole confirm\n  systole confirm --list\n  \
                 systole confirm 2 --take-back";
    let flag = |name, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    How::options(clap::Command::new("").about("Keep a change that would be taken back by itself").after_help(after)).args([
        Arg::new("number").value_name("N").num_args(0..).value_parser(clap::value_parser!(u32)).help("Which, as --list has it"),
        flag("list", "List what waits for its end; with --json: a list of {\"number\", \"kind\", \"until\", \"command\", \"stuck\"}"),
        flag("take-back", "Take it back now instead"),
    ])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let how = How::from_arguments(arguments);
    let mut client = Client::from_arguments(arguments)?;
    if arguments.get_flag("list") {
        let view = Live::fetch(&mut client)?.view;
        let marks = mark::all(&view.document);
        match how.json {
            true => print_json(&json!(
                marks
                    .iter()
                    .map(|mark| json!({
                        "number": mark.number,
                        "kind": match mark.kind { Kind::Trial => "trial", Kind::Wish => "wish" },
                        "until": mark.until,
                        "command": mark.command,
                        "stuck": is_stuck(&view.document, mark),
                    }))
                    .collect::<Vec<_>>()
            ))?,
            false => print(&list(&view, &marks))?,
        }
        return Ok(EXIT_OK);
    }
    let numbers: Vec<u32> = arguments.get_many("number").into_iter().flatten().copied().collect();
    let take_back = arguments.get_flag("take-back");
    change::make(&mut client, how, |live| edit(&live.view, &numbers, take_back))
}

fn list(view: &View, marks: &[Mark]) -> String {
    if marks.is_empty() {
        return "Nothing waits for its end.\n".to_owned();
    }
    marks.iter().map(|mark| format!("{:>3}  {}\n", mark.number, line(view, mark))).collect()
}

/// What becomes of a change, in one line.
pub fn line(view: &View, mark: &Mark) -> String {
    let at = lasting::local(mark.until);
    let ends = match mark.kind {
        _ if is_stuck(&view.document, mark) => {
            "on trial, and cannot be taken back by itself: others have changed the same since".to_owned()
        }
        Kind::Trial => format!("on trial until {at}, then taken back"),
        Kind::Wish => format!("until {at}"),
    };
    format!("{ends}: {}", mark.command)
}

fn edit(view: &View, numbers: &[u32], take_back: bool) -> anyhow::Result<Edit> {
    let marks = mark::all(&view.document);
    if let Some(unknown) = numbers.iter().find(|number| marks.iter().all(|mark| mark.number != **number)) {
        bail!("nothing waits for its end under the number {unknown}; `systole confirm --list` shows what does");
    }
    let meant = |mark: &&Mark| match numbers.is_empty() {
        true => mark.kind == Kind::Trial,
        false => numbers.contains(&mark.number),
    };
    let meant: Vec<&Mark> = marks.iter().filter(meant).collect();
    if meant.is_empty() {
        return Ok(Edit::nothing(view, "No change is on trial; nothing was changed.".to_owned()));
    }
    let mut edit = Edit { document: view.document.clone(), done: Vec::new(), notes: Vec::new() };
    // The last change first: an earlier one may lie beneath it.
    for mark in meant.into_iter().rev() {
        if take_back {
            let Some(back) = taken_back(&edit.document, mark) else {
                bail!(
                    "{} cannot be taken back: others have changed the same since; `systole config history` and `systole config \
                     diff` show what, `systole confirm {}` keeps it as it is",
                    mark.command,
                    mark.number
                );
            };
            edit.document = back;
        }
        mark::remove(&mut edit.document, mark.number);
        edit.done.push(match take_back {
            true => format!("Taken back: {}", mark.command),
            false => format!("It lasts: {}", mark.command),
        });
    }
    Ok(edit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    fn marked(kind: Kind) -> View {
        let view = cluster();
        let mut after = view.document.clone();
        let resources = after.descend(&["configuration", "resources"]).unwrap();
        after.set(resources, "description", "new");
        mark::add(&view.document, &mut after, kind, 2_000_000_000, "systole apply x").unwrap();
        view.with(after)
    }

    #[test]
    fn what_is_confirmed_lasts_and_what_is_taken_back_is_gone() {
        let view = marked(Kind::Trial);
        let kept = edit(&view, &[], false).unwrap();
        assert_eq!(kept.done, ["It lasts: systole apply x"]);
        assert!(kept.document.to_xml().contains("description=\"new\"") && mark::all(&kept.document).is_empty());
        let back = edit(&view, &[1], true).unwrap();
        let before = cluster().document;
        assert!(back.document.same(back.document.root(), &before, before.root()));
        assert!(list(&view, &mark::all(&view.document)).contains("on trial until 20"));
    }

    #[test]
    fn wishes_are_confirmed_by_number_alone() {
        let view = marked(Kind::Wish);
        assert!(edit(&view, &[], false).unwrap().done[0].contains("No change is on trial"));
        assert_eq!(edit(&view, &[1], false).unwrap().done, ["It lasts: systole apply x"]);
        assert!(edit(&view, &[2], false).unwrap_err().to_string().contains("under the number 2"));
        assert_eq!(list(&cluster(), &[]), "Nothing waits for its end.\n");
    }
}
