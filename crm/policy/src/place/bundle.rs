//! Placing a bundle: its containers like the instances of a clone, then what comes with each, then what runs inside.

use crate::constraint::colocation::Colocation;
use crate::constraint::location::Location;
use crate::engine::{Engine, Where};
use crate::model::{INFINITY, NodeId, Replica, Role, RscFlags, RscId, add};
use crate::reasons::Source;

impl Engine<'_> {
    pub fn assign_bundle(&mut self, rsc: RscId, prefer: Option<NodeId>, stop_if_fail: bool) -> Option<NodeId> {
        self.set_rsc(rsc, RscFlags::ASSIGNING);
        self.log_scores(rsc, "pcmk__bundle_assign");
        let replicas = self.replicas(rsc);
        let containers = self.instances_of(rsc).into_vec();
        let containers = self.sorted_by(containers, Self::compare_instances);
        let per_host = self.rsc(rsc).bundle_data().map_or(1, |data| data.per_host);
        self.assign_instances(rsc, containers, replicas.len() as u32, per_host);
        for replica in &replicas {
            self.assign_replica(replica, prefer, stop_if_fail);
        }
        if let Some(clone) = self.rsc(rsc).bundle_data().and_then(|data| data.bundled) {
            let own: Vec<NodeId> = replicas.iter().filter_map(|replica| replica.node).collect();
            for node in self.rsc(clone).allowed.nodes() {
                let score = if own.contains(&node) { 0 } else { -INFINITY };
                self.replace_score(clone, node, score, || Source::Container);
            }
            self.assign(clone, prefer, stop_if_fail, false);
        }
        self.clear_rsc(rsc, RscFlags::ASSIGNING | RscFlags::UNASSIGNED);
        None
    }

    fn assign_replica(&mut self, replica: &Replica, prefer: Option<NodeId>, stop_if_fail: bool) {
        if let Some(ip) = replica.ip {
            self.assign(ip, prefer, stop_if_fail, false);
        }
        if let Some(connection) = replica.connection {
            let host = self.rsc(replica.container).assigned;
            if let Some(through) = host.and_then(|host| self.node(host).remote) {
                // A remote node is reached from one place only, so whatever is on it is as well.
                self.add_colocation(Colocation {
                    id: "#replica-remote-with-host-remote".into(),
                    dependent: connection,
                    primary: through,
                    score: INFINITY,
                    dependent_role: Role::Unknown,
                    primary_role: Role::Unknown,
                    attribute: "#uname".into(),
                    influence: true,
                    explicit: false,
                });
            }
            self.assign(connection, prefer, stop_if_fail, false);
        }
        if let (Some(child), Some(own)) = (replica.child, replica.node) {
            for node in self.rsc(child).allowed.nodes() {
                let score = match node == own {
                    false => -INFINITY,
                    true if self.threshold_reached(child, node).is_none() => INFINITY,
                    true => continue,
                };
                self.replace_score(child, node, score, || Source::Container);
            }
            if let Some(clone) = self.parent(child) {
                self.set_rsc(clone, RscFlags::ASSIGNING);
                self.assign(child, Some(own), stop_if_fail, false);
                self.clear_rsc(clone, RscFlags::ASSIGNING);
            }
        }
    }

    /// A location is for the containers and their addresses; only one of roles is for what is inside.
    pub fn apply_location_to_bundle(&mut self, rsc: RscId, location: &Location) {
        for replica in self.replicas(rsc) {
            self.apply_location(replica.container, location);
            if let Some(ip) = replica.ip {
                self.apply_location(ip, location);
            }
        }
        let bundled = self.rsc(rsc).bundle_data().and_then(|data| data.bundled);
        if let Some(clone) = bundled.filter(|_| matches!(location.role, Role::Unpromoted | Role::Promoted)) {
            self.apply_location(clone, location);
            let same = |known: &Location| known.rsc == location.rsc && known.id == location.id;
            if let Some(at) = self.locations.iter().position(same) {
                self.rsc_mut(clone).locations.push(at as u32);
            }
        }
    }

    /// Whether the bundle's colocations concern a part of it: always its containers; what is inside once roles are
    /// chosen.
    pub fn is_bundles_affair(&self, bundle: RscId, part: RscId) -> bool {
        if part == bundle || self.is(part, RscFlags::REPLICA_CONTAINER) {
            return true;
        }
        let bundled = self.rsc(bundle).bundle_data().and_then(|data| data.bundled);
        let Some(clone) = bundled.filter(|clone| self.is(*clone, RscFlags::PROMOTABLE)) else { return false };
        if self.top(part) != clone {
            return false;
        }
        match part == clone {
            true => self.rsc(clone).clone_data().is_some_and(|data| data.promotion_constrained),
            false => !self.is(part, RscFlags::UNASSIGNED),
        }
    }

    /// Whose role counts for a resource: of a container, that of what is inside.
    pub fn with_role_of(&self, rsc: RscId) -> RscId {
        let bundle = self.parent(rsc).filter(|_| self.is(rsc, RscFlags::REPLICA_CONTAINER));
        let data = bundle.and_then(|bundle| self.rsc(bundle).bundle_data());
        let replica = data.and_then(|data| data.replicas.iter().find(|replica| replica.container == rsc));
        replica.and_then(|replica| replica.child).unwrap_or(rsc)
    }

    /// A node's attribute as colocations of a resource see it: with what is in a container one can be together only on
    /// the container's host.
    pub fn colocation_attribute(&self, node: NodeId, name: &str, rsc: RscId) -> Option<&str> {
        let connection = self.node(node).remote.filter(|connection| self.is_bundled(*connection));
        if let Some(connection) = connection
            && self.is_bundled(rsc)
            && self.rsc(self.top(rsc)).is_clone()
        {
            let host = self.rsc(self.rsc(connection).launcher?).assigned?;
            return self.node(host).attributes.get(name);
        }
        self.node_attribute(node, name, Some(rsc), Where::Assigned)
    }

    /// Applies a colocation with a bundle: instance by instance, or with all of its containers.
    pub fn apply_with_bundle(&mut self, dependent: RscId, bundle: RscId, at: u32) -> i32 {
        if self.is(bundle, RscFlags::UNASSIGNED) {
            return 0;
        }
        let colocation = self.colocations[at as usize].clone();
        let mandatory = colocation.score >= INFINITY;
        let of = self.rsc(colocation.dependent);
        if of.is_clone() || of.is_bundle() {
            if let Some(container) = self.compatible_container(dependent, bundle) {
                return self.apply_colocation(dependent, container, at, true);
            }
            if mandatory {
                self.assign_to(dependent, None, true, true);
            }
            return 0;
        }
        if !mandatory {
            return self
                .instances_of(bundle)
                .into_iter()
                .fold(0, |sum, container| add(sum, self.apply_colocation(dependent, container, at, false)));
        }
        let mut hosts = Vec::new();
        for replica in self.replicas(bundle) {
            let host = self.location(replica.container, Where::Assigned);
            let promoted = replica.child.is_some_and(|child| self.rsc(child).next_role >= Role::Promoted);
            if let Some(host) = host
                && !self.any_flag_below(replica.container, RscFlags::BLOCKED)
                && (colocation.primary_role < Role::Promoted || promoted)
            {
                hosts.push((host, 0));
            }
        }
        self.intersect(dependent, bundle, &colocation, &hosts);
        0
    }

    /// The container beside a resource; beside what runs in a container of another bundle, on that container's host.
    fn compatible_container(&self, dependent: RscId, bundle: RscId) -> Option<RscId> {
        let host = |node: NodeId| {
            let connection = self.node(node).remote.filter(|connection| self.is_bundled(*connection));
            match connection.and_then(|connection| self.rsc(connection).launcher) {
                Some(container) => self.location(container, Where::Assigned),
                None => Some(node),
            }
        };
        let on = |node: NodeId| {
            let containers = self.instances_of(bundle);
            containers.into_iter().find(|container| self.instance_matches(*container, node, Role::Unknown, false, None))
        };
        match self.location(dependent, Where::Assigned).and_then(host) {
            Some(node) => on(node),
            None => {
                let nodes = self.sorted_nodes(&self.rsc(dependent).allowed, None);
                nodes.into_iter().filter_map(|(node, _)| host(node)).find_map(on)
            }
        }
    }
}
