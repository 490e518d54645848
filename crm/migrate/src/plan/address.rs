//! Addresses as resources: with exactly the prefix, interface, label and flags that let an address that is there already
//! be taken for running.

use core::net::IpAddr;
use std::collections::BTreeMap;

use keepalived::model::{Instance, VirtualAddress};

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
