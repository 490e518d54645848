//! Packets that make the other end of a lost connection speak: an acknowledgement that fits nowhere. It answers with
//! what it expects, gets a reset, and so knows that the connection is over, long before its own timers would say so.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, sendto, socket,
};

use super::connections::Connection;

const TCP: u8 = 6;
const ACK: u8 = 0x10;
/// Words of a TCP header without options.
const HEADER_WORDS: u8 = 5;
const WINDOW: u16 = 1234;
const HOPS: u8 = 64;

/// Sends one packet for each connection, from its local to its remote end.
pub fn send(connections: &[Connection]) -> io::Result<()> {
    let mut sockets: [Option<OwnedFd>; 2] = [None, None];
    for connection in connections {
        // The packet is whole, with its own source: it may be the other end's, when that is played.
        let (slot, family, packet) = match (connection.local, connection.remote) {
            (SocketAddr::V4(from), SocketAddr::V4(to)) => (0, AddressFamily::Inet, packet_v4(from, to)),
            (SocketAddr::V6(from), SocketAddr::V6(to)) => (1, AddressFamily::Inet6, packet_v6(from, to)),
            _ => continue,
        };
        if sockets[slot].is_none() {
            sockets[slot] = Some(socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?);
        }
        let Some(raw) = &sockets[slot] else { continue };
        let sent = match connection.remote {
            // A raw socket knows no ports.
            SocketAddr::V4(to) => {
                sendto(raw.as_raw_fd(), &packet, &SockaddrIn::from(SocketAddrV4::new(*to.ip(), 0)), MsgFlags::empty())
            }
            SocketAddr::V6(to) => {
                let to = SocketAddrV6::new(*to.ip(), 0, 0, to.scope_id());
                sendto(raw.as_raw_fd(), &packet, &SockaddrIn6::from(to), MsgFlags::empty())
            }
        };
        match sent {
            Ok(_) => {}
            // One client that cannot be reached is no reason to leave out the others.
            Err(nix::errno::Errno::EHOSTUNREACH | nix::errno::Errno::ENETUNREACH | nix::errno::Errno::ECONNREFUSED) => {
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn packet_v4(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let segment = segment(IpAddr::V4(*from.ip()), from.port(), IpAddr::V4(*to.ip()), to.port());
    let length = 20 + segment.len() as u16;
    // The kernel fills in the checksum and the number.
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, HOPS, TCP, 0, 0]);
    packet.extend(Ipv4Addr::octets(from.ip()));
    packet.extend(Ipv4Addr::octets(to.ip()));
    packet.extend(segment);
    packet
}

fn packet_v6(from: SocketAddrV6, to: SocketAddrV6) -> Vec<u8> {
    let segment = segment(IpAddr::V6(*from.ip()), from.port(), IpAddr::V6(*to.ip()), to.port());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((segment.len() as u16).to_be_bytes());
    packet.extend([TCP, HOPS]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(segment);
    packet
}

/// A TCP segment without data that acknowledges nothing anyone has sent.
fn segment(from: IpAddr, from_port: u16, to: IpAddr, to_port: u16) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20);
    segment.extend(from_port.to_be_bytes());
    segment.extend(to_port.to_be_bytes());
    segment.extend(0u32.to_be_bytes());
    segment.extend(0u32.to_be_bytes());
    segment.extend([HEADER_WORDS << 4, ACK]);
    segment.extend(WINDOW.to_be_bytes());
    segment.extend([0; 4]);
    let mut covered = Vec::new();
    for ip in [from, to] {
        match ip {
            IpAddr::V4(ip) => covered.extend(ip.octets()),
            IpAddr::V6(ip) => covered.extend(ip.octets()),
        }
    }
    // Both families' pseudo headers have the same sum.
    covered.extend([0, TCP]);
    covered.extend((segment.len() as u16).to_be_bytes());
    covered.extend(&segment);
    let sum = checksum(&covered);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// The Internet's checksum, RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_sums_up_to_nothing() {
        let packet = packet_v4("192.0.2.9:2049".parse().unwrap(), "192.0.2.3:700".parse().unwrap());
        assert_eq!((packet.len(), packet[9], packet[33]), (40, TCP, ACK));
        let mut covered = packet[12..20].to_vec();
        covered.extend([0, TCP, 0, 20]);
        covered.extend(&packet[20..]);
        assert_eq!(checksum(&covered), 0);
        // RFC 1071's own example.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        let packet = packet_v6("[fd00::9]:2049".parse().unwrap(), "[fd00::3]:700".parse().unwrap());
        let mut covered = packet[8..40].to_vec();
        covered.extend([0, TCP, 0, 20]);
        covered.extend(&packet[40..]);
        assert_eq!((packet.len(), checksum(&covered)), (60, 0));
    }
}
