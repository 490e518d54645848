//! `crm_master`: the promotion score of a resource on a node, under the name and with the options agents have called it
//! by since before `crm_attribute --promotion`.

use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::Common;
use super::{crm_attribute, status};

/// The tool.
pub const TOOL: Tool = Tool {
    name: "crm_master",
    about: "Query, set or delete a resource's promotion score",
    run: |words| call::run(words, run),
};

/// Query, set or delete a resource's promotion score. Prefer crm_attribute --promotion.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_master", disable_version_flag = true, args_override_self = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// Print only the value
    #[arg(short = 'q', long, short_alias = 'Q')]
    quiet: bool,

    /// Query it
    #[arg(short = 'G', long, alias = "get-value")]
    query: bool,

    /// Set it
    #[arg(short = 'v', long, value_name = "VALUE", alias = "attr-value", allow_hyphen_values = true)]
    update: Option<String>,

    /// Delete it
    #[arg(short = 'D', long, alias = "delete-attr")]
    delete: bool,

    /// The node; an agent means its own
    #[arg(short = 'N', long, alias = "uname", short_alias = 'U')]
    node: Option<String>,

    /// How long it lasts: reboot or forever
    #[arg(short, long, default_value = "forever")]
    lifetime: String,

    /// The id of the attribute in the CIB
    #[arg(short, long, value_name = "ID", alias = "attr-id")]
    id: Option<String>,

    /// The resource; an agent means its own
    #[arg(short, long, value_name = "ID")]
    resource: Option<String>,
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
    let resource = options.resource.or_else(|| call.variable("OCF_RESOURCE_INSTANCE").map(str::to_owned));
    let Some(resource) = resource else {
        call.complain("error: No resource specified; name it with -r, or call this from an agent");
        return status::ERROR;
    };
    let name = format!("master-{resource}");
    let mut words = vec!["-n", name.as_str(), "--lifetime", &options.lifetime];
    let with_value = [("-N", &options.node), ("-i", &options.id), ("--update", &options.update)];
    for (word, value) in with_value {
        words.extend(value.as_deref().into_iter().flat_map(|value| [word, value]));
    }
    let flags = [("--quiet", options.quiet), ("--query", options.query), ("--delete", options.delete)];
    words.extend(flags.iter().filter(|(_, given)| *given).map(|(word, _)| *word));
    crm_attribute::run_as(call, &words)
}
