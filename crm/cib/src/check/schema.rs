//! What the schema refuses and no rule has spoken of: Pacemaker's tools would not take it either.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::{Finding, Severity, duplicate_id, finding};
use crate::document::{Document, Element};
use crate::relaxng::{Fault, Problem, Schema};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(schemas::CIB).expect("our own schema is one"));

/// The schemas there are, by how many each series has: `pacemaker-1.0` to `1.3`, and so on.
const SERIES: [(&str, u32); 4] = [("1.", 3), ("2.", 10), ("3.", 10), ("4.", 0)];

/// Whether a CIB names a schema that there is, or none at all.
fn names_a_schema(document: &Document) -> bool {
    let Some(name) = document.attribute(document.root(), "validate-with") else { return true };
    if name.eq_ignore_ascii_case("none") {
        return true;
    }
    let version = name.strip_prefix("pacemaker-").unwrap_or_default();
    SERIES.iter().any(|(series, last)| {
        let minor = version.strip_prefix(series);
        minor.is_some_and(|minor| (0..=*last).any(|number| minor == number.to_string()))
    })
}

/// Whether a tag may only name what there is: schemas since 3.3 do not ask for it.
pub(super) fn tags_must_lead(document: &Document) -> bool {
    let name = document.attribute(document.root(), "validate-with").unwrap_or_default();
    let version = name.strip_prefix("pacemaker-").and_then(|version| version.split_once('.'));
    let numbers = version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    numbers.is_some_and(|numbers: (u32, u32)| numbers < (3, 3))
}

/// The faults of a CIB, but of elements with errors that are known.
pub(super) fn check(document: &Document, known: &[Finding]) -> Vec<Finding> {
    // Whoever wrote that asked for no schema.
    let none =
        document.attribute(document.root(), "validate-with").is_some_and(|name| name.eq_ignore_ascii_case("none"));
    if none {
        return Vec::new();
    }
    let errors = || known.iter().filter(|finding| finding.severity == Severity::Error);
    let mut findings: Vec<Finding> = Vec::new();
    if !names_a_schema(document) {
        let name = document.attribute(document.root(), "validate-with").unwrap_or_default();
        let message = format!("validate-with=\"{name}\" is no schema that is known here");
        let remedy = "name one from pacemaker-1.0 to pacemaker-4.0, the one it was written for".to_owned();
        findings.push(finding(document, Severity::Error, document.root(), message, remedy));
    }
    for fault in SCHEMA.validate(document) {
        let found =
            finding(document, Severity::Error, fault.element, message(document, &fault), remedy(document, &fault));
        let told = |other: &Finding| other.position == found.position && other.element == found.element;
        if !errors().any(told) {
            findings.push(found);
        }
    }
    findings
}

/// Whether the schema takes a CIB's configuration. The status is left out: the cluster writes it, and it is by far the
/// larger part.
pub(super) fn takes_configuration(document: &Document) -> bool {
    let root = document.root();
    let none = document.attribute(root, "validate-with").is_some_and(|name| name.eq_ignore_ascii_case("none"));
    let Some(configuration) = document.child(root, "configuration") else { return false };
    if none {
        return true;
    }
    if !names_a_schema(document) {
        return false;
    }
    let mut alone = Document::new(document.name(root));
    for (name, value) in document.attributes(root) {
        alone.set(alone.root(), name, value);
    }
    alone.graft(alone.root(), document, configuration);
    SCHEMA.validate(&alone).is_empty()
        && references_lead_somewhere(document, configuration)
        && !duplicate_id::has_any(document, configuration)
}

/// Whether each attribute that the schema calls a reference is the id of something. Of what, it does not ask.
fn references_lead_somewhere(document: &Document, configuration: Element) -> bool {
    let refers = |element: &str| matches!(element, "resource_ref" | "role_ref" | "obj_ref");
    let in_tags = tags_must_lead(document);
    let ids: HashSet<&str> = document
        .descendants(configuration)
        .filter(|element| !refers(document.name(*element)))
        .map(|element| document.id(element))
        .collect();
    document.descendants(configuration).all(|element| {
        let name = document.name(element);
        document.attributes(element).all(|(attribute, value)| {
            let reference = match attribute {
                "id-ref" => true,
                "id" => refers(name) && (name != "obj_ref" || in_tags),
                "rsc" | "with-rsc" | "first" | "then" => name.starts_with("rsc_"),
                "template" => name == "primitive",
                _ => false,
            };
            !reference || ids.contains(value)
        })
    })
}

fn message(document: &Document, fault: &Fault) -> String {
    let around = || document.parent(fault.element).map_or("a document", |parent| document.name(parent));
    match &fault.problem {
        Problem::Misplaced => format!("it may not stand here in <{}>", around()),
        _ => fault.to_string(),
    }
}

fn remedy(document: &Document, fault: &Fault) -> String {
    let expected = || fault.expected.join(", ");
    let some = !fault.expected.is_empty();
    match &fault.problem {
        Problem::Misplaced if some => format!("take it away, or move it; here may stand {}", expected()),
        Problem::Misplaced => "take it away, or move it".to_owned(),
        Problem::UnknownAttribute(name) if some => {
            format!("correct its name or take {name} away; there may still be {}", expected())
        }
        Problem::UnknownAttribute(name) => format!("take {name} away"),
        Problem::WrongValue { name, .. } if fault.expected.len() == 1 => format!("let {name} be {}", expected()),
        Problem::WrongValue { name, .. } => format!("let {name} be one of: {}", expected()),
        Problem::LacksAttribute if fault.expected.len() == 1 => format!("give it {}", expected()),
        Problem::LacksAttribute => format!("give it what is missing of {}", expected()),
        Problem::LacksChild => format!("put what is missing into it: {}", of(document, fault.element, &expected())),
        Problem::HasText => "take the text away, or write it as an attribute".to_owned(),
    }
}

fn of(document: &Document, element: Element, names: &str) -> String {
    if names.is_empty() { format!("a <{}> cannot be empty", document.name(element)) } else { names.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::strict;
    use super::*;

    const REST: &str = "<crm_config/><nodes/><constraints/>";

    #[track_caller]
    fn expect(configuration: &str, expected: &[&str]) {
        let document = Document::parse(&format!("<cib><configuration>{configuration}</configuration></cib>")).unwrap();
        let findings = strict(&document);
        let lines: Vec<String> = findings.iter().map(|found| format!("{found} ({})", found.remedy)).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_the_schema_refuses_is_told_with_place_and_remedy() {
        expect(
            &format!(
                "{REST}<resources><group id='g' colour='red'><primitive id='p' class='lsb' type='x'><operations>\
                 <op id='o' name='start'/></operations></primitive></group><clone id='c'>words</clone></resources>"
            ),
            &[
                "error: group g: the attribute colour is not known here (correct its name or take colour away; there may still be description)",
                "error: op o: an attribute is missing (give it interval)",
                "error: clone c: it holds text, which nobody reads (take the text away, or write it as an attribute)",
                "error: clone c: something is missing in it (put what is missing into it: group, primitive)",
            ],
        );
        expect(
            "<crm_config/><resources/>",
            &["error: configuration: something is missing in it (put what is missing into it: constraints, nodes)"],
        );
    }

    #[test]
    fn what_may_stand_there_is_told_in_words() {
        expect(
            &format!(
                "{REST}<resources><primitive id='1 a' class='lsb' type='x'/><clone id='c'><primitive id='p' class='lsb' \
                 type='x'><operations><op id='o' name='start' interval='0' requires='all'/></operations></primitive></clone></resources>"
            ),
            &[
                "error: primitive 1 a: id=\"1 a\" is no value of id (let id be a letter or _, then letters, digits, - _ and .)",
                "error: op o: requires=\"all\" is not one of: nothing, quorum, fencing, unfencing (set requires to one of: nothing, quorum, fencing, unfencing)",
            ],
        );
    }

    #[test]
    fn an_id_stands_for_one_element() {
        let of = |nodes: &str| {
            let inside = format!(
                "<crm_config/><nodes>{nodes}</nodes><resources><primitive id='p' class='lsb' type='x'/></resources><constraints/>"
            );
            takes_configuration(
                &Document::parse(&format!("<cib><configuration>{inside}</configuration></cib>")).unwrap(),
            )
        };
        assert!(of("<node id='p' uname='p'/>"));
        assert!(!of("<node id='n' uname='n'><instance_attributes id='p'/></node>"));
    }

    #[test]
    fn what_a_rule_has_told_is_told_once() {
        let text = format!("{REST}<resources><primitve id='x'/></resources>");
        let document = Document::parse(&format!("<cib><configuration>{text}</configuration></cib>")).unwrap();
        assert_eq!(strict(&document).len(), 1);
    }

    #[test]
    fn a_schema_that_is_not_known() {
        let of = |name: &str| {
            let text =
                format!("<cib validate-with='{name}'><configuration>{REST}<resources/></configuration><status/></cib>");
            Document::parse(&text).unwrap()
        };
        assert_eq!(
            strict(&of("pacemaker-9.9")).iter().map(Finding::to_string).collect::<Vec<_>>(),
            ["error: cib: validate-with=\"pacemaker-9.9\" is no schema that is known here"]
        );
        for name in ["pacemaker-1.2", "pacemaker-2.10", "pacemaker-3.10", "pacemaker-4.0"] {
            assert!(takes_configuration(&of(name)), "{name}");
        }
        for name in ["pacemaker-3.11", "pacemaker-4.1", "pacemaker-3.01", "3.9", ""] {
            assert!(!takes_configuration(&of(name)), "{name}");
        }
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_not_taken() {
        let of = |constraint: &str| {
            let resources = "<resources><primitive id='p' class='lsb' type='x'/></resources>";
            let rest = "<crm_config/><nodes/>";
            let text = format!(
                "<cib><configuration>{rest}{resources}<constraints>{constraint}</constraints></configuration></cib>"
            );
            takes_configuration(&Document::parse(&text).unwrap())
        };
        assert!(of("<rsc_location id='l' rsc='p' node='n' score='1'/>"));
        assert!(!of("<rsc_location id='l' rsc='q' node='n' score='1'/>"));
        assert!(!of("<rsc_order id='o'><resource_set id='s'><resource_ref id='q'/></resource_set></rsc_order>"));
    }

    #[test]
    fn a_tag_may_name_what_is_not_there_yet() {
        let of = |version: &str| {
            let inside = format!("{REST}<resources/><tags><tag id='t'><obj_ref id='p'/></tag></tags>");
            let text =
                format!("<cib validate-with='pacemaker-{version}'><configuration>{inside}</configuration></cib>");
            let document = Document::parse(&text).unwrap();
            let told: Vec<Severity> = strict(&document).iter().map(|finding| finding.severity).collect();
            (takes_configuration(&document), told)
        };
        assert_eq!(of("3.2"), (false, vec![Severity::Error]));
        assert_eq!(of("3.3"), (true, vec![Severity::Warning]));
    }

    #[test]
    fn who_asks_for_no_schema_has_none() {
        let document = Document::parse("<cib validate-with='none'><configuration/></cib>").unwrap();
        assert_eq!(strict(&document), []);
    }
}
