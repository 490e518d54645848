//! The resources the configuration names: meta attributes with their defaults, what a resource needs and how it may be
//! treated; groups with their members, clones with their instances.

use cib::rule::Agent;
use cib::score::Score;
use cib::{Element, boolean, duration};

use crate::engine::{Engine, SYMMETRIC_DEFAULT, Values, integer};
use crate::model::{
    CloneData, INFINITY, MultiplyActive, NoQuorumPolicy, NodeTable, Resource, Role, RscFlags, RscId, RscKind,
};
use crate::nvpairs::Context;
use crate::reasons::Source;
use crate::status::nodes::is_remote_connection;

/// More instances of one clone than this are not made: it is far above any number of nodes, `clone-max` is only text,
/// and each instance is compared with each.
const MAX_INSTANCES: i64 = 2_000;

impl<'a> Engine<'a> {
    pub fn read_resources(&mut self) {
        let Some(resources) = self.doc.descend(&["configuration", "resources"]) else { return };
        for element in self.doc.children(resources).collect::<Vec<_>>() {
            let id = self.attr(element, "id").unwrap_or_default();
            if id.is_empty() {
                self.warn(element, "a resource without id is ignored");
                continue;
            }
            if self.doc.name(element) == "template" {
                self.templates.entry(id.to_owned()).or_default();
                continue;
            }
            if let Some(rsc) = self.read_resource(element, None, None) {
                self.cluster.top.push(rsc);
            } else {
                self.warn(element, format!("resource {id} cannot be used; it is ignored"));
            }
        }
        for rsc in self.cluster.top.clone() {
            self.read_launcher(rsc);
            if self.is(rsc, RscFlags::REMOTE_CONNECTION) {
                self.link_remote_node(rsc);
            }
        }
        let resources = &self.cluster.resources;
        self.cluster.top.sort_by_key(|rsc| std::cmp::Reverse(resources[rsc.index()].priority));
    }

    fn read_launcher(&mut self, rsc: RscId) {
        let children = self.children(rsc);
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.read_launcher(child));
            return;
        }
        let Some(launcher) = self.rsc(rsc).meta("container").map(str::to_owned) else { return };
        if launcher != self.rsc(rsc).id
            && let Some(launcher) = self.find_resource(&launcher)
        {
            self.rsc_mut(rsc).launcher = Some(launcher);
            self.rsc_mut(launcher).launched.push(rsc);
        }
    }

    /// Reads one resource and everything within it; `number` is that of the clone instance it belongs to.
    pub fn read_resource(&mut self, element: Element, parent: Option<RscId>, number: Option<u32>) -> Option<RscId> {
        let doc = self.doc;
        let xml_id = self.attr(element, "id")?;
        let kind = match doc.name(element) {
            "primitive" | "lrm_resource" => RscKind::Primitive,
            "group" => RscKind::Group { ordered: true, colocated: true },
            "clone" => RscKind::Clone(Box::default()),
            "bundle" => RscKind::Bundle(Box::default()),
            _ => return None,
        };
        let id = match number {
            Some(number) => format!("{xml_id}:{number}"),
            None => xml_id.to_owned(),
        };
        let operations = doc.child(element, "operations").and_then(|operations| self.resolve(operations));
        let rsc = RscId(self.cluster.resources.len() as u32);
        let text = |name: &str| doc.attribute(element, name).map(str::to_owned);
        self.cluster.resources.push(Resource {
            id: id.clone(),
            xml_id: xml_id.to_owned(),
            history_id: None,
            kind,
            class: text("class").unwrap_or_default(),
            provider: text("provider"),
            agent: text("type").unwrap_or_default(),
            description: text("description"),
            xml: element,
            operations,
            flags: RscFlags::UNASSIGNED,
            meta: Values::new(),
            utilization: Values::new(),
            priority: 0,
            promotion_priority: 0,
            stickiness: 0,
            migration_threshold: INFINITY,
            failure_timeout_ms: 0,
            reconnect_ms: 0,
            multiply_active: MultiplyActive::Restart,
            role: Role::Stopped,
            next_role: Role::Unknown,
            active: Vec::new(),
            assigned: None,
            assigned_score: 0,
            allowed: NodeTable::default(),
            probed: Vec::new(),
            migration_source: None,
            migration_target: None,
            dangling_sources: Vec::new(),
            pending_action: None,
            pending_node: None,
            lock_node: None,
            lock_time: 0,
            parent,
            children: Vec::new(),
            launcher: None,
            launched: Vec::new(),
            actions: Vec::new(),
            this_with: Vec::new(),
            with_this: Vec::new(),
            locations: Vec::new(),
            tickets: Vec::new(),
        });
        self.read_meta(rsc, number);
        self.read_flags(rsc);
        if let Some(role) = self.target_role(rsc) {
            self.set_next_role(rsc, role);
        }
        let usable = match self.rsc(rsc).kind {
            RscKind::Primitive => self.finish_primitive(rsc),
            RscKind::Group { .. } => self.read_group(rsc, number),
            RscKind::Clone(_) => self.read_clone(rsc),
            RscKind::Bundle(_) => self.read_bundle(rsc),
        };
        if !usable {
            return None;
        }
        self.resource_index.entry(id).or_insert(rsc);
        let guest = self.is(rsc, RscFlags::REMOTE_CONNECTION) && self.rsc(rsc).meta("container").is_some();
        if self.cluster.options.symmetric || guest {
            // The connection to a guest goes with its launcher, so it is allowed everywhere whatever the default is.
            let name = if self.cluster.options.symmetric { SYMMETRIC_DEFAULT } else { "remote_connection_default" };
            let source = Source::Other(name.into());
            for node in self.cluster.nodes_by_name.clone() {
                self.add_node_score(rsc, node, 0, &source);
            }
        }
        let mut utilization = Values::new();
        self.read_pairs(element, "utilization", &Context::default(), None, &mut utilization);
        self.rsc_mut(rsc).utilization = utilization;
        if let Some(template) = self.attr(element, "template") {
            let made = self.templates.entry(template.to_owned()).or_default();
            if !made.iter().any(|known| known == xml_id) {
                made.push(xml_id.to_owned());
            }
        }
        Some(rsc)
    }

    /// The agent, as rules compare it. The text belongs to the document, so it outlives the borrow.
    pub fn agent(&self, rsc: RscId) -> Option<Agent<'a>> {
        let xml = self.rsc(rsc).xml;
        Some(Agent {
            class: self.attr(xml, "class").unwrap_or_default(),
            provider: self.attr(xml, "provider"),
            kind: self.attr(xml, "type").unwrap_or_default(),
        })
    }

    fn read_meta(&mut self, rsc: RscId, number: Option<u32>) {
        let (xml, parent) = (self.rsc(rsc).xml, self.parent(rsc));
        let mut meta: Values = self.doc.attributes(xml).collect();
        if let Some(number) = number {
            meta.insert("clone", number.to_string());
        }
        let context = Context { agent: self.agent(rsc), ..Context::default() };
        self.read_pairs(xml, "meta_attributes", &context, None, &mut meta);

        let mut inherited = Values::new();
        let mut at = parent;
        while let Some(current) = at {
            let xml = self.rsc(current).xml;
            self.read_pairs(xml, "meta_attributes", &context, None, &mut inherited);
            at = self.parent(current);
        }
        for (name, value) in &inherited {
            meta.add(name, value);
        }
        if let Some(defaults) = self.rsc_defaults {
            self.read_pairs(defaults, "meta_attributes", &context, None, &mut meta);
        }
        if let Some(parent) = parent {
            for (name, value) in &self.rsc(parent).meta {
                meta.add(name, value);
            }
        }
        self.rsc_mut(rsc).meta = meta;
    }

    fn read_flags(&mut self, rsc: RscId) {
        let maintenance_mode = self.cluster.options.maintenance;
        let resource = self.rsc(rsc);
        let (is_remote, xml) = (is_remote_connection(self.doc, resource.xml), resource.xml);
        let meta = |name: &str| resource.meta(name);
        let is_default = |value: &str| value.eq_ignore_ascii_case("default");
        let mut flags = RscFlags::UNASSIGNED;
        let mut put = |flag: RscFlags, on: bool| if on { flags.set(flag) } else { flags.clear(flag) };

        put(RscFlags::MANAGED, !maintenance_mode);
        put(RscFlags::CRITICAL, meta("critical").is_none_or(|value| boolean::is_true(Some(value))));
        put(RscFlags::NOTIFY, boolean::is_true(meta("notify")));
        put(RscFlags::REMOTE_CONNECTION, is_remote);
        let remote_node = is_remote && meta("container").is_none();
        put(RscFlags::MIGRATABLE, meta("allow-migrate").map_or(remote_node, |value| boolean::is_true(Some(value))));
        if let Some(value) = meta("is-managed").filter(|value| !is_default(value)) {
            put(RscFlags::MANAGED, boolean::is_true(Some(value)));
        }
        if boolean::is_true(meta("maintenance")) || maintenance_mode {
            put(RscFlags::MANAGED, false);
            put(RscFlags::MAINTENANCE, true);
        }
        let top = self.top(rsc);
        if self.rsc(top).is_clone() {
            let unique = match meta("globally-unique") {
                Some(value) => boolean::is_true(Some(value)),
                None => meta("clone-node-max").and_then(integer).is_some_and(|max| max > 1),
            };
            put(RscFlags::UNIQUE, unique);
            put(RscFlags::PROMOTABLE, boolean::is_true(meta("promotable")));
        } else {
            put(RscFlags::UNIQUE, true);
        }
        let multiply_active = match meta("multiple-active").map(str::to_ascii_lowercase).as_deref() {
            Some("stop_only") => MultiplyActive::Stop,
            Some("block") => MultiplyActive::Block,
            Some("stop_unexpected") => MultiplyActive::Unexpected,
            _ => MultiplyActive::Restart,
        };
        let fence_device = resource.class.eq_ignore_ascii_case("stonith");
        put(RscFlags::FENCE_DEVICE, fence_device);

        let score = |name: &str, default: i32| {
            meta(name)
                .filter(|value| !is_default(value))
                .map_or(default, |value| Score::parse(value).map_or(default, |score| score.value()))
        };
        let priority = score("priority", 0);
        let stickiness = score("resource-stickiness", 0);
        let migration_threshold = match score("migration-threshold", INFINITY) {
            negative if negative < 0 => INFINITY,
            other => other,
        };
        let failure_timeout_ms = duration::interval_ms(meta("failure-timeout")) as u32;
        let requires = meta("requires").map(str::to_ascii_lowercase);
        let primitive_remote = resource.is_primitive() && is_remote;
        flags.set(self.requirements(requires.as_deref(), fence_device, primitive_remote));
        if fence_device {
            self.cluster.options.have_fencing = true;
        }

        let resource = self.rsc_mut(rsc);
        resource.flags = flags;
        resource.priority = priority;
        resource.stickiness = stickiness;
        resource.migration_threshold = migration_threshold;
        resource.failure_timeout_ms = failure_timeout_ms;
        resource.multiply_active = multiply_active;
        if remote_node {
            let mut parameters = Values::new();
            self.read_pairs(xml, "instance_attributes", &Context::default(), None, &mut parameters);
            if let Some(interval) = parameters.get("reconnect_interval") {
                let interval = duration::interval_ms(Some(interval)) as u32;
                let resource = self.rsc_mut(rsc);
                (resource.reconnect_ms, resource.failure_timeout_ms) = (interval, interval);
            }
        }
    }

    /// What `requires` asks for; what it does not say, or cannot have, is what suits the kind of resource.
    fn requirements(&self, requires: Option<&str>, fence_device: bool, remote: bool) -> RscFlags {
        let options = &self.cluster.options;
        let default = if fence_device || remote {
            "quorum"
        } else if options.unfencing {
            "unfencing"
        } else if options.fencing_enabled {
            "fencing"
        } else if options.no_quorum_policy == NoQuorumPolicy::Ignore {
            "nothing"
        } else {
            "quorum"
        };
        let asked = match requires {
            Some(value @ ("nothing" | "quorum" | "fencing" | "unfencing")) => value,
            _ => default,
        };
        match asked {
            "nothing" => RscFlags::NONE,
            "quorum" => RscFlags::NEEDS_QUORUM,
            "fencing" => RscFlags::NEEDS_FENCING,
            _ if fence_device || !options.fencing_enabled => RscFlags::NEEDS_QUORUM,
            _ => RscFlags::NEEDS_FENCING | RscFlags::NEEDS_UNFENCING,
        }
    }

    /// The role the configuration limits the resource to, if it is below what the resource would have anyway.
    pub fn target_role(&self, rsc: RscId) -> Option<Role> {
        let role = Role::parse(self.rsc(rsc).meta("target-role")?)?;
        match role {
            Role::Stopped => Some(role),
            Role::Unpromoted if self.is(self.top(rsc), RscFlags::PROMOTABLE) => Some(role),
            _ => None,
        }
    }

    fn finish_primitive(&mut self, rsc: RscId) -> bool {
        let top = self.top(rsc);
        let standard = self.rsc(rsc).class.to_ascii_lowercase();
        let can_be_unique = matches!(standard.as_str(), "ocf" | "stonith");
        if !can_be_unique && self.is(rsc, RscFlags::UNIQUE) && self.rsc(top).is_clone() {
            let nodes = self.cluster.nodes.len() as u32;
            if let RscKind::Clone(data) = &mut self.rsc_mut(top).kind {
                data.node_max = 1;
                data.max = data.max.min(nodes);
            }
            let id = self.rsc(rsc).id.clone();
            self.warnings.push(format!("instances of {id} cannot be unique, its agent knows nothing of them"));
            self.clear_unique(top);
            self.clear_unique(rsc);
        }
        standard == "ocf" || !self.is(top, RscFlags::PROMOTABLE)
    }

    fn clear_unique(&mut self, rsc: RscId) {
        self.clear_rsc(rsc, RscFlags::UNIQUE);
        self.rsc_mut(rsc).meta.insert("globally-unique", "false");
        for child in self.children(rsc) {
            self.clear_unique(child);
        }
    }

    fn read_group(&mut self, rsc: RscId, number: Option<u32>) -> bool {
        let xml = self.rsc(rsc).xml;
        let holds = |value: Option<&str>| value.and_then(boolean::parse).unwrap_or(true);
        let (ordered, colocated) = (holds(self.rsc(rsc).meta("ordered")), holds(self.rsc(rsc).meta("collocated")));
        self.rsc_mut(rsc).kind = RscKind::Group { ordered, colocated };
        for element in self.doc.children_named(xml, "primitive").collect::<Vec<_>>() {
            match self.read_resource(element, Some(rsc), number) {
                Some(member) => self.rsc_mut(rsc).children.push(member),
                None => self.warn(element, "this member of a group cannot be used; it is ignored"),
            }
        }
        !self.rsc(rsc).children.is_empty()
    }

    fn read_clone(&mut self, rsc: RscId) -> bool {
        let (xml, nodes) = (self.rsc(rsc).xml, self.cluster.nodes.len() as i64);
        let resource = self.rsc(rsc);
        let count = |name: &str, former: Option<&str>, default: i64| {
            let value = resource.meta(name).or_else(|| former.and_then(|name| resource.meta(name)));
            value.and_then(integer).map_or(default, |number| number.clamp(0, MAX_INSTANCES)) as u32
        };
        let unique = resource.is(RscFlags::UNIQUE);
        let promotable = resource.is(RscFlags::PROMOTABLE);
        let mut data = CloneData {
            max: count("clone-max", None, nodes.max(1)),
            node_max: count("clone-node-max", None, 1),
            min: count("clone-min", None, 0),
            ordered: boolean::is_true(resource.meta("ordered")),
            interleave: boolean::is_true(resource.meta("interleave")),
            child: self.doc.children(xml).find(|child| matches!(self.doc.name(*child), "primitive" | "group")),
            ..CloneData::default()
        };
        data.child_id = data.child.map(|child| self.doc.id(child).to_owned()).unwrap_or_default();
        if promotable {
            data.promoted_max = count("promoted-max", Some("master-max"), 1);
            data.promoted_node_max = count("promoted-node-max", Some("master-node-max"), 1);
        }
        if !unique {
            data.node_max = data.node_max.min(1);
        }
        if data.child.is_none() {
            return false;
        }
        let max = data.max;
        let resource = self.rsc_mut(rsc);
        resource.kind = RscKind::Clone(Box::new(data));
        resource.meta.add("resource-stickiness", "1");
        resource.meta.insert("globally-unique", unique.to_string());
        (0..max.max(1)).all(|_| self.add_instance(rsc).is_some())
    }

    /// Makes the next instance of a clone; those beyond `clone-max` count as removed.
    pub fn add_instance(&mut self, clone: RscId) -> Option<RscId> {
        let data = self.rsc(clone).clone_data()?;
        let (number, max, child) = (data.instances, data.max, data.child?);
        let instance = self.read_resource(child, Some(clone), Some(number))?;
        if let RscKind::Clone(data) = &mut self.rsc_mut(clone).kind {
            data.instances += 1;
        }
        self.rsc_mut(clone).children.push(instance);
        if number >= max {
            self.set_flags_below(instance, RscFlags::REMOVED);
        }
        // Not the one meta attribute alone that changes with each instance: agents see it.
        self.rsc_mut(instance).meta.insert("clone-max", max.to_string());
        Some(instance)
    }

    pub fn set_flags_below(&mut self, rsc: RscId, flags: RscFlags) {
        self.set_rsc(rsc, flags);
        for child in self.children(rsc) {
            self.set_flags_below(child, flags);
        }
    }
}
