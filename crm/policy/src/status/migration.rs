//! What a live migration in a history means: done, half done, left behind, or failed on one side or the other.

use cib::Element;

use crate::engine::Engine;
use crate::model::{NodeId, Role, RscFlags, RscId};

const OCF_OK: i64 = 0;
const OCF_NOT_RUNNING: i64 = 7;
const OCF_UNKNOWN: i64 = 193;
const PENDING: i64 = -1;
const DONE: i64 = 0;

impl<'a> Engine<'a> {
    fn find_operation(&self, rsc: &str, task: &str, node: &str, partner: Option<&str>) -> Option<Element> {
        let attribute = match task {
            "migrate_to" => "migrate_target",
            _ => "migrate_source",
        };
        self.operations_of(node, rsc).into_iter().find(|entry| {
            self.attr(*entry, "operation") == Some(task)
                && partner.is_none_or(|partner| self.attr(*entry, attribute) == Some(partner))
        })
    }

    fn succeeded_with(&self, entry: Element, rc: i64) -> bool {
        self.number(entry, "rc-code") == Some(rc) && self.number(entry, "op-status") == Some(DONE)
    }

    /// Nothing is known of the resource there but that an operation is under way.
    fn unknown_on(&self, rsc: &str, node: &str) -> bool {
        !self
            .operations_of(node, rsc)
            .iter()
            .any(|entry| self.attr(*entry, "rc-code").is_some() && self.number(*entry, "rc-code") != Some(OCF_UNKNOWN))
    }

    fn found_stopped_after(&self, rsc: &str, node: &str, entry: Element) -> bool {
        self.find_operation(rsc, "monitor", node, None)
            .filter(|monitor| self.succeeded_with(*monitor, OCF_NOT_RUNNING))
            .is_some_and(|monitor| self.compare_operations(monitor, entry).is_gt())
    }

    fn changed_after(&self, rsc: &str, node: &str, entry: Element) -> bool {
        self.operations_of(node, rsc).into_iter().any(|other| {
            other != entry
                && matches!(self.attr(other, "operation"), Some("start" | "stop" | "migrate_to" | "migrate_from"))
                && self.compare_operations(other, entry).is_gt()
        })
    }

    fn newer_state_after(&self, rsc: &str, node: &str, to: Option<Element>, from: Option<Element>) -> bool {
        let Some(mut entry) = from.or(to) else { return false };
        if let (Some(to), Some(_)) = (to, from)
            && self.attr(entry, "migrate_source").is_some_and(|source| source.eq_ignore_ascii_case(node))
        {
            entry = to;
        }
        self.changed_after(rsc, node, entry) || self.found_stopped_after(rsc, node, entry)
    }

    /// Source and target an entry names, if they fit the node whose history it is in.
    fn partners(&self, entry: Element, source: Option<NodeId>, target: Option<NodeId>) -> Option<(&'a str, &'a str)> {
        let (from, to) = (self.attr(entry, "migrate_source")?, self.attr(entry, "migrate_target")?);
        let fits =
            |node: Option<NodeId>, name: &str| node.is_none_or(|node| self.node(node).name.eq_ignore_ascii_case(name));
        (fits(source, from) && fits(target, to)).then_some((from, to))
    }

    /// A `migrate_to` that succeeded: what became of it on the target decides where the resource is.
    pub fn take_migrate_to(&mut self, rsc: RscId, node: NodeId, entry: Element) {
        let Some((source, target)) = self.partners(entry, Some(node), None) else { return };
        let id = self.rsc(rsc).id.clone();
        let source_changed = self.changed_after(&id, source, entry);
        let from = self.find_operation(&id, "migrate_from", target, Some(source));
        let (mut rc, mut status) = (OCF_OK, PENDING);
        if let Some(from) = from {
            if source_changed {
                return;
            }
            rc = self.number(from, "rc-code").unwrap_or(rc);
            status = self.number(from, "op-status").unwrap_or(status);
        }
        let target_changed = self.newer_state_after(&id, target, Some(entry), from);
        if source_changed && target_changed {
            return;
        }
        if rc == OCF_OK && status == DONE {
            // It runs on the target; the source only was not told yet.
            let resource = self.rsc_mut(rsc);
            resource.role = Role::Stopped;
            resource.dangling_sources.insert(0, node);
            return;
        }
        self.rsc_mut(rsc).role = Role::Started;
        let target_node = self.cluster.find_node(target);
        let target_online = target_node.filter(|target| self.node(*target).online());
        let on_target = target_online.filter(|_| !target_changed);
        let unusable = |engine: &mut Self| {
            engine.set_rsc(rsc, RscFlags::FAILED | RscFlags::STOP_IF_FAILED);
            engine.clear_rsc(rsc, RscFlags::MIGRATABLE);
        };
        if status != PENDING {
            match on_target {
                Some(target) => self.add_active(rsc, target, true),
                None => unusable(self),
            }
            return;
        }
        if target_online.is_some() && self.unknown_on(&id, target) {
            return;
        }
        if let Some(target) = on_target {
            self.add_active(rsc, target, false);
            if let Some(source) = self.cluster.find_node(source).filter(|source| self.node(*source).online()) {
                let resource = self.rsc_mut(rsc);
                (resource.migration_source, resource.migration_target) = (Some(source), Some(target));
            }
        } else if !source_changed {
            unusable(self);
        }
    }

    pub fn take_migrate_to_failure(&mut self, rsc: RscId, node: NodeId, entry: Element) {
        let Some((source, target)) = self.partners(entry, Some(node), None) else { return };
        self.rsc_mut(rsc).role = Role::Started;
        let id = self.rsc(rsc).id.clone();
        let from = self
            .find_operation(&id, "migrate_from", target, Some(source))
            .filter(|from| self.succeeded_with(*from, OCF_OK));
        if !self.unknown_on(&id, target) && !self.newer_state_after(&id, target, Some(entry), from) {
            if let Some(target) = self.cluster.find_node(target).filter(|target| self.node(*target).online()) {
                self.add_active(rsc, target, false);
            }
        } else if !self.changed_after(&id, source, entry) {
            self.rsc_mut(rsc).dangling_sources.insert(0, node);
        }
    }

    pub fn take_migrate_from_failure(&mut self, rsc: RscId, node: NodeId, entry: Element) {
        let Some((source, target)) = self.partners(entry, None, Some(node)) else { return };
        self.rsc_mut(rsc).role = Role::Started;
        let id = self.rsc(rsc).id.clone();
        let to =
            self.find_operation(&id, "migrate_to", source, Some(target)).filter(|to| self.succeeded_with(*to, OCF_OK));
        if !self.unknown_on(&id, source)
            && !self.newer_state_after(&id, source, to, Some(entry))
            && let Some(source) = self.cluster.find_node(source).filter(|source| self.node(*source).online())
        {
            self.add_active(rsc, source, true);
        }
    }
}
