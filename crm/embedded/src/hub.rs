//! All that a hub decides: who may join, who is here, who has quorum, what comes before what. Bytes, sockets and the
//! clock are the shell's.
//!
//! Virtual synchrony rests on two rules. First, changes are noted and announced together on the hub's own turn, so a
//! burst of departures is one membership. Second, whatever must not overtake a change — a message, a join, a partition —
//! announces what is noted before it is done itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use engine::{Host, MAX_PAYLOAD, Member, Membership, NodeId};

use crate::frame::{PROTOCOL, ToClient, ToHub};
use crate::votes::Votes;
use crate::{Config, Identity, NodeStatus, Reply, Request, RequestError, Status};

/// Nodes a hub will know: four times what Corosync is used with, and it keeps every frame far below its bound.
pub const MAX_NODES: usize = 128;

/// Members are pinged this many times in a token time, so that one late answer does not cost a node its place.
const PINGS_PER_TOKEN: u32 = 4;

/// A member that has said nothing for so long since it came is no daemon of Systole's, or one that hangs: a daemon says
/// something as soon as it is told who is here, and the others wait for that.
pub const FIRST_WORD: Duration = Duration::from_secs(15);

/// For so long a node whose member said nothing may not send another one, or the others would wait again and again.
pub const MUTE_PAUSE: Duration = Duration::from_secs(60);

/// A connection, numbered by the shell; a number is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClientId(pub u64);

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A connection was made.
    Connected {
        /// The new connection.
        client: ClientId,
    },
    /// A connection said something.
    Received {
        /// Which.
        client: ClientId,
        /// What.
        frame: ToHub,
    },
    /// A connection said what is no frame.
    Garbage {
        /// Which.
        client: ClientId,
        /// What is wrong with it.
        what: String,
    },
    /// A connection ended from its side.
    Closed {
        /// Which.
        client: ClientId,
    },
    /// More waits to be written to a client than should.
    Behind {
        /// Which.
        client: ClientId,
    },
    /// It has read enough again.
    CaughtUp {
        /// Which.
        client: ClientId,
    },
    /// The deadline has come.
    Timeout,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Write a frame to each of these.
    Send {
        /// To whom, in order of their numbers.
        to: Vec<ClientId>,
        /// What.
        frame: ToClient,
    },
    /// Write out what can be written without waiting, then close.
    Close {
        /// Which.
        client: ClientId,
        /// Why, for the log; none when it went as it should.
        reason: Option<String>,
    },
    /// End the hub.
    Stop,
}

#[derive(Debug)]
enum Role {
    /// Has not said yet who it is.
    Stranger {
        until: Duration,
    },
    Member {
        id: NodeId,
        since: u64,
        heard: Duration,
        /// Until when it has to say something; none once it has.
        first_word: Option<Duration>,
    },
    Presence {
        id: NodeId,
    },
}

#[derive(Debug)]
struct Client {
    role: Role,
    behind: Option<Duration>,
}

impl Client {
    fn node(&self) -> Option<NodeId> {
        match self.role {
            Role::Stranger { .. } => None,
            Role::Member { id, .. } | Role::Presence { id } => Some(id),
        }
    }

    fn member(&self) -> Option<Member> {
        match self.role {
            Role::Member { id, since, .. } => Some(Member { id, since }),
            _ => None,
        }
    }
}

/// The hub's state.
#[derive(Debug)]
pub struct Hub {
    token: Duration,
    clients: BTreeMap<ClientId, Client>,
    /// Names of all nodes known, those that are down included.
    names: BTreeMap<NodeId, String>,
    votes: Votes,
    /// Sides of the partition. Nodes on none of them are one side more; so without a partition there is one side.
    sides: Vec<BTreeSet<NodeId>>,
    /// Nodes whose member said nothing, and until when they may send no other.
    mute: BTreeMap<NodeId, Duration>,
    /// What each member was told last, with the number left out.
    told: BTreeMap<ClientId, Membership>,
    /// Something may have to be announced.
    changed: bool,
    /// The number of the last membership, and the `since` of the last member.
    number: u64,
    since: u64,
    /// When we were told last, and when members are pinged next.
    now: Duration,
    next_ping: Option<Duration>,
    commands: VecDeque<Command>,
}

impl Hub {
    /// A hub without clients.
    pub fn new(config: &Config) -> Hub {
        Hub {
            token: config.token(),
            clients: BTreeMap::new(),
            names: BTreeMap::new(),
            votes: Votes::new(config.expected_votes()),
            sides: Vec::new(),
            mute: BTreeMap::new(),
            told: BTreeMap::new(),
            changed: false,
            number: 0,
            since: 0,
            now: Duration::ZERO,
            next_ping: None,
            commands: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`, the time since any fixed moment.
    pub fn handle(&mut self, now: Duration, event: Event) {
        self.now = now;
        match event {
            Event::Connected { client } => self.meet(client),
            Event::Received { client, frame } => self.listen(client, frame),
            Event::Garbage { client, what } => self.close(client, format!("it sent {what}")),
            Event::Closed { client } => self.forget(client),
            Event::Behind { client } => self.note_behind(client),
            Event::CaughtUp { client } => self.note_caught_up(client),
            Event::Timeout => self.look_at_the_clock(),
        }
    }

    /// What to do next; call until there is nothing.
    pub fn poll(&mut self) -> Option<Command> {
        if self.commands.is_empty() {
            self.announce();
        }
        self.commands.pop_front()
    }

    /// When to send [`Event::Timeout`].
    pub fn deadline(&self) -> Option<Duration> {
        let takes_messages = self.takes_messages();
        let patience = self.clients.values().filter_map(|client| self.patience(client, takes_messages));
        patience.chain(self.next_ping).min()
    }

    /// Whether members may be read from. Not while a client is behind: what they send would only pile up before it. It
    /// holds the others up for a token time at most, for then it has caught up or is taken out.
    pub fn takes_messages(&self) -> bool {
        self.clients.values().all(|client| client.behind.is_none())
    }

    /// When we lose patience with a client.
    fn patience(&self, client: &Client, takes_messages: bool) -> Option<Duration> {
        let behind = client.behind.map(|since| since + self.token);
        let silent = match client.role {
            Role::Stranger { until } => Some(until),
            // While members are not read from, their silence means nothing.
            Role::Member { heard, first_word, .. } if takes_messages => {
                Some(first_word.map_or(heard + self.token, |until| until.min(heard + self.token)))
            }
            Role::Member { .. } | Role::Presence { .. } => None,
        };
        behind.into_iter().chain(silent).min()
    }

    fn send(&mut self, to: impl IntoIterator<Item = ClientId>, frame: ToClient) {
        let to: Vec<ClientId> = to.into_iter().collect();
        if !to.is_empty() {
            self.commands.push_back(Command::Send { to, frame });
        }
    }

    // Who comes.

    fn meet(&mut self, client: ClientId) {
        let role = Role::Stranger { until: self.now + self.token };
        let before = self.clients.insert(client, Client { role, behind: None });
        assert!(before.is_none(), "the shell never uses the number of a connection again");
    }

    fn listen(&mut self, client: ClientId, frame: ToHub) {
        let Some(Client { role, .. }) = self.clients.get_mut(&client) else { return };
        match (role, frame) {
            (Role::Stranger { .. }, ToHub::Member { protocol, host, votes }) => {
                self.join(client, protocol, &host, Some(votes));
            }
            (Role::Stranger { .. }, ToHub::Presence { protocol, host }) => {
                self.join(client, protocol, &host, None);
            }
            (Role::Stranger { .. }, ToHub::Control { protocol, request }) => self.answer(client, protocol, &request),
            (Role::Member { id, heard, first_word, .. }, ToHub::Send { payload }) => {
                *heard = self.now;
                *first_word = None;
                let from = *id;
                self.deliver(client, from, payload);
            }
            (Role::Member { heard, .. }, ToHub::Pong) => *heard = self.now,
            (Role::Stranger { .. }, _) => self.close(client, "it spoke before it said who it is".into()),
            (_, _) => self.close(client, "it said what its kind of connection never says".into()),
        }
    }

    fn join(&mut self, client: ClientId, protocol: u8, host: &Host, votes: Option<u32>) {
        // A departure is told before an arrival: a daemon that was restarted in between is seen to have been away.
        self.announce();
        if let Err(reason) = self.admit(protocol, host, votes) {
            self.refuse(client, reason);
            return;
        }
        self.names.insert(host.id, host.name.clone());
        let role = match votes {
            None => Role::Presence { id: host.id },
            Some(votes) => {
                self.votes.learn(host.id, votes);
                self.since += 1;
                self.next_ping.get_or_insert(self.now + self.token / PINGS_PER_TOKEN);
                let first_word = Some(self.now + FIRST_WORD);
                Role::Member { id: host.id, since: self.since, heard: self.now, first_word }
            }
        };
        self.clients.insert(client, Client { role, behind: None });
        let token_ms = u32::try_from(self.token.as_millis()).unwrap_or(u32::MAX);
        self.send([client], ToClient::Welcome { token_ms });
        self.changed = true;
    }

    /// Whether such a client may come; if not, why.
    fn admit(&self, protocol: u8, host: &Host, votes: Option<u32>) -> Result<(), String> {
        let Host { id, name } = host;
        check_protocol(protocol)?;
        Identity::new(*id, name, votes.unwrap_or(0)).map_err(|error| error.to_string())?;
        if votes.is_some() && self.clients.values().any(|other| other.member().is_some_and(|member| member.id == *id)) {
            return Err(format!("node id {id} has a daemon here already ({}): each node runs one", self.name(*id)));
        }
        if let Some(until) = self.mute.get(id).filter(|until| votes.is_some() && self.now < **until) {
            let seconds = (*until - self.now).as_millis().div_ceil(1000);
            return Err(format!(
                "node id {id} had a member here that said nothing while the others waited for it: try again in {seconds} s"
            ));
        }
        if self.is_up(*id) && self.name(*id) != name {
            return Err(format!("node id {id} is {}, not {name}: give each node an id of its own", self.name(*id)));
        }
        let namesake = self.names.iter().find(|(other, known)| *other != id && *known == name && self.is_up(**other));
        if let Some((other, _)) = namesake {
            return Err(format!("the name {name} belongs to node id {other}: give each node a name of its own"));
        }
        if !self.names.contains_key(id) && self.names.len() >= MAX_NODES {
            return Err(format!(
                "the hub knows {MAX_NODES} nodes and takes no more: `expected-votes N` makes it forget those that are down"
            ));
        }
        Ok(())
    }

    fn refuse(&mut self, client: ClientId, reason: String) {
        self.send([client], ToClient::Refused { reason: reason.clone() });
        self.close(client, format!("refused: {reason}"));
    }

    // Who goes.

    /// Takes a client out from our side.
    fn close(&mut self, client: ClientId, reason: String) {
        self.end(client, Some(reason));
    }

    fn end(&mut self, client: ClientId, reason: Option<String>) {
        if self.clients.contains_key(&client) {
            self.commands.push_back(Command::Close { client, reason });
            self.forget(client);
        }
    }

    /// Takes a member out and tells it, for it may still be there to hear it.
    fn remove(&mut self, client: ClientId, reason: String) {
        self.send([client], ToClient::Removed { reason: reason.clone() });
        self.close(client, reason);
    }

    fn forget(&mut self, client: ClientId) {
        if let Some(gone) = self.clients.remove(&client) {
            self.told.remove(&client);
            self.changed |= gone.node().is_some();
            if gone.behind.is_some() {
                self.listen_again();
            }
        }
    }

    fn note_behind(&mut self, client: ClientId) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.behind.get_or_insert(self.now);
        }
    }

    fn note_caught_up(&mut self, client: ClientId) {
        if self.clients.get_mut(&client).is_some_and(|client| client.behind.take().is_some()) {
            self.listen_again();
        }
    }

    /// Members could not be heard while one was behind; their silence counts from now.
    fn listen_again(&mut self) {
        if self.takes_messages() {
            self.hear_everyone();
        }
    }

    fn hear_everyone(&mut self) {
        for client in self.clients.values_mut() {
            match &mut client.role {
                Role::Member { heard, first_word, .. } => {
                    *heard = self.now;
                    *first_word = first_word.map(|_| self.now + FIRST_WORD);
                }
                Role::Stranger { until } => *until = (*until).max(self.now + self.token),
                Role::Presence { .. } => {}
            }
        }
    }

    fn look_at_the_clock(&mut self) {
        let Some(due) = self.deadline() else { return };
        if self.now > due + self.token / 2 {
            // It was the hub that slept, on a machine that was suspended or overloaded: nobody else is to blame.
            self.hear_everyone();
            for client in self.clients.values_mut() {
                client.behind = client.behind.map(|_| self.now);
            }
        }
        let token_ms = self.token.as_millis();
        let takes_messages = self.takes_messages();
        let out = |client| self.patience(client, takes_messages).is_some_and(|end| end <= self.now);
        let out: Vec<ClientId> = self.clients.iter().filter(|(_, client)| out(client)).map(|(id, _)| *id).collect();
        for id in out {
            let Some(Client { role, behind }) = self.clients.get(&id) else { continue };
            match role {
                _ if behind.is_some() => self.remove(id, format!("it has not read enough for {token_ms} ms")),
                Role::Stranger { .. } => self.close(id, format!("it did not say who it is within {token_ms} ms")),
                Role::Member { id: node, first_word: Some(until), .. } if *until <= self.now => {
                    self.mute.insert(*node, self.now + MUTE_PAUSE);
                    self.remove(id, format!("it has said nothing in {} s: is it a daemon?", FIRST_WORD.as_secs()));
                }
                Role::Member { .. } => self.remove(id, format!("it was not heard for {token_ms} ms")),
                Role::Presence { .. } => unreachable!("a presence that is not behind has no deadline"),
            }
        }
        if self.next_ping.is_some_and(|next| next <= self.now) {
            let members: Vec<ClientId> = self.members().map(|(id, _)| id).collect();
            self.next_ping = (!members.is_empty()).then(|| self.now + self.token / PINGS_PER_TOKEN);
            self.send(members, ToClient::Ping);
        }
    }

    // What members see.

    fn name(&self, id: NodeId) -> &str {
        self.names.get(&id).map_or("", String::as_str)
    }

    fn is_up(&self, id: NodeId) -> bool {
        self.clients.values().any(|client| client.node() == Some(id))
    }

    fn side_of(&self, id: NodeId) -> usize {
        self.sides.iter().position(|side| side.contains(&id)).unwrap_or(self.sides.len())
    }

    fn members(&self) -> impl Iterator<Item = (ClientId, Member)> + '_ {
        self.clients.iter().filter_map(|(id, client)| client.member().map(|member| (*id, member)))
    }

    fn members_on(&self, side: usize) -> impl Iterator<Item = (ClientId, Member)> + '_ {
        self.members().filter(move |(_, member)| self.side_of(member.id) == side)
    }

    /// What a side's members see, with the number left out.
    fn membership_of(&self, side: usize) -> Membership {
        let up: BTreeSet<NodeId> = self.clients.values().filter_map(Client::node).collect();
        let ids: Vec<NodeId> = up.into_iter().filter(|id| self.side_of(*id) == side).collect();
        let votes = ids.iter().map(|id| self.votes.of(*id)).sum();
        let mut members: Vec<Member> = self.members_on(side).map(|(_, member)| member).collect();
        members.sort_by_key(|member| member.id);
        Membership {
            number: 0,
            hosts: ids.iter().map(|id| Host { id: *id, name: self.name(*id).to_owned() }).collect(),
            members,
            quorate: self.votes.quorate(votes),
            votes,
            expected_votes: self.votes.expected(),
        }
    }

    /// Tells each side whose membership differs from what one of its members was told last. The number is one for the
    /// whole side and grows over all sides, so it grows for each member too, wherever a partition puts it.
    fn announce(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        for side in 0..=self.sides.len() {
            let membership = self.membership_of(side);
            let to: Vec<ClientId> = self.members_on(side).map(|(id, _)| id).collect();
            if to.iter().all(|id| self.told.get(id) == Some(&membership)) {
                continue;
            }
            self.told.extend(to.iter().map(|id| (*id, membership.clone())));
            self.number += 1;
            self.send(to, ToClient::Membership(Membership { number: self.number, ..membership }));
        }
    }

    fn deliver(&mut self, client: ClientId, from: NodeId, payload: Vec<u8>) {
        if payload.len() > MAX_PAYLOAD {
            self.close(client, format!("it sent a message of {} bytes", payload.len()));
            return;
        }
        self.announce();
        let to: Vec<ClientId> = self.members_on(self.side_of(from)).map(|(id, _)| id).collect();
        self.send(to, ToClient::Delivered { from, payload });
    }

    // What an operator asks.

    fn answer(&mut self, client: ClientId, protocol: u8, request: &str) {
        self.announce();
        let parse = |()| request.parse().map_err(|error: RequestError| error.to_string());
        let request = check_protocol(protocol).and_then(parse);
        let stop = request == Ok(Request::Stop);
        let reply = request.and_then(|request| self.carry_out(request)).unwrap_or_else(Reply::Refused);
        self.send([client], ToClient::Reply(reply));
        self.end(client, None);
        if stop {
            self.commands.push_back(Command::Stop);
        }
    }

    fn carry_out(&mut self, request: Request) -> Result<Reply, String> {
        match request {
            Request::Partition(sides) => self.sides = sides,
            Request::Heal => self.sides.clear(),
            Request::Status => return Ok(Reply::Status(self.status())),
            Request::ExpectedVotes(votes) => {
                let up: BTreeSet<NodeId> = self.clients.values().filter_map(Client::node).collect();
                self.votes.expect(votes, |id| up.contains(&id))?;
                self.names.retain(|id, _| up.contains(id));
            }
            Request::Stop => {}
        }
        self.changed = true;
        Ok(Reply::Done)
    }

    fn status(&self) -> Status {
        let sides: Vec<Membership> = (0..=self.sides.len()).map(|side| self.membership_of(side)).collect();
        let node = |(id, name): (&NodeId, &String)| {
            let side = self.side_of(*id);
            NodeStatus {
                host: Host { id: *id, name: name.clone() },
                votes: self.votes.of(*id),
                up: sides[side].has_host(*id),
                since: sides[side].members.iter().find(|member| member.id == *id).map(|member| member.since),
                side: u32::try_from(side).unwrap_or(u32::MAX),
                quorate: sides[side].quorate,
            }
        };
        Status { expected_votes: self.votes.expected(), nodes: self.names.iter().map(node).collect() }
    }
}

fn check_protocol(protocol: u8) -> Result<(), String> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    Err(format!("you speak protocol {protocol}, this hub speaks {PROTOCOL}: restart both with the same version"))
}
