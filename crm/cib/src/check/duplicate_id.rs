//! An id stands for one element: two with the same are told apart by nobody.

use std::collections::{HashMap, HashSet};

use super::{Finding, Report, called};
use crate::document::{Document, Element};

/// Elements whose `id` is that of another: they refer.
const REFERENCES: [&str; 5] = ["resource_ref", "obj_ref", "role", "role_ref", "downed"];

/// Elements whose ids are names of something outside: nodes are the engine's or connections, who has rights is a user.
/// They are a space of their own each, and no ids to the schema.
const NAMES: [&str; 2] = ["node", "acl_target"];

pub(super) fn check(report: &Report<'_>) -> Vec<Finding> {
    let document = report.document;
    let mut first: HashMap<(Option<&str>, &str), Element> = HashMap::new();
    let mut findings = Vec::new();
    for element in document.descendants(report.configuration) {
        if REFERENCES.contains(&document.name(element)) {
            continue;
        }
        let Some(id) = document.attribute(element, "id") else { continue };
        let key = (NAMES.iter().copied().find(|name| *name == document.name(element)), id);
        match first.get(&key) {
            None => {
                first.insert(key, element);
            }
            Some(other) => {
                let place = document.position(*other).map_or(String::new(), |p| format!(" of line {}", p.line));
                findings.push(report.error(
                    element,
                    format!("its id is also that of {}{place}", called(document, *other)),
                    format!("give one of them another id than {id}"),
                ));
            }
        }
    }
    findings
}

/// Whether there is any, for who does not ask which.
pub(super) fn has_any(document: &Document, configuration: Element) -> bool {
    let mut seen: HashSet<&str> = HashSet::new();
    document.descendants(configuration).any(|element| {
        let name = document.name(element);
        let of_its_own = !NAMES.contains(&name) && !REFERENCES.contains(&name);
        of_its_own && document.attribute(element, "id").is_some_and(|id| !seen.insert(id))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::expect;

    #[test]
    fn two_of_one() {
        expect(
            "<resources><primitive id='a' class='lsb' type='x'/>\n<group id='a'><primitive id='b' class='lsb' type='x'/></group></resources>
             <tags><tag id='t'><obj_ref id='a'/></tag></tags><nodes><node id='b' uname='b'/></nodes>",
            &["error: group a: its id is also that of primitive a of line 1"],
        );
        expect("<acls><acl_role id='r'/><acl_user id='u'><role_ref id='r'/></acl_user></acls>", &[]);
        expect("<acls><acl_target id='u'/><acl_group id='u'/></acls>", &[]);
    }
}
