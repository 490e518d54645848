//! The same versions everywhere.

use std::collections::BTreeSet;

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for (host, _) in seen.known.iter().filter(|(_, about)| about.corosync.is_none()) {
        found.push(
            Finding::new("versions", Severity::Error, "Corosync is not installed")
                .on(host)
                .because("`corosync -v` cannot be run")
                .remedy("apt-get install corosync"),
        );
    }
    let of = |what: fn(&wire::host::About) -> Option<&str>| {
        let versions: BTreeSet<&str> = seen.known.values().filter_map(what).collect();
        let line = |(host, about)| what(about).map(|version| format!("{host} {version}"));
        let list: Vec<String> = seen.known.iter().filter_map(line).collect();
        (versions.len() > 1).then(|| list.join(", "))
    };
    for (name, list) in
        [("Corosync", of(|about| about.corosync.as_deref())), ("Systole", of(|about| Some(about.systole.as_str())))]
    {
        if let Some(list) = list {
            found.push(
                Finding::new("versions", Severity::Warning, format!("{name} differs between the hosts"))
                    .because(list)
                    .remedy("upgrade one host after the other until all have the same; mixed versions are for the time in between"),
            );
        }
    }
}
