//! Finding the actions of a resource by key or task without looking at each of them: a cold start gives every resource
//! a probe for every node, and whoever looks for its start must not pass them all.

use std::borrow::Cow;

use crate::engine::Few;
use crate::model::{ActId, NodeId, RscId};

/// Whether two words are the same but for their case. Nearly all that are the same are so to the letter.
fn same(one: &str, other: &str) -> bool {
    // The usual tasks are one text each, wherever they stand.
    if std::ptr::eq(one, other) {
        return true;
    }
    // Tasks of one length mostly differ in their first letter.
    let begin = |word: &str| word.as_bytes().first().map(u8::to_ascii_lowercase);
    one.len() == other.len() && begin(one) == begin(other) && (one == other || one.eq_ignore_ascii_case(other))
}

/// Whether `text` is these pieces, put together.
fn is_joined(text: &str, pieces: &[&str]) -> bool {
    if text.len() != pieces.iter().map(|piece| piece.len()).sum() {
        return false;
    }
    let mut rest = text;
    pieces.iter().all(|piece| {
        let Some((begin, end)) = rest.split_at_checked(piece.len()) else { return false };
        rest = end;
        same(begin, piece)
    })
}

/// Actions of one resource that have one key, which differ in their nodes.
#[derive(Clone, Debug)]
struct Group {
    key: String,
    task: Cow<'static, str>,
    /// Some of them have got another task since: they must be asked themselves.
    mixed: bool,
    /// Oldest first.
    actions: Vec<(ActId, Option<NodeId>)>,
}

/// The actions of all resources by their keys. Whoever looks for a key gives its pieces, so that it need not be put
/// together. Whoever changes an action's node or task says so here.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActionIndex {
    by_resource: Vec<Vec<Group>>,
}

impl ActionIndex {
    fn groups(&self, rsc: RscId) -> &[Group] {
        self.by_resource.get(rsc.index()).map_or(&[], Vec::as_slice)
    }

    fn with_key(&self, rsc: RscId, key: &[&str]) -> Option<&Group> {
        self.groups(rsc).iter().find(|group| is_joined(&group.key, key))
    }

    /// Takes in a new action, which is younger than all others.
    pub fn add(&mut self, rsc: RscId, key: &str, task: Cow<'static, str>, action: ActId, node: Option<NodeId>) {
        if self.by_resource.len() <= rsc.index() {
            self.by_resource.resize_with(rsc.index() + 1, Vec::new);
        }
        let groups = &mut self.by_resource[rsc.index()];
        match groups.iter_mut().find(|group| same(&group.key, key)) {
            Some(group) => {
                group.mixed |= group.task != task;
                group.actions.push((action, node));
            }
            None => groups.push(Group { key: key.to_owned(), task, mixed: false, actions: vec![(action, node)] }),
        }
    }

    /// Actions of that key, oldest first; on that node, if one is given.
    pub fn keyed(&self, rsc: RscId, key: &[&str], node: Option<NodeId>) -> Few<ActId> {
        let Some(group) = self.with_key(rsc, key) else { return Few::new() };
        let fits = |place: &Option<NodeId>| node.is_none() || *place == node;
        group.actions.iter().filter(|(_, place)| fits(place)).map(|(action, _)| *action).collect()
    }

    /// The oldest action of that key; on that node, if one is given.
    pub fn oldest_keyed(&self, rsc: RscId, key: &[&str], node: Option<NodeId>) -> Option<ActId> {
        let mut actions = self.with_key(rsc, key)?.actions.iter();
        actions.find(|(_, place)| node.is_none() || *place == node).map(|(action, _)| *action)
    }

    /// The newest action of that key.
    pub fn newest_keyed(&self, rsc: RscId, key: &[&str]) -> Option<ActId> {
        self.with_key(rsc, key)?.actions.last().map(|(action, _)| *action)
    }

    /// Gives the node to all actions of the key that have none, and tells which.
    pub fn adopt(&mut self, rsc: RscId, key: &[&str], node: NodeId) -> Few<ActId> {
        let groups = self.by_resource.get_mut(rsc.index()).map_or(&mut [][..], Vec::as_mut_slice);
        let Some(group) = groups.iter_mut().find(|group| is_joined(&group.key, key)) else {
            return Few::new();
        };
        let homeless = group.actions.iter_mut().filter(|(_, place)| place.is_none());
        homeless
            .map(|(action, place)| {
                *place = Some(node);
                *action
            })
            .collect()
    }

    /// An action has another task than its key was made with.
    pub fn retask(&mut self, rsc: RscId, key: &str) {
        let groups = self.by_resource.get_mut(rsc.index()).map_or(&mut [][..], Vec::as_mut_slice);
        if let Some(group) = groups.iter_mut().find(|group| same(&group.key, key)) {
            group.mixed = true;
        }
    }

    /// The newest action with that task, on that node if one is given; `has_task` asks an action itself.
    pub fn newest_with_task(
        &self,
        rsc: RscId,
        task: &str,
        node: Option<NodeId>,
        has_task: impl Fn(ActId) -> bool,
    ) -> Option<ActId> {
        let candidates = self.groups(rsc).iter().filter(|group| group.mixed || same(&group.task, task));
        let newest = candidates.filter_map(|group| {
            let fits = |(action, place): &&(ActId, Option<NodeId>)| {
                (node.is_none() || *place == node) && (!group.mixed || has_task(*action))
            };
            group.actions.iter().rev().find(fits).map(|(action, _)| *action)
        });
        newest.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_task_is_found_whatever_its_key() {
        let mut index = ActionIndex::default();
        let (rsc, [north, south]) = (RscId(1), [NodeId(0), NodeId(1)]);
        index.add(rsc, "ip_monitor_0", "monitor".into(), ActId(0), Some(north));
        index.add(rsc, "ip_monitor_0", "monitor".into(), ActId(1), Some(south));
        index.add(rsc, "ip_stop_0", "stop".into(), ActId(2), None);
        index.add(rsc, "ip_monitor_10000", "monitor".into(), ActId(3), Some(south));
        let newest = |task: &str, node| index.newest_with_task(rsc, task, node, |_| true);
        assert_eq!(newest("monitor", None), Some(ActId(3)));
        assert_eq!(newest("Monitor", Some(north)), Some(ActId(0)));
        assert_eq!(newest("start", None), None);
        assert_eq!(index.keyed(rsc, &["IP_monitor_0"], None).to_vec(), [ActId(0), ActId(1)]);
        assert_eq!(index.keyed(RscId(7), &["ip_monitor_0"], None).to_vec(), []);
        assert_eq!(index.newest_keyed(rsc, &["ip", "_", "stop", "_0"]), Some(ActId(2)));
        assert_eq!(index.newest_keyed(rsc, &["ip", "_", "ston", "_0"]), None);
    }

    #[test]
    fn what_has_no_node_takes_the_one_asked_for() {
        let mut index = ActionIndex::default();
        index.add(RscId(0), "ip_stop_0", "stop".into(), ActId(5), None);
        assert_eq!(index.keyed(RscId(0), &["ip_stop_0"], Some(NodeId(2))).to_vec(), []);
        assert_eq!(index.adopt(RscId(0), &["ip_stop_0"], NodeId(2)).to_vec(), [ActId(5)]);
        assert_eq!(index.keyed(RscId(0), &["ip_stop_0"], Some(NodeId(2))).to_vec(), [ActId(5)]);
    }

    #[test]
    fn an_action_that_became_another_is_asked_itself() {
        let mut index = ActionIndex::default();
        index.add(RscId(0), "ip_monitor_10000", "monitor".into(), ActId(0), None);
        index.retask(RscId(0), "ip_monitor_10000");
        assert_eq!(index.newest_with_task(RscId(0), "monitor", None, |_| false), None);
        assert_eq!(index.newest_with_task(RscId(0), "cancel", None, |_| true), Some(ActId(0)));
    }
}
