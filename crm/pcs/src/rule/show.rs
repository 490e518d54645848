//! A rule of the CIB as lines for people, and whether its time has passed.

use cib::date::{self, Span};
use cib::{Document, Element};

/// A rule, a line for it and indented ones for its conditions. `full`: with ids.
pub fn lines(cib: &Document, rule: Element, full: bool) -> Vec<String> {
    let with_id = |element: Element| match full {
        true => format!(" (id:{})", cib.id(element)),
        false => String::new(),
    };
    let mut head = Vec::new();
    for (name, value) in cib.attributes(rule).filter(|(name, _)| *name != "id") {
        head.push(format!("{name}={value}"));
    }
    head.sort();
    let mut lines =
        vec![format!("Rule:{}{}", head.iter().map(|part| format!(" {part}")).collect::<String>(), with_id(rule))];
    for one in cib.children(rule) {
        let of = |name| cib.attribute(one, name).unwrap_or("");
        let inner: Vec<String> = match cib.name(one) {
            "rule" => self::lines(cib, one, full),
            "expression" => {
                let kind = cib.attribute(one, "type").map(|kind| format!("{kind} ")).unwrap_or_default();
                let text = match of("operation") {
                    operation @ ("defined" | "not_defined") => format!("{operation} {}", of("attribute")),
                    operation => format!("{} {operation} {kind}{}", of("attribute"), of("value")),
                };
                vec![format!("Expression: {text}{}", with_id(one))]
            }
            "date_expression" => date(cib, one, &with_id(one), full),
            "rsc_expression" => {
                let text = match cib.attribute(one, "provider").is_none() && !matches!(of("class"), "" | "ocf") {
                    true => format!("{}::{}", of("class"), of("type")),
                    false => format!("{}:{}:{}", of("class"), of("provider"), of("type")),
                };
                vec![format!("Expression: resource {text}{}", with_id(one))]
            }
            "op_expression" => {
                let interval = cib.attribute(one, "interval").map(|interval| format!(" interval={interval}"));
                vec![format!("Expression: op {}{}{}", of("name"), interval.unwrap_or_default(), with_id(one))]
            }
            _ => Vec::new(),
        };
        lines.extend(inner.into_iter().map(|line| format!("  {line}")));
    }
    lines
}

fn date(cib: &Document, one: Element, id: &str, full: bool) -> Vec<String> {
    let of = |name| cib.attribute(one, name).unwrap_or("");
    let units = |element: Element| {
        let mut units: Vec<String> = cib
            .attributes(element)
            .filter(|(name, _)| *name != "id")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        units.sort();
        let id = if full { format!(" (id:{})", cib.id(element)) } else { String::new() };
        format!("{}{id}", units.join(" "))
    };
    let spec = cib.child(one, "date_spec").map(|spec| format!("  Date Spec: {}", units(spec)));
    let duration = cib.child(one, "duration").map(|duration| format!("  Duration: {}", units(duration)));
    let head = match of("operation") {
        "gt" => format!("Expression: date gt {}{id}", of("start")),
        "lt" => format!("Expression: date lt {}{id}", of("end")),
        "in_range" if duration.is_some() => format!("Expression: date in_range {} to duration{id}", of("start")),
        "in_range" => {
            let start = if of("start").is_empty() { String::new() } else { format!("{} ", of("start")) };
            format!("Expression: date in_range {start}to {}{id}", of("end"))
        }
        _ => format!("Expression:{id}"),
    };
    [Some(head), spec, duration].into_iter().flatten().collect()
}

/// Whether a rule never holds again: its one date lies in the past. With more than one, nobody says.
pub fn has_expired(cib: &Document, rule: Element, now: i64) -> bool {
    let dates: Vec<Element> = cib.descendants(rule).filter(|one| cib.name(*one) == "date_expression").collect();
    let [one] = dates[..] else { return false };
    let of = |name| cib.attribute(one, name).and_then(|text| date::parse(text, now));
    let duration = || {
        let element = cib.child(one, "duration")?;
        Some(Span::from_attributes(cib.attributes(element).filter(|(name, _)| *name != "id"))?.after(of("start")?))
    };
    let end = match cib.attribute(one, "operation") {
        Some("lt") => of("end"),
        Some("in_range") => of("end").or_else(duration),
        _ => None,
    };
    end.is_some_and(|end| end < now)
}
