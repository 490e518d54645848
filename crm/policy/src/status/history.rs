//! What ran where: the histories of all nodes, replayed resource by resource, and what their end means for a resource:
//! active or not, failed, blocked, to be moved. What one operation means is in `operation`.

use std::cmp::Ordering;

use cib::Element;

use crate::engine::{Engine, Few, Where, base_name, op_key};
use crate::model::{ActFlags, INFINITY, MultiplyActive, NodeFlags, NodeId, OnFail, Role, RscFlags, RscId, RscKind};
use crate::reasons::Source;
use crate::status::recorded::{Operations, Recorded};

/// Rounds over the histories: each round reads at least one node more, or is the last.
const MAX_ROUNDS: usize = 1_000_000;

impl<'a> Engine<'a> {
    pub fn read_histories(&mut self) {
        let Some(status) = self.doc.descend(&["status"]) else { return };
        let states: Vec<Element> = self.doc.children_named(status, "node_state").collect();
        for _ in 0..MAX_ROUNDS {
            if !self.read_history_round(&states, false) {
                break;
            }
        }
        self.read_history_round(&states, self.fences());

        for launcher in std::mem::take(&mut self.stop_needed) {
            if let Some(node) = self.current_node(launcher) {
                self.stop_action(launcher, node, false);
            }
        }
        for node in self.cluster.nodes_by_name.clone() {
            if !self.cluster.is_remote(node) {
                continue;
            }
            if self.node(node).is(NodeFlags::SHUTDOWN)
                && let Some(remote) = self.node(node).remote
            {
                self.set_next_role(remote, Role::Stopped);
            }
            if !self.node(node).is(NodeFlags::UNPACKED) {
                self.judge_remote_online(node);
            }
        }
    }

    /// Reads the histories that can be read now; whether there were any. A remote node's counts once its connection
    /// is known to be up; what is left at the end is read only to fence what it may hold.
    fn read_history_round(&mut self, states: &[Element], all: bool) -> bool {
        let mut any = false;
        for state in states.iter().copied() {
            if self.attr(state, "id").is_none() || self.attr(state, "uname").is_none() {
                continue;
            }
            let Some(node) = self.node_of_state(state) else { continue };
            if self.node(node).is(NodeFlags::UNPACKED) {
                continue;
            }
            let locks = self.cluster.options.shutdown_lock;
            let remote = self.node(node).remote;
            if all {
            } else if self.cluster.is_guest(node) {
                let up = |rsc: Option<RscId>| rsc.is_some_and(|rsc| self.rsc(rsc).role == Role::Started);
                if !up(remote) || !up(remote.and_then(|rsc| self.rsc(rsc).launcher)) {
                    continue;
                }
            } else if self.cluster.is_remote(node) {
                match remote {
                    None => continue,
                    Some(rsc) if !locks && self.rsc(rsc).role != Role::Started => continue,
                    Some(_) => {}
                }
            } else if !self.fences() && !locks && !self.node(node).online() {
                continue;
            }
            if self.cluster.is_remote(node) {
                self.judge_remote_online(node);
                self.read_remote_state(state, node);
            }
            self.set_node(node, NodeFlags::UNPACKED);
            self.read_node_history(state, node);
            any = true;
        }
        any
    }

    fn read_node_history(&mut self, state: Element, node: NodeId) {
        let list = self.doc.child(state, "lrm").and_then(|lrm| self.doc.child(lrm, "lrm_resources"));
        let Some(list) = list else { return };
        let entries: Vec<Element> = self.doc.children_named(list, "lrm_resource").collect();
        for entry in &entries {
            self.read_resource_history(*entry, node);
        }
        // Most documents speak of no container anywhere.
        if self.names.container.is_some() {
            for entry in entries {
                self.link_removed_to_launcher(entry);
            }
        }
    }

    /// A removed connection says in its history what launched it; that may be read only after it.
    fn link_removed_to_launcher(&mut self, entry: Element) {
        let find = |name: &str| self.attr(entry, name).and_then(|id| self.find_resource(id));
        let Some(launcher) = find("container") else { return };
        let Some(rsc) = find("id") else { return };
        if self.is(rsc, RscFlags::REMOVED_LAUNCHED) && self.rsc(rsc).launcher.is_none() {
            self.rsc_mut(rsc).launcher = Some(launcher);
            self.rsc_mut(launcher).launched.push(rsc);
        }
    }

    /// History entries of a resource on a node, by name.
    pub fn operations_of(&self, node: &str, rsc: &str) -> Vec<Element> {
        let Some(status) = self.doc.descend(&["status"]) else { return Vec::new() };
        let states = self.doc.children_named(status, "node_state");
        let lists = states
            .filter(|state| self.attr(*state, "uname") == Some(node))
            .filter_map(|state| self.doc.child(state, "lrm"))
            .filter_map(|lrm| self.doc.child(lrm, "lrm_resources"));
        lists
            .flat_map(|list| self.doc.children_named(list, "lrm_resource"))
            .filter(|entry| self.attr(*entry, "id") == Some(rsc))
            .flat_map(|entry| self.doc.children_named(entry, "lrm_rsc_op"))
            .collect()
    }

    /// The entries of one resource, oldest first.
    pub fn sorted_operations(&self, entry: Element) -> Operations<'a> {
        let mut operations: Operations<'a> =
            self.doc.children_named(entry, "lrm_rsc_op").map(|operation| self.recorded(operation)).collect();
        operations.reverse();
        // The order of entries is not total (pending ones, entries of two nodes), so this is a merge sort like
        // Pacemaker's: other algorithms would give other results.
        merge_sort(&mut operations, &compare_recorded);
        operations
    }

    fn read_resource_history(&mut self, entry: Element, node: NodeId) {
        let Some(id) = self.attr(entry, "id") else { return };
        let operations = self.sorted_operations(entry);
        let locks = self.cluster.options.shutdown_lock;
        if operations.is_empty() && !locks {
            return;
        }
        let rsc = match self.find_history_resource(id, node) {
            Found::Resource(rsc) => rsc,
            Found::Nothing if operations.is_empty() => return,
            Found::Nothing => match self.add_removed_resource(entry) {
                Some(rsc) => rsc,
                None => return,
            },
        };
        if locks {
            self.read_shutdown_lock(entry, rsc, node);
        }
        let saved = self.rsc(rsc).role;
        self.rsc_mut(rsc).role = Role::Unknown;
        let mut on_fail = OnFail::Ignore;
        let mut last_failure = None;
        for operation in &operations {
            self.read_operation(rsc, node, *operation, &mut last_failure, &mut on_fail);
        }
        let (start, stop) = Self::active_operations(&operations);
        self.note_recurring(rsc, node, &operations, start, stop);
        self.conclude(rsc, node, on_fail);
        if let Some(role) = self.target_role(rsc) {
            let next = self.rsc(rsc).next_role;
            if next == Role::Unknown || role < next {
                self.set_next_role(rsc, role);
            }
        }
        if saved > self.rsc(rsc).role {
            self.rsc_mut(rsc).role = saved;
        }
    }

    fn read_shutdown_lock(&mut self, entry: Element, rsc: RscId, node: NodeId) {
        let when = self.number(entry, "shutdown-lock").unwrap_or(0);
        if when == 0 {
            return;
        }
        let limit = i64::from(self.cluster.options.shutdown_lock_ms / 1000);
        if limit > 0 && self.cluster.now > when + limit {
            self.forget_history(rsc, node);
        } else {
            let resource = self.rsc_mut(rsc);
            (resource.lock_node, resource.lock_time) = (Some(node), when);
        }
    }

    pub fn forget_history(&mut self, rsc: RscId, node: NodeId) {
        let key = op_key(&self.rsc(rsc).id, "lrm_delete", 0);
        self.action(Some(rsc), key, "lrm_delete", Some(node), false);
    }

    /// The resource a history is about. Anonymous instances share one name, so which instance it is depends on what
    /// is known so far.
    fn find_history_resource(&mut self, id: &str, node: NodeId) -> Found {
        let mut found = self.find_resource(id);
        let mut parent = None;
        match found {
            None => {
                let zero = format!("{}:0", base_name(id));
                if let Some(first) = self.find_resource(&zero)
                    && !self.is(first, RscFlags::UNIQUE)
                {
                    found = Some(first);
                    parent = Some(self.top(first));
                }
            }
            // A group or clone has no history: what is there is left over from a primitive of that name.
            Some(rsc) if !self.rsc(rsc).is_primitive() => return Found::Nothing,
            Some(rsc) => parent = Some(self.top(rsc)),
        }
        if let Some(clone) = parent.filter(|top| self.rsc(*top).is_anonymous_clone()) {
            found = match self.parent(clone) {
                Some(bundle) => self.replica_on(bundle, node).and_then(|replica| replica.child),
                None => self.find_anonymous_instance(clone, base_name(id), node),
            };
        }
        let Some(rsc) = found else { return Found::Nothing };
        let resource = self.rsc_mut(rsc);
        if resource.id != id && resource.history_id.as_deref() != Some(id) {
            resource.history_id = Some(id.to_owned());
        }
        Found::Resource(rsc)
    }

    /// The primitive of configuration id `id` within a clone instance.
    pub fn member_named(&self, instance: RscId, id: &str) -> Option<RscId> {
        let resource = self.rsc(instance);
        if resource.id == id || resource.xml_id == id {
            return Some(instance);
        }
        resource.children.iter().find_map(|child| self.member_named(*child, id))
    }

    fn find_anonymous_instance(&mut self, clone: RscId, id: &str, node: NodeId) -> Option<RscId> {
        let mut found = None;
        let mut free = None;
        let mut already_active = false;
        for instance in self.children(clone) {
            let places = self.locations(instance, Where::CurrentOrPending);
            if let Some(first) = places.first() {
                if *first == node
                    && let Some(member) = self.member_named(instance, id)
                {
                    if !self.rsc(member).active.is_empty() {
                        already_active = true;
                    } else {
                        found = Some(member);
                        break;
                    }
                }
            } else if !already_active && free.is_none() && !self.is(instance, RscFlags::BLOCKED) {
                free = self
                    .member_named(instance, id)
                    .filter(|member| self.rsc(*member).pending_node.is_none_or(|pending| pending == node));
            }
        }
        if found.is_none() && !already_active {
            found = free;
        }
        let universal = self.rsc(clone).clone_data().is_some_and(|data| data.max as usize == self.cluster.nodes.len());
        if let Some(rsc) = found
            && !self.is(rsc, RscFlags::NEEDS_FENCING)
            && (!self.node(node).online() || self.node(node).unclean())
            && !self.cluster.is_guest(node)
            && !universal
        {
            // What needs no fencing may start elsewhere at once, so it must not take an instance away from there.
            found = None;
        }
        found.or_else(|| {
            let instance = self.add_instance(clone)?;
            self.member_named(instance, id)
        })
    }

    /// A resource that has history but no configuration: it is stopped, or left alone.
    fn add_removed_resource(&mut self, entry: Element) -> Option<RscId> {
        let rsc = self.read_resource(entry, None, None)?;
        self.cluster.top.push(rsc);
        if crate::status::nodes::is_remote_connection(self.doc, entry) {
            let id = self.rsc(rsc).id.clone();
            let node = self
                .cluster
                .find_node(&id)
                .unwrap_or_else(|| self.add_node(&id, &id, crate::model::NodeKind::Remote, 0));
            self.link_remote_node(rsc);
            self.set_node(node, NodeFlags::SHUTDOWN);
        }
        if self.attr(entry, "container").is_some() {
            self.set_rsc(rsc, RscFlags::REMOVED_LAUNCHED);
        }
        self.set_rsc(rsc, RscFlags::REMOVED);
        if self.cluster.options.stop_removed_resources {
            self.add_score(rsc, None, -INFINITY, Source::Other("it is no longer configured".into()));
        } else {
            self.clear_rsc(rsc, RscFlags::MANAGED);
        }
        Some(rsc)
    }

    /// Where in a history the resource was last started, and last stopped: positions, or −1.
    pub fn active_operations(operations: &[Recorded]) -> (i64, i64) {
        let (mut start, mut stop, mut monitor, mut role_change) = (-1, -1, -1, -1);
        for (at, operation) in operations.iter().enumerate() {
            let at = at as i64;
            match operation.task.unwrap_or_default() {
                "stop" if operation.status_text == Some("0") => stop = at,
                "start" | "migrate_from" => start = at,
                "monitor" if monitor <= stop => {
                    if matches!(operation.exit_text, Some("0" | "8")) {
                        monitor = at;
                    }
                }
                "promote" | "demote" => role_change = at,
                _ => {}
            }
        }
        if start == -1 {
            start = if role_change != -1 { role_change } else { monitor };
        }
        (start, stop)
    }

    /// Recurring operations under way become (optional) actions, so that what no longer fits can be cancelled.
    fn note_recurring(&mut self, rsc: RscId, node: NodeId, operations: &[Recorded], start: i64, stop: i64) {
        if !self.node(node).online() {
            return;
        }
        for (at, operation) in operations.iter().enumerate() {
            let at = at as i64;
            if (start < stop && at <= stop) || at < start {
                continue;
            }
            let interval = operation.interval();
            if interval <= 0 || operation.status_text == Some("-1") {
                continue;
            }
            let task = operation.task.unwrap_or_default();
            let key = op_key(&self.rsc(rsc).id, task, interval as u32);
            self.action(Some(rsc), key, task, Some(node), true);
        }
    }

    /// What the history as a whole means.
    fn conclude(&mut self, rsc: RscId, node: NodeId, on_fail: OnFail) {
        let role = self.rsc(rsc).role;
        let known_active = role > Role::Stopped;
        if role != Role::Unknown {
            let mut at = Some(rsc);
            while let Some(current) = at {
                let resource = self.rsc_mut(current);
                if !resource.probed.contains(&node) {
                    resource.probed.push(node);
                }
                if resource.is(RscFlags::UNIQUE) {
                    break;
                }
                at = resource.parent;
            }
        }
        let (online, maintenance) = (self.node(node).online(), self.node(node).is(NodeFlags::MAINTENANCE));
        if known_active && !online && !maintenance && self.is(rsc, RscFlags::MANAGED) {
            self.fence_for_active(rsc, node);
        }
        let handled = if self.node(node).unclean() { OnFail::Ignore } else { on_fail };
        self.handle_failure(rsc, node, handled, known_active);

        if self.is(rsc, RscFlags::FAILED | RscFlags::REMOTE_CONNECTION)
            && let Some(remote) = self.cluster.find_node(&self.rsc(rsc).id)
            && self.node(remote).unclean()
        {
            self.set_node(remote, NodeFlags::SEEN);
        }
        if known_active {
            self.add_active(rsc, node, on_fail != OnFail::Ignore);
            match handled {
                OnFail::Ignore => {}
                OnFail::Demote | OnFail::Block => self.set_rsc(rsc, RscFlags::FAILED),
                _ => self.set_rsc(rsc, RscFlags::FAILED | RscFlags::STOP_IF_FAILED),
            }
        } else if self.rsc(rsc).history_id.as_deref().is_some_and(|id| id.contains(':')) {
            // Only an active instance keeps a name of its own in the history.
            self.rsc_mut(rsc).history_id = None;
        } else {
            for stop in self.find_task(rsc, "stop", Some(node), false) {
                self.act_mut(stop).flags.set(ActFlags::OPTIONAL);
            }
        }
        let resource = self.rsc_mut(rsc);
        if resource.role == Role::Stopped
            && !resource.active.is_empty()
            && resource.migration_target.is_some()
            && resource.migration_source == Some(node)
        {
            resource.role = Role::Started;
        }
    }

    /// What is active on a node that is gone makes the node one to be fenced.
    fn fence_for_active(&mut self, rsc: RscId, node: NodeId) {
        let id = self.rsc(rsc).id.clone();
        let mut reason = format!("{id} is thought to be active there");
        if self.cluster.is_guest(node) {
            self.set_rsc(rsc, RscFlags::FAILED | RscFlags::STOP_IF_FAILED);
        } else if !self.fences() {
            return;
        } else if self.cluster.is_remote(node)
            && self.node(node).remote.is_some_and(|remote| !self.is(remote, RscFlags::FAILED))
        {
            self.node_mut(node).flags.clear(NodeFlags::SEEN);
            reason = format!(
                "{id} is active there (fencing will be revoked if remote connection can be re-established elsewhere)"
            );
        }
        self.fence_node(node, &reason, false);
    }

    fn handle_failure(&mut self, rsc: RscId, node: NodeId, on_fail: OnFail, known_active: bool) {
        match on_fail {
            OnFail::Ignore => {}
            OnFail::Demote => {
                self.set_rsc(rsc, RscFlags::FAILED);
                self.demote_action(rsc, node, false);
            }
            OnFail::Fence => {
                let reason = format!("{} failed there", self.rsc(rsc).id);
                self.fence_node(node, &reason, false);
            }
            OnFail::Standby => self.set_node(node, NodeFlags::STANDBY | NodeFlags::FAIL_STANDBY),
            OnFail::Block => {
                self.clear_rsc(rsc, RscFlags::MANAGED);
                self.set_rsc(rsc, RscFlags::BLOCKED);
            }
            OnFail::Ban => {
                self.add_score(rsc, Some(node), -INFINITY, Source::Failure("on-fail is migrate".into()));
            }
            OnFail::Stop => self.set_next_role(rsc, Role::Stopped),
            OnFail::Restart => {
                if known_active {
                    self.set_rsc(rsc, RscFlags::FAILED | RscFlags::STOP_IF_FAILED);
                    self.stop_action(rsc, node, false);
                }
            }
            OnFail::RestartContainer => {
                self.set_rsc(rsc, RscFlags::FAILED | RscFlags::STOP_IF_FAILED);
                match self.rsc(rsc).launcher {
                    Some(launcher) if self.is_bundled(rsc) => self.stop_needed.insert(0, launcher),
                    Some(launcher) => {
                        self.stop_action(launcher, node, false);
                    }
                    None if known_active => {
                        self.stop_action(rsc, node, false);
                    }
                    None => {}
                }
            }
            OnFail::ResetRemote => {
                self.set_rsc(rsc, RscFlags::FAILED | RscFlags::STOP_IF_FAILED);
                if self.fences()
                    && self.is(rsc, RscFlags::REMOTE_CONNECTION)
                    && let Some(remote) = self.cluster.find_node(&self.rsc(rsc).id)
                    && self.cluster.is_remote_only(remote)
                    && !self.node(remote).is(NodeFlags::REMOTE_FENCED)
                {
                    self.fence_node(remote, "remote connection is unrecoverable", false);
                }
                if known_active {
                    self.stop_action(rsc, node, false);
                }
                if self.rsc(rsc).reconnect_ms > 0 {
                    self.set_next_role(rsc, Role::Stopped);
                }
            }
        }
    }

    /// Notes that a resource is active on a node, and what follows when it is not the only one.
    pub fn add_active(&mut self, rsc: RscId, node: NodeId, failed: bool) {
        if self.rsc(rsc).active.contains(&node) {
            return;
        }
        self.rsc_mut(rsc).active.push(node);
        if self.rsc(rsc).is_primitive() {
            self.node_mut(node).running.push(rsc);
            if !failed {
                self.add_priority(rsc, node);
            }
            if self.node(node).is(NodeFlags::MAINTENANCE) {
                self.clear_rsc(rsc, RscFlags::MANAGED);
                self.set_rsc(rsc, RscFlags::MAINTENANCE);
            }
        }
        let parent = self.parent(rsc);
        if !self.is(rsc, RscFlags::MANAGED) {
            self.add_score(rsc, Some(node), INFINITY, Source::Unmanaged);
            let mut at = parent;
            while let Some(current) = at {
                // Twice on one node counts twice here: displays and counts of collectives rest on it.
                self.rsc_mut(current).active.push(node);
                at = self.parent(current);
            }
            return;
        }
        if self.rsc(rsc).is_primitive() && self.is_multiply_active(rsc) {
            self.handle_multiply_active(rsc, parent);
        }
        if let Some(parent) = parent {
            self.add_active(parent, node, false);
        }
    }

    fn is_multiply_active(&self, rsc: RscId) -> bool {
        let (_, all, clean) = self.active_node(rsc);
        (if self.is(rsc, RscFlags::NEEDS_FENCING) { all } else { clean }) > 1
    }

    fn handle_multiply_active(&mut self, rsc: RscId, parent: Option<RscId>) {
        match self.rsc(rsc).multiply_active {
            MultiplyActive::Stop => self.ban_everywhere(rsc, Source::Other("it was active on several nodes".into())),
            MultiplyActive::Block => {
                let block = |engine: &mut Self, rsc: RscId| {
                    engine.clear_rsc(rsc, RscFlags::MANAGED);
                    engine.set_rsc(rsc, RscFlags::BLOCKED);
                };
                block(self, rsc);
                if let Some(parent) = parent
                    && matches!(self.rsc(parent).kind, RscKind::Group { .. } | RscKind::Bundle(_))
                    && self.rsc(parent).multiply_active == MultiplyActive::Block
                {
                    self.children(parent).into_iter().for_each(|member| block(self, member));
                }
            }
            MultiplyActive::Restart | MultiplyActive::Unexpected => {}
        }
    }

    /// Gives every node minus infinity, whatever was known before.
    pub fn ban_everywhere(&mut self, rsc: RscId, source: Source) {
        for node in self.cluster.nodes_by_name.clone() {
            self.rsc_mut(rsc).allowed.entry(node).score = -INFINITY;
            self.note(rsc, node, -INFINITY, || source.clone());
        }
    }

    fn add_priority(&mut self, rsc: RscId, node: NodeId) {
        let resource = self.rsc(rsc);
        if resource.priority == 0 {
            return;
        }
        let priority = resource.priority + i32::from(resource.role == Role::Promoted);
        self.node_mut(node).priority = self.node(node).priority.saturating_add(priority);
        if let Some(launcher) = self.node(node).remote.and_then(|remote| self.rsc(remote).launcher) {
            for host in self.rsc(launcher).active.clone() {
                self.node_mut(host).priority = self.node(host).priority.saturating_add(priority);
            }
        }
    }

    /// Which of two history entries is the newer.
    pub fn compare_operations(&self, a: Element, b: Element) -> Ordering {
        compare_recorded(&self.recorded(a), &self.recorded(b))
    }
}

/// Which of two history entries is the newer.
fn compare_recorded(a: &Recorded, b: &Recorded) -> Ordering {
    let same_node = match (a.on_node, b.on_node) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    };
    if same_node && a.id == b.id {
        return Ordering::Equal;
    }
    let (call_a, call_b) = (a.call(), b.call());
    if call_a == -1 && call_b == -1 {
        return Ordering::Equal;
    }
    if same_node && call_a >= 0 && call_a < call_b {
        return Ordering::Less;
    }
    if same_node && call_b >= 0 && call_a > call_b {
        return Ordering::Greater;
    }
    if call_a >= 0 && call_b >= 0 && (!same_node || call_a == call_b) {
        let (changed_a, changed_b) = (a.changed(), b.changed());
        return if changed_a >= 0 && changed_a < changed_b {
            Ordering::Less
        } else if changed_b >= 0 && changed_a > changed_b {
            Ordering::Greater
        } else {
            Ordering::Equal
        };
    }
    // One of them is pending: its transition says when it was begun.
    let (magic_a, magic_b) = (a.magic.and_then(decode_magic), b.magic.and_then(decode_magic));
    let (Some((uuid_a, id_a)), Some((uuid_b, id_b))) = (magic_a, magic_b) else { return Ordering::Equal };
    if !uuid_a.eq_ignore_ascii_case(uuid_b) || id_a == id_b {
        if call_b == -1 { Ordering::Less } else { Ordering::Greater }
    } else if (id_a >= 0 && id_a < id_b) || id_b == -1 {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

/// What a history's name stands for.
enum Found {
    Resource(RscId),
    Nothing,
}

/// Transition id and cluster's uuid of `STATUS:RC;ACTION:TRANSITION:TARGET_RC:UUID`.
fn decode_magic(magic: &str) -> Option<(&str, i64)> {
    let (_, key) = magic.split_once(';')?;
    let (_, transition, _, uuid) = decode_key(key)?;
    Some((uuid, transition))
}

/// Action, transition, expected status and uuid of a transition key.
pub(crate) fn decode_key(key: &str) -> Option<(i64, i64, i64, &str)> {
    let (action, rest) = leading_number(key)?;
    let (transition, rest) = leading_number(rest)?;
    let (target, uuid) = leading_number(rest)?;
    Some((action, transition, target, uuid.get(..36).unwrap_or(uuid)))
}

/// The number before the first colon, and what is behind it.
fn leading_number(text: &str) -> Option<(i64, &str)> {
    // Every entry of every history has such a key: digits with a colon behind them need no search and no parser.
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=18).contains(&digits) && text.as_bytes().get(digits) == Some(&b':') {
        let number = text[..digits].bytes().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        return Some((number, &text[digits + 1..]));
    }
    let (number, rest) = text.split_once(':').unwrap_or((text, ""));
    Some((number.trim().parse().ok()?, rest))
}

/// A stable merge sort whose result is defined for relations that are no order, too.
pub(crate) fn merge_sort<T: Copy>(items: &mut [T], compare: &dyn Fn(&T, &T) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let middle = items.len() / 2;
    merge_sort(&mut items[..middle], compare);
    merge_sort(&mut items[middle..], compare);
    // What is merged never overtakes what is left of the right half, so only the left one is copied.
    let left: Few<T> = items[..middle].iter().copied().collect();
    let (mut i, mut j) = (0, middle);
    for at in 0..items.len() {
        if i == left.len() {
            break;
        }
        if j == items.len() || compare(&left[i], &items[j]).is_le() {
            items[at] = left[i];
            i += 1;
        } else {
            items[at] = items[j];
            j += 1;
        }
    }
}
