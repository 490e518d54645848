//! What happened in a run, line by line: as a hash always, so that two runs can be compared; as text when wanted.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// What becomes of the lines, beside their hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Nothing.
    Hash,
    /// The last so many are kept.
    Last(usize),
    /// They are printed as they come.
    Print,
}

/// A trace.
#[derive(Debug)]
pub struct Trace {
    keep: Keep,
    hash: u64,
    lines: u64,
    line: String,
    kept: VecDeque<String>,
}

impl Trace {
    /// An empty one.
    pub fn new(keep: Keep) -> Self {
        // FNV-1a's offset.
        Trace { keep, hash: 0xcbf2_9ce4_8422_2325, lines: 0, line: String::new(), kept: VecDeque::new() }
    }

    /// One line: when, who, what.
    pub fn line(&mut self, now: Duration, who: &str, what: fmt::Arguments<'_>) {
        self.line.clear();
        let _ = write!(self.line, "{:>12.6} {who:<6} {what}", now.as_secs_f64());
        for byte in self.line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines += 1;
        match self.keep {
            Keep::Hash => {}
            Keep::Last(most) => {
                if self.kept.len() >= most {
                    self.kept.pop_front();
                }
                self.kept.push_back(self.line.clone());
            }
            Keep::Print => println!("{}", self.line),
        }
    }

    /// Of all lines so far: equal for equal runs.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there were.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines, if they were to be kept.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        self.kept.iter().map(String::as_str)
    }
}
