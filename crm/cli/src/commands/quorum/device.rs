//! `systole quorum device`: a witness for the cluster. Its certificates are made first, out of the way; then they and the
//! configuration are put in force on all nodes together, and the change counts once the device votes on each.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::{Conf, Model};
use setup::change::{Act, Plan};
use setup::conf::device;
use wire::host::{About, Answer, Call, Content, HostFile, NewFile, Unit, UnitAct};

use crate::EXIT_OK;
use crate::commands::cluster::{Cluster, finish, plan_argument, show};
use crate::commands::{Command, one_of};
use crate::hosts::Field;
use crate::terminal::print;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "device", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    Command { name: "add", grammar: add_grammar, run: add },
    Command { name: "update", grammar: update_grammar, run: update },
    Command { name: "remove", grammar: remove_grammar, run: remove },
    Command { name: "status", grammar: status_grammar, run: status },
];

/// corosync-qdevice answers over a socket of its own host.
const ASK_TIME: core::time::Duration = core::time::Duration::from_secs(20);

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("A quorum device: a host that is no node and only votes")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn words_argument(value: &'static str) -> Arg {
    Arg::new("words").required(true).action(ArgAction::Append).value_name(value)
}

fn force_argument() -> Arg {
    Arg::new("force")
        .long("force")
        .action(ArgAction::SetTrue)
        .help("Also when the nodes that run have no quorum until the device votes")
}

fn add_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Give the cluster a quorum device, while it runs or not")
        .after_help(
            "The device's host runs corosync-qnetd (`systole qdevice setup model net --enable --start` there), is enrolled on \
             this host (`systole host auth`), and is no node. `ffsplit` is for an even number of nodes: of two halves one goes \
             on. With `lms` the last node that is left goes on.\n\nExample:\n  \
             systole quorum device add model net host=witness algorithm=ffsplit --plan",
        )
        .arg(words_argument("[timeout=MS] [sync_timeout=MS] model net host=HOST algorithm=ffsplit|lms [OPTION=VALUE]… [heuristics OPTION=VALUE…]"))
        .arg(force_argument())
        .arg(plan_argument())
}

fn update_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Change the quorum device's options; its clients are started again on all nodes")
        .after_help(
            "An empty value takes an option away. Another host is given new certificates.\n\nExample:\n  \
             systole quorum device update model algorithm=lms",
        )
        .arg(words_argument("[timeout=MS] [sync_timeout=MS] [model OPTION=VALUE…] [heuristics OPTION=VALUE…]"))
        .arg(force_argument())
        .arg(plan_argument())
}

fn remove_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Take the quorum device away; its certificates are kept as a backup")
        .arg(force_argument())
        .arg(plan_argument())
}

/// The host that is meant: a name that is enrolled here, or one of its addresses.
fn witness(field: &Field, named: &str) -> anyhow::Result<String> {
    field.find(named).with_context(|| {
        format!(
            "{named} is not enrolled on this host, and its certificates have to be exchanged with the nodes'. On {named}: \
             `systole qdevice setup model net --enable --start` and `systole host-agent token`; then here: `systole host \
             auth NAME addr={named} --token TOKEN`"
        )
    })
}

/// Why a node is no witness.
const NO_WITNESS: &str = "a node that votes a second time is no witness: when it is lost, both its votes are";

/// Fails if a name or one of these addresses is a node's.
fn no_node(nodes: &BTreeMap<String, About>, names: &[&str], addresses: &[String]) -> anyhow::Result<()> {
    for name in names {
        ensure!(!nodes.contains_key(*name), "{name} is a node of this cluster; {NO_WITNESS}");
    }
    for (node, about) in nodes {
        if let Some(shared) = about.addresses.iter().find(|address| addresses.contains(address)) {
            bail!("{shared} is an address of {node}, a node of this cluster; {NO_WITNESS}");
        }
    }
    Ok(())
}

/// The words with an address for the host: the nodes have to find it also while no name service answers.
fn with_address(words: &[String], named: &str, address: &str) -> Vec<String> {
    let one = |word: &String| match word.strip_prefix("host=") {
        Some(host) if host == named => format!("host={address}"),
        _ => word.clone(),
    };
    words.iter().map(one).collect()
}

/// New certificates for all nodes, made on this one and signed by the witness. Nothing is in force yet.
fn certificates(field: &Field, witness: &str, cluster_name: &str) -> anyhow::Result<NewFile> {
    let content = |host: &str, call: Call, what: &str| -> anyhow::Result<Option<Content>> {
        match field.ask(vec![(host.to_owned(), call)]).remove(0).1 {
            Ok(Answer::File { content }) => Ok(content),
            Ok(other) => bail!("{what}: {host} answered something else: {other:?}"),
            Err(reason) => bail!("{what}: {host}: {reason}"),
        }
    };
    let cluster = cluster_name.to_owned();
    let authority = content(witness, Call::QnetdAuthority, "asking for QNetd's certificate")?.with_context(|| {
        format!("QNetd is not set up on {witness}: `systole qdevice setup model net --enable --start` there")
    })?;
    let request = Call::QdeviceRequest { cluster: cluster.clone(), authority };
    let nothing = "it gave nothing";
    let request = content(&field.me, request, "making a key")?.context(nothing)?;
    let certificate = content(witness, Call::QnetdSign { cluster, request }, "signing it")?.context(nothing)?;
    let keys = content(&field.me, Call::QdeviceKeys { certificate }, "taking the certificate in")?;
    Ok(NewFile { file: HostFile::QdeviceKeys, content: Some(keys.context(nothing)?) })
}

/// What all three have in common: the plan for the file, and who runs.
fn changed(cluster: &Cluster, conf: &Conf, arguments: &ArgMatches) -> anyhow::Result<Plan> {
    ensure!(
        arguments.get_flag("force") || cluster.running.is_empty() || device::quorate_without(conf, &cluster.running),
        "only {} run: until the device votes they would have no quorum, and stop their services. Start the other nodes \
         first; --force does it all the same",
        cluster.running.join(", ")
    );
    cluster.plan(conf, &cluster.nodes)
}

fn units(nodes: &[String], act: UnitAct, back: UnitAct) -> Vec<Act> {
    let unit = Unit::Qdevice;
    let one = |name: &String| Act {
        host: name.clone(),
        call: Call::Unit { unit, act },
        back: Some(Call::Unit { unit, act: back }),
    };
    nodes.iter().map(one).collect()
}

/// The witness, once it was seen that it can be one; and the words with its address.
fn prepared(cluster: &Cluster, words: &[String]) -> anyhow::Result<(Option<String>, Vec<String>)> {
    let Some(named) = device::host(words) else { return Ok((None, words.to_vec())) };
    let nodes = cluster.field.settled(&cluster.nodes)?;
    no_node(&nodes, &[named], &[named.to_owned()])?;
    let name = witness(&cluster.field, named)?;
    let address = cluster.field.address(&name).filter(|_| name == named).unwrap_or_else(|| named.to_owned());
    let abouts = cluster.field.abouts(std::slice::from_ref(&name));
    if let Some(reason) = abouts.silent.get(&name) {
        bail!("{name}: {reason}");
    }
    let about = &abouts.known[&name];
    // Not all of its addresses: bridges of containers have the same on every host.
    no_node(&nodes, &[&name, &about.host], std::slice::from_ref(&address))?;
    let runs = about.units.iter().any(|state| state.unit == Unit::Qnetd && state.active);
    ensure!(runs, "corosync-qnetd does not run on {name}: `systole qdevice setup model net --enable --start` there");
    Ok((Some(name), with_address(words, named, &address)))
}

/// Every node has to have the client, before anything is made.
fn need_client(cluster: &Cluster) -> anyhow::Result<()> {
    let abouts = cluster.field.settled(&cluster.nodes)?;
    for (name, about) in abouts {
        ensure!(
            about.units.iter().any(|state| state.unit == Unit::Qdevice),
            "{name}: it has no {}: apt-get install corosync-qdevice",
            Unit::Qdevice.name()
        );
    }
    Ok(())
}

fn cluster_name(conf: &Conf) -> anyhow::Result<String> {
    let name = conf.value(&["totem", "cluster_name"]).map_or("", |entry| entry.value.as_str());
    host_agent::qdevice::check_cluster(name)?;
    Ok(name.to_owned())
}

fn given(arguments: &ArgMatches) -> Vec<String> {
    arguments.get_many("words").into_iter().flatten().cloned().collect()
}

fn add(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words = given(arguments);
    let cluster = Cluster::load()?;
    // What is wrong with the words is said before any other host is asked.
    device::add(&cluster.conf, &words)?;
    let (witness, words) = prepared(&cluster, &words)?;
    let witness = witness.context("expected host=… behind `model net`")?;
    let conf = device::add(&cluster.conf, &words)?;
    need_client(&cluster)?;
    let name = cluster_name(&cluster.conf)?;
    let nodes = Model::of(&conf).nodes.len();
    if !nodes.is_multiple_of(2) && Model::of(&conf).quorum.device.is_some_and(|device| device.algorithm == "ffsplit") {
        eprintln!(
            "warning: {nodes} nodes have no equal halves, so a vote makes them no safer: without the device one node less \
             may be lost. ffsplit is for an even number; lms lets the last node go on"
        );
    }
    let mut plan = changed(&cluster, &conf, arguments)?;
    plan.after.push(units(&cluster.nodes, UnitAct::Enable, UnitAct::Disable));
    plan.after.push(units(&cluster.running, UnitAct::Start, UnitAct::Stop));
    if let Some(expect) = &mut plan.expect {
        expect.device = Some(true);
    }
    if arguments.get_flag("plan") {
        if device::is_encrypted(&conf) {
            print(&format!(
                "first: a key for cluster {name} is made on {}, signed by {witness}, and given to all nodes\n",
                cluster.field.me
            ))?;
        }
        return show(&cluster.conf, &conf, &plan);
    }
    if device::is_encrypted(&conf) {
        eprintln!("Certificates are made on {} and signed by {witness}.", cluster.field.me);
        let keys = certificates(&cluster.field, &witness, &name)?;
        plan.files.iter_mut().for_each(|(_, files)| files.push(keys.clone()));
    }
    finish(&cluster.field, plan)
}

fn update(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words = given(arguments);
    let cluster = Cluster::load()?;
    device::update(&cluster.conf, &words)?;
    let (witness, words) = prepared(&cluster, &words)?;
    let conf = device::update(&cluster.conf, &words)?;
    let newly_encrypted = device::is_encrypted(&conf) && !device::is_encrypted(&cluster.conf);
    let signer = match (&witness, newly_encrypted, device::host_of(&conf)) {
        (Some(witness), ..) => Some(witness.clone()),
        (None, true, Some(host)) => Some(self::witness(&cluster.field, &host)?),
        _ => None,
    };
    let mut plan = changed(&cluster, &conf, arguments)?;
    // All of them at once: QNetd takes no cluster of which nodes ask for different things.
    plan.after.push(units(&cluster.running, UnitAct::Stop, UnitAct::Start));
    plan.after.push(units(&cluster.running, UnitAct::Start, UnitAct::Stop));
    if let Some(expect) = &mut plan.expect {
        expect.device = Some(true);
    }
    if arguments.get_flag("plan") {
        return show(&cluster.conf, &conf, &plan);
    }
    if let Some(signer) = signer.filter(|_| device::is_encrypted(&conf)) {
        let keys = certificates(&cluster.field, &signer, &cluster_name(&cluster.conf)?)?;
        plan.files.iter_mut().for_each(|(_, files)| files.push(keys.clone()));
    }
    finish(&cluster.field, plan)
}

fn remove(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let cluster = Cluster::load()?;
    let conf = device::remove(&cluster.conf)?;
    let mut plan = changed(&cluster, &conf, arguments)?;
    let gone = NewFile { file: HostFile::QdeviceKeys, content: None };
    plan.files.iter_mut().for_each(|(_, files)| files.push(gone.clone()));
    // The engines know of no device first: without its votes, and with it still expected, they could lose their quorum.
    plan.after.push(units(&cluster.nodes, UnitAct::Stop, UnitAct::Start));
    plan.after.push(units(&cluster.nodes, UnitAct::Disable, UnitAct::Enable));
    if let Some(expect) = &mut plan.expect {
        expect.device = Some(false);
    }
    if arguments.get_flag("plan") {
        return show(&cluster.conf, &conf, &plan);
    }
    let host = device::host_of(&cluster.conf).unwrap_or_default();
    let done = finish(&cluster.field, plan)?;
    print(&format!(
        "{host} still takes this cluster's old certificate. If it serves no other cluster: `systole qdevice stop net` and \
         `disable net` there.\n"
    ))?;
    Ok(done)
}

fn status_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show what this node's corosync-qdevice says of its witness")
        .arg(Arg::new("full").long("full").action(ArgAction::SetTrue).help("Everything that it tells"))
}

fn status(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words: &[&str] = if arguments.get_flag("full") { &["-s", "-v"] } else { &["-s"] };
    let said =
        host_agent::units::run("corosync-qdevice-tool", words, ASK_TIME).context("apt-get install corosync-qdevice")?;
    ensure!(
        said.success,
        "corosync-qdevice does not answer on this host: {}. `systole quorum config` shows whether the cluster has a quorum \
         device, `systole doctor` what is wrong with it",
        said.text.replace('\n', " | ")
    );
    print(&format!("{}\n", said.text))?;
    Ok(EXIT_OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_witness_is_named_by_its_address() {
        let words = ["model", "net", "host=q", "algorithm=lms"].map(str::to_owned);
        assert_eq!(with_address(&words, "q", "10.0.0.9")[2], "host=10.0.0.9");
        assert_eq!(with_address(&words, "other", "10.0.0.9"), words);
    }
}
