//! Notifications: instances of a clone that asked for it are told before and after others start, stop, are promoted or
//! demoted, and by then who is what. The lists they are given are complete only when all actions are known.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::model::{ActFlags, ActId, INFINITY, NodeFlags, NodeId, OrderFlags, Role, RscFlags, RscId};

/// The points of one notification, and the lists that go with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notification {
    task: &'static str,
    pre: Option<ActId>,
    pre_done: Option<ActId>,
    post: Option<ActId>,
    post_done: Option<ActId>,
    lists: Lists,
    keys: Vec<(&'static str, String)>,
}

type Entries = Vec<(RscId, Option<NodeId>)>;

#[derive(Clone, Debug, Default)]
struct Lists {
    start: Entries,
    stop: Entries,
    promote: Entries,
    demote: Entries,
    active: Entries,
    inactive: Entries,
    promoted: Entries,
    unpromoted: Entries,
}

/// Notifications by clone and task.
pub(crate) type Notifications = BTreeMap<(RscId, &'static str), Notification>;

impl Engine<'_> {
    pub fn create_notification_points(
        &mut self,
        clone: RscId,
        start: ActId,
        started: ActId,
        stop: ActId,
        stopped: ActId,
    ) {
        self.add_notification(clone, "start", Some(start), Some(started));
        self.add_notification(clone, "stop", Some(stop), Some(stopped));
        let end_of_stop = self.notification_point(clone, "stop", |n| n.post_done);
        let begin_of_start = self.notification_point(clone, "start", |n| n.pre);
        self.order_points(end_of_stop, begin_of_start);
    }

    pub fn order_promotion_notifications(&mut self, clone: RscId) {
        for (first, then) in
            [("stop", "promote"), ("start", "promote"), ("demote", "promote"), ("demote", "start"), ("demote", "stop")]
        {
            let end = self.notification_point(clone, first, |n| n.post_done);
            let begin = self.notification_point(clone, then, |n| n.pre);
            self.order_points(end, begin);
        }
    }

    fn order_points(&mut self, first: Option<ActId>, then: Option<ActId>) {
        if let (Some(first), Some(then)) = (first, then) {
            self.order_actions(first, then, OrderFlags::ORDERED);
        }
    }

    fn notification_point(
        &self,
        clone: RscId,
        task: &'static str,
        which: impl Fn(&Notification) -> Option<ActId>,
    ) -> Option<ActId> {
        self.notifications.get(&(clone, task)).and_then(which)
    }

    pub fn add_notification(
        &mut self,
        clone: RscId,
        task: &'static str,
        action: Option<ActId>,
        complete: Option<ActId>,
    ) {
        if self.notifications.contains_key(&(clone, task)) {
            return;
        }
        if let Some(notification) = self.new_notification(clone, task, action, complete) {
            self.notifications.insert((clone, task), notification);
        }
    }

    fn new_notification(
        &mut self,
        rsc: RscId,
        task: &'static str,
        action: Option<ActId>,
        complete: Option<ActId>,
    ) -> Option<Notification> {
        if !self.is(rsc, RscFlags::NOTIFY) {
            return None;
        }
        let mut notification = Notification { task, ..Notification::default() };
        if let Some(action) = action {
            let pre = self.notify_point(rsc, action, "notify", "pre", "pre", task);
            let done = self.notify_point(rsc, action, "notified", "confirmed-pre", "pre", task);
            for point in [pre, done] {
                self.act_mut(point).flags.set(ActFlags::RUNNABLE);
            }
            self.order_actions(pre, done, OrderFlags::ORDERED);
            self.order_actions(done, action, OrderFlags::ORDERED);
            (notification.pre, notification.pre_done) = (Some(pre), Some(done));
        }
        if let Some(complete) = complete {
            let post = self.notify_point(rsc, complete, "notify", "post", "post", task);
            let done = self.notify_point(rsc, complete, "notified", "confirmed-post", "post", task);
            let runnable = self.act(complete).runnable();
            for point in [post, done] {
                let record = self.act_mut(point);
                record.priority = INFINITY;
                if runnable {
                    record.flags.set(ActFlags::RUNNABLE);
                } else {
                    record.flags.clear(ActFlags::RUNNABLE);
                }
            }
            self.order_actions(complete, post, OrderFlags::FIRST_IMPLIES_THEN);
            self.order_actions(post, done, OrderFlags::FIRST_IMPLIES_THEN);
            (notification.post, notification.post_done) = (Some(post), Some(done));
        }
        if let (Some(done), Some(post)) = (notification.pre_done, notification.post) {
            self.order_actions(done, post, OrderFlags::ORDERED);
        }
        Some(notification)
    }

    fn notify_point(&mut self, rsc: RscId, action: ActId, task: &str, key: &str, kind: &str, of: &str) -> ActId {
        let (action_task, optional) = (self.act(action).task.clone(), !self.act(action).required());
        let full_key = format!("{}_{key}_notify_{action_task}_0", self.rsc(rsc).id);
        let point = self.action(Some(rsc), full_key, task, None, optional);
        let record = self.act_mut(point);
        record.flags.set(ActFlags::PSEUDO);
        record.meta_mut().insert("notify_key_type", key);
        record.meta_mut().insert("notify_key_operation", &action_task);
        record.meta_mut().insert("notify_type", kind);
        record.meta_mut().insert("notify_operation", of);
        point
    }

    /// Makes the notifications of a clone, once all its actions are known.
    pub fn create_notifications(&mut self, clone: RscId) {
        for task in ["start", "stop", "promote", "demote"] {
            let Some(mut notification) = self.notifications.remove(&(clone, task)) else { continue };
            self.collect_lists(clone, true, &mut notification.lists);
            self.write_lists(clone, &mut notification);
            self.notify_instances(clone, &notification);
        }
    }

    fn collect_lists(&self, rsc: RscId, activity: bool, lists: &mut Lists) {
        let resource = self.rsc(rsc);
        if !resource.children.is_empty() {
            resource.children.iter().for_each(|child| self.collect_lists(*child, activity, lists));
            return;
        }
        let entry = (rsc, resource.active.first().copied());
        match resource.role {
            Role::Stopped => lists.inactive.push(entry),
            Role::Started => lists.active.push(entry),
            Role::Unpromoted => {
                lists.unpromoted.push(entry);
                lists.active.push(entry);
            }
            Role::Promoted => {
                lists.promoted.push(entry);
                lists.active.push(entry);
            }
            Role::Unknown => {}
        }
        if !activity {
            return;
        }
        for action in self.resource_actions(rsc) {
            let record = self.act(action);
            let (true, Some(node)) = (record.required(), record.node) else { continue };
            let lost_stop = record.task == "stop" && self.node(node).unclean();
            if !lost_stop && !record.runnable() {
                continue;
            }
            let entry = (rsc, Some(node));
            match &*record.task {
                "start" => lists.start.push(entry),
                "stop" => lists.stop.push(entry),
                "promote" => lists.promote.push(entry),
                "demote" => lists.demote.push(entry),
                _ => {}
            }
        }
    }

    /// Names of resources and nodes, each resource once; an empty list is one blank.
    fn names(&self, entries: &Entries, with_nodes: bool) -> (String, String) {
        let mut sorted: Vec<(&str, Option<&str>, Option<&str>)> = entries
            .iter()
            .map(|(rsc, node)| {
                let node = node.map(|node| self.node(node));
                (self.rsc(*rsc).id.as_str(), node.map(|n| n.id.as_str()), node.map(|n| n.name.as_str()))
            })
            .collect();
        sorted.sort_by(|a, b| (a.0, a.1.is_none(), a.1).cmp(&(b.0, b.1.is_none(), b.1)));
        let (mut resources, mut nodes): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for (rsc, _, node) in sorted {
            if (with_nodes && node.is_none()) || resources.last() == Some(&rsc) {
                continue;
            }
            resources.push(rsc);
            nodes.extend(node);
        }
        let text = |words: Vec<&str>| if words.is_empty() { " ".to_owned() } else { words.join(" ") };
        (text(resources), text(nodes))
    }

    fn write_lists(&self, clone: RscId, notification: &mut Notification) {
        let lists = &notification.lists;
        let mut keys: Vec<(&'static str, String)> = Vec::new();
        let both: [(&Entries, &[(&'static str, &'static str)]); 7] = [
            (&lists.stop, &[("notify_stop_resource", "notify_stop_uname")]),
            (&lists.start, &[("notify_start_resource", "notify_start_uname")]),
            (&lists.demote, &[("notify_demote_resource", "notify_demote_uname")]),
            (&lists.promote, &[("notify_promote_resource", "notify_promote_uname")]),
            (&lists.active, &[("notify_active_resource", "notify_active_uname")]),
            (
                &lists.unpromoted,
                &[
                    ("notify_unpromoted_resource", "notify_unpromoted_uname"),
                    ("notify_slave_resource", "notify_slave_uname"),
                ],
            ),
            (
                &lists.promoted,
                &[
                    ("notify_promoted_resource", "notify_promoted_uname"),
                    ("notify_master_resource", "notify_master_uname"),
                ],
            ),
        ];
        for (entries, names) in both {
            let (resources, nodes) = self.names(entries, true);
            for (resource_key, node_key) in names {
                keys.push((resource_key, resources.clone()));
                keys.push((node_key, nodes.clone()));
            }
        }
        keys.push(("notify_inactive_resource", self.names(&lists.inactive, false).0));
        let names = |nodes: &[NodeId]| {
            let names: Vec<&str> = nodes.iter().map(|node| self.node(*node).name.as_str()).collect();
            if names.is_empty() { " ".to_owned() } else { names.join(" ") }
        };
        keys.push(("notify_available_uname", names(&self.allowed_by_name(clone))));
        keys.push(("notify_all_uname", names(&self.cluster.nodes_by_name)));
        if self.rsc(clone).meta("container-attribute-target") == Some("host") {
            let host = |node: &NodeId| {
                let launcher = self.node(*node).remote.and_then(|remote| self.rsc(remote).launcher);
                launcher.and_then(|launcher| self.current_node(launcher)).unwrap_or(*node)
            };
            let hosts: Vec<NodeId> = self.cluster.nodes_by_name.iter().map(host).collect();
            keys.push(("notify_all_hosts", names(&hosts)));
        }
        notification.keys = keys;
    }

    fn notify_instances(&mut self, rsc: RscId, notification: &Notification) {
        let lists = &notification.lists;
        let required = match notification.task {
            "stop" => !lists.stop.is_empty(),
            "start" => !lists.start.is_empty(),
            "demote" => !lists.demote.is_empty(),
            _ => !lists.promote.is_empty(),
        };
        if required {
            let points = [notification.pre, notification.pre_done, notification.post, notification.post_done];
            for point in points.into_iter().flatten() {
                self.act_mut(point).flags.clear(ActFlags::OPTIONAL);
            }
        }
        self.notify_below(rsc, notification);
    }

    fn notify_below(&mut self, rsc: RscId, notification: &Notification) {
        let children = self.children(rsc);
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.notify_below(child, notification));
            return;
        }
        for action in self.resource_actions(rsc) {
            let record = self.act(action);
            if record.required()
                && record.node.is_some()
                && matches!(&*record.task, "start" | "stop" | "promote" | "demote")
            {
                self.add_keys(action, notification);
            }
        }
        let lists = &notification.lists;
        let nothing = match notification.task {
            "start" => lists.start.is_empty(),
            "promote" => lists.promote.is_empty(),
            "demote" => lists.demote.is_empty(),
            _ => false,
        };
        if nothing {
            return;
        }
        let task = notification.task;
        if self.rsc(rsc).role != Role::Stopped && matches!(task, "stop" | "demote") {
            self.notify_leaving(rsc, notification);
        }
        if self.rsc(rsc).next_role != Role::Stopped && matches!(task, "start" | "promote") {
            self.notify_coming(rsc, notification);
        }
    }

    fn notify_leaving(&mut self, rsc: RscId, notification: &Notification) {
        let stop = self.first_with_task(rsc, "stop", None);
        for node in self.rsc(rsc).active.clone() {
            let state = self.node(node);
            let lost = state.unclean() || state.is(NodeFlags::REMOTE_RESET);
            if lost && stop.is_some_and(|stop| self.act_is(stop, ActFlags::PSEUDO)) {
                continue;
            }
            self.notify(rsc, node, notification.pre, notification.pre_done, notification);
            if notification.task == "demote" || stop.is_none_or(|stop| !self.act(stop).required()) {
                self.notify_after(rsc, node, notification);
            }
        }
    }

    fn notify_coming(&mut self, rsc: RscId, notification: &Notification) {
        let start = self.first_with_task(rsc, "start", None);
        let remote_start = start
            .and_then(|start| self.act(start).node)
            .and_then(|node| self.node(node).remote)
            .and_then(|remote| self.first_with_task(remote, "start", None));
        if remote_start.is_some_and(|start| !self.act(start).runnable()) {
            return;
        }
        let Some(node) = self.rsc(rsc).assigned else { return };
        if notification.task != "start" || start.is_none_or(|start| !self.act(start).required()) {
            self.notify(rsc, node, notification.pre, notification.pre_done, notification);
        }
        self.notify_after(rsc, node, notification);
    }

    fn add_keys(&mut self, action: ActId, notification: &Notification) {
        let meta = self.act_mut(action).meta_mut();
        for (name, value) in &notification.keys {
            meta.insert(name, value);
        }
    }

    fn notify(
        &mut self,
        rsc: RscId,
        node: NodeId,
        point: Option<ActId>,
        done: Option<ActId>,
        notification: &Notification,
    ) -> Option<ActId> {
        let (point, done) = (point?, done?);
        if !self.node(node).online() || !self.act(point).runnable() {
            return None;
        }
        let record = self.act(point);
        let meta = std::sync::Arc::clone(&record.meta);
        let (task, optional) = (record.task.clone(), !record.required());
        let get = |name: &str| meta.get(name).unwrap_or_default();
        let key = format!("{}_{}_notify_{}_0", self.rsc(rsc).id, get("notify_type"), get("notify_operation"));
        let action = self.action(Some(rsc), key, &task, Some(node), optional);
        let own = self.act_mut(action).meta_mut();
        for (name, value) in meta.iter() {
            own.add(name, value);
        }
        self.add_keys(action, notification);
        self.order_actions(point, action, OrderFlags::ORDERED);
        self.order_actions(action, done, OrderFlags::ORDERED);
        Some(action)
    }

    fn notify_after(&mut self, rsc: RscId, node: NodeId, notification: &Notification) {
        if let Some(action) = self.notify(rsc, node, notification.post, notification.post_done, notification) {
            self.act_mut(action).priority = INFINITY;
        }
        let Some(done) = notification.post_done else { return };
        for monitor in self.resource_actions(rsc) {
            let record = self.act(monitor);
            let recurs = record.meta.get("interval").is_some_and(|interval| interval != "0");
            if recurs && record.task != "cancel" {
                self.order_actions(done, monitor, OrderFlags::ORDERED);
            }
        }
    }

    /// A stop that a fencing implies is told of once the fencing is done.
    pub fn notify_after_fencing(&mut self, stop: ActId, rsc: RscId, fencing: ActId) {
        let Some(mut notification) = self.new_notification(rsc, "stop", None, Some(fencing)) else { return };
        self.collect_lists(rsc, false, &mut notification.lists);
        let node = self.act(stop).node.map(|node| self.node(node).name.clone()).unwrap_or_default();
        let id = self.rsc(rsc).id.clone();
        notification.keys = vec![("notify_stop_resource", id), ("notify_stop_uname", node)];
        let top = self.top(rsc);
        self.notify_below(top, &notification);
    }
}
