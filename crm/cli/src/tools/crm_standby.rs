//! `crm_standby`: whether a node is in standby, asked for, set and taken back.

use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::Common;
use super::store::Store;
use super::{crm_attribute, status, target};

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crm_standby", about: "Query, set or end a node's standby", run: |words| call::run(words, run) };

/// Query, set or end a node's standby: a node in standby runs nothing.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_standby", disable_version_flag = true, args_override_self = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// Print only the value
    #[arg(short = 'q', long, short_alias = 'Q')]
    quiet: bool,

    /// Query it; this is also what happens without a command
    #[arg(short = 'G', long, alias = "get-value")]
    query: bool,

    /// Set it: on or off
    #[arg(short = 'v', long, value_name = "VALUE", alias = "attr-value")]
    update: Option<String>,

    /// Delete it
    #[arg(short = 'D', long, alias = "delete-attr")]
    delete: bool,

    /// The node instead of this one
    #[arg(short = 'N', long, alias = "uname", short_alias = 'U')]
    node: Option<String>,

    /// How long it lasts: reboot or forever
    #[arg(short, long)]
    lifetime: Option<String>,

    /// The id of the attribute in the CIB
    #[arg(short, long, value_name = "ID", alias = "attr-id")]
    id: Option<String>,
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    let options = match call.options::<Options>() {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.common.version {
        return crm_attribute::run_as(call, &["--version"]);
    }
    let node = match target::node(call, &Store::of(call), None, options.node.as_deref()) {
        Ok(node) => node,
        Err(failure) => return call.fail(&failure),
    };
    let mut words = vec!["-N", node.as_str(), "-n", "standby"];
    words.extend(options.id.as_deref().into_iter().flat_map(|id| ["-i", id]));
    words.extend(options.quiet.then_some("-q"));
    let with = |more: &[&'static str]| -> Vec<&str> { words.iter().copied().chain(more.iter().copied()).collect() };
    if options.delete {
        if let Some(lifetime) = &options.lifetime {
            words.extend(["-D", "-l", lifetime]);
            return crm_attribute::run_as(call, &words);
        }
        // Whichever there is.
        crm_attribute::run_as(call, &with(&["-D", "-l", "forever"]));
        crm_attribute::run_as(call, &with(&["-D", "-l", "reboot"]));
        return status::OK;
    }
    if let Some(value) = &options.update {
        words.extend(["--update", value, "-l", options.lifetime.as_deref().unwrap_or("forever")]);
        return crm_attribute::run_as(call, &words);
    }
    if let Some(lifetime) = &options.lifetime {
        words.extend(["-G", "-l", lifetime]);
        return crm_attribute::run_as(call, &words);
    }
    // The lasting one counts if there is one; else the other; else it is off.
    let (said, complained) = (call.out.len(), call.err.len());
    if crm_attribute::run_as(call, &with(&["-G", "-l", "forever"])) == status::OK {
        return status::OK;
    }
    call.out.truncate(said);
    call.err.truncate(complained);
    crm_attribute::run_as(call, &with(&["-G", "-l", "reboot", "-d", "off"]))
}
