//! The examples with a corosync.conf: what their README types gives that file, and who goes on after which loss is as it
//! says there. `UPDATE=1` writes the file anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use corosync_conf::votequorum::{Cluster, Rules};
use corosync_conf::{Conf, Facts, Model, Severity, lint};
use setup::conf::{device, links, new, nodes};
use setup::pvecm;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// The file after all that the README types, in its order.
fn typed(readme: &str) -> Conf {
    let mut conf = Conf::parse(String::new());
    for line in readme.lines().filter_map(|line| line.strip_prefix("    systole ")) {
        // What begins with two dashes is how, not what; of `pvecm` these are its words.
        let all: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let words: Vec<String> = all.iter().filter(|word| !word.starts_with("--")).cloned().collect();
        let of = |skipped: usize| words[skipped..].to_vec();
        let words_are = |begin: &str| line.starts_with(begin);
        if words_are("cluster setup ") {
            conf = new::read(&of(2)).unwrap().conf().unwrap();
        } else if words_are("pvecm create ") {
            conf = new::read(&pvecm::create(&all[2..], "pve1").unwrap().words).unwrap().conf().unwrap();
        } else if words_are("cluster node add ") {
            conf = nodes::add(&conf, &new::nodes(&of(3)).unwrap()[0]).unwrap();
        } else if words_are("cluster link add ") {
            conf = links::add(&conf, &of(3)).unwrap();
        } else if words_are("quorum device add ") {
            conf = device::add(&conf, &of(3)).unwrap();
        }
    }
    conf
}

/// Who goes on when these are lost, one after the other; `witness` is the quorum device.
fn left(conf: &Conf, lost: &[&str]) -> BTreeSet<String> {
    let model = Model::of(conf);
    let mut cluster = Cluster::running(Rules::of(&model).unwrap());
    for name in lost {
        match model.nodes.iter().find(|node| node.called() == *name) {
            Some(node) => cluster.lose(&[node.id.as_ref().unwrap().value]),
            None => {
                assert_eq!(*name, "witness", "no such node");
                cluster.device(false);
            }
        }
    }
    let quorate = cluster.quorate();
    let goes_on = |node: &&corosync_conf::model::Node| quorate.contains(&node.id.as_ref().unwrap().value);
    model.nodes.iter().filter(goes_on).map(|node| node.called()).collect()
}

#[test]
fn what_is_typed_gives_what_is_shown() {
    for name in ["two-node-qdevice", "proxmox-3-node"] {
        let readme = std::fs::read_to_string(folder(name).join("README.md")).unwrap();
        let conf = typed(&readme);
        let path = folder(name).join("corosync.conf");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, conf.text()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), conf.text(), "{name}: UPDATE=1 writes it anew");
        let found = lint(&conf, &Facts::default());
        let worse: Vec<_> = found.iter().filter(|finding| finding.severity != Severity::Advice).collect();
        assert!(worse.is_empty(), "{name}: {worse:?}");

        let rows = readme.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
        let mut tried = 0;
        for (lost, expected) in rows.filter(|(lost, _)| *lost != "lost") {
            let lost: Vec<&str> = lost.split(", ").collect();
            let expected: BTreeSet<String> =
                expected.split(", ").filter(|name| *name != "nobody").map(str::to_owned).collect();
            assert_eq!(left(&conf, &lost), expected, "{name}: {lost:?} lost");
            tried += 1;
        }
        assert!(tried > 2, "{name}: its table");
    }
}
