//! What goes over the socket: frames with their length before them, all bounded. What a frame means is for others.
//!
//! A frame is `length: u32, kind: u8, body`; numbers are little-endian, a short text has its length in two bytes before
//! it, a payload or a reason goes to the frame's end. Hub and clients are of one version and on one machine: [`PROTOCOL`]
//! only has to tell apart a daemon and a hub that were not upgraded together.

use engine::{Host, MAX_PAYLOAD, Member, Membership, NodeId};

use crate::{NodeStatus, Reply, Status};

/// Raised with every change of this file that an older end would misread.
pub const PROTOCOL: u8 = 1;

/// The longest frame: a payload with the kind and its sender before it. A membership of all nodes is shorter.
pub const MAX_FRAME: usize = MAX_PAYLOAD + 16;

/// What a client says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToHub {
    /// First word of a daemon.
    Member {
        /// [`PROTOCOL`] of the daemon.
        protocol: u8,
        /// Its node.
        host: Host,
        /// Its node's votes.
        votes: u32,
    },
    /// First word of a node's pid 1.
    Presence {
        /// [`PROTOCOL`] of the supervisor.
        protocol: u8,
        /// Its node.
        host: Host,
    },
    /// The one word of an operator: the text of a [`crate::Request`].
    Control {
        /// [`PROTOCOL`] of the tool.
        protocol: u8,
        /// What is asked.
        request: String,
    },
    /// A message for all members.
    Send {
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// The answer to [`ToClient::Ping`].
    Pong,
}

/// What the hub says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToClient {
    /// The client is taken.
    Welcome {
        /// The hub's token time in milliseconds, by which a client judges the hub's silence.
        token_ms: u32,
    },
    /// The client is not taken; the connection ends.
    Refused {
        /// Why.
        reason: String,
    },
    /// Who is here.
    Membership(Membership),
    /// A message in its place.
    Delivered {
        /// Who sent it.
        from: NodeId,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// Are you there?
    Ping,
    /// The client was taken out; the connection ends.
    Removed {
        /// Why.
        reason: String,
    },
    /// The answer to [`ToHub::Control`].
    Reply(Reply),
}

/// What is wrong with bytes from a socket. The connection they came from is of no further use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// Its length cannot be.
    #[error("a frame of {0} bytes (expected 1 to {MAX_FRAME})")]
    Length(usize),
    /// A number that names no kind.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// Shorter or longer than its kind says, or a value out of its range.
    #[error("a frame of kind {0} whose body is not of that kind")]
    Body(u8),
}

/// Gathers bytes until a frame is whole.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Takes in what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > MAX_FRAME {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, read by [`ToHub::decode`] or [`ToClient::decode`].
    pub fn take<T>(&mut self, decode: impl Fn(&[u8]) -> Result<T, FrameError>) -> Result<Option<T>, FrameError> {
        let bytes = &self.bytes[self.start..];
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > MAX_FRAME {
            return Err(FrameError::Length(length));
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let decoded = decode(frame)?;
        self.start += 4 + length;
        Ok(Some(decoded))
    }
}

mod kind {
    pub const MEMBER: u8 = 1;
    pub const PRESENCE: u8 = 2;
    pub const CONTROL: u8 = 3;
    pub const SEND: u8 = 4;
    pub const PONG: u8 = 5;

    pub const WELCOME: u8 = 64;
    pub const REFUSED: u8 = 65;
    pub const MEMBERSHIP: u8 = 66;
    pub const DELIVERED: u8 = 67;
    pub const PING: u8 = 68;
    pub const REMOVED: u8 = 69;
    pub const DONE: u8 = 70;
    pub const STATUS: u8 = 71;
    pub const NOT_DONE: u8 = 72;
}

impl ToHub {
    /// The bytes to write, the length included.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            ToHub::Member { protocol, host, votes } => {
                Writer::of(kind::MEMBER).u8(*protocol).host(host).u32(*votes).done()
            }
            ToHub::Presence { protocol, host } => Writer::of(kind::PRESENCE).u8(*protocol).host(host).done(),
            ToHub::Control { protocol, request } => Writer::of(kind::CONTROL).u8(*protocol).tail(request).done(),
            ToHub::Send { payload } => Writer::of(kind::SEND).tail(payload).done(),
            ToHub::Pong => Writer::of(kind::PONG).done(),
        }
    }

    /// Reads a frame without its length.
    pub fn decode(frame: &[u8]) -> Result<ToHub, FrameError> {
        let (&kind, body) = frame.split_first().ok_or(FrameError::Length(0))?;
        let mut reader = Reader(body);
        let read = match kind {
            kind::MEMBER => reader.member(),
            kind::PRESENCE => reader.presence(),
            kind::CONTROL => reader.control(),
            kind::SEND => Some(ToHub::Send { payload: reader.tail().to_vec() }),
            kind::PONG => Some(ToHub::Pong),
            _ => return Err(FrameError::Kind(kind)),
        };
        reader.end(read, kind)
    }
}

impl ToClient {
    /// The bytes to write, the length included.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            ToClient::Welcome { token_ms } => Writer::of(kind::WELCOME).u32(*token_ms).done(),
            ToClient::Refused { reason } => Writer::of(kind::REFUSED).tail(reason).done(),
            ToClient::Membership(membership) => Writer::of(kind::MEMBERSHIP).membership(membership).done(),
            ToClient::Delivered { from, payload } => Writer::of(kind::DELIVERED).u32(from.0).tail(payload).done(),
            ToClient::Ping => Writer::of(kind::PING).done(),
            ToClient::Removed { reason } => Writer::of(kind::REMOVED).tail(reason).done(),
            ToClient::Reply(Reply::Done) => Writer::of(kind::DONE).done(),
            ToClient::Reply(Reply::Status(status)) => Writer::of(kind::STATUS).status(status).done(),
            ToClient::Reply(Reply::Refused(reason)) => Writer::of(kind::NOT_DONE).tail(reason).done(),
        }
    }

    /// Reads a frame without its length.
    pub fn decode(frame: &[u8]) -> Result<ToClient, FrameError> {
        let (&kind, body) = frame.split_first().ok_or(FrameError::Length(0))?;
        let mut reader = Reader(body);
        let read = match kind {
            kind::WELCOME => reader.u32().map(|token_ms| ToClient::Welcome { token_ms }),
            kind::REFUSED => reader.text_tail().map(|reason| ToClient::Refused { reason }),
            kind::MEMBERSHIP => reader.membership().map(ToClient::Membership),
            kind::DELIVERED => reader.delivered(),
            kind::PING => Some(ToClient::Ping),
            kind::REMOVED => reader.text_tail().map(|reason| ToClient::Removed { reason }),
            kind::DONE => Some(ToClient::Reply(Reply::Done)),
            kind::STATUS => reader.status().map(|status| ToClient::Reply(Reply::Status(status))),
            kind::NOT_DONE => reader.text_tail().map(|reason| ToClient::Reply(Reply::Refused(reason))),
            _ => return Err(FrameError::Kind(kind)),
        };
        reader.end(read, kind)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn of(kind: u8) -> Writer {
        Writer(vec![0, 0, 0, 0, kind])
    }

    fn u8(mut self, value: u8) -> Writer {
        self.0.push(value);
        self
    }

    fn u32(mut self, value: u32) -> Writer {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Writer {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn host(mut self, host: &Host) -> Writer {
        let length = u16::try_from(host.name.len()).expect("a node's name has 255 bytes at most");
        self = self.u32(host.id.0);
        self.0.extend(length.to_le_bytes());
        self.tail(&host.name)
    }

    fn tail(mut self, bytes: impl AsRef<[u8]>) -> Writer {
        self.0.extend(bytes.as_ref());
        self
    }

    fn list<T>(self, items: &[T], write: impl Fn(Writer, &T) -> Writer) -> Writer {
        let count = u32::try_from(items.len()).expect("a list holds at most one entry for each node");
        items.iter().fold(self.u32(count), write)
    }

    fn membership(self, membership: &Membership) -> Writer {
        let Membership { number, hosts, members, quorate, votes, expected_votes } = membership;
        self.u64(*number)
            .u8(u8::from(*quorate))
            .u32(*votes)
            .u32(*expected_votes)
            .list(hosts, Writer::host)
            .list(members, |writer, member| writer.u32(member.id.0).u64(member.since))
    }

    fn status(self, status: &Status) -> Writer {
        self.u32(status.expected_votes).list(&status.nodes, |writer, node| {
            // Sinces begin with 1, so 0 is free to say that there is no daemon.
            let writer = writer.host(&node.host).u32(node.votes).u8(u8::from(node.up)).u64(node.since.unwrap_or(0));
            writer.u32(node.side).u8(u8::from(node.quorate))
        })
    }

    fn done(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).expect("a frame is bounded by MAX_FRAME");
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

/// Reads from the front; `None` when the bytes are not what was asked for.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn end<T>(&self, read: Option<T>, kind: u8) -> Result<T, FrameError> {
        read.filter(|_| self.0.is_empty()).ok_or(FrameError::Body(kind))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn bool(&mut self) -> Option<bool> {
        self.u8().and_then(|byte| if byte < 2 { Some(byte == 1) } else { None })
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn id(&mut self) -> Option<NodeId> {
        self.u32().map(NodeId)
    }

    fn host(&mut self) -> Option<Host> {
        let id = self.id()?;
        let length = usize::from(u16::from_le_bytes(self.array()?));
        let (name, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Host { id, name: String::from_utf8(name.to_vec()).ok()? })
    }

    fn tail(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn text_tail(&mut self) -> Option<String> {
        String::from_utf8(self.tail().to_vec()).ok()
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // Grown as entries are read: the count alone reserves nothing.
        let count = self.u32()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Some(items)
    }

    fn member(&mut self) -> Option<ToHub> {
        Some(ToHub::Member { protocol: self.u8()?, host: self.host()?, votes: self.u32()? })
    }

    fn presence(&mut self) -> Option<ToHub> {
        Some(ToHub::Presence { protocol: self.u8()?, host: self.host()? })
    }

    fn control(&mut self) -> Option<ToHub> {
        Some(ToHub::Control { protocol: self.u8()?, request: self.text_tail()? })
    }

    fn delivered(&mut self) -> Option<ToClient> {
        Some(ToClient::Delivered { from: self.id()?, payload: self.tail().to_vec() })
    }

    fn membership(&mut self) -> Option<Membership> {
        Some(Membership {
            number: self.u64()?,
            quorate: self.bool()?,
            votes: self.u32()?,
            expected_votes: self.u32()?,
            hosts: self.list(Reader::host)?,
            members: self.list(|reader| Some(Member { id: reader.id()?, since: reader.u64()? }))?,
        })
    }

    fn status(&mut self) -> Option<Status> {
        let node = |reader: &mut Self| {
            Some(NodeStatus {
                host: reader.host()?,
                votes: reader.u32()?,
                up: reader.bool()?,
                since: reader.u64().map(|since| Some(since).filter(|since| *since > 0))?,
                side: reader.u32()?,
                quorate: reader.bool()?,
            })
        };
        Some(Status { expected_votes: self.u32()?, nodes: self.list(node)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(id: u32, name: &str) -> Host {
        Host { id: NodeId(id), name: name.into() }
    }

    fn to_hub() -> Vec<ToHub> {
        vec![
            ToHub::Member { protocol: PROTOCOL, host: host(7, "seven"), votes: 2 },
            ToHub::Presence { protocol: PROTOCOL, host: host(1, "ä") },
            ToHub::Control { protocol: PROTOCOL, request: "heal".into() },
            ToHub::Send { payload: vec![0, 1, 255] },
            ToHub::Send { payload: vec![] },
            ToHub::Pong,
        ]
    }

    fn to_client() -> Vec<ToClient> {
        let member = Member { id: NodeId(1), since: 9 };
        let hosts = vec![host(1, "a"), host(2, "b")];
        let (number, votes, expected_votes) = (3, 2, 3);
        let status = |id, since| NodeStatus { host: host(id, "n"), votes, up: true, since, side: 1, quorate: true };
        vec![
            ToClient::Welcome { token_ms: 1000 },
            ToClient::Refused { reason: "no".into() },
            ToClient::Membership(Membership {
                number,
                hosts,
                members: vec![member],
                quorate: true,
                votes,
                expected_votes,
            }),
            ToClient::Delivered { from: NodeId(2), payload: vec![7; 100] },
            ToClient::Ping,
            ToClient::Removed { reason: "silent".into() },
            ToClient::Reply(Reply::Done),
            ToClient::Reply(Reply::Refused("why".into())),
            ToClient::Reply(Reply::Status(Status { expected_votes, nodes: vec![status(1, Some(4)), status(2, None)] })),
        ]
    }

    #[test]
    fn frames_are_read_as_they_were_written_in_any_pieces() {
        for size in [1, 3, 4096] {
            let mut decoder = Decoder::default();
            let (mut hub, mut client) = (Vec::new(), Vec::new());
            for piece in to_hub().iter().flat_map(ToHub::encode).collect::<Vec<_>>().chunks(size) {
                decoder.feed(piece);
                while let Some(frame) = decoder.take(ToHub::decode).expect("our own frames") {
                    hub.push(frame);
                }
            }
            for piece in to_client().iter().flat_map(ToClient::encode).collect::<Vec<_>>().chunks(size) {
                decoder.feed(piece);
                while let Some(frame) = decoder.take(ToClient::decode).expect("our own frames") {
                    client.push(frame);
                }
            }
            assert_eq!((hub, client), (to_hub(), to_client()));
        }
    }

    #[test]
    fn bodies_cut_short_or_with_more_behind_are_refused() {
        for frame in to_client().iter().map(ToClient::encode) {
            let takes_any = matches!(frame[4], kind::REFUSED | kind::REMOVED | kind::NOT_DONE | kind::DELIVERED);
            if !takes_any {
                assert!(frame.len() < 6 || ToClient::decode(&frame[4..frame.len() - 1]).is_err());
                assert!(ToClient::decode(&[&frame[4..], &[0]].concat()).is_err());
            }
        }
    }

    #[test]
    fn lengths_out_of_range_are_refused_before_anything_is_kept() {
        for length in [0, MAX_FRAME as u32 + 1, u32::MAX] {
            let mut decoder = Decoder::default();
            decoder.feed(&length.to_le_bytes());
            assert_eq!(decoder.take(ToHub::decode), Err(FrameError::Length(length as usize)));
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), first in 0u8..80) {
            let mut frame = vec![first];
            frame.extend(&bytes);
            let _ = ToHub::decode(&frame);
            let _ = ToClient::decode(&frame);
            let mut decoder = Decoder::default();
            decoder.feed(&bytes);
            let _ = decoder.take(ToHub::decode);
        }
    }
}
