//! Votes of nodes that are not one each do what they are given for; and an even number of them can tie.

use super::Subject;
use crate::finding::Finding;

const RULE: &str = "votes";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let model = subject.model;
    let quorum = &model.quorum;
    let mut findings = Vec::new();
    let votes = |node: &crate::model::Node| node.votes.as_ref().map_or(1, |votes| u64::from(votes.value));
    let sum: u64 = model.nodes.iter().map(votes).sum();
    if !model.nodes.is_empty() && sum == 0 {
        findings.push(
            Finding::error(RULE, "no node has a vote")
                .at(model.nodes[0].votes.as_ref().map_or(model.nodes[0].span, |votes| votes.span))
                .why("nothing can ever be quorate")
                .remedy("take the quorum_votes lines away: each node has one then"),
        );
        return findings;
    }
    for node in &model.nodes {
        let Some(placed) = &node.votes else { continue };
        if placed.value == 0 {
            findings.push(
                Finding::advice(RULE, format!("{} has no vote", node.called()))
                    .at(placed.span)
                    .why("it never helps to reach quorum: whether it is there or not, the others decide")
                    .remedy("leave it so if that is meant, else take the line away"),
            );
        } else if votes(node) * 2 > sum && model.nodes.len() > 1 {
            findings.push(
                Finding::warning(RULE, format!("{} has {} of {sum} votes", node.called(), placed.value))
                    .at(placed.span)
                    .why("without this node nothing is quorate, however many others there are")
                    .remedy("give nodes one vote each, by taking the quorum_votes lines away"),
            );
        }
    }
    let breaks_ties = quorum.device.is_some() || quorum.auto_tie_breaker.is_some() || quorum.two_node.is_some();
    if model.nodes.len() > 2
        && sum.is_multiple_of(2)
        && !breaks_ties
        && quorum.provider.is_some()
        && quorum.expected_votes.is_none()
    {
        findings.push(
            Finding::advice(RULE, format!("{sum} votes can tie"))
                .at(model.nodes[0].span)
                .why("after a split into equal halves neither is quorate and everything stops")
                .remedy("add a node, a quorum device, or `auto_tie_breaker: 1`"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn weights() {
        let with = |node: &str, found: &[&str]| expect(&file("", node, "", ""), &Facts::default(), found);
        with("        quorum_votes: 0\n", &["advice votes 9:5 2 votes can tie", "advice votes 14:23 a has no vote"]);
        with("        quorum_votes: 3\n", &["warning votes 14:23 a has 3 of 5 votes"]);
    }
}
