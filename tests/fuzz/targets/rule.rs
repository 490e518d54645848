#![no_main]
//! Rules on any XML, at several times and in contexts with and without what they ask for.

use cib::Document;
use cib::rule::{Agent, Context, evaluate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(document) = Document::parse(text) else { return };
    let lookup = |name: &str| match name {
        "" => None,
        "#uname" => Some("north"),
        "empty" => Some(""),
        name if name.len() % 2 == 0 => Some("17"),
        _ => Some("1.2.3-rc1"),
    };
    let agent = Agent { class: "ocf", provider: Some("heartbeat"), kind: "IPaddr2" };
    let submatches = [Some("ip-1"), None, Some("\u{e9}")];
    for element in document.descendants(document.root()) {
        for now in [0, 1_700_000_000, i64::MAX, i64::MIN] {
            let bare = Context::at(now);
            let full = Context {
                node_attribute: Some(&lookup),
                parameter: Some(&lookup),
                meta: Some(&lookup),
                agent: Some(agent),
                operation: Some(("monitor", 10_000)),
                submatches: &submatches,
                ..bare
            };
            for context in [bare, full] {
                let verdict = evaluate(&document, element, &context);
                assert_eq!(verdict, evaluate(&document, element, &context));
            }
        }
    }
});
