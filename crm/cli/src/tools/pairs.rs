//! Name-value pairs of the CIB as `crm_attribute` finds, sets and deletes them: in the sets of one section or node.

use cib::score::Score;
use cib::{Document, Element};
use regex::Regex;

/// Where pairs are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Section {
    /// Options of the cluster.
    CrmConfig,
    /// Defaults of resources.
    RscDefaults,
    /// Defaults of operations.
    OpDefaults,
    /// What is known of tickets.
    Tickets,
    /// A node's permanent attributes, by its id.
    Node(String),
    /// A node's transient attributes, by its id.
    Status(String),
}

/// Where in a section, and what.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// Utilization instead of attributes.
    pub utilization: bool,
    /// In the set of this id only.
    pub set: Option<String>,
    /// The pair of this name.
    pub name: Option<String>,
    /// The pair of this id.
    pub id: Option<String>,
    /// Pairs whose names have this in them.
    pub pattern: Option<Regex>,
}

impl Section {
    /// The word for it in output.
    pub fn scope(&self) -> &'static str {
        match self {
            Section::CrmConfig => "crm_config",
            Section::RscDefaults => "rsc_defaults",
            Section::OpDefaults => "op_defaults",
            Section::Tickets => "tickets",
            Section::Node(_) => "nodes",
            Section::Status(_) => "status",
        }
    }

    fn tag(&self, utilization: bool) -> &'static str {
        match self {
            _ if utilization => "utilization",
            Section::CrmConfig => "cluster_property_set",
            Section::RscDefaults | Section::OpDefaults => "meta_attributes",
            Section::Tickets | Section::Node(_) | Section::Status(_) => "instance_attributes",
        }
    }

    /// The id of a set that is made here.
    fn set_id(&self, utilization: bool) -> String {
        let end = if utilization { "-utilization" } else { "" };
        match self {
            Section::CrmConfig => "cib-bootstrap-options".to_owned(),
            Section::RscDefaults => "rsc-options".to_owned(),
            Section::OpDefaults => "op-options".to_owned(),
            Section::Tickets => "status-tickets".to_owned(),
            Section::Node(id) => format!("nodes-{id}{end}"),
            Section::Status(id) => format!("status-{id}{end}"),
        }
    }

    fn find(&self, document: &Document) -> Option<Element> {
        let with_id = |path: &[&str], id: &String| {
            let list = document.descend(path)?;
            document.children(list).find(|child| document.id(*child) == id.as_str())
        };
        match self {
            Section::CrmConfig => document.descend(&["configuration", "crm_config"]),
            Section::RscDefaults => document.descend(&["configuration", "rsc_defaults"]),
            Section::OpDefaults => document.descend(&["configuration", "op_defaults"]),
            Section::Tickets => document.descend(&["status", "tickets"]),
            Section::Node(id) => with_id(&["configuration", "nodes"], id),
            Section::Status(id) => document.child(with_id(&["status"], id)?, "transient_attributes"),
        }
    }

    /// The element sets are in, made when it is missing.
    fn find_or_make(&self, document: &mut Document) -> Option<Element> {
        if let Some(found) = self.find(document) {
            return Some(found);
        }
        let root = document.root();
        let section = match self {
            Section::CrmConfig | Section::Node(_) | Section::RscDefaults | Section::OpDefaults => "configuration",
            Section::Tickets | Section::Status(_) => "status",
        };
        let section = document.child(root, section).unwrap_or_else(|| document.append(root, section));
        match self {
            Section::Node(id) => {
                let nodes = document.child(section, "nodes")?;
                // A remote node stands among the nodes as soon as something is said of it.
                let node = document.append(nodes, "node");
                [("id", id.as_str()), ("type", "remote"), ("uname", id)]
                    .iter()
                    .for_each(|(name, value)| document.set(node, name, value));
                Some(node)
            }
            Section::Status(id) => {
                let known = document.children(section).find(|state| document.id(*state) == id.as_str());
                let state = known.unwrap_or_else(|| {
                    let state = document.append(section, "node_state");
                    document.set(state, "id", id);
                    state
                });
                let attributes = document.append(state, "transient_attributes");
                document.set(attributes, "id", id);
                Some(attributes)
            }
            other => Some(document.append(section, other.scope())),
        }
    }
}

/// The pairs that are meant.
pub fn find(document: &Document, section: &Section, selector: &Selector) -> Vec<Element> {
    let Some(place) = section.find(document) else { return Vec::new() };
    let tag = section.tag(selector.utilization);
    let sets = document.descendants(place).filter(|set| document.name(*set) == tag);
    let sets = sets.filter(|set| selector.set.as_deref().is_none_or(|id| document.id(*set) == id));
    let pairs = sets.flat_map(|set| document.descendants(set)).filter(|pair| document.name(*pair) == "nvpair");
    let meant = |pair: &Element| {
        let name = document.attribute(*pair, "name").unwrap_or_default();
        selector.name.as_deref().is_none_or(|wanted| name == wanted)
            && selector.id.as_deref().is_none_or(|id| document.id(*pair) == id)
            && selector.pattern.as_ref().is_none_or(|pattern| pattern.is_match(name))
    };
    let mut found: Vec<Element> = pairs.filter(meant).collect();
    found.dedup();
    found
}

/// Sets the one pair that is meant, or makes it. `false` when there is no place for it.
pub fn set(document: &mut Document, section: &Section, selector: &Selector, value: &str) -> bool {
    if let Some(pair) = find(document, section, selector).first() {
        let old = document.attribute(*pair, "value").map(str::to_owned);
        document.set(*pair, "value", &counted("value", old.as_deref(), value));
        return true;
    }
    let Some(name) = selector.name.as_deref() else { return false };
    let Some(place) = section.find_or_make(document) else { return false };
    let set_id = selector.set.clone().unwrap_or_else(|| section.set_id(selector.utilization));
    let tag = section.tag(selector.utilization);
    let known = document.children_named(place, tag).find(|set| document.id(*set) == set_id);
    let set = known.unwrap_or_else(|| {
        let set = document.append(place, tag);
        document.set(set, "id", &set_id);
        set
    });
    let id = selector.id.clone().unwrap_or_else(|| safe_id(&format!("{set_id}-{name}")));
    let pair = document.append(set, "nvpair");
    let value = counted("value", None, value);
    [("id", id.as_str()), ("name", name), ("value", &value)]
        .iter()
        .for_each(|(name, value)| document.set(pair, name, value));
    true
}

/// A text as an id: what an id cannot carry becomes a point.
pub fn safe_id(text: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '.' };
    text.chars().map(safe).collect()
}

/// What is written where `NAME++` or `NAME+=N` is asked for: the old value counted up; else what is asked for.
pub fn counted(name: &str, old: Option<&str>, wanted: &str) -> String {
    let more = match wanted.strip_prefix(name) {
        Some("++") => Some(1),
        Some(rest) => rest.strip_prefix("+=").map(|number| Score::parse(number).map_or(0, |score| score.value())),
        None => None,
    };
    let Some(more) = more else { return wanted.to_owned() };
    let old = old.and_then(Score::parse).map_or(0, |score| score.value());
    match old.saturating_add(more) {
        // Counting stops where Pacemaker's numbers end.
        sum if sum >= 1_000_000 => "INFINITY".to_owned(),
        sum if sum <= -1_000_000 => "-INFINITY".to_owned(),
        sum => sum.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_up() {
        for (old, wanted, expected) in [
            (Some("7"), "value++", "8"),
            (Some("7"), "value+=5", "12"),
            (None, "value++", "1"),
            (Some("INFINITY"), "value++", "INFINITY"),
            (Some("7"), "name++", "name++"),
            (Some("7"), "3", "3"),
        ] {
            assert_eq!(counted("value", old, wanted), expected, "{old:?} {wanted}");
        }
    }
}
