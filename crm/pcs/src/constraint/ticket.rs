//! `pcs constraint ticket …`: what may run only while a ticket is granted.

use cib::Element;

use super::{add, sets, show};
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::pairs;
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["constraint", "ticket"],
        arguments: "",
        about: "Shows ticket constraints",
        options: &["--full"],
        run: |call| show::kind(call, "rsc_ticket"),
    },
    Command {
        path: &["constraint", "ticket", "config"],
        arguments: "",
        about: "Shows ticket constraints",
        options: &["--full"],
        run: |call| show::kind(call, "rsc_ticket"),
    },
    Command {
        path: &["constraint", "ticket", "add"],
        arguments: "<ticket> [<role>] <resource id> [loss-policy=<policy>] [id=<constraint-id>]",
        about: "Makes a resource depend on a ticket",
        options: &["--force"],
        run,
    },
    Command {
        path: &["constraint", "ticket", "set"],
        arguments: "<resource>… [<option>=<value>]… [set <resource>…]… setoptions ticket=<ticket> [<option>=<value>]…",
        about: "Makes sets of resources depend on a ticket",
        options: &["--force"],
        run: |call| sets::create(call, "rsc_ticket"),
    },
    Command {
        path: &["constraint", "ticket", "delete"],
        arguments: "<ticket> <resource id>",
        about: "Removes the constraints of a ticket on a resource",
        options: &[],
        run: remove,
    },
    Command {
        path: &["constraint", "ticket", "remove"],
        arguments: "<ticket> <resource id>",
        about: "Removes the constraints of a ticket on a resource",
        options: &[],
        run: remove,
    },
];

/// What may happen when a ticket is lost.
pub const LOSS: [&str; 4] = ["fence", "stop", "freeze", "demote"];

fn run(call: &mut Call<'_>) -> Done {
    let ticket = call.next("a ticket")?;
    let plain: Vec<String> = call.words.iter().take_while(|word| !word.contains('=')).cloned().collect();
    let options = pairs::read(&call.words[plain.len()..])?;
    let (word, id) = match &plain[..] {
        [id] => (None, id.clone()),
        [role, id] => (Some(role.clone()), id.clone()),
        _ => return Err(Refusal::usage("expected <ticket> [<role>] <resource id>")),
    };
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if ticket.is_empty() || ticket.len() > 63 || !ticket.chars().all(sound) {
        call.error(format!("booth ticket name '{ticket}' is not valid, use up to 63 alphanumeric characters or dash"));
    }
    let role = match &word {
        Some(word) => Some(super::colocation::role(call, word)?),
        None => None,
    };
    for (name, value) in &options {
        match name.as_str() {
            "id" => {}
            "loss-policy" if LOSS.contains(&value.as_str()) => {}
            "loss-policy" => {
                let mut sorted = LOSS;
                sorted.sort_unstable();
                call.error(format!("'{value}' is not a valid loss-policy value, use {}", tree::listed(sorted)));
            }
            other => call.error(format!("invalid option '{other}', allowed options are: 'id', 'loss-policy'")),
        }
    }
    call.settled()?;
    match tree::resource(&call.cib, &id) {
        None => return call.fail(format!("bundle/clone/group/resource '{id}' does not exist")),
        Some(resource) => {
            if let Some(around) = tree::multiplied_by(&call.cib, resource) {
                let (kind, own) = (call.cib.name(around).replace("master", "clone"), call.cib.id(around).to_owned());
                call.object(format!(
                    "{id} is a {kind} resource, you should use the {kind} id: {own} when adding constraints"
                ));
                call.settled()?;
            }
        }
    }
    let own = match pairs::get(&options, "id").map(str::to_owned) {
        Some(own) => {
            tree::check_new_id(call, &own, "id")?;
            own
        }
        None => {
            let suffix = role.as_ref().map(|role| format!("-{role}")).unwrap_or_default();
            tree::free_id(&call.cib, &tree::sanitized(&format!("ticket-{ticket}-{id}{suffix}")))
        }
    };
    let same = |one: &Element| {
        let of = |name| call.cib.attribute(*one, name);
        of("ticket") == Some(&ticket)
            && of("rsc") == Some(&id)
            && of("rsc-role").unwrap_or("") == role.as_deref().unwrap_or("")
    };
    if super::of_kind(&call.cib, "rsc_ticket").iter().any(same) {
        call.object("duplicate constraint already exists");
        call.settled()?;
    }
    let mut attributes = Vec::new();
    attributes.extend(pairs::get(&options, "loss-policy").map(|policy| ("loss-policy", policy)));
    attributes.push(("id", own.as_str()));
    attributes.extend(role.as_deref().map(|role| ("rsc-role", role)));
    attributes.extend([("ticket", ticket.as_str()), ("rsc", id.as_str())]);
    add(&mut call.cib, "rsc_ticket", &attributes);
    Ok(())
}

fn remove(call: &mut Call<'_>) -> Done {
    let (ticket, id) = (call.next("a ticket")?, call.next("a resource id")?);
    call.no_more()?;
    let mut found = false;
    for one in super::of_kind(&call.cib, "rsc_ticket") {
        if call.cib.attribute(one, "ticket") != Some(&ticket) {
            continue;
        }
        if call.cib.attribute(one, "rsc") == Some(&id) {
            call.cib.remove(one);
            found = true;
            continue;
        }
        let members: Vec<Element> = call
            .cib
            .descendants(one)
            .filter(|inner| call.cib.name(*inner) == "resource_ref" && call.cib.id(*inner) == id)
            .collect();
        for member in members {
            found = true;
            let set = call.cib.parent(member);
            call.cib.remove(member);
            if let Some(set) = set.filter(|set| call.cib.children(*set).next().is_none()) {
                call.cib.remove(set);
            }
            if super::sets_of(&call.cib, one).is_empty() {
                call.cib.remove(one);
            }
        }
    }
    if found { Ok(()) } else { call.fail("no matching ticket constraint found") }
}
