//! Counting failures: the transient attributes `fail-count-R#OPERATION_INTERVAL` and `last-failure-R#…`, which the
//! policy judges by `migration-threshold` and `failure-timeout`.

use super::Cib;
use super::history::base;
use crate::boolean;
use crate::document::{Document, Element};
use crate::duration;
use crate::nvset::Values;
use crate::rule::{self, Agent, Context};
use crate::score::Score;
use crate::write::OpResult;

const COUNT: &str = "fail-count-";
const LAST: &str = "last-failure-";

impl Cib {
    /// Raises the fail count for a failed result, as Pacemaker's controller does: what recurs, a promotion and a
    /// demotion by one; a start by one or to INFINITY; a stop to INFINITY. A probe that found something unexpected is
    /// no failure of the resource.
    pub(super) fn count_failure(&mut self, id: &str, result: &OpResult) {
        let at_once = match result.operation.as_str() {
            "stop" => true,
            "start" => self.start_failure_is_fatal(result.started_at),
            // What a person or an agent says has failed, between two looks (`crm_resource --fail`), counts as one found.
            "promote" | "demote" | "asyncmon" => false,
            _ if result.interval_ms > 0 => false,
            _ => return,
        };
        let what = format!("{}#{}_{}", result.resource, result.operation, result.interval_ms);
        let name = format!("{COUNT}{what}");
        let count = match self.transient_value(id, &name).and_then(Score::parse) {
            _ if at_once => Score::INFINITY,
            before => before.unwrap_or_default() + Score::from(1),
        };
        if !self.is_ignored(result) {
            self.transient(id, &name, Some(&count.to_string()));
        }
        // Also of what is ignored: it can be seen that way.
        let ended_at = result.started_at.saturating_add((result.ran_ms / 1000) as i64);
        self.transient(id, &format!("{LAST}{what}"), Some(&ended_at.to_string()));
    }

    fn start_failure_is_fatal(&self, now: i64) -> bool {
        let document = &self.document;
        let Some(crm_config) = document.descend(&["configuration", "crm_config"]) else { return true };
        let mut properties = Values::default();
        let context = Context::at(now);
        properties.read(document, crm_config, "cluster_property_set", Some("cib-bootstrap-options"), &context);
        properties.get("start-failure-is-fatal").and_then(boolean::parse).unwrap_or(true)
    }

    /// Whether the operation is configured with `on-fail="ignore"`.
    fn is_ignored(&self, result: &OpResult) -> bool {
        let document = &self.document;
        let context = Context {
            agent: Some(Agent { class: &result.class, provider: result.provider.as_deref(), kind: &result.kind }),
            operation: Some((&result.operation, result.interval_ms)),
            ..Context::at(result.started_at)
        };
        let operation = self.configured_operation(result);
        let own = operation.and_then(|operation| document.attribute(operation, "on-fail"));
        let meta = |parent: Option<Element>| {
            let values = Values::of(document, parent?, "meta_attributes", &context);
            values.get("on-fail")
        };
        let on_fail =
            own.or_else(|| meta(operation)).or_else(|| meta(document.descend(&["configuration", "op_defaults"])));
        on_fail.is_some_and(|value| value.eq_ignore_ascii_case("ignore"))
    }

    /// The `<op>` of the resource, or of its template.
    fn configured_operation(&self, result: &OpResult) -> Option<Element> {
        let document = &self.document;
        let resources = document.descend(&["configuration", "resources"])?;
        let named = |name: &'static str, id: &str| {
            let id = id.to_owned();
            document.descendants(resources).find(move |e| document.name(*e) == name && document.id(*e) == id)
        };
        let own = named("primitive", &result.resource).or_else(|| named("primitive", base(&result.resource)))?;
        let template = document.attribute(own, "template").and_then(|id| named("template", id));
        [Some(own), template]
            .into_iter()
            .flatten()
            .filter_map(|resource| document.child(resource, "operations"))
            .filter_map(|operations| rule::resolve(document, operations))
            .flat_map(|operations| document.children_named(operations, "op"))
            .find(|op| {
                document.attribute(*op, "name") == Some(&result.operation)
                    && duration::interval_ms(document.attribute(*op, "interval")) == result.interval_ms
            })
    }
}

/// The names of a node's attributes that count failures.
pub(super) fn attributes(document: &Document, state: Option<Element>) -> Vec<String> {
    state
        .and_then(|state| document.child(state, "transient_attributes"))
        .into_iter()
        .flat_map(|attributes| document.children_named(attributes, "instance_attributes"))
        .flat_map(|set| document.children_named(set, "nvpair"))
        .filter_map(|pair| document.attribute(pair, "name"))
        .filter(|name| resource_of(name).is_some())
        .map(str::to_owned)
        .collect()
}

/// The resource whose failures an attribute counts.
pub(super) fn resource_of(name: &str) -> Option<&str> {
    let what = name.strip_prefix(COUNT).or_else(|| name.strip_prefix(LAST))?;
    Some(what.rsplit_once('#').map_or(what, |(resource, _)| resource))
}
