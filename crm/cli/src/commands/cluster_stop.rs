//! `systole cluster stop`: lets this node go, or all nodes together.

use clap::{Arg, ArgAction, ArgMatches};
use wire::{Reply, Request};

use super::Command;
use crate::EXIT_OK;
use crate::client::Client;
use crate::terminal::print;

/// The command.
pub const COMMAND: Command = Command { name: "cluster", grammar, run };

fn grammar() -> clap::Command {
    let all = Arg::new("all").long("all").action(ArgAction::SetTrue).help("All nodes together");
    let stop = clap::Command::new("stop")
        .about("Let this node go: what it runs moves away, then its systoled ends")
        .after_help(
            "With --all every node is told in the same instant: services stop in their order and start nowhere else, and \
             nobody is fenced. Nodes told one after the other would hand their services on to those that are left.\n\n\
             Examples:\n  systole cluster stop\n  systole cluster stop --all",
        )
        .arg(all);
    clap::Command::new("")
        .about("The cluster as a whole")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(stop)
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (_, arguments) = arguments.subcommand().expect("the grammar requires one");
    print(&stop(&mut Client::from_arguments(arguments)?, arguments.get_flag("all"))?)?;
    Ok(EXIT_OK)
}

fn stop(client: &mut Client, all: bool) -> anyhow::Result<String> {
    let request = if all { Request::StopCluster } else { Request::Shutdown };
    match client.ask(&request)? {
        Reply::Refused { reason, .. } => anyhow::bail!("nothing is stopped: {reason}"),
        _ if all => Ok("All nodes stop: their services first, then systoled on each.\n".into()),
        _ => Ok("This node leaves: what it runs moves away, then its systoled ends.\n".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::Daemon;

    #[test]
    fn one_node_or_all_are_told_and_a_refusal_is_said() {
        for (all, reply, said) in
            [(false, Reply::Done, "This node leaves"), (true, Reply::Written { version: (0, 1, 2) }, "All nodes stop")]
        {
            assert!(stop(&mut Daemon::with(vec![reply]).client(), all).unwrap().starts_with(said));
        }
        let error = stop(&mut Daemon::with(vec![Reply::refused("not now")]).client(), true).unwrap_err();
        assert_eq!(error.to_string(), "nothing is stopped: not now");
    }
}
