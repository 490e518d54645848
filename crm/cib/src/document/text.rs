//! The letters of XML: what may stand in it, what has to be escaped, where lines begin, and its reader's errors in words
//! for whoever wrote the file, with the place they are about.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Position;

/// Whether XML allows this as the name of an element or an attribute.
pub fn is_name(text: &str) -> bool {
    // Nearly all names are plain, and there are many.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if text.bytes().all(plain) {
        return text.bytes().next().is_some_and(|first| !first.is_ascii_digit() && !matches!(first, b'-' | b'.'));
    }
    let first = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    text.starts_with(first) && text.chars().all(|c| first(c) || c.is_numeric() || matches!(c, '-' | '.' | '\u{b7}'))
}

/// `file:line:column: message`, the line itself and a caret under the column.
pub fn caret(file: &str, source: &str, position: Position, message: &str) -> String {
    let mut out = format!("{file}:{}:{}: {message}", position.line, position.column);
    if let Some(line) = source.lines().nth(position.line.saturating_sub(1) as usize) {
        // A line may be a whole document: show a window around the caret.
        let column = (position.column.saturating_sub(1) as usize).min(line.len());
        let from = floor_boundary(line, column.saturating_sub(60));
        let to = floor_boundary(line, (column + 60).min(line.len()));
        let indent = line[from..floor_boundary(line, column)].chars().count();
        let _ = write!(out, "\n    {}\n    {}^", &line[from..to], " ".repeat(indent));
    }
    out
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What XML calls white space.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| BLANKS.contains(&char::from(byte)))
}

fn is_forbidden(c: char) -> bool {
    (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Where the first character stands that XML cannot carry.
pub(super) fn find_forbidden(text: &str) -> Option<usize> {
    // Of the two forbidden characters beyond the control characters, each begins with a byte that CIBs hardly hold:
    // so a look at the bytes settles it for nearly all of them.
    let suspect = |byte: u8| byte == 0xef || (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'));
    // Piece by piece without leaving early, so that many bytes are looked at at once.
    let mut pieces = text.as_bytes().chunks(4096);
    pieces
        .any(|piece| piece.iter().fold(false, |found, byte| found | suspect(*byte)))
        .then(|| text.find(is_forbidden))
        .flatten()
}

pub(super) fn carriable(value: &str) -> Cow<'_, str> {
    match find_forbidden(value) {
        None => Cow::Borrowed(value),
        Some(_) => Cow::Owned(value.replace(is_forbidden, "\u{fffd}")),
    }
}

pub(super) fn line_starts(source: &str) -> Vec<u32> {
    std::iter::once(0).chain(memchr::memchr_iter(b'\n', source.as_bytes()).map(|at| at as u32 + 1)).collect()
}

pub(super) fn resolve_reference(reference: &quick_xml::events::BytesRef<'_>) -> Option<String> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return (!is_forbidden(character)).then(|| character.to_string());
    }
    quick_xml::escape::resolve_predefined_entity(reference).map(str::to_owned)
}

/// quick-xml's own words are for programmers; these are for whoever wrote the file.
pub(super) fn plain_error(error: &quick_xml::Error) -> String {
    use quick_xml::errors::IllFormedError::{MismatchedEndTag, UnmatchedEndTag};
    match error {
        quick_xml::Error::IllFormed(MismatchedEndTag { expected, found }) => {
            format!("expected </{expected}>, found </{found}>")
        }
        quick_xml::Error::IllFormed(UnmatchedEndTag(found)) => {
            format!("</{found}> closes an element that was never opened")
        }
        other => format!("not well-formed XML: {other}"),
    }
}

/// Adds `value` as it stands between the quotes of an attribute. Characters that XML cannot carry become U+FFFD.
pub fn escape_attribute(value: &str, out: &mut String) {
    escape(&carriable(value), true, out);
}

pub(super) fn escape(text: &str, attribute: bool, out: &mut String) {
    // Most values have nothing to escape.
    if !text.bytes().any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\n' | b'\t' | b'\r')) {
        out.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}
