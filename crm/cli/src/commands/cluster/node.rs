//! `systole cluster node`: nodes that come and go.

use anyhow::{Context as _, bail, ensure};
use cib::patch;
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::Model;
use setup::change::{Act, Expect};
use setup::conf::new::nodes;
use setup::conf::nodes as list;
use wire::host::{Call, HostFile, Unit, UnitAct};
use wire::write::WriteForm;

use super::destroy::what_a_cluster_leaves;
use super::engine::{Cluster, Silent, conf_file, finish, hosts_file, own_file, plan_argument, show, this_hosts};
use crate::client::Client;
use crate::cluster::Live;
use crate::commands::{Command, one_of};
use crate::hosts::Field;
use crate::terminal::print;
use crate::{EXIT_OK, change, gone};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "node", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    Command { name: "add", grammar: add_grammar, run: add },
    Command { name: "remove", grammar: remove_grammar, run: remove },
    Command { name: "clear", grammar: clear_grammar, run: clear },
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Add a node to the cluster, remove one, or clear what is left of one")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn add_grammar() -> clap::Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    clap::Command::new("")
        .about("Add a host that is enrolled here, while the cluster runs")
        .after_help("Example:\n  systole cluster node add node4 addr=10.0.0.4 --start --enable")
        .arg(
            Arg::new("words")
                .required(true)
                .action(ArgAction::Append)
                .value_name("NODE [addr=ADDRESS]…")
                .help("The node, with an address for each link"),
        )
        .arg(flag("start", "Start the cluster there"))
        .arg(flag("enable", "Start it there at boot"))
        .arg(super::services::wait_is_taken())
        .arg(plan_argument())
}

fn add(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words: Vec<String> = arguments.get_many("words").into_iter().flatten().cloned().collect();
    let named = nodes(&words)?;
    let [node] = named.as_slice() else { bail!("one node at a time: NODE [addr=ADDRESS]…") };
    let mut node = node.clone();
    let cluster = Cluster::load()?;
    let name = node.name.clone();
    cluster.field.need(std::slice::from_ref(&name))?;
    if node.addresses.is_empty() {
        node.addresses.extend(cluster.field.address(&name));
    }
    let conf = list::add(&cluster.conf, &node)?;
    let abouts = cluster.field.settled(std::slice::from_ref(&name))?;
    let about = &abouts[&name];
    ensure!(about.host == name, "the host calls itself {}; a node's name is what `uname -n` says there", about.host);
    ensure!(about.corosync.is_some(), "{name}: Corosync is not installed: apt-get install corosync");
    ensure!(about.engine.is_none(), "{name}: Corosync runs there: the host is in a cluster");
    let mut plan = cluster.plan(&conf, &cluster.nodes)?;
    let key = own_file(&cluster.field, HostFile::Authkey)?
        .with_context(|| format!("this host has no shared key to give to {name}"))?;
    let with_device = Model::of(&conf).quorum.device.is_some();
    if with_device {
        let has = about.units.iter().any(|state| state.unit == Unit::Qdevice);
        ensure!(has, "{name}: the cluster has a quorum device: apt-get install corosync-qdevice");
    }
    let keys = if with_device { own_file(&cluster.field, HostFile::QdeviceKeys)? } else { None };
    // The list of hosts goes to all, so that each can call the new one.
    plan.files.iter_mut().for_each(|(_, files)| files.push(hosts_file(&cluster.field)));
    let files = [key, hosts_file(&cluster.field), conf_file(conf.text())].into_iter().chain(keys);
    plan.files.push((name.clone(), files.collect()));
    if about.remembers {
        plan.before.push(vec![Act { host: name.clone(), call: Call::Forget, back: None }]);
    }
    let act = |unit, act, back| Act {
        host: name.clone(),
        call: Call::Unit { unit, act },
        back: Some(Call::Unit { unit, act: back }),
    };
    for unit in cluster.units() {
        if arguments.get_flag("enable") {
            plan.after.push(vec![act(unit, UnitAct::Enable, UnitAct::Disable)]);
        }
        if arguments.get_flag("start") {
            plan.after.push(vec![act(unit, UnitAct::Start, UnitAct::Stop)]);
        }
    }
    if let Some(Expect { hosts, members, .. }) = plan.expect.as_mut().filter(|_| arguments.get_flag("start")) {
        hosts.push(name.clone());
        members.push(name.clone());
    }
    if arguments.get_flag("plan") {
        return show(&cluster.conf, &conf, &plan);
    }
    finish(&cluster.field, plan)
}

fn remove_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Remove a node: its services stop, and it forgets the cluster")
        .after_help(
            "A node whose host agent does not answer cannot be made to forget the cluster: --skip-offline removes it all the \
             same, once it is off. If it comes back with its old file, it finds no cluster with it, and commands there say \
             so. Other nodes that do not answer get the new file by `systole cluster sync` when they are back.\n\nA node that \
             is to go on by itself is removed first; then, on it: `systole cluster setup NAME NODE --start --force`.\n\n\
             Examples:\n  systole cluster node remove node4\n  systole cluster node remove node4 --skip-offline",
        )
        .arg(
            Arg::new("skip-offline")
                .long("skip-offline")
                .action(ArgAction::SetTrue)
                .help("Nodes that do not answer are off: you have seen to it"),
        )
        .arg(Arg::new("node").required(true).value_name("NODE").help("The node; run this on another one"))
        .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).help("Also when the rest would have no quorum"))
        .arg(plan_argument())
}

fn remove(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("node").expect("it is required");
    let mut cluster = Cluster::look(match arguments.get_flag("skip-offline") {
        true => Silent::LeftOut,
        false => Silent::Refused,
    })?;
    ensure!(*name != cluster.field.me, "run this on another node: this one would be gone before the others know");
    let conf = list::remove(&cluster.conf, name)?;
    let left: Vec<String> = Model::of(&conf).nodes.iter().map(|node| node.called()).collect();
    let running = left.iter().filter(|name| cluster.running.contains(name)).count();
    // The node stops before the others forget it, so for a moment they have to be enough among all.
    ensure!(
        arguments.get_flag("force")
            || cluster.running.is_empty()
            || running * 2 > cluster.nodes.len()
            || Model::of(&cluster.conf).quorum.two_node.is_some(),
        "without {name} only {running} of {} nodes run: they would have no quorum and stop their services. --force does it all the same",
        cluster.nodes.len()
    );
    let answering: Vec<String> = left.into_iter().filter(|name| !cluster.silent.contains_key(name)).collect();
    let mut plan = cluster.plan(&conf, &answering)?;
    let act = |unit, act, back| {
        vec![Act { host: name.clone(), call: Call::Unit { unit, act }, back: Some(Call::Unit { unit, act: back }) }]
    };
    if cluster.silent.contains_key(name) {
        ensure!(
            cluster.members()?.iter().all(|member| member != name),
            "{name} does not answer and is a member all the same: its Corosync runs. Stop it there, or switch it off"
        );
    } else {
        plan.files.push((name.clone(), what_a_cluster_leaves().to_vec()));
        for unit in cluster.units().into_iter().rev() {
            plan.before.push(act(unit, UnitAct::Stop, UnitAct::Start));
            plan.before.push(act(unit, UnitAct::Disable, UnitAct::Enable));
        }
        plan.after.push(vec![Act { host: name.clone(), call: Call::Forget, back: None }]);
    }
    if arguments.get_flag("plan") {
        return show(&cluster.conf, &conf, &plan);
    }
    finish(&cluster.field, plan)?;
    // Where no daemon runs nothing can be cleared, and the command that can is named.
    match Client::from_arguments(arguments).and_then(|mut client| forget(&mut client, name)) {
        Ok(said) => print(&said)?,
        Err(error) => eprintln!(
            "{name} still stands in the configuration of resources: {error:#}. `systole cluster node clear {name}` clears it"
        ),
    }
    // The node that is gone is nobody who was left out.
    cluster.silent.remove(name);
    Ok(cluster.left_out())
}

fn clear_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Clear nodes that were removed from the configuration of resources, which still knows them")
        .after_help("Constraints that name it stay: they say what somebody wanted.\n\nExample:\n  systole cluster node clear node4")
        .arg(Arg::new("node").required(true).action(ArgAction::Append).value_name("NODE").help("Nodes that are gone"))
        .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).help("Also one that corosync.conf names"))
}

fn clear(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let names: Vec<&String> = arguments.get_many("node").into_iter().flatten().collect();
    let field = Field::load()?;
    let conf = this_hosts(&field)?;
    let nodes: Vec<String> = Model::of(&conf).nodes.iter().map(|node| node.called()).collect();
    if let Some(name) = names.iter().find(|name| nodes.contains(name) && !arguments.get_flag("force")) {
        bail!("{name} is a node of corosync.conf: `systole cluster node remove {name}` removes it there first");
    }
    let mut client = Client::from_arguments(arguments)?;
    for name in names {
        print(&forget(&mut client, name)?)?;
    }
    Ok(EXIT_OK)
}

/// Takes a node that is gone out of the configuration of resources and out of the status.
fn forget(client: &mut Client, name: &str) -> anyhow::Result<String> {
    let live = Live::fetch(client)?;
    ensure!(
        !live.status.members.iter().any(|member| member == name),
        "{name} is a member of the cluster: stop it first, `systole cluster stop {name}`"
    );
    let mut document = live.view.document.clone();
    if gone::forget(&mut document, name) == 0 {
        return Ok(format!("The configuration of resources does not know {name}.\n"));
    }
    let write = WriteForm::Configure {
        patch: patch::diff(&live.view.document, &document).changes.into_iter().map(Into::into).collect(),
        expected: None,
        author: change::author(),
    };
    match client.write(write, false)? {
        Ok(_) => Ok(format!("{name} is cleared from the configuration of resources.\n")),
        Err(reason) => bail!("{name} is not cleared: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Daemon, status};
    use wire::Reply;

    #[test]
    fn a_member_is_not_cleared_and_a_node_that_is_gone_is() {
        let told = |name: &str, more: Vec<Reply>| {
            let mut replies = vec![Reply::Status(Box::new(status()))];
            replies.extend(more);
            forget(&mut Daemon::with(replies).client(), name)
        };
        let member = status().members[0].clone();
        assert!(told(&member, Vec::new()).unwrap_err().to_string().contains("is a member"));
        assert!(told("nobody", Vec::new()).unwrap().contains("does not know nobody"));
    }
}
