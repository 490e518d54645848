//! Watchdogs: where they are relied on they have to be there, and a program is none.

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let relied = seen.configured.and_then(|configured| configured.watchdog_wait_ms).is_some_and(|wait| wait > 0);
    let some = seen.known.values().any(|about| about.watchdog.is_some());
    for (host, about) in seen.known {
        match about.watchdog.as_deref() {
            None if relied => found.push(
                Finding::new("watchdog", Severity::Error, "it has no watchdog, and one is relied on")
                    .on(host)
                    .because("stonith-watchdog-timeout is set: the others start its services when that time is over")
                    .remedy("`modprobe` the driver of its hardware there and load it at boot, or unset stonith-watchdog-timeout"),
            ),
            None if some => found.push(
                Finding::new("watchdog", Severity::Advice, "it has no watchdog, and others have")
                    .on(host)
                    .because("/sys/class/watchdog is empty there")
                    .remedy("load the driver of its hardware, so that the host resets itself when it hangs"),
            ),
            Some(identity) if relied && identity.to_ascii_lowercase().contains("software") => found.push(
                Finding::new("watchdog", Severity::Warning, "its watchdog is a program of its own kernel")
                    .on(host)
                    .because(format!("it calls itself {identity}: a kernel that hangs does not reset itself"))
                    .remedy("use the watchdog of the hardware"),
            ),
            _ => {}
        }
    }
}
