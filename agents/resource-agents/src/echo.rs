//! Asks many hosts at once whether they are there, without a program to call. What is said on the wire is the crate `icmp`'s;
//! what follows from the answers is the agent's.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, MsgFlags, SockaddrStorage};

/// Between two questions to a host that did not answer.
const BETWEEN: Duration = Duration::from_secs(1);

/// A socket for one family.
struct Socket {
    six: bool,
    socket: OwnedFd,
    echo: icmp::Echo,
}

/// Which of the hosts answered one of so many questions, each of which has so long for its answer.
pub fn answering(hosts: &[IpAddr], attempts: u32, timeout: Duration) -> io::Result<Vec<bool>> {
    let mut sockets = Vec::new();
    for six in [false, true] {
        if hosts.iter().any(|host| host.is_ipv6() == six) {
            let (socket, echo) = icmp::open(six, std::process::id() as u16)?;
            sockets.push(Socket { six, socket, echo });
        }
    }
    let mut answered = vec![false; hosts.len()];
    let begin = Instant::now();
    let between = BETWEEN.min(timeout);
    for attempt in 0..attempts {
        for (number, host) in hosts.iter().enumerate().filter(|(number, _)| !answered[*number]) {
            let Some(through) = sockets.iter().find(|socket| socket.six == host.is_ipv6()) else { continue };
            // A host that no route leads to does not answer; that is all there is to know.
            let _ = send(&through.socket, *host, &through.echo.question(number as u16));
        }
        let last = attempt + 1 == attempts;
        let until = begin + between * attempt + if last { timeout } else { between };
        while !answered.iter().all(|answered| *answered) && wait(&sockets, until)? {
            for socket in &sockets {
                hear(socket, hosts, &mut answered)?;
            }
        }
        if answered.iter().all(|answered| *answered) {
            break;
        }
    }
    Ok(answered)
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
fn wait(sockets: &[Socket], until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let milliseconds = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut ask: Vec<PollFd<'_>> =
            sockets.iter().map(|one| PollFd::new(one.socket.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut ask, PollTimeout::from(milliseconds)) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

fn hear(through: &Socket, hosts: &[IpAddr], answered: &mut [bool]) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = match socket::recvfrom::<SockaddrStorage>(through.socket.as_raw_fd(), &mut buffer) {
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
        if let Some(number) = through.echo.answer(&buffer[..length])
            && let Some(one) = answered.get_mut(usize::from(number))
            && from == hosts.get(usize::from(number)).copied()
        {
            *one = true;
        }
    }
}
