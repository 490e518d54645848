//! The hosts' files, as they are given: NODE=FILE, with all that a file may include; and what is said about a place in
//! them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches};
use keepalived::{Files, Host, Model, Note, Severity};
use migrate::archive;
use migrate::collected::Collected;

/// A configuration larger than this is none: the largest known file has 20 KB.
const FILE_MAX: u64 = 4 << 20;
/// Files beside the main one that may be included; of more the first by name are taken.
const FILES_MAX: usize = 1_000;
/// Directories below that of the main file.
const DEPTH_MAX: usize = 4;

/// In place of a file: the host is asked.
const ASK: &str = "@";

/// The argument: a file for each host.
pub(super) fn argument() -> Arg {
    Arg::new("files").value_name("NODE=FILE").required(true).num_args(1..).help(
        "A host's name and its keepalived.conf, or what collect made there; without a name, the file is this host's; NODE=@ asks \
         the host, by its host agent",
    )
}

/// Hosts by name, with what their keepalived does.
pub(super) type Hosts = Vec<(String, Model)>;

/// All that was given.
pub(super) struct Given {
    /// The hosts with what their keepalived does.
    pub hosts: Hosts,
    /// The files that was read from, in the same order.
    pub scanned: Vec<Files>,
    /// What `collect` found, of hosts that were given by it.
    pub collected: Vec<Option<Collected>>,
}

/// Reads what the arguments name.
pub(super) fn hosts(arguments: &ArgMatches) -> anyhow::Result<Given> {
    let mut given = Given { hosts: Vec::new(), scanned: Vec::new(), collected: Vec::new() };
    let mut names = BTreeSet::new();
    for argument in arguments.get_many::<String>("files").expect("it is required") {
        let (name, path) = match argument.split_once('=') {
            Some((name, path)) if !name.is_empty() && !name.contains('/') => (Some(name.to_owned()), path),
            _ => (None, argument.as_str()),
        };
        let collected = match (&name, path) {
            (Some(name), ASK) => Some(ask(name)?),
            _ => read_archive(Path::new(path))?,
        };
        let name = name.or_else(|| Some(collected.as_ref()?.host.clone()).filter(|name| !name.is_empty()));
        let name = name.unwrap_or_else(this_host);
        if !names.insert(name.clone()) {
            bail!("two files for {name}: write NODE=FILE, with another name for each host");
        }
        let (files, model) = match &collected {
            Some(collected) => (collected.to_files(), collected.model(&name)),
            None => {
                let files = read(Path::new(path))?;
                let host = Host { config_id: name.clone(), instance: name.clone() };
                let model = Model::read(&files, &host);
                (files, model)
            }
        };
        given.hosts.push((name, model));
        given.scanned.push(files);
        given.collected.push(collected);
    }
    Ok(given)
}

/// A host as it says itself.
fn ask(name: &str) -> anyhow::Result<Collected> {
    let bytes = super::reach::collect_by_agent(name).with_context(|| format!("asking {name} for its keepalived"))?;
    Collected::from_archive(&bytes).map_err(|error| anyhow::anyhow!("what {name} handed over cannot be read: {error}"))
}

/// What `collect` made; none if the file is something else.
fn read_archive(path: &Path) -> anyhow::Result<Option<Collected>> {
    let meta = fs::metadata(path).with_context(|| format!("looking for {}", path.display()))?;
    if !meta.is_file() || meta.len() > archive::ARCHIVE_MAX as u64 {
        return Ok(None);
    }
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    if !archive::is_archive(&bytes) {
        return Ok(None);
    }
    Collected::from_archive(&bytes).map(Some).map_err(|error| anyhow::anyhow!("reading {}: {error}", path.display()))
}

/// The short name, as keepalived takes it for its config-id.
pub(super) fn this_host() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The main file, and all others in its directory and below.
pub(super) fn read(path: &Path) -> anyhow::Result<Files> {
    let main = fs::canonicalize(path).with_context(|| format!("looking for {}", path.display()))?;
    let mut files = Files::one(main.display().to_string(), text_of(&main)?);
    let mut found = Vec::new();
    if let Some(folder) = main.parent() {
        list(folder, 0, &mut found);
    }
    found.sort();
    for other in found.into_iter().filter(|other| *other != main).take(FILES_MAX) {
        // What cannot be read is not there, as for keepalived; an include of it is told.
        if let Ok(text) = text_of(&other) {
            files.add(&other.display().to_string(), text);
        }
    }
    Ok(files)
}

fn list(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            Ok(kind) if kind.is_dir() && depth < DEPTH_MAX && found.len() < FILES_MAX * 10 => {
                list(&entry.path(), depth + 1, found)
            }
            _ => {}
        }
    }
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let meta = fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    if !meta.is_file() {
        bail!("{} is no file; expected a keepalived.conf", path.display());
    }
    if meta.len() > FILE_MAX {
        bail!("{} is larger than {} MiB; expected a keepalived.conf", path.display(), FILE_MAX >> 20);
    }
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A note with its line and a caret under the word it is about.
pub(super) fn render(files: &Files, note: &Note, colour: bool) -> String {
    let level = if note.severity == Severity::Error { Level::ERROR } else { Level::WARNING };
    let mut group = Group::with_title(level.primary_title(&note.message));
    let source = files.text(&note.place.file).unwrap_or_default();
    let start = source.split_inclusive('\n').take(note.place.line.saturating_sub(1)).map(str::len).sum::<usize>();
    let line = source[start..].split('\n').next().unwrap_or_default();
    if note.place.line > 0 {
        let whole = line.len() - line.trim_start().len()..line.trim_end().len();
        let found = (!note.word.is_empty()).then(|| line.find(&note.word)).flatten();
        let span = found.map_or(whole, |at| at..at + note.word.len());
        let snippet = Snippet::source(source).path(note.place.file.as_str());
        group = group.element(
            snippet.annotation(AnnotationKind::Primary.span(start + span.start..start + span.end.max(span.start))),
        );
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}
