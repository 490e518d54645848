//! Changes to a document as a value: what differs between two of them, carried to a third. Pacemaker's own form of a
//! patch is read and written by [`xml`]; which changes a CIB accepts is for [`Cib`](crate::Cib) to say.

mod diff;
mod path;
pub mod xml;

use crate::document::{self, Document, Element, MAX_DEPTH, ParseError};

pub use diff::diff;
pub use path::path_of;

/// A list of changes. All paths mean the document before the first of them is made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Patch {
    /// The changes; positions count child elements from 0 in the document as it is in the end.
    pub changes: Vec<Change>,
}

/// One change. Paths are absolute XPath of child steps, as [`path_of`] makes them:
/// `/cib/configuration/constraints/rsc_location[@id='x']`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A new element with all below it.
    Create {
        /// Of the parent; "" for a new root.
        path: String,
        /// Its place among the parent's child elements; beyond the last means last.
        position: usize,
        /// The element as text.
        xml: String,
    },
    /// Other attributes on an element that stays.
    Modify {
        /// Of the element.
        path: String,
        /// Attributes to set, by name.
        set: Vec<(String, String)>,
        /// Attributes to take away.
        unset: Vec<String>,
    },
    /// The element goes, with all below it. It is no error when it is gone already.
    Delete {
        /// Of the element.
        path: String,
    },
    /// The element takes another place among its siblings.
    Move {
        /// Of the element.
        path: String,
        /// Its new place among the parent's child elements.
        position: usize,
    },
}

/// Why a patch does not fit. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A path leads nowhere.
    #[error("the patch changes {path}, which is not there; make the patch again from the current document")]
    NotThere {
        /// The path.
        path: String,
    },
    /// A path that is none.
    #[error("'{path}' is no path; expected steps like /cib/configuration/resources/primitive[@id='x']")]
    NoPath {
        /// What was given.
        path: String,
    },
    /// The root can be replaced, not deleted or moved.
    #[error("the patch deletes or moves the root element")]
    Root,
    /// Another root leaves nothing that further changes could mean.
    #[error("the patch puts another root in place and changes more beside it; make it the only change")]
    RootAmongOthers,
    /// The element to create is not well-formed.
    #[error("the element to create below {path} is not well-formed: {source}")]
    Fragment {
        /// Where it was to go.
        path: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// An attribute's name is not one.
    #[error("the patch sets an attribute '{name}' on {path}; that is no name in XML")]
    Name {
        /// The name.
        name: String,
        /// Where it was to go.
        path: String,
    },
    /// More levels than a document may have.
    #[error("with the patch {path} would be nested more than {MAX_DEPTH} deep")]
    TooDeep {
        /// Where it was to go.
        path: String,
    },
}

enum Step {
    Replace(Document),
    Create(Element, usize, Document),
    Modify(Element, usize),
    Delete(Element),
    Move(Element, usize),
}

/// Makes the changes, all of them or none. Gives whether any of them changed anything: what is as it was wanted before
/// changes nothing.
///
/// ```
/// use cib::{document::Document, patch};
/// let a = Document::parse("<cib><primitive id='x'/><primitive id='y' class='ocf'/></cib>").unwrap();
/// let b = Document::parse("<cib><primitive id='y' class='lsb'/><group id='g'/></cib>").unwrap();
/// let patch = patch::diff(&a, &b);
/// assert_eq!(patch.changes.len(), 3);
/// let mut c = a.clone();
/// patch::apply(&mut c, &patch).unwrap();
/// assert!(c.same(c.root(), &b, b.root()));
/// ```
pub fn apply(document: &mut Document, patch: &Patch) -> Result<bool, Error> {
    // First everything is looked up, so that what fails fails before anything is changed.
    let steps = resolve(document, patch)?;

    let mut places: Vec<(usize, Place)> = Vec::new();
    let mut changed = false;
    for step in steps {
        match step {
            Step::Replace(new) => {
                changed |= !document.same(document.root(), &new, new.root());
                *document = new;
            }
            Step::Delete(element) => {
                // A parent of it may have gone first, and with it the element.
                if !document.name(element).is_empty() {
                    document.remove(element);
                    changed = true;
                }
            }
            Step::Modify(element, index) => {
                let Change::Modify { set, unset, .. } = &patch.changes[index] else { continue };
                changed |= set.iter().any(|(name, value)| document.attribute(element, name) != Some(value))
                    || unset.iter().any(|name| document.attribute(element, name).is_some());
                set.iter().for_each(|(name, value)| document.set(element, name, value));
                unset.iter().for_each(|name| document.unset(element, name));
            }
            Step::Move(element, position) => {
                if !document.name(element).is_empty() {
                    // Out of the way until its turn comes, so that positions count what will stand before it.
                    document.place_before(element, None);
                    changed = true;
                    places.push((position, Place::Old(element)));
                }
            }
            Step::Create(parent, position, fragment) => places.push((position, Place::New(parent, fragment))),
        }
    }

    // From the front to the back: whatever stands before a position at the end stands there already.
    places.sort_by_key(|(position, _)| *position);
    for (position, place) in places {
        match place {
            Place::New(parent, _) if document.name(parent).is_empty() => {}
            Place::New(parent, fragment) => {
                let before = document.children(parent).nth(position);
                let new = document.graft(parent, &fragment, fragment.root());
                document.place_before(new, before);
                changed = true;
            }
            Place::Old(element) => {
                let Some(parent) = document.parent(element) else { continue };
                let before = document.children(parent).filter(|child| *child != element).nth(position);
                document.place_before(element, before);
            }
        }
    }
    Ok(changed)
}

enum Place {
    New(Element, Document),
    Old(Element),
}

fn resolve(document: &Document, patch: &Patch) -> Result<Vec<Step>, Error> {
    let is_root = |change: &Change| matches!(change, Change::Create { path, .. } if path.is_empty());
    if patch.changes.len() > 1 && patch.changes.iter().any(is_root) {
        return Err(Error::RootAmongOthers);
    }
    let mut deleted = Vec::new();
    let mut steps = Vec::with_capacity(patch.changes.len());
    for (index, change) in patch.changes.iter().enumerate() {
        let find = |path: &String| -> Result<Element, Error> {
            path::find(document, path, &[])?.ok_or_else(|| Error::NotThere { path: path.clone() })
        };
        let inner = |path: &String| match find(path)? {
            root if root == document.root() => Err(Error::Root),
            element => Ok(element),
        };
        steps.push(match change {
            Change::Create { path, position, xml } => {
                let fragment = Document::parse(xml).map_err(|source| Error::Fragment { path: path.clone(), source })?;
                if path.is_empty() {
                    steps.push(Step::Replace(fragment));
                    continue;
                }
                let parent = find(path)?;
                if document.depth(parent) + height(&fragment) + 2 > MAX_DEPTH {
                    return Err(Error::TooDeep { path: path.clone() });
                }
                Step::Create(parent, *position, fragment)
            }
            Change::Modify { path, set, .. } => {
                if let Some((name, _)) = set.iter().find(|(name, _)| !document::is_name(name)) {
                    return Err(Error::Name { name: name.clone(), path: path.clone() });
                }
                Step::Modify(find(path)?, index)
            }
            Change::Delete { path } => match path::find(document, path, &deleted)? {
                None => continue,
                Some(root) if root == document.root() => return Err(Error::Root),
                Some(element) => {
                    deleted.push(element);
                    Step::Delete(element)
                }
            },
            Change::Move { path, position } => Step::Move(inner(path)?, *position),
        });
    }
    Ok(steps)
}

/// How many levels there are below the root.
fn height(fragment: &Document) -> usize {
    fragment.descendants(fragment.root()).map(|element| fragment.depth(element)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "<cib epoch='1'><r><p id='a'/><p id='b' class='ocf'/><p id='c'/></r><s/></cib>";

    fn check(changes: Vec<Change>, expected: Result<&str, &str>) {
        let mut document = Document::parse(BEFORE).unwrap();
        let before = document.to_xml();
        match (apply(&mut document, &Patch { changes }), expected) {
            (Ok(_), Ok(expected)) => {
                let flat: String = document.to_xml().lines().map(str::trim).collect();
                assert_eq!(flat, expected.replace('\'', "\""));
            }
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
                assert_eq!(document.to_xml(), before, "a refused patch changed the document");
            }
            (result, _) => panic!("{result:?}, expected {expected:?}"),
        }
    }

    fn create(path: &str, position: usize, xml: &str) -> Change {
        Change::Create { path: path.into(), position, xml: xml.into() }
    }

    fn delete(path: &str) -> Change {
        Change::Delete { path: path.into() }
    }

    fn modify(path: &str, name: &str, value: Option<&str>) -> Change {
        let set = value.map(|value| (name.to_owned(), value.to_owned())).into_iter().collect();
        let unset = value.is_none().then(|| name.to_owned()).into_iter().collect();
        Change::Modify { path: path.into(), set, unset }
    }

    #[test]
    fn each_kind_of_change() {
        check(
            vec![
                create("/cib/r", 1, "<g id='n'><p id='d'/></g>"),
                delete("/cib/r/p[@id='c']"),
                modify("/cib/r/p[@id='b']", "class", Some("lsb")),
                Change::Move { path: "/cib/r/p[@id='a']".into(), position: 2 },
                modify("/cib", "epoch", None),
            ],
            Ok("<cib><r><p id='b' class='lsb'/><g id='n'><p id='d'/></g><p id='a'/></r><s/></cib>"),
        );
        check(vec![create("", 0, "<cib/>")], Ok("<cib/>"));
        check(vec![create("/cib/s", 99, "<x/>"), create("/cib/s", 0, "<y/>")], {
            Ok("<cib epoch='1'><r><p id='a'/><p id='b' class='ocf'/><p id='c'/></r><s><y/><x/></s></cib>")
        });
        check(
            vec![delete("/cib/r"), delete("/cib/r/p[@id='a']"), delete("/cib/none")],
            Ok("<cib epoch='1'><s/></cib>"),
        );
        check(vec![delete("/cib/r/p"), delete("/cib/r/p"), delete("/cib/r/p"), delete("/cib/r/p")], {
            Ok("<cib epoch='1'><r/><s/></cib>")
        });
    }

    #[test]
    fn what_is_so_already_changes_nothing() {
        for (change, changes) in [
            (modify("/cib", "epoch", Some("1")), false),
            (modify("/cib", "epoch", Some("2")), true),
            (modify("/cib", "none", None), false),
            (delete("/cib/none"), false),
            (delete("/cib/s"), true),
            (create("/cib/s", 0, "<x/>"), true),
        ] {
            let mut document = Document::parse(BEFORE).unwrap();
            assert_eq!(apply(&mut document, &Patch { changes: vec![change.clone()] }), Ok(changes), "{change:?}");
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let good = || modify("/cib/s", "x", Some("1"));
        check(vec![good(), modify("/cib/r/p[@id='z']", "x", Some("1"))], Err("p[@id='z'], which is not there"));
        check(vec![good(), create("/cib/s", 0, "<x>")], Err("not well-formed"));
        check(vec![create("", 0, "<cib/>"), good()], Err("only change"));
        check(vec![good(), delete("/cib")], Err("root"));
        check(vec![good(), modify("/cib/s", "a b", Some("1"))], Err("no name"));
        check(vec![good(), modify("s", "a", Some("1"))], Err("no path"));
        let deep = "<x>".repeat(199) + &"</x>".repeat(199);
        check(vec![good(), create("/cib/s", 0, &deep)], Err("nested"));
    }
}
