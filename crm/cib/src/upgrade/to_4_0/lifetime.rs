//! `<lifetime>` in a location: its rules become a condition of the location's own rules. Any one of several will do.
//! In other constraints it counts for nothing, and stays for those who refer to its rules.

use super::Draft;
use crate::document::{Document, Element};
use crate::rule;

/// What of a rule in a location says what follows when it holds.
const CONSEQUENCES: [&str; 3] = ["role", "score", "score-attribute"];

pub(super) fn apply(draft: &mut Draft<'_>, configuration: Element) {
    let document = draft.document();
    let Some(constraints) = document.child(configuration, "constraints") else { return };
    let locations = document.children_named(constraints, "rsc_location");
    let limited: Vec<(Element, Element)> =
        locations.filter_map(|location| Some((location, document.child(location, "lifetime")?))).collect();
    for (location, lifetime) in limited {
        fold(draft.change(location, "its lifetime is a condition of its rules now"), location, lifetime);
    }
}

fn fold(document: &mut Document, location: Element, lifetime: Element) {
    let own: Vec<Element> = document.children_named(location, "rule").collect();
    let limits: Vec<Document> = document.children_named(lifetime, "rule").map(|rule| document.subtree(rule)).collect();
    document.remove(lifetime);
    if limits.is_empty() {
        return;
    }
    let id = document.id(location).to_owned();
    if own.is_empty() {
        let both = wrapper(document, location, &format!("{id}-upgraded"), "and");
        for attribute in CONSEQUENCES {
            if let Some(value) = document.attribute(location, attribute).map(str::to_owned) {
                document.set(both, attribute, &value);
            }
        }
        if let Some(node) = document.attribute(location, "node").map(str::to_owned) {
            document.unset(location, "node");
            document.unset(location, "score");
            let expression = document.append(both, "expression");
            let expression_id = format!("{id}-upgraded-node");
            for (attribute, value) in
                [("id", expression_id.as_str()), ("attribute", "#uname"), ("operation", "eq"), ("value", &node)]
            {
                document.set(expression, attribute, value);
            }
        }
        limit(document, both, &id, &limits);
        return;
    }
    for (at, first) in own.into_iter().enumerate() {
        let copy = document.subtree(first);
        let source = rule::resolve(document, first).unwrap_or(first);
        let both = wrapper(document, location, &format!("{id}-upgraded-{}", at + 1), "and");
        for attribute in CONSEQUENCES {
            if let Some(value) = document.attribute(source, attribute).map(str::to_owned) {
                document.set(both, attribute, &value);
            }
        }
        document.graft(both, &copy, copy.root());
        document.remove(first);
        match at {
            0 => limit(document, both, &id, &limits),
            _ => refer(document, both, &format!("{id}-upgraded-lifetime")),
        }
    }
}

/// The limits as one rule below `both`, so that others can refer to it.
fn limit(document: &mut Document, both: Element, id: &str, limits: &[Document]) {
    let any = wrapper(document, both, &format!("{id}-upgraded-lifetime"), "or");
    for limit in limits {
        document.graft(any, limit, limit.root());
    }
}

fn wrapper(document: &mut Document, parent: Element, id: &str, operator: &str) -> Element {
    let rule = document.append(parent, "rule");
    document.set(rule, "id", id);
    document.set(rule, "boolean-op", operator);
    rule
}

fn refer(document: &mut Document, parent: Element, id: &str) {
    let rule = document.append(parent, "rule");
    document.set(rule, "id-ref", id);
}
