//! `systole node`: releases a node that the cluster holds in quarantine.

use cib::{Document, Element, Lifetime, Write};
use clap::{Arg, ArgAction, ArgMatches};
use wire::write::WriteForm;

use super::Command;
use crate::EXIT_OK;
use crate::change;
use crate::client::Client;
use crate::cluster::Live;
use crate::terminal::print;

/// The permanent attribute by which the controller holds a node; its value is when that began.
pub const QUARANTINE: &str = "systole-quarantine";

/// The command.
pub const COMMAND: Command = Command { name: "node", grammar, run };

fn grammar() -> clap::Command {
    let node = Arg::new("node").value_name("NODE").required(true).help("Name of the node");
    let release = clap::Command::new("release")
        .about("Let a node that is held in quarantine run resources again")
        .after_help(
            "A node that was lost three times within an hour is held in quarantine, as long as no more than a quarter of \
             the nodes are: it may join, but runs nothing. Repair it first; its losses are forgiven by this.\n\n\
             Example:\n  systole node release node3",
        )
        .arg(node)
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Also without quorum; only when you know that the other nodes are down"),
        );
    clap::Command::new("")
        .about("Nodes that the cluster holds in quarantine")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(release)
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (_, arguments) = arguments.subcommand().expect("the grammar requires one");
    let node = arguments.get_one::<String>("node").expect("it is required");
    let mut client = Client::from_arguments(arguments)?;
    print(&release(&mut client, node, arguments.get_flag("force"))?)?;
    Ok(EXIT_OK)
}

/// Since when each node is held, in seconds since 1970; 0 where nobody has said.
pub fn held(document: &Document) -> Vec<(String, i64)> {
    let nodes = document.descend(&["configuration", "nodes"]);
    let since = |node: Element| {
        document
            .children_named(node, "instance_attributes")
            .flat_map(|set| document.children_named(set, "nvpair"))
            .find(|pair| document.attribute(*pair, "name") == Some(QUARANTINE))
            .map(|pair| document.attribute(pair, "value").and_then(|value| value.parse().ok()).unwrap_or(0))
    };
    nodes
        .into_iter()
        .flat_map(|nodes| document.children_named(nodes, "node"))
        .filter_map(|node| Some((document.attribute(node, "uname")?.to_owned(), since(node)?)))
        .collect()
}

fn release(client: &mut Client, node: &str, force: bool) -> anyhow::Result<String> {
    let live = Live::fetch(client)?;
    live.view.node(node)?;
    if !held(&live.view.document).iter().any(|(name, _)| name == node) {
        return Ok(format!("Node {node} is not held in quarantine; nothing was changed.\n"));
    }
    let write = Write::Attribute {
        node: node.to_owned(),
        lifetime: Lifetime::Permanent,
        name: QUARANTINE.into(),
        value: None,
        author: change::author().into(),
    };
    match client.write(WriteForm::from(&write), force)? {
        Ok(_) => Ok(format!("Node {node} is released and may run resources again.\n")),
        Err(reason) => anyhow::bail!("{node} is still held in quarantine: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{CLUSTER, Daemon, status};
    use cib::{Author, Cib};
    use wire::Reply;

    #[test]
    fn a_node_that_is_held_is_released_and_another_is_left_alone() {
        let mut cib = Cib::parse(CLUSTER).unwrap();
        let write = Write::Attribute {
            node: "two".into(),
            lifetime: Lifetime::Permanent,
            name: QUARANTINE.into(),
            value: Some("1700000000".into()),
            author: Author::default(),
        };
        cib.apply(&write).unwrap();
        assert_eq!(held(cib.document()), [("two".to_owned(), 1_700_000_000)]);
        let mut held = status();
        held.cib = cib.document().to_xml();
        let told = |node: &str, replies: Vec<Reply>| release(&mut Daemon::with(replies).client(), node, false);
        let status = || Reply::Status(Box::new(held.clone()));
        let done = told("two", vec![status(), Reply::Written { version: (0, 2, 0) }]).unwrap();
        assert_eq!(done, "Node two is released and may run resources again.\n");
        assert!(told("one", vec![status()]).unwrap().contains("not held"));
        assert!(told("tow", vec![status()]).is_err());
    }
}
