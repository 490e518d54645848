//! `systole cib check`: what is wrong with a configuration in a file.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};

use crate::commands::Command;
use crate::terminal::{print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK, file, findings};

/// The command.
pub const COMMAND: Command = Command { name: "check", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Say what is wrong with a configuration in a file")
        .after_help("The exit status is 1 if there is an error, 0 with warnings alone.\n\nExample:\n  systole cib check cib.xml")
        .arg(file::argument())
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("For programs: a list of {\"severity\", \"line\", \"column\", \"message\", \"remedy\"}"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let file = file::read(arguments.get_one::<PathBuf>("file").expect("it is required"))?;
    let found = findings::of(&file);
    if arguments.get_flag("json") {
        print_json(&findings::json(&found))?;
    } else {
        print(&findings::text(&file, &found))?;
        let missing = findings::missing_agents(&file.document, &findings::ocf_root());
        for warning in findings::unreached(&file.document).chain(missing) {
            print(&format!("{}: warning: {warning}\n", file.name))?;
        }
    }
    Ok(if findings::has_errors(&found) { EXIT_FAILURE } else { EXIT_OK })
}
