//! What `global_defs` says for all instances.

use crate::model::Version;
use crate::model::number::{SECONDS_MAX, count, number, set, switch};
use crate::note::Note;
use crate::statement::Statement;

/// Defaults of instances.
#[derive(Clone, PartialEq, Debug)]
pub struct Defaults {
    /// The host's name for itself.
    pub router_id: Option<String>,
    /// Interface of addresses that name none.
    pub interface: Option<String>,
    /// Version of the protocol.
    pub version: Version,
    /// Mail at transitions.
    pub smtp_alert: bool,
    /// Strict conformance: no authentication, no unicast.
    pub strict: bool,
    /// Addresses of adverts are not compared.
    pub skip_check_adv_addr: bool,
    /// Seconds before the second burst of gratuitous ARP.
    pub garp_delay: u32,
    /// Packets in a burst.
    pub garp_repeat: u32,
    /// Seconds between refreshing bursts; 0 is never.
    pub garp_refresh: u32,
    /// Packets in a refreshing burst.
    pub garp_refresh_repeat: u32,
    /// As `garp_delay`, after an advert of lower priority.
    pub garp_lower_prio_delay: Option<u32>,
    /// As `garp_repeat`, after an advert of lower priority.
    pub garp_lower_prio_repeat: Option<u32>,
    /// No advert in answer to one of lower priority.
    pub lower_prio_no_advert: bool,
    /// An advert in answer to one of higher priority.
    pub higher_prio_send_advert: bool,
    /// What the names of virtual MACs' interfaces begin with.
    pub vmac_prefix: String,
    /// The same, of those for single addresses.
    pub vmac_addr_prefix: Option<String>,
    /// All of it, for who needs more.
    pub statements: Vec<Statement>,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults {
            router_id: None,
            interface: None,
            version: Version::Two,
            smtp_alert: false,
            strict: false,
            skip_check_adv_addr: false,
            garp_delay: 5,
            garp_repeat: 5,
            garp_refresh: 0,
            garp_refresh_repeat: 1,
            garp_lower_prio_delay: None,
            garp_lower_prio_repeat: None,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            vmac_prefix: "vrrp".to_owned(),
            vmac_addr_prefix: None,
            statements: Vec::new(),
        }
    }
}

impl Defaults {
    pub(super) fn take(&mut self, global: &Statement, notes: &mut Vec<Note>) {
        let mut for_vrrp = None;
        let mut least = false;
        for one in &global.block {
            let text = || one.argument(1).map(str::to_owned);
            match one.word() {
                "router_id" => self.router_id = text(),
                "default_interface" => self.interface = text(),
                "vrrp_version" => match number(one, 2..=3, notes) {
                    Some(2) => self.version = Version::Two,
                    Some(_) => self.version = Version::Three,
                    None => {}
                },
                "vmac_prefix" => set(&mut self.vmac_prefix, text()),
                "vmac_addr_prefix" => self.vmac_addr_prefix = text(),
                "smtp_alert" => set(&mut self.smtp_alert, switch(one, notes)),
                "smtp_alert_vrrp" => for_vrrp = switch(one, notes).or(for_vrrp),
                // 2.2.7 takes whatever stands behind these two for on, `no` too.
                "vrrp_strict" => self.strict = true,
                "vrrp_skip_check_adv_addr" => self.skip_check_adv_addr = true,
                "vrrp_garp_master_delay" => set(&mut self.garp_delay, number(one, 0..=SECONDS_MAX, notes)),
                "vrrp_garp_master_repeat" => set(&mut self.garp_repeat, count(one, notes)),
                "vrrp_garp_master_refresh" => set(&mut self.garp_refresh, number(one, 0..=u32::MAX, notes)),
                "vrrp_garp_master_refresh_repeat" => set(&mut self.garp_refresh_repeat, count(one, notes)),
                "vrrp_garp_lower_prio_delay" => {
                    let delay = number(one, 0..=SECONDS_MAX, notes);
                    self.garp_lower_prio_delay = delay.or(self.garp_lower_prio_delay);
                }
                "vrrp_garp_lower_prio_repeat" => {
                    let repeat = number(one, 0..=u32::MAX, notes);
                    self.garp_lower_prio_repeat = repeat.or(self.garp_lower_prio_repeat);
                }
                "vrrp_lower_prio_no_advert" => set(&mut self.lower_prio_no_advert, switch(one, notes)),
                "vrrp_higher_prio_send_advert" => set(&mut self.higher_prio_send_advert, switch(one, notes)),
                "vrrp_min_garp" => set(&mut least, switch(one, notes)),
                _ => {}
            }
        }
        if least {
            self.announce_least(global);
        }
        self.smtp_alert = for_vrrp.unwrap_or(self.smtp_alert);
        self.statements.extend(global.block.iter().cloned());
    }

    /// `vrrp_min_garp`: what is not said is as little as can be.
    fn announce_least(&mut self, global: &Statement) {
        let said = |word: &str| global.block.iter().any(|one| one.word() == word);
        let least = [
            ("vrrp_garp_master_delay", &mut self.garp_delay, 0),
            ("vrrp_garp_master_repeat", &mut self.garp_repeat, 1),
            ("vrrp_garp_master_refresh", &mut self.garp_refresh, 0),
            ("vrrp_garp_master_refresh_repeat", &mut self.garp_refresh_repeat, 0),
        ];
        for (word, value, least) in least {
            if !said(word) {
                *value = least;
            }
        }
    }
}
