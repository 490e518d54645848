//! Carrying a transition out on paper: every action succeeds, unless asked otherwise, and leaves in the CIB what it
//! would leave in a cluster's.

use cib::Document;
use policy::Cluster;
use transition::{Action, ActionId, ActionKind, ClusterAction, Transition};

use super::history::{self, Agent, Outcome};
use super::options::Operation;
use super::step::{Step, Tell};

/// How a transition ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Everything was done, or it stopped at a failure that was asked for.
    Complete,
    /// Something could never begin: the transition is wrong.
    Stuck,
}

/// What an execution needs beside the transition.
pub struct Execution<'a> {
    /// The CIB that is written to.
    pub cib: &'a mut Document,
    /// The cluster the transition was planned for.
    pub cluster: &'a Cluster,
    /// Operations that are to fail.
    pub failures: &'a [Operation],
    /// The time results are recorded with.
    pub now: i64,
    /// What is cancelled leaves the history, as on a node; Pacemaker's simulation leaves it there, so that its next plan
    /// would cancel it again.
    pub forget_cancelled: bool,
    /// A node that something is done on enters the configuration, if it is not in it: so Pacemaker does once a node was
    /// brought up by hand.
    pub configure_nodes: bool,
    /// Where it is told what is done.
    pub list: &'a mut dyn Tell,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Done,
    Failed,
}

/// The priority of actions that come even after a failure: confirmations somebody waits for.
const ALWAYS: i32 = 1_000_000;

impl Execution<'_> {
    /// Carries it out: passes over all actions in their order, each done as soon as all before it are, until a pass
    /// does nothing. What one pass does, later actions of the same pass see.
    pub fn run(&mut self, transition: &Transition) -> End {
        let mut states = vec![State::Waiting; transition.len()];
        let mut aborted = false;
        loop {
            let mut fired = false;
            let mut left = false;
            for id in transition.ids() {
                if states[id.index()] != State::Waiting {
                    continue;
                }
                let action = transition.action(id);
                if !is_ready(transition, &states, id) {
                    left = true;
                    continue;
                }
                if aborted && action.kind != ActionKind::Pseudo && action.priority < ALWAYS {
                    continue;
                }
                states[id.index()] = self.perform(transition, action);
                aborted |= states[id.index()] == State::Failed;
                fired = true;
            }
            if !fired {
                return if left && !aborted { End::Stuck } else { End::Complete };
            }
        }
    }

    fn perform(&mut self, transition: &Transition, action: &Action) -> State {
        let node = action.node.as_deref().unwrap_or_default();
        match action.kind {
            ActionKind::Pseudo => {
                self.list.step(&Step::Pseudo { key: &action.key, node: action.node.as_deref() });
            }
            ActionKind::Cluster(ClusterAction::Fence) => {
                let what = action.fence_action().unwrap_or_default();
                self.list.step(&Step::Fence { node, what });
                if !what.eq_ignore_ascii_case("on") {
                    if self.configure_nodes {
                        history::configure_node(self.cib, node);
                    }
                    history::set_node_up(self.cib, node, false);
                    history::forget_node(self.cib, node);
                }
            }
            ActionKind::Cluster(_) => {
                let resource = action.resource.as_ref().map(|resource| resource.id.as_str());
                self.list.step(&Step::Cluster { operation: &action.operation, resource, node });
            }
            ActionKind::Resource => return self.operate(transition, action, node),
        }
        State::Done
    }

    fn operate(&mut self, transition: &Transition, action: &Action, node: &str) -> State {
        let Some(resource) = &action.resource else {
            return State::Done;
        };
        // History under an instance's own name is kept there, if the cluster knows the instance by no other.
        let name = match &resource.long_id {
            Some(long_id) if !self.is_known(&resource.id) && self.is_known(long_id) => long_id.as_str(),
            _ => resource.id.as_str(),
        };
        let interval_ms = action.interval_ms();
        self.list.step(&Step::Resource { resource: name, operation: &action.operation, interval_ms, node });
        if matches!(action.operation.as_str(), "delete" | "meta-data") {
            return State::Done;
        }

        if self.configure_nodes {
            history::configure_node(self.cib, node);
        }
        // A remote node's id is its name; that of the node it is reached through would be another's.
        let id = if action.router_node.is_some() { Some(node) } else { action.node_uuid.as_deref() };
        let state = history::node_state(self.cib, node, id);
        let agent = Agent { class: &resource.class, provider: resource.provider.as_deref(), kind: &resource.kind };
        let written = history::resource_history(self.cib, state, name, &resource.id, agent);
        if action.operation == "cancel" && self.forget_cancelled {
            history::forget_recurring(self.cib, written, action.meta("operation").unwrap_or_default(), interval_ms);
            return State::Done;
        }
        let mut outcome = Outcome {
            resource: &resource.id,
            operation: &action.operation,
            interval_ms,
            rc: action.target_rc(),
            target_rc: action.target_rc(),
            reason: "User-injected result",
            parameters: Some(&action.attributes),
        };
        let failure = self.failures.iter().find_map(|failure| {
            let names = [name, resource.id.as_str()];
            let name = names.into_iter().find(|name| failure.resource.eq_ignore_ascii_case(name))?;
            let same = failure.operation.eq_ignore_ascii_case(&action.operation)
                && failure.interval_ms == interval_ms
                && failure.node.eq_ignore_ascii_case(node);
            same.then_some((name, failure.rc))
        });
        if let Some((name, rc)) = failure {
            outcome.rc = rc;
            self.list.step(&Step::Failed { number: action.number, rc });
            self.count_failure(transition, action, state, name, rc);
        }
        history::record(self.cib, written, node, self.now, &outcome);
        if failure.is_some() { State::Failed } else { State::Done }
    }

    fn count_failure(&mut self, transition: &Transition, action: &Action, state: cib::Element, name: &str, rc: i32) {
        let interval_ms = action.interval_ms();
        // Success is no failure, nor is a probe that finds nothing running.
        if rc == 0 || (rc == 7 && interval_ms == 0) {
            return;
        }
        let fatal = match action.operation.as_str() {
            "start" => transition.settings.failed_start_offset == "INFINITY",
            "stop" => transition.settings.failed_stop_offset == "INFINITY",
            _ => false,
        };
        let written = history::count_failure(self.cib, state, name, &action.operation, interval_ms, fatal, self.now);
        for (name, value) in written {
            let node = self.cib.id(state);
            self.list.step(&Step::Attribute { name: &name, value: &value, node });
        }
    }

    fn is_known(&self, name: &str) -> bool {
        self.cluster
            .resources
            .iter()
            .any(|resource| resource.id == name || resource.history_id.as_deref() == Some(name))
    }
}

/// Everything before it is done; a failure before it keeps only what is not [`ALWAYS`] from beginning.
fn is_ready(transition: &Transition, states: &[State], id: ActionId) -> bool {
    let always = transition.action(id).priority >= ALWAYS;
    // What the transition does not do is never done.
    transition.missing(id).is_empty()
        && transition.inputs(id).all(|input| match states[input.index()] {
            State::Waiting => false,
            State::Done => true,
            State::Failed => always,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::list::List;
    use transition::{Resource, Settings};

    fn operation(number: u32, operation: &str) -> Action {
        let mut action = Action::new(number, ActionKind::Resource, operation, format!("web_{operation}_0"));
        action.node = Some("one".into());
        action.node_uuid = Some("1".into());
        action.resource = Some(Resource {
            id: "web".into(),
            class: "ocf".into(),
            provider: Some("heartbeat".into()),
            kind: "apache".into(),
            ..Resource::default()
        });
        action
    }

    /// Stop, start, then a confirmation that comes whatever happened.
    fn restart() -> (Transition, [ActionId; 3]) {
        let mut plan = Transition::new(Settings { failed_stop_offset: "INFINITY".into(), ..Settings::default() });
        let mut confirmed = Action::new(3, ActionKind::Pseudo, "confirmed", "web_confirmed_0".into());
        confirmed.priority = ALWAYS;
        // The start stands first: the order of the walk is that of the graph, not of the list.
        let start = plan.add(operation(2, "start"));
        let stop = plan.add(operation(1, "stop"));
        let confirmed = plan.add(confirmed);
        plan.order(stop, start);
        plan.order(stop, confirmed);
        (plan, [stop, start, confirmed])
    }

    fn execute(plan: &Transition, failures: &[Operation]) -> (End, String, Document) {
        let mut cib = Document::parse("<cib/>").unwrap();
        let mut list = List::new();
        let cluster = Cluster::default();
        let end = Execution {
            cib: &mut cib,
            cluster: &cluster,
            failures,
            now: 9,
            forget_cancelled: false,
            configure_nodes: false,
            list: &mut list,
        }
        .run(plan);
        (end, list.take(), cib)
    }

    #[test]
    fn actions_are_done_in_their_order() {
        let (end, text, cib) = execute(&restart().0, &[]);
        assert_eq!(end, End::Complete);
        assert_eq!(
            text,
            "Resource action: web             stop on one\nPseudo action:   web_confirmed_0\n\
             Resource action: web             start on one\n"
        );
        let entry = cib.descendants(cib.root()).find(|element| cib.name(*element) == "lrm_rsc_op").unwrap();
        assert_eq!(cib.attribute(entry, "operation"), Some("start"));
    }

    #[test]
    fn a_failure_keeps_what_follows_from_beginning_but_not_confirmations() {
        let (end, text, _) = execute(&restart().0, &["web_stop_0@ONE=1".parse().unwrap()]);
        assert_eq!(end, End::Complete);
        assert_eq!(
            text,
            "Resource action: web             stop on one\nPretending action 1 failed with rc=1\n\
             Injecting attribute fail-count-web#stop_0=INFINITY into /node_state '1'\n\
             Injecting attribute last-failure-web#stop_0=9 into /node_state '1'\n\
             Pseudo action:   web_confirmed_0\n"
        );
    }

    #[test]
    fn a_circle_is_noticed() {
        let (mut plan, [stop, start, _]) = restart();
        plan.order(start, stop);
        assert_eq!(execute(&plan, &[]).0, End::Stuck);
    }

    #[test]
    fn fencing_takes_the_node_and_its_history_away() {
        let mut plan = Transition::new(Settings::default());
        let mut fence = Action::new(1, ActionKind::Cluster(ClusterAction::Fence), "stonith", "stonith-one-off".into());
        fence.node = Some("one".into());
        fence.attributes.insert("CRM_meta_stonith_action", "off");
        let start = plan.add(operation(2, "start"));
        let fence = plan.add(fence);
        plan.order(start, fence);
        let (_, text, cib) = execute(&plan, &[]);
        assert!(text.ends_with("Fencing one (off)\n"));
        assert!(!cib.descendants(cib.root()).any(|element| cib.name(element) == "lrm"));
    }
}
