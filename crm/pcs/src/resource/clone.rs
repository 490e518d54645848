//! `pcs resource clone`, `promotable`, `unclone`: a resource or a group on several nodes.

use cib::{Document, Element};

use super::group;
use crate::agent::{Metadata, Name};
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::removal;
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "clone"],
        arguments: "<resource id | group id> [<clone id>] [<option>=<value>]… [meta <option>=<value>…]",
        about: "Makes a clone of a resource or a group",
        options: &["--force"],
        run: |call| run(call, false),
    },
    Command {
        path: &["resource", "promotable"],
        arguments: "<resource id | group id> [<clone id>] [<option>=<value>]… [meta <option>=<value>…]",
        about: "Makes a promotable clone of a resource or a group",
        options: &["--force"],
        run: |call| run(call, true),
    },
    Command {
        path: &["resource", "unclone"],
        arguments: "<clone id | resource id | group id>",
        about: "Takes a resource or a group out of its clone",
        options: &[],
        run: unclone,
    },
];

/// Reads the options of a clone, `meta` between them or not.
///
/// # Errors
/// When there are operations among them.
pub fn options(words: &[String]) -> Done<Pairs> {
    let groups = pairs::groups(words, &["op", "meta"]);
    if groups.contains_key("op") {
        return Err(Refusal::usage("op settings must be changed on base resource, not the clone"));
    }
    pairs::read(&[pairs::joined(&groups, ""), pairs::joined(&groups, "meta")].concat())
}

fn run(call: &mut Call<'_>, promotable: bool) -> Done {
    let id = call.next("a resource id or a group id")?;
    let element = tree::resource(&call.cib, &id).filter(|one| matches!(call.cib.name(*one), "primitive" | "group"));
    let Some(element) = element else {
        return call.fail(format!("unable to find group or resource: {id}"));
    };
    let parent = tree::parent_resource(&call.cib, element);
    match parent.map(|parent| call.cib.name(parent).to_owned()).as_deref() {
        Some("bundle") => return call.fail("cannot clone bundle resource"),
        Some("clone" | "master") if call.cib.name(element) == "group" => {
            return call.fail("cannot clone a group that has already been cloned");
        }
        Some("clone" | "master") => return call.fail(format!("{id} is already a clone resource")),
        _ => {}
    }
    let mut words = std::mem::take(&mut call.words);
    let named = words.first().filter(|word| !word.contains('=') && !matches!(word.as_str(), "op" | "meta")).cloned();
    if named.is_some() {
        words.remove(0);
    }
    let mut options = options(&words)?;
    if promotable {
        if pairs::get(&options, "promotable").is_some() {
            return Err(Refusal::usage("you cannot specify both promotable option and promotable keyword"));
        }
        options.push(("promotable".into(), "true".into()));
    }
    if tree::is_stonith(&call.cib, element) {
        call.object(format!("No need to clone stonith resource '{id}', any node can use a stonith resource (unless specifically banned) regardless of whether the stonith resource is running on that node or not"));
    }
    check(call, element, &options)?;
    call.settled()?;
    if let Some(named) = &named {
        tree::check_new_id(call, named, "id")?;
    }
    // A group whose only member is cloned is no group any more.
    let emptied =
        parent.filter(|parent| call.cib.name(*parent) == "group" && group::members(&call.cib, *parent).len() <= 1);
    let own = named.unwrap_or_else(|| tree::free_id(&call.cib, &format!("{id}-clone")));
    let resources = tree::section(&mut call.cib, "resources");
    let clone = call.cib.append(resources, "clone");
    call.cib.set(clone, "id", &own);
    group::adopt(&mut call.cib, element, clone, None);
    if let Some(emptied) = emptied {
        call.cib.remove(emptied);
    }
    options.sort();
    nvset::arrange_last(&mut call.cib, clone, "meta_attributes", &options);
    Ok(())
}

/// Objects to options that the agent of a clone's resource cannot do.
pub fn check_options(
    call: &mut Call<'_>,
    agent: &Name,
    metadata: &Metadata,
    options: &Pairs,
    id: &str,
    group: Option<&str>,
) {
    let is_true = |name: &str| pairs::get(options, name).is_some_and(|value| cib::boolean::is_true(Some(value)));
    let mut wrong = Vec::new();
    if agent.standard != "ocf" {
        wrong.extend(["globally-unique", "promotable"].into_iter().filter(|name| is_true(name)));
    } else if !metadata.absent && is_true("promotable") {
        let promotes = |name: &str| metadata.actions.iter().any(|action| action.name == name);
        if !promotes("promote") || !promotes("demote") {
            wrong.push("promotable");
        }
    }
    let of = group.map(|group| format!(" of group '{group}'")).unwrap_or_default();
    for option in wrong {
        let text =
            format!("Clone option '{option}' is not compatible with '{agent}' resource agent of resource '{id}'{of}");
        match agent.standard.as_str() {
            "ocf" => call.object(text),
            _ => call.error(text),
        }
    }
}

/// The same for what is in a clone.
///
/// # Errors
/// When an agent says nothing of itself.
pub fn check_children(call: &mut Call<'_>, clone: Element, options: &Pairs) -> Done {
    let inner = call.cib.children(clone).find(|one| matches!(call.cib.name(*one), "primitive" | "group"));
    inner.map_or(Ok(()), |inner| check(call, inner, options))
}

fn check(call: &mut Call<'_>, element: Element, options: &Pairs) -> Done {
    let group = (call.cib.name(element) == "group").then(|| call.cib.id(element).to_owned());
    if pairs::get(options, "promotable").is_none() && pairs::get(options, "globally-unique").is_none() {
        return Ok(());
    }
    for primitive in tree::primitives(&call.cib, element) {
        let (name, id) = (Name::of(&call.cib, primitive), call.cib.id(primitive).to_owned());
        let metadata = match name.standard.as_str() {
            "ocf" => crate::agent::metadata(call, &name)?,
            _ => Metadata { absent: true, ..Metadata::default() },
        };
        check_options(call, &name, &metadata, options, &id, group.as_deref());
    }
    Ok(())
}

/// The old `<master>` is a clone today; what is no master stays.
pub fn master_to_clone(cib: &mut Document, element: Element) -> Element {
    if cib.name(element) == "master" {
        cib.rename(element, "clone");
        nvset::arrange_last(cib, element, "meta_attributes", &vec![("promotable".into(), "true".into())]);
    }
    element
}

fn unclone(call: &mut Call<'_>) -> Done {
    let id = call.next("a clone, a resource or a group")?;
    call.no_more()?;
    let Some(mut resource) = tree::resource(&call.cib, &id) else {
        return call.fail(format!("could not find resource: {id}"));
    };
    if matches!(call.cib.name(resource), "clone" | "master") {
        let inner = call.cib.children(resource).find(|one| matches!(call.cib.name(*one), "primitive" | "group"));
        match inner {
            Some(inner) => resource = inner,
            None => return call.fail(format!("could not find resource: {id}")),
        }
    }
    let clone = tree::multiplied_by(&call.cib, resource).filter(|one| call.cib.name(*one) != "bundle");
    let Some(clone) = clone else { return call.fail(format!("'{id}' is not a clone resource")) };
    let parent = tree::parent_resource(&call.cib, resource).filter(|parent| call.cib.name(*parent) == "group");
    if let Some(parent) = parent
        && group::members(&call.cib, parent).len() > 1
    {
        let (group, member) = (call.cib.id(parent).to_owned(), call.cib.id(resource).to_owned());
        return group::remove_members(call, &group, &[member]);
    }
    let own = call.cib.id(clone).to_owned();
    removal::remove_references(&mut call.cib, &own);
    if let Some(resources) = call.cib.parent(clone) {
        group::adopt(&mut call.cib, resource, resources, None);
    }
    call.cib.remove(clone);
    Ok(())
}
