//! `pcs resource meta`: what the cluster is told about a resource.

use super::{clone, create};
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::nvset;
use crate::pairs;
use crate::tree;

/// The command; `stonith` has the same.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "meta"],
    arguments: "<resource id | group id | clone id> <option>=<value>…",
    about: "Sets meta attributes; an empty value removes one",
    options: &["--force"],
    run,
}];

/// Does it for resources and fence devices alike.
pub fn run(call: &mut Call<'_>) -> Done {
    if call.words.len() < 2 {
        return Err(Refusal::usage("expected a resource id and what to set"));
    }
    let id = call.words.remove(0);
    let options = pairs::read(&call.words)?;
    create::refuse_guest(call, &options, true);
    call.settled()?;
    let Some(resource) = tree::resource(&call.cib, &id) else {
        return call.fail(format!("unable to find a resource/clone/group: {id}"));
    };
    let resource = clone::master_to_clone(&mut call.cib, resource);
    if call.cib.name(resource) == "clone" {
        clone::check_children(call, resource, &options)?;
        call.settled()?;
    }
    nvset::arrange_last(&mut call.cib, resource, "meta_attributes", &options);
    Ok(())
}
