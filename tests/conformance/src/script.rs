//! Scripts of events: a text file of steps, each with the answer it must give. What a step means is
//! left to whoever runs it. The crates of the machines include this file in their own tests.
//!
//! ```text
//! # Why this step is here.
//! step word key=value key="a value with blanks"
//! ----
//! what it answered
//! ```
//!
//! With `UPDATE=1` in the environment the answers are written anew instead of compared.

use std::fs;
use std::path::Path;

/// One line of a script, cut into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The words without `=`.
    pub words: Vec<String>,
    /// The others, as name and value, in their order.
    pub pairs: Vec<(String, String)>,
}

impl Step {
    /// Cuts a line into words. Double quotes hold blanks together; `\n` in them is a line's end.
    pub fn parse(line: &str) -> Step {
        let mut pieces = vec![String::new()];
        let mut quoted = false;
        for character in line.replace("\\n", "\n").chars() {
            match character {
                '"' => quoted = !quoted,
                ' ' if !quoted => pieces.push(String::new()),
                other => pieces.last_mut().expect("it starts with one").push(other),
            }
        }
        assert!(!quoted, "a quote is not closed in {line:?}");
        let mut step = Step { words: Vec::new(), pairs: Vec::new() };
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            match piece.split_once('=') {
                Some((name, value)) => step.pairs.push((name.to_owned(), value.to_owned())),
                None => step.words.push(piece),
            }
        }
        step
    }

    /// The word at a place.
    pub fn word(&self, place: usize) -> &str {
        self.words.get(place).unwrap_or_else(|| panic!("word {place} is missing in {self:?}"))
    }

    /// The value of a pair.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The word at a place as a number.
    pub fn number(&self, place: usize) -> u64 {
        self.word(place).parse().unwrap_or_else(|_| panic!("word {place} is not a number in {self:?}"))
    }
}

/// Runs every script (`*.txt`) of a folder. `start` makes whatever carries out the steps of one script.
pub fn run_folder<F: FnMut(&Step) -> String>(folder: &Path, mut start: impl FnMut() -> F) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("reading the scripts in {}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no scripts", folder.display());
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display()));
        let answered = run_text(&text, &mut start());
        if answered == text {
            continue;
        }
        if update {
            fs::write(&path, answered).unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
        } else {
            wrong.push(format!("{}: {}", path.display(), first_difference(&text, &answered)));
        }
    }
    assert!(wrong.is_empty(), "{}\n(UPDATE=1 writes the answers anew)", wrong.join("\n"));
}

/// The script with the answers its steps give now.
pub fn run_text(text: &str, carry_out: &mut dyn FnMut(&Step) -> String) -> String {
    let mut answered = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        answered.push_str(line);
        answered.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if lines.next_if_eq(&"----").is_some() {
            while lines.next_if(|line| !line.is_empty()).is_some() {}
        }
        let answer = carry_out(&Step::parse(line));
        answered.push_str("----\n");
        answered.push_str(answer.trim_end());
        answered.push('\n');
        if lines.peek().is_some_and(|line| !line.is_empty()) {
            answered.push('\n');
        }
    }
    answered
}

fn first_difference(expected: &str, found: &str) -> String {
    let mut pairs = expected.lines().zip(found.lines()).enumerate();
    match pairs.find(|(_, (expected, found))| expected != found) {
        Some((at, (expected, found))) => format!("line {}:\n  expected: {expected}\n  answered: {found}", at + 1),
        None => format!("expected {} lines, answered {}", expected.lines().count(), found.lines().count()),
    }
}
