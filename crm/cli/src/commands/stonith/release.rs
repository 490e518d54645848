//! `systole stonith release`: lets fencings go on that the cluster holds back.

use cib::{Author, Lifetime, Write};
use clap::{Arg, ArgAction, ArgMatches};
use wire::write::WriteForm;

use crate::EXIT_OK;
use crate::client::Client;
use crate::cluster::Live;
use crate::commands::Command;
use crate::stonith::proof::{HELD, RELEASED, held};
use crate::terminal::print;

/// The command.
pub const COMMAND: Command = Command { name: "release", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Let fencings go on that the cluster holds back")
        .after_help(
            "Fencing is held when more nodes are lost in one instant than faults of nodes explain \
             (fence-limit-at-once), or when too many were fenced lately (fence-budget). Nothing that they may hold is \
             started meanwhile. Look at the nodes and at the network first: those that come back by themselves are not \
             fenced.\n\nExamples:\n  systole stonith release\n  systole stonith release node4",
        )
        .arg(Arg::new("nodes").value_name("NODE").num_args(0..).help("These only [default: all that are held]"))
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Also without quorum; only when you know that the other nodes are down"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let wanted: Vec<String> = arguments.get_many("nodes").into_iter().flatten().cloned().collect();
    let mut client = Client::from_arguments(arguments)?;
    print(&release(&mut client, &wanted, arguments.get_flag("force"))?)?;
    Ok(EXIT_OK)
}

fn release(client: &mut Client, wanted: &[String], force: bool) -> anyhow::Result<String> {
    let held = held(&Live::fetch(client)?.view.document);
    if let Some(other) = wanted.iter().find(|node| !held.iter().any(|(name, _)| name == *node)) {
        anyhow::bail!("the fencing of {other} is not held; `systole status` shows whose is");
    }
    let mut text = String::new();
    for (node, _) in held.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)) {
        let write = Write::Attribute {
            node: node.clone(),
            lifetime: Lifetime::Transient,
            name: HELD.into(),
            value: Some(RELEASED.into()),
            author: Author::default(),
        };
        match client.write(WriteForm::from(&write), force)? {
            Ok(_) => text += &format!("{node} is fenced now.\n"),
            Err(reason) => anyhow::bail!("{text}{node} is still held: {reason}"),
        }
    }
    Ok(if text.is_empty() { "No fencing is held; nothing was changed.\n".into() } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{CLUSTER, Daemon, status};
    use cib::Cib;
    use wire::{Reply, Request};

    #[test]
    fn what_is_held_is_let_go() {
        let mut cib = Cib::parse(CLUSTER).unwrap();
        let write = Write::Attribute {
            node: "two".into(),
            lifetime: Lifetime::Transient,
            name: HELD.into(),
            value: Some("too many".into()),
            author: Author::default(),
        };
        cib.apply(&write).unwrap();
        let mut status = status();
        status.cib = cib.document().to_xml();
        let status = Reply::Status(Box::new(status));
        let daemon = Daemon::with(vec![status.clone(), status, Reply::Written { version: (0, 1, 2) }]);
        let mut client = daemon.client();
        let error = release(&mut client, &["one".into()], false).unwrap_err().to_string();
        assert!(error.contains("one is not held"), "{error}");
        assert_eq!(release(&mut client, &[], true).unwrap(), "two is fenced now.\n");
        drop(client);
        let asked = daemon.asked();
        assert!(
            matches!(&asked[2], Request::Write { write: WriteForm::Attribute { value: Some(v), .. }, force: true } if v == RELEASED)
        );
    }
}
