//! What differs between two documents. Comments are not compared.

use std::collections::{BTreeMap, HashMap};

use super::path::{key, path_of};
use super::{Change, Patch};
use crate::document::{Document, Element};

/// The changes that make `b` of `a`: elements are the same where name and id are, and attributes may come in any order.
/// Law: `apply(a, diff(a, b))` says the same as `b`.
pub fn diff(a: &Document, b: &Document) -> Patch {
    let mut patch = Patch::default();
    if a.name(a.root()) != b.name(b.root()) || a.text(a.root()) != b.text(b.root()) {
        patch.changes.push(Change::Create { path: String::new(), position: 0, xml: b.to_xml() });
        return patch;
    }
    let mut places = Vec::new();
    compare(a, a.root(), b, b.root(), &mut patch.changes, &mut places);
    patch.changes.append(&mut places);
    patch
}

/// Deletions and attributes go to `changes`; what takes a place comes after all of them.
fn compare(
    a: &Document,
    old: Element,
    b: &Document,
    new: Element,
    changes: &mut Vec<Change>,
    places: &mut Vec<Change>,
) {
    attributes(a, old, b, new, changes);

    let mut known: BTreeMap<(&str, Option<&str>), Vec<Element>> = BTreeMap::new();
    for child in a.children(old) {
        known.entry(key(a, child)).or_default().push(child);
    }
    known.values_mut().for_each(|same| same.reverse());
    // Text belongs to its element: where it differs the element is another one.
    let pairs: Vec<(Element, Option<Element>)> = b
        .children(new)
        .map(|child| {
            let partner = known.get_mut(&key(b, child)).and_then(Vec::pop);
            (child, partner.filter(|partner| a.text(*partner) == b.text(child)))
        })
        .collect();

    let order: HashMap<Element, usize> = a.children(old).enumerate().map(|(index, child)| (child, index)).collect();
    let kept: Vec<usize> = pairs.iter().filter_map(|(_, partner)| partner.map(|p| order[&p])).collect();
    let mut is_kept = vec![false; order.len()];
    kept.iter().for_each(|index| is_kept[*index] = true);
    for (child, _) in a.children(old).zip(&is_kept).filter(|(_, kept)| !**kept) {
        changes.push(Change::Delete { path: path_of(a, child) });
    }

    let mut stays = vec![false; order.len()];
    longest_rise(&kept).into_iter().for_each(|index| stays[index] = true);
    for (position, (child, partner)) in pairs.into_iter().enumerate() {
        match partner {
            None => places.push(Change::Create { path: path_of(a, old), position, xml: b.element_to_xml(child) }),
            Some(partner) => {
                if !stays[order[&partner]] {
                    places.push(Change::Move { path: path_of(a, partner), position });
                }
                compare(a, partner, b, child, changes, places);
            }
        }
    }
}

fn attributes(a: &Document, old: Element, b: &Document, new: Element, changes: &mut Vec<Change>) {
    let own = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
    let set: Vec<_> =
        b.attributes(new).filter(|(n, v)| a.attribute(old, n) != Some(v)).map(|pair| own(&pair)).collect();
    let unset: Vec<_> =
        a.attributes(old).filter(|(n, _)| b.attribute(new, n).is_none()).map(|(n, _)| n.to_owned()).collect();
    if !set.is_empty() || !unset.is_empty() {
        changes.push(Change::Modify { path: path_of(a, old), set, unset });
    }
}

/// The values of a longest rising subsequence: what need not move when the rest does.
fn longest_rise(values: &[usize]) -> Vec<usize> {
    // ends[n]: the index of the smallest value a rise of n + 1 can end with.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; values.len()];
    for (index, value) in values.iter().enumerate() {
        let length = ends.partition_point(|end| values[*end] < *value);
        before[index] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    std::iter::successors(ends.last().copied(), |index| before[*index]).map(|index| values[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;
    use proptest::prelude::*;

    fn changes(a: &str, b: &str) -> usize {
        let (a, b) = (Document::parse(a).unwrap(), Document::parse(b).unwrap());
        let patch = diff(&a, &b);
        let mut c = a.clone();
        apply(&mut c, &patch).unwrap();
        assert!(c.same(c.root(), &b, b.root()), "{patch:?}\n{}\n{}", c.to_xml(), b.to_xml());
        patch.changes.len()
    }

    #[test]
    fn says_no_more_than_needed() {
        assert_eq!(changes("<a x='1' y='2'/>", "<a y='2' x='1'/>"), 0);
        assert_eq!(changes("<a><!-- why --><b/></a>", "<a><b/></a>"), 0);
        assert_eq!(changes("<a><b id='1'/><b id='2'/><b id='3'/></a>", "<a><b id='2'/><b id='3'/><b id='1'/></a>"), 1);
        assert_eq!(changes("<a><b id='1' k='v'/></a>", "<a><b id='1' k='w'/></a>"), 1);
        assert_eq!(changes("<a><b>x</b></a>", "<a><b>y</b></a>"), 2);
        assert_eq!(changes("<a/>", "<b/>"), 1);
        assert_eq!(changes("<a id='1'><b/></a>", "<a id='2'><b/><b/></a>"), 2);
    }

    /// Small documents with few names and ids, so that things meet often.
    fn tree() -> impl Strategy<Value = String> {
        let attributes = || {
            (proptest::option::of("[1-4]"), proptest::option::of("[xy]")).prop_map(|(id, k)| {
                [("id", id), ("k", k)]
                    .into_iter()
                    .filter_map(|(n, v)| Some(format!(" {n}='{}'", v?)))
                    .collect::<String>()
            })
        };
        let leaf = (prop_oneof!["p", "g"], attributes(), prop_oneof![Just(""), Just("text")])
            .prop_map(|(name, attributes, text)| format!("<{name}{attributes}>{text}</{name}>"));
        leaf.prop_recursive(3, 24, 5, move |inner| {
            (prop_oneof!["p", "g"], attributes(), prop::collection::vec(inner, 0..5))
                .prop_map(|(name, attributes, below)| format!("<{name}{attributes}>{}</{name}>", below.concat()))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_diff_carries_one_to_the_other(a in tree(), b in tree()) {
            let (a, b) = (format!("<cib>{a}</cib>"), format!("<cib>{b}</cib>"));
            changes(&a, &b);
        }

        #[test]
        fn also_in_its_xml_form(a in prop::collection::vec(tree(), 0..6), b in prop::collection::vec(tree(), 0..6)) {
            let a = Document::parse(&format!("<cib>{}</cib>", a.concat())).unwrap();
            let b = Document::parse(&format!("<cib>{}</cib>", b.concat())).unwrap();
            let text = super::super::xml::write(&diff(&a, &b), &a, &b);
            let read = super::super::xml::read(&text).unwrap();
            let mut c = a.clone();
            apply(&mut c, &read).unwrap();
            prop_assert!(c.same(c.root(), &b, b.root()), "{}\n{}\n{}", text, c.to_xml(), b.to_xml());
        }
    }
}
