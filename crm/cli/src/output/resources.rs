//! The list of resources as text: each primitive with its state and node, groups and clones with what they hold.

use outline::current_node;
use policy::Cluster;
use policy::model::{NodeFlags, NodeId, Resource, Role, RscFlags, RscId, RscKind};

use super::list::{Lazy, List};

/// What to show beyond what runs.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    /// What is stopped as well.
    pub inactive: bool,
    /// Operations under way.
    pub pending: bool,
}

/// Writes the list of all top-level resources.
pub fn write(list: &mut List, cluster: &Cluster, show: Show) {
    list.begin(if show.inactive { "Full List of Resources" } else { "Active Resources" });
    let mut nothing = true;
    for id in &cluster.top {
        if hidden(cluster, *id) || (!show.inactive && !is_active(cluster, *id, false)) {
            continue;
        }
        nothing &= !Writer { cluster, show, nodes: true, view: View::default() }.resource(list, *id);
    }
    if nothing {
        list.item(if show.inactive { "No resources" } else { "No active resources" });
    }
    list.end();
}

/// What of the resources is to be shown, and how closely.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// Each instance of a clone on a line of its own.
    pub detail: bool,
    /// What is active on this node only, and what is active nowhere.
    pub node: Option<NodeId>,
}

/// Writes some of the top-level resources under a title; `nothing` when there are none.
pub fn write_view(
    list: &mut List,
    cluster: &Cluster,
    show: Show,
    view: View,
    title: &str,
    shown: &[RscId],
    nothing: &str,
) {
    let writer = Writer { cluster, show, nodes: true, view };
    list.begin(title);
    let mut none = true;
    for id in shown {
        let hidden = hidden(cluster, *id) || (!show.inactive && !is_active(cluster, *id, false));
        if !hidden && !writer.elsewhere(*id) {
            none &= !writer.resource(list, *id);
        }
    }
    if none {
        list.item(nothing);
    }
    list.end();
}

/// Writes the list of all top-level resources with their states alone, without the nodes of primitives.
pub fn write_states(list: &mut List, cluster: &Cluster, show: Show) {
    let writer = Writer { cluster, show, nodes: false, view: View::default() };
    list.begin("Full List of Resources");
    let shown = cluster.top.iter().filter(|id| !hidden(cluster, **id));
    let mut nothing = true;
    shown.for_each(|id| nothing &= !writer.resource(list, *id));
    if nothing {
        list.item("No resources");
    }
    list.end();
}

/// The state of a primitive in one line, without its node.
pub fn state(cluster: &Cluster, id: RscId, show: Show) -> String {
    Writer { cluster, show, nodes: false, view: View::default() }.line(id, printable_id(cluster.resource(id)), None)
}

/// The state of each primitive that a resource is made of, a line each.
pub fn lines(cluster: &Cluster, id: RscId, show: Show) -> String {
    let resource = cluster.resource(id);
    if resource.is_primitive() {
        let writer = Writer { cluster, show, nodes: true, view: View::default() };
        return writer.line(id, printable_id(resource), current_node(cluster, id)) + "\n";
    }
    resource.children.iter().map(|child| lines(cluster, *child, show)).collect()
}

/// Whether nothing is to be said of a resource: it was removed, and is gone.
pub fn hidden(cluster: &Cluster, id: RscId) -> bool {
    cluster.resource(id).is(RscFlags::REMOVED) && !is_active(cluster, id, true)
}

/// Whether a resource is active: all of its parts, or any.
pub fn is_active(cluster: &Cluster, id: RscId, all: bool) -> bool {
    let resource = cluster.resource(id);
    match &resource.kind {
        RscKind::Primitive => resource.active.iter().any(|node| {
            let node = cluster.node(*node);
            node.unclean() || node.online() || !resource.is(RscFlags::MANAGED)
        }),
        RscKind::Group { .. } => {
            let mut any = false;
            let mut every = true;
            for child in &resource.children {
                match is_active(cluster, *child, all) {
                    true => any = true,
                    false => every = false,
                }
            }
            any && (!all || every)
        }
        RscKind::Clone(_) | RscKind::Bundle(_) => match all {
            true => resource.children.iter().all(|child| is_active(cluster, *child, all)),
            false => resource.children.iter().any(|child| is_active(cluster, *child, all)),
        },
    }
}

/// Nodes where any part of a resource is active.
pub fn active_nodes(cluster: &Cluster, id: RscId) -> Vec<NodeId> {
    let resource = cluster.resource(id);
    if resource.children.is_empty() {
        return resource.active.clone();
    }
    let mut nodes = Vec::new();
    for child in &resource.children {
        for node in active_nodes(cluster, *child) {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
    }
    nodes
}

/// The name operators know a resource by: without instance number for anonymous instances.
pub fn printable_id(resource: &Resource) -> &str {
    if resource.is(RscFlags::UNIQUE) { &resource.id } else { &resource.xml_id }
}

/// The role of a primitive as operators see it; of what is under way, where `pending` asks for it, how it will change.
pub fn displayed_state(cluster: &Cluster, id: RscId, pending: bool) -> &'static str {
    let resource = cluster.resource(id);
    let pending = resource.pending_action.as_deref().filter(|_| pending).and_then(pending_state);
    pending.unwrap_or_else(|| displayed_role(cluster, id).text())
}

/// The role of a primitive: what a promotable clone starts is unpromoted.
fn displayed_role(cluster: &Cluster, id: RscId) -> Role {
    let top = cluster.resource(cluster.top_of(id, false));
    match cluster.resource(id).role {
        Role::Started if top.is(RscFlags::PROMOTABLE) => Role::Unpromoted,
        role => role,
    }
}

/// An operation under way that leaves the state as it is, in the word for it.
pub fn pending_operation(resource: &Resource, pending: bool) -> Option<&'static str> {
    (pending && resource.pending_action.as_deref() == Some("monitor")).then_some("Monitoring")
}

/// The `target-role` of a clone as written, or of its instances.
pub fn configured_role<'a>(cluster: &'a Cluster, clone: &'a Resource) -> Option<&'a str> {
    let of_instance = || cluster.resource(*clone.children.first()?).meta("target-role");
    clone.meta("target-role").or_else(of_instance)
}

/// What an agent's exit status means, in the words of Pacemaker 2.1.5's displays.
pub fn agent_text(code: i32) -> &'static str {
    match code {
        0 => "ok",
        1 => "error",
        2 => "invalid parameter",
        3 => "unimplemented feature",
        4 => "insufficient privileges",
        5 => "not installed",
        6 => "not configured",
        7 => "not running",
        8 => "promoted",
        9 => "promoted (failed)",
        190 => "OCF_DEGRADED",
        191 => "promoted (degraded)",
        _ => "unknown",
    }
}

/// What an agent's exit status means, in words.
pub fn exit_text(code: i32) -> &'static str {
    match code {
        0 => "OK",
        1 => "Error occurred",
        2 => "Invalid parameter",
        3 => "Unimplemented",
        4 => "Insufficient privileges",
        5 => "Not installed",
        6 => "Not configured",
        7 => "Not running",
        8 => "Promoted",
        9 => "Failed in promoted role",
        124 => "Timeout occurred",
        190 => "Service is active but might fail soon",
        191 => "Service is promoted but might fail soon",
        193 => "No exit status available",
        _ => "Unknown exit status",
    }
}

struct Writer<'a> {
    cluster: &'a Cluster,
    show: Show,
    /// Say where a primitive is.
    nodes: bool,
    view: View,
}

impl Writer<'_> {
    /// Whether it is active, but not on the node that is looked at.
    fn elsewhere(&self, id: RscId) -> bool {
        let Some(node) = self.view.node else { return false };
        let on = active_nodes(self.cluster, id);
        !on.is_empty() && !on.contains(&node)
    }

    /// Writes one resource; false if there was nothing to say.
    fn resource(&self, list: &mut List, id: RscId) -> bool {
        let resource = self.cluster.resource(id);
        match &resource.kind {
            RscKind::Primitive => self.primitive(list, id),
            RscKind::Group { .. } => self.group(list, id),
            RscKind::Clone(_) => self.clone_set(list, id),
            RscKind::Bundle(_) => self.bundle(list, id),
        }
    }

    fn primitive(&self, list: &mut List, id: RscId) -> bool {
        let resource = self.cluster.resource(id);
        if resource.meta("internal_rsc").is_some_and(cib_true) {
            return false;
        }
        // What is nowhere yet is where an operation on it is under way.
        let node = current_node(self.cluster, id).or(resource.pending_node);
        list.item(&self.line(id, printable_id(resource), node));
        true
    }

    fn group(&self, list: &mut List, id: RscId) -> bool {
        let resource = self.cluster.resource(id);
        let mut attributes = Vec::new();
        if !self.show.inactive && !is_active(self.cluster, id, true) && is_active(self.cluster, id, false) {
            let count = resource.children.iter().filter(|child| !is_active(self.cluster, **child, true)).count();
            attributes.push(format!("{count} member{} inactive", if count == 1 { "" } else { "s" }));
        }
        attributes.extend(self.attributes(id).into_iter().map(str::to_owned));
        let mut section = Lazy::new(format!("Resource Group: {}{}", resource.id, in_brackets(&attributes)));
        for child in &resource.children {
            if (self.show.inactive || is_active(self.cluster, *child, false)) && !self.elsewhere(*child) {
                section.open(list);
                self.resource(list, *child);
            }
        }
        let written = section.is_open();
        section.close(list);
        written
    }

    fn clone_set(&self, list: &mut List, id: RscId) -> bool {
        let clone = self.cluster.resource(id);
        let mut attributes: Vec<&str> = Vec::new();
        if clone.is(RscFlags::PROMOTABLE) {
            attributes.push("promotable");
        }
        if clone.is(RscFlags::UNIQUE) {
            attributes.push("unique");
        }
        attributes.extend(self.attributes(id));
        let child = self.cloned_id(clone);
        let mut section = Lazy::new(format!("Clone Set: {} [{child}]{}", clone.id, in_brackets(&attributes)));

        let mut promoted = Vec::new();
        let mut started = Vec::new();
        let mut stopped_instances = Vec::new();
        for instance in clone.children.iter().filter(|instance| !self.elsewhere(**instance)) {
            match self.part_of(clone, *instance) {
                Part::Alone => {
                    section.open(list);
                    self.resource(list, *instance);
                }
                Part::Promoted(node) => promoted.push(node),
                Part::Started(node) => started.push(node),
                Part::Stopped => stopped_instances.push(self.cluster.resource(*instance).id.as_str()),
                Part::Nothing => {}
            }
        }
        let active = promoted.len() + started.len();
        if !promoted.is_empty() {
            section.open(list);
            list.item(&format!("Promoted: [ {} ]", self.sorted_names(promoted).join(" ")));
        }
        if !started.is_empty() {
            let title = match (clone.is(RscFlags::PROMOTABLE), self.configured_role(clone)) {
                (true, Some(Role::Unpromoted)) => "Unpromoted (target-role)",
                (true, _) => "Unpromoted",
                (false, _) => "Started",
            };
            section.open(list);
            list.item(&format!("{title}: [ {} ]", self.sorted_names(started).join(" ")));
        }
        if self.show.inactive && !self.view.detail && self.view.node.is_none() {
            self.stopped_part(list, &mut section, id, active, stopped_instances);
        }
        let written = section.is_open();
        section.close(list);
        written
    }

    fn bundle(&self, list: &mut List, id: RscId) -> bool {
        let bundle = self.cluster.resource(id);
        let Some(data) = bundle.bundle_data() else { return false };
        let set = if data.replicas.len() > 1 { " set" } else { "" };
        let unique = if bundle.is(RscFlags::UNIQUE) { " (unique)" } else { "" };
        let managed = match (bundle.is(RscFlags::MAINTENANCE), bundle.is(RscFlags::MANAGED)) {
            (true, _) => " (maintenance)",
            (false, false) => " (unmanaged)",
            (false, true) => "",
        };
        let title = format!("Container bundle{set}: {} [{}]{unique}{managed}", bundle.id, data.image);
        let mut section = Lazy::new(title);
        for replica in &data.replicas {
            section.open(list);
            // A replica goes by the name of its node, or of its container if nothing runs in it.
            let name = printable_id(self.cluster.resource(replica.connection.unwrap_or(replica.container)));
            let address = replica.address.as_ref().map(|address| format!(" ({address})")).unwrap_or_default();
            let shown = replica.child.unwrap_or(replica.container);
            let host = current_node(self.cluster, replica.container);
            list.item(&self.line(shown, &format!("{name}{address}"), host));
        }
        let written = section.is_open();
        section.close(list);
        written
    }

    /// What is stopped: by node when instances are alike, else by instance.
    fn stopped_part(&self, list: &mut List, section: &mut Lazy, id: RscId, active: usize, instances: Vec<&str>) {
        let clone = self.cluster.resource(id);
        let max = clone.clone_data().map_or(0, |data| data.max as usize);
        let mut stopped: Vec<(String, &str)> = Vec::new();
        if clone.is(RscFlags::UNIQUE) || max <= active {
            stopped.extend(instances.into_iter().map(|name| ("Stopped".to_owned(), name)));
        } else {
            let active_on = active_nodes(self.cluster, id);
            for node in self.known_nodes(clone) {
                if active_on.contains(&node) {
                    continue;
                }
                let state = match (self.failed_probe(id, Some(node)), self.configured_role(clone)) {
                    (Some(code), _) => format!("Stopped ({})", exit_text(code)),
                    (None, Some(Role::Stopped)) => "Stopped (disabled)".to_owned(),
                    (None, _) => "Stopped".to_owned(),
                };
                stopped.push((state, &self.cluster.node(node).name));
            }
        }
        if stopped.is_empty() {
            // A clone without any instance still has its title.
            if active == 0 {
                section.open(list);
            }
            return;
        }
        // A stable sort: within one state the order of the nodes' names stays.
        stopped.sort_by(|a, b| a.0.cmp(&b.0));
        section.open(list);
        for group in stopped.chunk_by(|a, b| a.0 == b.0) {
            let names: Vec<&str> = group.iter().map(|(_, name)| *name).collect();
            list.item(&format!("{}: [ {} ]", group[0].0, names.join(" ")));
        }
    }

    /// Nodes a clone may run on, by name; in an asymmetric cluster that is not known before planning, so those where
    /// it was probed.
    fn known_nodes(&self, clone: &Resource) -> Vec<NodeId> {
        let mut nodes = clone.allowed.nodes();
        if nodes.is_empty() {
            nodes.clone_from(&clone.probed);
        }
        self.sort_nodes(&mut nodes);
        nodes
    }

    fn part_of(&self, clone: &Resource, id: RscId) -> Part {
        let cluster = self.cluster;
        let instance = cluster.resource(id);
        let partly_active = is_active(cluster, id, false);
        if self.view.detail {
            let hidden = !partly_active && (!self.show.inactive || instance.is(RscFlags::REMOVED));
            return if hidden { Part::Nothing } else { Part::Alone };
        }
        if clone.is(RscFlags::UNIQUE) {
            let hidden = !partly_active && clone.is(RscFlags::REMOVED);
            return match (hidden, partly_active) {
                (false, _) => Part::Alone,
                (true, _) => Part::Nothing,
            };
        }
        let under_way = instance.pending_action.as_deref().is_some_and(|action| action != "probe");
        if self.show.pending && under_way {
            return Part::Alone;
        }
        if !partly_active {
            return match instance.is(RscFlags::REMOVED) || !self.show.inactive {
                true => Part::Nothing,
                false => Part::Stopped,
            };
        }
        let special = self.any_is(id, RscFlags::REMOVED)
            || !self.all_are(id, RscFlags::MANAGED)
            || self.any_is(id, RscFlags::FAILED);
        if special || !is_active(cluster, id, true) {
            return Part::Alone;
        }
        let [node] = active_nodes(cluster, id)[..] else {
            return Part::Alone;
        };
        let lost = !cluster.node(node).online() && cluster.node(node).unclean();
        match (lost, self.role(id) > Role::Unpromoted) {
            (true, _) => Part::Alone,
            (false, true) => Part::Promoted(node),
            (false, false) => Part::Started(node),
        }
    }

    fn any_is(&self, id: RscId, flags: RscFlags) -> bool {
        let resource = self.cluster.resource(id);
        resource.is(flags) || resource.children.iter().any(|child| self.any_is(*child, flags))
    }

    fn all_are(&self, id: RscId, flags: RscFlags) -> bool {
        let resource = self.cluster.resource(id);
        resource.is(flags) && resource.children.iter().all(|child| self.all_are(*child, flags))
    }

    /// The role of a resource; of a group the highest of its members'.
    fn role(&self, id: RscId) -> Role {
        let resource = self.cluster.resource(id);
        let members = resource.children.iter().map(|child| self.role(*child)).max();
        members.unwrap_or(resource.role)
    }

    fn configured_role(&self, clone: &Resource) -> Option<Role> {
        configured_role(self.cluster, clone).and_then(Role::parse)
    }

    /// What the title of a group or clone says in brackets.
    fn attributes(&self, id: RscId) -> Vec<&'static str> {
        let resource = self.cluster.resource(id);
        let mut attributes = Vec::new();
        if self.cluster.is_disabled(id) {
            attributes.push("disabled");
        }
        if resource.is(RscFlags::MAINTENANCE) {
            attributes.push("maintenance");
        } else if !resource.is(RscFlags::MANAGED) {
            attributes.push("unmanaged");
        }
        attributes
    }

    /// The id of what is cloned, as configured.
    fn cloned_id<'b>(&'b self, clone: &'b Resource) -> &'b str {
        let data_id = clone.clone_data().and_then(|data| Some(data.child_id.as_str()).filter(|id| !id.is_empty()));
        let of_instance = || clone.children.first().map(|child| self.cluster.resource(*child).xml_id.as_str());
        data_id.or_else(of_instance).unwrap_or_default()
    }

    fn sort_nodes(&self, nodes: &mut [NodeId]) {
        let order = &self.cluster.nodes_by_name;
        nodes.sort_by_key(|node| order.iter().position(|other| other == node));
    }

    fn sorted_names(&self, mut nodes: Vec<NodeId>) -> Vec<&str> {
        self.sort_nodes(&mut nodes);
        nodes.into_iter().map(|node| self.cluster.node(node).name.as_str()).collect()
    }

    /// Exit status of a probe that failed, if the resource has one on the node (on any, if none is given).
    fn failed_probe(&self, id: RscId, node: Option<NodeId>) -> Option<i32> {
        let cluster = self.cluster;
        let top = cluster.resource(cluster.top_of(id, false));
        let name = if top.is_clone() { self.cloned_id(top) } else { &cluster.resource(id).id };
        let failed = cluster.failed.iter().filter(|failed| failed.masked_probe && failed.resource == name);
        failed.filter(|failed| node.is_none_or(|node| node == failed.node)).map(|failed| failed.rc).next()
    }

    /// A line for a primitive: name, agent, state, node, and in brackets what is special.
    fn line(&self, id: RscId, name: &str, node: Option<NodeId>) -> String {
        let cluster = self.cluster;
        let resource = cluster.resource(id);
        let several = resource.active.len() > 1;
        let node = if several || !self.nodes { None } else { node.or(resource.lock_node) };
        let top = cluster.resource(cluster.top_of(id, false));
        let role = displayed_role(cluster, id);

        let agent = match (&resource.provider, resource.class.as_str()) {
            (Some(provider), class @ "ocf") => format!("{class}:{provider}:{}", resource.agent),
            (_, class) => format!("{class}:{}", resource.agent),
        };
        let mut line = format!("{name}\t({agent}):\t");
        let mut word = |text: &str| {
            line.push(' ');
            line.push_str(text);
        };
        if resource.is(RscFlags::REMOVED) {
            word("ORPHANED");
        }
        if resource.is(RscFlags::FAILED) {
            word("FAILED");
            if role > Role::Unpromoted {
                word(role.text());
            }
        } else {
            word(displayed_state(cluster, id, self.show.pending));
        }
        if let Some(node) = node {
            word(&cluster.node(node).name);
        }
        if role == Role::Stopped
            && let Some(code) = self.failed_probe(id, node)
        {
            word(&format!("({}) ", exit_text(code)));
        }
        line.push_str(&in_brackets(&self.flags(id, node, top)));
        if several {
            let names: Vec<&str> = resource.active.iter().map(|node| cluster.node(*node).name.as_str()).collect();
            if let Some(text) = &resource.description {
                line.push_str(&format!(" ({text})"));
            }
            line.push_str(&format!(" [ {} ]", names.join(" ")));
        }
        line
    }

    fn flags(&self, id: RscId, node: Option<NodeId>, top: &Resource) -> Vec<String> {
        let resource = self.cluster.resource(id);
        let mut flags = Vec::new();
        let mut flag = |text: &str| flags.push(text.to_owned());
        if node.is_some_and(|node| {
            let node = self.cluster.node(node);
            !node.is(NodeFlags::ONLINE) && node.unclean()
        }) {
            flag("UNCLEAN");
        }
        if node.is_some() && node == resource.lock_node {
            flag("LOCKED");
        }
        if let Some(operation) = pending_operation(resource, self.show.pending) {
            flag(operation);
        }
        let target_role = resource.meta("target-role");
        match target_role.and_then(Role::parse) {
            Some(Role::Stopped) => flag("disabled"),
            Some(Role::Unpromoted) if top.is(RscFlags::PROMOTABLE) => {
                flag(&format!("target-role:{}", target_role.unwrap_or_default()));
            }
            _ => {}
        }
        if resource.is(RscFlags::BLOCKED) {
            flag("blocked");
        } else if resource.is(RscFlags::MAINTENANCE) {
            flag("maintenance");
        } else if !resource.is(RscFlags::MANAGED) {
            flag("unmanaged");
        }
        if resource.is(RscFlags::IGNORE_FAILURE) {
            flag("failure ignored");
        }
        flags
    }
}

/// How one instance of a clone is shown.
enum Part {
    /// On a line of its own.
    Alone,
    /// Among the promoted, by node.
    Promoted(NodeId),
    /// Among the others that run, by node.
    Started(NodeId),
    /// Among the stopped.
    Stopped,
    /// Not at all.
    Nothing,
}

fn pending_state(action: &str) -> Option<&'static str> {
    match action {
        "start" => Some("Starting"),
        "stop" => Some("Stopping"),
        "migrate_to" | "migrate_from" => Some("Migrating"),
        "promote" => Some("Promoting"),
        "demote" => Some("Demoting"),
        _ => None,
    }
}

fn in_brackets<S: AsRef<str>>(words: &[S]) -> String {
    if words.is_empty() {
        return String::new();
    }
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    format!(" ({})", words.join(", "))
}

fn cib_true(text: &str) -> bool {
    cib::boolean::parse(text) == Some(true)
}
