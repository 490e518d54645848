//! What a plan changes, as `crm_simulate` prints it: a line for each node and resource, or XML. What changes is `outline`'s.

use outline::Summary;

use super::list::List;
use super::xml::Tree;

/// Writes it in columns that are wide enough for all of it.
pub fn write(summary: &Summary, list: &mut List) {
    for change in &summary.nodes {
        // A change that nobody gives a reason for is not worth a line.
        if let Some(reason) = &change.reason {
            list.item(&format!("{} {} '{reason}'", change.what, change.node));
        }
    }
    // A column that has to grow for a name takes two blanks more, so the order of names shows in its width.
    let mut name_width = 5;
    let mut detail_width = 5;
    for change in &summary.resources {
        if change.resource.len() > name_width {
            name_width = change.resource.len() + 2;
        }
        detail_width = detail_width.max(change.details.len());
    }
    for change in &summary.resources {
        let why = match (&change.reason, change.blocked) {
            (Some(reason), true) => format!("  due to {reason} (blocked)"),
            (Some(reason), false) => format!("  due to {reason}"),
            (None, true) => "  blocked".to_owned(),
            (None, false) => String::new(),
        };
        list.item(&format!(
            "{:<8}   {:<name_width$}   ( {:>detail_width$} ){why}",
            change.verb, change.resource, change.details
        ));
    }
}

/// Writes it as XML.
pub fn write_xml(summary: &Summary, tree: &mut Tree) {
    tree.begin("actions", &[]);
    for change in &summary.nodes {
        if let Some(reason) = &change.reason {
            tree.leaf("node_action", &[("task", &change.what), ("node", &change.node), ("reason", reason)]);
        }
    }
    for change in &summary.resources {
        let verb = change.verb.to_lowercase();
        let mut attributes = vec![("action", verb.as_str()), ("resource", &change.resource)];
        attributes.extend(change.places.iter().map(|(name, value)| (*name, value.as_str())));
        attributes.extend(change.reason.as_deref().map(|reason| ("reason", reason)));
        attributes.extend(change.blocked.then_some(("blocked", "true")));
        tree.leaf("rsc_action", &attributes);
    }
    tree.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use outline::{Change, NodeChange};

    #[test]
    fn columns_fit_all_of_it() {
        let change = |verb, resource: &str, details: &str, reason: Option<&str>, blocked| Change {
            verb,
            resource: resource.to_owned(),
            details: details.to_owned(),
            places: vec![("node", details.to_owned())],
            reason: reason.map(str::to_owned),
            blocked,
        };
        let summary = Summary {
            nodes: vec![
                NodeChange { what: "Fence (off)".into(), node: "a".into(), reason: Some("it is lost".into()) },
                NodeChange { what: "Shutdown".into(), node: "b".into(), reason: None },
            ],
            resources: vec![
                change("Start", "ip", "one", None, false),
                change("Move", "database", "one -> two", Some("standby"), false),
                change("Restart", "ip", "one", None, true),
                change("Stop", "ip", "one", Some("no quorum"), true),
            ],
        };
        let mut list = List::new();
        write(&summary, &mut list);
        assert_eq!(
            list.take(),
            "Fence (off) a 'it is lost'\n\
             Start      ip           (        one )\n\
             Move       database     ( one -> two )  due to standby\n\
             Restart    ip           (        one )  blocked\n\
             Stop       ip           (        one )  due to no quorum (blocked)\n"
        );
    }
}
