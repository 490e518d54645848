//! The short form as a text.

use crate::words::CONSTRAINTS;
use crate::{Desired, Kind, Pairs, Resource};

/// Longer than this, a table gets lines of its own.
const WIDTH: usize = 100;

/// Writes it.
pub fn write(desired: &Desired) -> String {
    let mut out = String::new();
    for (title, pairs) in [
        ("properties", &desired.properties),
        ("resource-defaults", &desired.resource_defaults),
        ("operation-defaults", &desired.operation_defaults),
    ] {
        if !pairs.is_empty() {
            begin(&mut out, &format!("[{title}]"));
            pairs.iter().for_each(|(name, value)| line(&mut out, name, &scalar(value)));
        }
    }
    for node in &desired.nodes {
        begin(&mut out, &format!("[node.{}]", key(&node.name)));
        table(&mut out, "attributes", &node.attributes);
        table(&mut out, "utilization", &node.utilization);
    }
    desired.resources.iter().for_each(|one| resource(&mut out, one));
    for constraint in &desired.constraints {
        let Some((word, _, words)) = CONSTRAINTS.iter().find(|(_, element, _)| *element == constraint.element) else {
            continue;
        };
        begin(&mut out, &format!("[[{word}]]"));
        for (name, value) in &constraint.attributes {
            let ours = words.iter().find(|(_, theirs)| theirs == name).map_or(name.as_str(), |(ours, _)| ours);
            line(&mut out, ours, &scalar(value));
        }
    }
    for level in &desired.levels {
        begin(&mut out, "[[fencing-level]]");
        level.id.iter().for_each(|id| line(&mut out, "id", &string(id)));
        line(&mut out, "node", &string(&level.target));
        line(&mut out, "level", &scalar(&level.index));
        line(&mut out, "devices", &list(&level.devices));
    }
    if !desired.tags.is_empty() {
        begin(&mut out, "[tags]");
        desired.tags.iter().for_each(|(id, of)| line(&mut out, id, &list(of)));
    }
    for xml in &desired.xml {
        begin(&mut out, "[[xml]]");
        line(&mut out, "section", &string(&xml.section));
        line(&mut out, "text", &block(&xml.text));
    }
    out
}

fn resource(out: &mut String, resource: &Resource) {
    begin(out, &format!("[resource.{}]", key(&resource.id)));
    match &resource.kind {
        Kind::Primitive { agent, template, parameters, utilization, operations } => {
            agent.iter().for_each(|agent| line(out, "agent", &string(agent)));
            template.iter().for_each(|id| line(out, "template", &string(id)));
            describe(out, resource);
            table(out, "parameters", parameters);
            table(out, "meta", &resource.meta);
            table(out, "utilization", utilization);
            if !operations.is_empty() {
                operations_of(out, operations);
            }
        }
        Kind::Group(members) => {
            line(out, "group", &list(members));
            describe(out, resource);
            table(out, "meta", &resource.meta);
        }
        Kind::Clone(of) => {
            line(out, "clone", &string(of));
            describe(out, resource);
            table(out, "meta", &resource.meta);
        }
        Kind::Xml(text) => line(out, "xml", &block(text)),
    }
}

fn describe(out: &mut String, resource: &Resource) {
    resource.description.iter().for_each(|text| line(out, "description", &string(text)));
}

/// Each with its options; several of one name as a list.
fn operations_of(out: &mut String, operations: &[Pairs]) {
    let one = |options: &Pairs| {
        let options = options.iter().filter(|(name, _)| name != "name");
        let options: Vec<String> = options.map(|(name, value)| format!("{} = {}", key(name), scalar(value))).collect();
        if options.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", options.join(", ")) }
    };
    line(out, "operations", "[");
    out.truncate(out.len() - 1);
    out.push('\n');
    for options in operations {
        let name = options.iter().find(|(name, _)| name == "name").map_or("", |(_, value)| value);
        let rest = one(options);
        let rest = rest.strip_prefix("{}").map_or(rest.as_str(), |_| "{ }");
        let comma = if rest == "{ }" { "" } else { ", " };
        let inside = rest.trim_start_matches('{').trim_end_matches('}').trim();
        out.push_str(&format!("    {{ name = {}{comma}{inside} }},\n", string(name)));
    }
    out.push_str("]\n");
}

fn begin(out: &mut String, title: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(title);
    out.push('\n');
}

fn line(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!("{} = {value}\n", key(name)));
}

/// A table in one line, or in several when it is long.
fn table(out: &mut String, name: &str, pairs: &Pairs) {
    if pairs.is_empty() {
        return;
    }
    let items: Vec<String> = pairs.iter().map(|(name, value)| format!("{} = {}", key(name), scalar(value))).collect();
    let short = format!("{{ {} }}", items.join(", "));
    match name.len() + short.len() + 3 > WIDTH {
        false => line(out, name, &short),
        true => items.iter().for_each(|item| out.push_str(&format!("{name}.{item}\n"))),
    }
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| string(item)).collect::<Vec<_>>().join(", "))
}

/// A number or a truth where the text is exactly one, else the text.
fn scalar(value: &str) -> String {
    let is_number = value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    if is_number || matches!(value, "true" | "false") { value.to_owned() } else { string(value) }
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { string(name) }
}

fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Several lines as they stand, where the quotes allow it.
fn block(text: &str) -> String {
    let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    match text.contains("'''") || text.ends_with('\'') || text.chars().any(strange) {
        true => string(text),
        false => format!("'''\n{text}'''"),
    }
}
