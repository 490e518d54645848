//! `cargo run -p conformance --example check -- CIB...`: plans each CIB and mutants of it (each node lost, in standby,
//! in maintenance; each resource unmanaged; each operation failed) and holds every plan against what must hold for all.
//! Ends with the numbers, and with status 1 if a plan is unsound. A circle in the plan of a mutant does not count: it
//! comes from orders that contradict each other there, and Pacemaker's plans have the same ones. It is only named.

use cib::{Document, Element};
use policy::{Input, plan};

/// Mutants of one CIB: a large one has thousands of operations, each failing much like the others.
const MOST_MUTANTS: usize = 60;

const UNCHANGED: &str = "as it is";

type Change<'a> = (String, Box<dyn Fn(&mut Document) + 'a>);

fn pair(document: &mut Document, owner: Element, set: &str, name: &str, value: &str) {
    let set = document.append(owner, set);
    document.set(set, "id", "mutant-set");
    let pair = document.append(set, "nvpair");
    for (key, value) in [("id", "mutant"), ("name", name), ("value", value)] {
        document.set(pair, key, value);
    }
}

fn changes(document: &Document) -> Vec<Change<'static>> {
    let mut all: Vec<Change> = Vec::new();
    for element in document.descendants(document.root()) {
        let id = document.id(element).to_owned();
        match document.name(element) {
            "node" => {
                for state in ["standby", "maintenance"] {
                    let set =
                        move |document: &mut Document| pair(document, element, "instance_attributes", state, "true");
                    all.push((format!("{state} {id}"), Box::new(set)));
                }
            }
            "node_state" => {
                let lose = move |document: &mut Document| {
                    document.set(element, "in_ccm", "false");
                    document.set(element, "crmd", "offline");
                };
                all.push((format!("{id} lost"), Box::new(lose)));
            }
            "primitive" | "group" | "clone" | "master" => {
                let unmanage =
                    move |document: &mut Document| pair(document, element, "meta_attributes", "is-managed", "false");
                all.push((format!("{id} unmanaged"), Box::new(unmanage)));
            }
            "lrm_rsc_op" => {
                let fail = move |document: &mut Document| {
                    let magic = document.attribute(element, "transition-magic").unwrap_or_default().to_owned();
                    let key = magic.split_once(';').map_or(magic.as_str(), |(_, key)| key);
                    document.set(element, "transition-magic", &format!("0:1;{key}"));
                    document.set(element, "rc-code", "1");
                    document.set(element, "op-status", "0");
                };
                all.push((format!("{id} failed"), Box::new(fail)));
            }
            _ => {}
        }
    }
    let step = all.len().div_ceil(MOST_MUTANTS).max(1);
    all.into_iter().step_by(step).collect()
}

fn main() {
    let (mut plans, mut circles, mut unsound) = (0, 0, 0);
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {path}: {error}"));
        let document = match Document::parse(&text) {
            Ok(document) => document,
            Err(error) => {
                println!("{path}: {error}");
                continue;
            }
        };
        let now = document.attribute(document.root(), "execution-date").and_then(|when| when.parse().ok());
        let unchanged: Change = (UNCHANGED.into(), Box::new(|_| {}));
        for (what, change) in std::iter::once(unchanged).chain(changes(&document)) {
            let mut mutant = document.clone();
            change(&mut mutant);
            plans += 1;
            if let Err(findings) =
                transition::check(&plan(&Input::new(&mutant, now.unwrap_or(1_700_000_000))).transition)
            {
                let circle = findings.iter().all(|finding| finding.ends_with("wait for each other"));
                if circle && what != UNCHANGED {
                    circles += 1;
                } else {
                    unsound += 1;
                }
                println!("{path}, {what}: {}", findings.join("; "));
            }
        }
    }
    println!("{plans} plans, {circles} with a circle, {unsound} unsound");
    std::process::exit(i32::from(unsound > 0));
}
