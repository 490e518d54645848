//! `pcs constraint config`: constraints as text for people, in pcs's own layout, which scripts read; `ref`.

use std::collections::BTreeMap;

use cib::{Document, Element};

use super::{of_kind, sets_of};
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::removal;
use crate::rule;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["constraint"],
        arguments: "",
        about: "Shows all constraints",
        options: &["--all", "--full"],
        run: all,
    },
    Command {
        path: &["constraint", "config"],
        arguments: "",
        about: "Shows all constraints",
        options: &["--all", "--full"],
        run: all,
    },
    Command {
        path: &["constraint", "ref"],
        arguments: "<resource>…",
        about: "Shows the constraints that name resources",
        options: &[],
        run: references,
    },
];

const TITLES: [(&str, &str); 3] = [
    ("rsc_order", "Ordering Constraints:"),
    ("rsc_colocation", "Colocation Constraints:"),
    ("rsc_ticket", "Ticket Constraints:"),
];

fn all(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let lines = every_line(call, call.options.has("--full"));
    lines.into_iter().for_each(|line| call.say(line));
    Ok(())
}

/// All constraints as lines.
pub fn every_line(call: &Call<'_>, full: bool) -> Vec<String> {
    let mut lines = location_lines(call, full, false, &[]);
    for (kind, title) in TITLES {
        lines.push(title.to_owned());
        lines.extend(kind_lines(&call.cib, kind, full));
    }
    lines
}

/// The constraints of one kind.
pub fn kind(call: &mut Call<'_>, kind: &str) -> Done {
    call.no_more()?;
    if let Some((_, title)) = TITLES.into_iter().find(|(known, _)| *known == kind) {
        call.say(title);
    }
    let lines = kind_lines(&call.cib, kind, call.options.has("--full"));
    lines.into_iter().for_each(|line| call.say(line));
    Ok(())
}

fn kind_lines(cib: &Document, kind: &str, full: bool) -> Vec<String> {
    let (with, without): (Vec<Element>, Vec<Element>) =
        of_kind(cib, kind).into_iter().partition(|one| !sets_of(cib, *one).is_empty());
    let mut lines: Vec<String> = without.into_iter().map(|one| format!("  {}", plain(cib, one, full))).collect();
    if !with.is_empty() {
        lines.push("  Resource Sets:".into());
        lines.extend(with.into_iter().map(|one| format!("    {}", with_sets(cib, one, full))));
    }
    lines
}

/// A constraint without sets in a line.
pub fn plain(cib: &Document, one: Element, full: bool) -> String {
    let of = |name: &str| cib.attribute(one, name).unwrap_or("");
    let id = if full { format!(" (id:{})", cib.id(one)) } else { String::new() };
    match cib.name(one) {
        "rsc_order" => {
            let action =
                |name: &str| Some(of(name)).filter(|action| !action.is_empty()).map(|action| format!("{action} "));
            let (first, then) = (action("first-action").unwrap_or_default(), action("then-action").unwrap_or_default());
            let mut text = format!("{first}{} then {then}{}", of("first"), of("then"));
            let kind = Some(of("kind")).filter(|kind| !kind.is_empty());
            let score = Some(of("score")).filter(|score| !score.is_empty());
            match (kind, score) {
                (Some(kind), _) => text.push_str(&format!(" (kind:{kind})")),
                (None, Some(score)) => text.push_str(&format!(" (score:{score})")),
                (None, None) => text.push_str(" (kind:Mandatory)"),
            }
            if of("symmetrical").eq_ignore_ascii_case("false") {
                text.push_str(" (non-symmetrical)");
            }
            let known = ["first", "then", "first-action", "then-action", "kind", "score", "symmetrical", "id"];
            let mut rest: Vec<String> = cib
                .attributes(one)
                .filter(|(name, _)| !known.contains(name))
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            rest.sort();
            if !rest.is_empty() {
                text.push_str(&format!(" (Options: {})", rest.join(" ")));
            }
            text + &id
        }
        "rsc_colocation" => {
            let score = Some(of("score")).filter(|score| !score.is_empty()).map(|score| format!(" (score:{score})"));
            let mut rest: Vec<(&str, &str)> =
                cib.attributes(one).filter(|(name, _)| !matches!(*name, "rsc" | "with-rsc" | "score" | "id")).collect();
            rest.sort_unstable();
            let rest: String = rest.iter().map(|(name, value)| format!(" ({name}:{value})")).collect();
            format!("{} with {}{}{rest}{id}", of("rsc"), of("with-rsc"), score.unwrap_or_default())
        }
        _ => {
            let role = Some(of("rsc-role")).filter(|role| !role.is_empty()).map(|role| format!("{role} "));
            let mut rest: Vec<(&str, &str)> =
                cib.attributes(one).filter(|(name, _)| !matches!(*name, "rsc" | "rsc-role" | "id")).collect();
            rest.sort_unstable();
            let rest: String = rest.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{}{}{rest}{id}", role.unwrap_or_default(), of("rsc"))
        }
    }
}

/// A constraint with sets in a line.
pub fn with_sets(cib: &Document, one: Element, full: bool) -> String {
    let id = |element: Element| if full { format!(" (id:{})", cib.id(element)) } else { String::new() };
    let options = |element: Element| {
        let mut options: Vec<(&str, &str)> = cib.attributes(element).filter(|(name, _)| *name != "id").collect();
        options.sort_unstable();
        options.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>()
    };
    let sets: Vec<String> = sets_of(cib, one)
        .into_iter()
        .map(|set| {
            let ids: Vec<&str> = cib.children(set).map(|member| cib.id(member)).collect();
            format!("set {}{}{}", ids.join(" "), options(set), id(set))
        })
        .collect();
    let own = options(one);
    let own = if own.is_empty() { own } else { format!(" setoptions{own}") };
    format!("{}{own}{}", sets.join(" "), id(one))
}

/// `pcs constraint location config`.
pub fn locations(call: &mut Call<'_>) -> Done {
    let mut words = std::mem::take(&mut call.words);
    let by_node = match words.first().map(String::as_str) {
        None => false,
        Some("resources") => false,
        Some("nodes") => true,
        Some(other) => return Err(Refusal::usage(format!("expected 'resources' or 'nodes', found '{other}'"))),
    };
    if !words.is_empty() {
        words.remove(0);
    }
    let lines = location_lines(call, call.options.has("--full"), by_node, &words);
    lines.into_iter().for_each(|line| call.say(line));
    Ok(())
}

/// Who is meant by a location constraint: patterns are shown before resources.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Pattern(String),
    Resource(String),
}

impl Whom {
    fn of(cib: &Document, one: Element) -> Whom {
        match cib.attribute(one, "rsc-pattern") {
            Some(pattern) => Whom::Pattern(pattern.to_owned()),
            None => Whom::Resource(cib.attribute(one, "rsc").unwrap_or("").to_owned()),
        }
    }

    fn title(&self) -> String {
        match self {
            Whom::Pattern(pattern) => format!("Resource pattern: {pattern}"),
            Whom::Resource(id) => format!("Resource: {id}"),
        }
    }

    fn is(&self, word: &str) -> bool {
        match self {
            Whom::Pattern(pattern) => word.strip_prefix("regexp%") == Some(pattern),
            Whom::Resource(id) => word.strip_prefix("resource%").or(word.strip_prefix('%')).unwrap_or(word) == id,
        }
    }
}

fn location_lines(call: &Call<'_>, full: bool, by_node: bool, only: &[String]) -> Vec<String> {
    let cib = &call.cib;
    let mut lines = vec!["Location Constraints:".to_owned()];
    let (with_rules, plain): (Vec<Element>, Vec<Element>) =
        of_kind(cib, "rsc_location").into_iter().partition(|one| cib.child(*one, "rule").is_some());
    let id = |one: Element| if full { format!(" (id:{})", cib.id(one)) } else { String::new() };
    let score = |one: Element| cib.attribute(one, "score").unwrap_or("0").to_owned();
    let wanted = |one: Element| !score(one).starts_with('-');
    let options = |one: Element| {
        let more = [("role", "role"), ("resource-discovery", "resource-discovery")];
        more.iter()
            .filter_map(|(name, shown)| cib.attribute(one, name).map(|value| format!(" ({shown}:{value})")))
            .collect::<String>()
    };
    if by_node {
        let mut nodes: BTreeMap<&str, Vec<Element>> = BTreeMap::new();
        for one in &plain {
            nodes.entry(cib.attribute(*one, "node").unwrap_or("")).or_default().push(*one);
        }
        for (node, all) in nodes.iter().filter(|(node, _)| only.is_empty() || only.iter().any(|one| one == **node)) {
            lines.push(format!("  Node: {node}"));
            for (title, good) in [("Allowed to run:", true), ("Not allowed to run:", false)] {
                let some: Vec<&Element> = all.iter().filter(|one| wanted(**one) == good).collect();
                if !some.is_empty() {
                    lines.push(format!("    {title}"));
                }
                let line = |one: &&Element| {
                    format!(
                        "      {}{} (score:{}){}",
                        Whom::of(cib, **one).title(),
                        options(**one),
                        score(**one),
                        id(**one)
                    )
                };
                lines.extend(some.iter().map(line));
            }
        }
        lines.extend(rule_lines(call, full, &with_rules, |_| true));
        return lines;
    }
    let mut all: BTreeMap<Whom, (Vec<Element>, Vec<Element>)> = BTreeMap::new();
    for one in plain {
        all.entry(Whom::of(cib, one)).or_default().0.push(one);
    }
    for one in with_rules {
        all.entry(Whom::of(cib, one)).or_default().1.push(one);
    }
    for (whom, (plain, ruled)) in all {
        if !only.is_empty() && !only.iter().any(|word| whom.is(word)) {
            continue;
        }
        let mut inner = Vec::new();
        for (title, good) in [("Enabled on:", true), ("Disabled on:", false)] {
            let some: Vec<&Element> = plain.iter().filter(|one| wanted(**one) == good).collect();
            if !some.is_empty() {
                inner.push(format!("    {title}"));
            }
            for one in some {
                let node = cib.attribute(*one, "node").unwrap_or("");
                inner.push(format!("      Node: {node} (score:{}){}{}", score(*one), options(*one), id(*one)));
            }
        }
        let ruled = rule_lines(call, full, &ruled, |_| true);
        // The first of the rules' lines is the title that stands above already.
        inner.extend(ruled.into_iter().skip(1));
        if !inner.is_empty() {
            lines.push(format!("  {}", whom.title()));
            lines.extend(inner);
        }
    }
    lines
}

fn rule_lines(call: &Call<'_>, full: bool, constraints: &[Element], show: impl Fn(&Whom) -> bool) -> Vec<String> {
    let cib = &call.cib;
    let mut all: BTreeMap<Whom, Vec<Element>> = BTreeMap::new();
    for one in constraints {
        all.entry(Whom::of(cib, *one)).or_default().push(*one);
    }
    let mut lines = Vec::new();
    for (whom, mut constraints) in all.into_iter().filter(|(whom, _)| show(whom)) {
        constraints.sort_by_key(|one| cib.id(*one).to_owned());
        let mut inner = Vec::new();
        for one in constraints {
            let rules: Vec<Element> = cib.children_named(one, "rule").collect();
            let expired: Vec<bool> = rules.iter().map(|rule| rule::has_expired(cib, *rule, call.world.now())).collect();
            let gone = expired.iter().all(|expired| *expired);
            if gone && !call.options.has("--all") {
                continue;
            }
            let mark = if gone { " (expired)" } else { "" };
            let discovery = cib.attribute(one, "resource-discovery");
            let discovery = discovery.map(|value| format!(" (resource-discovery={value})")).unwrap_or_default();
            inner.push(format!("    Constraint{mark}: {}{discovery}", cib.id(one)));
            for (rule, expired) in rules.into_iter().zip(expired) {
                for line in rule::lines(cib, rule, full) {
                    let line = if expired { line.replacen("Rule:", "Rule (expired):", 1) } else { line };
                    inner.push(format!("      {line}"));
                }
            }
        }
        if !inner.is_empty() {
            lines.push(format!("  {}", whom.title()));
            lines.extend(inner);
        }
    }
    lines
}

fn references(call: &mut Call<'_>) -> Done {
    if call.words.is_empty() {
        return Err(Refusal::usage("expected a resource id"));
    }
    for id in std::mem::take(&mut call.words) {
        call.say(format!("Resource: {id}"));
        let found = removal::constraints_naming(&call.cib, &id);
        if found.is_empty() {
            call.say("  No Matches.");
        }
        // By kind, those with sets behind the others.
        let rank = |one: &Element| {
            let kinds = ["rsc_colocation", "rsc_location", "rsc_order", "rsc_ticket"];
            let at = kinds.iter().position(|kind| *kind == call.cib.name(*one)).unwrap_or(kinds.len());
            (!sets_of(&call.cib, *one).is_empty(), at)
        };
        let mut found = found;
        found.sort_by_key(rank);
        for one in found {
            let line = format!("  {}", call.cib.id(one));
            call.say(line);
        }
    }
    Ok(())
}
