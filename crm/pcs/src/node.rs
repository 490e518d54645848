//! `pcs node …`: what is set on nodes: attributes, what they offer, standby, maintenance.

use cib::Element;

use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::resource::utilization;
use crate::tree;

/// The commands.
pub const COMMANDS: &[&[Command]] = &[&[
    Command {
        path: &["node", "attribute"],
        arguments: "[<node> [<name>=<value>]…]",
        about: "Shows or sets attributes of nodes",
        options: &["--force", "--name"],
        run: attribute,
    },
    Command {
        path: &["node", "utilization"],
        arguments: "[<node> [<name>=<value>]…]",
        about: "Shows or sets what nodes offer",
        options: &["--name"],
        run: offers,
    },
    Command {
        path: &["node", "standby"],
        arguments: "[<node>…]",
        about: "Nodes that run nothing",
        options: &["--all"],
        run: |call| switch(call, "standby", "on"),
    },
    Command {
        path: &["node", "unstandby"],
        arguments: "[<node>…]",
        about: "Nodes that may run resources again",
        options: &["--all"],
        run: |call| switch(call, "standby", ""),
    },
    Command {
        path: &["node", "maintenance"],
        arguments: "[<node>…]",
        about: "Nodes whose resources are left alone",
        options: &["--all"],
        run: |call| switch(call, "maintenance", "on"),
    },
    Command {
        path: &["node", "unmaintenance"],
        arguments: "[<node>…]",
        about: "Nodes whose resources are managed again",
        options: &["--all"],
        run: |call| switch(call, "maintenance", ""),
    },
]];

/// The element of a node.
fn find(call: &Call<'_>, name: &str) -> Option<Element> {
    tree::within(&call.cib, "nodes")
        .find(|one| call.cib.name(*one) == "node" && call.cib.attribute(*one, "uname") == Some(name))
}

fn find_or_fail(call: &mut Call<'_>, name: &str) -> Done<Element> {
    if let Some(node) = find(call, name) {
        return Ok(node);
    }
    let nodes = tree::nodes(&call.cib);
    if nodes.iter().any(|known| known == name) {
        // A guest or remote node has an element only once something is set on it.
        let section = tree::section(&mut call.cib, "nodes");
        let node = call.cib.append(section, "node");
        // Its name is its id, as with Pacemaker's tools, also when its resource has the same.
        for (attribute, value) in [("id", name), ("uname", name), ("type", "remote")] {
            call.cib.set(node, attribute, value);
        }
        return Ok(node);
    }
    let near = nearest(name, nodes.iter().map(String::as_str))
        .map(|near| format!("; did you mean '{near}'?"))
        .unwrap_or_default();
    call.fail(format!("Node '{name}' does not appear to exist in configuration{near}"))
}

/// Sets attributes in the set that Pacemaker's tools use: `nodes-<id of the node>`.
fn set(call: &mut Call<'_>, node: Element, kind: &str, pairs: &Pairs) {
    let id = call.cib.id(node).to_owned();
    let set = call.cib.child(node, kind).or_else(|| {
        pairs.iter().any(|(_, value)| !value.is_empty()).then(|| {
            let own = if kind == "utilization" { format!("nodes-{id}-utilization") } else { format!("nodes-{id}") };
            let own = tree::free_id(&call.cib, &tree::sanitized(&own));
            let set = call.cib.append(node, kind);
            call.cib.set(set, "id", &own);
            set
        })
    });
    if let Some(set) = set {
        nvset::update(&mut call.cib, set, pairs);
    }
}

/// The attributes of nodes: a name and `name=value …` each.
pub fn attribute_lines(call: &Call<'_>, node: Option<&str>, only: Option<&str>, kind: &str) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for one in tree::within(&call.cib, "nodes").filter(|one| call.cib.name(*one) == "node") {
        let name = call.cib.attribute(one, "uname").unwrap_or("");
        let mut pairs: Pairs =
            call.cib.children_named(one, kind).flat_map(|set| nvset::pairs_of(&call.cib, set)).collect();
        pairs.retain(|(pair, _)| only.is_none_or(|only| only == pair));
        pairs.sort();
        if pairs.is_empty() || node.is_some_and(|node| node != name) {
            continue;
        }
        let quoted = |value: &str| match value.contains(char::is_whitespace) {
            true => format!("\"{value}\""),
            false => value.to_owned(),
        };
        let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        lines.push((name.to_owned(), text.join(" ")));
    }
    lines.sort();
    lines
}

fn show(call: &mut Call<'_>, node: Option<&str>, kind: &str) {
    let only = call.options.value("--name").map(str::to_owned);
    let title = if kind == "utilization" { "Node Utilization:" } else { "Node Attributes:" };
    call.say(title);
    for (name, text) in attribute_lines(call, node, only.as_deref(), kind) {
        call.say(format!(" {name}: {text}"));
    }
}

fn attribute(call: &mut Call<'_>) -> Done {
    edit(call, "instance_attributes")
}

fn offers(call: &mut Call<'_>) -> Done {
    utilization::warn_if_ignored(call);
    edit(call, "utilization")
}

fn edit(call: &mut Call<'_>, kind: &str) -> Done {
    if call.words.is_empty() {
        show(call, None, kind);
        return Ok(());
    }
    let name = call.next("a node")?;
    if call.words.is_empty() {
        show(call, Some(&name), kind);
        return Ok(());
    }
    if call.options.has("--name") {
        return Err(Refusal::usage("--name shows one attribute; it cannot be used when attributes are set"));
    }
    let pairs = if kind == "utilization" { utilization::amounts(call)? } else { pairs::read(&call.words)? };
    let node = find_or_fail(call, &name)?;
    set(call, node, kind, &pairs);
    Ok(())
}

fn switch(call: &mut Call<'_>, attribute: &str, value: &str) -> Done {
    let names = match (call.options.has("--all"), call.words.is_empty()) {
        (true, false) => return Err(Refusal::usage("Cannot specify both --all and a list of nodes.")),
        (true, true) => {
            let members = tree::within(&call.cib, "nodes").filter(|one| call.cib.name(*one) == "node");
            members.filter_map(|one| call.cib.attribute(one, "uname")).map(str::to_owned).collect()
        }
        (false, false) => std::mem::take(&mut call.words),
        (false, true) if call.options.has("-f") => return call.fail("Node(s) must be specified if -f is used"),
        (false, true) => match call.world.local_node() {
            Some(name) => vec![name],
            None => return call.fail("the name of this node is not known; name the node"),
        },
    };
    let known = tree::nodes(&call.cib);
    for name in names.iter().filter(|name| !known.contains(name)) {
        let near = nearest(name, known.iter().map(String::as_str))
            .map(|near| format!("; did you mean '{near}'?"))
            .unwrap_or_default();
        call.error(format!("Node '{name}' does not appear to exist in configuration{near}"));
    }
    call.settled()?;
    for name in names {
        let node = find_or_fail(call, &name)?;
        set(call, node, "instance_attributes", &vec![(attribute.into(), value.into())]);
    }
    Ok(())
}
