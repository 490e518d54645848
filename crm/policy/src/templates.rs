//! Templates: a primitive made from one has the template's content before its own, operations of its own instead of
//! the template's of the same name and role. The rest of the crate never sees the difference.

use std::borrow::Cow;

use cib::{Document, Element};

use crate::model::Role;

/// The document with every primitive complete. A document without templates is not copied.
pub(crate) fn expand(document: Cow<'_, Document>) -> Cow<'_, Document> {
    let Some(resources) = document.descend(&["configuration", "resources"]) else { return document };
    let made: Vec<Element> = document
        .descendants(resources)
        .filter(|element| document.name(*element) == "primitive" && document.attribute(*element, "template").is_some())
        .collect();
    if made.is_empty() {
        return document;
    }
    // Handles stay valid in a clone.
    let mut expanded = Document::clone(&document);
    for primitive in made {
        let reference = document.attribute(primitive, "template").unwrap_or_default();
        let template = document
            .children_named(resources, "template")
            .find(|template| document.id(*template) == reference && reference != document.id(primitive));
        match template {
            Some(template) => complete(&mut expanded, &document, primitive, template),
            // What refers to nothing cannot be used; without its id it is ignored with a warning.
            None => expanded.unset(primitive, "id"),
        }
    }
    Cow::Owned(expanded)
}

fn complete(expanded: &mut Document, source: &Document, primitive: Element, template: Element) {
    for (name, value) in source.attributes(template) {
        if name != "id" && source.attribute(primitive, name).is_none() {
            expanded.set(primitive, name, value);
        }
    }
    let own_operations = source.child(primitive, "operations");
    let first = source.children(primitive).next();
    for child in source.children(template) {
        match own_operations {
            Some(own) if source.name(child) == "operations" => {
                let known: Vec<String> = source.children(own).map(|op| operation_key(source, op)).collect();
                for op in source.children(child) {
                    if !known.contains(&operation_key(source, op)) {
                        expanded.graft(own, source, op);
                    }
                }
            }
            _ => {
                let copy = expanded.graft(primitive, source, child);
                expanded.place_before(copy, first);
            }
        }
    }
}

/// Operations are the same if name and role are; the lower active roles are one.
fn operation_key(document: &Document, op: Element) -> String {
    let role = document.attribute(op, "role").unwrap_or("");
    let role = match Role::parse(role) {
        None | Some(Role::Started | Role::Unpromoted) => "",
        Some(_) => role,
    };
    format!("{}-{role}", document.attribute(op, "name").unwrap_or_default())
}
