//! ICMP echo to one host, through a socket that a runtime watches. What is said there is the crate `icmp`'s.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{self, SockaddrStorage};
use tokio::net::UdpSocket;

/// A socket for questions to one host.
pub struct Echo {
    /// Of ICMP; what is sent and received through it goes the same way.
    socket: UdpSocket,
    echo: icmp::Echo,
}

impl Echo {
    /// Opens it. To be called within a runtime.
    pub fn open(to: IpAddr, mark: u16) -> io::Result<Echo> {
        let (socket, echo) = icmp::open(to.is_ipv6(), mark)?;
        // Only what this host says is heard.
        socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(to, 0)))?;
        Ok(Echo { socket: UdpSocket::from_std(socket.into())?, echo })
    }

    /// Asks.
    pub async fn ask(&self, number: u16) -> io::Result<()> {
        self.socket.send(&self.echo.question(number)).await.map(drop)
    }

    /// Reads one packet: the number of the question that it answers, if it does. An error is also what the network says
    /// of a question.
    pub async fn hear(&self) -> io::Result<Option<u16>> {
        let mut buffer = [0; 2048];
        let length = self.socket.recv(&mut buffer).await?;
        Ok(self.echo.answer(&buffer[..length]))
    }
}
