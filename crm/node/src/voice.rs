//! Between this node's parts and the engine: what is said is cut into pieces, in words that all members know, and what is
//! heard is put together again. Without an engine a node hears itself alone. What a message means is for others.

use std::collections::{BTreeSet, VecDeque};

use cib::Write;
use controller::{Level, Note};
use engine::{Member, Membership, NodeId};
use wire::frame::{Assembler, FrameError};
use wire::write::WriteForm;
use wire::{FIRST_PROTOCOL, Message, Origin};

use crate::event::{Command, Now};
use crate::machine::Node;
use crate::speech::{SAID_AGAIN, Speech};
use crate::versions::lowered;

/// Pieces for the engine to carry, in order.
type Pieces = Vec<Vec<u8>>;

/// What this node says and hears.
#[derive(Debug)]
pub(crate) struct Voice {
    /// The newest protocol of this build.
    protocol: u32,
    /// The longest piece that the engine carries.
    payload: usize,
    /// The newest protocol that all members know; the first until that is known.
    speaks: u32,
    /// There is no engine: we are alone, without quorum, and hear only ourselves.
    alone: bool,
    /// What we said while alone: it comes back to us and to nobody else.
    echo: VecDeque<Message>,
    speech: Speech,
    assembler: Assembler,
    /// Senders whose messages were no use, once each: noise has a bound.
    noisy: BTreeSet<u32>,
}

impl Voice {
    /// One that speaks the first protocol until members have met. `payload`: the longest piece.
    pub fn new(protocol: u32, payload: usize) -> Self {
        Voice {
            protocol,
            payload,
            speaks: FIRST_PROTOCOL,
            alone: false,
            echo: VecDeque::new(),
            speech: Speech::default(),
            assembler: Assembler::speaking(protocol),
            noisy: BTreeSet::new(),
        }
    }

    /// The newest protocol of this build.
    pub fn protocol(&self) -> u32 {
        self.protocol
    }

    /// The newest protocol that all members know.
    pub fn speaks(&self) -> u32 {
        self.speaks
    }

    /// Whether there is no engine.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// The engine is there (again).
    pub fn has_engine(&mut self) {
        self.alone = false;
        self.echo.clear();
    }

    /// The engine is gone, and with it whatever was not delivered. `goes_on`: as one that is alone.
    pub fn lost(&mut self, goes_on: bool) {
        self.speech.lost();
        self.alone |= goes_on;
    }

    /// Who is a member has changed; what of ours is to be said again.
    pub fn membership(&mut self, before: &Membership, now: &Membership) -> Pieces {
        // Who left and came back in one step has begun anew, and so does what it says.
        let stays = |member: &&Member| before.members.contains(member);
        let staying: BTreeSet<u32> = now.members.iter().filter(stays).map(|member| member.id.0).collect();
        self.assembler.keep_only(|id| staying.contains(&id));
        self.noisy.retain(|id| now.has_member(NodeId(*id)));
        if staying.len() == now.members.len() {
            return Pieces::new();
        }
        self.assembler.someone_came(now.members.iter().map(|member| member.id.0));
        self.speech.again(self.payload)
    }

    /// Members meet, in the first protocol. Whether something was begun that those who come hear only the end of.
    pub fn meets(&mut self) -> bool {
        self.speaks = FIRST_PROTOCOL;
        self.speech.is_cut()
    }

    /// A member says in which protocol it can speak.
    pub fn met(&mut self, protocol: u32) {
        if protocol < SAID_AGAIN {
            self.speech.older_build_listens(true);
        }
    }

    /// All have met: this is the newest protocol that each of them knows.
    pub fn agreed(&mut self, protocol: u32) {
        self.speaks = protocol.min(self.protocol);
        self.speech.older_build_listens(self.speaks < SAID_AGAIN);
    }

    /// Whether that member was saying something when we came.
    pub fn missed(&mut self, from: NodeId) -> bool {
        self.assembler.missed(from.0)
    }

    /// Says a message, in the newest words that all members know.
    fn say(&mut self, message: &Message) -> Pieces {
        lowered(message.clone(), self.speaks).iter().flat_map(|message| self.say_as_it_is(message)).collect()
    }

    fn say_as_it_is(&mut self, message: &Message) -> Pieces {
        if self.alone {
            self.echo.push_back(message.clone());
            return Pieces::new();
        }
        self.speech.say(message, self.payload)
    }

    /// What we said to ourselves, next.
    pub fn echoed(&mut self) -> Option<Message> {
        self.echo.pop_front()
    }

    /// A piece was delivered: the message that is whole with it, and what we may say now that ours has come back.
    fn hear(&mut self, from: NodeId, own: bool, piece: &[u8]) -> (Result<Option<Message>, FrameError>, Pieces) {
        let taken = self.assembler.take(from.0, piece);
        let next = match own {
            true => self.speech.returned(piece, !matches!(taken, Ok(None)), self.payload),
            false => Pieces::new(),
        };
        (taken, next)
    }
}

impl Node {
    pub(crate) fn delivered(&mut self, now: Now, from: NodeId, payload: &[u8]) {
        let (taken, next) = self.voice.hear(from, from == self.settings.me.id, payload);
        self.carry(next);
        match taken {
            Ok(Some(message)) => self.message(now, from, message),
            Ok(None) => {}
            Err(error) => self.garbage(from, &error.to_string()),
        }
    }

    /// What a member says is of no use: told once for as long as it is here, so that noise has a bound.
    pub(crate) fn garbage(&mut self, from: NodeId, what: &str) {
        if self.voice.noisy.insert(from.0) {
            self.note(Note::new(Level::Warning, "garbage", format!("from node {from}: {what}; ignored")));
        }
    }

    pub(crate) fn multicast_write(&mut self, origin: Origin, write: &Write) {
        self.send(&Message::Write { origin, write: WriteForm::from(write) });
    }

    pub(crate) fn send(&mut self, message: &Message) {
        let pieces = self.voice.say(message);
        self.carry(pieces);
    }

    /// Says a message as it is, whatever members have agreed on.
    pub(crate) fn send_as_it_is(&mut self, message: &Message) {
        let pieces = self.voice.say_as_it_is(message);
        self.carry(pieces);
    }

    pub(crate) fn carry(&mut self, pieces: Pieces) {
        self.out.extend(pieces.into_iter().map(Command::Send));
    }
}
