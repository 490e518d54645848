//! `pcs resource relocate`: brings resources to where they would be if nothing kept them where they are. The constraints
//! that do it go when the cluster has done it.

use std::collections::BTreeSet;

use cib::{Document, Element};

use crate::call::{Call, Done, Next, Refusal};
use crate::commands::Command;
use crate::foresight::Foresight;
use crate::nvset;
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "relocate", "show"],
        arguments: "",
        about: "Shows where resources are, and where they would be without stickiness",
        options: &[],
        run: show,
    },
    Command {
        path: &["resource", "relocate", "dry-run"],
        arguments: "[<resource id>]…",
        about: "Shows what 'relocate run' would do",
        options: &[],
        run: |call| {
            let before = call.cib.clone();
            let moves = constrain(call)?;
            call.cib = before;
            if !moves.is_empty() {
                call.note("\nWaiting for resources to move...\n");
                moves.iter().for_each(|id| call.note(format!("Removing constraint {id}")));
            }
            Ok(())
        },
    },
    Command {
        path: &["resource", "relocate", "run"],
        arguments: "[<resource id>]…",
        about: "Moves resources to where they would be without stickiness",
        options: &[],
        run,
    },
    Command {
        path: &["resource", "relocate", "clear"],
        arguments: "",
        about: "Removes all constraints that 'relocate run' made",
        options: &[],
        run: clear,
    },
];

/// How the ids of the constraints begin.
const PREFIX: &str = "pcs-relocate-";

/// A copy of the CIB without stickiness of resources, or of some and what is in them; and their ids.
fn without_stickiness(call: &mut Call<'_>, only: &[String]) -> Done<(Document, BTreeSet<String>)> {
    let mut cib = call.cib.clone();
    let mut freed = BTreeSet::new();
    let all: Vec<Element> = tree::within(&cib, "resources")
        .filter(|one| matches!(cib.name(*one), "master" | "clone" | "group" | "primitive"))
        .collect();
    for name in only {
        if !all.iter().any(|one| cib.id(*one) == name) {
            call.error(format!("unable to find a resource/clone/group: {name}"));
        }
    }
    call.settled()?;
    for one in all {
        let named = |element| only.iter().any(|name| *name == cib.id(element));
        let mut up = std::iter::successors(Some(one), |one| tree::parent_resource(&cib, *one));
        if !only.is_empty() && !up.any(named) {
            continue;
        }
        freed.insert(cib.id(one).to_owned());
        nvset::arrange_last(&mut cib, one, "meta_attributes", &vec![("resource-stickiness".into(), "0".into())]);
    }
    Ok((cib, freed))
}

fn show(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let (free, _) = without_stickiness(call, &[])?;
    let foresight = Foresight::of(call, &free)?;
    // The sections are told apart by empty lines; the first is that of the nodes, the second that of the resources.
    let mut lines = foresight.text.lines().skip_while(|line| line.trim() != "Current cluster status:");
    for _ in 0..2 {
        let section: Vec<&str> = lines.by_ref().take_while(|line| !line.trim().is_empty()).collect();
        section.iter().for_each(|line| call.say(line));
        call.say("");
    }
    let changes = lines.skip_while(|line| line.trim() != "Transition Summary:");
    changes.take_while(|line| !line.trim().is_empty()).for_each(|line| call.say(line));
    Ok(())
}

/// Adds the constraints, and gives their ids.
fn constrain(call: &mut Call<'_>) -> Done<Vec<String>> {
    let only = std::mem::take(&mut call.words);
    let (free, freed) = without_stickiness(call, &only)?;
    let foresight = Foresight::of(call, &free)?;
    // Instances in the order in which something happens to them first; where they start, or are promoted.
    let mut places: Vec<(String, String, Option<String>, Option<String>)> = Vec::new();
    for step in foresight.changes().filter(|step| matches!(&*step.operation, "start" | "promote" | "migrate_from")) {
        let resource = step.resource.split(':').next().unwrap_or(&step.resource);
        let Some(element) = tree::resource(&call.cib, resource) else { continue };
        let whole = tree::multiplied_by(&call.cib, element).unwrap_or(element);
        let whole = call.cib.id(whole).to_owned();
        if !only.is_empty() && !freed.contains(&step.resource) && !freed.contains(&whole) {
            continue;
        }
        let known = places.iter().position(|(instance, ..)| *instance == step.instance);
        let at = known.unwrap_or_else(|| {
            places.push((step.instance.clone(), whole, None, None));
            places.len() - 1
        });
        match step.operation.as_str() {
            "promote" => places[at].3 = Some(step.node.clone()),
            _ => places[at].2 = Some(step.node.clone()),
        }
    }
    let mut made = Vec::new();
    for (_, resource, start, promote) in places {
        let says = start.clone().map(|node| (node, "")).or(promote.clone().map(|node| (node, " role=Promoted")));
        if let Some((node, role)) = says {
            call.note(format!("Creating location constraint: {resource} prefers {node}=INFINITY{role}"));
        }
        let id = tree::free_id(&call.cib, &format!("{PREFIX}{resource}"));
        let role = promote.as_ref().map(|_| tree::role_for_cib(&call.cib, "Promoted"));
        let section = tree::section(&mut call.cib, "constraints");
        let constraint = call.cib.append(section, "rsc_location");
        let node = promote.or(start).unwrap_or_default();
        let of_role = role.as_deref().map(|role| ("role", role));
        let attributes = [("id", id.as_str()), ("rsc", &resource), ("score", "INFINITY"), ("node", &node)];
        for (name, value) in attributes.into_iter().chain(of_role) {
            call.cib.set(constraint, name, value);
        }
        made.push(id);
    }
    Ok(made)
}

fn run(call: &mut Call<'_>) -> Done {
    if call.options.has("-f") {
        return Err(Refusal::usage("a file has no cluster that could move anything; use 'resource relocate dry-run'"));
    }
    if !constrain(call)?.is_empty() {
        call.note("\nWaiting for resources to move...\n");
        let left = "the constraints stay until 'pcs resource relocate clear'".to_owned();
        call.next = Some(Next { words: Vec::new(), options: call.options.clone(), run: clear, left });
    }
    Ok(())
}

fn clear(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let ours = |one: &Element| call.cib.name(*one) == "rsc_location" && call.cib.id(*one).starts_with(PREFIX);
    let found: Vec<Element> = tree::within(&call.cib, "constraints").filter(ours).collect();
    for one in found {
        let id = call.cib.id(one).to_owned();
        call.note(format!("Removing constraint {id}"));
        call.cib.remove(one);
    }
    Ok(())
}
