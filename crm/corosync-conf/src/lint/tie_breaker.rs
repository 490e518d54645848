//! A tie breaker breaks ties that there can be, and is a node of the list.

use super::Subject;
use crate::edit::{insert_entry, set_value};
use crate::finding::Finding;
use crate::votequorum::TieBreaker;

const RULE: &str = "tie_breaker";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (conf, model) = (subject.conf, subject.model);
    let quorum = &model.quorum;
    let mut findings = Vec::new();
    let Some(on) = quorum.auto_tie_breaker else {
        if let Some(named) = quorum.auto_tie_breaker_node.as_ref() {
            findings.push(
                Finding::warning(RULE, "auto_tie_breaker_node without auto_tie_breaker")
                    .at(named.span)
                    .why("it has no effect")
                    .remedy("write `auto_tie_breaker: 1` beside it, or take it away"),
            );
        }
        return findings;
    };
    if let Some(two_node) = quorum.two_node {
        findings.push(
            Finding::warning(RULE, "auto_tie_breaker does not go with two_node")
                .at(on)
                .also(two_node, "Corosync switches this off")
                .why("one says that both halves are quorate, the other that one is; the tie breaker counts")
                .remedy("take one of them away"),
        );
    }
    if let Some(device) = &quorum.device {
        findings.push(
            Finding::warning(RULE, "auto_tie_breaker beside a quorum device")
                .at(on)
                .also(device.span, "the device")
                .why("the device breaks ties; with both, two halves can be quorate when it is lost")
                .remedy("take auto_tie_breaker away")
                .fix([set_value(conf, on, "0")]),
        );
    }
    let votes: u64 = model.nodes.iter().map(|node| node.votes.as_ref().map_or(1, |votes| u64::from(votes.value))).sum();
    let waits = quorum.wait_for_all.as_ref().map_or(quorum.two_node.is_some(), |wait| wait.value);
    if votes % 2 == 1 && !waits {
        let standing = quorum.last_man_standing.is_some();
        let message = format!("auto_tie_breaker with {votes} votes needs wait_for_all");
        let finding = if standing { Finding::error(RULE, message) } else { Finding::warning(RULE, message) };
        let fix = match &quorum.wait_for_all {
            Some(wait) => Some(set_value(conf, wait.span, "1")),
            None => conf.sections(&["quorum"]).last().map(|id| insert_entry(conf, *id, "wait_for_all", "1")),
        };
        findings.push(
            finding
                .at(on)
                .why(if standing {
                    "with last_man_standing besides, Corosync ends as soon as it is started"
                } else {
                    "Corosync says so in its log only, and goes on without the tie breaker"
                })
                .remedy("write `wait_for_all: 1`")
                .fix(fix),
        );
    }
    if let Some(named) = &quorum.auto_tie_breaker_node {
        let known =
            |id: &u32| model.nodes.iter().any(|node| node.id.as_ref().is_some_and(|placed| placed.value == *id));
        let wrong = match TieBreaker::parse(&named.value) {
            None => Some(format!("`{}` is neither lowest nor highest nor a list of node ids", named.value)),
            Some(TieBreaker::List(ids)) => ids.iter().find(|id| !known(id)).map(|id| format!("no node has id {id}")),
            _ => None,
        };
        findings.extend(wrong.map(|message| {
            Finding::warning(RULE, message)
                .at(named.span)
                .why("Corosync takes it, and no half holds the tie breaker: after an even split all stops")
                .remedy("write lowest, highest, or ids of nodes with blanks between them")
        }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn ties() {
        let with = |quorum: &str, found: &[&str]| expect(&file("", "", quorum, ""), &Facts::default(), found);
        with("    auto_tie_breaker: 1\n    wait_for_all: 1\n", &[]);
        with(
            "    auto_tie_breaker: 1\n",
            &["warning tie_breaker 30:23 auto_tie_breaker with 3 votes needs wait_for_all"],
        );
        with(
            "    auto_tie_breaker: 1\n    last_man_standing: 1\n",
            &["error tie_breaker 30:23 auto_tie_breaker with 3 votes needs wait_for_all"],
        );
        with(
            "    auto_tie_breaker: 1\n    wait_for_all: 1\n    auto_tie_breaker_node: 1 9\n",
            &["warning tie_breaker 32:28 no node has id 9"],
        );
        with(
            "    auto_tie_breaker_node: lowest\n",
            &["warning tie_breaker 30:28 auto_tie_breaker_node without auto_tie_breaker"],
        );
    }
}
