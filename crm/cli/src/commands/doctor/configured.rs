//! What the doctor looks at in the configuration of resources: fencing, watchdogs, and what moves by hand left.

use cib::rule::Context;
use cib::unreached::{self, Unreached};
use cib::{Document, Element, view};
use setup::doctor::{Configured, Moved};

use crate::stonith::proof;

/// Reads it.
pub fn configured(document: &Document, now: i64) -> Configured {
    let context = Context::at(now);
    let property = |name| view::property(document, name, now);
    Configured {
        fencing: property("stonith-enabled").is_none_or(|value| cib::boolean::is_true(Some(value))),
        devices: view::fence_devices(document, &context).iter().map(|device| device.id.to_owned()).collect(),
        unproved: proof::unproved(document),
        held: proof::held(document),
        watchdog_wait_ms: property("stonith-watchdog-timeout").and_then(|value| cib::duration::parse_ms(value).ok()),
        moves: moves(document, now),
        not_run: unreached::of(document).iter().map(Unreached::sentence).collect(),
    }
}

/// Constraints of moves by hand.
fn moves(document: &Document, now: i64) -> Vec<Moved> {
    let by_hand = |id: &str| id.starts_with("cli-prefer-") || id.starts_with("cli-ban-");
    let all = view::constraints(document).into_iter().filter(|constraint| by_hand(constraint.id));
    let moved = all.map(|constraint| {
        let attribute = |name| document.attribute(constraint.element, name).map(str::to_owned);
        let rule = document.child(constraint.element, "rule");
        let end = rule.and_then(|rule| end_of(document, rule));
        Moved {
            constraint: constraint.id.to_owned(),
            resource: attribute("rsc").unwrap_or_default(),
            node: attribute("node").or_else(|| named_by(document, rule?)).unwrap_or_else(|| "a node".into()),
            ban: constraint.id.starts_with("cli-ban-"),
            over: end.is_some_and(|end| end < now),
        }
    });
    moved.collect()
}

/// The end of the time for which a move was made, in seconds since 1970.
fn end_of(document: &Document, rule: Element) -> Option<i64> {
    let end = document.children(rule).find_map(|expression| document.attribute(expression, "end"))?;
    let parsed: jiff::Timestamp = end.trim().replacen(' ', "T", 1).replace(' ', "").parse().ok()?;
    Some(parsed.as_second())
}

/// The node that a rule names.
fn named_by(document: &Document, rule: Element) -> Option<String> {
    let names = |expression: &Element| document.attribute(*expression, "attribute") == Some("#uname");
    let expression = document.children(rule).find(names)?;
    document.attribute(expression, "value").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fencing_and_moves_are_read() {
        let text = "<cib><configuration><crm_config><cluster_property_set id='p'>\
            <nvpair id='p1' name='stonith-enabled' value='off'/><nvpair id='p2' name='stonith-watchdog-timeout' value='10'/>\
            </cluster_property_set></crm_config><nodes/><resources>\
            <primitive id='pdu' class='stonith' type='fence_apc'/></resources><constraints>\
            <rsc_location id='cli-prefer-web' rsc='web' node='one' score='INFINITY'/>\
            <rsc_location id='cli-ban-db-on-two' rsc='db'><rule id='r' boolean-op='and' score='-INFINITY'>\
            <expression id='e' attribute='#uname' operation='eq' value='two'/>\
            <date_expression id='d' operation='lt' end='2026-01-01 00:00:00 +00:00'/></rule></rsc_location>\
            <rsc_location id='mine' rsc='web' node='one' score='1'/></constraints></configuration><status/></cib>";
        let read = configured(&Document::parse(text).unwrap(), 1_800_000_000);
        assert!(!read.fencing && read.devices == ["pdu"] && read.unproved == ["pdu"]);
        assert_eq!(read.watchdog_wait_ms, Some(10_000));
        let told: Vec<String> =
            read.moves.iter().map(|one| format!("{} {} {} {}", one.resource, one.node, one.ban, one.over)).collect();
        assert_eq!(told, ["web one false false", "db two true true"]);
        let empty = configured(&Document::parse("<cib><configuration/><status/></cib>").unwrap(), 0);
        assert!(empty.fencing && empty.moves.is_empty() && empty.watchdog_wait_ms.is_none());
    }
}
