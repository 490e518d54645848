//! A cluster and all who watch it: built, waited for, and looked at from outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::{Client, Question};
use crate::clock;
use crate::cluster::{Cluster, Ground};
use crate::holdings::Thing;
use crate::network;
use crate::node::Node;
use crate::recorder::Recorder;
use crate::scene::Scene;
use crate::story::{Happening, Storyteller, What};
use crate::wait::until;
use crate::witness::Witness;

/// Starting everything takes a second or two, with Corosync some seconds; a busy machine may need many times that.
const START: Duration = Duration::from_secs(180);

/// A recovery that takes longer than this is none. It takes a few seconds; the rest is for machines that have a lot else
/// to do, and costs nobody anything.
pub const RECOVER: Duration = Duration::from_secs(180);

/// After the recovery: until lost nodes are back and nothing moves any more.
const SETTLE: Duration = Duration::from_secs(180);

/// So long no resource may have been started or stopped, for the cluster to count as settled.
const QUIET: Duration = Duration::from_millis(700);

/// The service counts as answering when it answered so many questions one after the other. A number and no rate: how many
/// are asked in a second depends on the machine.
const ENOUGH: u64 = 20;

/// And when the last answer is not older than this: who asks every few milliseconds waits so long for none.
const FRESH: Duration = Duration::from_secs(1);

/// The cluster and all who watch it.
pub struct Field {
    /// What is to be kept alive.
    pub scene: Scene,
    /// What happens.
    pub story: Storyteller,
    /// Who holds what.
    pub witness: Witness,
    /// The nodes.
    pub cluster: Arc<Cluster>,
    /// Asks the service.
    pub client: Client,
    /// Writes records through the ledger, if the scene has one.
    pub recorder: Option<Recorder>,
}

impl Field {
    /// Builds it and switches all nodes on; `answer` is what the service is to say.
    pub fn build(scene: Scene, ground: &Ground, answer: &str, story: Storyteller) -> Result<Self> {
        let count = scene.nodes.len();
        let vips: Vec<_> = scene.vips.iter().map(|vip| vip.ip).collect();
        let directories = scene.file_systems.iter().map(|file_system| file_system.directory.clone()).collect();
        let mut addresses = network::host_addresses(scene.network, &vips, count + usize::from(ground.has_device) + 1)?;
        let client_address = addresses.pop().context("the client has no address")?;
        let witness = Witness::start(vips, directories, story.clone())?;
        network::make_bridge(network::LAN)?;
        let cluster = Cluster::prepare(&scene, &addresses, ground, &witness, &story)?;
        until(&story, "the engine's hub", START, || Ok(cluster.is_engine_up()?.then_some(())))?
            .context("the engine's hub does not answer")?;

        cluster.device().map_or(Ok(()), Node::switch_on)?;
        let first = ground.coordinator.as_ref().and_then(|name| cluster.node(name));
        if let Some(first) = &first {
            first.switch_on()?;
            until(&story, "the first node", START, || Ok((cluster.members()? > 0).then_some(())))?
                .with_context(|| format!("{} does not join the cluster", first.name()))?;
        }
        for node in cluster.nodes() {
            node.switch_on()?;
        }
        let expected = scene.service.as_ref().map(|_| answer.to_owned());
        let port = scene.service.as_ref().map_or(1, |service| service.port);
        let question = Question { to: SocketAddr::new(scene.network.ip, port), expected };
        let client = Client::start(client_address, question)?;
        witness.watch_client(client.namespace())?;
        let ledger = scene.ledger.as_ref();
        let recorder = ledger
            .map(|ledger| Recorder::start(client.namespace(), SocketAddr::new(scene.network.ip, ledger.port)))
            .transpose()?;
        Ok(Self { scene, story, witness, cluster, client, recorder })
    }

    /// The address that the client asks.
    pub fn address(&self) -> Thing {
        Thing::Address(self.scene.network.ip)
    }

    /// The node that holds the client's address; `None` when none or more than one does.
    pub fn holder(&self) -> Option<Arc<Node>> {
        self.holder_of(&self.address())
    }

    /// The node that holds something; `None` when none or more than one does.
    pub fn holder_of(&self, thing: &Thing) -> Option<Arc<Node>> {
        let holdings = self.witness.holdings();
        let mut holders = holdings.holders(thing);
        match (holders.next(), holders.next()) {
            (Some(only), None) => self.cluster.node(only),
            _ => None,
        }
    }

    /// Whether answers come, one after the other.
    pub fn is_answered(&self) -> bool {
        self.client.is_answered(ENOUGH, FRESH)
    }

    /// Whether nothing was started or stopped for a while.
    pub fn is_quiet(&self) -> bool {
        let since = clock::now_us().saturating_sub(QUIET.as_micros() as u64);
        !self.story.any_since(since, moves)
    }

    /// Waits for the first start of everything; gives the node that serves the client.
    pub fn wait_for_service(&self) -> Result<Arc<Node>> {
        let count = self.cluster.nodes().len();
        let joined = || Ok((self.cluster.members()? == count).then_some(()));
        if until(&self.story, &format!("{count} nodes to join the cluster"), START, joined)?.is_none() {
            let (views, words) = (self.cluster.views(), self.last_words());
            bail!(
                "of {count} nodes only {} joined the cluster{views}\nwhat was complained of:{words}",
                self.cluster.members()?
            );
        }
        let ready = || Ok(self.holder().filter(|_| self.is_answered() && self.is_quiet()));
        match until(&self.story, &format!("{} to start", self.scene.subject), START, ready)? {
            Some(active) => Ok(active),
            None => {
                let trouble = self.client.heard().trouble.unwrap_or_else(|| "nobody holds the address".to_owned());
                bail!(
                    "{} was not started within {} s: {trouble}{}",
                    self.scene.subject,
                    START.as_secs(),
                    self.last_words()
                )
            }
        }
    }

    /// What the nodes complained of last; where the reason for a start that failed is.
    pub fn last_words(&self) -> String {
        const LINES: usize = 8;
        let complaint = |one: &Happening| match &one.what {
            What::Log(line) if matches!(line.level.to_ascii_lowercase().as_str(), "error" | "warn" | "warning") => {
                Some(format!("\n  {}: {}", one.who, line.message))
            }
            _ => None,
        };
        let mut words: Vec<String> = self.story.happenings().iter().filter_map(complaint).collect();
        words.drain(..words.len().saturating_sub(LINES));
        words.concat()
    }

    /// What the client's service is made of.
    pub fn resources(&self) -> Vec<String> {
        (self.scene.vips.iter().map(|vip| vip.id.clone()))
            .chain(self.scene.file_systems.iter().map(|file_system| file_system.id.clone()))
            .chain(self.scene.service.iter().map(|service| service.id.clone()))
            .collect()
    }

    /// What is still missing to a cluster at rest: lost nodes back, nothing moving any more, the service answering.
    fn missing(&self) -> Result<Option<String>> {
        let on = self.cluster.nodes().iter().filter(|node| node.is_on()).count();
        if self.cluster.is_booting() || self.cluster.members()? != on {
            return Ok(Some("not all nodes that are on are members".to_owned()));
        }
        if !self.is_quiet() {
            return Ok(Some("resources are still being started or stopped".to_owned()));
        }
        for vip in &self.scene.vips {
            if self.holder_of(&Thing::Address(vip.ip)).is_none() {
                return Ok(Some(format!("not exactly one node holds the address {}", vip.ip)));
            }
        }
        Ok((!self.is_answered()).then(|| "the client does not get its answers".to_owned()))
    }

    /// Waits until the cluster is at rest; an error that says what is missing to it. What was asked for or broken just
    /// before has the time to have its consequences.
    pub fn rest(&self) -> Result<()> {
        let began = Instant::now();
        let look = || Ok((began.elapsed() >= QUIET && self.missing()?.is_none()).then_some(()));
        if until(&self.story, "the cluster to settle", SETTLE, look)?.is_some() {
            return Ok(());
        }
        let what = self.missing()?.unwrap_or_else(|| "it did so too late".to_owned());
        bail!("the cluster does not settle within {} s: {what}", SETTLE.as_secs())
    }

    /// Waits for something for as long as a recovery may take; an error when it does not come.
    pub fn expect<T>(&self, what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        until(&self.story, what, RECOVER, look)?
            .with_context(|| format!("waited {} s in vain for {what}{}", RECOVER.as_secs(), self.last_words()))
    }

    /// Lets some time pass in which something is to go on as it was.
    pub fn let_pass(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// A resource is being started or stopped, or a node came or went.
pub fn moves(one: &Happening) -> bool {
    match &one.what {
        What::Log(line) => {
            matches!(line.event.as_str(), "membership" | "fenced" | "fence_begin")
                || (line.event.starts_with("operation") && matches!(line.operation.as_deref(), Some("start" | "stop")))
        }
        What::Held(_) | What::Released(_) => true,
        What::Announced(_) | What::Lab(_) => false,
    }
}
