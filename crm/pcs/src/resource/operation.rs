//! Operations of a primitive: as a command line has them, completed from what the agent advises, and as elements; and
//! `pcs resource op …`.

use std::collections::BTreeSet;

use cib::{Document, Element, duration};

use crate::agent::{Metadata, Name};
use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::tree::{self, listed};

/// The commands; `stonith` has the same.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "op", "add"],
        arguments: "<resource id> <operation action> [<option>=<value>]…",
        about: "Adds an operation to a resource",
        options: &["--force"],
        run: add,
    },
    Command {
        path: &["resource", "op", "delete"],
        arguments: "<resource id> <operation action> [<option>=<value>]… | <operation id>",
        about: "Removes an operation from a resource",
        options: &[],
        run: remove,
    },
    Command {
        path: &["resource", "op", "remove"],
        arguments: "<resource id> <operation action> [<option>=<value>]… | <operation id>",
        about: "Removes an operation from a resource",
        options: &[],
        run: remove,
    },
];

const ATTRIBUTES: &[&str] = &[
    "OCF_CHECK_LEVEL",
    "description",
    "enabled",
    "id",
    "interval",
    "interval-origin",
    "name",
    "on-fail",
    "record-pending",
    "role",
    "start-delay",
    "timeout",
];
const LEVEL: &str = "OCF_CHECK_LEVEL";
const ROLES: &[&str] = &["Master", "Promoted", "Slave", "Started", "Stopped", "Unpromoted"];
const ON_FAIL: &[&str] = &["block", "demote", "fence", "ignore", "restart", "restart-container", "standby", "stop"];
const BOOLEANS: &[&str] = &["0", "1", "false", "true"];
/// What an agent can do that is no operation of a resource.
const NO_OPERATIONS: [&str; 3] = ["meta-data", "status", "validate-all"];

/// The interval of an operation that has none.
fn default_interval(name: &str) -> &'static str {
    if name == "monitor" { "60s" } else { "0s" }
}

/// Reads what stands behind each `op`: a name, its options, perhaps another name and so on.
///
/// # Errors
/// When a name or the options are missing.
pub fn read(runs: &[Vec<String>]) -> Done<Vec<Pairs>> {
    let incomplete = || Refusal::usage("When using 'op' you must specify an operation name and at least one option");
    let mut operations: Vec<Vec<String>> = Vec::new();
    for run in runs {
        match run.first() {
            None => return Err(incomplete()),
            Some(first) if first.contains('=') => {
                return Err(Refusal::usage("When using 'op' you must specify an operation name after 'op'"));
            }
            Some(_) => {}
        }
        for word in run {
            match (word.contains('='), operations.last_mut()) {
                (true, Some(operation)) => operation.push(word.clone()),
                _ => operations.push(vec![format!("name={word}")]),
            }
        }
    }
    if operations.iter().any(|operation| operation.len() < 2) {
        return Err(incomplete());
    }
    operations.iter().map(|words| pairs::read(words)).collect()
}

/// Whole seconds of a duration.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let known = matches!(unit, "" | "s" | "sec" | "m" | "min" | "h" | "hr");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || !known {
        return None;
    }
    duration::parse_ms(text).ok().map(|ms| ms / 1000)
}

/// Judges operations and adds those that the agent advises.
///
/// # Errors
/// When one cannot be; all reasons are said.
pub fn complete(
    call: &mut Call<'_>,
    agent: &Name,
    metadata: &Metadata,
    operations: &[Pairs],
    defaults: bool,
) -> Done<Vec<Pairs>> {
    let mut complete: Vec<Pairs> = Vec::new();
    for operation in operations {
        complete.push(judge(call, metadata, operation)?);
    }
    check_intervals(call, &complete);
    call.settled()?;
    let named: BTreeSet<String> =
        complete.iter().filter_map(|operation| pairs::get(operation, "name")).map(str::to_owned).collect();
    for operation in &mut complete {
        if pairs::get(operation, "interval").is_none() {
            let name = pairs::get(operation, "name").unwrap_or("").to_owned();
            operation.push(("interval".into(), default_interval(&name).into()));
        }
    }
    let advised = advised(&call.cib, agent, metadata, defaults);
    let mut used: BTreeSet<(String, u64)> = BTreeSet::new();
    for mut operation in advised {
        let name = pairs::get(&operation, "name").unwrap_or("").to_owned();
        if named.contains(&name) {
            continue;
        }
        let interval = pairs::get(&operation, "interval").unwrap_or("").to_owned();
        if let Some(wanted) = seconds(&interval) {
            let free = (wanted..).find(|one| !used.contains(&(name.clone(), *one))).unwrap_or(wanted);
            used.insert((name.clone(), free));
            if free != wanted {
                call.warn(format!(
                    "changing a {name} operation interval from {interval} to {free} to make the operation unique"
                ));
                pairs::take(&mut operation, "interval");
                operation.insert(1, ("interval".into(), free.to_string()));
            }
        }
        complete.push(operation);
    }
    for operation in &mut complete {
        operation.retain(|(_, value)| !value.is_empty());
    }
    Ok(complete)
}

/// What the agent advises; of all operations, or of monitors alone. There is a monitor in any case.
fn advised(cib: &Document, agent: &Name, metadata: &Metadata, all: bool) -> Vec<Pairs> {
    let wanted = |name: &str| match (all, agent.is_stonith()) {
        (true, false) => !NO_OPERATIONS.contains(&name),
        _ => name == "monitor",
    };
    let mut advised: Vec<Pairs> = Vec::new();
    for action in metadata.actions.iter().filter(|action| wanted(&action.name)) {
        let interval = action.interval.clone().filter(|interval| !interval.is_empty());
        let mut operation: Pairs = vec![
            ("name".into(), action.name.clone()),
            ("interval".into(), interval.unwrap_or_else(|| default_interval(&action.name).into())),
        ];
        let mut add = |name: &str, value: Option<String>| {
            operation.extend(value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)));
        };
        add("timeout", action.timeout.clone());
        add("role", action.role.as_ref().map(|role| tree::role_for_cib(cib, role)));
        add("start-delay", action.start_delay.clone());
        add(LEVEL, action.depth.clone().filter(|depth| depth != "0"));
        advised.push(operation);
    }
    if !advised.iter().any(|operation| pairs::get(operation, "name") == Some("monitor")) {
        advised.push(vec![("name".into(), "monitor".into()), ("interval".into(), "60s".into())]);
    }
    advised
}

fn judge(call: &mut Call<'_>, metadata: &Metadata, operation: &Pairs) -> Done<Pairs> {
    let unknown: Vec<&str> =
        operation.iter().map(|(name, _)| name.as_str()).filter(|name| !ATTRIBUTES.contains(name)).collect();
    if !unknown.is_empty() {
        let near = unknown.first().and_then(|name| nearest(name, ATTRIBUTES.iter().copied()));
        let near = near.map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default();
        let plural = if unknown.len() == 1 { "" } else { "s" };
        let (unknown, allowed) = (listed(unknown), listed(ATTRIBUTES.iter().copied()));
        call.error(format!(
            "invalid resource operation option{plural} {unknown}{near}, allowed options are: {allowed}"
        ));
    }
    let mut judged = operation.clone();
    for (name, value) in &mut judged {
        match name.as_str() {
            "role" => *value = tree::capitalized(value),
            "on-fail" | "record-pending" | "enabled" => *value = value.to_lowercase(),
            _ => {}
        }
        let allowed = match name.as_str() {
            "role" => ROLES,
            "on-fail" => ON_FAIL,
            "record-pending" | "enabled" => BOOLEANS,
            _ => continue,
        };
        if !allowed.contains(&value.as_str()) {
            call.error(format!("'{value}' is not a valid {name} value, use {}", listed(allowed.iter().copied())));
        }
    }
    let name = pairs::get(&judged, "name").unwrap_or("").to_owned();
    let known: BTreeSet<&str> = metadata.actions.iter().map(|action| action.name.as_str()).collect();
    if !metadata.absent && !known.contains(name.as_str()) {
        let near = nearest(&name, known.iter().copied());
        let near = near.map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default();
        call.object(format!("'{name}' is not a valid operation name value{near}, use {}", listed(known)));
    }
    if pairs::get(&judged, "interval-origin").is_some() && pairs::get(&judged, "start-delay").is_some() {
        call.error("Only one of resource operation options 'interval-origin' and 'start-delay' can be used");
    }
    if let Some(id) = pairs::get(&judged, "id").map(str::to_owned) {
        tree::check_new_id(call, &id, "operation id")?;
    }
    for (name, value) in &mut judged {
        if name == "role" {
            *value = tree::role_for_cib(&call.cib, value);
        }
    }
    Ok(judged)
}

fn check_intervals(call: &mut Call<'_>, operations: &[Pairs]) {
    let key = |operation: &Pairs| {
        let name = pairs::get(operation, "name").unwrap_or("").to_owned();
        let interval = pairs::get(operation, "interval").unwrap_or(default_interval(&name)).to_owned();
        (name, seconds(&interval), interval)
    };
    for (at, one) in operations.iter().enumerate() {
        let (name, length, interval) = key(one);
        if operations[..at].iter().any(|other| (key(other).0, key(other).1) == (name.clone(), length)) {
            call.error(format!(
                "multiple specification of the same operation with the same interval: {name} with intervals {interval}"
            ));
        }
    }
}

/// Adds an operation as an element.
pub fn write(cib: &mut Document, operations: Element, pairs: &Pairs) -> Element {
    let element = cib.append(operations, "op");
    for (name, value) in pairs.iter().filter(|(name, _)| name != LEVEL) {
        cib.set(element, name, value);
    }
    if pairs::get(pairs, "id").is_none() {
        let of = |name| pairs::get(pairs, name).unwrap_or("").to_owned();
        let suffix = format!("{}-interval-{}", of("name"), of("interval"));
        if let Some(primitive) = cib.parent(operations) {
            let id = tree::sub_id(cib, primitive, &suffix);
            cib.set(element, "id", &id);
        }
    }
    if let Some(level) = pairs::get(pairs, LEVEL) {
        nvset::add(cib, element, "instance_attributes", &vec![(LEVEL.into(), level.into())]);
    }
    element
}

/// `op add`, for resources and fence devices alike.
pub fn add(call: &mut Call<'_>) -> Done {
    let id = call.next("a resource id")?;
    let words = std::mem::take(&mut call.words);
    if words.is_empty() {
        return Err(Refusal::usage("expected an operation"));
    }
    add_to(call, &id, &words, None, true)
}

/// Adds an operation to a primitive, in front of another or last. `strict`: there may be no other of its name.
///
/// # Errors
/// When it cannot be.
pub fn add_to(call: &mut Call<'_>, id: &str, words: &[String], before: Option<Element>, strict: bool) -> Done {
    let Some(primitive) = primitive(&call.cib, id) else {
        return call.fail(format!("Unable to find resource: {id}"));
    };
    let name = words[0].clone();
    if name.contains('=') {
        return call.fail(format!("{name} does not appear to be a valid operation action"));
    }
    let mut options = pairs::read_last(&words[1..])?;
    if !call.options.force() {
        for (option, value) in &options {
            if !ATTRIBUTES.contains(&option.as_str()) {
                let near = nearest(option, ATTRIBUTES.iter().copied());
                let near = near.map(|near| format!(", did you mean '{near}'?")).unwrap_or_default();
                return call.fail(format!("{option} is not a valid op option{near} (use --force to override)"));
            }
            if option == "role" && !ROLES.contains(&value.as_str()) {
                return call.fail(format!("role must be: {} (use --force to override)", ROLES.join(", ")));
            }
        }
    }
    if pairs::get(&options, "interval").is_none_or(str::is_empty) {
        pairs::take(&mut options, "interval");
        options.push(("interval".into(), default_interval(&name).into()));
    }
    options.sort();
    let interval = pairs::get(&options, "interval").unwrap_or("").to_owned();
    if let Some(own) = pairs::get(&options, "id").map(str::to_owned) {
        tree::check_new_id(call, &own, "operation id")?;
    }
    let role = pairs::get(&options, "role").map(|role| tree::role_for_cib(&call.cib, role)).unwrap_or_default();
    if let Some(operations) = call.cib.child(primitive, "operations") {
        let of_name: Vec<Element> = call
            .cib
            .children_named(operations, "op")
            .filter(|op| call.cib.attribute(*op, "name") == Some(&name))
            .collect();
        // Each role of a resource has monitors of its own.
        let own_role = |op: &Element| {
            call.cib.attribute(*op, "role").unwrap_or("Started") == if role.is_empty() { "Started" } else { &role }
        };
        let rivals: Vec<Element> = of_name.iter().copied().filter(|op| name != "monitor" || own_role(op)).collect();
        let same = of_name.iter().find(|op| {
            let other = call.cib.attribute(**op, "interval").unwrap_or("");
            let other_role = call.cib.attribute(**op, "role").unwrap_or("");
            seconds(other) == seconds(&interval) && (role.is_empty() || other_role.is_empty() || role == other_role)
        });
        if let Some(same) = same {
            let text = text(&call.cib, *same);
            return call.fail(format!(
                "operation {name} with interval {}s already specified for {id}:\n{text}",
                seconds(&interval).unwrap_or(0)
            ));
        }
        if strict && !call.options.force() && !rivals.is_empty() {
            let lines: Vec<String> = rivals.iter().map(|op| text(&call.cib, *op)).collect();
            return call.fail(format!(
                "operation {name} already specified for {id}, use --force to override:\n{}",
                lines.join("\n")
            ));
        }
    }
    // Of several intervals the first stands in the id.
    let first = words[1..].iter().find_map(|word| word.strip_prefix("interval=")).filter(|first| !first.is_empty());
    let first = first.unwrap_or(&interval).to_owned();
    let own = pairs::take(&mut options, "id")
        .unwrap_or_else(|| tree::free_id(&call.cib, &format!("{id}-{name}-interval-{first}")));
    let operations = match call.cib.child(primitive, "operations") {
        Some(operations) => operations,
        None => call.cib.append(primitive, "operations"),
    };
    let element = call.cib.insert(operations, before, "op");
    call.cib.set(element, "id", &own);
    call.cib.set(element, "name", &name);
    for (option, value) in &options {
        match option.as_str() {
            LEVEL => {
                let set_id = tree::free_id(&call.cib, &format!("params-{own}"));
                let set = call.cib.append(element, "instance_attributes");
                call.cib.set(set, "id", &set_id);
                let pair_id = tree::free_id(&call.cib, &format!("{own}-{LEVEL}-{value}"));
                let pair = call.cib.append(set, "nvpair");
                for (name, value) in [("name", LEVEL), ("value", value), ("id", &pair_id)] {
                    call.cib.set(pair, name, value);
                }
            }
            "role" => call.cib.set(element, "role", &role),
            _ => call.cib.set(element, option, value),
        }
    }
    Ok(())
}

/// The primitive of that id.
pub fn primitive(cib: &Document, id: &str) -> Option<Element> {
    tree::resource(cib, id).filter(|one| cib.name(*one) == "primitive")
}

fn text(cib: &Document, op: Element) -> String {
    let of = |name| cib.attribute(op, name).unwrap_or("").to_owned();
    let rest: String = cib
        .attributes(op)
        .filter(|(name, _)| !matches!(*name, "id" | "name"))
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    format!("{}{rest} ({})", of("name"), of("id"))
}

/// `op delete`, for resources and fence devices alike.
pub fn remove(call: &mut Call<'_>) -> Done {
    let id = call.next("a resource id or an operation id")?;
    if call.words.is_empty() {
        let found = tree::configured(&call.cib).find(|one| call.cib.name(*one) == "op" && call.cib.id(*one) == id);
        let Some(op) = found else { return call.fail(format!("unable to find operation id: {id}")) };
        call.cib.remove(op);
        return Ok(());
    }
    let Some(primitive) = primitive(&call.cib, &id) else {
        return call.fail(format!("Unable to find resource: {id}"));
    };
    let original = call.words.join(" ");
    let name = call.words.remove(0);
    let all = call.words.is_empty();
    let mut wanted = pairs::read(&call.words)?;
    wanted.push(("name".into(), name.clone()));
    wanted.sort();
    let ops: Vec<Element> = call.cib.descendants(primitive).filter(|one| call.cib.name(*one) == "op").collect();
    let mut found = false;
    for op in ops {
        let mut own: Pairs = call
            .cib
            .attributes(op)
            .filter(|(attribute, _)| *attribute != "id")
            .map(|(attribute, value)| (attribute.to_owned(), value.to_owned()))
            .collect();
        own.sort();
        let named = call.cib.attribute(op, "name") == Some(&name);
        if (all && named) || (!all && own == wanted) {
            call.cib.remove(op);
            found = true;
            if !all {
                break;
            }
        }
    }
    if found { Ok(()) } else { call.fail(format!("Unable to find operation matching: {original}")) }
}

/// Turns monitors of a primitive off, or on again.
pub fn set_monitors(cib: &mut Document, primitive: Element, enabled: bool) {
    let monitors: Vec<Element> = cib
        .descendants(primitive)
        .filter(|one| cib.name(*one) == "op" && cib.attribute(*one, "name") == Some("monitor"))
        .collect();
    for monitor in monitors {
        match enabled {
            true => cib.unset(monitor, "enabled"),
            false => cib.set(monitor, "enabled", "false"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_from_runs() {
        let run = |text: &str| vec![text.split(' ').map(str::to_owned).collect::<Vec<_>>()];
        let read_one = read(&run("monitor interval=10s start timeout=5")).unwrap();
        assert_eq!(read_one.len(), 2);
        assert_eq!(pairs::get(&read_one[1], "name"), Some("start"));
        for wrong in ["interval=1", "monitor", "monitor interval=1 start"] {
            assert!(read(&run(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_are_what_pcs_counts() {
        assert_eq!((seconds("1min"), seconds("10"), seconds("2h")), (Some(60), Some(10), Some(7200)));
        assert_eq!((seconds("500ms"), seconds("x")), (None, None));
    }
}
