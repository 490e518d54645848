//! Interfaces that keepalived makes: a virtual MAC for an instance, and for addresses that ask for one of their own; and
//! with them the interface each address is on.

use std::collections::BTreeMap;

use crate::model::{Defaults, Instance, VirtualAddress};
use crate::note::Note;

/// Numbers that are tried for a name that is taken.
const NUMBERS_MAX: u32 = 1_000;

/// What an instance's words ask for.
#[derive(Default)]
pub(super) struct Wish {
    /// An interface for the instance, with its name if one is given.
    pub own: Option<Option<String>>,
    /// Whether that is an ipvlan: addresses stay on the interface below.
    pub ipvlan: bool,
    /// `use_vmac_addr`: addresses on other interfaces get virtual MACs there.
    pub addresses: bool,
    /// Whether the instance is of IPv6.
    pub v6: bool,
}

/// Names the interfaces of an instance, and puts its addresses on theirs.
pub(super) fn place(
    instance: &mut Instance,
    wish: Wish,
    before: &[Instance],
    defaults: &Defaults,
    notes: &mut Vec<Note>,
) {
    // Most instances ask for none, and there may be tens of thousands: the names are looked at only then.
    let asks = |address: &VirtualAddress| address.flags.iter().any(|flag| flag == "use_vmac");
    let any = wish.own.is_some() || wish.addresses || instance.addresses.iter().chain(&instance.excluded).any(asks);
    let mut taken: Vec<String> = Vec::new();
    if any {
        let id = format!(".{}", instance.router_id);
        let named = wish.own.as_ref().and_then(Option::as_deref);
        let may_meet = |name: &&str| name.ends_with(&id) || Some(*name) == named;
        taken.extend(before.iter().flat_map(names).filter(may_meet).map(str::to_owned));
    }
    if let Some(named) = wish.own {
        let found = match named {
            Some(name) if !taken.contains(&name) => name,
            named => {
                let made = made(&defaults.vmac_prefix, wish.v6, instance.router_id, &taken);
                if let Some(name) = named {
                    let message = format!(
                        "another instance has a virtual MAC interface {name}; keepalived calls this one {made}"
                    );
                    notes.push(Note::warning(instance.place.clone(), message).about(&name));
                }
                made
            }
        };
        taken.push(found.clone());
        instance.vmac = Some(found);
    }
    let prefix = defaults.vmac_addr_prefix.as_deref().unwrap_or(&defaults.vmac_prefix);
    // Addresses of one family on one interface share its virtual MAC.
    let mut made_here: BTreeMap<(String, bool), String> = BTreeMap::new();
    let (own, vmac) = (instance.interface.clone(), instance.vmac.clone().filter(|_| !wish.ipvlan));
    for address in instance.addresses.iter_mut().chain(&mut instance.excluded) {
        let asks = asks(address);
        let elsewhere = address.device.as_ref().is_some_and(|device| Some(device) != own.as_ref());
        let v6 = address.ip.is_ipv6();
        let below = address.device.clone().or(own.clone());
        if asks || wish.addresses && (elsewhere || v6 != wish.v6) {
            let key = (below.clone().unwrap_or_default(), v6);
            let name = made_here.entry(key).or_insert_with(|| {
                let name = made(prefix, v6, instance.router_id, &taken);
                taken.push(name.clone());
                name
            });
            address.device = Some(name.clone());
            address.below = below;
        } else if address.device.is_none() {
            // An address of the other family is not on the instance's virtual MAC.
            let vmac = vmac.as_ref().filter(|_| v6 == wish.v6);
            address.device = vmac.cloned().or(own.clone());
            address.below = vmac.and(own.clone());
        }
        // What use_vmac_addr asks for already is not shown again.
        if wish.addresses && (elsewhere || v6 != wish.v6 || vmac.is_some()) {
            address.flags.retain(|flag| flag != "use_vmac");
        }
    }
}

/// The interfaces that an instance has keepalived make.
fn names(instance: &Instance) -> impl Iterator<Item = &str> {
    let addresses = instance.addresses.iter().chain(&instance.excluded);
    let made = addresses.filter(|address| address.below.is_some()).filter_map(|address| address.device.as_deref());
    instance.vmac.as_deref().into_iter().chain(made)
}

/// The name keepalived makes up: `vrrp.51`; where that is taken `vrrp6.51` for IPv6, then `vrrp1.51` and on.
fn made(prefix: &str, v6: bool, id: u8, taken: &[String]) -> String {
    let plain = format!("{prefix}.{id}");
    let six = v6.then(|| format!("{prefix}6.{id}"));
    let numbered = (1..NUMBERS_MAX).map(|number| format!("{prefix}{number}.{id}"));
    let mut names = [plain.clone()].into_iter().chain(six).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use crate::{Files, Host, Model};

    /// Names and places as 2.2.7 itself has shown them for this text.
    #[test]
    fn interfaces_have_the_names_that_keepalived_gives_them() {
        let instance = |name: &str, interface: &str, id: u8, words: &str, addresses: &str| {
            format!(
                "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id {id}\n{words}\n virtual_ipaddress {{\n{addresses}\n}}\n}}\n"
            )
        };
        let text = [
            instance("A", "eth0", 20, "use_vmac", "10.0.0.1/24\n10.0.0.2/24 dev eth1"),
            instance("B", "eth0", 20, "use_vmac", "fe80::5/64\n2001:db8::5/64 dev eth1"),
            instance("C", "eth0", 21, "use_vmac", "fe80::5/64"),
            instance("D", "eth0", 21, "use_vmac", "10.0.1.1/24"),
            instance(
                "E",
                "eth0",
                22,
                "use_vmac\nuse_vmac_addr",
                "10.0.2.1/24\n10.0.2.2/24 dev eth1\n10.0.2.3/24 dev eth2 use_vmac\n10.0.2.4/24 use_vmac",
            ),
            instance(
                "F",
                "eth0",
                23,
                "use_vmac_addr",
                "10.0.3.1/24\n10.0.3.2/24 dev eth1\n10.0.3.3/24 dev eth1 use_vmac",
            ),
            instance("G", "eth0", 24, "", "10.0.6.1/24 use_vmac\n10.0.6.2/24 use_vmac dev eth1"),
        ]
        .concat();
        let model = Model::read(&Files::one("/k", text), &Host::default());
        let shown: Vec<String> = model
            .instances
            .iter()
            .flat_map(|instance| &instance.addresses)
            .map(|address| address.to_string().split(" scope").next().unwrap_or_default().to_owned())
            .collect();
        let expected = [
            "10.0.0.1/24 dev vrrp.20@eth0",
            "10.0.0.2/24 dev eth1",
            "fe80::5/64 dev vrrp6.20@eth0",
            "2001:db8::5/64 dev eth1",
            "fe80::5/64 dev vrrp.21@eth0",
            "10.0.1.1/24 dev vrrp1.21@eth0",
            "10.0.2.1/24 dev vrrp.22@eth0",
            "10.0.2.2/24 dev vrrp1.22@eth1",
            "10.0.2.3/24 dev vrrp2.22@eth2",
            "10.0.2.4/24 dev vrrp3.22@eth0",
            "10.0.3.1/24 dev eth0",
            "10.0.3.2/24 dev vrrp.23@eth1",
            "10.0.3.3/24 dev vrrp.23@eth1",
            "10.0.6.1/24 dev vrrp.24@eth0 use_vmac",
            "10.0.6.2/24 dev vrrp1.24@eth1 use_vmac",
        ];
        assert_eq!(shown, expected);
    }
}
