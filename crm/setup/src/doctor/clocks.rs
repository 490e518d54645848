//! Clocks that agree. Corosync does not need it; logs, certificates and rules with dates do.

use corosync_conf::Severity;

use super::{Finding, Seen};

/// Beyond this, logs of two hosts cannot be laid beside each other.
const WARNING: u64 = 1_000;
/// Beyond this, the host keeps no time.
const ERROR: u64 = 10_000;

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for (host, about) in seen.known {
        let skew = about.clock.abs_diff(seen.now);
        if skew > WARNING {
            let severity = if skew > ERROR { Severity::Error } else { Severity::Warning };
            found.push(
                Finding::new("clocks", severity, format!("its clock differs by {} s", skew / 1000))
                    .on(host)
                    .because("compared with this host's when it answered, which took less than that")
                    .remedy("install and enable a time service there, such as chrony"),
            );
        } else if about.clock_kept == Some(false) {
            found.push(
                Finding::new("clocks", Severity::Warning, "no time service keeps its clock")
                    .on(host)
                    .because("`timedatectl` says NTPSynchronized=no")
                    .remedy("install and enable a time service there, such as chrony"),
            );
        }
    }
}
