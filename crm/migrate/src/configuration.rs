//! A configuration in the making: resources and constraints as values, from which both the CIB and the commands of pcs
//! are written. Both give the same ids, so that either can be compared with the other.

mod commands;
mod document;

use std::collections::{BTreeMap, BTreeSet};

pub use commands::commands;
pub(crate) use commands::quote as commands_quote;
pub use document::document;

use crate::unit::Watched;

/// Names and values; all hosts have the same, or some have their own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parameters {
    /// Those of all hosts.
    pub common: BTreeMap<String, String>,
    /// Those of one host.
    pub per_node: BTreeMap<String, BTreeMap<String, String>>,
}

impl Parameters {
    /// The same on all hosts.
    pub fn all(pairs: &[(&str, String)]) -> Parameters {
        let common = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Parameters { common, per_node: BTreeMap::new() }
    }

    /// What hosts have in common, and what they do not.
    pub fn merged(hosts: &[(String, BTreeMap<String, String>)]) -> Parameters {
        let Some((_, first)) = hosts.first() else { return Parameters::default() };
        let everywhere = |name: &str, value: &str| {
            hosts.iter().all(|(_, pairs)| pairs.get(name).is_some_and(|other| other == value))
        };
        let common: BTreeMap<String, String> = first
            .iter()
            .filter(|(name, value)| everywhere(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut per_node = BTreeMap::new();
        for (host, pairs) in hosts {
            let own: BTreeMap<String, String> = pairs
                .iter()
                .filter(|(name, _)| !common.contains_key(*name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            if !own.is_empty() {
                per_node.insert(host.clone(), own);
            }
        }
        Parameters { common, per_node }
    }
}

/// A recurring or single operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// `monitor`, `start`, `stop`.
    pub name: &'static str,
    /// `10s`; `0s` for what does not recur.
    pub interval: String,
    /// `20s`.
    pub timeout: String,
    /// `on-fail`, if it is not the usual one.
    pub on_fail: Option<&'static str>,
}

/// One agent's resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Primitive {
    /// Its id.
    pub id: String,
    /// `ocf`, `systemd`, `stonith`.
    pub class: &'static str,
    /// Provider, for `ocf`.
    pub provider: Option<&'static str>,
    /// The agent.
    pub agent: String,
    /// Its parameters.
    pub parameters: Parameters,
    /// Its operations.
    pub operations: Vec<Operation>,
    /// What it watches, if it is a health check.
    pub watches: Option<Watched>,
}

impl Primitive {
    /// A resource of an agent, with a monitor every so often and a minute for all it does.
    pub fn new(id: String, standard: (&'static str, Option<&'static str>, &str), monitor: &str) -> Primitive {
        let operation = |name, interval: &str| Operation {
            name,
            interval: interval.to_owned(),
            timeout: "60s".to_owned(),
            on_fail: None,
        };
        let (class, provider, agent) = standard;
        let operations = vec![operation("monitor", monitor), operation("start", "0s"), operation("stop", "0s")];
        Primitive {
            id,
            class,
            provider,
            agent: agent.to_owned(),
            parameters: Parameters::default(),
            operations,
            watches: None,
        }
    }

    /// With these parameters.
    pub fn with(mut self, parameters: Parameters) -> Primitive {
        self.parameters = parameters;
        self
    }
}

/// What stands at the top of the resources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resource {
    /// One alone.
    Primitive(Primitive, BTreeMap<String, String>),
    /// Several on one node, started in this order.
    Group(String, Vec<Primitive>, BTreeMap<String, String>),
    /// One on every node. It has no meta attributes: versions of pcs differ in whose they are.
    Clone(Primitive),
}

impl Resource {
    /// The id that constraints name.
    pub fn id(&self) -> String {
        match self {
            Resource::Primitive(one, _) => one.id.clone(),
            Resource::Group(id, ..) => id.clone(),
            Resource::Clone(one) => format!("{}-clone", one.id),
        }
    }

    /// What runs.
    pub fn primitives(&self) -> &[Primitive] {
        match self {
            Resource::Primitive(one, _) | Resource::Clone(one) => std::slice::from_ref(one),
            Resource::Group(_, members, _) => members,
        }
    }
}

/// One condition of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// The attribute has this value.
    Is(String, String),
    /// The attribute is another, or there is none.
    IsNot(String, String),
    /// There is such an attribute.
    Defined(String),
}

/// What a rule is worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Worth {
    /// This score.
    Score(String),
    /// What stands in a node's attribute.
    Attribute(String),
}

/// A constraint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Constraint {
    /// A resource and a node.
    Location {
        /// Its id.
        id: String,
        /// The resource.
        resource: String,
        /// The node.
        node: String,
        /// The score.
        score: String,
    },
    /// A resource and the nodes of which all conditions hold.
    Rule {
        /// Its id; the rule's own is this with `-rule` behind it.
        id: String,
        /// The resource.
        resource: String,
        /// What it is worth.
        worth: Worth,
        /// All of these.
        conditions: Vec<Condition>,
    },
    /// One where the other is.
    Colocation {
        /// Its id.
        id: String,
        /// Who follows.
        resource: String,
        /// Whom.
        with: String,
    },
    /// One before the other.
    Order {
        /// Its id.
        id: String,
        /// Who starts first.
        first: String,
        /// Who comes then.
        then: String,
    },
}

/// What is told when something happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alert {
    /// Its id.
    pub id: String,
    /// The program.
    pub path: String,
    /// What it is told.
    pub options: BTreeMap<String, String>,
    /// For whom.
    pub recipients: Vec<String>,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Configuration {
    /// The nodes, in the order of their ids, from 1.
    pub nodes: Vec<String>,
    /// Options of the cluster.
    pub properties: BTreeMap<String, String>,
    /// The resources.
    pub resources: Vec<Resource>,
    /// The constraints.
    pub constraints: Vec<Constraint>,
    /// The alerts.
    pub alerts: Vec<Alert>,
}

/// Hands out ids: each once, made of what XML allows in an id.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    taken: BTreeSet<String>,
}

/// Characters of an id; longer names are cut, and told apart by a number.
const ID_MAX: usize = 100;

impl Ids {
    /// An id like this.
    pub fn take(&mut self, wish: &str) -> String {
        let base = id(wish);
        let mut name = base.clone();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{base}-{number}");
        }
        name
    }
}

/// A text as an id of XML.
pub fn id(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    let mut id: String = text.chars().take(ID_MAX).map(plain).collect();
    if !id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        id.insert(0, '_');
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_differ_only_where_they_do() {
        let host = |name: &str, nic: &str| {
            let pairs = [("ip", "10.0.0.1"), ("nic", nic)];
            (name.to_owned(), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        let merged = Parameters::merged(&[host("a", "eth0"), host("b", "ens3")]);
        assert_eq!(merged.common.keys().collect::<Vec<_>>(), ["ip"]);
        assert_eq!(merged.per_node["b"]["nic"], "ens3");
    }

    #[test]
    fn ids_are_handed_out_once() {
        let mut ids = Ids::default();
        assert_eq!(["a b", "a:b", "9"].map(|wish| ids.take(wish)), ["a-b", "a-b-2", "_9"]);
    }
}
