//! Addresses, routes and rules as resources: with exactly the prefix, interface, label and flags that let an address that
//! is there already be taken for running.

use core::net::IpAddr;
use std::collections::BTreeMap;

use keepalived::model::{Instance, VirtualAddress};
use keepalived::statement::Statement;

use super::Draft;
use crate::configuration::{Parameters, Primitive};
use crate::unit::Unit;

/// Time between two looks at an address.
const MONITOR: &str = "10s";
/// What the agent announces if it is not told.
const ARP_COUNT: u32 = 5;

/// The addresses of a unit, in the order of the first host's file; what only others have comes behind.
pub(super) fn addresses(draft: &mut Draft<'_, '_>, unit: &Unit<'_>) -> Vec<Primitive> {
    let plain = draft.holds("vmac") == "plain";
    let common = draft.holds(&format!("addresses.{}", unit.name)) == "common";
    let mut resources = Vec::new();
    for router in &unit.routers {
        let mut found: Vec<(IpAddr, u8)> = Vec::new();
        for member in &router.members {
            for address in all(member.instance) {
                if !found.contains(&(address.ip, address.prefix)) {
                    found.push((address.ip, address.prefix));
                }
            }
        }
        for (ip, prefix) in found {
            let has = |instance: &Instance| {
                all(instance).find(|address| (address.ip, address.prefix) == (ip, prefix)).cloned()
            };
            if common && router.members.iter().any(|member| has(member.instance).is_none()) {
                continue;
            }
            let Some(model) = router.members.iter().find_map(|member| has(member.instance)) else { continue };
            let hosts: Vec<(String, BTreeMap<String, String>)> = router
                .members
                .iter()
                .map(|member| {
                    // A host that has not got the address takes it on the interface of its instance.
                    let address = has(member.instance).unwrap_or_else(|| VirtualAddress {
                        device: member.instance.vmac.clone().or_else(|| member.instance.interface.clone()),
                        below: member.instance.vmac.as_ref().and(member.instance.interface.clone()),
                        ..model.clone()
                    });
                    (member.host.to_owned(), parameters(&address, member.instance, plain))
                })
                .collect();
            let id = draft.ids.take(&format!("ip-{ip}"));
            let mut resource =
                Primitive::new(id, ("ocf", Some("heartbeat"), "IPaddr2"), MONITOR).with(Parameters::merged(&hosts));
            if model.no_track {
                resource.operations[0].on_fail = Some("ignore");
            }
            resources.push(resource);
        }
    }
    resources
}

/// Those in adverts and those that are not.
fn all(instance: &Instance) -> impl Iterator<Item = &VirtualAddress> {
    instance.addresses.iter().chain(&instance.excluded)
}

fn parameters(address: &VirtualAddress, instance: &Instance, plain: bool) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut set = |name: &str, value: String| pairs.insert(name.to_owned(), value);
    set("ip", address.ip.to_string());
    set("cidr_netmask", address.prefix.to_string());
    let device = if plain { address.below.clone().or(address.device.clone()) } else { address.device.clone() };
    if let Some(device) = &device {
        set("nic", device.clone());
    }
    let has = |flag: &str| address.flags.iter().any(|other| other == flag);
    if let Some(broadcast) = address.broadcast {
        set("broadcast", broadcast.to_string());
    }
    let label = address.label.as_deref().and_then(|label| label.split_once(':'));
    let fits = |before: &str| device.as_deref().is_none_or(|device| device == before);
    if let Some((_, label)) = label.filter(|(before, label)| !label.is_empty() && fits(before)) {
        set("iflabel", label.to_owned());
    }
    if has("noprefixroute") {
        set("noprefixroute", "true".to_owned());
    }
    if address.ip.is_ipv6() {
        if !has("-nodad") {
            set("nodad", "true".to_owned());
        }
        // keepalived deprecates an address that is alone in its network, so that nothing is sent from it.
        let lifetime = address.preferred_lft.clone().or((address.prefix == 128).then(|| "0".to_owned()));
        if let Some(lifetime) = lifetime {
            set("preferred_lft", lifetime);
        }
    } else if let Some(lifetime) = &address.preferred_lft {
        set("preferred_lft", lifetime.clone());
    }
    if instance.garp.repeat != ARP_COUNT {
        set("arp_count", instance.garp.repeat.to_string());
    }
    if instance.garp.refresh > 0 {
        set("arp_count_refresh", instance.garp.refresh_repeat.to_string());
    }
    pairs
}

/// Routes and rules, as ip(8) is told them.
pub(super) fn objects(draft: &mut Draft<'_, '_>, unit: &Unit<'_>) -> Vec<Primitive> {
    type Lines = fn(&Instance) -> &[Statement];
    let kinds: [(&str, Lines); 2] = [("route", |one| &one.routes), ("rule", |one| &one.rules)];
    let mut resources = Vec::new();
    for router in &unit.routers {
        for (kind, lines) in kinds {
            let most = router.members.iter().map(|member| lines(member.instance).len()).max().unwrap_or(0);
            for number in 0..most {
                let hosts: Vec<(String, BTreeMap<String, String>)> = router
                    .members
                    .iter()
                    .filter_map(|member| {
                        let line = lines(member.instance).get(number)?;
                        let device = member.instance.vmac.as_ref().or(member.instance.interface.as_ref());
                        let spec = spec(kind, line, device.map(String::as_str));
                        let pairs = [("kind".to_owned(), kind.to_owned()), ("spec".to_owned(), spec)];
                        Some((member.host.to_owned(), pairs.into()))
                    })
                    .collect();
                let id = draft.ids.take(&format!("{}-{kind}-{}", unit.name, number + 1));
                let resource = Primitive::new(id, ("ocf", Some("systole"), "IpObject"), MONITOR);
                resources.push(resource.with(Parameters::merged(&hosts)));
            }
        }
    }
    resources
}

/// A line of keepalived's as ip(8) takes it: `src A to B via C or D` is an order and words of its own.
pub(super) fn spec(kind: &str, line: &Statement, device: Option<&str>) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut target: Option<String> = None;
    let own = ["no_track", "use_vmac"];
    let mut rest = line.words.iter().map(String::as_str).filter(|word| !own.contains(word)).peekable();
    const LEADING: &[&str] = &["blackhole", "unreachable", "prohibit", "throw", "unicast", "local", "broadcast"];
    let mut leading: Option<String> = None;
    let mut first = true;
    while let Some(word) = rest.next() {
        match word {
            "track_group" => drop(rest.next()),
            "to" if kind == "route" => target = rest.next().map(str::to_owned),
            "gw" => words.extend(["via".to_owned(), rest.next().unwrap_or_default().to_owned()]),
            "or" => {
                let via = rest.next().unwrap_or_default().to_owned();
                words.retain(|word| word != "via");
                let gateway = words.pop().unwrap_or_default();
                words.extend(["nexthop", "via", &gateway, "nexthop", "via", &via].map(str::to_owned));
            }
            kind_word if kind == "route" && first && LEADING.contains(&kind_word) => {
                leading = Some(kind_word.to_owned());
                continue;
            }
            word if kind == "route" && first && !ROUTE_WORDS.contains(&word) => target = Some(word.to_owned()),
            word => words.push(word.to_owned()),
        }
        first = false;
    }
    let mut spec: Vec<String> = leading.into_iter().chain(target).collect();
    let needs_device = kind == "route"
        && !words.iter().any(|word| matches!(word.as_str(), "dev" | "nexthop" | "via"))
        && !LEADING.iter().take(4).any(|word| spec.iter().any(|other| other == word));
    spec.append(&mut words);
    if let (true, Some(device)) = (needs_device, device) {
        spec.extend(["dev".to_owned(), device.to_owned()]);
    }
    spec.join(" ")
}

/// Words that begin something else than a route's destination.
const ROUTE_WORDS: &[&str] = &[
    "src", "via", "dev", "scope", "table", "metric", "proto", "protocol", "oif", "tos", "dsfield", "mtu", "from",
    "nexthop",
];

#[cfg(test)]
mod tests {
    use super::*;
    use keepalived::Place;

    #[test]
    fn routes_are_told_as_ip_takes_them() {
        let shown = |kind: &str, text: &str| {
            let words = text.split(' ').map(str::to_owned).collect();
            spec(kind, &Statement { words, block: vec![], place: Place::default() }, Some("eth0"))
        };
        assert_eq!(
            shown("route", "src 10.0.0.9 to 10.1.0.0/16 via 10.0.0.1 dev eth1"),
            "10.1.0.0/16 src 10.0.0.9 via 10.0.0.1 dev eth1"
        );
        assert_eq!(shown("route", "10.1.0.0/16 gw 10.0.0.1 no_track"), "10.1.0.0/16 via 10.0.0.1");
        assert_eq!(shown("route", "192.168.0.0/24"), "192.168.0.0/24 dev eth0");
        assert_eq!(shown("route", "blackhole 10.9.0.0/16"), "blackhole 10.9.0.0/16");
        assert_eq!(shown("rule", "from 10.0.0.9 table 7 priority 5"), "from 10.0.0.9 table 7 priority 5");
    }
}
