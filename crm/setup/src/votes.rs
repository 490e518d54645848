//! Votes as people ask for them: whom a cluster without quorum waits for, and whether the rest goes on when nodes stop.

use corosync_conf::votequorum::{Cluster, Rules};
use corosync_conf::{Conf, Model};
use wire::host::Engine;

/// Whom a node without quorum waits for, as a sentence; nothing where it has quorum.
pub fn waits_for(engine: &Engine) -> Option<String> {
    if engine.quorate {
        return None;
    }
    let name = |node: &wire::host::EngineNode| node.name.clone().unwrap_or_else(|| format!("node {}", node.id));
    let missing: Vec<String> = engine.nodes.iter().filter(|node| !node.member).map(name).collect();
    let missing = missing.join(", ");
    let votes = engine.votes.as_ref()?;
    let waits_for_all = votes.rules.iter().any(|rule| rule == "wait_for_all");
    Some(match votes.quorum.checked_sub(votes.total) {
        None | Some(0) if waits_for_all => format!(
            "it waits for {missing}: after a start all nodes have to be seen together once (wait_for_all); where they are off \
             for certain, `systole quorum unblock`"
        ),
        None | Some(0) => "its votes are enough: quorum comes with the next membership".into(),
        Some(1) => format!("it waits for one more vote, of {missing}"),
        Some(more) => format!("it waits for {more} more votes, of {missing}"),
    })
}

/// Whether those that are left have quorum when these nodes stop, of those that run now.
pub fn go_on_without(conf: &Conf, running: &[String], gone: &[String]) -> bool {
    let model = Model::of(conf);
    let Some(rules) = Rules::of(&model) else { return true };
    let ids = |wanted: &dyn Fn(&String) -> bool| -> Vec<u32> {
        let nodes = model.nodes.iter().filter(|node| wanted(&node.called()));
        nodes.filter_map(|node| Some(node.id.as_ref()?.value)).collect()
    };
    let mut cluster = Cluster::running(rules);
    // One after the other, as last_man_standing counts.
    for node in ids(&|name| !running.contains(name)) {
        cluster.lose(&[node]);
    }
    if cluster.quorate().is_empty() {
        // There is no quorum to lose.
        return true;
    }
    for node in ids(&|name| running.contains(name) && gone.contains(name)) {
        cluster.lose(&[node]);
    }
    cluster.up().is_empty() || !cluster.quorate().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::host::{EngineNode, EngineVotes};

    fn engine(total: u32, quorate: bool, rules: &[&str]) -> Engine {
        let node = |(id, name): (u32, &str)| EngineNode {
            id,
            name: Some(name.into()),
            member: id <= total,
            ..EngineNode::default()
        };
        Engine {
            cluster: None,
            config_version: None,
            token: None,
            me: 1,
            quorate,
            nodes: [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")].into_iter().map(node).collect(),
            votes: Some(EngineVotes {
                expected: 5,
                total,
                quorum: 3,
                rules: rules.iter().map(ToString::to_string).collect(),
            }),
            device: None,
        }
    }

    #[test]
    fn who_is_waited_for_is_named() {
        assert_eq!(waits_for(&engine(3, true, &[])), None);
        assert_eq!(waits_for(&engine(2, false, &[])).unwrap(), "it waits for one more vote, of c, d, e");
        assert_eq!(
            waits_for(&engine(1, false, &["wait_for_all"])).unwrap(),
            "it waits for 2 more votes, of b, c, d, e"
        );
        assert!(
            waits_for(&engine(3, false, &["wait_for_all"])).unwrap().starts_with("it waits for d, e: after a start")
        );
        assert!(waits_for(&engine(3, false, &[])).unwrap().starts_with("its votes are enough"));
    }

    #[test]
    fn those_that_are_left_are_counted() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let conf = crate::conf::new::read(&words("hacl a addr=10.0.0.1 b addr=10.0.0.2 c addr=10.0.0.3"));
        let conf = conf.unwrap().conf().unwrap();
        let all = words("a b c");
        assert!(go_on_without(&conf, &all, &words("a")));
        assert!(!go_on_without(&conf, &all, &words("a b")));
        assert!(go_on_without(&conf, &all, &all), "nobody is left to go on");
        assert!(!go_on_without(&conf, &words("a b"), &words("a")));
        assert!(go_on_without(&conf, &words("a"), &words("b")), "it has no quorum anyhow");
    }
}
