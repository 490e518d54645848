//! Resources as the commands that make them again.

use cib::{Document, Element};

use super::text::{self, operation_options};
use crate::agent::Name;
use crate::call::Call;
use crate::nvset;
use crate::tree;

/// A word as a shell takes it.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\"'\"'")),
    }
}

fn pairs(cib: &Document, parent: Element, kind: &str) -> Vec<String> {
    let mut pairs = nvset::read(cib, parent, kind);
    pairs.sort();
    pairs.iter().map(|(name, value)| shell(&format!("{name}={value}"))).collect()
}

fn attributes(cib: &Document, element: Element, names: &[&str]) -> String {
    let of = |name: &&str| cib.attribute(element, name).map(|value| shell(&format!("{name}={value}")));
    names.iter().filter_map(of).collect::<Vec<_>>().join(" ")
}

/// The commands as lines; all but the last command end in a semicolon.
pub fn lines(call: &mut Call<'_>, chosen: &[Element], stonith: bool) -> Vec<String> {
    let cib = call.cib.clone();
    let within = |kinds: &[&str]| -> Vec<Element> {
        chosen.iter().copied().filter(|one| kinds.contains(&cib.name(*one))).collect()
    };
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut told = Vec::new();
    // A bundle stands before what is put into it, and both before all that is in none.
    let mut primitives = Vec::new();
    for one in within(&["bundle"]) {
        commands.push(bundle(&cib, one));
        for inner in cib.children_named(one, "primitive") {
            commands.push(primitive(&cib, inner, stonith));
            primitives.push(inner);
        }
    }
    for one in within(&["primitive"]).into_iter().filter(|one| !primitives.contains(one)) {
        if cib.children_named(one, "instance_attributes").count() + cib.children_named(one, "meta_attributes").count()
            > 2
        {
            told.push(format!(
                "Resource '{}' has several sets of attributes, only the first of each is shown",
                cib.id(one)
            ));
        }
        commands.push(primitive(&cib, one, stonith));
        let amounts = pairs(&cib, one, "utilization");
        if !amounts.is_empty() {
            commands.push(vec![format!("pcs resource utilization {}", cib.id(one)), amounts.join(" ")]);
        }
    }
    for one in within(&["group"]) {
        let ids: Vec<&str> = cib.children_named(one, "primitive").map(|one| cib.id(one)).collect();
        commands.push(vec![format!("pcs resource group add {}", cib.id(one)), ids.join(" ")]);
        let meta = pairs(&cib, one, "meta_attributes");
        if !meta.is_empty() {
            commands.push(vec![format!("pcs resource meta {}", cib.id(one)), meta.join(" ")]);
        }
    }
    for one in within(&["clone", "master"]) {
        let inner = cib.children(one).find(|one| matches!(cib.name(*one), "primitive" | "group"));
        let inner = inner.map(|inner| cib.id(inner)).unwrap_or("");
        let mut command = vec![format!("pcs resource clone {inner} {}", cib.id(one))];
        let mut meta = pairs(&cib, one, "meta_attributes");
        if cib.name(one) == "master" {
            meta.push("promotable=true".into());
        }
        if !meta.is_empty() {
            command.push(format!("meta {}", meta.join(" ")));
        }
        commands.push(command);
    }
    if stonith {
        told.push("Only 'text' output format is supported for stonith levels".into());
    }
    told.into_iter().for_each(|line| call.warn(line));
    let texts: Vec<String> = commands.iter().map(|parts| parts.join(" \\\n  ")).collect();
    if texts.is_empty() { Vec::new() } else { vec![texts.join(";\n")] }
}

fn primitive(cib: &Document, one: Element, stonith: bool) -> Vec<String> {
    let (id, name) = (cib.id(one), Name::of(cib, one));
    let mut parts = vec![match stonith {
        true => format!("pcs stonith create --no-default-ops --force -- {id} {}", name.kind),
        false => format!("pcs resource create --no-default-ops --force -- {id} {name}"),
    }];
    let options = pairs(cib, one, "instance_attributes");
    if !options.is_empty() {
        parts.push(options.join(" "));
    }
    let operations = cib.child(one, "operations");
    let ops: Vec<Element> =
        operations.into_iter().flat_map(|operations| cib.children_named(operations, "op")).collect();
    if !ops.is_empty() {
        parts.push("op".into());
        for op in ops {
            let options = operation_options(cib, op);
            let words: Vec<String> = options.iter().map(|(name, value)| shell(&format!("{name}={value}"))).collect();
            parts.push(format!("  {} {}", cib.attribute(op, "name").unwrap_or(""), words.join(" ")));
        }
    }
    let meta = pairs(cib, one, "meta_attributes");
    if !meta.is_empty() {
        parts.push(format!("meta {}", meta.join(" ")));
    }
    if let Some(bundle) = tree::parent_resource(cib, one).filter(|parent| cib.name(*parent) == "bundle") {
        parts.push(format!("bundle {}", cib.id(bundle)));
    }
    parts
}

fn bundle(cib: &Document, bundle: Element) -> Vec<String> {
    let mut parts = vec![format!("pcs resource bundle create {}", cib.id(bundle))];
    for one in cib.children(bundle) {
        match cib.name(one) {
            kind @ ("docker" | "podman" | "rkt") => {
                parts.push(format!("container {kind}"));
                parts.push(format!("  {}", attributes(cib, one, text::CONTAINER)));
            }
            "network" => {
                let own = attributes(cib, one, text::NETWORK);
                if !own.is_empty() {
                    parts.push(format!("network {own}"));
                }
                mappings(cib, one, "port-map", text::PORT, &mut parts);
            }
            "storage" => mappings(cib, one, "storage-map", text::STORAGE, &mut parts),
            _ => {}
        }
    }
    let meta = pairs(cib, bundle, "meta_attributes");
    if !meta.is_empty() {
        parts.push(format!("meta {}", meta.join(" ")));
    }
    parts
}

fn mappings(cib: &Document, parent: Element, word: &str, names: &[&str], parts: &mut Vec<String>) {
    for one in cib.children(parent) {
        parts.push(format!("{word} {}", attributes(cib, one, names)));
    }
}
