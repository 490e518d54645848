//! The bytes that our daemons multicast in their process group: a promise to the other versions of this program.
//!
//! ```text
//!   "SYTG"  version  kind   then, by kind (numbers big-endian, texts with their length before them):
//!                    1 here     what a member reports of itself at a cut
//!                    2 whole    a payload
//!                    3 part     a piece of a payload: number, index, count, bytes
//!                    4 absent   a process that did not report: cut, node, pid
//!                    5 alive    nothing but that its sender is
//! ```
//!
//! What is not of this form comes from a stranger. Nothing in it is believed beyond its bounds.

use engine::NodeId;

use crate::ring::Process;

/// The version of this form. A later one that cannot speak this one must leave when it meets it.
pub const VERSION: u8 = 1;

/// A payload longer than this goes in parts: a token's turn carries it, and others get their turn in between.
pub const PART: usize = 64 * 1024;

/// The longest payload: sixteen times what an engine must carry. It bounds what a member can make the others keep.
pub const MAX_MESSAGE: usize = 8 * 1024 * 1024;

/// The longest name of a node, of a cluster, of a version.
const MAX_TEXT: usize = 255;

/// As many processes as Corosync lets into a group.
const MAX_PROCESSES: usize = 128;

const MAGIC: [u8; 4] = *b"SYTG";

/// What a member reports of itself at a cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Here {
    /// The cut that it is at.
    pub cut: u64,
    /// What it went through up to here; equal at two members exactly when both went through the same.
    pub lineage: u64,
    /// Its place in the order of joining; 0 while it has none.
    pub since: u64,
    /// The highest place of anyone that it has heard of.
    pub highest: u32,
    /// When it was started, in seconds since 1970: its place if nobody is there before it.
    pub started: u32,
    /// A number by chance that tells its places from others'.
    pub nonce: u32,
    /// Whether Corosync's quorum service calls this ring quorate there.
    pub quorate: bool,
    /// Votes present.
    pub votes: u32,
    /// Votes expected.
    pub expected: u32,
    /// Its name.
    pub name: String,
    /// The cluster it is configured for.
    pub cluster: String,
    /// Its version, to be named where it matters.
    pub version: String,
    /// Processes in the group that it knows to be none of us.
    pub strangers: Vec<Process>,
}

/// One multicast.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A report.
    Here(Here),
    /// A payload of [`PART`] bytes at most.
    Whole(Vec<u8>),
    /// A piece of a longer one.
    Part {
        /// The sender counts its long payloads.
        number: u32,
        /// Which piece.
        index: u16,
        /// Of how many.
        count: u16,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// A process is waited for in vain.
    Absent {
        /// The cut that this is said at.
        cut: u64,
        /// The process.
        process: Process,
        /// How much the sender had heard of it: who was heard of since is not absent.
        heard: u64,
    },
    /// The sender is there.
    Alive,
}

/// Why bytes are none of ours.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// They do not begin as ours do.
    #[error("what no systoled sends")]
    Foreign,
    /// They are of another version.
    #[error(
        "what a systoled of another version sends (form {0}, this one knows {VERSION}): bring all nodes to one version"
    )]
    Version(u8),
    /// They end too early, go on too long, or hold what must not be there.
    #[error("a damaged message: {0}")]
    Damaged(&'static str),
}

impl Frame {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(match self {
            Frame::Whole(bytes) | Frame::Part { bytes, .. } => bytes.len() + 16,
            _ => 256,
        });
        out.extend(MAGIC);
        out.push(VERSION);
        match self {
            Frame::Here(here) => {
                out.push(1);
                here.encode(&mut out);
            }
            Frame::Whole(bytes) => {
                out.push(2);
                out.extend_from_slice(bytes);
            }
            Frame::Part { number, index, count, bytes } => {
                out.push(3);
                out.extend(number.to_be_bytes());
                out.extend(index.to_be_bytes());
                out.extend(count.to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Frame::Absent { cut, process, heard } => {
                out.push(4);
                out.extend(cut.to_be_bytes());
                put_process(&mut out, *process);
                out.extend(heard.to_be_bytes());
            }
            Frame::Alive => out.push(5),
        }
        out
    }

    /// Reads bytes that anybody may have sent.
    ///
    /// # Errors
    /// When they are none of ours.
    pub fn decode(bytes: &[u8]) -> Result<Frame, FrameError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(FrameError::Foreign)?;
        let (version, rest) = rest.split_first().ok_or(FrameError::Damaged("it ends before its version"))?;
        if *version != VERSION {
            return Err(FrameError::Version(*version));
        }
        let (kind, rest) = rest.split_first().ok_or(FrameError::Damaged("it ends before its kind"))?;
        let mut reader = Reader(rest);
        let frame = match kind {
            1 => Frame::Here(Here::decode(&mut reader)?),
            2 => Frame::Whole(reader.rest(PART)?),
            3 => {
                let (number, index, count) = (reader.u32()?, reader.u16()?, reader.u16()?);
                if index >= count || usize::from(count) > MAX_MESSAGE / PART {
                    return Err(FrameError::Damaged("its parts are miscounted"));
                }
                Frame::Part { number, index, count, bytes: reader.rest(PART)? }
            }
            4 => Frame::Absent { cut: reader.u64()?, process: reader.process()?, heard: reader.u64()? },
            5 => Frame::Alive,
            _ => return Err(FrameError::Damaged("its kind is unknown")),
        };
        if reader.0.is_empty() { Ok(frame) } else { Err(FrameError::Damaged("it goes on after its end")) }
    }
}

impl Here {
    fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.cut, self.lineage, self.since] {
            out.extend(number.to_be_bytes());
        }
        for number in [self.highest, self.started, self.nonce, u32::from(self.quorate), self.votes, self.expected] {
            out.extend(number.to_be_bytes());
        }
        for text in [&self.name, &self.cluster, &self.version] {
            let bytes = &text.as_bytes()[..text.len().min(MAX_TEXT)];
            out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(bytes);
        }
        let strangers = &self.strangers[..self.strangers.len().min(MAX_PROCESSES)];
        out.push(u8::try_from(strangers.len()).unwrap_or(u8::MAX));
        strangers.iter().for_each(|process| put_process(out, *process));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Here, FrameError> {
        let (cut, lineage, since) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (highest, started, nonce) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let quorate = match reader.u32()? {
            0 => false,
            1 => true,
            _ => return Err(FrameError::Damaged("its quorum is neither yes nor no")),
        };
        let (votes, expected) = (reader.u32()?, reader.u32()?);
        let (name, cluster, version) = (reader.text()?, reader.text()?, reader.text()?);
        let is_word = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
        if !is_word || cluster.contains(char::is_control) || version.contains(char::is_control) {
            return Err(FrameError::Damaged("its names are no names"));
        }
        let count = usize::from(reader.u8()?);
        if count > MAX_PROCESSES {
            return Err(FrameError::Damaged("it names too many strangers"));
        }
        let strangers = (0..count).map(|_| reader.process()).collect::<Result<Vec<_>, _>>()?;
        Ok(Here {
            cut,
            lineage,
            since,
            highest,
            started,
            nonce,
            quorate,
            votes,
            expected,
            name,
            cluster,
            version,
            strangers,
        })
    }
}

fn put_process(out: &mut Vec<u8>, process: Process) {
    out.extend(process.node.0.to_be_bytes());
    out.extend(process.pid.to_be_bytes());
}

/// Takes values from the front of bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(FrameError::Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, FrameError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_be_bytes)
    }

    fn process(&mut self) -> Result<Process, FrameError> {
        Ok(Process { node: NodeId(self.u32()?), pid: self.u32()? })
    }

    fn text(&mut self) -> Result<String, FrameError> {
        let length = usize::from(self.u8()?);
        let (head, rest) = self.0.split_at_checked(length).ok_or(FrameError::Damaged("it ends too early"))?;
        self.0 = rest;
        String::from_utf8(head.to_vec()).map_err(|_| FrameError::Damaged("its text is no text"))
    }

    fn rest(&mut self, limit: usize) -> Result<Vec<u8>, FrameError> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.len() > limit { Err(FrameError::Damaged("it is too long")) } else { Ok(bytes.to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn here() -> Here {
        Here {
            cut: 1,
            lineage: 2,
            since: 3,
            highest: 4,
            started: 5,
            nonce: 6,
            quorate: true,
            votes: 2,
            expected: 3,
            name: "node1".into(),
            cluster: "a b".into(),
            version: "0.1.0".into(),
            strangers: vec![Process { node: NodeId(7), pid: 8 }],
        }
    }

    fn samples() -> Vec<Frame> {
        vec![
            Frame::Here(here()),
            Frame::Whole(vec![1, 2, 3]),
            Frame::Whole(Vec::new()),
            Frame::Part { number: 9, index: 1, count: 2, bytes: vec![4; PART] },
            Frame::Absent { cut: 1, process: Process { node: NodeId(1), pid: 2 }, heard: 3 },
            Frame::Alive,
        ]
    }

    #[test]
    fn frames_come_back_as_they_were_and_never_shortened() {
        for frame in samples() {
            let bytes = frame.encode();
            assert_eq!(Frame::decode(&bytes), Ok(frame.clone()));
            for cut in 0..bytes.len() {
                // A payload's end is the message's end: Corosync delivers messages whole.
                if !(matches!(frame, Frame::Whole(_)) && cut >= 6 || matches!(frame, Frame::Part { .. }) && cut >= 14) {
                    assert!(Frame::decode(&bytes[..cut]).is_err(), "{frame:?} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn what_others_send_is_told_apart() {
        assert_eq!(Frame::decode(b"hello"), Err(FrameError::Foreign));
        assert_eq!(Frame::decode(b""), Err(FrameError::Foreign));
        assert_eq!(Frame::decode(b"SYTG\x02\x01"), Err(FrameError::Version(2)));
        assert!(matches!(Frame::decode(b"SYTG\x01\x63"), Err(FrameError::Damaged(_))));
        let part = |index, count| Frame::Part { number: 1, index, count, bytes: vec![] }.encode();
        assert!(matches!(Frame::decode(&part(2, 2)), Err(FrameError::Damaged(_))));
        assert!(matches!(Frame::decode(&part(0, 60_000)), Err(FrameError::Damaged(_))));
        assert!(matches!(Frame::decode(&Frame::Whole(vec![0; PART + 1]).encode()), Err(FrameError::Damaged(_))));
        let named = |name: &str| Frame::decode(&Frame::Here(Here { name: name.into(), ..here() }).encode());
        assert!(named("n1").is_ok());
        for name in ["", "a b", "a\n", "a\u{1b}[2J"] {
            assert!(matches!(named(name), Err(FrameError::Damaged(_))), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..200), kind in 0_u8..7) {
            let mut bytes = b"SYTG\x01".to_vec();
            bytes.push(kind);
            bytes.extend(tail);
            if let Ok(frame) = Frame::decode(&bytes) {
                prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
            }
        }
    }
}
