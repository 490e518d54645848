//! What is expected is what there is.

use super::Subject;
use crate::finding::{Edit, Finding};

const RULE: &str = "expected_votes";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (conf, model) = (subject.conf, subject.model);
    let quorum = &model.quorum;
    let mut findings = Vec::new();
    let Some(expected) = &quorum.expected_votes else { return findings };
    let removal = conf.value(&["quorum", "expected_votes"]).map(|entry| Edit { span: entry.line, text: String::new() });
    let device = quorum.device.as_ref().map(|device| device.votes.as_ref().map_or(0, |votes| votes.value));
    if let Some(votes) = device.filter(|votes| *votes > 0 && expected.value.saturating_sub(*votes) < 2) {
        findings.push(
            Finding::error(RULE, format!("{} expected votes, {votes} of them the device's", expected.value))
                .at(expected.span)
                .why("`corosync -t` says nothing, but Corosync ends as soon as it is started: less than two votes are left for nodes")
                .remedy("take expected_votes away: it is the sum by itself")
                .fix(removal),
        );
        return findings;
    }
    let nodes: u64 = model.nodes.iter().map(|node| node.votes.as_ref().map_or(1, |votes| u64::from(votes.value))).sum();
    let sum = nodes + u64::from(device.unwrap_or(0));
    if !model.nodes.is_empty() && u64::from(expected.value) != sum && u64::from(expected.value) != nodes {
        let why = if u64::from(expected.value) > sum {
            "more is expected than can come: fewer nodes may be lost than you think, or quorum is never reached"
        } else {
            "it is raised as nodes come, so after a start fewer nodes are quorate than later: two parts can be at once"
        };
        findings.push(
            Finding::warning(RULE, format!("{} votes are expected, and there are {sum}", expected.value))
                .at(expected.span)
                .why(why)
                .remedy("take the line away: the nodelist's votes are summed")
                .fix(removal),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn sums() {
        let with = |quorum: &str, found: &[&str]| expect(&file("", "", quorum, ""), &Facts::default(), found);
        with("    expected_votes: 3\n", &[]);
        with("    expected_votes: 5\n", &["warning expected_votes 30:21 5 votes are expected, and there are 3"]);
        with(
            "    expected_votes: 3\n    device {\n        model: net\n        votes: 2\n        net {\n            host: q\n            algorithm: test\n        }\n    }\n",
            &[
                "error expected_votes 30:21 3 expected votes, 2 of them the device's",
                "warning device 33:16 ffsplit with 2 votes",
            ],
        );
    }
}
