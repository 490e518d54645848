//! `pcs constraint order …`: what starts, or stops, after what.

use cib::Element;

use super::{add, check_id, check_resource, sets, show};
use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::pairs::{self, Pairs};
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["constraint", "order"],
        arguments: "[action] <resource id> then [action] <resource id> [<option>=<value>]…",
        about: "Orders two resources; without arguments, shows all orders",
        options: &["--force", "--full"],
        run,
    },
    Command {
        path: &["constraint", "order", "config"],
        arguments: "",
        about: "Shows order constraints",
        options: &["--full"],
        run: |call| show::kind(call, "rsc_order"),
    },
    Command {
        path: &["constraint", "order", "set"],
        arguments: "<resource>… [<option>=<value>]… [set <resource>… [<option>=<value>]…]… [setoptions <option>=<value>…]",
        about: "Orders sets of resources",
        options: &["--force"],
        run: |call| sets::create(call, "rsc_order"),
    },
    Command {
        path: &["constraint", "order", "delete"],
        arguments: "<resource>…",
        about: "Takes resources out of all order constraints",
        options: &[],
        run: remove,
    },
    Command {
        path: &["constraint", "order", "remove"],
        arguments: "<resource>…",
        about: "Takes resources out of all order constraints",
        options: &[],
        run: remove,
    },
];

/// What can be ordered.
pub const ACTIONS: [&str; 4] = ["start", "stop", "promote", "demote"];
/// How strictly.
pub const KINDS: [&str; 3] = ["Optional", "Mandatory", "Serialize"];

fn action(call: &mut Call<'_>) -> String {
    match call.words.first().filter(|word| ACTIONS.contains(&word.as_str())) {
        Some(_) if call.words.len() > 1 => call.words.remove(0),
        _ => "start".into(),
    }
}

fn run(call: &mut Call<'_>) -> Done {
    if call.words.is_empty() {
        return show::kind(call, "rsc_order");
    }
    let incomplete = || Refusal::usage("expected [action] <resource id> then [action] <resource id>");
    if call.words.len() < 3 {
        return Err(incomplete());
    }
    let first_action = action(call);
    let first = call.next("a resource id")?;
    let word = call.next("'then'")?;
    if word != "then" {
        let near =
            nearest(&word, ["then"].into_iter()).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        return Err(Refusal::usage(format!("expected 'then' behind '{first}', found '{word}'{near}")));
    }
    if call.words.is_empty() {
        return Err(incomplete());
    }
    let then_action = action(call);
    let then = call.next("a resource id")?;
    if call.words.iter().any(|word| word == "then") {
        return Err(Refusal::usage(
            "Multiple 'then's cannot be specified. Use the 'pcs constraint order set' command if you want to create a \
             constraint for more than two resources.",
        ));
    }
    check_resource(call, &first)?;
    check_resource(call, &then)?;
    refuse_one_group(call, &[first.clone(), then.clone()])?;
    let mut options = options(call)?;
    let symmetrical = pairs::take(&mut options, "symmetrical");
    options.push(("first-action".into(), first_action));
    options.push(("then-action".into(), then_action));
    options.extend(symmetrical.map(|value| ("symmetrical".into(), value)));
    let duplicates = duplicates(call, &first, &then, &options);
    if !duplicates.is_empty() && !call.options.force() {
        let lines: Vec<String> =
            duplicates.iter().map(|one| format!("  {}", show::plain(&call.cib, *one, true))).collect();
        return call
            .fail(format!("duplicate constraint already exists, use --force to override\n{}", lines.join("\n")));
    }
    let kind = pairs::get(&options, "kind").unwrap_or("Mandatory").to_owned();
    let suffix = pairs::get(&options, "score").or(pairs::get(&options, "kind")).unwrap_or("mandatory").to_owned();
    let told: Vec<String> = options
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "kind" | "score"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let how = match pairs::get(&options, "score") {
        Some(score) => format!("score: {score}"),
        None => format!("kind: {kind}"),
    };
    if pairs::get(&options, "id").is_none() {
        let id = tree::free_id(&call.cib, &format!("order-{first}-{then}-{suffix}"));
        options.push(("id".into(), id));
    }
    call.note(format!("Adding {first} {then} ({how}) (Options: {})", told.join(" ")));
    let mut attributes = vec![("first", first.as_str()), ("then", then.as_str())];
    attributes.extend(options.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    add(&mut call.cib, "rsc_order", &attributes);
    Ok(())
}

fn options(call: &mut Call<'_>) -> Done<Pairs> {
    let mut options = Pairs::new();
    for word in std::mem::take(&mut call.words) {
        let (name, value) = match word.as_str() {
            "symmetrical" => ("symmetrical".into(), "true".into()),
            "nonsymmetrical" => ("symmetrical".into(), "false".into()),
            _ => pairs::split(&word)?,
        };
        if value.is_empty() {
            return Err(Refusal::usage(format!("value of '{name}' option is empty")));
        }
        let allowed: &[&str] = match name.as_str() {
            "id" => {
                check_id(call, &value)?;
                &[]
            }
            "symmetrical" | "require-all" => &["true", "false"],
            "kind" => &KINDS,
            "score" => &[],
            other => {
                let known = ["id", "kind", "require-all", "symmetrical"];
                let near = nearest(other, known.into_iter())
                    .map(|near| format!(" (did you mean '{near}'?)"))
                    .unwrap_or_default();
                let allowed = tree::listed(known);
                return call.fail(format!("invalid option '{other}'{near}, allowed options are: {allowed}"));
            }
        };
        let value = if name == "symmetrical" { value.to_lowercase() } else { value };
        if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
            return call.fail(format!("invalid {name} value '{value}', allowed values are: {}", allowed.join(", ")));
        }
        pairs::take(&mut options, &name);
        options.push((name, value));
    }
    Ok(options)
}

/// Members of a group have their order already.
///
/// # Errors
/// When two of them are in one group.
pub fn refuse_one_group(call: &mut Call<'_>, ids: &[String]) -> Done {
    let mut groups = Vec::new();
    let mut seen: Vec<&String> = Vec::new();
    for id in ids {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let parent = tree::resource(&call.cib, id).and_then(|one| tree::parent_resource(&call.cib, one));
        if let Some(group) = parent.filter(|parent| call.cib.name(*parent) == "group") {
            if groups.contains(&group) {
                return call.fail("Cannot create an order constraint for resources in the same group");
            }
            groups.push(group);
        }
    }
    Ok(())
}

fn duplicates(call: &Call<'_>, first: &str, then: &str, options: &Pairs) -> Vec<Element> {
    let of = |one: Element, name: &str| call.cib.attribute(one, name).unwrap_or("").to_owned();
    let action = |text: String| if text.is_empty() { "start".to_owned() } else { text.to_lowercase() };
    let wanted = |name: &str| pairs::get(options, name).unwrap_or("start").to_owned();
    super::of_kind(&call.cib, "rsc_order")
        .into_iter()
        .filter(|one| {
            super::sets_of(&call.cib, *one).is_empty()
                && of(*one, "first") == first
                && of(*one, "then") == then
                && action(of(*one, "first-action")) == wanted("first-action")
                && action(of(*one, "then-action")) == wanted("then-action")
        })
        .collect()
}

fn remove(call: &mut Call<'_>) -> Done {
    if call.words.is_empty() {
        return Err(Refusal::usage("expected a resource id"));
    }
    let mut found = false;
    for id in std::mem::take(&mut call.words) {
        for one in super::of_kind(&call.cib, "rsc_order") {
            let named = ["first", "then"].iter().any(|name| call.cib.attribute(one, name) == Some(&id));
            if named {
                call.cib.remove(one);
                found = true;
                continue;
            }
            let refs: Vec<Element> = call
                .cib
                .descendants(one)
                .filter(|inner| call.cib.name(*inner) == "resource_ref" && call.cib.id(*inner) == id)
                .collect();
            for inner in refs {
                found = true;
                let set = call.cib.parent(inner);
                call.cib.remove(inner);
                if let Some(set) = set.filter(|set| call.cib.children(*set).next().is_none()) {
                    call.cib.remove(set);
                }
            }
            if !named && super::sets_of(&call.cib, one).is_empty() && call.cib.attribute(one, "first").is_none() {
                call.cib.remove(one);
            }
        }
    }
    if found { Ok(()) } else { call.fail("No matching resources found in ordering list") }
}
