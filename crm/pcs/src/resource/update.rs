//! `pcs resource update`: options, operations and meta attributes of a primitive, or the options of a clone.

use cib::Element;

use super::{clone, create, operation};
use crate::agent::{self, Metadata, Name};
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::nvset;
use crate::pairs;
use crate::tree;

/// The command.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "update"],
    arguments: "<resource id> [<option>=<value>]… [op [<action> <option>=<value>…]…] [meta <option>=<value>…]",
    about: "Changes a resource; an option with an empty value is removed",
    options: &["--agent-validation", "--force"],
    run,
}];

/// Does it for resources and fence devices alike.
pub fn run(call: &mut Call<'_>) -> Done {
    if call.words.len() < 2 {
        return Err(Refusal::usage("expected a resource id and what to change"));
    }
    let id = call.words.remove(0);
    let words = std::mem::take(&mut call.words);
    let Some(primitive) = operation::primitive(&call.cib, &id) else {
        return clone_options(call, &id, &words);
    };
    let groups = pairs::groups(&words, &["op", "meta"]);
    let options = pairs::read(&pairs::joined(&groups, ""))?;
    let meta = pairs::read(&pairs::joined(&groups, "meta"))?;
    let name = Name::of(&call.cib, primitive);
    let metadata = match call.world.metadata(&name).and_then(|text| Metadata::parse(&text, &name)) {
        Ok(metadata) => metadata,
        Err(_) => agent::metadata(call, &name)?,
    };
    agent::check_update(call, &name, &metadata, &options, primitive);
    call.settled()?;
    nvset::arrange_last(&mut call.cib, primitive, "instance_attributes", &options);
    let guest = nvset::value(&call.cib, primitive, "meta_attributes", "remote-node").map(str::to_owned);
    if pairs::get(&meta, "remote-node") != guest.as_deref() {
        create::refuse_guest(call, &meta, true);
        call.settled()?;
    }
    nvset::arrange_last(&mut call.cib, primitive, "meta_attributes", &meta);
    for run in groups.get("op").map_or(&[][..], Vec::as_slice) {
        for words in operations(run) {
            operation_of(call, &id, primitive, &words)?;
        }
    }
    Ok(())
}

/// Parts what stands behind one `op` at its names.
fn operations(run: &[String]) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    for word in run {
        match parts.last_mut() {
            Some(part) if word.contains('=') => part.push(word.clone()),
            _ => parts.push(vec![word.clone()]),
        }
    }
    parts
}

/// Puts an operation in the place of the first of its name and role.
fn operation_of(call: &mut Call<'_>, id: &str, primitive: Element, words: &[String]) -> Done {
    if words[0].contains('=') {
        return call.fail(format!("{} does not appear to be a valid operation action", words[0]));
    }
    if words.len() < 2 {
        return Ok(());
    }
    let options = pairs::read_last(&words[1..])?;
    let role = pairs::get(&options, "role").map(|role| tree::role_for_cib(&call.cib, role)).unwrap_or_default();
    let operations = call.cib.child(primitive, "operations");
    let same = operations.into_iter().flat_map(|operations| call.cib.children_named(operations, "op")).find(|op| {
        let own = tree::role_for_cib(&call.cib, call.cib.attribute(*op, "role").unwrap_or(""));
        call.cib.attribute(*op, "name") == Some(&words[0]) && own == role
    });
    let before = same.and_then(|op| call.cib.next_sibling(op));
    if let Some(op) = same {
        call.cib.remove(op);
    }
    operation::add_to(call, id, words, before, false)
}

fn clone_options(call: &mut Call<'_>, id: &str, words: &[String]) -> Done {
    let found = tree::resource(&call.cib, id).filter(|one| matches!(call.cib.name(*one), "clone" | "master"));
    let Some(element) = found else {
        return call.fail(format!("Unable to find resource: {id}"));
    };
    let element = clone::master_to_clone(&mut call.cib, element);
    let mut options = clone::options(words)?;
    options.sort();
    clone::check_children(call, element, &options)?;
    call.settled()?;
    nvset::arrange_last(&mut call.cib, element, "meta_attributes", &options);
    Ok(())
}
