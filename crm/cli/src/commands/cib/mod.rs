//! `systole cib`: the configuration as a whole: shown, checked, applied.

mod apply;
mod check;
pub mod differences;
mod show;

pub use apply::{COMMAND as APPLY, merged};

use super::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "cib", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[show::COMMAND, check::COMMAND, apply::COMMAND];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show, check or apply the whole configuration (the CIB)")
        .after_help("Example:\n  systole cib show --configuration > cib.xml\n  edit cib.xml\n  systole cib apply cib.xml --dry-run")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}
