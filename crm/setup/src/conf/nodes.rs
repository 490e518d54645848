//! Nodes that come and go.

use corosync_conf::{Conf, Model, edit};

use super::{Node, Unfit, finish, last, with_two_node};

/// The file with one node more, under the lowest free id.
///
/// # Errors
/// When the name, an address or the number of addresses does not go with the nodes that are there.
pub fn add(conf: &Conf, node: &Node) -> Result<Conf, Unfit> {
    let model = Model::of(conf);
    if model.nodes.iter().any(|known| known.called() == node.name) {
        return Err(Unfit::Wish(format!("the cluster has a node {} already", node.name)));
    }
    let links = model.links();
    if node.addresses.len() != links.len() {
        return Err(Unfit::Wish(format!(
            "{} has {} addresses; the cluster has {} links, and each needs one",
            node.name,
            node.addresses.len(),
            links.len()
        )));
    }
    for known in &model.nodes {
        if let Some(address) = known.addresses.values().find(|address| node.addresses.contains(&address.value)) {
            return Err(Unfit::Wish(format!("{} is the address of {}", address.value, known.called())));
        }
    }
    let taken = |id: &u32| model.nodes.iter().any(|node| node.id.as_ref().is_some_and(|placed| placed.value == *id));
    let id = (1..).find(|id| !taken(id)).unwrap_or(1);
    let conf = push_on(conf, node, id, &links)?;
    finish(&with_two_node(conf)?)
}

/// The file without a node.
///
/// # Errors
/// When there is no such node, or no other.
pub fn remove(conf: &Conf, name: &str) -> Result<Conf, Unfit> {
    let model = Model::of(conf);
    let Some(node) = model.nodes.iter().find(|node| node.called() == name) else {
        let names: Vec<String> = model.nodes.iter().map(|node| node.called()).collect();
        return Err(Unfit::Wish(format!("the cluster has no node {name}; it has {}", names.join(", "))));
    };
    if model.nodes.len() == 1 {
        return Err(Unfit::Wish(format!("{name} is the only node: `cluster destroy` ends the cluster")));
    }
    let mut conf = conf.clone();
    for _ in &node.sections {
        // Numbers of sections change with the text, so each is looked up anew.
        let model = Model::of(&conf);
        let section =
            model.nodes.iter().find(|node| node.called() == name).and_then(|node| node.sections.first().copied());
        if let Some(section) = section {
            conf = edit::remove_section(&conf, section)?;
        }
    }
    finish(&with_two_node(conf)?)
}

/// The node as the last of the list, its addresses on the links from 0.
pub(super) fn push(conf: &Conf, node: &Node, id: u32) -> Result<Conf, Unfit> {
    let links: Vec<u32> = (0..).take(node.addresses.len()).collect();
    push_on(conf, node, id, &links)
}

fn push_on(conf: &Conf, node: &Node, id: u32, links: &[u32]) -> Result<Conf, Unfit> {
    let mut conf = edit::add_section(conf, &["nodelist", "node"])?;
    let addresses =
        links.iter().zip(&node.addresses).map(|(link, address)| (format!("ring{link}_addr"), address.clone()));
    for (key, value) in addresses.chain([("name".into(), node.name.clone()), ("nodeid".into(), id.to_string())]) {
        let section = last(&conf, &["nodelist", "node"])?;
        conf = edit::set_in(&conf, section, &key, &value)?;
    }
    Ok(conf)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "totem {\n  version: 2\n  config_version: 3\n  transport: knet\n}\nnodelist {\n  node {\n    ring0_addr: 10.0.0.1\n    name: a\n    nodeid: 1\n  }\n  node {\n    ring0_addr: 10.0.0.3\n    name: c\n    nodeid: 3\n  }\n}\nquorum {\n  provider: corosync_votequorum\n  two_node: 1\n}\n";

    fn node(name: &str, address: &str) -> Node {
        Node { name: name.into(), addresses: vec![address.into()] }
    }

    #[test]
    fn a_node_comes_and_goes() {
        let conf = Conf::parse(FILE);
        let more = add(&conf, &node("b", "10.0.0.2")).unwrap();
        let model = Model::of(&more);
        assert_eq!(model.nodes[2].id.as_ref().unwrap().value, 2, "the lowest that is free");
        assert_eq!(super::super::version(&more), Some(4));
        assert!(model.quorum.two_node.is_none(), "three nodes");
        let fewer = remove(&more, "c").unwrap();
        assert_eq!(super::super::version(&fewer), Some(5));
        assert!(Model::of(&fewer).quorum.two_node.is_some(), "two again");
        assert_eq!(Model::of(&fewer).nodes.len(), 2);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let conf = Conf::parse(FILE);
        let told = |result: Result<Conf, Unfit>| result.unwrap_err().to_string();
        assert_eq!(told(add(&conf, &node("a", "10.0.0.9"))), "the cluster has a node a already");
        assert_eq!(told(add(&conf, &node("b", "10.0.0.3"))), "10.0.0.3 is the address of c");
        assert_eq!(told(remove(&conf, "x")), "the cluster has no node x; it has a, c");
        let one = remove(&conf, "a").unwrap();
        assert!(told(remove(&one, "c")).contains("the only node"));
        let two = Node { addresses: vec!["10.0.0.2".into(), "10.1.0.2".into()], ..node("b", "") };
        assert!(told(add(&conf, &two)).contains("the cluster has 1 links"));
    }
}
