//! The hosts that can be called: a file with a line each, the same on all hosts of a cluster.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use crate::disk::{self, Lock};
use crate::identity::Fingerprint;
use crate::paths::Paths;
use crate::tokens;

use wire::host::HostFile;

/// A list larger than this is not ours.
const MAX_BYTES: usize = 256 << 10;
/// Hosts that are kept.
const MAX_HOSTS: usize = 256;
/// The longest name that a host can have.
pub const MAX_NAME: usize = 64;

/// A host that can be called.
#[derive(Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its certificate.
    pub fingerprint: Fingerprint,
    /// The access token.
    pub access: String,
    /// Where it listens, `ADDRESS:PORT`, tried in this order.
    pub addresses: Vec<String>,
}

impl core::fmt::Debug for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} at {}", self.name, self.addresses.join(", "))
    }
}

/// All of them, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hosts {
    /// The hosts.
    pub hosts: BTreeMap<String, Host>,
}

impl Hosts {
    /// Reads the list; an empty one when there is no file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not understood.
    pub fn load(paths: &Paths) -> anyhow::Result<Hosts> {
        let path = paths.file(HostFile::Hosts);
        let bytes = disk::read(&path, MAX_BYTES)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Hosts::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
    }

    /// Changes the list under the lock, and keeps it.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn change(paths: &Paths, change: impl FnOnce(&mut Hosts)) -> anyhow::Result<()> {
        let _lock = Lock::take(paths)?;
        let mut hosts = Hosts::load(paths)?;
        change(&mut hosts);
        disk::write(&paths.file(HostFile::Hosts), hosts.text().as_bytes(), Paths::mode(HostFile::Hosts))
    }

    /// The list from its text.
    ///
    /// # Errors
    /// When a line is not understood, with its number.
    pub fn parse(text: &str) -> Result<Hosts, String> {
        let mut hosts = Hosts::default();
        for (number, line) in text.lines().enumerate() {
            let wrong = || format!("line {}: expected `NAME FINGERPRINT TOKEN ADDRESS:PORT …`", number + 1);
            let [name, fingerprint, access, addresses @ ..] = &*line.split_whitespace().collect::<Vec<_>>() else {
                return Err(wrong());
            };
            let fingerprint = Fingerprint::parse(fingerprint).ok_or_else(wrong)?;
            if addresses.is_empty() || !is_name(name) || hosts.hosts.len() >= MAX_HOSTS {
                return Err(wrong());
            }
            let addresses = addresses.iter().map(ToString::to_string).collect();
            let host = Host { name: (*name).into(), fingerprint, access: (*access).into(), addresses };
            hosts.hosts.insert((*name).into(), host);
        }
        Ok(hosts)
    }

    /// The list as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for host in self.hosts.values() {
            let Host { name, fingerprint, access, addresses } = host;
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} {fingerprint} {access} {}", addresses.join(" "));
        }
        text
    }
}

/// Whether a host can be called so: letters, digits, dots, dashes and underlines.
pub fn is_name(text: &str) -> bool {
    let fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    (1..=MAX_NAME).contains(&text.len()) && text.chars().all(fit) && !text.starts_with('-')
}

/// A join token as it is handed from one host to the next: the secret, and the certificate that its host must show.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// The secret.
    pub secret: String,
    /// The certificate.
    pub fingerprint: Fingerprint,
}

impl JoinToken {
    /// A new one for a host with that certificate.
    ///
    /// # Errors
    /// When the kernel gives no chance.
    pub fn new(fingerprint: Fingerprint) -> anyhow::Result<JoinToken> {
        Ok(JoinToken { secret: tokens::new()?, fingerprint })
    }

    /// Reads `SECRET.FINGERPRINT`.
    pub fn parse(text: &str) -> Option<JoinToken> {
        let (secret, fingerprint) = text.trim().split_once('.')?;
        let fingerprint = Fingerprint::parse(fingerprint)?;
        (!secret.is_empty()).then(|| JoinToken { secret: secret.into(), fingerprint })
    }

    /// The token as text.
    pub fn text(&self) -> String {
        format!("{}.{}", self.secret, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_as_it_was_written() {
        let fingerprint = Fingerprint::of(b"x");
        let text = format!("a {fingerprint} t 10.0.0.1:2224 [fe80::1]:2224\nb.example {fingerprint} u b:1\n");
        let hosts = Hosts::parse(&text).unwrap();
        assert_eq!(hosts.text(), text);
        assert_eq!(hosts.hosts["a"].addresses.len(), 2);
        assert!(!format!("{hosts:?}").contains(" t "), "tokens are not shown");
        for wrong in ["a", "a b c d", &format!("a {fingerprint} t"), &format!("-a {fingerprint} t x:1")] {
            assert!(Hosts::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn join_tokens_carry_the_certificate() {
        let token = JoinToken::new(Fingerprint::of(b"x")).unwrap();
        assert!(JoinToken::parse(&format!(" {}\n", token.text())).unwrap() == token);
        assert!(JoinToken::parse("abc").is_none());
        assert!(JoinToken::parse(".abc").is_none());
    }
}
