//! The few things that the lab asks of the kernel's network: links, addresses, and news of both.
//!
//! One request, one answer, on a socket that belongs to whatever network namespace the calling thread is in. What the
//! network looks like is `network.rs`'s to say.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use anyhow::{Context, Result, bail};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Multicast groups of NETLINK_ROUTE: bits of the address that a socket is bound to.
const GROUP_NEIGHBOURS: u32 = 1 << 2;
const GROUP_IPV4_ADDRESSES: u32 = 1 << 4;
const GROUP_IPV6_ADDRESSES: u32 = 1 << 8;

/// A socket for requests in the calling thread's network namespace.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens it.
    pub fn open() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("opening a netlink socket")?;
        socket.bind_auto().context("binding a netlink socket")?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Makes a bridge.
    pub fn add_bridge(&mut self, name: &str) -> Result<()> {
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::IfName(name.to_owned()));
        link.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
        self.create(RouteNetlinkMessage::NewLink(link)).with_context(|| format!("making the bridge {name}"))
    }

    /// Makes a cable: `here` in this namespace, its other end `there` in the one that `namespace` stands for.
    pub fn add_cable(&mut self, here: &str, there: &str, namespace: BorrowedFd<'_>) -> Result<()> {
        let mut peer = LinkMessage::default();
        peer.attributes.push(LinkAttribute::IfName(there.to_owned()));
        peer.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::IfName(here.to_owned()));
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.create(RouteNetlinkMessage::NewLink(link)).with_context(|| format!("making the cable {here}"))
    }

    /// Takes a link away; with one end of a cable the other goes too.
    pub fn delete_link(&mut self, name: &str) -> Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = self.index(name)?;
        self.request(RouteNetlinkMessage::DelLink(link), 0).with_context(|| format!("deleting the link {name}"))?;
        Ok(())
    }

    /// Plugs a link into a bridge.
    pub fn attach(&mut self, name: &str, bridge: &str) -> Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = self.index(name)?;
        link.attributes.push(LinkAttribute::Controller(self.index(bridge)?));
        self.request(RouteNetlinkMessage::SetLink(link), 0)
            .with_context(|| format!("plugging {name} into the bridge {bridge}"))?;
        Ok(())
    }

    /// Switches a link on or off.
    pub fn set_up(&mut self, name: &str, up: bool) -> Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = self.index(name)?;
        link.header.change_mask = LinkFlags::Up;
        link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        self.request(RouteNetlinkMessage::SetLink(link), 0)
            .with_context(|| format!("switching the link {name} {}", if up { "on" } else { "off" }))?;
        Ok(())
    }

    /// Gives a link an address, usable at once (no duplicate address detection: the lab knows who else is there).
    pub fn add_address(&mut self, name: &str, address: IpAddr, prefix: u8) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.index = self.index(name)?;
        message.header.prefix_len = prefix;
        message.header.family = family(address);
        if address.is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
        }
        message.attributes.push(AddressAttribute::Local(address));
        message.attributes.push(AddressAttribute::Address(address));
        self.create(RouteNetlinkMessage::NewAddress(message))
            .with_context(|| format!("giving the link {name} the address {address}/{prefix}"))
    }

    /// Deletes an address from whatever link holds it. Says whether one did.
    pub fn delete_address(&mut self, address: IpAddr) -> Result<bool> {
        let mut dump = AddressMessage::default();
        dump.header.family = family(address);
        for answer in self.request(RouteNetlinkMessage::GetAddress(dump), NLM_F_DUMP)? {
            if let RouteNetlinkMessage::NewAddress(found) = answer
                && local_address(&found) == Some(address)
            {
                self.request(RouteNetlinkMessage::DelAddress(found), 0)
                    .with_context(|| format!("deleting the address {address}"))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The link's number.
    fn index(&mut self, name: &str) -> Result<u32> {
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let answers = self
            .request(RouteNetlinkMessage::GetLink(link), 0)
            .with_context(|| format!("looking for the link {name}"))?;
        match answers.first() {
            Some(RouteNetlinkMessage::NewLink(found)) => Ok(found.header.index),
            _ => bail!("the kernel did not say which link {name} is"),
        }
    }

    fn create(&mut self, message: RouteNetlinkMessage) -> Result<()> {
        self.request(message, NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Sends one request and gathers what comes until the kernel says that it was all.
    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<Vec<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).context("sending to the kernel")?;

        let mut answers = Vec::new();
        loop {
            let (bytes, _) = self.socket.recv_from_full().context("receiving from the kernel")?;
            for answer in messages(&bytes)? {
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                match answer.payload {
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                    NetlinkPayload::Error(error) => return Err(error.to_io().into()),
                    _ => {}
                }
            }
        }
    }
}

/// One piece of news from a network namespace.
#[derive(Debug, PartialEq, Eq, Clone)]
pub enum News {
    /// The namespace has this address now.
    AddressAdded(IpAddr),
    /// The namespace has lost this address.
    AddressDeleted(IpAddr),
    /// This neighbour's address leads to this hardware address now.
    Neighbour(IpAddr, Vec<u8>),
}

/// News of addresses and neighbours in the network namespace of the thread that opened it, wherever it is read.
pub struct Listener {
    socket: Socket,
}

impl Listener {
    /// Opens it; what happens from now on is told.
    pub fn open() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("opening a netlink socket")?;
        let groups = GROUP_NEIGHBOURS | GROUP_IPV4_ADDRESSES | GROUP_IPV6_ADDRESSES;
        socket.bind(&SocketAddr::new(0, groups)).context("listening to the kernel's network news")?;
        socket.set_non_blocking(true).context("listening to the kernel's network news")?;
        Ok(Self { socket })
    }

    /// What has happened since the last call; does not wait.
    pub fn read(&mut self) -> Result<Vec<News>> {
        let mut news = Vec::new();
        loop {
            match self.socket.recv_from_full() {
                Ok((bytes, _)) => {
                    let inner = messages(&bytes)?.into_iter().filter_map(|message| match message.payload {
                        NetlinkPayload::InnerMessage(inner) => Some(inner),
                        _ => None,
                    });
                    news.extend(inner.filter_map(News::of));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(news),
                Err(error) => return Err(error).context("reading the kernel's network news"),
            }
        }
    }
}

impl std::os::fd::AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl News {
    fn of(message: RouteNetlinkMessage) -> Option<Self> {
        match message {
            RouteNetlinkMessage::NewAddress(message) => local_address(&message).map(Self::AddressAdded),
            RouteNetlinkMessage::DelAddress(message) => local_address(&message).map(Self::AddressDeleted),
            RouteNetlinkMessage::NewNeighbour(message) => neighbour(&message),
            _ => None,
        }
    }
}

fn neighbour(message: &NeighbourMessage) -> Option<News> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    })?;
    let hardware = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(hardware) => Some(hardware.clone()),
        _ => None,
    })?;
    Some(News::Neighbour(address, hardware))
}

fn local_address(message: &AddressMessage) -> Option<IpAddr> {
    // IPv6 addresses without a peer come as Address alone, IPv4 ones always have Local.
    let of = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
    of(|attribute| if let AddressAttribute::Local(address) = attribute { Some(*address) } else { None }).or_else(|| {
        of(|attribute| if let AddressAttribute::Address(address) = attribute { Some(*address) } else { None })
    })
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// The messages in one datagram.
fn messages(mut bytes: &[u8]) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let message =
            NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes).context("reading the kernel's answer")?;
        // The kernel pads each message to four bytes, and gives the length without the padding.
        let length = (message.header.length as usize).next_multiple_of(4);
        if length == 0 {
            bail!("the kernel sent a message without a length");
        }
        found.push(message);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(found)
}
