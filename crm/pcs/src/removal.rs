//! What goes with an element that goes: constraints, tags, fencing levels and permissions that name it, and what these
//! leave empty. Which elements go, the commands say.

use cib::{Document, Element};

use crate::tree;

/// Takes an element out, with all that refers to it or to something below it. What was removed beside it is told.
pub fn remove(cib: &mut Document, element: Element) -> Vec<String> {
    let ids: Vec<String> = cib
        .descendants(element)
        .filter(|one| tree::RESOURCES.contains(&cib.name(*one)))
        .map(|one| cib.id(one).to_owned())
        .collect();
    let mut told = Vec::new();
    for id in &ids {
        told.extend(remove_references(cib, id));
    }
    cib.remove(element);
    told
}

/// Takes out what refers to an id.
pub fn remove_references(cib: &mut Document, id: &str) -> Vec<String> {
    let mut told = remove_constraints(cib, id);
    remove_from_tags(cib, id);
    remove_from_levels(cib, id);
    remove_permissions(cib, id);
    told.dedup();
    told
}

/// The constraints that name an id: the constraint itself, or the set in it.
pub fn constraints_naming(cib: &Document, id: &str) -> Vec<Element> {
    let names = ["rsc", "first", "then", "with-rsc"];
    tree::within(cib, "constraints")
        .filter(|one| tree::CONSTRAINTS.contains(&cib.name(*one)))
        .filter(|one| {
            let set = cib.descendants(*one).any(|ref_| cib.name(ref_) == "resource_ref" && cib.id(ref_) == id);
            set || names.iter().any(|name| cib.attribute(*one, name) == Some(id))
        })
        .collect()
}

fn remove_constraints(cib: &mut Document, id: &str) -> Vec<String> {
    let mut told = Vec::new();
    for constraint in constraints_naming(cib, id) {
        let own = cib.id(constraint).to_owned();
        let refs: Vec<Element> =
            cib.descendants(constraint).filter(|one| cib.name(*one) == "resource_ref" && cib.id(*one) == id).collect();
        if refs.is_empty() {
            told.push(format!("Removing Constraint - {own}"));
            cib.remove(constraint);
            continue;
        }
        for one in refs {
            let Some(set) = cib.parent(one) else { continue };
            let name = cib.id(set).to_owned();
            cib.remove(one);
            told.push(format!("Removing {id} from set {name}"));
            if cib.children(set).next().is_none() {
                told.push(format!("Removing set {name}"));
                cib.remove(set);
            }
        }
        if !cib.children(constraint).any(|one| cib.name(one) == "resource_set") {
            told.push(format!("Removing constraint {own}"));
            cib.remove(constraint);
        }
    }
    told
}

fn remove_from_tags(cib: &mut Document, id: &str) {
    let refs: Vec<Element> =
        tree::within(cib, "tags").filter(|one| cib.name(*one) == "obj_ref" && cib.id(*one) == id).collect();
    for one in refs {
        let tag = cib.parent(one);
        cib.remove(one);
        if let Some(tag) = tag.filter(|tag| cib.children(*tag).next().is_none()) {
            let own = cib.id(tag).to_owned();
            remove_constraints(cib, &own);
            cib.remove(tag);
        }
    }
}

/// Takes a fence device out of all levels, and levels out that have no other.
pub fn remove_from_levels(cib: &mut Document, device: &str) {
    let levels: Vec<Element> =
        tree::within(cib, "fencing-topology").filter(|one| cib.name(*one) == "fencing-level").collect();
    for level in levels {
        let devices = cib.attribute(level, "devices").unwrap_or("").to_owned();
        if !devices.split(',').any(|one| one == device) {
            continue;
        }
        let rest: Vec<&str> = devices.split(',').filter(|one| *one != device).collect();
        match rest.is_empty() {
            true => cib.remove(level),
            false => cib.set(level, "devices", &rest.join(",")),
        }
    }
    if let Some(section) = tree::find_section(cib, "fencing-topology").filter(|one| cib.children(*one).next().is_none())
    {
        cib.remove(section);
    }
}

fn remove_permissions(cib: &mut Document, id: &str) {
    let about: Vec<Element> = tree::within(cib, "acls")
        .filter(|one| cib.name(*one) == "acl_permission" && cib.attribute(*one, "reference") == Some(id))
        .collect();
    about.into_iter().for_each(|one| cib.remove(one));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_names_it_stays() {
        let mut cib = Document::parse(
            "<cib><configuration><resources><primitive id='a'/><primitive id='b'/></resources><constraints>\
             <rsc_location id='l' rsc='a'/><rsc_order id='o'><resource_set id='s'><resource_ref id='a'/></resource_set>\
             <resource_set id='t'><resource_ref id='b'/></resource_set></rsc_order></constraints>\
             <tags><tag id='t1'><obj_ref id='a'/></tag></tags>\
             <fencing-topology><fencing-level id='f' devices='a,b'/><fencing-level id='g' devices='a'/></fencing-topology>\
             <acls><acl_role id='r'><acl_permission id='p' reference='a'/></acl_role></acls></configuration></cib>",
        )
        .unwrap();
        let a = tree::resource(&cib, "a").unwrap();
        let told = remove(&mut cib, a);
        assert!(told.contains(&"Removing Constraint - l".to_owned()), "{told:?}");
        let left = cib.to_xml();
        assert!(!left.contains("\"a\"") && left.contains("devices=\"b\"") && !left.contains("\"t1\""), "{left}");
        assert!(left.contains("rsc_order") && !left.contains("\"s\""), "{left}");
    }
}
