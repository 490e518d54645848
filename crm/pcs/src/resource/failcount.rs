//! `pcs resource failcount`: how often operations failed, as the nodes' transient attributes tell it. What forgets
//! failures is `resource cleanup`.

use std::collections::BTreeMap;

use cib::{Document, duration};

use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::pairs::{self, Pairs};

const ARGUMENTS: &str = "[<resource id>] [node=<node>] [operation=<operation> [interval=<interval>]]";
const ABOUT: &str = "Shows how often operations failed";

/// The commands; those of `stonith` are the same.
pub const COMMANDS: &[Command] = &[
    bare(&["resource", "failcount"]),
    with_words(&["resource", "failcount", "show"]),
    bare(&["stonith", "failcount"]),
    with_words(&["stonith", "failcount", "show"]),
];

const fn with_words(path: &'static [&'static str]) -> Command {
    Command { path, arguments: ARGUMENTS, about: ABOUT, options: &["--full"], run: show }
}

const fn bare(path: &'static [&'static str]) -> Command {
    Command { path, arguments: "", about: ABOUT, options: &["--full"], run: show }
}

/// How often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Count {
    Times(u64),
    Infinity,
}

impl Count {
    fn parse(text: &str) -> Count {
        match text.parse() {
            _ if text.eq_ignore_ascii_case("infinity") => Count::Infinity,
            Ok(times) => Count::Times(times),
            // It failed; only how often is not known.
            Err(_) => Count::Times(1),
        }
    }

    fn plus(self, other: Count) -> Count {
        match (self, other) {
            (Count::Times(one), Count::Times(two)) => Count::Times(one.saturating_add(two)),
            _ => Count::Infinity,
        }
    }

    fn text(self) -> String {
        match self {
            Count::Times(times) => times.to_string(),
            Count::Infinity => "INFINITY".into(),
        }
    }
}

/// The failures of one operation of a resource on a node.
struct Failure {
    resource: String,
    node: String,
    operation: String,
    interval_ms: String,
    count: Count,
}

/// All failures that a CIB tells of. An instance of a clone counts as the resource.
fn failures(cib: &Document) -> Vec<Failure> {
    let mut found = Vec::new();
    let states = cib.descend(&["status"]).into_iter().flat_map(|status| cib.children_named(status, "node_state"));
    for state in states {
        let sets = cib.children_named(state, "transient_attributes");
        let sets = sets.flat_map(|attributes| cib.children_named(attributes, "instance_attributes"));
        let pairs = sets.flat_map(|set| cib.children_named(set, "nvpair"));
        let text = |element, name| cib.attribute(element, name).unwrap_or("");
        // A last failure without a count is a failure count of nothing, and shown as such.
        let mut of_node: BTreeMap<&str, Count> = BTreeMap::new();
        for pair in pairs {
            let name = text(pair, "name");
            if let Some(failure) = name.strip_prefix("fail-count-") {
                of_node.insert(failure, Count::parse(text(pair, "value")));
            } else if let Some(failure) = name.strip_prefix("last-failure-") {
                of_node.entry(failure).or_insert(Count::Times(0));
            }
        }
        for (name, count) in of_node {
            let Some((resource, operation)) = name.split_once('#') else { continue };
            let Some((operation, interval_ms)) = operation.rsplit_once('_') else { continue };
            found.push(Failure {
                resource: resource.split(':').next().unwrap_or(resource).to_owned(),
                node: text(state, "uname").to_owned(),
                operation: operation.to_owned(),
                interval_ms: interval_ms.to_owned(),
                count,
            });
        }
    }
    found
}

/// What the user asks for.
struct Filter {
    resource: Option<String>,
    node: Option<String>,
    operation: Option<String>,
    interval: Option<String>,
    interval_ms: Option<String>,
}

impl Filter {
    fn read(call: &mut Call<'_>) -> Done<Filter> {
        let named = call.words.first().is_some_and(|word| !word.contains('='));
        let resource = named.then(|| call.words.remove(0));
        let pairs: Pairs = pairs::read(&std::mem::take(&mut call.words))?;
        let known = ["interval", "node", "operation"];
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(Refusal::usage(format!("'{name}' is no option here; there are: {}", known.join(", "))));
        }
        let value = |name| pairs::get(&pairs, name).map(str::to_owned);
        let (node, operation, interval) = (value("node"), value("operation"), value("interval"));
        let mut interval_ms = None;
        if let Some(interval) = &interval {
            if operation.is_none() {
                call.error("If option 'interval' is specified, option 'operation' must be specified as well");
            }
            match duration::parse_ms(interval) {
                // Pacemaker keeps failures by whole seconds of an interval here.
                Ok(ms) => interval_ms = Some((ms / 1000 * 1000).to_string()),
                Err(_) => call.error(format!(
                    "'{interval}' is not a valid interval value, use time interval (e.g. 1, 2s, 3m, 4h, …)"
                )),
            }
        }
        call.settled()?;
        Ok(Filter { resource, node, operation, interval, interval_ms })
    }

    fn takes(&self, failure: &Failure) -> bool {
        let same = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        same(&self.resource, &failure.resource)
            && same(&self.node, &failure.node)
            && same(&self.operation, &failure.operation)
            && same(&self.interval_ms, &failure.interval_ms)
    }

    fn title(&self, begins: &str, resource: Option<&str>) -> String {
        let mut title = begins.to_owned();
        if let Some(operation) = &self.operation {
            title.push_str(&format!(" for operation '{operation}'"));
            if let Some(interval) = &self.interval {
                title.push_str(&format!(" with interval '{interval}'"));
            }
        }
        if let Some(resource) = resource {
            title.push_str(if self.operation.is_some() { " of" } else { " for" });
            title.push_str(&format!(" resource '{resource}'"));
        }
        if let Some(node) = &self.node {
            title.push_str(&format!(" on node '{node}'"));
        }
        title
    }
}

fn show(call: &mut Call<'_>) -> Done {
    let filter = Filter::read(call)?;
    let full = call.options.has("--full");
    let all = failures(&call.cib);
    // Resource, node, operation, and intervals as the words they are; summed where two instances failed alike.
    type Operation = (String, String);
    let mut counts: BTreeMap<&str, BTreeMap<&str, BTreeMap<Operation, Count>>> = BTreeMap::new();
    for one in all.iter().filter(|one| filter.takes(one)) {
        let operations = counts.entry(&one.resource).or_default().entry(&one.node).or_default();
        let sum = operations.entry((one.operation.clone(), one.interval_ms.clone())).or_insert(Count::Times(0));
        *sum = sum.plus(one.count);
    }
    if counts.is_empty() {
        let title = filter.title("No failcounts", filter.resource.as_deref());
        call.say(title);
    }
    for (resource, nodes) in counts {
        call.say(filter.title("Failcounts", Some(resource)));
        for (node, operations) in nodes {
            if full {
                call.say(format!("  {node}:"));
                for ((operation, interval), count) in operations {
                    call.say(format!("    {operation} {interval}ms: {}", count.text()));
                }
            } else {
                let sum = operations.into_values().fold(Count::Times(0), Count::plus);
                call.say(format!("  {node}: {}", sum.text()));
            }
        }
    }
    Ok(())
}
