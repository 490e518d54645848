#![forbid(unsafe_code)]
//! What a plan changes, in one line for each node and resource: the verb, from where to where, and why.
//!
//! The plan's actions say what is done; this puts them together to what an operator calls a move or a restart.

use policy::Cluster;
use policy::model::{ActFlags, Action, NodeId, Resource, Role, RscFlags, RscId};

/// Something that happens to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeChange {
    /// `Shutdown`, `Fence (reboot)`, …
    pub what: String,
    /// The node; a guest with the resource that launches it.
    pub node: String,
    /// Why.
    pub reason: Option<String>,
}

/// Something that happens to a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// `Start`, `Stop`, `Move`, `Restart`, …
    pub verb: &'static str,
    /// The resource.
    pub resource: String,
    /// Nodes and roles: `one`, `one -> two`, `Promoted one`.
    pub details: String,
    /// The same for programs: names and values.
    pub places: Vec<(&'static str, String)>,
    /// Why.
    pub reason: Option<String>,
    /// It should be done and cannot be.
    pub blocked: bool,
}

/// Everything that changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Nodes, the last decided first.
    pub nodes: Vec<NodeChange>,
    /// Resources, in their order.
    pub resources: Vec<Change>,
}

impl Summary {
    /// Reads it out of a planned cluster.
    pub fn of(cluster: &Cluster) -> Self {
        let mut summary = Summary::default();
        // The plan is read from its end: what was decided last stands first, as in the transition.
        let of_nodes = cluster.actions.iter().rev().filter(|action| action.resource.is_none() && action.required());
        summary.nodes.extend(of_nodes.filter_map(|action| node_change(cluster, action)));
        for top in &cluster.top {
            add_resource(cluster, *top, &mut summary.resources);
        }
        summary
    }
}

fn node_change(cluster: &Cluster, action: &Action) -> Option<NodeChange> {
    let what = match &*action.task {
        "do_shutdown" => "Shutdown".to_owned(),
        "stonith" => format!("Fence ({})", action.meta.get("stonith_action").unwrap_or_default()),
        _ => return None,
    };
    let id = action.node?;
    let node = cluster.node(id);
    let launcher = node.remote.and_then(|connection| cluster.resource(connection).launcher);
    let node = match launcher {
        Some(launcher) => format!("{} (resource: {})", node.name, cluster.resource(launcher).id),
        None => node.name.clone(),
    };
    Some(NodeChange { what, node, reason: action.reason.clone() })
}

fn add_resource(cluster: &Cluster, id: RscId, changes: &mut Vec<Change>) {
    let resource = cluster.resource(id);
    if let Some(bundle) = resource.bundle_data() {
        for replica in &bundle.replicas {
            for part in [replica.ip, Some(replica.container), replica.connection, replica.child].into_iter().flatten() {
                add_resource(cluster, part, changes);
            }
        }
        return;
    }
    if !resource.is_primitive() {
        for child in &resource.children {
            add_resource(cluster, *child, changes);
        }
        return;
    }
    let Some(look) = Look::at(cluster, id) else { return };
    look.add_to(changes);
}

/// One primitive with what its change is read from.
struct Look<'a> {
    cluster: &'a Cluster,
    resource: &'a Resource,
    /// Role it has now, as far as the change is concerned.
    role: Role,
    current: Option<NodeId>,
    next: Option<NodeId>,
    start: Option<&'a Action>,
    stop: Option<&'a Action>,
    promote: Option<&'a Action>,
    demote: Option<&'a Action>,
}

impl<'a> Look<'a> {
    /// `None` if there is nothing to say: it is not managed, or it is and stays nowhere.
    fn at(cluster: &'a Cluster, id: RscId) -> Option<Self> {
        let resource = cluster.resource(id);
        let (current, next) = (current_node(cluster, id), resource.assigned);
        if !resource.is(RscFlags::MANAGED) || (current.is_none() && next.is_none()) {
            return None;
        }
        if current.is_none() && resource.is(RscFlags::REMOVED) {
            return None;
        }
        // What is active counts as started even when its recovery is planned from its being stopped.
        let role = match resource.role {
            Role::Stopped if current.is_some() => Role::Started,
            role => role,
        };
        let mut look =
            Look { cluster, resource, role, current, next, start: None, stop: None, promote: None, demote: None };
        look.start = look.find("start", next);
        let runnable_start = look.start.is_some_and(Action::runnable);
        look.stop = look.find("stop", if runnable_start { current } else { None });
        if look.stop.is_none() && resource.is(RscFlags::STOP_UNEXPECTED) {
            look.stop = look.find("stop", None);
        }
        look.promote = look.find("promote", next);
        look.demote = look.find("demote", next);
        Some(look)
    }

    /// The first action of that kind made; on the node if one is given.
    fn find(&self, task: &str, node: Option<NodeId>) -> Option<&'a Action> {
        let key = format!("{}_{task}_0", self.resource.id);
        let actions = self.resource.actions.iter().map(|id| self.cluster.action(*id));
        let mut matching = actions.filter(|action| action.key.eq_ignore_ascii_case(&key));
        matching.find(|action| node.is_none() || action.node.is_none() || action.node == node)
    }

    fn is(&self, flags: RscFlags) -> bool {
        self.resource.is(flags)
    }

    fn moving(&self) -> bool {
        self.current.is_some() && self.next.is_some() && self.current != self.next
    }

    fn add_to(&self, changes: &mut Vec<Change>) {
        let change = match self.role == self.resource.next_role {
            true => self.same_role(),
            false if self.is_stopping() => return self.add_stops(changes),
            false => self.other_role(),
        };
        changes.extend(change);
    }

    /// The role stays: what moves, restarts or reloads.
    fn same_role(&self) -> Option<Change> {
        self.next?;
        let failed = self.is(RscFlags::FAILED);
        if self.current.is_some() && self.find("migrate_from", self.next).is_some_and(Action::runnable) {
            return self.change("Migrate", self.current, self.next, self.start, None);
        }
        if self.is(RscFlags::RELOAD) {
            return self.change("Reload", self.current, self.next, self.start, None);
        }
        let Some(start) = self.start.filter(|start| start.required()) else {
            let needed = |action: Option<&'a Action>| action.is_some_and(Action::required);
            return match needed(self.demote) && needed(self.promote) {
                true => self.change("Re-promote", self.current, self.next, self.promote, self.demote),
                false => None,
            };
        };
        if !start.runnable() {
            let reason = self.stop.filter(|stop| stop.reason.is_some()).unwrap_or(start);
            return self.change("Stop", self.current, None, self.stop, Some(reason));
        }
        if self.moving() {
            let verb = if failed { "Recover" } else { "Move" };
            return self.change(verb, self.current, self.next, self.stop, None);
        }
        match failed {
            true => self.change("Recover", self.current, None, self.stop, None),
            false => self.change("Restart", self.current, self.next, Some(start), None),
        }
    }

    fn is_stopping(&self) -> bool {
        let no_start = self.start.is_some_and(|start| !start.runnable());
        self.stop.is_some() && (self.resource.next_role == Role::Stopped || no_start)
    }

    /// It stops on every node where it is active.
    fn add_stops(&self, changes: &mut Vec<Change>) {
        for node in &self.resource.active {
            let stop = self.find("stop", Some(*node));
            let reason = stop.filter(|stop| stop.reason.is_some()).or(self.start);
            changes.extend(self.change("Stop", Some(*node), None, stop, reason));
        }
    }

    /// The role changes, but not to stopped.
    fn other_role(&self) -> Option<Change> {
        let must_stop = self.stop.is_some_and(Action::required);
        if self.stop.is_some() && self.is(RscFlags::FAILED | RscFlags::STOP_IF_FAILED) {
            return self.change("Recover", self.current, self.next, self.stop, self.start);
        }
        if self.moving() {
            return self.change("Move", self.current, self.next, self.stop, None);
        }
        if self.is(RscFlags::RELOAD) {
            return self.change("Reload", self.current, self.next, self.start, None);
        }
        if must_stop {
            return self.change("Restart", self.current, self.next, self.start, None);
        }
        if self.role == Role::Promoted {
            return self.change("Demote", self.current, self.next, self.demote, None);
        }
        if self.resource.next_role == Role::Promoted {
            return self.change("Promote", self.current, self.next, self.promote, None);
        }
        if self.role == Role::Stopped && self.resource.next_role > Role::Stopped {
            return self.change("Start", self.current, self.next, self.start, None);
        }
        None
    }

    /// A change done by `action`, explained by `reason` (the same if none is given).
    fn change(
        &self,
        verb: &'static str,
        from: Option<NodeId>,
        to: Option<NodeId>,
        action: Option<&Action>,
        reason: Option<&Action>,
    ) -> Option<Change> {
        Some(Change {
            verb,
            resource: self.resource.id.clone(),
            details: self.details(from, to)?,
            places: self.places(from, to),
            reason: reason.or(action).and_then(|action| action.reason.clone()),
            blocked: !action?.is(ActFlags::RUNNABLE),
        })
    }

    /// What [`details`](Self::details) says, by name.
    fn places(&self, from: Option<NodeId>, to: Option<NodeId>) -> Vec<(&'static str, String)> {
        let name = |node: NodeId| self.cluster.node(node).name.clone();
        let (role, next) = (self.role, self.resource.next_role);
        let says_role = role > Role::Started || next > Role::Unpromoted;
        let (role, next, same_role) = (role.text().to_owned(), next.text().to_owned(), role == next);
        match (from, to) {
            (None, None) => Vec::new(),
            (None, Some(to)) if says_role => vec![("role", role), ("next-role", next), ("dest", name(to))],
            (Some(from), None) if says_role => vec![("role", role), ("node", name(from))],
            (None, Some(node)) | (Some(node), None) => vec![("node", name(node))],
            (Some(from), Some(to)) if from == to => match (same_role, says_role) {
                (true, true) => vec![("role", role), ("source", name(from))],
                (true, false) => vec![("source", name(from))],
                (false, _) => vec![("role", role), ("next-role", next), ("source", name(from))],
            },
            (Some(from), Some(to)) => match (same_role, says_role) {
                (true, true) => vec![("source", name(from)), ("dest", name(to)), ("role", role)],
                (true, false) => vec![("source", name(from)), ("dest", name(to))],
                (false, _) => {
                    vec![("role", role), ("source", name(from)), ("next-role", next), ("dest", name(to))]
                }
            },
        }
    }

    fn details(&self, from: Option<NodeId>, to: Option<NodeId>) -> Option<String> {
        let name = |node: NodeId| self.cluster.node(node).name.as_str();
        let (role, next) = (self.role, self.resource.next_role);
        let says_role = role > Role::Started || next > Role::Unpromoted;
        let (role, next, same_role) = (role.text(), next.text(), role == next);
        Some(match (from, to) {
            (None, None) => return None,
            (None, Some(to)) if says_role => format!("{role} -> {next} {}", name(to)),
            (None, Some(to)) => name(to).to_owned(),
            (Some(from), None) if says_role => format!("{role} {}", name(from)),
            (Some(from), None) => name(from).to_owned(),
            (Some(from), Some(to)) if from == to => match (same_role, says_role) {
                (true, true) => format!("{role} {}", name(from)),
                (true, false) => name(from).to_owned(),
                (false, _) => format!("{role} -> {next} {}", name(from)),
            },
            (Some(from), Some(to)) => match (same_role, says_role) {
                (true, true) => format!("{} -> {} {role}", name(from), name(to)),
                (true, false) => format!("{} -> {}", name(from), name(to)),
                (false, _) => format!("{role} {} -> {next} {}", name(from), name(to)),
            },
        })
    }
}

/// The node that counts as the current one: the source of a migration under way; else, where no fencing is needed,
/// the first in order; else the first.
pub fn current_node(cluster: &Cluster, id: RscId) -> Option<NodeId> {
    let resource = cluster.resource(id);
    let first = resource.active.first().copied();
    if let Some(source) = resource.migration_source {
        return resource.active.iter().copied().find(|node| *node == source).or(first);
    }
    if resource.is(RscFlags::NEEDS_FENCING) {
        return first;
    }
    let in_order = |node: &NodeId| cluster.node(*node).online() && !cluster.node(*node).unclean();
    resource.active.iter().copied().find(in_order).or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plan_changes() {
        let cib = cib::Document::parse(
            "<cib have-quorum='1'><configuration>
               <crm_config><cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='false'/></cluster_property_set></crm_config>
               <nodes><node id='1' uname='one'/><node id='2' uname='two'><instance_attributes id='a'><nvpair id='a1' name='standby' value='on'/></instance_attributes></node></nodes>
               <resources>
                 <primitive id='new' class='ocf' provider='p' type='T'/>
                 <primitive id='moved' class='ocf' provider='p' type='T'/>
                 <primitive id='unwanted' class='ocf' provider='p' type='T'><meta_attributes id='m'><nvpair id='m1' name='target-role' value='Stopped'/></meta_attributes></primitive>
               </resources><constraints/></configuration><status>
               <node_state id='1' uname='one' in_ccm='true' crmd='online' join='member' expected='member'><lrm id='1'><lrm_resources>
                 <lrm_resource id='unwanted' class='ocf' provider='p' type='T'><lrm_rsc_op id='unwanted_last_0' operation='start' operation_key='unwanted_start_0' call-id='1' rc-code='0' op-status='0' interval='0' transition-key='1:1:0:x' transition-magic='0:0;1:1:0:x'/></lrm_resource>
               </lrm_resources></lrm></node_state>
               <node_state id='2' uname='two' in_ccm='true' crmd='online' join='member' expected='member'><lrm id='2'><lrm_resources>
                 <lrm_resource id='moved' class='ocf' provider='p' type='T'><lrm_rsc_op id='moved_last_0' operation='start' operation_key='moved_start_0' call-id='1' rc-code='0' op-status='0' interval='0' transition-key='1:1:0:x' transition-magic='0:0;1:1:0:x'/></lrm_resource>
               </lrm_resources></lrm></node_state>
             </status></cib>",
        )
        .unwrap();
        let plan = policy::plan(&policy::Input::new(&cib, 1));
        let summary = Summary::of(&plan.cluster);
        let lines = summary.resources.iter().map(|of| (of.verb, &*of.resource, &*of.details, of.reason.as_deref()));
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                ("Start", "new", "one", None),
                ("Move", "moved", "two -> one", None),
                ("Stop", "unwanted", "one", Some("node availability")),
            ]
        );
    }
}
