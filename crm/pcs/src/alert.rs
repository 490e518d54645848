//! `pcs alert …`: programs that are told what happens in the cluster, and who they tell.

use cib::{Document, Element};

use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::tree::{self, listed};

/// The commands.
pub const COMMANDS: &[&[Command]] = &[&[
    Command { path: &["alert"], arguments: "", about: "Shows all alerts", options: &[], run: config },
    Command { path: &["alert", "config"], arguments: "", about: "Shows all alerts", options: &[], run: config },
    Command { path: &["alert", "show"], arguments: "", about: "Shows all alerts", options: &[], run: config },
    Command {
        path: &["alert", "create"],
        arguments: "path=<path> [id=<alert id>] [description=<text>] [options <option>=<value>…] [meta <option>=<value>…]",
        about: "Creates an alert",
        options: &[],
        run: create,
    },
    Command {
        path: &["alert", "update"],
        arguments: "<alert id> [path=<path>] [description=<text>] [options <option>=<value>…] [meta <option>=<value>…]",
        about: "Changes an alert",
        options: &[],
        run: update,
    },
    Command {
        path: &["alert", "delete"],
        arguments: "<alert id>…",
        about: "Deletes alerts",
        options: &[],
        run: |call| remove(call, "alert"),
    },
    Command {
        path: &["alert", "remove"],
        arguments: "<alert id>…",
        about: "Deletes alerts",
        options: &[],
        run: |call| remove(call, "alert"),
    },
    Command {
        path: &["alert", "recipient", "add"],
        arguments: "<alert id> value=<value> [id=<recipient id>] [description=<text>] [options …] [meta …]",
        about: "Adds someone whom an alert tells",
        options: &["--force"],
        run: recipient_add,
    },
    Command {
        path: &["alert", "recipient", "update"],
        arguments: "<recipient id> [value=<value>] [description=<text>] [options …] [meta …]",
        about: "Changes someone whom an alert tells",
        options: &["--force"],
        run: recipient_update,
    },
    Command {
        path: &["alert", "recipient", "delete"],
        arguments: "<recipient id>…",
        about: "Removes someone whom an alert tells",
        options: &[],
        run: |call| remove(call, "recipient"),
    },
    Command {
        path: &["alert", "recipient", "remove"],
        arguments: "<recipient id>…",
        about: "Removes someone whom an alert tells",
        options: &[],
        run: |call| remove(call, "recipient"),
    },
]];

fn find(cib: &Document, kind: &str, id: &str) -> Option<Element> {
    tree::within(cib, "alerts").find(|one| cib.name(*one) == kind && cib.id(*one) == id)
}

fn need(call: &mut Call<'_>, kind: &str, id: &str) -> Done<Element> {
    match find(&call.cib, kind, id) {
        Some(found) => Ok(found),
        None => call.fail(format!("{kind} '{id}' does not exist")),
    }
}

/// The parts of a command line about an alert or a recipient.
struct Parts {
    own: Pairs,
    options: Pairs,
    meta: Pairs,
}

fn parts(call: &mut Call<'_>, allowed: &[&str]) -> Done<Parts> {
    let groups = pairs::groups(&call.words, &["options", "meta"]);
    let read = |keyword: &str| pairs::read(&pairs::joined(&groups, keyword));
    let own = read("")?;
    if let Some((name, _)) = own.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
        let near =
            nearest(name, allowed.iter().copied()).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        return Err(Refusal::usage(format!(
            "Unknown option '{name}', allowed are {}{near}",
            listed(allowed.iter().copied())
        )));
    }
    Ok(Parts { own, options: read("options")?, meta: read("meta")? })
}

/// Writes what stands in an alert or a recipient; meta attributes stand before the others.
fn write(call: &mut Call<'_>, element: Element, parts: &Parts) {
    for (name, value) in parts.own.iter().filter(|(name, _)| name != "id") {
        match value.is_empty() {
            true => call.cib.unset(element, name),
            false => call.cib.set(element, name, value),
        }
    }
    for (kind, pairs) in [("meta_attributes", &parts.meta), ("instance_attributes", &parts.options)] {
        if pairs.iter().all(|(_, value)| value.is_empty()) && call.cib.child(element, kind).is_none() {
            continue;
        }
        let set = call.cib.child(element, kind).unwrap_or_else(|| {
            let id = tree::sub_id(&call.cib, element, kind);
            let behind = call.cib.children(element).find(|one| {
                call.cib.name(*one) == "recipient"
                    || (kind == "meta_attributes" && call.cib.name(*one) == "instance_attributes")
            });
            let set = call.cib.insert(element, behind, kind);
            call.cib.set(set, "id", &id);
            set
        });
        nvset::update(&mut call.cib, set, pairs);
    }
}

fn create(call: &mut Call<'_>) -> Done {
    let parts = parts(call, &["id", "description", "path"])?;
    if pairs::get(&parts.own, "path").is_none_or(str::is_empty) {
        return call.fail("required option 'path' is missing");
    }
    let id = match pairs::get(&parts.own, "id").map(str::to_owned) {
        Some(id) => {
            tree::check_new_id(call, &id, "alert-id")?;
            id
        }
        None => tree::free_id(&call.cib, "alert"),
    };
    let section = tree::section(&mut call.cib, "alerts");
    let alert = call.cib.append(section, "alert");
    call.cib.set(alert, "id", &id);
    // The path stands before the description, however they came.
    let path = pairs::get(&parts.own, "path").unwrap_or("").to_owned();
    call.cib.set(alert, "path", &path);
    write(call, alert, &parts);
    Ok(())
}

fn update(call: &mut Call<'_>) -> Done {
    let id = call.next("an alert id")?;
    let parts = parts(call, &["description", "path"])?;
    let alert = need(call, "alert", &id)?;
    if pairs::get(&parts.own, "path") == Some("") {
        return call.fail("path of an alert cannot be empty");
    }
    write(call, alert, &parts);
    Ok(())
}

fn refuse_double(call: &mut Call<'_>, alert: Element, value: &str, own: &str) -> Done {
    let double = call
        .cib
        .children_named(alert, "recipient")
        .any(|one| call.cib.attribute(one, "value") == Some(value) && call.cib.id(one) != own);
    if double {
        let id = call.cib.id(alert).to_owned();
        call.object(format!("Recipient '{value}' in alert '{id}' already exists"));
    }
    call.settled()
}

fn recipient_add(call: &mut Call<'_>) -> Done {
    let alert = call.next("an alert id")?;
    let parts = parts(call, &["id", "description", "value"])?;
    let Some(value) = pairs::get(&parts.own, "value").filter(|value| !value.is_empty()).map(str::to_owned) else {
        return call.fail("required option 'value' is missing");
    };
    let alert = need(call, "alert", &alert)?;
    let id = match pairs::get(&parts.own, "id").map(str::to_owned) {
        Some(id) => {
            tree::check_new_id(call, &id, "recipient-id")?;
            id
        }
        None => tree::sub_id(&call.cib, alert, "recipient"),
    };
    refuse_double(call, alert, &value, &id)?;
    let recipient = call.cib.append(alert, "recipient");
    call.cib.set(recipient, "id", &id);
    call.cib.set(recipient, "value", &value);
    write(call, recipient, &parts);
    Ok(())
}

fn recipient_update(call: &mut Call<'_>) -> Done {
    let id = call.next("a recipient id")?;
    let parts = parts(call, &["description", "value"])?;
    let recipient = need(call, "recipient", &id)?;
    if let Some(value) = pairs::get(&parts.own, "value").map(str::to_owned) {
        if value.is_empty() {
            return call.fail(format!("Recipient value '{value}' is not valid: it is empty"));
        }
        if let Some(alert) = call.cib.parent(recipient) {
            refuse_double(call, alert, &value, &id)?;
        }
    }
    write(call, recipient, &parts);
    Ok(())
}

fn remove(call: &mut Call<'_>, kind: &str) -> Done {
    if call.words.is_empty() {
        return Err(Refusal::usage(format!("expected the id of an {kind}")));
    }
    for id in std::mem::take(&mut call.words) {
        match find(&call.cib, kind, &id) {
            Some(found) => call.cib.remove(found),
            None => call.error(format!("{kind} '{id}' does not exist")),
        }
    }
    call.settled()
}

fn config(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    call.say("Alerts:");
    let lines = lines(&call.cib);
    lines.into_iter().for_each(|line| call.say(line));
    Ok(())
}

/// All alerts as lines.
pub fn lines(cib: &Document) -> Vec<String> {
    let mut lines = Vec::new();
    let details = |one: Element, indent: &str, lines: &mut Vec<String>| {
        if let Some(text) = cib.attribute(one, "description").filter(|text| !text.is_empty()) {
            lines.push(format!("{indent}Description: {text}"));
        }
        for (kind, title) in [("instance_attributes", "Options"), ("meta_attributes", "Meta options")] {
            let mut pairs = nvset::read(cib, one, kind);
            pairs.sort();
            let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
            if !text.is_empty() {
                lines.push(format!("{indent}{title}: {}", text.join(" ")));
            }
        }
    };
    for alert in tree::within(cib, "alerts").filter(|one| cib.name(*one) == "alert") {
        lines.push(format!(" Alert: {} (path={})", cib.id(alert), cib.attribute(alert, "path").unwrap_or("")));
        details(alert, "  ", &mut lines);
        let recipients: Vec<Element> = cib.children_named(alert, "recipient").collect();
        if !recipients.is_empty() {
            lines.push("  Recipients:".into());
        }
        for one in recipients {
            lines.push(format!("   Recipient: {} (value={})", cib.id(one), cib.attribute(one, "value").unwrap_or("")));
            details(one, "    ", &mut lines);
        }
    }
    if lines.is_empty() {
        lines.push(" No alerts defined".into());
    }
    lines
}
