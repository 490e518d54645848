//! `systole cleanup`: forgets failed operations, so that the cluster tries again.

use anyhow::Context as _;
use cib::{Cib, Write};
use clap::{Arg, ArgAction, ArgMatches};
use policy::Cluster;
use policy::model::RscId;
use wire::write::WriteForm;

use super::Command;
use crate::change::{self, Edit, How, Made};
use crate::client::Client;
use crate::cluster::{self, Live, View};

/// The command.
pub const COMMAND: Command = Command { name: "cleanup", grammar, run };

fn grammar() -> clap::Command {
    let resource = Arg::new("resource").value_name("RESOURCE").help("Resource, group or clone [default: all]");
    let node = Arg::new("node").long("node").value_name("NODE").help("On this node only");
    let all = Arg::new("all")
        .long("all")
        .action(ArgAction::SetTrue)
        .help("Forget everything known of it, not failures only: it is probed anew");
    let after = "Failures count until they are forgotten: here, or after failure-timeout.\n\n\
                 Examples:\n  systole cleanup web --wait\n  systole cleanup --node node1";
    How::options(
        clap::Command::new("").about("Forget failed operations, so that the cluster tries again").after_help(after),
    )
    .args([resource, node, all])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let how = How::from_arguments(arguments);
    let mut client = Client::from_arguments(arguments)?;
    let live = Live::fetch(&mut client)?;
    let wanted = Wanted {
        resource: arguments.get_one::<String>("resource").cloned(),
        node: arguments.get_one::<String>("node").cloned(),
        failures_only: !arguments.get_flag("all"),
    };
    let cleanup = Cleanup::of(&live.view, &wanted)?;
    let plan = live.view.with(cleanup.edit.document.clone()).plan();
    let mut made = Made::Nothing { would: !cleanup.writes.is_empty() };
    if !how.dry_run {
        for write in &cleanup.writes {
            match client.write(WriteForm::from(write), how.force)? {
                Ok(version) => made = Made::Written(version),
                Err(reason) => {
                    let before = if made == (Made::Nothing { would: true }) { "" } else { " (a part was: try again)" };
                    anyhow::bail!("not everything was forgotten{before}: {reason}");
                }
            }
        }
    }
    change::tell(&mut client, how, &cleanup.edit, &plan, made)
}

#[derive(Clone, Debug, Default)]
struct Wanted {
    resource: Option<String>,
    node: Option<String>,
    failures_only: bool,
}

/// The writes, and what the CIB is with them.
struct Cleanup {
    edit: Edit,
    writes: Vec<Write>,
}

impl Cleanup {
    fn of(view: &View, wanted: &Wanted) -> anyhow::Result<Cleanup> {
        if let Some(node) = &wanted.node {
            view.node(node)?;
        }
        let cluster = view.cluster();
        let mut resources = vec![None];
        if let Some(name) = &wanted.resource {
            let mut names = Vec::new();
            primitives(&cluster, cluster::resource(&cluster, name)?, &mut names);
            resources = names.into_iter().map(Some).collect();
        }
        // The daemon does the same with the same code: what follows can be told before it is made.
        let mut cib = Cib::new(view.document.clone()).context("reading the CIB that systoled sent")?;
        let mut writes = Vec::new();
        for resource in resources {
            let write = Write::Forget { node: wanted.node.clone(), resource, failures_only: wanted.failures_only };
            if cib.apply(&write).is_ok_and(|applied| applied.changed) {
                writes.push(write);
            }
        }
        let done = wanted.sentence(writes.is_empty());
        Ok(Cleanup { edit: Edit { document: cib.document().clone(), done: vec![done], notes: Vec::new() }, writes })
    }
}

impl Wanted {
    fn sentence(&self, nothing: bool) -> String {
        let of = self.resource.as_ref().map_or_else(String::new, |resource| format!(" of {resource}"));
        let on = self.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
        match (nothing, self.failures_only) {
            (true, true) => format!("No failure{of}{on} is on record; nothing was changed."),
            (true, false) => format!("Nothing{of}{on} is on record; nothing was changed."),
            (false, true) => format!("The failures{of}{on} are forgotten."),
            (false, false) => format!("All that was known{of}{on} is forgotten; it is probed anew."),
        }
    }
}

/// The primitives within a resource, by the name they have in the configuration, each once.
fn primitives(cluster: &Cluster, id: RscId, names: &mut Vec<String>) {
    let resource = cluster.resource(id);
    if resource.is_primitive() && !names.contains(&resource.xml_id) {
        names.push(resource.xml_id.clone());
    }
    resource.children.iter().for_each(|child| primitives(cluster, *child, names));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleanup(resource: Option<&str>, node: Option<&str>) -> Cleanup {
        let wanted =
            Wanted { resource: resource.map(str::to_owned), node: node.map(str::to_owned), failures_only: true };
        Cleanup::of(&crate::commands::tests::cluster(), &wanted).unwrap()
    }

    #[test]
    fn only_what_is_on_record_is_forgotten() {
        for (resource, node, writes) in [
            (Some("db"), None, 1),
            (Some("services"), None, 1),
            (None, None, 1),
            (Some("db"), Some("one"), 0),
            (Some("web"), None, 0),
        ] {
            let cleanup = cleanup(resource, node);
            assert_eq!(cleanup.writes.len(), writes, "{resource:?} {node:?}");
            let text = cleanup.edit.document.to_xml();
            assert_eq!(text.contains("fail-count-db"), writes == 0, "{text}");
        }
    }

    #[test]
    fn a_wrong_name_is_refused() {
        let wanted = Wanted { node: Some("tow".into()), ..Wanted::default() };
        assert!(Cleanup::of(&crate::commands::tests::cluster(), &wanted).is_err());
    }
}
