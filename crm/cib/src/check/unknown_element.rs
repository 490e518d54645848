//! Elements where nobody looks for them and the schema allows none: whatever they are to say, nobody hears it.

use super::{Finding, Report};

/// What stands where. Elements that are not in the list may hold anything: agents and tools of the future too.
const CHILDREN: &[(&str, &[&str])] = &[
    (
        "configuration",
        &[
            "crm_config",
            "nodes",
            "resources",
            "constraints",
            "rsc_defaults",
            "op_defaults",
            "fencing-topology",
            "acls",
            "tags",
            "alerts",
        ],
    ),
    ("crm_config", &["cluster_property_set"]),
    ("nodes", &["node"]),
    ("node", &["instance_attributes", "utilization"]),
    ("resources", &["primitive", "group", "clone", "master", "bundle", "template"]),
    ("primitive", &["instance_attributes", "meta_attributes", "utilization", "operations"]),
    ("template", &["instance_attributes", "meta_attributes", "utilization", "operations"]),
    ("group", &["instance_attributes", "meta_attributes", "primitive"]),
    ("clone", &["instance_attributes", "meta_attributes", "primitive", "group"]),
    ("master", &["instance_attributes", "meta_attributes", "primitive", "group"]),
    (
        "bundle",
        &["instance_attributes", "meta_attributes", "docker", "podman", "rkt", "network", "storage", "primitive"],
    ),
    ("operations", &["op"]),
    ("op", &["instance_attributes", "meta_attributes"]),
    ("instance_attributes", &["nvpair", "rule", "attributes"]),
    ("meta_attributes", &["nvpair", "rule", "attributes"]),
    ("utilization", &["nvpair", "rule", "attributes"]),
    ("cluster_property_set", &["nvpair", "rule", "attributes"]),
    ("rule", &["rule", "expression", "date_expression", "rsc_expression", "op_expression"]),
    ("date_expression", &["duration", "date_spec"]),
    ("constraints", &["rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"]),
    ("rsc_location", &["rule", "resource_set", "lifetime"]),
    ("rsc_colocation", &["resource_set", "lifetime", "rule"]),
    ("rsc_order", &["resource_set", "lifetime"]),
    ("rsc_ticket", &["resource_set"]),
    ("resource_set", &["resource_ref"]),
    ("rsc_defaults", &["meta_attributes"]),
    ("op_defaults", &["meta_attributes"]),
    ("fencing-topology", &["fencing-level"]),
    ("tags", &["tag"]),
    ("tag", &["obj_ref"]),
    ("alerts", &["alert"]),
    ("alert", &["instance_attributes", "meta_attributes", "select", "recipient"]),
];

pub(super) fn check(report: &Report<'_>) -> Vec<Finding> {
    let document = report.document;
    let mut findings = Vec::new();
    for parent in document.descendants(report.configuration) {
        let name = document.name(parent);
        let Some((_, known)) = CHILDREN.iter().find(|(known, _)| *known == name) else { continue };
        for child in document.children(parent).filter(|child| !known.contains(&document.name(*child))) {
            findings.push(report.error(
                child,
                format!("nothing of this name has a meaning in <{name}>"),
                format!("correct its name or take it away; <{name}> may hold {}", known.join(", ")),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::expect;
    use super::CHILDREN;
    use crate::document::{Document, Element};

    /// The names of the elements a pattern allows, references followed, but nothing within those elements.
    fn allowed(schema: &Document, pattern: Element, names: &mut BTreeSet<String>) {
        for part in schema.children(pattern) {
            match schema.name(part) {
                "element" => names.extend(own_names(schema, part)),
                "ref" => {
                    let name = schema.attribute(part, "name");
                    let defines = schema.children_named(schema.root(), "define");
                    let define = defines.into_iter().find(|define| schema.attribute(*define, "name") == name);
                    allowed(schema, define.unwrap_or_else(|| panic!("{name:?} is not defined")), names);
                }
                _ => allowed(schema, part, names),
            }
        }
    }

    fn own_names(schema: &Document, element: Element) -> Vec<String> {
        match schema.attribute(element, "name") {
            Some(name) => vec![name.to_owned()],
            None => {
                let names =
                    schema.child(element, "choice").map(|c| schema.children_named(c, "name").collect::<Vec<_>>());
                names.unwrap_or_default().into_iter().map(|name| schema.text(name)).collect()
            }
        }
    }

    /// No error for what the schema allows; and the schema is whole, since every reference is followed.
    #[test]
    fn the_schema_and_the_rule_agree() {
        let schema = Document::parse(schemas::CIB).unwrap();
        let mut seen = 0;
        for element in schema.descendants(schema.root()).filter(|e| schema.name(*e) == "element") {
            let mut below = BTreeSet::new();
            allowed(&schema, element, &mut below);
            for name in own_names(&schema, element) {
                let Some((_, known)) = CHILDREN.iter().find(|(known, _)| *known == name) else { continue };
                seen += 1;
                for child in &below {
                    assert!(known.contains(&child.as_str()), "<{name}> may hold <{child}>, says the schema");
                }
            }
        }
        assert_eq!(seen, CHILDREN.len(), "the schema leaves out an element that the rule knows");
    }

    #[test]
    fn misplaced() {
        expect(
            "<resources><primitve id='x'/><group id='g'><clone id='c'/></group></resources><resource_defaults/>",
            &[
                "error: primitve x: nothing of this name has a meaning in <resources>",
                "error: clone c: nothing of this name has a meaning in <group>",
                "error: resource_defaults: nothing of this name has a meaning in <configuration>",
            ],
        );
    }
}
