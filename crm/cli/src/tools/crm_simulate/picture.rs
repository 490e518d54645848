//! The picture of a whole plan: with what was considered and will not be done.

use policy::Cluster;
use policy::model::{ActFlags, Action, OrderFlags, RscFlags};
use transition::dot::{Arrow, Fate, Mark, Picture};

/// Draws the plan. `all` draws what need not be done and what is not ours to do as well, `numbers` adds the numbers of
/// actions to their names.
pub fn of(cluster: &Cluster, all: bool, numbers: bool) -> Picture {
    let mut picture = Picture::default();
    let mut drawn = vec![false; cluster.actions.len()];
    let name = |action: &Action| match numbers {
        true => format!("{} ({})", name(cluster, action), action.number),
        false => name(cluster, action),
    };
    // What was decided last stands first, as in the transition.
    for (index, action) in cluster.actions.iter().enumerate().rev() {
        let fate = fate(cluster, action);
        if matches!(fate, Fate::Unmanaged | Fate::Optional) && !all {
            continue;
        }
        drawn[index] = true;
        picture.marks.push(Mark { name: name(action), fate, pseudo: action.is(ActFlags::PSEUDO) });
    }
    for (index, action) in cluster.actions.iter().enumerate().rev() {
        for related in &action.before {
            let both_drawn = drawn[index] && drawn[related.action.index()];
            let counts = related.flags != OrderFlags::IF_ON_SAME_NODE_OR_TARGET;
            let shown = related.graphed || (related.flags != OrderFlags::NONE && (all || (both_drawn && counts)));
            if shown {
                let first = name(cluster.action(related.action));
                picture.arrows.push(Arrow { first, then: name(action), planned: related.graphed });
            }
        }
    }
    picture
}

fn fate(cluster: &Cluster, action: &Action) -> Fate {
    let managed = action.resource.is_none_or(|resource| cluster.resource(resource).is(RscFlags::MANAGED));
    match (action.is(ActFlags::ADDED_TO_GRAPH), managed, action.required()) {
        (true, ..) => Fate::Planned,
        (false, false, _) => Fate::Unmanaged,
        (false, true, false) => Fate::Optional,
        (false, true, true) => Fate::Impossible,
    }
}

fn name(cluster: &Cluster, action: &Action) -> String {
    let node = match action.node {
        Some(node) => Some(cluster.node(node).name.as_str()),
        None if action.is(ActFlags::PSEUDO) => None,
        None => Some("<none>"),
    };
    let meta = |name: &str| action.meta.get(name).unwrap_or_default();
    let (prefix, task) = match &action.cancel_task {
        Some(task) if action.task == "cancel" => ("Cancel ", task.as_str()),
        _ => ("", &*action.task),
    };
    let resource = action.resource.map(|resource| cluster.resource(resource));
    let what = match resource.and_then(|resource| resource.history_id.as_deref()) {
        Some(id) if matches!(&*action.task, "notify" | "notified") => {
            format!("{id}_{}_notify_{}_0", meta("notify_key_type"), meta("notify_key_operation"))
        }
        Some(id) => format!("{id}_{task}_{}", meta("interval").parse().unwrap_or(0u32)),
        None if action.task == "stonith" => format!("{} '{}'", action.task, meta("stonith_action")),
        None if resource.is_none() && node.is_some() => action.task.clone().into_owned(),
        None => action.key.clone(),
    };
    match node {
        Some(node) => format!("{prefix}{what} {node}"),
        None => format!("{prefix}{what}"),
    }
}
