//! `systole stonith`: fencing by hand, its history, levels and devices, and the proof that it works.

pub(crate) mod confirm;
mod device;
mod fence;
mod history;
mod level;
mod release;
mod test;

use super::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "stonith", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    fence::COMMAND,
    confirm::COMMAND,
    history::COMMAND,
    level::COMMAND,
    device::COMMAND,
    test::COMMAND,
    release::COMMAND,
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Fence nodes, look at fencing, and prove that it works")
        .after_help(
            "Examples:\n  systole stonith device status\n  systole stonith test node3\n  systole stonith fence node2 --off",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

/// The argument that names a node.
fn node_argument() -> clap::Arg {
    clap::Arg::new("node").value_name("NODE").required(true).help("Name of the node")
}

/// Milliseconds or seconds as people write them.
fn time(text: &str) -> Result<std::time::Duration, String> {
    cib::duration::parse_ms(text).map(std::time::Duration::from_millis).map_err(|error| error.to_string())
}
