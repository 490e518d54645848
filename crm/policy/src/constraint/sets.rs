//! Sets of resources in constraints, with tags and templates replaced by what they stand for. A constraint between two
//! resources one of which is a tag is read as one between two sets.

use cib::{Element, boolean};

use crate::engine::Engine;
use crate::model::RscId;

/// One set, as any kind of constraint may need it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResourceSet {
    pub id: String,
    pub members: Vec<String>,
    pub role: Option<String>,
    pub action: Option<String>,
    pub score: Option<String>,
    pub kind: Option<String>,
    pub ordering: Option<String>,
    /// As written: `None` if it is not.
    pub sequential: Option<String>,
    pub symmetrical: Option<bool>,
    pub require_all: Option<bool>,
}

impl ResourceSet {
    /// Members depend on each other in their order, unless the set says otherwise.
    pub fn is_sequential(&self) -> bool {
        self.sequential.as_deref().and_then(boolean::parse).unwrap_or(true)
    }

    /// A set of a tag's members, which have no order among each other.
    fn of_tag(id: &str, members: &[String]) -> Self {
        ResourceSet {
            id: id.to_owned(),
            members: members.to_vec(),
            sequential: Some("false".into()),
            ..ResourceSet::default()
        }
    }
}

/// What an id in a constraint stands for.
pub(crate) enum Named {
    Resource,
    /// A tag, or a template: the ids it stands for.
    Tag(Vec<String>),
}

impl Engine<'_> {
    pub fn named(&self, id: &str) -> Result<Named, String> {
        if self.find_constraint_resource(id).is_some() {
            return Ok(Named::Resource);
        }
        let tag = self.templates.get(id).or_else(|| self.tags.get(id)).filter(|members| !members.is_empty());
        tag.cloned().map(Named::Tag).ok_or_else(|| format!("there is no resource '{id}'"))
    }

    /// The `<resource_set>` children of a constraint.
    pub fn read_sets(&mut self, constraint: Element) -> Result<Vec<ResourceSet>, String> {
        let mut sets = Vec::new();
        let elements: Vec<Element> = self.doc.children_named(constraint, "resource_set").collect();
        let expands = elements.iter().all(|element| self.names_what_is_there(*element));
        for element in elements {
            let Some(element) = self.resolve(element) else {
                return Err("it refers to a set that is not there".into());
            };
            let text = |name: &str| self.attr(element, name).map(str::to_owned);
            let mut set = ResourceSet {
                id: self.doc.id(element).to_owned(),
                role: text("role"),
                action: text("action"),
                score: text("score"),
                kind: text("kind"),
                ordering: text("ordering"),
                sequential: text("sequential"),
                symmetrical: self.bool_attr(element, "symmetrical"),
                require_all: self.bool_attr(element, "require-all"),
                members: Vec::new(),
            };
            for reference in self.doc.children_named(element, "resource_ref") {
                let id = self.doc.id(reference);
                match self.named(id) {
                    Ok(Named::Tag(members)) if expands => set.members.extend(members),
                    _ => set.members.push(id.to_owned()),
                }
            }
            sets.push(set);
        }
        Ok(sets)
    }

    /// Whether all in a set is there, and all that its tags and templates stand for. If not, no tag of the constraint
    /// is replaced, so that the constraint ends where it names one.
    fn names_what_is_there(&self, set: Element) -> bool {
        self.doc.children_named(set, "resource_ref").all(|reference| match self.named(self.doc.id(reference)) {
            Ok(Named::Resource) => true,
            Ok(Named::Tag(members)) => members.iter().all(|member| self.named(member).is_ok()),
            Err(_) => false,
        })
    }

    /// The set an attribute of a constraint stands for when the constraint is about a tag; a plain resource becomes a
    /// set of one if `convert`.
    pub fn set_of_attribute(
        &self,
        constraint: Element,
        attribute: &str,
        convert: bool,
    ) -> Result<Option<ResourceSet>, String> {
        let Some(id) = self.attr(constraint, attribute) else { return Ok(None) };
        Ok(match self.named(id)? {
            Named::Tag(members) => Some(ResourceSet::of_tag(id, &members)),
            Named::Resource if convert => {
                Some(ResourceSet { id: id.to_owned(), members: vec![id.to_owned()], ..ResourceSet::default() })
            }
            Named::Resource => None,
        })
    }

    /// The resources of a set; an unknown one makes the whole constraint void.
    pub fn members(&self, set: &ResourceSet) -> Result<Vec<RscId>, String> {
        set.members.iter().map(|id| self.member(id)).collect()
    }

    pub fn member(&self, id: &str) -> Result<RscId, String> {
        self.find_constraint_resource(id).ok_or_else(|| format!("there is no resource '{id}'"))
    }
}
