//! Fencing: configured, and proved. Without it a lost node's services are started nowhere, or a second time.

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let Some(configured) = seen.configured else { return };
    let by_watchdog = configured.watchdog_wait_ms.is_some_and(|wait| wait > 0);
    if !configured.fencing {
        found.push(
            Finding::new("fencing", Severity::Error, "fencing is switched off")
                .because("stonith-enabled is false: what ran on a lost node is started elsewhere while it may still run there")
                .remedy("configure a device, `pcs stonith create`, prove it, `systole stonith test NODE`, and switch it on: `pcs property set stonith-enabled=true`"),
        );
    } else if configured.devices.is_empty() && !by_watchdog {
        found.push(
            Finding::new("fencing", Severity::Error, "no fence device is configured")
                .because("without one no resource is started, and what ran on a lost node stays down")
                .remedy("configure one, `pcs stonith create`, and prove it, `systole stonith test NODE`; hosts with a watchdog can do without"),
        );
    }
    if configured.fencing && !configured.unproved.is_empty() {
        found.push(
            Finding::new(
                "fencing",
                Severity::Warning,
                format!("nobody has seen that {} cuts a node off", configured.unproved.join(", ")),
            )
            .because("no proof of it as it is configured now is on record")
            .remedy(
                "`systole stonith test NODE --yes` cuts a node off and looks whether it was: what runs there moves",
            ),
        );
    }
    for (node, reason) in &configured.held {
        found.push(
            Finding::new("fencing", Severity::Error, "its fencing is held")
                .on(node)
                .because(reason.clone())
                .remedy("look what is wrong, then `systole stonith release`"),
        );
    }
}
