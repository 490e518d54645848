//! What this node says to all. A message of several pieces that a membership cuts in two is heard whole by nobody who
//! came with it, so all drop it and its sender says it again. What it says meanwhile waits: the order of what one node
//! says is relied on.
//!
//! Whether a message is one of those, its sender decides when it begins, and its first piece tells: members may have met
//! different others before, so no two of them need agree on what all others know. Where one of an older build
//! listens it is not, for that one takes the rest and would take the repetition too; then the sender's `Hello` says that
//! something was cut.

use std::collections::VecDeque;

use wire::Message;
use wire::frame::{cut, cut_to_repeat};

/// From this protocol on members forget what a membership cut in two, and hear it again.
pub(crate) const SAID_AGAIN: u32 = 3;

/// What this node says, between its parts and the engine.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    /// The one message of several pieces that has not come back whole.
    long: Option<Long>,
    /// What waits for it. No more than a node says within the time that one message takes: its parts wait for the return
    /// of most of what they say.
    behind: VecDeque<Message>,
    /// A member does not know what it is to say something again.
    older_listens: bool,
}

#[derive(Debug)]
struct Long {
    message: Message,
    /// By which its return is known.
    first: Vec<u8>,
    returns: bool,
    /// It is said again if someone comes before its end.
    repeated: bool,
}

impl Speech {
    /// Among the members is one of a build that does not know what it is to say something again, or there is none.
    pub fn older_build_listens(&mut self, listens: bool) {
        self.older_listens = listens;
    }

    /// Says a message: the pieces to send now. `limit`: the longest piece.
    pub fn say(&mut self, message: &Message, limit: usize) -> Vec<Vec<u8>> {
        // What members meet with is made anew at each membership, and must not wait for what was before.
        let of_meeting = matches!(
            message,
            Message::Hello(_) | Message::State(_) | Message::Chunk(_) | Message::Taken(_) | Message::Again(_)
        );
        if of_meeting {
            return cut(message, limit);
        }
        if self.long.is_some() {
            self.behind.push_back(message.clone());
            return Vec::new();
        }
        let repeated = !self.older_listens;
        let pieces = if repeated { cut_to_repeat(message, limit) } else { cut(message, limit) };
        if let [first, _, ..] = &pieces[..] {
            self.long = Some(Long { message: message.clone(), first: first.clone(), returns: false, repeated });
        }
        pieces
    }

    /// A piece of our own was delivered. `ends`: with it a message was whole, or could not be.
    pub fn returned(&mut self, piece: &[u8], ends: bool, limit: usize) -> Vec<Vec<u8>> {
        let Some(long) = &mut self.long else { return Vec::new() };
        long.returns |= piece == long.first;
        if !(long.returns && ends) {
            return Vec::new();
        }
        self.long = None;
        let mut pieces = Vec::new();
        while self.long.is_none()
            && let Some(next) = self.behind.pop_front()
        {
            pieces.extend(self.say(&next, limit));
        }
        pieces
    }

    /// Someone came. If it was between the pieces of what is said again, what of it was delivered counts no more, and what
    /// is still to be delivered of it is left alone by all.
    pub fn again(&mut self, limit: usize) -> Vec<Vec<u8>> {
        match &mut self.long {
            Some(long) if long.returns && long.repeated => {
                long.returns = false;
                cut_to_repeat(&long.message, limit)
            }
            _ => Vec::new(),
        }
    }

    /// Whether something was begun that those who come now hear only the end of.
    pub fn is_cut(&self) -> bool {
        self.long.as_ref().is_some_and(|long| long.returns)
    }

    /// The engine is gone, and with it whatever was not delivered.
    pub fn lost(&mut self) {
        *self = Speech::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::frame::Assembler;

    const LIMIT: usize = 100;

    fn failed(length: usize) -> Message {
        Message::NotHeld { admin_epoch: 0, epoch: 0, reason: "x".repeat(length) }
    }

    #[test]
    fn what_was_cut_in_two_comes_again_before_what_was_said_after_it() {
        let mut speech = Speech::default();
        let long = speech.say(&failed(300), LIMIT);
        assert!(long.len() > 3);
        assert!(speech.say(&failed(1), LIMIT).is_empty() && speech.say(&failed(2), LIMIT).is_empty());
        let (mut old, mut new) = (Assembler::default(), Assembler::default());
        let mut order = Vec::new();
        for piece in &long[..2] {
            assert_eq!(old.take(1, piece), Ok(None));
            assert!(speech.returned(piece, false, LIMIT).is_empty());
        }
        for each in [&mut old, &mut new] {
            each.someone_came([1].into_iter());
        }
        let mut coming: VecDeque<Vec<u8>> = long[2..].iter().cloned().chain(speech.again(LIMIT)).collect();
        while let Some(piece) = coming.pop_front() {
            let (at_old, at_new) = (old.take(1, &piece), new.take(1, &piece));
            assert_eq!(at_old, at_new);
            let heard = at_old.unwrap();
            coming.extend(speech.returned(&piece, heard.is_some(), LIMIT));
            order.extend(heard);
        }
        assert_eq!(order, [failed(300), failed(1), failed(2)]);
    }

    #[test]
    fn what_was_not_begun_is_not_said_twice() {
        let mut speech = Speech::default();
        let long = speech.say(&failed(300), LIMIT);
        assert!(speech.again(LIMIT).is_empty() && !speech.is_cut());
        speech.returned(&long[0], false, LIMIT);
        assert_eq!(speech.again(LIMIT), long);
        assert!(speech.again(LIMIT).is_empty() && !speech.is_cut(), "nothing of it was delivered since");
        speech.lost();
        assert_eq!(speech.say(&failed(1), LIMIT).len(), 1);
    }

    #[test]
    fn an_older_build_hears_nothing_twice_and_the_others_are_told() {
        let mut speech = Speech::default();
        speech.older_build_listens(true);
        let long = speech.say(&failed(300), LIMIT);
        speech.returned(&long[0], false, LIMIT);
        assert!(speech.again(LIMIT).is_empty());
        assert!(speech.is_cut());
        for piece in &long[1..] {
            speech.returned(piece, piece == &long[long.len() - 1], LIMIT);
        }
        assert!(!speech.is_cut());
    }
}
