//! What the parameters of IPaddr2 say, checked and as types. It does not look at this host.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ocf::{Context, Failure};

use crate::run_directory::{Level, log};

/// The longest label the kernel takes, with the name of the link and the colon.
const LABEL_CHARACTERS: usize = 15;
/// `run_arping` asks for certainty: RFC 5227 waits between one and two seconds for an answer.
const ARPING_WAIT: Duration = Duration::from_millis(1000);

/// Which broadcast address the network has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broadcast {
    /// That of the address that the link has already, if any.
    AsTheLink,
    /// All host bits set.
    Ones,
    /// No host bit set.
    Zeros,
    /// This one.
    Given(Ipv4Addr),
}

/// The parameters of one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The address.
    pub ip: IpAddr,
    /// Name of the link, if given.
    pub nic: Option<String>,
    /// What follows the colon in the label.
    pub label: Option<String>,
    /// Length of the prefix, if given.
    pub prefix: Option<u8>,
    /// Broadcast address.
    pub broadcast: Broadcast,
    /// Only routes of this protocol show where the address belongs.
    pub route_protocol: Option<u8>,
    /// Between two announcements.
    pub announce_interval: Duration,
    /// How often the address is announced at start.
    pub announce_count: u64,
    /// How often it is announced at each monitor.
    pub refresh_count: u64,
    /// Are all announcements but the first left to a process of their own?
    pub background: bool,
    /// How long to listen for another owner; zero for not at all.
    pub conflict_wait: Duration,
    /// No route to the prefix.
    pub no_prefix_route: bool,
    /// How long the address is preferred as a source; `None` for ever.
    pub preferred_s: Option<u32>,
    /// Is a link that cannot carry packets a failure?
    pub check_link: bool,
    /// Does the loopback device have the address while we do not?
    pub lvs: bool,
    /// Label in the rules for source addresses (IPv6).
    pub source_label: Option<u32>,
    /// Forget cached routes when the address goes.
    pub flush_routes: bool,
    /// Network namespace to work in.
    pub namespace: Option<String>,
}

impl Settings {
    /// Reads the parameters.
    pub fn read(call: &Context) -> Result<Settings, Failure> {
        let ip = read_ip(call)?;
        let four = ip.is_ipv4();
        refuse_cluster_address(call)?;
        let (nic, label) = read_nic(call)?;
        let lvs = call.boolean("lvs_support")?;
        if lvs && !four {
            return Err(Failure::not_configured(
                "lvs_support is for IPv4 only; for IPv6 set lvs_ipv6_addrlabel in its place",
            ));
        }
        let labelled = call.boolean("lvs_ipv6_addrlabel")?;
        if labelled && four {
            return Err(Failure::not_configured(
                "lvs_ipv6_addrlabel is for IPv6 only; for IPv4 set lvs_support in its place",
            ));
        }
        let source_label = match labelled {
            false => None,
            true => Some(parse_u32(call, "lvs_ipv6_addrlabel_value")?),
        };
        check_sender(call)?;
        let arping = four && call.boolean("run_arping")?;
        let wait = Duration::from_millis(call.number("conflict_wait_ms", 0)?);
        let nodad = call.boolean("nodad")?;
        Ok(Settings {
            ip,
            nic,
            label: label.filter(|_| four),
            prefix: read_prefix(call, four)?,
            broadcast: read_broadcast(call)?,
            route_protocol: read_protocol(call)?,
            announce_interval: Duration::from_millis(call.number("arp_interval", 1)?),
            announce_count: call.number("arp_count", 1)?,
            refresh_count: call.number("arp_count_refresh", 0)?,
            background: call.parameter("arp_bg").is_empty() || call.boolean("arp_bg")?,
            conflict_wait: match () {
                () if arping => wait.max(ARPING_WAIT),
                () if nodad && !four => Duration::ZERO,
                () => wait,
            },
            no_prefix_route: call.boolean("noprefixroute")?,
            preferred_s: match call.parameter("preferred_lft") {
                "forever" => None,
                _ => Some(parse_u32(call, "preferred_lft")?),
            },
            check_link: call.boolean("check_link_status")?,
            lvs,
            source_label,
            flush_routes: call.boolean("flush_routes")?,
            namespace: Some(call.parameter("network_namespace").to_owned()).filter(|name| !name.is_empty()),
        })
    }
}

/// Is the address itself written in a way that no host can have it? Then nothing can be running.
pub fn is_impossible(call: &Context) -> bool {
    !call.parameter("ip").is_empty() && read_ip(call).is_err()
}

fn read_ip(call: &Context) -> Result<IpAddr, Failure> {
    let text = call.required("ip")?;
    let ip: IpAddr = text
        .parse()
        .map_err(|_| call.wrong("ip", "an IPv4 address such as 192.0.2.7 or an IPv6 address such as 2001:db8::7"))?;
    if !call.boolean("unique_clone_address")? {
        return Ok(ip);
    }
    if !is_meta_true(call, "globally_unique") {
        return Err(Failure::not_configured(
            "unique_clone_address is true, but the clone is not globally unique: set its meta attribute \
             globally-unique=true",
        ));
    }
    let instance: u8 = meta_number(call, "clone").and_then(|number| u8::try_from(number).ok()).unwrap_or(0);
    let IpAddr::V4(four) = ip else {
        return Err(Failure::not_configured("unique_clone_address is for IPv4 only"));
    };
    let [a, b, c, d] = four.octets();
    let last = d.checked_add(instance).ok_or_else(|| {
        Failure::not_configured(format!("instance {instance} of the clone would have the address {a}.{b}.{c}.{d} + {instance}, past the end of the network: use fewer instances"))
    })?;
    Ok(IpAddr::from([a, b, c, last]))
}

/// The shell agent can share one address between the instances of a clone, by a firewall module that Linux 6.0 no
/// longer has. We do not, and say so before anything answers twice.
fn refuse_cluster_address(call: &Context) -> Result<(), Failure> {
    let instances = meta_number(call, "clone_max").unwrap_or(1);
    if instances > 1 && !call.boolean("unique_clone_address")? {
        return Err(Failure::not_configured(format!(
            "{} is cloned to {instances} instances: one address shared by several hosts (cluster IP) is not supported; \
             run it as a primitive, or set unique_clone_address=true",
            call.parameter("ip"),
        )));
    }
    for name in ["mac", "clusterip_hash_seed"] {
        if !call.parameter(name).is_empty() {
            log(Level::Warning, &format!("parameter {name} is only for a cluster IP, and has no effect"));
        }
    }
    Ok(())
}

fn read_nic(call: &Context) -> Result<(Option<String>, Option<String>), Failure> {
    let (nic, label) = match call.parameter("nic").split_once(':') {
        // The older form, with the label in the name of the link; it wins, as in the shell agent.
        Some((nic, label)) => (nic, label),
        None => (call.parameter("nic"), call.parameter("iflabel")),
    };
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    if nic.len() + 1 + label.len() > LABEL_CHARACTERS && !nic.is_empty() && !label.is_empty() {
        return Err(Failure::not_configured(format!(
            "the label {nic}:{label} is longer than {LABEL_CHARACTERS} characters: choose a shorter iflabel"
        )));
    }
    Ok((some(nic), some(label)))
}

/// The whole label, `LINK:LABEL`, once the link is known.
pub fn whole_label(link: &str, label: &str) -> Result<String, Failure> {
    let whole = format!("{link}:{label}");
    if whole.len() > LABEL_CHARACTERS {
        return Err(Failure::not_configured(format!(
            "the label {whole} is longer than {LABEL_CHARACTERS} characters: choose a shorter iflabel"
        )));
    }
    Ok(whole)
}

fn read_prefix(call: &Context, four: bool) -> Result<Option<u8>, Failure> {
    // `netmask` is what the oldest configurations call it.
    let name = if call.parameter("cidr_netmask").is_empty() { "netmask" } else { "cidr_netmask" };
    let text = call.parameter(name);
    if text.is_empty() {
        return Ok(None);
    }
    let most = if four { 32 } else { 128 };
    let dotted = text.parse::<Ipv4Addr>().ok().filter(|_| four).and_then(|mask| {
        let bits = u32::from(mask);
        (bits.leading_ones() + bits.trailing_zeros() == 32).then_some(bits.leading_ones() as u8)
    });
    let prefix = text.parse().ok().or(dotted).filter(|prefix| (1..=most).contains(prefix));
    let expected = format!("a length from 1 to {most}{}", if four { " or a mask such as 255.255.255.0" } else { "" });
    prefix.map(Some).ok_or_else(|| call.wrong(name, &expected))
}

fn read_broadcast(call: &Context) -> Result<Broadcast, Failure> {
    Ok(match call.parameter("broadcast") {
        "" => Broadcast::AsTheLink,
        "+" => Broadcast::Ones,
        "-" => Broadcast::Zeros,
        text => Broadcast::Given(text.parse().map_err(|_| call.wrong("broadcast", "an IPv4 address, + or -"))?),
    })
}

/// The routing protocol that parameter `proto` names, if it is given.
pub fn read_protocol(call: &Context) -> Result<Option<u8>, Failure> {
    const NAMES: [(&str, u8); 9] = [
        ("redirect", 1),
        ("kernel", 2),
        ("boot", 3),
        ("static", 4),
        ("ra", 9),
        ("zebra", 11),
        ("bird", 12),
        ("dhcp", 16),
        ("bgp", 186),
    ];
    let text = call.parameter("proto");
    if text.is_empty() {
        return Ok(None);
    }
    let known = NAMES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    let expected = "the number of a routing protocol, or one of kernel, boot, static, ra, dhcp, zebra, bird, bgp";
    known.or_else(|| text.parse().ok()).map(Some).ok_or_else(|| call.wrong("proto", expected))
}

/// The shell agent lets one choose the program that sends. We are that program, whichever is named.
fn check_sender(call: &Context) -> Result<(), Failure> {
    match call.parameter("arp_sender") {
        "" | "send_arp" | "ipoibarping" | "iputils_arping" | "libnet_arping" => Ok(()),
        _ => Err(call.wrong("arp_sender", "send_arp, ipoibarping, iputils_arping or libnet_arping")),
    }
}

fn parse_u32(call: &Context, name: &str) -> Result<u32, Failure> {
    call.parameter(name).parse().map_err(|_| call.wrong(name, "a whole number below 4294967296"))
}

fn meta_number(call: &Context, name: &str) -> Option<u64> {
    call.environment.meta.get(name)?.parse().ok()
}

fn is_meta_true(call: &Context, name: &str) -> bool {
    call.environment.meta.get(name).is_some_and(|value| ocf::boolean(value) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocf::Agent as _;

    fn read(line: &str) -> Result<Settings, Failure> {
        let mut environment = ocf::Environment::new("vip", "systole", "IPaddr2", "start");
        environment.add_attributes(line.split(' ').filter_map(|word| word.split_once('=')));
        Settings::read(&Context::new(environment, crate::ipaddr2::IPaddr2.metadata()))
    }

    #[test]
    fn defaults() {
        let settings = read("ip=192.0.2.7").unwrap();
        assert_eq!((settings.announce_count, settings.announce_interval.as_millis()), (5, 200));
        assert_eq!((settings.nic, settings.prefix, settings.label), (None, None, None));
        assert!(settings.check_link && settings.background && !settings.lvs);
        assert!(!settings.conflict_wait.is_zero());
        assert!(read("ip=2001:db8::7 nodad=true").unwrap().conflict_wait.is_zero());
        assert_eq!(read("ip=192.0.2.7 run_arping=true").unwrap().conflict_wait, ARPING_WAIT);
    }

    #[test]
    fn values() {
        type Holds = fn(&Settings) -> bool;
        let cases: [(&str, Holds); 12] = [
            ("ip=192.0.2.7 cidr_netmask=24", |s| s.prefix == Some(24)),
            ("ip=192.0.2.7 cidr_netmask=255.255.254.0", |s| s.prefix == Some(23)),
            ("ip=192.0.2.7 netmask=16", |s| s.prefix == Some(16)),
            ("ip=2001:db8::7 cidr_netmask=64", |s| s.prefix == Some(64)),
            ("ip=192.0.2.7 broadcast=+", |s| s.broadcast == Broadcast::Ones),
            ("ip=192.0.2.7 broadcast=192.0.2.255", |s| matches!(s.broadcast, Broadcast::Given(_))),
            ("ip=192.0.2.7 nic=eth0:vip iflabel=x", |s| {
                s.nic.as_deref() == Some("eth0") && s.label.as_deref() == Some("vip")
            }),
            ("ip=192.0.2.7 nic=eth0 iflabel=x", |s| s.label.as_deref() == Some("x")),
            ("ip=2001:db8::7 preferred_lft=0", |s| s.preferred_s == Some(0)),
            ("ip=2001:db8::7 lvs_ipv6_addrlabel=true", |s| s.source_label == Some(99)),
            ("ip=192.0.2.7 proto=kernel", |s| s.route_protocol == Some(2)),
            (
                "ip=192.0.2.7 unique_clone_address=true CRM_meta_globally_unique=true CRM_meta_clone=3 CRM_meta_clone_max=4",
                |s| s.ip == IpAddr::from([192, 0, 2, 10]),
            ),
        ];
        for (line, holds) in cases {
            let settings = read(line).unwrap_or_else(|failure| panic!("{line}: {failure}"));
            assert!(holds(&settings), "{line}: {settings:?}");
        }
    }

    #[test]
    fn refused() {
        let cases = [
            ("", "parameter ip is not set"),
            ("ip=192.0.2.300", "parameter ip is"),
            ("ip=192.0.2.7 cidr_netmask=33", "from 1 to 32"),
            ("ip=192.0.2.7 cidr_netmask=255.0.255.0", "from 1 to 32"),
            ("ip=2001:db8::7 cidr_netmask=255.255.0.0", "from 1 to 128"),
            ("ip=192.0.2.7 broadcast=all", "broadcast"),
            ("ip=192.0.2.7 nic=eth0 iflabel=much-too-long", "15 characters"),
            ("ip=192.0.2.7 arp_count=0", "arp_count"),
            ("ip=192.0.2.7 arp_interval=fast", "arp_interval"),
            ("ip=192.0.2.7 arp_sender=carrier-pigeon", "arp_sender"),
            ("ip=192.0.2.7 CRM_meta_clone_max=2", "cluster IP"),
            ("ip=192.0.2.7 unique_clone_address=true", "globally-unique"),
            ("ip=192.0.2.250 unique_clone_address=1 CRM_meta_globally_unique=1 CRM_meta_clone=9", "past the end"),
            ("ip=2001:db8::7 lvs_support=yes", "IPv4 only"),
            ("ip=192.0.2.7 lvs_ipv6_addrlabel=yes", "IPv6 only"),
            ("ip=192.0.2.7 proto=fidonet", "routing protocol"),
            ("ip=192.0.2.7 nodad=perhaps", "true or false"),
        ];
        for (line, expected) in cases {
            let failure = read(line).expect_err(line);
            assert_eq!(failure.code, ocf::ExitCode::NotConfigured, "{line}");
            assert!(failure.reason.contains(expected), "{line}: {}", failure.reason);
        }
    }
}
