//! A line of `virtual_ipaddress`: an address with all that ip(8) is told about it.

use core::net::IpAddr;
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
    /// Broadcast address; `Some(None)` for `+`, computed.
    pub broadcast: Option<Option<IpAddr>>,
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

/// Reads one line.
pub(super) fn read(line: &Statement, notes: &mut Vec<Note>) -> Option<VirtualAddress> {
    let text = line.word();
    let warn = |notes: &mut Vec<Note>, message: String, word: &str| {
        notes.push(Note::warning(line.place.clone(), message).about(word));
    };
    let (ip, prefix) = match text.split_once('/') {
        Some((ip, prefix)) => (ip, Some(prefix)),
        None => (text, None),
    };
    let Ok(ip) = ip.parse::<IpAddr>() else {
        warn(notes, format!("{text} is no address; keepalived skips the line"), text);
        return None;
    };
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix.map(|prefix| prefix.parse::<u8>().ok().filter(|bits| *bits <= most)) {
        None => most,
        Some(Some(bits)) => bits,
        Some(None) => {
            warn(notes, format!("{text} has no network of 0 to {most} bits; keepalived skips the line"), text);
            return None;
        }
    };
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
        let mut value = || words.next().map(str::to_owned);
        match word {
            "dev" => address.device = value(),
            "brd" | "broadcast" => match value().as_deref() {
                Some("+") => address.broadcast = Some(None),
                Some("-") | None => {}
                Some(broadcast) => match broadcast.parse() {
                    Ok(broadcast) => address.broadcast = Some(Some(broadcast)),
                    Err(_) => {
                        warn(notes, format!("{broadcast} is no broadcast address; keepalived ignores it"), broadcast)
                    }
                },
            },
            "scope" => address.scope = scope(&value().unwrap_or_default()),
            "label" => address.label = value(),
            "peer" => address.peer = value(),
            "preferred_lft" => address.preferred_lft = value(),
            "track_group" => address.track_group = value(),
            "no_track" => address.no_track = true,
            "home" | "-nodad" | "mngtmpaddr" | "noprefixroute" | "autojoin" | "use_vmac" => {
                address.flags.push(word.to_owned())
            }
            _ => warn(notes, format!("{word} is not known on an address's line; keepalived ignores it too"), word),
        }
    }
    Some(address)
}

/// Scopes have names and numbers.
fn scope(text: &str) -> String {
    match text {
        "0" => "global",
        "200" => "site",
        "253" => "link",
        "254" => "host",
        "255" => "nowhere",
        other => other,
    }
    .to_owned()
}

/// As keepalived itself shows it.
impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        if self.prefix != if self.ip.is_ipv4() { 32 } else { 128 } {
            write!(f, "/{}", self.prefix)?;
        }
        if let Some(Some(broadcast)) = self.broadcast {
            write!(f, " brd {broadcast}")?;
        }
        if let Some(device) = &self.device {
            write!(f, " dev {device}")?;
        }
        if let Some(below) = &self.below {
            write!(f, "@{below}")?;
        }
        write!(f, " scope {}", self.scope)?;
        if let Some(label) = &self.label {
            write!(f, " label {label}")?;
        }
        if self.no_track {
            write!(f, " no_track")?;
        }
        Ok(())
    }
}
