//! Holds the architecture true.

use tidy::{Finding, layers, purity, sources, workspace};

fn none(findings: Vec<Finding>) {
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "\n{}\n", text.join("\n"));
}

#[test]
fn crates_name_only_lower_ones() {
    none(layers::check(&workspace::crates()));
}

#[test]
fn pure_crates_are_pure() {
    none(purity::check(&workspace::crates()));
}

#[test]
fn every_file_says_what_it_is_and_promises_nothing() {
    let folders = ["schemas", "crm", "agents", "fencing", "tests"];
    let files: Vec<(String, String)> = folders.iter().flat_map(|folder| workspace::sources(folder)).collect();
    assert!(files.len() > 50, "the sources were found");
    none(files.iter().flat_map(|(file, text)| sources::check(file, text)).collect());
}

#[test]
fn every_crate_has_its_place_in_the_architecture() {
    let page = std::fs::read_to_string(workspace::root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let missing: Vec<String> = workspace::crates()
        .into_iter()
        .filter(|one| !page.contains(&format!("{}/", one.name)))
        .map(|one| format!("ARCHITECTURE.md does not say what {} is", one.folder))
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
