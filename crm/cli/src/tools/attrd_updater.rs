//! `attrd_updater`: transient attributes of nodes, by which agents tell the cluster what they see: set, deleted and
//! asked for. They last until the node leaves.

use std::path::Path;

use anyhow::anyhow;
use cib::duration;
use clap::Parser;
use wire::attribute::{AttributeChange, Dampening, Update};
use wire::{Reply, Request};

use super::Tool;
use super::call::{self, Call};
use super::crm_attribute::set_transient;
use super::pairs::{self, Section, Selector};
use super::report::{Common, Report, tell};
use super::status::{self, Failure};
use super::store::{Found, Refusal, Store, ask, connect};
use super::target;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "attrd_updater",
    about: "Query and update transient node attributes",
    run: |words| call::run(words, run),
};

/// Query and update transient node attributes.
#[derive(Parser, Clone, Debug)]
#[command(name = "attrd_updater", disable_version_flag = true, args_override_self = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// The attribute's name
    #[arg(short, long)]
    name: Option<String>,

    /// Set the attribute
    #[arg(short = 'U', long, value_name = "VALUE", short_alias = 'v', allow_hyphen_values = true)]
    update: Option<String>,

    /// Set the attribute and how long the cluster waits for further changes (requires -d)
    #[arg(short = 'B', long, value_name = "VALUE", allow_hyphen_values = true)]
    update_both: Option<String>,

    /// Set how long the cluster waits for further changes (requires -d)
    #[arg(short = 'Y', long)]
    update_delay: bool,

    /// Query the attribute
    #[arg(short = 'Q', long)]
    query: bool,

    /// Delete the attribute
    #[arg(short = 'D', long)]
    delete: bool,

    /// Write all attributes to the CIB again; here they never differ from it
    #[arg(short = 'R', long)]
    refresh: bool,

    /// How long the cluster waits for further changes before it acts on this one
    #[arg(short, long, value_name = "TIME")]
    delay: Option<String>,

    /// The set that holds the attribute
    #[arg(short, long, value_name = "ID", short_alias = 'S')]
    set: Option<String>,

    /// The node instead of this one
    #[arg(short = 'N', long)]
    node: Option<String>,

    /// Query the attribute of all nodes
    #[arg(short = 'A', long)]
    all: bool,

    /// Without meaning; taken for old scripts
    #[arg(short, long)]
    lifetime: Option<String>,

    /// Do not write it to the CIB
    #[arg(short, long)]
    private: bool,

    /// Print only the value
    #[arg(short = 'q', long)]
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
    let store = Store::of(report.call);
    if options.refresh {
        if let Store::Live(socket) = &store {
            ask(socket, Request::Refresh)?;
        }
        return Ok(status::OK);
    }
    let name = options.name.as_deref().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::new(status::USAGE, "Command requires --name argument".to_owned()))?;
    if (options.update_both.is_some() || options.update_delay) && options.delay.is_none() {
        return Err(Failure::new(status::USAGE, "--update-both and --update-delay require --delay".to_owned()));
    }
    if options.query || options.all {
        return query(report, options, &store, name);
    }
    let value = options.update.as_deref().or(options.update_both.as_deref());
    if value.is_none() && !options.delete && !options.update_delay {
        let message = "expected a command: --update, --update-both, --update-delay, --query or --delete";
        return Err(Failure::new(status::USAGE, message.to_owned()));
    }
    let change = match value {
        Some(value) => AttributeChange::Set(value.to_owned()),
        None if options.delete => AttributeChange::Clear,
        None => AttributeChange::Keep,
    };
    let dampening = match &options.delay {
        None => Dampening::Keep,
        Some(text) => {
            let ms = duration::parse_ms(text).map_err(|_| {
                Failure::new(status::USAGE, format!("--delay: expected a time such as 5s, found '{text}'"))
            })?;
            if options.update_both.is_some() || options.update_delay {
                Dampening::Set(ms)
            } else {
                Dampening::IfNew(ms)
            }
        }
    };
    let update = Update {
        node: named(report.call, options),
        name: name.to_owned(),
        change,
        dampening,
        private: options.private,
    };
    set_transient(&store, update)?;
    Ok(status::OK)
}

/// The node that is named, or that the agent runs for; none is the one that is asked.
fn named(call: &Call, options: &Options) -> Option<String> {
    let named = options.node.as_deref().filter(|name| !matches!(*name, "auto" | "localhost"));
    named.or_else(|| target::of_agent(call)).map(str::to_owned)
}

fn query(report: &mut Report<'_>, options: &Options, store: &Store, name: &str) -> Result<u8, Failure> {
    let values = match store {
        Store::Live(socket) => {
            let node = match (options.all, named(report.call, options)) {
                (true, _) => None,
                (false, Some(node)) => Some(node),
                (false, None) => Some(target::node(report.call, store, None, None)?),
            };
            live(socket, name, node)?
        }
        Store::File(_) => recorded(report.call, options, store, name)?,
    };
    if values.is_empty() {
        let message = format!("Could not query value of {name}: attribute does not exist");
        return Err(Failure::new(status::NO_SUCH, message));
    }
    for (node, value) in values {
        match options.quiet {
            true => report.line(&value),
            // Agents take the value out of this line.
            false => report.line(format!("name=\"{name}\" host=\"{node}\" value=\"{value}\"")),
        }
        if let Some(tree) = report.xml() {
            tree.leaf("attribute", &[("name", name), ("value", &value), ("host", &node)]);
        }
    }
    Ok(status::OK)
}

/// The attribute of one node or all, by node, as the daemon knows it: also what is not written to the CIB.
fn live(socket: &Path, name: &str, node: Option<String>) -> Result<Vec<(String, String)>, Failure> {
    let gone = |error: anyhow::Error| {
        Failure::new(status::DISCONNECTED, format!("Could not query value of {name}: {error:#}"))
    };
    let request = Request::Attributes { name: Some(name.to_owned()), node };
    match connect(socket)?.ask(&request).map_err(gone)? {
        Reply::Attributes(values) => Ok(values.into_iter().map(|found| (found.node, found.value)).collect()),
        Reply::Refused { why, reason } => Err(Refusal { why, reason }.into()),
        _ => Err(gone(anyhow!("systoled answered another question"))),
    }
}

fn recorded(call: &Call, options: &Options, store: &Store, name: &str) -> Result<Vec<(String, String)>, Failure> {
    let found = store.read()?;
    let nodes = match options.all {
        true => names(&found),
        false => vec![target::node(call, store, Some(&found), options.node.as_deref())?],
    };
    let selector = Selector { name: Some(name.to_owned()), ..Selector::default() };
    let mut values = Vec::new();
    for node in nodes {
        let Ok(id) = target::id(&found.document, &node) else { continue };
        let pairs = pairs::find(&found.document, &Section::Status(id), &selector);
        let value = |pair| found.document.attribute(pair, "value").unwrap_or_default().to_owned();
        values.extend(pairs.into_iter().map(|pair| (node.clone(), value(pair))));
    }
    Ok(values)
}

fn names(found: &Found) -> Vec<String> {
    let document = &found.document;
    let states = document.descend(&["status"]).into_iter().flat_map(|list| document.children_named(list, "node_state"));
    let mut names: Vec<String> =
        states.map(|state| document.attribute(state, "uname").unwrap_or(document.id(state)).to_owned()).collect();
    names.sort();
    names
}
