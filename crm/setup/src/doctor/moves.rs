//! What moves by hand left behind: a resource that was moved and not cleared stays where it is for ever, or never comes
//! back.

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for moved in seen.configured.into_iter().flat_map(|configured| &configured.moves) {
        let (severity, message) = match (moved.over, moved.ban) {
            (true, _) => {
                (Severity::Advice, format!("a move of {} by hand is over and still stands there", moved.resource))
            }
            (false, true) => (Severity::Warning, format!("{} may not run on {}", moved.resource, moved.node)),
            (false, false) => (Severity::Warning, format!("{} is bound to {}", moved.resource, moved.node)),
        };
        found.push(
            Finding::new("moves", severity, message)
                .because(format!("the constraint {}, which a move by hand makes", moved.constraint))
                .remedy(format!("`systole clear {}` when the move is over", moved.resource)),
        );
    }
}
