//! The state of the cluster as text, section by section.

use std::collections::BTreeMap;

use cib::date;
use policy::model::{NodeId, Resource, RscId};

use super::history::{self, Past};
use super::{
    Attributes, Bans, Counts, Dc, Failcounts, Failures, MaintenanceMode, Nodes, Operations, Picture, Resources,
    Section, Stack, Tickets, Times, concerns, is_about,
};
use crate::output::attributes::{FailedAction, failed_actions, of_nodes, status_text, write_attributes};
use crate::output::list::List;
use crate::output::nodes::{detailed_line, own_line, write_some};
use crate::output::resources::{self, Show, View, active_nodes, agent_text, hidden, is_active};

/// Writes all sections that are wanted, an empty line between them.
pub fn write(picture: &Picture<'_>) -> String {
    let sections: [fn(&Picture<'_>, &mut List); 9] =
        [summary, nodes, resources, not_run, attributes, operations, failures, tickets, bans];
    let texts = sections.iter().map(|section| {
        let mut list = List::new();
        section(picture, &mut list);
        list.take()
    });
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

fn name(picture: &Picture<'_>, node: NodeId) -> String {
    let node = picture.cluster.node(node);
    if picture.options.show_detail { format!("{} ({})", node.name, node.id) } else { node.name.clone() }
}

fn summary(picture: &Picture<'_>, list: &mut List) {
    let has = |section: Section| picture.wanted.has(section);
    if ![Stack, Dc, Times, Counts].into_iter().any(has) {
        return;
    }
    list.begin("Cluster Summary");
    if has(Stack) {
        list.item(&format!("Stack: {}", picture.stack()));
    }
    if has(Dc) {
        match picture.coordinator {
            None => list.item("Current DC: NONE"),
            Some(node) => {
                // Programs look for these words.
                let quorum = if picture.cluster.quorate { "with quorum" } else { "WITHOUT quorum" };
                list.item(&format!(
                    "Current DC: {} (version {}) - partition {quorum}",
                    name(picture, node),
                    picture.version()
                ));
            }
        }
    }
    if has(Times) {
        list.item(&format!("Last updated: {}", date::ctime(picture.now)));
        let by = ["update-user", "update-client", "update-origin"].map(|name| picture.attribute(name));
        let words = [("by", by[0]), ("via", by[1]), ("on", by[2])];
        let by: Vec<String> =
            words.iter().filter(|(_, who)| !who.is_empty()).map(|(word, who)| format!(" {word} {who}")).collect();
        list.item(&format!("Last change:  {}{}", picture.attribute("cib-last-written"), by.concat()));
    }
    if has(Counts) {
        let cluster = picture.cluster;
        let members = cluster.nodes.len();
        list.item(&format!("{members} node{} configured", if members == 1 { "" } else { "s" }));
        let mut special = Vec::new();
        if cluster.disabled > 0 {
            special.push(format!("{} DISABLED", cluster.disabled));
        }
        if cluster.blocked > 0 {
            special.push(format!("{} BLOCKED from further action due to failure", cluster.blocked));
        }
        let special = if special.is_empty() { String::new() } else { format!(" ({})", special.join(", ")) };
        let s = if cluster.instances == 1 { "" } else { "s" };
        list.item(&format!("{} resource instance{s} configured{special}", cluster.instances));
    }
    list.end();
    let options = &picture.cluster.options;
    if has(MaintenanceMode) && options.maintenance {
        list.plain("\n              *** Resource management is DISABLED ***");
        list.plain("  Nothing is started, stopped or recovered (maintenance-mode)");
    } else if has(MaintenanceMode) && options.stop_all {
        list.plain("\n    *** Resource management is DISABLED ***");
        list.plain("  All resources are kept stopped (stop-all-resources)");
    }
}

fn nodes(picture: &Picture<'_>, list: &mut List) {
    if !picture.wanted.has(Nodes) {
        return;
    }
    let cluster = picture.cluster;
    if !picture.options.group_by_node {
        return write_some(list, cluster, picture.options.show_detail, |id| picture.nodes.contains(&id));
    }
    if picture.nodes.is_empty() {
        return;
    }
    list.begin("Node List");
    for id in &picture.nodes {
        let node = cluster.node(*id);
        let line = if picture.options.show_detail { detailed_line(cluster, *id) } else { own_line(cluster, *id) };
        if picture.options.brief && node.running.is_empty() {
            continue;
        }
        list.begin(&line);
        list.begin("Resources");
        let here = node.running.iter().copied().filter(|id| below(picture, *id));
        if picture.options.brief {
            brief(picture, list, &here.collect::<Vec<_>>(), None);
        } else {
            let show = Show { inactive: picture.options.inactive, pending: true };
            here.for_each(|id| list.item(&resources::state(cluster, id, show)));
        }
        list.end();
        list.end();
    }
    list.end();
}

/// Whether a resource is part of one that is shown.
fn below(picture: &Picture<'_>, id: RscId) -> bool {
    picture.resources.contains(&picture.cluster.top_of(id, true))
}

fn resources(picture: &Picture<'_>, list: &mut List) {
    let options = picture.options;
    if !picture.wanted.has(Resources) || (options.group_by_node && !options.inactive) {
        return;
    }
    let cluster = picture.cluster;
    let show = Show { inactive: options.inactive, pending: true };
    let view = View { detail: options.show_detail, node: picture.only_node() };
    let no_node = options.node.is_some() && picture.nodes.is_empty();
    let (title, nothing) = match (options.group_by_node, options.inactive) {
        (true, _) => ("Inactive Resources", "No inactive resources"),
        (false, true) => ("Full List of Resources", "No resources"),
        (false, false) => ("Active Resources", "No active resources"),
    };
    let shown: Vec<RscId> = picture.resources.iter().copied().filter(|id| concerns(picture, *id)).collect();
    let shown: Vec<RscId> = match options.group_by_node {
        true => shown.into_iter().filter(|id| !is_active(cluster, *id, true)).collect(),
        false if no_node => Vec::new(),
        false => shown,
    };
    if !options.brief || options.group_by_node {
        return resources::write_view(list, cluster, show, view, title, &shown, nothing);
    }
    list.begin(title);
    let shown: Vec<RscId> = shown.into_iter().filter(|id| !hidden(cluster, *id)).collect();
    let alone: Vec<RscId> = shown.iter().copied().filter(|id| cluster.resource(*id).is_primitive()).collect();
    brief(picture, list, &alone, Some(options.inactive));
    for id in shown {
        let resource = cluster.resource(id);
        if resource.is_group() && (options.inactive || is_active(cluster, id, false)) {
            list.begin(&format!("Resource Group: {}", resource.id));
            brief(picture, list, &resource.children, Some(true));
            list.end();
        } else if !resource.is_primitive() {
            let mut inner = List::new();
            resources::write_view(&mut inner, cluster, show, view, "", &[id], "");
            // Without the line of the title that was not asked for; what is empty is not shown.
            for line in inner.take().lines().skip(1).filter(|line| line.trim() != "*") {
                list.plain(line);
            }
        }
    }
    list.end();
}

/// What the cluster leaves alone, though it is configured.
fn not_run(picture: &Picture<'_>, list: &mut List) {
    if !picture.wanted.has(Resources) || picture.not_run.is_empty() {
        return;
    }
    list.begin("Not Run By This Cluster");
    picture.not_run.iter().for_each(|sentence| list.item(sentence));
    list.end();
}

/// Primitives of one kind in one line: how many are active (of how many), and where.
fn brief(picture: &Picture<'_>, list: &mut List, of: &[RscId], counted: Option<bool>) {
    let cluster = picture.cluster;
    let mut kinds: BTreeMap<String, (usize, BTreeMap<NodeId, usize>)> = BTreeMap::new();
    for id in of {
        let (all, active) = kinds.entry(kind(cluster.resource(*id))).or_default();
        *all += 1;
        if let Some(node) = active_nodes(cluster, *id).first() {
            *active.entry(*node).or_default() += 1;
        }
    }
    for (kind, (all, active)) in kinds {
        let total = |count: usize| match counted {
            Some(true) => format!("{count}/{all}"),
            _ => count.to_string(),
        };
        for (node, count) in &active {
            // Below a node its name is not said again.
            let node = if counted.is_some() { cluster.node(*node).name.as_str() } else { "" };
            list.item(&format!("{}\t({kind}):\tActive {node}", total(*count)));
        }
        if active.is_empty() && counted == Some(true) {
            list.item(&format!("{}\t({kind}):\tActive", total(0)));
        }
    }
}

fn kind(resource: &Resource) -> String {
    match &resource.provider {
        Some(provider) => format!("{}:{provider}:{}", resource.class, resource.agent),
        None => format!("{}:{}", resource.class, resource.agent),
    }
}

fn attributes(picture: &Picture<'_>, list: &mut List) {
    if !picture.wanted.has(Attributes) {
        return;
    }
    let mut all = of_nodes(picture.cluster);
    all.retain(|(node, _)| picture.nodes.contains(node));
    if !all.is_empty() {
        write_attributes(list, all, |node| name(picture, node));
    }
}

fn operations(picture: &Picture<'_>, list: &mut List) {
    let (all, counts) = (picture.wanted.has(Operations), picture.wanted.has(Failcounts));
    if !all && !counts {
        return;
    }
    let mut any = false;
    for node in history::of(picture.document, picture.cluster) {
        let wanted = |resource: &&history::ResourceHistory<'_>| {
            (all || resource.failures.is_some()) && is_about(picture, node.node, resource.name)
        };
        let shown: Vec<_> = node.resources.iter().filter(wanted).collect();
        if shown.is_empty() {
            continue;
        }
        if !any {
            list.begin(if all { "Operations" } else { "Migration Summary" });
        }
        any = true;
        list.begin(&format!("Node: {}", name(picture, node.node)));
        for resource in shown {
            let mut line = format!("{}: migration-threshold={}", resource.name, resource.migration_threshold);
            line.extend(resource.fail_count().map(|count| format!(" fail-count={count}")));
            line.extend(resource.last_failure().map(|at| format!(" last-failure='{at}'")));
            if !all {
                list.item(&line);
                continue;
            }
            list.begin(&line);
            resource.operations.iter().for_each(|past| list.item(&operation(past, picture.options.timing_details)));
            list.end();
        }
        list.end();
    }
    if any {
        list.end();
    } else if counts && !all {
        list.begin("Migration Summary");
        list.end();
    }
}

fn operation(past: &Past<'_>, timing: bool) -> String {
    let mut more = String::new();
    more.extend(past.interval().map(|interval| format!(" interval=\"{interval}ms\"")));
    if timing {
        more.extend(past.at().map(|at| format!(" last-rc-change=\"{at}\"")));
        more.extend(past.get("exec-time").map(|time| format!(" exec-time=\"{time}ms\"")));
        more.extend(past.get("queue-time").map(|time| format!(" queue-time=\"{time}ms\"")));
        more.push_str(&format!(" rc={} ({})", past.rc(), agent_text(past.rc())));
    }
    let colon = if more.is_empty() { "" } else { ":" };
    format!("({}) {}{colon}{more}", past.call(), past.task())
}

fn failures(picture: &Picture<'_>, list: &mut List) {
    if !picture.wanted.has(Failures) {
        return;
    }
    let mut failed = failed_actions(picture.document, picture.cluster);
    failed.retain(|action| is_about(picture, action.operation.node, &action.operation.resource));
    if failed.is_empty() {
        return;
    }
    list.begin("Failed Resource Actions");
    for action in &failed {
        list.item(&if picture.options.show_detail { technical(action) } else { friendly(action) });
    }
    list.end();
}

fn friendly(action: &FailedAction<'_>) -> String {
    let operation = action.operation;
    let interval = match operation.interval_ms {
        0 => String::new(),
        ms => format!("{}-interval ", readable(u64::from(ms))),
    };
    let mut line = format!("{} {interval}{} on {}", operation.resource, operation.operation, action.node);
    let reason = action.said("exit-reason");
    if action.status == status_text(0) {
        line.push_str(&format!(" returned '{}'", agent_text(action.rc)));
        line.extend(reason.map(|reason| format!(" ({reason})")));
    } else {
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        line.push_str(&format!(" could not be executed ({}{reason})", action.status));
    }
    line.extend(action.at().map(|at| format!(" at {}", date::ctime(at))));
    let time = action.said("exec-time").and_then(|time| time.parse::<u64>().ok());
    line.extend(time.filter(|ms| *ms > 0).map(|ms| format!(" after {}", readable(ms))));
    line
}

/// A time in its largest units: `1h2m3.004s`, `20ms`.
fn readable(ms: u64) -> String {
    let (days, hours, minutes) = (ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60);
    let (seconds, rest) = (ms / 1000 % 60, ms % 1000);
    let mut text = String::new();
    for (count, unit) in [(days, "d"), (hours, "h"), (minutes, "m")] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    match (seconds, rest) {
        (0, 0) => {}
        (0, rest) if text.is_empty() => text.push_str(&format!("{rest}ms")),
        (seconds, 0) => text.push_str(&format!("{seconds}s")),
        (seconds, rest) => text.push_str(&format!("{seconds}.{rest:03}s")),
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn technical(action: &FailedAction<'_>) -> String {
    let call = action.said("call-id").unwrap_or("unknown");
    let mut line = format!(
        "{} on {} '{}' ({}): call={call}, status='{}'",
        action.key,
        action.node,
        agent_text(action.rc),
        action.rc,
        action.status
    );
    line.extend(action.said("exit-reason").map(|reason| format!(", exitreason='{reason}'")));
    line.extend(action.at().map(|at| format!(", last-rc-change='{}'", date::ctime(at))));
    for (name, attribute) in [("queued", "queue-time"), ("exec", "exec-time")] {
        line.extend(action.said(attribute).map(|value| format!(", {name}={value}ms")));
    }
    line
}

fn tickets(picture: &Picture<'_>, list: &mut List) {
    let tickets = history::tickets(picture.document);
    if !picture.wanted.has(Tickets) || tickets.is_empty() {
        return;
    }
    list.begin("Tickets");
    for ticket in tickets {
        let state = if ticket.granted { "granted" } else { "revoked" };
        let standby = if ticket.standby { " [standby]" } else { "" };
        let last = ticket.last_granted.map(|at| format!(" last-granted=\"{at}\"")).unwrap_or_default();
        list.item(&format!("{}: {state}{standby}{last}", ticket.id));
    }
    list.end();
}

fn bans(picture: &Picture<'_>, list: &mut List) {
    let bans = history::bans(picture.document, &picture.wanted.ban_prefix);
    if !picture.wanted.has(Bans) || bans.is_empty() {
        return;
    }
    list.begin("Negative Location Constraints");
    for ban in bans {
        let what = if ban.promoted { "being promoted" } else { "running" };
        list.item(&format!("{}\tprevents {} from {what} on {}", ban.id, ban.resource, ban.node));
    }
    list.end();
}

/// One line for monitoring systems.
pub fn simple(picture: &Picture<'_>) -> String {
    let cluster = picture.cluster;
    if picture.coordinator.is_none() {
        return "CLUSTER CRIT: No DC\n".to_owned();
    }
    let nodes = cluster.nodes_by_name.iter().map(|id| cluster.node(*id));
    let offline: Vec<String> =
        nodes.filter(|node| !node.online()).map(|node| format!("offline node: {}", node.name)).collect();
    if offline.is_empty() {
        let online = cluster.nodes.iter().filter(|node| node.online()).count();
        return format!("CLUSTER OK: {online} nodes online, {} resource instances configured\n", cluster.instances);
    }
    format!("CLUSTER WARN: {}\n", offline.join(", "))
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn times_are_told_in_their_largest_units() {
        let told: Vec<String> = [0, 20, 1000, 1500, 60_000, 3_723_004].into_iter().map(readable).collect();
        assert_eq!(told, ["0s", "20ms", "1s", "1.500s", "1m", "1h2m3.004s"]);
    }
}
