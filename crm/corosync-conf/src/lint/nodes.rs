//! Every node is told apart from every other, by id, by name and by address.

use std::collections::BTreeMap;

use super::Subject;
use crate::finding::{Finding, Span};
use crate::model::Transport;

const RULE: &str = "nodes";

/// The largest id that knet can keep.
const KNET_ID_MAX: u32 = 65_535;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (conf, model) = (subject.conf, subject.model);
    let knet = model.transport == Transport::Knet;
    let mut findings = Vec::new();
    if model.nodes.is_empty() {
        if model.transport != Transport::Udp {
            findings.push(
                Finding::error(RULE, "there is no node in the file")
                    .why("Corosync looks for its own host in the nodelist and refuses a file without it")
                    .remedy("write a nodelist with a node for each host: name, nodeid, ring0_addr"),
            );
        }
        return findings;
    }
    let lists = conf.sections(&["nodelist"]);
    let counted = |list: &crate::conf::SectionId| {
        conf.sections(&["nodelist", "node"]).iter().any(|node| conf.section(*node).parent == Some(*list))
    };
    if let [first, second, ..] = lists.iter().filter(|list| counted(list)).collect::<Vec<_>>()[..] {
        findings.push(
            Finding::warning(RULE, "a second nodelist with nodes")
                .at(conf.section(*second).name_span)
                .also(conf.section(*first).name_span, "the first one")
                .why("Corosync counts nodes from the start in each list: the second one's first node is written over the first one's")
                .remedy("put all nodes into one nodelist"),
        );
    }
    let mut ids: BTreeMap<u32, Span> = BTreeMap::new();
    let mut names: BTreeMap<&str, Span> = BTreeMap::new();
    let mut addresses: BTreeMap<&str, (Span, String)> = BTreeMap::new();
    for node in &model.nodes {
        match &node.id {
            Some(id) if knet && id.value > KNET_ID_MAX => findings.push(
                Finding::error(RULE, format!("nodeid {} is too large", id.value))
                    .at(id.span)
                    .why(format!("knet takes ids up to {KNET_ID_MAX}: Corosync refuses the file"))
                    .remedy("number the nodes from 1"),
            ),
            Some(id) if id.value != 0 => {
                if let Some(first) = ids.insert(id.value, id.span) {
                    findings.push(
                        Finding::error(RULE, format!("nodeid {} stands there twice", id.value))
                            .at(id.span)
                            .also(first, "the first one")
                            .why("Corosync refuses the file")
                            .remedy("give each node an id of its own; keep those of nodes that are running"),
                    );
                }
            }
            other if knet => {
                let span = other.as_ref().map_or(node.span, |id| id.span);
                let message = if other.is_some() {
                    "nodeid 0 is none".to_owned()
                } else {
                    format!("{} has no nodeid", node.called())
                };
                let number = node.sections.iter().flat_map(|id| conf.entries(*id)).any(|entry| entry.key == "nodeid");
                // A nodeid that is no number is the rule value's finding.
                if other.is_some() || !number {
                    findings.push(
                        Finding::error(RULE, message)
                            .at(span)
                            .why("knet wants an id for each node: Corosync refuses the file")
                            .remedy("write `nodeid: N`, a number that no other node has"),
                    );
                }
            }
            _ => {}
        }
        if let Some(name) = &node.name {
            if let Some(first) = names.insert(&name.value, name.span) {
                findings.push(
                    Finding::warning(RULE, format!("two nodes are called {}", name.value))
                        .at(name.span)
                        .also(first, "the first one")
                        .why("a host finds itself by name: both hosts would take the first entry, and fencing would not know whom to hit")
                        .remedy("give each node the name that `uname -n` says on its host"),
                );
            }
            if name.value.contains(char::is_whitespace) {
                findings.push(
                    Finding::warning(RULE, format!("`{}` is no host's name", name.value))
                        .at(name.span)
                        .why("no host can find itself by it, and tools split it at the blank")
                        .remedy("give the name that `uname -n` says; nothing may follow it on the line"),
                );
            }
        }
        for (link, address) in &node.addresses {
            if let Some((first, whose)) =
                addresses.insert(&address.value, (address.span, format!("{} on link {link}", node.called())))
            {
                findings.push(
                    Finding::warning(RULE, format!("address {} stands there twice", address.value))
                        .at(address.span)
                        .also(first, whose)
                        .why("Corosync takes it and sends both nodes' packets to one of them: it can take the whole cluster down")
                        .remedy("give each node its own address on each link"),
                );
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
    fn nodes_are_told_apart() {
        let text = file("", "", "", "").replace("nodeid: 2", "nodeid: 1").replace("nodeid: 3", "nodeid: 65536");
        let text = text.replace("name: b", "name: a").replace("10.0.0.3", "10.0.0.1");
        expect(
            &text,
            &Facts::default(),
            &[
                "error nodes 17:17 nodeid 1 stands there twice",
                "error nodes 23:17 nodeid 65536 is too large",
                "warning nodes 16:15 two nodes are called a",
                "warning nodes 24:21 address 10.0.0.1 stands there twice",
            ],
        );
        let text = file("", "", "", "").replace("        nodeid: 2\n", "").replace("nodeid: 3", "nodeid: 0");
        expect(&text, &Facts::default(), &["error nodes 15:5 b has no nodeid", "error nodes 22:17 nodeid 0 is none"]);
    }

    #[test]
    fn no_nodes_and_two_lists() {
        let text = "totem {\n version: 2\n config_version: 1\n secauth: on\n}\nquorum {\n provider: corosync_votequorum\n expected_votes: 2\n}\n";
        expect(text, &Facts::default(), &["error nodes there is no node in the file"]);
        let text = file("", "", "", "nodelist {\n    node {\n        nodeid: 4\n    }\n}\n");
        expect(&text, &Facts::default(), &["warning nodes 31:1 a second nodelist with nodes"]);
    }
}
