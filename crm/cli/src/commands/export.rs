//! `systole export`: the configuration in a form that is kept in files and applied again.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};

use super::Command;
use crate::client::Client;
use crate::cluster::Live;
use crate::terminal::print;
use crate::{EXIT_OK, confidential, file};

/// The command.
pub const COMMAND: Command = Command { name: "export", grammar, run };

fn grammar() -> clap::Command {
    let after = "What the short form has no word for (rules, bundles, access lists) stands in it as XML, so nothing is lost: \
                 `systole apply` of what is exported changes nothing. Passwords stand in it as ********, which `apply` takes for \
                 what is there; with --show-secrets they are in it.\n\n\
                 Examples:\n  systole export > cluster.toml\n  systole export --file cib.xml";
    clap::Command::new("")
        .about("Write the configuration in its short form, for `systole apply`")
        .after_help(after)
        .arg(Arg::new("toml").long("toml").action(ArgAction::SetTrue).help("The short form in TOML (as without it)"))
        .arg(confidential::argument())
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Of the CIB in this file, not of the running cluster; - is standard input"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let document = match arguments.get_one::<PathBuf>("file") {
        Some(path) => file::read(path)?.document,
        None => Live::fetch(&mut Client::from_arguments(arguments)?)?.view.document,
    };
    let document = confidential::document(&document, arguments);
    print(&desired::write(&desired::of(&document)))?;
    Ok(EXIT_OK)
}
