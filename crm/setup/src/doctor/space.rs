//! Room where the cluster writes: a node that cannot write its configuration cannot acknowledge one.

use corosync_conf::Severity;

use super::{Finding, Seen};

/// Free space below this, in percent, is a warning.
const WARNING: u8 = 10;
/// And below this an error.
const ERROR: u8 = 3;

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for (host, about) in seen.known {
        for (folder, free) in about.free.iter().filter(|(_, free)| *free < WARNING) {
            let severity = if *free < ERROR { Severity::Error } else { Severity::Warning };
            found.push(
                Finding::new("space", severity, format!("{folder} is {} % full", 100 - free))
                    .on(host)
                    .because("a node that cannot write the configuration to its disk acknowledges none")
                    .remedy("make room on that file system"),
            );
        }
    }
}
