//! `systole ban`: keeps a resource off a node, for good or for a time.

use anyhow::bail;
use clap::{Arg, ArgMatches};

use super::Command;
use crate::by_hand::{self, Target};
use crate::change::{self, Edit, How};
use crate::client::Client;
use crate::cluster::{self, View};

/// The command.
pub const COMMAND: Command = Command { name: "ban", grammar, run };

fn grammar() -> clap::Command {
    let resource = Arg::new("resource").value_name("RESOURCE").required(true).help("Resource, group or clone");
    let node = Arg::new("node").value_name("NODE").help("Which node; without it: the one where it is");
    let after = "A constraint is left behind (cli-ban-RESOURCE-on-NODE), until `systole clear RESOURCE`, or for the time that \
                 --for or --until gives. It holds even when no other node is left.\n\n\
                 Examples:\n  systole ban web node2 --until 06:00\n  systole ban web";
    How::expiring(clap::Command::new("").about("Keep a resource off a node").after_help(after)).args([resource, node])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let resource = arguments.get_one::<String>("resource").expect("it is required");
    let node = arguments.get_one::<String>("node").map(String::as_str);
    let mut client = Client::from_arguments(arguments)?;
    change::make(&mut client, How::from_arguments(arguments), |live| edit(&live.view, resource, node))
}

fn edit(view: &View, resource: &str, node: Option<&str>) -> anyhow::Result<Edit> {
    let cluster = view.cluster();
    let target = Target::of(&cluster, cluster::resource(&cluster, resource)?);
    let (name, current) = (&target.name, target.nodes(&cluster));
    let node = match (node, &current[..]) {
        (Some(node), _) => node.to_owned(),
        (None, [one]) => one.clone(),
        (None, []) => bail!("{name} does not run anywhere; name the node: systole ban {name} NODE"),
        (None, several) => bail!("{name} runs on {}; name the node: systole ban {name} NODE", several.join(", ")),
    };
    view.node(&node)?;
    let mut edit =
        Edit { document: view.document.clone(), done: target.note.iter().cloned().collect(), notes: Vec::new() };
    let id = by_hand::ban(&mut edit.document, &target, &node);
    let (root, before) = (edit.document.root(), &view.document);
    if edit.document.same(root, before, before.root()) {
        edit.done.push(format!("That is wanted already (constraint {id}); nothing was changed."));
        return Ok(edit);
    }
    edit.done.push(format!("{name} is kept off {node}."));
    edit.notes.push(format!("The constraint {id} stays until `systole clear {name}`."));
    Ok(edit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{cluster, constraints};

    #[test]
    fn a_resource_is_kept_off_a_node() {
        let view = cluster();
        let made = edit(&view, "web", Some("two")).unwrap();
        assert_eq!(constraints(&made.document), "cli-ban-web-on-two web Started two -INFINITY");
        assert_eq!(made.done, ["web is kept off two."]);
        let again = edit(&view.with(made.document), "web", Some("two")).unwrap();
        assert!(again.done[0].contains("nothing was changed"));
        assert_eq!(
            constraints(&edit(&view, "web", None).unwrap().document),
            "cli-ban-web-on-one web Started one -INFINITY"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (resource, node, words) in [
            ("idle", None, "name the node: systole ban idle NODE"),
            ("ping", None, "runs on one, two; name the node"),
            ("web", Some("tow"), "did you mean 'two'?"),
            ("wbe", Some("two"), "did you mean 'web'?"),
        ] {
            let error = edit(&cluster(), resource, node).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
