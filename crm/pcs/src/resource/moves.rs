//! `pcs resource move-with-constraint`, `ban`, `clear`: wishes where a resource should be, as constraints that stay until
//! they are cleared. A move that cleans up behind itself is `move_away`'s.

use cib::{Document, Element, date};

use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "move-with-constraint"],
        arguments: "<resource id> [<node>] [lifetime=<duration>]",
        about: "Moves a resource by a constraint that stays",
        options: &["--promoted"],
        run: |call| wish(call, false),
    },
    Command {
        path: &["resource", "ban"],
        arguments: "<resource id> [<node>] [lifetime=<duration>]",
        about: "Keeps a resource off a node",
        options: &["--promoted"],
        run: |call| wish(call, true),
    },
    Command {
        path: &["resource", "clear"],
        arguments: "<resource id> [<node>]",
        about: "Removes the constraints of moves and bans",
        options: &["--expired", "--promoted"],
        run: clear,
    },
];

/// Writes where a resource should be, or should not.
pub(super) fn wish(call: &mut Call<'_>, ban: bool) -> Done {
    let id = call.next("must specify a resource id")?;
    let lifetime = call.words.iter().position(|word| word.starts_with("lifetime=")).map(|at| call.words.remove(at));
    let lifetime = lifetime.and_then(|word| word.strip_prefix("lifetime=").map(str::to_owned));
    let node = if call.words.is_empty() { None } else { Some(call.words.remove(0)) };
    call.no_more()?;
    let Some(resource) = tree::resource(&call.cib, &id) else {
        return call.fail(format!("Resource '{id}' does not exist"));
    };
    if tree::multiplied_by(&call.cib, resource).is_some() && !ban {
        let clone = tree::multiplied_by(&call.cib, resource).map(|one| call.cib.id(one).to_owned()).unwrap_or_default();
        return call.fail(format!("to move clone resources you must specify the clone id ({clone})"));
    }
    let promoted = call.options.has("--promoted");
    if promoted && !is_promotable(&call.cib, resource) {
        let word = if ban { "banning" } else { "moving" };
        return call.fail(format!("when specifying promoted you must use the promotable clone id for {word}"));
    }
    let nodes = tree::nodes(&call.cib);
    if let Some(node) = node.as_ref().filter(|node| !nodes.contains(node)) {
        return call.fail(format!("Node '{node}' does not appear to exist in configuration"));
    }
    let (node, avoid) = match node {
        Some(node) => (node, ban),
        None => match &active_on(&call.cib, resource)[..] {
            [one] => (one.clone(), true),
            [] => return call.fail("You must specify a node when moving/banning a stopped resource"),
            _ => return call.fail(format!("Resource '{id}' runs on several nodes: specify the one to ban")),
        },
    };
    let until = match &lifetime {
        None => None,
        Some(text) => match end(text, call.world.now()) {
            Some(end) => Some(end),
            None => {
                return Err(Refusal::usage(format!(
                    "'{text}' is not a valid lifetime value, use an ISO 8601 duration such as PT1H30M"
                )));
            }
        },
    };
    let role = if promoted { tree::role_for_cib(&call.cib, "Promoted") } else { "Started".into() };
    let own = if avoid { format!("cli-ban-{id}-on-{node}") } else { format!("cli-prefer-{id}") };
    write(call, &own, &id, &node, avoid, &role, until.as_deref());
    if let Some(until) = until {
        call.note(format!("Migration will take effect until: {until}"));
    }
    match avoid {
        true => {
            call.warn(format!("Creating location constraint '{own}' with a score of -INFINITY for resource {id} on {node}."));
            call.note(format!("\tThis will prevent {id} from running on {node} until the constraint is removed"));
            call.note(format!("\tThis will be the case even if {node} is the last node in the cluster"));
        }
        false => call.warn(format!(
            "A move constraint has been created and the resource '{id}' may or may not move depending on other configuration"
        )),
    }
    Ok(())
}

fn write(call: &mut Call<'_>, own: &str, id: &str, node: &str, avoid: bool, role: &str, until: Option<&str>) {
    // What an earlier wish left is replaced.
    let old: Vec<Element> = tree::within(&call.cib, "constraints")
        .filter(|one| {
            let it = call.cib.id(*one);
            it == own || (!avoid && (it == format!("cli-ban-{id}-on-{node}") || it == format!("cli-prefer-{id}")))
        })
        .collect();
    old.into_iter().for_each(|one| call.cib.remove(one));
    let section = tree::section(&mut call.cib, "constraints");
    let constraint = call.cib.append(section, "rsc_location");
    let score = if avoid { "-INFINITY" } else { "INFINITY" };
    let set = |cib: &mut Document, element, pairs: &[(&str, &str)]| {
        pairs.iter().for_each(|(name, value)| cib.set(element, name, value));
    };
    set(&mut call.cib, constraint, &[("id", own), ("rsc", id), ("role", role)]);
    let Some(until) = until else {
        set(&mut call.cib, constraint, &[("node", node), ("score", score)]);
        return;
    };
    let rule = call.cib.append(constraint, "rule");
    set(&mut call.cib, rule, &[("id", &format!("{own}-rule")), ("score", score), ("boolean-op", "and")]);
    let on = call.cib.append(rule, "expression");
    let about = [("attribute", "#uname"), ("operation", "eq"), ("value", node), ("type", "string")];
    set(&mut call.cib, on, &[&[("id", format!("{own}-expr").as_str())][..], &about].concat());
    let time = call.cib.append(rule, "date_expression");
    set(&mut call.cib, time, &[("id", &format!("{own}-lifetime")), ("operation", "lt"), ("end", until)]);
}

/// When a duration from now ends, as the CIB writes it.
fn end(duration: &str, now: i64) -> Option<String> {
    if !duration.starts_with('P') {
        return None;
    }
    let seconds = cib::duration::parse_ms(duration).ok()? / 1000;
    Some(date::format(now.saturating_add(i64::try_from(seconds).ok()?)))
}

/// Whether a resource is a clone that is promoted somewhere.
pub fn is_promotable(cib: &Document, resource: Element) -> bool {
    match cib.name(resource) {
        "master" => true,
        "clone" => cib::boolean::is_true(crate::nvset::value(cib, resource, "meta_attributes", "promotable")),
        _ => false,
    }
}

/// The nodes where history has a resource active.
fn active_on(cib: &Document, resource: Element) -> Vec<String> {
    let ids: Vec<String> = tree::primitives(cib, resource).into_iter().map(|one| cib.id(one).to_owned()).collect();
    let mut nodes = Vec::new();
    for state in cib.descend(&["status"]).into_iter().flat_map(|status| cib.children_named(status, "node_state")) {
        let runs = cib.descendants(state).filter(|one| cib.name(*one) == "lrm_resource").any(|one| {
            let base = cib.id(one).split(':').next().unwrap_or("").to_owned();
            ids.contains(&base) && is_active(cib, one)
        });
        if let Some(name) = cib.attribute(state, "uname").filter(|_| runs) {
            nodes.push(name.to_owned());
        }
    }
    nodes
}

/// Whether the last operation of a history leaves a resource active.
fn is_active(cib: &Document, history: Element) -> bool {
    let call_id = |op: &Element| cib.attribute(*op, "call-id").and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let ops = cib.children_named(history, "lrm_rsc_op");
    let last = ops.filter(|op| cib.attribute(*op, "rc-code").is_some()).max_by_key(call_id);
    last.is_some_and(|op| {
        let stopped = cib.attribute(op, "operation") == Some("stop");
        !stopped && matches!(cib.attribute(op, "rc-code"), Some("0" | "8"))
    })
}

fn clear(call: &mut Call<'_>) -> Done {
    let id = call.next("must specify a resource id")?;
    let node = if call.words.is_empty() { None } else { Some(call.words.remove(0)) };
    call.no_more()?;
    let Some(resource) = tree::resource(&call.cib, &id) else {
        return call.fail(format!("Resource '{id}' does not exist"));
    };
    if call.options.has("--promoted") && !is_promotable(&call.cib, resource) {
        return call.fail("when specifying promoted you must use the promotable clone id for clearing");
    }
    let now = call.world.now();
    let expired_only = call.options.has("--expired");
    let found = of_moves(&call.cib, &id, node.as_deref());
    let found: Vec<Element> =
        found.into_iter().filter(|one| !expired_only || has_expired(&call.cib, *one, now)).collect();
    let mut ids: Vec<String> = found.iter().map(|one| call.cib.id(*one).to_owned()).collect();
    ids.sort();
    found.into_iter().for_each(|one| call.cib.remove(one));
    for id in ids {
        call.note(format!("Removing constraint: {id}"));
    }
    Ok(())
}

/// The constraints that moves and bans of a resource left; only those that name a node, if one is given.
pub(super) fn of_moves(cib: &Document, id: &str, node: Option<&str>) -> Vec<Element> {
    let prefix = format!("cli-ban-{id}-on-");
    let of_move = |one: &Element| {
        let own = cib.id(*one);
        let banned = own.strip_prefix(&prefix);
        let preferred = own == format!("cli-prefer-{id}");
        let there = match (node, banned) {
            (None, _) => true,
            (Some(node), Some(banned)) => banned == node,
            (Some(node), None) => names(cib, *one, node),
        };
        (banned.is_some() || preferred) && there
    };
    tree::within(cib, "constraints").filter(of_move).collect()
}

fn names(cib: &Document, constraint: Element, node: &str) -> bool {
    cib.descendants(constraint).any(|one| {
        cib.attribute(one, "node") == Some(node)
            || (cib.attribute(one, "attribute") == Some("#uname") && cib.attribute(one, "value") == Some(node))
    })
}

fn has_expired(cib: &Document, constraint: Element, now: i64) -> bool {
    let ends = cib.descendants(constraint).filter(|one| cib.name(*one) == "date_expression");
    let mut ends = ends.filter_map(|one| date::parse(cib.attribute(one, "end")?, now));
    ends.any(|end| end <= now)
}
