//! Writes about nodes: whether they are there, what they are called, that they were cut off.

use std::collections::BTreeMap;

use super::configuration::set_pair;
use super::{Cib, FEATURE_SET, NodeIndex, set_all};
use crate::document::Element;
use crate::rule::compare_versions;
use crate::write::{Applied, NodeAttribute, Refused};

impl Cib {
    #[expect(clippy::too_many_arguments, reason = "the fields of the write, one for one")]
    pub(super) fn node_state(
        &mut self,
        id: &str,
        uname: &str,
        in_ccm: i64,
        crmd: i64,
        join: &str,
        expected: &str,
        since: u64,
    ) -> Result<Applied, Refused> {
        if id.is_empty() || uname.is_empty() {
            return Err(Refused::Nameless("the node"));
        }
        let state = self.state(id);
        let dropped = self.drop_namesake(uname, id);
        let [in_ccm, crmd] = self.presence(in_ccm, crmd);
        let changed = set_all(
            &mut self.document,
            state,
            &[
                ("uname", uname),
                ("in_ccm", &in_ccm),
                ("crmd", &crmd),
                ("join", join),
                ("expected", expected),
                ("since", &since.to_string()),
                ("crm-debug-origin", "membership"),
            ],
        );
        Ok(Applied { changed: changed || dropped, node: Some(id.to_owned()), ..Applied::default() })
    }

    pub(super) fn let_go(&mut self, node: &str) -> Result<Applied, Refused> {
        if node.is_empty() {
            return Err(Refused::Nameless("the node"));
        }
        let id = self.node_id(node);
        let state = self.state(&id);
        let changed = set_all(&mut self.document, state, &[("expected", "down"), ("crm-debug-origin", "let_go")]);
        Ok(Applied { changed, node: Some(id), ..Applied::default() })
    }

    /// `in_ccm` and `crmd` as the CIB's feature set has them: words before 3.18, times since.
    fn presence(&self, in_ccm: i64, crmd: i64) -> [String; 2] {
        let feature_set = self.document.attribute(self.document.root(), "crm_feature_set").unwrap_or(FEATURE_SET);
        if compare_versions(feature_set, "3.18.0").is_lt() {
            [if in_ccm > 0 { "true" } else { "false" }, if crmd > 0 { "online" } else { "offline" }].map(str::to_owned)
        } else {
            [in_ccm.max(0).to_string(), crmd.max(0).to_string()]
        }
    }

    pub(super) fn fenced(&mut self, node: &str, since: Option<u64>, action: &str, at: i64) -> Result<Applied, Refused> {
        if node.is_empty() {
            return Err(Refused::Nameless("the node"));
        }
        let id = self.node_id(node);
        let joined = self.nodes.get(&id).and_then(|index| self.document.attribute(index.state, "since")?.parse().ok());
        if let (Some(ended), Some(joined)) = (since, joined)
            && ended != joined
        {
            return Ok(Applied { node: Some(id), ..Applied::default() });
        }
        let changed = if action == "on" {
            self.transient(&id, "#node-unfenced", Some(&at.to_string()))
        } else {
            let state = self.state(&id);
            let [in_ccm, crmd] = self.presence(0, 0);
            let down = [
                ("in_ccm", in_ccm.as_str()),
                ("crmd", crmd.as_str()),
                ("join", "down"),
                ("expected", "down"),
                ("crm-debug-origin", "fencing"),
            ];
            // Both: it is down now, and nothing runs there.
            let [changed, cleared] = [set_all(&mut self.document, state, &down), self.clear(&id)];
            changed || cleared
        };
        Ok(Applied { changed, node: Some(id), ..Applied::default() })
    }

    pub(super) fn joined(&mut self, node: &str) -> Result<Applied, Refused> {
        if node.is_empty() {
            return Err(Refused::Nameless("the node"));
        }
        let id = self.node_id(node);
        let mut changed = self.clear(&id);
        if let Some(index) = self.nodes.get(&id)
            && self.document.attribute(index.state, "since").is_some()
        {
            self.document.unset(index.state, "since");
            changed = true;
        }
        Ok(Applied { changed, node: Some(id), ..Applied::default() })
    }

    pub(super) fn returned(&mut self, node: &str) -> Result<Applied, Refused> {
        if node.is_empty() {
            return Err(Refused::Nameless("the node"));
        }
        let id = self.node_id(node);
        let mut changed = self.take_away(&id, &["lrm"]);
        changed |= self.transient(&id, "shutdown", None);
        if let Some(index) = self.nodes.get(&id)
            && self.document.attribute(index.state, "since").is_some()
        {
            self.document.unset(index.state, "since");
            changed = true;
        }
        Ok(Applied { changed, node: Some(id), ..Applied::default() })
    }

    /// All of them or none: a name that is missing refuses the whole.
    pub(super) fn attributes(&mut self, values: &[NodeAttribute]) -> Result<Applied, Refused> {
        if values.iter().any(|one| one.name.is_empty()) {
            return Err(Refused::Nameless("the attribute"));
        }
        if values.iter().any(|one| one.node.is_empty()) {
            return Err(Refused::Nameless("the node"));
        }
        let mut changed = false;
        for NodeAttribute { node, name, value } in values {
            let id = self.node_id(node);
            changed |= self.transient(&id, name, value.as_deref());
        }
        Ok(Applied { changed, ..Applied::default() })
    }

    /// Takes a node's history and transient attributes away.
    fn clear(&mut self, id: &str) -> bool {
        self.take_away(id, &["lrm", "transient_attributes"])
    }

    /// Takes these parts of a node's entry away; the history is one of them.
    fn take_away(&mut self, id: &str, parts: &[&str]) -> bool {
        let Some(index) = self.nodes.get_mut(id) else { return false };
        index.resources.clear();
        let gone: Vec<Element> =
            self.document.children(index.state).filter(|child| parts.contains(&self.document.name(*child))).collect();
        gone.iter().for_each(|element| self.document.remove(*element));
        !gone.is_empty()
    }

    /// Sets or takes away a transient attribute and says whether anything changed.
    pub(super) fn transient(&mut self, id: &str, name: &str, value: Option<&str>) -> bool {
        if value.is_none() && !self.nodes.contains_key(id) {
            return false;
        }
        let state = self.state(id);
        let attributes = match self.document.child(state, "transient_attributes") {
            Some(attributes) => attributes,
            None if value.is_none() => return false,
            None => {
                let attributes = self.document.append(state, "transient_attributes");
                self.document.set(attributes, "id", id);
                attributes
            }
        };
        set_pair(&mut self.document, attributes, &format!("status-{id}"), name, value)
    }

    /// The value of a transient attribute.
    pub(super) fn transient_value(&self, id: &str, name: &str) -> Option<&str> {
        let document = &self.document;
        let attributes = document.child(self.nodes.get(id)?.state, "transient_attributes")?;
        document
            .children_named(attributes, "instance_attributes")
            .flat_map(|set| document.children_named(set, "nvpair"))
            .find(|pair| document.attribute(*pair, "name") == Some(name))
            .and_then(|pair| document.attribute(pair, "value"))
    }

    /// A node's entry, made when it is missing.
    pub(super) fn state(&mut self, id: &str) -> Element {
        if let Some(index) = self.nodes.get(id) {
            return index.state;
        }
        let uname = self.configured_node(id).and_then(|node| self.document.attribute(node, "uname")).unwrap_or(id);
        let uname = uname.to_owned();
        let state = self.document.append(self.status, "node_state");
        set_all(&mut self.document, state, &[("id", id), ("uname", &uname)]);
        self.nodes.insert(id.to_owned(), NodeIndex { state, resources: BTreeMap::new() });
        state
    }
}
