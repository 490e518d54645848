//! Whether a node may use a fence device, as location constraints say: by name, by rule, by pattern, by set or tag, also
//! those of a group or clone that the device is in. A score below zero keeps it away, as in Pacemaker. Where the device
//! *runs*, which is to say who watches it, is the policy's affair.

use std::collections::BTreeSet;

use cib::rule::{self, Context};
use cib::score::Score;
use cib::view::{self, ConstraintKind, Resource};
use cib::{Document, Element, boolean};
use regex::Regex;

/// A node and its attributes.
pub(crate) struct Here<'d> {
    document: &'d Document,
    name: &'d str,
    id: &'d str,
    unix: i64,
    permanent: cib::nvset::Values<'d>,
    state: Option<Element>,
    /// Resources run everywhere unless a constraint says otherwise.
    everywhere: bool,
    trees: Vec<Resource<'d>>,
}

impl<'d> Here<'d> {
    /// The node of that name.
    pub fn new(document: &'d Document, name: &'d str, unix: i64) -> Self {
        let node = view::nodes(document, &Context::at(unix)).into_iter().find(|node| node.uname == name);
        let states = document.descend(&["status"]).into_iter();
        let state = states
            .flat_map(|status| document.children_named(status, "node_state"))
            .find(|state| document.attribute(*state, "uname") == Some(name));
        let symmetric = view::property(document, "symmetric-cluster", unix);
        Here {
            document,
            name,
            id: node.as_ref().map_or_else(|| state.map_or("", |state| document.id(state)), |node| node.id),
            unix,
            permanent: node.map(|node| node.attributes).unwrap_or_default(),
            state,
            everywhere: symmetric.and_then(boolean::parse).unwrap_or(true),
            trees: view::resources(document),
        }
    }

    /// Whether the node may use the device.
    pub fn is_allowed(&self, device: &str) -> bool {
        let names = self.names_of(device);
        let mut score = None;
        for constraint in view::constraints(self.document) {
            if constraint.kind == ConstraintKind::Location
                && let Some(said) = self.said(constraint.element, &names)
            {
                score = Some(score.map_or(said, |score| score + said));
            }
        }
        score.map_or(self.everywhere, |score| score >= Score::ZERO)
    }

    /// What a constraint may call the device: itself, what it is in, and tags of any of these.
    fn names_of(&self, device: &str) -> BTreeSet<&'d str> {
        let holds = |resource: &&Resource<'d>| resource.all().iter().any(|inner| inner.id == device);
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for tree in self.trees.iter().filter(holds) {
            names.extend(tree.all().iter().filter(|resource| holds(resource)).map(|resource| resource.id));
        }
        let document = self.document;
        let tags = document.descend(&["configuration", "tags"]).into_iter().flat_map(|tags| document.children(tags));
        let tags = tags.filter(|tag| document.children(*tag).any(|reference| names.contains(document.id(reference))));
        let tags: Vec<&str> = tags.map(|tag| document.id(tag)).collect();
        names.extend(tags);
        names
    }

    /// The score that a constraint gives to what has one of these names here; none when it is about something else.
    fn said(&self, constraint: Element, names: &BTreeSet<&str>) -> Option<Score> {
        let get = |element, name| self.document.attribute(element, name);
        let sets = self.document.children_named(constraint, "resource_set");
        let of_set = |set: Element| {
            let set = rule::resolve(self.document, set)?;
            let mut members = self.document.children_named(set, "resource_ref");
            members.any(|member| names.contains(self.document.id(member))).then_some(set)
        };
        let set = sets.filter_map(of_set).next();
        let pattern = get(constraint, "rsc-pattern").is_some_and(|pattern| matches(pattern, names));
        let named = get(constraint, "rsc").is_some_and(|name| names.contains(name));
        if !named && !pattern && set.is_none() {
            return None;
        }
        // Fence devices have no roles.
        let role = set.and_then(|set| get(set, "role")).or_else(|| get(constraint, "role"));
        if role.is_some_and(|role| !role.eq_ignore_ascii_case("Started")) {
            return None;
        }
        if let Some(node) = get(constraint, "node") {
            let score = set.and_then(|set| get(set, "score")).or_else(|| get(constraint, "score"))?;
            return if node.eq_ignore_ascii_case(self.name) { Score::parse(score) } else { None };
        }
        let rules = self.document.children_named(constraint, "rule");
        let scores = rules.filter_map(|rule| self.score_of(rule::resolve(self.document, rule)?));
        scores.reduce(|a, b| a + b)
    }

    fn score_of(&self, element: Element) -> Option<Score> {
        let attribute = |name: &str| self.attribute(name);
        let context = Context { node_attribute: Some(&attribute), ..Context::at(self.unix) };
        if !rule::evaluate(self.document, element, &context).holds {
            return None;
        }
        match self.document.attribute(element, "score-attribute") {
            Some(name) => self.attribute(name).and_then(Score::parse),
            None => self.document.attribute(element, "score").and_then(Score::parse),
        }
    }

    /// An attribute of the node: what it is, a transient one, a permanent one.
    fn attribute(&self, name: &str) -> Option<&'d str> {
        match name {
            "#uname" => return Some(self.name),
            "#id" => return Some(self.id),
            "#kind" => return Some("cluster"),
            _ => {}
        }
        let document = self.document;
        let sets = self.state.and_then(|state| document.child(state, "transient_attributes")).into_iter();
        let mut pairs = sets
            .flat_map(|attributes| document.children_named(attributes, "instance_attributes"))
            .flat_map(|set| document.children_named(set, "nvpair"));
        let transient = pairs.find(|pair| document.attribute(*pair, "name") == Some(name));
        transient.and_then(|pair| document.attribute(pair, "value")).or_else(|| self.permanent.get(name))
    }
}

fn matches(pattern: &str, names: &BTreeSet<&str>) -> bool {
    let (inverted, pattern) = match pattern.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let any = |expression: Regex| names.iter().any(|name| expression.is_match(name));
    Regex::new(pattern).is_ok_and(|expression| any(expression) != inverted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `a`, with the attribute `rack` of 7 and the transient `power` of -5, may use a device of two in a group.
    fn check(constraint: &str, options: &str) -> bool {
        let text = format!(
            "<cib><configuration><crm_config><cluster_property_set id='o'>{options}</cluster_property_set></crm_config>
             <nodes><node id='1' uname='a'><instance_attributes id='n'><nvpair id='n1' name='rack' value='7'/>
             </instance_attributes></node><node id='2' uname='b'/></nodes>
             <resources><group id='power'><primitive id='pdu' class='stonith' type='fence_apc'/>
             <primitive id='pdu2' class='stonith' type='fence_apc'/></group></resources>
             <constraints>{constraint}</constraints><tags><tag id='all'><obj_ref id='power'/></tag></tags></configuration>
             <status><node_state id='1' uname='a'><transient_attributes id='1'><instance_attributes id='t'>
             <nvpair id='t1' name='power' value='-5'/></instance_attributes></transient_attributes></node_state></status>
             </cib>"
        );
        let document = Document::parse(&text).unwrap();
        Here::new(&document, "a", 1_000).is_allowed("pdu")
    }

    fn rule(rest: &str, expression: &str) -> String {
        format!("<rsc_location id='l' rsc='pdu'><rule id='r' {rest}>{expression}</rule></rsc_location>")
    }

    #[test]
    fn who_may_use_a_device() {
        let expression =
            |name: &str, value: &str| format!("<expression id='e' attribute='{name}' operation='eq' value='{value}'/>");
        let minus = "score='-INFINITY'";
        for (constraint, allowed) in [
            (String::new(), true),
            ("<rsc_location id='l' rsc='pdu' node='a' score='-INFINITY'/>".into(), false),
            ("<rsc_location id='l' rsc='pdu' node='a' score='-1'/>".into(), false),
            ("<rsc_location id='l' rsc='pdu' node='b' score='-INFINITY'/>".into(), true),
            ("<rsc_location id='l' rsc='pdu2' node='a' score='-INFINITY'/>".into(), true),
            ("<rsc_location id='l' rsc='power' node='a' score='-INFINITY'/>".into(), false),
            ("<rsc_location id='l' rsc='all' node='a' score='-INFINITY'/>".into(), false),
            ("<rsc_location id='l' rsc-pattern='^pd' node='a' score='-INFINITY'/>".into(), false),
            ("<rsc_location id='l' rsc-pattern='!^p' node='a' score='-INFINITY'/>".into(), true),
            ("<rsc_location id='l' node='a' score='-10'><resource_set id='s'><resource_ref id='pdu'/></resource_set></rsc_location>".into(), false),
            ("<rsc_location id='l' rsc='pdu' node='a' role='Promoted' score='-INFINITY'/>".into(), true),
            ("<rsc_location id='l' rsc='pdu' node='a' score='-5'/><rsc_location id='m' rsc='pdu' node='a' score='5'/>".into(), true),
            (rule(minus, &expression("#uname", "a")), false),
            (rule(minus, &expression("#uname", "b")), true),
            (rule(minus, &expression("rack", "7")), false),
            (rule(minus, &expression("power", "-5")), false),
            (rule("score-attribute='power'", &expression("rack", "7")), false),
            (rule(minus, "<date_expression id='d' operation='lt' end='1971-01-01'/>"), false),
            (rule(minus, "<date_expression id='d' operation='gt' start='1971-01-01'/>"), true),
        ] {
            assert_eq!(check(&constraint, ""), allowed, "{constraint}");
        }
    }

    #[test]
    fn where_nothing_is_allowed_that_is_not_said() {
        let option = "<nvpair id='s' name='symmetric-cluster' value='false'/>";
        assert!(!check("", option));
        assert!(check("<rsc_location id='l' rsc='pdu' node='a' score='0'/>", option));
        assert!(!check("<rsc_location id='l' rsc='pdu' node='b' score='100'/>", option));
    }
}
