//! Several hosts, one cluster: which instances of their files are one virtual router, and what the files disagree on.
//! Instances belong together by router id and family, as on the wire; names are each host's own.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Authentication, Instance, Model, VirtualAddress};
use crate::note::Place;

/// An instance on a host.
#[derive(Copy, Clone, Debug)]
pub struct Member<'m> {
    /// The host's name.
    pub host: &'m str,
    /// Its instance.
    pub instance: &'m Instance,
}

/// Instances that are one virtual router.
#[derive(Clone, Debug)]
pub struct Router<'m> {
    /// The router id.
    pub id: u8,
    /// Whether its addresses are of IPv6.
    pub v6: bool,
    /// The interface, where a host has this router id several times; with unicast the instance's name as well, since
    /// there each sends to its own peers.
    pub segment: Option<String>,
    /// Its members, highest priority first; of equal ones in the hosts' order.
    pub members: Vec<Member<'m>>,
}

/// What hosts disagree on, and what it means today, under keepalived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// Name of the rule.
    pub rule: &'static str,
    /// What differs.
    pub message: String,
    /// What it means today.
    pub today: String,
    /// The places, with their hosts.
    pub places: Vec<(String, Place)>,
}

/// The virtual routers of all hosts, by router id. Where a host has one id on two interfaces, these are two networks,
/// and two routers.
pub fn routers<'m>(hosts: &'m [(String, Model)]) -> Vec<Router<'m>> {
    let mut routers: BTreeMap<(u8, bool), Vec<Member<'m>>> = BTreeMap::new();
    for (host, model) in hosts {
        for instance in model.instances.iter().filter(|instance| instance.router_id > 0) {
            let v6 = instance.addresses.first().is_some_and(|address| address.ip.is_ipv6());
            routers.entry((instance.router_id, v6)).or_default().push(Member { host, instance });
        }
    }
    let mut found = Vec::new();
    for ((id, v6), mut members) in routers {
        members.sort_by_key(|member| std::cmp::Reverse(member.instance.priority));
        let hosts: BTreeSet<&str> = members.iter().map(|member| member.host).collect();
        if hosts.len() == members.len() {
            found.push(Router { id, v6, segment: None, members });
            continue;
        }
        let mut segments: BTreeMap<Option<String>, Vec<Member<'m>>> = BTreeMap::new();
        for member in members {
            let instance = member.instance;
            let interface = instance.interface.clone();
            let unicast = (!instance.peers.is_empty()).then(|| instance.name.clone());
            let segment = match unicast {
                Some(name) => Some(format!("{} {name}", interface.unwrap_or_default())),
                None => interface,
            };
            segments.entry(segment).or_default().push(member);
        }
        let mut parts: Vec<Router<'m>> = Vec::new();
        for (segment, mut members) in segments {
            // One network's interfaces may have different names on its hosts: who has the same addresses belongs together.
            match parts.iter_mut().find(|part| are_one(&part.members, &members)) {
                Some(part) => part.members.append(&mut members),
                None => parts.push(Router { id, v6, segment, members }),
            }
        }
        for part in &mut parts {
            part.members.sort_by_key(|member| std::cmp::Reverse(member.instance.priority));
        }
        found.extend(parts);
    }
    found
}

/// Whether these and those are on other hosts, and have an address in common.
fn are_one(these: &[Member<'_>], those: &[Member<'_>]) -> bool {
    let addresses = |member: &Member<'_>| member.instance.addresses.iter().map(|one| one.ip).collect::<BTreeSet<_>>();
    let other_host = |one: &Member<'_>| those.iter().all(|other| other.host != one.host);
    let shared = |one: &Member<'_>| those.iter().any(|other| !addresses(one).is_disjoint(&addresses(other)));
    these.iter().all(other_host) && these.iter().any(shared)
}

/// What the hosts of one virtual router disagree on.
pub fn conflicts(router: &Router<'_>, hosts: &[(String, Model)]) -> Vec<Conflict> {
    let mut found = Vec::new();
    let members = &router.members;
    let conflict = |rule, message: String, today: &str, of: &[&Member<'_>]| Conflict {
        rule,
        message,
        today: today.to_owned(),
        places: of.iter().map(|member| (member.host.to_owned(), member.instance.place.clone())).collect(),
    };
    let all: Vec<&Member<'_>> = members.iter().collect();
    for (position, member) in members.iter().enumerate() {
        if let Some(other) = members[..position].iter().find(|other| other.host == member.host) {
            let message = format!(
                "{} has two instances with this router id: {} and {}",
                member.host, other.instance.name, member.instance.name
            );
            found.push(conflict(
                "twice",
                message,
                "on one network segment each takes the other's adverts for its own; on two they are two routers",
                &[other, member],
            ));
        }
    }
    let here: BTreeSet<&str> = members.iter().map(|member| member.host).collect();
    for (host, _) in hosts.iter().filter(|(host, _)| !here.contains(host.as_str())) {
        found.push(conflict("missing", format!("{host} has no such instance"), "the addresses never move to it", &all));
    }
    let by = |key: &dyn Fn(&Instance) -> String| {
        let mut values: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for member in members {
            values.entry(key(member.instance)).or_default().push(member.host);
        }
        let shown = values
            .iter()
            .map(|(value, hosts)| format!("{value} on {}", hosts.join(", ")))
            .collect::<Vec<_>>()
            .join("; ");
        (values.len() > 1).then_some(shown)
    };
    let text = |list: &[VirtualAddress]| {
        let set: BTreeSet<String> = list.iter().map(|address| format!("{}/{}", address.ip, address.prefix)).collect();
        if set.is_empty() { "none".to_owned() } else { set.into_iter().collect::<Vec<_>>().join(" ") }
    };
    let rules: [Rule<'_>; 6] = [
        (
            "addresses",
            "the addresses differ",
            &|one| text(&one.addresses),
            "what is missing on one host is gone for as long as that host is master; a backup complains at every advert",
        ),
        (
            "excluded",
            "the excluded addresses differ",
            &|one| text(&one.excluded),
            "what is missing on one host is gone for as long as that host is master",
        ),
        (
            "interface",
            "the interfaces differ",
            &|one| one.interface.clone().unwrap_or_else(|| "none".to_owned()),
            "each host uses its own; a cluster has to be told for each node",
        ),
        (
            "version",
            "the versions of the protocol differ",
            &|one| format!("{:?}", one.version),
            "the hosts drop each other's adverts: both are master",
        ),
        (
            "timers",
            "advert_int differs",
            &|one| format!("{} ms", one.advert_us / 1000),
            "with version 2 the hosts drop each other's adverts: both are master; with version 3 a backup follows the master",
        ),
        (
            "authentication",
            "the authentication differs",
            &|one| signature(one),
            "the hosts drop each other's adverts: both are master, or they were never one cluster",
        ),
    ];
    for (rule, what, key, today) in rules {
        found.extend(by(key).map(|shown| conflict(rule, format!("{what}: {shown}"), today, &all)));
    }
    found.extend(priorities(router, &conflict));
    found.extend(peers(router, &conflict));
    found
}

/// Name, what differs, what of an instance is compared, and what a difference means today.
type Rule<'r> = (&'static str, &'static str, &'r dyn Fn(&Instance) -> String, &'static str);

/// The kind of signature, and whether passwords are alike, without showing one.
fn signature(instance: &Instance) -> String {
    match &instance.authentication {
        None => "none".to_owned(),
        Some(Authentication::Pass(password)) => {
            format!("password of {} characters ({:04x})", password.len(), hash(password))
        }
        Some(Authentication::Header(password)) => {
            format!("AH, password of {} characters ({:04x})", password.len(), hash(password))
        }
    }
}

/// Tells passwords apart; sixteen bits give nothing away.
fn hash(text: &str) -> u16 {
    let full = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (full >> 48) as u16
}

type Make<'a> = dyn Fn(&'static str, String, &str, &[&Member<'_>]) -> Conflict + 'a;

fn priorities(router: &Router<'_>, conflict: &Make<'_>) -> Vec<Conflict> {
    let mut found = Vec::new();
    for pair in router.members.windows(2) {
        let [one, other] = pair else { continue };
        if one.instance.priority == other.instance.priority {
            let message = format!("{} and {} have the same priority, {}", one.host, other.host, one.instance.priority);
            found.push(conflict("equal", message, "the one with the higher address of its own wins", &[one, other]));
        }
    }
    let top = router.members.first();
    for member in router.members.iter().skip(1).filter(|member| member.instance.master) {
        let Some(top) = top.filter(|top| top.instance.priority > member.instance.priority) else { continue };
        let message = format!(
            "{} begins as MASTER with priority {}, below {} of {}",
            member.host, member.instance.priority, top.instance.priority, top.host
        );
        found.push(conflict(
            "state",
            message,
            "it is master for a moment after its start, then the other takes over: two moves for nothing",
            &[member, top],
        ));
    }
    let masters: Vec<&Member<'_>> = router.members.iter().filter(|member| member.instance.master).collect();
    if masters.len() > 1 {
        let names: Vec<&str> = masters.iter().map(|member| member.host).collect();
        found.push(conflict(
            "masters",
            format!("{} all begin as MASTER", names.join(" and ")),
            "all take the addresses when they start, until they hear of each other",
            &masters,
        ));
    }
    let (with, without): (Vec<&Member<'_>>, Vec<&Member<'_>>) =
        router.members.iter().partition(|member| member.instance.nopreempt);
    if !with.is_empty() && !without.is_empty() {
        let message = format!("nopreempt holds on {} and not on {}", hosts(&with), hosts(&without));
        found.push(conflict(
            "nopreempt",
            message,
            "who has it stays backup while the other lives; who has it not takes over when it is back",
            &with,
        ));
    }
    found
}

fn hosts(members: &[&Member<'_>]) -> String {
    members.iter().map(|member| member.host).collect::<Vec<_>>().join(", ")
}

/// Unicast: each is a peer of each, so there are as many peers as other hosts.
fn peers(router: &Router<'_>, conflict: &Make<'_>) -> Vec<Conflict> {
    let mut found = Vec::new();
    let unicast = |member: &&Member<'_>| !member.instance.peers.is_empty();
    let (with, without): (Vec<&Member<'_>>, Vec<&Member<'_>>) = router.members.iter().partition(unicast);
    if !with.is_empty() && !without.is_empty() {
        let message = format!("{} send to peers, {} to all", hosts(&with), hosts(&without));
        found.push(conflict("unicast", message, "the hosts do not hear each other: both are master", &with));
    }
    for member in &with {
        let own = member.instance.source;
        for other in with.iter().filter(|other| other.host != member.host) {
            let known = other.instance.source.is_none_or(|source| member.instance.peers.contains(&source));
            if !known {
                let message = format!(
                    "{} does not name {} ({}) as its peer",
                    member.host,
                    other.host,
                    other.instance.source.map_or(String::new(), |source| source.to_string())
                );
                found.push(conflict(
                    "peers",
                    message,
                    "it does not send to it, so the other becomes master as well",
                    &[member, other],
                ));
            }
        }
        let others: BTreeSet<_> = with.iter().filter_map(|other| other.instance.source).collect();
        let strangers: Vec<String> = member
            .instance
            .peers
            .iter()
            .filter(|peer| Some(**peer) != own && !others.contains(peer))
            .map(ToString::to_string)
            .collect();
        let all_known = with.iter().all(|other| other.instance.source.is_some());
        if all_known && !strangers.is_empty() {
            let message =
                format!("{} names peers that no given file belongs to: {}", member.host, strangers.join(", "));
            found.push(conflict("strangers", message, "there are more hosts than files: give theirs too", &[member]));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Files, Host};

    fn host(name: &str, text: &str) -> (String, Model) {
        let text = format!("vrrp_instance {name}_I {{\n interface eth0\n virtual_router_id 51\n{text}\n}}\n");
        (name.to_owned(), Model::read(&Files::one(format!("/{name}"), text), &Host::default()))
    }

    #[track_caller]
    fn expect(one: &str, two: &str, rules: &[&str]) {
        let hosts = [host("a", one), host("b", two)];
        let routers = routers(&hosts);
        let found: Vec<&str> =
            routers.iter().flat_map(|router| conflicts(router, &hosts)).map(|conflict| conflict.rule).collect();
        assert_eq!(found, rules);
    }

    #[test]
    fn what_files_disagree_on() {
        let vip = "virtual_ipaddress {\n10.0.0.9/24\n}\n";
        expect(&format!("state MASTER\npriority 110\n{vip}"), &format!("state BACKUP\npriority 100\n{vip}"), &[]);
        expect(&format!("priority 110\n{vip}"), "virtual_ipaddress {\n10.0.0.8/24\n}\n", &["addresses"]);
        expect(&format!("advert_int 2\n{vip}"), &format!("version 3\n{vip}"), &["version", "timers", "equal"]);
        expect(
            &format!("state MASTER\npriority 90\n{vip}"),
            &format!("priority 100\nnopreempt\n{vip}"),
            &["state", "nopreempt"],
        );
        let secret = |word: &str, priority: u8| {
            format!("priority {priority}\nauthentication {{\nauth_type PASS\nauth_pass {word}\n}}\n{vip}")
        };
        expect(&secret("one", 1), &secret("two", 2), &["authentication"]);
        let peer = |own: &str, peer: &str, priority: u8| {
            format!("priority {priority}\nunicast_src_ip {own}\nunicast_peer {{\n{peer}\n}}\n{vip}")
        };
        expect(&peer("10.0.0.1", "10.0.0.2", 1), &peer("10.0.0.2", "10.0.0.1", 2), &[]);
        expect(&peer("10.0.0.1", "10.0.0.2", 1), &peer("10.0.0.2", "10.0.0.7", 2), &["peers", "strangers"]);
    }

    #[test]
    fn one_id_on_two_networks_whose_interfaces_have_other_names_elsewhere() {
        let host = |name: &str, front: &str, back: &str| {
            let one = |interface: &str, ip: &str| {
                format!(
                    "vrrp_instance I_{ip} {{\ninterface {interface}\nvirtual_router_id 5\nvirtual_ipaddress {{\n{ip}\n}}\n}}\n"
                )
            };
            let text = one(front, "10.0.0.9") + &one(back, "10.1.0.9");
            (name.to_owned(), Model::read(&Files::one(format!("/{name}"), text), &Host::default()))
        };
        let hosts = [host("a", "eth0", "bond0"), host("b", "br0", "bond0"), host("c", "eth0", "eth7")];
        let routers = routers(&hosts);
        let shown: Vec<String> = routers
            .iter()
            .map(|router| router.members.iter().map(|one| format!("{} {} ", one.host, one.instance.name)).collect())
            .collect();
        assert_eq!(shown, ["a I_10.1.0.9 b I_10.1.0.9 c I_10.1.0.9 ", "b I_10.0.0.9 a I_10.0.0.9 c I_10.0.0.9 "]);
    }

    #[test]
    fn passwords_are_not_shown() {
        let (_, model) = host("a", "authentication {\nauth_type PASS\nauth_pass geheim\n}");
        assert!(!signature(&model.instances[0]).contains("geheim"));
    }
}
