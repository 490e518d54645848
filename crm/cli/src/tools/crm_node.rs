//! `crm_node`: the nodes of the cluster as this one sees them, and its own name.

use cib::Document;
use clap::Parser;
use wire::Status;

use super::Tool;
use super::call::{self, Call};
use super::report::{Common, Report, tell};
use super::status::{self, Failure};
use super::store::{Store, connect, fetch};
use super::target;

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crm_node", about: "Show the nodes of the cluster", run: |words| call::run(words, run) };

/// Show the nodes of the cluster as this one sees them.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_node", disable_version_flag = true, args_override_self = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// Display this node's cluster id
    #[arg(short = 'i', long)]
    cluster_id: bool,

    /// Display all known members, past and present
    #[arg(short, long)]
    list: bool,

    /// Display the name used by the cluster for this node
    #[arg(short, long)]
    name: bool,

    /// Display the members of this partition
    #[arg(short, long)]
    partition: bool,

    /// Display 1 if there is quorum, 0 if not
    #[arg(short, long)]
    quorum: bool,

    /// Display the name of the node with that id
    #[arg(short = 'N', long, value_name = "ID")]
    name_for_id: Option<String>,

    /// Remove the stopped node from the configuration
    #[arg(short = 'R', long, value_name = "NAME")]
    remove: Option<String>,

    /// Remove it even if it may be there
    #[arg(short, long)]
    force: bool,

    /// Say less
    #[arg(short = 'Q', long)]
    quiet: bool,
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    match call.options::<Options>() {
        Ok(options) => tell(call, &options.common.clone(), |report| show(report, &options)),
        Err(status) => status,
    }
}

fn show(report: &mut Report<'_>, options: &Options) -> Result<u8, Failure> {
    if options.name
        && let Some(name) = target::of_agent(report.call)
    {
        let name = name.to_owned();
        say_name(report, None, &name);
        return Ok(status::OK);
    }
    let socket = report.call.socket();
    let found = fetch(&mut connect(&socket).map_err(unreachable)?).map_err(unreachable)?;
    let status = found.status.expect("a daemon tells how it sees the cluster");
    let nodes = nodes(&found.document, &status);
    let id_of = |name: &str| nodes.iter().find(|node| node.name == name).map(|node| node.id.clone());
    // `-l -p` and the like: Pacemaker takes the last; whoever asks for the partition wants names.
    if options.partition {
        let members: Vec<&str> = status.members.iter().map(String::as_str).collect();
        report.line(members.join(" "));
        write_nodes(report, nodes.iter().filter(|node| node.member));
    } else if options.list {
        nodes.iter().for_each(|node| report.line(format!("{} {} {}", node.id, node.name, node.state())));
        write_nodes(report, nodes.iter());
    } else if options.name {
        say_name(report, id_of(&status.node).as_deref(), &status.node);
    } else if options.cluster_id {
        let id = id_of(&status.node).unwrap_or_default();
        report.line(&id);
        if let Some(tree) = report.xml() {
            tree.leaf("node-info", &[("nodeid", &id)]);
        }
    } else if options.quorum {
        report.line(if status.quorate { "1" } else { "0" });
        if let Some(tree) = report.xml() {
            tree.leaf("cluster-info", &[("quorum", if status.quorate { "true" } else { "false" })]);
        }
    } else if let Some(id) = &options.name_for_id {
        let node = nodes.iter().find(|node| node.id == *id);
        let node = node.ok_or_else(|| Failure::new(status::NO_SUCH, format!("Node {id} not found in the cluster")))?;
        say_name(report, Some(id), &node.name);
    } else if let Some(name) = &options.remove {
        return remove(report, options, name, nodes.iter().find(|node| node.name == *name || node.id == *name));
    } else {
        let message =
            "expected a command: --name, --list, --cluster-id, --partition, --quorum, --name-for-id or --remove";
        return Err(Failure::new(status::USAGE, message.to_owned()));
    }
    Ok(status::OK)
}

fn unreachable(failure: Failure) -> Failure {
    Failure { message: failure.message.map(|text| text.replace("to the CIB", "to controller")), ..failure }
}

fn say_name(report: &mut Report<'_>, id: Option<&str>, name: &str) {
    report.line(name);
    if let Some(tree) = report.xml() {
        let mut attributes: Vec<(&str, &str)> = id.into_iter().map(|id| ("nodeid", id)).collect();
        attributes.push(("uname", name));
        tree.leaf("node-info", &attributes);
    }
}

/// A node as it is listed.
struct Node {
    id: String,
    name: String,
    member: bool,
}

impl Node {
    fn state(&self) -> &'static str {
        if self.member { "member" } else { "lost" }
    }
}

fn nodes(document: &Document, status: &Status) -> Vec<Node> {
    let list = document.descend(&["configuration", "nodes"]);
    let elements = list.into_iter().flat_map(|list| document.children_named(list, "node"));
    let members = elements.filter(|node| document.attribute(*node, "type") != Some("remote")).map(|node| {
        let name = document.attribute(node, "uname").unwrap_or(document.id(node)).to_owned();
        Node { id: document.id(node).to_owned(), member: status.members.contains(&name), name }
    });
    let mut nodes: Vec<Node> = members.collect();
    nodes.sort_by_key(|node| node.id.parse::<u64>().unwrap_or(u64::MAX));
    nodes
}

fn write_nodes<'n>(report: &mut Report<'_>, nodes: impl Iterator<Item = &'n Node>) {
    let Some(tree) = report.xml() else { return };
    tree.begin("nodes", &[]);
    for node in nodes {
        tree.leaf("node", &[("id", &node.id), ("name", &node.name), ("state", node.state())]);
    }
    tree.end();
}

fn remove(report: &mut Report<'_>, options: &Options, name: &str, node: Option<&Node>) -> Result<u8, Failure> {
    if !options.force {
        let message = "The supplied command is considered dangerous. To prevent accidental destruction of the cluster, \
                       the --force flag is required in order to proceed.";
        return Err(Failure::new(status::USAGE, message.to_owned()));
    }
    if node.is_some_and(|node| node.member) {
        let message = format!("node {name} is a member of the cluster; stop systoled there first");
        return Err(Failure::new(status::UNSAFE, message));
    }
    Store::of(report.call).change(true, |document| {
        crate::gone::forget(document, name);
        Ok(())
    })?;
    Ok(status::OK)
}
