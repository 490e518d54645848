//! What is not broken and still wants to be known: how far failures have been counted and what the next one does, what moves
//! by hand left behind, and how many votes may yet be lost.

use std::collections::BTreeMap;

use cib::rule::Context;
use cib::score::Score;
use cib::{Document, Element, duration, view as values};
use policy::Cluster;
use wire::Status;

use crate::cluster::View;
use crate::lasting;

/// Failures of one resource on one node, counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// The resource, as the count names it.
    pub resource: String,
    /// Name of the node.
    pub node: String,
    /// How many; `None`: for ever.
    pub failures: Option<u64>,
    /// So many, and it may not run there any more.
    pub threshold: Option<u64>,
    /// When they are forgotten by themselves, in seconds since 1970.
    pub forgotten: Option<i64>,
    /// Where the next failure would move it; nowhere if there is no such place.
    pub next: Option<String>,
}

impl Count {
    /// `web: 2 of 3 failures on one; the next moves it to two; forgotten at …`.
    pub fn sentence(&self) -> String {
        let Count { resource, node, .. } = self;
        let forgotten = match self.forgotten {
            Some(at) => format!("forgotten at {}", lasting::local(at)),
            None => format!("kept until `systole cleanup {resource}`"),
        };
        let plural = |count: u64| if count == 1 { "failure" } else { "failures" };
        let away = match &self.next {
            Some(next) => format!("moves it to {next}"),
            None => "stops it, for no other node may run it".to_owned(),
        };
        let counted = match (self.failures, self.threshold) {
            (None, _) => format!("it may not run on {node} after a failure"),
            (Some(count), Some(most)) if count >= most => {
                format!("{count} of {most} {} on {node}: it may not run there", plural(most))
            }
            (Some(count), Some(most)) if count + 1 == most => {
                format!("{count} of {most} {} on {node}; the next {away}", plural(most))
            }
            (Some(count), Some(most)) => {
                format!("{count} of {most} {} on {node}; the {most}. {away}", plural(most))
            }
            (Some(count), None) => format!("{count} {} on {node}; it is started there again each time", plural(count)),
        };
        format!("{resource}: {counted}; {forgotten}")
    }
}

/// All counts of failures, by resource and node.
pub fn counts(view: &View, cluster: &Cluster) -> Vec<Count> {
    let document = &view.document;
    let mut found: BTreeMap<(String, String), (Option<u64>, Option<i64>)> = BTreeMap::new();
    for (node, name, value) in transient(document) {
        let Some(resource) = resource_of(name, "fail-count-") else { continue };
        let entry = found.entry((resource.to_owned(), node.to_owned())).or_insert((Some(0), None));
        let score = Score::parse(value).unwrap_or_default();
        let count = (!score.is_infinite()).then(|| u64::try_from(score.value()).unwrap_or(0));
        entry.0 = entry.0.zip(count).map(|(a, b)| a + b);
    }
    for (node, name, value) in transient(document) {
        let Some(resource) = resource_of(name, "last-failure-") else { continue };
        if let Some(entry) = found.get_mut(&(resource.to_owned(), node.to_owned())) {
            entry.1 = entry.1.max(value.parse().ok());
        }
    }
    let counts = found.into_iter().filter(|(_, (count, _))| *count != Some(0));
    counts.map(|((resource, node), (failures, last))| count(view, cluster, resource, node, failures, last)).collect()
}

fn count(
    view: &View,
    cluster: &Cluster,
    resource: String,
    node: String,
    failures: Option<u64>,
    last: Option<i64>,
) -> Count {
    let document = &view.document;
    let id = resource.split(':').next().unwrap_or(&resource);
    let context = Context::at(view.now);
    let meta = |name: &str| {
        // What stands on a group or clone holds for what is in it.
        let mut at = values::resource(document, id);
        while let Some(element) = at.filter(|element| document.name(*element) != "resources") {
            if let Some(value) = values::meta(document, element, &context).get(name) {
                return Some(value.to_owned());
            }
            at = document.parent(element);
        }
        None
    };
    let threshold = meta("migration-threshold").and_then(|text| Score::parse(&text));
    let threshold = threshold.filter(|score| *score > Score::ZERO && !score.is_infinite());
    let threshold = threshold.and_then(|score| u64::try_from(score.value()).ok());
    let timeout = meta("failure-timeout").and_then(|text| duration::parse_ms(&text).ok()).filter(|ms| *ms > 0);
    let forgotten =
        last.zip(timeout).map(|(last, ms)| last.saturating_add(i64::try_from(ms / 1000).unwrap_or(i64::MAX)));
    let next = threshold.and_then(|_| place_without(view, cluster, &resource, &node));
    Count { resource, node, failures, threshold, forgotten, next }
}

/// Where it would run if it might not run on that node, by a plan on paper.
fn place_without(view: &View, cluster: &Cluster, resource: &str, node: &str) -> Option<String> {
    let mut document = view.document.clone();
    let id = document.descendants(document.root()).find(|one| {
        document.name(*one) == "nvpair"
            && document.attribute(*one, "name").is_some_and(|name| resource_of(name, "fail-count-") == Some(resource))
            && state_of(&document, *one).and_then(|state| document.attribute(state, "uname")) == Some(node)
    })?;
    document.set(id, "value", "INFINITY");
    let known = cluster.find_resource(resource)?;
    let plan = view.with(document).plan_unexplained();
    let planned = plan.cluster.find_resource(&cluster.resource(known).id)?;
    plan.cluster.resource(planned).assigned.map(|node| plan.cluster.node(node).name.clone())
}

fn state_of(document: &Document, element: Element) -> Option<Element> {
    let mut at = document.parent(element);
    while let Some(one) = at.filter(|one| document.name(*one) != "node_state") {
        at = document.parent(one);
    }
    at
}

/// Node, name and value of each transient attribute.
fn transient(document: &Document) -> impl Iterator<Item = (&str, &str, &str)> {
    let states =
        document.descend(&["status"]).into_iter().flat_map(|status| document.children_named(status, "node_state"));
    states.flat_map(move |state| {
        let node = document.attribute(state, "uname").unwrap_or_default();
        let sets = document.children_named(state, "transient_attributes");
        let pairs = sets.flat_map(|set| document.descendants(set)).filter(|one| document.name(*one) == "nvpair");
        pairs
            .filter_map(move |pair| Some((node, document.attribute(pair, "name")?, document.attribute(pair, "value")?)))
    })
}

/// `web` of `fail-count-web#monitor_10000`.
fn resource_of<'n>(name: &'n str, begin: &str) -> Option<&'n str> {
    name.strip_prefix(begin).map(|rest| rest.split('#').next().unwrap_or(rest))
}

/// What moves and bans by hand left, a sentence each.
pub fn by_hand(document: &Document) -> Vec<String> {
    let section = document.descend(&["configuration", "constraints"]);
    let all = section.into_iter().flat_map(|section| document.children_named(section, "rsc_location"));
    let sentence = |one: Element| {
        let id = document.id(one);
        let does = match id {
            _ if id.starts_with("cli-prefer-") => "is to be on",
            _ if id.starts_with("cli-ban-") => "is kept off",
            _ => return None,
        };
        let resource = document.attribute(one, "rsc")?;
        let node = document.descendants(one).find_map(|part| {
            let of_rule =
                (document.attribute(part, "attribute") == Some("#uname")).then(|| document.attribute(part, "value"));
            document.attribute(part, "node").or(of_rule.flatten())
        });
        let end = document.descendants(one).find_map(|part| document.attribute(part, "end"));
        let until = end.map_or_else(|| format!("until `systole clear {resource}`"), |end| format!("until {end}"));
        Some(format!("{resource} {does} {} by hand, {until}", node.unwrap_or("a node")))
    };
    all.filter_map(sentence).collect()
}

/// How many votes may yet be lost before a majority is; `None` without quorum, and where less than a majority is enough.
pub fn margin(status: &Status) -> Option<u32> {
    let majority = status.expected_votes / 2 + 1;
    // Of two votes one may be enough, as corosync is set up.
    (status.quorate && status.expected_votes > 2).then(|| status.votes.checked_sub(majority)).flatten()
}

/// The margin in words.
pub fn margin_words(status: &Status) -> String {
    match margin(status) {
        Some(0) => "; one more lost vote stops the cluster".to_owned(),
        Some(1) => "; one more may be lost".to_owned(),
        Some(more) => format!("; {more} more may be lost"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{CLUSTER, cluster, status};

    fn failing(count: &str, meta: &str) -> View {
        let transient = format!(
            "<node_state id=\"1\" uname=\"one\" in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\">\
             <transient_attributes id=\"1\"><instance_attributes id=\"t\"><nvpair id=\"t1\" name=\"fail-count-web#monitor_10000\" \
             value=\"{count}\"/><nvpair id=\"t2\" name=\"last-failure-web#monitor_10000\" value=\"1700000500\"/>\
             </instance_attributes></transient_attributes>"
        );
        let begin =
            "<node_state id=\"1\" uname=\"one\" in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\">";
        assert!(CLUSTER.contains(begin));
        let web = "<primitive id=\"web\" class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\">";
        let text = CLUSTER
            .replace(begin, &transient)
            .replace(web, &format!("{web}<meta_attributes id=\"wm\">{meta}</meta_attributes>"));
        View::new(Document::parse(&text).unwrap())
    }

    fn said(count: &str, meta: &str) -> Vec<String> {
        let view = failing(count, meta);
        // Another resource of this cluster has failed as well.
        let all = counts(&view, &view.cluster());
        all.iter().filter(|count| count.resource == "web").map(Count::sentence).collect()
    }

    #[test]
    fn failures_are_told_with_what_the_next_one_does() {
        let threshold = "<nvpair id=\"wm1\" name=\"migration-threshold\" value=\"3\"/>";
        let timeout = "<nvpair id=\"wm2\" name=\"failure-timeout\" value=\"10min\"/>";
        let at = lasting::local(1_700_001_100);
        assert_eq!(
            said("2", &format!("{threshold}{timeout}")),
            [format!("web: 2 of 3 failures on one; the next moves it to two; forgotten at {at}")]
        );
        assert_eq!(
            said("1", threshold),
            ["web: 1 of 3 failures on one; the 3. moves it to two; kept until `systole cleanup web`"]
        );
        assert!(said("3", threshold)[0].starts_with("web: 3 of 3 failures on one: it may not run there;"));
        assert!(said("4", "")[0].starts_with("web: 4 failures on one; it is started there again each time;"));
        assert!(said("INFINITY", "")[0].starts_with("web: it may not run on one after a failure;"));
        assert!(said("0", threshold).is_empty());
    }

    #[test]
    fn what_moves_left_is_told_with_its_end() {
        let mut view = cluster();
        let known = view.cluster();
        let target = crate::by_hand::Target::of(&known, crate::cluster::resource(&known, "web").unwrap());
        crate::by_hand::ban(&mut view.document, &target, "two");
        assert_eq!(by_hand(&view.document), ["web is kept off two by hand, until `systole clear web`"]);
        assert!(by_hand(&cluster().document).is_empty());
    }

    #[test]
    fn the_margin_counts_votes_beyond_a_majority() {
        for (votes, expected, quorate, margin_is) in [
            (3, 3, true, Some(1)),
            (2, 3, true, Some(0)),
            (5, 5, true, Some(2)),
            (1, 3, false, None),
            (2, 2, true, None),
            (2, 4, true, None),
        ] {
            let status = Status { votes, expected_votes: expected, quorate, ..status() };
            assert_eq!(margin(&status), margin_is, "{votes} of {expected}");
        }
    }
}
