//! `pcs resource defaults` and `op defaults`: values for all resources or operations that do not say otherwise.

use cib::Element;

use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::rule;
use crate::tree;

macro_rules! commands {
    ($($family:literal, $what:literal, [$($path:literal),*], $section:literal, $context:expr);* $(;)?) => {
        &[$(
            Command {
                path: &[$family, $($path),*],
                arguments: "[config] | <name>=<value>…",
                about: concat!("Shows or sets default values for ", $what),
                options: &["--all", "--full", "--no-expire-check"],
                run: |call| bare(call, $section),
            },
            Command {
                path: &[$family, $($path),*, "config"],
                arguments: "",
                about: concat!("Shows default values for ", $what),
                options: &["--all", "--full", "--no-expire-check"],
                run: |call| show(call, $section),
            },
            Command {
                path: &[$family, $($path),*, "update"],
                arguments: "<name>=<value>…",
                about: concat!("Sets default values for ", $what),
                options: &["--force"],
                run: |call| update(call, $section),
            },
            Command {
                path: &[$family, $($path),*, "set", "create"],
                arguments: "[id=<id>] [score=<score>] [meta <name>=<value>…] [rule <expression>]",
                about: concat!("Makes a set of default values for ", $what),
                options: &["--force"],
                run: |call| create(call, $section, $context),
            },
            Command {
                path: &[$family, $($path),*, "set", "update"],
                arguments: "<set id> [meta <name>=<value>…]",
                about: "Changes a set of default values",
                options: &[],
                run: |call| update_set(call, $section),
            },
            Command {
                path: &[$family, $($path),*, "set", "delete"],
                arguments: "<set id>…",
                about: "Deletes sets of default values",
                options: &[],
                run: |call| delete(call, $section),
            },
            Command {
                path: &[$family, $($path),*, "set", "remove"],
                arguments: "<set id>…",
                about: "Deletes sets of default values",
                options: &[],
                run: |call| delete(call, $section),
            },
        )*]
    };
}

/// The commands; those of `stonith` are the same.
pub const COMMANDS: &[Command] = commands![
    "resource", "resources", ["defaults"], "rsc_defaults", rule::Context::ResourceDefaults;
    "resource", "operations", ["op", "defaults"], "op_defaults", rule::Context::OperationDefaults;
    "stonith", "resources", ["defaults"], "rsc_defaults", rule::Context::ResourceDefaults;
    "stonith", "operations", ["op", "defaults"], "op_defaults", rule::Context::OperationDefaults;
];

const WARNING: &str = "Defaults do not apply to resources which override them with their own defined values";

fn bare(call: &mut Call<'_>, section: &str) -> Done {
    if call.words.is_empty() {
        return show(call, section);
    }
    let command = if section == "rsc_defaults" { "resource defaults" } else { "resource op defaults" };
    call.deprecated(format!(
        "This command is deprecated and will be removed. Please use 'pcs {command} update' instead."
    ));
    update(call, section)
}

fn sets(call: &Call<'_>, section: &str) -> Vec<Element> {
    let section = tree::find_section(&call.cib, section);
    section.into_iter().flat_map(|section| call.cib.children_named(section, "meta_attributes")).collect()
}

fn show(call: &mut Call<'_>, section: &str) -> Done {
    call.no_more()?;
    let lines = lines(call, section, call.options.has("--full"));
    lines.into_iter().for_each(|line| call.say(line));
    Ok(())
}

/// The sets as lines.
pub fn lines(call: &Call<'_>, section: &str, full: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let (all, unchecked) = (call.options.has("--all"), call.options.has("--no-expire-check"));
    for set in sets(call, section) {
        let cib = &call.cib;
        let rule = cib.child(set, "rule");
        let expired = !unchecked && rule.is_some_and(|rule| rule::has_expired(cib, rule, call.world.now()));
        if expired && !all {
            continue;
        }
        let score = cib.attribute(set, "score").map(|score| format!(" score={score}")).unwrap_or_default();
        let mark = if expired { " (expired)" } else { "" };
        lines.push(format!("Meta Attrs{mark}: {}{score}", cib.id(set)));
        let mut pairs = nvset::pairs_of(cib, set);
        pairs.sort();
        lines.extend(pairs.iter().map(|(name, value)| format!("  {name}={}", quoted(value))));
        if let Some(rule) = rule {
            let mut shown = rule::lines(cib, rule, full);
            if let Some(head) = shown.first_mut().filter(|_| expired) {
                *head = head.replacen("Rule:", "Rule (expired):", 1);
            }
            lines.extend(shown.into_iter().map(|line| format!("  {line}")));
        }
    }
    if lines.is_empty() {
        lines.push("No defaults set".to_owned());
    }
    lines
}

/// A value with blanks stands in quotes.
pub fn quoted(value: &str) -> String {
    match value.chars().any(char::is_whitespace) {
        true => format!("\"{}\"", value.replace('"', "\\\"")),
        false => value.to_owned(),
    }
}

fn update(call: &mut Call<'_>, name: &str) -> Done {
    let pairs = pairs::read(&call.words)?;
    if pairs.is_empty() {
        return Err(Refusal::usage("expected <name>=<value>"));
    }
    let sets = sets(call, name);
    let set = match sets[..] {
        [] => {
            if pairs.iter().all(|(_, value)| value.is_empty()) {
                call.warn(WARNING);
                return Ok(());
            }
            let section = tree::section(&mut call.cib, name);
            let set = nvset::add_even_empty(&mut call.cib, section, "meta_attributes", &Pairs::new());
            nvset::update_short(&mut call.cib, set, &pairs_set(&pairs));
            call.warn(WARNING);
            return Ok(());
        }
        [one] => one,
        _ => {
            let ids: Vec<&str> = sets.iter().map(|set| call.cib.id(*set)).collect();
            let (ids, command) =
                (tree::listed(ids), if name == "rsc_defaults" { "resource defaults" } else { "resource op defaults" });
            call.error(format!(
                "Several options sets exist, please use the 'pcs {command} set update' command and specify an option set ID: {ids}"
            ));
            return Err(Refusal::Failed);
        }
    };
    call.warn(WARNING);
    nvset::update_short(&mut call.cib, set, &pairs);
    Ok(())
}

fn pairs_set(pairs: &Pairs) -> Pairs {
    pairs.iter().filter(|(_, value)| !value.is_empty()).cloned().collect()
}

fn create(call: &mut Call<'_>, name: &str, context: rule::Context) -> Done {
    let groups = pairs::groups(&call.words, &["meta", "rule"]);
    let options = pairs::read(&pairs::joined(&groups, ""))?;
    let meta = pairs::read(&pairs::joined(&groups, "meta"))?;
    let words = pairs::joined(&groups, "rule");
    for (option, value) in &options {
        match option.as_str() {
            "id" => {
                if let Some(wrong) = tree::wrong_id(value, "id") {
                    call.error(wrong);
                } else if tree::is_taken(&call.cib, value) {
                    call.error(format!("'{value}' already exists"));
                }
            }
            "score" if cib::score::Score::parse_exact(value).is_none() => {
                call.object(format!("'{value}' is not a valid score value, use a score value (e.g. 100, -INFINITY)"));
            }
            "score" => {}
            other => call.object(format!("invalid option '{other}', allowed options are: 'id', 'score'")),
        }
    }
    let expression = match groups.contains_key("rule") {
        false => None,
        true => match rule::parse(&words, context) {
            Ok(expression) => Some(expression),
            Err(why) => {
                call.error(why);
                None
            }
        },
    };
    call.settled()?;
    let section = tree::section(&mut call.cib, name);
    let id = pairs::get(&options, "id").map(str::to_owned);
    let id = id.unwrap_or_else(|| tree::sub_id(&call.cib, section, "meta_attributes"));
    let set = call.cib.append(section, "meta_attributes");
    call.cib.set(set, "id", &id);
    for (option, value) in options.iter().filter(|(option, _)| option != "id") {
        call.cib.set(set, option, value);
    }
    if let Some(expression) = expression {
        let id = tree::sub_id(&call.cib, set, "rule");
        let element = call.cib.append(set, "rule");
        let joined = rule::joined_by(&expression).unwrap_or("and");
        for (name, value) in [("id", id.as_str()), ("boolean-op", joined), ("score", "INFINITY")] {
            call.cib.set(element, name, value);
        }
        rule::write(&mut call.cib, element, &expression);
    }
    nvset::update_short(&mut call.cib, set, &pairs_set(&meta));
    call.warn(WARNING);
    Ok(())
}

fn find(call: &mut Call<'_>, section: &str, id: &str) -> Option<Element> {
    let found = sets(call, section).into_iter().find(|set| call.cib.id(*set) == id);
    if found.is_none() {
        call.error(format!("options set '{id}' does not exist"));
    }
    found
}

fn update_set(call: &mut Call<'_>, section: &str) -> Done {
    let id = call.next("a set id")?;
    let groups = pairs::groups(&call.words, &["meta"]);
    if !pairs::joined(&groups, "").is_empty() {
        return Err(Refusal::usage("expected 'meta' behind the set id"));
    }
    let meta = pairs::read(&pairs::joined(&groups, "meta"))?;
    let set = find(call, section, &id);
    call.settled()?;
    if let Some(set) = set {
        nvset::update_short(&mut call.cib, set, &meta);
    }
    call.warn(WARNING);
    Ok(())
}

fn delete(call: &mut Call<'_>, section: &str) -> Done {
    let ids = std::mem::take(&mut call.words);
    pairs::unique(&ids)?;
    let found: Vec<Element> = ids.iter().filter_map(|id| find(call, section, id)).collect();
    call.settled()?;
    found.into_iter().for_each(|set| call.cib.remove(set));
    Ok(())
}
