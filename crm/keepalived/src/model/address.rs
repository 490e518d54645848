//! A line of `virtual_ipaddress`: an address with all that ip(8) is told about it.

use core::net::{IpAddr, Ipv4Addr};
use std::fmt;

use crate::note::{Note, Place};
use crate::statement::Statement;

/// A virtual address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VirtualAddress {
    /// The address.
    pub ip: IpAddr,
    /// Bits of its network: those of a single address if none are given.
    pub prefix: u8,
    /// Where it stands.
    pub place: Place,
    /// Interface it is put on.
    pub device: Option<String>,
    /// Interface below, when `device` is a virtual MAC's.
    pub below: Option<String>,
    /// Broadcast address, that of `+` and `-` computed.
    pub broadcast: Option<Ipv4Addr>,
    /// `global`, `link`, `host` …
    pub scope: String,
    /// Label.
    pub label: Option<String>,
    /// The other end of a link.
    pub peer: Option<String>,
    /// Whether its loss is no failure.
    pub no_track: bool,
    /// Flags for ip(8): home, -nodad, mngtmpaddr, noprefixroute, autojoin.
    pub flags: Vec<String>,
    /// `preferred_lft`, in words.
    pub preferred_lft: Option<String>,
    /// Of a static address: the group whose instances it is tracked by.
    pub track_group: Option<String>,
}

/// Characters that the kernel takes for a label.
const LABEL_MAX: usize = 15;

/// Reads one line. What is wrong with an address, a device or a broadcast address has keepalived skip the line; what is
/// wrong with the rest is left out of it.
pub(super) fn read(line: &Statement, notes: &mut Vec<Note>) -> Option<VirtualAddress> {
    let text = line.word();
    let mut warn = |message: String, word: &str| notes.push(Note::warning(line.place.clone(), message).about(word));
    let (ip, given) = match text.split_once('/') {
        Some((ip, prefix)) => (ip, Some(prefix)),
        None => (text, None),
    };
    let Ok(ip) = ip.parse::<IpAddr>() else {
        warn(format!("{text} is no address; keepalived skips the line"), text);
        return None;
    };
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = given.map_or(most, |given| bits(given, most));
    if given.is_some_and(|given| given.parse() != Ok(prefix)) {
        warn(format!("{text} has no network of 0 to {most} bits; keepalived takes /{prefix}"), text);
    }
    let mut address = VirtualAddress {
        ip,
        prefix,
        place: line.place.clone(),
        device: None,
        below: None,
        broadcast: None,
        scope: "global".to_owned(),
        label: None,
        peer: None,
        no_track: false,
        flags: Vec::new(),
        preferred_lft: None,
        track_group: None,
    };
    let mut words = line.words[1..].iter().map(String::as_str);
    while let Some(word) = words.next() {
        let takes = matches!(word, "dev" | "brd" | "broadcast" | "scope" | "label" | "peer" | "preferred_lft");
        let value = if takes || word == "track_group" { words.next() } else { Some("") };
        let Some(value) = value else {
            warn(format!("{word} has nothing behind it; keepalived skips the line"), word);
            return None;
        };
        match (word, ip) {
            ("dev", _) if address.device.is_some() => {
                warn("an address has one device only; keepalived skips the line".to_owned(), value);
                return None;
            }
            ("dev", _) => address.device = Some(value.to_owned()),
            ("brd" | "broadcast", IpAddr::V4(own)) => match (value, value.parse()) {
                ("+" | "-", _) if prefix >= 31 => {
                    warn(format!("a network of {prefix} bits has no broadcast address; keepalived ignores it"), value);
                }
                ("+" | "-", _) => {
                    let computed = broadcast(own, prefix, value == "+");
                    address.broadcast = Some(computed).filter(|computed| !computed.is_unspecified());
                }
                (_, Ok(broadcast)) => address.broadcast = Some(broadcast),
                (_, Err(_)) => {
                    warn(format!("{value} is no broadcast address; keepalived skips the line"), value);
                    return None;
                }
            },
            ("brd" | "broadcast", IpAddr::V6(_)) => {
                warn("IPv6 has no broadcast address; keepalived skips the line".to_owned(), word);
                return None;
            }
            ("scope" | "label", IpAddr::V6(_)) => {
                warn(format!("an address of IPv6 has no {word} here; keepalived ignores it"), word);
            }
            ("scope", _) => match scope(value) {
                Some(scope) => address.scope = scope.to_owned(),
                None => warn(format!("{value} is no scope; keepalived takes global"), value),
            },
            ("label", _) if value.len() > LABEL_MAX => {
                warn(format!("a label has {LABEL_MAX} characters at most; keepalived skips the line"), value);
                return None;
            }
            ("label", _) => address.label = Some(value.to_owned()),
            ("peer", _) => match value.parse::<IpAddr>() {
                Ok(peer) if peer.is_ipv4() == ip.is_ipv4() => {
                    if given.is_some() {
                        warn(format!("an address with a peer is alone in its network; keepalived takes /{most}"), text);
                    }
                    address.prefix = most;
                    address.peer = Some(format!("{peer}/{most}"));
                }
                _ => warn(format!("{value} is no peer of {ip}; keepalived ignores it"), value),
            },
            ("preferred_lft", _) => address.preferred_lft = Some(value.to_owned()),
            ("track_group", _) => address.track_group = Some(value.to_owned()),
            ("no_track", _) => address.no_track = true,
            ("home" | "-nodad" | "mngtmpaddr" | "noprefixroute" | "autojoin" | "use_vmac", _) => {
                address.flags.push(word.to_owned());
            }
            _ => warn(format!("{word} is not known on an address's line; keepalived ignores it too"), word),
        }
    }
    Some(address)
}

/// The bits of a network as atoi(3) reads them; of more than there are, all.
fn bits(text: &str, most: u8) -> u8 {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match &text[..end] {
        "" => 0,
        digits => digits.parse().map_or(most, |bits: u8| bits.min(most)),
    }
}

/// What `brd +` and `brd -` compute: all bits of the host set, or none.
fn broadcast(ip: Ipv4Addr, prefix: u8, set: bool) -> Ipv4Addr {
    let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from(if set { u32::from(ip) | host } else { u32::from(ip) & !host })
}

/// Scopes have names and numbers.
fn scope(text: &str) -> Option<&str> {
    Some(match text {
        "0" => "global",
        "200" => "site",
        "253" => "link",
        "254" => "host",
        "255" => "nowhere",
        "global" | "site" | "link" | "host" | "nowhere" => text,
        number if number.parse::<u8>().is_ok() => number,
        _ => return None,
    })
}

/// As keepalived itself shows it.
impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        if self.prefix != if self.ip.is_ipv4() { 32 } else { 128 } {
            write!(f, "/{}", self.prefix)?;
        }
        if let Some(broadcast) = self.broadcast {
            write!(f, " brd {broadcast}")?;
        }
        if let Some(device) = &self.device {
            write!(f, " dev {device}")?;
        }
        if let Some(below) = &self.below {
            write!(f, "@{below}")?;
        }
        if self.flags.iter().any(|flag| flag == "use_vmac") {
            write!(f, " use_vmac")?;
        }
        write!(f, " scope {}", self.scope)?;
        if let Some(label) = &self.label {
            write!(f, " label {label}")?;
        }
        if let Some(peer) = &self.peer {
            write!(f, " peer {peer}")?;
        }
        for flag in ["home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin"] {
            if self.flags.iter().any(|own| own == flag) {
                write!(f, " {flag}")?;
            }
        }
        if self.no_track {
            write!(f, " no_track")?;
        }
        if self.ip.is_ipv4() {
            return Ok(());
        }
        match self.preferred_lft.as_deref() {
            Some("0") => write!(f, " deprecated"),
            Some(seconds) => write!(f, " preferred_lft {seconds}"),
            None if self.prefix == 128 => write!(f, " deprecated"),
            None => write!(f, " preferred_lft forever"),
        }
    }
}
