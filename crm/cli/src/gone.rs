//! Nodes that are gone, and what the configuration of resources and the status still hold of them.

use cib::Document;

/// Takes a node out of the nodes and of the status; it may be called by its name or its id. Gives how many elements went.
pub fn forget(document: &mut Document, named: &str) -> usize {
    let nodes = document.descend(&["configuration", "nodes"]);
    let known = nodes.into_iter().flat_map(|nodes| document.children_named(nodes, "node"));
    let id = known
        .map(|node| (document.id(node).to_owned(), document.attribute(node, "uname").unwrap_or_default().to_owned()))
        .find(|(id, uname)| id == named || uname == named)
        .map(|(id, _)| id);
    let mut gone = Vec::new();
    for path in [&["configuration", "nodes"][..], &["status"]] {
        let list = document.descend(path);
        gone.extend(list.into_iter().flat_map(|list| document.children(list)).filter(|element| {
            document.attribute(*element, "uname") == Some(named)
                || id.as_deref().is_some_and(|id| document.id(*element) == id)
        }));
    }
    let count = gone.len();
    gone.into_iter().for_each(|element| document.remove(element));
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_node_stays() {
        let text = "<cib><configuration><nodes><node id='1' uname='one'/><node id='2' uname='two'/></nodes>\
                    </configuration><status><node_state id='2'/><node_state id='1' uname='one'/></status></cib>";
        for (named, count) in [("two", 2), ("2", 2), ("three", 0)] {
            let mut document = Document::parse(text).unwrap();
            assert_eq!(forget(&mut document, named), count, "{named}");
            assert_eq!(document.to_xml().contains("id=\"2\""), count == 0, "{}", document.to_xml());
            assert!(document.to_xml().contains("uname=\"one\""));
        }
    }
}
