//! The cluster properties that the controller itself goes by. All others are the policy's.

use std::time::Duration;

use cib::nvset::Values;
use cib::patch::{Change, path_of};
use cib::rule::Context;
use cib::{Author, Cib, Document, Patch, Write};

use crate::brake::transient;
use crate::walking::WATCHDOG;

/// The transient attribute that tells one start of a host from the next. A node says it after [`WATCHDOG`], so of one
/// that has said it both are known.
pub const BOOT_ID: &str = "#boot-id";

/// The value of a cluster property.
pub fn property<'a>(cib: &'a Cib, name: &str, unix: i64) -> Option<&'a str> {
    let document = cib.document();
    let crm_config = document.descend(&["configuration", "crm_config"])?;
    let mut properties = Values::default();
    properties.read(document, crm_config, "cluster_property_set", Some("cib-bootstrap-options"), &Context::at(unix));
    properties.get(name)
}

/// A length of time, or what counts when it is not set or no time.
pub fn time(cib: &Cib, name: &str, unix: i64, default: Duration) -> Duration {
    let set = property(cib, name, unix).and_then(|text| cib::duration::parse_ms(text).ok());
    set.map_or(default, Duration::from_millis)
}

/// Whether nothing may begin on nodes without quorum: `no-quorum-policy=freeze`.
///
/// Pacemaker begins what is needed to recover in place what it believes to be running here. That belief may rest on a
/// probe that failed or never ended, and then it is a second copy; so nothing begins at all before there is quorum.
pub fn freezes(cib: &Cib, unix: i64) -> bool {
    property(cib, "no-quorum-policy", unix).is_some_and(|policy| policy.eq_ignore_ascii_case("freeze"))
}

/// `have-watchdog` as it is: whether any node has armed a watchdog. As in Pacemaker the cluster sets it; whose lasts is
/// judged node by node. That none has is said only when all have spoken, and not where nobody ever said otherwise.
pub fn watchdog(cib: &Cib, unix: i64) -> Option<Write> {
    let document = cib.document();
    let states = document.descend(&["status"]).into_iter();
    let states = states.flat_map(|status| document.children_named(status, "node_state"));
    let ids: Vec<&str> = states.map(|state| document.id(state)).collect();
    let says = |name: &'static str| move |id: &&str| transient(cib, id, name).is_some();
    let armed = ids.iter().any(says(WATCHDOG));
    if armed == (property(cib, "have-watchdog", unix) == Some("true")) || !(armed || ids.iter().all(says(BOOT_ID))) {
        return None;
    }
    let value = if armed { "true" } else { "false" };
    let crm_config = document.descend(&["configuration", "crm_config"])?;
    let sets: Vec<_> = document.children_named(crm_config, "cluster_property_set").collect();
    let pairs = sets.iter().flat_map(|set| document.children_named(*set, "nvpair"));
    let mut known = pairs.filter(|pair| document.attribute(*pair, "name") == Some("have-watchdog")).peekable();
    let new = |parent: &str| {
        let mut new = Document::new(parent);
        let root = new.root();
        new.set(root, "id", "cib-bootstrap-options");
        let pair = new.append(root, "nvpair");
        [("id", "cib-bootstrap-options-have-watchdog"), ("name", "have-watchdog"), ("value", value)]
            .iter()
            .for_each(|(name, value)| new.set(pair, name, value));
        (new, pair)
    };
    let changes = if known.peek().is_some() {
        let set = vec![("value".to_owned(), value.to_owned())];
        // Wherever it stands: another one might come before ours.
        let others = known.filter(|pair| document.attribute(*pair, "value") != Some(value));
        others
            .map(|pair| Change::Modify { path: path_of(document, pair), set: set.clone(), unset: Vec::new() })
            .collect()
    } else {
        let (new, pair) = new("cluster_property_set");
        let (parent, element) = sets.first().map_or((crm_config, new.root()), |set| (*set, pair));
        vec![Change::Create { path: path_of(document, parent), position: usize::MAX, xml: new.element_to_xml(element) }]
    };
    let write = Write::Configure { patch: Patch { changes }, expected: None, author: Author::default() };
    match &write {
        // It is said as it is, and does not count, by a rule or a score: then people know better.
        Write::Configure { patch, .. } if patch.changes.is_empty() => None,
        _ => Some(write),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `have-watchdog` becomes, of nodes that have said these attributes.
    fn becomes(config: &str, said: &[&[&str]]) -> Option<String> {
        let pair = |name: &&str| format!("<nvpair id='{name}' name='{name}' value='5'/>").replace("id='#", "id='");
        let state = |(number, names): (usize, &&[&str])| {
            let pairs: String = names.iter().map(pair).collect();
            format!(
                "<node_state id='{number}'><transient_attributes id='t{number}'><instance_attributes id='i{number}'>\
                 {pairs}</instance_attributes></transient_attributes></node_state>"
            )
        };
        let states: String = said.iter().enumerate().map(state).collect();
        let text = format!(
            "<cib><configuration><crm_config>{config}</crm_config></configuration><status>{states}</status></cib>"
        );
        let mut cib = Cib::parse(&text).unwrap();
        let write = watchdog(&cib, 0)?;
        cib.apply(&write).unwrap();
        assert_eq!(watchdog(&cib, 0), None, "it is said once");
        property(&cib, "have-watchdog", 0).map(str::to_owned)
    }

    #[test]
    fn have_watchdog_is_what_nodes_have() {
        let set = |value: &str| {
            format!(
                "<cluster_property_set id='x'><nvpair id='w' name='have-watchdog' value='{value}'/></cluster_property_set>"
            )
        };
        let (armed, unarmed): (&[&str], &[&str]) = (&[WATCHDOG, BOOT_ID], &[BOOT_ID]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(becomes("", &[armed, unarmed]), some("true"));
        assert_eq!(becomes("<cluster_property_set id='x'/>", &[armed]), some("true"));
        assert_eq!(becomes(&set("false"), &[unarmed, armed]), some("true"));
        assert_eq!(becomes(&set("true"), &[unarmed, unarmed]), some("false"));
        assert_eq!(becomes(&set("true"), &[unarmed, &[]]), None, "one has not spoken yet");
        assert_eq!(becomes(&set("true"), &[armed, &[]]), None);
        assert_eq!(becomes("", &[unarmed]), None, "nobody said otherwise");
    }
}
