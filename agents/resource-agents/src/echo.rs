//! Asks many hosts at once whether they are there: ICMP echo, both families, without a program to call. What follows
//! from the answers is the agent's.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage};

/// Between two questions to a host that did not answer.
const BETWEEN: Duration = Duration::from_secs(1);

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_SIX: u8 = 128;
const ECHO_REPLY_SIX: u8 = 129;

/// Which of the hosts answered one of so many questions, each of which has so long for its answer.
pub fn answering(hosts: &[IpAddr], attempts: u32, timeout: Duration) -> io::Result<Vec<bool>> {
    let mut sockets = Vec::new();
    for six in [false, true] {
        if hosts.iter().any(|host| host.is_ipv6() == six) {
            sockets.push((six, open(six)?));
        }
    }
    // Which question is ours, among those of other programs on this host.
    let mark = std::process::id() as u16;
    let mut answered = vec![false; hosts.len()];
    let begin = Instant::now();
    let between = BETWEEN.min(timeout);
    for attempt in 0..attempts {
        for (number, host) in hosts.iter().enumerate().filter(|(number, _)| !answered[*number]) {
            let Some((_, socket)) = sockets.iter().find(|(six, _)| *six == host.is_ipv6()) else { continue };
            // A host that no route leads to does not answer; that is all there is to know.
            let _ = send(socket, *host, &question(host.is_ipv6(), mark, number as u16));
        }
        let last = attempt + 1 == attempts;
        let until = begin + between * attempt + if last { timeout } else { between };
        while !answered.iter().all(|answered| *answered) && wait(&sockets, until)? {
            for (six, socket) in &sockets {
                hear(socket, *six, mark, hosts, &mut answered)?;
            }
        }
        if answered.iter().all(|answered| *answered) {
            break;
        }
    }
    Ok(answered)
}

fn open(six: bool) -> io::Result<OwnedFd> {
    let (family, protocol) = match six {
        false => (AddressFamily::Inet, SockProtocol::Icmp),
        true => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    match socket::socket(family, SockType::Raw, flags, protocol) {
        // Where a group may ask without the right to all of it (net.ipv4.ping_group_range).
        Err(Errno::EPERM) => Ok(socket::socket(family, SockType::Datagram, flags, protocol)?),
        socket => Ok(socket?),
    }
}

fn send(socket: &OwnedFd, host: IpAddr, packet: &[u8]) -> io::Result<()> {
    let to = match host {
        IpAddr::V4(host) => SocketAddr::V4(SocketAddrV4::new(host, 0)),
        IpAddr::V6(host) => SocketAddr::V6(SocketAddrV6::new(host, 0, 0, 0)),
    };
    socket::sendto(socket.as_raw_fd(), packet, &SockaddrStorage::from(to), MsgFlags::empty())?;
    Ok(())
}

/// Waits until one of the sockets has something to read; false when the moment has come.
fn wait(sockets: &[(bool, OwnedFd)], until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let milliseconds = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut ask: Vec<PollFd<'_>> =
            sockets.iter().map(|(_, socket)| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut ask, PollTimeout::from(milliseconds)) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

fn hear(socket: &OwnedFd, six: bool, mark: u16, hosts: &[IpAddr], answered: &mut [bool]) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = match socket::recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut buffer) {
            Ok(heard) => heard,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            // A host's refusal, told on the socket: it does not answer.
            Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => continue,
            Err(error) => return Err(error.into()),
        };
        let from = from.and_then(|from| {
            let four = from.as_sockaddr_in().map(|four| IpAddr::from(four.ip()));
            four.or_else(|| from.as_sockaddr_in6().map(|six| IpAddr::from(six.ip())))
        });
        if let Some(number) = answer(&buffer[..length], six, mark)
            && let Some(one) = answered.get_mut(usize::from(number))
            && from == hosts.get(usize::from(number)).copied()
        {
            *one = true;
        }
    }
}

fn question(six: bool, mark: u16, number: u16) -> Vec<u8> {
    let mut packet = vec![if six { ECHO_REQUEST_SIX } else { ECHO_REQUEST }, 0, 0, 0];
    packet.extend(mark.to_be_bytes());
    packet.extend(number.to_be_bytes());
    if !six {
        // For IPv6 the kernel does it, since the addresses count in.
        let sum: u32 = packet.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    }
    packet
}

/// The number of the host whose answer this is. Without the right to raw sockets the kernel sets the mark, and gives us
/// only what is ours, without the IPv4 header.
fn answer(packet: &[u8], six: bool, mark: u16) -> Option<u16> {
    let has_header = !six && packet.first()? >> 4 == 4;
    let body = match has_header {
        true => packet.get(usize::from(packet.first()? & 0xf) * 4..)?,
        false => packet,
    };
    let pair = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let is_reply = *body.first()? == if six { ECHO_REPLY_SIX } else { ECHO_REPLY };
    let ours = pair(4)? == mark || (!six && !has_header);
    (is_reply && ours).then(|| pair(6)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_adds_up_and_its_answer_is_known() {
        let packet = question(false, 0x1234, 7);
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);

        let mut reply = packet.clone();
        reply[0] = ECHO_REPLY;
        let whole = [vec![0x45; 20], reply.clone()].concat();
        assert_eq!(answer(&whole, false, 0x1234), Some(7));
        assert_eq!(answer(&whole, false, 0x1235), None, "somebody else's question");
        assert_eq!(answer(&[vec![0x45; 20], packet].concat(), false, 0x1234), None, "a question");
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], false, 0x1234), None);
        }
        let mut six = question(true, 0x1234, 9);
        six[0] = ECHO_REPLY_SIX;
        assert_eq!(answer(&six, true, 0x1234), Some(9));
    }
}
