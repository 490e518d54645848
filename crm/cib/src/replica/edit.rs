//! One change of any part of the CIB as Pacemaker's `cibadmin` says it: create, modify, replace, delete, in a section or
//! at an XPath. It becomes a patch of what is there; making it is `configuration`'s.

use super::{Cib, read_version};
use crate::document::{Document, Element};
use crate::patch::{Change, Patch, path_of};
use crate::score::Score;
use crate::write::{Applied, Author, Expected, Operation, Place, Refused};
use crate::xpath;

/// The sections below `<configuration>`.
const SECTIONS: [&str; 10] = [
    "crm_config",
    "nodes",
    "resources",
    "constraints",
    "rsc_defaults",
    "op_defaults",
    "acls",
    "tags",
    "alerts",
    "fencing-topology",
];

impl Cib {
    pub(super) fn edit(
        &mut self,
        operation: Operation,
        place: &Place,
        xml: &str,
        expected: Option<Expected>,
        author: &Author,
    ) -> Result<Applied, Refused> {
        self.is_expected(expected)?;
        let given = match xml.trim() {
            "" => None,
            _ => Some(Document::parse(xml)?),
        };
        let changes = match (place, &given) {
            (Place::XPath { path, all }, given) => self.at_xpath(operation, path, *all, given.as_ref())?,
            (Place::Section(section), Some(given)) => {
                if operation == Operation::Replace && given.name(given.root()) == "cib" {
                    return self.another(given, author);
                }
                self.in_section(operation, section.as_deref(), given)?
            }
            (Place::Section(_), None) => return Err(Refused::Nameless("the element that is given")),
        };
        self.commit(Patch { changes }, author)
    }

    /// A whole CIB in the place of this one, unless it is older.
    fn another(&mut self, given: &Document, author: &Author) -> Result<Applied, Refused> {
        let version = read_version(given).unwrap_or_default();
        if version < self.version {
            return Err(Refused::Older { given: version, found: self.version });
        }
        let mut document = given.clone();
        let root = document.root();
        // What only this node knows stays.
        for name in ["have-quorum", "dc-uuid"] {
            match self.document.attribute(self.document.root(), name) {
                Some(value) => document.set(root, name, value),
                None => document.unset(root, name),
            }
        }
        for section in ["configuration", "status"] {
            if document.child(root, section).is_none() {
                document.append(root, section);
            }
        }
        self.adopt(document, author)
    }

    fn in_section(
        &self,
        operation: Operation,
        section: Option<&str>,
        given: &Document,
    ) -> Result<Vec<Change>, Refused> {
        let document = &self.document;
        let (root, input) = (document.root(), given.root());
        let name = match section {
            None | Some("" | "all" | "cib") => "cib",
            Some(name) if name == "configuration" || name == "status" || SECTIONS.contains(&name) => name,
            Some(other) => return Err(Refused::NoSection(other.to_owned())),
        };
        let top = match name {
            "cib" => Some(root),
            "configuration" | "status" => document.child(root, name),
            _ => document.descend(&["configuration", name]),
        };
        let Some(top) = top else {
            return match operation {
                Operation::Create | Operation::Modify { .. } => Ok(vec![new_section(name, given)]),
                Operation::Replace => Err(Refused::NotThere(format!("the section {name}"))),
                Operation::Delete => Ok(Vec::new()),
            };
        };
        // The section itself stands for what is in it.
        let is_section = given.name(input) == document.name(top);
        let parts: Vec<Element> = if is_section { given.children(input).collect() } else { vec![input] };
        match operation {
            Operation::Create => {
                // Without a section, what has one of its own goes there.
                let at = if name == "cib" && !is_section { self.home(given.name(input)).unwrap_or(top) } else { top };
                parts.into_iter().map(|part| create(document, at, given, part)).collect()
            }
            Operation::Modify { create: may } => {
                let mut changes = Vec::new();
                match find(document, top, given, input, false) {
                    Some(found) => merge(document, found, given, input, &mut changes),
                    None if may => {
                        let at = if name == "cib" { self.home(given.name(input)).unwrap_or(top) } else { top };
                        changes.push(append(document, at, given, input));
                    }
                    None => return Err(Refused::NotThere(described(given, input))),
                }
                Ok(changes)
            }
            Operation::Replace => {
                let found = find(document, top, given, input, false);
                let found = found.ok_or_else(|| Refused::NotThere(described(given, input)))?;
                Ok(exchange(document, found, Some((given, input))))
            }
            Operation::Delete => {
                let found = parts.into_iter().filter_map(|part| find(document, top, given, part, true));
                Ok(found.map(|found| Change::Delete { path: path_of(document, found) }).collect())
            }
        }
    }

    fn at_xpath(
        &self,
        operation: Operation,
        path: &str,
        all: bool,
        given: Option<&Document>,
    ) -> Result<Vec<Change>, Refused> {
        let document = &self.document;
        let mut found = xpath::elements(document, path)?;
        if found.is_empty() {
            return match operation {
                Operation::Delete => Ok(Vec::new()),
                _ => Err(Refused::NotThere(format!("what the XPath {path} means"))),
            };
        }
        if !all || operation == Operation::Create {
            found.truncate(1);
        }
        let given = || given.map(|given| (given, given.root())).ok_or(Refused::Nameless("the element that is given"));
        let mut changes = Vec::new();
        for element in found {
            match operation {
                Operation::Create => {
                    let (given, input) = given()?;
                    changes.push(create(document, element, given, input)?);
                }
                Operation::Modify { .. } => {
                    let (given, input) = given()?;
                    let found = find(document, element, given, input, false);
                    let found = found.ok_or_else(|| Refused::NotThere(described(given, input)))?;
                    merge(document, found, given, input, &mut changes);
                }
                Operation::Replace => changes.extend(exchange(document, element, Some(given()?))),
                Operation::Delete => changes.extend(exchange(document, element, None)),
            }
        }
        Ok(changes)
    }

    /// The section that holds elements of that name.
    fn home(&self, name: &str) -> Option<Element> {
        let section = match name {
            "primitive" | "group" | "clone" | "master" | "bundle" | "template" => "resources",
            "node" => "nodes",
            "tag" => "tags",
            "alert" => "alerts",
            "cluster_property_set" => "crm_config",
            "fencing-level" => "fencing-topology",
            "node_state" => return self.document.descend(&["status"]),
            name if name.starts_with("rsc_") => "constraints",
            _ => return None,
        };
        self.document.descend(&["configuration", section])
    }
}

/// Whether an element is what another means: of its name, and of its id if it has one; `exactly`: with all its attributes.
fn means(document: &Document, element: Element, given: &Document, part: Element, exactly: bool) -> bool {
    let wanted = |(name, value): (&str, &str)| document.attribute(element, name) == Some(value);
    document.name(element) == given.name(part)
        && given.attribute(part, "id").is_none_or(|id| document.attribute(element, "id") == Some(id))
        && (!exactly || given.attributes(part).all(wanted))
}

/// The first, from the outside in, that is meant.
fn find(document: &Document, top: Element, given: &Document, part: Element, exactly: bool) -> Option<Element> {
    document.descendants(top).find(|element| means(document, *element, given, part, exactly))
}

fn described(given: &Document, part: Element) -> String {
    match given.id(part) {
        "" => format!("<{}>", given.name(part)),
        id => format!("<{}> '{id}'", given.name(part)),
    }
}

fn append(document: &Document, parent: Element, given: &Document, part: Element) -> Change {
    Change::Create { path: path_of(document, parent), position: usize::MAX, xml: given.element_to_xml(part) }
}

fn create(document: &Document, parent: Element, given: &Document, part: Element) -> Result<Change, Refused> {
    let has_id = given.attribute(part, "id").is_some();
    if has_id && document.children(parent).any(|child| means(document, child, given, part, false)) {
        return Err(Refused::Exists { name: given.name(part).to_owned(), id: given.id(part).to_owned() });
    }
    Ok(append(document, parent, given, part))
}

fn new_section(name: &str, given: &Document) -> Change {
    let mut section = Document::new(name);
    let root = section.root();
    if given.name(given.root()) == name {
        section = given.clone();
    } else {
        section.graft(root, given, given.root());
    }
    Change::Create { path: "/cib/configuration".into(), position: usize::MAX, xml: section.to_xml() }
}

/// Attributes are set, children that are there merged in their turn, others added.
fn merge(document: &Document, into: Element, given: &Document, part: Element, changes: &mut Vec<Change>) {
    let path = path_of(document, into);
    let set: Vec<(String, String)> = given
        .attributes(part)
        .map(|(name, value)| (name.to_owned(), counted(name, value, document.attribute(into, name))))
        .filter(|(name, value)| document.attribute(into, name) != Some(value))
        .collect();
    if !set.is_empty() {
        changes.push(Change::Modify { path: path.clone(), set, unset: Vec::new() });
    }
    for child in given.children(part) {
        match document.children(into).find(|old| means(document, *old, given, child, false)) {
            Some(old) => merge(document, old, given, child, changes),
            None => changes.push(append(document, into, given, child)),
        }
    }
}

/// Pacemaker's `value="value++"` and `value="value+=5"`: a score that is raised.
fn counted(name: &str, value: &str, old: Option<&str>) -> String {
    let by = match value.strip_prefix(name) {
        Some("++") => Some(Score::from(1)),
        Some(more) => more.strip_prefix("+=").and_then(Score::parse),
        None => None,
    };
    by.map_or_else(|| value.to_owned(), |by| (old.and_then(Score::parse).unwrap_or_default() + by).to_string())
}

/// An element goes, and another may take its place.
fn exchange(document: &Document, old: Element, new: Option<(&Document, Element)>) -> Vec<Change> {
    let gone = Change::Delete { path: path_of(document, old) };
    let (Some((given, part)), Some(parent)) = (new, document.parent(old)) else { return vec![gone] };
    let position = document.children(parent).take_while(|sibling| *sibling != old).count();
    vec![gone, Change::Create { path: path_of(document, parent), position, xml: given.element_to_xml(part) }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::Write;

    const CIB: &str = "<cib epoch='5'><configuration><crm_config/><nodes/><resources>\
        <primitive id='a' class='ocf'><meta_attributes id='am'><nvpair id='av' name='x' value='7'/></meta_attributes></primitive>\
        <primitive id='b'/></resources><constraints><rsc_location id='l' rsc='a' node='n'/></constraints></configuration>\
        <status><node_state id='1' uname='n'/></status></cib>";

    fn edit(operation: Operation, place: Place, xml: &str) -> (Cib, Result<Applied, Refused>) {
        let mut cib = Cib::parse(CIB).unwrap();
        let write = Write::Edit { operation, place, xml: xml.into(), expected: None, author: Author::default() };
        let done = cib.apply(&write);
        (cib, done)
    }

    fn section(name: &str) -> Place {
        Place::Section((!name.is_empty()).then(|| name.to_owned()))
    }

    fn xpath(path: &str, all: bool) -> Place {
        Place::XPath { path: path.into(), all }
    }

    /// The part of the CIB that the path means, on one line.
    fn part(cib: &Cib, path: &str) -> String {
        let found = xpath::elements(cib.document(), path).unwrap();
        let text = |element: &Element| cib.document().element_to_xml(*element);
        found.iter().map(text).collect::<String>().lines().map(str::trim).collect()
    }

    #[test]
    fn as_cibadmin_does() {
        use Operation::{Create, Delete, Modify, Replace};
        let modify = Modify { create: false };
        for (operation, place, xml, path, expected) in [
            (Create, section("resources"), "<primitive id='c'/>", "//primitive[@id='c']", "<primitive id='c'/>"),
            (Create, section(""), "<rsc_location id='m'/>", "//constraints/*[2]", "<rsc_location id='m'/>"),
            (
                Create,
                section("resources"),
                "<resources><tag id='t'/><group id='g'/></resources>",
                "//resources/*[3]",
                "<tag id='t'/>",
            ),
            (Create, section("tags"), "<tag id='t'/>", "//tags", "<tags><tag id='t'/></tags>"),
            (Create, xpath("//primitive[@id='b']", false), "<op id='o'/>", "//op", "<op id='o'/>"),
            (
                modify,
                section("resources"),
                "<nvpair id='av' value='8'/>",
                "//nvpair",
                "<nvpair id='av' name='x' value='8'/>",
            ),
            (
                modify,
                section(""),
                "<nvpair id='av' value='value++'/>",
                "//nvpair",
                "<nvpair id='av' name='x' value='8'/>",
            ),
            (
                modify,
                section(""),
                "<nvpair id='av' value='value+=5'/>",
                "//nvpair",
                "<nvpair id='av' name='x' value='12'/>",
            ),
            (
                modify,
                section(""),
                "<primitive id='b'><op id='o'/></primitive>",
                "//primitive[2]",
                "<primitive id='b'><op id='o'/></primitive>",
            ),
            (
                Modify { create: true },
                section("constraints"),
                "<rsc_order id='o'/>",
                "//rsc_order",
                "<rsc_order id='o'/>",
            ),
            (
                Replace,
                section("resources"),
                "<primitive id='a' type='T'/>",
                "//resources/*[1]",
                "<primitive id='a' type='T'/>",
            ),
            (Replace, section("constraints"), "<constraints/>", "//constraints", "<constraints/>"),
            (Replace, xpath("//rsc_location", false), "<rsc_order id='o'/>", "//constraints/*", "<rsc_order id='o'/>"),
            (Delete, section("constraints"), "<rsc_location rsc='a'/>", "//constraints", "<constraints/>"),
            (Delete, section(""), "<primitive id='b'/>", "count(//primitive)=1 and //resources", ""),
            (Delete, xpath("//primitive", true), "", "//resources", "<resources/>"),
            (Delete, xpath("//primitive", false), "", "//resources", "<resources><primitive id='b'/></resources>"),
            (Delete, section("status"), "<node_state uname='n'/>", "//status", "<status/>"),
        ] {
            let (cib, done) = edit(operation, place.clone(), xml);
            let applied = done.unwrap_or_else(|error| panic!("{operation:?} {xml}: {error}"));
            assert!(applied.changed, "{operation:?} {place:?} {xml}");
            let status = xml.contains("node_state");
            assert_eq!(applied.configuration, !status, "{xml}");
            assert_eq!(cib.version().epoch, if status { 5 } else { 6 });
            if !path.starts_with("count") {
                assert_eq!(part(&cib, path), expected.replace('\'', "\""), "{operation:?} {place:?} {xml}");
            }
            // The patch brings a copy to the same configuration.
            let mut copy = Document::parse(CIB).unwrap();
            crate::patch::apply(&mut copy, &applied.patch).unwrap();
            let configuration = |d: &Document| d.element_to_xml(d.descend(&["configuration"]).unwrap());
            assert_eq!(configuration(&copy), configuration(cib.document()), "{operation:?} {xml}");
        }
    }

    #[test]
    fn what_cannot_be_done_changes_nothing() {
        use Operation::{Create, Delete, Modify, Replace};
        let modify = Modify { create: false };
        for (operation, place, xml, expected) in [
            (Create, section("resources"), "<primitive id='a'/>", "<primitive> 'a' already"),
            (modify, section("resources"), "<primitive id='z'/>", "<primitive> 'z' is not there"),
            (Replace, section("resources"), "<primitive id='z'/>", "is not there"),
            (Replace, section("tags"), "<tags/>", "section tags is not there"),
            (Replace, section(""), "<cib epoch='4'/>", "older"),
            (Delete, section("nowhere"), "<a/>", "no section"),
            (Create, xpath("//none", false), "<a/>", "is not there"),
            (Delete, xpath("//[", false), "", "no XPath"),
            (Delete, xpath("/cib", false), "", "root"),
            (Delete, xpath("/cib/configuration", false), "", "no <configuration>"),
            (modify, section(""), "", "no name"),
        ] {
            let (cib, done) = edit(operation, place, xml);
            let error = done.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(cib.digest(), Cib::parse(CIB).unwrap().digest());
        }
        // What is gone already is no error.
        for place in [section("resources"), xpath("//none", true)] {
            assert!(!edit(Delete, place, "<primitive id='z'/>").1.unwrap().changed);
        }
    }

    #[test]
    fn a_newer_whole_replaces_all() {
        let whole = "<cib epoch='9' num_updates='3'><configuration><resources/></configuration></cib>";
        let (cib, done) = edit(Operation::Replace, section(""), whole);
        assert!(done.unwrap().configuration);
        assert_eq!((cib.version().epoch, part(&cib, "//status")), (10, "<status/>".into()));
    }

    #[test]
    fn compare_and_set_counts_all_three() {
        let mut cib = Cib::parse(CIB).unwrap();
        let mut set = |expected| {
            let author = Author::default();
            let place = section("");
            cib.apply(&Write::Edit {
                operation: Operation::Modify { create: false },
                place,
                xml: "<nvpair id='av' value='value++'/>".into(),
                expected: Some(expected),
                author,
            })
        };
        let full = |epoch, num_updates| Expected { admin_epoch: 0, epoch, num_updates: Some(num_updates) };
        let error = set(full(5, 1)).unwrap_err().to_string();
        assert!(error.contains("0.5.1") && error.contains("0.5.0"), "{error}");
        assert!(set(full(5, 0)).is_ok());
        assert!(set((0, 5).into()).is_err());
        assert!(set((0, 6).into()).is_ok());
    }
}
