//! What Corosync does not know, it keeps and never reads.

use super::Subject;
use super::obsolete;
use crate::conf::SectionId;
use crate::finding::{Edit, Finding, Span};
use crate::keys::{KEYS, find, is_section};

const RULE: &str = "unknown";

/// How alike two names have to be for one to be a slip of the other: 1 is the same.
const ALIKE: f64 = 0.8;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let conf = subject.conf;
    let mut findings = Vec::new();
    for section in conf.all_sections() {
        let path = conf.path(section).join(".");
        let parent = conf.section(section).parent.unwrap_or(conf.root());
        let parent_path = conf.path(parent).join(".");
        if !is_section(&path) {
            // Sections of old programs are obsolete's; of an unknown one only the outermost is told.
            if is_section(&parent_path) && !obsolete::is_known(&path) {
                findings.push(unknown_section(subject, section, &path));
            }
            continue;
        }
        for entry in conf.entries(section) {
            let full = format!("{path}.{}", entry.key);
            if find(&full).is_none() && !obsolete::is_known(&full) {
                findings.push(unknown_key(&full, &path, &entry.key, entry.key_span));
            }
        }
    }
    for entry in conf.entries(conf.root()) {
        findings.push(
            Finding::warning(RULE, format!("{} stands in no section", entry.key))
                .at(entry.key_span)
                .why("Corosync keeps it and never reads it")
                .remedy(match KEYS.iter().find(|key| key.path.ends_with(&format!(".{}", entry.key))) {
                    Some(key) => {
                        format!("put it into section {}", key.path.rsplit_once('.').map_or("", |(section, _)| section))
                    }
                    None => "take it away".to_owned(),
                }),
        );
    }
    findings
}

fn unknown_section(subject: &Subject<'_>, section: SectionId, path: &str) -> Finding {
    let span = subject.conf.section(section).name_span;
    let depth = path.split('.').count();
    let known = KEYS.iter().filter_map(|key| {
        let parts: Vec<&str> = key.path.split('.').collect();
        (parts.len() > depth).then(|| parts[..depth].join("."))
    });
    let finding = Finding::warning(RULE, format!("section {path} is not known to Corosync"))
        .at(span)
        .why("Corosync keeps what is in it and never reads it");
    match closest(path, known.collect::<Vec<_>>().iter().map(String::as_str)) {
        Some(meant) => {
            let name = meant.rsplit('.').next().unwrap_or_default().to_owned();
            finding.remedy(format!("did you mean {name}?")).fix([Edit { span, text: name }])
        }
        None => finding.remedy("take it away"),
    }
}

fn unknown_key(full: &str, path: &str, key: &str, span: Span) -> Finding {
    let finding = Finding::warning(RULE, format!("{full} is not known to Corosync"))
        .at(span)
        .why("Corosync keeps it and never reads it: what it was meant to change is not changed");
    let beside = |key: &&crate::keys::Key| key.path.rsplit_once('.').is_some_and(|(section, _)| section == path);
    let elsewhere = KEYS.iter().find(|other| other.path.rsplit('.').next() == Some(key));
    match (closest(full, KEYS.iter().filter(beside).map(|key| key.path)), elsewhere) {
        (_, Some(other)) => {
            let section = other.path.rsplit_once('.').map_or("", |(section, _)| section);
            finding.remedy(format!("it belongs into section {section}"))
        }
        (Some(meant), None) => {
            let name = meant.rsplit('.').next().unwrap_or_default().to_owned();
            let finding = finding.remedy(format!("did you mean {name}?"));
            if name.contains('*') { finding } else { finding.fix([Edit { span, text: name }]) }
        }
        (None, None) => finding.remedy("take it away; `systole corosync explain` lists all keys"),
    }
}

fn closest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let scored = known.map(|other| (strsim::jaro_winkler(&last(name), &last(other)), other));
    scored.filter(|(score, _)| *score > ALIKE).max_by(|one, two| one.0.total_cmp(&two.0)).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::{Conf, Facts, lint};

    #[test]
    fn slips() {
        expect(
            &file("    tokn: 5000\n    expected_votes: 3\n", "", "", "totm {\n    token: 3000\n}\nx: y\n"),
            &Facts::default(),
            &[
                "warning unknown 7:5 totem.tokn is not known to Corosync",
                "warning unknown 8:5 totem.expected_votes is not known to Corosync",
                "warning unknown 33:1 section totm is not known to Corosync",
                "warning unknown 36:1 x stands in no section",
            ],
        );
        let remedies: Vec<String> =
            lint(&Conf::parse(file("    tokn: 5000\n    expected_votes: 3\n", "", "", "")), &Facts::default())
                .into_iter()
                .map(|finding| finding.remedy)
                .collect();
        assert_eq!(remedies, ["did you mean token?", "it belongs into section quorum"]);
    }
}
