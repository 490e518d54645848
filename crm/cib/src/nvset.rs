//! Sets of name-value pairs (`instance_attributes`, `meta_attributes`, `utilization`, `cluster_property_set`): which
//! value counts, and which element it came from.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::document::{Document, Element};
use crate::rule::{self, Context};
use crate::score::Score;

/// One value, with the elements that answer "why this?".
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Setting<'d> {
    /// The value.
    pub value: &'d str,
    /// The `nvpair` that says so.
    pub nvpair: Element,
    /// The set it stands in.
    pub nvset: Element,
}

/// Values by name. The first one that is read for a name stays, so the most specific parent is read first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Values<'d> {
    settings: IndexMap<&'d str, Setting<'d>, FxBuildHasher>,
    /// When a rule that was asked may change its answer, in Unix seconds.
    pub next_change: Option<i64>,
}

impl<'d> Values<'d> {
    /// The values of one parent's sets of one kind.
    ///
    /// ```
    /// use cib::{document::Document, nvset::Values, rule::Context};
    /// let document = Document::parse(r#"<primitive id="ip">
    ///     <instance_attributes id="a"><nvpair id="a1" name="ip" value="10.0.0.1"/></instance_attributes>
    ///     <instance_attributes id="b" score="5"><nvpair id="b1" name="ip" value="10.0.0.2"/></instance_attributes>
    /// </primitive>"#).unwrap();
    /// let values = Values::of(&document, document.root(), "instance_attributes", &Context::at(0));
    /// assert_eq!(values.get("ip"), Some("10.0.0.2"));
    /// ```
    pub fn of(document: &'d Document, parent: Element, kind: &str, context: &Context<'_>) -> Self {
        let mut values = Values::default();
        values.read(document, parent, kind, None, context);
        values
    }

    /// Adds what `parent`'s sets of the kind say where nothing is known yet. The set with the id `first` comes before
    /// all others, then the higher score, and of equal scores the one that stands later in the document, as in
    /// Pacemaker. Sets whose rule does not hold are left out.
    pub fn read(
        &mut self,
        document: &'d Document,
        parent: Element,
        kind: &str,
        first: Option<&str>,
        context: &Context<'_>,
    ) {
        let mut sets: Vec<Element> =
            document.children_named(parent, kind).filter_map(|set| rule::resolve(document, set)).collect();
        sets.reverse();
        sets.sort_by_key(|set| {
            let is_first = first.is_some_and(|id| document.id(*set) == id);
            let score = document.attribute(*set, "score").and_then(Score::parse).unwrap_or_default();
            std::cmp::Reverse((is_first, score))
        });
        for set in sets {
            self.read_set(document, set, context);
        }
    }

    fn read_set(&mut self, document: &'d Document, nvset: Element, context: &Context<'_>) {
        if let Some(rule) = document.child(nvset, "rule") {
            let verdict = rule::evaluate(document, rule, context);
            self.next_change = rule::earlier(self.next_change, verdict.next_change);
            if !verdict.holds {
                return;
            }
        }
        // Heartbeat's form has the pairs one level deeper.
        let pairs = document.child(nvset, "attributes").unwrap_or(nvset);
        for nvpair in document.children_named(pairs, "nvpair") {
            let Some(source) = rule::resolve(document, nvpair) else { continue };
            let name = document.attribute(nvpair, "name").or_else(|| document.attribute(source, "name"));
            let (Some(name), Some(value)) = (name, document.attribute(source, "value")) else { continue };
            if value.eq_ignore_ascii_case("#default") {
                self.settings.shift_remove(name);
                continue;
            }
            self.settings.entry(name).or_insert(Setting { value, nvpair: source, nvset });
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&'d str> {
        self.settings.get(name).map(|setting| setting.value)
    }

    /// The value of a name and where it stands.
    pub fn setting(&self, name: &str) -> Option<Setting<'d>> {
        self.settings.get(name).copied()
    }

    /// All values, in the order in which their names were first met.
    pub fn iter(&self) -> impl Iterator<Item = (&'d str, Setting<'d>)> + '_ {
        self.settings.iter().map(|(name, setting)| (*name, *setting))
    }

    /// How many names have a value.
    pub fn len(&self) -> usize {
        self.settings.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(xml: &str, first: Option<&str>, expected: &[(&str, &str)]) {
        let document = Document::parse(xml).unwrap();
        let mut values = Values::default();
        values.read(&document, document.root(), "s", first, &Context::at(1_700_000_000));
        let found: Vec<(&str, &str)> = values.iter().map(|(name, setting)| (name, setting.value)).collect();
        assert_eq!(found, expected, "{xml}");
    }

    #[test]
    fn order_of_sets() {
        let pair = |id: &str| format!("<nvpair id='{id}' name='x' value='{id}'/>");
        let (a, b, c) = (pair("a"), pair("b"), pair("c"));
        check(&format!("<p><s id='1' score='1'>{a}</s><s id='2' score='INFINITY'>{b}</s></p>"), None, &[("x", "b")]);
        check(&format!("<p><s id='1'>{a}</s><s id='2' score='-1'>{b}</s><s id='3'>{c}</s></p>"), None, &[("x", "c")]);
        check(&format!("<p><s id='1'>{a}</s><s id='2' score='9'>{b}</s></p>"), Some("1"), &[("x", "a")]);
        check(&format!("<p><s id='1'>{a}{b}</s></p>"), None, &[("x", "a")]);
        check(&format!("<p><other id='1'>{a}</other></p>"), None, &[]);
    }

    #[test]
    fn references() {
        let xml = "<p><s id-ref='1'/><s id-ref='none'/><t><s id='1'>\
                   <nvpair id='a' name='x' value='1'/><nvpair id-ref='a' name='y'/><nvpair id-ref='gone'/></s></t></p>";
        check(xml, None, &[("x", "1"), ("y", "1")]);
    }

    #[test]
    fn rules_choose_sets() {
        let xml = "<p><s id='1' score='2'><rule id='r'><date_expression id='d' operation='gt' start='2030-01-01'/>\
                   </rule><nvpair id='a' name='x' value='late'/></s><s id='2'><nvpair id='b' name='x' value='now'/></s></p>";
        check(xml, None, &[("x", "now")]);
        let document = Document::parse(xml).unwrap();
        let values = Values::of(&document, document.root(), "s", &Context::at(0));
        assert_eq!(values.next_change, crate::date::parse("2030-01-01T00:00:01", 0));
        assert_eq!(document.id(values.setting("x").unwrap().nvset), "2");
    }

    #[test]
    fn explicit_default_and_pairs_without_value() {
        let xml = "<p><s id='1'><nvpair id='a' name='x' value='1'/><nvpair id='b' name='x' value='#default'/>\
                   <nvpair id='c' name='y'/><nvpair id='d' value='z'/></s></p>";
        check(xml, None, &[]);
        check("<p><s id='1'><attributes><nvpair id='a' name='x' value='1'/></attributes></s></p>", None, &[("x", "1")]);
    }
}
