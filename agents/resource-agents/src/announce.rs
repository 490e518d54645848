//! Telling the neighbours where an address is now, and asking them first whether someone else has it: ARP for IPv4,
//! neighbour discovery for IPv6, sent as whole Ethernet frames. When to ask and to tell is left to the agent.
//!
//! The frames are made by functions without I/O; one socket sends and hears them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, sockopt,
};

use crate::duplicate::{Command, Detection, Event};

/// A hardware address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
const NOBODY: Mac = [0; 6];
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// What we say to the link when we have taken an address: frames in the order to send them.
///
/// IPv4: a gratuitous request and a gratuitous reply, since some neighbours only learn from the one and some only
/// from the other. IPv6: an unsolicited advertisement that overrides what is known (RFC 4861, 7.2.6).
pub fn announcements(ip: IpAddr, mac: Mac) -> Vec<Vec<u8>> {
    match ip {
        IpAddr::V4(ip) => vec![
            arp(ARP_REQUEST, BROADCAST, mac, (mac, ip), (NOBODY, ip)),
            arp(ARP_REPLY, BROADCAST, mac, (mac, ip), (mac, ip)),
        ],
        IpAddr::V6(ip) => {
            // Flags: override; then the address it is about, and our hardware address as option 2.
            let mut body = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, 0x20, 0, 0, 0];
            body.extend(ip.octets());
            body.extend([2, 1]);
            body.extend(mac);
            let everyone = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            vec![icmpv6([0x33, 0x33, 0, 0, 0, 1], mac, ip, everyone, body)]
        }
    }
}

/// The question whether someone has an address, asked in a way that teaches nobody a wrong answer
/// (RFC 5227, 2.1.1 and RFC 4862, 5.4.2).
pub fn question(ip: IpAddr, mac: Mac) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => arp(ARP_REQUEST, BROADCAST, mac, (mac, Ipv4Addr::UNSPECIFIED), (NOBODY, ip)),
        IpAddr::V6(ip) => {
            let end = ip.octets();
            let mut group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).octets();
            group[13..].copy_from_slice(&end[13..]);
            let group_mac = [0x33, 0x33, 0xff, end[13], end[14], end[15]];
            let mut body = vec![NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
            body.extend(end);
            icmpv6(group_mac, mac, Ipv6Addr::UNSPECIFIED, Ipv6Addr::from(group), body)
        }
    }
}

/// The owner that a frame shows: somebody else who answers for the address, or who asks for it just as we do.
pub fn owner(frame: &[u8], ip: IpAddr, own: Mac) -> Option<Mac> {
    let from: Mac = frame.get(6..12)?.try_into().ok()?;
    let ethertype = u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?);
    let body = frame.get(14..)?;
    match (ip, ethertype) {
        (IpAddr::V4(ip), ETHERTYPE_ARP) => {
            if body.get(..6)? != [0, 1, 8, 0, 6, 4] {
                return None;
            }
            let sender: Mac = body.get(8..14)?.try_into().ok()?;
            let sender_ip = body.get(14..18)?;
            let target_ip = body.get(24..28)?;
            // Two hosts that ask at the same time: both must see it (RFC 5227, 2.1.1).
            let asks_too = sender_ip == [0; 4] && target_ip == ip.octets();
            (sender != own && (sender_ip == ip.octets() || asks_too)).then_some(sender)
        }
        (IpAddr::V6(ip), ETHERTYPE_IPV6) => {
            let (next, hops) = (*body.get(6)?, *body.get(7)?);
            let kind = *body.get(40)?;
            let target = body.get(48..64)?;
            let source = body.get(8..24)?;
            // Only frames of this link carry hop limit 255.
            let claims = kind == NEIGHBOUR_ADVERTISEMENT || (kind == NEIGHBOUR_SOLICITATION && source == [0; 16]);
            (from != own && next == 58 && hops == 255 && claims && target == ip.octets()).then_some(from)
        }
        _ => None,
    }
}

/// Does the frame say that somebody else has the address, not only that they ask for it?
pub fn is_announcement(frame: &[u8], ip: IpAddr, own: Mac) -> bool {
    owner(frame, ip, own).is_some()
        && match ip {
            IpAddr::V4(ip) => frame.get(28..32) == Some(&ip.octets()),
            IpAddr::V6(_) => frame.get(54) == Some(&NEIGHBOUR_ADVERTISEMENT),
        }
}

/// A hardware address as people write it.
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn arp(operation: u8, to: Mac, from: Mac, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut frame = ethernet(to, from, ETHERTYPE_ARP);
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    for (mac, ip) in [sender, target] {
        frame.extend(mac);
        frame.extend(ip.octets());
    }
    frame
}

fn icmpv6(to: Mac, from: Mac, source: Ipv6Addr, destination: Ipv6Addr, mut body: Vec<u8>) -> Vec<u8> {
    const NEXT_HEADER: u8 = 58;
    let length = u16::try_from(body.len()).expect("a neighbour discovery message is short");
    let mut pseudo = [source.octets(), destination.octets()].concat();
    pseudo.extend(u32::from(length).to_be_bytes());
    pseudo.extend([0, 0, 0, NEXT_HEADER]);
    let checksum = checksum(&[pseudo, body.clone()].concat());
    body[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut frame = ethernet(to, from, ETHERTYPE_IPV6);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend([NEXT_HEADER, 255]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend(body);
    frame
}

fn ethernet(to: Mac, from: Mac, ethertype: u16) -> Vec<u8> {
    let mut frame = [to, from].concat();
    frame.extend(ethertype.to_be_bytes());
    frame
}

/// The internet checksum of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A socket for the frames of one address on one Ethernet link.
///
/// There is one for asking and telling, and it is handed on to the process that announces in the background: the
/// kernel waits for a grace period of some ten milliseconds when the last holder of a packet socket closes it, and
/// nobody's service is to wait for that.
pub struct Speaker {
    socket: OwnedFd,
    destination: LinkAddr,
    ip: IpAddr,
    mac: Mac,
}

impl Speaker {
    /// Opens the socket, which needs the capability `CAP_NET_RAW`. It hears nothing until [`Speaker::find_owner`].
    pub fn open(link: u32, mac: Mac, ip: IpAddr) -> io::Result<Speaker> {
        // Without a protocol the socket is deaf, so nothing piles up in it on a busy link.
        let socket =
            socket::socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None::<SockProtocol>)?;
        Speaker::with(socket, link, mac, ip)
    }

    /// The same over a socket that another process opened.
    pub fn with(socket: OwnedFd, link: u32, mac: Mac, ip: IpAddr) -> io::Result<Speaker> {
        let ethertype = if ip.is_ipv4() { ETHERTYPE_ARP } else { ETHERTYPE_IPV6 };
        Ok(Speaker { socket, destination: link_address(link, ethertype)?, ip, mac })
    }

    /// The socket, to be handed on.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Tells the link once where the address is.
    pub fn announce(&self) -> io::Result<()> {
        for frame in announcements(self.ip, self.mac) {
            self.send(&frame)?;
        }
        Ok(())
    }

    /// Asks who has the address and listens for at most `wait`. Returns at the first answer.
    pub fn find_owner(&self, wait: Duration) -> io::Result<Option<Mac>> {
        let begin = Instant::now();
        self.listen()?;
        let mut detection = Detection::new(wait);
        loop {
            match detection.poll(begin.elapsed()) {
                Some(Command::Free) => return Ok(None),
                Some(Command::Owned(mac)) => return Ok(Some(mac)),
                Some(Command::Ask | Command::Announce) => {
                    self.ask()?;
                    continue;
                }
                None => {}
            }
            let event = match wait_readable(&self.socket, begin + detection.deadline())? {
                false => Some(Event::Timeout),
                true => self.hear()?.map(Event::Claimed),
            };
            if let Some(event) = event {
                detection.handle(begin.elapsed(), event);
            }
        }
    }

    /// Asks the link once who has the address.
    pub fn ask(&self) -> io::Result<()> {
        self.send(&question(self.ip, self.mac))
    }

    /// From now on the socket hears frames about the address, and no others.
    pub fn listen(&self) -> io::Result<()> {
        filter(&self.socket, self.ip)?;
        // 1 MiB holds some thousand frames: more than come in while we look away.
        let _ = socket::setsockopt(&self.socket, sockopt::RcvBuf, &(1 << 20));
        Ok(socket::bind(self.socket.as_raw_fd(), &self.destination)?)
    }

    /// Reads one frame, if there is one; the owner that it shows.
    pub fn hear(&self) -> io::Result<Option<Mac>> {
        let mut buffer = [0; 2048];
        match socket::recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => Ok(owner(&buffer[..length], self.ip, self.mac)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads one frame, if there is one; is it somebody's announcement of the address, and not a question?
    pub fn hear_announcement(&self) -> io::Result<bool> {
        let mut buffer = [0; 2048];
        match socket::recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => Ok(is_announcement(&buffer[..length], self.ip, self.mac)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
        socket::sendto(self.socket.as_raw_fd(), frame, &self.destination, MsgFlags::empty())?;
        Ok(())
    }
}

impl AsFd for Speaker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The frames that could show an owner, told apart by the kernel: a busy link has thousands a second that could not.
///
/// Classic BPF; each jump says how many instructions to skip if it holds and if not. The last two accept and drop.
fn filter_program(ip: IpAddr) -> Vec<libc::sock_filter> {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const WHOLE_FRAME: u32 = 0xffff;
    let rows: Vec<(u16, u8, u8, u32)> = match ip {
        IpAddr::V4(ip) => vec![
            (LOAD_HALF, 0, 0, 12),
            (JUMP_IF_EQUAL, 0, 5, ETHERTYPE_ARP.into()),
            (LOAD_WORD, 0, 0, 28), // sender's address
            (JUMP_IF_EQUAL, 2, 0, ip.into()),
            (LOAD_WORD, 0, 0, 38), // target's address
            (JUMP_IF_EQUAL, 0, 1, ip.into()),
            (RETURN, 0, 0, WHOLE_FRAME),
            (RETURN, 0, 0, 0),
        ],
        IpAddr::V6(ip) => vec![
            (LOAD_HALF, 0, 0, 12),
            (JUMP_IF_EQUAL, 0, 8, ETHERTYPE_IPV6.into()),
            (LOAD_BYTE, 0, 0, 20), // next header
            (JUMP_IF_EQUAL, 0, 6, 58),
            (LOAD_BYTE, 0, 0, 54), // type of the message
            (JUMP_IF_EQUAL, 1, 0, NEIGHBOUR_ADVERTISEMENT.into()),
            (JUMP_IF_EQUAL, 0, 3, NEIGHBOUR_SOLICITATION.into()),
            (LOAD_WORD, 0, 0, 74), // the end of the address it is about
            (JUMP_IF_EQUAL, 0, 1, (u128::from(ip) & u128::from(u32::MAX)) as u32),
            (RETURN, 0, 0, WHOLE_FRAME),
            (RETURN, 0, 0, 0),
        ],
    };
    rows.into_iter().map(|(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k }).collect()
}

fn filter(socket: &OwnedFd, ip: IpAddr) -> io::Result<()> {
    let mut rows = filter_program(ip);
    let program = libc::sock_fprog {
        len: u16::try_from(rows.len()).expect("a filter of ours has a dozen rows"),
        filter: rows.as_mut_ptr(),
    };
    // SAFETY: the pointer is to a whole sock_fprog of that length, which points to as many rows as it says; both live
    // until the call returns, and the kernel copies them. nix does not offer this option.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    Ok(Errno::result(result).map(drop)?)
}

/// Waits until there is something to read, or until the moment; says which.
pub fn wait_readable(socket: &impl AsFd, until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // Rounded up, or the last millisecond would be spent in a busy loop.
        let milliseconds = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut ask = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ask, PollTimeout::from(milliseconds)) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

fn link_address(link: u32, ethertype: u16) -> io::Result<LinkAddr> {
    let index = i32::try_from(link).map_err(io::Error::other)?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    };
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the pointer is to a whole sockaddr_ll of that length, which lives until the call returns; the call
    // copies it. nix has no safe way to make such an address.
    #[allow(unsafe_code)]
    let made = unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length)) };
    made.ok_or_else(|| io::Error::other("the link address was not taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = [2, 0, 0, 0, 0, 1];
    const THEIRS: Mac = [2, 0, 0, 0, 0, 2];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn ipv4_is_announced_as_request_and_reply() {
        let frames = announcements(IpAddr::from([192, 0, 2, 7]), OURS);
        let expected = [
            "ffffffffffff0200000000010806000108000604000102000000000 1c0000207000000000000c0000207",
            "ffffffffffff0200000000010806000108000604000202000000000 1c0000207020000000001c0000207",
        ];
        assert_eq!(frames.iter().map(|f| hex(f)).collect::<Vec<_>>(), expected.map(|text| text.replace(' ', "")));
    }

    #[test]
    fn ipv6_is_announced_with_a_checksum_that_adds_up() {
        let ip: Ipv6Addr = "2001:db8::7".parse().unwrap();
        for frame in announcements(IpAddr::V6(ip), OURS).into_iter().chain([question(IpAddr::V6(ip), OURS)]) {
            let (header, body) = frame[14..].split_at(40);
            assert_eq!(usize::from(u16::from_be_bytes([header[4], header[5]])), body.len());
            let mut whole = header[8..40].to_vec();
            whole.extend((body.len() as u32).to_be_bytes());
            whole.extend([0, 0, 0, 58]);
            whole.extend(body);
            assert_eq!(checksum(&whole), 0, "the sum over a message with its checksum is zero");
        }
        let asked = question(IpAddr::V6(ip), OURS);
        assert_eq!(hex(&asked[..6]), "3333ff000007");
        assert_eq!(hex(&asked[38..54]), "ff0200000000000000000001ff000007");
    }

    /// Runs a filter as the kernel does; a load past the end drops the frame.
    fn passes(program: &[libc::sock_filter], frame: &[u8]) -> bool {
        let (mut at, mut value) = (0, 0);
        loop {
            let row = program[at];
            at += 1;
            let load = |size: usize| frame.get(row.k as usize..row.k as usize + size);
            let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
            match row.code {
                0x20 | 0x28 | 0x30 => match load(if row.code == 0x20 { 4 } else { usize::from(0x38 - row.code) / 8 }) {
                    Some(bytes) => value = number(bytes),
                    None => return false,
                },
                0x15 => at += usize::from(if value == row.k { row.jt } else { row.jf }),
                _ => return row.k != 0,
            }
        }
    }

    #[test]
    fn the_filter_passes_what_could_show_an_owner() {
        let four = IpAddr::from([192, 0, 2, 7]);
        let six = IpAddr::V6("2001:db8::7".parse().unwrap());
        let others = [IpAddr::from([192, 0, 2, 8]), IpAddr::V6("2001:db8::8".parse().unwrap())];
        for ip in [four, six] {
            let program = filter_program(ip);
            for frame in announcements(ip, THEIRS).into_iter().chain([question(ip, THEIRS)]) {
                assert!(passes(&program, &frame), "{ip}: {}", hex(&frame));
                assert!(!passes(&program, &frame[..30]));
            }
            for other in others.into_iter().chain([if ip == four { six } else { four }]) {
                for frame in announcements(other, THEIRS) {
                    assert!(!passes(&program, &frame), "{ip}: {}", hex(&frame));
                }
            }
        }
    }

    #[test]
    fn who_owns_it() {
        let four = IpAddr::from([192, 0, 2, 7]);
        let other = IpAddr::from([192, 0, 2, 8]);
        let six = IpAddr::V6("2001:db8::7".parse().unwrap());
        for ip in [four, six] {
            for frame in announcements(ip, THEIRS) {
                assert_eq!(owner(&frame, ip, OURS), Some(THEIRS), "an answer for {ip}");
                assert!(is_announcement(&frame, ip, OURS) && !is_announcement(&question(ip, THEIRS), ip, OURS));
                assert_eq!(owner(&frame, ip, THEIRS), None, "our own frame about {ip}");
                assert_eq!(owner(&frame, other, OURS), None, "another address than {other}");
                for length in 0..frame.len() {
                    let _ = owner(&frame[..length], ip, OURS);
                }
            }
            assert_eq!(owner(&question(ip, THEIRS), ip, OURS), Some(THEIRS), "someone who is about to take {ip}");
        }
        let asks: Vec<u8> = arp(
            ARP_REQUEST,
            BROADCAST,
            THEIRS,
            (THEIRS, Ipv4Addr::new(192, 0, 2, 9)),
            (NOBODY, Ipv4Addr::new(192, 0, 2, 7)),
        );
        assert_eq!(owner(&asks, four, OURS), None, "someone who wants to talk to it");
    }
}
