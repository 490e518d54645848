//! `pcs property …`: the options of the cluster as a whole.

use cib::Element;
use cib::option::{self, CibOption, Type};

use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::tree::{self, listed};

/// The commands.
pub const COMMANDS: &[&[Command]] = &[&[
    Command {
        path: &["property"],
        arguments: "",
        about: "Shows the cluster properties that are set",
        options: &["--all", "--defaults"],
        run: config,
    },
    Command {
        path: &["property", "config"],
        arguments: "[<property>]…",
        about: "Shows cluster properties",
        options: &["--all", "--defaults"],
        run: config,
    },
    Command {
        path: &["property", "list"],
        arguments: "[<property>]…",
        about: "Shows cluster properties, as it was called once",
        options: &["--all", "--defaults"],
        run: old_config,
    },
    Command {
        path: &["property", "show"],
        arguments: "[<property>]…",
        about: "Shows cluster properties, as it was called once",
        options: &["--all", "--defaults"],
        run: old_config,
    },
    Command {
        path: &["property", "set"],
        arguments: "<property>=[<value>]…",
        about: "Sets cluster properties; an empty value removes one",
        options: &["--force"],
        run: set,
    },
    Command {
        path: &["property", "unset"],
        arguments: "<property>…",
        about: "Removes cluster properties",
        options: &["--force"],
        run: unset,
    },
]];

/// What the cluster says of itself here; nobody sets it.
const OF_THE_CLUSTER: [&str; 5] =
    ["cluster-infrastructure", "cluster-name", "dc-version", "have-watchdog", "last-lrm-refresh"];
/// The set that pcs makes.
const SET: &str = "cib-bootstrap-options";

/// The set of properties that is changed: the first.
fn first_set(call: &Call<'_>) -> Option<Element> {
    tree::within(&call.cib, "crm_config").find(|one| call.cib.name(*one) == "cluster_property_set")
}

fn known() -> impl Iterator<Item = &'static CibOption> {
    option::PROPERTIES.iter().filter(|one| !OF_THE_CLUSTER.contains(&one.name))
}

fn set(call: &mut Call<'_>) -> Done {
    let pairs = pairs::read(&call.words)?;
    if pairs.is_empty() {
        return Err(Refusal::usage("expected <property>=<value>"));
    }
    apply(call, &pairs)
}

fn unset(call: &mut Call<'_>) -> Done {
    if call.words.is_empty() {
        return Err(Refusal::usage("expected the properties to remove"));
    }
    pairs::unique(&call.words)?;
    let pairs: Pairs = call.words.iter().map(|name| (name.clone(), String::new())).collect();
    apply(call, &pairs)
}

fn apply(call: &mut Call<'_>, pairs: &Pairs) -> Done {
    let set = first_set(call);
    let present = set.map(|set| nvset::pairs_of(&call.cib, set)).unwrap_or_default();
    let set_id = set.map_or(SET.to_owned(), |set| call.cib.id(set).to_owned());
    let missing: Vec<&str> = pairs
        .iter()
        .filter(|(name, value)| value.is_empty() && pairs::get(&present, name).is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !missing.is_empty() {
        let (word, verb) = if missing.len() == 1 { ("property", "it is") } else { ("properties", "they are") };
        let missing = listed(missing);
        call.object(format!("Cannot remove {word} {missing}, {verb} not present in property set '{set_id}'"));
    }
    judge_names(call, pairs);
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        judge_value(call, name, value);
    }
    call.settled()?;
    let set = set.unwrap_or_else(|| {
        let section = tree::section(&mut call.cib, "crm_config");
        let set = call.cib.append(section, "cluster_property_set");
        let id = tree::free_id(&call.cib, SET);
        call.cib.set(set, "id", &id);
        set
    });
    nvset::update_short(&mut call.cib, set, pairs);
    Ok(())
}

fn judge_names(call: &mut Call<'_>, pairs: &Pairs) {
    let wrong: Vec<&str> = pairs
        .iter()
        .filter(|(name, value)| !value.is_empty() && !known().any(|one| one.is(name)))
        .map(|(name, _)| name.as_str())
        .collect();
    if wrong.is_empty() {
        return;
    }
    let near: Vec<&str> = wrong.iter().filter_map(|name| nearest(name, known().map(|one| one.name))).collect();
    let near = if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", listed(near)) };
    let mut names: Vec<&str> = known().map(|one| one.name).collect();
    names.sort_unstable();
    let plural = if wrong.len() == 1 { "" } else { "s" };
    call.object(format!(
        "invalid cluster property option{plural} {}{near}, allowed options are: {}",
        listed(wrong),
        listed(names)
    ));
}

fn judge_value(call: &mut Call<'_>, name: &str, value: &str) {
    let Some(one) = known().find(|one| one.is(name)) else { return };
    let plain_duration = |text: &str| {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < text.len()
            && matches!(unit, "" | "s" | "sec" | "m" | "min" | "h" | "hr" | "ms" | "msec" | "us" | "usec")
    };
    let expected = match one.kind {
        // Pacemaker takes a fence as well as a suicide for this, pcs and older Pacemakers only the latter.
        Type::Duration if name == "stonith-watchdog-timeout" && value == "-1" => None,
        Type::Duration if !plain_duration(value) => {
            one.expected(value).or(Some("time interval (e.g. 1, 2s, 3m, 4h, ...)".into()))
        }
        _ => one.expected(value),
    };
    if let Some(expected) = expected {
        call.object(format!("'{value}' is not a valid {name} value, use {expected}"));
    }
}

fn old_config(call: &mut Call<'_>) -> Done {
    call.deprecated("This command is deprecated and will be removed. Please use 'pcs property config' instead.");
    config(call)
}

fn config(call: &mut Call<'_>) -> Done {
    let (all, defaults) = (call.options.has("--all"), call.options.has("--defaults"));
    if [all, defaults, !call.words.is_empty()].iter().filter(|one| **one).count() > 1 {
        return Err(Refusal::usage("you cannot specify a property or --all or --defaults together"));
    }
    let wanted = std::mem::take(&mut call.words);
    let set = set_pairs(call);
    let mut shown: Pairs = Vec::new();
    if defaults || all || !wanted.is_empty() {
        shown.extend(option::PROPERTIES.iter().filter_map(|one| Some((one.name.to_owned(), one.default?.to_owned()))));
    }
    if !defaults {
        shown.retain(|(name, _)| pairs::get(&set, name).is_none());
        shown.extend(set);
    }
    if !wanted.is_empty() {
        shown.retain(|(name, _)| wanted.contains(name));
        for name in wanted.iter().filter(|name| pairs::get(&shown, name).is_none() && !known().any(|one| one.is(name)))
        {
            let near = nearest(name, known().map(|one| one.name))
                .map(|near| format!("; did you mean '{near}'?"))
                .unwrap_or_default();
            call.warn(format!("there is no cluster property '{name}'{near}"));
        }
    }
    call.say("Cluster Properties:");
    shown.sort();
    for (name, value) in shown {
        call.say(format!(" {name}: {value}"));
    }
    let nodes = node_lines(call);
    if !nodes.is_empty() && !all && !defaults && wanted.is_empty() {
        call.say("Node Attributes:");
        nodes.into_iter().for_each(|line| call.say(line));
    }
    Ok(())
}

/// The properties that are set.
pub fn set_pairs(call: &Call<'_>) -> Pairs {
    let mut set = first_set(call).map(|set| nvset::pairs_of(&call.cib, set)).unwrap_or_default();
    set.sort();
    set
}

fn node_lines(call: &Call<'_>) -> Vec<String> {
    let lines = crate::node::attribute_lines(call, None, None, "instance_attributes");
    lines.into_iter().map(|(name, text)| format!(" {name}: {text}")).collect()
}
