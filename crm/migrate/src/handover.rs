//! One host's addresses from keepalived to the cluster and back without taking them off: what must be so before, and the
//! configuration that gets them back in one step. Who stops and starts what is left to the shell.

use core::net::IpAddr;

use cib::{Document, rule::Context, view};
use keepalived::Model;
use keepalived::statement::Statement;

use crate::text;

/// An address as a host has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Held {
    /// The address.
    pub ip: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// Its interface.
    pub device: String,
}

/// The addresses of `keepalived`'s that a host holds at this moment.
pub fn held(model: &Model, addresses: &[Held]) -> Vec<Held> {
    let own = |held: &&Held| {
        let all = model.instances.iter().flat_map(|one| one.addresses.iter().chain(&one.excluded));
        all.into_iter().any(|one| one.ip == held.ip && one.device.as_ref().is_none_or(|device| *device == held.device))
    };
    addresses.iter().filter(own).cloned().collect()
}

/// An address as the cluster's configuration has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    /// The address.
    pub ip: IpAddr,
    /// Bits of its network.
    pub prefix: Option<u8>,
    /// Its interface.
    pub nic: Option<String>,
    /// The resource's id.
    pub id: String,
}

/// All addresses of a configuration, with what holds on this node.
pub fn agents(document: &Document, node: &str, now: i64) -> Vec<Agent> {
    let lookup = |name: &str| (name == "#uname").then_some(node);
    let context = Context { node_attribute: Some(&lookup), ..Context::at(now) };
    let resources = document.descend(&["configuration", "resources"]);
    let all = resources.into_iter().flat_map(|resources| document.descendants(resources));
    all.filter(|one| document.name(*one) == "primitive" && document.attribute(*one, "type") == Some("IPaddr2"))
        .filter_map(|one| {
            let values = view::parameters(document, one, &context);
            Some(Agent {
                ip: values.get("ip")?.parse().ok()?,
                prefix: values.get("cidr_netmask").and_then(|text| text.parse().ok()),
                nic: values.get("nic").map(str::to_owned),
                id: document.id(one).to_owned(),
            })
        })
        .collect()
}

/// What keeps the cluster from taking these addresses for running, each with what to do.
///
/// ```
/// let cib = cib::Document::parse("<cib><configuration/></cib>").unwrap();
/// assert!(migrate::handover::obstacles(&cib, "one", &[], 0)[0].contains("maintenance-mode"));
/// ```
pub fn obstacles(document: &Document, node: &str, held: &[Held], now: i64) -> Vec<String> {
    let mut found = Vec::new();
    if view::property(document, "maintenance-mode", now) != Some("true") {
        found.push(
            "the cluster is not in maintenance-mode: it would start the addresses while keepalived has them; set \
             maintenance-mode=true first"
                .to_owned(),
        );
    }
    let agents = agents(document, node, now);
    for held in held {
        let Some(Agent { prefix, nic, id, .. }) = agents.iter().find(|agent| agent.ip == held.ip) else {
            found.push(format!("no IPaddr2 has {}: load the plan's configuration first", held.ip));
            continue;
        };
        if *prefix != Some(held.prefix) {
            found.push(format!(
                "{} is here with /{}, and {id} has cidr_netmask={}: its probe would not find it; set it to {}",
                held.ip,
                held.prefix,
                prefix.map_or("(none)".to_owned(), |prefix| prefix.to_string()),
                held.prefix
            ));
        }
        if nic.as_deref().is_some_and(|nic| nic != held.device) {
            found.push(format!(
                "{} is on {} here, and {id} has nic={}: its probe would not find it; set it to {} for this node",
                held.ip,
                held.device,
                nic.as_deref().unwrap_or_default(),
                held.device
            ));
        }
    }
    found
}

/// A configuration by which keepalived takes its addresses at once: every instance begins as the owner, and watches
/// nothing. It holds for the second until the real one is read again.
pub fn takeover(model: &Model) -> String {
    /// What would keep an instance from being master at once.
    const AGAINST: &[&str] = &[
        "state",
        "priority",
        "nopreempt",
        "preempt_delay",
        "track_interface",
        "track_script",
        "track_process",
        "track_file",
        "track_bfd",
    ];
    let mut statements = Vec::new();
    if let Some(first) = model.instances.first() {
        let words = vec!["global_defs".to_owned()];
        // A delay of the first election is what this is there to avoid.
        let mut block = model.defaults.statements.clone();
        block.retain(|one| !matches!(one.word(), "vrrp_startup_delay" | "vrrp_delay_after_boot"));
        statements.push(Statement { words, block, place: first.place.clone() });
    }
    statements.extend(model.rest.iter().filter(|one| one.word().starts_with("static_")).cloned());
    for instance in &model.instances {
        let mut one = instance.statement.clone();
        one.block.retain(|line| !AGAINST.contains(&line.word()));
        for words in [["state", "MASTER"], ["priority", "255"]] {
            let words = words.map(str::to_owned).to_vec();
            one.block.insert(0, Statement { words, block: Vec::new(), place: instance.place.clone() });
        }
        statements.push(one);
    }
    statements.extend(model.servers.iter().cloned());
    text::statements(&statements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::document;
    use crate::plan::{Wishes, plan};
    use crate::verdict::Answers;
    use keepalived::{Files, Host};

    fn model(interface: &str) -> Model {
        let text = format!(
            "vrrp_script s {{\nscript /bin/false\n}}\nvrrp_instance A {{\ninterface {interface}\nvirtual_router_id 7\nstate BACKUP\nnopreempt\npriority 100\ntrack_script {{\ns\n}}\nnotify_master \"/bin/x 'a b'\"\nvirtual_ipaddress {{\n10.0.0.9/24\n}}\n}}\n"
        );
        Model::read(&Files::one("/k", text), &Host::default())
    }

    #[test]
    fn what_the_probe_would_not_find_is_told() {
        let hosts = [("one".to_owned(), model("eth0")), ("two".to_owned(), model("ens3"))];
        let answers = Answers::read("defaults = yes").unwrap();
        let plan = plan(&hosts, &answers, &Wishes::default()).unwrap();
        let mut configuration = plan.configuration.clone();
        configuration.properties.insert("maintenance-mode".into(), "true".into());
        let cib = document(&configuration);
        let address = |prefix, device: &str| Held { ip: "10.0.0.9".parse().unwrap(), prefix, device: device.into() };
        let count = |node: &str, held: Held| obstacles(&cib, node, &[held], 0).len();
        assert_eq!(count("one", address(24, "eth0")), 0);
        assert_eq!(count("two", address(24, "ens3")), 0, "each node has its own interface");
        assert_eq!(count("two", address(24, "eth0")), 1);
        assert_eq!(count("one", address(32, "eth0")), 1);
        let other = Held { ip: "10.0.0.8".parse().unwrap(), ..address(24, "eth0") };
        assert!(obstacles(&cib, "one", &[other], 0)[0].contains("no IPaddr2 has 10.0.0.8"));
        assert_eq!(held(&hosts[0].1, &[address(24, "eth0"), address(24, "lo")]).len(), 1);
    }

    #[test]
    fn the_owner_takes_all_at_once() {
        let text = takeover(&model("eth0"));
        let again = Model::read(&Files::one("/k", text.clone()), &Host::default());
        let instance = &again.instances[0];
        assert!(again.notes.is_empty(), "{:?}\n{text}", again.notes);
        assert!(instance.master && instance.priority == 255 && !instance.nopreempt && instance.tracked.is_empty());
        assert_eq!(instance.addresses[0].to_string(), "10.0.0.9/24 dev eth0 scope global");
        assert_eq!(instance.notify["notify_master"], ["/bin/x 'a b'"]);
    }
}
