//! Changes of a file that leave all other text as it was: comments, blanks and order included. New lines take the
//! indentation of their neighbours.

use std::fmt;

use crate::conf::{Conf, Item, SectionId};
use crate::finding::{Edit, Span};

/// Why a file was not changed. Nothing was.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The file has lines that cannot be read, so nobody knows what stands where.
    Unreadable,
    /// The name or value cannot stand on a line: it holds a line's end or a brace, or begins or ends with a blank.
    Unwritable,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Unreadable => "the file has lines that cannot be read: mend them first",
            Refused::Unwritable => "a value is one line without braces, and neither begins nor ends with a blank",
        })
    }
}

impl std::error::Error for Refused {}

/// Sets a key of a path, `["totem", "token"]`: in place if it is there, else as a new last line of its section, which
/// is made if need be. Of a key that stands there twice, the value that counts is changed.
///
/// ```
/// let conf = corosync_conf::Conf::parse("totem {\n\tversion: 2 \n\t# three seconds\n\ttoken: 3000\n}\n");
/// let conf = corosync_conf::edit::set(&conf, &["totem", "token"], "5000").unwrap();
/// assert_eq!(conf.text(), "totem {\n\tversion: 2 \n\t# three seconds\n\ttoken: 5000\n}\n");
/// ```
///
/// # Errors
/// When the file has problems, or the change would make one.
pub fn set(conf: &Conf, path: &[&str], value: &str) -> Result<Conf, Refused> {
    let Some((key, sections)) = path.split_last() else { return Ok(conf.clone()) };
    writable(key, value)?;
    if let Some(entry) = conf.value(path) {
        return changed(conf, [set_value(conf, entry.value_span, value)]);
    }
    let section = if sections.is_empty() { Some(conf.root()) } else { conf.sections(sections).last().copied() };
    match section {
        Some(section) => set_in(conf, section, key, value),
        None => {
            let conf = add_section(conf, sections)?;
            let section = conf.sections(sections).last().copied().ok_or(Refused::Unwritable)?;
            set_in(&conf, section, key, value)
        }
    }
}

/// Sets a key of one section.
///
/// # Errors
/// When the file has problems, or the change would make one.
pub fn set_in(conf: &Conf, section: SectionId, key: &str, value: &str) -> Result<Conf, Refused> {
    writable(key, value)?;
    match conf.entry_in(section, key) {
        Some(entry) => changed(conf, [set_value(conf, entry.value_span, value)]),
        None => changed(conf, [insert_entry(conf, section, key, value)]),
    }
}

/// Takes a key away, wherever it stands in sections of the path.
///
/// # Errors
/// When the file has problems, or the change would make one.
pub fn remove(conf: &Conf, path: &[&str]) -> Result<Conf, Refused> {
    let Some((key, sections)) = path.split_last() else { return Ok(conf.clone()) };
    let sections = if sections.is_empty() { vec![conf.root()] } else { conf.sections(sections) };
    let entries = sections.iter().flat_map(|id| conf.entries(*id)).filter(|entry| entry.key == *key);
    let edits: Vec<Edit> = entries.map(|entry| Edit { span: entry.line, text: String::new() }).collect();
    changed(conf, edits)
}

/// Takes a key of one section away.
///
/// # Errors
/// When the file has problems, or the change would make one.
pub fn remove_in(conf: &Conf, section: SectionId, key: &str) -> Result<Conf, Refused> {
    let entries = conf.entries(section).filter(|entry| entry.key == key);
    let edits: Vec<Edit> = entries.map(|entry| Edit { span: entry.line, text: String::new() }).collect();
    changed(conf, edits)
}

/// Takes a whole section away.
///
/// # Errors
/// When the file has problems, or the change would make one.
pub fn remove_section(conf: &Conf, section: SectionId) -> Result<Conf, Refused> {
    changed(conf, [Edit { span: conf.section(section).span, text: String::new() }])
}

/// Adds an empty section as the last of the path's parent, which is made if need be; its siblings of the same name stay.
///
/// # Errors
/// When the file has problems, or the change would make one.
pub fn add_section(conf: &Conf, path: &[&str]) -> Result<Conf, Refused> {
    let Some((name, parents)) = path.split_last() else { return Ok(conf.clone()) };
    let (conf, parent) = match (parents.is_empty(), conf.sections(parents).last()) {
        (true, _) => (conf.clone(), conf.root()),
        (false, Some(parent)) => (conf.clone(), *parent),
        (false, None) => {
            let conf = add_section(conf, parents)?;
            let parent = conf.sections(parents).last().copied().ok_or(Refused::Unwritable)?;
            (conf, parent)
        }
    };
    let indent = indent_below(&conf, parent);
    let end = line_end(&conf);
    let at = conf.section(parent).body_end;
    let gap = if parent == conf.root() && at > 0 { end } else { "" };
    let text = format!("{}{gap}{indent}{name} {{{end}{indent}}}{end}", missing_end(&conf, at));
    changed(&conf, [Edit { span: Span { start: at, end: at }, text }])
}

/// Whether a key or a value can be written and read back as it is.
fn writable(key: &str, value: &str) -> Result<(), Refused> {
    let whole = |text: &str| text.trim() == text && !text.contains(['\n', '\r', '{']);
    if whole(key) && !key.is_empty() && !key.contains(':') && whole(value) { Ok(()) } else { Err(Refused::Unwritable) }
}

/// The edit that sets a value in place.
pub(crate) fn set_value(conf: &Conf, span: Span, value: &str) -> Edit {
    // `key:` without a value has no blank behind the colon.
    let bare = span.start == span.end && conf.text()[..span.start].ends_with(':');
    Edit { span, text: if bare { format!(" {value}") } else { value.to_owned() } }
}

/// The edit that adds a key as the last of a section's own, before the sections below it.
pub(crate) fn insert_entry(conf: &Conf, section: SectionId, key: &str, value: &str) -> Edit {
    let end = line_end(conf);
    let at = conf.entries(section).last().map_or_else(|| first_line(conf, section), |entry| entry.line.end);
    let text = format!("{}{}{key}: {value}{end}", missing_end(conf, at), indent_below(conf, section));
    Edit { span: Span { start: at, end: at }, text }
}

fn first_line(conf: &Conf, section: SectionId) -> usize {
    if section == conf.root() {
        return 0;
    }
    let name_end = conf.section(section).name_span.end;
    conf.text()[name_end..].find('\n').map_or(conf.text().len(), |at| name_end + at + 1)
}

fn changed(conf: &Conf, edits: impl IntoIterator<Item = Edit>) -> Result<Conf, Refused> {
    if !conf.problems().is_empty() {
        return Err(Refused::Unreadable);
    }
    let mut edits: Vec<Edit> = edits.into_iter().collect();
    edits.sort();
    let mut text = conf.text().to_owned();
    for edit in edits.iter().rev() {
        text.replace_range(edit.span.start..edit.span.end, &edit.text);
    }
    let conf = Conf::parse(text);
    if conf.problems().is_empty() { Ok(conf) } else { Err(Refused::Unwritable) }
}

/// What a line in this section begins with.
fn indent_below(conf: &Conf, section: SectionId) -> String {
    let start = |item: &Item| match item {
        Item::Entry(entry) => entry.key_span.start,
        Item::Section(id) => conf.section(*id).name_span.start,
    };
    if let Some(first) = conf.section(section).items.first() {
        return blanks_before(conf, start(first));
    }
    if section == conf.root() {
        return String::new();
    }
    let own = blanks_before(conf, conf.section(section).name_span.start);
    // One step more than the section itself: as in the first section that has something in it.
    let step = conf.all_sections().find_map(|id| {
        let outer = blanks_before(conf, conf.section(id).name_span.start);
        let inner = blanks_before(conf, start(conf.section(id).items.first()?));
        inner.strip_prefix(&outer).filter(|step| !step.is_empty()).map(str::to_owned)
    });
    own + &step.unwrap_or_else(|| "    ".to_owned())
}

fn blanks_before(conf: &Conf, at: usize) -> String {
    let before = &conf.text()[..at];
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    before[line..].to_owned()
}

fn line_end(conf: &Conf) -> &'static str {
    if conf.text().contains("\r\n") { "\r\n" } else { "\n" }
}

/// The end that the last line of a file may lack.
fn missing_end(conf: &Conf, at: usize) -> &'static str {
    let before = &conf.text()[..at];
    if before.is_empty() || before.ends_with('\n') { "" } else { line_end(conf) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# mine\ntotem {\n\tversion: 2\n\tinterface {\n\t\tlinknumber: 0\n\t}\n}\n\nnodelist {\n\tnode {\n\t\tnodeid: 1\n\t}\n}\n";

    #[test]
    fn only_what_is_asked_for_changes() {
        let conf = Conf::parse(FILE);
        let conf = set(&conf, &["totem", "token"], "5000").unwrap();
        assert!(conf.text().contains("\tversion: 2\n\ttoken: 5000\n\tinterface {\n"), "{}", conf.text());
        let conf = set(&conf, &["quorum", "device", "model"], "net").unwrap();
        assert!(conf.text().ends_with("\nquorum {\n\tdevice {\n\t\tmodel: net\n\t}\n}\n"), "{}", conf.text());
        let conf = remove_section(&conf, conf.sections(&["quorum"])[0]).unwrap();
        let conf = remove(&conf, &["totem", "token"]).unwrap();
        assert_eq!(conf.text(), format!("{FILE}\n"));
        let conf = add_section(&Conf::parse(FILE), &["nodelist", "node"]).unwrap();
        let node = conf.sections(&["nodelist", "node"])[1];
        let conf = set_in(&conf, node, "nodeid", "2").unwrap();
        assert!(conf.text().ends_with("\tnode {\n\t\tnodeid: 2\n\t}\n}\n"), "{}", conf.text());
    }

    #[test]
    fn odd_files_are_changed_too() {
        assert_eq!(set(&Conf::parse(""), &["totem", "version"], "2").unwrap().text(), "totem {\n    version: 2\n}\n");
        assert_eq!(
            set(&Conf::parse("totem {\r\n}"), &["totem", "version"], "2").unwrap().text(),
            "totem {\r\n    version: 2\r\n}"
        );
        assert_eq!(
            set(&Conf::parse("totem {\ntoken:\n}\n"), &["totem", "token"], "9").unwrap().text(),
            "totem {\ntoken: 9\n}\n"
        );
        assert_eq!(set(&Conf::parse("a: b"), &["c"], "d").unwrap().text(), "a: b\nc: d\n");
    }

    proptest! {
        #[test]
        fn what_is_set_is_read_and_nothing_panics(
            text in "(totem \\{\n|\\}\n|quorum \\{\n|token: [0-9]\n|[a-z:{}# \t\r\n]{0,9}){0,12}",
            key in "[a-z]{1,8}",
        ) {
            let conf = Conf::parse(text);
            let Ok(changed) = set(&conf, &["totem", &key], "7") else {
                prop_assert!(!conf.problems().is_empty());
                return Ok(());
            };
            prop_assert_eq!(&changed.value(&["totem", &key]).unwrap().value, "7");
            prop_assert!(remove(&changed, &["totem", &key]).unwrap().value(&["totem", &key]).is_none());
        }
    }
}
