//! `pcs constraint colocation …`: what runs where something else runs, or does not.

use cib::Element;
use cib::score::Score;

use super::{add, check_id, check_resource, sets, show};
use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::pairs::{self, Pairs};
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["constraint", "colocation"],
        arguments: "",
        about: "Shows colocation constraints",
        options: &["--full"],
        run: |call| show::kind(call, "rsc_colocation"),
    },
    Command {
        path: &["constraint", "colocation", "config"],
        arguments: "",
        about: "Shows colocation constraints",
        options: &["--full"],
        run: |call| show::kind(call, "rsc_colocation"),
    },
    Command {
        path: &["constraint", "colocation", "add"],
        arguments: "[<role>] <source resource id> with [<role>] <target resource id> [score] [<option>=<value>]…",
        about: "Makes a resource run where another runs, or not",
        options: &["--force"],
        run,
    },
    Command {
        path: &["constraint", "colocation", "set"],
        arguments: "<resource>… [<option>=<value>]… [set <resource>… [<option>=<value>]…]… [setoptions <option>=<value>…]",
        about: "Makes sets of resources run together",
        options: &["--force"],
        run: |call| sets::create(call, "rsc_colocation"),
    },
    Command {
        path: &["constraint", "colocation", "delete"],
        arguments: "<source resource id> <target resource id>",
        about: "Removes the colocation of two resources",
        options: &[],
        run: remove,
    },
    Command {
        path: &["constraint", "colocation", "remove"],
        arguments: "<source resource id> <target resource id>",
        about: "Removes the colocation of two resources",
        options: &[],
        run: remove,
    },
];

/// What a resource may be in.
pub const ROLES: [&str; 6] = ["Stopped", "Started", "Master", "Promoted", "Slave", "Unpromoted"];

/// A role as the CIB spells it.
///
/// # Errors
/// When it is none.
pub fn role(call: &mut Call<'_>, word: &str) -> Done<String> {
    let role = tree::capitalized(word);
    if !ROLES.contains(&role.as_str()) {
        let near =
            nearest(&role, ROLES.into_iter()).map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default();
        let allowed = tree::listed(ROLES);
        return call.fail(format!("invalid role value '{word}'{near}, allowed values are: {allowed}"));
    }
    if let Some(new) = [("Master", "Promoted"), ("Slave", "Unpromoted")].into_iter().find(|(old, _)| *old == role) {
        call.deprecated(format!(
            "Value '{role}' of option role is deprecated and should not be used, use '{}' value instead",
            new.1
        ));
    }
    Ok(tree::role_for_cib(&call.cib, &role))
}

fn is_score(word: &str) -> bool {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    digits == "INFINITY" || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn run(call: &mut Call<'_>) -> Done {
    let incomplete = || Refusal::usage("expected [role] <source resource id> with [role] <target resource id> [score]");
    let with = call.words.iter().position(|word| word == "with");
    let Some(with @ (1 | 2)) = with else { return Err(incomplete()) };
    if call.words[with + 1..].iter().any(|word| word == "with") {
        return Err(Refusal::usage(
            "Multiple 'with's cannot be specified. Use the 'pcs constraint colocation set' command if you want to create a \
             constraint for more than two resources.",
        ));
    }
    let mut rest = call.words.split_off(with + 1);
    call.words.pop();
    let mut role1 = String::new();
    if with == 2 {
        let word = call.words.remove(0);
        role1 = role(call, &word)?;
    }
    let source = call.words.remove(0);
    let mut role2 = String::new();
    let target = match rest.len() {
        0 => return Err(incomplete()),
        1 => rest.remove(0),
        _ if is_score(&rest[1]) || rest[1].contains('=') => rest.remove(0),
        _ => {
            role2 = role(call, &rest.remove(0))?;
            rest.remove(0)
        }
    };
    let score = match rest.first() {
        Some(word) if !word.contains('=') => rest.remove(0),
        _ => "INFINITY".to_owned(),
    };
    if Score::parse_exact(&score).is_none() {
        return call.fail(format!("invalid score '{score}', use integer or INFINITY or -INFINITY"));
    }
    let mut options = pairs::read(&rest)?;
    check_resource(call, &source)?;
    check_resource(call, &target)?;
    for (name, value) in options.clone() {
        match name.as_str() {
            "id" => check_id(call, &value)?,
            "score" if Score::parse_exact(&value).is_some() => {}
            "node-attribute" | "influence" | "rsc-instance" | "with-rsc-instance" if !value.is_empty() => {}
            "score" => return call.fail(format!("invalid score '{value}', use integer or INFINITY or -INFINITY")),
            other => {
                let known = ["id", "influence", "node-attribute", "score"];
                let near = nearest(other, known.into_iter())
                    .map(|near| format!(" (did you mean '{near}'?)"))
                    .unwrap_or_default();
                let allowed = tree::listed(known);
                return call.fail(format!("invalid option '{other}'{near}, allowed options are: {allowed}"));
            }
        }
    }
    // One role said, the other is the plain one.
    if !role1.is_empty() && role2.is_empty() {
        role2 = "Started".into();
    }
    if !role2.is_empty() && role1.is_empty() {
        role1 = "Started".into();
    }
    let duplicates = duplicates(call, &source, &target, &role1, &role2);
    if !duplicates.is_empty() && !call.options.force() {
        let lines: Vec<String> =
            duplicates.iter().map(|one| format!("  {}", show::plain(&call.cib, *one, true))).collect();
        return call
            .fail(format!("duplicate constraint already exists, use --force to override\n{}", lines.join("\n")));
    }
    if pairs::get(&options, "id").is_none() {
        let id = tree::free_id(&call.cib, &format!("colocation-{source}-{target}-{score}"));
        options.push(("id".into(), id));
    }
    write(call, &source, &target, &score, (&role1, &role2), &options);
    Ok(())
}

fn write(call: &mut Call<'_>, source: &str, target: &str, score: &str, roles: (&str, &str), options: &Pairs) {
    let mut attributes = vec![("rsc", source), ("with-rsc", target), ("score", score)];
    if !roles.0.is_empty() {
        attributes.push(("rsc-role", roles.0));
    }
    if !roles.1.is_empty() {
        attributes.push(("with-rsc-role", roles.1));
    }
    attributes.extend(options.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    add(&mut call.cib, "rsc_colocation", &attributes);
}

fn duplicates(call: &Call<'_>, source: &str, target: &str, role1: &str, role2: &str) -> Vec<Element> {
    let of = |one: Element, name: &str| call.cib.attribute(one, name).unwrap_or("").to_owned();
    let role = |text: &str| match text {
        "" => "Started".to_owned(),
        text => tree::role_for_cib(&call.cib, text),
    };
    super::of_kind(&call.cib, "rsc_colocation")
        .into_iter()
        .filter(|one| {
            super::sets_of(&call.cib, *one).is_empty()
                && of(*one, "rsc") == source
                && of(*one, "with-rsc") == target
                && role(&of(*one, "rsc-role")) == role(role1)
                && role(&of(*one, "with-rsc-role")) == role(role2)
        })
        .collect()
}

fn remove(call: &mut Call<'_>) -> Done {
    let (one, other) = (call.next("two resource ids")?, call.next("a second resource id")?);
    call.no_more()?;
    let of = |element: Element, name: &str| call.cib.attribute(element, name).unwrap_or("").to_owned();
    let found: Vec<Element> = super::of_kind(&call.cib, "rsc_colocation")
        .into_iter()
        .filter(|element| {
            let pair = (of(*element, "rsc"), of(*element, "with-rsc"));
            pair == (one.clone(), other.clone()) || pair == (other.clone(), one.clone())
        })
        .collect();
    if found.is_empty() {
        return call.fail(format!("there is no colocation of '{one}' and '{other}'"));
    }
    found.into_iter().for_each(|element| call.cib.remove(element));
    Ok(())
}
