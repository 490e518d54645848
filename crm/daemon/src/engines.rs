//! Which cluster engine this node runs on, and what it is called there. What the engines do is theirs.

use std::time::Duration;

use anyhow::{Context as _, bail};
use controller::{Level, Note};
use corosync::NotFound;
use embedded::Identity;
use engine::{Engine as _, Event, Host, NodeId, SendError};

use crate::log;
use crate::options::{Engine, Run};

/// How often Corosync is looked for while it does not run: it takes a second to start, and looking takes a millisecond.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Without a name of its own, a cluster is called so.
const CLUSTER: &str = "systole";

/// An engine that was chosen, and who we are in it.
pub struct Chosen {
    /// This node.
    pub me: Host,
    /// The cluster's name.
    pub cluster: String,
    with: With,
}

enum With {
    Corosync(corosync::Found),
    Embedded(embedded::SocketPath, Identity),
}

/// Finds out which engine, and who we are in it. Waits for Corosync while it is installed and does not run.
///
/// # Errors
/// When options contradict the engine, or Corosync is not installed, or is configured so that it is of no use.
pub fn choose(options: &Run) -> anyhow::Result<Chosen> {
    match &options.engine {
        Engine::Embedded(socket) => {
            let Some(id) = options.id else {
                bail!("the embedded engine does not know this node's number: give it with --id N")
            };
            let name = match &options.name {
                Some(name) => name.clone(),
                None => nix::unistd::gethostname().context("asking for the host's name")?.to_string_lossy().into(),
            };
            let identity = Identity::new(NodeId(id), &name, options.votes.unwrap_or(1))?;
            let cluster = options.cluster.clone().unwrap_or_else(|| CLUSTER.to_owned());
            Ok(Chosen { me: identity.host().clone(), cluster, with: With::Embedded(socket.clone(), identity) })
        }
        Engine::Corosync => {
            let found = wait_for_corosync(options)?;
            check(options, &found.me)?;
            let cluster = options.cluster.clone().or_else(|| found.cluster.clone());
            let cluster = cluster.unwrap_or_else(|| CLUSTER.to_owned());
            Ok(Chosen { me: found.me.clone(), cluster, with: With::Corosync(found) })
        }
    }
}

fn wait_for_corosync(options: &Run) -> anyhow::Result<corosync::Found> {
    const ELSE: &str = "nodes that are all on this machine do without Corosync: see `systoled hub` and `--engine PATH`";
    let mut told = String::new();
    loop {
        match corosync::find() {
            Ok(found) => return Ok(found),
            Err(error @ NotFound::NotInstalled(_)) => bail!("{error}; {ELSE}"),
            Err(error @ NotFound::Configuration(_)) => return Err(error.into()),
            Err(error @ (NotFound::NotRunning(_) | NotFound::Asking(_))) => {
                let text = format!("{:#}", anyhow::Error::new(error));
                if text != told {
                    let name = options.name.as_deref().unwrap_or("");
                    let note = format!("waiting for the cluster engine: {text}; {ELSE}");
                    log::note(name, &Note::new(Level::Warning, "engine_missing", note));
                    told = text;
                }
                std::thread::sleep(LOOK_AGAIN);
            }
        }
    }
}

/// Corosync says who we are. Whoever says something else on the command line is told where to say it.
fn check(options: &Run, me: &Host) -> anyhow::Result<()> {
    if let Some(id) = options.id.filter(|id| NodeId(*id) != me.id) {
        bail!(
            "--id {id}: this is node {} in Corosync; leave the option out, or change corosync.conf's nodelist",
            me.id
        );
    }
    if let Some(name) = options.name.as_ref().filter(|name| **name != me.name) {
        bail!("--name {name}: this node is {} in Corosync; leave the option out, or change corosync.conf", me.name);
    }
    if options.votes.is_some() {
        bail!("--votes is for the embedded engine: with Corosync give `quorum_votes` in corosync.conf's nodelist");
    }
    Ok(())
}

impl Chosen {
    /// Connects. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system has no threads or descriptors to give.
    pub fn connect(self, cluster: &str) -> anyhow::Result<ClusterEngine> {
        Ok(match self.with {
            With::Corosync(found) => ClusterEngine::Corosync(
                corosync::Client::connect(&found, cluster).context("starting the thread that talks to Corosync")?,
            ),
            With::Embedded(socket, identity) => ClusterEngine::Embedded(embedded::Client::connect(socket, identity)),
        })
    }
}

/// The engine that this node runs on.
pub enum ClusterEngine {
    /// Corosync.
    Corosync(corosync::Client),
    /// The one for nodes on one machine.
    Embedded(embedded::Client),
}

impl ClusterEngine {
    /// The next event.
    pub async fn event(&mut self) -> Event {
        match self {
            ClusterEngine::Corosync(client) => client.event().await,
            ClusterEngine::Embedded(client) => client.event().await,
        }
    }

    /// Multicasts to all members, ourselves included.
    ///
    /// # Errors
    /// As [`engine::Engine::send`].
    pub fn send(&mut self, payload: Vec<u8>) -> Result<(), SendError> {
        match self {
            ClusterEngine::Corosync(client) => client.send(payload),
            ClusterEngine::Embedded(client) => client.send(payload),
        }
    }

    /// Leaves, so that the others see this daemon go.
    pub async fn leave(self) {
        match self {
            ClusterEngine::Corosync(client) => client.leave().await,
            ClusterEngine::Embedded(client) => client.leave().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, What};
    use clap::Parser as _;

    fn run(arguments: &[&str]) -> Result<Run, clap::Error> {
        let words = ["systoled", "run"].iter().chain(arguments);
        Options::try_parse_from(words).map(|options| match options.what {
            What::Run(run) => *run,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn corosync_is_the_engine_unless_a_path_says_otherwise() {
        assert_eq!(run(&[]).expect("no options are needed").engine, Engine::Corosync);
        assert_eq!(run(&["--engine", "corosync"]).expect("a word").engine, Engine::Corosync);
        let embedded = run(&["--engine", "/tmp/hub", "--id", "2", "--name", "b"]).expect("a path");
        let chosen = choose(&embedded).expect("all is said");
        assert_eq!((chosen.me.id, chosen.me.name.as_str(), chosen.cluster.as_str()), (NodeId(2), "b", "systole"));
        let nameless = choose(&run(&["--engine", "/tmp/hub"]).expect("a path")).err().expect("a number is missing");
        assert!(nameless.to_string().contains("--id"), "{nameless}");
    }

    #[test]
    fn the_embedded_engine_takes_no_addresses() {
        for address in ["10.0.0.1:5405", "node2", "tcp://a:1"] {
            let error = run(&["--engine", address]).expect_err(address).to_string();
            assert!(error.contains("one machine only"), "{error}");
        }
    }

    #[test]
    fn options_that_contradict_corosync_are_refused() {
        let me = Host { id: NodeId(3), name: "c".into() };
        let with =
            |arguments: &[&str]| check(&run(arguments).expect("options"), &me).map_err(|error| error.to_string());
        assert_eq!(with(&["--id", "3", "--name", "c"]), Ok(()));
        assert!(with(&["--id", "4"]).is_err_and(|error| error.contains("node 3")));
        assert!(with(&["--name", "d"]).is_err_and(|error| error.contains("this node is c")));
        assert!(with(&["--votes", "1"]).is_err_and(|error| error.contains("quorum_votes")));
    }
}
