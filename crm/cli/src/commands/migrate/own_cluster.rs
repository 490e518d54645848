//! The cluster that a move sets up where there is none, through the hosts' agents, and its end when the move is taken
//! back. How a cluster is set up is `cluster setup`'s affair.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use corosync_conf::{Conf, Model};
use migrate::plan::Plan;
use wire::host::{About, Call, HostFile, Unit, UnitAct};

use super::collect::write_private;
use crate::commands::cluster::{self, Cluster};
use crate::hosts::{Field, all_done};

/// While this is in the course's directory, the cluster is the move's own; in it stands how it was set up.
const MARKER: &str = "set-up";
/// What such a cluster consists of, in the order of its start.
const UNITS: [Unit; 2] = [Unit::Corosync, Unit::Systoled];

/// What follows `cluster setup` for this plan.
pub(super) fn words(plan: &Plan<'_>) -> Vec<String> {
    let conf = Conf::parse(plan.corosync.clone());
    let mut words = vec!["systole".to_owned()];
    for node in Model::of(&conf).nodes {
        words.push(node.called());
        words.extend(node.addresses.values().map(|address| format!("addr={}", address.value)));
    }
    words.extend(["totem".to_owned(), format!("token={}", plan.times.token_ms)]);
    words
}

/// Whether the cluster is the move's own.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(MARKER).exists()
}

/// Makes a cluster of the hosts, and has it started at boot. What is begun is noted before, so that it can be taken back
/// from any point; done again, it goes on.
pub(super) fn set_up(folder: &Path, hosts: &[String], words: &[String]) -> anyhow::Result<()> {
    let field = Field::load()?;
    field.need(&[hosts, std::slice::from_ref(&field.me)].concat())?;
    if !hosts.contains(&field.me) {
        bail!("this host, {}, is none of {}: give the command on one of them", field.me, hosts.join(", "));
    }
    let again = is_there(folder);
    if again && holds_cluster(&field.settled(hosts)?) {
        // One that was killed had laid all files: what is missing is to be started.
        for act in [UnitAct::Enable, UnitAct::Start] {
            for unit in UNITS {
                let call = |host: &String| (host.clone(), Call::Unit { unit, act });
                all_done(&field.ask(hosts.iter().map(call).collect()))?;
            }
        }
        return Ok(());
    }
    let words: Vec<String> = words.iter().map(|word| by_address(&field, word)).collect();
    let plan = cluster::plan_of(&field, &words, again)?;
    write_private(&folder.join(MARKER), words.join(" ").as_bytes())?;
    field.change(plan)?;
    Ok(())
}

/// A name in place of an address becomes that of its host agent, which is known to be reachable.
fn by_address(field: &Field, word: &str) -> String {
    let name = word.strip_prefix("addr=").filter(|address| address.parse::<IpAddr>().is_err());
    match name.and_then(|name| field.address(name)) {
        Some(address) => format!("addr={address}"),
        None => word.to_owned(),
    }
}

/// Whether any of them belongs to a cluster: a shared key is what only a cluster leaves.
fn holds_cluster(abouts: &BTreeMap<String, About>) -> bool {
    abouts.values().any(|about| about.files.iter().any(|state| state.file == HostFile::Authkey))
}

/// Ends the cluster if it is the move's own, and says so.
pub(super) fn end(folder: &Path, hosts: &[String]) -> anyhow::Result<Option<String>> {
    if !is_there(folder) {
        return Ok(None);
    }
    let field = Field::load()?;
    field.need(hosts)?;
    // One that was killed left something half-way, which ends here first.
    let abouts = field.settled(hosts)?;
    if holds_cluster(&abouts) {
        let cluster = Cluster::load()?;
        let nodes = cluster.nodes.clone();
        if nodes.iter().any(|node| !hosts.contains(node)) {
            bail!(
                "the cluster that was set up for the move has other nodes by now ({}): it is not ended; `systole cluster \
                 destroy --all --yes` does it",
                nodes.join(", ")
            );
        }
        cluster.field.change(cluster::ending(&cluster, &nodes))?;
    } else {
        // What did not become a cluster may have left its memory.
        let left = abouts.iter().filter(|(_, about)| about.remembers);
        all_done(&field.ask(left.map(|(host, _)| (host.clone(), Call::Forget)).collect()))?;
    }
    let marker = folder.join(MARKER);
    fs::remove_file(&marker).with_context(|| format!("removing {}", marker.display()))?;
    Ok(Some("the cluster that was set up for the move is ended".to_owned()))
}

#[cfg(test)]
mod tests {
    use keepalived::{Files, Host, Model};
    use migrate::plan::{Wishes, plan};
    use migrate::verdict::Answers;

    use super::*;

    #[test]
    fn a_plan_says_how_its_cluster_is_set_up() {
        let host = |name: &str, source: &str| {
            let text = format!(
                "vrrp_instance A {{\ninterface eth0\nmcast_src_ip {source}\nvirtual_router_id 7\nvirtual_ipaddress {{\n10.0.0.9/24\n}}\n}}\n"
            );
            (name.to_owned(), Model::read(&Files::one("/k", text), &Host::default()))
        };
        let hosts = [host("one", "10.0.0.1"), host("two", "10.0.0.2")];
        let plan = plan(&hosts, &Answers::read("defaults = yes").unwrap(), &Wishes::default()).unwrap();
        assert_eq!(
            words(&plan).join(" "),
            format!("systole one addr=10.0.0.1 two addr=10.0.0.2 totem token={}", plan.times.token_ms)
        );
        assert!(setup::conf::new::read(&words(&plan)).unwrap().conf().is_ok(), "setup takes them");
    }
}
