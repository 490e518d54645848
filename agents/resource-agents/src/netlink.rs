//! Links, addresses and routes of this host, asked from and told to the kernel over one rtnetlink socket.
//! What is asked and why is left to the agents.
//!
//! Six kinds of message are all that an address agent needs. Encoding them takes less room than the crates that can
//! encode every kind, and the tests hold the layout against recorded bytes.

mod events;
mod neighbours;
mod routes;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

pub use events::{Change, Events};
use routes::read_route;
pub use routes::{PROTOCOL_BOOT, PROTOCOL_KERNEL, ROUTE_UNICAST, RawRoute, Route, SCOPE_HOST, SCOPE_LINK, TABLE_MAIN};

/// How long the kernel may take for an answer. It answers at once; this is for a kernel that is stuck.
const ANSWER_WAIT_S: i64 = 5;
/// A dump is repeated when something changed while it was made; after so many times the host is too busy to trust it.
const DUMP_TRIES: u32 = 8;
/// The kernel never puts more than this into one datagram of a dump.
const DATAGRAM_BYTES: usize = 32 * 1024;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWADDRLABEL: u16 = 72;
const RTM_DELADDRLABEL: u16 = 73;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_ALT_IFNAME: u16 = 53;
/// Leave the counters out: nobody here reads them.
const RTEXT_FILTER_SKIP_STATS: u32 = 8;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const OPERSTATE_DOWN: u8 = 2;
const OPERSTATE_LOWER_LAYER_DOWN: u8 = 3;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;

/// The kernel shall not look for duplicates itself.
pub const IFA_F_NODAD: u32 = 0x02;
/// The kernel has not yet found out whether there is a duplicate.
pub const IFA_F_TENTATIVE: u32 = 0x40;
/// The kernel found a duplicate.
pub const IFA_F_DADFAILED: u32 = 0x08;
/// The kernel shall not make a route to the prefix.
pub const IFA_F_NOPREFIXROUTE: u32 = 0x200;

/// `ARPHRD_ETHER`: the links on which addresses are announced with Ethernet frames.
pub const HARDWARE_ETHERNET: u16 = 1;

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address, empty for none.
    pub mac: Vec<u8>,
    /// The kind of hardware, `ARPHRD_*`.
    pub hardware: u16,
    /// Was it set up by an administrator?
    pub up: bool,
    /// Is it the loopback device?
    pub loopback: bool,
    /// `DOWN` or `LOWERLAYERDOWN`, when it cannot carry packets.
    pub fault: Option<&'static str>,
}

/// An address of this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Length of the prefix.
    pub prefix: u8,
    /// The link that has it.
    pub link: u32,
    /// Its scope, [`SCOPE_HOST`] for one that never leaves the host.
    pub scope: u8,
    /// Its label (IPv4).
    pub label: Option<String>,
    /// The broadcast address of its network (IPv4).
    pub broadcast: Option<Ipv4Addr>,
    /// `IFA_F_*`.
    pub flags: u32,
    /// Seconds it is preferred as a source, if not for ever.
    pub preferred_s: Option<u32>,
}

/// A connection to the kernel.
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens a connection.
    pub fn open() -> io::Result<Netlink> {
        let socket =
            socket::socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        socket::setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_WAIT_S))?;
        Ok(Netlink { socket, sequence: 0, buffer: vec![0; DATAGRAM_BYTES] })
    }

    /// A socket that becomes readable whenever an address of this host comes or goes.
    pub fn watch_addresses() -> io::Result<OwnedFd> {
        const RTMGRP_IPV4_IFADDR: u32 = 0x10;
        const RTMGRP_IPV6_IFADDR: u32 = 0x100;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket::socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))?;
        Ok(socket)
    }

    /// The link with this name or alternative name.
    pub fn link_named(&mut self, name: &str) -> io::Result<Option<Link>> {
        // A name longer than the kernel's limit can only be an alternative one.
        let kind = if name.len() < libc::IFNAMSIZ { IFLA_IFNAME } else { IFLA_ALT_IFNAME };
        match self.one_link(0, Some((kind, name)))? {
            None if kind == IFLA_IFNAME => self.one_link(0, Some((IFLA_ALT_IFNAME, name))),
            found => Ok(found),
        }
    }

    /// The link with this number.
    pub fn link_numbered(&mut self, index: u32) -> io::Result<Option<Link>> {
        self.one_link(index, None)
    }

    fn one_link(&mut self, index: u32, name: Option<(u16, &str)>) -> io::Result<Option<Link>> {
        let mut message = Message::link(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, index, 0, 0);
        message.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        if let Some((kind, name)) = name {
            message.text(kind, name);
        }
        match self
            .exchange(message, |header: &Header, body| (header.kind == RTM_NEWLINK).then(|| read_link(body)).flatten())
        {
            Ok(mut links) => Ok(links.pop()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENODEV | libc::ENOENT) => Ok(None),
                // A name that no link can have.
                Some(libc::EINVAL | libc::ERANGE) if name.is_some() => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Every link.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let mut message = Message::link(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 0, 0, 0);
        message.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        self.exchange(message, |header: &Header, body| (header.kind == RTM_NEWLINK).then(|| read_link(body)).flatten())
    }

    /// Every address of the family that `like` is of.
    pub fn addresses(&mut self, like: IpAddr) -> io::Result<Vec<Address>> {
        let mut message = Message::new(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP);
        message.bytes(&[family(like), 0, 0, 0, 0, 0, 0, 0]);
        self.exchange(message, |header: &Header, body| {
            (header.kind == RTM_NEWADDR).then(|| read_address(body)).flatten()
        })
    }

    /// Gives an address to a link. Fails with `EEXIST` if it has it.
    pub fn add_address(&mut self, address: &Address) -> io::Result<()> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.tell(Message::address(RTM_NEWADDR, flags, address))
    }

    /// Takes an address from its link. Fails with `EADDRNOTAVAIL` if it does not have it.
    pub fn delete_address(&mut self, address: &Address) -> io::Result<()> {
        self.tell(Message::address(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, address))
    }

    /// Sets a link up.
    pub fn set_up(&mut self, index: u32) -> io::Result<()> {
        self.tell(Message::link(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, index, IFF_UP, IFF_UP))
    }

    /// Gives an IPv6 address a label of its own in the rules by which the kernel picks source addresses.
    pub fn add_address_label(&mut self, ip: Ipv6Addr, label: u32) -> io::Result<()> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.tell(Message::address_label(RTM_NEWADDRLABEL, flags, ip, label))
    }

    /// Takes the label back.
    pub fn delete_address_label(&mut self, ip: Ipv6Addr, label: u32) -> io::Result<()> {
        self.tell(Message::address_label(RTM_DELADDRLABEL, NLM_F_REQUEST | NLM_F_ACK, ip, label))
    }

    fn tell(&mut self, message: Message) -> io::Result<()> {
        self.exchange(message, |_, _| None::<()>).map(drop)
    }

    /// Sends a message and collects what the kernel answers until it says that it is done.
    fn exchange<T>(&mut self, message: Message, read: impl Fn(&Header, &[u8]) -> Option<T>) -> io::Result<Vec<T>> {
        for _ in 0..DUMP_TRIES {
            self.sequence += 1;
            let bytes = message.finish(self.sequence);
            socket::send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
            if let Some(all) = self.collect(&read)? {
                return Ok(all);
            }
        }
        Err(io::Error::other(format!("the kernel's list changed {DUMP_TRIES} times while it was read")))
    }

    /// `None` when the list changed under the kernel's hands.
    fn collect<T>(&mut self, read: &impl Fn(&Header, &[u8]) -> Option<T>) -> io::Result<Option<Vec<T>>> {
        let mut out = Vec::new();
        let mut torn = false;
        loop {
            let length = socket::recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            let mut rest = &self.buffer[..length];
            while let Some((header, body, after)) = split_message(rest) {
                rest = after;
                if header.sequence != self.sequence {
                    continue; // The rest of an answer that was given up.
                }
                torn |= header.flags & NLM_F_DUMP_INTR != 0;
                match header.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        // Both carry an error number; 0 says that all is well.
                        let code =
                            body.get(..4).map_or(0, |code| i32::from_ne_bytes(code.try_into().expect("4 bytes")));
                        if code != 0 {
                            return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                        }
                        return Ok((!torn).then_some(out));
                    }
                    _ => out.extend(read(&header, body)),
                }
            }
        }
    }
}

struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

fn split_message(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let length = u32_at(bytes, 0)? as usize;
    let body = bytes.get(16..length)?;
    let header = Header { kind: u16_at(bytes, 4)?, flags: u16_at(bytes, 6)?, sequence: u32_at(bytes, 8)? };
    Some((header, body, bytes.get(aligned(length)..).unwrap_or(&[])))
}

fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn family(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn read_ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn read_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The attributes after the fixed part of a message.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        // The two highest bits are marks.
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

fn read_link(body: &[u8]) -> Option<Link> {
    let flags = u32_at(body, 8)?;
    let mut link = Link {
        index: u32_at(body, 4)?,
        name: String::new(),
        mac: Vec::new(),
        hardware: u16_at(body, 2)?,
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        fault: None,
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_IFNAME => link.name = read_text(value),
            IFLA_ADDRESS => link.mac = value.to_vec(),
            IFLA_OPERSTATE => {
                link.fault = match value.first() {
                    Some(&OPERSTATE_DOWN) => Some("DOWN"),
                    Some(&OPERSTATE_LOWER_LAYER_DOWN) => Some("LOWERLAYERDOWN"),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    Some(link)
}

fn read_address(body: &[u8]) -> Option<Address> {
    let (mut local, mut peer) = (None, None);
    let mut label = None;
    let mut broadcast = None;
    let mut flags = u32::from(*body.get(2)?);
    let mut preferred_s = None;
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            // On links without a peer both are the same; IPv6 gives only the second.
            IFA_LOCAL => local = read_ip(value),
            IFA_ADDRESS => peer = read_ip(value),
            IFA_LABEL => label = Some(read_text(value)),
            IFA_BROADCAST => broadcast = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            IFA_CACHEINFO => preferred_s = u32_at(value, 0).filter(|seconds| *seconds != u32::MAX),
            _ => {}
        }
    }
    let link = u32_at(body, 4)?;
    Some(Address { ip: local.or(peer)?, prefix: body[1], link, scope: body[3], label, broadcast, flags, preferred_s })
}

/// A message in the making; length and sequence are filled in at the end.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Message {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        Message(bytes)
    }

    fn link(kind: u16, flags: u16, index: u32, link_flags: u32, change: u32) -> Message {
        let mut message = Message::new(kind, flags);
        message.bytes(&[0; 4]);
        for word in [index, link_flags, change] {
            message.bytes(&word.to_ne_bytes());
        }
        message
    }

    fn address(kind: u16, flags: u16, address: &Address) -> Message {
        let mut message = Message::new(kind, flags);
        message.bytes(&[family(address.ip), address.prefix, 0, address.scope]);
        message.bytes(&address.link.to_ne_bytes());
        message.attribute(IFA_LOCAL, &octets(address.ip));
        message.attribute(IFA_ADDRESS, &octets(address.ip));
        if kind == RTM_DELADDR {
            return message;
        }
        if let Some(broadcast) = address.broadcast {
            message.attribute(IFA_BROADCAST, &broadcast.octets());
        }
        if let Some(label) = &address.label {
            message.text(IFA_LABEL, label);
        }
        if let Some(preferred) = address.preferred_s {
            let mut cache_info = preferred.to_ne_bytes().to_vec();
            cache_info.extend(u32::MAX.to_ne_bytes()); // Valid for ever.
            cache_info.extend([0; 8]);
            message.attribute(IFA_CACHEINFO, &cache_info);
        }
        if address.flags != 0 {
            message.attribute(IFA_FLAGS, &address.flags.to_ne_bytes());
        }
        message
    }

    fn address_label(kind: u16, flags: u16, ip: Ipv6Addr, label: u32) -> Message {
        const IFAL_ADDRESS: u16 = 1;
        const IFAL_LABEL: u16 = 2;
        let mut message = Message::new(kind, flags);
        message.bytes(&[libc::AF_INET6 as u8, 0, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        message.attribute(IFAL_ADDRESS, &ip.octets());
        message.attribute(IFAL_LABEL, &label.to_ne_bytes());
        message
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).expect("no attribute of ours is longer than a name");
        self.bytes(&length.to_ne_bytes());
        self.bytes(&kind.to_ne_bytes());
        self.bytes(value);
        self.0.resize(aligned(self.0.len()), 0);
    }

    /// A name, cut at what an attribute can hold: the kernel refuses it then, as it should.
    fn text(&mut self, kind: u16, text: &str) {
        let mut value = text.as_bytes()[..text.len().min(1024)].to_vec();
        value.push(0);
        self.attribute(kind, &value);
    }

    fn finish(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.0.clone();
        let length = u32::try_from(bytes.len()).expect("a message is short");
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(ip: &str) -> Address {
        Address {
            ip: ip.parse().unwrap(),
            prefix: 24,
            link: 7,
            scope: 0,
            label: Some("eth0:vip".into()),
            broadcast: Some(Ipv4Addr::new(192, 0, 2, 255)),
            flags: IFA_F_NOPREFIXROUTE,
            preferred_s: Some(0),
        }
    }

    #[test]
    fn an_address_goes_out_and_comes_back() {
        let address = example("192.0.2.7");
        let bytes = Message::address(RTM_NEWADDR, NLM_F_REQUEST, &address).finish(5);
        let (header, body, rest) = split_message(&bytes).unwrap();
        assert_eq!((header.kind, header.sequence, rest.len()), (RTM_NEWADDR, 5, 0));
        assert_eq!(read_address(body), Some(address));
        let six = Address { label: None, broadcast: None, flags: 0, preferred_s: None, ..example("2001:db8::7") };
        let bytes = Message::address(RTM_NEWADDR, NLM_F_REQUEST, &six).finish(6);
        assert_eq!(read_address(&bytes[16..]), Some(six));
    }

    #[test]
    fn torn_messages_give_nothing_and_do_not_panic() {
        let bytes = Message::address(RTM_NEWADDR, NLM_F_REQUEST, &example("192.0.2.7")).finish(1);
        for length in 0..bytes.len() {
            assert!(split_message(&bytes[..length]).is_none(), "{length}");
            let _ = (read_address(&bytes[..length]), read_link(&bytes[..length]), read_route(&bytes[..length]));
        }
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0, "a length below that of its own header");
    }

    #[test]
    fn the_loopback_device_is_there() {
        let mut netlink = Netlink::open().unwrap();
        let lo = netlink.link_named("lo").unwrap().expect("every network namespace has a loopback device");
        assert!(lo.loopback);
        assert_eq!(netlink.link_numbered(lo.index).unwrap().as_ref(), Some(&lo));
        assert_eq!(netlink.link_named("no-such-link").unwrap(), None);
        assert_eq!(netlink.link_named("a-name-longer-than-any-link-may-have").unwrap(), None);
    }
}
