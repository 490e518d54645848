//! What a cluster looks like: how many nodes, how fast, what it is to run and by which rules; made from a seed.
//!
//! A resource's name says where it stands: `g1-2` is the second of group `g1`, `c1-p` is what clone `c1` is made of, and
//! `p1` stands for itself.

use std::fmt::Write as _;
use std::time::Duration;

use engine::{Host, NodeId};

use crate::engine::Pace;
use crate::random::Random;
use crate::watchdog::relied_on;

/// After how long unfed the watchdogs of a cluster that has some take their hosts' power: the daemon's own default.
const WATCHDOG: Duration = Duration::from_secs(5);

/// A cluster.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its hosts.
    pub hosts: Vec<Host>,
    /// How fast things are.
    pub pace: Pace,
    /// All primitives that are no fence devices.
    pub resources: Vec<String>,
    /// What bundles imply and nobody configures by itself: containers and their addresses.
    pub implied: Vec<String>,
    /// Those of both that run on one node only.
    pub exclusive: Vec<String>,
    /// After how long unfed a host's watchdog takes its power; `None` where they have none.
    pub watchdog: Option<Duration>,
    /// The configuration.
    pub cib: String,
}

impl Shape {
    /// The hosts' numbers.
    pub fn ids(&self) -> Vec<NodeId> {
        self.hosts.iter().map(|host| host.id).collect()
    }

    /// All that runs: what is configured and what that implies.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.resources.iter().chain(&self.implied)
    }

    /// A cluster by chance.
    pub fn any(random: &mut Random) -> Shape {
        let nodes = 2 + random.below(4);
        let two_node = nodes == 2 && random.percent(70);
        let pace = Pace {
            delivery_ms: *random.pick(&[1, 5, 50]),
            detect_ms: *random.pick(&[(50, 300), (900, 2_500)]),
            orders_on: random.percent(30),
            two_node,
        };
        // `ignore` promises nothing once there are three sides to a quarrel: a node that was cut off by one side may have
        // come back on another. Between two it is safe, for each knows whom to fence.
        let policies: &[&str] = if nodes == 2 { &["stop", "ignore"] } else { &["stop", "stop", "freeze"] };
        let policy = *random.pick(policies);
        let mut cluster = Cluster::new(nodes, policy, random.percent(30), random);
        for number in 1..=random.between(1, 3) {
            cluster.primitive(&format!("p{number}"));
        }
        if random.percent(70) {
            cluster.group("g1", 1 + random.below(3));
        }
        if random.percent(40) {
            cluster.clone_of("c1", random.percent(50));
        }
        if random.percent(30) {
            cluster.promotable("m1");
            if random.percent(50) {
                let score = if random.percent(50) { "INFINITY" } else { "100" };
                cluster.with_promoted("p1", "m1", score);
            }
        }
        if random.percent(20) {
            cluster.bundle("b1", 1 + random.below(2));
        }
        if random.percent(15) {
            cluster.remotes();
        }
        cluster.constraints(random);
        // Where less than half of the nodes may go on, nobody may count on a watchdog. Chance of its own, so that all other
        // clusters stay as they are.
        let mut aside = random.clone();
        if nodes > 2 && aside.percent(15) {
            cluster.watchdogs();
            if aside.percent(50) {
                cluster.devices.clear();
            }
        }
        cluster.finish(pace)
    }

    /// A plain cluster for scripts: a group of two, one resource beside it, one fence device for all.
    pub fn plain(nodes: usize) -> Shape {
        Shape::scripted(nodes, &[])
    }

    /// The same with more, by the words of a script: `NAME=VALUE` is a cluster property, `default.NAME=VALUE` a default of
    /// all resources, `promotable` a promotable clone, `bundle` two containers with an address each, `remotes` a remote
    /// node and a guest, `undefended` no fence device, `watchdog` a watchdog on each host that others count on.
    pub fn scripted(nodes: usize, words: &[&str]) -> Shape {
        let pace = Pace { delivery_ms: 2, detect_ms: (900, 1_100), orders_on: false, two_node: nodes == 2 };
        let mut cluster = Cluster::new(nodes, "stop", false, &mut Random::new(1));
        // Services go back to where they belong.
        cluster.defaults = "<nvpair id=\"d-1\" name=\"resource-stickiness\" value=\"1\"/>".into();
        if words.contains(&"undefended") {
            cluster.devices.clear();
        }
        cluster.group("g1", 2);
        cluster.primitive("p1");
        cluster.location("g1", "node1", "100");
        cluster.location("p1", "node2", "100");
        if words.contains(&"promotable") {
            cluster.promotable("m1");
        }
        if words.contains(&"bundle") {
            cluster.bundle("b1", 2);
        }
        if words.contains(&"remotes") {
            cluster.remotes();
        }
        if words.contains(&"watchdog") {
            cluster.watchdogs();
        }
        for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
            match name.strip_prefix("default.") {
                Some(name) => {
                    let _ = write!(cluster.defaults, "<nvpair id=\"d-{name}\" name=\"{name}\" value=\"{value}\"/>");
                }
                None => cluster.property(name, value),
            }
        }
        cluster.finish(pace)
    }
}

/// Where in the configuration a primitive of a simulated cluster stands, as an XPath.
pub fn path_of(resource: &str) -> String {
    let resources = "/cib/configuration/resources";
    let outer = match resource.split_once('-') {
        Some((group, _)) if group.starts_with('g') => format!("/group[@id='{group}']"),
        Some((clone, _)) if clone.starts_with(['c', 'm']) => format!("/clone[@id='{clone}']"),
        _ => String::new(),
    };
    format!("{resources}{outer}/primitive[@id='{resource}']")
}

/// The fence device of a scripted cluster.
pub const DEVICE: &str = "fence";

/// A fence device for these hosts, as XML.
pub fn device(id: &str, hosts: &str, delay: &str) -> String {
    format!(
        "<primitive id=\"{id}\" class=\"stonith\" type=\"fence_sim\"><instance_attributes id=\"{id}-params\">\
         <nvpair id=\"{id}-hosts\" name=\"pcmk_host_list\" value=\"{hosts}\"/>\
         <nvpair id=\"{id}-delay\" name=\"pcmk_delay_max\" value=\"{delay}\"/></instance_attributes>\
         <operations><op id=\"{id}-monitor\" name=\"monitor\" interval=\"60s\" timeout=\"20s\"/></operations></primitive>"
    )
}

/// A configuration that is being written.
struct Cluster {
    hosts: Vec<Host>,
    options: String,
    devices: String,
    resources: String,
    constraints: String,
    defaults: String,
    names: Vec<String>,
    implied: Vec<String>,
    exclusive: Vec<String>,
    /// What constraints may name.
    tops: Vec<String>,
    watchdog: Option<Duration>,
}

impl Cluster {
    fn new(nodes: usize, no_quorum_policy: &str, device_each: bool, random: &mut Random) -> Self {
        let host = |id| Host { id: NodeId(id), name: format!("node{id}") };
        let hosts: Vec<Host> = (1..=nodes as u32).map(host).collect();
        let mut cluster = Cluster {
            hosts,
            options: String::new(),
            devices: String::new(),
            resources: String::new(),
            constraints: String::new(),
            defaults: String::new(),
            names: Vec::new(),
            implied: Vec::new(),
            exclusive: Vec::new(),
            tops: Vec::new(),
            watchdog: None,
        };
        cluster.option("cluster-name", "sim");
        cluster.option("stonith-enabled", "true");
        cluster.option("no-quorum-policy", no_quorum_policy);
        cluster.option("stonith-timeout", "40s");
        cluster.option("maintenance-mode", "false");
        // More goes wrong in an hour here than in a year elsewhere.
        cluster.option("fence-budget", "0");
        cluster.option("stonith-action", if random.percent(80) { "reboot" } else { "off" });
        if random.percent(50) {
            cluster.option("start-failure-is-fatal", "false");
        }
        let names: Vec<String> = cluster.hosts.iter().map(|host| host.name.clone()).collect();
        // With two nodes one must be first, or each would cut the other off.
        let delay = if nodes == 2 { "10s" } else { "0" };
        match device_each {
            true => names.iter().for_each(|name| cluster.device(&format!("fence-{name}"), name, delay)),
            false => cluster.device(DEVICE, &names.join(" "), delay),
        }
        let stickiness = *random.pick(&["0", "1", "100", "INFINITY"]);
        let _ = write!(cluster.defaults, "<nvpair id=\"d-1\" name=\"resource-stickiness\" value=\"{stickiness}\"/>");
        if random.percent(60) {
            let (threshold, timeout) = (random.between(1, 4), random.between(20, 120));
            let _ = write!(
                cluster.defaults,
                "<nvpair id=\"d-2\" name=\"migration-threshold\" value=\"{threshold}\"/>\
                 <nvpair id=\"d-3\" name=\"failure-timeout\" value=\"{timeout}s\"/>"
            );
        }
        cluster
    }

    fn option(&mut self, name: &str, value: &str) {
        let _ = write!(self.options, "<nvpair id=\"o-{name}\" name=\"{name}\" value=\"{value}\"/>");
    }

    /// Sets a property that may be set already.
    fn property(&mut self, name: &str, value: &str) {
        let begin = format!(" name=\"{name}\" value=\"");
        match self.options.split_once(&begin) {
            Some((before, rest)) => {
                let after = rest.split_once('"').map_or("", |(_, after)| after);
                self.options = format!("{before}{begin}{value}\"{after}");
            }
            None => self.option(name, value),
        }
    }

    /// Each host has a watchdog, and the others count on it.
    fn watchdogs(&mut self) {
        self.watchdog = Some(WATCHDOG);
        self.property("stonith-watchdog-timeout", &format!("{}s", relied_on(WATCHDOG).as_secs()));
    }

    fn device(&mut self, id: &str, hosts: &str, delay: &str) {
        self.devices.push_str(&device(id, hosts, delay));
    }

    fn text_of(name: &str) -> String {
        format!(
            "<primitive id=\"{name}\" class=\"ocf\" provider=\"sim\" type=\"Thing\">\
             <instance_attributes id=\"{name}-params\"><nvpair id=\"{name}-params-value\" name=\"value\" value=\"0\"/>\
             </instance_attributes><meta_attributes id=\"{name}-meta\">\
             <nvpair id=\"{name}-meta-target-role\" name=\"target-role\" value=\"Started\"/></meta_attributes>\
             <operations><op id=\"{name}-monitor\" name=\"monitor\" interval=\"10s\" timeout=\"20s\"/>\
             <op id=\"{name}-start\" name=\"start\" interval=\"0\" timeout=\"20s\"/>\
             <op id=\"{name}-stop\" name=\"stop\" interval=\"0\" timeout=\"20s\"/></operations></primitive>"
        )
    }

    fn primitive(&mut self, name: &str) {
        self.resources.push_str(&Self::text_of(name));
        self.names.push(name.to_owned());
        self.exclusive.push(name.to_owned());
        self.tops.push(name.to_owned());
    }

    fn group(&mut self, name: &str, members: usize) {
        let members: Vec<String> = (1..=members).map(|number| format!("{name}-{number}")).collect();
        let text: String = members.iter().map(|member| Self::text_of(member)).collect();
        let _ = write!(self.resources, "<group id=\"{name}\">{text}</group>");
        self.names.extend(members.iter().cloned());
        self.exclusive.extend(members);
        self.tops.push(name.to_owned());
    }

    fn clone_of(&mut self, name: &str, interleave: bool) {
        let inner = format!("{name}-p");
        let _ = write!(
            self.resources,
            "<clone id=\"{name}\"><meta_attributes id=\"{name}-meta\"><nvpair id=\"{name}-meta-interleave\" \
             name=\"interleave\" value=\"{interleave}\"/></meta_attributes>{}</clone>",
            Self::text_of(&inner)
        );
        self.names.push(inner);
        self.tops.push(name.to_owned());
    }

    /// Containers with an address each. What they are made of is implied: the agents of both are run like any other's.
    fn bundle(&mut self, name: &str, replicas: usize) {
        let _ = write!(
            self.resources,
            "<bundle id=\"{name}\"><podman image=\"sim:1\" replicas=\"{replicas}\"/>\
             <network ip-range-start=\"192.0.2.10\"/></bundle>"
        );
        for replica in 0..replicas {
            for implied in [format!("{name}-podman-{replica}"), format!("{name}-ip-192.0.2.{}", 10 + replica)] {
                self.exclusive.push(implied.clone());
                self.implied.push(implied);
            }
        }
        // Where there are several, what must be with one of them keeps the others from running.
        if replicas == 1 {
            self.tops.push(name.to_owned());
        }
    }

    /// A remote node and a guest. Nobody reaches them, and nothing else may suffer by that.
    fn remotes(&mut self) {
        let guest = Self::text_of("guest").replace(
            "</meta_attributes>",
            "<nvpair id=\"guest-meta-node\" name=\"remote-node\" value=\"far2\"/></meta_attributes>",
        );
        let _ = write!(
            self.resources,
            "<primitive id=\"far1\" class=\"ocf\" provider=\"pacemaker\" type=\"remote\"/>{guest}"
        );
        self.names.push("guest".to_owned());
        self.exclusive.push("guest".to_owned());
    }

    /// A clone of which one instance is promoted.
    fn promotable(&mut self, name: &str) {
        let inner = format!("{name}-p");
        let text = Self::text_of(&inner).replace(
            &format!("<op id=\"{inner}-monitor\" name=\"monitor\" interval=\"10s\" timeout=\"20s\"/>"),
            &format!(
                "<op id=\"{inner}-monitor\" name=\"monitor\" interval=\"10s\" role=\"Promoted\" timeout=\"20s\"/>\
                 <op id=\"{inner}-monitor-u\" name=\"monitor\" interval=\"11s\" role=\"Unpromoted\" timeout=\"20s\"/>\
                 <op id=\"{inner}-promote\" name=\"promote\" interval=\"0\" timeout=\"20s\"/>\
                 <op id=\"{inner}-demote\" name=\"demote\" interval=\"0\" timeout=\"20s\"/>"
            ),
        );
        let _ = write!(
            self.resources,
            "<clone id=\"{name}\"><meta_attributes id=\"{name}-meta\">\
             <nvpair id=\"{name}-meta-promotable\" name=\"promotable\" value=\"true\"/>\
             <nvpair id=\"{name}-meta-interleave\" name=\"interleave\" value=\"true\"/></meta_attributes>{text}</clone>"
        );
        self.exclusive.push(crate::agents::promoted(&inner));
        self.names.push(inner);
    }

    /// A resource runs where the clone is promoted, after that.
    fn with_promoted(&mut self, resource: &str, clone: &str, score: &str) {
        let _ = write!(
            self.constraints,
            "<rsc_colocation id=\"kp-{resource}\" rsc=\"{resource}\" with-rsc=\"{clone}\" with-rsc-role=\"Promoted\" \
             score=\"{score}\"/><rsc_order id=\"op-{resource}\" first=\"{clone}\" first-action=\"promote\" \
             then=\"{resource}\" then-action=\"start\"/>"
        );
    }

    fn location(&mut self, resource: &str, node: &str, score: &str) {
        let _ = write!(
            self.constraints,
            "<rsc_location id=\"l-{resource}-{node}\" rsc=\"{resource}\" node=\"{node}\" score=\"{score}\"/>"
        );
    }

    /// Some constraints that can all be met at once: later resources lean on earlier ones, and at most one colocation
    /// that must hold begins at each.
    fn constraints(&mut self, random: &mut Random) {
        let tops = self.tops.clone();
        for (place, name) in tops.iter().enumerate() {
            if random.percent(50) && !name.starts_with('c') {
                let node = random.pick(&self.hosts).name.clone();
                let score = *random.pick(&["50", "100", "200"]);
                self.location(name, &node, score);
            }
            if place == 0 {
                continue;
            }
            let other = tops[random.below(place)].clone();
            if random.percent(35) && !name.starts_with('c') && !other.starts_with('c') {
                let score = *random.pick(&["INFINITY", "100", "-100", "-50"]);
                let _ = write!(
                    self.constraints,
                    "<rsc_colocation id=\"k-{name}\" rsc=\"{name}\" with-rsc=\"{other}\" score=\"{score}\"/>"
                );
            }
            if random.percent(35) {
                let kind = *random.pick(&["Mandatory", "Mandatory", "Optional"]);
                let _ = write!(
                    self.constraints,
                    "<rsc_order id=\"o-{name}\" first=\"{other}\" then=\"{name}\" kind=\"{kind}\"/>"
                );
            }
        }
    }

    fn finish(self, pace: Pace) -> Shape {
        let nodes: String =
            self.hosts.iter().map(|host| format!("<node id=\"{}\" uname=\"{}\"/>", host.id, host.name)).collect();
        let cib = format!(
            "<cib crm_feature_set=\"3.17.4\" validate-with=\"pacemaker-3.9\" epoch=\"1\" num_updates=\"0\" \
             admin_epoch=\"0\"><configuration><crm_config><cluster_property_set id=\"options\">{}\
             </cluster_property_set></crm_config><nodes>{nodes}</nodes><resources>{}{}</resources>\
             <constraints>{}</constraints><rsc_defaults><meta_attributes id=\"defaults\">{}</meta_attributes>\
             </rsc_defaults></configuration><status/></cib>",
            self.options, self.devices, self.resources, self.constraints, self.defaults
        );
        Shape {
            hosts: self.hosts,
            pace,
            resources: self.names,
            implied: self.implied,
            exclusive: self.exclusive,
            watchdog: self.watchdog,
            cib,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_a_sound_configuration_and_its_paths_lead_somewhere() {
        for seed in 0..200 {
            let shape = Shape::any(&mut Random::new(seed));
            let cib = cib::Cib::parse(&shape.cib).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", shape.cib));
            let text = cib.document().to_xml();
            for name in &shape.resources {
                assert!(text.contains(&format!("id=\"{name}\"")), "seed {seed}: {name}");
            }
            assert!(!shape.exclusive.is_empty() && shape.hosts.len() >= 2);
        }
    }
}
