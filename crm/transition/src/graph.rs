//! The graph itself: actions, and which comes after which. It holds order, and no opinion.

use std::collections::BTreeMap;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::action::Action;

/// One action in a [`Transition`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActionId(pub(crate) NodeIndex<u32>);

impl ActionId {
    /// Position in the transition, from 0.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

/// What holds for a transition as a whole: the attributes of `<transition_graph>`, in their units.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// `cluster-delay` as written (a duration such as `60s`).
    pub cluster_delay: String,
    /// `fencing-timeout` (once `stonith-timeout`) as written.
    pub fencing_timeout: String,
    /// `failed-stop-offset`.
    pub failed_stop_offset: String,
    /// `failed-start-offset`: `INFINITY` when one failed start moves a resource away, else `1`.
    pub failed_start_offset: String,
    /// How many actions may be under way at once; 0 is no limit.
    pub batch_limit: u32,
    /// How many migrations a node may take part in at once; 0 is no limit.
    pub migration_limit: Option<u32>,
    /// Number of the transition, from 1.
    pub transition_id: u32,
    /// When something changes by itself next, in seconds since 1970.
    pub recheck_by: Option<i64>,
}

/// A plan: actions and their order.
#[derive(Clone, Debug, Default)]
pub struct Transition {
    /// What holds for all of it.
    pub settings: Settings,
    graph: DiGraph<Action, (), u32>,
    /// What an action waits for in vain, by the action's position.
    missing: BTreeMap<u32, Vec<Action>>,
}

impl Transition {
    /// An empty plan.
    pub fn new(settings: Settings) -> Self {
        Transition { settings, graph: DiGraph::default(), missing: BTreeMap::new() }
    }

    /// An empty plan with room for so many actions.
    pub fn with_capacity(settings: Settings, actions: usize) -> Self {
        Transition { settings, graph: DiGraph::with_capacity(actions, actions), missing: BTreeMap::new() }
    }

    /// Adds an action; it has no order yet.
    pub fn add(&mut self, action: Action) -> ActionId {
        ActionId(self.graph.add_node(action))
    }

    /// `then` must not begin before `first` is done. Saying it twice changes nothing.
    pub fn order(&mut self, first: ActionId, then: ActionId) {
        self.graph.update_edge(first.0, then.0, ());
    }

    /// `then` waits for an action that this transition does not do: it cannot begin before another plan is made.
    pub fn order_after_missing(&mut self, first: Action, then: ActionId) {
        let missing = self.missing.entry(then.index() as u32).or_default();
        if missing.iter().all(|known| known.number != first.number) {
            missing.push(first);
        }
    }

    /// The actions outside the transition that `id` waits for.
    pub fn missing(&self, id: ActionId) -> &[Action] {
        self.missing.get(&(id.index() as u32)).map_or(&[], Vec::as_slice)
    }

    /// The action.
    pub fn action(&self, id: ActionId) -> &Action {
        &self.graph[id.0]
    }

    /// The action, to be changed.
    pub fn action_mut(&mut self, id: ActionId) -> &mut Action {
        &mut self.graph[id.0]
    }

    /// All actions in the order they were added: the order of the XML form.
    pub fn ids(&self) -> impl Iterator<Item = ActionId> + '_ {
        self.graph.node_indices().map(ActionId)
    }

    /// What must be done before `id`.
    pub fn inputs(&self, id: ActionId) -> impl Iterator<Item = ActionId> + '_ {
        self.graph.neighbors_directed(id.0, Direction::Incoming).map(ActionId)
    }

    /// What waits for `id`.
    pub fn dependents(&self, id: ActionId) -> impl Iterator<Item = ActionId> + '_ {
        self.graph.neighbors_directed(id.0, Direction::Outgoing).map(ActionId)
    }

    /// How many actions it has.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// The underlying graph, for algorithms of petgraph.
    pub fn graph(&self) -> &DiGraph<Action, (), u32> {
        &self.graph
    }
}
