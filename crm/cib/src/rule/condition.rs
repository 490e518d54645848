//! The conditions of a rule that do not speak of time: a node attribute, the agent, the operation.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Context;
use crate::document::{Document, Element};
use crate::duration;
use crate::score::leading_integer;

/// `<expression>`. `None` when it is not as it should be.
pub(super) fn attribute(document: &Document, expression: Element, context: &Context<'_>) -> Option<bool> {
    let get = |name: &str| document.attribute(expression, name);
    let name = with_submatches(get("attribute")?, context.submatches);
    let operation = get("operation")?.to_ascii_lowercase();
    let actual = context.node_attribute.and_then(|lookup| lookup(&name));
    if matches!(operation.as_str(), "defined" | "not_defined") {
        if get("value").is_some() {
            return None;
        }
        return Some(actual.is_some() == (operation == "defined"));
    }

    let value = get("value")?;
    let source = get("value-source").map(str::to_ascii_lowercase);
    let reference = match source.as_deref() {
        None | Some("literal") => Some(value),
        Some("param") => context.parameter.and_then(|lookup| lookup(value)),
        Some("meta") => context.meta.and_then(|lookup| lookup(value)),
        Some(_) => return None,
    };
    let ordered = matches!(operation.as_str(), "lt" | "lte" | "gt" | "gte");
    let kind = match get("type").map(str::to_ascii_lowercase).as_deref() {
        Some("string") => Kind::String,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("version") => Kind::Version,
        Some(_) => return None,
        None if !ordered => Kind::String,
        None if [actual, reference].into_iter().flatten().any(|text| text.contains('.')) => Kind::Number,
        None => Kind::Integer,
    };
    // What is not there sorts before what is.
    let comparison = match (actual, reference) {
        (Some(a), Some(b)) => compare(a, b, kind),
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    match operation.as_str() {
        "eq" => return Some(comparison.is_eq()),
        "ne" => return Some(comparison.is_ne()),
        _ => {}
    }
    let comparable = actual.is_some() && reference.is_some();
    match operation.as_str() {
        "lt" => Some(comparable && comparison.is_lt()),
        "lte" => Some(comparable && comparison.is_le()),
        "gt" => Some(comparable && comparison.is_gt()),
        "gte" => Some(comparable && comparison.is_ge()),
        _ => None,
    }
}

/// `<rsc_expression>`: every attribute that is given must be the agent's.
pub(super) fn resource(document: &Document, expression: Element, context: &Context<'_>) -> bool {
    let agent = context.agent;
    let is = |name: &str, actual: Option<&str>| match document.attribute(expression, name) {
        None => true,
        wanted => wanted == actual,
    };
    is("class", agent.map(|a| a.class))
        && is("provider", agent.and_then(|a| a.provider))
        && is("type", agent.map(|a| a.kind))
}

/// `<op_expression>`: the name, and the interval if one is given.
pub(super) fn operation(document: &Document, expression: Element, context: &Context<'_>) -> bool {
    let Some((name, interval_ms)) = context.operation else { return false };
    let wanted_interval = match document.attribute(expression, "interval").map(duration::parse_ms) {
        None => None,
        Some(Ok(wanted)) => Some(wanted),
        Some(Err(_)) => return false,
    };
    document.attribute(expression, "name") == Some(name) && wanted_interval.is_none_or(|wanted| wanted == interval_ms)
}

/// `%0` to `%9` replaced by what the resource pattern matched; what did not match leaves nothing.
fn with_submatches<'a>(text: &'a str, submatches: &[Option<&str>]) -> Cow<'a, str> {
    if submatches.is_empty() || !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match rest.peek().and_then(|digit| digit.to_digit(10)) {
            Some(group) if character == '%' => {
                rest.next();
                out.push_str(submatches.get(group as usize).copied().flatten().unwrap_or(""));
            }
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}

#[derive(Copy, Clone)]
enum Kind {
    String,
    Integer,
    Number,
    Version,
}

/// Texts that are not of the kind are compared as strings, without regard to case.
fn compare(a: &str, b: &str, kind: Kind) -> Ordering {
    let as_strings = || a.bytes().map(|c| c.to_ascii_lowercase()).cmp(b.bytes().map(|c| c.to_ascii_lowercase()));
    match kind {
        Kind::String => as_strings(),
        Kind::Integer => match (leading_integer(a), leading_integer(b)) {
            (Some((a, _)), Some((b, _))) => a.cmp(&b),
            _ => as_strings(),
        },
        Kind::Number => match (leading_number(a), leading_number(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            _ => as_strings(),
        },
        Kind::Version => compare_versions(a, b),
    }
}

/// The number a text begins with.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let mut end = usize::from(text.starts_with(['-', '+']));
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    if let Some(number) = hexadecimal(&text[end..]) {
        return Some(sign * number);
    }
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(end);
    end += whole;
    let mut fraction = 0;
    if text[end..].starts_with('.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['-', '+']));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    text[..end].parse().ok()
}

/// The whole number in C's hexadecimal form that a text begins with, such as `0x1f`.
fn hexadecimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let mut digits = digits.chars().map_while(|digit| digit.to_digit(16));
    let first = f64::from(digits.next()?);
    Some(digits.fold(first, |number, digit| number * 16.0 + f64::from(digit)))
}

/// Compares dotted versions number by number; missing numbers are 0, and what follows the last number does not count.
///
/// ```
/// use cib::rule::compare_versions;
/// assert!(compare_versions("3.19.0", "3.9").is_gt());
/// assert!(compare_versions("2.1", "2.1.0").is_eq());
/// ```
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (version_numbers(a), version_numbers(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => match a.unwrap_or(0).cmp(&b.unwrap_or(0)) {
                Ordering::Equal => {}
                other => return other,
            },
        }
    }
}

fn version_numbers(text: &str) -> impl Iterator<Item = i64> + '_ {
    let mut rest = Some(text.trim_start());
    std::iter::from_fn(move || {
        let at = rest.take()?;
        // A sign is no part of a version.
        let (number, after) = leading_integer(at).filter(|_| at.starts_with(|c: char| c.is_ascii_digit()))?;
        rest = after.strip_prefix('.');
        Some(number)
    })
}
