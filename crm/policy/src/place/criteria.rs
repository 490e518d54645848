//! What each node has for or against it, before anything is placed: locks, locations, stickiness, failures.

use crate::engine::{Engine, integer};
use crate::model::{INFINITY, NodeFlags, NodeId, ProbeMode, RscFlags, RscId, RscKind};
use crate::reasons::Source;
use crate::status::failcount::Counting;

impl Engine<'_> {
    pub fn apply_node_criteria(&mut self) {
        if self.cluster.options.shutdown_lock {
            for rsc in self.cluster.top.clone() {
                self.apply_shutdown_lock(rsc);
            }
        }
        self.apply_locations();
        for rsc in self.cluster.top.clone() {
            self.apply_stickiness(rsc);
        }
        for node in self.cluster.nodes_by_name.clone() {
            let failed = self.has_failures(node);
            for rsc in self.cluster.top.clone() {
                if failed {
                    self.apply_failures(rsc, node);
                }
                self.apply_exclusive_discovery(rsc, node);
            }
        }
    }

    fn apply_stickiness(&mut self, rsc: RscId) {
        let children = self.children(rsc);
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.apply_stickiness(child));
            return;
        }
        let resource = self.rsc(rsc);
        let [node] = resource.active[..] else { return };
        let known = self.cluster.options.symmetric || resource.allowed.get(node).is_some();
        if resource.is(RscFlags::MANAGED) && resource.stickiness >= 1 && known {
            self.add_score(rsc, Some(node), resource.stickiness, Source::Stickiness);
        }
    }

    fn apply_failures(&mut self, rsc: RscId, node: NodeId) {
        let children = self.children(rsc);
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.apply_failures(child, node));
            return;
        }
        let clears = !self.find_task(rsc, "clear_failcount", Some(node), true).is_empty();
        if clears {
            return;
        }
        if let Some((banned, failures)) = self.threshold_reached(rsc, node) {
            self.add_score(banned, Some(node), -INFINITY, Source::MigrationThreshold { failures });
        }
    }

    /// The resource to ban from a node because of its failures there, and their number.
    pub fn threshold_reached(&mut self, rsc: RscId, node: NodeId) -> Option<(RscId, i32)> {
        let threshold = self.rsc(rsc).migration_threshold;
        if threshold == 0 || self.is(rsc, RscFlags::IGNORE_FAILURE) {
            return None;
        }
        let (failures, _) = self.fail_count(node, rsc, Counting::FOR_THRESHOLD, None);
        if failures <= 0 || failures < threshold {
            return None;
        }
        let banned = if self.is(rsc, RscFlags::UNIQUE) { rsc } else { self.top(rsc) };
        Some((banned, failures))
    }

    fn apply_exclusive_discovery(&mut self, rsc: RscId, node: NodeId) {
        let exclusive = RscFlags::EXCLUSIVE_PROBES;
        if !self.is(rsc, exclusive) && !self.is(self.top(rsc), exclusive) {
            return;
        }
        for child in self.children(rsc) {
            self.apply_exclusive_discovery(child, node);
        }
        if let Some(entry) = self.rsc_mut(rsc).allowed.get_mut(node)
            && entry.probe != ProbeMode::Exclusive
        {
            entry.score = -INFINITY;
            self.note(rsc, node, -INFINITY, || Source::ExclusiveDiscovery);
        }
    }

    fn apply_shutdown_lock(&mut self, rsc: RscId) {
        match self.rsc(rsc).kind {
            RscKind::Primitive => self.lock_primitive(rsc),
            RscKind::Group { .. } => self.children(rsc).into_iter().for_each(|member| self.lock_primitive(member)),
            RscKind::Clone(_) | RscKind::Bundle(_) => {}
        }
    }

    /// What ran on a node that was shut down cleanly waits for it.
    fn lock_primitive(&mut self, rsc: RscId) {
        if self.rsc(rsc).flags.any(RscFlags::FENCE_DEVICE | RscFlags::REMOTE_CONNECTION) {
            return;
        }
        let resource = self.rsc(rsc);
        if let Some(node) = resource.lock_node {
            if !resource.active.is_empty() {
                self.forget_history(rsc, node);
                let resource = self.rsc_mut(rsc);
                (resource.lock_node, resource.lock_time) = (None, 0);
            }
        } else if let [node] = resource.active[..]
            && self.node(node).is(NodeFlags::SHUTDOWN)
            && !self.node(node).unclean()
        {
            let when = self.node(node).attributes.get("shutdown").and_then(integer).unwrap_or(0);
            let when = if when == 0 { self.cluster.now } else { when };
            let resource = self.rsc_mut(rsc);
            (resource.lock_node, resource.lock_time) = (Some(node), when);
        }
        let Some(locked) = self.rsc(rsc).lock_node else { return };
        let limit = self.cluster.options.shutdown_lock_ms;
        if limit > 0 {
            self.recheck_by(self.rsc(rsc).lock_time + i64::from(limit / 1000) + 1);
        }
        for node in self.cluster.nodes_by_name.clone() {
            if node != locked {
                self.add_score(rsc, Some(node), -INFINITY, Source::ShutdownLock);
            }
        }
    }
}
