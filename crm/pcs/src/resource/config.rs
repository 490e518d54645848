//! `pcs resource config` and `stonith config`: resources as text for people, as commands that make them, or as JSON.

mod commands;
mod json;
mod text;

use std::collections::BTreeSet;

use cib::{Document, Element};

use crate::call::{Call, Done};
use crate::commands::Command;
use crate::tree;

pub use text::lines;

/// The command.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "config"],
    arguments: "[<resource id>]…",
    about: "Shows resources with all their options",
    options: &["--output-format"],
    run: |call| run(call, false),
}];

/// All fence devices, in groups or not; or all other resources that are not in another.
pub fn tops(cib: &Document, stonith: bool) -> Vec<Element> {
    if stonith {
        return tree::within(cib, "resources").filter(|one| tree::is_stonith(cib, *one)).collect();
    }
    let section = tree::find_section(cib, "resources");
    let tops: Vec<Element> = section
        .into_iter()
        .flat_map(|section| cib.children(section))
        .filter(|one| tree::RESOURCES.contains(&cib.name(*one)) && !tree::is_stonith(cib, *one))
        .collect();
    in_order(cib, tops)
}

/// Primitives, then groups, clones and bundles.
fn in_order(cib: &Document, mut resources: Vec<Element>) -> Vec<Element> {
    let rank = |one: &Element| match cib.name(*one) {
        "primitive" => 0,
        "group" => 1,
        "clone" | "master" => 2,
        _ => 3,
    };
    resources.sort_by_key(rank);
    resources
}

/// Resources and what is in them, each once, as they stand in the CIB.
fn in_document_order(cib: &Document, chosen: &[Element]) -> Vec<Element> {
    let all: BTreeSet<Element> = chosen.iter().flat_map(|one| cib.descendants(*one)).collect();
    let resources = tree::within(cib, "resources").filter(|one| tree::RESOURCES.contains(&cib.name(*one)));
    resources.filter(|one| all.contains(one)).collect()
}

/// Does it for resources or fence devices.
pub fn run(call: &mut Call<'_>, stonith: bool) -> Done {
    let format = call.options.output_format()?.to_owned();
    let chosen = if call.words.is_empty() { tops(&call.cib, stonith) } else { named(call, stonith)? };
    let out = match format.as_str() {
        "json" => vec![json::text_of(&call.cib, &in_document_order(&call.cib, &chosen), stonith)],
        "cmd" => {
            let chosen = in_document_order(&call.cib, &chosen);
            commands::lines(call, &chosen, stonith)
        }
        _ => chosen.iter().flat_map(|one| text::lines(&call.cib, *one)).collect(),
    };
    out.into_iter().for_each(|line| call.say(line));
    Ok(())
}

fn named(call: &mut Call<'_>, stonith: bool) -> Done<Vec<Element>> {
    let words = std::mem::take(&mut call.words);
    let mut found = Vec::new();
    for word in words {
        match tree::resource(&call.cib, &word).filter(|one| tree::is_stonith(&call.cib, *one) == stonith) {
            Some(one) => found.push(one),
            None => {
                call.warn(format!("Unable to find {} '{word}'", if stonith { "stonith device" } else { "resource" }))
            }
        }
    }
    if found.is_empty() {
        return call.fail(if stonith { "No stonith device found" } else { "No resource found" });
    }
    found.sort_by_key(|one| call.cib.id(*one).to_owned());
    found.dedup();
    Ok(in_order(&call.cib, found))
}
