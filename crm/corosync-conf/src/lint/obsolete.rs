//! What Corosync 2 and older programs read, and Corosync 3 does not.

use super::Subject;
use crate::finding::{Edit, Finding};
use crate::keys::{Change, find};
use crate::model::Transport;

const RULE: &str = "obsolete";

/// Sections of other programs and other times, and what became of them.
const SECTIONS: &[(&str, &str)] = &[
    ("service", "plug-ins are gone with Corosync 1: Pacemaker and systoled are programs of their own"),
    ("aisexec", "Corosync runs as root by itself"),
    ("amf", "the availability management framework is gone with Corosync 1"),
    ("event", "event services are gone with Corosync 1"),
    ("qb", "it is now system.qb_ipc_type"),
    ("totem.service", "plug-ins are gone with Corosync 1"),
];

/// Whether a path is this rule's business, so that nobody calls it unknown.
pub(super) fn is_known(path: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| path == *section)
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (conf, model) = (subject.conf, subject.model);
    let mut findings = Vec::new();
    let listed = !model.links().is_empty();
    for section in conf.all_sections() {
        let path = conf.path(section).join(".");
        if let Some((name, instead)) = SECTIONS.iter().find(|(section, _)| path == *section) {
            let body = conf.section(section);
            findings.push(
                Finding::warning(RULE, format!("section {name} has no effect"))
                    .at(body.name_span)
                    .why(*instead)
                    .remedy("take the section away")
                    .fix([Edit { span: body.span, text: String::new() }]),
            );
            continue;
        }
        for entry in conf.entries(section) {
            let full = format!("{path}.{}", entry.key);
            let gone = |what: &str, why: &str| {
                Finding::warning(RULE, format!("{} {what}", entry.key))
                    .at(entry.key_span)
                    .why(why)
                    .remedy("take the line away")
                    .fix([Edit { span: entry.line, text: String::new() }])
            };
            match full.as_str() {
                "totem.interface.ringnumber" => findings.push(
                    Finding::advice(RULE, "ringnumber is now called linknumber")
                        .at(entry.key_span)
                        .why("Corosync still takes the old name")
                        .remedy(format!("write `linknumber: {}`", entry.value))
                        .fix([Edit { span: entry.key_span, text: "linknumber".to_owned() }]),
                ),
                "totem.interface.bindnetaddr" if listed => {
                    findings.push(gone("has no effect beside a nodelist", "each node's ring0_addr says where to bind"));
                }
                "totem.interface.mcastaddr" | "totem.interface.broadcast" if model.transport != Transport::Udp => {
                    findings.push(gone("is for transport udp only", "knet and udpu send to each node by itself"));
                }
                "quorum.votes" if listed => {
                    findings.push(gone(
                        "has no effect beside a nodelist",
                        "a node's votes are its quorum_votes in the list",
                    ));
                }
                "totem.nodeid" if listed => {
                    findings.push(gone("has no effect beside a nodelist", "a node's id is its nodeid in the list"));
                }
                "totem.clear_node_high_bit" if listed && model.nodes.iter().all(|node| node.id.is_some()) => {}
                _ if find(&full).is_some_and(|key| key.change == Change::Never && full != "totem.nodeid") => {
                    findings.push(gone("has no effect", find(&full).map_or("", |key| key.about)));
                }
                _ => {}
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn what_old_guides_say() {
        let totem = "    rrp_mode: passive\n    nodeid: 7\n    interface {\n        ringnumber: 0\n        bindnetaddr: 10.0.0.0\n        mcastaddr: 226.94.1.1\n    }\n";
        expect(
            &file(totem, "", "    votes: 1\n", "service {\n    name: pacemaker\n}\n"),
            &Facts::default(),
            &[
                "warning obsolete 7:5 rrp_mode has no effect",
                "warning obsolete 8:5 nodeid has no effect beside a nodelist",
                "warning obsolete 11:9 bindnetaddr has no effect beside a nodelist",
                "warning obsolete 12:9 mcastaddr is for transport udp only",
                "warning obsolete 37:5 votes has no effect beside a nodelist",
                "warning obsolete 39:1 section service has no effect",
                "advice obsolete 10:9 ringnumber is now called linknumber",
            ],
        );
    }
}
