//! Members meet: what each says of itself, how they come to hold the same CIB, and what they know together from then on. Which
//! CIB that is, the replica decides.

use std::collections::BTreeMap;

use cib::Write;
use controller::{Level, Note};
use engine::NodeId;
use wire::message::{Again, Hello};
use wire::{AttributeState, FIRST_PROTOCOL, Message, Origin};

use crate::event::{Command, Now};
use crate::machine::Node;
use crate::replica::Step;

/// What members said of themselves in the meeting under way, or the last one.
#[derive(Debug, Default)]
pub(crate) struct Meeting {
    hellos: BTreeMap<NodeId, (u32, Vec<AttributeState>)>,
}

impl Node {
    /// A member says what it holds, and how it speaks.
    pub(crate) fn hello(&mut self, now: Now, from: NodeId, mut hello: Hello) {
        if self.voice.missed(from) && hello.cut {
            let reason = format!("node {from} was saying something when this node came; this node begins anew");
            self.out.push_back(Command::Exit(Err(reason)));
            return;
        }
        self.voice.met(hello.protocol);
        self.meeting.hellos.insert(from, (hello.protocol, std::mem::take(&mut hello.attributes)));
        let steps = self.replica.hello(from, hello);
        self.steps(now, steps);
    }

    /// A member could not take what it was sent.
    pub(crate) fn again(&mut self, now: Now, from: NodeId, again: &Again) {
        let text = format!("node {from} could not take the configuration: {}; it is sent again", again.reason);
        self.note(Note::new(Level::Warning, "sync", text));
        let steps = self.replica.again(again);
        self.steps(now, steps);
    }

    /// Goes on with the meeting as the replica says.
    pub(crate) fn steps(&mut self, now: Now, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Hello(mut hello) => {
                    self.meeting.hellos.clear();
                    hello.cut = self.voice.meets();
                    hello.protocol = self.voice.protocol();
                    if hello.protocol > FIRST_PROTOCOL {
                        hello.attributes = self.attributes.state();
                    }
                    self.send(&Message::Hello(hello));
                }
                Step::State(state) => self.send(&Message::State(state)),
                // Said only where all know it, though what they speak is agreed on at the meeting's end.
                Step::Chunk(chunk) => self.send_as_it_is(&Message::Chunk(chunk)),
                Step::Taken(taken) => self.send_as_it_is(&Message::Taken(taken)),
                Step::Again(again) => self.send_as_it_is(&Message::Again(again)),
                Step::Leave { reason } => self.out.push_back(Command::Exit(Err(reason))),
                Step::InStep { running, under_way, set_aside, taken } => {
                    if let Some(old) = set_aside {
                        self.note(Note::new(
                            Level::Warning,
                            "set_aside",
                            "the others' configuration counts; this node's is kept in a dated file",
                        ));
                        self.out.push_back(Command::SetAside(old));
                    }
                    self.replica.mark("have-quorum", if self.view.quorate { "1" } else { "0" });
                    if let Some(coordinator) = self.view.eldest() {
                        self.replica.mark("dc-uuid", &coordinator.to_string());
                    }
                    self.clients.nobody_holds();
                    self.configuration_agreed(now, taken);
                    self.agree(now);
                    for (node, orders) in under_way {
                        self.controller.handle(now.monotonic, controller::Event::UnderWay { node, orders });
                    }
                    self.controller.handle(now.monotonic, controller::Event::Synced { running });
                    self.note(Note::new(Level::Info, "sync", "all members hold the same configuration"));
                    self.cut_off_in_step(now);
                    for settled in self.replica.release() {
                        self.settled(now, settled);
                    }
                }
            }
        }
    }

    /// Members are in step: what they know together counts, in the newest words that all of them have.
    fn agree(&mut self, now: Now) {
        let here = |id: &NodeId| self.view.has_member(*id);
        let spoken: BTreeMap<NodeId, u32> =
            self.meeting.hellos.iter().filter(|(id, _)| here(id)).map(|(id, (protocol, _))| (*id, *protocol)).collect();
        self.voice.agreed(spoken.values().copied().min().unwrap_or(FIRST_PROTOCOL));
        if self.voice.protocol() == FIRST_PROTOCOL {
            return;
        }
        let name = |id: NodeId| self.view.hosts.iter().find(|host| host.id == id).map(|host| host.name.clone());
        let states = std::mem::take(&mut self.meeting.hellos);
        let spoken_states =
            states.into_iter().filter_map(|(id, (_, states))| Some((id, (name(id)?, states)))).collect();
        self.attributes.meet(now.monotonic, self.replica.cib(), &spoken_states);
        if self.voice.speaks() == FIRST_PROTOCOL {
            // Some member knows no gathering: it ends here, and the first who knows of it writes what there is.
            let newer = spoken.iter().find(|(_, protocol)| **protocol > FIRST_PROTOCOL);
            let values = self.attributes.drain();
            if newer.is_some_and(|(id, _)| *id == self.settings.me.id) && !values.is_empty() {
                self.multicast_write(Origin::Local, &Write::Attributes { values });
            }
        }
    }
}
