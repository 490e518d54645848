//! What must hold for every transition, whoever made it: it can be walked to its end, and on the way no resource is
//! started where it may still run elsewhere. Whether it leads where it should is the policy's business.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::visit::{Dfs, EdgeRef, Reversed};

use crate::action::{Action, ActionKind, ClusterAction};
use crate::graph::{ActionId, Transition};

/// Looks for what no transition may have; each finding is a sentence.
///
/// ```
/// use transition::{Action, ActionKind, Settings, Transition, check};
/// let mut transition = Transition::new(Settings::default());
/// let a = transition.add(Action::new(1, ActionKind::Pseudo, "start", "a_start_0".into()));
/// let b = transition.add(Action::new(2, ActionKind::Pseudo, "start", "b_start_0".into()));
/// transition.order(a, b);
/// assert_eq!(check(&transition), Ok(()));
/// transition.order(b, a);
/// assert_eq!(check(&transition), Err(vec!["a_start_0 and b_start_0 wait for each other".to_owned()]));
/// ```
pub fn check(transition: &Transition) -> Result<(), Vec<String>> {
    let mut findings = circles(transition);
    find_incomplete(transition, &mut findings);
    let by_resource = by_resource(transition);
    for actions in by_resource.values() {
        find_double_starts(transition, actions, &mut findings);
        find_unordered_moves(transition, actions, &mut findings);
        find_early_followers(transition, actions, &mut findings);
    }
    find_early_shutdowns(transition, &mut findings);
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn name(action: &Action) -> String {
    let key = action.internal_key.as_deref().unwrap_or(&action.key);
    match &action.node {
        Some(node) => format!("{key} on {node}"),
        None => key.to_owned(),
    }
}

/// Actions that wait for each other, so that none of them can ever be done; a sentence for each such circle.
pub fn circles(transition: &Transition) -> Vec<String> {
    let mut findings = Vec::new();
    if !petgraph::algo::is_cyclic_directed(transition.graph()) {
        return findings;
    }
    for component in petgraph::algo::tarjan_scc(transition.graph()) {
        let first = component[0];
        let loops = component.len() > 1 || transition.graph().edges(first).any(|edge| edge.target() == first);
        if loops {
            let mut names: Vec<String> = component.iter().map(|node| name(&transition.graph()[*node])).collect();
            names.sort();
            findings.push(format!("{} wait for each other", names.join(" and ")));
        }
    }
    findings
}

fn find_incomplete(transition: &Transition, findings: &mut Vec<String>) {
    let mut numbers = BTreeSet::new();
    for id in transition.ids() {
        let action = transition.action(id);
        if !numbers.insert(action.number) {
            findings.push(format!("{} has the number {} of another action", name(action), action.number));
        }
        if action.kind == ActionKind::Resource && (action.node.is_none() || action.resource.is_none()) {
            findings.push(format!("{} does not say of which resource or on which node", name(action)));
        }
        if matches!(action.kind, ActionKind::Cluster(_)) && action.node.is_none() {
            findings.push(format!("{} does not say on which node", name(action)));
        }
    }
}

/// Actions of each resource (instances apart), points in the order included: a stop that a fencing implies is one.
fn by_resource(transition: &Transition) -> BTreeMap<String, Vec<ActionId>> {
    let mut all: BTreeMap<String, Vec<ActionId>> = BTreeMap::new();
    for id in transition.ids() {
        let action = transition.action(id);
        let key = action.internal_key.as_deref().unwrap_or(&action.key);
        if let Some(rsc) = key.strip_suffix(&format!("_{}_{}", action.operation, action.interval_ms())) {
            all.entry(rsc.to_owned()).or_default().push(id);
        }
    }
    all
}

fn is_real(action: &Action, operation: &str) -> bool {
    action.kind == ActionKind::Resource && action.operation == operation
}

/// Whether `then` comes after `first`.
fn comes_after(transition: &Transition, first: ActionId, then: ActionId) -> bool {
    let mut walk = Dfs::new(Reversed(transition.graph()), then.0);
    while let Some(node) = walk.next(Reversed(transition.graph())) {
        if node == first.0 {
            return true;
        }
    }
    false
}

fn find_double_starts(transition: &Transition, actions: &[ActionId], findings: &mut Vec<String>) {
    let starts: Vec<&Action> =
        actions.iter().map(|id| transition.action(*id)).filter(|action| is_real(action, "start")).collect();
    if let [first, second, ..] = starts.as_slice() {
        findings.push(format!("{} and {} start the same resource", name(first), name(second)));
    }
}

fn find_unordered_moves(transition: &Transition, actions: &[ActionId], findings: &mut Vec<String>) {
    for start in actions.iter().copied().filter(|id| is_real(transition.action(*id), "start")) {
        for stop in actions.iter().copied().filter(|id| transition.action(*id).operation == "stop") {
            if !comes_after(transition, stop, start) {
                let (stop, start) = (name(transition.action(stop)), name(transition.action(start)));
                findings.push(format!("{start} does not wait for {stop}"));
            }
        }
    }
}

/// A promotion or a monitor on the node where the resource is started comes after the start.
fn find_early_followers(transition: &Transition, actions: &[ActionId], findings: &mut Vec<String>) {
    for start in actions.iter().copied().filter(|id| is_real(transition.action(*id), "start")) {
        for follower in actions.iter().copied() {
            let (first, then) = (transition.action(start), transition.action(follower));
            let follows = then.operation == "promote" || (then.operation == "monitor" && then.interval_ms() > 0);
            // A recurring monitor for the Stopped role expects 7.
            let for_stopped = then.target_rc() == 7;
            if follows
                && !for_stopped
                && then.kind == ActionKind::Resource
                && first.node == then.node
                && !comes_after(transition, start, follower)
            {
                findings.push(format!("{} does not wait for {}", name(then), name(first)));
            }
        }
    }
}

fn find_early_shutdowns(transition: &Transition, findings: &mut Vec<String>) {
    let shutdown = ActionKind::Cluster(ClusterAction::Shutdown);
    for down in transition.ids().filter(|id| transition.action(*id).kind == shutdown) {
        let node = &transition.action(down).node;
        for stop in transition.ids().filter(|id| is_real(transition.action(*id), "stop")) {
            if transition.action(stop).node == *node && !comes_after(transition, stop, down) {
                let (down, stop) = (name(transition.action(down)), name(transition.action(stop)));
                findings.push(format!("{down} does not wait for {stop}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Resource;
    use crate::graph::Settings;

    fn action(number: u32, operation: &str, node: &str) -> Action {
        let mut action = Action::new(number, ActionKind::Resource, operation, format!("ip_{operation}_0"));
        action.node = Some(node.into());
        action.resource = Some(Resource { id: "ip".into(), ..Resource::default() });
        action
    }

    fn findings(transition: &Transition) -> Vec<String> {
        check(transition).err().unwrap_or_default()
    }

    #[test]
    fn a_move_is_stop_then_start() {
        let mut transition = Transition::new(Settings::default());
        let start = transition.add(action(1, "start", "south"));
        let stop = transition.add(action(2, "stop", "north"));
        assert_eq!(findings(&transition), ["ip_start_0 on south does not wait for ip_stop_0 on north"]);
        let point = transition.add(Action::new(3, ActionKind::Pseudo, "stopped", "group_stopped_0".into()));
        transition.order(stop, point);
        transition.order(point, start);
        assert!(findings(&transition).is_empty());
    }

    #[test]
    fn a_promotion_waits_for_its_start() {
        let mut transition = Transition::new(Settings::default());
        let start = transition.add(action(1, "start", "north"));
        let promote = transition.add(action(2, "promote", "north"));
        assert_eq!(findings(&transition), ["ip_promote_0 on north does not wait for ip_start_0 on north"]);
        transition.order(start, promote);
        assert!(findings(&transition).is_empty());
    }

    #[test]
    fn a_node_goes_last() {
        let mut transition = Transition::new(Settings::default());
        let stop = transition.add(action(1, "stop", "north"));
        let kind = ActionKind::Cluster(ClusterAction::Shutdown);
        let mut shutdown = Action::new(2, kind, "do_shutdown", "do_shutdown-north".into());
        shutdown.node = Some("north".into());
        let shutdown = transition.add(shutdown);
        assert_eq!(findings(&transition), ["do_shutdown-north on north does not wait for ip_stop_0 on north"]);
        transition.order(stop, shutdown);
        assert!(findings(&transition).is_empty());
    }

    #[test]
    fn nothing_is_started_twice_or_nowhere() {
        let mut transition = Transition::new(Settings::default());
        transition.add(action(1, "start", "north"));
        transition.add(action(1, "start", "south"));
        let mut lost = action(3, "monitor", "north");
        lost.node = None;
        transition.add(lost);
        assert_eq!(
            findings(&transition),
            [
                "ip_start_0 on south has the number 1 of another action",
                "ip_monitor_0 does not say of which resource or on which node",
                "ip_start_0 on north and ip_start_0 on south start the same resource",
            ]
        );
    }
}
