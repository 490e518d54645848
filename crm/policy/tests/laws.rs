//! Laws of planning on CIBs that were changed at random: no document makes it panic, the same document gives the same
//! plan, and what cannot run anything changes nothing for the rest. The documents are the cases of the conformance
//! tests.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use cib::{Document, Element};
use policy::{Input, plan};
use proptest::prelude::*;

static CASES: LazyLock<Vec<(String, Document)>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases/policy");
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(path.join("cib.xml")).unwrap();
        (path.display().to_string(), Document::parse(&text).unwrap())
    };
    names.into_iter().map(read).collect()
});

/// Values that have broken readers before: numbers out of range, empty text, colons, other elements' ids.
const VALUES: [&str; 18] = [
    "",
    "0",
    "-1",
    "99999999999999999999",
    "INFINITY",
    "-INFINITY",
    "true",
    "ip",
    "ip:0",
    ":",
    "north",
    "start",
    "Promoted",
    "10s",
    "P",
    "\u{e9}:\u{2028}",
    "%0%9",
    "(",
];

/// Takes one step of damage.
fn damage(document: &mut Document, (place, kind, name, value): (usize, u8, usize, usize)) {
    let elements: Vec<Element> = document.descendants(document.root()).collect();
    let element = elements[place % elements.len()];
    let value = VALUES[value % VALUES.len()];
    let names: Vec<String> = document.attributes(element).map(|(name, _)| name.to_owned()).collect();
    match (kind % 5, names.get(name % names.len().max(1))) {
        (0, Some(name)) => document.set(element, name, value),
        (1, Some(name)) => document.unset(element, name),
        (2, _) if element != document.root() => document.remove(element),
        (3, _) => {
            let other = elements[name % elements.len()];
            let source = document.clone();
            document.graft(element, &source, other);
        }
        _ => {
            let known = ["meta_attributes", "nvpair", "op", "rule", "clone", "group", "resource_set", "lrm_rsc_op"];
            let fresh = document.append(element, known[name % known.len()]);
            document.set(fresh, "id", value);
        }
    }
}

fn actions(document: &Document) -> Vec<String> {
    let plan = plan(&Input::new(document, 1_700_000_000));
    plan.transition.ids().map(|id| format!("{:?}", plan.transition.action(id))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_document_makes_it_panic(
        case in any::<prop::sample::Index>(),
        steps in prop::collection::vec((any::<usize>(), any::<u8>(), any::<usize>(), any::<usize>()), 1..6),
    ) {
        let (_, mut document) = CASES[case.index(CASES.len())].clone();
        for step in steps {
            damage(&mut document, step);
        }
        let first = actions(&document);
        prop_assert_eq!(first, actions(&document), "the same document gives the same plan");
    }
}

/// A resource as the plan places it: its id and where it will be.
fn places(document: &Document) -> Vec<(String, Option<String>)> {
    let plan = plan(&Input { explain: true, ..Input::new(document, 1_700_000_000) });
    plan.reasons.iter().map(|explanation| (explanation.resource.clone(), explanation.next.clone())).collect()
}

#[test]
fn a_node_in_standby_changes_nothing_for_the_rest() {
    for (name, document) in CASES.iter() {
        // A clone has one more instance, a node that must be fenced makes others wait: those see another node.
        let text = document.to_xml();
        if text.contains("<clone") || text.contains("stonith-enabled\" value=\"true") {
            continue;
        }
        let mut wider = document.clone();
        let nodes = wider.descend(&["configuration", "nodes"]).unwrap();
        let node = wider.append(nodes, "node");
        wider.set(node, "id", "99");
        wider.set(node, "uname", "zenith");
        let attributes = wider.append(node, "instance_attributes");
        wider.set(attributes, "id", "zenith-attributes");
        let standby = wider.append(attributes, "nvpair");
        wider.set(standby, "id", "zenith-standby");
        wider.set(standby, "name", "standby");
        wider.set(standby, "value", "on");
        assert_eq!(places(document), places(&wider), "{name}");
    }
}
