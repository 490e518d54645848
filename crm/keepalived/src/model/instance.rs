//! `vrrp_instance`: one virtual router, with keepalived's own corrections made.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::model::{Defaults, Script, VirtualAddress, address, micros, switch};
use crate::note::{Note, Place};
use crate::statement::Statement;

/// Addresses that one advert has room for; keepalived moves the others to the excluded ones.
const ADVERTISED_MAX: usize = 255;
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
}

pub(super) fn read(statement: &Statement, known: &Known<'_>, notes: &mut Vec<Note>) -> Instance {
    let defaults = known.defaults;
    let mut reader = Reader {
        known,
        notes,
        master: None,
        priority: None,
        vmac: None,
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
    vmac: Option<Option<String>>,
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
        let number = |now: u32| first.parse::<u32>().unwrap_or(now);
        let flag = |now: bool| switch(one).unwrap_or(now);
        match one.word() {
            "state" => self.state(one),
            "interface" if !first.is_empty() => instance.interface = Some(first.to_owned()),
            "use_vmac" => self.vmac = Some(one.argument(1).filter(|name| !name.contains(':')).map(str::to_owned)),
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
            "advert_int" => match micros(first) {
                Some(interval) => self.advert = Some(interval),
                None => self.warn(one, format!("advert_int {first} is no number of seconds; keepalived takes 1")),
            },
            "version" => match first {
                "2" => instance.version = Version::Two,
                "3" => instance.version = Version::Three,
                _ => self.warn(one, "version is 2 or 3; keepalived ignores it"),
            },
            "nopreempt" => instance.nopreempt = true,
            "preempt" => instance.nopreempt = false,
            "preempt_delay" => match micros(first).filter(|delay| *delay <= 1_000_000_000) {
                Some(delay) => instance.preempt_delay_us = delay,
                None => self
                    .warn(one, format!("preempt_delay {first} is not between 0 and 1000 seconds; keepalived takes 0")),
            },
            "accept" => instance.accept = true,
            "no_accept" => instance.accept = false,
            "strict_mode" => instance.strict = flag(true),
            "skip_check_adv_addr" => instance.skip_check_adv_addr = flag(true),
            "dont_track_primary" => instance.dont_track_primary = true,
            "promote_secondaries" => instance.promote_secondaries = true,
            "smtp_alert" => instance.smtp_alert = flag(true),
            "lower_prio_no_advert" => instance.lower_prio_no_advert = flag(true),
            "higher_prio_send_advert" => instance.higher_prio_send_advert = flag(true),
            "garp_master_delay" => instance.garp.delay = number(instance.garp.delay),
            "garp_master_repeat" => instance.garp.repeat = number(instance.garp.repeat).max(1),
            "garp_master_refresh" => instance.garp.refresh = number(instance.garp.refresh),
            "garp_master_refresh_repeat" => instance.garp.refresh_repeat = number(instance.garp.refresh_repeat).max(1),
            "garp_lower_prio_delay" => self.lower.0 = Some(number(0)),
            "garp_lower_prio_repeat" => self.lower.1 = Some(number(1)),
            "authentication" => self.authenticate(one),
            "mcast_src_ip" | "unicast_src_ip" => match first.parse() {
                Ok(source) => instance.source = Some(source),
                Err(_) => self.warn(one, format!("{first} is no address; keepalived ignores it")),
            },
            "unicast_peer" => {
                for line in &one.block {
                    match line.word().parse() {
                        Ok(peer) => instance.peers.push(peer),
                        Err(_) => self.warn(line, format!("{} is no address; keepalived skips the line", line.word())),
                    }
                }
            }
            "virtual_ipaddress" => instance.addresses.extend(self.addresses(one)),
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
            match line.word() {
                "auth_type" => self.authentication.0 = value,
                "auth_pass" => self.authentication.1 = value,
                _ => {}
            }
        }
    }

    fn addresses(&mut self, one: &Statement) -> Vec<VirtualAddress> {
        one.block.iter().filter_map(|line| address::read(line, self.notes)).collect()
    }

    fn track(&mut self, instance: &mut Instance, kind: &'static str, one: &Statement) {
        for line in &one.block {
            let name = line.word();
            let known = kind != "track_script" || self.known.scripts.iter().any(|script| script.name == name);
            if !known {
                let message = format!(
                    "there is no vrrp_script {name} above this line, so keepalived ignores it: it was never asked"
                );
                self.notes.push(Note::warning(line.place.clone(), message).about(name));
                continue;
            }
            let weight = line.words.iter().position(|word| word == "weight").and_then(|at| line.argument(at + 1));
            let reverse = line.words.iter().any(|word| word == "reverse");
            let tracked = Tracked {
                name: name.to_owned(),
                weight: weight.and_then(|weight| weight.parse().ok()),
                reverse,
                place: line.place.clone(),
            };
            instance.tracked.entry(kind).or_default().push(tracked);
        }
    }

    /// keepalived's own corrections.
    fn finish(&mut self, instance: &mut Instance) {
        let place = instance.place.clone();
        let mut say = |message: String| self.notes.push(Note::warning(place.clone(), message));
        instance.master = self.master == Some(true) || self.master.is_none() && self.priority == Some(OWNER);
        instance.priority = self.priority.unwrap_or(if instance.master { OWNER } else { 100 });
        let name = &instance.name;
        if instance.router_id == 0 {
            say(format!("{name} has no virtual_router_id; keepalived drops the instance"));
        }
        if instance.nopreempt && self.master == Some(true) {
            say(format!("nopreempt does nothing in {name}, as its state is MASTER"));
            instance.nopreempt = false;
        } else if instance.nopreempt && instance.priority == OWNER {
            say(format!("nopreempt does nothing in {name}, as its priority is 255"));
            instance.nopreempt = false;
        }
        if instance.preempt_delay_us > 0 && (self.master == Some(true) || instance.nopreempt) {
            let why = if instance.nopreempt { "nopreempt" } else { "state MASTER" };
            say(format!("preempt_delay does nothing in {name}, because of {why}"));
            instance.preempt_delay_us = 0;
        }
        if let Some(advert) = self.advert {
            instance.advert_us = match instance.version {
                Version::Two => (advert.div_ceil(1_000_000) * 1_000_000).clamp(1_000_000, 255_000_000),
                Version::Three => ((advert + 5_000) / 10_000 * 10_000).clamp(10_000, 40_950_000),
            };
            if instance.advert_us != advert {
                say(format!("advert_int of {name} is taken as {} ms", instance.advert_us / 1000));
            }
        }
        // What is not said follows global_defs, not the instance's own burst.
        let defaults = self.known.defaults;
        let quiet = defaults.strict.then_some(0);
        let (delay, repeat) = (defaults.garp_lower_prio_delay.or(quiet), defaults.garp_lower_prio_repeat.or(quiet));
        instance.garp.lower_prio_delay = self.lower.0.or(delay).unwrap_or(defaults.garp_delay);
        instance.garp.lower_prio_repeat = self.lower.1.or(repeat).unwrap_or(defaults.garp_repeat);
        instance.authentication = match (self.authentication.0.as_deref(), self.authentication.1.take()) {
            _ if instance.version == Version::Three || instance.strict => None,
            (Some("PASS"), Some(password)) => Some(Authentication::Pass(password.chars().take(PASSWORD_MAX).collect())),
            (Some("AH"), Some(password)) => Some(Authentication::Header(password.chars().take(PASSWORD_MAX).collect())),
            (Some(kind), _) if !matches!(kind, "PASS" | "AH") => {
                say(format!("auth_type {kind} of {name} is neither PASS nor AH; keepalived signs nothing"));
                None
            }
            (Some(_), None) => {
                say(format!("{name} has no auth_pass; keepalived signs nothing"));
                None
            }
            _ => None,
        };
        self.families(instance);
        if instance.addresses.len() > ADVERTISED_MAX {
            let rest = instance.addresses.split_off(ADVERTISED_MAX);
            instance.excluded.splice(0..0, rest);
        }
        self.devices(instance);
    }

    /// Addresses in adverts are of one family, the first one's.
    fn families(&mut self, instance: &mut Instance) {
        let Some(first) = instance.addresses.first() else { return };
        let v4 = first.ip.is_ipv4();
        let (same, other): (Vec<_>, Vec<_>) =
            instance.addresses.drain(..).partition(|address| address.ip.is_ipv4() == v4);
        instance.addresses = same;
        for address in other {
            let message = format!(
                "{} is not of the first address's family; keepalived skips it: put it among the excluded ones",
                address.ip
            );
            self.notes.push(Note::warning(address.place.clone(), message).about(&address.ip.to_string()));
        }
    }

    fn devices(&mut self, instance: &mut Instance) {
        let v6 = instance.addresses.first().is_some_and(|address| address.ip.is_ipv6());
        if let Some(named) = self.vmac.take() {
            let made = format!("vrrp{}.{}", if v6 { "6" } else { "" }, instance.router_id);
            let taken = |name: &String| self.known.instances.iter().any(|other| other.vmac.as_ref() == Some(name));
            instance.vmac = match named {
                Some(name) if taken(&name) => {
                    let message = format!(
                        "another instance has a virtual MAC interface {name}; keepalived calls this one {made}"
                    );
                    self.notes.push(Note::warning(instance.place.clone(), message).about(&name));
                    Some(made)
                }
                named => Some(named.unwrap_or(made)),
            };
        }
        let (own, below) = (instance.interface.clone(), instance.vmac.clone());
        for address in instance.addresses.iter_mut().chain(&mut instance.excluded) {
            match (&address.device, &below) {
                (None, Some(vmac)) => {
                    address.device = Some(vmac.clone());
                    address.below.clone_from(&own);
                }
                (None, None) => address.device.clone_from(&own),
                _ => {}
            }
        }
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
        assert_eq!(notes.len(), 3, "{notes:?}");
        let (instance, notes) =
            read("state backup\nversion 3\nadvert_int 0.304\nauthentication {\nauth_type PASS\nauth_pass x\n}");
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
            "2001:db8::2 dev vrrp.7@eth0 scope global",
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
}
