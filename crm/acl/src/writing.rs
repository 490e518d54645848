//! Whether somebody may make a change: what differs between two documents, element by element, against what they may
//! write.

use cib::patch::path_of;
use cib::{Document, Element};

use crate::rights::{Applied, Rights};

/// Attributes of the root that each write sets by itself, whoever makes it.
const SET_BY_WRITES: [&str; 9] = [
    "epoch",
    "num_updates",
    "cib-last-written",
    "update-origin",
    "update-client",
    "update-user",
    "have-quorum",
    "dc-uuid",
    "crm_feature_set",
];

/// What is done to an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// It is new.
    Create,
    /// Its attributes or its text are others.
    Change,
    /// It goes.
    Remove,
    /// What is in it has another order.
    Reorder,
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Act::Create => "create",
            Act::Change => "change",
            Act::Remove => "remove",
            Act::Reorder => "reorder what is in",
        })
    }
}

/// A change that somebody may not make. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{user} may not {act} {path}: {reason}")]
pub struct Denied {
    /// Who.
    pub user: String,
    /// What they would do.
    pub act: Act,
    /// To which element.
    pub path: String,
    /// What denies it, or what is missing, and who could mend that.
    pub reason: String,
}

/// A document with what the permissions say of it.
struct Ruled<'a> {
    document: &'a Document,
    applied: Applied,
}

impl<'a> Ruled<'a> {
    fn new(rights: &Rights, document: &'a Document) -> Self {
        Ruled { document, applied: rights.applied(document) }
    }

    /// Whether an element may be written: the nearest word that denies or grants it counts. A permission to read takes
    /// nothing away from one to write that stands above it, as in Pacemaker. The error is the permission that denies it.
    fn may_write(&self, element: Element) -> Result<(), Option<usize>> {
        let mut at = Some(element);
        while let Some(one) = at {
            match self.applied.get(&one) {
                Some(said) if said.deny.is_some() => return Err(said.deny),
                Some(said) if said.write => return Ok(()),
                _ => at = self.document.parent(one),
            }
        }
        Err(None)
    }

    /// The same for all that stands below, denials alone.
    fn may_remove(&self, element: Element) -> Result<(), Option<usize>> {
        self.may_write(element)?;
        let denied = |one| self.applied.get(&one).and_then(|said| said.deny);
        self.document.descendants(element).find_map(denied).map_or(Ok(()), |number| Err(Some(number)))
    }
}

impl Rights {
    /// Whether they may make one document of another.
    ///
    /// # Errors
    /// The first thing that they may not do.
    pub fn judge(&self, old: &Document, new: &Document) -> Result<(), Denied> {
        let change = Judged { rights: self, old: Ruled::new(self, old), new: Ruled::new(self, new) };
        change.element(old.root(), new.root())
    }

    fn denied(&self, act: Act, path: String, by: Option<usize>) -> Denied {
        let user = &self.user;
        let reason = match by.and_then(|number| self.permissions.get(number)) {
            Some(permission) => {
                format!("permission '{}' of the role '{}' denies it", permission.id, permission.role)
            }
            None if self.roles.is_empty() => format!(
                "{user} has no role, and what is not granted is denied (enable-acl=true); root could give one with \
                 `pcs acl user create {user} ROLE`"
            ),
            None => format!(
                "no role of {user}'s ({}) may write it; root could grant that with `pcs acl permission add {} write {}`",
                self.roles.join(", "),
                self.roles[0],
                meant(act, &path)
            ),
        };
        Denied { user: user.clone(), act, path, reason }
    }
}

/// The same element as `pcs acl permission add` names it. By its id only one that is there can be named.
fn meant(act: Act, path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    match last.split_once("[@id='").and_then(|(_, id)| id.strip_suffix("']")) {
        Some(_) if act == Act::Create => format!("xpath \"//{last}\""),
        Some(id) => format!("id {id}"),
        None => format!("xpath {path}"),
    }
}

struct Judged<'a> {
    rights: &'a Rights,
    old: Ruled<'a>,
    new: Ruled<'a>,
}

impl Judged<'_> {
    /// An element that was there and still is.
    fn element(&self, before: Element, after: Element) -> Result<(), Denied> {
        let (old, new) = (self.old.document, self.new.document);
        let is_root = old.parent(before).is_none();
        let counts = |name: &str| !(is_root && SET_BY_WRITES.contains(&name));
        let own = |document: &Document, element| {
            let mut all: Vec<(String, String)> = document
                .attributes(element)
                .filter(|(name, _)| counts(name))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            all.sort_unstable();
            all
        };
        let renamed = old.name(before) != new.name(after);
        if renamed || own(old, before) != own(new, after) || old.text(before) != new.text(after) {
            self.old.may_write(before).map_err(|by| self.rights.denied(Act::Change, path_of(old, before), by))?;
        }
        let mut left: Vec<Element> = old.children(before).collect();
        let mut order = Vec::new();
        for child in new.children(after) {
            let same = |other: &Element| old.name(*other) == new.name(child) && old.id(*other) == new.id(child);
            match left.iter().position(same) {
                Some(at) => {
                    let known = left.remove(at);
                    order.push(known);
                    self.element(known, child)?;
                }
                None => self.created(child)?,
            }
        }
        for gone in &left {
            self.old.may_remove(*gone).map_err(|by| self.rights.denied(Act::Remove, path_of(old, *gone), by))?;
        }
        // Handles are no order: what stays is compared as it stood.
        let stood: Vec<Element> = old.children(before).filter(|child| !left.contains(child)).collect();
        if stood != order {
            self.old.may_write(before).map_err(|by| self.rights.denied(Act::Reorder, path_of(old, before), by))?;
        }
        Ok(())
    }

    /// An element that was not there, with all in it.
    fn created(&self, element: Element) -> Result<(), Denied> {
        let new = self.new.document;
        for one in new.descendants(element) {
            if !self.is_scaffolding(one) {
                self.new.may_write(one).map_err(|by| self.rights.denied(Act::Create, path_of(new, one), by))?;
            }
        }
        Ok(())
    }

    /// What carries nothing but an id may be created for the sake of what is in it, ACLs excepted.
    fn is_scaffolding(&self, element: Element) -> bool {
        let new = self.new.document;
        let mut above = std::iter::successors(Some(element), |one| new.parent(*one));
        new.attributes(element).all(|(name, _)| name == "id")
            && new.text(element).is_empty()
            && !above.any(|one| new.name(one) == "acls")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Who;
    use cib::{Author, Cib, Operation, Place, Write};

    const CIB: &str = include_str!("../tests/cib.xml");

    /// What becomes of an edit in the words of `cibadmin`.
    fn judged(user: &str, operation: Operation, place: Place, xml: &str) -> Result<(), Denied> {
        let old = Cib::parse(CIB).unwrap();
        let mut new = old.clone();
        new.apply(&Write::Edit { operation, place, xml: xml.into(), expected: None, author: Author::default() })
            .unwrap();
        let who = Who { user: user.into(), groups: vec![] };
        Rights::of(old.document(), &who, 0).unwrap().judge(old.document(), new.document())
    }

    fn section(name: &str) -> Place {
        Place::Section((!name.is_empty()).then(|| name.to_owned()))
    }

    fn xpath(path: &str) -> Place {
        Place::XPath { path: path.to_owned(), all: false }
    }

    /// Beside those of the last test the answers are Pacemaker 2.1.5's to `cibadmin` as these users.
    #[test]
    fn as_pacemaker_allows_it() {
        use Operation::{Create, Delete, Modify};
        let modify = Modify { create: false };
        for (user, operation, place, xml, allowed) in [
            ("writer", modify, section(""), "<nvpair id='a-s' value='new'/>", true),
            ("writer", modify, section(""), "<nvpair id='a-p' value='new'/>", false),
            ("writer", Delete, xpath("//primitive[@id='b']"), "", false),
            ("writer", Delete, xpath("//primitive[@id='c']"), "", true),
            ("writer", Create, section("resources"), "<primitive id='d' class='ocf' type='Dummy'/>", true),
            ("writer", Create, section("constraints"), "<rsc_location id='d' rsc='a' node='n1' score='1'/>", false),
            ("reader", modify, section(""), "<nvpair id='a-m-t' value='new'/>", true),
            ("reader", modify, section(""), "<nvpair id='a-m-t' name='new'/>", true),
            ("reader", Create, section("crm_config"), "<cluster_property_set id='new'/>", true),
            (
                "reader",
                Create,
                section("crm_config"),
                "<cluster_property_set id='new'><nvpair id='n' name='q' value='w'/></cluster_property_set>",
                true,
            ),
            ("reader", Create, section("crm_config"), "<cluster_property_set id='new' score='1'/>", false),
            ("reader", Delete, section(""), "<nvpair id='a-m-t'/>", true),
            ("reader", Create, section("acls"), "<acl_role id='new'/>", false),
            ("nothing", modify, section(""), "<nvpair id='a-s' value='new'/>", false),
        ] {
            let answer = judged(user, operation, place, xml);
            assert_eq!(answer.is_ok(), allowed, "{user} {operation:?} {xml}: {answer:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_role_and_what_is_missing() {
        let why =
            |user, place, xml| judged(user, Operation::Modify { create: true }, place, xml).unwrap_err().to_string();
        assert!(
            why("writer", section(""), "<nvpair id='a-p' value='new'/>")
                .ends_with("nvpair[@id='a-p']: permission 'p3' of the role 'r1' denies it")
        );
        let missing = why("reader", section(""), "<primitive id='c' type='Stateful'/>");
        assert!(missing.contains("reader may not change") && missing.contains("add r2 write id c`"), "{missing}");
        let new = why("reader", section("resources"), "<primitive id='d' type='Stateful'/>");
        assert!(new.contains("add r2 write xpath \"//primitive[@id='d']\"`"), "{new}");
        let nobody = why("nothing", section(""), "<primitive id='c' type='Stateful'/>");
        assert!(nobody.contains("pcs acl user create nothing ROLE"), "{nobody}");
    }

    #[test]
    fn what_holds_something_denied_stays_and_so_does_the_order() {
        let gone = judged("writer", Operation::Delete, xpath("//group"), "").unwrap_err();
        assert_eq!((gone.act, gone.reason.contains("'p3'")), (Act::Remove, true));
        let old = Document::parse(CIB).unwrap();
        let group = old.descendants(old.root()).find(|one| old.id(*one) == "g").unwrap();
        let mut new = old.clone();
        let first = new.child(group, "primitive").unwrap();
        new.place_before(first, None);
        let judge = |user: &str| {
            let who = Who { user: user.into(), groups: vec![] };
            Rights::of(&old, &who, 0).unwrap().judge(&old, &new).map_err(|denied| denied.act)
        };
        assert_eq!((judge("writer"), judge("reader")), (Ok(()), Err(Act::Reorder)));
    }

    #[test]
    fn what_is_moved_is_removed_and_created() {
        let old = Document::parse(CIB).unwrap();
        let mut new = old.clone();
        let find = |id: &str| old.descendants(old.root()).find(|one| old.id(*one) == id).unwrap();
        new.adopt(find("o"), find("a-m-t"));
        let who = Who { user: "writer".into(), groups: vec![] };
        let denied = Rights::of(&old, &who, 0).unwrap().judge(&old, &new).unwrap_err();
        assert_eq!(denied.act, Act::Create);
    }
}
