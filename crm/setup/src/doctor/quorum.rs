//! Who is missing, who has quorum, and what may still be lost.

use std::collections::BTreeSet;

use corosync_conf::votequorum::{Cluster, Rules};
use corosync_conf::{Model, Severity};

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let engines: Vec<_> = seen.known.iter().filter_map(|(host, about)| Some((host, about.engine.as_ref()?))).collect();
    for (host, _) in engines.iter().filter(|(_, engine)| !engine.quorate) {
        found.push(
            Finding::new("quorum", Severity::Error, "it has no quorum")
                .on(host)
                .because("without quorum nothing is started, and by the default what runs is stopped")
                .remedy("bring the missing nodes back; `systole quorum what-if` shows how many are needed"),
        );
    }
    let member = |name: &String| {
        engines
            .iter()
            .any(|(_, engine)| engine.nodes.iter().any(|node| node.member && node.name.as_ref() == Some(name)))
    };
    if engines.is_empty() {
        return;
    }
    let missing: Vec<String> = seen.nodes().into_iter().filter(|name| !member(name)).collect();
    if !missing.is_empty() {
        let (one, many) =
            (format!("{} is no member", missing.join(", ")), format!("{} are no members", missing.join(", ")));
        found.push(
            Finding::new("quorum", Severity::Error, if missing.len() == 1 { one } else { many })
                .because("no Corosync that answers counts it among its members")
                .remedy("start the cluster there: `systole cluster start NODE`"),
        );
    }
    margin(seen, &missing, found);
}

/// Whether one more loss stops the cluster.
fn margin(seen: &Seen<'_>, missing: &[String], found: &mut Vec<Finding>) {
    let model = Model::of(seen.conf);
    let Some(rules) = Rules::of(&model).filter(|rules| rules.votes.len() > 2) else { return };
    let id = |name: &String| {
        model.nodes.iter().find(|node| node.called() == *name).and_then(|node| Some(node.id.as_ref()?.value))
    };
    let lost: Vec<u32> = missing.iter().filter_map(id).collect();
    let mut now = Cluster::running(rules.clone());
    // One after the other, as last_man_standing counts.
    lost.iter().for_each(|node| now.lose(&[*node]));
    if now.quorate().is_empty() {
        return;
    }
    let stops = |node: &u32| {
        let mut then = now.clone();
        then.lose(&[*node]);
        then.quorate().is_empty()
    };
    let left: BTreeSet<u32> = now.up();
    let fatal: Vec<String> = left
        .iter()
        .filter(|node| stops(node))
        .filter_map(|node| model.nodes.iter().find(|one| one.id.as_ref().is_some_and(|id| id.value == *node)))
        .map(|node| node.called())
        .collect();
    if !fatal.is_empty() {
        found.push(
            Finding::new("quorum", Severity::Warning, "one more lost node stops the cluster")
                .because(format!("the loss of {} would leave the rest without quorum", fatal.join(" or ")))
                .remedy("bring the missing nodes back, or add a quorum device"),
        );
    }
}
