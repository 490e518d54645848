//! What `global_defs` says for all instances.

use crate::model::{Version, switch};
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
            statements: Vec::new(),
        }
    }
}

impl Defaults {
    pub(super) fn take(&mut self, global: &Statement, notes: &mut Vec<Note>) {
        let mut for_vrrp = None;
        for one in &global.block {
            let text = || one.argument(1).map(str::to_owned);
            let number = |now: u32| one.argument(1).and_then(|text| text.parse().ok()).unwrap_or(now);
            let flag = |now: bool| switch(one).unwrap_or(now);
            match one.word() {
                "router_id" => self.router_id = text(),
                "default_interface" => self.interface = text(),
                "vrrp_version" => match one.argument(1) {
                    Some("2") => self.version = Version::Two,
                    Some("3") => self.version = Version::Three,
                    _ => notes.push(
                        Note::warning(one.place.clone(), "vrrp_version is 2 or 3; keepalived keeps 2")
                            .about("vrrp_version"),
                    ),
                },
                "smtp_alert" => self.smtp_alert = flag(self.smtp_alert),
                "smtp_alert_vrrp" => for_vrrp = switch(one),
                "vrrp_strict" => self.strict = flag(self.strict),
                "vrrp_skip_check_adv_addr" => self.skip_check_adv_addr = flag(self.skip_check_adv_addr),
                "vrrp_garp_master_delay" => self.garp_delay = number(self.garp_delay),
                "vrrp_garp_master_repeat" => self.garp_repeat = number(self.garp_repeat).max(1),
                "vrrp_garp_master_refresh" => self.garp_refresh = number(self.garp_refresh),
                "vrrp_garp_master_refresh_repeat" => self.garp_refresh_repeat = number(self.garp_refresh_repeat).max(1),
                "vrrp_garp_lower_prio_delay" => self.garp_lower_prio_delay = Some(number(0)),
                "vrrp_garp_lower_prio_repeat" => self.garp_lower_prio_repeat = Some(number(1)),
                "vrrp_lower_prio_no_advert" => self.lower_prio_no_advert = flag(self.lower_prio_no_advert),
                "vrrp_higher_prio_send_advert" => self.higher_prio_send_advert = flag(self.higher_prio_send_advert),
                "vrrp_min_garp" if flag(false) => {
                    self.garp_repeat = 1;
                    self.garp_delay = 0;
                    self.garp_lower_prio_delay = Some(0);
                    self.garp_lower_prio_repeat = Some(1);
                    self.garp_refresh = 0;
                    self.garp_refresh_repeat = 1;
                }
                _ => {}
            }
        }
        self.smtp_alert = for_vrrp.unwrap_or(self.smtp_alert);
        self.statements.extend(global.block.iter().cloned());
    }
}
