//! Resources in motion: waiting for the cluster, a restart, and agents run by hand.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use cib::digest::{self, SECRET_BY_DEFAULT};
use cib::rule::Context;
use cib::{Document, duration, view};
use policy::model::RscId;

use super::super::agent::{self, Agent};
use super::super::report::Report;
use super::super::status::{self, Failure};
use super::super::store::{Store, connect};
use super::list::{places, primitives};
use super::{Options, Subject, element, look, usage};
use crate::cluster::Live;
use crate::follows;
use crate::output::resources::agent_text;

/// How often we look whether the cluster is where it should be.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long `--wait` and `--restart` wait unless told: as long as Pacemaker does for the first.
const WAIT: Duration = Duration::from_secs(3600);
/// How long an agent that is run by hand may take unless told: Pacemaker's default for operations.
const AGENT_TIMEOUT: Duration = Duration::from_secs(20);

fn timeout(options: &Options, default: Duration) -> Result<Duration, Failure> {
    let Some(text) = &options.timeout else { return Ok(default) };
    match duration::parse_ms(text) {
        Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err(usage(&format!("--timeout: expected a time such as 30s, found '{text}'"))),
    }
}

/// Waits until the cluster has nothing more to do.
pub(super) fn wait(store: &Store, options: &Options) -> Result<u8, Failure> {
    let limit = timeout(options, WAIT)?;
    let too_long = || Failure::new(status::TIMEOUT, "the cluster has still something to do".to_owned());
    let Store::Live(socket) = store else {
        let (view, _) = look(store)?;
        return if follows::is_nothing(&view.plan()) { Ok(status::OK) } else { Err(too_long()) };
    };
    let mut client = connect(socket)?;
    match until(limit, || {
        let live = Live::fetch(&mut client).map_err(gone)?;
        Ok(live.status.quiet && live.status.under_way.is_empty() && follows::is_nothing(&live.view.plan()))
    })? {
        true => Ok(status::OK),
        false => Err(too_long()),
    }
}

fn gone(error: anyhow::Error) -> Failure {
    Failure::new(status::DISCONNECTED, format!("{error:#}"))
}

fn until(limit: Duration, mut reached: impl FnMut() -> Result<bool, Failure>) -> Result<bool, Failure> {
    let end = Instant::now() + limit;
    loop {
        if reached()? {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Stops a resource and starts it again: by its target role, or on one node by a ban.
pub(super) fn restart(report: &mut Report<'_>, store: &Store, subject: &Subject<'_>, id: RscId) -> Result<u8, Failure> {
    let id = subject.whole(id);
    let node = subject.node()?;
    let on = places(subject.cluster, id);
    if !on.iter().any(|(at, _)| node.is_none_or(|node| node == *at)) {
        let host = node.map_or_else(|| "anywhere".to_owned(), |node| format!("on {}", subject.cluster.node(node).name));
        let message = format!("{} is not running {host} and so cannot be restarted", subject.name());
        return Err(Failure::new(status::NO_SUCH, message));
    }
    let Store::Live(socket) = store else {
        let message = "a restart needs a cluster; this works on a file (CIB_file)";
        return Err(Failure::new(status::DISCONNECTED, message.to_owned()));
    };
    let name = subject.cluster.resource(id).xml_id.clone();
    let end = Instant::now() + timeout(subject.options, WAIT)?;
    let left = || end.saturating_duration_since(Instant::now());
    let mut client = connect(socket)?;
    let mut runs = || -> Result<bool, Failure> {
        let live = Live::fetch(&mut client).map_err(gone)?;
        let cluster = live.view.cluster();
        let found = crate::cluster::resource(&cluster, &name).map_err(gone)?;
        let now = places(&cluster, found);
        Ok(now.iter().any(|(at, _)| node.is_none_or(|node| subject.cluster.node(node).name == cluster.node(*at).name)))
    };
    let how = match node {
        None => Stop::Role(target_role(&subject.view.document, &name)),
        Some(node) => Stop::Ban(subject.cluster.node(node).name.clone()),
    };
    store.change(subject.options.force, |document| how.stop(document, &name))?;
    let stopped = until(left(), || Ok(!runs()?));
    // Whatever came of it, what was there before comes back.
    store.change(subject.options.force, |document| how.undo(document, &name))?;
    if !stopped? {
        let message = format!("{name} did not stop in time; it may run again as before");
        return Err(Failure::new(status::TIMEOUT, message));
    }
    if !until(left(), runs)? {
        let message = format!("{name} stopped, and did not start again in time; `systole why {name}` tells why");
        return Err(Failure::new(status::TIMEOUT, message));
    }
    if !subject.options.quiet {
        report.line(format!("{name} was restarted"));
    }
    Ok(status::OK)
}

/// How a resource is stopped for a while, with what there was before.
enum Stop {
    Role(Option<String>),
    Ban(String),
}

impl Stop {
    fn stop(&self, document: &mut Document, name: &str) -> Result<(), Failure> {
        match self {
            Stop::Role(_) => set_role(document, name, Some("Stopped")),
            Stop::Ban(node) => {
                let constraints = constraints(document);
                let constraint = document.append(constraints, "rsc_location");
                let id = ban_id(name, node);
                for (attribute, value) in
                    [("id", id.as_str()), ("rsc", name), ("role", "Started"), ("node", node), ("score", "-INFINITY")]
                {
                    document.set(constraint, attribute, value);
                }
                Ok(())
            }
        }
    }

    fn undo(&self, document: &mut Document, name: &str) -> Result<(), Failure> {
        match self {
            Stop::Role(before) => set_role(document, name, before.as_deref()),
            Stop::Ban(node) => {
                let (id, constraints) = (ban_id(name, node), constraints(document));
                let ours = document.children(constraints).find(|constraint| document.id(*constraint) == id);
                if let Some(ours) = ours {
                    document.remove(ours);
                }
                Ok(())
            }
        }
    }
}

/// An id of our own: a ban that somebody made by hand is not taken for ours.
fn ban_id(name: &str, node: &str) -> String {
    format!("cli-restart-{name}-on-{node}")
}

fn constraints(document: &mut Document) -> cib::Element {
    let root = document.root();
    let configuration = document.child(root, "configuration").unwrap_or_else(|| document.append(root, "configuration"));
    document.child(configuration, "constraints").unwrap_or_else(|| document.append(configuration, "constraints"))
}

fn role_pair(document: &Document, of: cib::Element) -> Option<cib::Element> {
    let sets = document.children_named(of, "meta_attributes");
    let mut pairs = sets.flat_map(|set| document.children_named(set, "nvpair"));
    pairs.find(|pair| document.attribute(*pair, "name") == Some("target-role"))
}

fn target_role(document: &Document, name: &str) -> Option<String> {
    let pair = role_pair(document, element(document, name).ok()?)?;
    document.attribute(pair, "value").map(str::to_owned)
}

fn set_role(document: &mut Document, name: &str, role: Option<&str>) -> Result<(), Failure> {
    let of = element(document, name)?;
    match (role_pair(document, of), role) {
        (Some(pair), Some(role)) => document.set(pair, "value", role),
        (Some(pair), None) => {
            let set = document.parent(pair);
            document.remove(pair);
            if let Some(set) = set.filter(|set| document.children(*set).next().is_none()) {
                document.remove(set);
            }
        }
        (None, None) => {}
        (None, Some(role)) => {
            let first = document.children(of).next();
            let set = document.insert(of, first, "meta_attributes");
            let id = format!("{name}-restart-meta_attributes");
            document.set(set, "id", &id);
            let pair = document.append(set, "nvpair");
            let pair_id = format!("{id}-target-role");
            for (attribute, value) in [("id", pair_id.as_str()), ("name", "target-role"), ("value", role)] {
                document.set(pair, attribute, value);
            }
        }
    }
    Ok(())
}

/// The digests by which the cluster tells changed parameters.
pub(super) fn digests(report: &mut Report<'_>, subject: &Subject<'_>, id: RscId) -> Result<u8, Failure> {
    let node = subject.node()?.ok_or_else(|| usage("Must supply a node with -N"))?;
    let node = &subject.cluster.node(node).name;
    let parameters = parameters(subject, id)?;
    let open: BTreeMap<String, String> = {
        let secret = |name: &str| SECRET_BY_DEFAULT.contains(&name);
        parameters.iter().filter(|(name, _)| !secret(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    };
    let shown = [("all", "all parameters", &parameters), ("nonprivate", "non-private parameters", &open)];
    for (_, text, of) in shown {
        report.line(format!("{} ({text})", digest::all(of, 0)));
    }
    if let Some(tree) = report.xml() {
        tree.begin("digests", &[("resource", subject.name()), ("node", node), ("task", "start"), ("interval", "0ms")]);
        for (kind, _, of) in shown {
            tree.begin("digest", &[("type", kind), ("hash", &digest::all(of, 0))]);
            let attributes: Vec<(&str, &str)> =
                of.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            tree.leaf("parameters", &attributes);
            tree.end();
        }
        tree.end();
    }
    Ok(status::OK)
}

/// The parameters of a primitive, with those of the command line instead of the configured.
fn parameters(subject: &Subject<'_>, id: RscId) -> Result<BTreeMap<String, String>, Failure> {
    let context = Context::at(subject.view.now);
    let element = subject.element(id)?;
    let configured = view::parameters(&subject.view.document, element, &context);
    let mut all: BTreeMap<String, String> =
        configured.iter().map(|(name, setting)| (name.to_owned(), setting.value.to_owned())).collect();
    all.extend(overrides(subject.options)?);
    Ok(all)
}

fn overrides(options: &Options) -> Result<BTreeMap<String, String>, Failure> {
    let pairs = options.overrides.iter().chain(&options.option);
    pairs
        .map(|text| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(usage(&format!("expected NAME=VALUE, found '{text}'"))),
        })
        .collect()
}

/// Whether an agent is to be run by hand.
pub(super) fn wants(options: &Options) -> bool {
    deed(options).is_some()
}

/// The word for it, the agent's action and how deep it looks.
fn deed(options: &Options) -> Option<(&'static str, &'static str, Option<u32>)> {
    match () {
        () if options.force_start => Some(("force-start", "start", None)),
        () if options.force_stop => Some(("force-stop", "stop", None)),
        () if options.force_promote => Some(("force-promote", "promote", None)),
        () if options.force_demote => Some(("force-demote", "demote", None)),
        () => match (options.force_check, options.validate) {
            (Some(level), _) => Some(("force-check", "monitor", Some(level))),
            (None, Some(level)) => Some(("validate", "validate-all", Some(level))),
            (None, None) => None,
        },
    }
}

/// Runs an agent by hand.
pub(super) fn agent(report: &mut Report<'_>, subject: &Subject<'_>) -> Result<u8, Failure> {
    let options = subject.options;
    let (word, action, level) = deed(options).expect("it was asked for");
    let limit = timeout(options, AGENT_TIMEOUT)?;
    let (agent, resource, all) = match &options.agent {
        Some(kind) => {
            let class = options.class.clone().ok_or_else(|| usage("--validate with --agent requires --class"))?;
            let agent = Agent { class, provider: options.provider.clone(), kind: kind.clone() };
            (agent, None, overrides(options)?)
        }
        None => {
            let mut parts = Vec::new();
            primitives(subject.cluster, subject.resource()?, &mut parts);
            let [id, ..] = parts[..] else { return Err(usage("there is no primitive in it")) };
            let resource = subject.cluster.resource(id);
            if subject.cluster.resource(subject.resource()?).is_group() {
                let message = format!("Sorry, the {word} option doesn't support group resources");
                return Err(Failure::new(status::UNIMPLEMENTED, message));
            }
            let agent = Agent {
                class: resource.class.clone(),
                provider: resource.provider.clone(),
                kind: resource.agent.clone(),
            };
            let mut all = parameters(subject, id)?;
            for (name, value) in &resource.meta {
                all.insert(format!("CRM_meta_{name}"), value.to_owned());
            }
            (agent, Some(resource.id.clone()), all)
        }
    };
    if !matches!(agent.class.as_str(), "ocf" | "lsb") {
        let message = format!("agents of class {} cannot be run by hand; expected ocf or lsb", agent.class);
        return Err(Failure::new(status::UNIMPLEMENTED, message));
    }
    let ended = agent::run(&agent, resource.as_deref().unwrap_or("validate"), action, &all, level, limit)?;
    let text = agent_text(i32::from(ended.rc));
    let reason = ended.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    let of = resource.as_ref().map(|_| format!(" for {}", subject.name())).unwrap_or_default();
    report.line(format!("Operation {word}{of} ({}) returned {} ({text}{reason})", agent.name(), ended.rc));
    if options.common.verbose > 0 || ended.rc != 0 {
        for stream in [&ended.out, &ended.err] {
            if !stream.is_empty() {
                report.line(stream);
            }
        }
    }
    if let Some(tree) = report.xml() {
        let mut attributes = vec![("action", word), ("class", agent.class.as_str()), ("type", &agent.kind)];
        attributes.extend(resource.as_ref().map(|_| ("rsc", subject.name())));
        attributes.extend(agent.provider.as_deref().map(|provider| ("provider", provider)));
        tree.begin("resource-agent-action", &attributes);
        tree.begin("overrides", &[]);
        for (name, value) in overrides(options)?.iter().filter(|_| resource.is_some()) {
            let name: Vec<(&str, &str)> =
                vec![("rsc", subject.name()), ("name", name.as_str()), ("value", value.as_str())];
            tree.leaf("override", &name);
        }
        tree.end();
        let code = ended.rc.to_string();
        let (execution, said) = if ended.timed_out { ("2", "Timed Out") } else { ("0", "complete") };
        let mut attributes = vec![("code", code.as_str()), ("message", text)];
        attributes.extend(ended.reason().map(|reason| ("exit_reason", reason)));
        attributes.extend([("execution_code", execution), ("execution_message", said)]);
        tree.leaf("agent-status", &attributes);
        if !ended.out.is_empty() || !ended.err.is_empty() {
            tree.begin("command", &[("code", &code)]);
            for (source, stream) in [("stdout", &ended.out), ("stderr", &ended.err)] {
                if !stream.is_empty() {
                    tree.labelled("output", &[("source", source)], stream);
                }
            }
            tree.end();
        }
        tree.end();
    }
    match ended.rc {
        0 => Ok(status::OK),
        rc => Err(Failure::new(rc, format!("Error performing operation: {}", status::text(rc)))),
    }
}
