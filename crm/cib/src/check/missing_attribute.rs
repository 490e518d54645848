//! Attributes without which an element means nothing.

use super::{Finding, Report};

/// What must be there. A slash separates attributes of which one is enough; "…" stands for children that do as well.
const REQUIRED: &[(&str, &[&str])] = &[
    ("node", &["id", "uname"]),
    ("primitive", &["id", "class/template", "type/template"]),
    ("template", &["id", "class", "type"]),
    ("group", &["id"]),
    ("clone", &["id"]),
    ("master", &["id"]),
    ("bundle", &["id"]),
    ("op", &["id", "name"]),
    ("nvpair", &["id/id-ref", "name/id-ref"]),
    ("cluster_property_set", &["id/id-ref"]),
    ("instance_attributes", &["id/id-ref"]),
    ("meta_attributes", &["id/id-ref"]),
    ("utilization", &["id/id-ref"]),
    ("rule", &["id/id-ref"]),
    ("expression", &["id", "attribute", "operation"]),
    ("date_expression", &["id"]),
    ("rsc_location", &["id", "rsc/rsc-pattern/resource_set…", "node/rule…/lifetime…"]),
    ("rsc_colocation", &["id", "rsc/resource_set…", "with-rsc/resource_set…"]),
    ("rsc_order", &["id", "first/resource_set…", "then/resource_set…"]),
    ("rsc_ticket", &["id", "ticket", "rsc/resource_set…"]),
    ("resource_set", &["id/id-ref"]),
    ("resource_ref", &["id"]),
    ("fencing-level", &["id", "target/target-pattern/target-attribute", "index", "devices"]),
    ("tag", &["id"]),
    ("obj_ref", &["id"]),
    ("alert", &["id", "path"]),
    ("recipient", &["id", "value"]),
];

pub(super) fn check(report: &Report<'_>) -> Vec<Finding> {
    let document = report.document;
    let mut findings = Vec::new();
    for element in document.descendants(report.configuration) {
        let name = document.name(element);
        let Some((_, required)) = REQUIRED.iter().find(|(known, _)| *known == name) else { continue };
        for alternatives in *required {
            let there = alternatives.split('/').any(|one| match one.strip_suffix('…') {
                Some(child) => document.child(element, child).is_some(),
                None => document.attribute(element, one).is_some_and(|value| !value.is_empty()),
            });
            if !there {
                let wanted = words(alternatives);
                findings.push(report.error(element, format!("it has no {wanted}"), format!("give it {wanted}")));
            }
        }
        let provider = document.attribute(element, "provider");
        if document.attribute(element, "class") == Some("ocf") && provider.is_none_or(str::is_empty) {
            let message = "agents of class ocf have a provider, but it names none".to_owned();
            findings.push(report.error(
                element,
                message,
                "add provider=\"heartbeat\", or the agent's other provider".into(),
            ));
        }
    }
    findings
}

fn words(alternatives: &str) -> String {
    let words: Vec<String> = alternatives
        .split('/')
        .map(|one| one.strip_suffix('…').map_or_else(|| one.to_owned(), |child| format!("<{child}>")))
        .collect();
    words.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::expect;

    #[test]
    fn what_is_missing() {
        expect(
            "<resources><primitive id='a' class='ocf' type='Dummy'/><primitive id='b' class='lsb'/><primitive class='lsb' type='x'/></resources>
             <constraints><rsc_location id='l' rsc='a'/><rsc_order id='o' first='a'/></constraints>
             <fencing-topology><fencing-level id='f' index='1' devices='a'/></fencing-topology>",
            &[
                "error: primitive a: agents of class ocf have a provider, but it names none",
                "error: primitive b: it has no type or template",
                "error: primitive: it has no id",
                "error: rsc_location l: it has no node or <rule> or <lifetime>",
                "error: rsc_order o: it has no then or <resource_set>",
                "error: fencing-level f: it has no target or target-pattern or target-attribute",
            ],
        );
    }
}
