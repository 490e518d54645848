//! Clusters of any size, made up: what they run, where, and the history that says so. They are text, as a CIB from a
//! disk or a peer would be; what is measured with them is `plan`'s affair.
//!
//! A cluster is a hosting company. Every node has storage (a cloned group of two) and a gateway check (a clone); two
//! nodes have the ledger (a promotable clone). Two thirds of the rest are shops, each a group of address, volume and web
//! server that needs storage and has a home; one third are workers, each with a queue it must be with. One fence device
//! watches over all.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cib::digest;

/// The time all of it happens at.
pub const NOW: i64 = 1_750_000_000;

/// What state the cluster is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Everything runs where it should: nothing is to be done.
    Steady,
    /// The last node is gone: it is to be fenced, and what ran there recovered.
    Lost,
    /// Nothing is known yet: everything is to be probed and started.
    Cold,
}

impl State {
    /// All of them, in the order they are shown.
    pub const ALL: [State; 3] = [State::Steady, State::Lost, State::Cold];

    /// Its name in tables and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            State::Steady => "steady",
            State::Lost => "lost",
            State::Cold => "cold",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Where a primitive runs.
#[derive(Clone, Copy)]
enum Place {
    Everywhere,
    On(usize),
    /// Promoted on the first node, unpromoted on the second.
    Pair,
}

struct Primitive {
    id: String,
    class: &'static str,
    agent: &'static str,
    parameters: BTreeMap<String, String>,
    monitor_s: u64,
    place: Place,
}

/// The seconds a monitor may take, in all operations.
const TIMEOUT_S: u64 = 20;

impl Primitive {
    fn new(id: &str, agent: &'static str, monitor_s: u64, place: Place, parameters: &[(&str, &str)]) -> Self {
        let parameters = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Primitive { id: id.into(), class: "ocf", agent, parameters, monitor_s, place }
    }

    fn identity(&self) -> String {
        let provider = if self.class == "ocf" { r#" provider="heartbeat""# } else { "" };
        format!(r#"id="{}" class="{}"{provider} type="{}""#, self.id, self.class, self.agent)
    }

    fn configuration(&self) -> String {
        let Primitive { id, monitor_s, .. } = self;
        let mut text = format!(r#"<primitive {}><instance_attributes id="{id}-parameters">"#, self.identity());
        for (name, value) in &self.parameters {
            let _ = write!(text, r#"<nvpair id="{id}-{name}" name="{name}" value="{value}"/>"#);
        }
        text.push_str("</instance_attributes><operations>");
        let mut monitor = |interval: u64, role: &str| {
            let _ = write!(
                text,
                r#"<op id="{id}-monitor-{interval}" name="monitor" interval="{interval}s" timeout="{TIMEOUT_S}s"{role}/>"#
            );
        };
        match self.place {
            Place::Pair => {
                monitor(*monitor_s, r#" role="Promoted""#);
                monitor(monitor_s + 1, r#" role="Unpromoted""#);
            }
            Place::Everywhere | Place::On(_) => monitor(*monitor_s, ""),
        }
        let _ = writeln!(
            text,
            r#"<op id="{id}-start" name="start" interval="0s" timeout="60s"/></operations></primitive>"#
        );
        text
    }

    /// What its history on a node says: operation, interval in seconds, exit status.
    fn results_on(&self, node: usize) -> Vec<(&'static str, u64, u32)> {
        match (self.place, node) {
            (Place::Pair, 0) => vec![("promote", 0, 0), ("monitor", self.monitor_s, 8)],
            (Place::Pair, 1) => vec![("start", 0, 0), ("monitor", self.monitor_s + 1, 0)],
            (Place::On(home), node) if home != node => vec![("monitor", 0, 7)],
            (Place::Pair, _) => vec![("monitor", 0, 7)],
            (Place::Everywhere | Place::On(_), _) => vec![("start", 0, 0), ("monitor", self.monitor_s, 0)],
        }
    }

    fn digest(&self, interval_s: u64) -> String {
        let mut parameters = self.parameters.clone();
        parameters.insert("CRM_meta_timeout".into(), (TIMEOUT_S * 1000).to_string());
        digest::all(&parameters, interval_s * 1000)
    }
}

/// A cluster's parts, to be written.
struct Cluster {
    nodes: usize,
    primitives: Vec<Primitive>,
    /// The configuration of resources, and of constraints.
    resources: String,
    constraints: String,
}

impl Cluster {
    /// Takes primitives in, within an element that holds them, and meta attributes of that.
    fn add(&mut self, open: &str, close: &str, primitives: Vec<Primitive>) {
        self.resources.push_str(open);
        primitives.iter().for_each(|primitive| self.resources.push_str(&primitive.configuration()));
        self.resources.push_str(close);
        self.primitives.extend(primitives);
    }

    fn constraint(&mut self, element: &str, id: &str, rest: &str) {
        let _ = writeln!(self.constraints, r#"<{element} id="{id}" {rest}/>"#);
    }

    fn add_shared(&mut self) {
        let mut fencing = Primitive::new("fencing", "fence_bench", 60, Place::On(0), &[("ip", "192.0.2.1")]);
        fencing.class = "stonith";
        self.add("", "", vec![fencing]);

        let everywhere = |id: &str, agent: &'static str| Primitive::new(id, agent, 30, Place::Everywhere, &[]);
        let interleave = |clone: &str| {
            format!(
                r#"<meta_attributes id="{clone}-meta"><nvpair id="{clone}-interleave" name="interleave" value="true"/>"#
            )
        };
        let open =
            format!(r#"<clone id="storage">{}</meta_attributes><group id="storage-group">"#, interleave("storage"));
        self.add(&open, "</group></clone>\n", vec![everywhere("locks", "locks"), everywhere("volumes", "volumes")]);
        self.add(r#"<clone id="gateways">"#, "</clone>\n", vec![everywhere("gateway", "ping")]);

        let ledger = Primitive::new("ledger-member", "ledger", 10, Place::Pair, &[("name", "main")]);
        let open = format!(
            r#"<clone id="ledger">{}<nvpair id="ledger-p" name="promotable" value="true"/><nvpair id="ledger-m" name="clone-max" value="2"/></meta_attributes>"#,
            interleave("ledger")
        );
        self.add(&open, "</clone>\n", vec![ledger]);
    }

    fn add_shop(&mut self, number: usize) {
        let (id, home) = (format!("shop{number}"), number % self.nodes);
        let (address, directory) = (format!("10.1.{}.{}", number / 256, number % 256), format!("/srv/{id}"));
        let member = |part: &str, agent, monitor_s, parameters: &[(&str, &str)]| {
            Primitive::new(&format!("{id}-{part}"), agent, monitor_s, Place::On(home), parameters)
        };
        let members = vec![
            member("address", "IPaddr2", 10, &[("ip", &address)]),
            member("volume", "Filesystem", 20, &[("device", &format!("/dev/vg/{id}")), ("directory", &directory)]),
            member("web", "nginx", 15, &[("configfile", &format!("{directory}/nginx.conf"))]),
        ];
        self.add(&format!(r#"<group id="{id}">"#), "</group>\n", members);
        let home = format!(r#"rsc="{id}" node="n{home}" score="100""#);
        self.constraint("rsc_location", &format!("{id}-home"), &home);
        self.constraint("rsc_order", &format!("{id}-after"), &format!(r#"first="storage" then="{id}""#));
        let with = format!(r#"rsc="{id}" with-rsc="storage" score="INFINITY""#);
        self.constraint("rsc_colocation", &format!("{id}-with"), &with);
        if number == 0 {
            let order = format!(r#"first="ledger" first-action="promote" then="{id}" then-action="start""#);
            self.constraint("rsc_order", "ledger-first", &order);
        } else if number.is_multiple_of(8) {
            let apart = format!(r#"rsc="{id}" with-rsc="shop{}" score="-40""#, number - 1);
            self.constraint("rsc_colocation", &format!("{id}-apart"), &apart);
        }
    }

    fn add_worker(&mut self, number: usize) {
        // Spread otherwise than shops, so that nodes differ in what they hold.
        let home = Place::On((number * 7 + 3) % self.nodes);
        let (queue, worker) = (format!("queue{number}"), format!("worker{number}"));
        let state = format!("/run/{queue}");
        self.add("", "", vec![Primitive::new(&queue, "queue", 10, home, &[("state", &state)])]);
        self.add("", "", vec![Primitive::new(&worker, "worker", 25, home, &[("queue", &queue)])]);
        let with = format!(r#"rsc="{worker}" with-rsc="{queue}" score="INFINITY""#);
        self.constraint("rsc_colocation", &format!("{worker}-with"), &with);
        self.constraint("rsc_order", &format!("{worker}-after"), &format!(r#"first="{queue}" then="{worker}""#));
    }

    fn history(&self, node: usize, calls: &mut u32, out: &mut String) {
        for primitive in &self.primitives {
            let _ = writeln!(out, "<lrm_resource {}>", primitive.identity());
            for (task, interval_s, rc) in primitive.results_on(node) {
                *calls += 1;
                let (id, interval_ms, call) = (&primitive.id, interval_s * 1000, *calls);
                let entry = if interval_s == 0 { "last" } else { "monitor" };
                let key = format!("{call}:1:{rc}:6b1e8f0c-0000-4000-8000-000000000000");
                let _ = writeln!(
                    out,
                    r#"<lrm_rsc_op id="{id}_{entry}_{interval_ms}" operation_key="{id}_{task}_{interval_ms}" operation="{task}" crm_feature_set="3.16.2" transition-key="{key}" transition-magic="0:{rc};{key}" on_node="n{node}" call-id="{call}" rc-code="{rc}" op-status="0" interval="{interval_ms}" last-rc-change="{}" exec-time="20" queue-time="0" op-digest="{}"/>"#,
                    NOW - 1000,
                    primitive.digest(interval_s)
                );
            }
            out.push_str("</lrm_resource>\n");
        }
    }

    fn status(&self, state: State, out: &mut String) {
        let mut calls = 0;
        for node in 0..self.nodes {
            let (member, peer, join) = if state == State::Lost && node + 1 == self.nodes {
                (false, "offline", "down")
            } else {
                (true, "online", "member")
            };
            let _ = writeln!(
                out,
                r#"<node_state id="{node}" uname="n{node}" in_ccm="{member}" crmd="{peer}" join="{join}" expected="member">"#
            );
            if member && node < 2 {
                let score = if node == 0 { 1000 } else { 10 };
                let _ = writeln!(
                    out,
                    r#"<transient_attributes id="{node}"><instance_attributes id="status-{node}"><nvpair id="status-{node}-ledger" name="master-ledger-member" value="{score}"/></instance_attributes></transient_attributes>"#
                );
            }
            let _ = writeln!(out, r#"<lrm id="{node}"><lrm_resources>"#);
            if state != State::Cold {
                self.history(node, &mut calls, out);
            }
            out.push_str("</lrm_resources></lrm></node_state>\n");
        }
    }
}

/// The CIB of a cluster of so many nodes that runs so many primitives.
pub fn cib(nodes: usize, primitives: usize, state: State) -> String {
    let mut cluster = Cluster { nodes, primitives: Vec::new(), resources: String::new(), constraints: String::new() };
    cluster.add_shared();
    let rest = primitives.saturating_sub(cluster.primitives.len());
    let shops = rest * 2 / 9;
    (0..shops).for_each(|number| cluster.add_shop(number));
    (0..(rest - shops * 3) / 2).for_each(|number| cluster.add_worker(number));

    let mut out = format!(
        r#"<cib crm_feature_set="3.16.2" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0" have-quorum="1" dc-uuid="0" execution-date="{NOW}"><configuration><crm_config><cluster_property_set id="options"><nvpair id="options-watchdog" name="have-watchdog" value="false"/></cluster_property_set></crm_config>
<nodes>
"#
    );
    for node in 0..nodes {
        let _ = writeln!(out, r#"<node id="{node}" uname="n{node}"/>"#);
    }
    let _ = write!(
        out,
        "</nodes>\n<resources>\n{}</resources>\n<constraints>\n{}</constraints>\n",
        cluster.resources, cluster.constraints
    );
    out.push_str(
        r#"<rsc_defaults><meta_attributes id="defaults"><nvpair id="defaults-stickiness" name="resource-stickiness" value="100"/></meta_attributes></rsc_defaults></configuration>
<status>
"#,
    );
    cluster.status(state, &mut out);
    out.push_str("</status></cib>\n");
    out
}
