//! The host that the file is for finds itself in it, by name or by address, and its addresses are its own.

use core::net::IpAddr;

use super::Subject;
use crate::finding::Finding;
use crate::model::{Address, Node, address};

const RULE: &str = "local";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = names(subject);
    findings.extend(itself(subject));
    findings
}

/// What names stand for.
fn names(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for node in &subject.model.nodes {
        for entry in node.addresses.values() {
            if address(&entry.value) != Address::Name {
                continue;
            }
            let Some(found) = subject.facts.resolved.get(&entry.value) else { continue };
            if found.is_empty() {
                findings.push(
                    Finding::error(RULE, format!("{} cannot be looked up on this host", entry.value))
                        .at(entry.span)
                        .why("Corosync does not start with an address it cannot find")
                        .remedy("give its IP address, or put the name into /etc/hosts on every node"),
                );
            } else if let Some(loopback) = found.iter().find(|ip| ip.is_loopback()) {
                findings.push(
                    Finding::warning(RULE, format!("{} stands for {loopback} on this host", entry.value))
                        .at(entry.span)
                        .why("Debian's installer writes such a line for the host's own name: Corosync binds to it and no other node hears it")
                        .remedy("give the IP address, or correct the line in /etc/hosts"),
                );
            }
        }
    }
    findings
}

/// The host's own entry. Corosync looks for its name, then its short name, then for one of its addresses.
fn itself(subject: &Subject<'_>) -> Option<Finding> {
    let (facts, nodes) = (subject.facts, &subject.model.nodes);
    let (hostname, addresses) = (facts.hostname.as_deref()?, facts.addresses.as_deref()?);
    if nodes.is_empty() {
        return None;
    }
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let name = |node: &&Node| node.name.as_ref().or(node.addresses.get(&0)).map(|name| name.value.clone());
    let by_name = nodes
        .iter()
        .find(|node| name(node).as_deref() == Some(hostname))
        .or_else(|| nodes.iter().find(|node| name(node).is_some_and(|name| short(&name) == short(hostname))));
    let ips = |node: &Node| -> Vec<IpAddr> {
        let of = |text: &str| match address(text) {
            Address::Ip(ip) => vec![ip],
            Address::Name => facts.resolved.get(text).cloned().unwrap_or_default(),
            Address::Nothing => Vec::new(),
        };
        node.addresses.values().flat_map(|entry| of(&entry.value)).collect()
    };
    let mine = |node: &&Node| ips(node).iter().any(|ip| addresses.contains(ip));
    match (by_name, nodes.iter().find(mine)) {
        (Some(named), here) if !mine(&named) => {
            let entry = named.addresses.values().next()?;
            if ips(named).is_empty() {
                return None;
            }
            let elsewhere =
                here.map_or(String::new(), |node| format!("; this host has the address of {}", node.called()));
            Some(
                Finding::error(RULE, format!("{} is not an address of this host{elsewhere}", entry.value))
                    .at(entry.span)
                    .why("Corosync takes this entry as its own, by the host's name, and cannot bind to its address")
                    .remedy("give this host its own address, on every node"),
            )
        }
        (None, Some(here)) => Some(
            Finding::warning(RULE, format!("this host is called {hostname}, its entry {}", here.called()))
                .at(here.name.as_ref().map_or(here.span, |name| name.span))
                .why("Corosync finds the entry by address only; whoever looks for the node by name does not find it")
                .remedy(format!("write `name: {hostname}`")),
        ),
        (None, None) => Some(
            Finding::error(RULE, format!("this host, {hostname}, is not in the nodelist"))
                .at(nodes[0].span)
                .why("neither its name nor any of its addresses stands there: Corosync does not start on it")
                .remedy("add the host to the list, on every node; or this file belongs to another cluster"),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    fn host(name: &str, address: &str) -> Facts {
        let addresses = vec!["127.0.0.1".parse().unwrap(), address.parse().unwrap()];
        Facts { hostname: Some(name.into()), addresses: Some(addresses), ..Facts::default() }
    }

    #[test]
    fn a_host_finds_itself() {
        let text = file("", "", "", "");
        expect(&text, &host("a", "10.0.0.1"), &[]);
        expect(&text, &host("b.example", "10.1.0.2"), &[]);
        expect(&text, &host("z", "10.0.0.3"), &["warning local 22:15 this host is called z, its entry c"]);
        expect(&text, &host("z", "10.9.0.3"), &["error local 9:5 this host, z, is not in the nodelist"]);
        expect(
            &text,
            &host("a", "10.0.0.2"),
            &["error local 12:21 10.0.0.1 is not an address of this host; this host has the address of b"],
        );
    }

    #[test]
    fn names_are_looked_up() {
        let mut facts = Facts::default();
        facts.resolved.insert("one".into(), vec!["127.0.1.1".parse().unwrap()]);
        facts.resolved.insert("two".into(), vec![]);
        expect(
            &file("", "", "", "").replace("10.0.0.1\n", "one\n").replace("10.0.0.2\n", "two\n"),
            &facts,
            &[
                "error local 18:21 two cannot be looked up on this host",
                "warning local 12:21 one stands for 127.0.1.1 on this host",
            ],
        );
    }
}
