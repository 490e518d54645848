//! To schema 2.0: access lists. A user is a target, what was allowed to one user alone is a role of its own, and what a
//! permission is about has other names.

use super::draft::Draft;
use crate::document::{Document, Element};

/// What may be allowed, by the names its elements had.
const KINDS: [&str; 3] = ["read", "write", "deny"];

pub(super) fn apply(draft: &mut Draft<'_>) {
    let document = draft.document();
    let Some(lists) = document.descend(&["configuration", "acls"]) else { return };
    for owner in document.children(lists).collect::<Vec<_>>() {
        match draft.document().name(owner) {
            "acl_role" => permissions(draft, owner),
            "acl_user" => user(draft, lists, owner),
            _ => {}
        }
    }
}

fn user(draft: &mut Draft<'_>, lists: Element, user: Element) {
    let document = draft.change(user, "is an acl_target now, and has roles alone");
    document.rename(user, "acl_target");
    let roles: Vec<Element> = document.children_named(user, "role_ref").collect();
    if !roles.is_empty() {
        roles.into_iter().for_each(|role| document.rename(role, "role"));
        return;
    }
    let own = own_permissions(document, user);
    if own.is_empty() {
        return;
    }
    let id = format!("auto-{}", document.id(user));
    let next = document.children(lists).skip_while(|sibling| *sibling != user).nth(1);
    let role = document.insert(lists, next, "acl_role");
    document.set(role, "id", &id);
    for permission in own {
        let copy = document.subtree(permission);
        document.graft(role, &copy, copy.root());
        document.remove(permission);
    }
    let reference = document.append(user, "role");
    document.set(reference, "id", &id);
    permissions(draft, role);
}

fn own_permissions(document: &Document, owner: Element) -> Vec<Element> {
    document.children(owner).filter(|child| KINDS.contains(&document.name(*child))).collect()
}

fn permissions(draft: &mut Draft<'_>, owner: Element) {
    for permission in own_permissions(draft.document(), owner) {
        let document = draft.change(permission, "is an acl_permission now");
        let kind = document.name(permission).to_owned();
        let said = |name: &str| document.attribute(permission, name).map(str::to_owned);
        let (reference, tag, xpath, attribute) = (said("ref"), said("tag"), said("xpath"), said("attribute"));
        document.rename(permission, "acl_permission");
        for name in ["ref", "tag", "xpath", "attribute"] {
            document.unset(permission, name);
        }
        document.set(permission, "kind", &kind);
        // One of the three says what it is about; where there are more, an id is the narrowest.
        if let Some(reference) = reference {
            document.set(permission, "reference", &reference);
        } else if let Some(tag) = tag {
            document.set(permission, "object-type", &tag);
            if let Some(attribute) = attribute {
                document.set(permission, "attribute", &attribute);
            }
        } else if let Some(xpath) = xpath {
            let attribute = attribute.map(|name| format!("[@{name}]")).unwrap_or_default();
            document.set(permission, "xpath", &(xpath + &attribute));
        }
    }
}
