//! From what keepalived does on some hosts to a configuration of a cluster that does the same: what becomes of each line,
//! what has to be asked, and what cannot be.

mod address;
mod balancer;
mod engine;
mod health;
mod hooks;
mod items;
mod nfs;
mod object;
pub(crate) mod place;
mod questions;
mod servers;

use std::collections::{BTreeMap, BTreeSet};

use keepalived::pairs::{Conflict, conflicts};
use keepalived::{Model, Place, Severity};

use crate::configuration::{Configuration, Ids, Primitive, Resource};
use crate::unit::{Unit, units};
use crate::verdict::{Answers, Item, Mistake, Question};

pub use engine::Times;

/// Why there is no plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The host.
    pub host: String,
    /// Where.
    pub place: Place,
    /// What is wrong and what to do.
    pub message: String,
    /// The word it is about.
    pub word: String,
}

/// What more than keepalived's own is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wishes {
    /// A disk that is exported by NFS goes with the addresses.
    pub nfs: bool,
}

/// A plan.
#[derive(Clone, Debug)]
pub struct Plan<'m> {
    /// What moves as one.
    pub units: Vec<Unit<'m>>,
    /// The id of each unit's resource, in the same order; none if nothing is left of it.
    pub resources: Vec<Option<String>>,
    /// The new configuration.
    pub configuration: Configuration,
    /// The cluster engine's configuration.
    pub corosync: String,
    /// How long a failover takes.
    pub times: Times,
    /// What becomes of each line.
    pub items: Vec<Item>,
    /// What is asked.
    pub questions: Vec<Question>,
    /// Answers that are none.
    pub mistakes: Vec<Mistake>,
    /// What the files disagree on.
    pub conflicts: Vec<(String, Conflict)>,
    /// What to know beside.
    pub advice: Vec<String>,
    /// More files: by name.
    pub files: BTreeMap<String, String>,
}

impl Plan<'_> {
    /// Questions that nobody has answered. A plan that has any is not to be applied.
    pub fn open(&self) -> impl Iterator<Item = &Question> {
        self.questions.iter().filter(|question| question.is_open())
    }
}

/// What is put together.
struct Draft<'d, 'm> {
    hosts: &'m [(String, Model)],
    answers: &'d Answers,
    ids: Ids,
    configuration: Configuration,
    items: Vec<Item>,
    questions: Vec<Question>,
    advice: Vec<String>,
    files: BTreeMap<String, String>,
}

/// Makes the plan, or says for each reason why there is none.
pub fn plan<'m>(
    hosts: &'m [(String, Model)],
    answers: &Answers,
    wishes: &Wishes,
) -> Result<Box<Plan<'m>>, Vec<Refusal>> {
    let units = units(hosts);
    let refusals = refusals(hosts, &units);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut draft = Draft {
        hosts,
        answers,
        ids: Ids::default(),
        configuration: Configuration {
            nodes: hosts.iter().map(|(host, _)| host.clone()).collect(),
            ..Configuration::default()
        },
        items: Vec::new(),
        questions: Vec::new(),
        advice: Vec::new(),
        files: BTreeMap::new(),
    };
    items::all(&mut draft);
    questions::all(&mut draft, &units, wishes);
    let disagreements: Vec<(String, Conflict)> = units
        .iter()
        .flat_map(|unit| unit.routers.iter().map(move |router| (unit, router)))
        .flat_map(|(unit, router)| conflicts(router, hosts).into_iter().map(|one| (unit.name.clone(), one)))
        .collect();
    let attributes = health::clones(&mut draft, &units);
    let mut resources = Vec::new();
    for unit in &units {
        let id = unit_resource(&mut draft, unit, resources.is_empty() && wishes.nfs);
        if let Some(id) = &id {
            place::constraints(&mut draft, unit, id, &attributes);
        }
        resources.push(id);
    }
    hooks::mail(&mut draft, &units);
    servers::all(&mut draft, &units, &resources);
    let (corosync, times) = engine::all(&mut draft, &units);
    let mistakes = draft.answers.mistakes(&draft.questions);
    Ok(Box::new(Plan {
        units,
        resources,
        configuration: draft.configuration,
        corosync,
        times,
        items: draft.items,
        questions: draft.questions,
        mistakes,
        conflicts: disagreements,
        advice: draft.advice,
        files: draft.files,
    }))
}

/// All that runs for a unit, in the order of its start: what the addresses need, addresses, routes, rules, scripts.
fn unit_resource(draft: &mut Draft<'_, '_>, unit: &Unit<'_>, nfs: bool) -> Option<String> {
    let group = draft.ids.take(&unit.name);
    let mut members: Vec<Primitive> = Vec::new();
    if nfs {
        members.extend(nfs::members(draft));
    }
    members.extend(address::addresses(draft, unit));
    members.extend(object::objects(draft, unit));
    members.extend(hooks::hooks(draft, unit));
    let meta = place::meta(unit, members.len());
    let resource = match members.len() {
        0 => {
            draft.advice.push(format!(
                "{} has no address, route, rule or script: nothing is left of it, and it has no resource",
                unit.name
            ));
            return None;
        }
        1 => Resource::Primitive(members.remove(0), meta),
        _ => Resource::Group(group, members, meta),
    };
    let id = resource.id();
    draft.configuration.resources.push(resource);
    Some(id)
}

fn refusals(hosts: &[(String, Model)], units: &[Unit<'_>]) -> Vec<Refusal> {
    let mut found = Vec::new();
    for (host, model) in hosts {
        for note in model.notes.iter().filter(|note| note.severity == Severity::Error) {
            found.push(Refusal {
                host: host.clone(),
                place: note.place.clone(),
                message: note.message.clone(),
                word: note.word.clone(),
            });
        }
        let instances = model.instances.iter().any(|one| one.router_id > 0);
        let refuse =
            |place: Place, message: String| Refusal { host: host.clone(), place, message, word: String::new() };
        let servers = !model.servers.is_empty();
        if let (false, false, Some(instance)) = (instances || servers, found_for(&found, host), model.instances.first())
        {
            found.push(refuse(
                instance.place.clone(),
                "no instance here has a virtual_router_id, so keepalived starts none of them: there is nothing to take \
                 over; give them their router ids, or give the file that is in use"
                    .to_owned(),
            ));
        } else if !instances && !servers && !found_for(&found, host) {
            let known = model.defaults.statements.iter().chain(&model.rest).next();
            let place = known.map(|one| one.place.clone()).unwrap_or_default();
            found.push(refuse(
                place,
                "there is neither a vrrp_instance nor a virtual_server, so keepalived does nothing here: give the main \
                 file, with all it includes"
                    .to_owned(),
            ));
        }
    }
    for router in units.iter().flat_map(|unit| &unit.routers) {
        let mut seen = BTreeSet::new();
        for member in &router.members {
            if !seen.insert(member.host) {
                found.push(Refusal {
                    host: member.host.to_owned(),
                    place: member.instance.place.clone(),
                    message: format!(
                        "{} has a second instance with router id {} on the same interface: each takes the other's \
                         adverts for its own; give one of them another id",
                        member.host, router.id
                    ),
                    word: member.instance.name.clone(),
                });
            }
        }
    }
    found.extend(twice(units));
    found
}

fn found_for(found: &[Refusal], host: &str) -> bool {
    found.iter().any(|one| one.host == host)
}

/// Addresses that two units have.
fn twice(units: &[Unit<'_>]) -> Vec<Refusal> {
    let mut owners: BTreeMap<(String, Option<String>), &str> = BTreeMap::new();
    let mut found = Vec::new();
    for unit in units {
        let mut own = BTreeSet::new();
        for member in unit.instances() {
            for address in member.instance.addresses.iter().chain(&member.instance.excluded) {
                let key = (address.ip.to_string(), address.device.clone());
                match owners.get(&key) {
                    Some(other) if own.insert(key.clone()) => found.push(Refusal {
                        host: member.host.to_owned(),
                        place: address.place.clone(),
                        message: format!(
                            "{} is in {other} and in {} too: two masters may hold it at once; leave it in one of them",
                            address.ip, unit.name
                        ),
                        word: address.ip.to_string(),
                    }),
                    _ => {
                        own.insert(key);
                    }
                }
            }
        }
        for key in own {
            owners.entry(key).or_insert(&unit.name);
        }
    }
    found
}
