//! A CIB on its way to members that hold another: in pieces, so that whatever else is said finds its place between them.
//!
//! The sender has few pieces under way at a time; the next goes out when it hears one of its own. Who has all of them and
//! could read them says `Taken`, and when all who needed it have said so it counts for everyone, at that place in the
//! order. A piece that does not fit is answered with `Again`, and the whole begins anew.

use std::collections::BTreeSet;

use cib::{Cib, digest};
use engine::NodeId;
use wire::Chunk;

/// The text of one piece: small beside what an engine carries, so that a token goes round quickly.
pub const PIECE: usize = 256 * 1024;
/// Pieces under way at once: one is read while the next is carried.
const WINDOW: u32 = 2;
/// Longer texts are not taken; as for messages, a CIB of 288 MB is the largest that was ever measured.
const MAX_TEXT: usize = 512 * 1024 * 1024;
/// After so many attempts a member gives up and leaves: what it is sent will not come to fit.
pub const ATTEMPTS: u32 = 3;

/// One transfer, as a member sees it.
#[derive(Debug)]
pub struct Transfer {
    /// Counts how often it began anew.
    pub attempt: u32,
    /// Those who need it.
    needed_by: BTreeSet<NodeId>,
    /// Those who have it.
    taken: BTreeSet<NodeId>,
    /// The text that is sent; empty for others than the sender.
    text: String,
    /// What has come.
    received: String,
    /// The next piece that fits.
    next: u32,
    /// All of it, read.
    whole: Option<Cib>,
}

/// What a piece means for a member.
#[derive(Debug, PartialEq, Eq)]
pub enum Fit {
    /// Nothing to do yet.
    Waits,
    /// All is there.
    Whole,
    /// It does not fit; why.
    Not(String),
}

impl Transfer {
    /// A transfer to those members; `text` is what the sender sends.
    pub fn new(needed_by: BTreeSet<NodeId>, text: String) -> Self {
        let taken = BTreeSet::new();
        Transfer { attempt: 0, needed_by, taken, text, received: String::new(), next: 0, whole: None }
    }

    /// Begins anew.
    pub fn again(&mut self) {
        self.attempt += 1;
        self.taken.clear();
        self.received.clear();
        (self.next, self.whole) = (0, None);
    }

    /// The first pieces.
    pub fn first(&self, meeting: &str) -> Vec<Chunk> {
        (0..WINDOW).filter_map(|index| self.piece(meeting, index)).collect()
    }

    /// The piece that goes out when the sender has heard that one.
    pub fn after(&self, meeting: &str, heard: u32) -> Option<Chunk> {
        self.piece(meeting, heard.checked_add(WINDOW)?)
    }

    fn piece(&self, meeting: &str, index: u32) -> Option<Chunk> {
        let count = self.text.len().div_ceil(PIECE).max(1);
        if index as usize >= count {
            return None;
        }
        // A character that lies across the border belongs to the piece it begins in.
        let border = |at: usize| {
            let at = (at * PIECE).min(self.text.len());
            (at..=self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or(self.text.len())
        };
        Some(Chunk {
            meeting: meeting.to_owned(),
            attempt: self.attempt,
            index,
            count: count as u32,
            digest: if index as usize + 1 == count { digest::md5(&self.text) } else { String::new() },
            text: self.text[border(index as usize)..border(index as usize + 1)].to_owned(),
        })
    }

    /// A piece has come to one who needs it.
    pub fn take(&mut self, chunk: &Chunk) -> Fit {
        if chunk.index != self.next || chunk.index >= chunk.count {
            return Fit::Not(format!(
                "piece {} of {} came where piece {} belongs",
                chunk.index, chunk.count, self.next
            ));
        }
        if self.received.len() + chunk.text.len() > MAX_TEXT {
            return Fit::Not(format!("it is longer than {MAX_TEXT} bytes"));
        }
        self.next += 1;
        self.received.push_str(&chunk.text);
        if self.next < chunk.count {
            return Fit::Waits;
        }
        if digest::md5(&self.received) != chunk.digest {
            return Fit::Not("its digest is another than that of what was sent".into());
        }
        match Cib::parse(&self.received) {
            Ok(cib) => {
                self.received = String::new();
                self.whole = Some(cib);
                Fit::Whole
            }
            Err(error) => Fit::Not(error.to_string()),
        }
    }

    /// Whether a member needs it.
    pub fn is_for(&self, node: NodeId) -> bool {
        self.needed_by.contains(&node)
    }

    /// A member has it. Whether all have it now.
    pub fn taken_by(&mut self, node: NodeId) -> bool {
        self.taken.insert(node);
        self.needed_by.is_subset(&self.taken)
    }

    /// What came.
    pub fn into_whole(self) -> Option<Cib> {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(text: &str) -> Transfer {
        Transfer::new(BTreeSet::from([NodeId(2)]), text.to_owned())
    }

    fn pieces(text: &str) -> Vec<Chunk> {
        let sender = transfer(text);
        let mut pieces = sender.first("m");
        let mut heard = 0;
        while let Some(piece) = sender.after("m", heard) {
            pieces.push(piece);
            heard += 1;
        }
        pieces
    }

    #[test]
    fn what_is_cut_comes_together_at_any_character() {
        for shift in 0..4 {
            let text = format!("<cib><!--{}{}--></cib>", "x".repeat(shift), "€".repeat(PIECE));
            let all = pieces(&text);
            assert!(all.len() == 4 && all.iter().all(|piece| piece.text.len() <= PIECE + 3));
            let mut taker = transfer("");
            for piece in &all[..3] {
                assert_eq!(taker.take(piece), Fit::Waits);
            }
            assert_eq!(taker.take(&all[3]), Fit::Whole);
            assert!(taker.into_whole().is_some());
        }
    }

    #[test]
    fn what_does_not_fit_is_seen() {
        let all = pieces(&format!("<cib><!--{}--></cib>", "x".repeat(PIECE)));
        assert!(matches!(transfer("").take(&all[1]), Fit::Not(_)), "the first is missing");
        let mut taker = transfer("");
        taker.take(&all[0]);
        assert!(matches!(taker.take(&all[0]), Fit::Not(_)), "twice the same");
        let mut taker = transfer("");
        let mut other = all[0].clone();
        other.text = other.text.replacen('x', "y", 1);
        taker.take(&other);
        assert!(matches!(taker.take(&all[1]), Fit::Not(reason) if reason.contains("digest")));
        assert!(matches!(transfer("").take(&pieces("<no>")[0]), Fit::Not(_)));
    }
}
