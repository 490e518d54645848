//! `pcs constraint delete`: constraints and rules by their ids.

use cib::Element;

use super::location;
use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["constraint", "delete"],
        arguments: "<constraint id>…",
        about: "Removes constraints, or rules, by their ids",
        options: &[],
        run,
    },
    Command {
        path: &["constraint", "remove"],
        arguments: "<constraint id>…",
        about: "Removes constraints, or rules, by their ids",
        options: &[],
        run,
    },
];

/// All of them, or none: pcs removes those in front of one that there is not.
fn run(call: &mut Call<'_>) -> Done {
    if call.words.is_empty() {
        return Err(Refusal::usage("expected a constraint id"));
    }
    for id in std::mem::take(&mut call.words) {
        let constraints: Vec<Element> = tree::within(&call.cib, "constraints")
            .filter(|one| tree::CONSTRAINTS.contains(&call.cib.name(*one)))
            .collect();
        if let Some(one) = constraints.iter().find(|one| call.cib.id(**one) == id) {
            call.cib.remove(*one);
        } else if let Some(rule) = location::find_rule(call, &id) {
            location::drop_rule(call, rule);
        } else {
            let ids: Vec<&str> = constraints.iter().map(|one| call.cib.id(*one)).collect();
            let near =
                nearest(&id, ids.into_iter()).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            call.error(format!("Unable to find constraint - '{id}'{near}"));
        }
    }
    call.settled()
}
