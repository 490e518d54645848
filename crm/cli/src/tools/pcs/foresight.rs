//! What the cluster would do with a CIB, for commands that look before they change anything: the plan is `policy`'s, and it
//! is carried out on paper as `crm_simulate` does it.

use std::collections::BTreeSet;

use ::pcs::foresight::{Foresight, State, Step};
use cib::Document;
use policy::Cluster;
use policy::model::{Role, RscFlags, RscId};

use crate::cluster::{self, View};
use crate::tools::crm_simulate;

/// What the cluster would do.
///
/// # Errors
/// Why that cannot be told.
pub fn of(cib: &Document) -> Result<Foresight, String> {
    let unknown = || "it cannot be told".to_owned();
    let (text, plan, after) = crm_simulate::foresee(cib).map_err(|failure| failure.message.unwrap_or_else(unknown))?;
    let actions = plan.transition.ids().map(|id| plan.transition.action(id));
    let mut actions: Vec<_> = actions.collect();
    actions.sort_by_key(|action| action.number);
    let steps = actions.into_iter().filter_map(|action| {
        let resource = action.resource.as_ref()?;
        Some(Step {
            resource: resource.id.clone(),
            instance: resource.long_id.clone().unwrap_or_else(|| resource.id.clone()),
            operation: action.operation.clone(),
            node: action.node.clone()?,
        })
    });
    Ok(Foresight { steps: steps.collect(), text, after })
}

/// How a resource is at the moment.
pub fn state(cib: &Document, resource: &str) -> Option<State> {
    let cluster = View::new(cib.clone()).cluster();
    let id = cluster::resource(&cluster, resource).ok()?;
    // The instances of a clone are resources of one name in the configuration.
    let xml_id = cluster.resource(id).xml_id.clone();
    let all = (0..cluster.resources.len()).map(|index| RscId(index as u32));
    let mut state = State { managed: true, places: BTreeSet::new() };
    for one in all.filter(|one| cluster.resource(*one).xml_id == xml_id) {
        gather(&cluster, one, &mut state);
    }
    Some(state)
}

fn gather(cluster: &Cluster, id: RscId, state: &mut State) {
    let resource = cluster.resource(id);
    if resource.is_primitive() {
        state.managed &= resource.is(RscFlags::MANAGED);
        // An instance of which nobody has asked yet whether it is promoted is not.
        let promotable = cluster.resource(cluster.top_of(id, false)).is(RscFlags::PROMOTABLE);
        let role = match resource.role {
            Role::Started if promotable => Role::Unpromoted,
            role => role,
        };
        let places = resource.active.iter().map(|node| (role.text().to_owned(), cluster.node(*node).name.clone()));
        state.places.extend(places);
    }
    for child in &resource.children {
        gather(cluster, *child, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    #[test]
    fn a_stop_is_foreseen_and_where_things_are_is_known() {
        let mut cib = cluster().document;
        let before = state(&cib, "web").unwrap();
        assert!(before.managed && before.places.len() == 1, "{before:?}");
        assert!(state(&cib, "nosuch").is_none());
        let web = ::pcs::tree::resource(&cib, "web").unwrap();
        let off = vec![("target-role".to_owned(), "Stopped".to_owned())];
        ::pcs::nvset::arrange(&mut cib, web, "meta_attributes", &off);
        let foresight = of(&cib).unwrap();
        assert!(foresight.less().contains("web"), "{:?}", foresight.steps);
        assert!(foresight.text.contains("Transition Summary:"), "{}", foresight.text);
        assert!(state(&foresight.after, "web").unwrap().places.is_empty());
    }
}
