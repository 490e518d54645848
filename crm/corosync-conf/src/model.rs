//! What a file means: nodes, links, timers, votes, as Corosync would take them, each with the place it was read from.
//! A value that cannot be read counts as missing here; that it cannot be read is a finding of `lint/value.rs`.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeMap;

use crate::conf::{Conf, Entry, SectionId};
use crate::finding::Span;

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// How packets go.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// Kronosnet: several links, encryption.
    #[default]
    Knet,
    /// UDP to each node.
    Udpu,
    /// UDP multicast or broadcast.
    Udp,
}

/// One node of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its sections; more than one when the list stands there twice.
    pub sections: Vec<SectionId>,
    /// Where `node` stands.
    pub span: Span,
    /// Its name.
    pub name: Option<Placed<String>>,
    /// Its id.
    pub id: Option<Placed<u32>>,
    /// Its votes.
    pub votes: Option<Placed<u32>>,
    /// Its addresses by link.
    pub addresses: BTreeMap<u32, Placed<String>>,
}

impl Node {
    /// The node as people call it.
    pub fn called(&self) -> String {
        match (&self.name, &self.id, self.addresses.values().next()) {
            (Some(name), ..) => name.value.clone(),
            (_, Some(id), _) => format!("node {}", id.value),
            (_, _, Some(address)) => address.value.clone(),
            _ => "a node without name, id and address".to_owned(),
        }
    }
}

/// One `interface` section of totem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// The section.
    pub section: SectionId,
    /// Where `interface` stands.
    pub span: Span,
    /// Which link it is about.
    pub link: u32,
}

/// The quorum device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// The section.
    pub section: SectionId,
    /// Where `device` stands.
    pub span: Span,
    /// Its votes.
    pub votes: Option<Placed<u32>>,
    /// How it casts them; `ffsplit` unless told.
    pub algorithm: String,
    /// Who gets the vote of two equal halves.
    pub tie_breaker: String,
}

/// What votequorum is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Quorum {
    /// The provider.
    pub provider: Option<Placed<String>>,
    /// `expected_votes`.
    pub expected_votes: Option<Placed<u32>>,
    /// `two_node`, if it is on.
    pub two_node: Option<Span>,
    /// `wait_for_all`, if it is said.
    pub wait_for_all: Option<Placed<bool>>,
    /// `auto_tie_breaker`, if it is on.
    pub auto_tie_breaker: Option<Span>,
    /// `auto_tie_breaker_node`.
    pub auto_tie_breaker_node: Option<Placed<String>>,
    /// `last_man_standing`, if it is on.
    pub last_man_standing: Option<Span>,
    /// `allow_downscale`, if it is on.
    pub allow_downscale: Option<Span>,
    /// The device.
    pub device: Option<Device>,
}

/// A file's meaning.
#[derive(Clone, Debug)]
pub struct Model<'c> {
    /// The file.
    pub conf: &'c Conf,
    /// How packets go.
    pub transport: Transport,
    /// The nodes, in the order of the list.
    pub nodes: Vec<Node>,
    /// The `interface` sections.
    pub interfaces: Vec<Interface>,
    /// What votequorum is told.
    pub quorum: Quorum,
}

/// The port of link 0; the next link has the next.
const FIRST_PORT: u16 = 5405;

impl<'c> Model<'c> {
    /// Reads the meaning of a file.
    pub fn of(conf: &'c Conf) -> Model<'c> {
        let transport = match conf.value(&["totem", "transport"]).map(|entry| entry.value.as_str()) {
            Some("udpu") => Transport::Udpu,
            Some("udp") => Transport::Udp,
            _ => Transport::Knet,
        };
        Model { conf, transport, nodes: nodes(conf), interfaces: interfaces(conf), quorum: quorum(conf) }
    }

    /// A number of section `totem`.
    pub fn totem(&self, key: &str) -> Option<Placed<u32>> {
        number(self.conf.value(&["totem", key])?)
    }

    /// Links that at least one node has an address on.
    pub fn links(&self) -> Vec<u32> {
        let mut links: Vec<u32> = self.nodes.iter().flat_map(|node| node.addresses.keys().copied()).collect();
        links.sort_unstable();
        links.dedup();
        links
    }

    /// The UDP port of a link, which may be one that no node has an address on yet.
    pub fn port(&self, link: u32) -> u16 {
        let said = self.interfaces.iter().filter(|interface| interface.link == link).find_map(|interface| {
            number(self.conf.entry_in(interface.section, "mcastport")?).and_then(|port| u16::try_from(port.value).ok())
        });
        // Links have one each, and there are eight.
        said.unwrap_or_else(|| FIRST_PORT.saturating_add(u16::try_from(link).unwrap_or(u16::MAX)))
    }

    /// The timers Corosync will use, in milliseconds.
    pub fn timing(&self) -> Timing {
        let of = |key| self.totem(key).map(|placed| u64::from(placed.value));
        let beyond_two = self.nodes.len().saturating_sub(2) as u64;
        let token = of("token").unwrap_or(3000) + beyond_two * of("token_coefficient").unwrap_or(650);
        let retransmits = of("token_retransmits_before_loss_const").unwrap_or(4);
        // token / (retransmits + 0.2), without fractions.
        let retransmit = of("token_retransmit").unwrap_or(token * 5 / (retransmits * 5 + 1));
        let hold = of("hold").unwrap_or((retransmit * 8 / 10).saturating_sub(10));
        let consensus = of("consensus").unwrap_or(token * 12 / 10);
        Timing { token, retransmit, hold, consensus, join: of("join").unwrap_or(50) }
    }
}

/// Effective timers, in milliseconds.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Without the token for so long, a node counts as lost.
    pub token: u64,
    /// After so long the token is sent again.
    pub retransmit: u64,
    /// So long an idle cluster keeps it.
    pub hold: u64,
    /// So long a membership is looked for.
    pub consensus: u64,
    /// So long join messages are waited for.
    pub join: u64,
}

impl Timing {
    /// From a node's last word to the membership without it, at least.
    pub fn detection(self) -> u64 {
        self.token + self.consensus
    }
}

/// A number as Corosync reads it: decimal, with or without a plus.
pub fn number(entry: &Entry) -> Option<Placed<u32>> {
    let value = entry.value.parse().ok()?;
    Some(Placed { value, span: entry.value_span })
}

fn text(entry: &Entry) -> Placed<String> {
    Placed { value: entry.value.clone(), span: entry.value_span }
}

fn nodes(conf: &Conf) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for list in conf.sections(&["nodelist"]) {
        // Each list counts from the start: a second one writes over the first one's nodes.
        let below =
            conf.sections(&["nodelist", "node"]).into_iter().filter(|id| conf.section(*id).parent == Some(list));
        for (position, id) in below.enumerate() {
            if position == nodes.len() {
                let span = conf.section(id).name_span;
                nodes.push(Node {
                    sections: vec![],
                    span,
                    name: None,
                    id: None,
                    votes: None,
                    addresses: BTreeMap::new(),
                });
            }
            let node = &mut nodes[position];
            node.sections.push(id);
            for entry in conf.entries(id) {
                match entry.key.as_str() {
                    "name" => node.name = Some(text(entry)),
                    "nodeid" => node.id = number(entry),
                    "quorum_votes" => node.votes = number(entry),
                    key => {
                        if let Some(link) = link_of(key) {
                            node.addresses.insert(link, text(entry));
                        }
                    }
                }
            }
        }
    }
    nodes
}

/// Which link `ring1_addr` is about.
pub fn link_of(key: &str) -> Option<u32> {
    let digits = key.strip_prefix("ring")?.strip_suffix("_addr")?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn interfaces(conf: &Conf) -> Vec<Interface> {
    let sections = conf.sections(&["totem", "interface"]);
    let link = |id| {
        let said = conf.entry_in(id, "linknumber").or_else(|| conf.entry_in(id, "ringnumber"));
        said.and_then(number).map_or(0, |placed| placed.value)
    };
    sections.into_iter().map(|id| Interface { section: id, span: conf.section(id).name_span, link: link(id) }).collect()
}

fn quorum(conf: &Conf) -> Quorum {
    let get = |key: &str| conf.value(&["quorum", key]);
    let switch = |key| get(key).and_then(number).map(|placed| Placed { value: placed.value != 0, span: placed.span });
    let on = |key| switch(key).filter(|placed| placed.value).map(|placed| placed.span);
    let device = conf.sections(&["quorum", "device"]).first().map(|section| {
        let net = |key: &str, default: &str| {
            conf.value(&["quorum", "device", "net", key]).map_or(default.to_owned(), |entry| entry.value.clone())
        };
        Device {
            section: *section,
            span: conf.section(*section).name_span,
            votes: conf.value(&["quorum", "device", "votes"]).and_then(number),
            algorithm: net("algorithm", "ffsplit"),
            tie_breaker: net("tie_breaker", "lowest"),
        }
    });
    Quorum {
        provider: get("provider").map(text),
        expected_votes: get("expected_votes").and_then(number),
        two_node: on("two_node"),
        wait_for_all: switch("wait_for_all"),
        auto_tie_breaker: on("auto_tie_breaker"),
        auto_tie_breaker_node: get("auto_tie_breaker_node").map(text),
        last_man_standing: on("last_man_standing"),
        allow_downscale: on("allow_downscale"),
        // Corosync looks for the model: a device without one is none.
        device: device.filter(|_| conf.value(&["quorum", "device", "model"]).is_some()),
    }
}

/// What an address of a node can be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// An IP address, the old forms with fewer than four numbers included.
    Ip(IpAddr),
    /// A name that has to be looked up.
    Name,
    /// Neither: no look-up can find it.
    Nothing,
}

/// Reads an address as the resolver would.
pub fn address(value: &str) -> Address {
    if let Ok(ip) = value.split('%').next().unwrap_or_default().parse::<IpAddr>() {
        return Address::Ip(ip);
    }
    let numeric = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric {
        return old_form(value).map_or(Address::Nothing, |ip| Address::Ip(IpAddr::V4(ip)));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = value.strip_suffix('.').unwrap_or(value);
    if value.len() <= 253 && name.split('.').all(label) { Address::Name } else { Address::Nothing }
}

/// `10.1` is 10.0.0.1: the last number fills the bytes that are left.
fn old_form(value: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = value.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let room = 8 * (4u32.checked_sub(u32::try_from(first.len()).ok()?)?);
    if room == 0 || first.iter().any(|number| *number > 255) || room < 32 && *last >= 1 << room {
        return None;
    }
    let mut bits = *last;
    for (position, number) in first.iter().enumerate() {
        bits |= number << (24 - 8 * position);
    }
    Some(Ipv4Addr::from(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "totem {\n version: 2\n token: 1000\n interface {\n  linknumber: 1\n }\n}\nnodelist {\n node {\n  name: a\n  nodeid: 1\n  ring0_addr: 10.0.0.1\n }\n node {\n  name: b\n  nodeid: 2\n  ring0_addr: 10.0.0.2\n }\n node {\n  nodeid: 3\n  ring0_addr: c\n }\n}\nquorum {\n provider: corosync_votequorum\n two_node: 1\n}\n";

    #[test]
    fn a_file_is_read() {
        let conf = Conf::parse(THREE);
        let model = Model::of(&conf);
        assert_eq!(model.nodes.iter().map(Node::called).collect::<Vec<_>>(), ["a", "b", "node 3"]);
        assert_eq!((model.links(), model.interfaces[0].link), (vec![0], 1));
        assert!(model.quorum.two_node.is_some() && model.quorum.wait_for_all.is_none());
    }

    /// Figures read from a running Corosync's map: three nodes, token 3000.
    #[test]
    fn timers_are_those_of_corosync() {
        let conf = Conf::parse(THREE.replace(" token: 1000\n", ""));
        let timing = Model::of(&conf).timing();
        assert_eq!(timing, Timing { token: 3650, retransmit: 869, hold: 685, consensus: 4380, join: 50 });
    }

    #[test]
    fn each_link_has_a_port() {
        let conf = Conf::parse(THREE.replace("linknumber: 1\n", "linknumber: 1\n  mcastport: 6000\n"));
        let model = Model::of(&conf);
        assert_eq!([0, 1, 2].map(|link| model.port(link)), [5405, 6000, 5407]);
    }

    #[test]
    fn a_second_list_writes_over_the_first() {
        let conf =
            Conf::parse("nodelist {\n node {\n nodeid: 1\n name: a\n }\n}\nnodelist {\n node {\n name: b\n }\n}\n");
        let nodes = Model::of(&conf).nodes;
        assert_eq!((nodes.len(), nodes[0].called(), nodes[0].id.as_ref().unwrap().value), (1, "b".to_owned(), 1));
    }

    #[test]
    fn addresses() {
        let ip = |text: &str| Address::Ip(text.parse().unwrap());
        assert_eq!(address("10.0.0"), ip("10.0.0.0"));
        assert_eq!(address("10.1"), ip("10.0.0.1"));
        assert_eq!(address("fe80::1%eth0"), ip("fe80::1"));
        assert_eq!(
            [address("10.0.0.300"), address(""), address("a b"), address("pve..x")],
            [const { Address::Nothing }; 4]
        );
        assert_eq!(address("pve02.cluster"), Address::Name);
    }
}
