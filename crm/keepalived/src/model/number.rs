//! Numbers and switches as keepalived reads them, and what it does about those that are none.

use std::ops::RangeInclusive;

use crate::note::Note;
use crate::statement::Statement;

/// Seconds that keepalived can hold in 32 bits of microseconds.
pub(super) const SECONDS_MAX: u32 = 4_294;

/// Takes a value that was found; what keepalived ignores leaves the one before.
pub(super) fn set<T>(now: &mut T, found: Option<T>) {
    if let Some(found) = found {
        *now = found;
    }
}

/// The number behind a word, or nothing if keepalived ignores the line. What stands behind the digits is no matter to it.
pub(super) fn number(one: &Statement, range: RangeInclusive<u32>, notes: &mut Vec<Note>) -> Option<u32> {
    let text = one.argument(1).unwrap_or_default();
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    // More digits than any number here has are too large as well.
    let value = if end == 0 { 0 } else { digits[..end].parse::<u64>().unwrap_or(u64::MAX) };
    let found = u32::try_from(value).ok().filter(|value| range.contains(value) && !text.starts_with('-'));
    let whole = end > 0 && end == digits.len();
    let mut warn = |message| notes.push(Note::warning(one.place.clone(), message).about(text));
    match found {
        None if *range.end() == u32::MAX => {
            warn(format!("{} {text} is no number that it can be; keepalived ignores it", one.word()));
        }
        None => {
            let (least, most) = range.into_inner();
            warn(format!("{} {text} is not between {least} and {most}; keepalived ignores it", one.word()));
        }
        Some(value) if !whole => warn(format!("{text} is no number; keepalived reads it as {value}")),
        Some(_) => {}
    }
    found
}

/// As [`number`], of at least 1: keepalived takes 0 for 1.
pub(super) fn count(one: &Statement, notes: &mut Vec<Note>) -> Option<u32> {
    let value = number(one, 0..=u32::MAX, notes)?;
    if value == 0 {
        let message = format!("{} is at least 1; keepalived takes that", one.word());
        notes.push(Note::warning(one.place.clone(), message).about(one.argument(1).unwrap_or(one.word())));
    }
    Some(value.max(1))
}

/// A switch: on by its name alone, or by a word behind it; nothing if that word is none.
pub(super) fn switch(one: &Statement, notes: &mut Vec<Note>) -> Option<bool> {
    let found = super::switch(one);
    if found.is_none() {
        let word = one.argument(1).unwrap_or_default();
        let message =
            format!("{} is on or off, yes or no, true or false, not {word}; keepalived ignores the line", one.word());
        notes.push(Note::warning(one.place.clone(), message).about(word));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Place;

    #[test]
    fn numbers_end_where_their_digits_end() {
        let read = |text: &str, range| {
            let words = vec!["garp_master_delay".to_owned(), text.to_owned()];
            let mut notes = Vec::new();
            let found = number(&Statement { words, block: Vec::new(), place: Place::default() }, range, &mut notes);
            (found, notes.len())
        };
        assert_eq!(read("07", 0..=9), (Some(7), 0));
        assert_eq!(read("+5", 0..=9), (Some(5), 0));
        assert_eq!(read("3.5", 0..=9), (Some(3), 1));
        assert_eq!(read("abc", 0..=9), (Some(0), 1));
        assert_eq!(read("-1", 0..=9), (None, 1));
        assert_eq!(read("10", 0..=9), (None, 1));
        assert_eq!(read("99999999999999999999999", 0..=u32::MAX), (None, 1));
        assert_eq!(read("abc", 1..=9), (None, 1));
    }
}
