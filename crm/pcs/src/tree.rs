//! The CIB as commands see it: where things stand, which ids there are, and new ones. What an element means, its family
//! says.

use cib::{Document, Element};

use crate::call::{Call, Done};

/// Elements whose `id` names another element.
const REFERENCES: [&str; 4] = ["acl_target", "role", "obj_ref", "resource_ref"];
/// What is a resource.
pub const RESOURCES: [&str; 5] = ["primitive", "group", "clone", "master", "bundle"];
/// What constrains resources.
pub const CONSTRAINTS: [&str; 4] = ["rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"];

/// Words in quotes, with commas: `'a', 'b'`.
pub fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("'{word}'")).collect();
    quoted.join(", ")
}

/// A section of the configuration, made if it is missing.
pub fn section(cib: &mut Document, name: &str) -> Element {
    let root = cib.root();
    let configuration = cib.child(root, "configuration").unwrap_or_else(|| {
        let status = cib.child(root, "status");
        cib.insert(root, status, "configuration")
    });
    if let Some(found) = cib.child(configuration, name) {
        return found;
    }
    cib.append(configuration, name)
}

/// A section that is there.
pub fn find_section(cib: &Document, name: &str) -> Option<Element> {
    cib.descend(&["configuration", name])
}

/// All elements of a section, itself excepted.
pub fn within<'a>(cib: &'a Document, name: &str) -> impl Iterator<Item = Element> + 'a {
    find_section(cib, name).into_iter().flat_map(|section| cib.descendants(section).skip(1))
}

/// Elements of the configuration, the status excepted.
pub fn configured(cib: &Document) -> impl Iterator<Item = Element> + '_ {
    cib.child(cib.root(), "configuration").into_iter().flat_map(|top| cib.descendants(top))
}

/// The element of that id; what only refers to it does not count.
pub fn by_id(cib: &Document, id: &str) -> Option<Element> {
    configured(cib).find(|one| cib.attribute(*one, "id") == Some(id) && !REFERENCES.contains(&cib.name(*one)))
}

/// Whether an id is taken; the name of a guest node is one as well.
pub fn is_taken(cib: &Document, id: &str) -> bool {
    by_id(cib, id).is_some()
        || within(cib, "resources").any(|one| {
            cib.name(one) == "nvpair"
                && cib.attribute(one, "name") == Some("remote-node")
                && cib.attribute(one, "value") == Some(id)
        })
}

/// The resource of that id.
pub fn resource(cib: &Document, id: &str) -> Option<Element> {
    within(cib, "resources").find(|one| cib.id(*one) == id && RESOURCES.contains(&cib.name(*one)))
}

/// The primitives of an element, itself included.
pub fn primitives(cib: &Document, element: Element) -> Vec<Element> {
    cib.descendants(element).filter(|one| cib.name(*one) == "primitive").collect()
}

/// Whether it is a fence device.
pub fn is_stonith(cib: &Document, element: Element) -> bool {
    cib.name(element) == "primitive" && cib.attribute(element, "class") == Some("stonith")
}

/// The clone or bundle around an element, a group between them or not.
pub fn multiplied_by(cib: &Document, element: Element) -> Option<Element> {
    let mut up = cib.parent(element);
    while let Some(one) = up {
        if matches!(cib.name(one), "clone" | "master" | "bundle") {
            return Some(one);
        }
        up = cib.parent(one);
    }
    None
}

/// The parent, if it is a resource.
pub fn parent_resource(cib: &Document, element: Element) -> Option<Element> {
    cib.parent(element).filter(|parent| RESOURCES.contains(&cib.name(*parent)))
}

/// An id without the characters that no id may have.
pub fn sanitized(text: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let mut characters = text.chars();
    let head = characters.next().filter(|c| first(*c));
    head.into_iter().chain(characters.filter(|c| rest(*c))).collect()
}

/// The id itself if it is free, else with the first number behind it that is.
pub fn free_id(cib: &Document, wanted: &str) -> String {
    if !is_taken(cib, wanted) {
        return wanted.to_owned();
    }
    let numbered = |number: usize| format!("{wanted}-{number}");
    // There are fewer elements than numbers tried, so one of them is free.
    let most = configured(cib).count() + 1;
    (1..=most).map(numbered).find(|id| !is_taken(cib, id)).unwrap_or_else(|| numbered(most + 1))
}

/// A new id for something below an element: the element's own id with a suffix.
pub fn sub_id(cib: &Document, parent: Element, suffix: &str) -> String {
    let own = cib.attribute(parent, "id").unwrap_or_else(|| cib.name(parent));
    free_id(cib, &sanitized(&format!("{own}-{suffix}")))
}

/// What is wrong with an id, for "invalid … 'x', …".
pub fn wrong_id(id: &str, what: &str) -> Option<String> {
    let Some(head) = id.chars().next() else { return Some(format!("{what} cannot be empty")) };
    let clean = sanitized(id);
    if clean == id {
        return None;
    }
    if !(head.is_ascii_alphabetic() || head == '_') {
        return Some(format!("invalid {what} '{id}', '{head}' is not a valid first character for a {what}"));
    }
    let bad = id.chars().skip(1).find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))).unwrap_or(head);
    Some(format!("invalid {what} '{id}', '{bad}' is not a valid character for a {what}"))
}

/// Refuses an id that is none, or is taken.
///
/// # Errors
/// When it cannot be used.
pub fn check_new_id(call: &mut Call<'_>, id: &str, what: &str) -> Done {
    if let Some(wrong) = wrong_id(id, what) {
        return call.fail(wrong);
    }
    if is_taken(&call.cib, id) {
        return call.fail(format!("'{id}' already exists"));
    }
    Ok(())
}

/// The names of the nodes in the configuration, guests and remote ones included.
pub fn nodes(cib: &Document) -> Vec<String> {
    let members = within(cib, "nodes").filter(|one| cib.name(*one) == "node");
    let mut names: Vec<String> = members.filter_map(|one| cib.attribute(one, "uname")).map(str::to_owned).collect();
    for one in within(cib, "resources") {
        if cib.name(one) == "nvpair" && cib.attribute(one, "name") == Some("remote-node") {
            names.extend(cib.attribute(one, "value").map(str::to_owned));
        }
        let remote = ("ocf", "pacemaker", "remote");
        let agent = |name| cib.attribute(one, name).unwrap_or("");
        if cib.name(one) == "primitive" && (agent("class"), agent("provider"), agent("type")) == remote {
            names.push(cib.id(one).to_owned());
        }
    }
    names
}

/// Whether the schema that the CIB names is at least this one.
pub fn schema_is(cib: &Document, major: u32, minor: u32) -> bool {
    let version = cib.attribute(cib.root(), "validate-with").and_then(|name| name.strip_prefix("pacemaker-"));
    let Some((one, other)) = version.and_then(|version| version.split_once('.')) else { return true };
    match (one.parse::<u32>(), other.parse::<u32>()) {
        (Ok(one), Ok(other)) => (one, other) >= (major, minor),
        _ => true,
    }
}

/// A role as the CIB's schema spells it: Promoted has been the word since 3.7.
pub fn role_for_cib(cib: &Document, role: &str) -> String {
    let new = schema_is(cib, 3, 7);
    let role = capitalized(role);
    match (role.as_str(), new) {
        ("Master" | "Promoted", true) => "Promoted".into(),
        ("Slave" | "Unpromoted", true) => "Unpromoted".into(),
        ("Master" | "Promoted", false) => "Master".into(),
        ("Slave" | "Unpromoted", false) => "Slave".into(),
        _ => role,
    }
}

/// The first letter large, the others small.
pub fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters.flat_map(char::to_lowercase)).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_free_and_sound() {
        let cib = Document::parse("<cib><configuration><resources><primitive id='a'/><primitive id='a-1'/></resources></configuration><status><node_state id='b'/></status></cib>").unwrap();
        assert_eq!(free_id(&cib, "a"), "a-2");
        assert_eq!(free_id(&cib, "b"), "b");
        assert_eq!(sanitized("1 x:%y"), "xy");
        assert!(wrong_id("1x", "id").unwrap().contains("first character"));
        assert!(wrong_id("x y", "id").unwrap().contains("' ' is not"));
        assert_eq!(wrong_id("x.y-z", "id"), None);
    }

    #[test]
    fn roles_are_spelled_as_the_schema_knows_them() {
        let of = |schema: &str| Document::parse(&format!("<cib validate-with='{schema}'/>")).unwrap();
        assert_eq!(role_for_cib(&of("pacemaker-3.9"), "master"), "Promoted");
        assert_eq!(role_for_cib(&of("pacemaker-3.1"), "promoted"), "Master");
    }
}
