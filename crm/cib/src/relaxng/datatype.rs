//! The types of texts a schema may ask for: those of XML Schema that configurations need.

use std::fmt;

use regex::Regex;

use super::pattern::Id;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    /// A name without a colon: ids, and references to them.
    Name,
    Boolean,
    Integer,
}

/// A type, with what narrows it.
#[derive(Clone, Debug)]
pub(super) struct Datatype {
    name: String,
    kind: Kind,
    least: Option<i128>,
    most: Option<i128>,
    form: Option<Regex>,
    /// What it may not be.
    pub except: Option<Id>,
}

impl Datatype {
    pub fn new(name: &str) -> Result<Datatype, String> {
        let (kind, least) = match name {
            "string" | "token" | "normalizedString" => (Kind::Text, None),
            "ID" | "IDREF" | "NCName" => (Kind::Name, None),
            "boolean" => (Kind::Boolean, None),
            "integer" => (Kind::Integer, None),
            "nonNegativeInteger" => (Kind::Integer, Some(0)),
            "positiveInteger" => (Kind::Integer, Some(1)),
            other => return Err(format!("the datatype {other} is not known")),
        };
        Ok(Datatype { name: name.to_owned(), kind, least, most: None, form: None, except: None })
    }

    /// Narrows it by a `<param>`.
    pub fn narrow(&mut self, parameter: &str, value: &str) -> Result<(), String> {
        let number = || value.trim().parse().map_err(|_| format!("{parameter} has to be a number, not {value}"));
        match parameter {
            "pattern" => {
                // XML Schema's patterns are about the whole text.
                let form = Regex::new(&format!("^(?:{value})$"));
                self.form = Some(form.map_err(|error| format!("the pattern {value}: {error}"))?);
            }
            "minInclusive" => self.least = Some(number()?),
            "maxInclusive" => self.most = Some(number()?),
            other => return Err(format!("the parameter {other} is not known")),
        }
        Ok(())
    }

    pub fn has(&self, text: &str) -> bool {
        let word = text.trim();
        let of_kind = match self.kind {
            Kind::Text => true,
            Kind::Name => is_name(word),
            Kind::Boolean => matches!(word, "true" | "false" | "1" | "0"),
            Kind::Integer => self.is_integer(word),
        };
        of_kind && self.form.as_ref().is_none_or(|form| form.is_match(text))
    }

    /// Integers are of any length; those too long for the bounds' type count as its ends.
    fn is_integer(&self, word: &str) -> bool {
        let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        let end = if word.starts_with('-') { i128::MIN } else { i128::MAX };
        let number = word.strip_prefix('+').unwrap_or(word).parse().unwrap_or(end);
        self.least.is_none_or(|least| number >= least) && self.most.is_none_or(|most| number <= most)
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            Some(form) => {
                let form = form.as_str();
                write!(f, "a text like {}", &form["^(?:".len()..form.len() - ")$".len()])
            }
            None => f.write_str(match self.name.as_str() {
                "ID" | "NCName" => "a letter or _, then letters, digits, - _ and .",
                "IDREF" => "the id of an element",
                "boolean" => "true or false",
                "integer" => "a whole number",
                "nonNegativeInteger" => "a whole number from 0 on",
                "positiveInteger" => "a whole number from 1 on",
                _ => "a text",
            }),
        }
    }
}

fn is_name(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '\u{b7}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_take_what_is_theirs() {
        for (name, good, bad) in [
            ("ID", &["a", "_1.b-c", " padded "][..], &["", "1a", "a b", "a:b"][..]),
            ("boolean", &["true", "0"], &["yes", "TRUE", ""]),
            ("integer", &["-5", "+5", "123456789012345678901234567890123456789012345"], &["", "5.0", "INFINITY", "-"]),
            ("positiveInteger", &["1"], &["0", "-1"]),
            ("nonNegativeInteger", &["0", "-0"], &["-1"]),
            ("string", &["", "anything"], &[]),
        ] {
            let datatype = Datatype::new(name).unwrap();
            assert!(good.iter().all(|text| datatype.has(text)), "{name}");
            assert!(!bad.iter().any(|text| datatype.has(text)), "{name}");
        }
        let mut level = Datatype::new("integer").unwrap();
        level.narrow("maxInclusive", "9").unwrap();
        assert!(level.has("9") && !level.has("10"));
        let mut list = Datatype::new("string").unwrap();
        list.narrow("pattern", "[a-z]+(,[a-z]+)*").unwrap();
        assert!(list.has("a,b") && !list.has("a,"));
        assert_eq!(list.to_string(), "a text like [a-z]+(,[a-z]+)*");
    }
}
