//! `systole pvecm`: what Proxmox's people type. On a plain cluster it does what they know; on a host of Proxmox's it shows
//! the same and edits the shared file by its rules, and leaves to Proxmox's own `pvecm` what only that can do.

use anyhow::{bail, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::{Conf, Model};
use host_agent::{Paths, about, disk};
use setup::conf::nodes;
use setup::pvecm::{create as meant, meant_by};
use wire::host::{Engine, HostFile};

use super::cluster::node_of;
use super::quorum::status::{Shown, addresses, engine, members, summary};
use super::{COMMANDS as ALL, Command, one_of};
use crate::proxmox::Proxmox;
use crate::terminal::print;
use crate::{EXIT_FAILURE, EXIT_OK, EXIT_USAGE};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "pvecm", grammar, run };

const COMMANDS: &[Command] = &[
    Command { name: "status", grammar: status_grammar, run: status },
    Command { name: "nodes", grammar: nodes_grammar, run: list },
    Command { name: "create", grammar: create_grammar, run: create },
    Command { name: "add", grammar: add_grammar, run: add },
    Command { name: "delnode", grammar: delnode_grammar, run: delnode },
    Command { name: "expected", grammar: expected_grammar, run: expected },
    Command { name: "qdevice", grammar: qdevice_grammar, run: qdevice },
    Command { name: "updatecerts", grammar: updatecerts_grammar, run: updatecerts },
];

/// No corosync.conf is larger.
const MAX_FILE: usize = 1 << 20;

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("The cluster in the words of Proxmox VE's pvecm")
        .after_help(
            "What circulates in guides and does not work is answered with what was meant, also for other programs: \
             `systole pvecm corosync-cfgtool -c`.\n\nExamples:\n  systole pvecm status\n  systole pvecm qdevice setup 10.0.0.9",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .allow_external_subcommands(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let Some((name, rest)) = arguments.subcommand() else { return Ok(EXIT_USAGE) };
    if COMMANDS.iter().any(|command| command.name == name) {
        return one_of(COMMANDS, arguments);
    }
    let words = rest.get_many::<std::ffi::OsString>("").into_iter().flatten();
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let plain = [&[name.to_owned()], words.as_slice()].concat();
    let line = [&["pvecm".to_owned()], plain.as_slice()].concat();
    match meant_by(&plain).or_else(|| meant_by(&line)) {
        Some(mistake) => eprintln!("{}: {}", mistake.words.join(" … "), mistake.answer),
        None => {
            let known: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
            eprintln!("pvecm has no command {name}; it has {}", known.join(", "));
        }
    }
    Ok(EXIT_USAGE)
}

/// Runs a command of `systole` with these words.
fn systole(words: &[&str]) -> anyhow::Result<u8> {
    let named = |command: &&Command| words.first() == Some(&command.name);
    let Some(command) = ALL.iter().find(named) else { return Ok(EXIT_USAGE) };
    eprintln!("systole {}", words.join(" "));
    let line = words.iter().map(|word| (*word).to_owned());
    (command.run)(&(command.grammar)().name(command.name).try_get_matches_from(line)?)
}

/// On a host of Proxmox's, only its own program can do this.
fn not_on_proxmox(line: &str) -> anyhow::Result<()> {
    ensure!(
        Proxmox::here().is_none(),
        "this is a Proxmox host: its own `{line}` does this, together with its file system, its certificates and its users"
    );
    Ok(())
}

/// The configuration as this host has it.
fn conf() -> anyhow::Result<Conf> {
    if let Some(proxmox) = Proxmox::here() {
        return proxmox.conf();
    }
    let path = Paths::default().file(HostFile::CorosyncConf);
    match disk::read(&path, MAX_FILE)? {
        Some(bytes) => Ok(Conf::parse(String::from_utf8_lossy(&bytes).into_owned())),
        None => {
            bail!("{} is not there: this host is in no cluster; `systole pvecm create NAME` makes one", path.display())
        }
    }
}

fn status_grammar() -> clap::Command {
    clap::Command::new("").about("Show the cluster, its votes and its nodes, those that are not there included")
}

fn status(_: &ArgMatches) -> anyhow::Result<u8> {
    let (conf, engine) = (conf()?, engine()?);
    print(&text(&conf, &engine))?;
    Ok(if engine.quorate { EXIT_OK } else { EXIT_FAILURE })
}

fn text(conf: &Conf, engine: &Engine) -> String {
    let value =
        |key: &str, default: &str| conf.value(&["totem", key]).map_or(default.to_owned(), |entry| entry.value.clone());
    let cipher = value("crypto_cipher", "none");
    let secure = value("secauth", if cipher == "none" { "off" } else { "on" });
    let shown = Shown { hexadecimal: true, addresses: addresses(conf) };
    format!(
        "Cluster information\n-------------------\nName:             {}\nConfig Version:   {}\nTransport:        {}\nSecure auth:      {secure}\n\n{}{}",
        value("cluster_name", ""),
        value("config_version", "0"),
        value("transport", "knet"),
        summary(engine),
        members(engine, &shown)
    )
}

fn nodes_grammar() -> clap::Command {
    clap::Command::new("").about("Show the nodes, those that are not there included")
}

fn list(_: &ArgMatches) -> anyhow::Result<u8> {
    print(&members(&engine()?, &Shown::default()))?;
    Ok(EXIT_OK)
}

fn words_argument(value: &'static str) -> Arg {
    Arg::new("words").action(ArgAction::Append).value_name(value).allow_hyphen_values(true).trailing_var_arg(true)
}

fn words(arguments: &ArgMatches) -> Vec<String> {
    arguments.get_many("words").into_iter().flatten().cloned().collect()
}

fn create_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Make a cluster of this host alone; others are added")
        .after_help("Example:\n  systole pvecm create prod --link0 10.0.0.1 --link1 10.1.0.1")
        .arg(words_argument("NAME [--linkN ADDRESS[,priority=P]]… [--token-coefficient MS]"))
}

fn create(arguments: &ArgMatches) -> anyhow::Result<u8> {
    not_on_proxmox("pvecm create")?;
    let meant = meant(&words(arguments), &about::host_name())?;
    meant.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let ours: Vec<&str> = meant.words.iter().map(String::as_str).collect();
    systole(&[&["cluster", "setup"], ours.as_slice(), &["--start", "--enable"]].concat())
}

fn add_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Say how this host joins a cluster: who is in it takes it in")
        .arg(Arg::new("host").required(true).value_name("HOST").help("A node of the cluster"))
        .arg(words_argument("[--linkN ADDRESS]…"))
}

fn add(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let host = arguments.get_one::<String>("host").expect("it is required");
    not_on_proxmox("pvecm add")?;
    let me = about::host_name();
    bail!(
        "on a plain cluster no host lets itself in, as no password of root's goes over the wire. Here: `systole host-agent \
         token`. Then on {host}: `systole host auth {me} addr=ADDRESS --token TOKEN` and `systole cluster node add {me} \
         addr=ADDRESS --start --enable`, with an address for each link"
    )
}

fn delnode_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Remove a node")
        .after_help("Example:\n  systole pvecm delnode node4")
        .arg(Arg::new("node").required(true).value_name("NODE").help("Its name, or one of its addresses"))
}

fn delnode(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let named = arguments.get_one::<String>("node").expect("it is required");
    let old = conf()?;
    let name = node_of(&old, named)?;
    let Some(proxmox) = Proxmox::here() else { return systole(&["cluster", "node", "remove", &name]) };
    ensure!(name != about::host_name(), "run this on another node: this one would be gone before the others know");
    let now = engine()?;
    ensure!(
        now.quorate,
        "without quorum Proxmox's file system takes nothing: `systole pvecm status` shows who is missing"
    );
    let there = now.nodes.iter().any(|node| node.member && node.name.as_ref() == Some(&name));
    ensure!(
        !there,
        "{name} is a member: move its guests away, switch it off, and never on again as it is, then run this once more"
    );
    if Model::of(&old).quorum.device.is_some() {
        eprintln!(
            "note: Proxmox wants the quorum device removed first, `pvecm qdevice remove`, and set up again after it"
        );
    }
    proxmox.change(&old, &nodes::remove(&old, &name)?)?;
    print(&format!(
        "/etc/pve/nodes/{name} is left, with the configuration of its guests: look what is in it before it goes.\n"
    ))?;
    Ok(EXIT_OK)
}

fn expected_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Expect so many votes; refused while a missing node may run")
        .arg(Arg::new("votes").value_name("VOTES"))
        .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).help("Hosts that do not answer are off"))
}

fn expected(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let Some(votes) = arguments.get_one::<String>("votes") else {
        let line = ["pvecm", "expected"].map(str::to_owned);
        bail!("pvecm expected: {}", meant_by(&line).map_or("expected a number", |mistake| mistake.answer))
    };
    let force: &[&str] = if arguments.get_flag("force") { &["--force"] } else { &[] };
    systole(&[&["quorum", "expected-votes", votes.as_str()], force].concat())
}

fn qdevice_grammar() -> clap::Command {
    let setup = clap::Command::new("setup")
        .about("Give the cluster a witness")
        .arg(Arg::new("address").required(true).value_name("ADDRESS").help("The host of corosync-qnetd"))
        .arg(Arg::new("network").long("network").value_name("CIDR").help("Taken for pvecm's sake: the address says it"))
        .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).help("Also for an odd number of nodes"));
    clap::Command::new("")
        .about("Give the cluster a witness, or take it away")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(setup)
        .subcommand(clap::Command::new("remove").about("Take the witness away"))
}

fn qdevice(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (name, arguments) = arguments.subcommand().expect("the grammar requires one");
    not_on_proxmox(&format!("pvecm qdevice {name}"))?;
    if name == "remove" {
        return systole(&["quorum", "device", "remove"]);
    }
    let nodes = Model::of(&conf()?).nodes.len();
    let force = arguments.get_flag("force");
    ensure!(
        nodes.is_multiple_of(2) || force,
        "{nodes} nodes have no equal halves, and a witness makes them no safer: it is for an even number. --force gives it \
         the algorithm lms, with which the last node that is left goes on"
    );
    let algorithm = if nodes.is_multiple_of(2) { "algorithm=ffsplit" } else { "algorithm=lms" };
    let host = format!("host={}", arguments.get_one::<String>("address").expect("it is required"));
    systole(&["quorum", "device", "add", "model", "net", &host, algorithm])
}

fn updatecerts_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Say what there is to renew")
        .arg(Arg::new("force").long("force").short('f').action(ArgAction::SetTrue))
        .arg(Arg::new("silent").long("silent").action(ArgAction::SetTrue))
        .arg(Arg::new("unmerge-known-hosts").long("unmerge-known-hosts").action(ArgAction::SetTrue))
}

fn updatecerts(_: &ArgMatches) -> anyhow::Result<u8> {
    not_on_proxmox("pvecm updatecerts")?;
    print(
        "Nothing has to be renewed: hosts know each other's certificates by their fingerprints, which do not expire, and no \
         keys of SSH are shared. `systole cluster authkey corosync` changes the engine's shared key, `systole quorum device \
         update model host=HOST` the witness's certificates, `systole host auth` takes a host in that was installed anew.\n",
    )?;
    Ok(EXIT_OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::host::EngineNode;

    #[test]
    fn status_has_the_cluster_above_the_votes() {
        let conf = Conf::parse(
            "totem {\n  cluster_name: prod\n  config_version: 14\n  secauth: on\n}\nnodelist {\n  node {\n    name: pve1\n    nodeid: 1\n    ring0_addr: 10.0.1.11\n  }\n}\n",
        );
        let node = EngineNode {
            id: 1,
            name: Some("pve1".into()),
            member: true,
            votes: Some(1),
            links: Vec::new(),
            mtus: Vec::new(),
        };
        let engine = Engine {
            cluster: Some("prod".into()),
            config_version: Some(14),
            token: None,
            me: 1,
            quorate: true,
            nodes: vec![node],
            votes: None,
            device: None,
        };
        let text = text(&conf, &engine);
        let head = "Cluster information\n-------------------\nName:             prod\nConfig Version:   14\nTransport:        knet\nSecure auth:      on\n\nQuorum information\n";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("0x00000001          1 10.0.1.11 (local)\n"), "{text}");
    }
}
