//! Constraints over sets of resources: `order set`, `colocation set`, `ticket set`.

use cib::score::Score;

use super::{add, order, show};
use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::pairs::{self, Pairs};
use crate::tree;

/// One set: its resources and options.
struct Set {
    ids: Vec<String>,
    options: Pairs,
}

const SET_OPTIONS: [&str; 4] = ["action", "require-all", "role", "sequential"];

/// Makes a constraint of a kind from sets.
pub fn create(call: &mut Call<'_>, kind: &str) -> Done {
    if call.words.is_empty() {
        return Err(Refusal::usage("expected resources"));
    }
    let words = std::mem::take(&mut call.words);
    let (words, rest) = match words.iter().position(|word| word == "setoptions") {
        Some(at) => (words[..at].to_vec(), words[at + 1..].to_vec()),
        None => (words, Vec::new()),
    };
    let mut sets = Vec::new();
    for words in words.split(|word| word == "set") {
        sets.push(set(call, words)?);
    }
    let options = pairs::read(&rest)?;
    for set in &mut sets {
        for id in set.ids.clone() {
            check_member(call, &id)?;
        }
    }
    call.settled()?;
    let ids: Vec<String> = sets.iter().flat_map(|set| set.ids.clone()).collect();
    if kind == "rsc_order" {
        order::refuse_one_group(call, &ids)?;
    }
    let attributes = attributes(call, kind, options, &ids)?;
    refuse_duplicates(call, kind, &sets)?;
    let borrowed: Vec<(&str, &str)> = attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let own = pairs::get(&attributes, "id").unwrap_or("").to_owned();
    let constraint = add(&mut call.cib, kind, &borrowed);
    for set in sets {
        let id = tree::free_id(&call.cib, &format!("{own}_set"));
        let element = call.cib.append(constraint, "resource_set");
        for (name, value) in &set.options {
            call.cib.set(element, name, value);
        }
        call.cib.set(element, "id", &id);
        for id in set.ids {
            let member = call.cib.append(element, "resource_ref");
            call.cib.set(member, "id", &id);
        }
    }
    Ok(())
}

fn set(call: &mut Call<'_>, words: &[String]) -> Done<Set> {
    let ids: Vec<String> = words.iter().filter(|word| !word.contains('=')).cloned().collect();
    let options: Vec<String> = words.iter().filter(|word| word.contains('=')).cloned().collect();
    if ids.is_empty() {
        return Err(Refusal::usage("a set has to name at least one resource"));
    }
    let mut options = pairs::read(&options)?;
    for (name, value) in &mut options {
        let allowed: &[&str] = match name.as_str() {
            "sequential" | "require-all" => &["true", "false"],
            "action" => &order::ACTIONS,
            "role" => {
                *value = super::colocation::role(call, value)?;
                continue;
            }
            other => {
                let near = nearest(other, SET_OPTIONS.into_iter())
                    .map(|near| format!(" (did you mean '{near}'?)"))
                    .unwrap_or_default();
                let allowed = tree::listed(SET_OPTIONS);
                call.error(format!("invalid set option '{other}'{near}, allowed options are: {allowed}"));
                continue;
            }
        };
        if !allowed.contains(&value.as_str()) {
            call.error(format!("'{value}' is not a valid {name} value, use {}", tree::listed(allowed.iter().copied())));
        }
    }
    Ok(Set { ids, options })
}

fn check_member(call: &mut Call<'_>, id: &str) -> Done {
    let Some(resource) = tree::resource(&call.cib, id) else {
        return call.fail(format!("bundle/clone/group/resource '{id}' does not exist"));
    };
    if let Some(around) = tree::multiplied_by(&call.cib, resource) {
        let (kind, own) = (call.cib.name(around).replace("master", "clone"), call.cib.id(around).to_owned());
        call.object(format!("{id} is a {kind} resource, you should use the {kind} id: {own} when adding constraints"));
    }
    Ok(())
}

/// Judges the options of the constraint itself, and adds what it needs.
fn attributes(call: &mut Call<'_>, kind: &str, mut options: Pairs, ids: &[String]) -> Done<Pairs> {
    let allowed: &[&str] = match kind {
        "rsc_order" => &["id", "kind", "symmetrical"],
        "rsc_colocation" => &["id", "score"],
        _ => &["id", "loss-policy", "ticket"],
    };
    for (name, value) in &mut options {
        if !allowed.contains(&name.as_str()) {
            let near = nearest(name, allowed.iter().copied())
                .map(|near| format!(" (did you mean '{near}'?)"))
                .unwrap_or_default();
            return call.fail(format!(
                "invalid option '{name}'{near}, allowed options are: {}",
                tree::listed(allowed.iter().copied())
            ));
        }
        let choices: &[&str] = match name.as_str() {
            "kind" => {
                *value = tree::capitalized(value);
                &order::KINDS
            }
            "symmetrical" => {
                *value = value.to_lowercase();
                &["true", "false"]
            }
            "loss-policy" => &super::ticket::LOSS,
            "score" if Score::parse_exact(value).is_none() => {
                return call.fail(format!("invalid score '{value}', use integer or INFINITY or -INFINITY"));
            }
            _ => continue,
        };
        if !choices.contains(&value.as_str()) {
            return call
                .fail(format!("'{value}' is not a valid {name} value, use {}", tree::listed(choices.iter().copied())));
        }
    }
    if kind == "rsc_ticket" && pairs::get(&options, "ticket").is_none_or(str::is_empty) {
        return call.fail("required option 'ticket' is missing");
    }
    match pairs::get(&options, "id").map(str::to_owned) {
        Some(id) => tree::check_new_id(call, &id, "id")?,
        None => {
            // The first and the last letter of the first three resources: short, and much the same each time.
            let letters = |id: &String| id.chars().next().into_iter().chain(id.chars().last()).collect::<String>();
            let part: String = ids.iter().take(3).map(letters).collect();
            let kind = kind.trim_start_matches("rsc_");
            options.push(("id".into(), tree::free_id(&call.cib, &format!("{kind}_set_{part}"))));
        }
    }
    if kind == "rsc_colocation" && pairs::get(&options, "score").is_none() {
        options.push(("score".into(), "INFINITY".into()));
    }
    Ok(options)
}

fn refuse_duplicates(call: &mut Call<'_>, kind: &str, sets: &[Set]) -> Done {
    let wanted: Vec<&Vec<String>> = sets.iter().map(|set| &set.ids).collect();
    let mut found = Vec::new();
    for one in super::of_kind(&call.cib, kind) {
        let own: Vec<Vec<String>> = super::sets_of(&call.cib, one)
            .into_iter()
            .map(|set| call.cib.children(set).map(|member| call.cib.id(member).to_owned()).collect())
            .collect();
        if !own.is_empty() && own.iter().collect::<Vec<_>>() == wanted {
            found.push(one);
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = found.iter().map(|one| format!("  {}", show::with_sets(&call.cib, *one, true))).collect();
    call.note(format!("Duplicate constraints:\n{}", lines.join("\n")));
    call.object("duplicate constraint already exists");
    call.settled()
}
