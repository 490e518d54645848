//! Sets of name-value pairs below an element: made, changed, read. Which one counts where there are several is a rule's
//! affair; commands change the first.

use cib::{Document, Element};

use crate::pairs::Pairs;
use crate::tree::sub_id;

/// Sorted by name, as pcs writes new sets.
fn sorted(pairs: &Pairs) -> Pairs {
    let mut sorted = pairs.clone();
    sorted.sort();
    sorted
}

/// Adds a set with these pairs to an element, behind its other children. Without pairs there is none.
pub fn add(cib: &mut Document, parent: Element, kind: &str, pairs: &Pairs) -> Option<Element> {
    if pairs.iter().all(|(_, value)| value.is_empty()) {
        return None;
    }
    Some(add_even_empty(cib, parent, kind, pairs))
}

/// As [`add`], also when there is nothing in it.
pub fn add_even_empty(cib: &mut Document, parent: Element, kind: &str, pairs: &Pairs) -> Element {
    let id = sub_id(cib, parent, kind);
    let set = cib.append(parent, kind);
    cib.set(set, "id", &id);
    for (name, value) in sorted(pairs) {
        append(cib, set, &name, &value);
    }
    set
}

fn append(cib: &mut Document, set: Element, name: &str, value: &str) {
    append_as(cib, set, (name, name), value);
}

fn append_as(cib: &mut Document, set: Element, (name, in_id): (&str, &str), value: &str) {
    let id = sub_id(cib, set, in_id);
    let pair = cib.append(set, "nvpair");
    cib.set(pair, "id", &id);
    cib.set(pair, "name", name);
    cib.set(pair, "value", value);
}

/// Sets, changes and (for empty values) removes pairs of a set; the set stays.
pub fn update(cib: &mut Document, set: Element, pairs: &Pairs) {
    for (name, value) in sorted(pairs) {
        set_pair(cib, set, &name, &value);
    }
}

/// As [`update`], for sets of properties and defaults: ids there take no more than this much of a name.
pub fn update_short(cib: &mut Document, set: Element, pairs: &Pairs) {
    const MOST: usize = 20;
    for (name, value) in sorted(pairs) {
        let short: String = name.chars().take(MOST).collect();
        set_pair_as(cib, set, (&name, &short), &value);
    }
}

fn set_pair(cib: &mut Document, set: Element, name: &str, value: &str) {
    set_pair_as(cib, set, (name, name), value);
}

/// Sets a pair of this name; what a new one is called in its id may be shorter.
fn set_pair_as(cib: &mut Document, set: Element, (name, in_id): (&str, &str), value: &str) {
    let found = cib.children_named(set, "nvpair").find(|pair| cib.attribute(*pair, "name") == Some(name));
    match found {
        Some(pair) if value.is_empty() => cib.remove(pair),
        Some(pair) => cib.set(pair, "value", value),
        None if value.is_empty() => {}
        None => append_as(cib, set, (name, in_id), value),
    }
}

/// Changes the first set of a kind below an element; makes one, in front of all else, if there is none and something to
/// set.
pub fn arrange(cib: &mut Document, parent: Element, kind: &str, pairs: &Pairs) {
    let first = cib.children(parent).next();
    arrange_before(cib, parent, kind, &sorted(pairs), first);
}

/// As [`arrange`], in the order the pairs came, and a new set stands last.
pub fn arrange_last(cib: &mut Document, parent: Element, kind: &str, pairs: &Pairs) {
    arrange_before(cib, parent, kind, pairs, None);
}

fn arrange_before(cib: &mut Document, parent: Element, kind: &str, pairs: &Pairs, before: Option<Element>) {
    let set = match cib.child(parent, kind) {
        Some(set) => set,
        None if pairs.iter().all(|(_, value)| value.is_empty()) => return,
        None => {
            let id = sub_id(cib, parent, kind);
            let set = cib.insert(parent, before, kind);
            cib.set(set, "id", &id);
            set
        }
    };
    for (name, value) in pairs {
        set_pair(cib, set, name, value);
    }
}

/// The pairs of the first set of a kind.
pub fn read(cib: &Document, parent: Element, kind: &str) -> Pairs {
    cib.child(parent, kind).map(|set| pairs_of(cib, set)).unwrap_or_default()
}

/// The pairs of a set, as they stand.
pub fn pairs_of(cib: &Document, set: Element) -> Pairs {
    let text = |pair: Element, name: &str| cib.attribute(pair, name).unwrap_or("").to_owned();
    cib.children_named(set, "nvpair").map(|pair| (text(pair, "name"), text(pair, "value"))).collect()
}

/// A value that is not empty, from any set of a kind.
pub fn value<'a>(cib: &'a Document, parent: Element, kind: &'a str, name: &str) -> Option<&'a str> {
    let pairs = cib.children_named(parent, kind).flat_map(|set| cib.children_named(set, "nvpair"));
    let mut found = pairs.filter(|pair| cib.attribute(*pair, "name") == Some(name));
    found.find_map(|pair| cib.attribute(pair, "value").filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_made_changed_and_stay() {
        let mut cib = Document::parse("<cib><configuration><p id='p'><operations/></p></configuration></cib>").unwrap();
        let parent = cib.descend(&["configuration", "p"]).unwrap();
        let of = |pairs: &[(&str, &str)]| -> Pairs { pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect() };
        arrange(&mut cib, parent, "meta_attributes", &of(&[("b", "1"), ("a", "2"), ("c", "")]));
        assert_eq!(read(&cib, parent, "meta_attributes"), of(&[("a", "2"), ("b", "1")]));
        assert!(cib.to_xml().find("meta_attributes").unwrap() < cib.to_xml().find("operations").unwrap());
        arrange(&mut cib, parent, "meta_attributes", &of(&[("a", ""), ("b", "")]));
        assert!(cib.child(parent, "meta_attributes").is_some());
        assert_eq!(value(&cib, parent, "meta_attributes", "a"), None);
    }
}
