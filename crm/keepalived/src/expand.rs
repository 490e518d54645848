//! From files to plain lines: includes, conditional lines, definitions and generators are worked off, comments go, and
//! braces stand on lines of their own. What the lines mean is `statement.rs`'s business.
//!
//! keepalived reads line by line and does all this while it reads, so order matters: a definition holds from its line on,
//! and is put in where it is used, with what holds there.

use std::collections::{BTreeMap, VecDeque};

use crate::files::{Files, directory};
use crate::note::{Note, Place};

/// Bytes in a line; a longer one is ignored by keepalived.
const LINE_MAX: usize = 1_023;
/// Lines that a configuration may become. The largest known, of 65,024 instances, has 1.2 million.
const LINES_MAX: usize = 4_000_000;
/// Includes within includes.
const INCLUDE_DEPTH: usize = 32;
/// Files that are read in all: one that includes itself twice would be read 2^32 times.
const INCLUDES_MAX: usize = 2_000;
/// Replacements within replacements on one line.
const REPLACE_MAX: usize = 10_000;

/// One logical line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its text, without comment; `{` and `}` are lines of their own.
    pub text: String,
    /// Where it comes from.
    pub place: Place,
}

/// What the host says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Host {
    /// What `@name` lines are compared with: option `-i`, or the host's short name.
    pub config_id: String,
    /// `${_INSTANCE}`.
    pub instance: String,
}

/// All lines of a configuration, in the order in which keepalived reads them, and what was found on the way.
pub fn expand(files: &Files, host: &Host) -> (Vec<Line>, Vec<Note>) {
    let mut reader = Reader {
        files,
        host,
        definitions: BTreeMap::new(),
        open: None,
        lines: Vec::new(),
        notes: Vec::new(),
        full: false,
        included: 0,
    };
    match files.text(files.main()) {
        Some(_) => reader.file(files.main(), 0),
        None => reader.notes.push(Note::error(Place::default(), format!("there is no file {}", files.main()))),
    }
    if let Some(open) = reader.open.take() {
        reader.notes.push(Note::warning(
            open.place.clone(),
            format!("the definition of ${} goes on to the end of the file", open.name),
        ));
        reader.definitions.insert(open.name, open.value);
    }
    (reader.lines, reader.notes)
}

/// What a name stands for.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Lines(Vec<String>),
}

/// A definition of several lines that is being read.
struct Open {
    name: String,
    value: Value,
    place: Place,
}

struct Reader<'f> {
    files: &'f Files,
    host: &'f Host,
    definitions: BTreeMap<String, Value>,
    open: Option<Open>,
    lines: Vec<Line>,
    notes: Vec<Note>,
    full: bool,
    included: usize,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        let files = self.files;
        let Some(text) = files.text(path) else { return };
        for (number, line) in text.split('\n').enumerate() {
            let place = Place { file: path.to_owned(), line: number + 1 };
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.len() > LINE_MAX {
                self.notes.push(Note::warning(
                    place,
                    format!("the line has {} bytes; keepalived ignores lines of more than {LINE_MAX}", line.len()),
                ));
            } else if line.contains('\0') {
                self.notes.push(Note::warning(place, "the line holds a zero byte; keepalived ignores it"));
            } else {
                self.physical(line, &place, depth);
            }
            if self.full {
                return;
            }
        }
    }

    /// A line of a file.
    fn physical(&mut self, line: &str, place: &Place, depth: usize) {
        if let Some(mut open) = self.open.take() {
            // A line that is a comment is left out, and goes on as any other.
            let comment = line.trim_start().starts_with(['#', '!']);
            let (text, more) = continued(if comment { line } else { uncommented(line) });
            let text = if comment { "" } else { text };
            if let (Value::Lines(lines), false) = (&mut open.value, text.trim().is_empty() && !more) {
                lines.push(text.trim().to_owned());
            }
            if more {
                self.open = Some(open);
            } else {
                self.definitions.insert(open.name, open.value);
            }
            return;
        }
        let trimmed = line.trim_start();
        if let Some((kind, pattern)) = include(trimmed) {
            self.include(kind, pattern, place, depth);
            return;
        }
        self.line(trimmed.trim_end(), place, depth, 0);
    }

    /// A line of a file or of a definition.
    fn line(&mut self, line: &str, place: &Place, depth: usize, nesting: usize) {
        if self.full || nesting > INCLUDE_DEPTH {
            return;
        }
        let mut line = line.trim_start();
        if line.starts_with(['#', '!']) || line.is_empty() {
            return;
        }
        if line.starts_with('@') {
            match self.condition(line) {
                Some(rest) => line = rest,
                None => return,
            }
        }
        if let Some((name, value)) = definition(line) {
            let (value, more) = continued(uncommented(value));
            match more {
                true if value.trim().is_empty() => {
                    self.open =
                        Some(Open { name: name.to_owned(), value: Value::Lines(Vec::new()), place: place.clone() });
                }
                _ => {
                    self.definitions.insert(name.to_owned(), Value::Text(value.trim_end().to_owned()));
                }
            }
            return;
        }
        if line.starts_with("~SEQ") || line.starts_with("~LST") {
            self.generate(line, place, depth, nesting);
            return;
        }
        match self.replaced(line, place) {
            Replaced::Line(text) if text == line => self.emit(&text, place),
            // What came in may be a condition, a definition or a generator itself.
            Replaced::Line(text) if text.trim_start().starts_with(['@', '$', '~']) && nesting < INCLUDE_DEPTH => {
                self.line(&text, place, depth, nesting + 1);
            }
            Replaced::Line(text) => self.emit(&text, place),
            Replaced::Lines(lines) => {
                let mut inner: VecDeque<String> = lines.into();
                while let Some(text) = inner.pop_front() {
                    // Within a definition of several lines another one is spelt with its lines' ends as well.
                    self.line(&text, place, depth, nesting + 1);
                    while self.open.is_some() {
                        let Some(next) = inner.pop_front() else { break };
                        self.physical(&next, place, depth);
                    }
                }
            }
        }
    }

    /// What follows `@id`, if it is for this host.
    fn condition<'l>(&self, line: &'l str) -> Option<&'l str> {
        let (word, rest) = line.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((line, ""));
        let (id, negated) = match word[1..].strip_prefix('^') {
            Some(id) => (id, true),
            None => (&word[1..], false),
        };
        ((id == self.host.config_id) != negated).then(|| rest.trim_start())
    }

    fn include(&mut self, kind: &str, pattern: &str, place: &Place, depth: usize) {
        let pattern = pattern.trim().trim_matches('"');
        if depth >= INCLUDE_DEPTH {
            self.notes.push(Note::error(
                place.clone(),
                format!("{kind} {pattern}: more than {INCLUDE_DEPTH} files include each other"),
            ));
            return;
        }
        let files = self.files;
        let found: Vec<String> =
            files.matching(directory(&place.file), pattern).into_iter().map(str::to_owned).collect();
        if found.is_empty() {
            self.notes.push(Note::warning(
                place.clone(),
                format!("{kind} {pattern}: no such file was given; keepalived goes on without it, and so do we"),
            ));
        }
        let kept = self.definitions.remove("_PWD");
        for path in found {
            self.included += 1;
            if self.included > INCLUDES_MAX && !self.full {
                self.full = true;
                self.notes.push(Note::error(place.clone(), format!("more than {INCLUDES_MAX} files are included")));
            }
            if self.full {
                return;
            }
            self.file(&path, depth + 1);
        }
        self.definitions.extend(kept.map(|value| ("_PWD".to_owned(), value)));
    }

    fn generate(&mut self, line: &str, place: &Place, depth: usize, nesting: usize) {
        let Some((head, rest)) = generator(line) else {
            self.notes
                .push(Note::warning(place.clone(), "a ~SEQ or ~LST that cannot be read; keepalived ignores the line"));
            return;
        };
        let rounds = match rounds(&head) {
            Some(rounds) => rounds,
            None => {
                self.notes.push(Note::warning(place.clone(), format!("{head}: expected ~SEQ(name, start, step, end) or ~LST(name, value, …); keepalived ignores the line")));
                return;
            }
        };
        for round in rounds {
            let names: Vec<String> = round.iter().map(|(name, _)| name.clone()).collect();
            for (name, value) in round {
                self.definitions.insert(name, Value::Text(value));
            }
            self.line(rest, place, depth, nesting + 1);
            for name in names {
                self.definitions.remove(&name);
            }
            if self.full {
                return;
            }
        }
    }

    /// A line with all names replaced that are defined.
    fn replaced(&mut self, line: &str, place: &Place) -> Replaced {
        let mut text = line.to_owned();
        let mut from = 0;
        for _ in 0..REPLACE_MAX {
            let Some((start, end, name)) = reference(&text, from) else { return Replaced::Line(text) };
            match self.value(&name, &text[start..end], place) {
                None => from = start + 1,
                Some(Value::Text(value)) => {
                    text.replace_range(start..end, &value);
                    from = start;
                    if text.len() > LINE_MAX * 4 {
                        break;
                    }
                }
                Some(Value::Lines(mut lines)) => {
                    // What stands before goes with the first line, what stands behind with the last.
                    if let Some(first) = lines.first_mut() {
                        first.insert_str(0, &text[..start]);
                    }
                    if let Some(last) = lines.last_mut() {
                        last.push_str(&text[end..]);
                    }
                    return Replaced::Lines(lines);
                }
            }
        }
        self.notes.push(Note::error(place.clone(), "definitions on this line never come to an end"));
        Replaced::Line(String::new())
    }

    /// What a name stands for; `whole` is the reference with all that is in its braces.
    fn value(&mut self, name: &str, whole: &str, place: &Place) -> Option<Value> {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        match name {
            "_PWD" => text(directory(&place.file)),
            "_INSTANCE" => text(&self.host.instance),
            "_HASH" => text("\u{1}#"),
            "_BANG" => text("\u{1}!"),
            "_RANDOM" => {
                let least = whole.trim_end_matches('}').split_ascii_whitespace().nth(1).unwrap_or("0");
                let message = format!("keepalived takes another number here at each start; read as {least}");
                self.notes.push(Note::warning(place.clone(), message).about(whole));
                text(least)
            }
            name => self.definitions.get(name).cloned(),
        }
    }

    /// Cuts the comment off, parts the braces, and keeps what is left.
    fn emit(&mut self, text: &str, place: &Place) {
        let mut piece = String::new();
        let mut quote = false;
        let mut characters = text.chars().peekable();
        let mut pieces = Vec::new();
        while let Some(character) = characters.next() {
            match character {
                // Escaped, or put in by ${_HASH}: no comment.
                '\\' if matches!(characters.peek(), Some('#' | '!')) => piece.extend(characters.next()),
                '\u{1}' => piece.extend(characters.next()),
                '"' => {
                    quote = !quote;
                    piece.push(character);
                }
                '#' | '!' if !quote => break,
                '{' | '}' if !quote => {
                    pieces.push(std::mem::take(&mut piece));
                    pieces.push(character.to_string());
                }
                character => piece.push(character),
            }
        }
        pieces.push(piece);
        for piece in pieces {
            let text = piece.trim();
            if text.is_empty() {
                continue;
            }
            if self.lines.len() >= LINES_MAX {
                self.full = true;
                self.notes
                    .push(Note::error(place.clone(), format!("the configuration has more than {LINES_MAX} lines")));
                return;
            }
            self.lines.push(Line { text: text.to_owned(), place: place.clone() });
        }
    }
}

enum Replaced {
    Line(String),
    Lines(Vec<String>),
}

/// What stands before a line's comment.
fn uncommented(line: &str) -> &str {
    let mut quote = false;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => quote = !quote,
            '#' | '!' if !quote && !escaped => return &line[..at],
            _ => {}
        }
        escaped = character == '\\';
    }
    line
}

/// A line and whether the next one belongs to it.
fn continued(line: &str) -> (&str, bool) {
    match line.trim_end().strip_suffix('\\') {
        Some(text) => (text, true),
        None => (line, false),
    }
}

fn include(line: &str) -> Option<(&str, &str)> {
    let (word, rest) = line.split_once(|c: char| c.is_ascii_whitespace())?;
    matches!(word, "include" | "includer" | "includem" | "includew" | "includeb" | "includea").then_some((word, rest))
}

/// `$NAME=value`, without a blank before the sign.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    is_name(name).then(|| (name, value.trim_start()))
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The next `$NAME` that a blank or the end follows, or `${NAME}`: where it stands, and the name.
fn reference(text: &str, from: usize) -> Option<(usize, usize, String)> {
    let mut at = from;
    while let Some(start) = text.get(at..)?.find('$').map(|found| at + found) {
        let rest = &text[start + 1..];
        let (name, end) = match rest.strip_prefix('{') {
            Some(inner) => match inner.find('}') {
                Some(close) => (inner[..close].split(' ').next().unwrap_or_default(), start + 2 + close + 1),
                None => ("", start + 1),
            },
            None => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                let followed = rest[length..].chars().next().is_none_or(|c| c.is_ascii_whitespace());
                (if followed { &rest[..length] } else { "" }, start + 1 + length)
            }
        };
        if is_name(name) {
            return Some((start, end, name.to_owned()));
        }
        at = start + 1;
    }
    None
}

/// `~SEQ(…) rest` as its head and the rest.
fn generator(line: &str) -> Option<(String, &str)> {
    let close = line.find(')')?;
    Some((line[..=close].to_owned(), line[close + 1..].trim_start()))
}

/// What the names of a generator are in each round.
fn rounds(head: &str) -> Option<Vec<Vec<(String, String)>>> {
    let (kind, inner) = head.strip_suffix(')')?.split_once('(')?;
    match kind.trim_end() {
        "~SEQ" => sequence(inner, false),
        "~SEQx" => sequence(inner, true),
        "~LST" => list(inner),
        _ => None,
    }
}

fn sequence(inner: &str, hex: bool) -> Option<Vec<Vec<(String, String)>>> {
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    let (name, numbers) = parts.split_first()?;
    let numbers: Vec<i64> = numbers.iter().map(|text| integer(text)).collect::<Option<_>>()?;
    let toward = |start: i64, end: i64| if end >= start { 1 } else { -1 };
    let (start, step, end) = match numbers[..] {
        [end] => (if end > 0 { 1 } else { -1 }, if end > 0 { 1 } else { -1 }, end),
        [start, end] => (start, toward(start, end), end),
        [start, step, end] => (start, step, end),
        _ => return None,
    };
    if step == 0 || !is_name(name) || (end.checked_sub(start)?.checked_div(step)?).unsigned_abs() as usize >= LINES_MAX
    {
        return None;
    }
    let mut rounds = Vec::new();
    let mut value = start;
    while if step > 0 { value <= end } else { value >= end } {
        let text = if hex { format!("{value:x}") } else { value.to_string() };
        rounds.push(vec![((*name).to_owned(), text)]);
        value = value.checked_add(step)?;
    }
    Some(rounds)
}

fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok()?,
        None => digits.parse::<u32>().ok().map(i64::from)?,
    };
    Some(sign * number)
}

fn list(inner: &str) -> Option<Vec<Vec<(String, String)>>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let (part, after) = match rest.strip_prefix('{') {
            Some(braced) => {
                let (inside, after) = braced.split_once('}')?;
                (inside.split(',').map(|word| word.trim().to_owned()).collect(), after)
            }
            None => {
                let (word, after) = rest.split_once(',').map_or((rest, ""), |(word, after)| (word, after));
                (vec![word.trim().to_owned()], after)
            }
        };
        parts.push(part);
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    let (names, values) = parts.split_first()?;
    let fits = !values.is_empty()
        && values.iter().all(|value| value.len() == names.len())
        && names.iter().all(|name| is_name(name));
    fits.then(|| values.iter().map(|value| names.iter().cloned().zip(value.iter().cloned()).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(text: &str, expected: &[&str]) {
        let host = Host { config_id: "main".into(), instance: "one".into() };
        let (lines, notes) = expand(&Files::one("/etc/k.conf", text), &host);
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), expected, "{notes:?}");
    }

    #[test]
    fn lines_comments_and_braces() {
        expect(
            "a { b } # c\r\n! d\n  \"x # y\" z ! w\ngroup { A B }\n",
            &["a", "{", "b", "}", "\"x # y\" z", "group", "{", "A B", "}"],
        );
        expect("p a\\#b\nq ${_HASH}c ${_BANG}\n", &["p a#b", "q #c !"]);
        expect(&format!("{}\nok\n", "x".repeat(1024)), &["ok"]);
    }

    #[test]
    fn conditions_and_definitions() {
        expect("@main a\n@other b\n@^main c\n@^other d\n", &["a", "d"]);
        expect(
            "$A=10.2.${S}\n$S=0\n${A}.1\n$S=7\n${A}.1\nx $A\n$UNKNOWN y\n",
            &["10.2.0.1", "10.2.7.1", "x 10.2.7", "$UNKNOWN y"],
        );
        expect("$I=@main\n$I yes\n$J=@other\n$J no\n", &["yes"]);
        expect(
            "$B= \\\n one ${N} { \\\n @main two \\\n @other three \\\n }\n\n$N=5\n$B\n",
            &["one 5", "{", "two", "}"],
        );
        expect("d ${_PWD} ${_INSTANCE}\n", &["d /etc one"]);
    }

    #[test]
    fn generators() {
        expect("~SEQ(S, 0, 2) a ${S}\n", &["a 0", "a 1", "a 2"]);
        expect("~SEQx(A, 0x12, -1, 0x10) ~SEQ(B,2) ${A}:${B}\n", &["12:1", "12:2", "11:1", "11:2", "10:1", "10:2"]);
        expect("~LST({I, J}, {10,1},{20,4}) 1.${I}.${J}\n", &["1.10.1", "1.20.4"]);
        expect("~LST(I, a, b) ~SEQ(N,2,2,4) ${I}${N}\n", &["a2", "a4", "b2", "b4"]);
        expect("$V= \\\n v ${N} { \\\n }\n~SEQ(N,1,2) $V\n", &["v 1", "{", "}", "v 2", "{", "}"]);
        expect("~SEQ(N, 0, 0, 5) x\n~SEQ(N,1,999999999999) y\nz\n", &["z"]);
    }

    #[test]
    fn includes_stay_in_their_tree() {
        let mut files = Files::one("/etc/keepalived/keepalived.conf", "a\ninclude conf.d/*.conf\nb\ninclude /none\n");
        files.add("/etc/keepalived/conf.d/x.conf", "x ${_PWD}\ninclude ../keepalived.conf\n");
        let (lines, notes) = expand(&files, &Host::default());
        assert_eq!(lines[1].text, "x /etc/keepalived/conf.d");
        assert!(notes.iter().any(|note| note.message.contains("include each other")) && lines.len() < 200);
    }

    #[test]
    fn a_file_that_includes_itself_twice_comes_to_an_end() {
        let (lines, notes) = expand(&Files::one("/k", "include *\ninclude *\nx\n"), &Host::default());
        assert!(lines.len() <= INCLUDES_MAX && notes.iter().any(|note| note.message.contains("are included")));
    }

    #[test]
    fn comments_are_no_part_of_definitions() {
        expect("$A=7 # seven\n$B=#nothing\np $A\n$B q\n", &["p 7", "q"]);
        expect("$A= \\\n  a \\ # more\n # b \\\n c\n$A\n", &["a", "c"]);
        expect("id ${_RANDOM 5 9}\n", &["id 5"]);
    }

    #[test]
    fn definitions_that_never_end_do() {
        expect("$A=$B x\n$B=$A y\n$A \nok\n", &["ok"]);
    }
}
