//! What the project consists of: its crates with what they name, and its source files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One crate of the workspace.
#[derive(Clone, Debug)]
pub struct Crate {
    /// Its name; the same as its folder's.
    pub name: String,
    /// Its folder, from the root, such as `crm/cib`.
    pub folder: String,
    /// What it names under `[dependencies]`.
    pub dependencies: BTreeSet<String>,
}

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/tidy lies two levels deep").to_owned()
}

/// All crates, by folder.
pub fn crates() -> Vec<Crate> {
    let root = root();
    let mut folders = vec!["schemas".to_owned()];
    for group in ["crm", "agents", "fencing", "tests"] {
        folders.extend(subfolders(&root.join(group)).into_iter().map(|name| format!("{group}/{name}")));
    }
    folders.sort();
    folders
        .into_iter()
        .filter(|folder| root.join(folder).join("Cargo.toml").exists())
        .map(|folder| read_crate(&root, folder))
        .collect()
}

fn subfolders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()));
    entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn read_crate(root: &Path, folder: String) -> Crate {
    let path = root.join(&folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    let mut section = String::new();
    let (mut name, mut dependencies) = (String::new(), BTreeSet::new());
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[') {
            section = title.trim_end_matches(']').to_owned();
            if let Some(dependency) = section.strip_prefix("dependencies.") {
                dependencies.insert(dependency.to_owned());
            }
        } else if let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            match section.as_str() {
                "package" if key == "name" => name = value.trim_matches('"').to_owned(),
                "dependencies" => drop(dependencies.insert(key.split('.').next().unwrap_or(key).to_owned())),
                _ => {}
            }
        }
    }
    Crate { name, folder, dependencies }
}

/// All Rust files below a folder of the project, by path from the root.
pub fn sources(folder: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if entry.file_name() != "target" {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
                found.push((name, text));
            }
        }
    }
    found.sort();
    found
}
