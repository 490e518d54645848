//! What is referred to must be there: resources, templates, devices, sets of values; nodes too, but a node may join yet.

use std::collections::{HashMap, HashSet};

use super::schema::tags_must_lead;
use super::{Finding, Report, Severity};
use crate::view;

pub(super) fn check(report: &Report<'_>) -> Vec<Finding> {
    let document = report.document;
    let mut resources: HashSet<&str> = HashSet::new();
    let mut primitives: HashSet<&str> = HashSet::new();
    let mut templates: HashSet<&str> = HashSet::new();
    let mut tags: HashSet<&str> = HashSet::new();
    let mut nodes: HashSet<&str> = HashSet::new();
    let mut bundles: Vec<&str> = Vec::new();
    let mut ids: HashMap<&str, Vec<&str>> = HashMap::new();
    for element in document.descendants(report.configuration) {
        let id = document.id(element);
        if !matches!(document.name(element), "obj_ref" | "resource_ref") {
            ids.entry(id).or_default().push(document.name(element));
        }
        match document.name(element) {
            "template" => _ = templates.insert(id),
            "tag" => _ = tags.insert(id),
            "node" => nodes.extend([id].into_iter().chain(document.attribute(element, "uname"))),
            // A guest node is a resource with a name for it; a remote node's connection has the node's name.
            "nvpair" if document.attribute(element, "name") == Some("remote-node") => {
                nodes.extend(document.attribute(element, "value"));
            }
            name => match view::kind_of(name) {
                Some(view::Kind::Primitive) => {
                    resources.insert(id);
                    primitives.insert(id);
                    if document.attribute(element, "type") == Some("remote") {
                        nodes.insert(id);
                    }
                }
                Some(kind) => {
                    resources.insert(id);
                    if kind == view::Kind::Bundle {
                        bundles.push(id);
                    }
                }
                None => {}
            },
        }
    }
    // Constraints may name a template or a tag in the place of all that have it.
    let constrained = |id: &str| resources.contains(id) || templates.contains(id) || tags.contains(id);

    // The containers of a bundle are nodes too, called by its name and their number.
    let replica = |node: &str| {
        node.rsplit_once('-').is_some_and(|(of, number)| bundles.contains(&of) && number.parse::<u32>().is_ok())
    };

    let mut findings = Vec::new();
    for element in document.descendants(report.configuration) {
        let name = document.name(element);
        let get = |attribute: &str| document.attribute(element, attribute);
        let mut missing = |attribute: &str, id: &str, what: &str, remedy: String| {
            findings.push(report.error(
                element,
                format!("{attribute}=\"{id}\" names a {what} that is not there"),
                remedy,
            ));
        };
        if let Some(id) = get("id-ref")
            && !ids.get(id).is_some_and(|names| names.contains(&name))
        {
            missing("id-ref", id, name, format!("write out the {name}, or name one that is there"));
        }
        match name {
            "rsc_location" | "rsc_colocation" | "rsc_order" | "rsc_ticket" => {
                for attribute in ["rsc", "with-rsc", "first", "then"] {
                    if let Some(id) = get(attribute).filter(|id| !constrained(id)) {
                        let remedy = format!("create the resource {id}, or take the constraint away");
                        missing(attribute, id, "resource", remedy);
                    }
                }
            }
            "resource_ref" => {
                if let Some(id) = get("id").filter(|id| !constrained(id)) {
                    missing("id", id, "resource", format!("create the resource {id}, or take it out of the set"));
                }
            }
            "obj_ref" => {
                if let Some(id) = get("id").filter(|id| !ids.contains_key(id)) {
                    let severity = if tags_must_lead(document) { Severity::Error } else { Severity::Warning };
                    let message = format!("id=\"{id}\" names a thing that is not there");
                    let remedy = format!("create {id}, or take it out of the tag");
                    findings.push(report.finding(severity, element, message, remedy));
                }
            }
            "primitive" => {
                if let Some(id) = get("template").filter(|id| !templates.contains(id)) {
                    missing(
                        "template",
                        id,
                        "template",
                        format!("create the template {id}, or give class and type here"),
                    );
                }
            }
            "fencing-level" => {
                for id in get("devices").unwrap_or("").split(',').map(str::trim).filter(|id| !id.is_empty()) {
                    if !primitives.contains(id) {
                        missing(
                            "devices",
                            id,
                            "fence device",
                            format!("create the device {id}, or take it out of the level"),
                        );
                    }
                }
            }
            _ => {}
        }
        let node = match name {
            "rsc_location" => get("node"),
            "fencing-level" => get("target"),
            _ => None,
        };
        if let Some(node) = node.filter(|node| !nodes.contains(node) && !replica(node)) {
            findings.push(report.warning(
                element,
                format!("no node is called {node}"),
                "it counts once such a node joins; if none will, correct the name".into(),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::expect;

    const RESOURCES: &str =
        "<resources><template id='t' class='lsb' type='x'/><primitive id='a' template='t'/></resources>";

    #[test]
    fn names_of_nothing() {
        expect(
            &format!(
                "{RESOURCES}<constraints>
                 <rsc_location id='l' rsc='x' rsc-pattern='.' score='1' node='n'/>
                 <rsc_colocation id='c' rsc='a' with-rsc='y' score='1'/>
                 <rsc_order id='o' first='a' then='t'/>
                 <rsc_order id='s'><resource_set id='r'><resource_ref id='z'/></resource_set><resource_set id-ref='q'/></rsc_order>
                 </constraints><fencing-topology><fencing-level id='f' target='m' index='1' devices='a, d'/></fencing-topology>
                 <tags><tag id='g'><obj_ref id='a'/><obj_ref id='w'/></tag></tags>"
            ),
            &[
                "error: rsc_location l: rsc=\"x\" names a resource that is not there",
                "error: rsc_colocation c: with-rsc=\"y\" names a resource that is not there",
                "error: resource_ref z: id=\"z\" names a resource that is not there",
                "error: resource_set in s: id-ref=\"q\" names a resource_set that is not there",
                "error: fencing-level f: devices=\"d\" names a fence device that is not there",
                "warning: rsc_location l: no node is called n",
                "warning: fencing-level f: no node is called m",
                "warning: obj_ref w: id=\"w\" names a thing that is not there",
            ],
        );
        expect(
            "<resources><primitive id='p' template='none'/></resources>",
            &["error: primitive p: template=\"none\" names a template that is not there"],
        );
    }

    #[test]
    fn remote_nodes_are_nodes() {
        expect(
            "<resources><primitive id='r' class='ocf' provider='pacemaker' type='remote'/><bundle id='b'/></resources>
             <constraints><rsc_location id='l' rsc='r' node='r' score='1'/><rsc_location id='k' rsc='r' node='b-2' score='1'/></constraints>",
            &[],
        );
    }
}
