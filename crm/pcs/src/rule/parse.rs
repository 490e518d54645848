//! Words of a command line as an expression. `and` and `or` bind alike, from left to right; parentheses part them.

use cib::date;

use super::{Context, Expression};
use crate::pairs::{self, Pairs};

const COMPARISONS: [&str; 6] = ["eq", "ne", "lt", "gt", "lte", "gte"];
const KINDS: [&str; 4] = ["string", "integer", "number", "version"];
const UNITS: [&str; 10] =
    ["hours", "minutes", "seconds", "monthdays", "weekdays", "yeardays", "months", "weeks", "years", "weekyears"];
/// Parentheses within parentheses beyond this are no rule of a person's.
const MAX_DEPTH: usize = 20;

/// Reads an expression.
///
/// # Errors
/// What was expected, and where.
pub fn parse(words: &[String], context: Context) -> Result<Expression, String> {
    let text = words.join(" ");
    let mut reader = Reader { tokens: tokens(words), at: 0, context, depth: 0 };
    let whole = reader.sequence().and_then(|expression| match reader.peek() {
        None => Ok(expression),
        Some(word) => Err(format!("'{word}' was not expected; expected 'and', 'or' or the end")),
    });
    whole.map_err(|why| format!("'{text}' is not a valid rule expression: {why}"))
}

/// Words, with parentheses as words of their own. A single word may be a whole expression.
fn tokens(words: &[String]) -> Vec<String> {
    let mut tokens = Vec::new();
    let pieces = words.iter().flat_map(|word| match words.len() {
        1 => word.split_whitespace().collect::<Vec<_>>(),
        _ => vec![word.trim()],
    });
    for piece in pieces {
        let inner = piece.trim_start_matches('(');
        tokens.extend((inner.len()..piece.len()).map(|_| "(".to_owned()));
        let bare = inner.trim_end_matches(')');
        if !bare.is_empty() {
            tokens.push(bare.to_owned());
        }
        tokens.extend((bare.len()..inner.len()).map(|_| ")".to_owned()));
    }
    tokens
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
    context: Context,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn peek_behind(&self) -> Option<&str> {
        self.tokens.get(self.at + 1).map(String::as_str)
    }

    fn next(&mut self, expected: &str) -> Result<String, String> {
        let word = self.tokens.get(self.at).cloned().ok_or_else(|| format!("it ends where {expected} was expected"))?;
        self.at += 1;
        Ok(word)
    }

    fn sequence(&mut self) -> Result<Expression, String> {
        let mut left = self.operand()?;
        while let Some(word @ ("and" | "or")) = self.peek() {
            let and = word == "and";
            self.at += 1;
            let right = self.operand()?;
            left = match (left, and) {
                (Expression::And(mut parts), true) => {
                    parts.push(right);
                    Expression::And(parts)
                }
                (Expression::Or(mut parts), false) => {
                    parts.push(right);
                    Expression::Or(parts)
                }
                (left, true) => Expression::And(vec![left, right]),
                (left, false) => Expression::Or(vec![left, right]),
            };
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expression, String> {
        let word = self.next("a condition")?;
        match (word.as_str(), self.context) {
            ("(", _) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(format!("parentheses are nested more than {MAX_DEPTH} deep"));
                }
                let inner = self.sequence()?;
                self.depth -= 1;
                match self.next("')'")?.as_str() {
                    ")" => Ok(inner),
                    other => Err(format!("expected ')', found '{other}'")),
                }
            }
            ("date", _) if matches!(self.peek(), Some("gt" | "lt" | "in_range")) => self.date(),
            ("date-spec", _) => Ok(Expression::DateSpec(self.units("date-spec")?)),
            ("defined" | "not_defined", context) if context != Context::ResourceDefaults => {
                Ok(Expression::Defined { operation: word, attribute: self.next("an attribute")? })
            }
            ("resource", Context::ResourceDefaults | Context::OperationDefaults) => self.resource(),
            ("op", Context::OperationDefaults) => {
                let name = self.next("an operation")?;
                let interval = self.peek().and_then(|word| word.strip_prefix("interval=")).map(str::to_owned);
                self.at += usize::from(interval.is_some());
                Ok(Expression::Operation { name, interval })
            }
            (_, Context::ResourceDefaults) => {
                Err(format!("expected 'resource', 'date' or 'date-spec', found '{word}'"))
            }
            _ => self.attribute(word),
        }
    }

    fn attribute(&mut self, attribute: String) -> Result<Expression, String> {
        let operation = self.next("one of 'eq', 'ne', 'lt', 'gt', 'lte', 'gte' behind the attribute")?;
        if !COMPARISONS.contains(&operation.as_str()) {
            let known = COMPARISONS.map(|word| format!("'{word}'")).join(", ");
            return Err(format!("expected one of {known} behind '{attribute}', found '{operation}'"));
        }
        // A type is one only when a value follows.
        let typed = self.peek().is_some_and(|word| KINDS.contains(&word))
            && self.peek_behind().is_some_and(|word| !matches!(word, "and" | "or" | ")"));
        let kind = if typed { Some(self.next("a type")?) } else { None };
        let value = self.next("a value")?;
        let whole = value.parse::<i64>().is_ok();
        match kind.as_deref() {
            Some("integer") if !whole => return Err(format!("'{value}' is not an integer")),
            Some("number") if value.parse::<f64>().is_err() => return Err(format!("'{value}' is not a number")),
            Some("version") if !value.split('.').all(|part| part.parse::<u32>().is_ok()) => {
                return Err(format!("'{value}' is not a version; expected numbers with dots"));
            }
            _ => {}
        }
        Ok(Expression::Attribute { operation, attribute, kind, value })
    }

    fn date(&mut self) -> Result<Expression, String> {
        let operation = self.next("'gt', 'lt' or 'in_range'")?;
        let (mut start, mut end, mut duration) = (None, None, None);
        match operation.as_str() {
            "gt" => start = Some(self.moment()?),
            "lt" => end = Some(self.moment()?),
            _ => {
                if self.peek() != Some("to") {
                    start = Some(self.moment()?);
                }
                let to = self.next("'to'")?;
                if to != "to" {
                    return Err(format!("expected 'to', found '{to}'"));
                }
                if self.peek() == Some("duration") && start.is_some() {
                    self.at += 1;
                    duration = Some(self.units("duration")?);
                } else {
                    end = Some(self.moment()?);
                }
            }
        }
        Ok(Expression::Date { operation, start, end, duration })
    }

    fn moment(&mut self) -> Result<String, String> {
        let word = self.next("a date")?;
        match date::parse(&word, 0) {
            Some(_) => Ok(word),
            None => Err(format!("'{word}' is not a date; expected an ISO 8601 date such as 2026-12-31")),
        }
    }

    fn units(&mut self, of: &str) -> Result<Pairs, String> {
        let mut units = Pairs::new();
        while let Some(word) = self.peek().filter(|word| word.contains('=')) {
            let (name, value) = pairs::split(word).map_err(|_| format!("'{word}' is no unit with a number"))?;
            if !UNITS.contains(&name.as_str()) && name != "moon" {
                let known = UNITS.join(", ");
                return Err(format!("'{name}' is no unit of a {of}; expected one of {known}"));
            }
            let whole = |text: &str| text.parse::<u32>().is_ok();
            let range = value.split_once('-').is_some_and(|(low, high)| whole(low) && whole(high));
            let takes_range = range && of == "date-spec";
            if !takes_range && !whole(&value) {
                return Err(format!("'{value}' is not a valid value of {name} in a {of}"));
            }
            units.push((name, value));
            self.at += 1;
        }
        match units.is_empty() {
            true => Err(format!("expected units behind '{of}', such as hours=5")),
            false => Ok(units),
        }
    }

    fn resource(&mut self) -> Result<Expression, String> {
        let word = self.next("an agent such as ocf:heartbeat:IPaddr2 or ::IPaddr2")?;
        let parts: Vec<&str> = word.split(':').collect();
        let some = |part: &str| (!part.is_empty()).then(|| part.to_owned());
        match parts[..] {
            [standard, provider, kind] if word != "::" => {
                Ok(Expression::Resource { standard: some(standard), provider: some(provider), kind: some(kind) })
            }
            [standard, kind] if word != ":" => {
                Ok(Expression::Resource { standard: some(standard), provider: None, kind: some(kind) })
            }
            _ => Err(format!("'{word}' names no agent; expected [standard]:[provider]:[type]")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, context: Context) -> Result<Expression, String> {
        parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>(), context)
    }

    #[test]
    fn words_become_an_expression() {
        let Expression::And(parts) =
            read("defined pingd and pingd gt integer 100 and ( a eq 1 or b eq string )", Context::Location).unwrap()
        else {
            panic!("expected all of these")
        };
        assert_eq!(parts.len(), 3);
        assert!(matches!(&parts[2], Expression::Or(inner) if inner.len() == 2));
        assert!(matches!(&parts[1], Expression::Attribute { kind: Some(kind), .. } if kind == "integer"));
    }

    #[test]
    fn what_is_no_rule_is_told() {
        for (wrong, says) in [
            ("bogus", "one of 'eq'"),
            ("a eq", "a value"),
            ("a is 1", "found 'is'"),
            ("date gt soon", "ISO 8601"),
            ("date in_range 2020-01-01 to duration", "units"),
            ("date-spec days=1", "no unit"),
            ("( a eq 1", "')'"),
            ("a eq 1 b", "not expected"),
            ("a gt integer x", "not an integer"),
        ] {
            let error = read(wrong, Context::Location).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
        assert!(read("a eq 1", Context::ResourceDefaults).is_err());
        assert!(read("op monitor interval=10s and resource ocf::", Context::OperationDefaults).is_ok());
        let deep = format!("{}a eq 1", "( ".repeat(30));
        assert!(read(&deep, Context::Location).unwrap_err().contains("nested"));
    }
}
