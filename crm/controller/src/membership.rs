//! Who is here, against what the CIB says of it: the writes that make the two agree. Level-triggered: it looks at the
//! present only, so it does not matter which events were seen on the way, or by which coordinator.

use std::collections::BTreeSet;

use cib::{Cib, NodeAttribute, Write};
use engine::{Membership, NodeId};

/// The transient attribute by which a node asks to leave.
pub const SHUTDOWN: &str = "shutdown";

/// What the CIB's `<node_state>` says of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeState {
    /// The node's id as the CIB has it.
    pub id: String,
    /// Its name.
    pub uname: String,
    /// Whether it counts as present.
    pub present: bool,
    /// Whether its daemon counts as present.
    pub daemon: bool,
    /// `member` while it is meant to be here, `down` once it was let go or fenced.
    pub expected: String,
    /// The join that this state is of: [`engine::Member::since`].
    pub since: Option<u64>,
    /// Whether it has asked to leave.
    pub leaving: bool,
}

/// All node states of a CIB, in document order.
pub fn node_states(cib: &Cib) -> Vec<NodeState> {
    let document = cib.document();
    let Some(status) = document.descend(&["status"]) else { return Vec::new() };
    document
        .children_named(status, "node_state")
        .map(|state| {
            let text = |name| document.attribute(state, name).unwrap_or("");
            NodeState {
                id: text("id").to_owned(),
                uname: text("uname").to_owned(),
                present: is_here(text("in_ccm")),
                daemon: is_here(text("crmd")),
                expected: text("expected").to_owned(),
                since: text("since").parse().ok(),
                leaving: document
                    .child(state, "transient_attributes")
                    .into_iter()
                    .flat_map(|attributes| document.children_named(attributes, "instance_attributes"))
                    .flat_map(|set| document.children_named(set, "nvpair"))
                    .any(|pair| document.attribute(pair, "name") == Some(SHUTDOWN)),
            }
        })
        .collect()
}

/// Pacemaker wrote booleans and `online` up to feature set 3.17, and seconds since 1970 afterwards.
fn is_here(text: &str) -> bool {
    match text.parse::<i64>() {
        Ok(since) => since > 0,
        Err(_) => matches!(text, "true" | "online" | "yes" | "1"),
    }
}

/// Nodes whose host is up, but whose daemon is not: it died, or is being started. Their services may run, so they are
/// given time before they count as lost. Those that were let go or fenced are known to run nothing.
pub fn without_daemon(view: &Membership, cib: &Cib) -> BTreeSet<NodeId> {
    let states = node_states(cib);
    let down = |id: NodeId| states.iter().any(|state| state.id == id.to_string() && state.expected == "down");
    view.hosts.iter().map(|host| host.id).filter(|id| !view.has_member(*id) && !down(*id)).collect()
}

/// The writes that make the CIB agree with who is here. Nodes of `spared` are left as they are; hosts of `stayed` were
/// here all the time, only their daemon was away.
pub fn reconcile(
    view: &Membership,
    cib: &Cib,
    spared: &BTreeSet<NodeId>,
    stayed: &BTreeSet<NodeId>,
    unix: i64,
) -> Vec<Write> {
    let states = node_states(cib);
    let document = cib.document();
    let mut writes = Vec::new();

    for member in &view.members {
        let Some(host) = view.hosts.iter().find(|host| host.id == member.id) else { continue };
        let id = member.id.to_string();
        let known = document
            .descend(&["configuration", "nodes"])
            .is_some_and(|nodes| document.children_named(nodes, "node").any(|node| document.id(node) == id));
        if !known {
            writes.push(Write::Node { id: id.clone(), uname: host.name.clone() });
        }
        let state = states.iter().find(|state| state.id == id);
        // The same join was seen before and is left alone: it may be on its way out (`expected` is `down`), or fenced
        // and not yet missed by the engine.
        // That it is meant to be here and is not, while it is, was said by somebody who did not hear it.
        let agrees = |state: &NodeState| (state.present && state.daemon) || state.expected == "down";
        if state.is_some_and(|state| state.since == Some(member.since) && agrees(state)) {
            continue;
        }
        // What it runs is unknown to us, whatever history says: it is probed.
        let node = host.name.clone();
        let down = state.is_some_and(|state| state.expected == "down");
        writes.push(match stayed.contains(&member.id) && !down {
            true => Write::Returned { node },
            false => Write::Joined { node },
        });
        writes.push(Write::NodeState {
            id,
            uname: host.name.clone(),
            in_ccm: unix,
            crmd: unix,
            join: "member".into(),
            expected: "member".into(),
            since: member.since,
        });
    }

    for state in &states {
        let Some(id) = state.id.parse().ok().map(NodeId) else { continue };
        if view.has_member(id) || spared.contains(&id) {
            continue;
        }
        let present = view.has_host(id) && state.expected == "member";
        if !state.daemon && (present || !state.present) {
            continue;
        }
        // Expected to be a member and not here: policy will call it unclean. Let go before: cleanly down. That it only
        // wanted to leave counts no more: it did not come to that, and what it ran may run.
        if state.leaving && state.expected == "member" {
            writes.push(Write::Attributes {
                values: vec![NodeAttribute { node: state.uname.clone(), name: SHUTDOWN.into(), value: None }],
            });
        }
        writes.push(Write::NodeState {
            id: state.id.clone(),
            uname: state.uname.clone(),
            in_ccm: if present { unix } else { 0 },
            crmd: 0,
            join: "down".into(),
            expected: state.expected.clone(),
            since: state.since.unwrap_or(0),
        });
    }
    writes
}
