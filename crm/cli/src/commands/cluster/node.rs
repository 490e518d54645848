//! `systole cluster node`: nodes that come and go.

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::Model;
use setup::change::{Act, Expect};
use setup::conf::new::nodes;
use setup::conf::nodes as list;
use wire::host::{Call, HostFile, Unit, UnitAct};

use super::destroy::what_a_cluster_leaves;
use super::engine::{Cluster, conf_file, finish, hosts_file, own_file, plan_argument, show};
use crate::commands::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "node", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    Command { name: "add", grammar: add_grammar, run: add },
    Command { name: "remove", grammar: remove_grammar, run: remove },
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Add a node to the cluster, or remove one")
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
        .after_help("Example:\n  systole cluster node remove node4")
        .arg(Arg::new("node").required(true).value_name("NODE").help("The node; run this on another one"))
        .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).help("Also when the rest would have no quorum"))
        .arg(plan_argument())
}

fn remove(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("node").expect("it is required");
    let cluster = Cluster::load()?;
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
    let mut plan = cluster.plan(&conf, &left)?;
    plan.files.push((name.clone(), what_a_cluster_leaves().to_vec()));
    let act = |unit, act, back| {
        vec![Act { host: name.clone(), call: Call::Unit { unit, act }, back: Some(Call::Unit { unit, act: back }) }]
    };
    for unit in cluster.units().into_iter().rev() {
        plan.before.push(act(unit, UnitAct::Stop, UnitAct::Start));
        plan.before.push(act(unit, UnitAct::Disable, UnitAct::Enable));
    }
    plan.after.push(vec![Act { host: name.clone(), call: Call::Forget, back: None }]);
    if arguments.get_flag("plan") {
        return show(&cluster.conf, &conf, &plan);
    }
    finish(&cluster.field, plan)
}
