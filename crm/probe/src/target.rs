//! Whom to ask, as people write it: `tcp:HOST:PORT`, `nfs:HOST[:PORT]`, `icmp:HOST`, `lock:FILE`.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::str::FromStr;

/// Where NFS servers listen.
const NFS_PORT: u16 = 2049;

/// Whom to ask, and what a good answer is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// A connection is made.
    Tcp(SocketAddr),
    /// A new connection, and on it an NFS server's answer to the question that does nothing.
    Nfs(SocketAddr),
    /// An ICMP echo comes back.
    Icmp(IpAddr),
    /// A lock on this file is refused, as somebody else holds it. Whoever gets it shows that it was lost.
    Lock(PathBuf),
}

/// Why it is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Tcp(to) => write!(f, "tcp:{to}"),
            Target::Nfs(to) => write!(f, "nfs:{to}"),
            Target::Icmp(to) => write!(f, "icmp:{to}"),
            Target::Lock(file) => write!(f, "lock:{}", file.display()),
        }
    }
}

impl FromStr for Target {
    type Err = Wrong;

    /// Names are looked up once, now: a probe is to see the service, not the name server.
    fn from_str(text: &str) -> Result<Target, Wrong> {
        let wrong = |why: &str| Wrong(format!("{text:?}: {why}"));
        let expected = "expected tcp:HOST:PORT, nfs:HOST[:PORT], icmp:HOST or lock:FILE";
        let (kind, rest) = text.split_once(':').ok_or_else(|| wrong(expected))?;
        if rest.is_empty() {
            return Err(wrong(expected));
        }
        match kind {
            "tcp" => Ok(Target::Tcp(address(rest).map_err(|why| wrong(&why))?)),
            "nfs" => {
                let with_port =
                    if has_port(rest) { rest.to_owned() } else { format!("{}:{NFS_PORT}", bracketed(rest)) };
                Ok(Target::Nfs(address(&with_port).map_err(|why| wrong(&why))?))
            }
            "icmp" => {
                let address = address(&format!("{}:0", bracketed(rest))).map_err(|why| wrong(&why))?;
                Ok(Target::Icmp(address.ip()))
            }
            "lock" if rest.starts_with('/') => Ok(Target::Lock(rest.into())),
            "lock" => Err(wrong("expected the absolute path of a file")),
            _ => Err(wrong(expected)),
        }
    }
}

fn has_port(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(six) => six.contains("]:"),
        // An IPv6 address without brackets has several.
        None => text.matches(':').count() == 1,
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if !has_port(text) {
        return Err("a port is missing: expected HOST:PORT, and an IPv6 address in brackets".to_owned());
    }
    let mut found = text.to_socket_addrs().map_err(|error| format!("looking it up: {error}"))?;
    found.next().ok_or_else(|| "the name has no address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        for (text, meant) in [
            ("tcp:192.0.2.7:80", "tcp:192.0.2.7:80"),
            ("tcp:[2001:db8::7]:80", "tcp:[2001:db8::7]:80"),
            ("nfs:192.0.2.7", "nfs:192.0.2.7:2049"),
            ("nfs:192.0.2.7:20049", "nfs:192.0.2.7:20049"),
            ("nfs:2001:db8::7", "nfs:[2001:db8::7]:2049"),
            ("icmp:192.0.2.7", "icmp:192.0.2.7"),
            ("icmp:2001:db8::7", "icmp:2001:db8::7"),
            ("lock:/mnt/file", "lock:/mnt/file"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), meant);
        }
        for (text, why) in [
            ("", "expected tcp:"),
            ("tcp:", "expected tcp:"),
            ("tcp:192.0.2.7", "a port is missing"),
            ("tcp:2001:db8::7", "a port is missing"),
            ("tcp:192.0.2.7:port", "looking it up"),
            ("udp:192.0.2.7:80", "expected tcp:"),
            ("lock:file", "absolute"),
        ] {
            let said = text.parse::<Target>().unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
