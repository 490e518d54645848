//! Corosync in place of adverts: the nodes' addresses, quorum, fencing, and how long a failover takes.

use std::fmt::Write as _;

use super::Draft;
use crate::configuration::{Constraint, Primitive, Resource};
use crate::unit::{Unit, number};
use crate::verdict::Question;

/// Corosync's own: milliseconds that each node beyond the second adds to the token.
const TOKEN_COEFFICIENT_MS: u64 = 650;
/// Below this a busy host is taken for a lost one.
const TOKEN_LEAST_MS: u64 = 1_000;
/// From the new membership to the address: quorum, plan, start.
const START_MS: u64 = 500;

/// How long a failover takes, in milliseconds.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// Under keepalived, of the slowest instance, from the last advert.
    pub before_ms: u64,
    /// Afterwards, without fencing.
    pub after_ms: u64,
    /// Corosync's token.
    pub token_ms: u64,
}

impl Times {
    /// The token that makes a failover last no longer than before, if there is one.
    fn of(units: &[Unit<'_>], nodes: u64) -> Times {
        let before_ms = units.iter().flat_map(Unit::instances).map(|member| {
            let instance = member.instance;
            let adverts = number(&instance.statement, "down_timer_adverts").unwrap_or(3).clamp(1, 100) as u64;
            let second = match instance.version {
                keepalived::model::Version::Two => 1_000_000,
                keepalived::model::Version::Three => instance.advert_us,
            };
            let skew = (256 - u64::from(instance.priority)) * second / 256;
            (adverts * instance.advert_us + skew) / 1000
        });
        let before_ms = before_ms.max().unwrap_or(0);
        let more = nodes.saturating_sub(2) * TOKEN_COEFFICIENT_MS;
        // Corosync notices after its token, and agrees after 1.2 times that.
        let wanted = before_ms.saturating_sub(START_MS) * 10 / 22;
        let token_ms = wanted.saturating_sub(more).max(TOKEN_LEAST_MS) / 100 * 100;
        Times { before_ms, after_ms: (token_ms + more) * 22 / 10 + START_MS, token_ms }
    }
}

/// The file, and fencing and quorum as they were answered.
pub(super) fn all(draft: &mut Draft<'_, '_>, units: &[Unit<'_>]) -> (String, Times) {
    let nodes = draft.configuration.nodes.clone();
    let times = Times::of(units, nodes.len() as u64);
    if times.after_ms > times.before_ms && times.before_ms > 0 {
        draft.advice.push(format!(
            "A failover takes about {} ms where it took up to {} ms: a token below {TOKEN_LEAST_MS} ms would take a busy \
             host for a lost one",
            times.after_ms, times.before_ms
        ));
    }
    let addresses: Vec<String> = nodes.iter().map(|node| address(draft, units, node)).collect();
    quorum(draft);
    fencing(draft);
    let mut text = String::from("# Made by systole migrate keepalived plan.\n");
    let _ = write!(
        text,
        "totem {{\n    version: 2\n    cluster_name: systole\n    config_version: 1\n    transport: knet\n    \
         crypto_cipher: aes256\n    crypto_hash: sha256\n    token: {}\n}}\n\nnodelist {{\n",
        times.token_ms
    );
    for (at, (node, address)) in nodes.iter().zip(&addresses).enumerate() {
        let _ = write!(
            text,
            "    node {{\n        nodeid: {}\n        name: {node}\n        ring0_addr: {address}\n    }}\n",
            at + 1
        );
    }
    text += "}\n\nquorum {\n    provider: corosync_votequorum\n";
    if nodes.len() == 2 {
        text += "    two_node: 1\n";
    }
    text += "}\n\nlogging {\n    to_syslog: yes\n}\n";
    (text, times)
}

/// A node's address: the source of its adverts, or what is answered.
fn address(draft: &mut Draft<'_, '_>, units: &[Unit<'_>], node: &str) -> String {
    let mut members = units.iter().flat_map(Unit::instances).filter(|member| member.host == node);
    if let Some(source) = members.find_map(|member| member.instance.source) {
        return source.to_string();
    }
    draft.ask(Question {
        name: format!("address.{node}"),
        text: format!("{node}'s files do not tell its own address. Which one does Corosync use there?"),
        choices: vec![(
            "<ADDRESS>".to_owned(),
            "in the network of the adverts, so that what parted the routers parts the nodes; a name has to be found by \
             each host without asking the network"
                .to_owned(),
        )],
        default: Some(node.to_owned()),
        answer: None,
        place: None,
    })
}

fn quorum(draft: &mut Draft<'_, '_>) {
    if draft.holds("quorum") == "ignore" {
        draft.configuration.properties.insert("no-quorum-policy".to_owned(), "ignore".to_owned());
        draft.advice.push(
            "WARNING: with no-quorum-policy=ignore two hosts that do not hear each other both take the addresses"
                .to_owned(),
        );
    }
}

/// A device for each host, which does not run on the host it cuts off.
fn fencing(draft: &mut Draft<'_, '_>) {
    let answer = draft.holds("fencing").to_owned();
    let mut words = answer.split_whitespace();
    let agent = words.next().unwrap_or("none");
    let fences = agent != "none";
    draft.configuration.properties.insert("stonith-enabled".to_owned(), fences.to_string());
    if !fences {
        return;
    }
    let pairs: Vec<(String, String)> = words
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for node in draft.configuration.nodes.clone() {
        let id = draft.ids.take(&format!("fence-{node}"));
        let mut device = Primitive::new(id.clone(), ("stonith", None, agent), "60s");
        device.operations.truncate(1);
        for (name, value) in &pairs {
            device.parameters.common.insert(name.clone(), value.replace("%n", &node));
        }
        device.parameters.common.insert("pcmk_host_list".to_owned(), node.clone());
        draft.configuration.resources.push(Resource::Primitive(device, Default::default()));
        let constraint = draft.ids.take(&format!("location-{id}-{node}"));
        draft.configuration.constraints.push(Constraint::Location {
            id: constraint,
            resource: id,
            node,
            score: "-INFINITY".to_owned(),
        });
    }
}
