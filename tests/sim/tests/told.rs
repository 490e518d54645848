//! Every file of `scripts` and `incidents` is a scenario told as text; what it may say is in `sim::script`.

use std::path::Path;

fn all_of(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut failed = Vec::new();
    let mut many = 0;
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder is there").flatten().map(|e| e.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "script"));
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("scripts are text");
        many += 1;
        if let Err(error) = sim::script::play(&text) {
            failed.push(format!("{}: {error}", file.display()));
        }
    }
    assert!(many > 0, "no scripts in {}", folder.display());
    assert!(failed.is_empty(), "{} of {many} scripts failed:\n{}", failed.len(), failed.join("\n\n"));
}

#[test]
fn the_list_of_incidents_is_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents");
    let list = std::fs::read_to_string(folder.join("README.md")).expect("the list is there");
    let told = list.split("Not here, and why").next().unwrap_or("");
    let listed: std::collections::BTreeSet<String> = told
        .lines()
        .filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| ").map(|(_, script)| script.to_owned()))
        .filter(|script| script != "told by")
        .collect();
    let files = std::fs::read_dir(&folder).expect("the folder is there").flatten().map(|entry| entry.path());
    let there = files
        .filter(|file| file.extension().is_some_and(|end| end == "script"))
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    assert_eq!(listed, there, "each script is listed, and each that is listed is there");
}

#[test]
fn every_script_goes_as_it_says() {
    all_of("scripts");
}

#[test]
fn every_incident_is_stood() {
    all_of("incidents");
}
