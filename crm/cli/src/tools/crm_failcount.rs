//! `crm_failcount`: how often a resource failed on a node, asked for and forgotten.

use cib::score::Score;
use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::pairs::{self, Section, Selector};
use super::report::{Common, version};
use super::status::{self, Failure};
use super::store::Store;
use super::{crm_resource, target};

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crm_failcount", about: "Query or forget a resource's failures", run: |words| call::run(words, run) };

/// Query or forget how often a resource failed on a node.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_failcount", disable_version_flag = true, args_override_self = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// Print only the value
    #[arg(short = 'q', long, short_alias = 'Q')]
    quiet: bool,

    /// Show the fail count
    #[arg(short = 'G', long, alias = "get-value")]
    query: bool,

    /// Forget the failures
    #[arg(short = 'D', long, alias = "delete-attr")]
    delete: bool,

    /// The resource
    #[arg(short, long, value_name = "ID", alias = "resource-id")]
    resource: Option<String>,

    /// The node instead of this one
    #[arg(short = 'N', long, alias = "uname", short_alias = 'U')]
    node: Option<String>,

    /// Of this operation only
    #[arg(short = 'n', long)]
    operation: Option<String>,

    /// Of the operation with this interval
    #[arg(short = 'I', long, value_name = "TIME")]
    interval: Option<String>,

    /// 0 forgets, as --delete does; taken for old scripts
    #[arg(short = 'v', long, hide = true)]
    attr_value: Option<String>,

    /// Without meaning; taken for old scripts
    #[arg(short = 'i', long, hide = true)]
    attr_id: Option<String>,

    /// Without meaning; taken for old scripts
    #[arg(short = 'l', long, hide = true)]
    lifetime: Option<String>,
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    let options = match call.options::<Options>() {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.common.version {
        call.out.push_str(version());
        return status::OK;
    }
    match act(call, &options) {
        Ok(status) => status,
        Err(failure) => call.fail(&failure),
    }
}

fn act(call: &mut Call, options: &Options) -> Result<u8, Failure> {
    let usage = |what: &str| Failure::new(status::USAGE, format!("error: {what}"));
    let delete = options.delete || options.attr_value.as_deref() == Some("0");
    if !delete && !options.query {
        return Err(usage("must specify a command: --query or --delete"));
    }
    let resource = options.resource.as_deref().ok_or_else(|| usage("resource name required"))?;
    let store = Store::of(call);
    let node = target::node(call, &store, None, options.node.as_deref())?;
    if delete {
        let mut words = vec!["--cleanup", "-N", node.as_str(), "-r", resource];
        words.extend(options.operation.as_deref().into_iter().flat_map(|operation| ["-n", operation]));
        words.extend(options.interval.as_deref().into_iter().flat_map(|interval| ["-I", interval]));
        words.extend(options.quiet.then_some("--quiet"));
        return Ok(crm_resource::run_as(call, &words));
    }
    let document = store.read()?.document;
    let section = Section::Status(target::id(&document, &node)?);
    let base = format!("fail-count-{resource}");
    let interval = cib::duration::interval_ms(options.interval.as_deref());
    let mut shown = match &options.operation {
        Some(operation) => format!("{base}#{operation}_{interval}"),
        None => base.clone(),
    };
    let all = pairs::find(&document, &section, &Selector::default());
    let count = |wanted: &dyn Fn(&str) -> bool| {
        let of = all.iter().filter(|pair| document.attribute(**pair, "name").is_some_and(wanted));
        let scores = of.filter_map(|pair| document.attribute(*pair, "value").and_then(Score::parse));
        scores.fold(0, |sum: i32, score| sum.saturating_add(score.value()))
    };
    let by_operation = format!("{base}#");
    let mut failures = match options.operation {
        Some(_) => count(&|name| name == shown),
        None => count(&|name| name.starts_with(&by_operation)),
    };
    if failures == 0 {
        // Old clusters counted by resource alone.
        failures = count(&|name| name == base);
        if failures != 0 {
            shown = base;
        }
    }
    let failures = if failures >= 1_000_000 { "INFINITY".to_owned() } else { failures.to_string() };
    match options.quiet {
        true => call.say(failures),
        false => call.say(format!("scope=status  name={shown} value={failures}")),
    }
    Ok(status::OK)
}
