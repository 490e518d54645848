//! `systole standby` and `systole unstandby`: a node that runs nothing, and one that may again.

use cib::{Document, Element};
use clap::{Arg, ArgMatches};

use super::Command;
use crate::change::{self, Edit, How};
use crate::client::Client;
use crate::cluster::View;

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
            "Before work on a host, and wait until its resources have moved:\n  systole standby node1 --wait",
        ),
        false => ("Let a node run resources again", "After the work:\n  systole unstandby node1"),
    };
    let node = Arg::new("node").value_name("NODE").required(true).help("Name of the node");
    How::options(clap::Command::new("").about(about).after_help(format!("Example:\n{example}")).arg(node))
}

fn run(arguments: &ArgMatches, standby: bool) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("node").expect("it is required");
    let mut client = Client::from_arguments(arguments)?;
    change::make(&mut client, How::from_arguments(arguments), |live| edit(&live.view, name, standby))
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
    fn a_value_that_is_off_is_turned_on_in_its_place() {
        let off =
            view(r#"<instance_attributes id="x"><nvpair id="y" name="standby" value="off"/></instance_attributes>"#);
        let there = edit(&off, "one", true).unwrap();
        assert!(node(&there.document).contains("<nvpairid=\"y\"name=\"standby\"value=\"on\"/>"));
        assert!(edit(&off, "two", true).unwrap_err().to_string().contains("there is no node 'two'"));
    }
}
