//! What the schema refuses and no rule has spoken of: Pacemaker's tools would not take it either.

use std::sync::LazyLock;

use super::{Finding, Severity, finding};
use crate::document::{Document, Element};
use crate::relaxng::{Fault, Problem, Schema};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(schemas::CIB).expect("our own schema is one"));

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
    let mut alone = Document::new(document.name(root));
    for (name, value) in document.attributes(root) {
        alone.set(alone.root(), name, value);
    }
    alone.graft(alone.root(), document, configuration);
    SCHEMA.validate(&alone).is_empty()
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
        Problem::WrongValue { .. } => format!("let it be one of: {}", expected()),
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
    fn what_a_rule_has_told_is_told_once() {
        let text = format!("{REST}<resources><primitve id='x'/></resources>");
        let document = Document::parse(&format!("<cib><configuration>{text}</configuration></cib>")).unwrap();
        assert_eq!(strict(&document).len(), 1);
    }

    #[test]
    fn who_asks_for_no_schema_has_none() {
        let document = Document::parse("<cib validate-with='none'><configuration/></cib>").unwrap();
        assert_eq!(strict(&document), []);
    }
}
