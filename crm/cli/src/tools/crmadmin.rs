//! `crmadmin`: who coordinates, how a node's daemon is, and which nodes there are.

use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::{Common, Report, tell};
use super::status::{self, Failure};
use super::store::{Store, connect, fetch};

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crmadmin", about: "Ask who coordinates and how a node is", run: |words| call::run(words, run) };

/// Ask who coordinates the cluster, how a node's daemon is, and which nodes there are.
#[derive(Parser, Clone, Debug)]
#[command(name = "crmadmin", disable_version_flag = true, args_override_self = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// Display the node that coordinates the cluster
    #[arg(short = 'D', long = "dc_lookup")]
    dc_lookup: bool,

    /// Display the status of a node's daemon
    #[arg(short = 'S', long, value_name = "NODE")]
    status: Option<String>,

    /// Display the names of all nodes
    #[arg(short = 'N', long, value_name = "TYPE", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    nodes: Option<String>,

    /// Taken for old scripts: the daemon of this machine answers at once
    #[arg(short, long, value_name = "TIME")]
    timeout: Option<String>,

    /// With --nodes: as shell commands
    #[arg(short = 'B', long)]
    bash_export: bool,

    /// Display only what was asked for
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    match call.options::<Options>() {
        Ok(options) => tell(call, &options.common.clone(), |report| act(report, &options)),
        Err(status) => status,
    }
}

fn act(report: &mut Report<'_>, options: &Options) -> Result<u8, Failure> {
    if let Some(kind) = &options.nodes {
        return nodes(report, options, kind);
    }
    let socket = report.call.socket();
    let found = fetch(&mut connect(&socket)?)?;
    let daemon = found.status.expect("a daemon tells how it sees the cluster");
    if options.dc_lookup {
        let message = || Failure::new(status::NO_SUCH, "No coordinator is known yet".to_owned());
        let coordinator = daemon.coordinator.as_deref().ok_or_else(message)?;
        match options.quiet {
            true => report.line(coordinator),
            // Programs look for these words.
            false => report.line(format!("Designated Controller is: {coordinator}")),
        }
        if let Some(tree) = report.xml() {
            tree.leaf("dc", &[("node_name", coordinator)]);
        }
        return Ok(status::OK);
    }
    let Some(node) = &options.status else {
        let message = "expected a command: --dc_lookup, --status NODE or --nodes";
        return Err(Failure::new(status::USAGE, message.to_owned()));
    };
    if !daemon.members.contains(node) {
        return Err(Failure::new(status::DISCONNECTED, format!("{node} is no member of the cluster now")));
    }
    let coordinates = daemon.coordinator.as_ref() == Some(node);
    let state = match (coordinates, daemon.quiet) {
        (false, _) => "S_NOT_DC",
        (true, true) => "S_IDLE",
        (true, false) => "S_TRANSITION_ENGINE",
    };
    match options.quiet {
        true => report.line(state),
        false => report.line(format!("Controller on {node} in state {state}: ok")),
    }
    if let Some(tree) = report.xml() {
        tree.leaf("crmd", &[("node_name", node), ("state", state), ("result", "ok")]);
    }
    Ok(status::OK)
}

fn nodes(report: &mut Report<'_>, options: &Options, kind: &str) -> Result<u8, Failure> {
    let document = Store::of(report.call).read()?.document;
    let wanted = |remote: bool| match kind {
        "cluster" => !remote,
        "remote" | "guest" => remote,
        _ => true,
    };
    if let Some(tree) = report.xml() {
        tree.begin("nodes", &[]);
    }
    let list = document.descend(&["configuration", "nodes"]);
    for node in list.into_iter().flat_map(|list| document.children_named(list, "node")) {
        let remote = document.attribute(node, "type") == Some("remote");
        if !wanted(remote) {
            continue;
        }
        let (name, id) = (document.attribute(node, "uname").unwrap_or_default(), document.id(node));
        let kind = if remote { "remote" } else { "cluster" };
        match options.bash_export {
            true => report.line(format!("export {name}={id}")),
            false if options.quiet => report.line(name),
            false => report.line(format!("{kind} node: {name} ({id})")),
        }
        if let Some(tree) = report.xml() {
            tree.leaf("node", &[("type", kind), ("name", name), ("id", id)]);
        }
    }
    if let Some(tree) = report.xml() {
        tree.end();
    }
    Ok(status::OK)
}
