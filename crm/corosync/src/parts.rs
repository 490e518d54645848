//! Long payloads: cut into parts on one side, put together again on the other. When a payload counts is for the group.
//!
//! A payload counts at the place of its last part. Whoever joins between its first and its last part could not put it
//! together, and would miss what the others hear. So at each cut everybody drops what is not yet whole, and its sender
//! sends it again from the start; what was whole already is known by its number and not taken twice. Behind a long
//! payload its sender sends nothing before it has come back whole, so that payloads never overtake one another.

use std::collections::{BTreeMap, VecDeque};

use crate::frame::{Frame, MAX_MESSAGE, PART};
use crate::ring::Process;

/// Payloads that wait to be sent, and the long one that is under way.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Vec<u8>>,
    under_way: Option<UnderWay>,
    /// The number of the last long payload.
    number: u32,
}

#[derive(Debug)]
struct UnderWay {
    number: u32,
    payload: Vec<u8>,
    /// The part to send next; all are sent when there is none such.
    next: usize,
}

impl Outbox {
    /// Takes a payload; not longer than [`MAX_MESSAGE`].
    pub fn push(&mut self, payload: Vec<u8>) {
        debug_assert!(payload.len() <= MAX_MESSAGE, "the engine refuses what is longer");
        self.waiting.push_back(payload);
    }

    /// Whether nothing waits to be sent. A long payload that is under way may still have to come back.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_none()
    }

    /// What to send next; [`Self::sent`] when that was possible.
    pub fn peek(&mut self) -> Option<Frame> {
        if self.under_way.is_none() {
            let payload = self.waiting.pop_front()?;
            if payload.len() <= PART {
                let frame = Frame::Whole(payload.clone());
                self.waiting.push_front(payload);
                return Some(frame);
            }
            self.number += 1;
            self.under_way = Some(UnderWay { number: self.number, payload, next: 0 });
        }
        let UnderWay { number, payload, next } = self.under_way.as_ref()?;
        let bytes = payload.chunks(PART).nth(*next)?.to_vec();
        let count = payload.len().div_ceil(PART);
        Some(Frame::Part {
            number: *number,
            index: u16::try_from(*next).ok()?,
            count: u16::try_from(count).ok()?,
            bytes,
        })
    }

    /// What [`Self::peek`] gave was sent.
    pub fn sent(&mut self) {
        match &mut self.under_way {
            Some(under_way) => under_way.next += 1,
            None => drop(self.waiting.pop_front()),
        }
    }

    /// A long payload of ours has come back whole.
    pub fn came_back(&mut self, number: u32) {
        if self.under_way.as_ref().is_some_and(|under_way| under_way.number == number) {
            self.under_way = None;
        }
    }

    /// A cut: what has not come back whole is sent again.
    pub fn restart(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            under_way.next = 0;
        }
    }
}

/// Payloads of others that are not yet whole: one of each process at most.
#[derive(Debug, Default)]
pub struct Assembly {
    partial: BTreeMap<Process, Partial>,
    /// The last that was whole.
    whole: BTreeMap<Process, u32>,
}

#[derive(Debug)]
struct Partial {
    number: u32,
    next: u16,
    count: u16,
    bytes: Vec<u8>,
}

impl Assembly {
    /// Takes a part; gives the payload when it was the last one. Parts of a payload whose first part we have not seen,
    /// or that was whole already, are left aside.
    pub fn take(&mut self, from: Process, number: u32, index: u16, count: u16, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.whole.get(&from).is_some_and(|last| number <= *last) {
            return None;
        }
        if index == 0 {
            self.partial.insert(from, Partial { number, next: 0, count, bytes: Vec::new() });
        }
        let partial = self.partial.get_mut(&from)?;
        let fits = partial.bytes.len() + bytes.len() <= MAX_MESSAGE;
        if (partial.number, partial.next, partial.count) != (number, index, count) || !fits {
            return None;
        }
        partial.bytes.extend_from_slice(bytes);
        partial.next += 1;
        if partial.next < count {
            return None;
        }
        self.whole.insert(from, number);
        self.partial.remove(&from).map(|partial| partial.bytes)
    }

    /// A cut: what is not yet whole comes again.
    pub fn restart(&mut self) {
        self.partial.clear();
    }

    /// A process is gone.
    pub fn forget(&mut self, process: Process) {
        self.partial.remove(&process);
        self.whole.remove(&process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::NodeId;

    const FROM: Process = Process { node: NodeId(1), pid: 2 };

    fn give(assembly: &mut Assembly, frame: &Frame) -> Option<(u32, Vec<u8>)> {
        let Frame::Part { number, index, count, bytes } = frame else { panic!("{frame:?} is no part") };
        Some((*number, assembly.take(FROM, *number, *index, *count, bytes)?))
    }

    fn all(outbox: &mut Outbox) -> Vec<Frame> {
        std::iter::from_fn(|| {
            let frame = outbox.peek()?;
            outbox.sent();
            Some(frame)
        })
        .collect()
    }

    #[test]
    fn a_long_payload_goes_in_parts_and_nothing_overtakes_it() {
        let (mut outbox, mut assembly) = (Outbox::default(), Assembly::default());
        let long: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        outbox.push(vec![1]);
        outbox.push(long.clone());
        outbox.push(vec![2]);
        let frames = all(&mut outbox);
        assert_eq!(frames[0], Frame::Whole(vec![1]));
        assert_eq!(frames.len(), 5, "one short and four parts; the last waits");
        let whole: Vec<_> = frames[1..].iter().filter_map(|frame| give(&mut assembly, frame)).collect();
        assert_eq!(whole, vec![(1, long)]);
        outbox.came_back(1);
        assert_eq!(all(&mut outbox), vec![Frame::Whole(vec![2])]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn who_joins_in_the_middle_hears_the_same_as_the_others() {
        // Two parts come before the join, two after; then all of it again.
        let mut outbox = Outbox::default();
        outbox.push(vec![7; 4 * PART]);
        let first = all(&mut outbox);
        outbox.restart();
        let again = all(&mut outbox);
        let (mut old, mut new) = (Assembly::default(), Assembly::default());
        first[..2].iter().for_each(|frame| assert_eq!(give(&mut old, frame), None));
        old.restart();
        for frame in first[2..].iter().chain(&again) {
            assert_eq!(give(&mut old, frame), give(&mut new, frame));
        }
        assert_eq!(old.whole, new.whole);
        assert_eq!(old.whole.get(&FROM), Some(&1));
    }

    #[test]
    fn what_came_after_the_join_as_a_whole_is_not_taken_twice() {
        let mut outbox = Outbox::default();
        outbox.push(vec![7; 2 * PART]);
        let first = all(&mut outbox);
        outbox.restart();
        let again = all(&mut outbox);
        let mut assembly = Assembly::default();
        let whole = first.iter().chain(&again).filter(|frame| give(&mut assembly, frame).is_some()).count();
        assert_eq!(whole, 1);
        assembly.forget(FROM);
        assert_eq!(again.iter().filter(|frame| give(&mut assembly, frame).is_some()).count(), 1, "another process");
    }
}
