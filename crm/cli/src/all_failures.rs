//! What a failure would do: everything that can fail does, one after the other or two at a time, each in a copy of the
//! cluster that is then led to rest on paper.

mod fault;
pub mod fencing;
mod report;
pub mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use policy::model::RscId;
use policy::{Cluster, Plan};

use self::fault::Fault;
use self::fencing::Fencing;
use self::report::{Case, Service};
use self::service::{Outcome, Presence};
use crate::cluster::View;
use crate::settle::{Settled, settle};
use crate::{explain, names};

pub use self::report::Report;

/// Lets everything fail that can. `may_lose` names services that may be lost; with `pairs`, two things fail in the same
/// moment as well.
///
/// # Errors
/// When `may_lose` names what is no service.
pub fn try_all(view: &View, pairs: bool, may_lose: &[String]) -> anyhow::Result<Report> {
    let ground = Ground::of(view);
    for name in may_lose {
        if !ground.services.iter().any(|service| service.name == *name) {
            return Err(names::unknown("service", name, ground.services.iter().map(|service| &*service.name)));
        }
    }
    let faults = fault::all(&ground.view, &ground.cluster, &ground.fencing);
    let mut struck: Vec<Vec<&Fault>> = faults.iter().map(|fault| vec![fault]).collect();
    if pairs {
        struck.extend(both(&faults));
    }
    let cases = in_parallel(&struck, |faults| ground.case(faults));
    let services = ground.services.into_iter().map(|mut service| {
        service.may_lose = may_lose.contains(&service.name);
        service
    });
    Ok(Report { services: services.collect(), cases })
}

/// All pairs that are more than their parts: what runs on a node is lost with the node anyway.
fn both(faults: &[Fault]) -> Vec<Vec<&Fault>> {
    let mut pairs = Vec::new();
    for (at, one) in faults.iter().enumerate() {
        for two in &faults[at + 1..] {
            let together = matches!((one, two), (Fault::Node(lost), Fault::Resource { node, .. }) if lost == node);
            if !together {
                pairs.push(vec![one, two]);
            }
        }
    }
    pairs
}

/// Works through all items with as many threads as there are processors; answers stand in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len().max(1));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The cluster at rest, before anything fails.
struct Ground {
    view: View,
    cluster: Cluster,
    fencing: Fencing,
    services: Vec<Service>,
    before: Vec<Presence>,
    /// The service a name in a history belongs to.
    owners: BTreeMap<String, usize>,
}

impl Ground {
    fn of(view: &View) -> Ground {
        let found = view.cluster();
        let fencing = Fencing::of(&view.document, &found);
        let Settled { view, last, .. } = settle(view.clone(), &|node| fencing.can_fence(node, &BTreeSet::new()));
        let cluster = last.cluster;
        let (mut services, mut before, mut owners) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut explained = None;
        // Planning may deal with what is important first: services stand as they are configured.
        for top in found.top.iter().map(|top| &found.resource(*top).id) {
            let Some(top) = cluster.find_resource(top).filter(|top| service::is_service(&cluster, *top)) else {
                continue;
            };
            let presence = service::presence(&cluster, top);
            let wanted = service::is_wanted(&cluster, top);
            let down = (wanted && !presence.up).then(|| {
                let plan = explained.get_or_insert_with(|| view.plan());
                why_lost(plan, &presence, &BTreeSet::new())
            });
            for primitive in service::primitives(&cluster, top) {
                let resource = cluster.resource(primitive);
                let names = [Some(&resource.id), Some(&resource.xml_id), resource.history_id.as_ref()];
                owners.extend(names.into_iter().flatten().map(|name| (name.clone(), services.len())));
            }
            let name = cluster.resource(top).xml_id.clone();
            services.push(Service { name, counts: wanted || presence.up, may_lose: false, down });
            before.push(presence);
        }
        Ground { view, cluster, fencing, services, before, owners }
    }

    fn case(&self, faults: &[&Fault]) -> Case {
        let broken: BTreeSet<&str> =
            faults.iter().filter_map(|fault| if let Fault::Device(id) = fault { Some(&**id) } else { None }).collect();
        let struck = fault::strike(&self.view, &self.cluster, faults);
        let settled = settle(struck, &|node| self.fencing.can_fence(node, &broken));
        let mut steps = vec![0; self.services.len()];
        for step in &settled.steps {
            if let Some(service) = step.resource.as_ref().and_then(|name| self.owners.get(name)) {
                steps[*service] += 1;
            }
        }
        let unnoticed: BTreeSet<usize> = faults.iter().filter_map(|fault| self.unnoticed(fault)).collect();
        let end = &settled.last.cluster;
        let tops: BTreeMap<&str, RscId> = end.top.iter().map(|top| (&*end.resource(*top).id, *top)).collect();
        let mut explained = None;
        let mut outcomes = Vec::new();
        for (at, service) in self.services.iter().enumerate() {
            let Some(top) = tops.get(&*service.name).copied() else { continue };
            let after = service::presence(&settled.last.cluster, top);
            let mut outcome = Outcome::of(&self.before[at], &after, steps[at], || {
                let plan = explained.get_or_insert_with(|| settled.view.plan());
                why_lost(plan, &after, &settled.unfenced)
            });
            if outcome == Outcome::Untouched && unnoticed.contains(&at) {
                outcome = Outcome::Unnoticed;
            }
            if outcome != Outcome::Untouched && (service.counts || outcome != Outcome::Restarted) {
                outcomes.push((at, outcome, steps[at]));
            }
        }
        Case {
            fails: faults.iter().map(ToString::to_string).collect(),
            outcomes,
            steps: settled.steps.len(),
            quiet: settled.quiet,
            inquorate: self.cluster.quorate && !settled.last.cluster.quorate,
            unfenced: settled.unfenced.into_iter().collect(),
        }
    }

    /// The service in which nobody would see this failure.
    fn unnoticed(&self, fault: &Fault) -> Option<usize> {
        match fault {
            Fault::Resource { name, interval_ms: None, .. } => self.owners.get(name).copied(),
            _ => None,
        }
    }
}

/// Why a service does not run, in a few words.
fn why_lost(plan: &Plan, presence: &Presence, unfenced: &BTreeSet<String>) -> String {
    let cluster = &plan.cluster;
    if !unfenced.is_empty() && !presence.missing.is_empty() {
        let nodes: Vec<&str> = unfenced.iter().map(String::as_str).collect();
        return format!("it waits until {} is fenced, and nothing can fence it", nodes.join(", "));
    }
    let reason = |id: &RscId| {
        let name = &cluster.resource(*id).id;
        explain::why_stopped(plan, *id).map(|why| format!("{name}: {why}"))
    };
    let reasons: Vec<String> = presence.missing.iter().filter_map(reason).collect();
    reasons.into_iter().next().unwrap_or_else(|| "it is failed, and left as it is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    #[test]
    fn every_failure_of_a_small_cluster() {
        let report = try_all(&cluster(), false, &[]).unwrap();
        let text = report.text();
        assert!(text.contains("node one   "), "{text}");
        assert_eq!(report.cases.len(), 8, "{text}");
        assert!(report.lost().is_empty(), "{text}");
        assert!(text.contains("web moves to two"), "{text}");
        assert!(text.contains("web restarts where it is"), "{text}");
        assert!(text.contains("ping-clone no longer on one, still on two"), "{text}");
    }

    #[test]
    fn two_failures_lose_what_one_does_not() {
        let report = try_all(&cluster(), true, &["web".into()]).unwrap();
        assert_eq!(report.lost(), ["services", "ping-clone"], "{}", report.text());
        let text = report.text();
        assert!(text.contains("those who are left have no quorum"), "{text}");
    }

    #[test]
    fn a_wrong_name_is_refused() {
        let error = try_all(&cluster(), false, &["wbe".into()]).unwrap_err().to_string();
        assert!(error.contains("did you mean 'web'?"), "{error}");
    }

    #[test]
    fn threads_keep_the_order() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(in_parallel(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!(in_parallel(&Vec::<usize>::new(), |item| *item).is_empty());
    }
}
