//! VRRP packets as they pass this host, its own included. It only reads: nothing is sent, no group is joined on the
//! network, and the kernel picks the packets, so a busy link costs nothing. What they mean is left to others.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::net::if_::if_nameindex;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};

/// VRRP among IP's protocols.
const VRRP: u32 = 112;
/// The authentication header, behind which version 2 may hide.
const AUTHENTICATION: u32 = 51;
/// An advert with 255 addresses of IPv6 has 4,128 bytes.
const PACKET_MAX: usize = 8_192;
/// Where all routers are told, as Ethernet has it: over IPv4 and over IPv6.
const GROUPS: [[u8; 6]; 2] = [[0x01, 0x00, 0x5e, 0, 0, 0x12], [0x33, 0x33, 0, 0, 0, 0x12]];

/// An open ear.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Listener {
    /// Begins to listen on all interfaces there are.
    ///
    /// # Errors
    /// When this process may not: root may, or who has CAP_NET_RAW.
    pub fn open() -> io::Result<Listener> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Datagrams begin with the header of IP; all protocols, since only so a host's own packets are seen.
        let socket = socket(AddressFamily::Packet, SockType::Datagram, flags, SockProtocol::EthAll)?;
        // Interfaces that are not Ethernet refuse; what comes to them is seen all the same.
        let program = program();
        let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
        option(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)?;
        for interface in if_nameindex()?.iter() {
            for group in GROUPS {
                let mut address = [0; 8];
                address[..6].copy_from_slice(&group);
                let wish = libc::packet_mreq {
                    mr_ifindex: interface.index() as i32,
                    mr_type: libc::PACKET_MR_MULTICAST as u16,
                    mr_alen: 6,
                    mr_address: address,
                };
                let _ = option(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &wish);
            }
        }
        Ok(Listener { socket, buffer: vec![0; PACKET_MAX] })
    }

    /// The next packet, from the first byte of its IP header; none if there is none yet.
    ///
    /// # Errors
    /// When the interface that was listened on went, or the kernel has no room.
    pub fn packet(&mut self) -> io::Result<Option<&[u8]>> {
        match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(length) => Ok(Some(&self.buffer[..length])),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Takes IPv4 of both protocols and IPv6 of VRRP, and nothing else.
fn program() -> [libc::sock_filter; 11] {
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    [
        line(LOAD_BYTE, 0, 0, 0),
        line(AND, 0, 0, 0xf0),
        line(EQUAL, 0, 3, 0x40),
        line(LOAD_BYTE, 0, 0, 9),
        line(EQUAL, 5, 0, VRRP),
        line(EQUAL, 4, 3, AUTHENTICATION),
        line(EQUAL, 0, 2, 0x60),
        line(LOAD_BYTE, 0, 0, 6),
        line(EQUAL, 1, 0, VRRP),
        line(RETURN, 0, 0, 0),
        line(RETURN, 0, 0, PACKET_MAX as u32),
    ]
}

fn option<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let size = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes of a value of that size, and what the filter's pointer shows to lives on in
    // the caller; the kernel keeps a copy.
    #[allow(unsafe_code, reason = "nix has neither of these options")]
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do with a packet by the filter: its few instructions, carried out.
    fn takes(packet: &[u8]) -> bool {
        let program = program();
        let (mut at, mut a) = (0, 0_u32);
        loop {
            let line = program[at];
            at += 1;
            match u32::from(line.code) & 7 {
                libc::BPF_LD => match packet.get(line.k as usize) {
                    Some(byte) => a = u32::from(*byte),
                    None => return false,
                },
                libc::BPF_ALU => a &= line.k,
                libc::BPF_JMP => at += usize::from(if a == line.k { line.jt } else { line.jf }),
                _ => return line.k > 0,
            }
        }
    }

    #[test]
    fn adverts_are_picked_and_nothing_else() {
        let packet = |first: u8, at: usize, protocol: u8| {
            let mut packet = [0; 60];
            packet[0] = first;
            packet[at] = protocol;
            packet
        };
        for (first, at, protocol, taken) in [
            (0x45, 9, 112, true),
            (0x45, 9, 51, true),
            (0x45, 9, 6, false),
            (0x60, 6, 112, true),
            (0x60, 6, 58, false),
            (0x00, 9, 112, false),
        ] {
            assert_eq!(takes(&packet(first, at, protocol)), taken, "{first:x} {protocol}");
        }
        assert!(!takes(&[0x45]));
    }
}
