//! Where an address belongs on this host: on which link and in which network, told from the routes as the kernel
//! would route to it. A function of lists; who reads the lists from the kernel is the agent.

use std::net::{IpAddr, Ipv4Addr};

use super::settings::Broadcast;
use crate::netlink::{Address, IFA_F_NOPREFIXROUTE, ROUTE_UNICAST, Route, SCOPE_LINK, TABLE_MAIN};

/// The link and the length of the prefix that the routes name for an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// Number of the link.
    pub link: u32,
    /// Length of the prefix.
    pub prefix: u8,
}

/// The network of the most specific route to the address, among the routes of the link if one is given.
///
/// The default route names no network; IPv4 routes through a gateway lead to networks that are not ours.
pub fn network_of(
    ip: IpAddr,
    link: Option<u32>,
    prefix: Option<u8>,
    protocol: Option<u8>,
    routes: &[Route],
) -> Option<Network> {
    let fits = |route: &&Route| {
        route.table == TABLE_MAIN
            && route.kind == ROUTE_UNICAST
            && (ip.is_ipv6() || route.scope == SCOPE_LINK)
            && link.is_none_or(|link| route.link == Some(link))
            && prefix.is_none_or(|prefix| route.prefix <= prefix)
            && protocol.is_none_or(|protocol| route.protocol == protocol)
            && route.destination.is_some_and(|destination| contains(destination, route.prefix, ip))
    };
    let best = routes.iter().filter(fits).max_by_key(|route| (route.prefix, std::cmp::Reverse(route.metric)))?;
    Some(Network { link: best.link?, prefix: prefix.unwrap_or(best.prefix) })
}

/// Does a route over its link lead to the network of an address? One that is alone in its network needs none, and one
/// that was added without a route has it somewhere else.
pub fn has_route(address: &Address, routes: &[Route]) -> bool {
    let alone = address.prefix == if address.ip.is_ipv4() { 32 } else { 128 };
    alone
        || address.flags & IFA_F_NOPREFIXROUTE != 0
        || routes.iter().any(|route| {
            route.kind == ROUTE_UNICAST
                && route.link == Some(address.link)
                && route.destination.is_some_and(|network| contains(network, route.prefix, address.ip))
        })
}

/// Is the address in the network?
pub fn contains(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let mask = mask_v4(prefix);
            u32::from(network) & mask == u32::from(ip) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            u128::from(network) & mask == u128::from(ip) & mask
        }
        _ => false,
    }
}

/// The broadcast address to give with the address, if any.
pub fn broadcast_of(setting: Broadcast, ip: IpAddr, network: Network, present: &[Address]) -> Option<Ipv4Addr> {
    let IpAddr::V4(four) = ip else { return None };
    // Networks of one or two hosts have no broadcast address.
    let computed = |host_bits: bool| {
        let mask = mask_v4(network.prefix);
        let bits = if host_bits { u32::from(four) | !mask } else { u32::from(four) & mask };
        (network.prefix < 31).then(|| Ipv4Addr::from(bits))
    };
    match setting {
        Broadcast::Given(broadcast) => Some(broadcast),
        Broadcast::Ones => computed(true),
        Broadcast::Zeros => computed(false),
        Broadcast::AsTheLink => present
            .iter()
            .find(|other| {
                other.link == network.link && other.prefix == network.prefix && contains(other.ip, other.prefix, ip)
            })
            .and_then(|other| other.broadcast),
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `DESTINATION/PREFIX LINK [gateway] [metric=N] [table=N] [proto=N]`, one a line.
    fn routes(text: &str) -> Vec<Route> {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(route).collect()
    }

    fn route(line: &str) -> Route {
        let mut words = line.split(' ');
        let (destination, prefix) = words.next().unwrap().split_once('/').unwrap();
        let mut route = Route {
            destination: Some(destination.parse().unwrap()),
            prefix: prefix.parse().unwrap(),
            link: Some(words.next().unwrap().parse().unwrap()),
            table: TABLE_MAIN,
            scope: SCOPE_LINK,
            kind: ROUTE_UNICAST,
            protocol: 2,
            source: None,
            metric: 0,
            ..Route::default()
        };
        if route.prefix == 0 {
            route.destination = None;
        }
        for word in words {
            match word.split_once('=') {
                None => route.scope = 0,
                Some(("metric", number)) => route.metric = number.parse().unwrap(),
                Some(("table", number)) => route.table = number.parse().unwrap(),
                Some((_, number)) => route.protocol = number.parse().unwrap(),
            }
        }
        route
    }

    #[test]
    fn networks() {
        let four = "0.0.0.0/0 2 gateway
            192.0.2.0/24 2 metric=100
            192.0.2.0/24 3 metric=600
            192.0.0.0/16 4
            192.0.2.0/28 5 table=100
            203.0.113.0/24 2 gateway
            198.51.100.0/24 6 proto=4
            198.51.100.0/25 7 proto=16";
        let six = "2001:db8::/64 2
            fe80::/64 2
            fe80::/64 3";
        let cases = [
            (four, "192.0.2.7", None, None, None, Some((2, 24))),
            (four, "192.0.2.7", Some(3), None, None, Some((3, 24))),
            (four, "192.0.2.7", Some(9), None, None, None),
            (four, "192.0.2.7", None, Some(32), None, Some((2, 32))),
            (four, "192.0.2.7", None, Some(20), None, Some((4, 20))),
            (four, "192.0.9.7", None, None, None, Some((4, 16))),
            (four, "203.0.113.7", None, None, None, None),
            (four, "198.51.100.7", None, None, Some(4), Some((6, 24))),
            (four, "8.8.8.8", None, None, None, None),
            (six, "2001:db8::7", None, None, None, Some((2, 64))),
            (six, "fe80::7", Some(3), None, None, Some((3, 64))),
            (six, "2001:db9::7", None, None, None, None),
        ];
        for (table, ip, link, prefix, protocol, expected) in cases {
            let found = network_of(ip.parse().unwrap(), link, prefix, protocol, &routes(table));
            assert_eq!(found.map(|n| (n.link, n.prefix)), expected, "{ip} {link:?} {prefix:?} {protocol:?}");
        }
    }

    #[test]
    fn broadcasts() {
        let ip: IpAddr = "192.0.2.7".parse().unwrap();
        let present = [Address {
            ip: "192.0.2.1".parse().unwrap(),
            prefix: 24,
            link: 2,
            scope: 0,
            label: None,
            broadcast: Some(Ipv4Addr::new(192, 0, 2, 255)),
            flags: 0,
            preferred_s: None,
        }];
        let cases = [
            (Broadcast::AsTheLink, 2, 24, Some([192, 0, 2, 255])),
            (Broadcast::AsTheLink, 3, 24, None),
            (Broadcast::AsTheLink, 2, 25, None),
            (Broadcast::Ones, 2, 28, Some([192, 0, 2, 15])),
            (Broadcast::Zeros, 2, 28, Some([192, 0, 2, 0])),
            (Broadcast::Ones, 2, 32, None),
            (Broadcast::Given(Ipv4Addr::new(10, 0, 0, 1)), 2, 32, Some([10, 0, 0, 1])),
        ];
        for (setting, link, prefix, expected) in cases {
            let found = broadcast_of(setting, ip, Network { link, prefix }, &present);
            assert_eq!(found, expected.map(Ipv4Addr::from), "{setting:?} {link} {prefix}");
        }
        assert_eq!(broadcast_of(Broadcast::Ones, "::1".parse().unwrap(), Network { link: 1, prefix: 8 }, &[]), None);
    }

    #[test]
    fn an_address_needs_a_route_by_its_link() {
        let address = |ip: &str, prefix, flags| Address {
            ip: ip.parse().unwrap(),
            prefix,
            link: 2,
            scope: 0,
            label: None,
            broadcast: None,
            flags,
            preferred_s: None,
        };
        let kernels = "192.0.2.0/24 2\n2001:db8::/64 2";
        let cases = [
            (address("192.0.2.7", 24, 0), kernels, true),
            (address("192.0.2.7", 24, 0), "192.0.2.0/24 3", false),
            (address("192.0.2.7", 24, 0), "0.0.0.0/0 2 gateway", false),
            (address("192.0.2.7", 24, IFA_F_NOPREFIXROUTE), "", true),
            (address("192.0.2.7", 32, 0), "", true),
            (address("2001:db8::7", 64, 0), kernels, true),
            (address("2001:db8:1::7", 64, 0), kernels, false),
            (address("2001:db8::7", 128, 0), "", true),
        ];
        for (address, text, expected) in cases {
            assert_eq!(has_route(&address, &routes(text)), expected, "{}/{} by {text}", address.ip, address.prefix);
        }
    }
}
