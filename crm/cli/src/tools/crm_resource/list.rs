//! What `crm_resource` shows of resources: all with their state, where one runs, its operations, XML and constraints.

use std::collections::BTreeSet;

use cib::{Document, Element, date, view};
use policy::Cluster;
use policy::model::{NodeId, Role, RscFlags, RscId};

use super::super::report::Report;
use super::super::status::{self, Failure};
use super::Subject;
use crate::explain;
use crate::output::attributes::status_text;
use crate::output::list::List;
use crate::output::resources::{self, Show, printable_id};
use crate::output::xml;

const ALL: Show = Show { inactive: true, pending: true };

/// All resources with their state.
pub(super) fn all(report: &mut Report<'_>, subject: &Subject<'_>) -> Result<u8, Failure> {
    if let Some(tree) = report.xml() {
        xml::resources::write(tree, subject.cluster, true);
        return Ok(status::OK);
    }
    let mut list = List::new();
    resources::write_states(&mut list, subject.cluster, ALL);
    report.call.out.push_str(&list.take());
    Ok(status::OK)
}

/// The ids of all primitives, instance by instance.
pub(super) fn raw(report: &mut Report<'_>, cluster: &Cluster) -> Result<u8, Failure> {
    let mut names = Vec::new();
    cluster.top.iter().for_each(|top| primitives(cluster, *top, &mut names));
    names.retain(|id| !cluster.resource(*id).is(RscFlags::REMOVED) || cluster.resource(*id).role != Role::Stopped);
    if let Some(tree) = report.xml() {
        tree.begin("list", &[("name", "resource names"), ("count", &names.len().to_string())]);
        names.iter().for_each(|id| tree.item("resource", &cluster.resource(*id).id));
        tree.end();
    }
    names.iter().for_each(|id| report.line(&cluster.resource(*id).id));
    Ok(status::OK)
}

/// The primitives that a resource is made of.
pub(super) fn primitives(cluster: &Cluster, id: RscId, into: &mut Vec<RscId>) {
    let resource = cluster.resource(id);
    if resource.is_primitive() {
        into.push(id);
    }
    resource.children.iter().for_each(|child| primitives(cluster, *child, into));
}

/// Where a resource is active and in which role, once for each of its parts.
pub(super) fn places(cluster: &Cluster, id: RscId) -> Vec<(NodeId, Role)> {
    let resource = cluster.resource(id);
    if resource.is_primitive() {
        return resource.active.iter().map(|node| (*node, resource.role)).collect();
    }
    resource.children.iter().flat_map(|child| places(cluster, *child)).collect()
}

/// Where a resource runs.
pub(super) fn locate(report: &mut Report<'_>, subject: &Subject<'_>, id: RscId) -> Result<u8, Failure> {
    let mut found = places(subject.cluster, subject.whole(id));
    // Pacemaker names the place found last first.
    found.reverse();
    let name = subject.name().to_owned();
    if found.is_empty() && !report.is_xml() {
        report.call.complain(format!("resource {name} is NOT running"));
    }
    for (node, role) in &found {
        let node = &subject.cluster.node(*node).name;
        let promoted = if *role == Role::Promoted { " Promoted" } else { "" };
        match subject.options.quiet {
            true => report.line(node),
            // Agents and tools look for these words.
            false => report.line(format!("resource {name} is running on: {node}{promoted}")),
        }
    }
    if let Some(tree) = report.xml() {
        tree.begin("nodes", &[("resource", &name)]);
        for (node, role) in &found {
            let promoted = (*role == Role::Promoted).then_some(("state", "promoted"));
            let attributes: Vec<(&str, &str)> = promoted.into_iter().collect();
            tree.labelled("node", &attributes, &subject.cluster.node(*node).name);
        }
        tree.end();
    }
    Ok(status::OK)
}

/// A resource's XML, with what its template says if it is to be `expanded`.
pub(super) fn xml(report: &mut Report<'_>, subject: &Subject<'_>, id: RscId, expanded: bool) -> Result<u8, Failure> {
    let document = &subject.view.document;
    let element = subject.element(id)?;
    let text = match view::template(document, element).filter(|_| expanded) {
        Some(template) => with_template(document, element, template).to_xml(),
        None => document.element_to_xml(element),
    };
    if let Some(tree) = report.xml() {
        tree.begin("resource_config", &[]);
        xml::resources::write_one(tree, subject.cluster, id);
        tree.cdata("xml", &text);
        tree.end();
        return Ok(status::OK);
    }
    report.call.out.push_str(&resources::lines(subject.cluster, id, ALL));
    report.line("Resource XML:");
    report.call.out.push_str(&text);
    Ok(status::OK)
}

fn with_template(document: &Document, own: Element, template: Element) -> Document {
    let mut whole = Document::new(document.name(own));
    let root = whole.root();
    whole.set(root, "id", document.id(own));
    for (name, value) in document.attributes(template).chain(document.attributes(own)) {
        if !matches!(name, "id" | "template") {
            whole.set(root, name, value);
        }
    }
    let key = |operation: &Element| {
        let get = |name| document.attribute(*operation, name).unwrap_or("0").to_owned();
        (get("name"), cib::duration::interval_ms(Some(&get("interval"))))
    };
    let operations = |of: Element| {
        let lists = document.children_named(of, "operations");
        lists.flat_map(|list| document.children_named(list, "op")).collect::<Vec<_>>()
    };
    let (mine, theirs) = (operations(own), operations(template));
    let mut placed = false;
    for child in document.children(template).chain(document.children(own)) {
        if document.name(child) != "operations" {
            whole.graft(root, document, child);
            continue;
        }
        if std::mem::replace(&mut placed, true) {
            continue;
        }
        let list = whole.append(root, "operations");
        let kept = theirs.iter().filter(|operation| !mine.iter().any(|other| key(other) == key(operation)));
        for operation in kept.chain(&mine) {
            whole.graft(list, document, *operation);
        }
    }
    whole
}

/// One operation in the history.
struct Past<'d> {
    resource: RscId,
    node: String,
    document: &'d Document,
    entry: Element,
}

impl Past<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.document.attribute(self.entry, name)
    }

    fn call(&self) -> i64 {
        self.get("call-id").and_then(|call| call.parse().ok()).unwrap_or(0)
    }

    fn key(&self) -> &str {
        self.get("operation_key").unwrap_or_else(|| self.document.id(self.entry))
    }

    fn state(&self) -> &'static str {
        status_text(self.get("op-status").and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    fn at(&self) -> Option<String> {
        let at = self.get("last-rc-change")?.parse::<i64>().ok().filter(|at| *at > 0)?;
        Some(date::ctime(at))
    }
}

/// The operations in the history: of all, or of what is active since its last start.
pub(super) fn operations(report: &mut Report<'_>, subject: &Subject<'_>, all: bool) -> Result<u8, Failure> {
    let node = subject.node()?.map(|node| subject.cluster.node(node).name.clone());
    let wanted = subject.options.resource.as_deref();
    let document = &subject.view.document;
    let mut found = Vec::new();
    for state in document.descend(&["status"]).into_iter().flat_map(|list| document.children(list)) {
        let name = document.attribute(state, "uname").unwrap_or(document.id(state));
        if node.as_deref().is_some_and(|node| node != name) {
            continue;
        }
        for history in document.descendants(state).filter(|element| document.name(*element) == "lrm_resource") {
            let id = document.id(history);
            if wanted.is_some_and(|wanted| wanted != id) {
                continue;
            }
            let Ok(resource) = subject.find(id) else { continue };
            let entries = document.children_named(history, "lrm_rsc_op");
            let mut entries: Vec<Past<'_>> =
                entries.map(|entry| Past { resource, node: name.to_owned(), document, entry }).collect();
            entries.sort_by_key(Past::call);
            let from = if all { 0 } else { active_from(&entries) };
            found.extend(entries.into_iter().skip(from));
        }
    }
    if let Some(tree) = report.xml() {
        tree.begin("operations", &[]);
        for past in &found {
            let resource = subject.cluster.resource(past.resource);
            let provider = resource.provider.as_deref().unwrap_or_default();
            let agent = format!("{}:{provider}:{}", resource.class, resource.agent);
            let call = past.call().to_string();
            let at = past.at();
            let mut attributes = vec![
                ("op", past.key()),
                ("node", &past.node),
                ("call", &call),
                ("rc", past.get("rc-code").unwrap_or("0")),
                ("status", past.state()),
                ("rsc", printable_id(resource)),
                ("agent", &agent),
            ];
            if let Some(at) = &at {
                attributes.push(("last-rc-change", at));
                attributes.push(("exec-time", past.get("exec-time").unwrap_or("0")));
            }
            tree.leaf("operation", &attributes);
        }
        tree.end();
        return Ok(status::OK);
    }
    for past in &found {
        let state = resources::state(subject.cluster, past.resource, ALL);
        let rc = past.get("rc-code").unwrap_or("0");
        let when =
            past.at().map(|at| format!(", last-rc-change='{at}', exec={}ms", past.get("exec-time").unwrap_or("0")));
        report.line(format!(
            "{state}: {} (node={}, call={}, rc={rc}{}): {}",
            past.key(),
            past.node,
            past.call(),
            when.unwrap_or_default(),
            past.state()
        ));
    }
    Ok(status::OK)
}

/// Which entry is the first since the last start; all are before it when the last was a stop.
fn active_from(entries: &[Past<'_>]) -> usize {
    let (mut start, mut stop, mut by_role, mut by_monitor) = (None, None, None, None);
    for (index, past) in entries.iter().enumerate() {
        let good = past.get("rc-code") == Some("0");
        match past.get("operation").unwrap_or_default() {
            "stop" if past.get("op-status") == Some("0") => stop = Some(index),
            "start" | "migrate_from" => start = Some(index),
            "promote" | "demote" => by_role = Some(index),
            "monitor" if good || past.get("rc-code") == Some("8") => _ = by_monitor.get_or_insert(index),
            _ => {}
        }
    }
    // What is promoted or monitored must have been started, even if that is no longer known.
    match start.or(by_role).or(by_monitor) {
        Some(start) if stop.is_none_or(|stop| stop < start) => start,
        _ => entries.len(),
    }
}

/// One line of the constraints of a resource, and what it leads to.
struct Related {
    other: String,
    score: String,
    id: String,
}

/// The location and colocation constraints of a resource.
pub(super) fn constraints(
    report: &mut Report<'_>,
    subject: &Subject<'_>,
    id: RscId,
    recursive: bool,
) -> Result<u8, Failure> {
    let cluster = subject.cluster;
    let top = if subject.options.force { id } else { cluster.top_of(id, true) };
    let name = cluster.resource(top).xml_id.clone();
    let tell = Constraints { document: &subject.view.document, recursive };
    if let Some(tree) = report.xml() {
        tree.begin("constraints", &[]);
        let mut seen = BTreeSet::new();
        tell.write(tree, &name, &mut seen);
        tree.end();
        return Ok(status::OK);
    }
    let mut list = List::new();
    tell.locations(&mut list, &name);
    let mut seen = BTreeSet::from([name.clone()]);
    tell.colocated(&mut list, &name, true, &mut seen);
    let mut seen = BTreeSet::from([name.clone()]);
    tell.colocated(&mut list, &name, false, &mut seen);
    report.call.out.push_str(&list.take());
    Ok(status::OK)
}

struct Constraints<'d> {
    document: &'d Document,
    recursive: bool,
}

impl Constraints<'_> {
    fn all(&self, kind: &'static str) -> impl Iterator<Item = Element> + '_ {
        let list = self.document.descend(&["configuration", "constraints"]);
        list.into_iter().flat_map(move |list| self.document.children_named(list, kind))
    }

    fn get(&self, element: Element, name: &str) -> String {
        self.document.attribute(element, name).unwrap_or_default().to_owned()
    }

    /// The location constraints of a resource, by node.
    fn locations_of(&self, name: &str) -> Vec<Related> {
        let of = self.all("rsc_location").filter(|element| self.document.attribute(*element, "rsc") == Some(name));
        let mut found: Vec<Related> = of
            .map(|element| {
                let rule = self.document.child(element, "rule");
                let named = self.document.attribute(element, "node").map(str::to_owned);
                let in_rule = || {
                    let rule = rule?;
                    let about = self
                        .document
                        .children(rule)
                        .find(|expression| self.document.attribute(*expression, "attribute") == Some("#uname"))?;
                    Some(self.get(about, "value"))
                };
                let score = self.document.attribute(element, "score").map(str::to_owned);
                let score = score.or_else(|| Some(self.get(rule?, "score"))).unwrap_or_default();
                let other = named.or_else(in_rule).unwrap_or_default();
                Related { other, score, id: self.document.id(element).to_owned() }
            })
            .collect();
        // Pacemaker shows the one read last first.
        found.reverse();
        found
    }

    /// What is placed with it, or what it is placed with.
    fn colocations_of(&self, name: &str, with: bool) -> Vec<Related> {
        let (mine, theirs) = if with { ("rsc", "with-rsc") } else { ("with-rsc", "rsc") };
        let of = self.all("rsc_colocation").filter(|element| self.document.attribute(*element, mine) == Some(name));
        of.map(|element| Related {
            other: self.get(element, theirs),
            score: self.document.attribute(element, "score").unwrap_or("INFINITY").to_owned(),
            id: self.document.id(element).to_owned(),
        })
        .collect()
    }

    fn locations(&self, list: &mut List, name: &str) {
        let found = self.locations_of(name);
        if found.is_empty() {
            return;
        }
        list.begin("Locations");
        for Related { other, score, id } in found {
            list.item(&format!("Node {other} (score={score}, id={id}, rsc={name})"));
        }
        list.end();
    }

    fn colocated(&self, list: &mut List, name: &str, with: bool, seen: &mut BTreeSet<String>) {
        let found = self.colocations_of(name, with);
        if found.is_empty() {
            return;
        }
        let top = seen.len() == 1;
        if top {
            list.begin(&match with {
                true => format!("Resources {name} is colocated with"),
                false => format!("Resources colocated with {name}"),
            });
        }
        for Related { other, score, id } in found {
            list.item(&format!("{other} (score={score}, id={id})"));
            if self.recursive && seen.insert(other.clone()) {
                list.deeper();
                self.locations(list, &other);
                self.colocated(list, &other, with, seen);
                list.end();
            }
        }
        if top {
            list.end();
        }
    }

    fn write(&self, tree: &mut xml::Tree, name: &str, seen: &mut BTreeSet<String>) {
        if !seen.insert(name.to_owned()) {
            return;
        }
        for Related { other, score, id } in self.locations_of(name) {
            tree.leaf("rsc_location", &[("node", &other), ("rsc", name), ("id", &id), ("score", &score)]);
        }
        for with in [true, false] {
            for Related { other, score, id } in self.colocations_of(name, with) {
                let (rsc, with_rsc) = if with { (name, other.as_str()) } else { (other.as_str(), name) };
                tree.leaf("rsc_colocation", &[("id", &id), ("rsc", rsc), ("with-rsc", with_rsc), ("score", &score)]);
                if self.recursive {
                    self.write(tree, &other, seen);
                }
            }
        }
    }
}

/// Why resources are not running.
pub(super) fn why(report: &mut Report<'_>, subject: &Subject<'_>) -> Result<u8, Failure> {
    let cluster = subject.cluster;
    let node = subject.node()?;
    let ids = match &subject.options.resource {
        Some(name) => vec![subject.find(name)?],
        None => cluster.top.clone(),
    };
    let plan = subject.view.plan();
    for id in ids {
        let resource = cluster.resource(id);
        let name = printable_id(resource);
        let on = places(cluster, id);
        let running = on.iter().any(|(at, _)| node.is_none_or(|node| node == *at));
        let host = node.map(|node| format!(" on host {}", cluster.node(node).name)).unwrap_or_default();
        let reason = plan.cluster.find_resource(&resource.id).filter(|_| !running);
        let reason = reason.and_then(|planned| explain::why_stopped(&plan, planned));
        match running {
            true => report.line(format!("Resource {name} is running{host}")),
            false => report.line(format!("Resource {name} is not running{host}")),
        }
        if resource.meta("target-role").and_then(Role::parse) == Some(Role::Stopped) && !running {
            report.line(format!("Configuration specifies '{name}' should remain stopped"));
        } else if let Some(reason) = &reason {
            report.line(format!("  {reason}"));
        }
        if let Some(tree) = report.xml() {
            let mut attributes = vec![("id", name), ("running", xml::boolean(running))];
            attributes.extend(reason.as_deref().map(|reason| ("reason", reason)));
            tree.leaf("resource", &attributes);
        }
    }
    Ok(status::OK)
}
