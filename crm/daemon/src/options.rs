//! The command line of systoled.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Parser, Subcommand, ValueEnum};
use embedded::{Identity, SocketPath};
use engine::NodeId;

use crate::supervise::At;

/// The daemon of Systole, one on each node: keeps services running on a group of hosts.
#[derive(Parser, Debug)]
#[command(name = "systoled", version, arg_required_else_help = true)]
pub struct Options {
    /// What to do
    #[command(subcommand)]
    pub what: What,
}

/// What systoled can be.
#[derive(Subcommand, Debug)]
pub enum What {
    /// Be a node of the cluster
    Run(Box<Run>),
    /// Be the hub of the embedded engine: for nodes that all live on this machine
    Hub(Hub),
    /// Show Corosync as this node sees it: quorum, votes and links; or say what is missing
    Engine,
    /// Run the daemon, and start it again when it dies: a node's pid 1; at a hub it holds the host's presence
    Supervise(Supervise),
    /// Write the manual pages, one a command, into a directory
    Man(Man),
}

/// Options of the manual.
#[derive(clap::Args, Debug)]
pub struct Man {
    /// The directory; it is made if it is missing
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// How logs are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogForm {
    /// A line of text for each event
    Text,
    /// A JSON object a line, with the time on the monotonic clock
    Json,
}

/// The cluster engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Corosync, for nodes on several machines.
    Corosync,
    /// The hub that listens here, for nodes that are all on this machine.
    Embedded(SocketPath),
}

impl std::str::FromStr for Engine {
    type Err = embedded::BadSocket;

    fn from_str(text: &str) -> Result<Engine, embedded::BadSocket> {
        match text {
            "corosync" => Ok(Engine::Corosync),
            path => path.parse().map(Engine::Embedded),
        }
    }
}

/// Options of a node.
#[derive(clap::Args, Debug)]
pub struct Run {
    /// The cluster engine: `corosync`, or the socket of the hub that nodes on this machine share
    #[arg(long, value_name = "corosync|PATH", default_value = "corosync")]
    pub engine: Engine,
    /// Name of this node [default: as Corosync has it; the host's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Number of this node, from 1 [default: as Corosync has it]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub id: Option<u32>,
    /// Votes of this node at the hub [default: 1]
    #[arg(long, value_name = "N")]
    pub votes: Option<u32>,
    /// Name of the cluster; nodes of different clusters do not mix [default: as Corosync has it; systole]
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Directory that keeps the configuration
    #[arg(long, value_name = "DIR", default_value = "/var/lib/systole")]
    pub state: PathBuf,
    /// Socket for tools
    #[arg(long, value_name = "PATH", default_value = "/run/systole/systoled.sock")]
    pub socket: PathBuf,
    /// A CIB to begin with when there is none in the state directory yet
    #[arg(long, value_name = "FILE")]
    pub cib: Option<PathBuf>,
    /// Directory of OCF agents
    #[arg(long, value_name = "DIR", env = "OCF_ROOT", default_value = "/usr/lib/ocf")]
    pub ocf_root: PathBuf,
    /// Directory of fence agents
    #[arg(long, value_name = "DIR", default_value = "/usr/sbin")]
    pub fence_agents: PathBuf,
    /// Directory of init scripts, for resources of the classes lsb and service
    #[arg(long, value_name = "DIR", default_value = "/etc/init.d")]
    pub init_scripts: PathBuf,
    /// Watchdog that ends this host when the daemon does not feed it, such as /dev/watchdog; a plain file to try it
    #[arg(long, value_name = "PATH")]
    pub watchdog: Option<PathBuf>,
    /// Seconds after which the watchdog ends this host
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub watchdog_timeout: u32,
    /// File that holds another text after every start of this host
    #[arg(long, value_name = "FILE", default_value = "/proc/sys/kernel/random/boot_id")]
    pub boot_id: PathBuf,
    /// File with a number of seconds that are added to what the wall clock says, looked at each time: how clocks that jump
    /// are tried, as the machine's own must not be turned for that
    #[arg(long, value_name = "FILE", hide = true)]
    pub clock_offset: Option<PathBuf>,
    /// How many agents may run at once [default: twice the processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// How logs are written to standard error
    #[arg(long, value_name = "FORM", value_enum, default_value_t = LogForm::Text)]
    pub log: LogForm,
}

/// Options of the hub.
#[derive(clap::Args, Debug)]
pub struct Hub {
    /// Where to listen
    #[arg(long, value_name = "PATH", default_value = "/run/systole/hub.socket")]
    pub socket: SocketPath,
    /// Votes of the whole cluster [default: the most that were ever seen]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub expected_votes: Option<u32>,
    /// Milliseconds of silence after which a daemon counts as lost
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub token: u64,
}

impl Hub {
    /// The hub's own form of it.
    ///
    /// # Errors
    /// When a value is out of the hub's bounds.
    pub fn config(&self) -> anyhow::Result<embedded::Config> {
        Ok(embedded::Config::new(Duration::from_millis(self.token), self.expected_votes)?)
    }
}

/// Options of a supervisor.
#[derive(clap::Args, Debug)]
pub struct Supervise {
    /// The cluster engine: `corosync`, or the socket of the hub that nodes on this machine share
    #[arg(long, value_name = "corosync|PATH", default_value = "corosync")]
    pub engine: Engine,
    /// Name of this node at the hub
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Number of this node at the hub, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub id: Option<u32>,
    /// How logs are written to standard error
    #[arg(long, value_name = "FORM", value_enum, default_value_t = LogForm::Text)]
    pub log: LogForm,
    /// Arguments for systoled, such as `run --id 1 …`
    #[arg(last = true, required = true, value_name = "ARGS")]
    pub arguments: Vec<OsString>,
}

impl Supervise {
    /// Where the host's presence is to be held.
    ///
    /// # Errors
    /// When a hub is to know a node without a name or a number.
    pub fn hub(&self) -> anyhow::Result<Option<At>> {
        let Engine::Embedded(socket) = &self.engine else {
            if self.name.is_some() || self.id.is_some() {
                bail!("Corosync knows the name and the number of this node: leave --name and --id out");
            }
            return Ok(None);
        };
        let (Some(name), Some(id)) = (&self.name, self.id) else {
            bail!("expected --name and --id of this node, which the hub at {socket} is to know it by");
        };
        Ok(Some(At { socket: socket.clone(), identity: Identity::new(NodeId(id), name, 0)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(words: &str) -> Result<Option<String>, String> {
        let words = format!("systoled supervise {words} -- run");
        match Options::parse_from(words.split_whitespace()).what {
            What::Supervise(options) => {
                options.hub().map(|hub| hub.map(|at| at.socket.to_string())).map_err(|error| error.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_supervisor_asks_a_hub_only_where_there_is_one() {
        assert_eq!(hub(""), Ok(None));
        assert_eq!(hub("--engine corosync"), Ok(None));
        assert_eq!(hub("--engine /run/hub --name a --id 1"), Ok(Some("/run/hub".into())));
        assert!(hub("--engine /run/hub --name a").unwrap_err().contains("--name and --id"));
        assert!(hub("--id 1").unwrap_err().contains("leave --name and --id out"));
    }
}
