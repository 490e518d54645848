//! Order: what must be done before what. Reading the constraints into relations between operations of resources; how
//! the relations bind the actions there are is `schedule::ordering`'s affair.

use cib::Element;
use cib::score::Score;

use crate::constraint::Ignored;
use crate::constraint::sets::{Named, ResourceSet};
use crate::engine::{Engine, integer};
use crate::model::{ActId, OrderFlags, RscId, Task, task};

/// One end of an order: an action, or an operation of a resource that may or may not become one.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub rsc: Option<RscId>,
    /// The resource whose task it is, mostly `rsc` itself, and the task.
    pub task: Option<(RscId, Task)>,
    pub action: Option<ActId>,
}

/// An order between two operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ordering {
    pub first: End,
    pub then: End,
    pub flags: OrderFlags,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Optional,
    Mandatory,
    Serialize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Symmetry {
    /// The order holds one way only.
    Asymmetric,
    /// Stops are ordered the other way round.
    Symmetric,
    /// The other way round of a symmetric order.
    Inverse,
}

fn kind_of(kind: Option<&str>, score: Option<&str>) -> Kind {
    match (kind, score) {
        (Some("Optional"), _) => Kind::Optional,
        (Some("Serialize"), _) => Kind::Serialize,
        (Some(_), _) => Kind::Mandatory,
        (None, Some(score)) if Score::parse(score).is_none_or(|score| score.value() == 0) => Kind::Optional,
        (None, _) => Kind::Mandatory,
    }
}

fn symmetry_of(kind: Kind, symmetrical: Option<bool>) -> Symmetry {
    match (kind, symmetrical) {
        (Kind::Serialize, _) | (_, Some(false)) => Symmetry::Asymmetric,
        _ => Symmetry::Symmetric,
    }
}

fn flags_of(kind: Kind, first: &str, symmetry: Symmetry) -> OrderFlags {
    match (kind, symmetry) {
        (Kind::Optional, _) => OrderFlags::ORDERED,
        (Kind::Serialize, _) => OrderFlags::SERIALIZE,
        (Kind::Mandatory, Symmetry::Asymmetric) => OrderFlags::ORDERED | OrderFlags::ASYMMETRIC,
        (Kind::Mandatory, Symmetry::Symmetric) => {
            let flags = OrderFlags::ORDERED | OrderFlags::FIRST_IMPLIES_THEN;
            if matches!(first, "start" | "promote" | "migrate_from") {
                flags | OrderFlags::UNRUNNABLE_FIRST_BLOCKS
            } else {
                flags
            }
        }
        (Kind::Mandatory, Symmetry::Inverse) => OrderFlags::ORDERED | OrderFlags::THEN_IMPLIES_FIRST,
    }
}

/// What undoes an operation.
fn inverse(action: &str) -> Option<&'static str> {
    Some(match action {
        "start" => "stop",
        "stop" => "start",
        "promote" => "demote",
        "demote" => "promote",
        "promoted" => "demoted",
        "demoted" => "promoted",
        "running" => "stopped",
        "stopped" => "running",
        _ => return None,
    })
}

impl Engine<'_> {
    /// Takes an order in; one that concerns resources that may move alive brings others with it.
    pub fn add_ordering(&mut self, first: End, then: End, flags: OrderFlags) {
        let complete = |engine: &Self, mut end: End| {
            if let Some(action) = end.action {
                end.rsc = end.rsc.or(engine.act(action).resource);
            }
            end
        };
        let ordering = Ordering { first: complete(self, first), then: complete(self, then), flags };
        // Those made here count before those that follow from it.
        let at = self.orderings.len();
        self.orderings.push(Ordering::default());
        self.add_migration_orderings(&ordering);
        self.orderings[at] = ordering;
    }

    pub fn end(&self, rsc: RscId, name: &str) -> End {
        End { rsc: Some(rsc), task: Some((rsc, task(name))), action: None }
    }

    pub fn action_end(action: ActId) -> End {
        End { action: Some(action), ..End::default() }
    }

    pub fn order_tasks(&mut self, first: RscId, first_task: &str, then: RscId, then_task: &str, flags: OrderFlags) {
        let (first, then) = (self.end(first, first_task), self.end(then, then_task));
        self.add_ordering(first, then, flags);
    }

    pub fn read_order(&mut self, element: Element) -> Ignored {
        let kind = kind_of(self.attr(element, "kind"), self.attr(element, "score"));
        let symmetrical = self.bool_attr(element, "symmetrical");
        let symmetry = symmetry_of(kind, symmetrical);
        let id = self.doc.id(element).to_owned();
        let mut sets = self.read_sets(element)?;
        if sets.is_empty() {
            sets = self.sets_of_order(element)?;
        }
        if sets.is_empty() {
            return self.read_simple_order(element, &id, kind, symmetry);
        }
        let mut last: Option<ResourceSet> = None;
        for set in sets {
            self.order_within(&set, kind, symmetrical)?;
            if let Some(last) = &last {
                self.order_sets(last, &set, kind, symmetry)?;
                if symmetry == Symmetry::Symmetric {
                    self.order_sets(&set, last, kind, Symmetry::Inverse)?;
                }
            }
            last = Some(set);
        }
        Ok(())
    }

    /// A constraint about a tag, as sets.
    fn sets_of_order(&self, element: Element) -> Result<Vec<ResourceSet>, String> {
        let (Some(first), Some(then)) = (self.attr(element, "first"), self.attr(element, "then")) else {
            return Ok(Vec::new());
        };
        if let (Named::Resource, Named::Resource) = (self.named(first)?, self.named(then)?) {
            return Ok(Vec::new());
        }
        let mut sets = Vec::new();
        for (attribute, action) in [("first", "first-action"), ("then", "then-action")] {
            if let Some(mut set) = self.set_of_attribute(element, attribute, true)? {
                set.action = self.attr(element, action).map(str::to_owned);
                sets.push(set);
            }
        }
        Ok(sets)
    }

    fn read_simple_order(&mut self, element: Element, id: &str, kind: Kind, symmetry: Symmetry) -> Ignored {
        let first = self.member(self.attr(element, "first").ok_or("it names nothing to be first")?)?;
        let then = self.member(self.attr(element, "then").ok_or("it names nothing to come then")?)?;
        let first_action = self.attr(element, "first-action").unwrap_or("start");
        let then_action = self.attr(element, "then-action").unwrap_or(first_action);
        let flags = flags_of(kind, first_action, symmetry);
        match self.minimum_instances(first, element) {
            0 => self.order_tasks(first, first_action, then, then_action, flags),
            minimum => self.order_after_minimum(id, (first, first_action), (then, then_action), flags, minimum),
        }
        if symmetry == Symmetry::Symmetric
            && let (Some(first_inverse), Some(then_inverse)) = (inverse(first_action), inverse(then_action))
        {
            let flags = flags_of(kind, first_inverse, Symmetry::Inverse);
            self.order_tasks(then, then_inverse, first, first_inverse, flags);
        }
        Ok(())
    }

    /// How many instances of a clone are enough for what comes then; 0 means all.
    fn minimum_instances(&self, first: RscId, element: Element) -> u32 {
        let resource = self.rsc(first);
        if !resource.is_clone() {
            return 0;
        }
        match resource.meta("clone-min") {
            Some(minimum) => integer(minimum).unwrap_or(0).clamp(0, i64::from(i32::MAX)) as u32,
            None => u32::from(self.bool_attr(element, "require-all") == Some(false)),
        }
    }

    fn order_after_minimum(
        &mut self,
        id: &str,
        (first, first_action): (RscId, &str),
        (then, then_action): (RscId, &str),
        flags: OrderFlags,
        minimum: u32,
    ) {
        let met = self.pseudo_action(&format!("clone-one-or-more:{id}"));
        self.act_mut(met).required_runnable_before = minimum;
        for instance in self.children(first) {
            let end = self.end(instance, first_action);
            let relation = OrderFlags::MIN_RUNNABLE | OrderFlags::FIRST_IMPLIES_THEN_GRAPHED;
            self.add_ordering(end, Self::action_end(met), relation);
        }
        let end = self.end(then, then_action);
        self.add_ordering(Self::action_end(met), end, flags | OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
    }

    fn order_within(&mut self, set: &ResourceSet, parent_kind: Kind, parent_symmetrical: Option<bool>) -> Ignored {
        let kind = match &set.kind {
            Some(kind) => kind_of(Some(kind), None),
            None => parent_kind,
        };
        let symmetry_kind = if set.kind.is_some() || set.score.is_some() {
            kind_of(set.kind.as_deref(), set.score.as_deref())
        } else {
            parent_kind
        };
        let symmetry = symmetry_of(symmetry_kind, set.symmetrical.or(parent_symmetrical));
        let action = set.action.as_deref().unwrap_or("start");
        let members = self.members(set)?;
        let sequential = match &set.sequential {
            Some(text) => cib::boolean::is_true(Some(text)),
            None => true,
        };
        if members.len() == 1 {
            return Ok(());
        }
        let flags = flags_of(kind, action, symmetry);
        if kind == Kind::Serialize {
            for (at, first) in members.iter().enumerate() {
                for then in &members[at + 1..] {
                    self.order_tasks(*first, action, *then, action, flags);
                }
            }
        } else if sequential {
            for pair in members.windows(2) {
                self.order_tasks(pair[0], action, pair[1], action, flags);
            }
        }
        if symmetry == Symmetry::Symmetric
            && sequential
            && let Some(action) = inverse(action)
        {
            let flags = flags_of(kind, action, Symmetry::Inverse);
            for pair in members.windows(2) {
                self.order_tasks(pair[1], action, pair[0], action, flags);
            }
        }
        Ok(())
    }

    fn order_sets(&mut self, first: &ResourceSet, then: &ResourceSet, kind: Kind, symmetry: Symmetry) -> Ignored {
        let inverted = symmetry == Symmetry::Inverse;
        let action_of = |set: &ResourceSet| {
            let action = set.action.as_deref().unwrap_or("start");
            let inverse = if inverted { inverse(action).map(str::to_owned) } else { Some(action.to_owned()) };
            inverse.ok_or_else(|| format!("'{action}' cannot be undone"))
        };
        let (first_action, then_action) = (action_of(first)?, action_of(then)?);
        let all = first.require_all.unwrap_or(true) || matches!(first_action.as_str(), "stop" | "demote");
        let flags = flags_of(kind, &first_action, symmetry);
        if !all {
            let met = self.pseudo_action(&format!("one-or-more:{}", first.id));
            self.act_mut(met).required_runnable_before = 1;
            for rsc in self.members(first)? {
                let end = self.end(rsc, &first_action);
                let relation = OrderFlags::MIN_RUNNABLE | OrderFlags::FIRST_IMPLIES_THEN_GRAPHED;
                self.add_ordering(end, Self::action_end(met), relation);
            }
            for rsc in self.members(then)? {
                let end = self.end(rsc, &then_action);
                self.add_ordering(Self::action_end(met), end, flags | OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
            }
            return Ok(());
        }
        // A sequential set ends with its last member and begins with its first; the other way round when undone.
        let pick = |set: &ResourceSet, last: bool| -> Vec<String> {
            let end = if last { set.members.last() } else { set.members.first() };
            let sequential = cib::boolean::is_true(set.sequential.as_deref());
            if sequential { end.cloned().into_iter().collect() } else { set.members.clone() }
        };
        for first in pick(first, !inverted) {
            let first = self.member(&first)?;
            for then in pick(then, inverted) {
                let then = self.member(&then)?;
                self.order_tasks(first, &first_action, then, &then_action, flags);
            }
        }
        Ok(())
    }
}
