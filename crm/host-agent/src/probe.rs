//! Packets between hosts, as Corosync will send them, and what becomes of them: who listens gives each one back as it
//! came, who asks counts and measures. Only packets that carry the session's word are given back, and never a longer one
//! than came, so nobody can use a host to flood another. What the figures mean is said elsewhere (`setup::probe`).
//!
//! ```text
//! 0        8              40        48       56
//! | "?"/"!" | session's word | number | clock  | zeros up to the length that is tried
//! ```

mod ask;
mod listen;
mod pause;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, ensure};

pub use ask::ask;
pub use listen::{end, listen};

/// A session ends by itself after this, whatever was asked: whoever soaks a network begins a new one.
const MAX_SECONDS: u32 = 40;
/// Addresses that one session listens at, and places that it asks: 32 hosts with eight links.
const MAX_ADDRESSES: usize = 8;
const MAX_TARGETS: usize = 256;
/// Sessions of listening at a time.
const MAX_SESSIONS: usize = 4;
/// A thousand a second is what `omping -i 0.001` did.
const MAX_RATE: u32 = 1000;
/// Longer than any packet that is tried: jumbo frames have 9,000 bytes, loopback 65,536.
const MAX_PACKET: usize = 9_000;

/// The word at the front of a question, and of its answer.
const QUESTION: &[u8; 8] = b"systole?";
const ANSWER: &[u8; 8] = b"systole!";
/// The length of a session's word.
const WORD: usize = 32;
/// The length of a packet with nothing behind its fields.
const LEAST: usize = 56;

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Packet {
    number: u64,
    /// The answering host's clock, milliseconds since 1970.
    clock: u64,
}

impl Packet {
    /// The bytes of a question of this length.
    fn question(session: &str, number: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length.max(LEAST)];
        bytes[..8].copy_from_slice(QUESTION);
        bytes[8..8 + WORD].copy_from_slice(session.as_bytes());
        bytes[40..48].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    /// Makes the answer of a question, in place; whether it was one of this session.
    fn answer(bytes: &mut [u8], session: &str, clock: u64) -> bool {
        if bytes.len() < LEAST || bytes[..8] != *QUESTION || bytes[8..40] != *session.as_bytes() {
            return false;
        }
        bytes[..8].copy_from_slice(ANSWER);
        bytes[48..56].copy_from_slice(&clock.to_be_bytes());
        true
    }

    /// Reads an answer of this session.
    fn read(bytes: &[u8], session: &str) -> Option<Packet> {
        if bytes.len() < LEAST || bytes[..8] != *ANSWER || bytes[8..40] != *session.as_bytes() {
            return None;
        }
        let number = |at: usize| bytes[at..at + 8].try_into().ok().map(u64::from_be_bytes);
        Some(Packet { number: number(40)?, clock: number(48)? })
    }
}

/// A session's word: chance, as digits.
fn check_session(session: &str, seconds: u32) -> anyhow::Result<()> {
    ensure!(
        session.len() == WORD && session.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "a session's word is {WORD} hexadecimal digits"
    );
    ensure!((1..=MAX_SECONDS).contains(&seconds), "a session takes 1 to {MAX_SECONDS} seconds, not {seconds}");
    Ok(())
}

/// A socket whose packets are never cut into pieces: knet does not let its own be either, and what a router on the way
/// cannot pass is lost, which is what is to be found out.
fn socket(at: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(at)?;
    socket.set_nonblocking(true)?;
    let (level, name) = match at.ip() {
        IpAddr::V4(_) => (nix::libc::IPPROTO_IP, nix::libc::IP_MTU_DISCOVER),
        IpAddr::V6(_) => (nix::libc::IPPROTO_IPV6, nix::libc::IPV6_MTU_DISCOVER),
    };
    // The same number in both families: never in pieces, and whatever routers said before is tried anew.
    let value: nix::libc::c_int = nix::libc::IP_PMTUDISC_PROBE;
    let size = nix::libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    #[allow(unsafe_code)] // nix knows no such option.
    // SAFETY: the socket lives, and the kernel reads `size` bytes of a value that lives during the call.
    let done =
        unsafe { nix::libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(&value).cast(), size) };
    if done == 0 { Ok(socket) } else { Err(std::io::Error::last_os_error()) }
}

/// An address as it was named, which is a number: whoever asks has looked names up.
fn address(text: &str) -> anyhow::Result<IpAddr> {
    text.parse().with_context(|| format!("{text}: expected an address"))
}

/// What stands before the data of a packet: the headers of IP and UDP.
fn headers(address: IpAddr) -> usize {
    if address.is_ipv4() { 28 } else { 48 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use wire::host::ProbeTarget;

    const SESSION: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn an_answer_is_the_question_with_the_clock_in_it() {
        let mut bytes = Packet::question(SESSION, 7, 100);
        assert_eq!(bytes.len(), 100);
        assert_eq!(Packet::read(&bytes, SESSION), None, "a question is no answer");
        assert!(!Packet::answer(&mut bytes, &"f".repeat(32), 9), "another session's");
        assert!(Packet::answer(&mut bytes, SESSION, 9));
        assert!(!Packet::answer(&mut bytes, SESSION, 9), "answers are not answered");
        assert_eq!(Packet::read(&bytes, SESSION), Some(Packet { number: 7, clock: 9 }));
        for length in 0..LEAST {
            assert!(!Packet::answer(&mut bytes.clone()[..length], SESSION, 9));
            assert_eq!(Packet::read(&bytes[..length], SESSION), None);
        }
    }

    #[test]
    fn what_goes_round_is_counted() {
        // A port that somebody holds is answered for on another one.
        let held = UdpSocket::bind("127.0.0.1:0").unwrap();
        let wished = held.local_addr().unwrap().port();
        let listens = listen(SESSION, 5, &[("127.0.0.1".into(), wished), ("203.0.113.1".into(), 0)]).unwrap();
        let port = listens[0].port.unwrap();
        assert!(port != wished && listens[0].reason.is_none(), "{listens:?}");
        assert!(listens[1].port.is_none() && listens[1].reason.is_some(), "no address of this host: {listens:?}");
        let target = |port, agent| ProbeTarget { host: "b".into(), link: 1, address: "127.0.0.1".into(), port, agent };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let agent = listener.local_addr().unwrap().to_string();
        let probed = ask(SESSION, 1, 50, &[target(port, Some(agent)), target(wished, None)], &|| 0).unwrap();
        let [path, silent] = probed.paths.as_slice() else { panic!("{probed:?}") };
        assert!(path.sent > 0 && path.came > 0 && path.came <= path.sent, "{path:?}");
        assert!(path.least_us > 0 && path.least_us <= path.most_us && path.total_us >= path.most_us, "{path:?}");
        assert_eq!((path.host.as_str(), path.link, path.agent), ("b", 1, Some(true)), "{path:?}");
        assert_eq!(path.mtu, Some(MAX_PACKET as u32), "loopback takes all that is tried");
        assert!(path.clock_ms.unwrap() > 0, "its clock is not at 0");
        assert!(silent.sent > 0 && silent.came == 0 && silent.mtu.is_none(), "{silent:?}");
        end(SESSION).unwrap();
        end(SESSION).unwrap();
        assert!(UdpSocket::bind(("127.0.0.1", port)).is_ok(), "the port is free again");
        assert!(end("x").is_err());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let told = |session: &str, seconds| listen(session, seconds, &[]).unwrap_err().to_string();
        assert!(told("x", 1).contains("32 hexadecimal digits"));
        assert!(told(SESSION, 0).contains("1 to 40 seconds"));
        assert!(told(SESSION, 41).contains("1 to 40 seconds"));
        let many = vec![("127.0.0.1".to_owned(), 0); MAX_ADDRESSES + 1];
        assert!(listen(SESSION, 1, &many).unwrap_err().to_string().contains("at most 8 addresses"));
        assert!(ask(SESSION, 1, 0, &[], &|| 0).unwrap_err().to_string().contains("1 to 1000"));
        let nameless = ProbeTarget { host: "b".into(), link: 0, address: "b".into(), port: 1, agent: None };
        let probed = ask(SESSION, 1, 1, &[nameless], &|| 0).unwrap();
        assert!(probed.paths[0].reason.as_ref().unwrap().contains("expected an address"));
        assert!(Duration::from_secs(u64::from(MAX_SECONDS)) < crate::client::ANSWER_TIME);
    }
}
