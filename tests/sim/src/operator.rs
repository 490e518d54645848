//! Those who write the configuration: operators and programs. Some ask once, some until it is done.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cib::Write;
use engine::NodeId;
use node::{ClientId, Event};
use wire::Request;
use wire::write::WriteForm;

use crate::engine::Life;
use crate::world::{Happening, World};

/// How soon an operator who was refused tries again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Something somebody wants written.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What.
    pub write: Write,
    /// A text that stands in the CIB once it was, for the judges to look for.
    pub mark: Option<String>,
    /// Tries again until it is done.
    pub insists: bool,
}

/// Those who write.
#[derive(Debug, Default)]
pub struct Operator {
    next: u64,
    /// Somebody will look again soon.
    waits: bool,
    wishes: VecDeque<Wish>,
    asked: BTreeMap<u64, (Life, Wish)>,
}

impl Operator {
    /// A request was answered. Gives the mark of a write that was made.
    pub fn answered(&mut self, client: ClientId, made: bool) -> Option<String> {
        let (_, wish) = self.asked.remove(&client.0)?;
        if made {
            return wish.mark;
        }
        if wish.insists {
            self.wishes.push_back(wish);
        }
        None
    }

    /// A client whose answer nobody waits for.
    pub fn stranger(&mut self) -> ClientId {
        self.next += 1;
        ClientId(self.next)
    }

    /// A daemon is gone, and with it the answers it owed.
    pub fn daemon_gone(&mut self, life: Option<Life>) {
        let gone: Vec<u64> = self.asked.iter().filter(|(_, (of, _))| Some(*of) == life).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some((_, wish)) = self.asked.remove(&id)
                && wish.insists
            {
                self.wishes.push_back(wish);
            }
        }
    }

    /// What was wanted in passing and could not be asked for so far is not wanted any more.
    pub fn withdraw(&mut self) {
        self.wishes.retain(|wish| wish.insists);
    }

    /// Whether all who insist have what they want.
    pub fn is_content(&self) -> bool {
        self.wishes.is_empty() && self.asked.values().all(|(_, wish)| !wish.insists)
    }
}

impl World {
    /// Somebody asks a node, now, for a write.
    pub fn ask(&mut self, id: NodeId, wish: Wish) {
        let awake = |host: &&crate::host::SimHost| host.paused.is_none();
        let daemon = self.hosts.get(&id).filter(awake).and_then(|host| host.daemon.as_ref());
        let Some(life) = daemon.map(|daemon| daemon.life) else {
            if wish.insists {
                self.wish(wish);
            }
            return;
        };
        let client = self.operator.stranger();
        self.say(id, format_args!("client {} asks: {}", client.0, brief(&wish.write)));
        let write = WriteForm::from(&wish.write);
        self.operator.asked.insert(client.0, (life, wish));
        self.tell(id, Event::Asked { client, request: Request::Write { write, force: false } });
    }

    /// Somebody wants a write, from whichever node makes it.
    pub fn wish(&mut self, wish: Wish) {
        self.operator.wishes.push_back(wish);
        self.wait_a_little();
    }

    fn wait_a_little(&mut self) {
        if !std::mem::replace(&mut self.operator.waits, true) {
            self.after(PATIENCE, Happening::Operator);
        }
    }

    /// Those who still want something ask some node that runs.
    pub fn operate(&mut self) {
        self.operator.waits = false;
        let running: Vec<NodeId> = self.daemons().map(|(id, _)| id).collect();
        let wishes = std::mem::take(&mut self.operator.wishes);
        for wish in wishes {
            match running.is_empty() {
                true => self.operator.wishes.push_back(wish),
                false => {
                    let id = *self.random.pick(&running);
                    self.ask(id, wish);
                }
            }
        }
        if !self.operator.is_content() {
            self.wait_a_little();
        }
    }
}

fn brief(write: &Write) -> String {
    let mut text = format!("{write:?}").replace('\n', " ");
    if let Some((end, _)) = text.char_indices().nth(200) {
        text.truncate(end);
    }
    text
}
