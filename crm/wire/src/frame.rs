//! Messages cut into pieces that an engine carries, and put together again. Pieces of one sender arrive in order, with
//! nothing of its own between them; a message stands where its last piece stands.
//!
//! Who joins while pieces are under way hears only the rest of them, and leaves that alone. So does everybody else if the
//! first piece says that its sender says the whole of it again ([`cut_to_repeat`]); otherwise those who heard the beginning
//! take the rest, and who did not knows that something is missing ([`Assembler::missed`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::PROTOCOL;
use crate::message::Message;

/// The longest message that is put together: a CIB of 288 MB is the largest that was ever measured.
pub const MAX_MESSAGE: usize = 512 * 1024 * 1024;

/// First bytes of each piece: a tag that nothing else in a process group begins with.
const MAGIC: [u8; 4] = *b"SYS\x01";
/// Magic, protocol, and which piece it is.
const HEADER: usize = 4 + 4 + 1;
/// More pieces follow. Earlier builds know this alone, and take any other mark for it as well, so the others come only
/// beside it.
const MORE: u8 = 1;
/// The first of several pieces.
const FIRST: u8 = 2;
/// Neither the first nor the last.
const REST: u8 = 4;
/// Beside [`FIRST`]: should someone come before the last piece, the sender says the whole again.
const REPEATED: u8 = 8;

/// Why a piece was not taken. What its sender had begun is dropped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// Not of this program.
    #[error("{0} bytes that are no message of Systole's")]
    Foreign(usize),
    /// Of a version that we do not know.
    #[error("a message of protocol {heard}; this node speaks {speaks}: upgrade this node")]
    Newer {
        /// The protocol of the message.
        heard: u32,
        /// The newest that we know.
        speaks: u32,
    },
    /// Longer than [`MAX_MESSAGE`].
    #[error("a message of more than {MAX_MESSAGE} bytes")]
    TooLong,
    /// Well framed, but not to be read.
    #[error("an unreadable message: {0}")]
    Unreadable(String),
}

/// The message in pieces of at most `limit` bytes.
pub fn cut(message: &Message, limit: usize) -> Vec<Vec<u8>> {
    pieces(message, limit, 0)
}

/// The same, said again from the start should someone come before its end: until then it is no message for anybody. Only
/// for members who all know that mark.
pub fn cut_to_repeat(message: &Message, limit: usize) -> Vec<Vec<u8>> {
    pieces(message, limit, REPEATED)
}

fn pieces(message: &Message, limit: usize, repeated: u8) -> Vec<Vec<u8>> {
    let body = serde_json::to_vec(message).expect("messages hold only text, numbers and lists of them");
    let room = limit.saturating_sub(HEADER).max(1);
    let count = body.len().div_ceil(room).max(1);
    (0..count)
        .map(|index| {
            let piece = &body[index * room..((index + 1) * room).min(body.len())];
            let mut frame = Vec::with_capacity(HEADER + piece.len());
            frame.extend_from_slice(&MAGIC);
            frame.extend_from_slice(&message.protocol().to_be_bytes());
            frame.push(match index {
                _ if index + 1 == count => 0,
                0 => MORE | FIRST | repeated,
                _ => MORE | REST,
            });
            frame.extend_from_slice(piece);
            frame
        })
        .collect()
}

/// Puts the pieces of all senders together.
#[derive(Clone, Debug)]
pub struct Assembler {
    speaks: u32,
    begun: BTreeMap<u32, Begun>,
    /// Senders whose next piece may belong to what was begun before, and is not known here.
    unknown: BTreeSet<u32>,
    /// Senders of whom the end of something was left alone, for want of its beginning.
    missed: BTreeSet<u32>,
}

/// Pieces of one message, so far.
#[derive(Clone, Default, Debug)]
struct Begun {
    body: Vec<u8>,
    /// Its sender says it again if someone comes.
    repeated: bool,
}

impl Default for Assembler {
    fn default() -> Self {
        Assembler::speaking(PROTOCOL)
    }
}

impl Assembler {
    /// One that knows protocols up to this one.
    pub fn speaking(protocol: u32) -> Self {
        Assembler { speaks: protocol, begun: BTreeMap::new(), unknown: BTreeSet::new(), missed: BTreeSet::new() }
    }

    /// Takes a piece; gives the message when it was the last one.
    pub fn take(&mut self, from: u32, frame: &[u8]) -> Result<Option<Message>, FrameError> {
        let outcome = self.piece(from, frame);
        if outcome.is_err() {
            self.begun.remove(&from);
        }
        outcome
    }

    fn piece(&mut self, from: u32, frame: &[u8]) -> Result<Option<Message>, FrameError> {
        let Some((header, piece)) = frame.split_at_checked(HEADER) else {
            return Err(FrameError::Foreign(frame.len()));
        };
        if header[..4] != MAGIC {
            return Err(FrameError::Foreign(frame.len()));
        }
        let protocol = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if protocol > self.speaks {
            return Err(FrameError::Newer { heard: protocol, speaks: self.speaks });
        }
        let (more, first, rest) = (header[8] != 0, header[8] & FIRST != 0, header[8] & REST != 0);
        if first {
            self.begun.remove(&from);
        }
        if rest && !self.begun.contains_key(&from) {
            self.unknown.insert(from);
            self.missed.insert(from);
            return Ok(None);
        }
        let whole;
        let body: &[u8] = match self.begun.get_mut(&from) {
            None if !more => piece,
            _ => {
                let begun = self.begun.entry(from).or_default();
                if begun.body.len() + piece.len() > MAX_MESSAGE {
                    return Err(FrameError::TooLong);
                }
                begun.body.extend_from_slice(piece);
                begun.repeated |= first && header[8] & REPEATED != 0;
                if more {
                    return Ok(None);
                }
                whole = self.begun.remove(&from).unwrap_or_default().body;
                &whole
            }
        };
        let unknown = self.unknown.remove(&from);
        match serde_json::from_slice(body) {
            Ok(message) => Ok(Some(message)),
            // The end of something: brackets that close what was not opened are never a message.
            Err(_) if unknown => {
                self.missed.insert(from);
                Ok(None)
            }
            Err(error) => Err(FrameError::Unreadable(error.to_string())),
        }
    }

    /// Forgets what senders had begun who are gone.
    pub fn keep_only(&mut self, here: impl Fn(u32) -> bool) {
        self.begun.retain(|from, _| here(*from));
        self.unknown.retain(|from| here(*from));
        self.missed.retain(|from| here(*from));
    }

    /// Someone came who has not heard the beginnings. What its sender says again is forgotten here too.
    pub fn someone_came(&mut self, senders: impl Iterator<Item = u32>) {
        self.begun.retain(|_, begun| !begun.repeated);
        self.unknown = senders.filter(|from| !self.begun.contains_key(from)).collect();
    }

    /// Whether the end of something that this member said was left alone here since that was last asked.
    pub fn missed(&mut self, from: u32) -> bool {
        self.missed.remove(&from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(length: usize) -> Message {
        Message::State(crate::State { meeting: "m".into(), text: "x".repeat(length) })
    }

    #[test]
    fn what_was_cut_comes_together_whoever_speaks_between() {
        let (mut a, message) = (Assembler::default(), sample(1000));
        let pieces = cut(&message, 64);
        assert!(pieces.len() > 10 && pieces.iter().all(|piece| piece.len() <= 64));
        for piece in &pieces[..pieces.len() - 1] {
            assert_eq!(a.take(1, piece), Ok(None));
            assert_eq!(a.take(2, &cut(&sample(1), 1000)[0]), Ok(Some(sample(1))));
        }
        assert_eq!(a.take(1, pieces.last().unwrap()), Ok(Some(message)));
    }

    #[test]
    fn what_was_cut_by_a_membership_is_heard_whole_or_not_at_all() {
        let message = sample(1000);
        let pieces = cut_to_repeat(&message, 64);
        for heard in 1..pieces.len() {
            let (mut old, mut new) = (Assembler::default(), Assembler::default());
            for piece in &pieces[..heard] {
                assert_eq!(old.take(1, piece), Ok(None));
            }
            old.someone_came([1, 2].into_iter());
            new.someone_came([1, 2].into_iter());
            for each in [&mut old, &mut new] {
                for piece in &pieces[heard..] {
                    assert_eq!(each.take(1, piece), Ok(None), "{heard} were heard before");
                }
                let again: Vec<_> = pieces.iter().map(|piece| each.take(1, piece)).collect();
                assert_eq!(again.last(), Some(&Ok(Some(message.clone()))));
                assert!(again[..again.len() - 1].iter().all(|taken| *taken == Ok(None)));
            }
        }
    }

    #[test]
    fn who_came_knows_that_it_missed_what_is_not_said_again() {
        let pieces = cut(&sample(1000), 64);
        for heard in 1..pieces.len() {
            let (mut old, mut new) = (Assembler::default(), Assembler::default());
            for piece in &pieces[..heard] {
                assert_eq!(old.take(1, piece), Ok(None));
            }
            old.someone_came([1, 2].into_iter());
            new.someone_came([1, 2].into_iter());
            let at_old: Vec<_> = pieces[heard..].iter().map(|piece| old.take(1, piece)).collect();
            assert_eq!(at_old.last(), Some(&Ok(Some(sample(1000)))), "the rest is taken");
            assert!(pieces[heard..].iter().all(|piece| new.take(1, piece) == Ok(None)));
            assert!(!old.missed(1) && new.missed(1) && !new.missed(1) && !new.missed(2), "{heard} were heard before");
        }
    }

    #[test]
    fn who_came_reads_what_was_not_cut() {
        let mut new = Assembler::default();
        new.someone_came([1].into_iter());
        assert_eq!(new.take(1, &cut(&sample(3), 1000)[0]), Ok(Some(sample(3))));
        let mut broken = cut(&sample(1), 1000).remove(0);
        broken.pop();
        assert!(new.take(1, &broken).is_err(), "the rest of something comes first or never");
    }

    #[test]
    fn pieces_of_earlier_builds_are_put_together() {
        let (mut a, message) = (Assembler::default(), sample(1000));
        let taken: Vec<_> = cut(&message, 64)
            .into_iter()
            .map(|mut piece| {
                piece[8] = u8::from(piece[8] != 0);
                a.take(1, &piece)
            })
            .collect();
        assert_eq!(taken.last(), Some(&Ok(Some(message))));
    }

    #[test]
    fn garbage_is_named_and_forgotten() {
        let mut a = Assembler::default();
        assert_eq!(a.take(1, b"hello"), Err(FrameError::Foreign(5)));
        let mut newer = cut(&sample(1), 1000).remove(0);
        newer[7] = 9;
        assert_eq!(a.take(1, &newer), Err(FrameError::Newer { heard: 9, speaks: PROTOCOL }));
        let mut broken = cut(&sample(1), 1000).remove(0);
        broken.pop();
        assert!(matches!(a.take(1, &broken), Err(FrameError::Unreadable(_))));
        assert_eq!(a.take(1, &cut(&sample(2), 1000)[0]), Ok(Some(sample(2))));
    }
}
