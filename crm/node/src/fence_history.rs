//! The history of fencing, the same on all members: what began, how it ended. Orders and ends come in total order, so
//! each member writes its own; who was not here is told by one who was, and each keeps it on disk.

use engine::{Membership, NodeId};
use wire::OrderId;
use wire::stonith::{FenceOutcome, FenceRecord, history_from_text, history_to_text};

/// How many fencings are remembered: weeks of a bad cluster, in a file of some ten kilobytes.
pub const FENCE_HISTORY_LENGTH: usize = 128;
/// How much of a reason is kept, in characters.
const REASON_LENGTH: usize = 400;

/// The last fencings, oldest first.
#[derive(Debug, Default)]
pub struct FenceHistory {
    records: Vec<(Option<NodeId>, FenceRecord)>,
    changed: bool,
}

impl FenceHistory {
    /// What was on disk. What was under way then has long ended one way or the other.
    pub fn from_text(text: &str) -> Self {
        let mut history = FenceHistory::default();
        history.merge(history_from_text(text));
        for (_, record) in &mut history.records {
            if record.outcome == FenceOutcome::Pending {
                record.outcome = FenceOutcome::Failed("this node stopped before it heard of its end".into());
            }
        }
        history.changed = false;
        history
    }

    /// A fencing has begun; `by` sees to it.
    pub fn begun(&mut self, record: FenceRecord, by: NodeId) {
        if self.records.iter().all(|(_, known)| known.id != record.id) {
            self.records.push((Some(by), record));
            self.trim();
        }
    }

    /// One is over: the first word counts. Gives what is known of it then.
    pub fn ended(&mut self, id: &OrderId, at: i64, outcome: FenceOutcome) -> Option<FenceRecord> {
        let pending = |record: &FenceRecord| record.id == *id && record.outcome == FenceOutcome::Pending;
        let (_, record) = self.records.iter_mut().find(|(_, record)| pending(record))?;
        record.ended = at;
        record.outcome = short(outcome);
        self.changed = true;
        Some(record.clone())
    }

    /// A person vouches for a node, or it was fenced before we came: it was never seen to begin.
    pub fn vouched(&mut self, record: FenceRecord) {
        self.records.push((None, record));
        self.trim();
    }

    /// Fencings that those see to who are gone: nobody will say how they ended.
    pub fn keep_only(&mut self, view: &Membership, at: i64) {
        for (by, record) in &mut self.records {
            if record.outcome == FenceOutcome::Pending && by.is_some_and(|by| !view.has_member(by)) {
                record.ended = at;
                record.outcome = FenceOutcome::Failed(format!("{} left before it was over", record.delegate));
                self.changed = true;
            }
        }
    }

    /// The fencing under way that wants the same of the same node.
    pub fn under_way(&self, target: &str, action: &str) -> Option<&FenceRecord> {
        let same = |record: &&FenceRecord| {
            record.outcome == FenceOutcome::Pending && record.target == target && record.action == action
        };
        self.iter().find(same)
    }

    /// What another member remembers.
    pub fn merge(&mut self, records: Vec<FenceRecord>) {
        for mut record in records.into_iter().take(FENCE_HISTORY_LENGTH) {
            if let Some((_, known)) = self.records.iter_mut().find(|(_, known)| same(known, &record)) {
                let news = known.outcome == FenceOutcome::Pending && record.outcome != FenceOutcome::Pending;
                if news {
                    *known = record;
                    self.changed = true;
                }
                continue;
            }
            record.outcome = short(record.outcome);
            self.records.push((None, record));
            self.changed = true;
        }
        self.records.sort_by_key(|(_, record)| record.begun);
        self.trim();
    }

    /// Forgets what is over.
    pub fn forget(&mut self, target: Option<&str>) {
        let before = self.records.len();
        self.records.retain(|(_, record)| {
            record.outcome == FenceOutcome::Pending || target.is_some_and(|target| target != record.target)
        });
        self.changed |= self.records.len() < before;
    }

    /// All of it.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &FenceRecord> {
        self.records.iter().map(|(_, record)| record)
    }

    /// The text for the disk, when it is another one than last time.
    pub fn text_if_changed(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let records: Vec<FenceRecord> = self.iter().cloned().collect();
        Some(history_to_text(&records))
    }

    fn trim(&mut self) {
        self.changed = true;
        let excess = self.records.len().saturating_sub(FENCE_HISTORY_LENGTH);
        self.records.drain(..excess);
    }
}

/// What people vouch for has no order: the same second is the same fact.
fn same(a: &FenceRecord, b: &FenceRecord) -> bool {
    a.id == b.id && (!a.id.coordinator.is_empty() || (&a.target, a.ended) == (&b.target, b.ended))
}

fn short(outcome: FenceOutcome) -> FenceOutcome {
    match outcome {
        FenceOutcome::Failed(reason) => FenceOutcome::Failed(reason.chars().take(REASON_LENGTH).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Member;

    fn record(number: u32) -> FenceRecord {
        FenceRecord {
            id: OrderId { coordinator: "c".into(), transition: 1, number },
            target: format!("node{number}"),
            action: "reboot".into(),
            origin: "plan".into(),
            delegate: "node1".into(),
            begun: i64::from(number),
            ended: 0,
            outcome: FenceOutcome::Pending,
        }
    }

    #[test]
    fn what_began_ends_once_and_is_kept() {
        let mut history = FenceHistory::default();
        history.begun(record(2), NodeId(1));
        history.begun(record(2), NodeId(1));
        assert!(history.under_way("node2", "reboot").is_some() && history.under_way("node2", "off").is_none());
        history.ended(&record(2).id, 9, FenceOutcome::Done(vec!["pdu".into()]));
        history.ended(&record(2).id, 10, FenceOutcome::Failed("late".into()));
        let text = history.text_if_changed().unwrap();
        assert_eq!(history.text_if_changed(), None);
        let back = FenceHistory::from_text(&text);
        assert_eq!(back.iter().collect::<Vec<_>>(), history.iter().collect::<Vec<_>>());
        assert_eq!(back.iter().next().unwrap().ended, 9);
        assert_eq!(FenceHistory::from_text("garbage").iter().count(), 0);
    }

    #[test]
    fn who_leaves_ends_nothing_any_more() {
        let mut history = FenceHistory::default();
        history.begun(record(2), NodeId(1));
        history.begun(record(3), NodeId(4));
        let members = vec![Member { id: NodeId(1), since: 1 }];
        history.keep_only(&Membership { members, ..Membership::default() }, 20);
        let ends: Vec<bool> = history.iter().map(|record| record.outcome == FenceOutcome::Pending).collect();
        assert_eq!(ends, [true, false]);
        // From disk nothing is under way.
        let text = history.text_if_changed().unwrap();
        assert!(FenceHistory::from_text(&text).iter().all(|record| record.outcome != FenceOutcome::Pending));
    }

    #[test]
    fn members_tell_each_other_and_the_length_is_bounded() {
        let (mut one, mut two) = (FenceHistory::default(), FenceHistory::default());
        one.begun(record(5), NodeId(1));
        two.begun(record(3), NodeId(1));
        two.begun(record(5), NodeId(1));
        two.ended(&record(5).id, 8, FenceOutcome::Failed("x".repeat(10_000)));
        let said: Vec<FenceRecord> = two.iter().cloned().collect();
        one.merge(said.clone());
        one.merge(said);
        let targets: Vec<&str> = one.iter().map(|record| record.target.as_str()).collect();
        assert_eq!(targets, ["node3", "node5"]);
        assert!(matches!(&one.iter().last().unwrap().outcome, FenceOutcome::Failed(why) if why.len() == REASON_LENGTH));
        for number in 0..1000 {
            one.begun(record(number + 10), NodeId(1));
        }
        assert_eq!(one.iter().count(), FENCE_HISTORY_LENGTH);
        one.forget(Some("node999"));
        assert_eq!(one.iter().count(), FENCE_HISTORY_LENGTH, "what is under way stays");
    }
}
