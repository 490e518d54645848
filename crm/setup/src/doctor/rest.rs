//! Operations that ended half-way.

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for (host, about) in seen.known {
        let Some(pending) = &about.pending else { continue };
        let state = if pending.active { "its files are in force" } else { "its files are laid, not in force" };
        found.push(
            Finding::new(
                "rest",
                Severity::Warning,
                format!("operation {} is neither settled nor undone", pending.operation),
            )
            .on(host)
            .because(state)
            .remedy("run `systole cluster config show`: every cluster command finishes or takes back what is left"),
        );
    }
}
