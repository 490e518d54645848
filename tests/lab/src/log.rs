//! What a node says: `systoled`'s log, one JSON object a line.

use std::io::{BufRead as _, BufReader, Read};

use serde::Deserialize;

use crate::clock;
use crate::story::Storyteller;

/// One event of a node's log. Fields that an event does not have are absent.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Line {
    /// When, on the clock that all namespaces share.
    pub mono_us: u64,
    /// How bad: `error`, `warn`, `info`, `debug` …
    #[serde(default)]
    pub level: String,
    /// Which kind of event.
    #[serde(default)]
    pub event: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// The resource it is about.
    #[serde(default)]
    pub resource: Option<String>,
    /// The operation: `start`, `stop`, `monitor` …
    #[serde(default)]
    pub operation: Option<String>,
    /// The node it is about.
    #[serde(default)]
    pub on: Option<String>,
    /// The agent's exit code.
    #[serde(default)]
    pub rc: Option<i32>,
}

/// Reads a node's log until it ends, and tells each line.
pub fn follow(node: &str, log: impl Read, story: &Storyteller) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        match serde_json::from_str::<Line>(&line) {
            Ok(parsed) => story.log(node, parsed),
            // A panic, a linker's complaint: whatever it is, it is worth reading.
            Err(_) if !line.trim().is_empty() => {
                let level = "error".to_owned();
                story.log(node, Line { mono_us: clock::now_us(), level, message: line, ..Line::default() });
            }
            Err(_) => {}
        }
    }
}

/// Reads a log of text lines until it ends, and tells those that speak of trouble.
pub fn follow_text(who: &str, log: impl Read, story: &Storyteller) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let level = match &line {
            line if line.contains("ERROR") || line.contains("panicked") => "error",
            line if line.contains("WARN") => "warn",
            _ => "debug",
        };
        story.log(who, Line { mono_us: clock::now_us(), level: level.to_owned(), message: line, ..Line::default() });
    }
}
