//! Values of the right type: cluster properties, meta attributes, attributes of operations and constraints, rules; with
//! the nearest name where one seems mistyped.

use super::{Finding, Report};
use crate::date;
use crate::document::Element;
use crate::option::{self, CibOption, OPERATION, PROPERTIES, RESOURCE_META, Type};
use crate::score::Score;

const ROLES: Type = Type::Choice(&["Stopped", "Started", "Promoted", "Unpromoted", "Master", "Slave"]);
const ACTIONS: Type = Type::Choice(&["start", "stop", "promote", "demote"]);

/// Attributes with a type, by element; "*" is any element.
const ATTRIBUTES: &[(&str, &str, Type)] = &[
    ("*", "score", Type::Score),
    ("rsc_location", "role", ROLES),
    ("rsc_location", "resource-discovery", Type::Choice(&["always", "never", "exclusive"])),
    ("rsc_colocation", "rsc-role", ROLES),
    ("rsc_colocation", "with-rsc-role", ROLES),
    ("rsc_colocation", "influence", Type::Boolean),
    ("rsc_order", "kind", Type::Choice(&["Mandatory", "Optional", "Serialize"])),
    ("rsc_order", "symmetrical", Type::Boolean),
    ("rsc_order", "require-all", Type::Boolean),
    ("rsc_order", "first-action", ACTIONS),
    ("rsc_order", "then-action", ACTIONS),
    ("rsc_ticket", "rsc-role", ROLES),
    ("rsc_ticket", "loss-policy", Type::Choice(&["stop", "demote", "fence", "freeze"])),
    ("resource_set", "sequential", Type::Boolean),
    ("resource_set", "require-all", Type::Boolean),
    ("resource_set", "role", ROLES),
    ("resource_set", "action", ACTIONS),
    ("resource_set", "kind", Type::Choice(&["Mandatory", "Optional", "Serialize"])),
    ("rule", "boolean-op", Type::Choice(&["and", "or"])),
    ("rule", "role", ROLES),
    ("expression", "operation", Type::Choice(&["lt", "gt", "lte", "gte", "eq", "ne", "defined", "not_defined"])),
    ("expression", "type", Type::Choice(&["string", "integer", "number", "version"])),
    ("expression", "value-source", Type::Choice(&["literal", "param", "meta"])),
    ("date_expression", "operation", Type::Choice(&["gt", "lt", "in_range", "date_spec"])),
    ("fencing-level", "index", Type::Integer(1, 9)),
];

pub(super) fn check(report: &Report<'_>) -> Vec<Finding> {
    let document = report.document;
    let mut findings = Vec::new();
    for element in document.descendants(report.configuration) {
        let name = document.name(element);
        for (attribute, value) in document.attributes(element) {
            let known = ATTRIBUTES.iter().find(|(of, known, _)| (*of == "*" || *of == name) && *known == attribute);
            let expected = match known {
                Some((_, _, kind)) => kind.expected(value),
                None if name == "op" => option::find(OPERATION, attribute).and_then(|known| known.expected(value)),
                None if name == "date_expression" && matches!(attribute, "start" | "end") => {
                    date::parse(value, 0).is_none().then(|| "a date such as 2024-02-29 12:30:00".to_owned())
                }
                None => None,
            };
            if let Some(expected) = expected {
                findings.push(wrong(report, element, attribute, value, &expected));
            }
        }
        if name == "nvpair" {
            findings.extend(pair(report, element));
        }
    }
    findings
}

fn wrong(report: &Report<'_>, element: Element, name: &str, value: &str, expected: &str) -> Finding {
    // Of a score the number at its beginning counts, whatever follows.
    if let (Some(score), true) = (Score::parse(value), Type::Score.expected("").as_deref() == Some(expected)) {
        let message = format!("{name}=\"{value}\" is read as {score}");
        return report.warning(element, message, format!("set {name} to {score}"));
    }
    report.error(element, format!("{name}=\"{value}\" is not {expected}"), format!("set {name} to {expected}"))
}

/// A pair is judged by the table its place has.
fn pair(report: &Report<'_>, pair: Element) -> Option<Finding> {
    let document = report.document;
    let (name, value) = (document.attribute(pair, "name")?, document.attribute(pair, "value")?);
    let set = document.parent(pair)?;
    let owner = document.parent(set).map_or("", |owner| document.name(owner));
    let (table, names_are_known): (&'static [CibOption], bool) = match (document.name(set), owner) {
        ("cluster_property_set", "crm_config") => (PROPERTIES, true),
        // People and tools keep notes of their own in meta attributes, so only what is nearly right is spoken of.
        ("meta_attributes", "op" | "op_defaults") => (OPERATION, false),
        ("meta_attributes", "primitive" | "template" | "group" | "clone" | "master" | "bundle" | "rsc_defaults") => {
            (RESOURCE_META, false)
        }
        _ => return None,
    };
    if let Some(option) = option::find(table, name) {
        if value.eq_ignore_ascii_case("#default") {
            return None;
        }
        return option.expected(value).map(|expected| wrong(report, pair, name, value, &expected));
    }
    match option::nearest(table, name) {
        Some(nearest) => Some(report.warning(
            pair,
            format!("no option is called {name}; {nearest} is"),
            format!("if {nearest} is meant, call it that"),
        )),
        None if names_are_known => Some(report.warning(
            pair,
            format!("no cluster property is called {name}"),
            "it has no effect here; take it away unless another program reads it".into(),
        )),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::expect;

    #[test]
    fn properties() {
        expect(
            "<crm_config><cluster_property_set id='s'><nvpair id='1' name='stonith-enabled' value='maybe'/>
             <nvpair id='2' name='no-quorum-policy' value='hope'/><nvpair id='3' name='sontith-timeout' value='1'/>
             <nvpair id='4' name='tea' value='green'/><nvpair id='5' name='fencing-timeout' value='2min'/></cluster_property_set></crm_config>",
            &[
                "error: nvpair 1: stonith-enabled=\"maybe\" is not true or false",
                "error: nvpair 2: no-quorum-policy=\"hope\" is not one of: stop, freeze, ignore, demote, fence, suicide",
                "warning: nvpair 3: no option is called sontith-timeout; stonith-timeout is",
                "warning: nvpair 4: no cluster property is called tea",
            ],
        );
    }

    #[test]
    fn meta_operations_and_constraints() {
        expect(
            "<resources><primitive id='a' class='lsb' type='x'><meta_attributes id='m'><nvpair id='1' name='resource-stickyness' value='1'/>
             <nvpair id='2' name='is-managed' value='2'/><nvpair id='4' name='priority' value='1.0'/><nvpair id='3' name='note' value='mine'/></meta_attributes>
             <operations><op id='o' name='start' timeout='long' on-fail='cry'/></operations></primitive></resources>
             <constraints><rsc_location id='l' rsc='a' score='much' node='n'/><rsc_order id='r' first='a' then='a' kind='maybe'/>
             <rsc_location id='k' rsc='a'><rule id='u' score='1' boolean-op='xor'><date_expression id='d' operation='gt' start='noon'/></rule></rsc_location></constraints>
             <nodes><node id='1n' uname='n'/></nodes>",
            &[
                "error: nvpair 2: is-managed=\"2\" is not true or false",
                "error: op o: timeout=\"long\" is not a duration such as 30s, 500ms, 5min, 1h or PT1M30S",
                "error: op o: on-fail=\"cry\" is not one of: ignore, block, stop, demote, restart, fence, standby, restart-container, reset-remote",
                "error: rsc_location l: score=\"much\" is not a whole number, INFINITY or -INFINITY",
                "error: rsc_order r: kind=\"maybe\" is not one of: Mandatory, Optional, Serialize",
                "error: rule u: boolean-op=\"xor\" is not one of: and, or",
                "error: date_expression d: start=\"noon\" is not a date such as 2024-02-29 12:30:00",
                "warning: nvpair 1: no option is called resource-stickyness; resource-stickiness is",
                "warning: nvpair 4: priority=\"1.0\" is read as 1",
            ],
        );
    }
}
