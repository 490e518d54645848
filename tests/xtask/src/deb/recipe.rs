//! The package's recipe, `[package.metadata.deb]` of `crm/cli/Cargo.toml`: as much of cargo-deb's as stands there, and no
//! more. What is not known is refused, so that nothing is in the one package and not in the other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use toml_edit::{DocumentMut, Item};

/// cargo-deb takes this for the directory of the programs, wherever that is.
const PROGRAMS: &str = "target/release/";
/// Everything that may stand in the recipe.
const KNOWN: [&str; 13] = [
    "name",
    "maintainer",
    "section",
    "priority",
    "depends",
    "recommends",
    "suggests",
    "extended-description",
    "maintainer-scripts",
    "changelog",
    "preserve-symlinks",
    "assets",
    "revision",
];

/// A file of the package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Where it is now.
    pub source: PathBuf,
    /// Where it goes, from the root, without the first slash.
    pub place: String,
    /// Its permissions.
    pub mode: u32,
    /// Whether it is a program of ours, which the linker left its symbols in.
    pub is_program: bool,
}

/// What is needed to make the package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipe {
    /// Fields of the control file that are taken as they are, `Depends` left out.
    pub fields: Vec<(&'static str, String)>,
    /// The name.
    pub name: String,
    /// Version and revision.
    pub version: String,
    /// What it depends on besides what the programs are linked with.
    pub depends: String,
    /// One line, then more.
    pub description: String,
    /// The directory of its scripts.
    pub scripts: PathBuf,
    /// Debian's changelog.
    pub changelog: PathBuf,
    /// The files.
    pub files: Vec<File>,
}

impl Recipe {
    /// Reads that of the crate in this folder, whose programs are in that one.
    pub fn read(folder: &Path, programs: &Path) -> Result<Recipe> {
        let path = folder.join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let manifest: DocumentMut = text.parse().with_context(|| format!("reading {}", path.display()))?;
        let package = &manifest["package"];
        let deb = package["metadata"]["deb"].as_table().context("expected [package.metadata.deb]")?;
        for (key, _) in deb {
            ensure!(KNOWN.contains(&key), "the recipe has {key}, which is not known here");
        }
        let word = |key: &str| -> Result<String> {
            let value = deb.get(key).and_then(Item::as_str).with_context(|| format!("the recipe has no text {key}"))?;
            Ok(value.trim().to_owned())
        };
        let description = package["description"].as_str().context("the crate has no description")?;
        let mut files = Vec::new();
        for asset in deb.get("assets").and_then(Item::as_array).context("the recipe has no assets")? {
            let part = |at: usize| asset.as_array().and_then(|parts| parts.get(at)?.as_str());
            let (Some(source), Some(place), Some(mode)) = (part(0), part(1), part(2)) else {
                bail!("expected [SOURCE, PLACE, MODE], found {asset}");
            };
            let mode = u32::from_str_radix(mode, 8).with_context(|| format!("{asset}"))?;
            let of_programs = source.strip_prefix(PROGRAMS);
            let from = of_programs.map_or_else(|| folder.join(source), |rest| programs.join(rest));
            for source in matching(&from)? {
                let name = source.file_name().context("a file has a name")?.to_string_lossy().into_owned();
                let place = if place.ends_with('/') { format!("{place}{name}") } else { place.to_owned() };
                let is_program = of_programs.is_some_and(|rest| !rest.contains('/'));
                files.push(File { source, place, mode, is_program });
            }
        }
        let depends = word("depends")?;
        Ok(Recipe {
            fields: vec![
                ("Maintainer", word("maintainer")?),
                ("Section", word("section")?),
                ("Priority", word("priority")?),
                ("Recommends", word("recommends")?),
                ("Suggests", word("suggests")?),
            ],
            name: word("name")?,
            version: format!(
                "{}-{}",
                env!("CARGO_PKG_VERSION"),
                deb.get("revision").and_then(Item::as_str).unwrap_or("1")
            ),
            depends: depends.strip_prefix("$auto,").context("depends begins with $auto")?.trim().to_owned(),
            description: format!("{description}\n{}", folded(&word("extended-description")?)),
            scripts: folder.join(word("maintainer-scripts")?),
            changelog: folder.join(word("changelog")?),
            files,
        })
    }
}

/// The file, or all that match where its name is a star.
fn matching(path: &Path) -> Result<Vec<PathBuf>> {
    if path.file_name().is_none_or(|name| name != "*") {
        ensure!(path.exists(), "{} is not there", path.display());
        return Ok(vec![path.to_owned()]);
    }
    let folder = path.parent().context("a star has a folder")?;
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut found = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.sort();
    ensure!(!found.is_empty(), "{} is empty", folder.display());
    Ok(found)
}

/// A text as the lines behind the first one of a description: each begins with a space, an empty one is a dot.
fn folded(text: &str) -> String {
    const WIDTH: usize = 78;
    let mut lines = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() >= WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
        lines.push(".".to_owned());
    }
    lines.pop();
    lines.iter().map(|line| format!(" {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_folded() {
        assert_eq!(folded("one two\n\nthree"), " one two\n .\n three");
        let long = folded(&"word ".repeat(40));
        assert!(long.lines().count() == 3 && long.lines().all(|line| line.starts_with(" word") && line.len() < 80));
    }

    #[test]
    fn what_the_recipe_has_is_known_and_there() {
        let crate_folder = crate::build::root().join("crm/cli");
        let programs = tempfile::tempdir().unwrap();
        // Only what is built is missing.
        let error = Recipe::read(&crate_folder, programs.path()).unwrap_err().to_string();
        assert!(error.ends_with("systole is not there"), "{error}");
        for name in ["systole", "systoled", "systole-agents"] {
            fs::write(programs.path().join(name), "").unwrap();
        }
        let staged = programs.path().join("debian");
        for folder in ["agents", "tools", "man1", "man8"] {
            fs::create_dir_all(staged.join(folder)).unwrap();
            fs::write(staged.join(folder).join("one"), "").unwrap();
        }
        for shell in ["bash", "zsh", "fish"] {
            fs::write(staged.join(format!("systole.{shell}")), "").unwrap();
        }
        let recipe = Recipe::read(&crate_folder, programs.path()).unwrap();
        assert_eq!(recipe.name, "systole");
        assert_eq!(recipe.files.iter().filter(|file| file.is_program).count(), 3);
        for place in ["usr/bin/systole", "usr/lib/ocf/resource.d/systole/one", "etc/pam.d/systole-host-agent"] {
            assert!(recipe.files.iter().any(|file| file.place == place), "{place}");
        }
        assert!(!recipe.files.iter().any(|file| file.place.contains("heartbeat")));
    }
}
