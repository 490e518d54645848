//! What is configured and not run: whoever counts on it finds out otherwise when it is needed.

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for sentence in seen.configured.iter().flat_map(|configured| &configured.not_run) {
        found.push(
            Finding::new("not_run", Severity::Warning, sentence.clone())
                .because("it stands in the configuration, and every plan leaves it out")
                .remedy("run it as a node of the cluster or as a plain resource, or take it out of the configuration"),
        );
    }
}
