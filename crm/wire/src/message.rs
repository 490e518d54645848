//! What nodes tell each other, each in the one order that is the same for all.

use serde::{Deserialize, Serialize};

use crate::FIRST_PROTOCOL;
use crate::attribute::{AttributeState, Update};
use crate::order::{FenceOrder, OrderId, RunOrder};
use crate::write::{ExpectedForm, WriteForm};

/// Who wants to know what became of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// The controller of the sender.
    Controller,
    /// The executor or the fencer of the sender: nobody waits.
    Local,
    /// A client of the sender, by the sender's number for its request.
    Client(u64),
}

/// One message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// Who I am and what I hold: said by all after a membership with someone new.
    Hello(Hello),
    /// The CIB that counts from here on, from the member whose it is.
    State(State),
    /// A piece of the CIB that counts from here on.
    Chunk(Chunk),
    /// The sender has all pieces.
    Taken(Taken),
    /// A piece did not fit: send all of them again.
    Again(Again),
    /// A write, to be applied here by everyone.
    Write {
        /// Who waits for it.
        origin: Origin,
        /// What is written.
        write: WriteForm,
    },
    /// Run an operation.
    Run(RunOrder),
    /// Fence a node.
    Fence(FenceOrder),
    /// A fencing did not succeed. (Success is a write.)
    FenceFailed {
        /// Which.
        order: OrderId,
        /// Why, in words.
        reason: String,
    },
    /// Of fencing.
    Stonith(crate::stonith::StonithMessage),
    /// This node has the configuration of that version on its disk.
    Held {
        /// `admin_epoch` of the version.
        admin_epoch: u64,
        /// `epoch` of the version.
        epoch: u64,
    },
    /// This node's disk could not take the configuration of that version.
    NotHeld {
        /// `admin_epoch` of the version.
        admin_epoch: u64,
        /// `epoch` of the version.
        epoch: u64,
        /// Why, in words.
        reason: String,
    },
    /// A transient attribute changes: gathered by all, written when its dampening is over.
    Update {
        /// Who waits for it.
        origin: Origin,
        /// What changes; its node is named.
        update: Update,
    },
    /// What was gathered of these attributes is written now, by all alike.
    Gathered {
        /// Their names.
        names: Vec<String>,
    },
    /// Something happened: kept by all, and nothing follows from it.
    Record(crate::record::Record),
}

impl Message {
    /// The protocol that a member must know to read it.
    pub fn protocol(&self) -> u32 {
        match self {
            Message::Record(_) => 4,
            Message::NotHeld { .. } => 3,
            Message::Chunk(_)
            | Message::Taken(_)
            | Message::Again(_)
            | Message::Update { .. }
            | Message::Gathered { .. }
            | Message::Stonith(_)
            | Message::Write {
                write:
                    WriteForm::Attributes { .. }
                    | WriteForm::Returned { .. }
                    | WriteForm::Edit { .. }
                    | WriteForm::Configure { expected: Some(ExpectedForm::Whole(..)), .. }
                    | WriteForm::Replace { expected: Some(ExpectedForm::Whole(..)), .. },
                ..
            } => 2,
            _ => FIRST_PROTOCOL,
        }
    }
}

/// What a member says of itself when it meets others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::PROTOCOL`] of the sender.
    pub protocol: u32,
    /// Name of the cluster; members of two clusters do not mix.
    pub cluster: String,
    /// The sender's incarnation.
    pub incarnation: String,
    /// Which meeting this belongs to: the members and their `since`, so that an answer to an earlier one is dropped.
    pub meeting: String,
    /// `admin_epoch`, `epoch`, `num_updates` of the CIB it holds.
    pub version: (u64, u64, u64),
    /// Digest of that CIB.
    pub digest: String,
    /// Whether it belonged to a running cluster before this meeting.
    pub running: bool,
    /// Whether that cluster had quorum, and most of the nodes were members of it.
    pub quorate: bool,
    /// What it has been told to run and has not answered.
    pub under_way: Vec<RunOrder>,
    /// Attributes that it gathers or keeps. Members of protocol 1 have none.
    #[serde(default)]
    pub attributes: Vec<AttributeState>,
    /// The membership of this meeting cut in two what the sender was saying, and it is not said again: members who know
    /// no other way are among those who heard the beginning. Who has only the end of it must come anew.
    #[serde(default)]
    pub cut: bool,
}

/// A CIB's text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// Which meeting it belongs to.
    pub meeting: String,
    /// The text.
    pub text: String,
}

/// A piece of a CIB's text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chunk {
    /// Which meeting it belongs to.
    pub meeting: String,
    /// Which attempt, from 0.
    pub attempt: u32,
    /// Its place, from 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
    /// MD5 of the whole text, in the last piece; "" in the others.
    pub digest: String,
    /// The text.
    pub text: String,
}

/// All pieces have come, and could be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Which meeting it belongs to.
    pub meeting: String,
    /// Which attempt.
    pub attempt: u32,
}

/// A piece did not fit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Again {
    /// Which meeting it belongs to.
    pub meeting: String,
    /// Which attempt.
    pub attempt: u32,
    /// Why, in words.
    pub reason: String,
}
