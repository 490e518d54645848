//! The format has a version, and it is 2; the file's own edition is numbered.

use super::Subject;
use crate::edit::insert_entry;
use crate::finding::Finding;

const RULE: &str = "version";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let conf = subject.conf;
    let mut findings = Vec::new();
    let totem = conf.sections(&["totem"]);
    if conf.value(&["totem", "version"]).is_none() {
        let mut finding = Finding::error(RULE, "totem.version is missing")
            .why("Corosync reads version 2 of the format only, and wants it said")
            .remedy("put `version: 2` into section totem");
        if let Some(section) = totem.first() {
            finding = finding.at(conf.section(*section).name_span).fix([insert_entry(conf, *section, "version", "2")]);
        }
        findings.push(finding);
    }
    let edition = conf.value(&["totem", "config_version"]);
    if edition.is_none_or(|entry| entry.value == "0") {
        let mut finding = Finding::advice(RULE, "the file's edition is not numbered")
            .why("a node that comes back with an old file joins all the same; with config_version it would leave")
            .remedy("set totem.config_version, and raise it with every change");
        match (edition, totem.first()) {
            (Some(entry), _) => finding = finding.at(entry.value_span),
            (None, Some(section)) => {
                let edit = insert_entry(conf, *section, "config_version", "1");
                finding = finding.at(conf.section(*section).name_span).fix([edit]);
            }
            (None, None) => {}
        }
        findings.push(finding);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn what_is_not_said() {
        let text = file("", "", "", "");
        let text = text.replace("    version: 2\n", "").replace("config_version: 3", "config_version: 0");
        expect(
            &text,
            &Facts::default(),
            &["error version 1:1 totem.version is missing", "advice version 3:21 the file's edition is not numbered"],
        );
        expect(
            &file("    version: 3\n", "", "", "").replace("    version: 2\n", ""),
            &Facts::default(),
            &["error value 6:14 totem.version is `3`; it has to be 2"],
        );
    }
}
