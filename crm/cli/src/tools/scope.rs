//! How much of the CIB has to be seen to say whether a write leaves a sound configuration. What adds to a section that
//! nothing refers into and that refers to nothing is judged by that section alone, so that it costs the same however
//! many resources there are.

use std::collections::BTreeSet;

use cib::Document;
use wire::QueryWhat;
use wire::write::{OperationForm, WriteForm};

use super::status::Failure;
use super::store::{Part, disconnected, fetch, fetch_part};
use crate::client::Client;

/// Sections of options and attributes: only an `id-ref` leads out of them, and only an id can collide with what is
/// elsewhere.
const ALONE: [&str; 4] = ["crm_config", "nodes", "rsc_defaults", "op_defaults"];
/// So many new ids are looked up one by one; for more of them the whole CIB is the shorter answer.
const MAX_LOOKED_UP: usize = 4;

/// As much of the CIB as is needed to judge a write.
///
/// # Errors
/// When the connection breaks, or what comes is no CIB.
pub fn judged_by(client: &mut Client, write: &WriteForm) -> Result<Document, Failure> {
    if let Some((section, given)) = alone(write) {
        let part = fetch_part(client, Part::Section(section))?.document;
        let known: BTreeSet<&str> = ids(&part).collect();
        let new: Vec<&str> = ids(&given).filter(|id| !known.contains(id)).collect();
        if are_nowhere(client, &new)? {
            return Ok(part);
        }
    }
    Ok(fetch(client)?.document)
}

/// The section that a write adds to, and what it adds, when that can be judged without the rest.
fn alone(write: &WriteForm) -> Option<(&'static str, Document)> {
    let WriteForm::Edit { operation, section: Some(section), xpath: None, xml: Some(xml), .. } = write else {
        return None;
    };
    if !matches!(operation, OperationForm::Create | OperationForm::Modify { .. }) {
        return None;
    }
    let section = ALONE.into_iter().find(|name| name == section)?;
    let given = Document::parse(xml).ok()?;
    let root = given.root();
    let inside = !matches!(given.name(root), "cib" | "configuration");
    let refers = given.descendants(root).any(|element| given.attribute(element, "id-ref").is_some());
    (inside && !refers).then_some((section, given))
}

fn ids(document: &Document) -> impl Iterator<Item = &str> {
    document.descendants(document.root()).filter_map(|element| document.attribute(element, "id"))
}

/// Whether none of these ids is anywhere in the CIB.
fn are_nowhere(client: &mut Client, ids: &[&str]) -> Result<bool, Failure> {
    if ids.len() > MAX_LOOKED_UP || ids.iter().any(|id| id.contains(['\'', '"'])) {
        return Ok(false);
    }
    for id in ids {
        let path = format!("//*[@id='{id}']");
        let (found, _) = client.query(None, Some(&path), QueryWhat::Paths).map_err(|error| disconnected(&error))?;
        if !found.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::write::AuthorForm;

    fn edit(operation: OperationForm, section: &str, xml: &str) -> WriteForm {
        let author = AuthorForm { user: "root".into(), host: "a".into(), command: "cibadmin".into(), at: 1 };
        let (section, xml) = (Some(section.to_owned()), Some(xml.to_owned()));
        WriteForm::Edit { operation, section, xpath: None, all: false, xml, expected: None, author }
    }

    #[test]
    fn what_others_may_refer_to_needs_the_whole() {
        let modify = OperationForm::Modify { create: true };
        let node =
            "<node id='1'><instance_attributes id='i'><nvpair id='n' name='a' value='b'/></instance_attributes></node>";
        assert_eq!(alone(&edit(modify, "nodes", node)).map(|(section, _)| section), Some("nodes"));
        assert!(alone(&edit(OperationForm::Create, "nodes", node)).is_some());
        let shared = "<node id='1'><instance_attributes id-ref='i'/></node>";
        let others = [
            edit(modify, "nodes", shared),
            edit(modify, "nodes", "<configuration><nodes/></configuration>"),
            edit(modify, "resources", "<primitive id='p' class='ocf' provider='heartbeat' type='Dummy'/>"),
            edit(OperationForm::Delete, "nodes", node),
            edit(OperationForm::Replace, "nodes", node),
        ];
        assert!(others.iter().all(|write| alone(write).is_none()));
    }
}
