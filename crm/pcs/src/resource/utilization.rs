//! `pcs resource utilization`: what a resource takes of a node.

use cib::Element;

use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::tree;

/// The command.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "utilization"],
    arguments: "[<resource id> [<name>=<value>]…]",
    about: "Shows or sets what resources take of a node",
    options: &[],
    run,
}];

/// Reads amounts.
///
/// # Errors
/// When one is no whole number.
pub fn amounts(call: &mut Call<'_>) -> Done<Pairs> {
    let pairs = pairs::read(&call.words)?;
    for (name, value) in &pairs {
        if !value.is_empty() && value.parse::<i64>().is_err() {
            return call.fail(format!("Value of utilization attribute must be integer: '{name}={value}'"));
        }
    }
    Ok(pairs)
}

/// The amounts of an element in one line.
pub fn line(call: &Call<'_>, element: Element, only: Option<&str>) -> Option<String> {
    let mut amounts = nvset::read(&call.cib, element, "utilization");
    amounts.retain(|(name, _)| only.is_none_or(|only| only == name));
    amounts.sort();
    let text: Vec<String> = amounts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    (!text.is_empty()).then(|| text.join(" "))
}

/// Warns where amounts count for nothing.
pub fn warn_if_ignored(call: &mut Call<'_>) {
    let strategy = cib::view::property(&call.cib, "placement-strategy", call.world.now()).unwrap_or("default");
    if strategy == "default" {
        call.warn(
            "Utilization attributes configuration has no effect until cluster property option 'placement-strategy' is set to \
             one of the values: 'balanced', 'minimal', 'utilization'",
        );
    }
}

fn run(call: &mut Call<'_>) -> Done {
    warn_if_ignored(call);
    if call.words.is_empty() {
        call.say("Resource Utilization:");
        for one in tree::within(&call.cib, "resources").collect::<Vec<_>>() {
            if let Some(line) = line(call, one, None).filter(|_| call.cib.name(one) == "primitive") {
                let line = format!(" {}: {line}", call.cib.id(one));
                call.say(line);
            }
        }
        return Ok(());
    }
    let id = call.next("a resource id")?;
    let Some(resource) = tree::resource(&call.cib, &id) else {
        return call.fail(format!("Unable to find a resource: {id}"));
    };
    if call.words.is_empty() {
        call.say("Resource Utilization:");
        let line = format!(" {id}: {}", line(call, resource, None).unwrap_or_default());
        call.say(line);
        return Ok(());
    }
    if call.cib.name(resource) != "primitive" {
        return Err(Refusal::usage(format!("'{id}' is no primitive resource; only these take something of a node")));
    }
    let amounts = amounts(call)?;
    nvset::arrange_last(&mut call.cib, resource, "utilization", &amounts);
    Ok(())
}
