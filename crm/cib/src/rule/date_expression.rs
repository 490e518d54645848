//! The condition of a rule that speaks of time: `gt`, `lt`, `in_range`, `date_spec`.

use super::Verdict;
use crate::date::{self, Calendar, Span};
use crate::document::{Document, Element};

/// `<date_expression>`. `None` when it is not as it should be: it does not hold then and never will.
pub(super) fn judge(document: &Document, expression: Element, now: i64) -> Option<Verdict> {
    let holds = |holds: bool, next_change: Option<i64>| Some(Verdict { holds, next_change });
    // A date that cannot be read is an error, one that is missing is not (yet).
    let moment = |name: &str| match document.attribute(expression, name) {
        None => Some(None),
        Some(text) => date::parse(text, now).map(Some),
    };
    let (start, end) = (moment("start")?, moment("end")?);
    match document.attribute(expression, "operation").map(str::to_ascii_lowercase).as_deref() {
        None | Some("in_range") => {
            let end = match (end, document.child(expression, "duration")) {
                (None, Some(duration)) => Some(Span::from_attributes(document.attributes(duration))?.after(start?)),
                (end, _) => end,
            };
            match (start, end) {
                (None, None) => None,
                (Some(start), _) if now < start => holds(false, Some(start)),
                (_, Some(end)) if now > end => holds(false, None),
                // The end itself is still within.
                (_, end) => holds(true, end.map(|end| end + 1)),
            }
        }
        Some("gt") => {
            let start = start?;
            if now > start { holds(true, None) } else { holds(false, Some(start + 1)) }
        }
        Some("lt") => {
            let end = end?;
            if now < end { holds(true, Some(end)) } else { holds(false, None) }
        }
        Some("date_spec") => {
            let spec = document.child(expression, "date_spec").filter(|spec| !document.id(*spec).is_empty())?;
            holds(matches(document, spec, now)?, None)
        }
        Some(_) => None,
    }
}

/// Whether each part that is named lies in its range. `None` when a range cannot be read.
fn matches(document: &Document, spec: Element, now: i64) -> Option<bool> {
    let at = Calendar::at(now);
    for (name, value) in document.attributes(spec) {
        let part = match name {
            "years" => at.year,
            "months" => at.month,
            "monthdays" => at.day,
            "hours" => at.hour,
            "minutes" => at.minute,
            "seconds" => at.second,
            "yeardays" => at.year_day,
            "weekyears" => at.week_year,
            "weeks" => at.week,
            "weekdays" => at.week_day,
            _ => continue,
        };
        let (low, high) = range(value)?;
        if low.is_some_and(|low| part < low) || high.is_some_and(|high| part > high) {
            return Some(false);
        }
    }
    Some(true)
}

/// `5`, `1-5`, `1-`, `-5`.
fn range(text: &str) -> Option<(Option<i64>, Option<i64>)> {
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    };
    match text.split_once('-') {
        None => number(text)?.map(|only| (Some(only), Some(only))),
        Some((low, high)) => match (number(low)?, number(high)?) {
            (None, None) => None,
            range => Some(range),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Thursday 2024-02-29 12:30:00.
    const NOW: &str = "2024-02-29T12:30:00Z";

    fn check(expression: &str) -> String {
        let document = Document::parse(expression).unwrap();
        match judge(&document, document.root(), date::parse(NOW, 0).unwrap()) {
            None => "wrong".into(),
            Some(verdict) => {
                let next = verdict.next_change.map(|at| format!(", changes {}", date::format(at)));
                format!("{}{}", verdict.holds, next.unwrap_or_default())
            }
        }
    }

    #[test]
    fn ranges() {
        for (attributes, expected) in [
            ("operation='gt' start='2024-02-29T12:29:59Z'", "true"),
            ("operation='gt' start='2024-02-29T12:30:00Z'", "false, changes 2024-02-29 12:30:01Z"),
            ("operation='gt' end='2024-02-29'", "wrong"),
            ("operation='lt' end='2024-02-29T12:30:01Z'", "true, changes 2024-02-29 12:30:01Z"),
            ("operation='lt' end='2024-02-29T12:30:00Z'", "false"),
            ("operation='in_range' start='2024-03-01' end='2024-04-01'", "false, changes 2024-03-01 00:00:00Z"),
            ("start='2024-02-01' end='2024-02-29T12:30:00Z'", "true, changes 2024-02-29 12:30:01Z"),
            ("start='2024-02-01' end='2024-02-02'", "false"),
            ("start='2024-02-01'", "true"),
            ("operation='in_range'", "wrong"),
            ("operation='in_range' start='yesterday'", "wrong"),
            ("operation='never'", "wrong"),
        ] {
            assert_eq!(check(&format!("<date_expression id='d' {attributes}/>")), expected, "{attributes}");
        }
    }

    #[test]
    fn durations() {
        for (attributes, expected) in [
            ("hours='13'", "true, changes 2024-02-29 13:00:01Z"),
            ("hours='12'", "false"),
            ("months='1' weeks='1'", "true, changes 2024-04-05 00:00:01Z"),
            ("hours='many'", "wrong"),
        ] {
            let duration = format!("<duration id='u' {attributes}/>");
            let expression = format!("<date_expression id='d' start='2024-02-29'>{duration}</date_expression>");
            assert_eq!(check(&expression), expected, "{attributes}");
        }
    }

    #[test]
    fn specs() {
        for (attributes, expected) in [
            ("hours='9-16' weekdays='1-5'", "true"),
            ("hours='9-12' weekdays='5'", "false"),
            ("years='2023-' months='-2' monthdays='29'", "true"),
            ("yeardays='60' weeks='9' weekyears='2024'", "true"),
            ("hours='x'", "wrong"),
            ("hours='-'", "wrong"),
            ("", "true"),
        ] {
            let spec = format!("<date_spec id='s' {attributes}/>");
            let expression = format!("<date_expression id='d' operation='date_spec'>{spec}</date_expression>");
            assert_eq!(check(&expression), expected, "{attributes}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(a in ".*", b in "[-0-9TWZ:+]*", now in any::<i64>()) {
            for operation in ["in_range", "gt", "lt", "date_spec"] {
                let mut document = Document::new("date_expression");
                let root = document.root();
                for (name, value) in [("operation", operation), ("start", &b), ("end", &a)] {
                    document.set(root, name, value);
                }
                document.unset(root, if a.len() > 3 { "end" } else { "none" });
                let duration = document.append(root, "duration");
                document.set(duration, "years", &b);
                let spec = document.append(root, "date_spec");
                document.set(spec, "id", "s");
                document.set(spec, "hours", &b);
                let _ = judge(&document, root, now);
            }
        }
    }
}
