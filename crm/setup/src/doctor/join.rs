//! What speaks against a host that is to become a node, and against a node that is to go.

use std::collections::BTreeSet;

use corosync_conf::votequorum::{Cluster, Rules};
use corosync_conf::{Model, Severity};
use wire::host::{About, HostFile, Unit};

use super::{Finding, Seen, clocks, names, space};

/// Everything that speaks against this host, which is not a node yet, the worst first. `seen` is the cluster without it.
pub fn joins(seen: &Seen<'_>, name: &str, about: &About) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |severity, message: String, evidence: &str, remedy: &str| {
        found.push(Finding::new("join", severity, message).on(name).because(evidence).remedy(remedy));
    };
    if seen.nodes().iter().any(|node| node == name) {
        say(
            Severity::Error,
            "it is a node of the cluster already".into(),
            "its name stands in corosync.conf",
            "`systole cluster start` starts it, `systole doctor` examines it",
        );
    }
    if about.host != name {
        say(
            Severity::Error,
            format!("the host calls itself {}", about.host),
            "`uname -n` there",
            "`hostnamectl set-hostname` there, or the name that it has here: `systole host auth`",
        );
    }
    for (silent, reason) in seen.silent {
        say(
            Severity::Error,
            format!("{silent} does not answer, and all nodes have to take the new one in"),
            reason,
            "start its host agent, or remove the node first",
        );
    }
    let others: BTreeSet<&str> = seen.known.values().filter_map(|known| known.corosync.as_deref()).collect();
    match &about.corosync {
        None => say(
            Severity::Error,
            "Corosync is not installed".into(),
            "`corosync -v` does not run",
            "apt-get install corosync",
        ),
        Some(version) if !others.is_empty() && !others.contains(version.as_str()) => {
            let evidence =
                format!("it has {version}, the others {}", others.into_iter().collect::<Vec<_>>().join(", "));
            let same = seen
                .known
                .values()
                .filter_map(|known| known.corosync.as_deref())
                .any(|other| other.split('.').next() == version.split('.').next());
            let severity = if same { Severity::Warning } else { Severity::Error };
            say(severity, "its Corosync is another one".into(), &evidence, "the same version of Debian on all nodes");
        }
        Some(_) => {}
    }
    if about.engine.is_some() {
        say(
            Severity::Error,
            "Corosync runs there: it is in a cluster".into(),
            "its Corosync answers",
            "`systole cluster destroy` there ends that cluster on it",
        );
    }
    let holds = |file| about.files.iter().any(|state| state.file == file);
    if holds(HostFile::Authkey) || about.remembers {
        say(
            Severity::Warning,
            "it holds what an earlier cluster left".into(),
            if holds(HostFile::Authkey) { "a shared key" } else { "/var/lib/corosync or /var/lib/systole" },
            "nothing: it is put aside when the node is added",
        );
    }
    let has_device = Model::of(seen.conf).quorum.device.is_some();
    for (unit, package) in [(Unit::Systoled, "systole"), (Unit::Qdevice, "corosync-qdevice")] {
        if about.units.iter().all(|state| state.unit != unit) && (has_device || unit != Unit::Qdevice) {
            let remedy = format!("apt-get install {package}");
            say(Severity::Error, format!("it has no {}", unit.name()), "systemd does not know the unit", &remedy);
        }
    }
    // Those of links: bridges of containers have the same address on every host.
    for node in Model::of(seen.conf).nodes.iter().filter(|node| node.called() != name) {
        let other = node.called();
        let links = node.addresses.values().map(|placed| &placed.value);
        for shared in links.filter(|address| about.addresses.contains(address)) {
            say(
                Severity::Error,
                format!("{shared} is also an address of {other}"),
                "the host has it on an interface, and it is a link's address there",
                "one address, one host: look which of the two is wrong",
            );
        }
    }
    // What is looked at on every node is looked at here too.
    let known = [(name.to_owned(), about.clone())].into();
    let alone = Seen { known: &known, silent: &std::collections::BTreeMap::new(), ..seen.clone() };
    for rule in [clocks::check, names::check, space::check] {
        rule(&alone, &mut found);
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

/// Everything that speaks against the node's removal.
pub fn leaves(seen: &Seen<'_>, name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |severity, message: String, evidence: String, remedy: &str| {
        found.push(Finding::new("remove", severity, message).on(name).because(evidence).remedy(remedy));
    };
    let nodes = seen.nodes();
    if !nodes.iter().any(|node| node == name) {
        say(
            Severity::Error,
            "the cluster has no such node".into(),
            format!("it has {}", nodes.join(", ")),
            "`systole cluster status` shows its nodes",
        );
        return found;
    }
    let Ok(conf) = crate::conf::nodes::remove(seen.conf, name) else {
        say(
            Severity::Error,
            "it is the only node".into(),
            "nothing is left without it".into(),
            "`systole cluster destroy` ends the cluster",
        );
        return found;
    };
    if let Some(reason) = seen.silent.get(name) {
        say(
            Severity::Warning,
            "its host agent does not answer: it cannot be made to forget the cluster".into(),
            reason.clone(),
            "switch it off, and never on again as it is: its old file would lead it back",
        );
    }
    let running: Vec<String> = seen
        .known
        .iter()
        .filter(|(node, about)| *node != name && about.engine.is_some())
        .map(|(node, _)| node.clone())
        .collect();
    let enough = |conf, up: &[String]| {
        let model = Model::of(conf);
        let ids = |lost: bool| -> Vec<u32> {
            let of = model.nodes.iter().filter(|node| up.contains(&node.called()) != lost);
            of.filter_map(|node| Some(node.id.as_ref()?.value)).collect()
        };
        Rules::of(&model).is_some_and(|rules| {
            let mut cluster = Cluster::running(rules);
            cluster.lose(&ids(true));
            !cluster.quorate().is_empty()
        })
    };
    if !running.is_empty() && !enough(seen.conf, &running) {
        say(
            Severity::Error,
            "without it the others have no quorum".into(),
            format!("{} of {} nodes would run at the moment it stops", running.len(), nodes.len()),
            "start the other nodes first",
        );
    }
    let left = Model::of(&conf).nodes.len();
    match Model::of(seen.conf).quorum.device {
        Some(device) if device.algorithm == "ffsplit" && !left.is_multiple_of(2) => say(
            Severity::Warning,
            format!("{left} nodes are left, which have no equal halves: the witness makes them no safer"),
            "its vote makes the sum even".into(),
            "`systole quorum device remove`, or `update model algorithm=lms`",
        ),
        None if left.is_multiple_of(2) => say(
            Severity::Advice,
            format!("{left} nodes are left, and a split into halves stops both or, of two, neither"),
            "an even number of votes".into(),
            "a witness: `systole quorum device add`",
        ),
        _ => {}
    }
    found.sort_by_key(|finding| finding.severity);
    found
}
