//! The words of the short form, and what the CIB calls the same.

use crate::Pairs;

/// Options that the cluster writes itself, which are nobody's wish.
pub const OWN_PROPERTIES: [&str; 5] =
    ["cluster-infrastructure", "cluster-name", "dc-version", "have-watchdog", "last-lrm-refresh"];

/// A kind of constraint: the word for it, the CIB's element, and for each attribute our word and the CIB's.
pub type Words = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// All kinds of constraints.
pub const CONSTRAINTS: [Words; 4] = [
    (
        "location",
        "rsc_location",
        &[
            ("id", "id"),
            ("resource", "rsc"),
            ("pattern", "rsc-pattern"),
            ("role", "role"),
            ("node", "node"),
            ("score", "score"),
            ("resource-discovery", "resource-discovery"),
        ],
    ),
    (
        "order",
        "rsc_order",
        &[
            ("id", "id"),
            ("first", "first"),
            ("first-action", "first-action"),
            ("then", "then"),
            ("then-action", "then-action"),
            ("kind", "kind"),
            ("score", "score"),
            ("symmetrical", "symmetrical"),
            ("require-all", "require-all"),
        ],
    ),
    (
        "colocation",
        "rsc_colocation",
        &[
            ("id", "id"),
            ("resource", "rsc"),
            ("role", "rsc-role"),
            ("with", "with-rsc"),
            ("with-role", "with-rsc-role"),
            ("score", "score"),
            ("node-attribute", "node-attribute"),
            ("influence", "influence"),
        ],
    ),
    (
        "ticket",
        "rsc_ticket",
        &[
            ("id", "id"),
            ("ticket", "ticket"),
            ("resource", "rsc"),
            ("role", "rsc-role"),
            ("loss-policy", "loss-policy"),
        ],
    ),
];

/// The id of a constraint that names none.
pub fn constraint_id(element: &str, attributes: &Pairs) -> String {
    let kind = element.trim_start_matches("rsc_");
    let values = attributes.iter().filter(|(name, _)| name != "id").map(|(_, value)| value.as_str());
    identifier(&[kind].into_iter().chain(values).collect::<Vec<_>>().join("-"))
}

/// The id of a fencing level that names none.
pub fn level_id(target: &str, index: &str) -> String {
    identifier(&format!("fl-{target}-{index}"))
}

/// A text as an XML id: what may not stand there is left out.
pub fn identifier(text: &str) -> String {
    let fits = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let id: String = text.chars().filter(fits).collect();
    match id.chars().next() {
        Some(first) if first.is_alphabetic() || first == '_' => id,
        _ => format!("_{id}"),
    }
}
