//! Services that do not run, or not after the next boot.

use corosync_conf::Severity;
use wire::host::{Unit, UnitState};

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for unit in [Unit::Corosync, Unit::Systoled] {
        let state = |units: &Vec<UnitState>| units.iter().find(|state| state.unit == unit).cloned();
        let enabled = seen.known.values().filter_map(|about| state(&about.units)).filter(|state| state.enabled).count();
        for (host, about) in seen.known {
            let Some(state) = state(&about.units) else {
                found.push(
                    Finding::new("services", Severity::Error, format!("it has no {}", unit.name()))
                        .on(host)
                        .because("systemd does not know the unit")
                        .remedy("install the package"),
                );
                continue;
            };
            if !state.active {
                found.push(
                    Finding::new("services", Severity::Error, format!("{} does not run", unit.name()))
                        .on(host)
                        .because(format!("`systemctl is-active {}`", unit.name()))
                        .remedy("`systole cluster start NODE`; `journalctl -u` the unit says why it ended"),
                );
            }
            if !state.enabled && enabled > 0 {
                found.push(
                    Finding::new(
                        "services",
                        Severity::Warning,
                        format!("{} does not start at boot, and does on others", unit.name()),
                    )
                    .on(host)
                    .because(format!("`systemctl is-enabled {}`", unit.name()))
                    .remedy("`systole cluster enable NODE`, or `disable --all`"),
                );
            }
        }
    }
}
