//! `systole move`: a resource to a node, or away from where it is.

use anyhow::bail;
use clap::{Arg, ArgMatches};
use policy::model::NodeFlags;

use super::Command;
use super::node::QUARANTINE;
use crate::by_hand::{self, Target};
use crate::change::{self, Edit, How};
use crate::client::Client;
use crate::cluster::{self, View};
use crate::output::nodes;

/// The command.
pub const COMMAND: Command = Command { name: "move", grammar, run };

fn grammar() -> clap::Command {
    let resource = Arg::new("resource").value_name("RESOURCE").required(true).help("Resource, group or clone");
    let node = Arg::new("node").value_name("NODE").help("Where to; without it: away from where it is");
    let after = "A constraint is left behind that keeps it there (cli-prefer-RESOURCE) or away (cli-ban-RESOURCE-on-NODE), \
                 until `systole clear RESOURCE`, or for the time that --for or --until gives.\n\nExamples:\n  systole move web node2 --wait\n  systole move web --for 2h";
    How::expiring(clap::Command::new("").about("Move a resource to a node, or away from where it is").after_help(after))
        .args([resource, node])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let resource = arguments.get_one::<String>("resource").expect("it is required");
    let node = arguments.get_one::<String>("node").map(String::as_str);
    let how = How::from_arguments(arguments);
    let mut client = Client::from_arguments(arguments)?;
    change::make(&mut client, how, |live| edit(&live.view, resource, node, how.force))
}

fn edit(view: &View, resource: &str, node: Option<&str>, force: bool) -> anyhow::Result<Edit> {
    let cluster = view.cluster();
    let target = Target::of(&cluster, cluster::resource(&cluster, resource)?);
    let (name, current) = (&target.name, target.nodes(&cluster));
    let mut edit =
        Edit { document: view.document.clone(), done: target.note.iter().cloned().collect(), notes: Vec::new() };
    if current.len() > 1 {
        bail!(
            "{name} runs on {}: it can be moved only when it runs on one node; use a location constraint for a clone",
            current.join(", ")
        );
    }
    let id = match (node, current.first()) {
        (Some(node), current) => {
            view.node(node)?;
            if current.is_some_and(|current| current == node) {
                edit.done.push(format!("{name} runs on {node} already; nothing was changed."));
                return Ok(edit);
            }
            check_node(&cluster, name, node, force)?;
            edit.done.push(match current {
                Some(current) => format!("{name} moves from {current} to {node}."),
                None => format!("{name} is to run on {node}."),
            });
            by_hand::prefer(&mut edit.document, &target, node)
        }
        (None, Some(current)) => {
            edit.done.push(format!("{name} moves away from {current}."));
            by_hand::ban(&mut edit.document, &target, current)
        }
        (None, None) => {
            bail!(
                "{name} does not run anywhere, so there is nothing to move it away from; name the node: systole move {name} NODE"
            )
        }
    };
    let (root, before) = (edit.document.root(), &view.document);
    if edit.document.same(root, before, before.root()) {
        edit.done.pop();
        edit.done.push(format!("That is wanted already (constraint {id}); nothing was changed."));
        return Ok(edit);
    }
    edit.notes.extend(warning(view, &edit, &target, node));
    edit.notes.push(format!("The constraint {id} stays until `systole clear {name}`."));
    Ok(edit)
}

/// A node that can run nothing now is no place to move to.
fn check_node(cluster: &policy::Cluster, name: &str, node: &str, force: bool) -> anyhow::Result<()> {
    let Some(id) = cluster.find_node(node) else { return Ok(()) };
    if cluster.is_available(id) || force {
        return Ok(());
    }
    let found = cluster.node(id);
    let (state, remedy) = if found.attributes.contains_key(QUARANTINE) {
        ("held in quarantine", format!("`systole node release {node}` first"))
    } else if found.is(NodeFlags::STANDBY) {
        (nodes::state(found), format!("`systole unstandby {node}` first"))
    } else {
        (nodes::state(found), "choose another".to_owned())
    };
    bail!("node {node} is {state}, so {name} cannot go there now; {remedy}, or use --force")
}

/// When the resource would not go where it was sent, or would run nowhere.
fn warning(view: &View, edit: &Edit, target: &Target, node: Option<&str>) -> Option<String> {
    let plan = view.with(edit.document.clone()).plan();
    let id = plan.cluster.find_resource(&plan.cluster.resources.get(target.id.index())?.id)?;
    let next = placed(&plan.cluster, id);
    let name = &target.name;
    match (node, next.as_slice()) {
        (_, []) => Some(format!("Warning: {name} would run nowhere then; `systole why {name}` tells what keeps it.")),
        (Some(node), places) if !places.iter().any(|place| place == node) => Some(format!(
            "Warning: {name} would still not go to {node}, but be on {}; `systole why {name}` tells what keeps it.",
            places.join(", ")
        )),
        _ => None,
    }
}

/// Nodes where a resource will be.
fn placed(cluster: &policy::Cluster, id: policy::RscId) -> Vec<String> {
    let resource = cluster.resource(id);
    let own: Vec<_> = resource.assigned.into_iter().collect();
    let nodes = if resource.is_primitive() { own } else { Vec::new() };
    let mut names: Vec<String> = nodes.into_iter().map(|node| cluster.node(node).name.clone()).collect();
    names.extend(resource.children.iter().flat_map(|child| placed(cluster, *child)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{cluster, constraints};

    fn says(resource: &str, node: Option<&str>) -> Result<(String, String), String> {
        let view = cluster();
        let edit = edit(&view, resource, node, false).map_err(|error| error.to_string())?;
        Ok((edit.done.join(" "), constraints(&edit.document)))
    }

    #[test]
    fn to_a_node_and_away_from_one() {
        let (said, made) = says("web", Some("two")).unwrap();
        assert_eq!(
            (said.as_str(), made.as_str()),
            ("web moves from one to two.", "cli-prefer-web web Started two INFINITY")
        );
        let (said, made) = says("web", None).unwrap();
        assert_eq!(said, "web moves away from one.");
        assert_eq!(made, "cli-ban-web-on-one web Started one -INFINITY");
        assert_eq!(
            says("web", Some("one")).unwrap(),
            ("web runs on one already; nothing was changed.".into(), String::new())
        );
    }

    #[test]
    fn a_member_takes_its_group_along() {
        let (said, made) = says("ip", Some("one")).unwrap();
        assert!(said.contains("belongs to the group services"), "{said}");
        assert_eq!(made, "cli-prefer-services services Started one INFINITY");
    }

    #[test]
    fn what_cannot_be_moved_is_told_with_the_remedy() {
        for (resource, node, words) in [
            ("wbe", Some("two"), "did you mean 'web'?"),
            ("web", Some("tow"), "did you mean 'two'?"),
            ("idle", None, "name the node: systole move idle NODE"),
            ("ping", None, "runs on one, two: it can be moved only"),
            ("web", Some("three"), "`systole unstandby three` first"),
        ] {
            let error = says(resource, node).unwrap_err();
            assert!(error.contains(words), "{resource}: {error}");
        }
    }

    #[test]
    fn a_node_in_quarantine_is_released_and_not_taken_off_standby() {
        let held = cluster()
            .document
            .to_xml()
            .replace("name=\"standby\" value=\"on\"", "name=\"systole-quarantine\" value=\"1\"");
        let view = View::new(cib::Document::parse(&held).unwrap());
        let error = edit(&view, "web", Some("three"), false).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("node three is held in quarantine, so web cannot go there now"), "{error}");
        assert!(error.contains("`systole node release three` first"), "{error}");
    }
}
