//! What moves as one: a virtual router, or those that a sync group holds together. Who contends for it on which host,
//! and with what, is said here once; the rules of the new cluster and the proof that they do the same are both made of
//! it.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use keepalived::Model;
use keepalived::model::{Instance, SyncGroup};
use keepalived::pairs::{Member, Router, routers};
use keepalived::statement::Statement;

/// The priority of an address's owner, which nothing changes.
const OWNER: u8 = 255;

/// Something that is watched on each host.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Watched {
    /// The link of an interface.
    Interface(String),
    /// A script.
    Script(String),
    /// Processes.
    Process(String),
    /// A number in a file.
    File(String),
}

impl Watched {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Watched::Interface(name) | Watched::Script(name) | Watched::Process(name) | Watched::File(name) => name,
        }
    }

    /// What it is, in words.
    pub fn describe(&self) -> String {
        match self {
            Watched::Interface(name) => format!("link of {name}"),
            Watched::Script(name) => format!("script {name}"),
            Watched::Process(name) => format!("process {name}"),
            Watched::File(name) => format!("file {name}"),
        }
    }
}

/// What it does to a contender when it is bad.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The contender is out.
    Fault,
    /// Points: given while it is good, or taken while it is bad, if below zero.
    Weight(i32),
    /// The file's number times this counts.
    Times(i32),
}

/// A watched thing, and what it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watch {
    /// What is watched.
    pub what: Watched,
    /// What it does.
    pub effect: Effect,
    /// Whether good counts as bad.
    pub reverse: bool,
}

/// A host that contends.
#[derive(Clone, PartialEq, Debug)]
pub struct Contender {
    /// The host.
    pub host: String,
    /// Priority before anything is counted.
    pub priority: u8,
    /// Whether it stays backup though it could be master.
    pub nopreempt: bool,
    /// The address its adverts come from, if the file says so: of equal priorities the higher one wins.
    pub address: Option<IpAddr>,
    /// What it watches.
    pub watches: Vec<Watch>,
}

/// What moves as one.
#[derive(Clone, Debug)]
pub struct Unit<'m> {
    /// Its name.
    pub name: String,
    /// The routers in it.
    pub routers: Vec<Router<'m>>,
    /// The sync groups of the hosts that hold them together.
    pub groups: Vec<(&'m str, &'m SyncGroup)>,
    /// Who contends, in the hosts' order.
    pub contenders: Vec<Contender>,
}

/// All units, in the order of the first host's file.
pub fn units(hosts: &[(String, Model)]) -> Vec<Unit<'_>> {
    let routers = routers(hosts);
    let mut parent: Vec<usize> = (0..routers.len()).collect();
    let of = |host: &str, name: &str| {
        routers.iter().position(|one| one.members.iter().any(|m| m.host == host && m.instance.name == name))
    };
    for (host, model) in hosts {
        for group in &model.groups {
            let members: Vec<usize> = group.members.iter().filter_map(|name| of(host, name)).collect();
            for pair in members.windows(2) {
                let (one, other) = (root(&parent, pair[0]), root(&parent, pair[1]));
                parent[one.max(other)] = one.min(other);
            }
        }
    }
    let mut sets: BTreeMap<usize, Vec<Router<'_>>> = BTreeMap::new();
    for (number, router) in routers.into_iter().enumerate() {
        sets.entry(root(&parent, number)).or_default().push(router);
    }
    let mut units: Vec<Unit<'_>> = sets.into_values().map(|routers| unit(routers, hosts)).collect();
    units.sort_by_cached_key(|unit| {
        let members = unit.routers.iter().flat_map(|router| &router.members);
        members
            .map(|member| (hosts.iter().position(|(host, _)| host == member.host), member.instance.place.clone()))
            .min()
    });
    units
}

fn root(parent: &[usize], mut at: usize) -> usize {
    while parent[at] != at {
        at = parent[at];
    }
    at
}

fn unit<'m>(mut routers: Vec<Router<'m>>, hosts: &'m [(String, Model)]) -> Unit<'m> {
    let position = |member: &Member<'_>| hosts.iter().position(|(host, _)| host == member.host);
    for router in &mut routers {
        router.members.sort_by_key(|member| position(member));
    }
    let first_place =
        |router: &Router<'_>| router.members.first().map(|member| (position(member), member.instance.place.clone()));
    routers.sort_by_cached_key(first_place);
    let mut groups = Vec::new();
    let mut contenders = Vec::new();
    for (host, model) in hosts {
        let here: Vec<&Instance> = routers
            .iter()
            .flat_map(|router| router.members.iter().filter(|member| member.host == host))
            .map(|member| member.instance)
            .collect();
        let Some(first) = here.first() else { continue };
        let of_host: Vec<&SyncGroup> = model
            .groups
            .iter()
            .filter(|group| group.members.iter().any(|name| here.iter().any(|one| one.name == *name)))
            .collect();
        let watches = watches(&here, &of_host, model);
        groups.extend(of_host.iter().map(|group| (host.as_str(), *group)));
        contenders.push(Contender {
            host: host.clone(),
            priority: first.priority,
            nopreempt: here.iter().all(|one| one.nopreempt),
            address: first.source,
            watches,
        });
    }
    let name = match groups.first() {
        Some((_, group)) if !group.name.is_empty() => group.name.clone(),
        _ => routers[0].members[0].instance.name.clone(),
    };
    Unit { name, routers, groups, contenders }
}

/// All that the instances of one host watch. In a sync group weights do not count, unless it says so: what is bad is bad
/// for the whole group.
fn watches(instances: &[&Instance], groups: &[&SyncGroup], model: &Model) -> Vec<Watch> {
    let says = |group: &SyncGroup, word: &str| group.statement.block.iter().any(|one| one.word() == word);
    let weights =
        groups.iter().all(|group| says(group, "global_tracking") || says(group, "sync_group_tracking_weight"));
    let mut found: Vec<Watch> = Vec::new();
    let mut add = |watch: Watch| {
        if !found.contains(&watch) {
            found.push(watch);
        }
    };
    for instance in instances {
        if let (Some(interface), false) = (&instance.interface, instance.dont_track_primary) {
            add(Watch { what: Watched::Interface(interface.clone()), effect: Effect::Fault, reverse: false });
        }
        let owner = instance.priority == OWNER;
        for (kind, list) in &instance.tracked {
            for one in list {
                if let Some(watch) = watch(kind, &one.name, one.weight, one.reverse, model) {
                    let watch = if weights { watch } else { Watch { effect: Effect::Fault, ..watch } };
                    // An owner's priority is never changed.
                    if !(owner && watch.effect != Effect::Fault) {
                        add(watch);
                    }
                }
            }
        }
    }
    for group in groups {
        for block in &group.statement.block {
            for line in &block.block {
                let weight = line.words.iter().position(|word| word == "weight");
                let weight = weight.and_then(|at| line.argument(at + 1)).and_then(|text| text.parse().ok());
                let reverse = line.words.iter().any(|word| word == "reverse");
                if let Some(watch) = watch(block.word(), line.word(), weight, reverse, model) {
                    add(if weights { watch } else { Watch { effect: Effect::Fault, ..watch } });
                }
            }
        }
    }
    found
}

fn watch(kind: &str, name: &str, weight: Option<i32>, reverse: bool, model: &Model) -> Option<Watch> {
    let (what, own, inverted) = match kind {
        "track_interface" => (Watched::Interface(name.to_owned()), 0, false),
        "track_script" => {
            let script = model.scripts.iter().find(|script| script.name == name)?;
            (Watched::Script(name.to_owned()), script.weight, script.reverse)
        }
        "track_process" => {
            let block = block(model, &["vrrp_track_process"], name)?;
            (Watched::Process(name.to_owned()), number(block, "weight").unwrap_or(0), false)
        }
        "track_file" => {
            let block = block(model, &["track_file", "vrrp_track_file"], name)?;
            (Watched::File(name.to_owned()), number(block, "weight").unwrap_or(1), false)
        }
        _ => return None,
    };
    let weight = weight.unwrap_or(own).clamp(-254, 254);
    let effect = match (&what, weight) {
        (_, 0) => Effect::Fault,
        (Watched::File(_), weight) => Effect::Times(weight),
        (_, weight) => Effect::Weight(weight),
    };
    Some(Watch { what, effect, reverse: reverse != inverted })
}

/// A block of this name outside of instances.
pub(crate) fn block<'m>(model: &'m Model, words: &[&str], name: &str) -> Option<&'m Statement> {
    model.rest.iter().find(|one| words.contains(&one.word()) && one.argument(1) == Some(name))
}

/// The number behind a word in a block.
pub(crate) fn number(block: &Statement, word: &str) -> Option<i32> {
    block.block.iter().find(|one| one.word() == word)?.argument(1)?.parse().ok()
}

impl Unit<'_> {
    /// All instances in it, with their hosts.
    pub fn instances(&self) -> impl Iterator<Item = &Member<'_>> {
        self.routers.iter().flat_map(|router| &router.members)
    }

    /// All that is watched for it.
    pub fn watched(&self) -> BTreeSet<Watched> {
        self.contenders.iter().flat_map(|one| &one.watches).map(|watch| watch.what.clone()).collect()
    }

    /// Whether what runs stays where it is.
    pub fn stays(&self) -> bool {
        self.contenders.iter().all(|one| one.nopreempt)
    }

    /// Of equal priorities who wins, best first: by the addresses of the hosts where the files tell them, else in the
    /// hosts' order; a host that was answered comes first.
    pub fn ranks(&self, first: Option<&str>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.contenders.len()).collect();
        if self.contenders.iter().all(|one| one.address.is_some()) {
            order.sort_by_key(|at| std::cmp::Reverse(self.contenders[*at].address));
        }
        if let Some(at) = order.iter().position(|at| Some(self.contenders[*at].host.as_str()) == first) {
            let winner = order.remove(at);
            order.insert(0, winner);
        }
        order
    }
}
