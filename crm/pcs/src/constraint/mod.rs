//! `pcs constraint …`: where resources may run, in which order, and together with what.

pub mod colocation;
pub mod location;
pub mod order;
pub mod remove;
pub mod sets;
pub mod show;
pub mod ticket;

use cib::{Document, Element};

use crate::call::{Call, Done};
use crate::commands::Command;
use crate::tree;

/// The commands.
pub const COMMANDS: &[&[Command]] =
    &[show::COMMANDS, location::COMMANDS, order::COMMANDS, colocation::COMMANDS, ticket::COMMANDS, remove::COMMANDS];

/// The constraints of a kind.
pub fn of_kind(cib: &Document, kind: &str) -> Vec<Element> {
    tree::within(cib, "constraints").filter(|one| cib.name(*one) == kind).collect()
}

/// The resource sets of a constraint.
pub fn sets_of(cib: &Document, constraint: Element) -> Vec<Element> {
    cib.children_named(constraint, "resource_set").collect()
}

/// Refuses what is no resource, and objects to one that only its clone stands for.
///
/// # Errors
/// When it cannot be constrained.
pub fn check_resource(call: &mut Call<'_>, id: &str) -> Done {
    let Some(resource) = tree::resource(&call.cib, id) else {
        let near: Vec<String> = tree::within(&call.cib, "resources")
            .filter(|one| tree::RESOURCES.contains(&call.cib.name(*one)))
            .map(|one| call.cib.id(one).to_owned())
            .collect();
        let near = crate::command_line::nearest(id, near.iter().map(String::as_str));
        let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        return call.fail(format!("Resource '{id}' does not exist{near}"));
    };
    let Some(around) = tree::multiplied_by(&call.cib, resource) else { return Ok(()) };
    if call.options.force() {
        return Ok(());
    }
    let (clone, bundle) = (call.cib.id(around).to_owned(), call.cib.name(around) == "bundle");
    let (kind, word) = if bundle { ("bundle", "bundle") } else { ("clone", "clone") };
    call.fail(format!(
        "{id} is a {kind} resource, you should use the {word} id: {clone} when adding constraints. Use --force to override."
    ))
}

/// Refuses an id for a constraint that is none, or is taken.
///
/// # Errors
/// When it cannot be used.
pub fn check_id(call: &mut Call<'_>, id: &str) -> Done {
    if let Some(wrong) = tree::wrong_id(id, "constraint id") {
        return call.fail(wrong);
    }
    if tree::is_taken(&call.cib, id) {
        return call.fail(format!("id '{id}' is already in use, please specify another one"));
    }
    Ok(())
}

/// A new constraint, with attributes in this order.
pub fn add(cib: &mut Document, kind: &str, attributes: &[(&str, &str)]) -> Element {
    let section = tree::section(cib, "constraints");
    let element = cib.append(section, kind);
    attributes.iter().for_each(|(name, value)| cib.set(element, name, value));
    element
}
