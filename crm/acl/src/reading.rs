//! What of a document somebody may read.

use cib::{Document, Element};

use crate::rights::{Applied, Rights};

/// Attributes of the root that say nothing of a configuration, only which one it is.
const VERSION: [&str; 5] = ["crm_feature_set", "validate-with", "epoch", "num_updates", "admin_epoch"];
/// Sections that every CIB has. That they are there is no secret.
const SECTIONS: [&str; 4] = ["crm_config", "nodes", "resources", "constraints"];

/// An element of which something may be read.
struct Part {
    element: Element,
    /// It itself, with its attributes; otherwise only its id, for the sake of what is in it.
    readable: bool,
    /// All of it, to the last element.
    whole: bool,
    parts: Vec<Part>,
}

fn part(document: &Document, applied: &Applied, element: Element, above: bool) -> Option<Part> {
    let readable = match applied.get(&element) {
        Some(said) if said.deny.is_some() => false,
        Some(said) if said.read => true,
        _ => above,
    };
    let mut children = 0;
    let mut parts = Vec::new();
    for child in document.children(element) {
        children += 1;
        parts.extend(part(document, applied, child, readable));
    }
    let whole = readable && parts.len() == children && parts.iter().all(|part| part.whole);
    (readable || !parts.is_empty()).then_some(Part { element, readable, whole, parts })
}

fn write(document: &Document, part: &Part, new: &mut Document, into: Element) {
    for (name, value) in document.attributes(part.element).filter(|(name, _)| part.readable || *name == "id") {
        new.set(into, name, value);
    }
    for part in &part.parts {
        if part.whole {
            new.graft(into, document, part.element);
        } else {
            let child = new.append(into, document.name(part.element));
            write(document, part, new, child);
        }
    }
}

impl Rights {
    /// What of a document they may read: elements as they are, and the way to them with nothing but ids. `None` when that
    /// is nothing.
    pub fn readable(&self, document: &Document) -> Option<Document> {
        let part = part(document, &self.applied(document), document.root(), false)?;
        if part.whole {
            return Some(document.clone());
        }
        let mut new = Document::new(document.name(part.element));
        let root = new.root();
        write(document, &part, &mut new, root);
        Some(new)
    }

    /// The same as a CIB that programs can work on: with its version, and with the sections that every CIB has, empty
    /// where nothing in them may be read.
    pub fn readable_cib(&self, document: &Document) -> Document {
        let mut new = self.readable(document).unwrap_or_else(|| Document::new("cib"));
        let root = new.root();
        for name in VERSION {
            if let Some(value) = document.attribute(document.root(), name) {
                new.set(root, name, value);
            }
        }
        let configuration = section(&mut new, root, "configuration");
        for name in SECTIONS {
            section(&mut new, configuration, name);
        }
        section(&mut new, root, "status");
        new
    }

    /// Whether they may read all of it.
    pub fn reads_all(&self, document: &Document) -> bool {
        part(document, &self.applied(document), document.root(), false).is_some_and(|part| part.whole)
    }
}

fn section(document: &mut Document, parent: Element, name: &str) -> Element {
    document.child(parent, name).unwrap_or_else(|| document.append(parent, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Who;

    const CIB: &str = include_str!("../tests/cib.xml");

    fn seen(user: &str, groups: &[&str]) -> Option<String> {
        let cib = Document::parse(CIB).unwrap();
        let who = Who { user: user.into(), groups: groups.iter().map(|group| (*group).into()).collect() };
        let rights = Rights::of(&cib, &who, 0).expect("ACLs count for all but root and hacluster");
        rights.readable(&cib).map(|seen| seen.to_xml())
    }

    /// The answers are those of Pacemaker 2.1.5's `cibadmin --query` as these users (`CIB_user=… CIB_file=…`).
    #[test]
    fn as_pacemaker_shows_it() {
        for (user, expected) in [
            ("writer", include_str!("../tests/seen/writer.xml")),
            ("reader", include_str!("../tests/seen/reader.xml")),
            ("denied", include_str!("../tests/seen/denied.xml")),
            ("both", include_str!("../tests/seen/both.xml")),
            ("attribute", include_str!("../tests/seen/attribute.xml")),
        ] {
            let expected = Document::parse(expected).unwrap();
            let mine = Document::parse(&seen(user, &[]).unwrap()).unwrap();
            assert!(mine.same(mine.root(), &expected, expected.root()), "{user}:\n{}", mine.to_xml());
        }
        for user in ["nothing", "stranger"] {
            assert_eq!(seen(user, &[]), None, "{user}");
        }
    }

    #[test]
    fn groups_have_roles_too() {
        assert_eq!(seen("stranger", &["haclient", "operators"]), seen("reader", &[]));
        assert_eq!(seen("stranger", &["haclient"]), None);
    }

    #[test]
    fn root_is_never_restricted_and_nobody_when_they_do_not_count() {
        let cib = Document::parse(CIB).unwrap();
        for user in ["root", "hacluster"] {
            assert_eq!(Rights::of(&cib, &Who { user: user.into(), groups: vec![] }, 0), None);
        }
        let off = Document::parse(&CIB.replace(r#"name="enable-acl" value="true""#, r#"name="enable-acl" value="no""#));
        assert_eq!(Rights::of(&off.unwrap(), &Who::default(), 0), None);
    }

    #[test]
    fn a_permission_that_cannot_be_read_grants_nothing_and_denies_all() {
        let of = |kind: &str| {
            let broken = format!(r#"<acl_permission id="broken-1" kind="{kind}" xpath="//nvpair["/></acl_role>"#);
            let text = CIB.replace("</acl_role>", &broken);
            let cib = Document::parse(&text).unwrap();
            let rights = Rights::of(&cib, &Who { user: "reader".into(), groups: vec![] }, 0).unwrap();
            rights.reads_all(&cib)
        };
        assert!(of("read") && of("write") && !of("deny"));
    }

    #[test]
    fn a_program_gets_a_cib_whatever_is_left_of_it() {
        let cib = Document::parse(CIB).unwrap();
        let rights = Rights::of(&cib, &Who { user: "nothing".into(), groups: vec![] }, 0).unwrap();
        let empty = rights.readable_cib(&cib);
        assert_eq!(empty.attribute(empty.root(), "epoch"), Some("5"));
        assert!(empty.descend(&["configuration", "resources"]).is_some_and(|one| empty.children(one).count() == 0));
        assert!(!empty.to_xml().contains("nvpair"));
    }
}
