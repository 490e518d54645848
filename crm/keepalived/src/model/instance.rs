//! `vrrp_instance`: one virtual router, with keepalived's own corrections made.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::model::number::{SECONDS_MAX, count, number, set, switch};
use crate::model::{Defaults, Script, VirtualAddress, address, micros, track, vmac};
use crate::note::{Note, Place};
use crate::statement::Statement;

/// Addresses that one advert has room for; keepalived moves the others to the excluded ones.
const ADVERTISED_MAX: usize = 255;
/// As many of IPv6 fit into a packet of 1500 bytes.
const ADVERTISED_MAX_V6: usize = 89;
/// Characters in an interface's name.
const INTERFACE_MAX: usize = 15;
/// Microseconds between adverts that keepalived takes.
const ADVERT_US: std::ops::RangeInclusive<u64> = 10_000..=255_000_000;
/// Characters of a password that count.
const PASSWORD_MAX: usize = 8;
/// The priority of an address's owner.
const OWNER: u8 = 255;

/// Version of the protocol.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Version {
    /// RFC 3768.
    Two,
    /// RFC 5798.
    Three,
}

/// How adverts are signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// A password in clear, of which eight characters count.
    Pass(String),
    /// An IPsec header.
    Header(String),
}

/// Something tracked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracked {
    /// Its name.
    pub name: String,
    /// Its weight here; its own if none is given.
    pub weight: Option<i32>,
    /// Whether the weight counts the other way round.
    pub reverse: bool,
    /// Where it stands.
    pub place: Place,
}

/// Gratuitous ARP.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Garp {
    /// Seconds before the second burst.
    pub delay: u32,
    /// Packets in a burst.
    pub repeat: u32,
    /// Seconds between refreshing bursts; 0 is never.
    pub refresh: u32,
    /// Packets in a refreshing burst.
    pub refresh_repeat: u32,
    /// As `delay`, after an advert of lower priority.
    pub lower_prio_delay: u32,
    /// As `repeat`, after an advert of lower priority.
    pub lower_prio_repeat: u32,
}

/// One instance.
#[derive(Clone, PartialEq, Debug)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Whether it begins as master.
    pub master: bool,
    /// Its interface.
    pub interface: Option<String>,
    /// Name of the interface with the virtual MAC, if one is used.
    pub vmac: Option<String>,
    /// 1 to 255; 0 if it is missing.
    pub router_id: u8,
    /// Priority before anything tracked is counted.
    pub priority: u8,
    /// Microseconds between adverts.
    pub advert_us: u64,
    /// Version of the protocol.
    pub version: Version,
    /// Whether it stays backup though it could be master.
    pub nopreempt: bool,
    /// Microseconds before it takes over from one of lower priority.
    pub preempt_delay_us: u64,
    /// Whether packets to the addresses are taken.
    pub accept: bool,
    /// Strict conformance.
    pub strict: bool,
    /// Addresses of adverts are not compared.
    pub skip_check_adv_addr: bool,
    /// Whether its interface may fail.
    pub dont_track_primary: bool,
    /// Secondary addresses become primary.
    pub promote_secondaries: bool,
    /// Mail at transitions.
    pub smtp_alert: bool,
    /// No advert in answer to one of lower priority.
    pub lower_prio_no_advert: bool,
    /// An advert in answer to one of higher priority.
    pub higher_prio_send_advert: bool,
    /// How adverts are signed.
    pub authentication: Option<Authentication>,
    /// Gratuitous ARP.
    pub garp: Garp,
    /// Addresses in adverts.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses not in adverts.
    pub excluded: Vec<VirtualAddress>,
    /// Routes, as they stand.
    pub routes: Vec<Statement>,
    /// Rules, as they stand.
    pub rules: Vec<Statement>,
    /// Source of adverts.
    pub source: Option<IpAddr>,
    /// The others, with unicast.
    pub peers: Vec<IpAddr>,
    /// What is tracked, by kind: `track_script`, `track_interface` …
    pub tracked: BTreeMap<&'static str, Vec<Tracked>>,
    /// Commands at transitions, by word.
    pub notify: BTreeMap<String, Vec<String>>,
    /// All of it, for who needs more.
    pub statement: Statement,
}

/// What is known when an instance is read: keepalived looks names up while it reads.
pub(super) struct Known<'k> {
    pub defaults: &'k Defaults,
    pub scripts: &'k [Script],
    pub instances: &'k [Instance],
    /// What else stood at the top of the file so far.
    pub others: &'k [Statement],
    pub bfd: &'k [Statement],
}

pub(super) fn read(statement: &Statement, known: &Known<'_>, notes: &mut Vec<Note>) -> Instance {
    let defaults = known.defaults;
    let mut reader = Reader {
        known,
        notes,
        master: None,
        priority: None,
        vmac: vmac::Wish::default(),
        accept: None,
        v6: None,
        authentication: (None, None),
        lower: (None, None),
        advert: None,
    };
    let mut instance = Instance {
        name: statement.argument(1).unwrap_or_default().to_owned(),
        place: statement.place.clone(),
        master: false,
        interface: defaults.interface.clone(),
        vmac: None,
        router_id: 0,
        priority: 100,
        advert_us: 1_000_000,
        version: defaults.version,
        nopreempt: false,
        preempt_delay_us: 0,
        accept: !defaults.strict,
        strict: defaults.strict,
        skip_check_adv_addr: defaults.skip_check_adv_addr,
        dont_track_primary: false,
        promote_secondaries: false,
        smtp_alert: defaults.smtp_alert,
        lower_prio_no_advert: defaults.lower_prio_no_advert || defaults.strict,
        higher_prio_send_advert: defaults.higher_prio_send_advert,
        authentication: None,
        garp: Garp {
            delay: defaults.garp_delay,
            repeat: defaults.garp_repeat,
            refresh: defaults.garp_refresh,
            refresh_repeat: defaults.garp_refresh_repeat,
            lower_prio_delay: 0,
            lower_prio_repeat: 0,
        },
        addresses: Vec::new(),
        excluded: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        source: None,
        peers: Vec::new(),
        tracked: BTreeMap::new(),
        notify: BTreeMap::new(),
        statement: statement.clone(),
    };
    for one in &statement.block {
        reader.take(&mut instance, one);
    }
    reader.finish(&mut instance);
    instance
}

struct Reader<'r> {
    known: &'r Known<'r>,
    notes: &'r mut Vec<Note>,
    master: Option<bool>,
    priority: Option<u8>,
    vmac: vmac::Wish,
    accept: Option<bool>,
    /// The family, once something told it.
    v6: Option<bool>,
    authentication: (Option<String>, Option<String>),
    lower: (Option<u32>, Option<u32>),
    advert: Option<u64>,
}

impl Reader<'_> {
    fn warn(&mut self, one: &Statement, message: impl Into<String>) {
        self.notes.push(Note::warning(one.place.clone(), message).about(one.argument(1).unwrap_or(one.word())));
    }

    fn take(&mut self, instance: &mut Instance, one: &Statement) {
        let first = one.argument(1).unwrap_or_default();
        match one.word() {
            "state" => self.state(one),
            "interface" if !first.is_empty() => instance.interface = Some(first.to_owned()),
            "use_vmac" => {
                self.vmac.ipvlan = false;
                self.own_interface(one, one.argument(1).filter(|name| !name.contains(':')));
            }
            "use_ipvlan" if self.vmac.own.is_some() && !self.vmac.ipvlan => {
                self.warn(one, "an instance with a virtual MAC has no ipvlan; keepalived ignores this");
            }
            "use_ipvlan" => {
                self.vmac.ipvlan = true;
                self.own_interface(one, one.argument(1).filter(|name| !name.contains(['/', '.', ':'])));
            }
            "use_vmac_addr" => self.vmac.addresses = true,
            "native_ipv6" => self.v6 = Some(true),
            "virtual_router_id" => match first.parse::<u8>().ok().filter(|id| *id > 0) {
                Some(id) => instance.router_id = id,
                None => {
                    self.warn(one, format!("virtual_router_id {first} is not between 1 and 255; keepalived ignores it"))
                }
            },
            "priority" => match first.parse::<u8>().ok().filter(|priority| *priority > 0) {
                Some(priority) => self.priority = Some(priority),
                None => self.warn(one, format!("priority {first} is not between 1 and 255; keepalived takes 100")),
            },
            "advert_int" => match micros(first).filter(|interval| ADVERT_US.contains(interval)) {
                Some(interval) => self.advert = Some(interval),
                None => self.warn(
                    one,
                    format!("advert_int {first} is not between 0.01 and 255 seconds; keepalived ignores it"),
                ),
            },
            "version" => match number(one, 2..=3, self.notes) {
                Some(2) => instance.version = Version::Two,
                Some(_) => instance.version = Version::Three,
                None => {}
            },
            "nopreempt" => instance.nopreempt = true,
            "preempt" => instance.nopreempt = false,
            "preempt_delay" => match micros(first).filter(|delay| *delay <= 1_000_000_000) {
                Some(delay) => instance.preempt_delay_us = delay,
                None => self
                    .warn(one, format!("preempt_delay {first} is not between 0 and 1000 seconds; keepalived takes 0")),
            },
            "accept" | "no_accept" => {
                instance.accept = one.word() == "accept";
                self.accept = Some(instance.accept);
            }
            "strict_mode" => set(&mut instance.strict, switch(one, self.notes)),
            "skip_check_adv_addr" => {
                // 2.2.7 takes any of its words for on, `off` too.
                set(&mut instance.skip_check_adv_addr, switch(one, self.notes).map(|_| true));
            }
            "dont_track_primary" => instance.dont_track_primary = true,
            "promote_secondaries" => instance.promote_secondaries = true,
            "smtp_alert" => set(&mut instance.smtp_alert, switch(one, self.notes)),
            "lower_prio_no_advert" => set(&mut instance.lower_prio_no_advert, switch(one, self.notes)),
            "higher_prio_send_advert" => set(&mut instance.higher_prio_send_advert, switch(one, self.notes)),
            "garp_master_delay" => set(&mut instance.garp.delay, number(one, 0..=SECONDS_MAX, self.notes)),
            "garp_master_repeat" => set(&mut instance.garp.repeat, count(one, self.notes)),
            "garp_master_refresh" => set(&mut instance.garp.refresh, number(one, 0..=u32::MAX, self.notes)),
            "garp_master_refresh_repeat" => set(&mut instance.garp.refresh_repeat, count(one, self.notes)),
            "garp_lower_prio_delay" => self.lower.0 = number(one, 0..=SECONDS_MAX, self.notes).or(self.lower.0),
            "garp_lower_prio_repeat" => self.lower.1 = number(one, 0..=u32::MAX, self.notes).or(self.lower.1),
            "authentication" => self.authenticate(one),
            "mcast_src_ip" | "unicast_src_ip" => match first.parse() {
                Ok(source) if self.is_family(one, source, first) => instance.source = Some(source),
                Ok(_) => {}
                Err(_) => self.warn(one, format!("{first} is no address; keepalived ignores it")),
            },
            "mcast_dst_ip" => match first.parse::<IpAddr>() {
                Ok(group) if !group.is_multicast() => {
                    self.warn(one, format!("{first} is no multicast address; keepalived ignores it"));
                }
                Ok(group) => drop(self.is_family(one, group, first)),
                Err(_) => self.warn(one, format!("{first} is no address; keepalived ignores it")),
            },
            "unicast_peer" => {
                for line in &one.block {
                    // A length behind a peer's address is no matter to keepalived.
                    let text = line.word().split('/').next().unwrap_or_default();
                    match text.parse() {
                        Ok(peer) if self.is_family(line, peer, text) => instance.peers.push(peer),
                        Ok(_) => {}
                        Err(_) => self.warn(line, format!("{} is no address; keepalived skips the line", line.word())),
                    }
                }
            }
            "virtual_ipaddress" => {
                for address in self.addresses(one) {
                    let place = Statement { words: Vec::new(), block: Vec::new(), place: address.place.clone() };
                    if self.is_family(&place, address.ip, &address.ip.to_string()) {
                        instance.addresses.push(address);
                    }
                }
            }
            "virtual_ipaddress_excluded" => instance.excluded.extend(self.addresses(one)),
            "virtual_routes" => instance.routes.extend(one.block.iter().cloned()),
            "virtual_rules" => instance.rules.extend(one.block.iter().cloned()),
            "track_script" => self.track(instance, "track_script", one),
            "track_interface" => self.track(instance, "track_interface", one),
            "track_file" => self.track(instance, "track_file", one),
            "track_process" => self.track(instance, "track_process", one),
            "track_bfd" => self.track(instance, "track_bfd", one),
            word @ ("notify"
            | "notify_master"
            | "notify_backup"
            | "notify_fault"
            | "notify_stop"
            | "notify_master_rx_lower_pri") => {
                if instance.notify.contains_key(word) {
                    self.warn(one, format!("{word} stands there already; keepalived keeps the first"));
                } else {
                    instance.notify.insert(word.to_owned(), one.words[1..].to_vec());
                }
            }
            _ => {}
        }
    }

    /// MASTER wins over a later BACKUP.
    fn state(&mut self, one: &Statement) {
        match (one.argument(1), self.master) {
            (Some("MASTER"), _) => self.master = Some(true),
            (Some("BACKUP"), Some(true)) => self.warn(one, "state was MASTER before; keepalived keeps that"),
            (Some("BACKUP"), _) => self.master = Some(false),
            (other, _) => {
                let word = other.unwrap_or("nothing").to_owned();
                self.warn(one, format!("state is MASTER or BACKUP, in capitals, not {word}; keepalived takes BACKUP"));
            }
        }
    }

    fn authenticate(&mut self, one: &Statement) {
        for line in &one.block {
            let value = line.argument(1).map(str::to_owned);
            match (line.word(), value.as_deref()) {
                ("auth_type", Some("PASS" | "AH")) => self.authentication.0 = value,
                ("auth_type", kind) => {
                    let kind = kind.unwrap_or("nothing").to_owned();
                    self.warn(line, format!("auth_type is PASS or AH, not {kind}; keepalived ignores the line"));
                }
                ("auth_pass", Some(password)) => {
                    let length = password.chars().count();
                    if length > PASSWORD_MAX {
                        let message = format!(
                            "of the {length} characters of auth_pass keepalived takes {PASSWORD_MAX}: the rest protects nothing"
                        );
                        self.notes.push(Note::warning(line.place.clone(), message).about("auth_pass"));
                    }
                    self.authentication.1 = value;
                }
                _ => {}
            }
        }
    }

    /// The name of a virtual MAC's interface, or of an ipvlan; none for the one that keepalived makes up.
    fn own_interface(&mut self, one: &Statement, name: Option<&str>) {
        let fits = |name: &&str| name.len() <= INTERFACE_MAX;
        if name.is_some_and(|name| !fits(&name)) {
            self.warn(
                one,
                format!("an interface's name has {INTERFACE_MAX} characters at most; keepalived takes its own"),
            );
        }
        self.vmac.own = Some(name.filter(fits).map(str::to_owned));
    }

    /// Whether an address is of the instance's family. The first that is named says which that is.
    fn is_family(&mut self, one: &Statement, ip: IpAddr, word: &str) -> bool {
        let same = *self.v6.get_or_insert(ip.is_ipv6()) == ip.is_ipv6();
        if !same {
            let message = format!(
                "{ip} is not of the first address's family; keepalived skips it: put it among the excluded ones"
            );
            self.notes.push(Note::warning(one.place.clone(), message).about(word));
        }
        same
    }

    fn addresses(&mut self, one: &Statement) -> Vec<VirtualAddress> {
        one.block.iter().filter_map(|line| address::read(line, self.notes)).collect()
    }

    fn track(&mut self, instance: &mut Instance, kind: &'static str, one: &Statement) {
        for line in &one.block {
            let before = instance.tracked.get(kind).map_or(&[][..], Vec::as_slice);
            if let Some(tracked) = track::read(kind, line, before, self.known, self.notes) {
                instance.tracked.entry(kind).or_default().push(tracked);
            }
        }
    }

    /// keepalived's own corrections.
    fn finish(&mut self, instance: &mut Instance) {
        let place = instance.place.clone();
        let mut refuse = |what: &str| {
            let message = format!("{} has no {what}; keepalived does not start", instance.name);
            self.notes.push(Note::error(place.clone(), message).about(&instance.name));
        };
        if instance.router_id == 0 {
            refuse("virtual_router_id");
        }
        let in_vrf = instance.statement.block.iter().any(|one| one.word() == "vrf");
        if instance.interface.is_none() && !in_vrf {
            refuse("interface, and global_defs no default_interface");
        }
        let mut say = |message: String| self.notes.push(Note::warning(place.clone(), message));
        instance.master = self.master == Some(true) || self.master.is_none() && self.priority == Some(OWNER);
        instance.priority = self.priority.unwrap_or(if instance.master { OWNER } else { 100 });
        let name = &instance.name;
        if instance.nopreempt && self.master == Some(true) {
            say(format!("nopreempt does nothing in {name}, as its state is MASTER"));
            instance.nopreempt = false;
        } else if instance.nopreempt && instance.priority == OWNER {
            say(format!("nopreempt does nothing in {name}, as its priority is 255"));
            instance.nopreempt = false;
        }
        if instance.preempt_delay_us > 0 && (instance.master || instance.nopreempt) {
            let why = if instance.nopreempt { "nopreempt" } else { "state MASTER" };
            say(format!("preempt_delay does nothing in {name}, because of {why}"));
            instance.preempt_delay_us = 0;
        }
        if self.v6 == Some(true) {
            instance.version = Version::Three;
        }
        if let Some(advert) = self.advert {
            instance.advert_us = match instance.version {
                Version::Two => ((advert + 500_000) / 1_000_000 * 1_000_000).max(1_000_000),
                Version::Three => ((advert + 5_000) / 10_000 * 10_000).clamp(10_000, 40_950_000),
            };
            if instance.advert_us != advert {
                say(format!("advert_int of {name} is taken as {} ms", instance.advert_us / 1000));
            }
        }
        // What is not said follows global_defs, not the instance's own burst.
        let defaults = self.known.defaults;
        let delay = self.lower.0.or(defaults.garp_lower_prio_delay).unwrap_or(defaults.garp_delay);
        let repeat = self.lower.1.or(defaults.garp_lower_prio_repeat).unwrap_or(defaults.garp_repeat);
        (instance.garp.lower_prio_delay, instance.garp.lower_prio_repeat) = (delay, repeat);
        if instance.strict {
            (instance.garp.lower_prio_delay, instance.garp.lower_prio_repeat) = (0, 0);
            instance.lower_prio_no_advert = true;
            instance.higher_prio_send_advert = false;
            // Only an address's owner may take packets to it; version 3 lets others be told so.
            let told = self.accept.unwrap_or(false) && instance.version == Version::Three;
            instance.accept = told || instance.priority == OWNER;
        }
        instance.authentication = match (self.authentication.0.as_deref(), self.authentication.1.take()) {
            _ if instance.version == Version::Three || instance.strict => None,
            (Some("PASS"), Some(password)) => Some(Authentication::Pass(password.chars().take(PASSWORD_MAX).collect())),
            (Some("AH"), Some(password)) => Some(Authentication::Header(password.chars().take(PASSWORD_MAX).collect())),
            (Some(_), None) => {
                say(format!("{name} has no auth_pass; keepalived signs nothing"));
                None
            }
            _ => None,
        };
        let most = if self.v6 == Some(true) { ADVERTISED_MAX_V6 } else { ADVERTISED_MAX };
        if instance.addresses.len() > most {
            let rest = instance.addresses.split_off(most);
            instance.excluded.splice(0..0, rest);
        }
        let needs = instance.strict || instance.version == Version::Three;
        if needs && instance.addresses.is_empty() {
            let message = format!(
                "{} has no address in its adverts, and with VRRPv3, IPv6 or strict_mode it needs one; keepalived does not start",
                instance.name
            );
            self.notes.push(Note::error(instance.place.clone(), message).about(&instance.name));
        }
        self.vmac.v6 = self.v6 == Some(true);
        let wish = std::mem::take(&mut self.vmac);
        vmac::place(instance, wish, self.known.instances, self.known.defaults, self.notes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Files, Host, Model};

    fn read(text: &str) -> (Instance, Vec<String>) {
        let text = format!(
            "vrrp_script known {{\n script \"/bin/true x\"\n weight 2\n}}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 7\n{text}\n}}\n"
        );
        let model = Model::read(&Files::one("/k", text), &Host::default());
        (model.instances[0].clone(), model.notes.into_iter().map(|note| note.message).collect())
    }

    #[test]
    fn defaults_and_corrections() {
        let (instance, notes) = read("");
        assert_eq!((instance.priority, instance.master, instance.advert_us), (100, false, 1_000_000));
        assert!(notes.is_empty());
        let (instance, notes) = read(
            "state MASTER\nnopreempt\npreempt_delay 5\nadvert_int 0.3\nauthentication {\nauth_type PASS\nauth_pass 123456789\n}",
        );
        assert_eq!(
            (instance.priority, instance.nopreempt, instance.preempt_delay_us, instance.advert_us),
            (255, false, 0, 1_000_000)
        );
        assert_eq!(instance.authentication, Some(Authentication::Pass("12345678".into())));
        assert_eq!(notes.len(), 4, "{notes:?}");
        let (instance, notes) = read(
            "state backup\nversion 3\nvirtual_ipaddress {\n10.0.0.1\n}\nadvert_int 0.304\nauthentication {\nauth_type PASS\nauth_pass x\n}",
        );
        assert_eq!(
            (instance.advert_us, instance.authentication.is_none(), notes.len()),
            (300_000, true, 2),
            "{notes:?}"
        );
    }

    #[test]
    fn addresses_are_shown_as_keepalived_shows_them() {
        let (instance, notes) = read(
            "virtual_ipaddress {\n10.0.0.1\n10.0.0.2/24 brd 10.0.0.255 dev eth1 scope link label eth1:x no_track\n2001:db8::1/64\n10.0.0.300\n}\nvirtual_ipaddress_excluded {\n2001:db8::2\n}\nuse_vmac",
        );
        let shown: Vec<String> = instance.addresses.iter().chain(&instance.excluded).map(ToString::to_string).collect();
        let expected = [
            "10.0.0.1 dev vrrp.7@eth0 scope global",
            "10.0.0.2/24 brd 10.0.0.255 dev eth1 scope link label eth1:x no_track",
            "2001:db8::2 dev eth0 scope global deprecated",
        ];
        assert_eq!(shown, expected);
        assert_eq!(notes.len(), 2, "{notes:?}");
    }

    #[test]
    fn what_is_tracked_has_to_stand_above() {
        let (instance, notes) =
            read("track_script {\nknown weight -5\nunknown\n}\ntrack_interface {\neth1 weight 3 reverse\n}");
        assert_eq!(instance.tracked["track_script"].len(), 1);
        assert_eq!(instance.tracked["track_script"][0].weight, Some(-5));
        assert!(instance.tracked["track_interface"][0].reverse);
        assert!(notes[0].contains("never asked"), "{notes:?}");
    }

    /// Pairs of a line and what 2.2.7 itself has shown for it.
    #[test]
    fn lines_of_addresses_are_taken_as_by_keepalived() {
        let shown = |line: &str| {
            let (instance, _) = read(&format!("virtual_ipaddress {{\n{line}\n}}"));
            instance.addresses.first().map_or("skipped".to_owned(), ToString::to_string)
        };
        for (line, expected) in [
            ("10.1.0.1/33", "10.1.0.1 dev eth0 scope global"),
            ("10.1.0.1/abc", "10.1.0.1/0 dev eth0 scope global"),
            ("10.1.0.1/24/25", "10.1.0.1/24 dev eth0 scope global"),
            ("10.1.0.1/255.255.255.0", "10.1.0.1 dev eth0 scope global"),
            ("10.1.5.77/24 brd +", "10.1.5.77/24 brd 10.1.5.255 dev eth0 scope global"),
            ("10.1.5.77/30 brd -", "10.1.5.77/30 brd 10.1.5.76 dev eth0 scope global"),
            ("10.1.5.77/31 brd +", "10.1.5.77/31 dev eth0 scope global"),
            ("10.1.0.1/24 brd abc", "skipped"),
            ("10.1.0.1/24 dev", "skipped"),
            ("10.1.0.1/24 dev eth1 dev eth2", "skipped"),
            ("10.1.0.1/24 scope abc", "10.1.0.1/24 dev eth0 scope global"),
            ("10.1.0.1/24 label eth0:aaaaaaaaaaaaaaaa", "skipped"),
            ("10.1.0.1/24 peer 10.9.0.1", "10.1.0.1 dev eth0 scope global peer 10.9.0.1/32"),
            ("10.1.0.1/24 peer abc", "10.1.0.1/24 dev eth0 scope global"),
            ("2001:db8::1", "2001:db8::1 dev eth0 scope global deprecated"),
            ("2001:db8::1/64 scope link", "2001:db8::1/64 dev eth0 scope global preferred_lft forever"),
            ("2001:db8::1/64 preferred_lft 0", "2001:db8::1/64 dev eth0 scope global deprecated"),
            ("2001:db8::1/64 brd +", "skipped"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn numbers_and_switches_are_those_of_keepalived() {
        let (instance, notes) = read("garp_master_delay 86400\ngarp_master_repeat 0\ngarp_lower_prio_delay -1");
        assert_eq!((instance.garp.delay, instance.garp.repeat, instance.garp.lower_prio_delay), (5, 1, 5));
        assert_eq!(notes.len(), 3, "{notes:?}");
        let (instance, _) = read("skip_check_adv_addr off\nlower_prio_no_advert 1\nadvert_int 2.4");
        assert_eq!((instance.skip_check_adv_addr, instance.lower_prio_no_advert), (true, false));
        assert_eq!(instance.advert_us, 2_000_000);
        let (instance, _) = read("strict_mode\naccept\ngarp_lower_prio_delay 7\nvirtual_ipaddress {\n10.0.0.1\n}");
        assert_eq!((instance.accept, instance.garp.lower_prio_delay, instance.lower_prio_no_advert), (false, 0, true));
        let (instance, _) = read("strict_mode\npriority 255\nvirtual_ipaddress {\n10.0.0.1\n}");
        assert!(instance.accept, "an owner takes packets");
    }

    #[test]
    fn what_keepalived_does_not_start_with_is_an_error() {
        for text in ["priority", "native_ipv6\nvirtual_ipaddress {\n10.0.0.1\n}", "version 3"] {
            let text = format!("vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n{text}\n}}\n");
            assert!(Model::read(&Files::one("/k", text.as_str()), &Host::default()).has_errors(), "{text}");
        }
        for words in ["interface eth0", "virtual_router_id 7"] {
            let text = format!("vrrp_instance A {{\n{words}\n}}\n");
            assert!(Model::read(&Files::one("/k", text), &Host::default()).has_errors(), "{words} alone");
        }
    }
}
