//! What a user's roles grant and deny, and to which elements of a document that applies. What follows for reading and
//! writing, the next files say.

use std::collections::BTreeMap;

use cib::{Document, Element, xpath};

/// Users whom ACLs never restrict, as Pacemaker has it.
const UNRESTRICTED: [&str; 2] = ["root", "hacluster"];

/// Someone who asks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Who {
    /// The name of the user; the number, where there is no name.
    pub user: String,
    /// The names of all groups.
    pub groups: Vec<String>,
}

/// What a permission does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// It may be read.
    Read,
    /// It may be read and written.
    Write,
    /// Neither.
    Deny,
}

/// One permission of a role that the user has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Permission {
    pub id: String,
    pub role: String,
    pub kind: Kind,
    /// What it is for.
    pub xpath: String,
}

/// What a user may, whom ACLs restrict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rights {
    pub(crate) user: String,
    pub(crate) roles: Vec<String>,
    pub(crate) permissions: Vec<Permission>,
}

/// What the permissions say of one element itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Said {
    pub read: bool,
    pub write: bool,
    /// The number of the permission that denies it.
    pub deny: Option<usize>,
}

/// Permissions applied to a document: what each element is said of, where anything is.
pub(crate) type Applied = BTreeMap<Element, Said>;

impl Rights {
    /// What somebody may in a cluster with this CIB; `None` when no ACL restricts them. `now`, in Unix seconds, is for
    /// properties with rules.
    pub fn of(cib: &Document, who: &Who, now: i64) -> Option<Rights> {
        let enabled = cib::view::property(cib, "enable-acl", now).and_then(cib::boolean::parse) == Some(true);
        if !enabled || UNRESTRICTED.contains(&who.user.as_str()) {
            return None;
        }
        let acls: Vec<Element> =
            cib.descend(&["configuration", "acls"]).map(|acls| cib.children(acls).collect()).unwrap_or_default();
        let is_meant = |one: Element| {
            let name = cib.attribute(one, "name").unwrap_or_else(|| cib.id(one));
            match cib.name(one) {
                "acl_target" => name == who.user,
                "acl_group" => who.groups.iter().any(|group| group == name),
                _ => false,
            }
        };
        let mut rights = Rights { user: who.user.clone(), roles: Vec::new(), permissions: Vec::new() };
        for holder in acls.iter().filter(|one| is_meant(**one)) {
            for role in cib.children_named(*holder, "role").map(|role| cib.id(role)) {
                if !rights.roles.iter().any(|known| known == role) {
                    rights.roles.push(role.to_owned());
                }
            }
        }
        for role in acls.iter().filter(|one| cib.name(**one) == "acl_role") {
            if rights.roles.iter().any(|name| name == cib.id(*role)) {
                let permissions = cib.children_named(*role, "acl_permission");
                rights.permissions.extend(permissions.filter_map(|one| permission(cib, cib.id(*role), one)));
            }
        }
        Some(rights)
    }

    /// Their name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What the permissions say of the elements of a document. An XPath that is none, or takes too long, grants nothing;
    /// what such a one denies is everything.
    pub(crate) fn applied(&self, document: &Document) -> Applied {
        let mut applied = Applied::new();
        for (number, permission) in self.permissions.iter().enumerate() {
            let found = match xpath::elements(document, &permission.xpath) {
                Ok(found) => found,
                Err(_) if permission.kind == Kind::Deny => vec![document.root()],
                Err(_) => continue,
            };
            for element in found {
                let said = applied.entry(element).or_default();
                match permission.kind {
                    Kind::Read => said.read = true,
                    Kind::Write => (said.read, said.write) = (true, true),
                    Kind::Deny => said.deny = said.deny.or(Some(number)),
                }
            }
        }
        applied
    }
}

/// Reads one. What grants nothing because it is not understood is left out; a schema would have refused it.
fn permission(cib: &Document, role: &str, one: Element) -> Option<Permission> {
    let kind = match cib.attribute(one, "kind")? {
        "read" => Kind::Read,
        "write" => Kind::Write,
        "deny" => Kind::Deny,
        _ => return None,
    };
    let get = |name| cib.attribute(one, name);
    let xpath = match (get("xpath"), get("object-type"), get("reference")) {
        (Some(xpath), ..) => xpath.to_owned(),
        (None, None, None) => return None,
        (None, tag, reference) => {
            let mut xpath = format!("//{}", tag.unwrap_or("*"));
            if let Some(id) = reference {
                let quote = if id.contains('\'') { '"' } else { '\'' };
                xpath += &format!("[@id={quote}{id}{quote}]");
            }
            if let Some(attribute) = get("attribute") {
                xpath += &format!("[@{attribute}]");
            }
            xpath
        }
    };
    Some(Permission { id: cib.id(one).to_owned(), role: role.to_owned(), kind, xpath })
}
