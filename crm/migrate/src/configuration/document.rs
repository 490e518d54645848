//! A configuration as a CIB.

use std::collections::BTreeMap;

use cib::{Document, Element};

use super::{Alert, Condition, Configuration, Constraint, Parameters, Primitive, Resource, Worth};

/// The oldest schema that has all we write, so that older Pacemakers read it as well.
const SCHEMA: &str = "pacemaker-3.7";
/// The feature set of that schema's time.
const FEATURES: &str = "3.15.0";

/// The CIB, with an empty status.
pub fn document(configuration: &Configuration) -> Document {
    let mut out = Document::new("cib");
    let root = out.root();
    for (name, value) in [
        ("crm_feature_set", FEATURES),
        ("validate-with", SCHEMA),
        ("epoch", "1"),
        ("num_updates", "0"),
        ("admin_epoch", "0"),
    ] {
        out.set(root, name, value);
    }
    let top = out.append(root, "configuration");
    let options = out.append(top, "crm_config");
    pairs(&mut out, options, "cluster_property_set", "cib-bootstrap-options", &configuration.properties);
    let nodes = out.append(top, "nodes");
    for (number, name) in configuration.nodes.iter().enumerate() {
        let number = (number + 1).to_string();
        add(&mut out, nodes, "node", &[("id", &number), ("uname", name)]);
    }
    let resources = out.append(top, "resources");
    for one in &configuration.resources {
        resource(&mut out, resources, one);
    }
    let constraints = out.append(top, "constraints");
    for one in &configuration.constraints {
        constraint(&mut out, constraints, one);
    }
    if !configuration.alerts.is_empty() {
        let alerts = out.append(top, "alerts");
        for one in &configuration.alerts {
            alert(&mut out, alerts, one);
        }
    }
    out.append(root, "status");
    out
}

/// Characters that XML has no form for become a visible mark.
fn clean(value: &str) -> String {
    let bad = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    value.chars().map(|c| if bad(c) { '\u{fffd}' } else { c }).collect()
}

fn add(out: &mut Document, parent: Element, name: &str, attributes: &[(&str, &str)]) -> Element {
    let element = out.append(parent, name);
    for (name, value) in attributes {
        out.set(element, name, &clean(value));
    }
    element
}

fn pairs(out: &mut Document, parent: Element, set: &str, id: &str, pairs: &BTreeMap<String, String>) {
    if pairs.is_empty() {
        return;
    }
    let set = add(out, parent, set, &[("id", id)]);
    for (name, value) in pairs {
        add(out, set, "nvpair", &[("id", &format!("{id}-{name}")), ("name", name), ("value", value)]);
    }
}

fn resource(out: &mut Document, parent: Element, one: &Resource) {
    match one {
        Resource::Primitive(one, meta) => primitive(out, parent, one, meta),
        Resource::Group(id, members, meta) => {
            let group = add(out, parent, "group", &[("id", id)]);
            for member in members {
                primitive(out, group, member, &BTreeMap::new());
            }
            pairs(out, group, "meta_attributes", &format!("{id}-meta_attributes"), meta);
        }
        Resource::Clone(one) => {
            let id = format!("{}-clone", one.id);
            let clone = add(out, parent, "clone", &[("id", &id)]);
            primitive(out, clone, one, &BTreeMap::new());
        }
    }
}

fn primitive(out: &mut Document, parent: Element, one: &Primitive, meta: &BTreeMap<String, String>) {
    let element = add(out, parent, "primitive", &[("id", &one.id), ("class", one.class)]);
    if let Some(provider) = one.provider {
        out.set(element, "provider", provider);
    }
    out.set(element, "type", &clean(&one.agent));
    parameters(out, element, &one.id, &one.parameters);
    let operations = out.append(element, "operations");
    for operation in &one.operations {
        let id = format!("{}-{}-interval-{}", one.id, operation.name, operation.interval);
        let element = add(
            out,
            operations,
            "op",
            &[
                ("id", &id),
                ("name", operation.name),
                ("interval", &operation.interval),
                ("timeout", &operation.timeout),
            ],
        );
        if let Some(on_fail) = operation.on_fail {
            out.set(element, "on-fail", on_fail);
        }
    }
    pairs(out, element, "meta_attributes", &format!("{}-meta_attributes", one.id), meta);
}

fn parameters(out: &mut Document, element: Element, id: &str, parameters: &Parameters) {
    pairs(out, element, "instance_attributes", &format!("{id}-instance_attributes"), &parameters.common);
    for (number, (node, own)) in parameters.per_node.iter().enumerate() {
        node_parameters(out, element, id, number + 1, node, own);
    }
}

/// The parameters of one host: a set with a rule about the host's name.
pub(super) fn node_parameters(
    out: &mut Document,
    element: Element,
    id: &str,
    number: usize,
    node: &str,
    own: &BTreeMap<String, String>,
) {
    let id = format!("{id}-instance_attributes-{number}");
    let set = add(out, element, "instance_attributes", &[("id", &id)]);
    let rule = add(out, set, "rule", &[("id", &format!("{id}-rule")), ("score", "INFINITY")]);
    let expression = [
        ("id", format!("{id}-rule-expr")),
        ("attribute", "#uname".to_owned()),
        ("operation", "eq".to_owned()),
        ("value", node.to_owned()),
    ];
    add(out, rule, "expression", &expression.each_ref().map(|(name, value)| (*name, value.as_str())));
    for (name, value) in own {
        add(out, set, "nvpair", &[("id", &format!("{id}-{name}")), ("name", name), ("value", value)]);
    }
}

fn constraint(out: &mut Document, parent: Element, one: &Constraint) {
    match one {
        Constraint::Location { id, resource, node, score } => {
            let pairs = [("id", id.as_str()), ("rsc", resource), ("node", node), ("score", score)];
            add(out, parent, "rsc_location", &pairs);
        }
        Constraint::Rule { id, resource, worth, conditions } => {
            let location = add(out, parent, "rsc_location", &[("id", id), ("rsc", resource)]);
            let rule_id = format!("{id}-rule");
            let rule = add(out, location, "rule", &[("id", &rule_id)]);
            if conditions.len() > 1 {
                out.set(rule, "boolean-op", "and");
            }
            match worth {
                Worth::Score(score) => out.set(rule, "score", score),
                Worth::Attribute(name) => out.set(rule, "score-attribute", name),
            }
            for (number, condition) in conditions.iter().enumerate() {
                let id = if number == 0 { format!("{rule_id}-expr") } else { format!("{rule_id}-expr-{number}") };
                let (attribute, operation, value) = match condition {
                    Condition::Is(attribute, value) => (attribute, "eq", Some(value)),
                    Condition::IsNot(attribute, value) => (attribute, "ne", Some(value)),
                    Condition::Defined(attribute) => (attribute, "defined", None),
                };
                let pairs = [("id", id.as_str()), ("attribute", attribute), ("operation", operation)];
                let expression = add(out, rule, "expression", &pairs);
                if let Some(value) = value {
                    out.set(expression, "value", value);
                }
            }
        }
        Constraint::Colocation { id, resource, with } => {
            let pairs = [("id", id.as_str()), ("rsc", resource), ("with-rsc", with), ("score", "INFINITY")];
            add(out, parent, "rsc_colocation", &pairs);
        }
        Constraint::Order { id, first, then } => {
            let pairs = [
                ("id", id.as_str()),
                ("first", first),
                ("first-action", "start"),
                ("then", then),
                ("then-action", "start"),
            ];
            add(out, parent, "rsc_order", &pairs);
        }
    }
}

fn alert(out: &mut Document, parent: Element, one: &Alert) {
    let alert = add(out, parent, "alert", &[("id", &one.id), ("path", &one.path)]);
    pairs(out, alert, "instance_attributes", &format!("{}-instance_attributes", one.id), &one.options);
    for (number, recipient) in one.recipients.iter().enumerate() {
        let id = format!("{}-recipient-{}", one.id, number + 1);
        add(out, alert, "recipient", &[("id", &id), ("value", recipient)]);
    }
}
