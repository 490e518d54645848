//! Only knet knows encryption and several links.

use super::Subject;
use crate::finding::Finding;
use crate::model::Transport;

const RULE: &str = "transport";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (conf, model) = (subject.conf, subject.model);
    let mut findings = Vec::new();
    if model.transport == Transport::Knet {
        return findings;
    }
    let Some(transport) = conf.value(&["totem", "transport"]) else { return findings };
    let name = &transport.value;
    for (key, off) in [("secauth", "off"), ("crypto_cipher", "none"), ("crypto_hash", "none")] {
        let on = |value: &str| if key == "secauth" { value == "on" } else { value != off };
        if let Some(entry) = conf.value(&["totem", key]).filter(|entry| on(&entry.value)) {
            findings.push(
                Finding::error(RULE, format!("{key} does not go with {name}"))
                    .at(entry.key_span)
                    .also(transport.value_span, format!("the transport is {name}"))
                    .why("encryption is knet's: Corosync refuses the file")
                    .remedy("take the transport line away, so that it is knet; only if that cannot be, switch encryption off"),
            );
        }
    }
    let links = model.links();
    if links.len() > 1 {
        let span = model.nodes.iter().find_map(|node| node.addresses.get(&links[1])).map(|address| address.span);
        let mut finding = Finding::error(RULE, format!("{} links do not go with {name}", links.len()))
            .also(transport.value_span, format!("the transport is {name}"))
            .why("several links are knet's: Corosync refuses the file")
            .remedy("take the transport line away, so that it is knet, or all links but one");
        finding.span = span;
        findings.push(finding);
    }
    if findings.is_empty() {
        findings.push(
            Finding::advice(RULE, format!("{name} knows neither encryption nor a second link"))
                .at(transport.value_span)
                .why("it is kept for old clusters; Corosync's own builds have begun to leave it out")
                .remedy("move to knet: stop the cluster, take the line away on all nodes, start it"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn udpu_is_for_one_plain_link() {
        expect(
            &file("    transport: udpu\n", "", "", ""),
            &Facts::default(),
            &[
                "error transport 5:5 crypto_cipher does not go with udpu",
                "error transport 6:5 crypto_hash does not go with udpu",
                "error transport 14:21 2 links do not go with udpu",
            ],
        );
    }
}
