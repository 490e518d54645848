//! Writes that change the configuration: a patch, a whole one, a node, a permanent attribute.

use super::{Cib, child_or_new, read_version, set_all};
use crate::date;
use crate::document::{Document, Element};
use crate::patch::{self, Patch};
use crate::write::{Applied, Lifetime, Refused, Version};

/// Attributes of the root that a new configuration does not bring with it: the cluster's own.
const RUNTIME: [&str; 6] = ["admin_epoch", "epoch", "num_updates", "have-quorum", "dc-uuid", "crm_feature_set"];

impl Cib {
    pub(super) fn configure(
        &mut self,
        patch: &Patch,
        expected: Option<(u64, u64)>,
        user: &str,
        at: i64,
    ) -> Result<Applied, Refused> {
        self.is_expected(expected)?;
        let mut document = self.document.clone();
        patch::apply(&mut document, patch)?;
        self.adopt(document, user, at)
    }

    pub(super) fn replace(
        &mut self,
        xml: &str,
        expected: Option<(u64, u64)>,
        user: &str,
        at: i64,
    ) -> Result<Applied, Refused> {
        self.is_expected(expected)?;
        let new = Document::parse(xml)?;
        let configuration = match new.name(new.root()) {
            "configuration" => new.root(),
            "cib" => new.child(new.root(), "configuration").ok_or(Refused::Section("configuration"))?,
            other => return Err(Refused::NotACib(other.to_owned())),
        };

        let mut document = self.document.clone();
        let root = document.root();
        if new.name(new.root()) == "cib" {
            for (name, value) in new.attributes(new.root()).filter(|(name, _)| !RUNTIME.contains(name)) {
                document.set(root, name, value);
            }
        }
        if let Some(old) = document.child(root, "configuration") {
            document.remove(old);
        }
        let configuration = document.graft(root, &new, configuration);
        let first = document.children(root).next();
        document.place_before(configuration, first);
        // An administrator raises admin_epoch to make this configuration win; that has to be carried over.
        if let Ok(version) = read_version(&new)
            && version.admin_epoch > self.version.admin_epoch
        {
            document.set(root, "admin_epoch", &version.admin_epoch.to_string());
            document.set(root, "epoch", &version.epoch.to_string());
        }
        self.adopt(document, user, at)
    }

    fn is_expected(&self, expected: Option<(u64, u64)>) -> Result<(), Refused> {
        match expected {
            Some(expected) if expected != (self.version.admin_epoch, self.version.epoch) => {
                Err(Refused::Outdated { expected, found: self.version })
            }
            _ => Ok(()),
        }
    }

    /// Puts a document in the place of the one there is, if it can be one.
    fn adopt(&mut self, mut document: Document, user: &str, at: i64) -> Result<Applied, Refused> {
        let root = document.root();
        if document.name(root) != "cib" {
            return Err(Refused::NotACib(document.name(root).to_owned()));
        }
        for section in ["configuration", "status"] {
            if document.child(root, section).is_none() {
                return Err(Refused::Section(section));
            }
        }
        if document.same(root, &self.document, self.document.root()) {
            return Ok(Applied::default());
        }
        let configuration = child_or_new(&mut document, root, "configuration");
        for section in ["crm_config", "nodes", "resources", "constraints"] {
            child_or_new(&mut document, configuration, section);
        }
        // Versions only rise, whatever the patch says of them.
        let given = read_version(&document).unwrap_or(self.version);
        let floor = Version { num_updates: 0, ..self.version };
        self.version = Version { num_updates: 0, ..given }.max(floor);
        let written = date::ctime(at);
        set_all(&mut document, root, &[("cib-last-written", &written), ("update-user", user)]);
        self.document = document;
        self.index();
        Ok(Applied { changed: true, configuration: true, ..Applied::default() })
    }

    pub(super) fn node(&mut self, id: &str, uname: &str) -> Result<Applied, Refused> {
        if id.is_empty() || uname.is_empty() {
            return Err(Refused::Nameless("the node"));
        }
        let document = &self.document;
        let nodes = document.descend(&["configuration", "nodes"]).ok_or(Refused::Section("nodes"))?;
        let all = || document.children_named(nodes, "node");
        let known = all().find(|node| document.id(*node) == id);
        // Written by hand, or by an engine that numbered otherwise: what is set for the name stays with the name.
        let named = all().find(|node| document.attribute(*node, "uname") == Some(uname));
        let changed = match (known, named) {
            (Some(known), named) => {
                let renamed = set_all(&mut self.document, known, &[("uname", uname)]);
                if let Some(other) = named.filter(|other| *other != known) {
                    self.document.remove(other);
                }
                renamed
            }
            (None, Some(named)) => set_all(&mut self.document, named, &[("id", id)]),
            (None, None) => {
                let node = self.document.append(nodes, "node");
                set_all(&mut self.document, node, &[("id", id), ("uname", uname)])
            }
        };
        let changed = self.drop_namesake(uname, id) || changed;
        Ok(Applied { changed, configuration: changed, node: Some(id.to_owned()), ..Applied::default() })
    }

    pub(super) fn attribute(
        &mut self,
        node: &str,
        lifetime: Lifetime,
        name: &str,
        value: Option<&str>,
    ) -> Result<Applied, Refused> {
        if name.is_empty() {
            return Err(Refused::Nameless("the attribute"));
        }
        if node.is_empty() {
            return Err(Refused::Nameless("the node"));
        }
        let id = self.node_id(node);
        let changed = match lifetime {
            Lifetime::Transient => self.transient(&id, name, value),
            Lifetime::Permanent => {
                let element = self.configured_node(&id).ok_or_else(|| Refused::UnknownNode(node.to_owned()))?;
                set_pair(&mut self.document, element, &format!("nodes-{id}"), name, value)
            }
        };
        let configuration = changed && lifetime == Lifetime::Permanent;
        Ok(Applied { changed, configuration, node: Some(id), ..Applied::default() })
    }
}

/// Sets or takes away a pair in the `instance_attributes` of an element, which are made with `set_id` when they are
/// missing, and says whether anything changed.
pub(super) fn set_pair(
    document: &mut Document,
    parent: Element,
    set_id: &str,
    name: &str,
    value: Option<&str>,
) -> bool {
    let find = |document: &Document| {
        document
            .children_named(parent, "instance_attributes")
            .flat_map(|set| document.children_named(set, "nvpair"))
            .find(|pair| document.attribute(*pair, "name") == Some(name))
    };
    match (find(document), value) {
        (None, None) => false,
        (Some(pair), None) => {
            document.remove(pair);
            true
        }
        (Some(pair), Some(value)) => set_all(document, pair, &[("value", value)]),
        (None, Some(value)) => {
            let set = document.child(parent, "instance_attributes").unwrap_or_else(|| {
                let set = document.append(parent, "instance_attributes");
                document.set(set, "id", set_id);
                set
            });
            let id = pair_id(document, set, name);
            let pair = document.append(set, "nvpair");
            set_all(document, pair, &[("id", &id), ("name", name), ("value", value)])
        }
    }
}

/// An id for a new pair: what an id cannot carry becomes a point, and a number is added where that makes two alike.
fn pair_id(document: &Document, set: Element, name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '.' };
    let base: String = document.id(set).chars().chain(['-']).chain(name.chars()).map(safe).collect();
    let taken = |id: &str| document.children(set).any(|pair| document.id(pair) == id);
    let mut id = base.clone();
    let mut number = 2;
    while taken(&id) {
        id = format!("{base}-{number}");
        number += 1;
    }
    id
}
