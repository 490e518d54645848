//! What is wrong with a cluster's hosts, seen from all of them at once: one rule a file, listed in [`RULES`]. Each finding
//! has its evidence and its remedy. What is wrong in corosync.conf itself is `corosync-conf`'s.

mod certificates;
mod clocks;
mod device;
mod engine;
mod fencing;
mod files;
mod firewall;
pub mod join;
mod links;
pub mod logs;
mod moves;
mod mtu;
mod names;
mod not_run;
mod quorum;
mod rest;
mod services;
mod silent;
mod space;
mod timing;
mod versions;
mod watchdog;

use std::collections::BTreeMap;

use corosync_conf::{Conf, Facts, Model, Severity, lint};
use wire::host::About;

use crate::probe::Figures;

/// What is known of a cluster.
#[derive(Clone, Debug)]
pub struct Seen<'s> {
    /// The configuration, as this host has it.
    pub conf: &'s Conf,
    /// What hosts said of themselves.
    pub known: &'s BTreeMap<String, About>,
    /// Hosts that said nothing, with the reason.
    pub silent: &'s BTreeMap<String, String>,
    /// The time when they were asked, milliseconds since 1970.
    pub now: u64,
    /// What the resources' configuration says; nothing where no daemon told it.
    pub configured: Option<&'s Configured>,
    /// What the last probe measured; nothing where none was made.
    pub figures: Option<&'s Figures>,
}

/// What the doctor looks at in the configuration of resources.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Configured {
    /// Whether fencing is switched on.
    pub fencing: bool,
    /// The fence devices.
    pub devices: Vec<String>,
    /// Those of which no proof is on record.
    pub unproved: Vec<String>,
    /// Nodes whose fencing is held, with the reason.
    pub held: Vec<(String, String)>,
    /// How long watchdogs are waited for, in milliseconds.
    pub watchdog_wait_ms: Option<u64>,
    /// What moves by hand left.
    pub moves: Vec<Moved>,
    /// What is configured and run by no cluster of ours, a sentence each.
    pub not_run: Vec<String>,
}

/// What a move by hand left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// The constraint.
    pub constraint: String,
    /// The resource.
    pub resource: String,
    /// The node.
    pub node: String,
    /// Whether the resource is kept off the node, and not on it.
    pub ban: bool,
    /// Whether the time that it was given is over.
    pub over: bool,
}

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Name of the rule: `clocks`, or `corosync.conf/` and the rule's name there.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The host it is about; nothing when it is about all.
    pub host: Option<String>,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
    /// What shows it.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
}

type Rule = fn(&Seen<'_>, &mut Vec<Finding>);

/// All rules.
const RULES: &[Rule] = &[
    silent::check,
    rest::check,
    versions::check,
    files::check,
    engine::check,
    quorum::check,
    device::check,
    links::check,
    mtu::check,
    firewall::check,
    services::check,
    fencing::check,
    watchdog::check,
    timing::check,
    moves::check,
    names::check,
    not_run::check,
    clocks::check,
    certificates::check,
    space::check,
];

/// Everything that is wrong, the worst first.
pub fn examine(seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    RULES.iter().for_each(|rule| rule(seen, &mut found));
    for finding in lint(seen.conf, &Facts::default()) {
        let line = finding
            .span
            .map_or(String::new(), |span| format!("line {} of corosync.conf: ", seen.conf.position(span.start).0));
        found.push(Finding {
            rule: format!("corosync.conf/{}", finding.rule),
            severity: finding.severity,
            host: None,
            message: finding.message,
            evidence: format!("{line}{}", finding.why),
            remedy: finding.remedy,
        });
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

impl Seen<'_> {
    /// The names of all nodes.
    fn nodes(&self) -> Vec<String> {
        Model::of(self.conf).nodes.iter().map(|node| node.called()).collect()
    }
}

impl Finding {
    pub(crate) fn new(rule: &str, severity: Severity, message: impl Into<String>) -> Finding {
        Finding {
            rule: rule.to_owned(),
            severity,
            host: None,
            message: message.into(),
            evidence: String::new(),
            remedy: String::new(),
        }
    }

    pub(crate) fn on(mut self, host: &str) -> Finding {
        self.host = Some(host.to_owned());
        self
    }

    pub(crate) fn because(mut self, evidence: impl Into<String>) -> Finding {
        self.evidence = evidence.into();
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = remedy.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::host::{Engine, EngineDevice, EngineNode, FileState, HostFile, Pending, Unit, UnitState};

    const NOW: u64 = 1_800_000_000_000;

    fn conf() -> Conf {
        let words: Vec<String> =
            "hacl a addr=10.0.0.1 addr=10.1.0.1 b addr=10.0.0.2 addr=10.1.0.2 c addr=10.0.0.3 addr=10.1.0.3"
                .split(' ')
                .map(str::to_owned)
                .collect();
        crate::conf::new::read(&words).unwrap().conf().unwrap()
    }

    fn well(name: &str) -> About {
        let node = |(at, name): (usize, &str)| EngineNode {
            id: at as u32 + 1,
            name: Some(name.into()),
            member: true,
            votes: Some(1),
            links: vec![(0, true), (1, true)],
            mtus: vec![(0, 1397), (1, 1397)],
        };
        let engine = Engine {
            cluster: Some("hacl".into()),
            config_version: Some(1),
            token: Some(3650),
            me: 1,
            quorate: true,
            nodes: ["a", "b", "c"].into_iter().enumerate().map(node).collect(),
            votes: None,
            device: None,
        };
        let file = |file, mode| FileState { file, sha256: "s".into(), bytes: 256, mode };
        About {
            host: name.into(),
            systole: "0.1.0".into(),
            corosync: Some("3.1.7".into()),
            addresses: vec!["10.0.0.1".into()],
            clock: NOW,
            files: vec![file(HostFile::CorosyncConf, 0o644), file(HostFile::Authkey, 0o400)],
            units: [Unit::Corosync, Unit::Systoled]
                .map(|unit| UnitState { unit, active: true, enabled: true })
                .to_vec(),
            engine: Some(engine),
            pending: None,
            settled: None,
            remembers: true,
            clock_kept: Some(true),
            free: vec![("/var/lib/corosync".into(), 50)],
            resolved: vec![(name.into(), vec!["10.0.0.1".into()])],
            certificates: vec![("of the host agent".into(), NOW as i64 / 1000 + (1 << 30))],
            watchdog: Some("iTCO_wdt".into()),
            firewall: None,
        }
    }

    /// What is found when something is changed on host `b`, apart from advice.
    fn found(change: impl FnOnce(&mut About)) -> Vec<String> {
        let mut known: BTreeMap<String, About> = ["a", "b", "c"].map(|name| (name.to_owned(), well(name))).into();
        change(known.get_mut("b").unwrap());
        examined(&known, &BTreeMap::new())
    }

    fn examined(known: &BTreeMap<String, About>, silent: &BTreeMap<String, String>) -> Vec<String> {
        let conf = conf();
        let findings = examine(&Seen { conf: &conf, known, silent, now: NOW, configured: None, figures: None });
        let worse = findings.iter().filter(|finding| finding.severity != Severity::Advice);
        worse
            .map(|finding| {
                assert!(!finding.remedy.is_empty() && !finding.evidence.is_empty(), "{finding:?}");
                format!(
                    "{}{}: {}",
                    finding.rule,
                    finding.host.as_ref().map_or(String::new(), |host| format!("@{host}")),
                    finding.message
                )
            })
            .collect()
    }

    #[test]
    fn a_cluster_that_is_well_has_no_findings() {
        assert_eq!(found(|_| {}), Vec::<String>::new());
    }

    type Change = Box<dyn FnOnce(&mut About)>;

    #[test]
    fn each_fault_is_found_and_no_other() {
        let cases: Vec<(&str, Change)> = vec![
            ("versions: Corosync differs between the hosts", Box::new(|b| b.corosync = Some("3.0.1".into()))),
            ("versions: Systole differs between the hosts", Box::new(|b| b.systole = "0.2.0".into())),
            (
                "certificates@b: of the host agent ends in 2 days",
                Box::new(|b| b.certificates[0].1 = NOW as i64 / 1000 + 2 * 86_400 + 1),
            ),
            ("certificates@b: of the host agent has ended", Box::new(|b| b.certificates[0].1 = NOW as i64 / 1000)),
            (
                "firewall@b: ufw does not name 5406/udp",
                Box::new(|b| {
                    b.firewall = Some(wire::host::Firewall { what: "ufw".into(), closed: vec!["5406/udp".into()] });
                }),
            ),
            (
                "mtu: link 1 takes packets of different length",
                Box::new(|b| b.engine.as_mut().unwrap().nodes[2].mtus[1].1 = 1300),
            ),
            ("versions@b: Corosync is not installed", Box::new(|b| b.corosync = None)),
            ("files: the hosts have different files corosync.conf", Box::new(|b| b.files[0].sha256 = "t".into())),
            ("files: the hosts have different files authkey", Box::new(|b| b.files[1].sha256 = "t".into())),
            ("files@b: the authkey can be read by others than root", Box::new(|b| b.files[1].mode = 0o644)),
            (
                "files@b: there is no authkey",
                Box::new(|b| {
                    b.files.pop();
                }),
            ),
            (
                "engine@b: Corosync runs with version 2 of the configuration, its file has 1",
                Box::new(|b| {
                    b.engine.as_mut().unwrap().config_version = Some(2);
                }),
            ),
            (
                "engine@b: the token's time in force is 1000 ms, the file means 3650 ms",
                Box::new(|b| {
                    b.engine.as_mut().unwrap().token = Some(1000);
                }),
            ),
            ("links@b: link 1 to c is down", Box::new(|b| b.engine.as_mut().unwrap().nodes[2].links[1].1 = false)),
            ("services@b: systoled.service does not run", Box::new(|b| b.units[1].active = false)),
            (
                "services@b: corosync.service does not start at boot, and does on others",
                Box::new(|b| b.units[0].enabled = false),
            ),
            ("names@b: its own name leads to 127.0.1.1", Box::new(|b| b.resolved[0].1 = vec!["127.0.1.1".into()])),
            ("clocks@b: its clock differs by 30 s", Box::new(|b| b.clock += 30_000)),
            ("clocks@b: its clock differs by 2 s", Box::new(|b| b.clock -= 2_000)),
            ("clocks@b: no time service keeps its clock", Box::new(|b| b.clock_kept = Some(false))),
            ("space@b: /var/lib/corosync is 98 % full", Box::new(|b| b.free[0].1 = 2)),
            (
                "rest@b: operation x is neither settled nor undone",
                Box::new(|b| {
                    b.pending = Some(Pending { operation: "x".into(), active: true, whole: Default::default() });
                }),
            ),
        ];
        for (expected, change) in cases {
            assert_eq!(found(change), [expected]);
        }
    }

    #[test]
    fn a_witness_that_is_lost_is_told() {
        let words = ["model", "net", "host=10.0.0.9", "algorithm=lms"].map(str::to_owned);
        let with_device = crate::conf::device::add(&conf(), &words).unwrap();
        let told = |conf: &Conf, device: Option<(bool, bool)>| {
            let mut about = well("a");
            let engine = about.engine.as_mut().unwrap();
            engine.device = device.map(|(alive, casts)| EngineDevice { votes: 2, alive, casts });
            let (known, silent) = ([("a".to_owned(), about)].into(), BTreeMap::new());
            let findings =
                examine(&Seen { conf, known: &known, silent: &silent, now: NOW, configured: None, figures: None });
            let of_device = findings.into_iter().filter(|finding| finding.rule == "device");
            of_device.map(|finding| finding.message).collect::<Vec<_>>().concat()
        };
        assert_eq!(told(&with_device, Some((true, true))), "");
        assert_eq!(told(&conf(), None), "");
        assert!(told(&with_device, None).contains("has no quorum device"));
        assert!(told(&with_device, Some((true, false))).contains("the witness is lost"));
        assert!(told(&with_device, Some((false, false))).contains("is silent"));
        assert!(told(&conf(), Some((true, true))).contains("the configuration does not have"));
    }

    #[test]
    fn what_is_configured_is_looked_at() {
        let well = || Configured { fencing: true, devices: vec!["pdu".into()], ..Configured::default() };
        let moved =
            |ban, over| Moved { constraint: "cli-x".into(), resource: "web".into(), node: "a".into(), ban, over };
        let figures = Figures {
            hosts: ["a", "b", "c"].map(str::to_owned).to_vec(),
            pause_us: 4_000_000,
            paused: "b".into(),
            ..Figures::default()
        };
        let told = |configured: &Configured, figures: Option<&Figures>, watchdogs: [Option<&str>; 3]| {
            let conf = conf();
            let known = ["a", "b", "c"].into_iter().zip(watchdogs).map(|(name, watchdog)| {
                (name.to_owned(), About { watchdog: watchdog.map(str::to_owned), ..self::well(name) })
            });
            let (known, silent) = (known.collect(), BTreeMap::new());
            let seen =
                Seen { conf: &conf, known: &known, silent: &silent, now: NOW, configured: Some(configured), figures };
            let told = examine(&seen).into_iter().filter(|finding| !finding.rule.starts_with("corosync.conf"));
            let lines = told.map(|finding| {
                assert!(!finding.remedy.is_empty() && !finding.evidence.is_empty(), "{finding:?}");
                format!("{:?} {}", finding.severity, finding.message)
            });
            lines.collect::<Vec<_>>().join("; ")
        };
        let none = [None; 3];
        assert_eq!(told(&well(), None, none), "");
        assert_eq!(told(&Configured { fencing: false, ..well() }, None, none), "Error fencing is switched off");
        let bare = Configured { devices: Vec::new(), ..well() };
        assert_eq!(told(&bare, None, none), "Error no fence device is configured");
        let relied = Configured { watchdog_wait_ms: Some(10_000), ..bare.clone() };
        assert_eq!(told(&relied, None, [Some("iTCO_wdt"); 3]), "");
        assert_eq!(
            told(&relied, None, [Some("iTCO_wdt"), Some("Software Watchdog"), None]),
            "Error it has no watchdog, and one is relied on; Warning its watchdog is a program of its own kernel"
        );
        let soon = Configured { watchdog_wait_ms: Some(2_000), ..bare };
        assert!(told(&soon, None, [Some("x"); 3]).contains("relied on before the others miss its host"));
        assert_eq!(told(&well(), None, [Some("x"), None, Some("x")]), "Advice it has no watchdog, and others have");
        let unproved = Configured { unproved: vec!["pdu".into()], ..well() };
        assert_eq!(told(&unproved, None, none), "Warning nobody has seen that pdu cuts a node off");
        let held = Configured { held: vec![("b".into(), "too many".into())], ..well() };
        assert_eq!(told(&held, None, none), "Error its fencing is held");
        let unreached = Configured { not_run: vec!["remote node far is not run".into()], ..well() };
        assert_eq!(told(&unreached, None, none), "Warning remote node far is not run");
        let moves = Configured { moves: vec![moved(false, false), moved(true, false), moved(true, true)], ..well() };
        assert_eq!(
            told(&moves, None, none),
            "Warning web is bound to a; Warning web may not run on a; Advice a move of web by hand is over and still stands there"
        );
        assert_eq!(told(&well(), Some(&figures), none), "Warning a host that pauses as was measured is taken for lost");
        let others = Figures { hosts: vec!["x".into()], ..figures };
        assert_eq!(told(&well(), Some(&others), none), "", "other hosts' figures");
    }

    #[test]
    fn what_speaks_against_a_host_that_joins() {
        let known: BTreeMap<String, About> = ["a", "b", "c"].map(|name| (name.to_owned(), well(name))).into();
        let (conf, silent) = (conf(), BTreeMap::new());
        let seen = Seen { conf: &conf, known: &known, silent: &silent, now: NOW, configured: None, figures: None };
        let fresh = || About {
            engine: None,
            files: Vec::new(),
            remembers: false,
            addresses: vec!["10.0.0.4".into()],
            ..well("d")
        };
        let told = |about: &About| -> Vec<String> {
            join::joins(&seen, "d", about)
                .into_iter()
                .map(|finding| {
                    assert!(!finding.remedy.is_empty() && !finding.evidence.is_empty(), "{finding:?}");
                    finding.message
                })
                .collect()
        };
        assert_eq!(told(&fresh()), Vec::<String>::new());
        type Case = (&'static str, fn(&mut About));
        let cases: [Case; 9] = [
            ("the host calls itself x", |d| d.host = "x".into()),
            ("Corosync is not installed", |d| d.corosync = None),
            ("its Corosync is another one", |d| d.corosync = Some("2.4.2".into())),
            ("Corosync runs there: it is in a cluster", |d| d.engine = well("d").engine),
            ("it holds what an earlier cluster left", |d| d.remembers = true),
            ("it has no systoled.service", |d| d.units.clear()),
            ("10.0.0.1 is also an address of a", |d| d.addresses.push("10.0.0.1".into())),
            ("its clock differs by 30 s", |d| d.clock += 30_000),
            ("its own name leads to 127.0.1.1", |d| d.resolved[0].1 = vec!["127.0.1.1".into()]),
        ];
        for (expected, change) in cases {
            let mut about = fresh();
            change(&mut about);
            assert_eq!(told(&about).first().map(String::as_str), Some(expected));
        }
        assert!(join::joins(&seen, "a", &well("a"))[0].message.contains("a node of the cluster already"));
    }

    #[test]
    fn what_speaks_against_a_removal() {
        let mut known: BTreeMap<String, About> = ["a", "b", "c"].map(|name| (name.to_owned(), well(name))).into();
        let (conf, silent) = (conf(), BTreeMap::new());
        let told = |known: &BTreeMap<String, About>, name: &str| -> Vec<String> {
            let seen = Seen { conf: &conf, known, silent: &silent, now: NOW, configured: None, figures: None };
            join::leaves(&seen, name).into_iter().map(|finding| finding.message).collect()
        };
        assert!(told(&known, "c")[0].starts_with("2 nodes are left"));
        assert_eq!(told(&known, "x"), ["the cluster has no such node"]);
        known.get_mut("b").unwrap().engine = None;
        assert_eq!(told(&known, "c")[0], "without it the others have no quorum");
        assert!(told(&known, "b")[0].starts_with("2 nodes are left"));
    }

    #[test]
    fn a_lost_node_is_told_with_what_is_left() {
        let mut known: BTreeMap<String, About> = ["a", "b", "c"].map(|name| (name.to_owned(), well(name))).into();
        known.remove("c");
        for about in known.values_mut() {
            about.engine.as_mut().unwrap().nodes[2].member = false;
        }
        let silent = [("c".to_owned(), "no route".to_owned())].into();
        assert_eq!(
            examined(&known, &silent),
            [
                "silent@c: its host agent does not answer",
                "quorum: c is no member",
                "quorum: one more lost node stops the cluster"
            ]
        );
        let alone: BTreeMap<String, About> = known
            .into_iter()
            .map(|(name, mut about)| {
                about.engine.as_mut().unwrap().quorate = false;
                (name, about)
            })
            .collect();
        assert!(examined(&alone, &silent).iter().any(|line| line == "quorum@a: it has no quorum"));
    }
}
