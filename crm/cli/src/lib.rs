#![forbid(unsafe_code)]
//! The command line: one program for `systole COMMAND` and for the classic tools' names.
//!
//! [`run`] picks what to do. A classic tool is known by the name the program was called under (a link named
//! `crm_simulate`) or by the first argument (`systole crm_simulate …`); anything else is a command of `systole`.
//! [`commands`] and [`tools`] hold one list each, [`output`] what several of them print. Nothing here decides
//! anything about a cluster: that is `policy`, and the daemon's parts.

pub mod commands;
pub mod output;
pub mod tools;

mod attention;
mod change;
mod client;
mod cluster;
mod confidential;
mod failures;
mod file;
mod findings;
mod follows;
mod gone;
mod hosts;
mod lasting;

mod all_failures;
mod by_hand;
mod explain;
mod names;
mod proxmox;
mod remedy;
mod settle;
mod stonith;
mod terminal;

use clap::error::ErrorKind;
use std::ffi::OsString;
use std::path::Path;

/// Everything was as asked.
pub const EXIT_OK: u8 = 0;
/// It could not be done.
pub const EXIT_FAILURE: u8 = 1;
/// It was not understood what to do: clap's and our exit status for a wrong command line of `systole` itself.
pub const EXIT_USAGE: u8 = 2;

/// Does what `argv` (the program's own name first) asks for, and gives the exit status.
pub fn run(argv: Vec<OsString>) -> u8 {
    let called_as = argv.first().and_then(|name| Path::new(name).file_name()).and_then(|name| name.to_str());
    if let Some(tool) = called_as.and_then(tools::find) {
        return (tool.run)(argv);
    }
    if let Some(tool) = argv.get(1).and_then(|name| name.to_str()).and_then(tools::find) {
        return (tool.run)(argv[1..].to_vec());
    }
    if argv.len() > 1 && tools::pcs::takes(&argv[1..], &grammar()) {
        return tools::pcs::run_as_systole(argv);
    }
    run_command(argv)
}

/// The whole grammar of `systole`, made from the list of commands.
pub fn grammar() -> clap::Command {
    let tools: Vec<String> = tools::TOOLS.iter().map(|tool| format!("  {:<14} {}", tool.name, tool.about)).collect();
    clap::Command::new("systole")
        .about("Keeps services running on a group of hosts: look at a cluster and change it")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(client::socket_argument())
        .after_help(format!("Classic tools, also found under their own names:\n{}", tools.join("\n")))
        .subcommands(commands::COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn run_command(argv: Vec<OsString>) -> u8 {
    let first = argv.get(1).and_then(|word| word.to_str()).map(str::to_owned);
    let given: Vec<OsString> = argv.iter().skip(1).cloned().collect();
    let matches = match grammar().try_get_matches_from(argv) {
        Ok(matches) => matches,
        Err(error) => {
            // With -f it can only be one of pcs's commands, and so it is behind the first word of some.
            let pcs = error.kind() == ErrorKind::InvalidSubcommand || given.iter().any(|word| word == "-f");
            if let Some(text) = pcs.then(|| tools::pcs::mistakes::unknown(&given)).flatten() {
                terminal::complain(&text);
                return EXIT_USAGE;
            }
            // A closed pipe is the reader's choice; there is nobody left to tell.
            let _ = error.print();
            if let (ErrorKind::InvalidSubcommand, Some(near)) = (error.kind(), first.as_deref().and_then(near)) {
                terminal::complain(&format!("  tip: `systole {near}` is a command of pcs's, which systole knows"));
            }
            return if error.use_stderr() { EXIT_USAGE } else { EXIT_OK };
        }
    };
    let Some((name, arguments)) = matches.subcommand() else {
        return EXIT_USAGE;
    };
    let command = commands::COMMANDS
        .iter()
        .find(|command| command.name == name)
        .expect("the grammar is made from this very list");
    match (command.run)(arguments) {
        Ok(status) => status,
        Err(error) => {
            terminal::complain(&format!("systole {name}: {error:#}"));
            EXIT_FAILURE
        }
    }
}

/// The family of pcs's commands that a mistyped word may mean.
fn near(word: &str) -> Option<&'static str> {
    let families = ::pcs::commands::all().map(|command| command.path[0]);
    ::pcs::command_line::nearest(word, families).filter(|family| *family != word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &str) -> Vec<OsString> {
        words.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }

    #[test]
    fn what_is_not_understood_is_a_usage_error() {
        assert_eq!(run(argv("systole no-such-command")), EXIT_USAGE);
        assert_eq!(run(argv("systole --help")), EXIT_OK);
    }

    #[test]
    fn a_mistyped_family_of_pcs_is_known() {
        for (word, family) in [("constrain", Some("constraint")), ("proprety", Some("property")), ("xyz", None)] {
            assert_eq!(near(word), family, "{word}");
        }
    }

    #[test]
    fn no_command_has_the_name_of_a_tool() {
        for command in commands::COMMANDS {
            assert!(tools::find(command.name).is_none(), "{} is in both lists", command.name);
        }
    }
}
