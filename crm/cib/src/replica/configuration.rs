//! Writes that change the configuration: a patch, a whole one, a node, a permanent attribute.

use super::{Cib, child_or_new, read_version, set_all};
use crate::date;
use crate::document::{Document, Element};
use crate::patch::{self, Change, Patch, path_of};
use crate::write::{Applied, Author, Expected, Lifetime, Refused, Version};

/// Attributes of the root that a new configuration does not bring with it: the cluster's own.
const RUNTIME: [&str; 6] = ["admin_epoch", "epoch", "num_updates", "have-quorum", "dc-uuid", "crm_feature_set"];

/// Attributes of the root that say who made the last change.
pub(super) const AUTHOR: [&str; 4] = ["cib-last-written", "update-origin", "update-client", "update-user"];

/// The sections that every configuration has.
const SECTIONS: [&str; 4] = ["crm_config", "nodes", "resources", "constraints"];

impl Cib {
    pub(super) fn configure(
        &mut self,
        patch: &Patch,
        expected: Option<Expected>,
        author: &Author,
    ) -> Result<Applied, Refused> {
        self.is_expected(expected)?;
        self.commit(patch.clone(), author)
    }

    pub(super) fn replace(
        &mut self,
        xml: &str,
        expected: Option<Expected>,
        author: &Author,
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
        self.adopt(document, author)
    }

    pub(super) fn is_expected(&self, expected: Option<Expected>) -> Result<(), Refused> {
        match expected {
            Some(expected) if !expected.is(self.version) => Err(Refused::Outdated { expected, found: self.version }),
            _ => Ok(()),
        }
    }

    /// Makes the changes, or none of them. What stays within the sections of the configuration is done in place, at a
    /// cost that does not depend on the size of the rest; anything else on a copy, so that it can still be refused.
    pub(super) fn commit(&mut self, mut patch: Patch, author: &Author) -> Result<Applied, Refused> {
        if !patch.changes.iter().all(is_within_sections) {
            let mut document = self.document.clone();
            patch::apply(&mut document, &patch)?;
            return self.adopt(document, author);
        }
        if !patch::apply(&mut self.document, &patch)? {
            return Ok(Applied::default());
        }
        if let Some(configuration) = self.document.descend(&["configuration"]) {
            for section in SECTIONS {
                if self.document.child(configuration, section).is_none() {
                    self.document.append(configuration, section);
                    let (path, xml) = ("/cib/configuration".into(), format!("<{section}/>"));
                    patch.changes.push(Change::Create { path, position: usize::MAX, xml });
                }
            }
        }
        self.sign(author);
        Ok(Applied { changed: true, configuration: true, patch, ..Applied::default() })
    }

    /// Puts a document in the place of the one there is, if it can be one.
    pub(super) fn adopt(&mut self, mut document: Document, author: &Author) -> Result<Applied, Refused> {
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
        for section in SECTIONS {
            child_or_new(&mut document, configuration, section);
        }
        // Versions only rise, whatever the patch says of them.
        let given = read_version(&document).unwrap_or(self.version);
        let counted = |version: Version| (version.admin_epoch, version.epoch);
        let changes = self.changes_of_configuration(&document);
        if changes.is_empty() && counted(given) <= counted(self.version) {
            // Of the status only, which no disk need know.
            let Version { admin_epoch, epoch, num_updates } = self.version;
            self.document = document;
            self.index();
            self.version = Version { admin_epoch, epoch, num_updates: num_updates.max(given.num_updates) };
            return Ok(Applied { changed: true, ..Applied::default() });
        }
        let floor = Version { num_updates: 0, ..self.version };
        self.version = Version { num_updates: 0, ..given }.max(floor);
        self.document = document;
        self.index();
        self.sign(author);
        let patch = Patch { changes };
        Ok(Applied { changed: true, configuration: true, patch, ..Applied::default() })
    }

    /// What is different in another document outside the status, and in what is no part of the configuration either.
    fn changes_of_configuration(&self, other: &Document) -> Vec<Change> {
        let mut changes = patch::diff(&self.document, other).changes;
        changes.retain(|change| {
            let (Change::Create { path, .. }
            | Change::Modify { path, .. }
            | Change::Delete { path }
            | Change::Move { path, .. }) = change;
            let creates_status = matches!(change, Change::Create { xml, .. } if path == "/cib" && xml.trim_start().starts_with("<status"));
            path != "/cib/status" && !path.starts_with("/cib/status/") && !path.starts_with("/cib/status[") && !creates_status
        });
        for change in &mut changes {
            if let Change::Modify { path, set, unset } = change
                && path == "/cib"
            {
                set.retain(|(name, _)| !RUNTIME.contains(&name.as_str()) && !AUTHOR.contains(&name.as_str()));
                unset.retain(|name| !RUNTIME.contains(&name.as_str()) && !AUTHOR.contains(&name.as_str()));
            }
        }
        changes.retain(
            |change| !matches!(change, Change::Modify { set, unset, .. } if set.is_empty() && unset.is_empty()),
        );
        changes
    }

    /// Says on the root who made the change.
    fn sign(&mut self, author: &Author) {
        let root = self.document.root();
        if *author == Author::default() {
            return;
        }
        let client = author.command.split_whitespace().next().unwrap_or_default();
        let client = client.rsplit('/').next().unwrap_or_default();
        let written = date::ctime(author.at);
        for (name, value) in AUTHOR.into_iter().zip([written.as_str(), &author.host, client, &author.user]) {
            match value {
                "" => self.document.unset(root, name),
                value => self.document.set(root, name, value),
            }
        }
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
        let set = |element: Element, name: &str, value: &str| Change::Modify {
            path: path_of(document, element),
            set: vec![(name.to_owned(), value.to_owned())],
            unset: Vec::new(),
        };
        let changes = match (known, named) {
            (Some(known), named) => {
                let other = named.filter(|other| *other != known);
                let gone = other.map(|other| Change::Delete { path: path_of(document, other) });
                [set(known, "uname", uname)].into_iter().chain(gone).collect()
            }
            (None, Some(named)) => vec![set(named, "id", id)],
            (None, None) => {
                let mut node = Document::new("node");
                let root = node.root();
                set_all(&mut node, root, &[("id", id), ("uname", uname)]);
                let path = path_of(document, nodes);
                vec![Change::Create { path, position: usize::MAX, xml: node.to_xml() }]
            }
        };
        let done = self.commit(Patch { changes }, &Author::default())?;
        let changed = self.drop_namesake(uname, id) || done.changed;
        Ok(Applied { changed, configuration: changed, node: Some(id.to_owned()), ..done })
    }

    pub(super) fn attribute(
        &mut self,
        node: &str,
        lifetime: Lifetime,
        name: &str,
        value: Option<&str>,
        author: &Author,
    ) -> Result<Applied, Refused> {
        if name.is_empty() {
            return Err(Refused::Nameless("the attribute"));
        }
        if node.is_empty() {
            return Err(Refused::Nameless("the node"));
        }
        let id = self.node_id(node);
        let done = match lifetime {
            Lifetime::Transient => Applied { changed: self.transient(&id, name, value), ..Applied::default() },
            Lifetime::Permanent => {
                let element = self.configured_node(&id).ok_or_else(|| Refused::UnknownNode(node.to_owned()))?;
                let changes = pair_changes(&self.document, element, &format!("nodes-{id}"), name, value);
                self.commit(Patch { changes }, author)?
            }
        };
        Ok(Applied { node: Some(id), ..done })
    }
}

/// Whether a change stays below the sections of the configuration, so that none of what every CIB has can go by it. An
/// id with a slash may look like one step more; the sections are seen to afterwards.
fn is_within_sections(change: &Change) -> bool {
    match change {
        Change::Create { path, .. } => path == "/cib/configuration" || path.starts_with("/cib/configuration/"),
        Change::Modify { path, .. } | Change::Delete { path } | Change::Move { path, .. } => {
            path.strip_prefix("/cib/configuration/").is_some_and(|rest| rest.contains('/'))
        }
    }
}

/// The changes that set or take away a pair, as [`set_pair`] does.
fn pair_changes(document: &Document, parent: Element, set_id: &str, name: &str, value: Option<&str>) -> Vec<Change> {
    let pair = document
        .children_named(parent, "instance_attributes")
        .flat_map(|set| document.children_named(set, "nvpair"))
        .find(|pair| document.attribute(*pair, "name") == Some(name));
    let mut new = match (pair, value) {
        (None, None) => return Vec::new(),
        (Some(pair), None) => return vec![Change::Delete { path: path_of(document, pair) }],
        (Some(pair), Some(value)) => {
            let set = vec![("value".to_owned(), value.to_owned())];
            return vec![Change::Modify { path: path_of(document, pair), set, unset: Vec::new() }];
        }
        (None, Some(_)) => Document::new(document.name(parent)),
    };
    // What set_pair makes of an empty parent is what is missing here.
    let (set, root) = (document.child(parent, "instance_attributes"), new.root());
    if let Some(set) = set {
        let copy = new.append(root, "instance_attributes");
        new.set(copy, "id", document.id(set));
        for sibling in document.children(set) {
            let twin = new.append(copy, document.name(sibling));
            new.set(twin, "id", document.id(sibling));
        }
    }
    set_pair(&mut new, root, set_id, name, value);
    let Some(made) = new.child(root, "instance_attributes") else { return Vec::new() };
    let (path, element) = match set {
        Some(set) => (path_of(document, set), new.children(made).last()),
        None => (path_of(document, parent), Some(made)),
    };
    let create = |element| Change::Create { path, position: usize::MAX, xml: new.element_to_xml(element) };
    element.map(create).into_iter().collect()
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
