//! `pcs constraint location …`: which nodes a resource prefers or avoids, by name or by a rule.

use cib::Element;
use cib::score::Score;

use super::{add, check_id, check_resource};
use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::pairs;
use crate::rule::{self, Context};
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["constraint", "location"],
        arguments: "<resource> prefers|avoids <node>[=<score>]… | <resource> rule [<option>=<value>]… <expression>",
        about: "Makes a resource prefer or avoid nodes; without arguments, shows who does",
        options: &["--all", "--force", "--full"],
        run,
    },
    Command {
        path: &["constraint", "location", "config"],
        arguments: "[resources [<resource>]… | nodes [<node>]…]",
        about: "Shows location constraints",
        options: &["--all", "--full"],
        run: super::show::locations,
    },
    Command {
        path: &["constraint", "location", "add"],
        arguments: "<id> <resource> <node> <score> [resource-discovery=<option>]",
        about: "Adds a location constraint with an id",
        options: &["--force"],
        run: add_one,
    },
    Command {
        path: &["constraint", "location", "delete"],
        arguments: "<id>",
        about: "Removes a location constraint",
        options: &[],
        run: remove,
    },
    Command {
        path: &["constraint", "location", "remove"],
        arguments: "<id>",
        about: "Removes a location constraint",
        options: &[],
        run: remove,
    },
    Command {
        path: &["constraint", "rule", "add"],
        arguments: "<constraint id> [id=<rule id>] [role=Promoted|Unpromoted] [score=<score>|score-attribute=<attribute>] <expression>",
        about: "Adds a rule to a location constraint",
        options: &["--force"],
        run: add_rule,
    },
    Command {
        path: &["constraint", "rule", "delete"],
        arguments: "<rule id>",
        about: "Removes a rule, and its constraint if it was the last",
        options: &[],
        run: remove_rule,
    },
    Command {
        path: &["constraint", "rule", "remove"],
        arguments: "<rule id>",
        about: "Removes a rule, and its constraint if it was the last",
        options: &[],
        run: remove_rule,
    },
];

/// Whom a constraint is about: an attribute of the element, and its value.
struct Whom {
    attribute: &'static str,
    value: String,
}

fn whom(word: &str) -> Done<Whom> {
    match word.split_once('%') {
        None => Ok(Whom { attribute: "rsc", value: word.to_owned() }),
        Some(("" | "resource", id)) => Ok(Whom { attribute: "rsc", value: id.to_owned() }),
        Some(("regexp", pattern)) => Ok(Whom { attribute: "rsc-pattern", value: pattern.to_owned() }),
        Some((other, _)) => {
            Err(Refusal::usage(format!("'{other}' is not an allowed type for '{word}', use regexp, resource")))
        }
    }
}

fn run(call: &mut Call<'_>) -> Done {
    if call.words.is_empty() {
        return super::show::locations(call);
    }
    if call.words.len() < 2 {
        return Err(Refusal::usage("expected 'prefers', 'avoids' or 'rule' behind the resource"));
    }
    let resource = call.words.remove(0);
    let word = call.words.remove(0);
    match word.as_str() {
        "rule" => with_rule(call, &resource),
        "prefers" | "avoids" => nodes(call, &resource, word == "prefers"),
        other => {
            let near = nearest(other, ["prefers", "avoids", "rule"].into_iter());
            let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            Err(Refusal::usage(format!(
                "expected 'prefers', 'avoids' or 'rule' behind the resource, found '{other}'{near}"
            )))
        }
    }
}

fn score_or_fail(call: &mut Call<'_>, score: &str) -> Done {
    let digits = score.strip_prefix(['+', '-']).unwrap_or(score);
    let fine = digits == "INFINITY" || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    match fine {
        true => Ok(()),
        false => call.fail(format!("invalid score '{score}', use integer or INFINITY or -INFINITY")),
    }
}

/// On a file nobody knows which nodes there will be.
fn check_node(call: &mut Call<'_>, node: &str) {
    if call.options.has("-f") || call.options.force() {
        return;
    }
    let nodes = tree::nodes(&call.cib);
    if !nodes.iter().any(|one| one == node) {
        let near = nearest(node, nodes.iter().map(String::as_str));
        let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        call.object(format!("Node '{node}' does not seem to be in the cluster{near}"));
    }
}

fn warn_unchecked(call: &mut Call<'_>) {
    if call.options.has("-f") || call.options.force() {
        call.warn("Validation for node existence in the cluster will be skipped");
    }
}

fn nodes(call: &mut Call<'_>, resource: &str, prefer: bool) -> Done {
    let whom = whom(resource)?;
    warn_unchecked(call);
    let mut wishes = Vec::new();
    for word in std::mem::take(&mut call.words) {
        let (node, score) = match word.split_once('=') {
            None => (word.clone(), if prefer { "INFINITY" } else { "-INFINITY" }.to_owned()),
            Some((node, score)) => {
                score_or_fail(call, score)?;
                let score = match (prefer, score.strip_prefix('-')) {
                    (true, _) => score.to_owned(),
                    (false, Some(positive)) => positive.to_owned(),
                    (false, None) => format!("-{score}"),
                };
                (node.to_owned(), score)
            }
        };
        check_node(call, &node);
        wishes.push((node, score));
    }
    call.settled()?;
    for (node, score) in wishes {
        let id = tree::sanitized(&format!("location-{}-{node}-{score}", whom.value));
        put(call, &id, &whom, &node, &score, &[])?;
    }
    Ok(())
}

/// Puts a wish in the place of what the resource wished of that node before.
fn put(call: &mut Call<'_>, id: &str, whom: &Whom, node: &str, score: &str, rest: &[(String, String)]) -> Done {
    if whom.attribute == "rsc" {
        check_resource(call, &whom.value)?;
    }
    let old: Vec<Element> = super::of_kind(&call.cib, "rsc_location")
        .into_iter()
        .filter(|one| {
            let same = call.cib.attribute(*one, whom.attribute) == Some(&whom.value);
            let there = call.cib.attribute(*one, "node") == Some(node);
            call.cib.id(*one) == id || (same && there)
        })
        .collect();
    old.into_iter().for_each(|one| call.cib.remove(one));
    let mut attributes = vec![("id", id), (whom.attribute, &whom.value), ("node", node), ("score", score)];
    attributes.extend(rest.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    add(&mut call.cib, "rsc_location", &attributes);
    Ok(())
}

fn add_one(call: &mut Call<'_>) -> Done {
    if call.words.len() < 4 {
        return Err(Refusal::usage("expected an id, a resource, a node and a score"));
    }
    let (id, resource, node, score) =
        (call.words.remove(0), call.words.remove(0), call.words.remove(0), call.words.remove(0));
    let whom = whom(&resource)?;
    let mut rest = Vec::new();
    for (name, value) in pairs::read(&call.words)? {
        if name != "resource-discovery" {
            call.object(format!("bad option '{name}', the only option is 'resource-discovery'"));
        } else if !["always", "exclusive", "never"].contains(&value.as_str()) {
            call.object(format!("invalid resource-discovery value '{value}', use 'always', 'exclusive', 'never'"));
        }
        rest.push((name, value));
    }
    warn_unchecked(call);
    if let Some(wrong) = tree::wrong_id(&id, "constraint id") {
        return call.fail(wrong);
    }
    score_or_fail(call, &score)?;
    check_node(call, &node);
    call.settled()?;
    put(call, &id, &whom, &node, &score, &rest)
}

fn remove(call: &mut Call<'_>) -> Done {
    let id = call.next("a constraint id")?;
    call.no_more()?;
    let found = super::of_kind(&call.cib, "rsc_location").into_iter().find(|one| call.cib.id(*one) == id);
    match found {
        Some(found) => {
            call.cib.remove(found);
            Ok(())
        }
        None => call.fail(format!("resource location id: {id} not found")),
    }
}

/// The options in front of an expression.
#[derive(Default)]
struct Head {
    rule_id: Option<String>,
    constraint_id: Option<String>,
    discovery: Option<String>,
    role: Option<String>,
    score: Option<String>,
    score_attribute: Option<String>,
}

fn head(call: &mut Call<'_>) -> Done<Head> {
    let mut head = Head::default();
    while let Some(word) = call.words.first() {
        let Some((name, value)) = word.split_once('=') else { break };
        let place = match name {
            "id" => &mut head.rule_id,
            "constraint-id" => &mut head.constraint_id,
            "resource-discovery" => &mut head.discovery,
            "role" => &mut head.role,
            "score" => &mut head.score,
            "score-attribute" => &mut head.score_attribute,
            _ => break,
        };
        *place = Some(value.to_owned());
        call.words.remove(0);
    }
    if head.score.is_some() && head.score_attribute.is_some() {
        return call.fail("can not specify both score and score-attribute");
    }
    if let Some(score) = head.score.clone()
        && Score::parse_exact(&score).is_none()
    {
        return call.fail(format!("invalid score '{score}', use integer or INFINITY or -INFINITY"));
    }
    if let Some(role) = head.role.clone() {
        let role = tree::capitalized(&role);
        if !["Master", "Promoted", "Slave", "Unpromoted"].contains(&role.as_str()) {
            return call.fail(format!("invalid role '{role}', use 'Master', 'Promoted', 'Slave' or 'Unpromoted'"));
        }
        head.role = Some(tree::role_for_cib(&call.cib, &role));
    }
    Ok(head)
}

fn expression(call: &mut Call<'_>) -> Done<rule::Expression> {
    if call.words.is_empty() {
        return Err(Refusal::usage("no rule expression was specified"));
    }
    match rule::parse(&call.words, Context::Location) {
        Ok(expression) => Ok(expression),
        Err(why) => call.fail(why),
    }
}

fn with_rule(call: &mut Call<'_>, resource: &str) -> Done {
    let whom = whom(resource)?;
    if whom.attribute == "rsc" {
        check_resource(call, &whom.value)?;
    }
    let head = head(call)?;
    if let Some(discovery) = &head.discovery
        && !["always", "exclusive", "never"].contains(&discovery.as_str())
    {
        let text = format!("invalid resource-discovery value '{discovery}', use 'always', 'exclusive', 'never'");
        call.object(text);
        call.settled()?;
    }
    for id in [&head.constraint_id, &head.rule_id].into_iter().flatten() {
        check_id(call, id)?;
    }
    let expression = expression(call)?;
    let id = head.constraint_id.clone();
    let id = id.unwrap_or_else(|| tree::free_id(&call.cib, &tree::sanitized(&format!("location-{}", whom.value))));
    let constraint = add(&mut call.cib, "rsc_location", &[("id", &id), (whom.attribute, &whom.value)]);
    if let Some(discovery) = &head.discovery {
        call.cib.set(constraint, "resource-discovery", discovery);
    }
    write_rule(call, constraint, &head, &expression);
    Ok(())
}

fn write_rule(call: &mut Call<'_>, constraint: Element, head: &Head, expression: &rule::Expression) {
    let id = head.rule_id.clone().unwrap_or_else(|| tree::sub_id(&call.cib, constraint, "rule"));
    let score = match (&head.score, &head.score_attribute) {
        (_, Some(attribute)) => ("score-attribute", attribute.as_str()),
        (Some(score), None) => ("score", score.as_str()),
        (None, None) => ("score", "INFINITY"),
    };
    let element = call.cib.append(constraint, "rule");
    call.cib.set(element, "id", &id);
    let joined = rule::joined_by(expression);
    let more = [("boolean-op", joined), ("role", head.role.as_deref()), (score.0, Some(score.1))];
    for (name, value) in more {
        if let Some(value) = value {
            call.cib.set(element, name, value);
        }
    }
    rule::write(&mut call.cib, element, expression);
}

fn add_rule(call: &mut Call<'_>) -> Done {
    let id = call.next("a constraint id")?;
    let head = head(call)?;
    if head.constraint_id.is_some() || head.discovery.is_some() {
        return Err(Refusal::usage("a rule has neither constraint-id nor resource-discovery; its constraint has"));
    }
    let found = super::of_kind(&call.cib, "rsc_location").into_iter().find(|one| call.cib.id(*one) == id);
    let Some(constraint) = found else {
        return call.fail(format!("Unable to find constraint: {id}"));
    };
    if let Some(id) = &head.rule_id {
        check_id(call, id)?;
    }
    let expression = expression(call)?;
    // A constraint that has rules has neither a node nor a score of its own.
    call.cib.unset(constraint, "score");
    call.cib.unset(constraint, "node");
    write_rule(call, constraint, &head, &expression);
    Ok(())
}

fn remove_rule(call: &mut Call<'_>) -> Done {
    let id = call.next("a rule id")?;
    call.no_more()?;
    match find_rule(call, &id) {
        Some(rule) => {
            drop_rule(call, rule);
            Ok(())
        }
        None => call.fail(format!("unable to find rule with id: {id}")),
    }
}

/// A rule of a location constraint, the outermost ones alone.
pub fn find_rule(call: &Call<'_>, id: &str) -> Option<Element> {
    let constraints = super::of_kind(&call.cib, "rsc_location");
    let mut rules = constraints.into_iter().flat_map(|one| call.cib.children_named(one, "rule"));
    rules.find(|rule| call.cib.id(*rule) == id)
}

/// Takes a rule out, and its constraint if it was the last.
pub fn drop_rule(call: &mut Call<'_>, rule: Element) {
    let id = call.cib.id(rule).to_owned();
    let Some(constraint) = call.cib.parent(rule) else { return };
    if call.cib.children_named(constraint, "rule").count() > 1 {
        call.note(format!("Removing Rule: {id}"));
        call.cib.remove(rule);
    } else {
        let id = call.cib.id(constraint).to_owned();
        call.note(format!("Removing Constraint: {id}"));
        call.cib.remove(constraint);
    }
}
