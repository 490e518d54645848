//! What only a person can decide, with what is taken if nobody does, and what follows from each answer.

use keepalived::pairs::conflicts;

use super::{Draft, Wishes};
use crate::unit::Unit;
use crate::verdict::{Question, Verdict};

impl Draft<'_, '_> {
    /// Asks, and gives what holds.
    pub(super) fn ask(&mut self, mut question: Question) -> String {
        let defaults = self.answers.defaults;
        let given = self.answers.get(&question.name).map(str::to_owned);
        question.answer = given.or_else(|| question.default.clone().filter(|_| defaults));
        let holds = question.holds().to_owned();
        self.questions.push(question);
        holds
    }

    /// What holds of a question that was asked; empty if it was not.
    pub(super) fn holds(&self, name: &str) -> &str {
        self.questions.iter().find(|question| question.name == name).map_or("", Question::holds)
    }

    fn choose(&mut self, name: &str, text: &str, choices: &[(&str, &str)]) -> String {
        let place = self.items.iter().find(|item| item.verdict == Verdict::Asked(name.to_owned()));
        let place = place.map(|item| (item.host.clone(), item.place.clone()));
        let default = choices.first().map(|(choice, _)| (*choice).to_owned());
        let choices = choices.iter().map(|(choice, then)| ((*choice).to_owned(), (*then).to_owned())).collect();
        self.ask(Question { name: name.to_owned(), text: text.to_owned(), choices, default, answer: None, place })
    }

    fn asked(&self, name: &str) -> bool {
        self.items.iter().any(|item| item.verdict == Verdict::Asked(name.to_owned()))
    }
}

/// Questions that a word raises: name, what is asked, choices, the first being the default.
type Raised = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const RAISED: &[Raised] = &[
    (
        "vmac",
        "Instances have an interface and a hardware address of their own. What about them?",
        &[
            (
                "plain",
                "the addresses are put on the interface below; neighbours learn of a move by gratuitous ARP, and see another hardware address after it. They are not taken over running: they move once",
            ),
            (
                "keep",
                "the addresses stay on the interface as it is called now; it has to be made on each host before, by the host's network configuration",
            ),
        ],
    ),
    (
        "static",
        "There are static addresses, routes or rules, which keepalived puts on each host and takes away when it ends. Who does it then?",
        &[
            (
                "network",
                "the host's own network configuration: the plan has the ip commands in static.HOST.sh; have them in place before keepalived goes",
            ),
            ("drop", "nobody: they are gone with keepalived"),
        ],
    ),
    (
        "bfd",
        "BFD sessions are tracked. There is no agent that asks one. What about them?",
        &[(
            "drop",
            "they are not tracked: a path that is lost while the link stays up moves nothing; Corosync notices only what cuts the hosts from each other",
        )],
    ),
    (
        "ipvs",
        "There is something for IPVS, virtual servers or their synchronization. Who does it then?",
        &[
            (
                "keep",
                "keepalived goes on for IPVS alone on each host, with keepalived-ipvs.HOST.conf, which has no instances; it is a clone of systemd:keepalived, and the addresses run where it runs",
            ),
            (
                "ldirectord",
                "ldirectord, on IPVS as before: the plan has ldirectord.HOST.cf, to be laid as /etc/ha.d/ldirectord.cf; a clone of its agent, and the addresses run where it runs. Scripts, quorum and hysteresis have no counterpart: the plan names what is lost",
            ),
            (
                "haproxy",
                "haproxy, a proxy: the plan has haproxy.HOST.cfg, to be laid as /etc/haproxy/haproxy.cfg; a clone of systemd:haproxy, and the addresses run where it runs. The servers see this host's address in place of the client's; UDP is left out",
            ),
            ("drop", "nobody: the virtual servers are gone with keepalived"),
        ],
    ),
    (
        "namespace",
        "keepalived works in a network namespace. Where do the addresses go?",
        &[("host", "to the host's own: the cluster, its agents and its addresses know no other one")],
    ),
    (
        "monitoring",
        "Something may read keepalived's states by SNMP or D-Bus. What about it?",
        &[("drop", "it finds nothing afterwards: point it to systole status --json or crm_mon")],
    ),
];

pub(super) fn all(draft: &mut Draft<'_, '_>, units: &[Unit<'_>], wishes: &Wishes) {
    for (name, text, choices) in RAISED {
        if draft.asked(name) {
            draft.choose(name, text, choices);
        }
    }
    for unit in units {
        of_unit(draft, unit);
    }
    if wishes.nfs {
        super::nfs::questions(draft);
    }
    fencing(draft);
}

fn of_unit(draft: &mut Draft<'_, '_>, unit: &Unit<'_>) {
    let hosts = draft.hosts;
    let found: Vec<_> = unit.routers.iter().flat_map(|router| conflicts(router, hosts)).collect();
    let has = |rule: &str| found.iter().find(|one| one.rule == rule);
    let name = &unit.name;
    if let Some(conflict) = has("missing") {
        let names: Vec<&str> = unit.contenders.iter().map(|one| one.host.as_str()).collect();
        let text =
            format!("{name} is only on {}. May its addresses run elsewhere? ({})", names.join(", "), conflict.message);
        draft.choose(
            &format!("where.{name}"),
            &text,
            &[
                ("stay", "no: they run on these hosts only, as today"),
                ("all", "yes: the other hosts take them when none of these can"),
            ],
        );
    }
    if let Some(conflict) = has("addresses").or_else(|| has("excluded")) {
        let text = format!("{} in {name}. Which are meant?", conflict.message);
        draft.choose(
            &format!("addresses.{name}"),
            &text,
            &[
                ("all", "all of them, on whatever host is active: none is gone after a failover"),
                ("common", "those that all hosts have; the others are left out"),
            ],
        );
    }
    let unknown = unit.contenders.iter().any(|one| one.address.is_none());
    let best = unit.contenders.iter().map(|one| one.priority).max();
    let equal: Vec<&str> =
        unit.contenders.iter().filter(|one| Some(one.priority) == best).map(|one| one.host.as_str()).collect();
    if equal.len() > 1 && unknown {
        let text = format!(
            "{} have the same priority in {name}; keepalived takes the one with the higher address of its own, which \
             the files do not tell. Which is it?",
            equal.join(" and ")
        );
        let choices: Vec<(&str, &str)> = equal.iter().map(|host| (*host, "it is preferred by one point")).collect();
        draft.choose(&format!("tie.{name}"), &text, &choices);
    }
    for rule in ["version", "timers", "authentication", "unicast", "peers"] {
        if let Some(conflict) = has(rule) {
            let text = format!(
                "{} in {name}; today: {}. Are these hosts meant to be one cluster?",
                conflict.message, conflict.today
            );
            draft.choose(
                &format!("one.{name}.{rule}"),
                &text,
                &[("yes", "they are: from then on one of them has the addresses, where today both may have them")],
            );
        }
    }
    if has("strangers").is_some() {
        let text =
            format!("{} in {name}. Are all hosts here?", has("strangers").map_or("", |one| one.message.as_str()));
        draft.choose(
            &format!("hosts.{name}"),
            &text,
            &[("yes", "the cluster has the given hosts; keepalived on any other one has to be stopped by hand first, or it takes the addresses")],
        );
    }
}

/// What keepalived never had.
fn fencing(draft: &mut Draft<'_, '_>) {
    let nodes = draft.configuration.nodes.len();
    if nodes < 2 {
        draft.advice.push(
            "Only one host's file was given: the plan is for a cluster of one, in which nothing can fail over. Give the \
             files of all hosts"
                .to_owned(),
        );
        return;
    }
    draft.choose(
        "fencing",
        "keepalived never cut a lost host off, so a host that hangs or loses its network may keep the addresses. Which \
         fence device cuts the hosts off?",
        &[
            ("none", "none, as under keepalived: stonith-enabled=false. A host that is lost and still alive keeps the addresses, and there are two; never do this with a disk that both can write"),
            ("<AGENT NAME=VALUE …>", "this one, for each host: %n stands for the host's name. A lost host is cut off before its addresses run elsewhere"),
        ],
    );
    if nodes == 2 {
        draft.choose(
            "quorum",
            "Two hosts cannot outvote each other. What if one does not hear the other?",
            &[
                ("two_node", "Corosync's two_node: each may go on alone, and with fencing the faster one cuts the other off; at the start each waits until it has seen the other"),
                ("ignore", "no-quorum-policy=ignore: WARNING, a host that is cut off takes the addresses, and starts without the other: as under keepalived, and as dangerous. Only with nothing but addresses"),
            ],
        );
    } else if nodes.is_multiple_of(2) {
        draft.advice.push(format!(
            "{nodes} hosts are an even number: if the network parts them in halves, none has quorum and the addresses \
             stop. A quorum device (corosync-qdevice) on a further host decides then"
        ));
    } else {
        draft.advice.push(format!(
            "{nodes} hosts: up to {} may be lost. keepalived ran on with a single one; a cluster without quorum stops its \
             addresses, since the others may be alive and have them",
            (nodes - 1) / 2
        ));
    }
}
