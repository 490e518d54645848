//! What is watched on each host, as clones that set an attribute of their node.

use std::collections::BTreeMap;

use keepalived::Model;

use super::Draft;
use super::place::{Attributes, SCALE, file_weight, id_part, scale};
use crate::configuration::{Constraint, Parameters, Primitive, Resource, commands_quote};
use crate::elect::FAULT;
use crate::unit::{Unit, Watched, block, number};

/// The clones of all that any unit watches, and the attributes they set.
pub(super) fn clones(draft: &mut Draft<'_, '_>, units: &[Unit<'_>]) -> Attributes {
    let mut wanted: BTreeMap<(Watched, i32), Vec<String>> = BTreeMap::new();
    for unit in units {
        let scale = scale(unit);
        for contender in &unit.contenders {
            for watch in &contender.watches {
                let hosts = wanted.entry((watch.what.clone(), file_weight(watch, scale))).or_default();
                if !hosts.contains(&contender.host) {
                    hosts.push(contender.host.clone());
                }
            }
        }
    }
    let mut attributes = Attributes::new();
    for ((what, weight), hosts) in wanted {
        let id = draft.ids.take(&format!("health-{}", id_part(&what)));
        attributes.insert((what.clone(), weight), id.clone());
        let mut every_us = u64::MAX;
        let pairs: Vec<(String, BTreeMap<String, String>)> = draft
            .hosts
            .iter()
            .filter(|(host, _)| hosts.contains(host))
            .map(|(host, model)| {
                let (mut pairs, interval) = parameters(&what, weight, model);
                every_us = every_us.min(interval);
                pairs.insert("attribute".to_owned(), id.clone());
                (host.clone(), pairs)
            })
            .collect();
        let mut check = Primitive::new(id.clone(), ("ocf", Some("systole"), "HealthCheck"), &interval(every_us))
            .with(Parameters::merged(&pairs));
        check.watches = Some(what.clone());
        draft.ids.take(&format!("{id}-clone"));
        draft.configuration.resources.push(Resource::Clone(check));
        for node in draft.configuration.nodes.clone() {
            if !hosts.contains(&node) {
                let constraint = draft.ids.take(&format!("location-{id}-clone-{node}"));
                draft.configuration.constraints.push(Constraint::Location {
                    id: constraint,
                    resource: format!("{id}-clone"),
                    node,
                    score: "-INFINITY".to_owned(),
                });
            }
        }
    }
    attributes
}

/// Microseconds as an interval; operations recur in milliseconds at most.
fn interval(us: u64) -> String {
    let ms = (us / 1000).max(1);
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

/// What the check of a host is told, and how often it looks.
fn parameters(what: &Watched, weight: i32, model: &Model) -> (BTreeMap<String, String>, u64) {
    /// Links, processes and files are looked at once a second; keepalived is told of them by the kernel.
    const EVERY_US: u64 = 1_000_000;
    let mut pairs = BTreeMap::new();
    let mut set = |name: &str, value: String| pairs.insert(name.to_owned(), value);
    let mut every = EVERY_US;
    let global = |word: &str| {
        let found = model.defaults.statements.iter().rev().find(|one| one.word() == word)?;
        Some(found.words[1..].join(":"))
    };
    match what {
        Watched::Interface(name) => {
            set("interface", name.clone());
        }
        Watched::Script(name) => {
            let Some(script) = model.scripts.iter().find(|script| script.name == *name) else {
                return (pairs, every);
            };
            every = script.interval_us;
            let words: Vec<String> = script.command.iter().map(|word| commands_quote(word)).collect();
            set("script", words.join(" "));
            set("timeout", interval(script.timeout_us));
            for (name, count) in [("rise", script.rise), ("fall", script.fall)] {
                if count > 1 {
                    set(name, count.to_string());
                }
            }
            let user = if script.user.is_empty() { global("script_user") } else { Some(script.user.join(":")) };
            if let Some(user) = user.filter(|user| !user.is_empty()) {
                set("user", user);
            }
            if script.init_fail {
                set("init_fail", "true".to_owned());
            }
        }
        Watched::Process(name) => {
            if let Some(block) = block(model, &["vrrp_track_process"], name) {
                let process = block.block.iter().find(|one| one.word() == "process");
                let words =
                    process.map(|one| one.words[1..].iter().map(|word| commands_quote(word)).collect::<Vec<_>>());
                set("process", words.unwrap_or_default().join(" "));
                if let Some(matching) = block.block.iter().find(|one| one.word() == "param_match") {
                    set("param_match", matching.argument(1).unwrap_or("exact").to_owned());
                }
                if block.block.iter().any(|one| one.word() == "full_command") {
                    set("full_command", "true".to_owned());
                }
                for word in ["quorum", "quorum_max"] {
                    if let Some(count) = number(block, word) {
                        set(word, count.to_string());
                    }
                }
            }
        }
        Watched::File(name) => {
            if let Some(block) = block(model, &["track_file", "vrrp_track_file"], name) {
                let file = block.block.iter().find(|one| one.word() == "file");
                set("file", file.and_then(|one| one.argument(1)).unwrap_or_default().to_owned());
            }
            set("weight", weight.to_string());
            // A number that takes all points away is a failure.
            set("fault", (FAULT * SCALE).to_string());
        }
    }
    (pairs, every)
}
