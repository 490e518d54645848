//! The state of the cluster as XML: `<pacemaker-result>`, or the older `<crm_mon>`.

use std::ffi::OsString;

use cib::date;
use policy::model::{NoQuorumPolicy, RscId};

use super::history;
use super::{
    Attributes, Bans, Counts, Dc, Failcounts, Failures, Nodes, Operations, Picture, Resources, Section, Stack, Tickets,
    Times, concerns, is_about,
};
use crate::output::attributes::{failed_actions, of_nodes};
use crate::output::resources::{agent_text, is_active};
use crate::output::xml::{self, Api, Tree, boolean};

/// Writes all sections that are wanted.
pub fn write(picture: &Picture<'_>, arguments: &[OsString]) -> String {
    let old = picture.options.as_xml;
    let mut tree = match old {
        true => Tree::rooted("crm_mon", &[("version", "2.1.5")]),
        false => Tree::result_in(Api::Old, arguments),
    };
    let out = &mut tree;
    summary(picture, out);
    if picture.wanted.has(Nodes) {
        let is_shown = |id| picture.nodes.contains(&id);
        xml::nodes::write_some(out, picture.cluster, is_shown, |out, node| {
            if picture.options.group_by_node {
                let running = &picture.cluster.node(node).running;
                running.iter().for_each(|id| xml::resources::write_one(out, picture.cluster, *id));
            }
        });
    }
    if picture.wanted.has(Resources) {
        resources(picture, out);
    }
    if picture.wanted.has(Attributes) {
        attributes(picture, out);
    }
    if picture.wanted.has(Operations) || picture.wanted.has(Failcounts) {
        operations(picture, out);
    }
    if picture.wanted.has(Failures) {
        failures(picture, out);
    }
    if picture.wanted.has(Tickets) {
        tickets(picture, out);
    }
    if picture.wanted.has(Bans) {
        bans(picture, out);
    }
    match old {
        true => tree.close(),
        false => tree.finish(0, "OK", &[]),
    }
}

fn summary(picture: &Picture<'_>, tree: &mut Tree) {
    let has = |section: Section| picture.wanted.has(section);
    if ![Stack, Dc, Times, Counts, Section::Options].into_iter().any(has) {
        return;
    }
    let cluster = picture.cluster;
    tree.begin("summary", &[]);
    if has(Stack) {
        tree.leaf("stack", &[("type", picture.stack())]);
    }
    if has(Dc) {
        match picture.coordinator.map(|id| cluster.node(id)) {
            None => tree.leaf("current_dc", &[("present", "false")]),
            Some(node) => tree.leaf(
                "current_dc",
                &[
                    ("present", "true"),
                    ("version", picture.version()),
                    ("name", &node.name),
                    ("id", &node.id),
                    ("with_quorum", boolean(cluster.quorate)),
                    ("mixed_version", "false"),
                ],
            ),
        }
    }
    if has(Times) {
        tree.leaf("last_update", &[("time", &date::ctime(picture.now))]);
        let of = |name| picture.attribute(name);
        tree.leaf(
            "last_change",
            &[
                ("time", of("cib-last-written")),
                ("user", of("update-user")),
                ("client", of("update-client")),
                ("origin", of("update-origin")),
            ],
        );
    }
    if has(Counts) {
        tree.leaf("nodes_configured", &[("number", &cluster.nodes.len().to_string())]);
        let [instances, disabled, blocked] =
            [cluster.instances, cluster.disabled, cluster.blocked].map(|n| n.to_string());
        tree.leaf("resources_configured", &[("number", &instances), ("disabled", &disabled), ("blocked", &blocked)]);
    }
    if has(Section::Options) {
        let options = &cluster.options;
        let policy = match options.no_quorum_policy {
            NoQuorumPolicy::Stop => "stop",
            NoQuorumPolicy::Ignore => "ignore",
            NoQuorumPolicy::Freeze => "freeze",
            NoQuorumPolicy::Demote => "demote",
            NoQuorumPolicy::Fence => "suicide",
        };
        tree.leaf(
            "cluster_options",
            &[
                ("stonith-enabled", boolean(options.fencing_enabled)),
                ("symmetric-cluster", boolean(options.symmetric)),
                ("no-quorum-policy", policy),
                ("maintenance-mode", boolean(options.maintenance)),
                ("stop-all-resources", boolean(options.stop_all)),
                ("stonith-timeout-ms", &options.fencing_timeout_ms.to_string()),
                ("priority-fencing-delay-ms", &options.priority_fencing_delay_ms.to_string()),
            ],
        );
    }
    tree.end();
}

fn resources(picture: &Picture<'_>, tree: &mut Tree) {
    let options = picture.options;
    if options.group_by_node && !options.inactive {
        return;
    }
    let wanted =
        |id: &RscId| concerns(picture, *id) && (!options.group_by_node || !is_active(picture.cluster, *id, true));
    let shown: Vec<RscId> = picture.resources.iter().copied().filter(wanted).collect();
    xml::resources::write_some(tree, picture.cluster, true, &shown);
}

fn attributes(picture: &Picture<'_>, tree: &mut Tree) {
    let mut all = of_nodes(picture.cluster);
    all.retain(|(node, _)| picture.nodes.contains(node));
    if all.is_empty() {
        return;
    }
    tree.begin("node_attributes", &[]);
    for (node, attributes) in all {
        tree.begin("node", &[("name", &picture.cluster.node(node).name)]);
        attributes.iter().for_each(|(name, value)| tree.leaf("attribute", &[("name", name), ("value", value)]));
        tree.end();
    }
    tree.end();
}

fn operations(picture: &Picture<'_>, tree: &mut Tree) {
    let mut all = history::of(picture.document, picture.cluster);
    for node in &mut all {
        node.resources.retain(|resource| is_about(picture, node.node, resource.name));
    }
    all.retain(|node| !node.resources.is_empty());
    if all.is_empty() {
        return;
    }
    tree.begin("node_history", &[]);
    for node in all {
        tree.begin("node", &[("name", &picture.cluster.node(node.node).name)]);
        for resource in &node.resources {
            let threshold = resource.migration_threshold.to_string();
            let (count, last) = (resource.fail_count(), resource.last_failure());
            let mut attributes = vec![
                ("id", resource.name),
                ("orphan", boolean(resource.removed)),
                ("migration-threshold", threshold.as_str()),
            ];
            attributes.extend(count.as_deref().map(|count| ("fail-count", count)));
            attributes.extend(last.as_deref().map(|last| ("last-failure", last)));
            tree.begin("resource_history", &attributes);
            for past in resource.operations.iter().filter(|_| picture.wanted.has(Operations)) {
                let (call, rc) = (past.call().to_string(), past.rc().to_string());
                let interval = past.interval().map(|interval| format!("{interval}ms"));
                let at = past.at();
                let time = |name| past.get(name).map(|time| format!("{time}ms"));
                let (exec, queue) = (time("exec-time"), time("queue-time"));
                let mut attributes = vec![
                    ("call", call.as_str()),
                    ("task", past.task()),
                    ("rc", &rc),
                    ("rc_text", agent_text(past.rc())),
                ];
                let more =
                    [("interval", &interval), ("last-rc-change", &at), ("exec-time", &exec), ("queue-time", &queue)];
                attributes.extend(more.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
                tree.leaf("operation_history", &attributes);
            }
            tree.end();
        }
        tree.end();
    }
    tree.end();
}

fn failures(picture: &Picture<'_>, tree: &mut Tree) {
    let mut failed = failed_actions(picture.document, picture.cluster);
    failed.retain(|action| is_about(picture, action.operation.node, &action.operation.resource));
    if failed.is_empty() {
        return;
    }
    tree.begin("failures", &[]);
    for action in &failed {
        let (rc, interval) = (action.rc.to_string(), action.operation.interval_ms.to_string());
        let at = action.at().map(date::format);
        let mut attributes = vec![
            ("op_key", action.key.as_str()),
            ("node", action.node),
            ("exitstatus", agent_text(action.rc)),
            ("exitreason", action.said("exit-reason").unwrap_or_default()),
            ("exitcode", &rc),
            ("call", action.said("call-id").unwrap_or("0")),
            ("status", action.status),
        ];
        if let Some(at) = &at {
            attributes.extend([
                ("last-rc-change", at.as_str()),
                ("queued", action.said("queue-time").unwrap_or("0")),
                ("exec", action.said("exec-time").unwrap_or("0")),
                ("interval", &interval),
                ("task", &action.operation.operation),
            ]);
        }
        tree.leaf("failure", &attributes);
    }
    tree.end();
}

fn tickets(picture: &Picture<'_>, tree: &mut Tree) {
    let tickets = history::tickets(picture.document);
    if tickets.is_empty() {
        return;
    }
    tree.begin("tickets", &[]);
    for ticket in tickets {
        let mut attributes = vec![
            ("id", ticket.id),
            ("status", if ticket.granted { "granted" } else { "revoked" }),
            ("standby", boolean(ticket.standby)),
        ];
        attributes.extend(ticket.last_granted.as_deref().map(|at| ("last-granted", at)));
        tree.leaf("ticket", &attributes);
    }
    tree.end();
}

fn bans(picture: &Picture<'_>, tree: &mut Tree) {
    let bans = history::bans(picture.document, &picture.wanted.ban_prefix);
    if bans.is_empty() {
        return;
    }
    tree.begin("bans", &[]);
    for ban in bans {
        let (weight, promoted) = (ban.score.to_string(), boolean(ban.promoted));
        let attributes = [
            ("id", ban.id),
            ("resource", ban.resource),
            ("node", ban.node),
            ("weight", &weight),
            ("promoted-only", promoted),
            ("master_only", promoted),
        ];
        tree.leaf("ban", &attributes);
    }
    tree.end();
}
