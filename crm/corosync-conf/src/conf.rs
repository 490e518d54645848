//! The file as Corosync's parser reads it: sections, keys and values, each with its place in the text. The text itself
//! is kept to the byte, so that what nobody changes stays as it was. What keys mean is `keys.rs`'s business.
//!
//! The format is one of lines. A line holds one thing only: a comment, `name {`, `key: value` or `}`. Repeated sections
//! are one; of a repeated key the last value counts.

use crate::finding::{Finding, Span};

/// Bytes in a line without its end: Corosync reads lines into a buffer of 512 bytes.
const LINE_MAX: usize = 510;
/// Bytes in a key with the sections around it, `totem.token`: what Corosync's map takes.
const PATH_MAX: usize = 254;

/// Which section of a file: an index, good for that file alone.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SectionId(usize);

/// One section: from its `name {` to its `}`.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name; empty for the file itself.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// The section around it; `None` for the file itself.
    pub parent: Option<SectionId>,
    /// All its lines, the first and the last with their ends.
    pub span: Span,
    /// Where a new last line of it would begin.
    pub body_end: usize,
    /// What stands in it, in the order of the file.
    pub items: Vec<Item>,
}

/// What stands in a section.
#[derive(Clone, Debug)]
pub enum Item {
    /// A key with its value.
    Entry(Entry),
    /// A section below.
    Section(SectionId),
}

/// `key: value`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value; blanks around it are none of it.
    pub value: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Where the value stands.
    pub value_span: Span,
    /// The whole line with its end.
    pub line: Span,
}

/// A file, read.
#[derive(Clone, Debug)]
pub struct Conf {
    text: String,
    sections: Vec<Section>,
    problems: Vec<Finding>,
}

/// A line without blanks at its ends, and where it stands.
#[derive(Copy, Clone)]
struct Line<'t> {
    text: &'t str,
    start: usize,
    /// With blanks and the line's end.
    whole: Span,
    /// In bytes, with blanks and without the line's end.
    length: usize,
}

impl Conf {
    /// Reads a file. Whatever cannot be read is skipped and stands in [`Conf::problems`].
    ///
    /// ```
    /// let conf = corosync_conf::Conf::parse("totem {\n  version: 2\n}\n");
    /// assert_eq!(conf.value(&["totem", "version"]).unwrap().value, "2");
    /// ```
    pub fn parse(text: impl Into<String>) -> Conf {
        let text = text.into();
        let everything = Span { start: 0, end: text.len() };
        let root = Section {
            name: String::new(),
            name_span: Span { start: 0, end: 0 },
            parent: None,
            span: everything,
            body_end: text.len(),
            items: Vec::new(),
        };
        let mut conf = Conf { text: String::new(), sections: vec![root], problems: Vec::new() };
        let mut within = conf.root();
        if text.starts_with('\u{feff}') {
            let span = Span { start: 0, end: '\u{feff}'.len_utf8() };
            conf.problems.push(
                Finding::error("syntax", "the file begins with a byte order mark")
                    .at(span)
                    .why("Corosync takes it as a part of the first name and refuses the file")
                    .remedy("save the file without one")
                    .fix([crate::Edit { span, text: String::new() }]),
            );
        }
        for line in lines(&text) {
            within = conf.take(within, line);
        }
        while let Some(parent) = conf.section(within).parent {
            let name = conf.section(within).name.clone();
            conf.problems.push(
                Finding::error("syntax", format!("section {name} is not closed"))
                    .at(conf.section(within).name_span)
                    .why("Corosync refuses the file: a closing brace is missing")
                    .remedy("put } on a line of its own where the section ends"),
            );
            within = parent;
        }
        conf.text = text;
        conf
    }

    /// Takes in one line; gives the section that the next one stands in.
    fn take(&mut self, within: SectionId, line: Line<'_>) -> SectionId {
        let here = Span { start: line.start, end: line.start + line.text.len() };
        let content = line.length;
        if content > LINE_MAX {
            self.problem(
                here,
                format!("the line has {content} bytes"),
                format!("Corosync reads at most {LINE_MAX} in a line and refuses the file"),
                "shorten it: a long comment can stand on two lines",
            );
        }
        if line.text.is_empty() || line.text.starts_with('#') {
            return within;
        }
        // The order of these questions is Corosync's: a brace in a value opens a section.
        if let Some(brace) = line.text.find('{') {
            return self.open(within, line, brace);
        }
        if let Some(colon) = line.text.find(':') {
            self.entry(within, line, colon);
            return within;
        }
        if line.text.contains('}') {
            return self.close(within, line);
        }
        let comment = if line.text.starts_with("//") || line.text.starts_with(';') {
            "a comment begins with #"
        } else {
            "write `key: value`, with a colon"
        };
        self.problem(here, "neither `name {` nor `key: value` nor `}`", "Corosync refuses the file", comment);
        within
    }

    fn open(&mut self, within: SectionId, line: Line<'_>, brace: usize) -> SectionId {
        let name = line.text[..brace].trim_end_matches(blank);
        let name_span = Span { start: line.start, end: line.start + name.len() };
        let after = line.text[brace + 1..].trim_start_matches(blank);
        if !after.is_empty() {
            let start = line.start + line.text.len() - after.len();
            let value = line.text[..brace].contains(':');
            let remedy = if value {
                "no value may hold a brace"
            } else {
                "put what follows { on lines of its own, comments too"
            };
            self.problem(
                Span { start, end: line.start + line.text.len() },
                format!("`{after}` stands behind {{"),
                "Corosync refuses the file: nothing may follow { on its line",
                remedy,
            );
        }
        if name.is_empty() {
            self.problem(
                Span { start: line.start, end: line.start + 1 },
                "{ without a name before it",
                "Corosync refuses the file",
                "put { behind the section's name, on the same line",
            );
        }
        let id = SectionId(self.sections.len());
        self.sections.push(Section {
            name: name.to_owned(),
            name_span,
            parent: Some(within),
            span: line.whole,
            body_end: line.whole.end,
            items: Vec::new(),
        });
        self.sections[within.0].items.push(Item::Section(id));
        self.cover(id, line.whole.end);
        id
    }

    fn entry(&mut self, within: SectionId, line: Line<'_>, colon: usize) {
        let key = line.text[..colon].trim_end_matches(blank);
        let value = line.text[colon + 1..].trim_start_matches(blank);
        let key_span = Span { start: line.start, end: line.start + key.len() };
        let end = line.start + line.text.len();
        self.check_path(within, key, key_span);
        self.sections[within.0].items.push(Item::Entry(Entry {
            key: key.to_owned(),
            value: value.to_owned(),
            key_span,
            value_span: Span { start: end - value.len(), end },
            line: line.whole,
        }));
        self.cover(within, line.whole.end);
    }

    fn close(&mut self, within: SectionId, line: Line<'_>) -> SectionId {
        let here = Span { start: line.start, end: line.start + line.text.len() };
        if line.text != "}" {
            self.problem(
                here,
                "} is not alone on its line",
                "Corosync refuses the file",
                "put } on a line of its own, comments too",
            );
        }
        match self.section(within).parent {
            Some(parent) => {
                self.sections[within.0].body_end = line.whole.start;
                self.sections[within.0].span.end = line.whole.end;
                self.cover(parent, line.whole.end);
                parent
            }
            None => {
                self.problem(
                    here,
                    "} closes nothing",
                    "Corosync refuses the file",
                    "take it away, or give the section its `name {` back",
                );
                within
            }
        }
    }

    /// A section that is not closed ends with the last line in it.
    fn cover(&mut self, id: SectionId, end: usize) {
        let mut at = Some(id);
        while let Some(id) = at.filter(|id| id.0 != 0) {
            let section = &mut self.sections[id.0];
            section.span.end = section.span.end.max(end);
            section.body_end = section.body_end.max(end);
            at = section.parent;
        }
    }

    /// What Corosync's map refuses as a key. A section's name is part of the keys in it and is looked at with the first.
    fn check_path(&mut self, within: SectionId, key: &str, key_span: Span) {
        if key.is_empty() && within == self.root() {
            self.problem(
                key_span,
                "a colon without a key before it",
                "Corosync refuses the file",
                "take the line away",
            );
        }
        let mut length = key.len();
        self.check_name(key, key_span);
        let mut at = Some(within);
        while let Some(id) = at.filter(|id| id.0 != 0) {
            let Section { name, name_span, parent, .. } = self.section(id).clone();
            length += name.len() + 1;
            self.check_name(&name, name_span);
            at = parent;
        }
        if length > PATH_MAX {
            let message = format!("the key has {length} bytes with the sections around it");
            self.problem(
                key_span,
                message,
                format!("Corosync takes at most {PATH_MAX} and refuses the file"),
                "shorten it",
            );
        }
    }

    fn check_name(&mut self, name: &str, span: Span) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._/:-".contains(c);
        let told = self.problems.iter().any(|problem| problem.span == Some(span));
        if let (Some(wrong), false) = (name.chars().find(|c| !allowed(*c)), told) {
            let message = format!("`{}` cannot stand in a name", wrong.escape_debug());
            let remedy = "names are English words of letters, digits and _, whatever the language of the guide";
            self.problem(span, message, "Corosync cannot keep the key and refuses the file", remedy);
        }
    }

    fn problem(&mut self, span: Span, message: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Finding::error("syntax", message).at(span).why(why).remedy(remedy));
    }

    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What could not be read.
    pub fn problems(&self) -> &[Finding] {
        &self.problems
    }

    /// The file itself, around all sections.
    pub fn root(&self) -> SectionId {
        SectionId(0)
    }

    /// One section.
    pub fn section(&self, id: SectionId) -> &Section {
        &self.sections[id.0]
    }

    /// Names of a section and of those around it, outermost first.
    pub fn path(&self, id: SectionId) -> Vec<&str> {
        let mut path = Vec::new();
        let mut at = Some(id);
        while let Some(id) = at.filter(|id| id.0 != 0) {
            path.push(self.section(id).name.as_str());
            at = self.section(id).parent;
        }
        path.reverse();
        path
    }

    /// All sections of a path, in the order of the file: `["nodelist", "node"]`.
    pub fn sections(&self, path: &[&str]) -> Vec<SectionId> {
        (1..self.sections.len()).map(SectionId).filter(|id| self.path(*id) == path).collect()
    }

    /// All sections, in the order of the file.
    pub fn all_sections(&self) -> impl Iterator<Item = SectionId> + use<> {
        (1..self.sections.len()).map(SectionId)
    }

    /// The keys of one section, in the order of the file.
    pub fn entries(&self, id: SectionId) -> impl DoubleEndedIterator<Item = &Entry> {
        self.section(id).items.iter().filter_map(|item| match item {
            Item::Entry(entry) => Some(entry),
            Item::Section(_) => None,
        })
    }

    /// The value that counts of a key in one section: the last.
    pub fn entry_in(&self, id: SectionId, key: &str) -> Option<&Entry> {
        self.entries(id).rfind(|entry| entry.key == key)
    }

    /// The value that counts of a path: the last in the file, as repeated sections are one.
    pub fn value(&self, path: &[&str]) -> Option<&Entry> {
        let (key, section) = path.split_last()?;
        let sections = if section.is_empty() { vec![self.root()] } else { self.sections(section) };
        sections.into_iter().rev().find_map(|id| self.entry_in(id, key))
    }

    /// Line (from 1) and column (from 1, in characters) of a place.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// What Corosync takes for blank: a space that does not break a line belongs to the value behind it.
fn blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n' | '\x0b' | '\x0c')
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |whole| {
        let span = Span { start, end: start + whole.len() };
        start = span.end;
        let inner = whole.trim_start_matches(blank);
        let at = span.end - inner.len();
        let length = whole.trim_end_matches('\n').len();
        Line { text: inner.trim_end_matches(blank), start: at, whole: span, length }
    })
}
