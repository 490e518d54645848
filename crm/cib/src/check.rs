//! What is wrong, or looks wrong, in a configuration: one rule per file, listed in [`RULES`]. A finding says where, what
//! and how to mend it; whether it is worth refusing is for the caller to decide.

mod dangling_reference;
mod duplicate_id;
mod header;
mod missing_attribute;
mod operation;
mod schema;
mod unknown_element;
mod value;

use std::fmt;

use crate::document::{Document, Element, Position, caret};

/// How bad a finding is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The cluster cannot do what is meant.
    Error,
    /// The cluster can do something, but perhaps not what is meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where the element began, if it was read from a text.
    pub position: Option<Position>,
    /// The element as people name it: `primitive web`, `nvpair in cib-bootstrap-options`.
    pub element: String,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
    /// What to do, likewise.
    pub remedy: String,
}

impl Finding {
    /// The finding as compilers print it: place, message, the line with a caret, the remedy.
    pub fn render(&self, file: &str, source: &str) -> String {
        let text = match self.position {
            Some(position) => caret(file, source, position, &self.to_string()),
            None => format!("{file}: {self}"),
        };
        format!("{text}\n    help: {}", self.remedy)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}: {}", self.element, self.message)
    }
}

/// A rule looks at a document and reports what it finds.
type Rule = fn(&Report<'_>) -> Vec<Finding>;

/// All rules, in the order in which their findings are made.
const RULES: &[Rule] = &[
    duplicate_id::check,
    dangling_reference::check,
    missing_attribute::check,
    value::check,
    operation::check,
    unknown_element::check,
];

/// What a rule works on.
struct Report<'d> {
    document: &'d Document,
    configuration: Element,
}

impl Report<'_> {
    fn error(&self, element: Element, message: String, remedy: String) -> Finding {
        self.finding(Severity::Error, element, message, remedy)
    }

    fn warning(&self, element: Element, message: String, remedy: String) -> Finding {
        self.finding(Severity::Warning, element, message, remedy)
    }

    fn finding(&self, severity: Severity, element: Element, message: String, remedy: String) -> Finding {
        finding(self.document, severity, element, message, remedy)
    }
}

fn finding(document: &Document, severity: Severity, element: Element, message: String, remedy: String) -> Finding {
    Finding { severity, position: document.position(element), element: called(document, element), message, remedy }
}

/// What to call an element: by its id, by its name attribute, or by what it stands in.
fn called(document: &Document, element: Element) -> String {
    let name = document.name(element);
    if let Some(id) = document.attribute(element, "id") {
        return format!("{name} {id}");
    }
    let around = std::iter::successors(document.parent(element), |at| document.parent(*at));
    match around.into_iter().find_map(|at| document.attribute(at, "id")) {
        Some(id) => format!("{name} in {id}"),
        None => name.to_owned(),
    }
}

/// Everything that is wrong in a CIB, errors before warnings, each in document order.
///
/// ```
/// use cib::{check, Document};
/// let text = "<cib><configuration><constraints>
///   <rsc_location id='l' rsc='web' node='a' score='100'/>
/// </constraints></configuration></cib>";
/// let findings = check::check(&Document::parse(text).unwrap());
/// assert_eq!(findings[0].render("cib.xml", text), "\
/// cib.xml:2:3: error: rsc_location l: rsc=\"web\" names a resource that is not there
///       <rsc_location id='l' rsc='web' node='a' score='100'/>
///       ^
///     help: create the resource web, or take the constraint away");
/// ```
pub fn check(document: &Document) -> Vec<Finding> {
    let root = document.root();
    if document.name(root) != "cib" {
        let message = format!("expected <cib> as the root element, found <{}>", document.name(root));
        let remedy = "give a whole CIB, as `cibadmin --query` or `pcs cluster cib` print it".to_owned();
        return vec![finding(document, Severity::Error, root, message, remedy)];
    }
    let Some(configuration) = document.child(root, "configuration") else {
        let message = "there is no <configuration> in it".to_owned();
        let remedy = "put crm_config, nodes, resources and constraints into a <configuration>".to_owned();
        return vec![finding(document, Severity::Error, root, message, remedy)];
    };
    let report = Report { document, configuration };
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&report)).collect();
    sort(&mut findings);
    findings
}

/// Everything that is wrong, and what only the schema refuses: Pacemaker would not take such a CIB either, though a
/// plan may be made from it.
pub fn strict(document: &Document) -> Vec<Finding> {
    let mut findings = check(document);
    if document.name(document.root()) == "cib" {
        let refused = schema::check(document, &findings);
        findings.extend(refused);
        sort(&mut findings);
    }
    findings
}

/// Everything that is wrong in a CIB from a file, its first line included, which [`strict`] does not look at: what is made
/// here has none yet.
pub fn whole(document: &Document) -> Vec<Finding> {
    let mut findings = strict(document);
    if document.name(document.root()) == "cib" {
        findings.extend(header::check(document));
        sort(&mut findings);
    }
    findings
}

/// Whether Pacemaker's tools would take a CIB: its first line, and what [`conforms`] looks at.
///
/// ```
/// use cib::{Document, check::is_taken};
/// let of = |said: &str| {
///     let inside = "<configuration><crm_config/><nodes/><resources/><constraints/></configuration>";
///     Document::parse(&format!("<cib {said}>{inside}<status/></cib>")).unwrap()
/// };
/// assert!(is_taken(&of("validate-with='pacemaker-3.9' admin_epoch='0' epoch='1' num_updates='0'")));
/// assert!(!is_taken(&of("admin_epoch='0' epoch='1' num_updates='0'")));
/// ```
pub fn is_taken(document: &Document) -> bool {
    header::check(document).is_empty() && conforms(document)
}

/// Whether Pacemaker's tools would take a configuration: whether it is as the schema says. It is fast, and does not say
/// what is wrong; [`strict`] does.
///
/// ```
/// use cib::{Document, check::conforms};
/// let of = |inside: &str| Document::parse(&format!("<cib><configuration>{inside}</configuration><status/></cib>")).unwrap();
/// assert!(conforms(&of("<crm_config/><nodes/><resources/><constraints/>")));
/// assert!(!conforms(&of("<crm_config/><nodes/><resources><primitive id='a'/></resources><constraints/>")));
/// ```
pub fn conforms(document: &Document) -> bool {
    schema::takes_configuration(document)
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (finding.severity, finding.position.map_or((0, 0), |p| (p.line, p.column))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Checks a configuration and compares what is found, one line each.
    #[track_caller]
    pub(super) fn expect(configuration: &str, expected: &[&str]) {
        let document = Document::parse(&format!("<cib><configuration>{configuration}</configuration></cib>")).unwrap();
        let findings = check(&document);
        assert_eq!(findings.iter().map(Finding::to_string).collect::<Vec<_>>(), expected);
        assert!(findings.iter().all(|f| f.position.is_some() && !f.remedy.is_empty() && !f.remedy.ends_with('.')));
    }

    #[test]
    fn a_good_configuration_is_good() {
        expect(
            "<crm_config><cluster_property_set id='b'><nvpair id='b1' name='stonith-enabled' value='false'/></cluster_property_set></crm_config>
             <nodes><node id='1' uname='alpha'/></nodes>
             <resources><group id='g'><primitive id='ip' class='ocf' provider='heartbeat' type='IPaddr2'>
               <operations><op id='m' name='monitor' interval='10s'/></operations></primitive></group></resources>
             <constraints><rsc_location id='l' rsc='g' node='alpha' score='INFINITY'/></constraints>",
            &[],
        );
    }

    #[test]
    fn what_is_no_cib() {
        let of = |text: &str| check(&Document::parse(text).unwrap())[0].to_string();
        assert_eq!(
            of("<configuration/>"),
            "error: configuration: expected <cib> as the root element, found <configuration>"
        );
        assert_eq!(of("<cib/>"), "error: cib: there is no <configuration> in it");
    }

    #[test]
    fn findings_without_a_place_say_so_plainly() {
        let mut document = Document::new("cib");
        let configuration = document.append(document.root(), "configuration");
        document.append(configuration, "resorces");
        let findings = check(&document);
        assert!(findings[0].render("f", "").starts_with("f: error: resorces: "), "{findings:?}");
    }

    /// Names and values that mean something in a CIB, put where they may not belong.
    fn element() -> impl Strategy<Value = String> {
        let names = prop::sample::select(vec![
            "crm_config",
            "cluster_property_set",
            "nodes",
            "node",
            "resources",
            "primitive",
            "group",
            "clone",
            "bundle",
            "template",
            "operations",
            "op",
            "instance_attributes",
            "meta_attributes",
            "nvpair",
            "constraints",
            "rsc_location",
            "rsc_order",
            "rsc_colocation",
            "rsc_ticket",
            "resource_set",
            "resource_ref",
            "rule",
            "expression",
            "date_expression",
            "date_spec",
            "duration",
            "tags",
            "tag",
            "obj_ref",
            "fencing-topology",
            "fencing-level",
            "acls",
            "acl_target",
            "role",
            "alerts",
            "alert",
            "recipient",
            "utilization",
        ]);
        let keys = prop::sample::select(vec![
            "id",
            "id-ref",
            "name",
            "value",
            "score",
            "rsc",
            "with-rsc",
            "first",
            "then",
            "node",
            "class",
            "type",
            "template",
            "interval",
            "timeout",
            "kind",
            "role",
            "operation",
            "boolean-op",
            "target",
            "index",
            "devices",
        ]);
        let values = prop_oneof![
            prop::sample::select(vec![
                "a",
                "b",
                "INFINITY",
                "10s",
                "monitor",
                "stonith-enabled",
                "true",
                "-5",
                "date_spec"
            ])
            .prop_map(String::from),
            "[^'<&]{0,6}",
        ];
        let attributes = || {
            prop::collection::btree_map(keys.clone(), values.clone(), 0..4)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| format!(" {key}='{value}'")).collect::<String>())
        };
        let leaf = (names.clone(), attributes()).prop_map(|(name, attributes)| format!("<{name}{attributes}/>"));
        let attributes = attributes().boxed();
        leaf.prop_recursive(5, 40, 6, move |inner| {
            (names.clone(), attributes.clone(), prop::collection::vec(inner, 0..6))
                .prop_map(|(name, attributes, below)| format!("<{name}{attributes}>{}</{name}>", below.concat()))
        })
    }

    proptest! {
        #[test]
        fn never_panics(elements in prop::collection::vec(element(), 0..8), text in ".*") {
            if let Ok(document) = Document::parse(&text) {
                check(&document);
            }
            let text = format!("<cib><configuration>{}</configuration></cib>", elements.concat());
            if let Ok(document) = Document::parse(&text) {
                for finding in check(&document) {
                    finding.render("f", &text);
                }
                let context = crate::rule::Context::at(0);
                for resource in crate::view::resources(&document).iter().flat_map(crate::view::Resource::all) {
                    crate::view::meta(&document, resource.element, &context);
                    crate::view::operations(&document, resource.element);
                }
                for constraint in crate::view::constraints(&document) {
                    constraint.resources(&document);
                }
                crate::view::fence_devices(&document, &context);
                for element in document.descendants(document.root()).filter(|e| document.name(*e) == "rule") {
                    crate::rule::evaluate(&document, element, &context);
                }
            }
        }
    }
}
