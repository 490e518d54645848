//! `systole stonith confirm`: a person vouches for it that a node is down. Nothing checks that: it is for when no device
//! can, and a wrong word costs the data.

use cib::Write;
use clap::{Arg, ArgAction, ArgMatches};
use wire::write::WriteForm;

use super::node_argument;
use crate::client::Client;
use crate::cluster::{Live, now};
use crate::commands::Command;
use crate::terminal::print;
use crate::{EXIT_OK, change};

/// The command.
pub const COMMAND: Command = Command { name: "confirm", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Vouch for it that a node is down, so that the cluster goes on without fencing it")
        .after_help(
            "Look at the machine itself first: powered off, or its disks and networks unplugged. If it still runs, \
             services will run twice.\n\nExample:\n  systole stonith confirm node2",
        )
        .arg(node_argument())
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Even if the cluster sees the node alive, and without quorum"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let node = arguments.get_one::<String>("node").expect("it is required");
    let mut client = Client::from_arguments(arguments)?;
    let done = confirm(&mut client, node, arguments.get_flag("force"))?;
    print(&format!("{done}\n"))?;
    Ok(EXIT_OK)
}

/// Confirms it, and says what was done.
///
/// # Errors
/// When the node is known to be alive, or the daemon refuses.
pub fn confirm(client: &mut Client, node: &str, force: bool) -> anyhow::Result<String> {
    let live = Live::fetch(client)?;
    live.view.node(node)?;
    let alive = live.status.members.iter().chain(&live.status.hosts_only).any(|host| host == node);
    if alive && !force {
        anyhow::bail!(
            "{node} is alive: it takes part in the cluster engine; use `systole stonith fence {node}` to cut it off, or \
             --force if you know better"
        );
    }
    let write = Write::Fenced {
        node: node.to_owned(),
        since: None,
        action: "off".into(),
        by: change::author().user,
        at: now(),
        coordinator: String::new(),
        transition: 0,
        number: 0,
    };
    match client.write(WriteForm::from(&write), force)? {
        Ok(_) => Ok(format!("{node} is confirmed to be down; what it held is started elsewhere.")),
        Err(reason) => anyhow::bail!("nothing was confirmed: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Daemon, status};
    use wire::{Reply, Request};

    #[test]
    fn nobody_vouches_for_a_node_that_is_alive() {
        let seen = |alive: bool| {
            let mut status = status();
            status.members.retain(|member| alive || member != "two");
            Reply::Status(Box::new(status))
        };
        let daemon = Daemon::with(vec![seen(true)]);
        let error = confirm(&mut daemon.client(), "two", false).unwrap_err().to_string();
        assert!(error.contains("is alive") && error.contains("systole stonith fence two"), "{error}");
        for (alive, force) in [(false, false), (true, true)] {
            let daemon = Daemon::with(vec![seen(alive), Reply::Written { version: (0, 1, 2) }]);
            assert!(confirm(&mut daemon.client(), "two", force).unwrap().contains("confirmed"));
            let asked = daemon.asked();
            let Request::Write { write: WriteForm::Fenced { node, coordinator, .. }, .. } = &asked[1] else {
                panic!("{asked:?}")
            };
            assert_eq!((node.as_str(), coordinator.as_str()), ("two", ""));
        }
    }
}
