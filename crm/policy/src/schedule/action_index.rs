//! Finding the actions of a resource by key or task without looking at each of them: a cold start gives every resource
//! a probe for every node, and whoever looks for its start must not pass them all.

use std::ops::Range;

use crate::engine::Few;
use crate::model::{ActId, NodeId, RscId, Task};

/// Whether two words are the same but for their case. Nearly all that are the same are so to the letter.
fn same(one: &str, other: &str) -> bool {
    // The usual tasks are one text each, wherever they stand.
    std::ptr::eq(one, other) || (one.len() == other.len() && (one == other || one.eq_ignore_ascii_case(other)))
}

/// A number that words have in common when they are the same but for their case, and seldom else.
fn print(word: &str) -> u32 {
    let bytes = word.as_bytes();
    let ([first, ..], [.., last]) = (bytes, bytes) else { return 0 };
    let letter = |byte: u8| u32::from(byte | 0x20);
    (bytes.len() as u32) << 24 | letter(*first) << 16 | letter(bytes[bytes.len() / 2]) << 8 | letter(*last)
}

/// Whether `text` is these pieces, put together.
fn is_joined(text: &str, pieces: &[&str]) -> bool {
    if text.len() != pieces.iter().map(|piece| piece.len()).sum() {
        return false;
    }
    // Keys differ in their ends, if at all.
    let mut rest = text;
    pieces.iter().rev().all(|piece| {
        let Some((begin, end)) = rest.split_at_checked(rest.len() - piece.len()) else { return false };
        rest = begin;
        same(end, piece)
    })
}

/// The key of an action, as it is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'k> {
    /// That of a task which the resource itself does once: `ID_TASK_0`.
    Own(&'k str),
    /// Any other, in pieces.
    Joined(&'k [&'k str]),
}

/// Actions of one resource that have one key, which differ in their nodes.
#[derive(Clone, Debug)]
struct Group {
    key: String,
    /// Where in the key the task stands that the resource itself does once, if it is such a key; and its print.
    own: Option<(Range<usize>, u32)>,
    task: Task,
    task_print: u32,
    /// Some of them have got another task since: they must be asked themselves.
    mixed: bool,
    /// Some of them have no node.
    homeless: bool,
    /// Oldest first.
    actions: Vec<(ActId, Option<NodeId>)>,
}

impl Group {
    fn has(&self, key: Key) -> bool {
        match key {
            Key::Own(task) => self.does_once(task, print(task)),
            Key::Joined(pieces) => is_joined(&self.key, pieces),
        }
    }

    fn does_once(&self, task: &str, sought: u32) -> bool {
        self.own.as_ref().is_some_and(|(range, print)| *print == sought && same(&self.key[range.clone()], task))
    }
}

/// Where the task stands in `ID_TASK_0`.
fn own_task(id: &str, key: &str) -> Option<Range<usize>> {
    let begin = id.len() + 1;
    let end = key.len().checked_sub("_0".len()).filter(|end| *end >= begin)?;
    let is_own = key.get(..id.len()).is_some_and(|start| same(start, id))
        && key.get(id.len()..begin) == Some("_")
        && key.get(end..) == Some("_0");
    is_own.then_some(begin..end)
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

    fn with_key(&self, rsc: RscId, key: Key) -> Option<&Group> {
        match key {
            Key::Own(task) => {
                let sought = print(task);
                self.groups(rsc).iter().find(|group| group.does_once(task, sought))
            }
            Key::Joined(pieces) => self.groups(rsc).iter().find(|group| is_joined(&group.key, pieces)),
        }
    }

    /// Takes in a new action, which is younger than all others, of the resource of that id.
    pub fn add(&mut self, (rsc, id): (RscId, &str), key: &str, task: Task, action: ActId, node: Option<NodeId>) {
        if self.by_resource.len() <= rsc.index() {
            self.by_resource.resize_with(rsc.index() + 1, Vec::new);
        }
        let groups = &mut self.by_resource[rsc.index()];
        match groups.iter_mut().find(|group| same(&group.key, key)) {
            Some(group) => {
                group.mixed |= group.task != task;
                group.homeless |= node.is_none();
                group.actions.push((action, node));
            }
            None => groups.push(Group {
                own: own_task(id, key).map(|range| (range.clone(), print(&key[range]))),
                key: key.to_owned(),
                task_print: print(&task),
                task,
                mixed: false,
                homeless: node.is_none(),
                actions: vec![(action, node)],
            }),
        }
    }

    /// Actions of that key, oldest first; on that node, if one is given.
    pub fn keyed(&self, rsc: RscId, key: Key, node: Option<NodeId>) -> Few<ActId> {
        let Some(group) = self.with_key(rsc, key) else { return Few::new() };
        let fits = |place: &Option<NodeId>| node.is_none() || *place == node;
        group.actions.iter().filter(|(_, place)| fits(place)).map(|(action, _)| *action).collect()
    }

    /// The oldest action of that key; on that node, if one is given.
    pub fn oldest_keyed(&self, rsc: RscId, key: Key, node: Option<NodeId>) -> Option<ActId> {
        let mut actions = self.with_key(rsc, key)?.actions.iter();
        actions.find(|(_, place)| node.is_none() || *place == node).map(|(action, _)| *action)
    }

    /// The newest action of that key.
    pub fn newest_keyed(&self, rsc: RscId, key: Key) -> Option<ActId> {
        self.with_key(rsc, key)?.actions.last().map(|(action, _)| *action)
    }

    /// Gives the node to all actions of the key that have none, and tells which.
    pub fn adopt(&mut self, rsc: RscId, key: Key, node: NodeId) -> Few<ActId> {
        let mut groups = self.by_resource.get_mut(rsc.index()).map_or(&mut [][..], Vec::as_mut_slice).iter_mut();
        // Of most keys there is no action without a node.
        let Some(group) = groups.find(|group| group.homeless && group.has(key)) else { return Few::new() };
        group.homeless = false;
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
        let sought = print(task);
        let mut newest = None;
        for group in self.groups(rsc) {
            if !group.mixed && (group.task_print != sought || !same(&group.task, task)) {
                continue;
            }
            let fits = |(action, place): &&(ActId, Option<NodeId>)| {
                (node.is_none() || *place == node) && (!group.mixed || has_task(*action))
            };
            newest = newest.max(group.actions.iter().rev().find(fits).map(|(action, _)| *action));
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_task_is_found_whatever_its_key() {
        let mut index = ActionIndex::default();
        let (rsc, [north, south]) = (RscId(1), [NodeId(0), NodeId(1)]);
        index.add((rsc, "ip"), "ip_monitor_0", "monitor".into(), ActId(0), Some(north));
        index.add((rsc, "ip"), "ip_monitor_0", "monitor".into(), ActId(1), Some(south));
        index.add((rsc, "ip"), "ip_stop_0", "stop".into(), ActId(2), None);
        index.add((rsc, "ip"), "ip_monitor_10000", "monitor".into(), ActId(3), Some(south));
        let newest = |task: &str, node| index.newest_with_task(rsc, task, node, |_| true);
        assert_eq!(newest("monitor", None), Some(ActId(3)));
        assert_eq!(newest("Monitor", Some(north)), Some(ActId(0)));
        assert_eq!(newest("start", None), None);
        assert_eq!(index.keyed(rsc, Key::Joined(&["IP_monitor_0"]), None).to_vec(), [ActId(0), ActId(1)]);
        assert_eq!(index.keyed(RscId(7), Key::Own("monitor"), None).to_vec(), []);
        assert_eq!(index.newest_keyed(rsc, Key::Joined(&["ip", "_", "stop", "_0"])), Some(ActId(2)));
        assert_eq!(index.newest_keyed(rsc, Key::Joined(&["ip", "_", "ston", "_0"])), None);
        for (task, newest) in [("Stop", Some(2)), ("ston", None), ("monitor", Some(1)), ("monitor_1000", None)] {
            assert_eq!(index.newest_keyed(rsc, Key::Own(task)), newest.map(ActId), "{task}");
        }
    }

    #[test]
    fn what_has_no_node_takes_the_one_asked_for() {
        let mut index = ActionIndex::default();
        index.add((RscId(0), "ip"), "ip_stop_0", "stop".into(), ActId(5), None);
        assert_eq!(index.keyed(RscId(0), Key::Own("stop"), Some(NodeId(2))).to_vec(), []);
        assert_eq!(index.adopt(RscId(0), Key::Joined(&["ip_stop_0"]), NodeId(2)).to_vec(), [ActId(5)]);
        assert_eq!(index.keyed(RscId(0), Key::Own("stop"), Some(NodeId(2))).to_vec(), [ActId(5)]);
    }

    #[test]
    fn what_a_resource_does_once_has_its_own_name_and_no_other() {
        let own = |id: &str, key: &str| own_task(id, key).map(|range| key[range].to_owned());
        assert_eq!(own("ip", "ip_migrate_to_0").as_deref(), Some("migrate_to"));
        assert_eq!(own("ip", "IP_stop_0").as_deref(), Some("stop"));
        for key in ["ip_stop_10000", "ip2_stop_0", "ip_0", "ip", "", "é_0", "ip-stop_0"] {
            assert_eq!(own("ip", key), None, "{key}");
        }
    }

    #[test]
    fn an_action_that_became_another_is_asked_itself() {
        let mut index = ActionIndex::default();
        index.add((RscId(0), "ip"), "ip_monitor_10000", "monitor".into(), ActId(0), None);
        index.retask(RscId(0), "ip_monitor_10000");
        assert_eq!(index.newest_with_task(RscId(0), "monitor", None, |_| false), None);
        assert_eq!(index.newest_with_task(RscId(0), "cancel", None, |_| true), Some(ActId(0)));
    }
}
