//! Who is here: the `<node_state>` entries, read into online, unclean, pending and the rest. What ran there is the
//! business of `history`.

use cib::{Element, boolean};

use crate::engine::{Engine, integer};
use crate::model::{INFINITY, NoQuorumPolicy, NodeFlags, NodeId, Role, RscFlags};

impl Engine<'_> {
    pub fn read_node_states(&mut self) {
        let Some(status) = self.doc.descend(&["status"]) else { return };
        for element in self.doc.children(status).collect::<Vec<_>>() {
            match self.doc.name(element) {
                "tickets" => self.read_ticket_states(element),
                "node_state" => self.read_node_state(element),
                _ => {}
            }
        }
    }

    /// The node a `<node_state>` is about.
    pub fn node_of_state(&self, state: Element) -> Option<NodeId> {
        let (id, name) = (self.attr(state, "id"), self.attr(state, "uname"));
        let by_id = |id: &str| self.cluster.nodes.iter().position(|node| node.id.eq_ignore_ascii_case(id));
        let by_id = id.and_then(by_id).map(|i| NodeId(i as u32));
        by_id.or_else(|| name.and_then(|name| self.cluster.find_node(name)))
    }

    fn read_node_state(&mut self, state: Element) {
        if self.attr(state, "id").is_none() {
            return;
        }
        let Some(node) = self.node_of_state(state) else {
            self.warn(state, "the state of a node that is not configured is ignored");
            return;
        };
        if self.cluster.is_remote(node) {
            if self.number(state, "node_fenced").unwrap_or(0) != 0 {
                self.set_node(node, NodeFlags::REMOTE_FENCED);
            }
            return;
        }
        self.read_transient_attributes(state, node);
        let flags = &mut self.node_mut(node).flags;
        flags.clear(NodeFlags::UNCLEAN);
        flags.set(NodeFlags::SEEN);
        self.judge_online(state, node);
        if !self.cluster.quorate
            && self.node(node).online()
            && self.cluster.options.no_quorum_policy == NoQuorumPolicy::Fence
        {
            self.fence_node(node, "cluster does not have quorum", false);
        }
    }

    fn read_transient_attributes(&mut self, state: Element, node: NodeId) {
        if let Some(attributes) = self.doc.child(state, "transient_attributes") {
            self.read_node_attributes(attributes, node, true);
        } else {
            // Without any, the node still learns its own name and whether it coordinates.
            self.read_node_attributes(state, node, true);
        }
        self.apply_node_modes(node);
    }

    fn apply_node_modes(&mut self, node: NodeId) {
        let attribute = |name: &str| self.node(node).attributes.get(name);
        let (standby, maintenance) =
            (boolean::is_true(attribute("standby")), boolean::is_true(attribute("maintenance")));
        // Held by the controller for coming and going too often: it may join, but runs nothing.
        let held = attribute("systole-quarantine").is_some();
        if standby || held {
            self.set_node(node, NodeFlags::STANDBY);
        }
        if maintenance {
            self.set_node(node, NodeFlags::MAINTENANCE);
        }
    }

    fn shutdown_requested(&self, node: NodeId) -> bool {
        self.node(node).attributes.get("shutdown").is_some_and(|when| when != "0")
    }

    /// Since when the node is a member: 0 is "is none", `None` "was never seen". Old entries only say yes or no.
    fn member_since(&self, state: Element) -> Option<i64> {
        let text = self.attr(state, "in_ccm")?;
        match boolean::parse(text) {
            Some(true) => Some(self.cluster.now.max(1)),
            Some(false) => Some(0),
            None => integer(text).filter(|when| *when >= 0),
        }
    }

    fn process_since(&self, state: Element) -> i64 {
        match self.attr(state, "crmd") {
            None => 0,
            Some(text) if text.eq_ignore_ascii_case("offline") => 0,
            Some(text) if text.eq_ignore_ascii_case("online") => 1,
            Some(text) => integer(text).unwrap_or(0).max(0),
        }
    }

    fn judge_online(&mut self, state: Element, node: NodeId) {
        self.node_mut(node).flags.clear(NodeFlags::SHUTDOWN);
        let expected = self.attr(state, "expected");
        if self.shutdown_requested(node) {
            self.set_node(node, NodeFlags::SHUTDOWN);
        } else if expected.is_some_and(|text| text.eq_ignore_ascii_case("member")) {
            self.set_node(node, NodeFlags::EXPECTED_UP);
        }
        let online =
            if self.fences() { self.judge_with_fencing(state, node) } else { self.judge_without_fencing(state, node) };
        if online {
            self.set_node(node, NodeFlags::ONLINE);
        }
        if !online || self.node(node).is(NodeFlags::SHUTDOWN) {
            self.node_mut(node).score = -INFINITY;
        }
    }

    fn judge_without_fencing(&mut self, state: Element, node: NodeId) -> bool {
        let member = self.member_since(state).unwrap_or(-1) > 0;
        let joined = self.attr(state, "join").is_some_and(|text| text.eq_ignore_ascii_case("member"));
        if !member {
            return false;
        }
        if self.process_since(state) > 0 {
            return joined;
        }
        if self.node(node).is(NodeFlags::EXPECTED_UP) {
            self.fence_node(node, "peer is unexpectedly down", false);
        }
        false
    }

    fn judge_with_fencing(&mut self, state: Element, node: NodeId) -> bool {
        let terminate =
            self.node(node).attributes.get("terminate").is_some_and(|value| {
                boolean::parse(value).unwrap_or_else(|| integer(value).is_some_and(|when| when > 0))
            });
        let join = self.attr(state, "join");
        let process = self.process_since(state);
        if self.node(node).is(NodeFlags::SHUTDOWN) {
            return process > 0;
        }
        let Some(member) = self.member_since(state) else {
            self.fence_node(node, "peer has not been seen by the cluster", false);
            return false;
        };
        if join == Some("banned") {
            self.fence_node(node, "peer failed Pacemaker membership criteria", false);
        } else if terminate {
            if member <= 0 && process <= 0 && join == Some("down") {
                return false;
            }
            self.fence_node(node, "fencing was requested", false);
        } else if self.attr(state, "expected").is_none_or(|expected| expected == "down") {
            if self.pending_too_long(member, process) {
                self.fence_node(node, "peer pending timed out on joining the process group", false);
            } else if member > 0 || process > 0 {
                self.set_node(node, NodeFlags::STANDBY | NodeFlags::PENDING);
            }
        } else if member <= 0 {
            self.fence_node(node, "peer is no longer part of the cluster", true);
        } else if process <= 0 {
            self.fence_node(node, "peer process is no longer available", false);
        } else if join == Some("member") {
        } else if matches!(join, Some("pending" | "down")) {
            self.set_node(node, NodeFlags::STANDBY | NodeFlags::PENDING);
        } else {
            self.fence_node(node, "peer was in an unknown state", false);
        }
        member > 0
    }

    fn pending_too_long(&mut self, member: i64, process: i64) -> bool {
        let limit = i64::from(self.cluster.options.node_pending_ms / 1000);
        if self.cluster.options.node_pending_ms == 0 || member <= 0 || process > 0 {
            return false;
        }
        if self.cluster.now >= member + limit {
            return true;
        }
        self.recheck_by(member + limit);
        false
    }

    /// A remote node is as online as its connection.
    pub fn judge_remote_online(&mut self, node: NodeId) {
        let Some(remote) = self.node(node).remote else {
            self.node_mut(node).flags.clear(NodeFlags::ONLINE);
            return;
        };
        let connection = self.rsc(remote);
        let launcher = connection.launcher;
        let host = match (launcher, connection.active.as_slice()) {
            (Some(_), [host]) => Some(*host),
            _ => None,
        };
        let (role, next, failed) = (connection.role, connection.next_role, connection.is(RscFlags::FAILED));
        let launcher_failed = launcher.is_some_and(|rsc| self.is(rsc, RscFlags::FAILED));
        let launcher_stopped = launcher.is_some_and(|rsc| self.rsc(rsc).role == Role::Stopped);
        let host_lost = host.is_some_and(|host| !self.node(host).online() && self.node(host).unclean());
        let flags = &mut self.node_mut(node).flags;
        if role == Role::Started {
            flags.set(NodeFlags::ONLINE);
            if next == Role::Stopped {
                flags.set(NodeFlags::SHUTDOWN);
            }
        }
        if launcher_failed {
            flags.clear(NodeFlags::ONLINE);
            flags.set(NodeFlags::REMOTE_RESET);
        } else if failed {
            flags.clear(NodeFlags::ONLINE);
        } else if role == Role::Stopped || launcher_stopped {
            flags.clear(NodeFlags::ONLINE | NodeFlags::REMOTE_RESET);
        } else if host_lost {
            flags.clear(NodeFlags::ONLINE);
            flags.set(NodeFlags::REMOTE_RESET);
        }
    }

    /// Reads what the state of a remote node says once its connection is known.
    pub fn read_remote_state(&mut self, state: Element, node: NodeId) {
        let maintenance = self.number(state, "node_in_maintenance").unwrap_or(0) != 0;
        let flags = &mut self.node_mut(node).flags;
        if maintenance {
            flags.set(NodeFlags::REMOTE_MAINTENANCE);
        } else {
            flags.clear(NodeFlags::REMOTE_MAINTENANCE);
        }
        if !flags.has(NodeFlags::REMOTE_RESET) {
            flags.clear(NodeFlags::UNCLEAN);
            flags.set(NodeFlags::SEEN);
        }
        self.read_transient_attributes(state, node);
        if self.shutdown_requested(node) {
            self.set_node(node, NodeFlags::SHUTDOWN);
        }
        let unmanaged = self.node(node).remote.is_some_and(|rsc| !self.is(rsc, RscFlags::MANAGED));
        if unmanaged {
            self.set_node(node, NodeFlags::MAINTENANCE);
        }
        let discovery = self.node(node).attributes.get("resource-discovery-enabled");
        // Without fencing, only probes can tell that a remote node was restarted.
        let may_skip_probes = self.fences() || !self.cluster.is_remote_only(node);
        if may_skip_probes && discovery.is_some_and(|value| !boolean::is_true(Some(value))) {
            self.node_mut(node).flags.clear(NodeFlags::PROBES_ALLOWED);
        }
    }

    /// What must happen to a node that cannot be trusted: a cluster or remote node is fenced, a guest's launcher
    /// recovered.
    pub fn fence_node(&mut self, node: NodeId, reason: &str, priority_delay: bool) {
        let remote = self.node(node).remote;
        let launcher = remote.and_then(|rsc| self.rsc(rsc).launcher);
        if self.cluster.is_guest(node) {
            if let Some(launcher) = launcher
                && !self.is(launcher, RscFlags::FAILED)
                && self.is(launcher, RscFlags::MANAGED)
            {
                self.set_node(node, NodeFlags::REMOTE_RESET);
                self.set_rsc(launcher, RscFlags::FAILED | RscFlags::STOP_IF_FAILED);
            }
        } else if let Some(remote) = remote.filter(|rsc| self.is(*rsc, RscFlags::REMOVED_LAUNCHED)) {
            self.set_rsc(remote, RscFlags::FAILED | RscFlags::STOP_IF_FAILED);
        } else if self.cluster.is_remote(node) {
            if remote.is_none_or(|rsc| self.is(rsc, RscFlags::MANAGED)) {
                self.set_node(node, NodeFlags::REMOTE_RESET);
            }
            self.set_node(node, NodeFlags::UNCLEAN);
            self.fencing_action(node, None, true, Some(reason), false);
        } else if !self.node(node).unclean() {
            self.set_node(node, NodeFlags::UNCLEAN);
            self.fencing_action(node, None, true, Some(reason), priority_delay);
        }
    }
}
