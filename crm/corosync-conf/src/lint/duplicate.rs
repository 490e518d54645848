//! What stands there twice: the last value counts.

use super::Subject;
use crate::finding::{Edit, Finding};

const RULE: &str = "duplicate";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let conf = subject.conf;
    let mut findings = Vec::new();
    for section in conf.all_sections() {
        let entries: Vec<_> = conf.entries(section).collect();
        for (position, entry) in entries.iter().enumerate() {
            let Some(last) = entries[position + 1..].iter().rfind(|other| other.key == entry.key) else { continue };
            let same = last.value == entry.value;
            findings.push(
                Finding::warning(RULE, format!("{} stands there again below", entry.key))
                    .at(entry.key_span)
                    .also(last.key_span, "this one counts")
                    .why(if same {
                        "Corosync takes the last one; change only one of them and they differ"
                    } else {
                        "Corosync says nothing and takes the last one"
                    })
                    .remedy("take this line away")
                    .fix([Edit { span: entry.line, text: String::new() }]),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn twice() {
        expect(
            &file("    token: 1000\n    token: 5000\n", "", "", ""),
            &Facts::default(),
            &["warning duplicate 7:5 token stands there again below"],
        );
    }
}
