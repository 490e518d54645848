//! What would have to change for a resource to run somewhere: single changes, the mildest first, are made in copies of
//! the CIB, and each copy is led to rest on paper. What is said to work was seen to work.

mod candidates;
mod edit;

use std::collections::BTreeSet;

use cib::Document;
use policy::model::RscId;
use policy::{Cluster, Plan};

use crate::all_failures::fencing::Fencing;
use crate::all_failures::in_parallel;
use crate::all_failures::service::{self, Outcome, Presence};
use crate::by_hand::{self, Target};
use crate::cluster::{self, View};
use crate::settle::settle;

use self::candidates::Candidate;

/// Candidates tried for one question. Each costs two or three plans; more than this many constraints on one resource
/// and its partners are not met in practice.
const MOST_TRIED: usize = 120;
/// Candidates tried at a time: enough to keep the processors busy, few enough to stop soon after the first that works.
const AT_A_TIME: usize = 4;

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing has to change: it runs there once what is planned is done.
    Nothing {
        /// It does so before anything is done.
        already: bool,
    },
    /// This change alone is enough.
    Change {
        /// What would have to be, as it follows after "if".
        what: String,
        /// What to type for it, if there is a command.
        command: Option<String>,
        /// What becomes of other services by it.
        besides: Vec<String>,
    },
    /// No change alone is enough, but this one is when the resource is moved by hand as well.
    ChangeAndMove {
        /// What would have to be, as it follows after "if".
        what: String,
        /// What to type for it, if there is a command.
        command: Option<String>,
        /// What to type then.
        then: String,
        /// What becomes of other services by it.
        besides: Vec<String>,
    },
    /// None of the changes tried is enough.
    NoSingleChange {
        /// How many were tried.
        tried: usize,
    },
}

/// Looks for the change after which the resource named `id` runs on `node`, or anywhere.
///
/// # Errors
/// When there is no resource of that name.
pub fn find(view: &View, plan: &Plan, id: &str, node: Option<&str>) -> anyhow::Result<Answer> {
    let goal = Goal::of(&plan.cluster, id, node)?;
    let rest = |view: View| {
        let fencing = Fencing::of(&view.document, &plan.cluster);
        settle(view, &|node| fencing.can_fence(node, &BTreeSet::new())).last.cluster
    };
    let before = rest(view.clone());
    if goal.is_reached(&before) {
        return Ok(Answer::Nothing { already: goal.is_reached(&plan.cluster) });
    }
    let mut candidates = candidates::all(view, plan, &before, id, node);
    candidates.truncate(MOST_TRIED);
    let try_with = |change: &(dyn Fn(&mut Document) + Sync)| {
        for some in candidates.chunks(AT_A_TIME) {
            let ends = in_parallel(some, |candidate| {
                let mut document = candidate.document.clone();
                change(&mut document);
                let after = rest(view.with(document));
                goal.is_reached(&after).then(|| besides(&before, &after, &goal))
            });
            let works = some.iter().zip(ends).find_map(|(candidate, end)| Some((candidate, end?)));
            if works.is_some() {
                return works;
            }
        }
        None
    };
    if let Some((Candidate { what, command, .. }, besides)) = try_with(&|_| ()) {
        return Ok(Answer::Change { what: what.clone(), command: command.clone(), besides });
    }
    let target = Target::of(&plan.cluster, cluster::resource(&plan.cluster, id)?);
    if let Some(node) = node.filter(|_| is_single(&plan.cluster, target.id)) {
        let moved = |document: &mut Document| {
            by_hand::prefer(document, &target, node);
        };
        if let Some((Candidate { what, command, .. }, besides)) = try_with(&moved) {
            let then = format!("systole move {} {node}", target.name);
            return Ok(Answer::ChangeAndMove { what: what.clone(), command: command.clone(), then, besides });
        }
    }
    Ok(Answer::NoSingleChange { tried: candidates.len() })
}

/// Whether a resource is in one place at a time, so that it can be moved by hand.
fn is_single(cluster: &Cluster, id: RscId) -> bool {
    let resource = cluster.resource(id);
    !resource.is_clone() && !resource.is_bundle()
}

/// What is asked for.
struct Goal {
    /// The resource; of an instance of a clone, the clone: any instance will do.
    resource: String,
    /// The service it belongs to.
    service: String,
    node: Option<String>,
}

impl Goal {
    fn of(cluster: &Cluster, id: &str, node: Option<&str>) -> anyhow::Result<Goal> {
        let id = cluster::resource(cluster, id)?;
        let top = cluster.top_of(id, true);
        let many = cluster.resource(top).is_clone() || cluster.resource(top).is_bundle();
        Ok(Goal {
            resource: cluster.resource(if many { top } else { id }).id.clone(),
            service: cluster.resource(top).id.clone(),
            node: node.map(str::to_owned),
        })
    }

    fn is_reached(&self, cluster: &Cluster) -> bool {
        let Some(id) = cluster.find_resource(&self.resource) else { return false };
        let Presence { up, nodes, .. } = service::presence(cluster, id);
        up && self.node.as_ref().is_none_or(|node| nodes.contains_key(node))
    }
}

/// What becomes of the services that the question was not about.
fn besides(before: &Cluster, after: &Cluster, goal: &Goal) -> Vec<String> {
    let mut besides = Vec::new();
    for top in &before.top {
        let name = &before.resource(*top).id;
        if *name == goal.service || !service::is_service(before, *top) {
            continue;
        }
        let Some(then) = after.find_resource(name) else { continue };
        let (was, is) = (service::presence(before, *top), service::presence(after, then));
        let outcome = Outcome::of(&was, &is, 0, String::new);
        match outcome {
            Outcome::Untouched => {}
            Outcome::Lost { .. } => besides.push(format!("{name} would stop")),
            Outcome::Moved { .. } if was.nodes.is_empty() => {
                besides.push(format!("{name} would start on {}", is.places()))
            }
            Outcome::Moved { to } => besides.push(format!("{name} would run on {to}")),
            Outcome::PromotedElsewhere { to } => besides.push(format!("{name} would be promoted on {to}")),
            Outcome::Fewer { left, .. } => besides.push(format!("{name} would run on {left} only")),
            Outcome::Restarted | Outcome::Unnoticed => {}
        }
    }
    besides
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::CLUSTER;

    /// A question to the example cluster after some of its text was replaced.
    fn ask(changes: &[(&str, &str)], id: &str, node: Option<&str>) -> String {
        let mut text = CLUSTER.to_owned();
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replacen(old, new, 1);
        }
        let view = View::new(cib::Document::parse(&text).unwrap());
        match find(&view, &view.plan(), id, node).unwrap() {
            Answer::Nothing { already } => format!("nothing, already: {already}"),
            Answer::Change { what, command, besides } => {
                let command = command.map(|command| format!(" `{command}`")).unwrap_or_default();
                format!("{what}{command}; {besides:?}")
            }
            Answer::ChangeAndMove { what, then, .. } => format!("{what}, and `{then}`"),
            Answer::NoSingleChange { .. } => "no single change".to_owned(),
        }
    }

    fn constraint(xml: &str) -> (&'static str, String) {
        ("<constraints/>", format!("<constraints>{xml}</constraints>"))
    }

    #[test]
    fn the_mildest_change_that_works_is_named() {
        assert_eq!(ask(&[], "web", Some("one")), "nothing, already: true");
        assert_eq!(ask(&[], "web", Some("two")), "it were moved there by hand `systole move web two`; []");
        assert_eq!(
            ask(&[], "web", Some("three")),
            "node three were no longer in standby, and `systole move web three`",
            "it would stay for its stickiness"
        );
        assert_eq!(ask(&[], "idle", None), "the target-role of idle were Started; []");
        assert!(
            ask(&[], "ping-clone", Some("three"))
                .starts_with("node three were no longer in standby `systole unstandby three`")
        );
    }

    #[test]
    fn constraints_and_failures() {
        let (old, both) = constraint(
            "<rsc_location id='a' rsc='web' node='one' score='-INFINITY'/>\
             <rsc_location id='cli-ban-web-on-two' rsc='web' node='two' score='-INFINITY'/>",
        );
        let banned = ask(&[(old, &both)], "web", None);
        assert_eq!(banned, "what was moved by hand were taken back `systole clear web`; []");
        let (old, never) =
            constraint("<rsc_location id='a' rsc='web' rsc-role='Started' node='two' score='-INFINITY'/>");
        let on_two = ask(&[(old, &never)], "web", Some("two"));
        assert_eq!(
            on_two, "constraint a were removed (web on two -INFINITY), and `systole move web two`",
            "moved by hand alone, minus infinity wins"
        );
        let (old, with) = constraint("<rsc_colocation id='c' rsc='web' with-rsc='idle' score='INFINITY'/>");
        let alone = ask(&[(old, &with)], "web", None);
        assert!(alone.starts_with("the target-role of idle were Started"), "{alone}");
        let count = ("fail-count-db#monitor_10000\" value=\"1\"", "fail-count-db#monitor_10000\" value=\"INFINITY\"");
        let failed = ask(
            &[
                count,
                (
                    "<constraints/>",
                    "<constraints><rsc_location id='n' rsc='services' node='one' score='-INFINITY'/></constraints>",
                ),
            ],
            "services",
            None,
        );
        assert_eq!(failed, "the failures of db were forgotten `systole cleanup db`; []");
    }

    #[test]
    fn the_cluster_as_a_whole() {
        let quorum = ("have-quorum=\"1\"", "have-quorum=\"0\"");
        assert_eq!(
            ask(&[quorum], "web", None),
            "this partition had quorum; [\"services would start on two\", \"ping-clone would start on one, two\"]"
        );
        let fencing = ("stonith-enabled\" value=\"false", "stonith-enabled\" value=\"true");
        let target = ("name=\"target-role\" value=\"Stopped\"", "name=\"target-role\" value=\"Started\"");
        let text = ask(&[fencing, target], "idle", None);
        assert!(text.starts_with("there were a fence device"), "{text}");
    }
}
