//! `systole host`: the hosts that this one can call to set clusters up.

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use host_agent::hosts::JoinToken;
use host_agent::tokens::{self, Tokens};
use host_agent::{Host, Hosts, Identity, Paths, about, client};
use setup::conf::new::nodes;
use wire::host::{Answer, Call};

use super::{Command, one_of};
use crate::hosts::Field;
use crate::terminal::print;
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "host", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    Command { name: "auth", grammar: auth_grammar, run: auth },
    Command { name: "list", grammar: list_grammar, run: list },
    Command { name: "deauth", grammar: deauth_grammar, run: deauth },
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("The hosts that this one can call to set a cluster up")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn auth_grammar() -> clap::Command {
    credentials(clap::Command::new(""))
        .about("Enroll hosts here, each with a token that was made on it, or with a user's password")
        .after_help(
            "Tokens are given in the order of the hosts; this host needs none. The names must be those that the hosts call \
             themselves, as `uname -n` does.\n\nWith -u a host is asked whether it knows the user and the password, and has him in \
             the group haclient. Nobody has told its certificate beforehand, so it is believed as it is shown, and printed: \
             compare it with what `systole host-agent token` prints there. Without -p the password is read from the \
             terminal, or from standard input.\n\nExamples:\n  systole host auth node1 node2 -u hacluster\n  systole host auth node1 addr=10.0.0.1 node2 addr=10.0.0.2 --token TOKEN-OF-NODE2",
        )
        .arg(
            Arg::new("words")
                .required(true)
                .action(ArgAction::Append)
                .value_name("NAME [addr=ADDRESS[:PORT]]…")
                .help("The hosts; without an address the name is looked up"),
        )
}

fn auth(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words: Vec<String> = arguments.get_many("words").into_iter().flatten().cloned().collect();
    auth_words(&words, arguments)
}

/// With what hosts are enrolled: a token each, or a user's password.
pub fn credentials(command: clap::Command) -> clap::Command {
    command
        .arg(
            Arg::new("token")
                .long("token")
                .action(ArgAction::Append)
                .value_name("TOKEN")
                .help("A token of `systole host-agent token`, one for each host but this")
                .conflicts_with("user"),
        )
        .arg(Arg::new("user").short('u').value_name("USER").help("A user of these hosts who may set clusters up"))
        .arg(
            Arg::new("password")
                .short('p')
                .value_name("PASSWORD")
                .requires("user")
                .help("His password; whoever lists this host's processes sees it meanwhile"),
        )
}

/// Enrolls the hosts that are named, with their addresses.
///
/// # Errors
/// When one cannot be; those before it are enrolled then.
pub fn auth_words(words: &[String], arguments: &ArgMatches) -> anyhow::Result<u8> {
    let wanted = wanted(words)?;
    let given: Vec<&String> = arguments.get_many("token").into_iter().flatten().collect();
    let (me, paths) = (about::host_name(), Paths::default());
    if let Some(user) = arguments.get_one::<String>("user") {
        let password = match arguments.get_one::<String>("password") {
            Some(password) => password.clone(),
            None => ask_password(user)?,
        };
        return with_password(&paths, &me, wanted, user, &password);
    }
    let needed = wanted.iter().filter(|(name, _)| *name != me).count();
    ensure!(
        given.len() == needed,
        "{needed} tokens are needed, one for each host but this ({me}), and {} were given: make one on each with `systole host-agent token`",
        given.len()
    );
    let mut given = given.into_iter();
    for (name, addresses) in wanted {
        let host = if name == me {
            enroll_me(&paths, &name, addresses)?
        } else {
            let text = given.next().context("a token for each host")?;
            let token = JoinToken::parse(text)
                .with_context(|| format!("--token {text}: expected what `systole host-agent token` printed, whole"))?;
            let host = client::enroll(&addresses, &token, &me).with_context(|| format!("enrolling {name}"))?;
            named(host, &name)?
        };
        keep(&paths, host)?;
        print(&format!("{name} is enrolled.\n"))?;
    }
    Ok(EXIT_OK)
}

/// Enrolls hosts that know a user, who proves with his password that he is it. This host needs none.
fn with_password(
    paths: &Paths,
    me: &str,
    wanted: Vec<(String, Vec<String>)>,
    user: &str,
    password: &str,
) -> anyhow::Result<u8> {
    for (name, addresses) in wanted {
        if name == me {
            keep(paths, enroll_me(paths, &name, addresses)?)?;
            print(&format!("{name} is enrolled.\n"))?;
            continue;
        }
        let host = client::log_in(&addresses, user, password, me).with_context(|| format!("enrolling {name}"))?;
        let host = named(host, &name)?;
        let fingerprint = host.fingerprint;
        keep(paths, host)?;
        print(&format!("{name} is enrolled; its certificate is SHA-256 {fingerprint}.\n"))?;
    }
    Ok(EXIT_OK)
}

/// A host that calls itself as it was called.
fn named(host: Host, name: &str) -> anyhow::Result<Host> {
    ensure!(
        host.name == name,
        "the host at {} calls itself {}, not {name}: give it that name, or enroll it as {}",
        host.addresses.join(", "),
        host.name,
        host.name
    );
    Ok(host)
}

fn keep(paths: &Paths, host: Host) -> anyhow::Result<()> {
    Hosts::change(paths, |hosts| {
        hosts.hosts.insert(host.name.clone(), host);
    })
}

/// Reads a password, on a terminal without showing it.
fn ask_password(user: &str) -> anyhow::Result<String> {
    use std::io::{IsTerminal as _, Write as _};
    let terminal = std::io::stdin().is_terminal();
    let show = |shown: bool| {
        // Without the program the password is shown, which is no reason to refuse it.
        let word = if shown { "echo" } else { "-echo" };
        let _ = std::process::Command::new("stty").arg(word).status();
    };
    if terminal {
        eprint!("Password of {user}: ");
        std::io::stderr().flush().context("asking for the password")?;
        show(false);
    }
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    if terminal {
        show(true);
        eprintln!();
    }
    read.context("reading the password")?;
    let password = line.trim_end_matches(['\n', '\r']);
    ensure!(!password.is_empty(), "no password was given");
    Ok(password.to_owned())
}

/// Names with their addresses; ports may stand behind them here.
fn wanted(words: &[String]) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let port = |word: &String| match word.strip_prefix("addr=") {
        Some(address) if address.parse::<std::net::IpAddr>().is_err() => match address.rsplit_once(':') {
            Some((bare, port)) if port.parse::<u16>().is_ok() => {
                (format!("addr={}", bare.trim_start_matches('[').trim_end_matches(']')), Some(address.to_owned()))
            }
            _ => (word.clone(), None),
        },
        _ => (word.clone(), None),
    };
    let (bare, with_ports): (Vec<String>, Vec<Option<String>>) = words.iter().map(port).unzip();
    let given = words.iter().zip(&with_ports).filter(|(word, _)| word.contains('='));
    let mut given = given.map(|(word, with_port)| with_port.clone().unwrap_or_else(|| word.replacen("addr=", "", 1)));
    let nodes = nodes(&bare)?;
    let all = nodes.into_iter().map(|node| {
        let count = node.addresses.len();
        let addresses: Vec<String> = given.by_ref().take(count).map(|address| client::with_port(&address)).collect();
        let addresses = if addresses.is_empty() { vec![client::with_port(&node.name)] } else { addresses };
        (node.name, addresses)
    });
    Ok(all.collect())
}

/// Root on this host needs no token: it could write the file of tokens itself, and does.
fn enroll_me(paths: &Paths, name: &str, addresses: Vec<String>) -> anyhow::Result<Host> {
    let fingerprint = Identity::load_or_make(paths)?.fingerprint();
    let access = tokens::new()?;
    Tokens::change(paths, |tokens| tokens.add_access(&access, name, about::clock() / 1000))?;
    Ok(Host { name: name.into(), fingerprint, access, addresses })
}

fn list_grammar() -> clap::Command {
    clap::Command::new("").about("List the enrolled hosts, and whether they answer")
}

fn list(_: &ArgMatches) -> anyhow::Result<u8> {
    let field = Field::load()?;
    let names = field.names();
    if names.is_empty() {
        print("No host is enrolled here: `systole host auth NAME addr=ADDRESS --token TOKEN` enrolls one.\n")?;
    }
    let mut all = EXIT_OK;
    for (name, answer) in field.ask(names.into_iter().map(|name| (name, Call::About)).collect()) {
        let address = field.address(&name).unwrap_or_default();
        let said = match answer {
            Ok(Answer::About(about)) => {
                let corosync = about.corosync.map_or("no Corosync".into(), |version| format!("Corosync {version}"));
                format!("answers; Systole {}, {corosync}", about.systole)
            }
            Ok(_) => "answers".into(),
            Err(reason) => {
                all = EXIT_FAILURE;
                reason
            }
        };
        print(&format!("{name} ({address}): {said}\n"))?;
    }
    Ok(all)
}

fn deauth_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Forget hosts: this one cannot call them any more")
        .arg(Arg::new("name").required(true).action(ArgAction::Append).value_name("NAME").help("The hosts"))
}

fn deauth(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let names: Vec<&String> = arguments.get_many::<String>("name").into_iter().flatten().collect();
    let field = Field::load()?;
    let known = field.names();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        match known.is_empty() {
            true => anyhow::bail!("{name} is not enrolled, nor is any other host"),
            false => anyhow::bail!("{name} is not enrolled; enrolled are: {}", known.join(", ")),
        }
    }
    Hosts::change(&Paths::default(), |hosts| hosts.hosts.retain(|name, _| !names.contains(&name)))?;
    print("Forgotten. Their tokens are revoked on them: `systole host-agent revoke`.\n")?;
    Ok(EXIT_OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_with_addresses_and_ports() {
        let read = |line: &str| wanted(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let all = read("a addr=10.0.0.1 addr=10.1.0.1:99 b addr=[fe80::1]:7 addr=fe80::2 c").unwrap();
        let flat: Vec<String> = all.iter().map(|(name, addresses)| format!("{name} {}", addresses.join(" "))).collect();
        assert_eq!(flat, ["a 10.0.0.1:2224 10.1.0.1:99", "b [fe80::1]:7 [fe80::2]:2224", "c c:2224"]);
        assert!(read("a addr=127.0.0.1").unwrap_err().to_string().contains("leads each host to itself"));
    }
}
