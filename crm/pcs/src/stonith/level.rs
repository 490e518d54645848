//! `pcs stonith level …`: which devices are tried for a node, and in which order.

use cib::{Document, Element};

use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::tree::{self, listed};

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["stonith", "level"],
        arguments: "",
        about: "Shows all fencing levels",
        options: &[],
        run: config,
    },
    Command {
        path: &["stonith", "level", "config"],
        arguments: "",
        about: "Shows all fencing levels",
        options: &[],
        run: config,
    },
    Command {
        path: &["stonith", "level", "add"],
        arguments: "<level> <target> <stonith id>…",
        about: "Adds devices that are tried together for a node",
        options: &["--force"],
        run: add,
    },
    Command {
        path: &["stonith", "level", "delete"],
        arguments: "<level> [target <target>] [stonith <stonith id>…]",
        about: "Removes fencing levels",
        options: &[],
        run: remove,
    },
    Command {
        path: &["stonith", "level", "remove"],
        arguments: "<level> [target <target>] [stonith <stonith id>…]",
        about: "Removes fencing levels",
        options: &[],
        run: remove,
    },
    Command {
        path: &["stonith", "level", "clear"],
        arguments: "[target <target> | stonith <stonith id>…]",
        about: "Removes all fencing levels, or those of a node or devices",
        options: &[],
        run: clear,
    },
    Command {
        path: &["stonith", "level", "verify"],
        arguments: "",
        about: "Looks whether all nodes and devices of fencing levels exist",
        options: &[],
        run: verify,
    },
];

/// Of whom a level is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Target {
    Node(String),
    Pattern(String),
    Attribute(String, String),
}

impl Target {
    fn read(word: &str) -> Done<Target> {
        match word.split_once('%') {
            None => Ok(Target::Node(word.to_owned())),
            Some(("" | "node", node)) => Ok(Target::Node(node.to_owned())),
            Some(("regexp", pattern)) => Ok(Target::Pattern(pattern.to_owned())),
            Some(("attrib", pair)) => match pair.split_once('=') {
                Some((name, value)) => Ok(Target::Attribute(name.to_owned(), value.to_owned())),
                None => Err(Refusal::usage(format!(
                    "'{pair}' is no attribute with a value; expected attrib%<name>=<value>"
                ))),
            },
            Some((other, _)) => {
                Err(Refusal::usage(format!("'{other}' is not an allowed type for '{word}', use attrib, node, regexp")))
            }
        }
    }

    fn of(cib: &Document, level: Element) -> Option<Target> {
        let of = |name| cib.attribute(level, name).map(str::to_owned);
        let attribute = || Some(Target::Attribute(of("target-attribute")?, of("target-value")?));
        of("target").map(Target::Node).or_else(|| of("target-pattern").map(Target::Pattern)).or_else(attribute)
    }

    fn title(&self) -> String {
        match self {
            Target::Node(node) => format!("Target: {node}"),
            Target::Pattern(pattern) => format!("Target (regexp): {pattern}"),
            Target::Attribute(name, value) => format!("Target: {name}={value}"),
        }
    }

    fn name(&self) -> String {
        match self {
            Target::Node(name) | Target::Pattern(name) => name.clone(),
            Target::Attribute(name, value) => format!("{name}={value}"),
        }
    }
}

fn levels(cib: &Document) -> Vec<Element> {
    tree::within(cib, "fencing-topology").filter(|one| cib.name(*one) == "fencing-level").collect()
}

fn index(cib: &Document, level: Element) -> u32 {
    cib.attribute(level, "index").and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn devices(cib: &Document, level: Element) -> Vec<&str> {
    cib.attribute(level, "devices").unwrap_or("").split(',').filter(|one| !one.is_empty()).collect()
}

fn config(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let lines = lines(&call.cib);
    lines.into_iter().for_each(|line| call.say(line));
    Ok(())
}

/// All levels as lines: of nodes, of patterns, of attributes.
pub fn lines(cib: &Document) -> Vec<String> {
    let mut targets: Vec<Target> = Vec::new();
    for target in levels(cib).into_iter().filter_map(|level| Target::of(cib, level)) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let rank = |target: &Target| match target {
        Target::Node(name) => (0, name.clone()),
        Target::Pattern(pattern) => (1, pattern.clone()),
        Target::Attribute(name, value) => (2, format!("{name}={value}")),
    };
    targets.sort_by_key(rank);
    let mut lines = Vec::new();
    for target in targets {
        lines.push(target.title());
        let mut own: Vec<Element> =
            levels(cib).into_iter().filter(|level| Target::of(cib, *level).as_ref() == Some(&target)).collect();
        own.sort_by_key(|level| index(cib, *level));
        lines.extend(
            own.iter().map(|level| format!("  Level {} - {}", index(cib, *level), devices(cib, *level).join(","))),
        );
    }
    lines
}

/// Devices, one a word or several with commas, as they were written once.
fn split_devices(call: &mut Call<'_>, words: &[String]) -> Vec<String> {
    if words.iter().any(|word| word.contains(',')) {
        call.deprecated(
            "Delimiting stonith devices with ',' is deprecated and will be removed. Please use a space to delimit stonith devices.",
        );
    }
    words.iter().flat_map(|word| word.split(',')).filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

fn check_level(call: &mut Call<'_>, word: &str) -> Option<u32> {
    let level = word.parse::<u32>().ok().filter(|level| *level > 0);
    if level.is_none() {
        call.error(format!("'{word}' is not a valid level value, use a positive integer"));
    }
    level
}

fn add(call: &mut Call<'_>) -> Done {
    if call.words.len() < 3 {
        return Err(Refusal::usage("expected a level, a target and the devices"));
    }
    let (level, target) = (call.words.remove(0), Target::read(&call.words.remove(0))?);
    let words = std::mem::take(&mut call.words);
    let wanted = split_devices(call, &words);
    let number = check_level(call, &level);
    if let Target::Node(node) = &target {
        let nodes = tree::nodes(&call.cib);
        if !nodes.contains(node) {
            let near = nearest(node, nodes.iter().map(String::as_str));
            let near = near.map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default();
            call.object(format!("Node '{node}' does not appear to exist in configuration{near}"));
        }
    }
    for device in &wanted {
        if let Some(wrong) = tree::wrong_id(device, "stonith id") {
            call.error(wrong);
        }
    }
    // Only devices that stand alone can be tried.
    let known: Vec<String> = tree::within(&call.cib, "resources")
        .filter(|one| tree::is_stonith(&call.cib, *one) && tree::parent_resource(&call.cib, *one).is_none())
        .map(|one| call.cib.id(one).to_owned())
        .collect();
    let missing: Vec<&str> = wanted.iter().filter(|one| !known.contains(one)).map(String::as_str).collect();
    if !missing.is_empty() {
        let near: Vec<&str> = missing.iter().filter_map(|one| nearest(one, known.iter().map(String::as_str))).collect();
        let near = if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", listed(near)) };
        call.object(format!("Stonith resource(s) {} do not exist{near}", listed(missing)));
    }
    let same = levels(&call.cib).into_iter().any(|one| {
        Target::of(&call.cib, one).as_ref() == Some(&target)
            && Some(index(&call.cib, one)) == number
            && devices(&call.cib, one) == wanted.iter().map(String::as_str).collect::<Vec<_>>()
    });
    if same {
        let devices = listed(wanted.iter().map(String::as_str));
        call.error(format!(
            "Fencing level for '{}' at level '{level}' with device(s) {devices} already exists",
            target.name()
        ));
    }
    call.settled()?;
    let (named, attributes) = match &target {
        Target::Node(node) => (node.clone(), vec![("target", node)]),
        Target::Pattern(pattern) => (pattern.clone(), vec![("target-pattern", pattern)]),
        Target::Attribute(name, value) => (name.clone(), vec![("target-attribute", name), ("target-value", value)]),
    };
    let id = tree::free_id(&call.cib, &tree::sanitized(&format!("fl-{named}-{level}")));
    let section = tree::section(&mut call.cib, "fencing-topology");
    let element = call.cib.append(section, "fencing-level");
    call.cib.set(element, "index", &level);
    call.cib.set(element, "devices", &wanted.join(","));
    attributes.into_iter().for_each(|(name, value)| call.cib.set(element, name, value));
    call.cib.set(element, "id", &id);
    Ok(())
}

/// What stands behind `target` and `stonith`; without these words, as it was written once.
fn filters(call: &mut Call<'_>, old: &str) -> Done<(Option<Target>, Vec<String>, bool)> {
    let words = std::mem::take(&mut call.words);
    if words.iter().any(|word| matches!(word.as_str(), "target" | "stonith")) {
        let groups = crate::pairs::groups(&words, &["target", "stonith"]);
        let targets = crate::pairs::joined(&groups, "target");
        if groups.contains_key("") || targets.len() > 1 {
            return Err(Refusal::usage("expected [target <target>] [stonith <stonith id>…]"));
        }
        let target = targets.first().map(|word| Target::read(word)).transpose()?;
        let devices = split_devices(call, &crate::pairs::joined(&groups, "stonith"));
        return Ok((target, devices, false));
    }
    if words.is_empty() {
        return Ok((None, Vec::new(), false));
    }
    call.deprecated(old);
    Ok((None, words, true))
}

fn remove(call: &mut Call<'_>) -> Done {
    let level = call.next("a level")?;
    let number = check_level(call, &level);
    call.settled()?;
    let (target, wanted, old) = filters(
        call,
        "Syntax 'pcs stonith level delete | remove <level> [<target>] [<stonith id>...]' is deprecated and will be removed. \
         Please use 'pcs stonith level delete | remove <level> [target <target>] [stonith <stonith id>...]'.",
    )?;
    let found = match old {
        false => matching(&call.cib, number, target.as_ref(), &wanted),
        // The first word may be a target or a device.
        true => {
            let all = split_devices(call, &wanted);
            let target = Target::read(&wanted[0])?;
            let rest = split_devices(call, &wanted[1..]);
            let found = matching(&call.cib, number, Some(&target), &rest);
            if found.is_empty() { matching(&call.cib, number, None, &all) } else { found }
        }
    };
    if found.is_empty() {
        return call.fail(format!("Fencing level at level '{level}' as described does not exist"));
    }
    drop_levels(call, found);
    Ok(())
}

fn matching(cib: &Document, number: Option<u32>, target: Option<&Target>, wanted: &[String]) -> Vec<Element> {
    let same = |level: &Element| {
        number.is_none_or(|number| index(cib, *level) == number)
            && target.is_none_or(|target| Target::of(cib, *level).as_ref() == Some(target))
            && (wanted.is_empty() || devices(cib, *level) == wanted.iter().map(String::as_str).collect::<Vec<_>>())
    };
    levels(cib).into_iter().filter(same).collect()
}

fn drop_levels(call: &mut Call<'_>, found: Vec<Element>) {
    found.into_iter().for_each(|level| call.cib.remove(level));
}

fn clear(call: &mut Call<'_>) -> Done {
    let (target, wanted, old) = filters(
        call,
        "Syntax 'pcs stonith level clear [<target> | <stonith id(s)>] is deprecated and will be removed. Please use 'pcs \
         stonith level clear [target <target>] | [stonith <stonith id>...]'.",
    )?;
    if target.is_some() && !wanted.is_empty() {
        return Err(Refusal::usage("Only one of 'target' and 'stonith' can be used"));
    }
    let found = match (old, &target) {
        (true, _) => {
            let target = Target::read(&wanted[0])?;
            let of_target = matching(&call.cib, None, Some(&target), &[]);
            let all = split_devices(call, &wanted);
            if of_target.is_empty() { matching(&call.cib, None, None, &all) } else { of_target }
        }
        (false, target) => matching(&call.cib, None, target.as_ref(), &wanted),
    };
    drop_levels(call, found);
    Ok(())
}

fn verify(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let problems = problems(&call.cib);
    problems.into_iter().for_each(|problem| call.error(problem));
    call.settled()
}

/// What levels name and is not there.
pub fn problems(cib: &Document) -> Vec<String> {
    let nodes = tree::nodes(cib);
    let devices_there: Vec<&str> =
        tree::within(cib, "resources").filter(|one| tree::is_stonith(cib, *one)).map(|one| cib.id(one)).collect();
    let (mut lost_nodes, mut lost_devices) = (Vec::new(), Vec::new());
    for level in levels(cib) {
        if let Some(Target::Node(node)) = Target::of(cib, level).filter(|target| !nodes.contains(&target.name())) {
            lost_nodes.push(node);
        }
        lost_devices.extend(devices(cib, level).into_iter().filter(|one| !devices_there.contains(one)));
    }
    lost_nodes.sort();
    lost_nodes.dedup();
    lost_devices.sort_unstable();
    lost_devices.dedup();
    let mut problems = Vec::new();
    if !lost_devices.is_empty() {
        problems.push(format!("Stonith resource(s) {} do not exist", listed(lost_devices)));
    }
    problems.extend(lost_nodes.iter().map(|node| format!("Node '{node}' does not appear to exist in configuration")));
    problems
}
