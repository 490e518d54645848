//! `<rule>`: whether a set of conditions holds here and now. What follows from it (a score, a role, a set of values) is
//! left to whoever asks.

mod condition;
mod date_expression;

use std::collections::HashSet;

use crate::document::{Document, Element};

pub use condition::compare_versions;

/// A rule may hold rules by reference, so a few lines could ask for endless work; a real rule has under twenty
/// conditions.
const MAX_CONDITIONS: usize = 10_000;

/// Looks a value up by name.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// What a rule is judged against. Everything that is `None` does not hold: an expression about the operation fails
/// where no operation is in question.
#[derive(Copy, Clone)]
pub struct Context<'a> {
    /// The time in Unix seconds; what people wrote without an offset is UTC.
    pub now: i64,
    /// Attributes of the node in question, `#uname`, `#kind`, `#id` and `#role`-like ones included.
    pub node_attribute: Option<Lookup<'a>>,
    /// Instance attributes of the resource, for `value-source="param"`.
    pub parameter: Option<Lookup<'a>>,
    /// Meta attributes of the resource, for `value-source="meta"`.
    pub meta: Option<Lookup<'a>>,
    /// Agent of the resource in question, for `rsc_expression`.
    pub agent: Option<Agent<'a>>,
    /// Name and interval in milliseconds of the operation in question, for `op_expression`.
    pub operation: Option<(&'a str, u64)>,
    /// What the `rsc-pattern` matched: the whole, then its groups; they stand in for `%0` to `%9` in attribute names.
    pub submatches: &'a [Option<&'a str>],
}

impl Context<'_> {
    /// A context in which only the time is known.
    pub fn at(now: i64) -> Self {
        Context {
            now,
            node_attribute: None,
            parameter: None,
            meta: None,
            agent: None,
            operation: None,
            submatches: &[],
        }
    }
}

/// The agent of a resource, as `rsc_expression` compares it.
#[derive(Copy, Clone, Debug)]
pub struct Agent<'a> {
    /// `ocf`, `systemd`, `stonith` …
    pub class: &'a str,
    /// `heartbeat`, … for `ocf`.
    pub provider: Option<&'a str>,
    /// `IPaddr2` …
    pub kind: &'a str,
}

/// What came of judging a rule.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Whether the rule holds.
    pub holds: bool,
    /// The first moment at which a date in it may change the answer, in Unix seconds. A `date_spec` announces no
    /// change, as in Pacemaker: ask again after the cluster's recheck interval.
    pub next_change: Option<i64>,
}

/// Judges a rule. What is not as it should be does not hold; `check` says so beforehand. A rule without conditions
/// holds.
///
/// ```
/// use cib::document::Document;
/// use cib::rule::{evaluate, Context};
/// let document = Document::parse(r#"<rule id="r" boolean-op="and">
///     <date_expression id="d" operation="gt" start="2024-01-01"/>
///     <expression id="e" attribute="site" operation="eq" value="north"/>
/// </rule>"#).unwrap();
/// let attribute = |name: &str| (name == "site").then_some("north");
/// let new_year = cib::date::parse("2024-01-01", 0).unwrap();
/// let before = Context { node_attribute: Some(&attribute), ..Context::at(new_year - 10) };
/// let verdict = evaluate(&document, document.root(), &before);
/// assert_eq!((verdict.holds, verdict.next_change), (false, Some(new_year + 1)));
/// assert!(evaluate(&document, document.root(), &Context { now: new_year + 1, ..before }).holds);
/// ```
pub fn evaluate(document: &Document, rule: Element, context: &Context<'_>) -> Verdict {
    let mut judge = Judge { document, context, open: HashSet::new(), left: MAX_CONDITIONS, next_change: None };
    let holds = judge.rule(rule);
    Verdict { holds, next_change: judge.next_change }
}

struct Judge<'d, 'c> {
    document: &'d Document,
    context: &'d Context<'c>,
    /// The rules being judged right now: one that refers to itself does not hold.
    open: HashSet<Element>,
    left: usize,
    next_change: Option<i64>,
}

impl Judge<'_, '_> {
    fn rule(&mut self, rule: Element) -> bool {
        let Some(rule) = resolve(self.document, rule) else { return false };
        let any = match self.document.attribute(rule, "boolean-op").map(str::to_ascii_lowercase).as_deref() {
            None | Some("and") => false,
            Some("or") => true,
            Some(_) => return false,
        };
        if self.document.id(rule).is_empty() || !self.open.insert(rule) {
            return false;
        }
        // Conditions behind the deciding one are not looked at: dates in them change nothing.
        let document = self.document;
        let mut conditions = document.children(rule).peekable();
        let empty = conditions.peek().is_none();
        let decided = conditions.any(|condition| self.condition(condition) == any);
        self.open.remove(&rule);
        empty || (decided == any)
    }

    fn condition(&mut self, condition: Element) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let document = self.document;
        match document.name(condition) {
            "rule" => self.rule(condition),
            _ if document.id(condition).is_empty() => false,
            "expression" => condition::attribute(document, condition, self.context).unwrap_or(false),
            "rsc_expression" => condition::resource(document, condition, self.context),
            "op_expression" => condition::operation(document, condition, self.context),
            "date_expression" => {
                let judged = date_expression::judge(document, condition, self.context.now);
                let verdict = judged.unwrap_or(Verdict { holds: false, next_change: None });
                self.next_change = earlier(self.next_change, verdict.next_change);
                verdict.holds
            }
            _ => false,
        }
    }
}

/// The earlier of two moments that may not come.
pub(crate) fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The element itself, or the one of the same name that its `id-ref` names; `None` when there is none.
pub fn resolve(document: &Document, element: Element) -> Option<Element> {
    let Some(id) = document.attribute(element, "id-ref") else { return Some(element) };
    let name = document.name(element);
    document
        .descendants(document.root())
        .find(|e| document.name(*e) == name && document.attribute(*e, "id") == Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(rule: &str) -> bool {
        let document = Document::parse(rule).unwrap();
        let attribute = |name: &str| match name {
            "site" => Some("north"),
            "cpus" => Some("16"),
            "load" => Some("0.75"),
            "version" => Some("2.1.10-rc1"),
            "score-db" => Some("1"),
            _ => None,
        };
        let parameter = |name: &str| (name == "where").then_some("NORTH");
        let context = Context {
            node_attribute: Some(&attribute),
            parameter: Some(&parameter),
            agent: Some(Agent { class: "ocf", provider: Some("heartbeat"), kind: "IPaddr2" }),
            operation: Some(("monitor", 10_000)),
            submatches: &[Some("resource-db"), Some("db")],
            ..Context::at(1_700_000_000)
        };
        evaluate(&document, document.root(), &context).holds
    }

    #[test]
    fn expressions() {
        for (attributes, expected) in [
            ("attribute='site' operation='eq' value='North'", true),
            ("attribute='site' operation='ne' value='south'", true),
            ("attribute='absent' operation='ne' value='south'", true),
            ("attribute='absent' operation='eq' value='south'", false),
            ("attribute='absent' operation='lt' value='5'", false),
            ("attribute='absent' operation='not_defined'", true),
            ("attribute='site' operation='defined'", true),
            ("attribute='site' operation='defined' value='x'", false),
            ("attribute='site' operation='eq'", false),
            ("operation='eq' value='x'", false),
            ("attribute='site' operation='like' value='x'", false),
            // Without a type an order is one of integers …
            ("attribute='cpus' operation='gt' value='9'", true),
            ("attribute='cpus' operation='gt' value='9' type='string'", false),
            // … unless one side has a point.
            ("attribute='load' operation='lte' value='0.75'", true),
            ("attribute='load' operation='gt' value='0.8'", false),
            ("attribute='cpus' operation='lt' value='16.5'", true),
            ("attribute='version' operation='gt' value='2.1.9' type='version'", true),
            ("attribute='version' operation='eq' value='2.1.10' type='version'", true),
            ("attribute='site' operation='gt' value='a' type='integer'", true),
            ("attribute='site' operation='eq' value='where' value-source='param'", true),
            ("attribute='site' operation='eq' value='where' value-source='meta'", false),
            ("attribute='score-%1' operation='eq' value='1'", true),
            ("attribute='score-%2%9db' operation='defined'", true),
        ] {
            assert_eq!(
                holds(&format!("<rule id='r'><expression id='e' {attributes}/></rule>")),
                expected,
                "{attributes}"
            );
        }
    }

    #[test]
    fn resources_and_operations() {
        for (condition, expected) in [
            ("<rsc_expression id='e' class='ocf' provider='heartbeat' type='IPaddr2'/>", true),
            ("<rsc_expression id='e'/>", true),
            ("<rsc_expression id='e' type='Filesystem'/>", false),
            ("<op_expression id='e' name='monitor'/>", true),
            ("<op_expression id='e' name='monitor' interval='10s'/>", true),
            ("<op_expression id='e' name='monitor' interval='20s'/>", false),
            ("<op_expression id='e' name='monitor' interval='soon'/>", false),
            ("<op_expression id='e' name='start'/>", false),
            ("<unheard_of id='e'/>", false),
        ] {
            assert_eq!(holds(&format!("<rule id='r'>{condition}</rule>")), expected, "{condition}");
        }
    }

    #[test]
    fn combinations() {
        let (yes, no) = (
            "<expression id='y' attribute='site' operation='defined'/>",
            "<expression id='n' attribute='none' operation='defined'/>",
        );
        assert!(holds("<rule id='r'/>"));
        assert!(holds("<rule id='r' boolean-op='or'/>"));
        assert!(!holds(&format!("<rule id='r'>{yes}{no}</rule>")));
        assert!(holds(&format!("<rule id='r' boolean-op='or'>{no}{yes}</rule>")));
        assert!(!holds(&format!("<rule id='r' boolean-op='or'>{no}{no}</rule>")));
        assert!(!holds(&format!("<rule id='r' boolean-op='xor'>{yes}</rule>")));
        assert!(holds(&format!("<rule id='r'>{yes}<rule id='s' boolean-op='or'>{no}{yes}</rule></rule>")));
        assert!(!holds("<rule><expression id='y' attribute='site' operation='defined'/></rule>"));
    }

    #[test]
    fn references_are_followed_and_circles_end() {
        let rules = "<x><rule id='a'><rule id-ref='b'/></rule><rule id='b'>\
                     <expression id='e' attribute='#uname' operation='defined'/></rule>\
                     <rule id='c'><rule id-ref='c'/></rule>\
                     <rule id='d' boolean-op='or'><rule id-ref='none'/></rule></x>";
        let document = Document::parse(rules).unwrap();
        let uname = |_: &str| Some("n1");
        let context = Context { node_attribute: Some(&uname), ..Context::at(0) };
        let verdicts: Vec<bool> =
            document.children(document.root()).map(|r| evaluate(&document, r, &context).holds).collect();
        assert_eq!(verdicts, [true, true, false, false]);
    }

    #[test]
    fn doubling_references_end() {
        let mut text = String::from("<x>");
        for level in 0..40 {
            let next = level + 1;
            text +=
                &format!("<rule id='r{level}' boolean-op='or'><rule id-ref='r{next}'/><rule id-ref='r{next}'/></rule>");
        }
        let document = Document::parse(&(text + "</x>")).unwrap();
        let first = document.child(document.root(), "rule").unwrap();
        assert!(!evaluate(&document, first, &Context::at(0)).holds);
    }

    proptest! {
        #[test]
        fn never_panics(attribute in ".*", value in ".*", operation in "[a-z_]*", kind in "integer|number|version|string|") {
            let mut document = Document::new("rule");
            let root = document.root();
            document.set(root, "id", "r");
            let e = document.append(root, "expression");
            for (name, text) in [("id", "e"), ("attribute", &attribute), ("operation", &operation), ("value", &value)] {
                document.set(e, name, text);
            }
            if !kind.is_empty() {
                document.set(e, "type", &kind);
            }
            let look = |_: &str| Some(value.as_str());
            let submatches = [Some(value.as_str())];
            let context = Context { node_attribute: Some(&look), submatches: &submatches, ..Context::at(0) };
            evaluate(&document, root, &context);
        }
    }
}
