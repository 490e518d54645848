//! Resources that cannot be run any more (nagios and upstart agents, rkt bundles): they go, with whatever holds nothing
//! else, and the constraints that were about them.

use std::collections::BTreeSet;

use super::Draft;
use crate::document::{Document, Element};

pub(super) fn apply(draft: &mut Draft<'_>, configuration: Element) {
    let Some(resources) = draft.document().child(configuration, "resources") else { return };
    let gone = gone(draft.document(), resources);
    if gone.is_empty() {
        return;
    }
    let mut ids = BTreeSet::new();
    for resource in gone {
        ids.insert(draft.document().id(resource).to_owned());
        draft.remove(resource, "agents or containers of its kind are no longer supported; it is left out");
    }
    // Groups before the clones they may be in.
    for kind in ["group", "clone"] {
        let document = draft.document();
        let holds_nothing = |e: &Element| document.name(*e) == kind && !holds_primitive(document, *e);
        let empty: Vec<Element> = document.descendants(resources).filter(holds_nothing).collect();
        for resource in empty {
            ids.insert(draft.document().id(resource).to_owned());
            draft.remove(resource, "it holds nothing any more");
        }
    }
    if let Some(constraints) = draft.document().child(configuration, "constraints") {
        clean_up(draft, constraints, &ids);
    }
}

fn gone(document: &Document, resources: Element) -> Vec<Element> {
    let is_gone = |element: Element| {
        let class = document.attribute(element, "class").unwrap_or_default();
        class.eq_ignore_ascii_case("nagios") || class.eq_ignore_ascii_case("upstart")
    };
    let templates: Vec<Element> = document.children_named(resources, "template").filter(|e| is_gone(*e)).collect();
    let template_ids: Vec<&str> = templates.iter().map(|template| document.id(*template)).collect();
    let made_from_gone = |element| document.attribute(element, "template").is_some_and(|id| template_ids.contains(&id));
    let of_resources = document.descendants(resources).filter(|element| match document.name(*element) {
        "primitive" => is_gone(*element) || made_from_gone(*element),
        "bundle" => document.child(*element, "rkt").is_some(),
        _ => false,
    });
    // Whatever is inside another goes with it.
    let outer =
        |element: &Element| document.parent(*element).is_none_or(|parent| document.child(parent, "rkt").is_none());
    let of_resources: Vec<Element> = of_resources.filter(outer).collect();
    templates.into_iter().chain(of_resources).collect()
}

fn holds_primitive(document: &Document, element: Element) -> bool {
    document.descendants(element).any(|inner| document.name(inner) == "primitive")
}

fn clean_up(draft: &mut Draft<'_>, constraints: Element, ids: &BTreeSet<String>) {
    let document = draft.document();
    let names_gone =
        |element: Element, attribute| document.attribute(element, attribute).is_some_and(|id| ids.contains(id));
    let references: Vec<Element> = document
        .descendants(constraints)
        .filter(|element| document.name(*element) == "resource_ref" && names_gone(*element, "id"))
        .collect();
    let constraints: Vec<Element> = document.children(constraints).collect();
    let direct = |element: &Element| ["rsc", "with-rsc", "first", "then"].iter().any(|name| names_gone(*element, name));
    let mut done: Vec<Element> = constraints.iter().copied().filter(direct).collect();

    let mut sets: BTreeSet<Element> = BTreeSet::new();
    for reference in references {
        sets.extend(draft.document().parent(reference));
        draft.remove(reference, "the resource is no longer supported");
    }
    for set in sets {
        if draft.document().child(set, "resource_ref").is_some() {
            continue;
        }
        let constraint = draft.document().parent(set);
        draft.remove(set, "it names no resource any more");
        done.extend(constraint.filter(|constraint| draft.document().child(*constraint, "resource_set").is_none()));
    }
    for constraint in constraints.iter().filter(|constraint| done.contains(constraint)) {
        draft.remove(*constraint, "it is about a resource that is no longer supported");
    }
}
