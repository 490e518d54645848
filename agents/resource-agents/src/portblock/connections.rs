//! TCP connections of this host, as `/proc/net/tcp` lists them, and the file that keeps them for the next host.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The kernel's number for an established connection.
const ESTABLISHED: &str = "01";

/// A connection: this host's end and the other one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Connection {
    /// The end at this host.
    pub local: SocketAddr,
    /// The client's end.
    pub remote: SocketAddr,
}

impl Connection {
    /// As the other end sees it.
    pub fn turned(&self) -> Connection {
        Connection { local: self.remote, remote: self.local }
    }
}

/// The established connections to an address of this host, in order.
pub fn established(ip: IpAddr) -> io::Result<Vec<Connection>> {
    // A socket for both families lists its IPv4 connections with IPv6's.
    let mut found = Vec::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(file) {
            Ok(text) => found.extend(text.lines().filter_map(read_line)),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.retain(|connection| connection.local.ip() == ip);
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn read_line(line: &str) -> Option<Connection> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    (state == ESTABLISHED).then_some(Connection { local: read_end(local)?, remote: read_end(remote)? })
}

/// `ADDRESS:PORT` in hexadecimal, the address in words of 32 bits of this machine's order.
fn read_end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// A line for each: this host's end, a tab, the client's end.
pub fn to_text(connections: &[Connection]) -> String {
    connections.iter().map(|one| format!("{}\t{}\n", one.local, one.remote)).collect()
}

/// Reads the lines; also those of the shell agent, which writes IPv6 without brackets. What is none is passed over.
pub fn parse(text: &str) -> Vec<Connection> {
    let read = |line: &str| {
        let mut ends = line.split_whitespace().map(parse_end);
        Some(Connection { local: ends.next()??, remote: ends.next()?? })
    };
    text.lines().filter_map(read).collect()
}

fn parse_end(text: &str) -> Option<SocketAddr> {
    let bare = || {
        let (ip, port) = text.rsplit_once(':')?;
        Some(SocketAddr::new(ip.trim_matches(['[', ']']).parse().ok()?, port.parse().ok()?))
    };
    text.parse().ok().or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_list_is_read() {
        for (line, expected) in [
            (
                "   1: 0100007F:0801 0200000A:0346 01 00000000:00000000 00:00000000 00000000     0        0 1",
                Some("127.0.0.1:2049\t10.0.0.2:838\n"),
            ),
            (
                "   2: 0000000000000000FFFF00000100007F:0801 0000000000000000FFFF00000200000A:0346 01 0 0",
                Some("127.0.0.1:2049\t10.0.0.2:838\n"),
            ),
            (
                "   3: 000000FD000000000000000001000000:0801 000000FD000000000000000002000000:0001 01 0 0",
                Some("[fd00::1]:2049\t[fd00::2]:1\n"),
            ),
            ("   4: 00000000:0801 00000000:0000 0A 0 0", None),
            ("  sl  local_address rem_address   st tx_queue", None),
            ("   5: 0100007:0801 x 01", None),
        ] {
            assert_eq!(read_line(line).map(|one| to_text(&[one])).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let text = "10.0.0.9:2049\t10.0.0.3:700\n[fd00::9]:2049\t[fd00::3]:701\n";
        assert_eq!(to_text(&parse(text)), text);
        assert_eq!(
            to_text(&parse("fd00::9:2049\tfd00::3:701\nnonsense\n10.0.0.9:2049\n")),
            "[fd00::9]:2049\t[fd00::3]:701\n"
        );
    }
}
