//! The quorum device has a host, the votes its algorithm needs, and nothing beside it that it does not go with.

use super::Subject;
use crate::edit::{insert_entry, set_value};
use crate::finding::{Edit, Finding};

const RULE: &str = "device";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (conf, model) = (subject.conf, subject.model);
    let quorum = &model.quorum;
    let mut findings = Vec::new();
    let Some(device) = &quorum.device else {
        if let Some(section) = conf.sections(&["quorum", "device"]).first() {
            findings.push(
                Finding::warning(RULE, "the device has no model")
                    .at(conf.section(*section).name_span)
                    .why("Corosync takes a device without model for none")
                    .remedy("write `model: net` into it, or take the section away")
                    .fix([insert_entry(conf, *section, "model", "net")]),
            );
        }
        return findings;
    };
    let ends = "`corosync -t` says nothing, but Corosync ends as soon as it is started";
    let beside = [("last_man_standing", quorum.last_man_standing), ("allow_downscale", quorum.allow_downscale)];
    for (key, span) in beside.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        findings.push(
            Finding::error(RULE, format!("{key} does not go with a quorum device"))
                .at(span)
                .also(device.span, "the device")
                .why(ends)
                .remedy(format!("take {key} away"))
                .fix([set_value(conf, span, "0")]),
        );
    }
    if conf.value(&["quorum", "device", "net", "host"]).is_none_or(|host| host.value.is_empty()) {
        findings.push(
            Finding::error(RULE, "the device has no host")
                .at(device.span)
                .why("corosync-qdevice does not start without one, so its votes are never cast")
                .remedy("write `net { host: … }`, on three lines: the host where corosync-qnetd runs, which is no node of this cluster"),
        );
    }
    let nodes = model.nodes.len();
    let even_votes = model.nodes.iter().all(|node| node.votes.as_ref().is_none_or(|votes| votes.value == 1));
    match &device.votes {
        None if quorum.expected_votes.is_some() => findings.push(
            Finding::error(RULE, "the device needs its votes said, as expected_votes is")
                .at(device.span)
                .why(ends)
                .remedy("take expected_votes away, or write the device's votes"),
        ),
        None if !even_votes => findings.push(
            Finding::error(RULE, "the device needs its votes said, as nodes have other votes than 1")
                .at(device.span)
                .why(ends)
                .remedy("write the device's votes"),
        ),
        Some(votes) if device.algorithm == "lms" => {
            let line = conf.value(&["quorum", "device", "votes"]).map(|entry| entry.line);
            findings.push(
                Finding::warning(RULE, "lms with votes that are said")
                    .at(votes.span)
                    .why("with lms the device needs one vote less than there are nodes, which it has by itself; with fewer the last node does not stay quorate")
                    .remedy("take the line away")
                    .fix(line.map(|span| Edit { span, text: String::new() })),
            );
        }
        None if device.algorithm == "ffsplit" && nodes > 2 => findings.push(
            Finding::warning(RULE, "ffsplit without `votes: 1`")
                .at(device.span)
                .why(format!("the device would have {} votes of {}: nearly nothing is quorate without it", nodes - 1, 2 * nodes - 1))
                .remedy("write `votes: 1` into the device")
                .fix([insert_entry(conf, device.section, "votes", "1")]),
        ),
        Some(votes) if votes.value != 1 => findings.push(
            Finding::warning(RULE, format!("ffsplit with {} votes", votes.value))
                .at(votes.span)
                .why("ffsplit is made to give one vote to one half; with none it does nothing, with more the nodes depend on it")
                .remedy("write `votes: 1`")
                .fix([set_value(conf, votes.span, "1")]),
        ),
        _ => {}
    }
    if device.algorithm == "ffsplit" && nodes % 2 == 1 && nodes > 1 {
        findings.push(
            Finding::advice(RULE, format!("ffsplit with {nodes} nodes"))
                .at(device.span)
                .why("an odd number of nodes has no equal halves; the vote makes their sum even, so that loss of the device can cost quorum")
                .remedy("do without the device, or use `algorithm: lms`"),
        );
    }
    if let Some(tls) = conf.value(&["quorum", "device", "net", "tls"]).filter(|tls| tls.value == "off") {
        findings.push(
            Finding::warning(RULE, "the device is asked in clear")
                .at(tls.value_span)
                .why("whoever is on the way can take and give its vote")
                .remedy("write `tls: on`, with certificates made by corosync-qdevice-net-certutil"),
        );
    }
    for entry in conf.sections(&["quorum", "device", "heuristics"]).iter().flat_map(|id| conf.entries(*id)) {
        if entry.key.starts_with("exec_") && !entry.value.starts_with('/') {
            findings.push(
                Finding::error(RULE, format!("{} is no absolute path", entry.value))
                    .at(entry.value_span)
                    .why("corosync-qdevice refuses it")
                    .remedy("give the whole path, as `/usr/bin/test -f /run/ok`"),
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
    fn devices() {
        let with = |quorum: &str, found: &[&str]| expect(&file("", "", quorum, ""), &Facts::default(), found);
        let odd = "advice device 30:5 ffsplit with 3 nodes";
        with(
            "    device {\n        net {\n            host: q\n        }\n    }\n",
            &["warning device 30:5 the device has no model"],
        );
        with(
            "    device {\n        model: net\n        votes: 1\n    }\n",
            &["error device 30:5 the device has no host", odd],
        );
        with(
            "    device {\n        model: net\n        net {\n            host: q\n            tls: off\n        }\n    }\n    last_man_standing: 1\n",
            &[
                "error device 37:24 last_man_standing does not go with a quorum device",
                "warning device 30:5 ffsplit without `votes: 1`",
                "warning device 34:18 the device is asked in clear",
                odd,
            ],
        );
        with(
            "    device {\n        model: net\n        votes: 2\n        net {\n            host: q\n            algorithm: lms\n        }\n        heuristics {\n            exec_a: test\n        }\n    }\n",
            &["error device 38:21 test is no absolute path", "warning device 32:16 lms with votes that are said"],
        );
        with(
            "    two_node: 1\n    expected_votes: 3\n    device {\n        model: net\n        net {\n            host: q\n            algorithm: lms\n        }\n    }\n",
            &[
                "error two_node 30:15 two_node does not go with a quorum device",
                "error device 32:5 the device needs its votes said, as expected_votes is",
                "warning two_node 30:15 two_node with 3 nodes",
            ],
        );
    }
}
