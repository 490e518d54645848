//! Patches in Pacemaker's form, `<diff format="2">`: what `crm_diff` prints and `cibadmin --patch` takes.

use super::path::find;
use super::{Change, Patch};
use crate::document::{Document, ParseError};

/// Why a text is no patch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// It is not even XML.
    #[error("the patch is not well-formed: {0}")]
    Xml(#[from] ParseError),
    /// It is XML, but no patch of this form.
    #[error("expected a patch as crm_diff writes it, <diff format=\"2\">, found {0}")]
    Form(String),
    /// One change misses something.
    #[error("change {number} of the patch ({operation}) {problem}")]
    Change {
        /// Which one, from 1.
        number: usize,
        /// What it says it does.
        operation: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Writes a patch that was made of `source` and leads to `target`; the versions of both stand in it.
pub fn write(patch: &Patch, source: &Document, target: &Document) -> String {
    let mut out = Document::new("diff");
    let root = out.root();
    out.set(root, "format", "2");
    let version = out.append(root, "version");
    for (name, document) in [("source", source), ("target", target)] {
        let element = out.append(version, name);
        for field in ["admin_epoch", "epoch", "num_updates"] {
            let value = document.attribute(document.root(), field).unwrap_or("0");
            out.set(element, field, value);
        }
    }
    for change in &patch.changes {
        let element = out.append(root, "change");
        let (operation, path) = match change {
            Change::Create { path, .. } => ("create", path),
            Change::Modify { path, .. } => ("modify", path),
            Change::Delete { path } => ("delete", path),
            Change::Move { path, .. } => ("move", path),
        };
        out.set(element, "operation", operation);
        out.set(element, "path", path);
        match change {
            Change::Create { position, xml, .. } => {
                out.set(element, "position", &position.to_string());
                // What was made by hand may be no XML; whoever reads the patch is told that nothing is to be created.
                if let Ok(fragment) = Document::parse(xml) {
                    out.graft(element, &fragment, fragment.root());
                }
            }
            Change::Move { position, .. } => out.set(element, "position", &position.to_string()),
            Change::Modify { path, set, unset } => {
                let list = out.append(element, "change-list");
                for (name, value) in set {
                    let one = out.append(list, "change-attr");
                    out.set(one, "name", name);
                    out.set(one, "operation", "set");
                    out.set(one, "value", value);
                }
                for name in unset {
                    let one = out.append(list, "change-attr");
                    out.set(one, "name", name);
                    out.set(one, "operation", "unset");
                }
                // Pacemaker takes all attributes of the result, in their order.
                if let Ok(Some(old)) = find(source, path, &[]) {
                    let result = out.append(element, "change-result");
                    let result = out.append(result, source.name(old));
                    for (name, value) in source.attributes(old).filter(|(name, _)| !unset.iter().any(|u| u == name)) {
                        out.set(result, name, value);
                    }
                    set.iter().for_each(|(name, value)| out.set(result, name, value));
                }
            }
            Change::Delete { .. } => {}
        }
    }
    out.to_xml()
}

/// Reads a patch. Positions in patches of Pacemaker's count comments too; here they count elements.
pub fn read(text: &str) -> Result<Patch, Error> {
    let document = Document::parse(text)?;
    let root = document.root();
    if document.name(root) != "diff" {
        return Err(Error::Form(format!("<{}>", document.name(root))));
    }
    match document.attribute(root, "format") {
        Some("2") => {}
        other => return Err(Error::Form(format!("format \"{}\"", other.unwrap_or("1")))),
    }
    let mut patch = Patch::default();
    for (index, element) in document.children_named(root, "change").enumerate() {
        let get = |name: &str| document.attribute(element, name);
        let operation = get("operation").unwrap_or("");
        let wrong = |problem: &str| Error::Change {
            number: index + 1,
            operation: operation.to_owned(),
            problem: problem.to_owned(),
        };
        let path = get("path").ok_or_else(|| wrong("has no path"))?.to_owned();
        let position = || {
            let text = get("position").unwrap_or("0");
            text.parse::<usize>().map_err(|_| wrong(&format!("has the position '{text}', which is no number")))
        };
        patch.changes.push(match operation {
            "create" => {
                // A comment to be created is left out: comments are not compared here.
                let Some(new) = document.children(element).next() else { continue };
                Change::Create { path, position: position()?, xml: document.element_to_xml(new) }
            }
            "delete" => Change::Delete { path },
            "move" => Change::Move { path, position: position()? },
            "modify" => {
                let list = document.child(element, "change-list").ok_or_else(|| wrong("has no change-list"))?;
                let (mut set, mut unset) = (Vec::new(), Vec::new());
                for attribute in document.children_named(list, "change-attr") {
                    let get = |name: &str| document.attribute(attribute, name);
                    let name = get("name").ok_or_else(|| wrong("has a change-attr without a name"))?.to_owned();
                    match get("operation") {
                        Some("unset") => unset.push(name),
                        _ => set.push((name, get("value").unwrap_or("").to_owned())),
                    }
                }
                Change::Modify { path, set, unset }
            }
            _ => return Err(wrong("is unknown; expected create, modify, delete or move")),
        });
    }
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use super::super::{apply, diff};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_crm_diff_writes() {
        // The form crm_diff prints, with each kind of change.
        let text = r#"<diff format="2">
          <version><source admin_epoch="0" epoch="1" num_updates="0"/><target admin_epoch="0" epoch="2" num_updates="0"/></version>
          <change operation="delete" path="/cib/r/p[@id='c']"/>
          <change operation="modify" path="/cib">
            <change-list><change-attr name="epoch" operation="set" value="2"/><change-attr name="x" operation="unset"/></change-list>
            <change-result><cib epoch="2"/></change-result>
          </change>
          <change operation="create" path="/cib/r" position="0"><p id="n"><q id="m"/></p></change>
          <change operation="move" path="/cib/r/p[@id='b']" position="1"/>
        </diff>"#;
        let mut document =
            Document::parse("<cib epoch='1' x=''><r><p id='a'/><p id='b'/><p id='c'/></r></cib>").unwrap();
        apply(&mut document, &read(text).unwrap()).unwrap();
        let expected =
            "<cib epoch='2'><r><p id='n'><q id='m'/></p><p id='b'/><p id='a'/></r></cib>".replace('\'', "\"");
        assert_eq!(document.to_xml().lines().map(str::trim).collect::<String>(), expected);
    }

    #[test]
    fn writes_both_versions() {
        let a = Document::parse("<cib epoch='3'/>").unwrap();
        let b = Document::parse("<cib epoch='4' num_updates='1'/>").unwrap();
        let text = write(&diff(&a, &b), &a, &b);
        assert!(text.contains("<source admin_epoch=\"0\" epoch=\"3\" num_updates=\"0\"/>"), "{text}");
        assert!(text.contains("<cib epoch=\"4\" num_updates=\"1\"/>"), "{text}");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, expected) in [
            ("<diff", "not well-formed"),
            ("<cib/>", "found <cib>"),
            ("<diff/>", "format \"1\""),
            ("<diff format='2'><change operation='modify'/></diff>", "change 1 of the patch (modify) has no path"),
            ("<diff format='2'><change operation='modify' path='/a'/></diff>", "has no change-list"),
            ("<diff format='2'><change operation='move' path='/a' position='-1'/></diff>", "no number"),
            ("<diff format='2'><change operation='twist' path='/a'/></diff>", "unknown"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*", operation in "create|delete|move|modify|x", path in "[/a-z\\[\\]@='0-9]*", n in "[-0-9]*") {
            let _ = read(&text);
            let change = format!("<change operation='{operation}' path=\"{path}\" position='{n}'><a/><change-list><change-attr name='{n}'/></change-list></change>");
            if let Ok(patch) = read(&format!("<diff format='2'>{change}</diff>")) {
                let mut document = Document::parse("<a><b/></a>").unwrap();
                let _ = apply(&mut document, &patch);
            }
        }
    }
}
