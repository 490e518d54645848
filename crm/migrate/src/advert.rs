//! An advert of VRRP as it goes over the wire, from the first byte of its IP header: versions 2 and 3, IPv4 and IPv6, with
//! an authentication header or without. Getting packets is left to the shell.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The number of VRRP among IP's protocols.
const VRRP: u8 = 112;
/// That of the authentication header, which version 2 may put before it.
const AUTHENTICATION: u8 = 51;

/// What a master says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advert {
    /// Who says it.
    pub source: IpAddr,
    /// Whom it tells: the group of all routers, or one peer.
    pub destination: IpAddr,
    /// 2 or 3.
    pub version: u8,
    /// The virtual router.
    pub router: u8,
    /// Its priority at this moment; 0 when it gives up.
    pub priority: u8,
    /// Between two adverts, in microseconds.
    pub interval_us: u64,
    /// The addresses it has.
    pub addresses: Vec<IpAddr>,
}

/// The advert in a packet; none if it is something else, or cut off. Its checksum is not judged: the kernel may fill in
/// that of a packet that is on its way out only later.
pub fn decode(packet: &[u8]) -> Option<Advert> {
    let (source, destination, mut protocol, mut body) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet[0] & 15) * 4;
            let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
            let ip = |at: usize| -> Option<IpAddr> {
                let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(Ipv4Addr::from(bytes).into())
            };
            // A short packet is filled up on Ethernet: what is behind its end is no address.
            let body = packet.get(header..total.min(packet.len()))?;
            (ip(12)?, ip(16)?, *packet.get(9)?, body)
        }
        6 => {
            let length = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
            let ip = |at: usize| -> Option<IpAddr> {
                let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(Ipv6Addr::from(bytes).into())
            };
            let body = packet.get(40..(40 + length).min(packet.len()))?;
            (ip(8)?, ip(24)?, *packet.get(6)?, body)
        }
        _ => return None,
    };
    if protocol == AUTHENTICATION {
        protocol = *body.first()?;
        body = body.get((usize::from(*body.get(1)?) + 2) * 4..)?;
    }
    if protocol != VRRP {
        return None;
    }
    let [first, router, priority, count, five, six, ..] = *body else { return None };
    let (version, kind) = (first >> 4, first & 15);
    let interval_us = match version {
        2 => u64::from(six) * 1_000_000,
        // Of version 3, twelve bits in hundredths of a second.
        3 => u64::from(u16::from_be_bytes([five & 15, six])) * 10_000,
        _ => return None,
    };
    if kind != 1 || router == 0 {
        return None;
    }
    let size = if source.is_ipv4() { 4 } else { 16 };
    let list = body.get(8..8 + size * usize::from(count))?;
    let addresses = list
        .chunks_exact(size)
        .filter_map(|bytes| match <[u8; 4]>::try_from(bytes) {
            Ok(four) => Some(Ipv4Addr::from(four).into()),
            Err(_) => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        })
        .collect();
    Some(Advert { source, destination, version, router, priority, interval_us, addresses })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An advert of keepalived 2.2.7, as a veth showed it: version 2, PASS, one address.
    const TWO: &str = "45c0002800010000ff7018f6c0000201e00000122133960101 01 b1d3 c0000264 77616c6b00000000";
    /// The same with version 3 and IPv6, made by hand after RFC 5798: 10 ms, one address.
    const THREE: &str = "6000000000187 0fffe800000000000000000000000000001ff020000000000000000000000000012\
                         31076401 0001 0000 20010db8000000000000000000000007";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn both_versions_and_families_are_read() {
        let two = decode(&bytes(TWO)).unwrap();
        assert_eq!((two.source.to_string(), two.router, two.priority), ("192.0.2.1".to_owned(), 51, 150));
        assert_eq!((two.version, two.interval_us), (2, 1_000_000));
        assert_eq!(two.addresses, ["192.0.2.100".parse::<IpAddr>().unwrap()], "the password is no address");
        let three = decode(&bytes(THREE)).unwrap();
        assert_eq!((three.version, three.router, three.priority, three.interval_us), (3, 7, 100, 10_000));
        assert_eq!(three.addresses, ["2001:db8::7".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn an_authentication_header_is_passed_over() {
        let mut packet = bytes(TWO);
        packet[9] = AUTHENTICATION;
        let header = [VRRP, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        packet.splice(20..20, header);
        packet[3] += header.len() as u8;
        assert_eq!(decode(&packet).unwrap().router, 51);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(mut packet in proptest::collection::vec(any::<u8>(), 0..80), four: bool) {
            if let Some(first) = packet.first_mut() {
                *first = if four { 0x40 } else { 0x60 } | *first & 15;
            }
            decode(&packet);
        }
    }
}
