//! The letters of XML: what may stand in it, what has to be escaped, where lines begin, and its reader's errors in words
//! for whoever wrote the file.

use std::borrow::Cow;

/// Whether XML allows this as the name of an element or an attribute.
pub fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    text.starts_with(first) && text.chars().all(|c| first(c) || c.is_numeric() || matches!(c, '-' | '.' | '\u{b7}'))
}

pub(super) fn carriable(value: &str) -> Cow<'_, str> {
    let forbidden = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    match value.contains(forbidden) {
        false => Cow::Borrowed(value),
        true => Cow::Owned(value.replace(forbidden, "\u{fffd}")),
    }
}

pub(super) fn line_starts(source: &str) -> Vec<u32> {
    std::iter::once(0)
        .chain(source.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1))
        .collect()
}

pub(super) fn resolve_reference(reference: &quick_xml::events::BytesRef<'_>) -> Option<String> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character.to_string());
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

pub(super) fn escape(text: &str, attribute: bool, out: &mut String) {
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
