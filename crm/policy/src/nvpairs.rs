//! Sets of names and values as the plan reads them: with its own node, resource and time in mind. Which set applies and
//! which value wins is `cib`'s affair.

use std::rc::Rc;

use cib::Element;
use cib::nvset;
use cib::rule::{self, Agent};

use crate::engine::{Engine, Values};
use crate::model::{NodeId, RscId};

/// What rules may ask about, besides the time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Context<'c> {
    /// Node whose attributes count.
    pub node: Option<NodeId>,
    /// Resource whose parameters and meta attributes count (`value-source`).
    pub resource: Option<RscId>,
    /// Agent for `rsc_expression`.
    pub agent: Option<Agent<'c>>,
    /// Operation for `op_expression`: name, interval in milliseconds.
    pub operation: Option<(&'c str, u64)>,
    /// What a resource pattern matched, whole and in groups.
    pub matches: &'c [Option<&'c str>],
}

impl<'a> Engine<'a> {
    /// Asks `f` with everything rules may need.
    pub fn in_context<R>(&mut self, context: &Context, f: impl FnOnce(&'a cib::Document, &rule::Context) -> R) -> R {
        let parameters = match context.resource {
            Some(rsc) => self.parameters_of(rsc, context.node),
            None => Rc::default(),
        };
        let attributes = context.node.map(|node| &self.node(node).attributes);
        let metas = context.resource.map(|rsc| &self.rsc(rsc).meta);
        let node_attribute = |name: &str| attributes.and_then(|all| all.get(name));
        let parameter = |name: &str| parameters.get(name);
        let meta = |name: &str| metas.and_then(|all| all.get(name));
        f(
            self.doc,
            &rule::Context {
                now: self.cluster.now,
                node_attribute: attributes.is_some().then_some(&node_attribute),
                parameter: context.resource.is_some().then_some(&parameter),
                meta: context.resource.is_some().then_some(&meta),
                agent: context.agent,
                operation: context.operation,
                submatches: context.matches,
            },
        )
    }

    /// Adds to `values` what the sets named `kind` below `parent` give for names it does not have.
    pub fn read_pairs(
        &mut self,
        parent: Element,
        kind: &str,
        context: &Context,
        first: Option<&str>,
        values: &mut Values,
    ) {
        if self.doc.child(parent, kind).is_none() {
            return;
        }
        let found = self.in_context(context, |doc, rules| {
            let mut found = nvset::Values::default();
            found.read(doc, parent, kind, first, rules);
            found
        });
        for (name, setting) in found.iter() {
            values.add(name, setting.value);
        }
        if let Some(when) = found.next_change {
            self.recheck_by(when);
        }
    }

    /// The parameters of a resource on a node (rules may look at its attributes), its parents' included.
    pub fn parameters_of(&mut self, rsc: RscId, node: Option<NodeId>) -> Rc<Values> {
        let node = node.filter(|_| self.parameters_have_rules(rsc));
        if let Some(known) = self.parameters.get(&(rsc, node)) {
            return Rc::clone(known);
        }
        let mut values = Values::new();
        let context = Context { node, ..Context::default() };
        let mut at = Some(rsc);
        while let Some(current) = at {
            let xml = self.rsc(current).xml;
            self.read_pairs(xml, "instance_attributes", &context, None, &mut values);
            at = self.parent(current);
        }
        let values = Rc::new(values);
        self.parameters.insert((rsc, node), Rc::clone(&values));
        values
    }

    /// Whether parameters may differ between nodes. What is referred to may have rules as well.
    fn parameters_have_rules(&self, rsc: RscId) -> bool {
        let has_rules = |rsc: RscId| {
            let mut sets = self.doc.children_named(self.rsc(rsc).xml, "instance_attributes");
            sets.any(|set| self.doc.child(set, "rule").is_some() || self.attr(set, "id-ref").is_some())
        };
        let mut at = Some(rsc);
        while let Some(current) = at {
            if has_rules(current) {
                return true;
            }
            at = self.parent(current);
        }
        false
    }
}
