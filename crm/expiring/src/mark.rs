//! What stands in the CIB of a change that ends: until when, and the way back. It is an option of a set of its own, which
//! neither we nor Pacemaker take for an option of the cluster.

use cib::patch::{self, Change, Patch};
use cib::{Document, Element};
use serde::{Deserialize, Serialize};
use wire::write::ChangeForm;

/// Id of the set that holds the marks, and the beginning of their ids.
pub const SET: &str = "systole-expiring";
/// The longest way back, in bytes as it stands in the CIB. Every node holds it, and reads it with each plan; a change of
/// a hundred resources takes half of it.
pub const LONGEST: usize = 256 * 1024;
/// Marks at a time. Each is a wish of somebody's; more than these are a program's that makes them without end.
pub const MOST: usize = 100;

/// What ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// A change that is taken back unless it is confirmed.
    Trial,
    /// A wish that was made for a time only.
    Wish,
}

/// A change that ends.
#[derive(Clone, PartialEq, Debug)]
pub struct Mark {
    /// The number it is known by, from 1.
    pub number: u32,
    /// Trial or wish.
    pub kind: Kind,
    /// When it ends, in seconds since 1970.
    pub until: i64,
    /// The command that made it.
    pub command: String,
    /// From the CIB with the change to the one without.
    pub back: Patch,
    /// The change.
    pub forth: Patch,
}

/// The way back cannot be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TooLarge {
    /// It has so many bytes.
    Bytes(usize),
    /// There are as many marks as may be.
    Marks,
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TooLarge::Bytes(bytes) => write!(
                f,
                "the way back from this change has {} KiB, and the cluster keeps {} KiB at most: make it in smaller parts, \
                 or without an end",
                bytes / 1024,
                LONGEST / 1024
            ),
            TooLarge::Marks => write!(
                f,
                "{MOST} changes wait for their end already: `systole confirm --list` shows them, `systole confirm N` keeps \
                 what one of them made"
            ),
        }
    }
}

impl std::error::Error for TooLarge {}

/// The form of a mark in the CIB.
#[derive(Serialize, Deserialize)]
struct Written {
    kind: Kind,
    until: i64,
    command: String,
    back: Vec<ChangeForm>,
    forth: Vec<ChangeForm>,
}

fn forms(patch: &Patch) -> Vec<ChangeForm> {
    patch.changes.iter().cloned().map(ChangeForm::from).collect()
}

fn patch_of(forms: Vec<ChangeForm>) -> Patch {
    Patch { changes: forms.into_iter().map(Change::from).collect() }
}

fn set(cib: &Document) -> Option<Element> {
    let section = cib.descend(&["configuration", "crm_config"])?;
    cib.children_named(section, "cluster_property_set").find(|set| cib.id(*set) == SET)
}

fn number(cib: &Document, pair: Element) -> Option<u32> {
    cib.id(pair).strip_prefix(SET)?.strip_prefix('-')?.parse().ok()
}

/// The marks of a CIB, by number; what stands there and cannot be read is left out.
pub fn all(cib: &Document) -> Vec<Mark> {
    let pairs = set(cib).into_iter().flat_map(|set| cib.children_named(set, "nvpair"));
    let mut marks: Vec<Mark> = pairs
        .filter_map(|pair| {
            let written: Written = serde_json::from_str(cib.attribute(pair, "value")?).ok()?;
            Some(Mark {
                number: number(cib, pair)?,
                kind: written.kind,
                until: written.until,
                command: written.command,
                back: patch_of(written.back),
                forth: patch_of(written.forth),
            })
        })
        .collect();
    marks.sort_by_key(|mark| mark.number);
    marks
}

/// Puts a mark beside a change: `before` is the CIB without it, `after` the one with it. Gives its number.
///
/// # Errors
/// When it would be too large, or one too many; `after` is as it was then.
pub fn add(before: &Document, after: &mut Document, kind: Kind, until: i64, command: &str) -> Result<u32, TooLarge> {
    let taken: Vec<u32> = all(after).iter().map(|mark| mark.number).collect();
    if taken.len() >= MOST {
        return Err(TooLarge::Marks);
    }
    let written = Written {
        kind,
        until,
        command: command.to_owned(),
        back: forms(&patch::diff(after, before)),
        forth: forms(&patch::diff(before, after)),
    };
    let text = serde_json::to_string(&written).expect("a mark holds only text, numbers and lists of them");
    if text.len() > LONGEST {
        return Err(TooLarge::Bytes(text.len()));
    }
    let number = (1..).find(|number| !taken.contains(number)).unwrap_or(u32::MAX);
    let root = after.root();
    let configuration = after.child(root, "configuration").unwrap_or_else(|| after.append(root, "configuration"));
    let section = after.child(configuration, "crm_config").unwrap_or_else(|| after.append(configuration, "crm_config"));
    let set = set(after).unwrap_or_else(|| {
        let new = after.append(section, "cluster_property_set");
        after.set(new, "id", SET);
        new
    });
    let pair = after.append(set, "nvpair");
    let id = format!("{SET}-{number}");
    [("id", id.as_str()), ("name", &id), ("value", &text)]
        .iter()
        .for_each(|(name, value)| after.set(pair, name, value));
    Ok(number)
}

/// Takes a mark away, and with the last one their set. What it marks stays. Whether it was there.
pub fn remove(cib: &mut Document, wanted: u32) -> bool {
    let Some(set) = set(cib) else { return false };
    let found = cib.children_named(set, "nvpair").find(|pair| number(cib, *pair) == Some(wanted));
    if let Some(pair) = found {
        cib.remove(pair);
    }
    if cib.children(set).next().is_none() {
        cib.remove(set);
    }
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIB: &str = "<cib><configuration><crm_config/><nodes/><resources><primitive id='a'/></resources><constraints/>\
                       </configuration><status/></cib>";

    #[test]
    fn a_mark_comes_back_as_it_was_put_and_goes_without_a_trace() {
        let before = Document::parse(CIB).unwrap();
        let mut after =
            Document::parse(&CIB.replace("<constraints/>", "<constraints><x id='1'/></constraints>")).unwrap();
        let changed = after.clone();
        assert_eq!(add(&before, &mut after, Kind::Trial, 77, "systole apply \"x\" <y>"), Ok(1));
        // It survives being written and read.
        let mut after = Document::parse(&after.to_xml()).unwrap();
        let [mark] = &all(&after)[..] else { panic!("one mark") };
        assert_eq!((mark.number, mark.kind, mark.until), (1, Kind::Trial, 77));
        assert_eq!(mark.command, "systole apply \"x\" <y>");
        assert_eq!(mark.forth, patch::diff(&before, &changed));
        let second = after.clone();
        assert_eq!(add(&second, &mut after, Kind::Wish, 78, ""), Ok(2));
        assert!(remove(&mut after, 1) && !remove(&mut after, 1) && remove(&mut after, 2));
        assert!(after.same(after.root(), &changed, changed.root()));
    }

    #[test]
    fn what_is_too_large_is_refused_and_nothing_changed() {
        let before = Document::parse(CIB).unwrap();
        let mut after = before.clone();
        let resources = after.descend(&["configuration", "resources"]).unwrap();
        after.set(resources, "note", &"x".repeat(LONGEST));
        let changed = after.clone();
        assert!(matches!(add(&before, &mut after, Kind::Wish, 1, ""), Err(TooLarge::Bytes(_))));
        assert!(after.same(after.root(), &changed, changed.root()));
        let mut full = before.clone();
        for _ in 0..MOST {
            let was = full.clone();
            add(&was, &mut full, Kind::Wish, 1, "").unwrap();
        }
        assert_eq!(add(&full.clone(), &mut full, Kind::Wish, 1, ""), Err(TooLarge::Marks));
    }

    #[test]
    fn what_cannot_be_read_is_no_mark() {
        for value in ["", "{", "{\"kind\":\"Trial\"}", "7"] {
            let text = CIB.replace(
                "<crm_config/>",
                &format!(
                    "<crm_config><cluster_property_set id='{SET}'><nvpair id='{SET}-1' name='x' value='{value}'/>\
                     </cluster_property_set></crm_config>"
                ),
            );
            assert!(all(&Document::parse(&text).unwrap()).is_empty(), "{value}");
        }
    }
}
