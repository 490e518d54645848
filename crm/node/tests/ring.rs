//! Whole nodes on an engine that delivers in one order: what a membership cuts in two, what disks do not take, and what
//! is said that nobody should say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cib::Cib;
use engine::{Host, Member, Membership, NodeId};
use executor::{End, Output};
use node::{ClientId, Command, Event, FencingSettings, Node, Now, Program, Settings};
use ocf::Metadata;
use wire::write::{AuthorForm, WriteForm};
use wire::{Message, Origin, Reply, Request, Why};

/// Short enough that a write of a few hundred bytes is cut.
const PIECE: usize = 200;

struct Ring {
    nodes: BTreeMap<u32, Node>,
    /// What was said and not delivered yet.
    said: VecDeque<(u32, Vec<u8>)>,
    full: BTreeSet<u32>,
    /// What agents say of themselves.
    metadata: String,
    /// Where resources run, and what was done with them.
    runs: BTreeSet<(u32, String)>,
    described: Vec<(u32, Event)>,
    done: Vec<(u32, String, BTreeMap<String, String>)>,
    replies: Vec<(u32, ClientId, Reply)>,
    notes: Vec<(u32, &'static str, String)>,
    exits: BTreeMap<u32, Result<(), String>>,
    since: BTreeMap<u32, u64>,
    number: u64,
    at: u64,
}

fn host(id: u32) -> Host {
    Host { id: NodeId(id), name: format!("node{id}") }
}

impl Ring {
    fn new() -> Ring {
        Ring {
            nodes: BTreeMap::new(),
            said: VecDeque::new(),
            full: BTreeSet::new(),
            metadata: String::new(),
            runs: BTreeSet::new(),
            described: Vec::new(),
            done: Vec::new(),
            replies: Vec::new(),
            notes: Vec::new(),
            exits: BTreeMap::new(),
            since: BTreeMap::new(),
            number: 0,
            at: 0,
        }
    }

    fn now(&self) -> Now {
        Now { monotonic: Duration::from_secs(self.at), unix: 1_000 + self.at as i64 }
    }

    fn add(&mut self, id: u32, cluster: &str) {
        let settings = Settings {
            me: host(id),
            cluster: cluster.into(),
            incarnation: format!("incarnation {id}"),
            protocol: wire::PROTOCOL,
            payload: PIECE,
            limit: 4,
            seed: 1,
            fencing: FencingSettings::default(),
            failovers: String::new(),
        };
        let text = "<cib epoch='1'><configuration><crm_config><cluster_property_set id='o'>\
                    <nvpair id='f' name='stonith-enabled' value='false'/></cluster_property_set></crm_config><nodes>\
                    <node id='1' uname='node1'/><node id='2' uname='node2'/><node id='3' uname='node3'/></nodes>\
                    </configuration></cib>";
        let node = Node::new(settings, Cib::parse(text).unwrap(), self.now());
        self.nodes.insert(id, node);
    }

    /// These are the members from here on.
    fn members(&mut self, ids: &[u32], quorate: bool) {
        self.number += 1;
        for id in ids {
            self.since.entry(*id).or_insert(self.number * 10 + u64::from(*id));
        }
        self.since.retain(|id, _| ids.contains(id));
        let view = Membership {
            number: self.number,
            hosts: ids.iter().map(|id| host(*id)).collect(),
            members: ids.iter().map(|id| Member { id: NodeId(*id), since: self.since[id] }).collect(),
            quorate,
            votes: ids.len() as u32,
            expected_votes: 3,
        };
        for id in ids {
            self.tell(*id, Event::Engine(engine::Event::Membership(view.clone())));
        }
    }

    fn tell(&mut self, id: u32, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.now();
            let Some(node) = self.nodes.get_mut(&id) else { return };
            node.handle(now, event);
            while let Some(command) = node.poll(now) {
                match command {
                    Command::Send(payload) => self.said.push_back((id, payload)),
                    Command::Plan { generation, cib } => {
                        let transition = policy::plan(&policy::Input::new(cib.document(), now.unix)).transition;
                        events.push_back(Event::Planned { generation, transition });
                    }
                    Command::Persist { number, .. } => {
                        let version = node.cib().version();
                        let error = self.full.contains(&id).then(|| "it is full".to_owned());
                        let configuration = (version.admin_epoch, version.epoch);
                        events.push_back(Event::Persisted { number, configuration, error });
                    }
                    Command::Describe { agent } => {
                        let metadata = Metadata::parse(&self.metadata).map_err(|error| error.to_string());
                        // Not at once: results wait for it.
                        self.described.push((id, Event::Described { agent, metadata: metadata.map(Arc::new) }));
                    }
                    Command::Spawn { process, program } => {
                        let Program::Operation(operation) = program else { panic!("nothing is fenced here") };
                        let place = (id, operation.resource.clone());
                        // OCF: 7 is what does not run.
                        let code = if operation.is_probe() && !self.runs.contains(&place) { 7 } else { 0 };
                        match operation.action.as_str() {
                            "start" => drop(self.runs.insert(place)),
                            "stop" => drop(self.runs.remove(&place)),
                            _ => {}
                        }
                        if !operation.is_probe() {
                            self.done.push((id, operation.action.clone(), operation.parameters.clone()));
                        }
                        let output = Output { stdout: String::new(), stderr: String::new() };
                        events.push_back(Event::Ended { process, end: End::Exited { code, output } });
                    }
                    Command::Reply { client, reply } => self.replies.push((id, client, reply)),
                    Command::Note(note) => self.notes.push((id, note.event, note.message)),
                    Command::Exit(how) => drop(self.exits.insert(id, how)),
                    _ => {}
                }
            }
        }
    }

    /// Delivers so many pieces; gives how many there were.
    fn deliver(&mut self, most: usize) -> usize {
        for count in 0..most {
            let Some((from, payload)) = self.said.pop_front() else { return count };
            let members: Vec<u32> = self.since.keys().copied().collect();
            for id in members {
                let event = engine::Event::Delivered { from: NodeId(from), payload: payload.clone() };
                self.tell(id, Event::Engine(event));
            }
        }
        most
    }

    fn settle(&mut self) {
        loop {
            assert!(self.deliver(100_000) < 100_000, "it does not come to rest");
            if self.described.is_empty() {
                return;
            }
            std::mem::take(&mut self.described).into_iter().for_each(|(id, event)| self.tell(id, event));
        }
    }

    fn up(ids: &[u32]) -> Ring {
        let mut ring = Ring::new();
        ids.iter().for_each(|id| ring.add(*id, "test"));
        ring.members(ids, true);
        ring.settle();
        ring
    }

    fn author() -> AuthorForm {
        AuthorForm { user: "test".into(), host: "here".into(), command: "test".into(), at: 1 }
    }

    /// One resource with these parameters is what is configured from now on.
    fn configure(&mut self, id: u32, mode: &str, path: &str) {
        let xml = format!(
            "<configuration><crm_config><cluster_property_set id='o'><nvpair id='f' name='stonith-enabled' value='false'/>\
             </cluster_property_set></crm_config><nodes><node id='1' uname='node1'/><node id='2' uname='node2'/>\
             <node id='3' uname='node3'/></nodes><resources><primitive id='web' class='ocf' provider='x' type='y'>\
             <instance_attributes id='i'><nvpair id='i1' name='mode' value='{mode}'/>\
             <nvpair id='i2' name='path' value='{path}'/></instance_attributes></primitive></resources><constraints/>\
             </configuration>"
        );
        let write = WriteForm::Replace { xml, expected: None, author: Self::author() };
        let request = Request::Write { write, force: false };
        self.tell(id, Event::Asked { client: ClientId(1), request });
        self.settle();
    }

    /// The operations since the last time, with `mode` and `path` as they were given.
    fn operations(&mut self) -> Vec<String> {
        let text = |(id, action, parameters): (u32, String, BTreeMap<String, String>)| {
            let get = |name| parameters.get(name).cloned().unwrap_or_default();
            format!("{action} at {id}: {} {}", get("mode"), get("path"))
        };
        std::mem::take(&mut self.done).into_iter().map(text).collect()
    }

    fn write(&mut self, id: u32, client: u64, name: &str, length: usize) {
        let author = Self::author();
        let write = WriteForm::Attribute {
            node: "node1".into(),
            permanent: true,
            name: name.into(),
            value: Some("v".repeat(length)),
            author,
        };
        let request = Request::Write { write, force: false };
        self.tell(id, Event::Asked { client: ClientId(client), request });
    }

    fn say(&mut self, from: u32, payload: &[u8]) {
        self.said.push_back((from, payload.to_vec()));
    }

    /// All members hold the same, and have made each of these once.
    fn same(&self, names: &[&str]) {
        let mut digests = BTreeSet::new();
        for id in self.since.keys() {
            let node = &self.nodes[id];
            assert!(node.in_step(), "node{id}");
            digests.insert(node.cib().digest());
            let text = node.cib().document().to_xml();
            for name in names {
                assert_eq!(text.matches(&format!("name=\"{name}\"")).count(), 1, "{name} at node{id}");
            }
        }
        assert_eq!(digests.len(), 1);
    }

    fn reply(&self, client: u64) -> Option<&Reply> {
        self.replies.iter().find(|(_, known, _)| known.0 == client).map(|(_, _, reply)| reply)
    }
}

#[test]
fn what_a_membership_cuts_in_two_is_made_once_by_all() {
    let mut pieces = None;
    for heard in 0.. {
        let mut ring = Ring::up(&[1, 2]);
        ring.add(3, "test");
        ring.write(2, 7, "long", 1500);
        ring.write(2, 8, "short", 1);
        let count = *pieces.get_or_insert(ring.said.len());
        assert!(count > 5, "the long one is cut, and the short one waits: {count}");
        if heard > count {
            break;
        }
        ring.deliver(heard);
        ring.members(&[1, 2, 3], true);
        ring.settle();
        ring.same(&["long", "short"]);
        for client in [7, 8] {
            assert!(matches!(ring.reply(client), Some(Reply::Written { .. })), "{heard}: {:?}", ring.reply(client));
        }
        let epochs: Vec<u64> = ring
            .replies
            .iter()
            .filter_map(|(_, _, reply)| match reply {
                Reply::Written { version } => Some(version.1),
                _ => None,
            })
            .collect();
        assert!(epochs[0] < epochs[1], "in the order in which they were said: {epochs:?}");
        assert_eq!(ring.notes.iter().find(|(_, event, _)| *event == "garbage"), None, "{heard} pieces were heard");
    }
}

#[test]
fn what_a_sender_that_is_gone_had_begun_is_made_by_nobody() {
    let mut ring = Ring::up(&[1, 2, 3]);
    ring.write(2, 7, "long", 1500);
    ring.deliver(3);
    ring.said.clear();
    ring.members(&[1, 3], true);
    ring.settle();
    ring.same(&[]);
    assert!(!ring.nodes[&1].cib().document().to_xml().contains("\"long\""));
    ring.write(3, 8, "next", 1500);
    ring.settle();
    ring.same(&["next"]);
}

#[test]
fn one_disk_that_fails_costs_nothing_and_two_are_told_at_once() {
    let mut ring = Ring::up(&[1, 2, 3]);
    ring.full.insert(1);
    ring.write(1, 7, "one", 1);
    ring.settle();
    assert!(matches!(ring.reply(7), Some(Reply::Written { .. })), "{:?}", ring.reply(7));
    ring.full.insert(3);
    ring.write(1, 8, "two", 1);
    ring.settle();
    match ring.reply(8) {
        Some(Reply::Refused { why: Why::NotDurable, reason }) => {
            assert!(reason.contains("node1: it is full; node3: it is full"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    ring.same(&["one", "two"]);
    // Someone made room: what was refused before is no reason to refuse what is tried anew.
    ring.full.clear();
    ring.write(2, 9, "three", 1);
    ring.settle();
    assert!(matches!(ring.reply(9), Some(Reply::Written { .. })), "{:?}", ring.reply(9));
}

#[test]
fn who_writes_when_most_nodes_go_is_told_at_once_who_is_missing() {
    let mut ring = Ring::up(&[1, 2, 3]);
    ring.write(1, 7, "one", 1);
    // The engine counts one of three as quorate, as one of two is with `two_node`.
    ring.members(&[1], true);
    ring.settle();
    match ring.reply(7) {
        Some(Reply::Refused { why: Why::NotDurable, reason }) => {
            assert!(reason.contains("(node2, node3)"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    ring.write(1, 8, "two", 1);
    match ring.reply(8) {
        Some(Reply::Refused { why: Why::NoQuorum, reason }) => {
            assert!(reason.contains("(node2, node3)") && reason.contains("systole stonith confirm"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

/// What is done when `mode` of a running resource changes, and then `path`, with such an agent.
fn changes(version: &str, action: &str, mode: &str) -> Vec<Vec<String>> {
    let mut ring = Ring::new();
    ring.metadata = format!(
        "<resource-agent name='y'>{version}<parameters><parameter name='mode' {mode}/>\
         <parameter name='path' unique='1'/></parameters><actions>{action}</actions></resource-agent>"
    );
    [1, 2].iter().for_each(|id| ring.add(*id, "test"));
    ring.members(&[1, 2], true);
    ring.settle();
    // The others have had their time to come.
    ring.at += 60;
    [1, 2].iter().for_each(|id| ring.tell(*id, Event::Timeout));
    ring.settle();
    ring.configure(1, "old", "/a");
    assert_eq!(ring.operations(), ["start at 1: old /a"]);
    let changes = [("new", "/a"), ("new", "/b"), ("new", "/b")];
    changes
        .iter()
        .map(|(mode, path)| {
            ring.configure(2, mode, path);
            ring.operations()
        })
        .collect()
}

#[test]
fn a_parameter_that_can_be_reloaded_is_reloaded_and_no_other() {
    let (new, old) = ("<version>1.1</version>", "<version>1.0</version>");
    let (reload_agent, reload) = ("<action name='reload-agent' timeout='1'/>", "<action name='reload' timeout='1'/>");
    // What runs is stopped with what it runs with.
    let restart = |before: &str, after: &str| vec![format!("stop at 1: {before}"), format!("start at 1: {after}")];
    let nothing: Vec<String> = Vec::new();
    for (version, action, mode, first) in [
        (new, reload_agent, "reloadable='1'", vec!["reload-agent at 1: new /a".to_owned()]),
        (new, reload_agent, "", restart("old /a", "new /a")),
        (new, reload, "reloadable='1'", restart("old /a", "new /a")),
        // Before OCF 1.1 what need not be unique can be reloaded, by `reload`.
        (old, reload, "unique='0'", vec!["reload at 1: new /a".to_owned()]),
        (old, reload, "unique='1'", restart("old /a", "new /a")),
        (old, reload_agent, "", restart("old /a", "new /a")),
    ] {
        let found = changes(version, action, mode);
        assert_eq!(found, [first, restart("new /a", "new /b"), nothing.clone()], "{version} {action} {mode}");
    }
}

#[test]
fn noise_is_told_once_and_the_cluster_goes_on() {
    let mut ring = Ring::up(&[1, 2, 3]);
    let whole = wire::frame::cut(&Message::Held { admin_epoch: 0, epoch: 1 }, PIECE).remove(0);
    let mut newer = whole.clone();
    newer[7] = 99;
    let broken = &whole[..whole.len() - 1];
    // An origin that waits for nothing, a node without a name, an answer to nothing.
    let author = AuthorForm::default();
    let nameless =
        WriteForm::Attribute { node: String::new(), permanent: true, name: String::new(), value: None, author };
    let nameless = Message::Write { origin: Origin::Client(77), write: nameless };
    let nameless = wire::frame::cut(&nameless, PIECE);
    for _ in 0..50 {
        for noise in [&b"hello"[..], &newer, broken, b"", &nameless[0]] {
            ring.say(2, noise);
        }
    }
    ring.settle();
    for id in [1, 3] {
        let told: Vec<_> = ring.notes.iter().filter(|(at, event, _)| *at == id && *event == "garbage").collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].2.contains("from node 2"), "{told:?}");
    }
    ring.write(1, 7, "one", 1);
    ring.settle();
    ring.same(&["one"]);
    assert!(ring.exits.is_empty());
}

#[test]
fn a_message_of_a_newer_version_says_who_is_to_be_upgraded() {
    let mut ring = Ring::up(&[1, 2]);
    let mut newer = wire::frame::cut(&Message::Held { admin_epoch: 0, epoch: 1 }, PIECE).remove(0);
    newer[7] = 99;
    ring.say(2, &newer);
    ring.settle();
    let told = ring.notes.iter().find(|(id, event, _)| *id == 1 && *event == "garbage").expect("it is told");
    assert!(told.2.contains("protocol 99") && told.2.contains("upgrade this node"), "{}", told.2);
}

#[test]
fn a_peer_with_another_clusters_name_leaves_and_says_why() {
    let mut ring = Ring::up(&[1, 2]);
    ring.add(3, "other");
    ring.members(&[1, 2, 3], true);
    ring.settle();
    let reason = ring.exits.remove(&3).expect("it leaves").unwrap_err();
    assert!(reason.contains("\"test\"") && reason.contains("\"other\""), "{reason}");
    assert!(ring.exits.is_empty());
    ring.members(&[1, 2], true);
    ring.write(1, 7, "one", 1);
    ring.settle();
    ring.same(&["one"]);
}
