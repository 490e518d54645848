//! Constraints made by hand: `cli-prefer-RESOURCE` and `cli-ban-RESOURCE-on-NODE`, made, and taken away again.

use cib::{Document, Element, date, duration};
use policy::model::{NodeId, Role, RscFlags, RscId};

use super::super::report::Report;
use super::super::status::{self, Failure};
use super::super::store::Store;
use super::list::places;
use super::{Subject, usage};

/// What is constrained.
struct Constraint {
    resource: String,
    role: &'static str,
    promotable: bool,
    /// Until when it counts.
    until: Option<i64>,
}

impl Constraint {
    fn of(subject: &Subject<'_>, id: RscId) -> Result<Constraint, Failure> {
        let resource = subject.cluster.resource(id);
        let until = subject.options.lifetime.as_deref().map(|text| until(text, subject.view.now)).transpose()?;
        let promotable = resource.is(RscFlags::PROMOTABLE);
        if subject.options.promoted && !promotable {
            let message =
                format!("Resource '{}' is not promotable, so --promoted means nothing for it", subject.name());
            return Err(usage(&message));
        }
        let role = if subject.options.promoted { "Promoted" } else { "Started" };
        Ok(Constraint { resource: resource.xml_id.clone(), role, promotable, until })
    }

    fn write(&self, document: &mut Document, id: &str, node: &str, score: &str) {
        let constraint = fresh(document, id);
        for (name, value) in [("id", id), ("rsc", &self.resource), ("role", self.role)] {
            document.set(constraint, name, value);
        }
        let Some(until) = self.until else {
            document.set(constraint, "node", node);
            document.set(constraint, "score", score);
            return;
        };
        let rule = document.append(constraint, "rule");
        let id = |end: &str| format!("{id}-{end}");
        for (name, value) in [("id", id("rule").as_str()), ("score", score), ("boolean-op", "and")] {
            document.set(rule, name, value);
        }
        let expression = document.append(rule, "expression");
        let own = id("expr");
        for (name, value) in
            [("id", own.as_str()), ("attribute", "#uname"), ("operation", "eq"), ("value", node), ("type", "string")]
        {
            document.set(expression, name, value);
        }
        let lifetime = document.append(rule, "date_expression");
        let own = id("lifetime");
        for (name, value) in [("id", own.as_str()), ("operation", "lt"), ("end", &date::format(until))] {
            document.set(lifetime, name, value);
        }
    }
}

fn until(text: &str, now: i64) -> Result<i64, Failure> {
    let wrong = |_| usage(&format!("--lifetime: expected an ISO 8601 duration such as PT1H, found '{text}'"));
    let ms = duration::parse_ms(text).map_err(wrong)?;
    Ok(now.saturating_add((ms / 1000) as i64))
}

/// The constraint of that id, empty: made anew if it is there.
fn fresh(document: &mut Document, id: &str) -> Element {
    let constraints = list(document);
    let known = document.children_named(constraints, "rsc_location").find(|known| document.id(*known) == id);
    if let Some(known) = known {
        document.remove(known);
    }
    document.append(constraints, "rsc_location")
}

fn list(document: &mut Document) -> Element {
    let root = document.root();
    let configuration = document.child(root, "configuration").unwrap_or_else(|| document.append(root, "configuration"));
    document.child(configuration, "constraints").unwrap_or_else(|| document.append(configuration, "constraints"))
}

fn remove(document: &mut Document, which: impl Fn(&Document, Element) -> bool) -> Vec<String> {
    let constraints = list(document);
    let gone: Vec<Element> =
        document.children_named(constraints, "rsc_location").filter(|element| which(document, *element)).collect();
    gone.into_iter()
        .map(|element| {
            let id = document.id(element).to_owned();
            document.remove(element);
            id
        })
        .collect()
}

fn ban_id(resource: &str, node: &str) -> String {
    format!("cli-ban-{resource}-on-{node}")
}

/// Moves a resource to the node named, or away from where it is.
pub(super) fn move_away(
    report: &mut Report<'_>,
    store: &Store,
    subject: &Subject<'_>,
    id: RscId,
) -> Result<u8, Failure> {
    let id = subject.whole(id);
    let Some(node) = subject.node()? else { return ban(report, store, subject, id) };
    let constraint = Constraint::of(subject, id)?;
    let force = subject.options.force;
    let now = here(subject, id, subject.options.promoted);
    let current = match now[..] {
        [only] => Some(only),
        _ => None,
    };
    if current == Some(node) && !force {
        let message = "Error performing operation: Requested item already exists";
        return Err(Failure::new(status::EXISTS, message.to_owned()));
    }
    let name = &subject.cluster.node(node).name;
    tell_lifetime(report, subject, &constraint);
    store.change(force, |document| {
        let banned = ban_id(&constraint.resource, name);
        remove(document, |document, element| document.id(element) == banned);
        constraint.write(document, &format!("cli-prefer-{}", constraint.resource), name, "INFINITY");
        Ok(())
    })?;
    // With --force it is also kept off where it is now.
    if force && let Some(current) = current.filter(|current| *current != node) {
        return ban_from(report, store, subject, &constraint, current);
    }
    Ok(status::OK)
}

/// Keeps a resource off the node named, or off where it is.
pub(super) fn ban(report: &mut Report<'_>, store: &Store, subject: &Subject<'_>, id: RscId) -> Result<u8, Failure> {
    let id = subject.whole(id);
    let constraint = Constraint::of(subject, id)?;
    if let Some(node) = subject.node()? {
        tell_lifetime(report, subject, &constraint);
        return ban_from(report, store, subject, &constraint, node);
    }
    // Of a promotable clone, the place where it is promoted is meant.
    let mut nodes = here(subject, id, false);
    if nodes.len() != 1 && constraint.promotable {
        nodes = here(subject, id, true);
    }
    match nodes[..] {
        [node] => {
            tell_lifetime(report, subject, &constraint);
            ban_from(report, store, subject, &constraint, node)
        }
        _ => {
            let message = format!(
                "Resource '{0}' not moved: active in {1} locations.\nTo prevent '{0}' from running on a specific \
                 location, specify a node.",
                subject.name(),
                nodes.len()
            );
            Err(usage(&message))
        }
    }
}

fn here(subject: &Subject<'_>, id: RscId, promoted: bool) -> Vec<NodeId> {
    let places = places(subject.cluster, id);
    places.into_iter().filter(|(_, role)| !promoted || *role == Role::Promoted).map(|(node, _)| node).collect()
}

fn ban_from(
    report: &mut Report<'_>,
    store: &Store,
    subject: &Subject<'_>,
    constraint: &Constraint,
    node: NodeId,
) -> Result<u8, Failure> {
    let node = &subject.cluster.node(node).name;
    let (resource, id) = (&constraint.resource, ban_id(&constraint.resource, node));
    if !subject.options.quiet {
        let what = if subject.options.promoted { "being promoted" } else { "running" };
        report.line(format!(
            "WARNING: Creating rsc_location constraint '{id}' with a score of -INFINITY for resource {resource} on {node}."
        ));
        report.line(format!(
            "\tIt keeps {resource} from {what} on {node}, even as the last node left, until `crm_resource --clear -r \
             {resource}`"
        ));
    }
    store.change(subject.options.force, |document| {
        let preferred = format!("cli-prefer-{resource}");
        remove(document, |document, element| {
            document.id(element) == preferred && document.attribute(element, "node") == Some(node.as_str())
        });
        constraint.write(document, &id, node, "-INFINITY");
        Ok(())
    })?;
    Ok(status::OK)
}

fn tell_lifetime(report: &mut Report<'_>, subject: &Subject<'_>, constraint: &Constraint) {
    if let Some(until) = constraint.until.filter(|_| !subject.options.quiet) {
        report.line(format!("Migration will take effect until: {}", date::format(until)));
    }
}

/// Takes away what was made by hand.
pub(super) fn clear(report: &mut Report<'_>, store: &Store, subject: &Subject<'_>, id: RscId) -> Result<u8, Failure> {
    let id = subject.whole(id);
    let resource = subject.cluster.resource(id).xml_id.clone();
    let node = subject.node()?.map(|node| subject.cluster.node(node).name.clone());
    let (prefer, bans) = (format!("cli-prefer-{resource}"), format!("cli-ban-{resource}-on-"));
    let now = subject.view.now;
    let gone = store.change(subject.options.force, |document| {
        Ok(remove(document, |document, element| {
            let id = document.id(element);
            let expired = || {
                let ends = document.descendants(element).filter_map(|below| document.attribute(below, "end"));
                ends.filter_map(|end| date::parse(end, now)).any(|end| end < now)
            };
            let meant = match &node {
                None => id == prefer || id.starts_with(&bans),
                Some(node) => {
                    let preferred = document.attribute(element, "node") == Some(node) || subject.options.force;
                    id == ban_id(&resource, node) || (id == prefer && preferred)
                }
            };
            let role = document.attribute(element, "role");
            let of_role = !subject.options.promoted || matches!(role, Some("Promoted" | "Master"));
            meant && of_role && (!subject.options.expired || expired())
        }))
    })?;
    if !subject.options.quiet {
        gone.iter().for_each(|id| report.line(format!("Removing constraint: {id}")));
    }
    Ok(status::OK)
}
