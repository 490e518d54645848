//! From lines to statements: a word, what follows it on the line, and its block. It is read as keepalived reads it,
//! mistakes included: of an unknown word with a block only the word is ignored, and the block's lines count as lines of
//! what is around it.

use crate::expand::Line;
use crate::keywords::{Shape, Side, TOP, Word, find};
use crate::note::{Note, Place};
use crate::words::{plain, quoted};

/// Blocks within blocks; keepalived's own words nest five deep.
const DEPTH_MAX: usize = 16;

/// A word with what follows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The word itself and those behind it on the line.
    pub words: Vec<String>,
    /// What stands in its block; a value of a value block is a statement too.
    pub block: Vec<Statement>,
    /// Where it stands.
    pub place: Place,
}

impl Statement {
    /// The word.
    pub fn word(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What follows it, by position from 1.
    pub fn argument(&self, position: usize) -> Option<&str> {
        self.words.get(position).map(String::as_str)
    }
}

/// Reads lines as one of keepalived's processes does.
pub fn parse(lines: &[Line], side: Side) -> (Vec<Statement>, Vec<Note>) {
    let mut parser = Parser { lines, at: 0, side, notes: Vec::new() };
    let statements = parser.block(TOP, 0);
    let (open, close) = lines.iter().fold((0usize, 0usize), |(open, close), line| match line.text.as_str() {
        "{" => (open + 1, close),
        "}" => (open, close + 1),
        _ => (open, close),
    });
    if open > close {
        let place = lines.last().map(|line| line.place.clone()).unwrap_or_default();
        parser.notes.push(Note::warning(
            place,
            format!("{} closing brace(s) missing; keepalived says so and goes on", open - close),
        ));
    }
    (statements, parser.notes)
}

struct Parser<'l> {
    lines: &'l [Line],
    at: usize,
    side: Side,
    notes: Vec<Note>,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<&Line> {
        let line = self.lines.get(self.at)?;
        self.at += 1;
        Some(line)
    }

    fn peek(&self) -> Option<&str> {
        self.lines.get(self.at).map(|line| line.text.as_str())
    }

    /// The statements of one block, up to its closing brace.
    fn block(&mut self, known: &'static [Word], depth: usize) -> Vec<Statement> {
        let mut statements = Vec::new();
        while let Some(line) = self.next().cloned() {
            match line.text.as_str() {
                "}" if depth > 0 => return statements,
                "}" => self.notes.push(Note::warning(line.place, "a closing brace too many; keepalived ignores it").about("}")),
                "{" => self.notes.push(Note::warning(line.place, "an opening brace that belongs to nothing; keepalived ignores it, and reads its lines as if they stood outside of a block").about("{")),
                _ => statements.extend(self.statement(&line, known, depth)),
            }
        }
        statements
    }

    fn statement(&mut self, line: &Line, known: &'static [Word], depth: usize) -> Option<Statement> {
        let first = line.text.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default().trim_matches('"');
        let Some(word) = find(known, first) else {
            self.notes.push(unknown(first, known, &line.place));
            return None;
        };
        let words = if word.shape == Shape::Command { quoted(&line.text) } else { plain(&line.text) };
        // Of a line with an open quote keepalived does not look for what is missing.
        let whole = words.is_ok();
        let words = words.unwrap_or_else(|error| {
            let message = format!("a {} that is not closed; keepalived ignores what follows {first}", error.quote);
            self.notes.push(Note::warning(line.place.clone(), message).about(first));
            vec![first.to_owned()]
        });
        if word.needs && whole && words.len() < 2 && self.reads(word) {
            let message = format!("{first} has nothing behind it; keepalived ends at this line, and does not start");
            self.notes.push(Note::error(line.place.clone(), message).about(first));
        }
        let mut statement = Statement { words, block: Vec::new(), place: line.place.clone() };
        match word.shape {
            Shape::Line | Shape::Command => {}
            _ if !self.reads(word) || depth >= DEPTH_MAX => {
                self.skip();
                return None;
            }
            Shape::Values => {
                self.open(&statement);
                statement.block = self.values();
            }
            Shape::Block(inner) => {
                self.open(&statement);
                statement.block = self.block(inner, depth + 1);
            }
        }
        Some(statement)
    }

    fn reads(&self, word: &Word) -> bool {
        word.side == Side::All || self.side == Side::All || word.side == self.side
    }

    /// Passes over a block by its braces alone.
    fn skip(&mut self) {
        if self.peek() != Some("{") {
            return;
        }
        let mut depth = 0;
        while let Some(line) = self.next() {
            match line.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// The opening brace; keepalived goes on without one.
    fn open(&mut self, statement: &Statement) {
        if self.peek() == Some("{") {
            self.at += 1;
        } else {
            let message =
                format!("the opening brace of {} is missing; keepalived goes on as if it were there", statement.word());
            self.notes.push(Note::warning(statement.place.clone(), message).about(statement.word()));
        }
    }

    fn values(&mut self) -> Vec<Statement> {
        let mut values = Vec::new();
        while let Some(line) = self.next().cloned() {
            match line.text.as_str() {
                "}" => break,
                "{" => self
                    .notes
                    .push(Note::warning(line.place, "an opening brace among values; keepalived ignores it").about("{")),
                text => match plain(text) {
                    Ok(words) => values.push(Statement { words, block: Vec::new(), place: line.place }),
                    Err(error) => self.notes.push(Note::warning(
                        line.place,
                        format!("a {} that is not closed; keepalived ignores the line", error.quote),
                    )),
                },
            }
        }
        values
    }
}

fn unknown(word: &str, known: &[Word], place: &Place) -> Note {
    let near = known.iter().map(|known| (strsim::jaro_winkler(word, known.name), known.name));
    let near = near.filter(|(score, _)| *score > 0.85).max_by(|one, two| one.0.total_cmp(&two.0));
    let hint = near.map_or(String::new(), |(_, name)| format!("; {name} is known"));
    Note::warning(place.clone(), format!("{word} is not known here; keepalived ignores this too{hint}")).about(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::{Host, expand};
    use crate::files::Files;

    fn read(text: &str) -> (String, Vec<String>) {
        let (lines, _) = expand(&Files::one("/k", text), &Host::default());
        let (statements, notes) = parse(&lines, Side::Vrrp);
        fn shown(statements: &[Statement]) -> String {
            let one = |one: &Statement| match one.block.is_empty() {
                true => one.words.join(" "),
                false => format!("{} ({})", one.words.join(" "), shown(&one.block)),
            };
            statements.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        (shown(&statements), notes.iter().map(|note| format!("{} {}", note.place.line, note.word)).collect())
    }

    #[test]
    fn blocks_wherever_their_braces_stand() {
        let (text, notes) = read(
            "vrrp_instance A {\n state BACKUP\n virtual_ipaddress\n {\n 10.0.0.1/24 dev x\n 10.0.0.2 } }\nvrrp_sync_group G { group { A B } }\n",
        );
        assert_eq!(
            text,
            "vrrp_instance A (state BACKUP, virtual_ipaddress (10.0.0.1/24 dev x, 10.0.0.2)), vrrp_sync_group G (group (A B))"
        );
        assert!(notes.is_empty());
    }

    #[test]
    fn mistakes_are_those_of_keepalived() {
        let (text, notes) = read("vrrp_instance A {\n foo {\n priority 7\n }\n state MASTER\n}\nrouter_id x\n");
        assert_eq!(text, "vrrp_instance A (priority 7)");
        assert_eq!(notes, ["2 foo", "2 {", "5 state", "6 }", "7 router_id"]);
        let (text, notes) =
            read("vrrp_instance A\n state MASTER\n}\nvirtual_server 1.2.3.4 80 {\n nonsense {\n}\n}\nglobal_defs {\n");
        assert_eq!(text, "vrrp_instance A (state MASTER), global_defs");
        assert_eq!(notes, ["1 vrrp_instance"], "the servers are another process's; braces are even");
    }

    #[test]
    fn what_stands_behind_a_word_may_be_missing_or_not_be_closed() {
        let severe = |text: &str| {
            let (lines, _) = expand(&Files::one("/k", text), &Host::default());
            let (_, notes) = parse(&lines, Side::Vrrp);
            notes.iter().map(|note| note.severity).collect::<Vec<_>>()
        };
        use crate::note::Severity::{Error, Warning};
        assert_eq!(severe("vrrp_instance A {\n notify_master\n}\n"), [Error]);
        assert_eq!(severe("vrrp_instance A {\n notify_master \"/bin/true\n}\n"), [Warning]);
        assert_eq!(severe("virtual_server 10.0.0.1 80 {\n quorum\n}\n"), [], "another process reads it");
    }

    #[test]
    fn commands_are_read_as_a_shell_does() {
        let (text, _) = read("vrrp_script s {\n script '/usr/bin/x y' z\\ w\n}\n");
        assert_eq!(text, "vrrp_script s (script /usr/bin/x y z w)");
    }
}
