//! To schema 4.0: kinds of nodes, resources and settings that are gone, in the words of those that took their place.

mod lifetime;
mod removed;

use super::draft::{Draft, add_pair, child_or_new};
use crate::document::{Document, Element};

/// Meta attributes of resources that are gone.
const GONE_FROM_RESOURCES: &str = "restart-type";

/// Meta attributes of operations that are gone.
const GONE_FROM_OPERATIONS: [&str; 2] = ["can_fail", "role_after_failure"];

pub(super) fn apply(draft: &mut Draft<'_>) {
    let Some(configuration) = draft.document().child(draft.document().root(), "configuration") else { return };
    ping_nodes(draft, configuration);
    for section in ["resources", "rsc_defaults", "op_defaults"] {
        if let Some(section) = draft.document().child(configuration, section) {
            settings(draft, section);
        }
    }
    removed::apply(draft, configuration);
    lifetime::apply(draft, configuration);
}

/// A node that was only asked whether it answers is a member on which nothing runs and nothing is looked for.
fn ping_nodes(draft: &mut Draft<'_>, configuration: Element) {
    let document = draft.document();
    let Some(nodes) = document.child(configuration, "nodes") else { return };
    let pinged: Vec<Element> = document
        .children_named(nodes, "node")
        .filter(|node| document.attribute(*node, "type") == Some("ping"))
        .collect();
    for node in pinged {
        let document = draft.change(node, "is a member now on which nothing may run, for there are no ping nodes");
        document.set(node, "type", "member");
        let name = document.attribute(node, "uname").unwrap_or(document.id(node)).to_owned();
        let constraints = child_or_new(document, configuration, "constraints");
        let ban = document.append(constraints, "rsc_location");
        let id = format!("{name}-upgraded-ping-node");
        for (attribute, value) in [
            ("id", id.as_str()),
            ("rsc-pattern", ".*"),
            ("node", &name),
            ("score", "-INFINITY"),
            ("resource-discovery", "never"),
        ] {
            document.set(ban, attribute, value);
        }
    }
}

/// One look at every element of the section.
fn settings(draft: &mut Draft<'_>, section: Element) {
    let document = draft.document();
    let old: Vec<Element> = document
        .descendants(section)
        .filter(|element| match document.name(*element) {
            "master" => true,
            "nvpair" => is_gone(document, *element),
            "docker" | "podman" | "rkt" => document.attribute(*element, "masters").is_some(),
            _ => false,
        })
        .collect();
    for element in old {
        match draft.document().name(element) {
            "master" => promotable_clone(draft, element),
            "nvpair" => draft.remove(element, "this meta attribute is no longer supported"),
            _ => promoted_max(draft, element),
        }
    }
}

fn is_gone(document: &Document, pair: Element) -> bool {
    let Some(name) = document.attribute(pair, "name") else { return false };
    if name != GONE_FROM_RESOURCES && !GONE_FROM_OPERATIONS.contains(&name) {
        return false;
    }
    let set = document.parent(pair).filter(|set| document.name(*set) == "meta_attributes");
    let Some(parent) = set.and_then(|set| document.parent(set)) else { return false };
    match document.name(parent) {
        "op" | "op_defaults" => GONE_FROM_OPERATIONS.contains(&name),
        "template" | "rsc_defaults" => name == GONE_FROM_RESOURCES,
        kind => name == GONE_FROM_RESOURCES && crate::view::kind_of(kind).is_some(),
    }
}

fn promotable_clone(draft: &mut Draft<'_>, master: Element) {
    let document = draft.change(master, "is a clone with promotable=true now");
    document.rename(master, "clone");
    let id = format!("{}-upgraded-promotable", document.id(master));
    let set = document.append(master, "meta_attributes");
    document.set(set, "id", &id);
    // Whatever else was said about it, a master is promotable.
    document.set(set, "score", "INFINITY");
    add_pair(document, set, &format!("{id}-promotable"), "promotable", "true");
}

fn promoted_max(draft: &mut Draft<'_>, container: Element) {
    let document = draft.change(container, "masters is called promoted-max now");
    let count = document.attribute(container, "masters").unwrap_or_default().to_owned();
    document.unset(container, "masters");
    document.set(container, "promoted-max", &count);
}
