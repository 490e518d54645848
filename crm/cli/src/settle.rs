//! Carrying plans out on paper until nothing is left to do, so that what becomes of a change or a failure is computed
//! and not guessed. Every operation succeeds; only what waits for a node to be fenced that nobody can fence waits.

use std::collections::BTreeSet;

use policy::{Cluster, Plan};
use transition::{ActionId, ActionKind, ClusterAction, Transition};

use crate::cluster::View;
use crate::output::list::List;
use crate::tools::crm_simulate::execute::Execution;

/// Transitions carried out one after the other. Two or three settle any sane cluster (a probe finds something, a
/// container comes before what runs in it); more than these means that each undoes the one before.
pub const MOST_ROUNDS: usize = 10;

/// A cluster in which nothing is left to do.
#[derive(Debug)]
pub struct Settled {
    /// What it is then.
    pub view: View,
    /// The plan of what is then, without reasons: it does nothing, or nothing that could be done.
    pub last: Plan,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// It came to rest within [`MOST_ROUNDS`].
    pub quiet: bool,
    /// Nodes that were to be fenced and could not be.
    pub unfenced: BTreeSet<String>,
}

/// One operation that changed something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The resource, by the name its history has; none for a node's own affairs.
    pub resource: Option<String>,
    /// `start`, `stop`, `stonith`, …
    pub operation: String,
    /// Where.
    pub node: String,
}

/// Plans and carries out until the plan is empty. `can_fence` tells whether anything can fence a node.
pub fn settle(mut view: View, can_fence: &dyn Fn(&str) -> bool) -> Settled {
    let mut steps = Vec::new();
    let mut unfenced = BTreeSet::new();
    let mut before: Vec<(String, Option<String>)> = Vec::new();
    for round in 0.. {
        let mut last = view.plan_unexplained();
        let possible = possible(&last.transition, can_fence, &mut unfenced);
        let done = deeds(&possible);
        // What a plan repeats word for word changed nothing the last time either.
        let quiet = done.is_empty() || done == before;
        if quiet || round == MOST_ROUNDS {
            return Settled { view, last, steps, quiet, unfenced };
        }
        steps.extend(possible.ids().filter_map(|id| step(&possible, id)));
        let mut told = List::new();
        let failures = &[];
        Execution {
            cib: &mut view.document,
            cluster: &last.cluster,
            failures,
            now: view.now,
            forget_cancelled: true,
            configure_nodes: false,
            list: &mut told,
        }
        .run(&possible);
        last.cluster = Cluster::default();
        before = done;
    }
    unreachable!("the rounds are counted up to MOST_ROUNDS")
}

/// A transition without the fencing nobody can do, and without all that waits for it.
fn possible(transition: &Transition, can_fence: &dyn Fn(&str) -> bool, unfenced: &mut BTreeSet<String>) -> Transition {
    let fails = |id: &ActionId| {
        let action = transition.action(*id);
        let off = action.kind == ActionKind::Cluster(ClusterAction::Fence) && action.fence_action() != Some("on");
        off && action.node.as_deref().is_some_and(|node| !can_fence(node))
    };
    let mut open: Vec<ActionId> = transition.ids().filter(fails).collect();
    if open.is_empty() {
        return transition.clone();
    }
    unfenced.extend(open.iter().filter_map(|id| transition.action(*id).node.clone()));
    let mut waiting = vec![false; transition.len()];
    while let Some(id) = open.pop() {
        if !std::mem::replace(&mut waiting[id.index()], true) {
            open.extend(transition.dependents(id));
        }
    }
    let mut rest = Transition::new(transition.settings.clone());
    let kept: Vec<Option<ActionId>> =
        transition.ids().map(|id| (!waiting[id.index()]).then(|| rest.add(transition.action(id).clone()))).collect();
    for id in transition.ids() {
        let Some(then) = kept[id.index()] else { continue };
        // Whatever is before what can be done can be done as well.
        for first in transition.inputs(id).filter_map(|first| kept[first.index()]) {
            rest.order(first, then);
        }
    }
    rest
}

/// What a transition does, by key and node; points in the order are no deeds.
fn deeds(transition: &Transition) -> Vec<(String, Option<String>)> {
    let actions = transition.ids().map(|id| transition.action(id));
    let deeds = actions.filter(|action| action.kind != ActionKind::Pseudo);
    let mut deeds: Vec<_> = deeds.map(|action| (action.key.clone(), action.node.clone())).collect();
    deeds.sort();
    deeds
}

/// An operation that changes something: neither a look, nor a message.
fn step(transition: &Transition, id: ActionId) -> Option<Step> {
    let action = transition.action(id);
    let counts = match action.kind {
        ActionKind::Pseudo => false,
        ActionKind::Cluster(ClusterAction::Fence) => true,
        ActionKind::Cluster(_) => false,
        ActionKind::Resource => !matches!(&*action.operation, "monitor" | "notify" | "meta-data" | "delete" | "cancel"),
    };
    counts.then(|| Step {
        resource: action.resource.as_ref().map(|resource| resource.id.clone()),
        operation: action.operation.clone(),
        node: action.node.clone().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    fn steps(settled: &Settled) -> Vec<String> {
        let step =
            |step: &Step| format!("{} {} on {}", step.operation, step.resource.as_deref().unwrap_or("-"), step.node);
        settled.steps.iter().map(step).collect()
    }

    #[test]
    fn what_rests_stays() {
        let settled = settle(cluster(), &|_| true);
        let again = settle(settled.view, &|_| true);
        assert!(again.quiet && again.steps.is_empty(), "{:?}", again.steps);
    }

    #[test]
    fn what_waits_for_a_node_nobody_can_fence_is_not_done() {
        let lost = || {
            let mut view = cluster();
            let text = view.document.to_xml().replace("enabled\" value=\"false", "enabled\" value=\"true");
            let device = "<primitive id=\"fence\" class=\"stonith\" type=\"fence_x\"/></resources>";
            view.document = cib::Document::parse(&text.replace("</resources>", device)).unwrap();
            let state = crate::tools::crm_simulate::history::node_state(&mut view.document, "one", None);
            view.document.set(state, "in_ccm", "false");
            view
        };
        let fenced = settle(lost(), &|_| true);
        assert!(steps(&fenced).contains(&"start web on two".to_owned()), "{:?}", fenced.steps);
        assert!(fenced.quiet && fenced.unfenced.is_empty());
        let waiting = settle(lost(), &|_| false);
        assert!(!steps(&waiting).iter().any(|step| step.contains("web")), "{:?}", waiting.steps);
        assert_eq!(waiting.unfenced.into_iter().collect::<Vec<_>>(), ["one"]);
    }
}
