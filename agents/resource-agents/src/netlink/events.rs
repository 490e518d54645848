//! What the kernel tells of links, addresses and routes while it happens. Whether it matters, and what to do then, is
//! left to who listens.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::sys::socket::{self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};

use super::{
    DATAGRAM_BYTES, RTM_DELADDR, RTM_NEWADDR, RTM_NEWLINK, read_address, read_link, read_route, split_message,
};

const RTM_DELLINK: u16 = 17;
const RTM_DELROUTE: u16 = 25;
/// Multicast groups: links, addresses and routes of both families.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// Datagrams taken in at one go, so that a host whose routes never rest still gets its other turns.
const AT_ONCE: usize = 64;

/// Something changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A link is new, gone, or another than it was.
    Link(u32),
    /// An address came, went or changed on a link.
    Address(IpAddr, u32),
    /// A route by this link went. Of the others nobody here wants to know.
    RouteLost(Option<u32>),
    /// More happened than the kernel could tell: look at everything.
    Missed,
}

/// A subscription.
pub struct Events {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Events {
    /// From now on nothing is missed.
    pub fn open() -> io::Result<Events> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket::socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Events { socket, buffer: vec![0; DATAGRAM_BYTES] })
    }

    /// What happened since the last call; does not wait.
    pub fn read(&mut self) -> io::Result<Vec<Change>> {
        let mut changes = Vec::new();
        for _ in 0..AT_ONCE {
            match socket::recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => changes.extend(read_changes(&self.buffer[..length])),
                Err(nix::errno::Errno::EAGAIN) => break,
                Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::ENOBUFS) => changes.push(Change::Missed),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(changes)
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn read_changes(mut rest: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    while let Some((header, body, after)) = split_message(rest) {
        rest = after;
        changes.extend(match header.kind {
            RTM_NEWLINK | RTM_DELLINK => read_link(body).map(|link| Change::Link(link.index)),
            RTM_NEWADDR | RTM_DELADDR => read_address(body).map(|address| Change::Address(address.ip, address.link)),
            RTM_DELROUTE => read_route(body).map(|route| Change::RouteLost(route.link)),
            _ => None,
        });
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{Address, Message};

    #[test]
    fn changes_are_read_one_after_the_other_and_torn_ones_end_it() {
        let address = Address {
            ip: IpAddr::from([192, 0, 2, 7]),
            prefix: 24,
            link: 4,
            scope: 0,
            label: None,
            broadcast: None,
            flags: 0,
            preferred_s: None,
        };
        let mut bytes = Message::address(RTM_DELADDR, 0, &address).finish(1);
        bytes.extend(Message::link(RTM_DELLINK, 0, 5, 0, 0).finish(2));
        let whole = vec![Change::Address(address.ip, 4), Change::Link(5)];
        assert_eq!(read_changes(&bytes), whole);
        for length in 0..bytes.len() {
            assert!(whole.starts_with(&read_changes(&bytes[..length])));
        }
    }
}
