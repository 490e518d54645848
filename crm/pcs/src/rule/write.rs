//! An expression as elements of the CIB.

use cib::{Document, Element};

use super::Expression;
use crate::pairs::Pairs;
use crate::tree::sub_id;

/// Writes conditions below a rule. The rule itself, with its id, score and role, is the caller's.
pub fn write(cib: &mut Document, rule: Element, expression: &Expression) {
    match expression {
        Expression::And(parts) | Expression::Or(parts) => parts.iter().for_each(|part| one(cib, rule, part)),
        single => one(cib, rule, single),
    }
}

/// The word that joins the conditions of an expression, if there are several.
pub fn joined_by(expression: &Expression) -> Option<&'static str> {
    match expression {
        Expression::And(_) => Some("and"),
        Expression::Or(_) => Some("or"),
        _ => None,
    }
}

fn element(cib: &mut Document, parent: Element, name: &str, suffix: &str, pairs: &[(&str, Option<&str>)]) -> Element {
    let id = sub_id(cib, parent, suffix);
    let element = cib.append(parent, name);
    cib.set(element, "id", &id);
    for (name, value) in pairs {
        if let Some(value) = value {
            cib.set(element, name, value);
        }
    }
    element
}

fn units(cib: &mut Document, parent: Element, name: &str, suffix: &str, pairs: &Pairs) {
    let element = element(cib, parent, name, suffix, &[]);
    pairs.iter().for_each(|(name, value)| cib.set(element, name, value));
}

fn one(cib: &mut Document, rule: Element, expression: &Expression) {
    match expression {
        Expression::And(_) | Expression::Or(_) => {
            let pairs = [("boolean-op", joined_by(expression)), ("score", Some("0"))];
            let inner = element(cib, rule, "rule", "rule", &pairs);
            write(cib, inner, expression);
        }
        Expression::Defined { operation, attribute } => {
            let pairs = [("operation", Some(operation.as_str())), ("attribute", Some(attribute))];
            element(cib, rule, "expression", "expr", &pairs);
        }
        Expression::Attribute { operation, attribute, kind, value } => {
            let pairs = [
                ("operation", Some(operation.as_str())),
                ("attribute", Some(attribute)),
                ("type", kind.as_deref()),
                ("value", Some(value)),
            ];
            element(cib, rule, "expression", "expr", &pairs);
        }
        Expression::Date { operation, start, end, duration } => {
            let pairs = [("operation", Some(operation.as_str())), ("start", start.as_deref()), ("end", end.as_deref())];
            let date = element(cib, rule, "date_expression", "expr", &pairs);
            if let Some(duration) = duration {
                units(cib, date, "duration", "duration", duration);
            }
        }
        Expression::DateSpec(spec) => {
            let date = element(cib, rule, "date_expression", "expr", &[("operation", Some("date_spec"))]);
            units(cib, date, "date_spec", "datespec", spec);
        }
        Expression::Resource { standard, provider, kind } => {
            let named = [standard, provider, kind];
            let suffix: String =
                named.iter().filter_map(|part| part.as_deref()).map(|part| format!("-{part}")).collect();
            let pairs = [("class", standard.as_deref()), ("provider", provider.as_deref()), ("type", kind.as_deref())];
            element(cib, rule, "rsc_expression", &format!("rsc{suffix}"), &pairs);
        }
        Expression::Operation { name, interval } => {
            let pairs = [("name", Some(name.as_str())), ("interval", interval.as_deref())];
            element(cib, rule, "op_expression", &format!("op-{name}"), &pairs);
        }
    }
}
