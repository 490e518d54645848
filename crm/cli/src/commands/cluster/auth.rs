//! `systole cluster auth`: enrolls all nodes of this host's corosync.conf here.

use clap::ArgMatches;
use corosync_conf::{Conf, Model};
use host_agent::Paths;

use crate::commands::Command;
use crate::commands::host;

/// The command.
pub const COMMAND: Command = Command { name: "auth", grammar, run };

fn grammar() -> clap::Command {
    host::credentials(clap::Command::new(""))
        .about("Enroll all nodes of this host's corosync.conf here, as `host auth` does by name")
        .after_help("Example:\n  systole cluster auth -u hacluster")
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let path = Paths::default().corosync.join("corosync.conf");
    let bytes = host_agent::disk::read(&path, MAX_BYTES)?.unwrap_or_default();
    let conf = Conf::parse(String::from_utf8_lossy(&bytes).into_owned());
    let nodes = Model::of(&conf).nodes;
    anyhow::ensure!(!nodes.is_empty(), "{} names no nodes: `systole host auth NAME …` enrolls hosts", path.display());
    let words = nodes.iter().flat_map(|node| {
        let address = node.addresses.values().next().map(|address| format!("addr={}", address.value));
        [Some(node.called()), address]
    });
    host::auth_words(&words.flatten().collect::<Vec<_>>(), arguments)
}

/// A corosync.conf of 32 nodes has some kilobytes.
const MAX_BYTES: usize = 1 << 20;
