//! `systole config`: the configurations there were: who changed what and when, and back to one of them.

mod diff;
mod history;
mod restore;
mod show;

use anyhow::{Context as _, bail};
use cib::Document;
use clap::Arg;
use wire::{Kept, Reply, Request};

use super::{Command, one_of};

use crate::client::Client;
pub use history::line;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "config", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[history::COMMAND, diff::COMMAND, show::COMMAND, restore::COMMAND];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show the configurations there were, and go back to one")
        .after_help(
            "Each change of the configuration has a version, such as 0.12; 12 alone means the newest of that number. This \
             node keeps at least the last 100.\n\nExamples:\n  systole config history\n  systole config diff 12 15\n  \
             systole config restore 12 --dry-run",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

/// `admin_epoch` and `epoch`.
type Version = (u64, u64);

/// The argument that names a configuration.
fn version_argument(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name("VERSION").required(true).help(help)
}

/// The changes that the daemon's node keeps, oldest first.
fn kept(client: &mut Client) -> anyhow::Result<Vec<Kept>> {
    match client.ask(&Request::History)? {
        Reply::History(changes) => Ok(changes),
        Reply::Refused { reason, .. } => bail!("the history cannot be read: {reason}"),
        _ => bail!("systoled answered to another question; are both of the same release?"),
    }
}

/// The version that the text names, among those that are kept.
fn version(changes: &[Kept], text: &str) -> anyhow::Result<Version> {
    let known = changes.iter().flat_map(|change| [change.from, change.to]);
    let wanted = match text.split_once('.') {
        Some((admin_epoch, epoch)) => admin_epoch.parse().ok().zip(epoch.parse::<u64>().ok()),
        None => text.parse().ok().and_then(|epoch: u64| known.clone().filter(|(_, found)| *found == epoch).max()),
    };
    wanted.filter(|wanted| known.clone().any(|found| found == *wanted)).with_context(|| {
        format!("there is no version '{text}' in the history; `systole config history` lists what is kept")
    })
}

/// The configuration of that version.
fn document(client: &mut Client, version: Version) -> anyhow::Result<Document> {
    match client.ask(&Request::Configuration { version })? {
        Reply::Configuration { xml } => Document::parse(&xml).context("reading the configuration that systoled sent"),
        Reply::Refused { reason, .. } => bail!("{reason}"),
        _ => bail!("systoled answered to another question; are both of the same release?"),
    }
}

/// `0.12`.
fn written((admin_epoch, epoch): Version) -> String {
    format!("{admin_epoch}.{epoch}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::write::AuthorForm;

    pub fn change(from: Version, to: Version) -> Kept {
        let author =
            AuthorForm { user: "ann".into(), host: "one".into(), command: "systole standby one".into(), at: 86_400 };
        Kept { from, to, author, patch: Vec::new() }
    }

    #[test]
    fn versions_are_named_shortly_or_in_full() {
        let changes = [change((0, 3), (0, 4)), change((0, 4), (1, 4)), change((1, 4), (1, 5))];
        for (text, expected) in [("3", Some((0, 3))), ("4", Some((1, 4))), ("0.4", Some((0, 4))), ("1.5", Some((1, 5)))]
        {
            assert_eq!(version(&changes, text).ok(), expected, "{text}");
        }
        for text in ["6", "0.5", "x", "1.", ""] {
            assert!(version(&changes, text).unwrap_err().to_string().contains("systole config history"), "{text}");
        }
    }
}
