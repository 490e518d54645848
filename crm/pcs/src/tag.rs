//! `pcs tag …`: names for several resources at once.

use cib::{Document, Element};

use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::pairs;
use crate::removal;
use crate::tree::{self, listed};

/// The commands.
pub const COMMANDS: &[&[Command]] = &[&[
    Command { path: &["tag"], arguments: "", about: "Shows all tags", options: &[], run: config },
    Command { path: &["tag", "config"], arguments: "[<tag id>]…", about: "Shows tags", options: &[], run: config },
    Command { path: &["tag", "list"], arguments: "[<tag id>]…", about: "Shows tags", options: &[], run: config },
    Command {
        path: &["tag", "create"],
        arguments: "<tag id> <id>…",
        about: "Makes a tag of resources",
        options: &[],
        run: create,
    },
    Command { path: &["tag", "delete"], arguments: "<tag id>…", about: "Deletes tags", options: &[], run: remove },
    Command { path: &["tag", "remove"], arguments: "<tag id>…", about: "Deletes tags", options: &[], run: remove },
    Command {
        path: &["tag", "update"],
        arguments: "<tag id> [add <id>…] [remove <id>…]",
        about: "Puts resources into a tag, or takes them out",
        options: &["--after", "--before"],
        run: update,
    },
]];

fn find(cib: &Document, id: &str) -> Option<Element> {
    tree::within(cib, "tags").find(|one| cib.name(*one) == "tag" && cib.id(*one) == id)
}

fn missing(call: &mut Call<'_>, id: &str) {
    let known: Vec<String> = tree::within(&call.cib, "tags")
        .filter(|one| call.cib.name(*one) == "tag")
        .map(|one| call.cib.id(one).to_owned())
        .collect();
    let near = nearest(id, known.iter().map(String::as_str))
        .map(|near| format!("; did you mean '{near}'?"))
        .unwrap_or_default();
    call.error(format!("tag '{id}' does not exist{near}"));
}

/// All tags as lines.
pub fn lines(cib: &Document, only: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for tag in tree::within(cib, "tags").filter(|one| cib.name(*one) == "tag") {
        if only.is_empty() || only.iter().any(|id| id == cib.id(tag)) {
            lines.push(cib.id(tag).to_owned());
            lines.extend(cib.children(tag).map(|one| format!("  {}", cib.id(one))));
        }
    }
    lines
}

fn config(call: &mut Call<'_>) -> Done {
    let ids = std::mem::take(&mut call.words);
    for id in &ids {
        if find(&call.cib, id).is_none() {
            missing(call, id);
        }
    }
    call.settled()?;
    let lines = lines(&call.cib, &ids);
    if lines.is_empty() {
        call.say("");
    }
    lines.into_iter().for_each(|line| call.say(line));
    Ok(())
}

fn check_ids(call: &mut Call<'_>, ids: &[String]) {
    for id in ids {
        match tree::by_id(&call.cib, id) {
            Some(one) if tree::RESOURCES.contains(&call.cib.name(one)) => {}
            Some(_) => call.error(format!("'{id}' is not a bundle/clone/group/resource")),
            None => call.error(format!("bundle/clone/group/resource '{id}' does not exist")),
        }
    }
    let mut doubles: Vec<&str> = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        if ids[..at].contains(id) && !doubles.contains(&id.as_str()) {
            doubles.push(id);
        }
    }
    if !doubles.is_empty() {
        call.error(format!("Ids to add must be unique, duplicate ids: {}", listed(doubles)));
    }
}

fn create(call: &mut Call<'_>) -> Done {
    if call.words.len() < 2 {
        return Err(Refusal::usage("expected a tag id and what it is for"));
    }
    let id = call.words.remove(0);
    let ids = std::mem::take(&mut call.words);
    if let Some(wrong) = tree::wrong_id(&id, "id") {
        call.error(wrong);
    } else if tree::is_taken(&call.cib, &id) {
        call.error(format!("'{id}' already exists"));
    }
    check_ids(call, &ids);
    call.settled()?;
    let section = tree::section(&mut call.cib, "tags");
    let tag = call.cib.append(section, "tag");
    call.cib.set(tag, "id", &id);
    for id in ids {
        let one = call.cib.append(tag, "obj_ref");
        call.cib.set(one, "id", &id);
    }
    Ok(())
}

fn remove(call: &mut Call<'_>) -> Done {
    if call.words.is_empty() {
        return Err(Refusal::usage("expected a tag id"));
    }
    let ids = std::mem::take(&mut call.words);
    for id in &ids {
        let Some(tag) = find(&call.cib, id) else {
            missing(call, id);
            continue;
        };
        let constraints = removal::constraints_naming(&call.cib, id);
        if !constraints.is_empty() {
            let named = listed(constraints.iter().map(|one| call.cib.id(*one)));
            call.error(format!("Tag '{id}' cannot be removed because it is referenced in constraints {named}"));
        }
        call.cib.remove(tag);
    }
    call.settled()
}

fn update(call: &mut Call<'_>) -> Done {
    let id = call.next("a tag id")?;
    let groups = pairs::groups(&call.words, &["add", "remove"]);
    if groups.is_empty() || groups.contains_key("") {
        return Err(Refusal::usage("expected 'add' or 'remove' behind the tag id"));
    }
    let (added, removed) = (pairs::joined(&groups, "add"), pairs::joined(&groups, "remove"));
    if groups.values().flatten().any(Vec::is_empty) {
        return Err(Refusal::usage("expected ids behind 'add' and 'remove'"));
    }
    let neighbour = call.options.value("--before").or(call.options.value("--after")).map(str::to_owned);
    if call.options.has("--before") && call.options.has("--after") {
        return Err(Refusal::usage("Only one of '--after', '--before' can be used"));
    }
    if neighbour.is_some() && added.is_empty() {
        return Err(Refusal::usage("--before and --after say where ids are added"));
    }
    let tag = find(&call.cib, &id);
    if tag.is_none() {
        missing(call, &id);
    }
    check_ids(call, &added);
    let Some(tag) = tag else { return Err(Refusal::Failed) };
    let member = |call: &Call<'_>, id: &str| call.cib.children(tag).find(|one| call.cib.id(*one) == id);
    let both: Vec<&str> = added.iter().filter(|one| removed.contains(one)).map(String::as_str).collect();
    if !both.is_empty() {
        call.error(format!("Ids cannot be added and removed at the same time: {}", listed(both)));
    }
    for one in &removed {
        if member(call, one).is_none() {
            call.error(format!("Tag '{id}' does not contain id: '{one}'"));
        }
    }
    if let Some(neighbour) = &neighbour {
        if added.contains(neighbour) {
            call.error(format!("Cannot put id '{neighbour}' next to itself."));
        } else if member(call, neighbour).is_none() {
            call.error(format!("There is no id '{neighbour}' in the tag '{id}', cannot put ids next to it in the tag"));
        }
    } else {
        let there: Vec<&str> = added.iter().filter(|one| member(call, one).is_some()).map(String::as_str).collect();
        if !there.is_empty() {
            call.error(format!("Cannot add {} already in the tag '{id}'", listed(there)));
        }
    }
    let left = call.cib.children(tag).filter(|one| !removed.iter().any(|id| id == call.cib.id(*one))).count();
    if left + added.len() == 0 {
        call.error(format!(
            "There would be no references left in the tag '{id}', please remove the whole tag using the 'pcs tag remove {id}' command"
        ));
    }
    call.settled()?;
    for one in removed {
        if let Some(one) = member(call, &one) {
            call.cib.remove(one);
        }
    }
    let mut before = neighbour.and_then(|neighbour| member(call, &neighbour));
    if call.options.has("--after") {
        before = before.and_then(|one| call.cib.next_sibling(one));
        while let Some(one) = before.filter(|one| added.iter().any(|id| id == call.cib.id(*one))) {
            before = call.cib.next_sibling(one);
        }
    }
    for id in added {
        let one = member(call, &id).unwrap_or_else(|| call.cib.append(tag, "obj_ref"));
        call.cib.set(one, "id", &id);
        call.cib.place_before(one, before);
    }
    Ok(())
}
