//! `pcs resource delete`: a resource with what is in it and what names it.

use cib::Element;

use crate::call::{Call, Done};
use crate::commands::Command;
use crate::removal;
use crate::tree::{self, listed};

use super::group;

/// The commands; `stonith` has the same.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "delete"],
        arguments: "<resource id | group id | bundle id | clone id>",
        about: "Deletes a resource, and all in it",
        options: &["--force"],
        run,
    },
    Command {
        path: &["resource", "remove"],
        arguments: "<resource id | group id | bundle id | clone id>",
        about: "Deletes a resource, and all in it",
        options: &["--force"],
        run,
    },
];

/// Does it for resources and fence devices alike.
pub fn run(call: &mut Call<'_>) -> Done {
    let id = call.next("a resource id")?;
    call.no_more()?;
    let Some(found) = tree::resource(&call.cib, &id) else {
        return call.fail(format!("Resource '{id}' does not exist."));
    };
    let goes = whole(call, found);
    refuse_tagged(call, &id, goes)?;
    let kind = call.cib.name(found).to_owned();
    let inner = |call: &Call<'_>| tree::primitives(&call.cib, found).first().map(|one| call.cib.id(*one).to_owned());
    match (kind.as_str(), inner(call)) {
        ("group", _) => call.note(format!("Removing group: {id} (and all resources within group)")),
        ("bundle", Some(inner)) => call.note(format!("Deleting bundle '{id}' and its inner resource '{inner}'")),
        ("bundle", None) => call.note(format!("Deleting bundle '{id}'")),
        _ => {}
    }
    let deleted: Vec<String> =
        tree::primitives(&call.cib, goes).into_iter().map(|one| call.cib.id(one).to_owned()).collect();
    for line in removal::remove(&mut call.cib, goes) {
        call.note(line);
    }
    for one in deleted {
        call.note(format!("Deleting Resource - {one}"));
    }
    Ok(())
}

/// What goes with a resource: a clone with what it clones, a group with its last resource.
fn whole(call: &Call<'_>, element: Element) -> Element {
    let mut whole = element;
    while let Some(parent) = tree::parent_resource(&call.cib, whole) {
        match call.cib.name(parent) {
            "clone" | "master" => whole = parent,
            "group" if group::members(&call.cib, parent).len() == 1 => whole = parent,
            _ => break,
        }
    }
    whole
}

fn refuse_tagged(call: &mut Call<'_>, id: &str, goes: Element) -> Done {
    let ids: Vec<&str> = call
        .cib
        .descendants(goes)
        .filter(|one| tree::RESOURCES.contains(&call.cib.name(*one)))
        .map(|one| call.cib.id(one))
        .collect();
    let refs = tree::within(&call.cib, "tags")
        .filter(|one| call.cib.name(*one) == "obj_ref" && ids.contains(&call.cib.id(*one)));
    let mut tags: Vec<&str> = refs.filter_map(|one| call.cib.parent(one)).map(|tag| call.cib.id(tag)).collect();
    tags.sort_unstable();
    tags.dedup();
    if tags.is_empty() {
        return Ok(());
    }
    let word = if tags.len() > 1 { "tags" } else { "the tag" };
    let text = format!("Unable to remove resource '{id}' because it is referenced in {word}: {}", listed(tags));
    call.fail(text)
}
