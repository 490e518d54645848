//! What becomes of each line of a keepalived.conf, what has to be asked, and what the answers are.

use std::collections::BTreeMap;
use std::fmt;

use keepalived::Place;

/// What becomes of a word.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// The same as before, by this.
    Carried(String),
    /// By this, with a difference.
    Differs {
        /// What does it then.
        by: String,
        /// What is not as it was.
        difference: String,
    },
    /// What the question of this name is answered with decides.
    Asked(String),
    /// It is lost; what to do about it.
    Cannot(String),
    /// It means nothing without VRRP, or never did anything; why.
    Dropped(String),
}

impl Verdict {
    /// The kind, in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Verdict::Carried(_) => "carried over",
            Verdict::Differs { .. } => "with a difference",
            Verdict::Asked(_) => "question",
            Verdict::Cannot(_) => "cannot",
            Verdict::Dropped(_) => "dropped",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Carried(by) => f.write_str(by),
            Verdict::Differs { by, difference } => write!(f, "{by}. Difference: {difference}"),
            Verdict::Asked(question) => write!(f, "see the question {question}"),
            Verdict::Cannot(instead) => f.write_str(instead),
            Verdict::Dropped(why) => f.write_str(why),
        }
    }
}

/// A word on a host, and what becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// The host.
    pub host: String,
    /// Where it stands.
    pub place: Place,
    /// The blocks it is in, and the word: `vrrp_instance WEB / priority`.
    pub path: String,
    /// The word with what follows it; passwords are not shown.
    pub text: String,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// Something that only a person can decide.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Its name in the file of answers.
    pub name: String,
    /// What is asked.
    pub text: String,
    /// The answers there are, with what follows from each; a last one in angle brackets is free.
    pub choices: Vec<(String, String)>,
    /// What is taken if nothing is said; without one it has to be answered.
    pub default: Option<String>,
    /// What was answered.
    pub answer: Option<String>,
    /// The first place it is about.
    pub place: Option<(String, Place)>,
}

impl Question {
    /// What holds: the answer, or the default.
    pub fn holds(&self) -> &str {
        self.answer.as_deref().or(self.default.as_deref()).unwrap_or_default()
    }

    /// Whether nobody has decided it.
    pub fn is_open(&self) -> bool {
        self.answer.is_none()
    }
}

/// Why an answer was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Line in the file of answers, from 1.
    pub line: usize,
    /// The word it is about.
    pub word: String,
    /// What is expected.
    pub message: String,
}

/// Answers, by the names of the questions: lines `NAME = ANSWER`. `defaults = yes` takes the defaults of all others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answers {
    given: BTreeMap<String, (usize, String)>,
    /// Whether questions that are not answered have their default.
    pub defaults: bool,
}

/// Answers in one file; a plan has some dozens of questions.
const ANSWERS_MAX: usize = 10_000;

impl Answers {
    /// Reads a file of answers.
    pub fn read(text: &str) -> Result<Answers, Mistake> {
        let mut answers = Answers::default();
        for (number, line) in text.lines().enumerate() {
            let line_number = number + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mistake = |word: &str, message: &str| {
                Err(Mistake { line: line_number, word: word.to_owned(), message: message.to_owned() })
            };
            let Some((name, value)) = line.split_once('=') else {
                return mistake(line, "expected NAME = ANSWER");
            };
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || value.is_empty() {
                return mistake(line, "expected NAME = ANSWER");
            }
            if name == "defaults" {
                match value {
                    "yes" => answers.defaults = true,
                    "no" => answers.defaults = false,
                    _ => return mistake(value, "expected yes or no"),
                }
                continue;
            }
            if answers.given.len() == ANSWERS_MAX {
                return mistake(name, "more answers than any plan has questions");
            }
            if answers.given.insert(name.to_owned(), (line_number, value.to_owned())).is_some() {
                return mistake(name, "this is answered twice");
            }
        }
        Ok(answers)
    }

    /// What was answered to a question.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|(_, value)| value.as_str())
    }

    /// Answers to questions that are not asked, or that are none of the choices.
    pub fn mistakes(&self, questions: &[Question]) -> Vec<Mistake> {
        let mut found = Vec::new();
        for (name, (line, value)) in &self.given {
            let mistake = |message: String, word: &str| Mistake { line: *line, word: word.to_owned(), message };
            let Some(question) = questions.iter().find(|question| question.name == *name) else {
                found.push(mistake(format!("{name} is not asked; see the plan for the questions there are"), name));
                continue;
            };
            let free = question.choices.iter().any(|(choice, _)| choice.starts_with('<'));
            if !free && !question.choices.iter().any(|(choice, _)| choice == value) {
                let choices: Vec<&str> = question.choices.iter().map(|(choice, _)| choice.as_str()).collect();
                found.push(mistake(format!("{name} is one of {}, not {value}", choices.join(", ")), value));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_lines() {
        let answers = Answers::read("# why\n fencing = none \n\ndefaults = yes\n").unwrap();
        assert_eq!((answers.get("fencing"), answers.defaults), (Some("none"), true));
        assert_eq!(Answers::read("a = b\nnonsense\n").unwrap_err().line, 2);
        assert_eq!(answers.mistakes(&[])[0].line, 2);
    }
}
