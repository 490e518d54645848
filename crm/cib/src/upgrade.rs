//! What a configuration of an older schema means in the newest one: names that changed, settings that moved, things that
//! are gone. It is done in memory, before anything is read; the CIB on the disk stays as people wrote it.
//!
//! Only what changes the meaning is done. Options that have two names, sets out of order, pairs without a value, the
//! phase of the moon and the like are no trouble to their readers and stay. One step is one file; a step's facts are
//! tables.

mod draft;
mod to_2_0;
mod to_3_0;
mod to_4_0;

use std::borrow::Cow;

use crate::document::Document;
use draft::Draft;

pub use draft::Change;

type Version = (u32, u32);
type Step = fn(&mut Draft<'_>);

/// The schema everything is upgraded to.
const NEWEST: &str = "pacemaker-4.0";

/// The steps: each is for documents of a schema before the one it is named for.
const STEPS: [(Version, Step); 3] = [((2, 0), to_2_0::apply), ((3, 0), to_3_0::apply), ((4, 0), to_4_0::apply)];

/// The document as it would be written in the newest schema, and what was changed, in order. A document in which
/// nothing changes is not copied. One without `validate-with` may be of any age; one that is to be validated with
/// `none`, or by a schema not known here, is left alone.
///
/// ```
/// let old = cib::Document::parse(r#"<cib validate-with="pacemaker-2.10"><configuration><crm_config>
///   <cluster_property_set id="o"><nvpair id="q" name="no_quorum_policy" value="freeze"/></cluster_property_set>
/// </crm_config></configuration></cib>"#).unwrap();
/// let (new, changes) = cib::upgrade::upgrade(&old);
/// assert!(new.to_xml().contains(r#"name="no-quorum-policy""#));
/// assert_eq!(changes[0].to_string(), "line 2, column 32: nvpair q: no_quorum_policy is called no-quorum-policy now");
/// ```
pub fn upgrade(document: &Document) -> (Cow<'_, Document>, Vec<Change>) {
    let from = version(document);
    let mut draft = Draft::new(document);
    for (version, step) in STEPS {
        if from < version {
            step(&mut draft);
        }
    }
    draft.finish(NEWEST)
}

fn version(document: &Document) -> Version {
    const ANY_AGE: Version = (0, 0);
    const LEFT_ALONE: Version = (u32::MAX, 0);
    let Some(schema) = document.attribute(document.root(), "validate-with") else { return ANY_AGE };
    let numbers = schema.strip_prefix("pacemaker-").and_then(|numbers| numbers.split_once('.'));
    match numbers.map(|(major, minor)| (major.parse(), minor.parse())) {
        Some((Ok(major), Ok(minor))) => (major, minor),
        _ => LEFT_ALONE,
    }
}

#[cfg(test)]
mod tests;
