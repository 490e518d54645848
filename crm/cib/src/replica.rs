//! The CIB as every member holds it: a document, its version, and the writes it accepts. Every member applies the same
//! writes in the same order and so comes to the same document; nothing here may depend on anything but these two.
//! Whether a configuration makes sense is for `check` to say before it is written, so that members
//! with different releases still agree on every write.

mod configuration;
mod edit;
mod failure;
mod history;
mod status;

use std::collections::BTreeMap;

use crate::digest;
use crate::document::{Document, Element, ParseError};
use crate::patch::Change;
use crate::write::{Applied, Refused, Version, Write};

/// What results and node states are written for, as Pacemaker counts its vocabulary. It is that of Debian 12, whose
/// `crm_simulate` and `cibadmin` refuse to write to a CIB with a later one; newer tools read it as well. Before 3.18
/// it is `in_ccm="true"` and `crmd="online"`, not times.
pub const FEATURE_SET: &str = "3.16.1";

/// The schema that a new CIB is written in.
pub const SCHEMA: &str = "pacemaker-3.9";

/// The pools are rewritten when they hold this many bytes and nodes more than twice what is in use: a bound on memory
/// that leaves compaction rare (some thousand writes for a small cluster).
const COMPACT_MARGIN: usize = 1 << 20;

/// At rest the pools are rewritten when they hold this many bytes and nodes more than what is in use: less is not worth it.
const REST_MARGIN: usize = 64 << 10;

/// Larger pools are not rewritten at rest: it would take longer than the tens of milliseconds a node may be occupied with it.
const MOST_AT_REST: usize = 8 << 20;

/// No field of a version grows beyond this, which a reader with 53-bit integers can hold; at a thousand writes a second
/// it is reached after 285,000 years.
const MAX_COUNT: u64 = (1 << 53) - 1;

/// Why a document is no CIB.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The text is not well-formed.
    #[error(transparent)]
    Xml(#[from] ParseError),
    /// The root is another element.
    #[error("expected <cib> as the root element, found <{0}>")]
    Root(String),
    /// A version is no number.
    #[error("the version of the CIB is not a number: {name}=\"{value}\"")]
    Version {
        /// Which field.
        name: &'static str,
        /// What it holds.
        value: String,
    },
}

/// The replicated CIB.
#[derive(Clone, Debug)]
pub struct Cib {
    document: Document,
    /// Invariant: what the root's attributes say.
    version: Version,
    /// Invariant: the `<status>` section.
    status: Element,
    /// The entries of the status by node id. Invariant: as the document has them.
    nodes: BTreeMap<String, NodeIndex>,
    /// What the pools held when they were last compact.
    compact_size: usize,
}

/// Where in the document a node's status is, so that a write need not search for it.
#[derive(Clone, Debug)]
struct NodeIndex {
    state: Element,
    /// The `lrm_resource` elements by resource.
    resources: BTreeMap<String, Element>,
}

impl Cib {
    /// Takes a document as the CIB. Sections that are missing are created empty.
    pub fn new(mut document: Document) -> Result<Cib, Error> {
        let root = document.root();
        if document.name(root) != "cib" {
            return Err(Error::Root(document.name(root).to_owned()));
        }
        let version = read_version(&document)?;
        let configuration = child_or_new(&mut document, root, "configuration");
        for section in ["crm_config", "nodes", "resources", "constraints"] {
            child_or_new(&mut document, configuration, section);
        }
        let status = child_or_new(&mut document, root, "status");
        let compact_size = document.pool_size();
        let mut cib = Cib { document, version, status, nodes: BTreeMap::new(), compact_size };
        cib.write_version();
        cib.index();
        Ok(cib)
    }

    /// Reads a CIB.
    ///
    /// ```
    /// let cib = cib::Cib::parse("<cib admin_epoch='0' epoch='7' num_updates='3'/>").unwrap();
    /// assert_eq!(cib.version().to_string(), "0.7.3");
    /// assert!(cib::Cib::parse("<configuration/>").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Cib, Error> {
        Cib::new(Document::parse(text)?)
    }

    /// What a new cluster starts from.
    pub fn fresh(cluster_name: &str) -> Cib {
        let mut document = Document::new("cib");
        let root = document.root();
        for (name, value) in [
            ("crm_feature_set", FEATURE_SET),
            ("validate-with", SCHEMA),
            ("epoch", "0"),
            ("num_updates", "0"),
            ("admin_epoch", "0"),
            ("have-quorum", "0"),
        ] {
            document.set(root, name, value);
        }
        let configuration = document.append(root, "configuration");
        let crm_config = document.append(configuration, "crm_config");
        let set = document.append(crm_config, "cluster_property_set");
        document.set(set, "id", "cib-bootstrap-options");
        for (name, value) in [("have-watchdog", "false"), ("cluster-name", cluster_name)] {
            let pair = document.append(set, "nvpair");
            document.set(pair, "id", &format!("cib-bootstrap-options-{name}"));
            document.set(pair, "name", name);
            document.set(pair, "value", value);
        }
        Cib::new(document).expect("the root is <cib> and the version is made of zeros")
    }

    /// The document. Elements hold until the next write.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The document alone.
    pub fn into_document(self) -> Document {
        self.document
    }

    /// How new it is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// A digest of version, configuration and status: equal on members that applied the same writes.
    pub fn digest(&self) -> String {
        let mut text = format!("{}\n", self.version);
        for section in ["configuration", "status"] {
            if let Some(section) = self.document.child(self.document.root(), section) {
                text += &self.document.element_to_xml(section);
            }
        }
        digest::md5(&text)
    }

    /// Sets an attribute of the root that is no part of the version: `have-quorum`, `dc-uuid`. Every member knows it
    /// for itself.
    pub fn set_root(&mut self, name: &str, value: &str) {
        if !matches!(name, "admin_epoch" | "epoch" | "num_updates") && crate::document::is_name(name) {
            self.document.set(self.document.root(), name, value);
        }
    }

    /// Applies a write, or refuses it and changes nothing. The same write on the same CIB does the same everywhere.
    pub fn apply(&mut self, write: &Write) -> Result<Applied, Refused> {
        let mut done = match write {
            Write::Configure { patch, expected, author } => self.configure(patch, *expected, author)?,
            Write::Replace { xml, expected, author } => self.replace(xml, *expected, author)?,
            Write::Edit { operation, place, xml, expected, author } => {
                self.edit(*operation, place, xml, *expected, author)?
            }
            Write::Node { id, uname } => self.node(id, uname)?,
            Write::NodeState { id, uname, in_ccm, crmd, join, expected, since } => {
                self.node_state(id, uname, *in_ccm, *crmd, join, expected, *since)?
            }
            Write::LetGo { node } => self.let_go(node)?,
            Write::Result(result) => self.result(result)?,
            Write::Attribute { node, lifetime, name, value, author } => {
                self.attribute(node, *lifetime, name, value.as_deref(), author)?
            }
            Write::Attributes { values } => self.attributes(values)?,
            Write::Forget { node, resource, failures_only } => {
                self.forget(node.as_deref(), resource.as_deref(), *failures_only)
            }
            Write::Fenced { node, since, action, at, .. } => self.fenced(node, *since, action, *at)?,
            Write::Joined { node } => self.joined(node)?,
            Write::Returned { node } => self.returned(node)?,
        };
        if done.configuration {
            // A patch or a new configuration may itself have raised the epoch; it never goes back.
            self.version.epoch = (self.version.epoch + 1).min(MAX_COUNT);
            self.version.num_updates = 0;
        } else if done.changed {
            self.version.num_updates = (self.version.num_updates + 1).min(MAX_COUNT);
        }
        if done.changed {
            self.write_version();
        }
        if done.configuration {
            done.patch.changes.push(self.root_change());
        }
        if self.document.pool_size() > 2 * self.compact_size + COMPACT_MARGIN {
            self.compact();
        }
        Ok(Applied { version: self.version, ..done })
    }

    /// Nothing is going on: what was overwritten need not be kept until there is as much of it as of the rest.
    pub fn rest(&mut self) {
        let size = self.document.pool_size();
        if size > self.compact_size + REST_MARGIN && size <= MOST_AT_REST {
            self.compact();
        }
    }

    fn compact(&mut self) {
        self.document.compact();
        self.compact_size = self.document.pool_size();
        self.index();
    }

    /// What of the root goes with a change of the configuration: its version, and who made it.
    fn root_change(&self) -> Change {
        let root = self.document.root();
        let names = ["admin_epoch", "epoch", "num_updates"].into_iter().chain(configuration::AUTHOR);
        let value = |name: &str| self.document.attribute(root, name).map(|value| (name.to_owned(), value.to_owned()));
        Change::Modify { path: "/cib".into(), set: names.filter_map(value).collect(), unset: Vec::new() }
    }

    fn write_version(&mut self) {
        let root = self.document.root();
        let Version { admin_epoch, epoch, num_updates } = self.version;
        for (name, value) in [("admin_epoch", admin_epoch), ("epoch", epoch), ("num_updates", num_updates)] {
            self.document.set(root, name, &value.to_string());
        }
    }

    /// Finds the entries of the status anew, after the document was replaced or rewritten.
    fn index(&mut self) {
        let document = &self.document;
        self.status = document.child(document.root(), "status").expect("every CIB has a status section");
        self.nodes = BTreeMap::new();
        for state in document.children_named(self.status, "node_state") {
            let id = document.id(state).to_owned();
            let resources = document
                .child(state, "lrm")
                .and_then(|lrm| document.child(lrm, "lrm_resources"))
                .into_iter()
                .flat_map(|resources| document.children_named(resources, "lrm_resource"))
                .map(|resource| (document.id(resource).to_owned(), resource))
                .collect();
            self.nodes.entry(id).or_insert(NodeIndex { state, resources });
        }
    }

    /// The id of a node that is named by id or by name; what is unknown is its own id.
    fn node_id(&self, node: &str) -> String {
        if self.nodes.contains_key(node) {
            return node.to_owned();
        }
        if let Some(id) = self.id_by_name(node) {
            return id.to_owned();
        }
        self.configured_node(node).map_or(node, |element| self.document.id(element)).to_owned()
    }

    /// The id under which the status knows a name. Nodes are few, so they are looked through.
    fn id_by_name(&self, uname: &str) -> Option<&str> {
        let is = |index: &NodeIndex| self.document.attribute(index.state, "uname") == Some(uname);
        self.nodes.iter().find(|(_, index)| is(index)).map(|(id, _)| id.as_str())
    }

    /// Takes the entry away that the status has for a name under another id: it tells of what no longer is.
    fn drop_namesake(&mut self, uname: &str, id: &str) -> bool {
        let is = |index: &NodeIndex| self.document.attribute(index.state, "uname") == Some(uname);
        let Some(old) = self.nodes.iter().find(|(old, index)| *old != id && is(index)).map(|(old, _)| old.clone())
        else {
            return false;
        };
        if let Some(index) = self.nodes.remove(&old) {
            self.document.remove(index.state);
        }
        true
    }

    /// The `<node>` with this id or name.
    fn configured_node(&self, node: &str) -> Option<Element> {
        let document = &self.document;
        let nodes = document.descend(&["configuration", "nodes"])?;
        let is = |name: &'static str| {
            document.children_named(nodes, "node").find(move |element| document.attribute(*element, name) == Some(node))
        };
        is("id").or_else(|| is("uname"))
    }
}

fn read_version(document: &Document) -> Result<Version, Error> {
    let field = |name: &'static str| match document.attribute(document.root(), name) {
        None => Ok(0),
        Some(value) => match value.parse::<u64>() {
            Ok(number) => Ok(number.min(MAX_COUNT)),
            Err(_) => Err(Error::Version { name, value: value.to_owned() }),
        },
    };
    Ok(Version { admin_epoch: field("admin_epoch")?, epoch: field("epoch")?, num_updates: field("num_updates")? })
}

fn child_or_new(document: &mut Document, parent: Element, name: &str) -> Element {
    document.child(parent, name).unwrap_or_else(|| document.append(parent, name))
}

/// Sets attributes where they differ and says whether any did.
fn set_all(document: &mut Document, element: Element, attributes: &[(&str, &str)]) -> bool {
    let mut changed = false;
    for (name, value) in attributes {
        changed |= document.attribute(element, name) != Some(value);
        document.set(element, name, value);
    }
    changed
}

#[cfg(test)]
mod tests;
