//! The law of the short form: what is written of a CIB and built upon it again is that CIB. Tried on every CIB of the
//! recorded cases.

use std::fs;
use std::path::{Path, PathBuf};

use cib::Document;

fn files(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            into.push(path);
        }
    }
}

fn cibs() -> Vec<(PathBuf, Document)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    files(&root.join("tests/conformance/cases"), &mut found);
    files(&root.join("examples"), &mut found);
    let document = |path: &PathBuf| Document::parse(&fs::read_to_string(path).ok()?).ok();
    let cibs = found.into_iter().filter_map(|path| Some((path.clone(), document(&path)?)));
    cibs.filter(|(_, cib)| cib.name(cib.root()) == "cib" && cib.descend(&["configuration", "resources"]).is_some())
        .collect()
}

fn difference(a: &Document, b: &Document) -> Option<String> {
    let changes = cib::patch::diff(a, b).changes;
    (!changes.is_empty()).then(|| format!("{changes:#?}"))
}

#[test]
fn nothing_is_lost_between_a_cib_and_its_short_form() {
    let cibs = cibs();
    assert!(cibs.len() > 50, "only {} CIBs were found", cibs.len());
    let (mut short, mut all) = (0, 0);
    for (path, cib) in cibs {
        let desired = desired::of(&cib);
        let text = desired::write(&desired);
        let read = desired::read(&text).unwrap_or_else(|problem| panic!("{}: {problem}\n{text}", path.display()));
        assert_eq!(read, desired, "{}:\n{text}", path.display());
        let built = desired::build(&read, &cib).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        if let Some(difference) = difference(&cib, &built) {
            panic!("{}:\n{difference}\n{text}", path.display());
        }
        all += desired.resources.len();
        short += desired.resources.iter().filter(|one| !matches!(one.kind, desired::Kind::Xml(_))).count();
        // On a cluster that has nothing yet it makes what is the same but for ids.
        let mut bare = cib.clone();
        let emptied: Vec<_> = ["resources", "constraints", "crm_config", "tags", "fencing-topology"]
            .iter()
            .filter_map(|name| bare.descend(&["configuration", name]))
            .flat_map(|section| bare.children(section).collect::<Vec<_>>())
            .collect();
        emptied.into_iter().for_each(|one| bare.remove(one));
        let anew = desired::build(&read, &bare).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        assert_eq!(desired::of(&anew).resources, desired.resources, "{}", path.display());
        let again = desired::build(&read, &anew).unwrap();
        assert_eq!(difference(&anew, &again), None, "{}: a second time changes nothing", path.display());
    }
    assert!(short * 10 > all * 8, "{short} of {all} resources have a short form");
}
