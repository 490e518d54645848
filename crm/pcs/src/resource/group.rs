//! `pcs resource group …` and `ungroup`: resources that run together, one after the other.

use cib::{Document, Element};

use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::pairs;
use crate::removal;
use crate::tree::{self, listed};

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "group", "add"],
        arguments: "<group id> <resource id>…",
        about: "Puts resources into a group, which is made if there is none",
        options: &["--after", "--before"],
        run: add,
    },
    Command {
        path: &["resource", "group", "list"],
        arguments: "",
        about: "Shows all groups and their resources",
        options: &[],
        run: list,
    },
    Command {
        path: &["resource", "group", "remove"],
        arguments: "<group id> [<resource id>]…",
        about: "Takes resources, or all, out of a group",
        options: &[],
        run: ungroup,
    },
    Command {
        path: &["resource", "group", "delete"],
        arguments: "<group id> [<resource id>]…",
        about: "Takes resources, or all, out of a group",
        options: &[],
        run: ungroup,
    },
    Command {
        path: &["resource", "ungroup"],
        arguments: "<group id> [<resource id>]…",
        about: "Takes resources, or all, out of a group",
        options: &[],
        run: ungroup,
    },
];

/// The resources of a group.
pub fn members(cib: &Document, group: Element) -> Vec<Element> {
    cib.children_named(group, "primitive").collect()
}

/// The group of that name, or none if the name is free.
///
/// # Errors
/// When the name is another element's, or none.
pub fn find_or_check(call: &mut Call<'_>, name: &str) -> Done<Option<Element>> {
    match tree::by_id(&call.cib, name) {
        Some(element) if call.cib.name(element) == "group" => Ok(Some(element)),
        Some(_) => call.fail(format!("'{name}' is not a group")),
        None => match tree::wrong_id(name, "group name") {
            Some(wrong) => call.fail(wrong),
            None => Ok(None),
        },
    }
}

/// A resource of a group.
///
/// # Errors
/// When it is not in it.
pub fn member(call: &mut Call<'_>, group: Element, id: &str) -> Done<Element> {
    match members(&call.cib, group).into_iter().find(|one| call.cib.id(*one) == id) {
        Some(member) => Ok(member),
        None => {
            let name = call.cib.id(group).to_owned();
            call.fail(format!("There is no resource '{id}' in the group '{name}', cannot add resources next to it"))
        }
    }
}

/// Moves an element into another, in front of one of its children or to the end of its resources.
pub fn adopt(cib: &mut Document, element: Element, parent: Element, before: Option<Element>) {
    cib.adopt(parent, element);
    cib.place_before(element, before);
}

fn add(call: &mut Call<'_>) -> Done {
    let name = call.next("a group id")?;
    let ids = std::mem::take(&mut call.words);
    if ids.is_empty() {
        return Err(Refusal::usage("expected the resources to put into the group"));
    }
    if call.options.has("--before") && call.options.has("--after") {
        return Err(Refusal::usage("you cannot specify both --before and --after"));
    }
    pairs::unique(&ids)?;
    let group = find_or_check(call, &name)?;
    let next_to = call.options.value("--before").or(call.options.value("--after")).map(str::to_owned);
    let mut moved = Vec::new();
    for id in &ids {
        match tree::resource(&call.cib, id) {
            None => call.error(format!("'{id}' does not exist")),
            Some(one) if call.cib.name(one) != "primitive" => {
                let kind = call.cib.name(one).to_owned();
                call.error(format!("'{id}' is a {kind} resource, {kind} resources cannot be put into a group"));
            }
            Some(one) => match tree::parent_resource(&call.cib, one) {
                Some(parent) if call.cib.name(parent) != "group" => {
                    let kind = call.cib.name(parent).to_owned();
                    call.error(format!("'{id}' cannot be put into a group because its parent is a {kind} resource"));
                }
                _ => moved.push(one),
            },
        }
        if next_to.as_ref() == Some(id) {
            call.error(format!("cannot put resource '{id}' next to itself in a group"));
        }
    }
    let neighbour = match (&next_to, group) {
        (None, _) => None,
        (Some(id), Some(group)) => Some(member(call, group, id)?),
        (Some(id), None) => {
            call.error(format!("There is no resource '{id}' in the group '{name}', cannot add resources next to it"));
            None
        }
    };
    let already: Vec<String> = moved
        .iter()
        .filter(|one| group.is_some() && call.cib.parent(**one) == group && neighbour.is_none())
        .map(|one| call.cib.id(*one).to_owned())
        .collect();
    if !already.is_empty() {
        call.error(format!("{} already in group '{name}'", listed(already.iter().map(String::as_str))));
    }
    call.settled()?;
    let group = group.unwrap_or_else(|| {
        let resources = tree::section(&mut call.cib, "resources");
        let group = call.cib.append(resources, "group");
        call.cib.set(group, "id", &name);
        group
    });
    let before = match (call.options.has("--before"), neighbour) {
        (_, None) => call
            .cib
            .children(group)
            .find(|one| call.cib.name(*one) != "primitive" && after_members(&call.cib, group, *one)),
        (true, neighbour) => neighbour,
        // Behind the neighbour, but not in front of one that moves itself.
        (false, Some(neighbour)) => {
            let mut next = call.cib.next_sibling(neighbour);
            while let Some(one) = next.filter(|one| moved.contains(one)) {
                next = call.cib.next_sibling(one);
            }
            next
        }
    };
    for one in moved {
        let old = call.cib.parent(one).filter(|parent| call.cib.name(*parent) == "group" && *parent != group);
        adopt(&mut call.cib, one, group, before);
        remove_if_empty(call, old);
    }
    Ok(())
}

fn after_members(cib: &Document, group: Element, element: Element) -> bool {
    let last = members(cib, group).last().copied();
    let mut next = last.and_then(|last| cib.next_sibling(last));
    while let Some(one) = next {
        if one == element {
            return true;
        }
        next = cib.next_sibling(one);
    }
    false
}

/// A group that lost its last resource goes, with its clone.
fn remove_if_empty(call: &mut Call<'_>, group: Option<Element>) {
    let Some(group) = group.filter(|group| members(&call.cib, *group).is_empty()) else { return };
    let outer = tree::parent_resource(&call.cib, group).unwrap_or(group);
    for line in removal::remove(&mut call.cib, outer) {
        call.note(line);
    }
}

fn list(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let groups: Vec<Element> =
        tree::within(&call.cib, "resources").filter(|one| call.cib.name(*one) == "group").collect();
    for group in groups {
        let ids: Vec<&str> = members(&call.cib, group).into_iter().map(|one| call.cib.id(one)).collect();
        let line = format!("{}: {}", call.cib.id(group), ids.join(" "));
        call.say(line);
    }
    Ok(())
}

fn ungroup(call: &mut Call<'_>) -> Done {
    let name = call.next("a group id")?;
    let ids = std::mem::take(&mut call.words);
    remove_members(call, &name, &ids)
}

/// Takes resources, or all if none is named, out of a group. A cloned group gives its last one to the clone.
///
/// # Errors
/// When they are not in it, or the clone would have several.
pub fn remove_members(call: &mut Call<'_>, name: &str, ids: &[String]) -> Done {
    let found = tree::resource(&call.cib, name).filter(|one| call.cib.name(*one) == "group");
    let Some(group) = found else { return call.fail(format!("Group '{name}' does not exist")) };
    let all = members(&call.cib, group);
    let mut moved = Vec::new();
    for id in ids {
        match all.iter().find(|one| call.cib.id(**one) == *id) {
            Some(one) => moved.push(*one),
            None => return call.fail(format!("Resource '{id}' does not exist in group '{name}'")),
        }
    }
    if ids.is_empty() {
        moved.clone_from(&all);
    }
    let clone = tree::parent_resource(&call.cib, group);
    if clone.is_some() && all.len() > 1 && moved.len() == all.len() {
        return call.fail("Cannot remove all resources from a cloned group");
    }
    let resources = tree::section(&mut call.cib, "resources");
    let target = clone.filter(|_| all.len() == 1).unwrap_or(resources);
    for one in moved {
        adopt(&mut call.cib, one, target, None);
    }
    if members(&call.cib, group).is_empty() {
        for line in removal::remove_references(&mut call.cib, name) {
            call.note(line);
        }
        call.cib.remove(group);
    }
    Ok(())
}
