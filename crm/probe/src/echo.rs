//! ICMP echo in both families: the packets, and the socket they go through.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage};
use tokio::net::UdpSocket;

/// A socket for questions to one host.
pub struct Echo {
    /// Of ICMP; what is sent and received through it goes the same way.
    socket: UdpSocket,
    six: bool,
    mark: u16,
}

impl Echo {
    /// Opens it: without rights where a group may ask (`net.ipv4.ping_group_range`), else as root. To be called within a
    /// runtime.
    pub fn open(to: IpAddr, mark: u16) -> io::Result<Echo> {
        let six = to.is_ipv6();
        let (family, protocol) = match six {
            false => (AddressFamily::Inet, SockProtocol::Icmp),
            true => (AddressFamily::Inet6, SockProtocol::IcmpV6),
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket: OwnedFd = match socket::socket(family, SockType::Datagram, flags, protocol) {
            Err(Errno::EACCES | Errno::EPERM | Errno::EPROTONOSUPPORT) => {
                socket::socket(family, SockType::Raw, flags, protocol)?
            }
            socket => socket?,
        };
        // Only what this host says is heard.
        socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(to, 0)))?;
        Ok(Echo { socket: UdpSocket::from_std(socket.into())?, six, mark })
    }

    /// Asks.
    pub async fn ask(&self, number: u16) -> io::Result<()> {
        self.socket.send(&question(self.six, self.mark, number)).await.map(drop)
    }

    /// Reads one packet: the number of the question that it answers, if it does. An error is also what the network says
    /// of a question.
    pub async fn hear(&self) -> io::Result<Option<u16>> {
        let mut buffer = [0; 2048];
        let length = self.socket.recv(&mut buffer).await?;
        Ok(answer(&buffer[..length], self.six, self.mark))
    }
}

fn question(six: bool, mark: u16, number: u16) -> Vec<u8> {
    let mut packet = vec![if six { 128 } else { 8 }, 0, 0, 0];
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

/// The number of the question. Raw sockets hear the IPv4 header and everybody's answers; the others only their own, whose
/// mark the kernel has set.
fn answer(packet: &[u8], six: bool, mark: u16) -> Option<u16> {
    let has_header = !six && packet.first()? >> 4 == 4;
    let body = if has_header { packet.get(usize::from(packet.first()? & 0xf) * 4..)? } else { packet };
    let pair = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let is_reply = *body.first()? == if six { 129 } else { 0 };
    let is_ours = !has_header || pair(4)? == mark;
    (is_reply && is_ours).then(|| pair(6)).flatten()
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
        reply[0] = 0;
        let whole = [vec![0x45; 20], reply.clone()].concat();
        assert_eq!(answer(&whole, false, 0x1234), Some(7));
        assert_eq!(answer(&whole, false, 0x1235), None, "somebody else's");
        assert_eq!(answer(&reply, false, 0x9999), Some(7), "the kernel has set the mark");
        assert_eq!(answer(&[vec![0x45; 20], packet].concat(), false, 0x1234), None, "a question");
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], false, 0x1234), None);
        }
        let mut six = question(true, 0x1234, 9);
        six[0] = 129;
        assert_eq!(answer(&six, true, 0), Some(9));
    }
}
