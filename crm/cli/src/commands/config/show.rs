//! `systole config show`: one configuration of the history, as XML.

use clap::ArgMatches;

use super::{document, kept, version, version_argument};
use crate::client::Client;
use crate::commands::Command;
use crate::terminal::print;
use crate::{EXIT_OK, confidential};

/// The command.
pub const COMMAND: Command = Command { name: "show", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show one of the configurations there were, as XML")
        .after_help("Example:\n  systole config show 12 > cib-12.xml")
        .arg(confidential::argument())
        .arg(version_argument("version", "Which one"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut client = Client::from_arguments(arguments)?;
    let text = arguments.get_one::<String>("version").expect("it is required");
    let version = version(&kept(&mut client)?, text)?;
    print(&confidential::document(&document(&mut client, version)?, arguments).to_xml())?;
    Ok(EXIT_OK)
}
