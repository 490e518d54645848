//! `systole config diff`: what differs between two configurations.

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches};

use super::{document, kept, version, version_argument};
use crate::client::Client;
use crate::commands::Command;
use crate::commands::cib::differences;
use crate::terminal::print;
use crate::{EXIT_OK, confidential};
use cib::patch::{self, xml};

/// The command.
pub const COMMAND: Command = Command { name: "diff", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show what differs between two configurations")
        .after_help(
            "Examples:\n  systole config diff 12 15\n  systole config diff 12 15 --xml | cibadmin --patch --xml-pipe",
        )
        .arg(confidential::argument())
        .arg(version_argument("from", "The one before"))
        .arg(version_argument("to", "The one after"))
        .arg(Arg::new("xml").long("xml").action(ArgAction::SetTrue).help("As a patch, as crm_diff writes it"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut client = Client::from_arguments(arguments)?;
    let show = arguments.get_flag("show-secrets");
    let changes = kept(&mut client)?;
    let mut side = |name: &str| {
        let text = arguments.get_one::<String>(name).expect("it is required");
        version(&changes, text).and_then(|version| document(&mut client, version))
    };
    let (old, new) = (side("from")?, side("to")?);
    if arguments.get_flag("xml") {
        let patch = xml::write(&patch::diff(&old, &new), &old, &new);
        if confidential::text(&patch, &[&old, &new], show) != patch {
            bail!("the patch has secrets in it, and without them it would be another: --show-secrets writes them");
        }
        print(&patch)?;
        return Ok(EXIT_OK);
    }
    let lines = differences::whole_lines(&old, &new);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let text = confidential::text(&text, &[&old, &new], show);
    print(if lines.is_empty() { "There is no difference.\n" } else { &text })?;
    Ok(EXIT_OK)
}
