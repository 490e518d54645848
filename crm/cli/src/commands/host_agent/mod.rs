//! `systole host-agent`: the service that lets other hosts set this one up, and who may call it.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, value_parser};
use host_agent::hosts::JoinToken;
use host_agent::tokens::Tokens;
use host_agent::{Identity, Paths, about, server};
use wire::host::PORT;

use super::{Command, one_of};
use crate::EXIT_OK;
use crate::terminal::print;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "host-agent", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    Command { name: "run", grammar: run_grammar, run },
    Command { name: "token", grammar: token_grammar, run: token },
    Command { name: "list", grammar: list_grammar, run: list },
    Command { name: "revoke", grammar: revoke_grammar, run: revoke },
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("The service that lets other hosts set this one up, and who may call it")
        .after_help(
            "It works while the cluster is down. A host that is to call this one is given a token, once; the token holds \
             the fingerprint of this host's certificate, so nobody in between can take its place.\n\nExamples:\n  \
             systole host-agent run\n  systole host-agent token\n  systole host-agent list",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn run_grammar() -> clap::Command {
    clap::Command::new("").about("Serve; systole-host-agent.service does this").arg(
        Arg::new("listen")
            .long("listen")
            .value_name("ADDRESS:PORT")
            .help(format!("Where to listen [default: all addresses, port {PORT}]")),
    )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let paths = Paths::default();
    let identity = Identity::load_or_make(&paths)?;
    let listen = arguments.get_one::<String>("listen");
    let listener = match listen {
        Some(address) => TcpListener::bind(address.as_str()).with_context(|| format!("listening on {address}"))?,
        // A kernel without IPv6 has the other alone.
        None => {
            TcpListener::bind(("::", PORT)).or_else(|_| TcpListener::bind(("0.0.0.0", PORT))).with_context(|| {
                format!(
                    "listening on port {PORT}: does another host agent, or pcsd, listen there? --listen names another"
                )
            })?
        }
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().init();
    tracing::info!(address = %listener.local_addr()?, fingerprint = %identity.fingerprint(), "listening");
    ready();
    server::serve(&listener, &paths, identity, server::Limits::default())?;
    Ok(EXIT_OK)
}

/// Tells systemd that calls are taken from now on; without systemd there is nobody to tell.
fn ready() {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|socket| match path.to_str().and_then(|path| path.strip_prefix('@')) {
        Some(name) => socket.send_to_addr(b"READY=1", &SocketAddr::from_abstract_name(name)?),
        None => socket.send_to(b"READY=1", path),
    });
    if let Err(error) = told {
        tracing::warn!("telling systemd: {error}");
    }
}

fn token_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Make a token that lets another host call this one: it works once, for some minutes")
        .after_help("Example:\n  systole host-agent token --minutes 30")
        .arg(
            Arg::new("minutes")
                .long("minutes")
                .value_name("N")
                .default_value("10")
                .value_parser(value_parser!(u64).range(1..=1440))
                .help("How long it can be used"),
        )
}

fn token(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let minutes = *arguments.get_one::<u64>("minutes").expect("it has a default");
    let paths = Paths::default();
    let fingerprint = Identity::load_or_make(&paths)?.fingerprint();
    let token = JoinToken::new(fingerprint)?;
    let until = about::clock() / 1000 + Duration::from_secs(minutes * 60).as_secs();
    Tokens::change(&paths, |tokens| tokens.add_join(&token.secret, until))?;
    let host = about::host_name();
    print(&format!("{}\n", token.text()))?;
    eprintln!(
        "This host's certificate: SHA-256 {fingerprint}\nThe token works once, within {minutes} minutes. On the host that is to call this one:\n  \
         systole host auth {host} addr=ADDRESS --token TOKEN"
    );
    Ok(EXIT_OK)
}

fn list_grammar() -> clap::Command {
    clap::Command::new("").about("List who may call this host")
}

fn list(_: &ArgMatches) -> anyhow::Result<u8> {
    let tokens = Tokens::load(&Paths::default())?;
    if tokens.access().is_empty() {
        print("Nobody may call this host. `systole host-agent token` makes a token for one that is to.\n")?;
    }
    for access in tokens.access() {
        let since = jiff::Timestamp::from_second(access.since.try_into().unwrap_or(0)).unwrap_or_default();
        print(&format!("{}  {}  since {since}\n", access.id(), access.by))?;
    }
    Ok(EXIT_OK)
}

fn revoke_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Take back the right to call this host")
        .arg(Arg::new("who").required(true).value_name("ID|NAME").help("As `list` shows it"))
        .after_help("Example:\n  systole host-agent revoke node2")
}

fn revoke(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let who = arguments.get_one::<String>("who").expect("it is required");
    let count = Tokens::change(&Paths::default(), |tokens| tokens.revoke(who))?;
    anyhow::ensure!(count > 0, "nobody is called {who}: `systole host-agent list` shows who may call this host");
    print(&format!("{who} may not call this host any more.\n"))?;
    Ok(EXIT_OK)
}
