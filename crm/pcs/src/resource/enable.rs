//! `pcs resource enable`, and `stonith enable` and `disable`: whether the cluster may start a resource. Disabling resources
//! with a look at others is `disable`'s.

use cib::{Document, Element};

use super::create;
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::nvset;
use crate::tree;

/// The command; `stonith` has the same.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "enable"],
    arguments: "<resource id | tag id>…",
    about: "Lets the cluster start resources",
    options: &[],
    run: enable,
}];

/// The resources that words name, tags resolved.
///
/// # Errors
/// When there is no such thing.
pub fn named(call: &mut Call<'_>) -> Done<Vec<Element>> {
    if call.words.is_empty() {
        return Err(Refusal::usage("You must specify resource(s)"));
    }
    let words = std::mem::take(&mut call.words);
    let mut found = Vec::new();
    for word in words {
        let tag = tree::within(&call.cib, "tags").find(|one| call.cib.name(*one) == "tag" && call.cib.id(*one) == word);
        let ids: Vec<String> = match tag {
            Some(tag) => call.cib.children(tag).map(|one| call.cib.id(one).to_owned()).collect(),
            None => vec![word],
        };
        for id in ids {
            match tree::resource(&call.cib, &id) {
                Some(resource) => found.push(resource),
                None => call.error(format!("bundle/clone/group/resource/tag '{id}' does not exist")),
            }
        }
    }
    call.settled()?;
    found.sort();
    found.dedup();
    Ok(found)
}

/// The resource directly in a clone or bundle.
pub fn inner(cib: &Document, element: Element) -> Option<Element> {
    match cib.name(element) {
        "clone" | "master" | "bundle" => {
            cib.children(element).find(|one| matches!(cib.name(*one), "primitive" | "group"))
        }
        _ => None,
    }
}

/// Lets resources start: they and what is directly around or in them.
pub fn enable(call: &mut Call<'_>) -> Done {
    for resource in named(call)? {
        let around = tree::parent_resource(&call.cib, resource).filter(|parent| call.cib.name(*parent) != "group");
        let all = [Some(resource), inner(&call.cib, resource), around];
        for one in all.into_iter().flatten() {
            nvset::arrange(&mut call.cib, one, "meta_attributes", &vec![("target-role".into(), String::new())]);
        }
    }
    Ok(())
}

/// Keeps fence devices from being used.
pub fn disable(call: &mut Call<'_>) -> Done {
    for resource in named(call)? {
        create::disable(&mut call.cib, resource);
    }
    Ok(())
}
