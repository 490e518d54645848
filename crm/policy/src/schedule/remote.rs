//! Remote nodes and guests: what runs on them goes over a connection, so its actions come after the connection's start
//! and before its stop; and what a launcher launches follows it.

use crate::constraint::colocation::Colocation;
use crate::engine::Engine;
use crate::model::{ActFlags, ActId, INFINITY, NodeFlags, NodeId, OrderFlags, Role, RscFlags, RscId};
use crate::reasons::Source;

/// How the connection to a remote node stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Connection {
    Unknown,
    Alive,
    /// Its host is lost, but it will be made from elsewhere.
    Resting,
    Failed,
    Stopped,
}

impl Engine<'_> {
    fn connection(&self, node: NodeId) -> Option<Connection> {
        let remote = self.rsc(self.node(node).remote?);
        let host = self.current_node(self.node(node).remote?);
        let unclean = |node: NodeId| self.node(node).unclean();
        if remote.next_role == Role::Stopped || remote.assigned.is_none() {
            if host.is_some_and(unclean) {
                return Some(Connection::Failed);
            }
            if !remote.is(RscFlags::FAILED) {
                return Some(Connection::Stopped);
            }
            let shutdown = self.node(node).attributes.get("shutdown").is_some_and(|when| when != "0");
            if remote.next_role == Role::Stopped
                && remote.reconnect_ms > 0
                && self.node(node).is(NodeFlags::REMOTE_FENCED)
                && !shutdown
            {
                return Some(Connection::Unknown);
            }
            return Some(Connection::Failed);
        }
        let Some(host) = host else { return Some(Connection::Unknown) };
        let moving = remote.active.len() > 1 && remote.migration_source.is_some() && remote.migration_target.is_some();
        if unclean(host) || !self.node(host).online() || moving {
            return Some(Connection::Resting);
        }
        Some(Connection::Alive)
    }

    pub fn is_failed_remote(&self, node: NodeId) -> bool {
        self.cluster.is_remote_only(node) && self.connection(node) == Some(Connection::Failed)
    }

    pub fn order_remote_actions(&mut self) {
        if !self.cluster.nodes_by_name.iter().any(|node| self.cluster.is_remote(*node)) {
            return;
        }
        for action in self.actions_newest_first() {
            let record = self.act(action);
            let Some(rsc) = record.resource else { continue };
            if self.is(rsc, RscFlags::REMOTE_CONNECTION) && record.task == "clear_failcount" {
                let start = self.end(rsc, "start");
                self.add_ordering(Self::action_end(action), start, OrderFlags::ORDERED);
                continue;
            }
            let Some(node) = record.node.filter(|node| self.cluster.is_remote(*node)) else { continue };
            if record.is(ActFlags::PSEUDO) {
                continue;
            }
            let Some(remote) = self.node(node).remote else { continue };
            if self.act(action).task == "start" {
                for other in self.resource_actions(rsc) {
                    if self.act(other).node != Some(node) && self.act(other).task == "stop" {
                        let start = self.end(remote, "start");
                        self.add_ordering(start, Self::action_end(other), OrderFlags::ORDERED);
                    }
                }
            }
            match self.rsc(remote).launcher {
                Some(launcher) => self.order_on_guest(action, node, remote, launcher),
                None => self.order_on_remote(action, node, remote),
            }
        }
    }

    fn after_start_of(&mut self, first: RscId, then: ActId, extra: OrderFlags) {
        let start = self.end(first, "start");
        let flags = OrderFlags::GUEST_ALLOWED | OrderFlags::UNRUNNABLE_FIRST_BLOCKS | extra;
        self.add_ordering(start, Self::action_end(then), flags);
    }

    fn before_stop_of(&mut self, first: ActId, then: RscId, extra: OrderFlags) {
        let stop = self.end(then, "stop");
        self.add_ordering(Self::action_end(first), stop, OrderFlags::GUEST_ALLOWED | extra);
    }

    fn order_on_remote(&mut self, action: ActId, node: NodeId, remote: RscId) {
        let Some(state) = self.connection(node) else { return };
        let recurs = self.act(action).meta.get("interval").is_some_and(|interval| interval != "0");
        let task = self.act(action).task.clone();
        match &*task {
            "start" | "promote" => {
                let failed = state == Connection::Failed;
                let extra = if failed { OrderFlags::FIRST_IMPLIES_THEN } else { OrderFlags::NONE };
                self.after_start_of(remote, action, extra);
            }
            "stop" | "migrate_to" | "migrate_from" => {
                if state == Connection::Alive {
                    self.before_stop_of(action, remote, OrderFlags::THEN_IMPLIES_FIRST);
                } else if state == Connection::Failed {
                    let reason = "resources are active but connection is unrecoverable";
                    self.fence_node(node, reason, false);
                } else if self.rsc(remote).next_role == Role::Stopped {
                    self.before_stop_of(action, remote, OrderFlags::THEN_IMPLIES_FIRST);
                } else {
                    self.after_start_of(remote, action, OrderFlags::NONE);
                }
            }
            "demote" => {
                if matches!(state, Connection::Resting | Connection::Unknown) {
                    self.after_start_of(remote, action, OrderFlags::NONE);
                }
            }
            _ if recurs => self.after_start_of(remote, action, OrderFlags::FIRST_IMPLIES_THEN),
            _ => {
                if task == "monitor" && state == Connection::Failed {
                    let reason = "resources are in unknown state and connection is unrecoverable";
                    self.fence_node(node, reason, false);
                }
                if self.current_node(remote).is_some() && state == Connection::Stopped {
                    self.before_stop_of(action, remote, OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
                } else {
                    self.after_start_of(remote, action, OrderFlags::NONE);
                }
            }
        }
    }

    fn order_on_guest(&mut self, action: ActId, node: NodeId, remote: RscId, launcher: RscId) {
        let failed = self.is(launcher, RscFlags::FAILED);
        if failed {
            self.fence_node(node, "container failed", false);
        }
        let recurs = self.act(action).meta.get("interval").is_some_and(|interval| interval != "0");
        match &*self.act(action).task {
            "start" | "promote" => {
                self.after_start_of(launcher, action, OrderFlags::FIRST_IMPLIES_THEN);
                self.after_start_of(remote, action, OrderFlags::NONE);
            }
            "stop" | "demote" | "migrate_to" | "migrate_from" => {
                if !failed {
                    self.before_stop_of(action, remote, OrderFlags::NONE);
                }
            }
            task if recurs => {
                if matches!(task, "monitor" | "notify" | "notified") {
                    self.after_start_of(remote, action, OrderFlags::FIRST_IMPLIES_THEN);
                }
            }
            _ => self.after_start_of(remote, action, OrderFlags::NONE),
        }
    }

    /// What is launched by another resource runs with it, after it.
    pub fn order_with_launcher(&mut self, rsc: RscId) {
        let Some(launcher) = self.rsc(rsc).launcher else { return };
        let connection = self.is(rsc, RscFlags::REMOTE_CONNECTION);
        let nested = self.is(rsc, RscFlags::REMOTE_NESTING_ALLOWED);
        let mut node_of = None;
        if connection {
            if !nested {
                self.avoid_remote_nodes(launcher);
            }
            self.order_tasks(launcher, "monitor", rsc, "stop", OrderFlags::ORDERED);
        } else if self.is(launcher, RscFlags::REMOTE_CONNECTION) {
            node_of = Some(launcher);
        } else {
            let launched = &self.rsc(launcher).launched;
            node_of = launched.iter().copied().find(|other| self.is(*other, RscFlags::REMOTE_CONNECTION));
        }
        if let Some(remote) = node_of {
            // It runs inside of the guest, nowhere else.
            for node in self.rsc(rsc).allowed.nodes() {
                if self.node(node).remote != Some(remote) {
                    self.rsc_mut(rsc).allowed.entry(node).score = -INFINITY;
                    self.note(rsc, node, -INFINITY, || Source::Container);
                }
            }
            return;
        }
        let flags = OrderFlags::FIRST_IMPLIES_THEN | OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
        self.order_tasks(launcher, "start", rsc, "start", flags);
        self.order_tasks(rsc, "stop", launcher, "stop", OrderFlags::THEN_IMPLIES_FIRST);
        self.add_colocation(Colocation {
            id: "#resource-with-container".into(),
            dependent: rsc,
            primary: launcher,
            score: if nested { 10_000 } else { INFINITY },
            dependent_role: Role::Unknown,
            primary_role: Role::Unknown,
            attribute: "#uname".into(),
            influence: true,
            explicit: false,
        });
    }

    /// The cluster node that carries out an action on a remote one.
    pub fn router(&self, action: ActId) -> Option<NodeId> {
        let record = self.act(action);
        let node = record.node.filter(|node| self.cluster.is_remote(*node))?;
        if record.task == "stonith" {
            return None;
        }
        let remote = self.node(node).remote?;
        let (began, ended) = (self.current_node(remote), self.rsc(remote).assigned);
        let (Some(began), Some(ended)) = (began, ended) else { return began.or(ended) };
        let migrating = self.rsc(remote).launcher.is_none() && self.rsc(remote).migration_target.is_some();
        let task = match &*record.task {
            "notify" => record.meta.get("notify_operation").unwrap_or_default(),
            other => other,
        };
        let leaves = matches!(task, "cancel" | "stop" | "demote" | "migrate_from" | "migrate_to");
        Some(if leaves && !migrating { began } else { ended })
    }
}
