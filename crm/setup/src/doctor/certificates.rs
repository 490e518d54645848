//! Certificates that end: from then on a quorum device or a host agent is not believed any more.

use corosync_conf::Severity;

use super::{Finding, Seen};

/// A month is time enough to make new ones.
const WARNING: i64 = 30 * 86_400;

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let now = i64::try_from(seen.now / 1000).unwrap_or(i64::MAX);
    for (host, about) in seen.known {
        for (called, until) in &about.certificates {
            let left = until.saturating_sub(now);
            if left >= WARNING {
                continue;
            }
            let (severity, message) = match left {
                ..=0 => (Severity::Error, format!("{called} has ended")),
                _ => (Severity::Warning, format!("{called} ends in {} days", left / 86_400)),
            };
            let remedy = match called.contains("host agent") {
                true => {
                    "remove certificate.pem and key.pem in /var/lib/systole-host-agent there, start its host agent anew, and \
                     enroll the host anew: `systole host auth`"
                }
                false => "`systole quorum device remove`, then `add`: it makes new ones",
            };
            found.push(
                Finding::new("certificates", severity, message)
                    .on(host)
                    .because(format!("it holds until {until} s after 1970, and the time is {now}"))
                    .remedy(remedy),
            );
        }
    }
}
