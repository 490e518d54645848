//! Every node is on every link, by addresses of one family.

use core::net::IpAddr;

use super::Subject;
use crate::finding::Finding;
use crate::model::{Address, Node, Transport, address};

const RULE: &str = "links";

/// The highest link of knet.
const LINK_MAX: u32 = 7;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let model = subject.model;
    let links = model.links();
    let mut findings = Vec::new();
    if model.nodes.is_empty() {
        return findings;
    }
    if links.is_empty() {
        findings.push(
            Finding::error(RULE, "no node has an address")
                .at(model.nodes[0].span)
                .why("Corosync refuses a file without links")
                .remedy("write `ring0_addr: ADDRESS` into each node"),
        );
        return findings;
    }
    for node in model.nodes.iter().filter(|node| node.addresses.is_empty()) {
        findings.push(
            Finding::warning(RULE, format!("{} has no address", node.called()))
                .at(node.span)
                .why("Corosync leaves a node without ring0_addr out: the others do not talk with it")
                .remedy("write `ring0_addr: ADDRESS` into it, or take the node away"),
        );
    }
    for link in &links {
        let of = |node: &&Node| node.addresses.contains_key(link);
        let linked = model.nodes.iter().filter(|node| !node.addresses.is_empty());
        let (with, without): (Vec<&Node>, Vec<&Node>) = linked.partition(of);
        for node in without {
            findings.push(
                Finding::error(RULE, format!("{} has no ring{link}_addr", node.called()))
                    .at(node.span)
                    .also(with[0].addresses[link].span, format!("{} has one", with[0].called()))
                    .why("all nodes must have the same links: Corosync refuses the file")
                    .remedy(format!("write `ring{link}_addr: ADDRESS` into each node, or into none")),
            );
        }
        if *link > LINK_MAX {
            findings.push(
                Finding::error(RULE, format!("there is no link {link}"))
                    .at(with[0].addresses[link].span)
                    .why(format!("links are numbered from 0 to {LINK_MAX}: Corosync refuses the file"))
                    .remedy("use a lower number"),
            );
        }
        findings.extend(families(subject, *link));
    }
    if links.len() > 1 {
        for node in model.nodes.iter().filter(|node| node.name.is_none()) {
            findings.push(
                Finding::error(RULE, format!("{} has no name", node.called()))
                    .at(node.span)
                    .why("with several links a host can find itself by name only: Corosync refuses the file")
                    .remedy("write `name: NAME`, as `uname -n` says it on that host"),
            );
        }
        findings.extend(same_network(subject, &links));
    } else if model.nodes.len() > 1 && model.transport == Transport::Knet {
        findings.push(
            Finding::advice(RULE, "there is one link only")
                .at(model.nodes[0].addresses.values().next().map_or(model.nodes[0].span, |address| address.span))
                .why("when its switch or cable fails, the cluster falls apart, and fencing decides who lives")
                .remedy("add a second link over other hardware: a ring1_addr in each node"),
        );
    }
    findings
}

/// The address of a node on a link, looked up if it is a name that was looked up.
fn ip(subject: &Subject<'_>, node: &Node, link: u32) -> Option<IpAddr> {
    let text = &node.addresses.get(&link)?.value;
    match address(text) {
        Address::Ip(ip) => Some(ip),
        Address::Name => subject.facts.resolved.get(text)?.first().copied(),
        Address::Nothing => None,
    }
}

fn families(subject: &Subject<'_>, link: u32) -> Option<Finding> {
    let known = |node| Some((node, ip(subject, node, link)?));
    let mut nodes = subject.model.nodes.iter().filter_map(known);
    let (first, one) = nodes.next()?;
    let (other, two) = nodes.find(|(_, ip)| ip.is_ipv4() != one.is_ipv4())?;
    Some(
        Finding::error(RULE, format!("link {link} has IPv4 and IPv6 addresses"))
            .at(other.addresses[&link].span)
            .also(first.addresses[&link].span, format!("{one} here, {two} there"))
            .why("one link has one family: Corosync refuses the file")
            .remedy("give addresses of one family on each link"),
    )
}

/// Two links in one network are one: the kernel sends both through the same interface.
fn same_network(subject: &Subject<'_>, links: &[u32]) -> Option<Finding> {
    let node = subject.model.nodes.first()?;
    let network = |link: u32| match ip(subject, node, link)? {
        IpAddr::V4(ip) => Some(ip.octets()[..3].to_vec()),
        IpAddr::V6(ip) => Some(ip.octets()[..8].to_vec()),
    };
    let known: Vec<(u32, Vec<u8>)> = links.iter().filter_map(|link| Some((*link, network(*link)?))).collect();
    let pair = known.iter().enumerate().find_map(|(at, (one, network))| {
        known[at + 1..].iter().find(|(_, other)| other == network).map(|(two, _)| (*one, *two))
    });
    let (one, two) = pair?;
    Some(
        Finding::advice(RULE, format!("links {one} and {two} look like one network"))
            .at(node.addresses[&two].span)
            .also(node.addresses[&one].span, format!("link {one}"))
            .why("the kernel sends packets for one network through one interface, so both links fail together")
            .remedy("give the second link a network and hardware of its own"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn all_nodes_on_all_links() {
        let text = file("", "", "", "").replace("        ring1_addr: 10.1.0.2\n", "").replace("        name: c\n", "");
        expect(
            &text,
            &Facts::default(),
            &["error links 15:5 b has no ring1_addr", "error links 20:5 node 3 has no name"],
        );
        let text = file("", "", "", "").replace("ring1", "ring9").replace("10.0.0.3", "fe80::3");
        expect(
            &text,
            &Facts::default(),
            &["error links 13:21 there is no link 9", "error links 24:21 link 0 has IPv4 and IPv6 addresses"],
        );
        let text = file("", "", "", "")
            .replace("        ring0_addr: 10.0.0.2\n", "")
            .replace("        ring1_addr: 10.1.0.2\n", "");
        expect(&text, &Facts::default(), &["warning links 15:5 b has no address"]);
        let text = file("", "", "", "").replace("ring0_addr: 10", "x: 10").replace("ring1_addr: 10", "y: 10");
        let text = text.replace("        x: ", "        #").replace("        y: ", "        #");
        expect(&text, &Facts::default(), &["error links 9:5 no node has an address"]);
    }

    #[test]
    fn links_that_fail_together() {
        expect(
            &file("", "", "", "").replace("10.1.0.", "10.0.0.1"),
            &Facts::default(),
            &["advice links 13:21 links 0 and 1 look like one network"],
        );
        let one: String = file("", "", "", "")
            .lines()
            .filter(|line| !line.contains("ring1"))
            .map(|line| format!("{line}\n"))
            .collect();
        expect(&one, &Facts::default(), &["advice links 12:21 there is one link only"]);
        let mut facts = Facts::default();
        facts.resolved.insert("b.example".into(), vec!["::2".parse().unwrap()]);
        expect(
            &one.replace("10.0.0.2", "b.example"),
            &facts,
            &["error links 17:21 link 0 has IPv4 and IPv6 addresses", "advice links 12:21 there is one link only"],
        );
    }
}
