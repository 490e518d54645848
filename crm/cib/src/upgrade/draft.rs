//! A document on its way to a newer schema: copied when the first change is made, and every change noted.

use std::borrow::Cow;

use crate::document::{Document, Element, Position};

/// One thing that an upgrade changed, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Where it stood in the text that was parsed, if it did.
    pub position: Option<Position>,
    /// The element, such as `nvpair q`.
    pub element: String,
    /// What became of it.
    pub what: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        write!(f, "{}: {}", self.element, self.what)
    }
}

pub(super) struct Draft<'d> {
    document: Cow<'d, Document>,
    changes: Vec<Change>,
}

impl<'d> Draft<'d> {
    pub fn new(document: &'d Document) -> Self {
        Draft { document: Cow::Borrowed(document), changes: Vec::new() }
    }

    /// The document as it is by now. Handles stay valid through every change but the removal of their element.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The document to change, the change to `element` noted.
    pub fn change(&mut self, element: Element, what: impl Into<String>) -> &mut Document {
        let document = &self.document;
        let label = format!("{} {}", document.name(element), document.id(element));
        let position = document.position(element);
        self.changes.push(Change { position, element: label.trim_end().to_owned(), what: what.into() });
        self.document.to_mut()
    }

    /// Takes an element out.
    pub fn remove(&mut self, element: Element, why: impl Into<String>) {
        self.change(element, why).remove(element);
    }

    pub fn finish(mut self, schema: &str) -> (Cow<'d, Document>, Vec<Change>) {
        if !self.changes.is_empty() {
            let document = self.document.to_mut();
            let root = document.root();
            document.set(root, "validate-with", schema);
        }
        (self.document, self.changes)
    }
}

/// The first child of that name, made if it is not there.
pub(super) fn child_or_new(document: &mut Document, parent: Element, name: &str) -> Element {
    match document.child(parent, name) {
        Some(child) => child,
        None => document.append(parent, name),
    }
}

/// The pairs of one set.
pub(super) fn pairs(document: &Document, set: Element) -> Vec<Element> {
    document.children_named(set, "nvpair").collect()
}

/// Adds a pair to a set.
pub(super) fn add_pair(document: &mut Document, set: Element, id: &str, name: &str, value: &str) {
    let pair = document.append(set, "nvpair");
    for (attribute, text) in [("id", id), ("name", name), ("value", value)] {
        document.set(pair, attribute, text);
    }
}
