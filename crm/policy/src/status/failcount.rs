//! How often a resource failed on a node, from the node's attributes; which failures have expired.

use cib::Element;
use cib::score::Score;

use crate::engine::{Engine, base_name, integer, op_key};
use crate::model::{ActId, NodeId, RscFlags, RscId, add};

/// How to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counting {
    /// Expired failures do not count.
    pub effective: bool,
    /// Failures of what the resource launched count too.
    pub launched: bool,
}

impl Counting {
    pub const ALL: Counting = Counting { effective: false, launched: false };
    pub const EFFECTIVE: Counting = Counting { effective: true, launched: false };
    pub const FOR_THRESHOLD: Counting = Counting { effective: true, launched: true };
}

impl Engine<'_> {
    /// The number of failures, and the time of the last if there are any.
    pub fn fail_count(&mut self, node: NodeId, rsc: RscId, how: Counting, operation: Option<Element>) -> (i32, i64) {
        let resource = self.rsc(rsc);
        let unique = resource.is(RscFlags::UNIQUE);
        let name = resource.history_id.as_deref().unwrap_or(&resource.id);
        let name = if unique { name } else { base_name(name) };
        let (mut count, mut last) = (0, 0);
        for (attribute, value) in self.attributes_with(node, "fail-count-") {
            if is_about(attribute, "fail-count-", name, unique) {
                count = add(count, Score::parse(value).map_or(0, |score| score.value()));
            }
        }
        for (attribute, value) in self.attributes_with(node, "last-failure-") {
            if is_about(attribute, "last-failure-", name, unique) {
                last = last.max(integer(value).unwrap_or(0));
            }
        }
        if count > 0 && self.rsc(rsc).failure_timeout_ms > 0 && self.blocks_on_failure(node, rsc, operation) {
            // What left a resource blocked is for a human to look at: it never expires.
            self.rsc_mut(rsc).failure_timeout_ms = 0;
        }
        let timeout = self.rsc(rsc).failure_timeout_ms;
        if how.effective && count > 0 && last > 0 && timeout > 0 && self.cluster.now > last + i64::from(timeout / 1000)
        {
            count = 0;
        }
        if how.launched && !self.is_bundled(rsc) {
            for launched in self.rsc(rsc).launched.clone() {
                if launched != rsc && self.rsc(launched).launched.is_empty() {
                    let (more, when) = self.fail_count(node, launched, how, operation);
                    (count, last) = (count.saturating_add(more), last.max(when));
                }
            }
        }
        (count, if count > 0 { last } else { 0 })
    }

    /// Whether anything is known to have failed on a node.
    pub fn has_failures(&self, node: NodeId) -> bool {
        self.attributes_with(node, "fail-count-").next().is_some()
    }

    /// The attributes of a node whose names begin so, in the order of names.
    fn attributes_with(&self, node: NodeId, prefix: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.node(node).attributes.beginning_with(prefix)
    }

    /// Whether an operation with `on-fail=block` failed: the one given, or any in the history of the node.
    fn blocks_on_failure(&self, node: NodeId, rsc: RscId, operation: Option<Element>) -> bool {
        let xml = self.rsc(rsc).xml;
        let name = base_name(&self.rsc(rsc).id).to_owned();
        let blocking = self
            .doc
            .descendants(xml)
            .filter(|op| self.doc.name(*op) == "op" && self.attr(*op, "on-fail") == Some("block"));
        let mut blocking = blocking.peekable();
        if blocking.peek().is_none() {
            return false;
        }
        let history = match operation {
            Some(operation) => vec![operation],
            None => self.operations_of(&self.node(node).name, &name),
        };
        blocking.any(|op| history.iter().any(|entry| self.is_failure_of(&name, op, *entry)))
    }

    fn is_failure_of(&self, rsc: &str, config: Element, entry: Element) -> bool {
        let (interval, name) = (self.interval_ms(config), self.attr(config, "name").unwrap_or_default());
        let same_task = self.attr(entry, "operation").is_some_and(|task| task.eq_ignore_ascii_case(name));
        if !same_task || self.number(entry, "interval").unwrap_or(0) != i64::from(interval) {
            return false;
        }
        let id = self.attr(entry, "id").unwrap_or_default();
        if id.eq_ignore_ascii_case(&op_key(rsc, "last_failure", 0)) {
            return true;
        }
        id.eq_ignore_ascii_case(&op_key(rsc, name, interval))
            && self.number(entry, "rc-code").unwrap_or(0) != self.recorded(entry).expected()
    }

    /// Plans to forget the failures of a resource on a node.
    pub fn clear_fail_count(&mut self, rsc: RscId, node: NodeId) -> ActId {
        let key = op_key(&self.rsc(rsc).id, "clear_failcount", 0);
        let action = self.action(Some(rsc), key, "clear_failcount", Some(node), false);
        self.act_mut(action).meta_mut().insert("op_no_wait", "true");
        action
    }
}

/// `fail-count-NAME#OPERATION_INTERVAL`; of resources that are not unique, any instance's.
fn is_about(attribute: &str, prefix: &str, name: &str, unique: bool) -> bool {
    let Some(rest) = attribute.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(name)) else { return false };
    let rest = match rest.strip_prefix(':') {
        Some(instance) if !unique => {
            let digits = instance.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return false;
            }
            &instance[digits..]
        }
        _ => rest,
    };
    let Some((operation, interval)) = rest.strip_prefix('#').and_then(|rest| rest.rsplit_once('_')) else {
        return false;
    };
    !operation.is_empty() && !interval.is_empty() && interval.bytes().all(|b| b.is_ascii_digit())
}
