//! `systole config history`: who changed the configuration, when, with what, and what came of it.

use cib::date;
use clap::{Arg, ArgAction, ArgMatches};
use serde_json::json;
use wire::Kept;

use super::{kept, written};
use crate::client::Client;
use crate::commands::Command;
use crate::terminal::{print, print_json};
use crate::{EXIT_OK, confidential};

/// So many are shown unless all are asked for.
const SHOWN: usize = 100;

/// The command.
pub const COMMAND: Command = Command { name: "history", grammar, run };

fn grammar() -> clap::Command {
    let flag = |name, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    clap::Command::new("")
        .about("List the changes of the configuration, newest first")
        .after_help("The history is that of the node whose daemon answers: a node that was away has its changes as one.\n\nExample:\n  systole config history")
        .arg(flag("all", "All that are kept, not only the last 100"))
        .arg(flag("json", "For programs: a list of {\"from\", \"version\", \"user\", \"host\", \"command\", \"at\", \"changes\"}"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut changes = kept(&mut Client::from_arguments(arguments)?)?;
    changes.reverse();
    if !arguments.get_flag("all") {
        changes.truncate(SHOWN);
    }
    if arguments.get_flag("json") {
        let list = changes.iter().map(|change| {
            json!({
                "from": written(change.from),
                "version": written(change.to),
                "user": change.author.user,
                "host": change.author.host,
                "command": confidential::command(&change.author.command),
                "at": change.author.at,
                "changes": change.patch.len(),
            })
        });
        print_json(&serde_json::Value::Array(list.collect()))?;
    } else {
        print(&text(&changes))?;
    }
    Ok(EXIT_OK)
}

fn text(changes: &[Kept]) -> String {
    if changes.is_empty() {
        return "This node keeps no changes of the configuration yet.\n".to_owned();
    }
    changes.iter().map(line).collect()
}

/// A change in one line.
pub fn line(change: &Kept) -> String {
    let author = &change.author;
    let who = match (author.user.as_str(), author.host.as_str()) {
        ("", "") => "the cluster".to_owned(),
        (user, "") => user.to_owned(),
        (user, host) => format!("{user}@{host}"),
    };
    let when = if author.at == 0 { "-".to_owned() } else { date::ctime(author.at) };
    let command = if author.command.is_empty() { "-".to_owned() } else { confidential::command(&author.command) };
    format!("{:<8} {when:<24}  {who:<20} {command}\n", written(change.to))
}

#[cfg(test)]
mod tests {
    use super::super::tests::change;
    use super::*;

    #[test]
    fn a_line_says_who_when_and_with_what() {
        let told = text(&[change((0, 3), (0, 4))]);
        assert!(told.starts_with("0.4 ") && told.ends_with("ann@one              systole standby one\n"), "{told}");
        let mut unnamed = change((0, 3), (0, 4));
        unnamed.author = wire::write::AuthorForm::default();
        assert!(text(&[unnamed]).contains("the cluster"));
        assert!(text(&[]).contains("no changes"));
    }
}
