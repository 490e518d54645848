//! What a plan would do, said for people and for programs.

use outline::{Change, Summary};
use policy::Plan;
use serde_json::{Value, json};
use transition::ActionKind;

use crate::output::list::List;

/// Whether a plan leaves everything as it is.
pub fn is_nothing(plan: &Plan) -> bool {
    plan.transition.ids().all(|id| plan.transition.action(id).kind == ActionKind::Pseudo)
}

/// Writes what a plan does under a title, or that it does nothing.
pub fn write(list: &mut List, plan: &Plan, title: &str) {
    let summary = Summary::of(&plan.cluster);
    if summary.nodes.is_empty() && summary.resources.is_empty() {
        list.plain(&format!("{title}: every resource stays as it is."));
        return;
    }
    list.begin(title);
    for change in &summary.nodes {
        list.item(&format!("{} {}{}", change.what, change.node, because(change.reason.as_deref(), false)));
    }
    let width = |of: fn(&Change) -> &str| summary.resources.iter().map(|change| of(change).len()).max().unwrap_or(0);
    let (verbs, names, places) =
        (width(|change| change.verb), width(|change| &change.resource), width(|change| &change.details));
    for change in &summary.resources {
        let why = because(change.reason.as_deref(), change.blocked);
        let (verb, name, place) = (change.verb, &change.resource, &change.details);
        list.item(format!("{verb:<verbs$}  {name:<names$}  {place:<places$}{why}").trim_end());
    }
    list.end();
}

fn because(reason: Option<&str>, blocked: bool) -> String {
    let reason = reason.map(|reason| format!("  because: {reason}")).unwrap_or_default();
    format!("{reason}{}", if blocked { "  (cannot be done now)" } else { "" })
}

/// What a plan does, for programs: an object for each change of a node or resource.
pub fn list(plan: &Plan) -> Vec<Value> {
    let summary = Summary::of(&plan.cluster);
    let nodes =
        summary.nodes.iter().map(|change| json!({"verb": change.what, "node": change.node, "reason": change.reason}));
    let resources = summary.resources.iter().map(|change| {
        json!({
            "verb": change.verb,
            "resource": change.resource,
            "details": change.details,
            "reason": change.reason,
            "blocked": change.blocked,
        })
    });
    nodes.chain(resources).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(view: &crate::cluster::View) -> String {
        let mut list = List::new();
        write(&mut list, &view.plan(), "What follows");
        list.take()
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let mut view = crate::commands::tests::cluster();
        assert_eq!(text(&view), "What follows: every resource stays as it is.\n");
        let known = view.cluster();
        let web = crate::cluster::resource(&known, "web").unwrap();
        crate::by_hand::prefer(&mut view.document, &crate::by_hand::Target::of(&known, web), "two");
        assert!(text(&view).contains("  * Move  web  one -> two\n"), "{}", text(&view));
    }
}
