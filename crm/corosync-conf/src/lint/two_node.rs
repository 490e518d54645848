//! `two_node` is for two nodes and nothing else.

use super::Subject;
use crate::edit::{insert_entry, set_value};
use crate::finding::Finding;

const RULE: &str = "two_node";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (conf, quorum) = (subject.conf, &subject.model.quorum);
    let nodes = subject.model.nodes.len();
    let mut findings = Vec::new();
    let Some(two_node) = quorum.two_node else {
        // A two_node that cannot be read is the rule value's finding.
        let said = conf.value(&["quorum", "two_node"]).is_some_and(|entry| entry.value != "0");
        let plain = !said && quorum.device.is_none() && quorum.auto_tie_breaker.is_none() && quorum.provider.is_some();
        if nodes == 2 && plain && quorum.expected_votes.as_ref().is_none_or(|votes| votes.value == 2) {
            let section = conf.sections(&["quorum"])[0];
            findings.push(
                Finding::warning(RULE, "two nodes, and neither two_node nor a quorum device")
                    .at(conf.section(section).name_span)
                    .why("when one is lost the other has half of the votes, so it stops everything too")
                    .remedy("write `two_node: 1` and have fencing that works, or add a quorum device on a third host")
                    .fix(match conf.value(&["quorum", "two_node"]) {
                        Some(entry) => [set_value(conf, entry.value_span, "1")],
                        None => [insert_entry(conf, section, "two_node", "1")],
                    }),
            );
        }
        return findings;
    };
    if let Some(device) = &quorum.device {
        findings.push(
            Finding::error(RULE, "two_node does not go with a quorum device")
                .at(two_node)
                .also(device.span, "the device")
                .why("`corosync -t` says nothing, but Corosync ends as soon as it is started")
                .remedy("take two_node away: with the device's vote one of two is quorate, and only one")
                .fix([set_value(conf, two_node, "0")]),
        );
    }
    if nodes > 2 {
        findings.push(
            Finding::warning(RULE, format!("two_node with {nodes} nodes"))
                .at(two_node)
                .why("Corosync takes it. After a split every part of one or two nodes counts as quorate: two parts run the services at once")
                .remedy("take two_node away as soon as there is a third node")
                .fix([set_value(conf, two_node, "0")]),
        );
    }
    if let Some(wait) = quorum.wait_for_all.as_ref().filter(|wait| !wait.value) {
        findings.push(
            Finding::warning(RULE, "two_node without wait_for_all")
                .at(wait.span)
                .also(two_node, "each of two is quorate alone")
                .why("after a start each node is quorate before it has seen the other, and fences it: they can take turns for ever")
                .remedy("take the line away: two_node switches wait_for_all on")
                .fix([set_value(conf, wait.span, "1")]),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn for_two() {
        let two = |quorum: &str| {
            let text = file("", "", quorum, "");
            let from = text.find("    node {\n        name: c").unwrap();
            format!("{}{}", &text[..from], &text[text.find("}\nquorum").unwrap()..])
        };
        expect(&two("    two_node: 1\n"), &Facts::default(), &[]);
        expect(
            &two(""),
            &Facts::default(),
            &["warning two_node 22:1 two nodes, and neither two_node nor a quorum device"],
        );
        expect(
            &two("    two_node: 1\n    wait_for_all: 0\n"),
            &Facts::default(),
            &["warning two_node 25:19 two_node without wait_for_all"],
        );
        expect(
            &file("", "", "    two_node: 1\n", ""),
            &Facts::default(),
            &["warning two_node 30:15 two_node with 3 nodes"],
        );
    }
}
