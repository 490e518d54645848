//! What tools ask of a node, and what it answers: who is here, a write, that it leaves.

use cib::{Author, Element, NodeAttribute, Write};
use controller::{Level, Note};
use engine::NodeId;
use wire::write::WriteForm;
use wire::{Message, Origin, Reply, Request, Status, Update, Why};

use crate::clients::ClientId;
use crate::event::{Command, Now};
use crate::machine::Node;
use crate::replica::has_majority;

impl Node {
    /// A tool asks; the answer comes now, or when what it asked for is done.
    pub(crate) fn asked(&mut self, now: Now, client: ClientId, request: Request) {
        let reply = match request {
            Request::Status => Some(Reply::Status(Box::new(self.status()))),
            Request::Stonith(request) => Some(self.asked_stonith(now, request)),
            Request::Shutdown => {
                self.shutdown(now);
                Some(Reply::Done)
            }
            Request::StopCluster => self.asked_to_stop_the_cluster(now, client).err(),
            Request::Update(update) => self.asked_to_update(now, client, update).err(),
            Request::Refresh => {
                let names = self.attributes.all();
                if !names.is_empty() && self.replica.in_step() {
                    self.send(&Message::Gathered { names });
                }
                Some(Reply::Done)
            }
            Request::Attributes { name, node } => {
                let node = node.map(|node| self.uname(&node).unwrap_or(node));
                let values = self.attributes.values(self.replica.cib(), name.as_deref(), node.as_deref());
                Some(Reply::Attributes(values))
            }
            Request::Write { write, force } => self.asked_to_write(now, client, write, force).err(),
            Request::Failovers => Some(Reply::Failovers(self.failovers.all())),
            Request::History => {
                self.out.push_back(Command::History { client, version: None });
                None
            }
            Request::Configuration { version } => {
                self.out.push_back(Command::History { client, version: Some(version) });
                None
            }
            Request::Records { .. } | Request::Plan(_) => {
                self.out.push_back(Command::Recall { client, request });
                None
            }
            Request::Query { section, xpath, what } => Some(self.query(section.as_deref(), xpath.as_deref(), what)),
        };
        if let Some(reply) = reply {
            self.out.push_back(Command::Reply { client, reply });
        }
    }

    fn asked_to_write(&mut self, now: Now, client: ClientId, write: WriteForm, force: bool) -> Result<(), Reply> {
        let refuse = |why: Why, reason: &str| Err(Reply::Refused { why, reason: reason.to_owned() });
        if !self.view.quorate && !force {
            return refuse(
                Why::NoQuorum,
                "this part of the cluster has no quorum, so nothing is written; bring more nodes up, or use --force if \
                 you know that the others are down",
            );
        }
        // Hosts vote before their daemons have come, and theirs may be the disks that hold what was acknowledged last.
        if !force && !self.controller.is_settled() && !has_majority(&self.view) {
            return refuse(
                Why::NoQuorum,
                "the cluster is starting and waits for its nodes, which may hold a newer configuration; try again in \
                 half a minute, or use --force to write now",
            );
        }
        // One of two nodes that do not hear each other has quorum, and so has the other.
        if !force && !self.is_majority_accounted() {
            let reason = format!(
                "most of the nodes are neither here nor known to be dead, and may act and write as well ({}); {}",
                self.unaccounted().join(", "),
                self.way_out()
            );
            return refuse(Why::NoQuorum, &reason);
        }
        if let Err(error) = Write::try_from(write.clone()) {
            return refuse(Why::Invalid, &error);
        }
        let message = Message::Write { origin: Origin::Client(0), write };
        if message.protocol() > self.voice.speaks() {
            return refuse(
                Why::Other,
                "a member runs an older version, which does not know this kind of write; upgrade all nodes first",
            );
        }
        let Message::Write { write, .. } = message else { return Ok(()) };
        let Some(number) = self.clients.wait(now.monotonic, client, force) else {
            return refuse(Why::Busy, "too many writes are under way at this node; try again");
        };
        self.send(&Message::Write { origin: Origin::Client(number), write });
        Ok(())
    }

    /// All at once: were they to leave one by one, services would move from each to those that are left.
    fn asked_to_stop_the_cluster(&mut self, now: Now, client: ClientId) -> Result<(), Reply> {
        let number = self.waits(now, client)?;
        let view = &self.view;
        let values = view
            .hosts
            .iter()
            .filter(|host| view.has_member(host.id))
            .map(|host| NodeAttribute {
                node: host.name.clone(),
                name: "shutdown".into(),
                value: Some(now.unix.to_string()),
            })
            .collect();
        self.note(Note::new(Level::Info, "shutdown", "the whole cluster stops; services stop in their order"));
        self.multicast_write(Origin::Client(number), &Write::Attributes { values });
        Ok(())
    }

    fn asked_to_update(&mut self, now: Now, client: ClientId, mut update: Update) -> Result<(), Reply> {
        let refuse = |reason: String| Err(Reply::refused(reason));
        let node = match &update.node {
            None => self.settings.me.name.clone(),
            Some(node) => match self.uname(node) {
                Some(uname) => uname,
                None => {
                    let reason = format!("there is no node '{node}'; the nodes are listed by `systole status`");
                    return Err(Reply::Refused { why: Why::NotFound, reason });
                }
            },
        };
        if update.name.is_empty() {
            return refuse("expected the name of an attribute, found none".into());
        }
        if self.voice.speaks() == wire::FIRST_PROTOCOL && self.replica.in_step() && update.private {
            return refuse(
                "a member runs an older version, which keeps no private attributes; upgrade all nodes first".into(),
            );
        }
        if !self.attributes.has_room() {
            return refuse("too many attributes are being gathered; try again when their dampening is over".into());
        }
        let number = self.waits(now, client)?;
        update.node = Some(node);
        self.send(&Message::Update { origin: Origin::Client(number), update });
        Ok(())
    }

    /// A client waits for something that is no matter of quorum.
    fn waits(&mut self, now: Now, client: ClientId) -> Result<u64, Reply> {
        let refuse = |reason: &str| Reply::refused(reason);
        if !self.replica.in_step() {
            return Err(refuse("this node has not met the others yet; try again in a moment"));
        }
        self.clients
            .wait(now.monotonic, client, true)
            .ok_or_else(|| refuse("too many writes are under way at this node; try again"))
    }

    /// The name of the node with this name or id: one that is here, or that the CIB knows.
    fn uname(&self, node: &str) -> Option<String> {
        if let Some(host) = self.view.hosts.iter().find(|host| host.name == node || host.id.to_string() == node) {
            return Some(host.name.clone());
        }
        let document = self.replica.cib().document();
        let under = |path: &[&str], kind: &'static str| {
            let children = document.descend(path).map(|parent| document.children_named(parent, kind));
            children.into_iter().flatten().find_map(|element| {
                let uname = document.attribute(element, "uname")?;
                (uname == node || document.id(element) == node).then(|| uname.to_owned())
            })
        };
        under(&["configuration", "nodes"], "node").or_else(|| under(&["status"], "node_state"))
    }

    /// Whether most of the nodes are members, or known to be dead: then no other side can have quorum.
    pub(crate) fn is_majority_accounted(&self) -> bool {
        let view = &self.view;
        let most = view.expected_votes as usize / 2 + 1;
        let here = view.members.len();
        if here >= most {
            return true;
        }
        let document = self.replica.cib().document();
        let is_here = |id: &str| view.members.iter().any(|member| member.id.to_string() == id);
        let states =
            document.descend(&["status"]).into_iter().flat_map(|status| document.children_named(status, "node_state"));
        // Fenced, or let go before it went.
        let is_dead = |state: &Element| {
            let get = |name| document.attribute(*state, name).unwrap_or_default();
            !is_here(document.id(*state)) && matches!(get("in_ccm"), "false" | "0") && get("expected") == "down"
        };
        here + states.filter(is_dead).count() >= most
    }

    /// The nodes that are neither members nor known to be dead.
    pub(crate) fn unaccounted(&self) -> Vec<String> {
        let document = self.replica.cib().document();
        let context = cib::rule::Context::at(0);
        let dead = |id: &str| {
            let states = document.descend(&["status"]).into_iter();
            let mut states = states.flat_map(|status| document.children_named(status, "node_state"));
            let get = |state, name| document.attribute(state, name).unwrap_or_default();
            states.any(|state| {
                document.id(state) == id
                    && matches!(get(state, "in_ccm"), "false" | "0")
                    && get(state, "expected") == "down"
            })
        };
        let is_here = |id: &str| self.view.members.iter().any(|member| member.id.to_string() == id);
        let nodes = cib::view::nodes(document, &context).into_iter();
        let nodes = nodes.filter(|node| matches!(node.kind, "" | "member") && !is_here(node.id) && !dead(node.id));
        nodes.map(|node| node.uname.to_owned()).collect()
    }

    /// What is to be done while most of the nodes are unaccounted for.
    fn way_out(&self) -> &'static str {
        let fencing = cib::view::property(self.replica.cib().document(), "stonith-enabled", 0);
        if fencing.is_some_and(|value| cib::boolean::parse(value) == Some(false)) {
            "without fencing (stonith-enabled=false) nobody can know what they do: bring them back, or, if you know that \
             they are down, say so with `systole stonith confirm NODE` or write with --force"
        } else {
            "wait until they are fenced or come back, or use --force if you know that they are down"
        }
    }

    fn status(&self) -> Status {
        let view = &self.view;
        let name = |id: NodeId| {
            view.hosts.iter().find(|host| host.id == id).map_or_else(|| id.to_string(), |host| host.name.clone())
        };
        let version = self.replica.cib().version();
        Status {
            node: self.settings.me.name.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: self.settings.cluster.clone(),
            members: view.members.iter().map(|member| name(member.id)).collect(),
            hosts_only: view.hosts.iter().filter(|h| !view.has_member(h.id)).map(|h| h.name.clone()).collect(),
            coordinator: view.eldest().map(name),
            quorate: view.quorate,
            votes: view.votes,
            expected_votes: view.expected_votes,
            synced: self.replica.in_step(),
            quiet: self.is_quiet(),
            under_way: view
                .members
                .iter()
                .flat_map(|member| self.controller.under_way(member.id))
                .map(|order| format!("{} of {} on {}", order.operation, order.resource.id, order.node))
                .collect(),
            cib: self.replica.cib().document().to_xml(),
            version: (version.admin_epoch, version.epoch, version.num_updates),
            restricted: None,
        }
    }

    /// This node will go once it is let go.
    pub(crate) fn leaves(&mut self) {
        if !self.leaving {
            self.leaving = true;
            self.note(Note::new(Level::Info, "shutdown", "this node leaves; what runs here moves away first"));
        }
    }

    /// This node is to leave; what runs here moves away first.
    pub(crate) fn shutdown(&mut self, now: Now) {
        if self.leaving {
            return;
        }
        self.leaves();
        if self.view.members.is_empty() || !self.replica.in_step() {
            // Nobody is there to plan it, and nothing was started by this daemon.
            self.out.push_back(Command::Exit(Ok(())));
            return;
        }
        let write = Write::Attribute {
            node: self.settings.me.name.clone(),
            lifetime: cib::Lifetime::Transient,
            name: "shutdown".into(),
            value: Some(now.unix.to_string()),
            author: Author::default(),
        };
        self.multicast_write(Origin::Local, &write);
    }
}
