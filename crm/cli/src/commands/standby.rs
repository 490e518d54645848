//! `systole standby` and `systole unstandby`: a node that runs nothing, and one that may again.

use cib::{Document, Element};
use clap::{Arg, ArgAction, ArgMatches};
use wire::{AttributeChange, Dampening, Reply, Request, Update};

use super::Command;
use anyhow::bail;

use crate::change::{self, Edit, How, Made};
use crate::client::Client;
use crate::cluster::{Live, View};

/// `systole standby`.
pub const STANDBY: Command =
    Command { name: "standby", grammar: || grammar(true), run: |arguments| run(arguments, true) };
/// `systole unstandby`.
pub const UNSTANDBY: Command =
    Command { name: "unstandby", grammar: || grammar(false), run: |arguments| run(arguments, false) };

fn grammar(standby: bool) -> clap::Command {
    let (about, example) = match standby {
        true => (
            "Let a node run nothing: its resources move away, it stays a member",
            "Before work on a host, and wait until its resources have moved:\n  systole standby node1 --wait\n  systole standby node1 --for 2h\n  systole standby node1 --until-boot",
        ),
        false => ("Let a node run resources again", "After the work:\n  systole unstandby node1"),
    };
    let node = Arg::new("node").value_name("NODE").required(true).help("Name of the node");
    let command = clap::Command::new("").about(about).after_help(format!("Example:\n{example}")).arg(node);
    if !standby {
        return How::options(command);
    }
    let until_boot = Arg::new("until-boot")
        .long("until-boot")
        .action(ArgAction::SetTrue)
        .conflicts_with_all(["for", "until", "confirm"])
        .help("Until the node's daemon starts anew, as with its host; nothing of it stands in the configuration");
    How::expiring(command).arg(until_boot)
}

fn run(arguments: &ArgMatches, standby: bool) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("node").expect("it is required");
    let mut client = Client::from_arguments(arguments)?;
    let how = How::from_arguments(arguments);
    if standby && arguments.get_flag("until-boot") {
        return until_boot(&mut client, how, name);
    }
    let transient = !standby && is_until_boot(&Live::fetch(&mut client)?.view, name);
    if transient && !how.dry_run {
        update(&mut client, name, AttributeChange::Clear)?;
        if !set_in_configuration(&Live::fetch(&mut client)?.view, name) {
            let edit = Edit::nothing(&Live::fetch(&mut client)?.view, format!("Node {name} may run resources again."));
            let plan = Live::fetch(&mut client)?.view.plan();
            return change::tell(&mut client, how, &edit, &plan, Made::Nothing { would: true });
        }
    }
    change::make(&mut client, how, |live| edit(&live.view, name, standby))
}

/// A transient attribute: the cluster forgets it when the node comes back.
fn until_boot(client: &mut Client, how: How, name: &str) -> anyhow::Result<u8> {
    let live = Live::fetch(client)?;
    live.view.node(name)?;
    if set_in_configuration(&live.view, name) {
        bail!("node {name} is in standby until `systole unstandby {name}` already; do that first");
    }
    // What follows is seen from the configuration that says the same.
    let meant = edit(&live.view, name, true)?;
    let plan = live.view.with(meant.document).plan();
    let already = is_until_boot(&live.view, name);
    let made = Made::Nothing { would: !already };
    if !how.dry_run && !already {
        update(client, name, AttributeChange::Set("on".to_owned()))?;
    }
    let said = match already {
        true => format!("Node {name} is in standby until it starts anew already; nothing was changed."),
        false => format!("Node {name} is in standby until its daemon starts anew, or `systole unstandby {name}`."),
    };
    change::tell(client, how, &Edit::nothing(&live.view, said), &plan, made)
}

fn update(client: &mut Client, node: &str, change: AttributeChange) -> anyhow::Result<()> {
    let (node, name) = (Some(node.to_owned()), "standby".to_owned());
    let update = Update { node, name, change, dampening: Dampening::Keep, private: false };
    match client.ask(&Request::Update(update))? {
        Reply::Written { .. } | Reply::Done => Ok(()),
        Reply::Refused { reason, .. } => bail!("nothing was changed: {reason}"),
        _ => bail!("systoled answered to another question; are both of the same release?"),
    }
}

fn pairs<'d>(document: &'d Document, node: Element) -> impl Iterator<Item = Element> + 'd {
    document.descendants(node).filter(move |pair| document.name(*pair) == "nvpair" && is_on(document, *pair))
}

fn is_on(document: &Document, pair: Element) -> bool {
    is_standby(document, pair) && document.attribute(pair, "value").and_then(cib::boolean::parse) == Some(true)
}

fn set_in_configuration(view: &View, name: &str) -> bool {
    view.node(name).is_ok_and(|node| pairs(&view.document, node).next().is_some())
}

/// Whether a transient attribute says it, which stands in the status.
fn is_until_boot(view: &View, name: &str) -> bool {
    let document = &view.document;
    let states =
        document.descend(&["status"]).into_iter().flat_map(|status| document.children_named(status, "node_state"));
    let mut of_node = states.filter(|state| document.attribute(*state, "uname") == Some(name));
    of_node.any(|state| {
        let transient = document.children_named(state, "transient_attributes");
        transient.into_iter().any(|set| pairs(document, set).next().is_some())
    })
}

fn edit(view: &View, name: &str, standby: bool) -> anyhow::Result<Edit> {
    let node = view.node(name)?;
    let mut document = view.document.clone();
    let changed = if standby { set(&mut document, node) } else { unset(&mut document, node) };
    let done = match (standby, changed) {
        (true, true) => format!("Node {name} is in standby: it runs nothing until `systole unstandby {name}`."),
        (false, true) => format!("Node {name} may run resources again."),
        (true, false) => format!("Node {name} is in standby already; nothing was changed."),
        (false, false) => format!("Node {name} is not in standby; nothing was changed."),
    };
    Ok(Edit { document, done: vec![done], notes: Vec::new() })
}

fn is_standby(document: &Document, pair: Element) -> bool {
    document.attribute(pair, "name") == Some("standby")
}

fn set(document: &mut Document, node: Element) -> bool {
    let set_id = format!("nodes-{}", document.id(node));
    let sets: Vec<Element> = document.children_named(node, "instance_attributes").collect();
    let known = sets.iter().flat_map(|set| document.children(*set)).find(|pair| is_standby(document, *pair));
    if let Some(pair) = known {
        let already = document.attribute(pair, "value").and_then(cib::boolean::parse) == Some(true);
        if !already {
            document.set(pair, "value", "on");
        }
        return !already;
    }
    let set = sets.first().copied().unwrap_or_else(|| {
        let set = document.append(node, "instance_attributes");
        document.set(set, "id", &set_id);
        set
    });
    let pair = document.append(set, "nvpair");
    let id = format!("{set_id}-standby");
    for (name, value) in [("id", id.as_str()), ("name", "standby"), ("value", "on")] {
        document.set(pair, name, value);
    }
    true
}

/// Takes the attribute away, and the set with it if that holds nothing else.
fn unset(document: &mut Document, node: Element) -> bool {
    let sets: Vec<Element> = document.children_named(node, "instance_attributes").collect();
    let mut changed = false;
    for set in sets {
        let pairs: Vec<Element> = document.children(set).filter(|pair| is_standby(document, *pair)).collect();
        for pair in pairs {
            document.remove(pair);
            changed = true;
            if document.children(set).next().is_none() {
                document.remove(set);
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(inside: &str) -> View {
        let text = format!(
            r#"<cib execution-date="1"><configuration><nodes><node id="7" uname="one">{inside}</node></nodes></configuration></cib>"#
        );
        View::new(Document::parse(&text).unwrap())
    }

    fn node(document: &Document) -> String {
        let nodes = document.descend(&["configuration", "nodes"]).unwrap();
        document.children(nodes).map(|node| document.element_to_xml(node)).collect::<String>().replace(['\n', ' '], "")
    }

    #[test]
    fn standby_stands_where_pacemaker_looks_for_it_and_goes_without_a_trace() {
        let before = view("");
        let there = edit(&before, "one", true).unwrap();
        assert!(there.done[0].contains("is in standby:"), "{:?}", there.done);
        let expected = "<nodeid=\"7\"uname=\"one\"><instance_attributesid=\"nodes-7\"><nvpairid=\"nodes-7-standby\"\
                        name=\"standby\"value=\"on\"/></instance_attributes></node>";
        assert_eq!(node(&there.document), expected);
        let again = edit(&before.with(there.document.clone()), "one", true).unwrap();
        assert!(again.done[0].contains("already") && node(&again.document) == expected);
        let back = edit(&before.with(there.document), "one", false).unwrap();
        assert_eq!(node(&back.document), node(&before.document));
        assert!(edit(&before, "one", false).unwrap().done[0].contains("is not in standby"));
    }

    #[test]
    fn standby_until_boot_is_seen_where_the_cluster_forgets_it() {
        let text = r#"<cib execution-date="1"><configuration><nodes><node id="7" uname="one"/></nodes></configuration><status>
            <node_state id="7" uname="one"><transient_attributes id="7"><instance_attributes id="s">
            <nvpair id="s-standby" name="standby" value="on"/></instance_attributes></transient_attributes></node_state></status></cib>"#;
        let view = View::new(Document::parse(text).unwrap());
        assert!(is_until_boot(&view, "one") && !set_in_configuration(&view, "one"));
        let off = View::new(Document::parse(&text.replace("\"on\"", "\"off\"")).unwrap());
        assert!(!is_until_boot(&off, "one") && !is_until_boot(&view, "two"));
    }

    #[test]
    fn a_value_that_is_off_is_turned_on_in_its_place() {
        let off =
            view(r#"<instance_attributes id="x"><nvpair id="y" name="standby" value="off"/></instance_attributes>"#);
        let there = edit(&off, "one", true).unwrap();
        assert!(node(&there.document).contains("<nvpairid=\"y\"name=\"standby\"value=\"on\"/>"));
        assert!(edit(&off, "two", true).unwrap_err().to_string().contains("there is no node 'two'"));
    }
}
