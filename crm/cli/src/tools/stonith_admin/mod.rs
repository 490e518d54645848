//! `stonith_admin`: fencing as Pacemaker's users, pcs and agents ask for it.

mod agents;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cib::rule::Context;
use cib::{date, view};
use clap::Parser;
use wire::stonith::{FenceOutcome, FenceRecord};

use super::Tool;
use super::call::{self, Call};
use super::report::{Common, Report, tell};
use super::status::{self, Failure};
use super::store::{connect, fetch};
use crate::client::Client;
use crate::commands::stonith::confirm;
use crate::stonith::{self, Wanted};

/// The tool.
pub const TOOL: Tool =
    Tool { name: "stonith_admin", about: "Fence nodes and look at fencing", run: |words| call::run(words, run) };

/// Fence nodes, confirm that they are down, look at fence devices and at the history of fencing.
#[derive(Parser, Clone, Debug)]
#[command(name = "stonith_admin", disable_version_flag = true, args_override_self = true, disable_help_flag = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// Show this help
    #[arg(short = '?', long, visible_alias = "help-all", action = clap::ArgAction::Help)]
    help: Option<bool>,

    /// List devices that can fence the node
    #[arg(short = 'l', long, value_name = "HOST")]
    list: Option<String>,

    /// List all devices in use
    #[arg(short = 'L', long)]
    list_registered: bool,

    /// List all installed fence agents
    #[arg(short = 'I', long)]
    list_installed: bool,

    /// List the nodes that the device is for
    #[arg(short = 's', long, value_name = "DEVICE")]
    list_targets: Option<String>,

    /// Show an agent's metadata; needs --agent
    #[arg(short = 'M', long)]
    metadata: bool,

    /// Check whether the device answers
    #[arg(short = 'Q', long, value_name = "DEVICE")]
    query: Option<String>,

    /// Show the last fencing of the node, or of all with '*'; with --verbose every one
    #[arg(short = 'H', long, value_name = "NODE")]
    history: Option<String>,

    /// Say when the node was last fenced
    #[arg(short = 'h', long, value_name = "NODE")]
    last: Option<String>,

    /// Check options of an agent; needs --agent
    #[arg(short = 'K', long)]
    validate: bool,

    /// Fence the node and leave it off
    #[arg(short = 'F', long, value_name = "HOST")]
    fence: Option<String>,

    /// Switch the node on, or let it in
    #[arg(short = 'U', long, value_name = "HOST")]
    unfence: Option<String>,

    /// Fence the node and bring it up again
    #[arg(short = 'B', long, value_name = "HOST")]
    reboot: Option<String>,

    /// Vouch for it that the node is down
    #[arg(short = 'C', long, value_name = "HOST")]
    confirm: Option<String>,

    /// Forget the history; needs --history
    #[arg(short, long)]
    cleanup: bool,

    /// Ask all nodes; all of them know the same here
    #[arg(short, long)]
    broadcast: bool,

    /// The agent to use
    #[arg(short, long, value_name = "AGENT")]
    agent: Option<String>,

    /// An option of a device as NAME=VALUE; may be given several times
    #[arg(short, long, value_name = "PARAM")]
    option: Vec<String>,

    /// Who wants it, for the history
    #[arg(short = 'T', long, value_name = "TAG")]
    tag: Option<String>,

    /// Name of a device; for --validate
    #[arg(short = 'v', long, value_name = "DEVICE")]
    device: Option<String>,

    /// Seconds that a device may take
    #[arg(short, long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u32,

    /// Seconds to wait before fencing
    #[arg(short = 'y', long, value_name = "SECONDS", default_value_t = 0, allow_hyphen_values = true)]
    delay: i32,

    /// Do nothing when the same was done less than so many seconds ago
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    tolerance: u32,

    /// Say less
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
    let timeout = Duration::from_secs(u64::from(options.timeout.max(1)));
    let directory = agents::directory(report.call.variable("SYSTOLE_FENCE_AGENTS"));
    if options.list_installed {
        let names = agents::installed(&directory);
        return Ok(list(report, &names, "fence device", "s found"));
    }
    if options.metadata || options.validate {
        let Some(agent) = &options.agent else {
            return Err(Failure::new(
                status::USAGE,
                "Please specify an agent to query using -a,--agent [value]".into(),
            ));
        };
        return match options.metadata {
            true => metadata(report, &directory, agent, timeout),
            false => validate(report, &directory, agent, options, timeout),
        };
    }
    let fencings = [(&options.fence, "off"), (&options.unfence, "on"), (&options.reboot, "reboot")];
    let fencing = fencings.into_iter().find_map(|(node, action)| Some((node.as_ref()?, action)));
    let socket = report.call.socket();
    let client = || connect(&socket).map_err(unreachable);
    if let Some((node, action)) = fencing {
        return fence(&mut client()?, node, action, options, timeout);
    }
    if let Some(node) = &options.confirm {
        return match confirm::confirm(&mut client()?, node, true) {
            Ok(_) => Ok(status::OK),
            Err(error) => Err(Failure::new(status::ERROR, format!("{error:#}"))),
        };
    }
    if let Some(node) = options.history.as_ref().or(options.last.as_ref()) {
        return history(report, &mut client()?, node, options);
    }
    let found = || fetch(&mut client()?).map_err(unreachable);
    let context = Context::at(0);
    if options.list_registered || options.list.is_some() {
        let document = found()?.document;
        let devices = view::fence_devices(&document, &context);
        let fits = |device: &view::FenceDevice<'_>| options.list.as_ref().is_none_or(|node| is_for(device, node));
        let names: Vec<String> = devices.iter().filter(|device| fits(device)).map(|d| d.id.to_owned()).collect();
        return Ok(list(report, &names, "fence device", "s found"));
    }
    let named = options.list_targets.as_ref().or(options.query.as_ref());
    let Some(name) = named else {
        return Err(Failure::new(status::USAGE, "nothing to do; see --help".into()));
    };
    let document = found()?.document;
    let devices = view::fence_devices(&document, &context);
    let Some(device) = devices.iter().find(|device| device.id == name) else {
        return Err(Failure::new(status::NO_SUCH, format!("there is no fence device {name}")));
    };
    if options.query.is_some() {
        let own = device.parameters.iter().filter(|(name, _)| !name.starts_with("pcmk_"));
        let own = own.map(|(name, setting)| (name.to_owned(), setting.value.to_owned())).collect();
        let ended = agents::run(&directory, device.agent, "monitor", &own, timeout);
        let Some(ended) = ended else { return Err(no_agent(device.agent)) };
        return match ended.code {
            0 => Ok(status::OK),
            _ => Err(Failure::new(status::ERROR, format!("{name} does not answer: {}", ended.err.trim()))),
        };
    }
    let nodes = view::nodes(&document, &context);
    let names: Vec<String> =
        nodes.iter().map(|node| node.uname).filter(|node| is_for(device, node)).map(str::to_owned).collect();
    for name in &names {
        report.line(name);
    }
    if let Some(tree) = report.xml() {
        tree.begin("list", &[("name", "Device Targets"), ("count", &names.len().to_string())]);
        names.iter().for_each(|name| tree.text("item", name));
        tree.end();
    }
    Ok(status::OK)
}

fn unreachable(failure: Failure) -> Failure {
    Failure { message: failure.message.map(|text| text.replace("to the CIB", "to fencer")), ..failure }
}

fn no_agent(agent: &str) -> Failure {
    Failure::new(status::NO_SUCH, format!("there is no fence agent {agent} on this machine"))
}

/// Whether a device is for a node, as far as its configuration says; one that names nobody asks its agent, and may be.
fn is_for(device: &view::FenceDevice<'_>, node: &str) -> bool {
    let words = |name: &str| {
        let text = device.parameters.get(name).unwrap_or_default();
        text.split([' ', ',', ';', '\t', '\n']).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let (list, map) = (words("pcmk_host_list"), words("pcmk_host_map"));
    let mapped = map.iter().filter_map(|pair| pair.split([':', '=']).next());
    let none = list.is_empty() && map.is_empty();
    none || device.parameters.get("pcmk_host_check") == Some("none")
        || list.iter().map(String::as_str).chain(mapped).any(|host| host.eq_ignore_ascii_case(node))
}

/// Names with their count behind, as crmsh looks for it.
fn list(report: &mut Report<'_>, names: &[String], kind: &str, end: &str) -> u8 {
    names.iter().for_each(|name| report.line(name));
    let plural = if names.len() == 1 { end.trim_start_matches('s') } else { end };
    report.line(format!("{} {kind}{plural}", if names.is_empty() { "No".to_owned() } else { names.len().to_string() }));
    if let Some(tree) = report.xml() {
        tree.begin("list", &[("name", "fence devices"), ("count", &names.len().to_string())]);
        names.iter().for_each(|name| tree.text("item", name));
        tree.end();
    }
    status::OK
}

fn metadata(report: &mut Report<'_>, directory: &Path, agent: &str, timeout: Duration) -> Result<u8, Failure> {
    let ended = agents::run(directory, agent, "metadata", &BTreeMap::new(), timeout);
    let ended = ended.filter(|ended| ended.code == 0).ok_or_else(|| no_agent(agent))?;
    report.line(ended.out.trim_end());
    if let Some(tree) = report.xml() {
        tree.text("metadata", &ended.out);
    }
    Ok(status::OK)
}

fn validate(
    report: &mut Report<'_>,
    directory: &Path,
    agent: &str,
    options: &Options,
    timeout: Duration,
) -> Result<u8, Failure> {
    let pairs = options.option.iter().filter_map(|pair| pair.split_once('='));
    let mut parameters: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    parameters.retain(|name, _| !name.starts_with("pcmk_"));
    let known = agents::run(directory, agent, "metadata", &BTreeMap::new(), timeout);
    // An agent that wants a node named is given one: what it does with it is not asked here.
    if let Some(known) = &known {
        let argument =
            ["plug", "port"].into_iter().find(|name| known.out.contains(&format!("parameter name=\"{name}\"")));
        if let Some(argument) = argument {
            parameters.entry(argument.into()).or_insert_with(|| "node1".into());
        }
    }
    let ended = match known {
        None => None,
        Some(_) => agents::run(directory, agent, "validate-all", &parameters, timeout),
    };
    let (code, out, err) = match ended {
        None => (-2, String::new(), format!("Agent {agent} not found")),
        Some(ended) => (ended.code, ended.out, ended.err),
    };
    let valid = code == 0;
    if !options.quiet {
        report.line(format!("Validation of {agent} {}", if valid { "succeeded" } else { "failed" }));
        [&out, &err].into_iter().filter(|text| !text.is_empty()).for_each(|text| report.line(text.trim_end()));
    }
    if let Some(tree) = report.xml() {
        let mut attributes = vec![("agent", agent)];
        attributes.extend(options.device.as_deref().map(|device| ("id", device)));
        attributes.push(("valid", if valid { "true" } else { "false" }));
        tree.begin("validate", &attributes);
        tree.begin("command", &[("code", &code.to_string())]);
        for (source, text) in [("stdout", &out), ("stderr", &err)] {
            if !text.is_empty() {
                tree.labelled("output", &[("source", source)], text);
            }
        }
        tree.end();
        tree.end();
    }
    match code {
        0 => Ok(status::OK),
        -2 => Err(Failure::silent(status::NO_SUCH)),
        -62 => Err(Failure::silent(status::TIMEOUT)),
        _ => Err(Failure::silent(status::ERROR)),
    }
}

fn fence(
    client: &mut Client,
    node: &str,
    action: &'static str,
    options: &Options,
    timeout: Duration,
) -> Result<u8, Failure> {
    let failed = |error: anyhow::Error| Failure::new(status::ERROR, format!("{error:#}"));
    if options.tolerance > 0 {
        let since = crate::cluster::now() - i64::from(options.tolerance);
        let recent = |record: &FenceRecord| {
            record.target == node
                && record.action == action
                && record.ended >= since
                && matches!(record.outcome, FenceOutcome::Done(_))
        };
        if stonith::view(client).map_err(failed)?.history.iter().any(recent) {
            return Ok(status::OK);
        }
    }
    let mut wanted = Wanted::new(node, action);
    wanted.timeout = timeout;
    wanted.delay = Duration::from_secs(options.delay.max(0) as u64);
    wanted.user = format!("stonith_admin.{}", options.tag.as_deref().unwrap_or(&wanted.user));
    let id = stonith::begin(client, &wanted).map_err(failed)?;
    let record = stonith::wait(client, &wanted, &id, |_| Ok(())).map_err(failed)?;
    match record.outcome {
        FenceOutcome::Failed(reason) => Err(Failure::new(status::ERROR, reason)),
        _ => Ok(status::OK),
    }
}

fn history(report: &mut Report<'_>, client: &mut Client, node: &str, options: &Options) -> Result<u8, Failure> {
    let failed = |error: anyhow::Error| Failure::new(status::ERROR, format!("{error:#}"));
    let all = node == "*" || node.is_empty();
    if options.cleanup {
        stonith::forget(client, (!all).then(|| node.to_owned())).map_err(failed)?;
        if !options.quiet {
            let of = if all { "all nodes".to_owned() } else { node.to_owned() };
            report.line(format!("cleaning up fencing-history for node {of}"));
        }
        return Ok(status::OK);
    }
    let mut records = stonith::view(client).map_err(failed)?.history;
    records.retain(|record| all || record.target == node);
    records.reverse();
    let done = |record: &&FenceRecord| matches!(record.outcome, FenceOutcome::Done(_)) && record.action != "on";
    let last = records.iter().find(done);
    if options.quiet || options.last.is_some() {
        let at = last.map_or(0, |record| record.ended);
        if options.quiet {
            report.line(at.to_string());
        } else {
            let when = if at > 0 { format!(" at: {}", date::ctime(at)) } else { " never".into() };
            report.line(format!("Node {node} last fenced{when}"));
            if let Some(tree) = report.xml() {
                tree.leaf("last-fenced", &[("target", node), ("when", &date::ctime(at))]);
            }
        }
        return Ok(status::OK);
    }
    if !report.is_xml() && options.common.verbose == 0 && !all {
        // Only the last one of a node, as long as nothing more is asked for.
        records = last.cloned().into_iter().collect();
    }
    records.iter().for_each(|record| report.line(event_text(record)));
    if !report.is_xml() && !records.is_empty() {
        let plural = if records.len() == 1 { "" } else { "s" };
        report.line(format!("{} event{plural} found", records.len()));
    }
    if let Some(tree) = report.xml() {
        tree.begin("fence_history", &[]);
        for record in &records {
            let (short, extended) = match &record.outcome {
                FenceOutcome::Pending => ("pending", "pending"),
                FenceOutcome::Done(_) => ("success", "success"),
                FenceOutcome::Failed(_) => ("failed", "failed"),
            };
            let mut attributes = vec![("status", short)];
            if short == "pending" {
                attributes.push(("extended-status", extended));
            }
            let reason = match &record.outcome {
                FenceOutcome::Failed(reason) => Some(reason.as_str()),
                _ => None,
            };
            attributes.extend(reason.map(|reason| ("exit-reason", reason)));
            let completed = date::ctime(record.ended);
            attributes.extend([
                ("action", record.action.as_str()),
                ("target", &record.target),
                ("client", &record.origin),
                ("origin", &record.delegate),
                ("delegate", &record.delegate),
            ]);
            if record.ended > 0 {
                attributes.push(("completed", &completed));
            }
            tree.leaf("fence_event", &attributes);
        }
        tree.end();
    }
    Ok(status::OK)
}

fn event_text(record: &FenceRecord) -> String {
    let FenceRecord { action, target, origin, delegate, .. } = record;
    let common = format!("client={origin}, origin={delegate}");
    match &record.outcome {
        FenceOutcome::Pending => format!("{action} of {target} pending: {common}"),
        FenceOutcome::Done(_) => {
            format!(
                "{action} of {target} successful: delegate={delegate}, {common}, completed='{}'",
                date::ctime(record.ended)
            )
        }
        FenceOutcome::Failed(reason) => format!(
            "{action} of {target} failed: delegate={delegate}, {common}, completed='{}' ({reason})",
            date::ctime(record.ended)
        ),
    }
}
