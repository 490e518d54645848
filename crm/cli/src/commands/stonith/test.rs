//! `systole stonith test`: cuts a node off for real and believes nobody who says that it worked: the node must be gone
//! from the cluster, and when it is back, its host must have started anew. A proof is kept with the node.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use cib::{Author, Document, Element, Lifetime, Write};
use clap::{Arg, ArgAction, ArgMatches};
use wire::stonith::FenceOutcome;
use wire::write::WriteForm;

use super::{node_argument, time};
use crate::client::Client;
use crate::cluster::{Live, now};
use crate::commands::Command;
use crate::output::resources::active_nodes;
use crate::stonith::proof::{BOOT_ID, PROVED, Proof, transient};
use crate::stonith::{self, Wanted};
use crate::terminal::print;
use crate::{EXIT_FAILURE, EXIT_OK, change};

/// How often it is looked whether the node is back.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The command.
pub const COMMAND: Command = Command { name: "test", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Prove that a node can be fenced: fence it for real, and look for evidence")
        .after_help(
            "What runs on the node is cut off and started elsewhere. The fence device's own word counts for nothing: the \
             node must leave the cluster, and its host must have started anew when it comes back (another boot id).\n\n\
             Examples:\n  systole stonith test node3          # says what would happen\n  systole stonith test node3 --yes",
        )
        .arg(node_argument())
        .arg(Arg::new("yes").long("yes").action(ArgAction::SetTrue).help("Do it; without, only say what it means"))
        .arg(
            Arg::new("return")
                .long("return")
                .value_name("TIME")
                .value_parser(time)
                .default_value("10min")
                .help("How long the node may take to come back"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let node = arguments.get_one::<String>("node").expect("it is required");
    let mut client = Client::from_arguments(arguments)?;
    let before = Before::of(&Live::fetch(&mut client)?, node)?;
    if !arguments.get_flag("yes") {
        print(&before.means(node))?;
        return Ok(EXIT_FAILURE);
    }
    let longest = *arguments.get_one("return").expect("it has a default");
    prove(&mut client, node, &before, longest)
}

/// What is known before.
struct Before {
    evidence: Evidence,
    active: Vec<String>,
}

/// What tells one life of a node from the next.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Evidence {
    /// It takes part in the cluster.
    here: bool,
    /// Its join.
    since: Option<String>,
    /// Its host's start.
    boot_id: Option<String>,
}

impl Evidence {
    fn of(live: &Live, node: &str) -> Evidence {
        let here = live.status.members.iter().chain(&live.status.hosts_only).any(|host| host == node);
        let document = &live.view.document;
        let state = node_state(document, node);
        Evidence {
            here,
            since: state.and_then(|state| document.attribute(state, "since")).map(str::to_owned),
            boot_id: state.and_then(|state| transient(document, state, BOOT_ID)).map(str::to_owned),
        }
    }
}

fn node_state(document: &Document, node: &str) -> Option<Element> {
    let status = document.descend(&["status"])?;
    document.children_named(status, "node_state").find(|state| document.attribute(*state, "uname") == Some(node))
}

impl Before {
    fn of(live: &Live, node: &str) -> anyhow::Result<Before> {
        live.view.node(node)?;
        if live.status.node == node {
            bail!("this is {node} itself, which would not live to see the proof; run it on another node");
        }
        let evidence = Evidence::of(live, node);
        if !live.status.members.iter().any(|member| member == node) {
            bail!("{node} is not up, so that nothing could be seen of its fencing; start it first");
        }
        if evidence.boot_id.is_none() {
            bail!(
                "{node} does not say which start of its host this is (an older systoled?), so nothing could be proved"
            );
        }
        let cluster = live.view.cluster();
        let runs = |index: &u32| {
            let id = policy::model::RscId(*index);
            let resource = cluster.resource(id);
            resource.is_primitive() && active_nodes(&cluster, id).iter().any(|at| cluster.node(*at).name == *node)
        };
        let all = 0..cluster.resources.len() as u32;
        let active = all.filter(runs).map(|index| cluster.resource(policy::model::RscId(index)).id.to_string());
        Ok(Before { evidence, active: active.collect() })
    }

    fn means(&self, node: &str) -> String {
        let cut = match self.active.is_empty() {
            true => format!("Nothing runs on {node}."),
            false => {
                format!("These run on {node} and are cut off, then started elsewhere: {}.", self.active.join(", "))
            }
        };
        format!("{node} would be fenced for real (reboot). {cut}\nNothing was done; add --yes to do it.\n")
    }
}

fn prove(client: &mut Client, node: &str, before: &Before, longest: Duration) -> anyhow::Result<u8> {
    let wanted = Wanted { user: format!("{} (stonith test)", change::author().user), ..Wanted::new(node, "reboot") };
    let id = stonith::begin(client, &wanted)?;
    print(&format!("Fencing {node} …\n"))?;
    let mut gone = false;
    let record = stonith::wait(client, &wanted, &id, |client| {
        gone |= left(&before.evidence, &Evidence::of(&Live::fetch(client)?, node));
        Ok(())
    })?;
    print(&format!("{}\n", stonith::sentence(&record)))?;
    let FenceOutcome::Done(devices) = record.outcome else { return Ok(EXIT_FAILURE) };
    print(&format!("Waiting for {node} to come back, at most {} s …\n", longest.as_secs()))?;
    let begun = Instant::now();
    let verdict = loop {
        let live = Live::fetch(client)?;
        let after = Evidence::of(&live, node);
        gone |= left(&before.evidence, &after);
        match judge(&before.evidence, &after, gone) {
            Some(verdict) => break verdict,
            None if begun.elapsed() >= longest => break late(node, gone, longest),
            None => thread::sleep(LOOK_EVERY),
        }
    };
    let live = Live::fetch(client)?;
    let proof = Proof::new(&live.view.document, node, now(), &devices);
    // A lie is worse than nothing: what was believed before goes.
    let value = match &verdict {
        Verdict::Proved => Some(proof.value()),
        Verdict::Lied(_) => None,
        Verdict::Unknown(_) => return tell(node, &verdict),
    };
    let write = Write::Attribute {
        node: node.to_owned(),
        lifetime: Lifetime::Permanent,
        name: PROVED.into(),
        value,
        author: author(node),
    };
    if let Err(reason) = client.write(WriteForm::from(&write), false)? {
        print(&format!("The proof could not be kept: {reason}\n"))?;
    }
    tell(node, &verdict)
}

fn author(node: &str) -> Author {
    let user = change::author().user;
    Author { user, command: format!("systole stonith test {node}"), at: now(), ..Author::default() }
}

/// How a test ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    Proved,
    /// The device said that it did what it did not do.
    Lied(String),
    Unknown(String),
}

/// The node was seen to have left, or has joined anew.
fn left(before: &Evidence, after: &Evidence) -> bool {
    !after.here || (after.since.is_some() && after.since != before.since)
}

/// What the evidence says; `None` while there is too little.
fn judge(before: &Evidence, after: &Evidence, gone: bool) -> Option<Verdict> {
    // Fencing as such takes the boot id from the record; only a daemon that is back says one.
    let boot_id = after.boot_id.as_ref().filter(|_| after.here)?;
    if Some(boot_id) != before.boot_id.as_ref() {
        return Some(Verdict::Proved);
    }
    let rejoined = gone && after.since != before.since;
    rejoined.then(|| {
        Verdict::Lied(
            "it is back, and its host was never off: the boot id is the same; the device cut off something else, or \
             nothing at all"
                .into(),
        )
    })
}

fn late(node: &str, gone: bool, longest: Duration) -> Verdict {
    if !gone {
        return Verdict::Lied(format!(
            "{node} never left the cluster: whatever the device did, it was not done to this node"
        ));
    }
    Verdict::Unknown(format!(
        "{node} left the cluster, but did not come back within {} s: whether its host was off is not known; start it \
         and test again",
        longest.as_secs()
    ))
}

fn tell(node: &str, verdict: &Verdict) -> anyhow::Result<u8> {
    match verdict {
        Verdict::Proved => {
            print(&format!("PROVED: {node} left the cluster, and its host has started anew since.\n"))?;
            Ok(EXIT_OK)
        }
        Verdict::Lied(why) => bail!("NOT PROVED, and fencing must not be relied on: {why}"),
        Verdict::Unknown(why) => bail!("NOT PROVED: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(here: bool, since: &str, boot_id: &str) -> Evidence {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Evidence { here, since: text(since), boot_id: text(boot_id) }
    }

    #[test]
    fn only_another_start_of_the_host_is_a_proof() {
        let before = evidence(true, "4", "a");
        for (after, gone, expected) in [
            // Fenced, and not missed yet; gone; back, and not said who it is yet.
            (evidence(true, "4", ""), false, "nothing"),
            (evidence(false, "", ""), true, "nothing"),
            (evidence(true, "9", ""), true, "nothing"),
            (evidence(true, "9", "b"), true, "proved"),
            // So fast that nobody saw it go.
            (evidence(true, "9", "b"), false, "proved"),
            (evidence(true, "9", "a"), true, "lied"),
            // It never left, and its attributes were never forgotten.
            (evidence(true, "4", "a"), false, "nothing"),
        ] {
            let verdict = match judge(&before, &after, gone) {
                None => "nothing",
                Some(Verdict::Proved) => "proved",
                Some(_) => "lied",
            };
            assert_eq!(verdict, expected, "{after:?}");
        }
        assert!(left(&before, &evidence(false, "4", "a")) && left(&before, &evidence(true, "9", "")));
        assert!(!left(&before, &before));
        let longest = Duration::from_secs(9);
        assert!(matches!(late("two", false, longest), Verdict::Lied(why) if why.contains("never left")));
        assert!(matches!(late("two", true, longest), Verdict::Unknown(_)));
    }

    #[test]
    fn what_it_would_do_is_said_before() {
        let live = |node: &str| {
            let mut status = crate::commands::tests::status();
            status.node = node.into();
            Live { status, view: crate::commands::tests::cluster() }
        };
        let error = Before::of(&live("two"), "two").err().unwrap().to_string();
        assert!(error.contains("run it on another node"), "{error}");
        let error = Before::of(&live("one"), "two").err().unwrap().to_string();
        assert!(error.contains("which start of its host"), "{error}");
        let before = Before { evidence: Evidence::default(), active: vec!["db".into(), "ip".into()] };
        assert!(before.means("two").contains("started elsewhere: db, ip.") && before.means("two").contains("--yes"));
    }
}
