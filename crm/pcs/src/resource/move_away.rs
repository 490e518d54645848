//! `pcs resource move`: a move that leaves nothing behind. It is looked first whether the resource would go, and stay when
//! the constraint that moves it is gone; then it is moved, and when the cluster has done so, the constraint goes.

use std::collections::BTreeSet;

use cib::Document;

use super::moves;
use crate::call::{Call, Done, Next, Refusal};
use crate::commands::Command;
use crate::foresight::{Foresight, State};
use crate::tree::{self, listed};

/// The command.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "move"],
    arguments: "<resource id> [<node>]",
    about: "Moves a resource, and leaves no constraint behind; --strict: only if no others are affected",
    options: &["--autodelete", "--promoted", "--strict"],
    run,
}];

fn run(call: &mut Call<'_>) -> Done {
    let id = call.next("must specify a resource to move")?;
    let node = if call.words.is_empty() { None } else { Some(call.words.remove(0)) };
    call.no_more()?;
    if call.options.has("--autodelete") {
        call.deprecated(
            "Option '--autodelete' is deprecated. There is no need to use it as its functionality is default now.",
        );
    }
    if call.options.has("-f") {
        return Err(Refusal::usage(
            "a move ends when the cluster has moved the resource, and a file has no cluster; use 'resource move-with-constraint'",
        ));
    }
    if node.as_ref().is_some_and(|node| node.starts_with("lifetime=")) {
        call.deprecated("Option 'lifetime' has been removed; use 'pcs resource move-with-constraint'");
    }
    let before = call.cib.clone();
    check(call, &id)?;
    if let Some(node) = node.as_ref().filter(|node| !tree::nodes(&before).contains(node)) {
        return call.fail(format!("Node '{node}' does not appear to exist in configuration"));
    }
    let Some(state) = call.world.state(&before, &id) else {
        return call.fail(format!("it cannot be told where '{id}' runs"));
    };
    if !state.managed {
        return call.fail(format!("'{id}' is unmanaged; use 'pcs resource manage {id}' first"));
    }
    if state.nodes().is_empty() {
        return call.fail(format!("It is not possible to move resource '{id}' as it is not running at the moment"));
    }
    // What the move says of a constraint that stays is not so here.
    let told = call.err.len();
    call.words = std::iter::once(id.clone()).chain(node.clone()).collect();
    moves::wish(call, false)?;
    call.err.truncate(told);
    let moved = call.cib.clone();
    clear(call, &id, node.as_deref());
    let cleared = std::mem::replace(&mut call.cib, moved);
    if unchanged(&call.cib, &before) || unchanged(&call.cib, &cleared) {
        call.cib = before;
        call.note(format!("'{id}' is wanted there already: no action necessary"));
        return Ok(());
    }
    let foresight = Foresight::of(call, &call.cib.clone())?;
    let strict = call.options.has("--strict");
    let others = &foresight.touched() - &whole(&before, &id);
    if strict && !others.is_empty() {
        let whom = listed(others.iter().map(String::as_str));
        return call.fail(format!("Moving resource '{id}' affects resources: {whom}"));
    }
    let after = foresight.after;
    stays(call, &after, &id, node.as_deref(), &state)?;
    call.note(format!("Location constraint to move resource '{id}' has been created"));
    let place = |(role, node): &(String, String)| format!("{role}@{node}");
    let words = [id.clone(), node.unwrap_or_default()].into_iter().chain(state.places.iter().map(place)).collect();
    let left = format!("the constraint that moves it stays until 'pcs resource clear {id}'");
    call.next = Some(Next { words, options: call.options.clone(), run: settle, left });
    Ok(())
}

/// What can be moved.
fn check(call: &mut Call<'_>, id: &str) -> Done {
    let Some(resource) = tree::resource(&call.cib, id) else {
        return call.fail(format!("bundle/clone/group/resource '{id}' does not exist"));
    };
    if tree::is_stonith(&call.cib, resource) {
        call.deprecated(format!("'{id}' is a stonith device; moving those by 'resource' commands is deprecated"));
    }
    if call.cib.name(resource) == "bundle" {
        return call.fail(format!("cannot move bundle '{id}'"));
    }
    let clone = if matches!(call.cib.name(resource), "clone" | "master") { Some(resource) } else { None };
    let around = tree::multiplied_by(&call.cib, resource).filter(|one| call.cib.name(*one) != "bundle");
    let promotable = |one| moves::is_promotable(&call.cib, one);
    match (clone, around) {
        (Some(clone), _) if !promotable(clone) => call.fail(format!("cannot move cloned resource '{id}'")),
        (_, Some(around)) if !promotable(around) => call.fail(format!("cannot move cloned resource '{id}'")),
        (_, Some(around)) => {
            let around = call.cib.id(around).to_owned();
            call.fail(format!("to move a resource in a promotable clone, name the clone: {around}"))
        }
        _ => Ok(()),
    }
}

/// The ids of a resource and of all in it.
fn whole(cib: &Document, id: &str) -> BTreeSet<String> {
    let all = tree::resource(cib, id).into_iter().flat_map(|one| cib.descendants(one));
    all.filter(|one| tree::RESOURCES.contains(&cib.name(*one))).map(|one| cib.id(one).to_owned()).collect()
}

fn unchanged(one: &Document, other: &Document) -> bool {
    one.same(one.root(), other, other.root())
}

/// Takes the constraints of moves and bans of a resource away, without a word.
fn clear(call: &mut Call<'_>, id: &str, node: Option<&str>) {
    for one in moves::of_moves(&call.cib, id, node) {
        call.cib.remove(one);
    }
}

/// Whether a resource has left, and would stay where it is without the constraint.
fn stays(call: &mut Call<'_>, moved: &Document, id: &str, node: Option<&str>, before: &State) -> Done {
    if !has_moved(call, moved, id, node, before) {
        return call.fail(format!("Unable to move resource '{id}' using a location constraint. Current location of the resource may be affected by some other constraint."));
    }
    let own = std::mem::replace(&mut call.cib, moved.clone());
    clear(call, id, node);
    let cleared = std::mem::replace(&mut call.cib, own);
    let foresight = Foresight::of(call, &cleared)?;
    let again = foresight.touched();
    let strict = call.options.has("--strict");
    // Of a group or a clone it is what is in it that would move.
    let why = match strict {
        true if !again.is_empty() => " or other resources",
        false if !again.is_disjoint(&whole(moved, id)) => "",
        _ => return Ok(()),
    };
    call.fail(format!(
        "Unable to ensure that moved resource '{id}'{why} will stay on the same node after a constraint used for moving it is removed; 'pcs resource move-with-constraint' keeps the constraint"
    ))
}

fn has_moved(call: &Call<'_>, cib: &Document, id: &str, node: Option<&str>, before: &State) -> bool {
    let now = call.world.state(cib, id).unwrap_or_default();
    let running = now.nodes();
    !running.is_empty() && node.is_none_or(|node| running.contains(node)) && now.places != before.places
}

/// The second half: the cluster has moved it.
fn settle(call: &mut Call<'_>) -> Done {
    let id = call.next("a resource")?;
    let node = Some(call.next("a node")?).filter(|node| !node.is_empty());
    let places = std::mem::take(&mut call.words);
    let place = |word: &String| word.split_once('@').map(|(role, node)| (role.to_owned(), node.to_owned()));
    let before = State { managed: true, places: places.iter().filter_map(place).collect() };
    let now = call.cib.clone();
    stays(call, &now, &id, node.as_deref(), &before)?;
    clear(call, &id, node.as_deref());
    call.note(format!("Location constraint created to move resource '{id}' has been removed"));
    let state = call.world.state(&call.cib, &id).unwrap_or_default();
    let places: Vec<String> =
        state.places.iter().map(|(role, node)| format!("{} on node '{node}'", role.to_lowercase())).collect();
    call.note(format!("resource '{id}' is {}", places.join(", ")));
    Ok(())
}
