//! `systole qdevice`: QNetd, the host that is no node and only votes. These commands are for that host itself; what the
//! clusters do with it is `systole quorum device`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use host_agent::{Paths, qnetd, units};
use wire::host::{Unit, UnitAct};

use super::{Command, one_of};
use crate::EXIT_OK;
use crate::terminal::print;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "qdevice", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    Command { name: "setup", grammar: setup_grammar, run: setup },
    Command { name: "status", grammar: status_grammar, run: status },
    Command { name: "start", grammar: || act_grammar("Start QNetd"), run: |_| act(UnitAct::Start) },
    Command {
        name: "stop",
        grammar: || {
            act_grammar("Stop QNetd; refused while clusters are connected")
                .arg(flag("force", "Also while clusters are connected: they go on without its votes"))
        },
        run: |arguments| {
            ensure!(
                arguments.get_flag("force") || clusters()?.is_empty(),
                "clusters are connected, and would be without its votes: {}. --force stops it all the same",
                clusters()?.join(", ")
            );
            act(UnitAct::Stop)
        },
    },
    Command { name: "enable", grammar: || act_grammar("Start QNetd at boot"), run: |_| act(UnitAct::Enable) },
    Command { name: "disable", grammar: || act_grammar("Do not start QNetd at boot"), run: |_| act(UnitAct::Disable) },
];

/// QNetd answers over a socket of its own host.
const ASK_TIME: Duration = Duration::from_secs(20);
/// Whoever has this is a node, or was one.
const NODES_FILE: &str = "corosync.conf";

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Run a quorum device on this host, which is no node and only votes")
        .after_help(
            "One such host can vote for many clusters. It needs Debian's corosync-qnetd, its TCP port 5403 open for the \
             nodes, and a host agent for `systole quorum device add`, which is run on a node.\n\nExamples:\n  \
             systole qdevice setup model net --enable --start\n  systole host-agent token\n  systole qdevice status net",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn model() -> Arg {
    Arg::new("net").value_parser(["net"]).default_value("net").hide_default_value(true).help("The model, net")
}

fn act_grammar(about: &'static str) -> clap::Command {
    clap::Command::new("").about(about).arg(model())
}

fn setup_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Make QNetd's certificates; once they are made, they stay")
        .after_help("Example:\n  systole qdevice setup model net --enable --start")
        .arg(Arg::new("model").value_parser(["model"]).default_value("model").hide_default_value(true).hide(true))
        .arg(model())
        .arg(flag("enable", "Start QNetd at boot"))
        .arg(flag("start", "Start it now"))
}

fn setup(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let paths = Paths::default();
    // Debian's package of Corosync brings an example: what counts is whether Corosync runs.
    let runs = units::states().iter().any(|state| state.unit == Unit::Corosync && state.active);
    ensure!(
        !runs,
        "Corosync runs on this host, {}: a node must not be the witness of a cluster, least of all of its own. Set QNetd \
         up on a host that is no node",
        Path::new(&paths.corosync).join(NODES_FILE).display()
    );
    let before = qnetd::authority(&paths)?.is_some();
    qnetd::set_up(&paths)?;
    print(if before { "QNetd had its certificates, and keeps them.\n" } else { "QNetd has its certificates.\n" })?;
    if arguments.get_flag("enable") {
        units::act(Unit::Qnetd, UnitAct::Enable)?;
        print("It is started at boot.\n")?;
    }
    if arguments.get_flag("start") {
        units::act(Unit::Qnetd, UnitAct::Start)?;
        print("It runs. The nodes have to reach its TCP port 5403.\n")?;
    }
    Ok(EXIT_OK)
}

fn act(act: UnitAct) -> anyhow::Result<u8> {
    units::act(Unit::Qnetd, act)?;
    let done = match act {
        UnitAct::Start => "QNetd runs.\n",
        UnitAct::Stop => "QNetd is stopped.\n",
        UnitAct::Enable => "QNetd is started at boot.\n",
        UnitAct::Disable => "QNetd is not started at boot.\n",
    };
    print(done)?;
    Ok(EXIT_OK)
}

fn status_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show QNetd and the clusters that are connected to it")
        .arg(model())
        .arg(Arg::new("cluster").value_name("CLUSTER").help("Only this cluster"))
        .arg(flag("full", "Everything that QNetd tells"))
}

fn status(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let verbose: &[&str] = if arguments.get_flag("full") { &["-v"] } else { &[] };
    let cluster: Vec<&str> =
        arguments.get_one::<String>("cluster").map_or(Vec::new(), |cluster| vec!["-c", cluster.as_str()]);
    print(&format!("{}\n", ask(&[&["-s"], verbose].concat())?))?;
    print(&format!("{}\n", ask(&[&["-l"], verbose, cluster.as_slice()].concat())?))?;
    Ok(EXIT_OK)
}

fn ask(words: &[&str]) -> anyhow::Result<String> {
    let said = units::run("corosync-qnetd-tool", words, ASK_TIME).context("apt-get install corosync-qnetd")?;
    ensure!(
        said.success,
        "QNetd does not answer: {}. `systole qdevice start net` starts it",
        said.text.replace('\n', " | ")
    );
    Ok(said.text)
}

/// Names of the clusters that are connected; none when QNetd does not run.
fn clusters() -> anyhow::Result<Vec<String>> {
    if !units::states().iter().any(|state| state.unit == Unit::Qnetd && state.active) {
        return Ok(Vec::new());
    }
    let names = |line: &str| line.strip_prefix("Cluster \"").map(|rest| rest.trim_end_matches([':', '"']).to_owned());
    Ok(ask(&["-l"])?.lines().filter_map(names).collect())
}
