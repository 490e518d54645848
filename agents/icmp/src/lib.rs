#![forbid(unsafe_code)]
//! ICMP echo in both families: the socket, the question, and whose answer a packet is. How often is asked, how long is
//! waited, and what follows from it is left to who asks: the agent `ping`, and the probe.

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockProtocol, SockType};

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_SIX: u8 = 128;
const ECHO_REPLY_SIX: u8 = 129;

/// How one asks through a socket, and knows the answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Echo {
    six: bool,
    /// The socket hears everybody's answers, with the IPv4 header before them. Others hear their own alone: the kernel sets
    /// their mark.
    is_raw: bool,
    mark: u16,
}

/// Opens a socket that does not block, without rights where a group may ask (`net.ipv4.ping_group_range`), else as root.
/// The mark tells our questions from those of other programs on this host.
///
/// # Errors
/// When the kernel gives neither kind of socket.
pub fn open(six: bool, mark: u16) -> io::Result<(OwnedFd, Echo)> {
    let (family, protocol) = match six {
        false => (AddressFamily::Inet, SockProtocol::Icmp),
        true => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    match socket::socket(family, SockType::Datagram, flags, protocol) {
        Ok(socket) => Ok((socket, Echo { six, is_raw: false, mark })),
        Err(Errno::EACCES | Errno::EPERM | Errno::EPROTONOSUPPORT) => {
            Ok((socket::socket(family, SockType::Raw, flags, protocol)?, Echo { six, is_raw: true, mark }))
        }
        Err(error) => Err(error.into()),
    }
}

impl Echo {
    /// The packet that asks.
    pub fn question(self, number: u16) -> Vec<u8> {
        let mut packet = vec![if self.six { ECHO_REQUEST_SIX } else { ECHO_REQUEST }, 0, 0, 0];
        packet.extend(self.mark.to_be_bytes());
        packet.extend(number.to_be_bytes());
        if !self.six {
            // For IPv6 the kernel does it, since the addresses count in.
            let sum: u32 = packet.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
            let folded = (sum & 0xffff) + (sum >> 16);
            let folded = (folded & 0xffff) + (folded >> 16);
            packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
        }
        packet
    }

    /// The number of the question of ours that a packet answers, if it does.
    pub fn answer(self, packet: &[u8]) -> Option<u16> {
        let has_header = self.is_raw && !self.six;
        let body = match has_header {
            true => packet.get(usize::from(packet.first()? & 0xf) * 4..)?,
            false => packet,
        };
        let pair = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
        let is_reply = *body.first()? == if self.six { ECHO_REPLY_SIX } else { ECHO_REPLY };
        let is_ours = !self.is_raw || pair(4)? == self.mark;
        (is_reply && is_ours).then(|| pair(6)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: Echo = Echo { six: false, is_raw: true, mark: 0x1234 };

    /// What comes back to a question: the packet that `answer` is given.
    fn reply(echo: Echo, number: u16) -> Vec<u8> {
        let mut packet = echo.question(number);
        packet[0] = if echo.six { ECHO_REPLY_SIX } else { ECHO_REPLY };
        if echo.is_raw && !echo.six { [vec![0x45; 20], packet].concat() } else { packet }
    }

    #[test]
    fn a_question_adds_up() {
        for number in [0, 7, 0xffff] {
            let packet = RAW.question(number);
            let sum: u32 = packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        }
    }

    #[test]
    fn our_own_answers_are_known_and_no_others() {
        for six in [false, true] {
            for is_raw in [false, true] {
                let echo = Echo { six, is_raw, mark: 0x1234 };
                let whole = reply(echo, 7);
                assert_eq!(echo.answer(&whole), Some(7), "{echo:?}");
                let other = Echo { mark: 0x1235, ..echo };
                // Where the kernel sets the mark, it also sorts the answers.
                assert_eq!(other.answer(&whole), (!is_raw).then_some(7), "{echo:?}");
                for length in 0..whole.len() {
                    assert_eq!(echo.answer(&whole[..length]), None, "{echo:?}, {length} bytes");
                }
                let mut question = whole.clone();
                let at = whole.len() - 8;
                question[at] = echo.question(7)[0];
                assert_eq!(echo.answer(&question), None, "{echo:?}: a question");
            }
        }
    }
}
