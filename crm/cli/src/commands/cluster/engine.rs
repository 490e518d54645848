//! What all changes of the engine's configuration have in common: the file is the same on all hosts before and after,
//! and what runs is compared with it.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::{Conf, Model};
use setup::change::{Expect, Plan};
use setup::conf::{self, version};
use setup::stale;
use wire::host::{About, Answer, Call, Content, HostFile, NewFile, Unit};

use crate::commands::Command;
use crate::hosts::{Abouts, Field, all_done};
use crate::proxmox::Proxmox;
use crate::terminal::print;
use crate::{EXIT_FAILURE, EXIT_OK};

/// `cluster reload`.
pub const RELOAD: Command = Command { name: "reload", grammar: reload_grammar, run: reload };
/// `cluster sync`.
pub const SYNC: Command = Command { name: "sync", grammar: sync_grammar, run: sync };

/// A cluster's engine as it is on its hosts.
pub struct Cluster {
    /// The hosts that can be called.
    pub field: Field,
    /// Its nodes, which are hosts.
    pub nodes: Vec<String>,
    /// Its configuration, the same on all nodes.
    pub conf: Conf,
    /// Nodes whose engine runs.
    pub running: Vec<String>,
    /// Nodes whose host agent does not answer, with the reason.
    pub silent: BTreeMap<String, String>,
}

/// What becomes of nodes that do not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silent {
    /// Nothing is done: a change is for all.
    Refused,
    /// They are left out.
    LeftOut,
}

/// `--plan`.
pub fn plan_argument() -> Arg {
    Arg::new("plan")
        .long("plan")
        .visible_alias("dry-run")
        .action(ArgAction::SetTrue)
        .help("Say what would be done on which host, and do nothing")
}

impl Cluster {
    /// Looks at all nodes of this host's configuration. What an earlier command left half-way is ended first.
    ///
    /// # Errors
    /// When a node does not answer, or the configurations differ: then nobody knows what is being changed.
    pub fn load() -> anyhow::Result<Cluster> {
        Cluster::look(Silent::Refused)
    }

    /// The same, where nodes may be left out that do not answer.
    ///
    /// # Errors
    /// As [`Cluster::load`]; and where an earlier command was left half-way and not all answer who may hold it.
    pub fn look(silent: Silent) -> anyhow::Result<Cluster> {
        not_proxmoxs()?;
        let field = Field::load()?;
        if silent == Silent::Refused {
            // Which hosts there are is in a file that an operation left half-way may have taken away.
            field.settled(std::slice::from_ref(&field.me))?;
        }
        let conf = this_hosts(&field)?;
        let nodes: Vec<String> = Model::of(&conf).nodes.iter().map(|node| node.called()).collect();
        field.need(&nodes)?;
        let mut abouts = field.abouts(&nodes);
        if silent == Silent::Refused || abouts.silent.is_empty() {
            abouts = Abouts { known: field.settled(&nodes)?, silent: BTreeMap::new() };
        } else if let Some((name, _)) = abouts.known.iter().find(|(_, about)| about.pending.is_some()) {
            let (absent, reason) = abouts.silent.first_key_value().expect("it is not empty");
            bail!(
                "an earlier command ended half-way on {name}, and whether {absent} holds a part of it is not known \
                 ({reason}): bring its host agent back first"
            );
        }
        // An operation that was just taken back may have changed the file.
        let conf = this_hosts(&field)?;
        same_file(&field, &conf, &abouts.known)?;
        let runs = |name: &&String| abouts.known.get(*name).is_some_and(|about| about.engine.is_some());
        let running = nodes.iter().filter(runs).cloned().collect();
        Ok(Cluster { field, nodes, conf, running, silent: abouts.silent })
    }

    /// This host alone, whatever the others hold.
    ///
    /// # Errors
    /// When its agent does not answer, or it has no configuration.
    pub fn alone() -> anyhow::Result<Cluster> {
        not_proxmoxs()?;
        let field = Field::load()?;
        let me = vec![field.me.clone()];
        field.settled_here()?;
        let conf = this_hosts(&field)?;
        Ok(Cluster { field, nodes: me, conf, running: Vec::new(), silent: BTreeMap::new() })
    }

    /// Nodes that answer.
    pub fn answering(&self) -> Vec<String> {
        self.nodes.iter().filter(|name| !self.silent.contains_key(*name)).cloned().collect()
    }

    /// Fails if one of these does not answer.
    ///
    /// # Errors
    /// With the reason.
    pub fn need_answers(&self, names: &[String]) -> anyhow::Result<()> {
        match names.iter().find_map(|name| Some((name, self.silent.get(name)?))) {
            Some((name, reason)) => bail!("{name}: {reason}"),
            None => Ok(()),
        }
    }

    /// The nodes that any engine which answers has as members.
    ///
    /// # Errors
    /// When a host that ran does not answer any more.
    pub fn members(&self) -> anyhow::Result<Vec<String>> {
        let abouts = self.field.abouts(&self.running);
        if let Some((name, reason)) = abouts.silent.first_key_value() {
            bail!("{name}: {reason}");
        }
        let nodes = abouts.known.into_values().filter_map(|about| about.engine).flat_map(|engine| engine.nodes);
        Ok(nodes.filter(|node| node.member).filter_map(|node| node.name).collect())
    }

    /// Says which nodes were left out, and gives the exit status for that.
    pub fn left_out(&self) -> u8 {
        for (name, reason) in &self.silent {
            eprintln!("{name} was left out: {reason}");
        }
        if self.silent.is_empty() { EXIT_OK } else { EXIT_FAILURE }
    }

    /// The plan that puts a file in force on these hosts.
    pub fn plan(&self, new: &Conf, hosts: &[String]) -> anyhow::Result<Plan> {
        let members: Vec<String> = Model::of(new).nodes.iter().map(|node| node.called()).collect();
        let members: Vec<String> = members.into_iter().filter(|name| self.running.contains(name)).collect();
        let plan = |conf: &Conf, operation: String| Plan {
            operation,
            files: hosts.iter().map(|host| (host.clone(), vec![conf_file(conf.text())])).collect(),
            reload: members.first().cloned(),
            expect: (!members.is_empty()).then(|| Expect {
                hosts: members.clone(),
                version: version(conf),
                members: members.clone(),
                device: None,
            }),
            ..Plan::default()
        };
        // Engines take a newer version alone, so the old configuration comes back as one.
        let newest = version(new).unwrap_or(0) + 1;
        let old = corosync_conf::edit::set(&self.conf, &["totem", "config_version"], &newest.to_string())?;
        let name = operation();
        Ok(Plan { back: Some(Box::new(plan(&old, format!("{name}-back")))), ..plan(new, name) })
    }

    /// Puts a changed file in force on all nodes, or says with `--plan` what would be done.
    ///
    /// # Errors
    /// When it could not be made.
    pub fn apply(&self, new: &Conf, arguments: &ArgMatches) -> anyhow::Result<u8> {
        let plan = self.plan(new, &self.nodes)?;
        if arguments.get_flag("plan") {
            return show(&self.conf, new, &plan);
        }
        finish(&self.field, plan)
    }

    /// The services of a node, in the order they start.
    pub fn units(&self) -> Vec<Unit> {
        match Model::of(&self.conf).quorum.device {
            Some(_) => vec![Unit::Corosync, Unit::Qdevice, Unit::Systoled],
            None => vec![Unit::Corosync, Unit::Systoled],
        }
    }

    /// Fails if an engine runs anywhere.
    ///
    /// # Errors
    /// With what cannot be changed while it runs.
    pub fn need_stopped(&self, what: &[String]) -> anyhow::Result<()> {
        ensure!(
            what.is_empty() || self.running.is_empty(),
            "{} is read when Corosync starts, and it runs on {}: stop the cluster first, `systole cluster stop --all`",
            what.join(", "),
            self.running.join(", ")
        );
        Ok(())
    }
}

/// Fails on a Proxmox host, whose file is not ours to lay.
fn not_proxmoxs() -> anyhow::Result<()> {
    ensure!(
        Proxmox::here().is_none(),
        "this is a Proxmox host, whose file system gives its nodes their corosync.conf: `systole cluster config update` \
         and `link add|remove` change it by its rules; for the rest its own `pvecm` is there"
    );
    Ok(())
}

/// Fails if hosts have another file than this one: then nobody knows what is being changed.
///
/// # Errors
/// With whose the old one is, and what to do.
fn same_file(field: &Field, conf: &Conf, known: &BTreeMap<String, About>) -> anyhow::Result<()> {
    let sum = |name: &String| {
        let file = known.get(name)?.files.iter().find(|state| state.file == HostFile::CorosyncConf)?;
        Some(file.sha256.clone())
    };
    let Some(other) = known.keys().find(|name| sum(name) != sum(&field.me)) else { return Ok(()) };
    let (_, answer) = field.ask(vec![(other.clone(), own_conf())]).remove(0);
    match answer.map_err(|reason| anyhow::anyhow!("{other}: {reason}"))? {
        Answer::File { content: Some(Content(bytes)) } => {
            let theirs = Conf::parse(String::from_utf8_lossy(&bytes).into_owned());
            bail!("{}", stale::differs(&field.me, conf, other, &theirs));
        }
        _ => bail!(
            "{other} has no configuration of Corosync any more: `systole cluster sync` gives it this host's, `systole \
             cluster node remove {other}` lets it go"
        ),
    }
}

/// Carries a plan through and says so.
///
/// # Errors
/// When it could not be made.
pub fn finish(field: &Field, plan: Plan) -> anyhow::Result<u8> {
    let left = field.change(plan)?;
    print("Done, on all hosts.\n")?;
    for line in left {
        print(&format!("Not put away yet: {line}. The next command does it.\n"))?;
    }
    Ok(EXIT_OK)
}

/// Shows what a plan changes.
///
/// # Errors
/// When it cannot be printed.
pub fn show(old: &Conf, new: &Conf, plan: &Plan) -> anyhow::Result<u8> {
    print(&format!("corosync.conf on {}:\n", hosts(plan)))?;
    print(&difference(old.text(), new.text()))?;
    for (when, groups) in [("first", &plan.before), ("then", &plan.after)] {
        for act in groups.iter().flatten() {
            if let Call::Unit { unit, act: word } = &act.call {
                print(&format!("{when}, on {}: systemctl {} {}\n", act.host, word.word(), unit.name()))?;
            }
        }
    }
    if let Some(host) = &plan.reload {
        print(&format!("on {host}: corosync-cfgtool -R\n"))?;
    }
    print("Nothing was done.\n")?;
    Ok(EXIT_OK)
}

/// Puts a changed file in force on a host of Proxmox's, which tells the others, or says with `--plan` what would be done.
///
/// # Errors
/// When it is not taken.
pub fn apply_on(proxmox: &Proxmox, old: &Conf, new: &Conf, arguments: &ArgMatches) -> anyhow::Result<u8> {
    if arguments.get_flag("plan") {
        print("/etc/pve/corosync.conf, on all nodes:\n")?;
        print(&difference(old.text(), new.text()))?;
        print("Nothing was done.\n")?;
        return Ok(EXIT_OK);
    }
    proxmox.change(old, new)?;
    Ok(EXIT_OK)
}

fn hosts(plan: &Plan) -> String {
    plan.files.iter().map(|(host, _)| host.as_str()).collect::<Vec<_>>().join(", ")
}

/// Lines that go and come.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // The longest common part, by table: files have some hundred lines.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for (i, line) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            common[i][j] =
                if line == other { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            text += &format!("  - {}\n", old[i]);
            i += 1;
        } else {
            text += &format!("  + {}\n", new[j]);
            j += 1;
        }
    }
    text
}

/// This host's configuration, as its own agent gives it.
///
/// # Errors
/// When it has none.
pub fn this_hosts(field: &Field) -> anyhow::Result<Conf> {
    field.need(std::slice::from_ref(&field.me))?;
    let (_, answer) = field.ask(vec![(field.me.clone(), own_conf())]).remove(0);
    match answer.map_err(anyhow::Error::msg)? {
        Answer::File { content: Some(Content(bytes)) } => {
            Ok(Conf::parse(String::from_utf8(bytes).context("corosync.conf is no text")?))
        }
        _ => bail!("this host has no corosync.conf: it belongs to no cluster. `systole cluster setup` makes one"),
    }
}

fn own_conf() -> Call {
    Call::Read { file: HostFile::CorosyncConf }
}

/// The name of the node that is called so, or has this address.
///
/// # Errors
/// When there is none.
pub fn node_of(conf: &Conf, named: &str) -> anyhow::Result<String> {
    let nodes = Model::of(conf).nodes;
    let is = |node: &&corosync_conf::model::Node| {
        node.called() == named || node.addresses.values().any(|address| address.value == named)
    };
    let names = || nodes.iter().map(|node| node.called()).collect::<Vec<_>>().join(", ");
    nodes
        .iter()
        .find(is)
        .map(|node| node.called())
        .with_context(|| format!("the cluster has no node {named}; it has {}", names()))
}

/// The file as it is laid.
pub fn conf_file(text: &str) -> NewFile {
    NewFile { file: HostFile::CorosyncConf, content: Some(Content(text.as_bytes().to_vec())) }
}

/// A file of this host, to be given to others; nothing when it has none.
///
/// # Errors
/// When its agent does not answer.
pub fn own_file(field: &Field, file: HostFile) -> anyhow::Result<Option<NewFile>> {
    let (_, answer) = field.ask(vec![(field.me.clone(), Call::Read { file })]).remove(0);
    match answer.map_err(anyhow::Error::msg)? {
        Answer::File { content: content @ Some(_) } => Ok(Some(NewFile { file, content })),
        _ => Ok(None),
    }
}

/// The list of hosts as it is laid.
pub fn hosts_file(field: &Field) -> NewFile {
    NewFile { file: HostFile::Hosts, content: Some(Content(field.text().into_bytes())) }
}

/// A name for an operation that no other has.
pub fn operation() -> String {
    format!("{}-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ"), std::process::id())
}

fn reload_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Let Corosync read its file again on all nodes, and see that each does")
        .after_help("Corosync says that a reload is done when a node refused its file; this looks at what each runs.\n\nExample:\n  systole cluster reload corosync")
        .arg(Arg::new("what").value_parser(["corosync"]).default_value("corosync").help("What is read again"))
}

fn reload(_: &ArgMatches) -> anyhow::Result<u8> {
    let cluster = Cluster::load()?;
    let Some(host) = cluster.running.first() else { bail!("Corosync runs on no node") };
    all_done(&cluster.field.ask(vec![(host.clone(), Call::Reload)]))?;
    let wanted = version(&cluster.conf);
    let abouts = cluster.field.abouts(&cluster.running);
    for (name, about) in &abouts.known {
        let runs = about.engine.as_ref().and_then(|engine| engine.config_version);
        ensure!(
            runs == wanted || wanted.is_none(),
            "{name} runs with version {} of the configuration, its file has {}: `journalctl -u corosync` there says why it refused it",
            runs.map_or("none".into(), |version| version.to_string()),
            wanted.unwrap_or(0)
        );
    }
    print(&format!("Read again on {}.\n", cluster.running.join(", ")))?;
    Ok(EXIT_OK)
}

fn sync_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Give this host's corosync.conf, shared key, list of hosts and certificates of a quorum device to all nodes")
        .after_help("The configuration gets a new version, so that engines that run take it.\n\nExample:\n  systole cluster sync --plan")
        .arg(Arg::new("what").value_parser(["corosync"]).default_value("corosync").help("What is given to them"))
        .arg(plan_argument())
}

fn sync(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let field = Field::load()?;
    let conf = this_hosts(&field)?;
    let nodes: Vec<String> = Model::of(&conf).nodes.iter().map(|node| node.called()).collect();
    field.need(&nodes)?;
    let abouts = field.settled(&nodes)?;
    for (name, answer) in field.ask(nodes.iter().map(|name| (name.clone(), own_conf())).collect()) {
        let Ok(Answer::File { content: Some(Content(bytes)) }) = answer else { continue };
        let theirs = Conf::parse(String::from_utf8_lossy(&bytes).into_owned());
        ensure!(!stale::is_removed(&field.me, &conf, &theirs), "{}", stale::differs(&field.me, &conf, &name, &theirs));
    }
    let running: Vec<String> = nodes.iter().filter(|name| abouts[*name].engine.is_some()).cloned().collect();
    let newest = abouts.values().filter_map(|about| about.engine.as_ref()?.config_version).max().unwrap_or(0);
    let new = match version(&conf) {
        Some(version) if version >= newest => conf::finish(&conf)?,
        _ => conf::finish(&corosync_conf::edit::set(&conf, &["totem", "config_version"], &newest.to_string())?)?,
    };
    let cluster = Cluster { field, nodes: nodes.clone(), conf: conf.clone(), running, silent: BTreeMap::new() };
    let mut plan = cluster.plan(&new, &nodes)?;
    for file in [HostFile::Authkey, HostFile::QdeviceKeys] {
        if let Some(new) = own_file(&cluster.field, file)? {
            plan.files.iter_mut().for_each(|(_, files)| files.push(new.clone()));
        }
    }
    plan.files.iter_mut().for_each(|(_, files)| files.push(hosts_file(&cluster.field)));
    if arguments.get_flag("plan") {
        return show(&conf, &new, &plan);
    }
    finish(&cluster.field, plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_the_lines_that_go_and_come() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\nd\n"), "  - b\n  + x\n  + d\n");
        assert_eq!(difference("", "a\n"), "  + a\n");
        assert_eq!(difference("a\n", "a\n"), "");
    }
}
