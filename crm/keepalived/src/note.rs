//! What is said about a configuration, with the place it is about.

use std::fmt;

/// A line of a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Place {
    /// Path of the file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// How much it matters.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// keepalived cannot use it either.
    Error,
    /// keepalived goes on, and does something else than what stands there.
    Warning,
}

/// One remark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub place: Place,
    /// What there is to say, a sentence without its full stop.
    pub message: String,
    /// The word it is about, as it stands in the line; empty for the whole line.
    pub word: String,
}

impl Note {
    pub(crate) fn error(place: Place, message: impl Into<String>) -> Note {
        Note { severity: Severity::Error, place, message: message.into(), word: String::new() }
    }

    pub(crate) fn warning(place: Place, message: impl Into<String>) -> Note {
        Note { severity: Severity::Warning, place, message: message.into(), word: String::new() }
    }

    pub(crate) fn about(mut self, word: &str) -> Note {
        word.clone_into(&mut self.word);
        self
    }
}
