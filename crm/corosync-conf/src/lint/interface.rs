//! What stands in `interface` is about a link that there is, and about the transport that is used.

use core::net::IpAddr;

use super::Subject;
use crate::conf::Entry;
use crate::finding::Finding;
use crate::model::{Address, Interface, Transport, address, number};

const RULE: &str = "interface";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let model = subject.model;
    let links = model.links();
    let mut findings: Vec<Finding> = Vec::new();
    for (position, interface) in model.interfaces.iter().enumerate() {
        let entry = |key| subject.conf.entry_in(interface.section, key);
        if let Some(first) = model.interfaces[..position].iter().find(|other| other.link == interface.link) {
            findings.push(
                Finding::warning(RULE, format!("a second interface section about link {}", interface.link))
                    .at(interface.span)
                    .also(first.span, "the first one")
                    .why("Corosync takes both as one; without linknumber a section is about link 0")
                    .remedy("write `linknumber: N` into each, or make them one"),
            );
        }
        if !links.is_empty() && !links.contains(&interface.link) {
            findings.push(lonely(interface, entry("bindnetaddr")));
        }
        if let Some(ttl) = entry("ttl")
            .filter(|ttl| model.transport != Transport::Udp && number(ttl).is_some_and(|ttl| ttl.value != 1))
        {
            findings.push(
                Finding::error(RULE, "ttl is for multicast only")
                    .at(ttl.key_span)
                    .why("Corosync refuses another ttl than 1 with any transport but udp")
                    .remedy("take the line away")
                    .fix([crate::Edit { span: ttl.line, text: String::new() }]),
            );
        }
        if let Some(multicast) = entry("mcastaddr") {
            findings.extend(not_multicast(subject, multicast));
        }
        if let Some(port) = entry("mcastport").filter(|port| port.value == "0") {
            findings.push(
                Finding::error(RULE, "mcastport is 0")
                    .at(port.value_span)
                    .why("no packet can be sent to port 0")
                    .remedy("give a port; without the line it is 5405 and the link's number"),
            );
        }
        findings.extend(pings(subject, interface));
    }
    findings
}

fn lonely(interface: &Interface, bind: Option<&Entry>) -> Finding {
    let message = format!("an interface section about link {}, which no node is on", interface.link);
    let remedy = format!("write `ring{}_addr: ADDRESS` into each node, or take the section away", interface.link);
    match bind {
        Some(bind) => Finding::error(RULE, message)
            .at(bind.span())
            .why("with bindnetaddr it makes a link that the nodes do not have: Corosync refuses the file")
            .remedy(remedy),
        None => Finding::warning(RULE, message).at(interface.span).why("nothing in it has an effect").remedy(remedy),
    }
}

fn not_multicast(subject: &Subject<'_>, entry: &Entry) -> Option<Finding> {
    let Address::Ip(ip) = address(&entry.value) else { return None };
    let right = match ip {
        IpAddr::V4(ip) => ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    };
    (subject.model.transport == Transport::Udp && !right).then(|| {
        Finding::error(RULE, format!("{ip} is no multicast address"))
            .at(entry.value_span)
            .why("Corosync refuses the file")
            .remedy("give one of 239.0.0.0/8, or none: Corosync makes one of cluster_name")
    })
}

fn pings(subject: &Subject<'_>, interface: &Interface) -> Option<Finding> {
    let timing = subject.model.timing();
    let get = |key| subject.conf.entry_in(interface.section, key).and_then(number);
    let pongs = get("knet_pong_count").map_or(2, |pongs| u64::from(pongs.value)).max(1);
    let (interval, timeout) = (get("knet_ping_interval"), get("knet_ping_timeout"));
    let span = timeout.as_ref().or(interval.as_ref())?.span;
    let interval = interval.map_or(timing.token / (pongs * 2), |placed| u64::from(placed.value));
    let timeout = timeout.map_or(timing.token / pongs, |placed| u64::from(placed.value));
    (timeout <= interval).then(|| {
        Finding::warning(
            RULE,
            format!("pings of link {} time out after {timeout} ms, and are sent every {interval} ms", interface.link),
        )
        .at(span)
        .why("the link is down before the next ping can be answered; Corosync does not look")
        .remedy(format!(
            "make knet_ping_timeout at least {}, or take both lines away: they follow token by themselves",
            interval * 2
        ))
    })
}

impl Entry {
    /// Key and value.
    fn span(&self) -> crate::Span {
        crate::Span { start: self.key_span.start, end: self.value_span.end }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn sections_about_links() {
        let totem = "    interface {\n        linknumber: 0\n        knet_ping_interval: 1000\n        knet_ping_timeout: 500\n        mcastport: 0\n        ttl: 3\n    }\n    interface {\n        knet_link_priority: 2\n    }\n    interface {\n        linknumber: 2\n    }\n    interface {\n        linknumber: 3\n        bindnetaddr: 10.0.0.0\n    }\n";
        let found = [
            "error interface 11:20 mcastport is 0",
            "error interface 12:9 ttl is for multicast only",
            "error interface 22:9 an interface section about link 3, which no node is on",
            "warning interface 10:28 pings of link 0 time out after 500 ms, and are sent every 1000 ms",
            "warning interface 14:5 a second interface section about link 0",
            "warning interface 17:5 an interface section about link 2, which no node is on",
            "warning obsolete 22:9 bindnetaddr has no effect beside a nodelist",
        ];
        expect(&file(totem, "", "", ""), &Facts::default(), &found);
    }
}
