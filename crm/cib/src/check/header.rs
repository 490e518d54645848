//! What every CIB says of itself in its first line: the schema it was written for, and its version. Without them
//! Pacemaker takes none, whatever it configures; what it configures is for the rules and the schema.

use super::{Finding, Severity, finding};
use crate::document::Document;

/// The numbers of a CIB's version, the weightiest first.
const VERSION: [&str; 3] = ["admin_epoch", "epoch", "num_updates"];

/// What is missing or wrong in the first line. Who asked for no schema is asked for nothing.
pub(super) fn check(document: &Document) -> Vec<Finding> {
    let root = document.root();
    let error = |message: String, remedy: String| finding(document, Severity::Error, root, message, remedy);
    let mut findings = Vec::new();
    match document.attribute(root, "validate-with") {
        Some(name) if name.eq_ignore_ascii_case("none") => return findings,
        Some(_) => {}
        None => findings.push(error(
            "it has no validate-with, so nobody knows which schema it was written for".to_owned(),
            "add the name of its schema, such as validate-with=\"pacemaker-3.9\"".to_owned(),
        )),
    }
    for name in VERSION {
        match document.attribute(root, name) {
            None => findings.push(error(
                format!("it has no {name}, which is a part of its version"),
                format!("add {name}=\"0\", or what it was"),
            )),
            Some(value) if !is_count(value) => findings.push(error(
                format!("{name}=\"{value}\" is not a whole number from 0 on"),
                format!("set {name} to a whole number from 0 on"),
            )),
            Some(_) => {}
        }
    }
    findings
}

fn is_count(value: &str) -> bool {
    let digits = value.trim();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::whole;
    use super::*;

    #[track_caller]
    fn expect(attributes: &str, expected: &[&str]) {
        let inside = "<crm_config/><nodes/><resources/><constraints/>";
        let text = format!("<cib {attributes}><configuration>{inside}</configuration></cib>");
        let findings = whole(&Document::parse(&text).unwrap());
        let lines: Vec<String> = findings.iter().map(|found| format!("{found} ({})", found.remedy)).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_schema_and_a_version() {
        expect("validate-with='pacemaker-3.9' admin_epoch='0' epoch='7' num_updates='12'", &[]);
        expect("validate-with='none'", &[]);
        expect(
            "validate-with='pacemaker-3.9' admin_epoch='0' epoch='-1'",
            &[
                "error: cib: epoch=\"-1\" is not a whole number from 0 on (set epoch to a whole number from 0 on)",
                "error: cib: it has no num_updates, which is a part of its version (add num_updates=\"0\", or what it was)",
            ],
        );
        expect(
            "admin_epoch='0' epoch='0' num_updates='0'",
            &[
                "error: cib: it has no validate-with, so nobody knows which schema it was written for (add the name of its \
               schema, such as validate-with=\"pacemaker-3.9\")",
            ],
        );
    }
}
