//! A configuration as commands: pcs on a file, and `cibadmin` for what pcs has no words for. `sh pcs.sh cib.xml` fills
//! the file; it gives what [`document`](super::document()) gives.

use std::collections::BTreeMap;

use cib::Document;

use super::document::node_parameters;
use super::{Alert, Condition, Configuration, Constraint, Primitive, Resource, Worth};

/// The commands, as a script for sh.
pub fn commands(configuration: &Configuration) -> String {
    let mut lines = vec![
        "#!/bin/sh".to_owned(),
        "# Usage: pcs cluster cib cib.xml && sh pcs.sh cib.xml && pcs cluster cib-push cib.xml".to_owned(),
        "set -e".to_owned(),
        "CIB=${1:?which file}".to_owned(),
    ];
    for (name, value) in &configuration.properties {
        lines.push(pcs(&["property", "set", &format!("{name}={value}"), "--force"]));
    }
    for one in &configuration.resources {
        resource(one, &mut lines);
    }
    for one in &configuration.constraints {
        lines.push(constraint(one));
    }
    for one in &configuration.alerts {
        alert(one, &mut lines);
    }
    lines.join("\n") + "\n"
}

fn pcs(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    format!("pcs -f \"$CIB\" {}", words.join(" "))
}

/// A word for sh: as it is, or in single quotes.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn resource(one: &Resource, lines: &mut Vec<String>) {
    let pairs = |meta: &BTreeMap<String, String>| -> Vec<String> {
        meta.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    let words = |first: &str, meta: &BTreeMap<String, String>| -> Vec<String> {
        let pairs = pairs(meta);
        if pairs.is_empty() { Vec::new() } else { [first.to_owned()].into_iter().chain(pairs).collect() }
    };
    match one {
        Resource::Primitive(primitive, meta) => create(primitive, &words("meta", meta), &[], lines),
        Resource::Group(id, members, meta) => {
            for (number, member) in members.iter().enumerate() {
                create(member, &[], &["--group".to_owned(), id.clone()], lines);
                // pcs looks at the agents of a group whose meta attributes it sets, and does not take --force there: so
                // it is done while there is only the first one.
                if let (0, [_, ..]) = (number, &pairs(meta)[..]) {
                    let pairs = pairs(meta);
                    let words = ["resource", "meta", id].into_iter().chain(pairs.iter().map(String::as_str));
                    lines.push(pcs(&words.collect::<Vec<_>>()));
                }
            }
        }
        Resource::Clone(primitive) => create(primitive, &[], &["clone".to_owned()], lines),
    }
    for primitive in one.primitives() {
        own_parameters(primitive, lines);
    }
}

fn create(one: &Primitive, meta: &[String], more: &[String], lines: &mut Vec<String>) {
    let agent = match (one.class, one.provider) {
        ("stonith", _) => one.agent.clone(),
        (class, Some(provider)) => format!("{class}:{provider}:{}", one.agent),
        (class, None) => format!("{class}:{}", one.agent),
    };
    let kind = if one.class == "stonith" { "stonith" } else { "resource" };
    let mut words: Vec<String> = vec![kind.into(), "create".into(), one.id.clone(), agent];
    words.extend(one.parameters.common.iter().map(|(name, value)| format!("{name}={value}")));
    if !one.operations.is_empty() {
        words.push("op".to_owned());
    }
    for operation in &one.operations {
        words.push(operation.name.to_owned());
        words.push(format!("interval={}", operation.interval));
        words.push(format!("timeout={}", operation.timeout));
        words.extend(operation.on_fail.map(|on_fail| format!("on-fail={on_fail}")));
    }
    words.extend(meta.iter().cloned());
    if kind == "resource" {
        words.push("--no-default-ops".to_owned());
    }
    // The host on which the commands are prepared need not have the agents.
    words.push("--force".to_owned());
    words.extend(more.iter().cloned());
    lines.push(pcs(&words.iter().map(String::as_str).collect::<Vec<_>>()));
}

/// pcs knows no parameters for one node.
fn own_parameters(one: &Primitive, lines: &mut Vec<String>) {
    for (number, (node, own)) in one.parameters.per_node.iter().enumerate() {
        let mut set = Document::new("primitive");
        let root = set.root();
        node_parameters(&mut set, root, &one.id, number + 1, node, own);
        set.set(root, "id", &one.id);
        // Created behind an XPath it would land at the end of the CIB with Pacemaker 2.
        lines.push(format!(
            "CIB_file=\"$CIB\" cibadmin --modify --allow-create --scope resources --xml-text {}",
            quote(set.element_to_xml(root).trim())
        ));
    }
}

fn constraint(one: &Constraint) -> String {
    match one {
        Constraint::Location { id, resource, node, score } => {
            pcs(&["constraint", "location", "add", id, resource, node, score, "--force"])
        }
        Constraint::Rule { id, resource, worth, conditions } => {
            let worth = match worth {
                Worth::Score(score) => format!("score={score}"),
                Worth::Attribute(name) => format!("score-attribute={name}"),
            };
            let mut words: Vec<String> = ["constraint", "location", resource, "rule"].map(str::to_owned).into();
            words.push(format!("id={id}-rule"));
            words.push(format!("constraint-id={id}"));
            words.push(worth);
            for (number, condition) in conditions.iter().enumerate() {
                if number > 0 {
                    words.push("and".to_owned());
                }
                words.extend(match condition {
                    Condition::Is(attribute, value) => vec![attribute.clone(), "eq".to_owned(), value.clone()],
                    Condition::IsNot(attribute, value) => vec![attribute.clone(), "ne".to_owned(), value.clone()],
                    Condition::Defined(attribute) => vec!["defined".to_owned(), attribute.clone()],
                });
            }
            words.push("--force".to_owned());
            pcs(&words.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Constraint::Colocation { id, resource, with } => {
            pcs(&["constraint", "colocation", "add", resource, "with", with, "INFINITY", &format!("id={id}")])
        }
        Constraint::Order { id, first, then } => {
            pcs(&["constraint", "order", "start", first, "then", "start", then, &format!("id={id}")])
        }
    }
}

fn alert(one: &Alert, lines: &mut Vec<String>) {
    let mut words: Vec<String> = vec!["alert".into(), "create".into()];
    words.push(format!("path={}", one.path));
    words.push(format!("id={}", one.id));
    if !one.options.is_empty() {
        words.push("options".to_owned());
        words.extend(one.options.iter().map(|(name, value)| format!("{name}={value}")));
    }
    lines.push(pcs(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    for (number, recipient) in one.recipients.iter().enumerate() {
        let (value, id) = (format!("value={recipient}"), format!("id={}-recipient-{}", one.id, number + 1));
        lines.push(pcs(&["alert", "recipient", "add", &one.id, &value, &id]));
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_come_through_a_shell() {
        assert_eq!([quote("a=b"), quote("it's"), quote("")], ["a=b", r"'it'\''s'", "''"]);
    }
}
