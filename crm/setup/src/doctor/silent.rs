//! Hosts that say nothing, and hosts that call themselves something else.

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for (host, reason) in seen.silent {
        found.push(
            Finding::new("silent", Severity::Error, "its host agent does not answer")
                .on(host)
                .because(reason.clone())
                .remedy("see whether the host is on, and start systole-host-agent.service there"),
        );
    }
    for (host, about) in seen.known.iter().filter(|(host, about)| about.host != **host) {
        found.push(
            Finding::new("silent", Severity::Error, format!("the host calls itself {}", about.host))
                .on(host)
                .because("a node's name is what `uname -n` says on it")
                .remedy("`hostnamectl set-hostname` there, or set the cluster up with the host's name"),
        );
    }
}
