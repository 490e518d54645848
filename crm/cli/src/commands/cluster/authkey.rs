//! `systole cluster authkey`: a new shared key on all nodes, while they run.

use anyhow::Context as _;
use clap::{Arg, ArgMatches};
use setup::conf;
use wire::host::{Content, HostFile, NewFile};

use super::engine::{Cluster, finish, plan_argument, show};
use crate::commands::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "authkey", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[Command { name: "corosync", grammar: corosync_grammar, run: corosync }];

/// A key is this long, as pcs's and Corosync's own are.
const KEY_BYTES: usize = 256;
/// The longest key that Corosync takes.
const MAX_KEY: usize = 4096;

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Replace the shared key")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn corosync_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Give all nodes a new key for Corosync, a random one unless a file is named, while they run")
        .after_help("Example:\n  systole cluster authkey corosync")
        .arg(Arg::new("file").value_name("FILE").value_parser(clap::value_parser!(std::path::PathBuf)).help("The key"))
        .arg(plan_argument())
}

fn corosync(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let cluster = Cluster::load()?;
    let key = match arguments.get_one::<std::path::PathBuf>("file") {
        Some(path) => {
            let key = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            anyhow::ensure!(
                (128..=MAX_KEY).contains(&key.len()),
                "{} has {} bytes; a key has 128 to {MAX_KEY}",
                path.display(),
                key.len()
            );
            key
        }
        None => super::setup::chance(KEY_BYTES)?,
    };
    // A new version goes with the key, so that it can be seen on each node that it was taken.
    let new = conf::finish(&cluster.conf)?;
    let mut plan = cluster.plan(&new, &cluster.nodes)?;
    let file = NewFile { file: HostFile::Authkey, content: Some(Content(key)) };
    plan.files.iter_mut().for_each(|(_, files)| files.push(file.clone()));
    if arguments.get_flag("plan") {
        return show(&cluster.conf, &new, &plan);
    }
    finish(&cluster.field, plan)
}
