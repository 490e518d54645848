//! `systole resource stop-check`: what would keep a resource from stopping on this host now. Looking is the agents' work;
//! here they are found, asked and quoted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use cib::rule::Context;
use cib::view;
use clap::{Arg, ArgMatches};
use policy::model::RscId;

use super::{Command, one_of};
use crate::client::Client;
use crate::cluster::{self, Live, View};
use crate::terminal::print;
use crate::tools::agent::{self, Agent};
use crate::tools::status;
use crate::{EXIT_OK, file};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "resource", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[Command { name: "stop-check", grammar: grammar_of_check, run }];

/// The agent's action, beyond the OCF contract.
const ACTION: &str = "stop-check";
/// How long one agent may look: it walks through all processes once.
const LOOK: Duration = Duration::from_secs(20);
/// Who makes the agents that can tell. They take the parameters of the shell agents of the same names.
const OURS: &str = "systole";

fn grammar() -> clap::Command {
    let commands = COMMANDS.iter().map(|command| (command.grammar)().name(command.name));
    clap::Command::new("")
        .about("Look at a resource on this host")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(commands)
}

fn grammar_of_check() -> clap::Command {
    let resource = Arg::new("resource").value_name("RESOURCE").required(true).help("Resource, group or clone");
    let file = Arg::new("file")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Take the configuration from this CIB, not from the running cluster; - is standard input");
    let after = "Names the processes, mounts, loop devices and exports that hold a file system, and what a stop would do about \
                 each. Nothing is changed. Run it as root, on the node where the resource runs.\n\n\
                 Example:\n  systole resource stop-check data";
    clap::Command::new("")
        .about("Say what would keep a stop of a resource from working now, on this host")
        .after_help(after)
        .args([resource, file])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("resource").expect("it is required");
    let view = match arguments.get_one::<PathBuf>("file") {
        Some(path) => View::new(file::read(path)?.document),
        None => Live::fetch(&mut Client::from_arguments(arguments)?)?.view,
    };
    print(&check(&view, name)?)?;
    Ok(EXIT_OK)
}

fn check(view: &View, name: &str) -> anyhow::Result<String> {
    let cluster = view.cluster();
    let mut parts = Vec::new();
    primitives(&cluster, cluster::resource(&cluster, name)?, &mut parts);
    let mut out = String::new();
    for part in parts {
        let resource = cluster.resource(part);
        out += &match look(view, &cluster, part)? {
            None => format!("{}: its agent, {}, cannot tell\n", resource.id, kind(resource)),
            Some(lines) if lines.is_empty() => format!("{}: nothing is in the way of a stop here\n", resource.id),
            Some(lines) => lines.iter().map(|line| format!("{}: {line}\n", resource.id)).collect(),
        };
    }
    Ok(out)
}

fn kind(resource: &policy::model::Resource) -> String {
    let provider = resource.provider.as_ref().map(|provider| format!("{provider}:")).unwrap_or_default();
    format!("{}:{provider}{}", resource.class, resource.agent)
}

fn primitives(cluster: &policy::model::Cluster, id: RscId, into: &mut Vec<RscId>) {
    let resource = cluster.resource(id);
    if resource.is_primitive() {
        into.push(id);
    }
    resource.children.iter().for_each(|child| primitives(cluster, *child, into));
}

/// What the agent of ours of that name says, whose parameters are the same; `None` if it cannot tell.
fn look(view: &View, cluster: &policy::model::Cluster, id: RscId) -> anyhow::Result<Option<Vec<String>>> {
    let resource = cluster.resource(id);
    if resource.class != "ocf" {
        return Ok(None);
    }
    let Some(element) = view::resource(&view.document, &resource.xml_id) else { return Ok(None) };
    let configured = view::parameters(&view.document, element, &Context::at(view.now));
    let parameters: BTreeMap<String, String> =
        configured.iter().map(|(name, setting)| (name.to_owned(), setting.value.to_owned())).collect();
    let agent = Agent { class: "ocf".into(), provider: Some(OURS.into()), kind: resource.agent.clone() };
    match agent::run(&agent, &resource.id, ACTION, &parameters, None, LOOK) {
        // Not installed under this name, so that there is nobody to ask.
        Err(failure) if failure.status == status::NOT_INSTALLED => Ok(None),
        Err(failure) => bail!("asking {}: {}", agent.name(), failure.message.unwrap_or_default()),
        Ok(ended) if ended.rc == status::UNIMPLEMENTED => Ok(None),
        Ok(ended) if ended.rc != 0 || ended.timed_out => {
            let why = ended.reason().unwrap_or("it did not say why").to_owned();
            bail!("{} could not look at {}: {why}", agent.name(), resource.id)
        }
        Ok(ended) => Ok(Some(ended.out.lines().map(str::to_owned).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    #[test]
    fn of_a_group_every_member_is_told_of() {
        let told = check(&cluster(), "services").unwrap();
        assert!(told.lines().count() >= 2, "{told}");
        assert!(check(&cluster(), "servicez").unwrap_err().to_string().contains("did you mean 'services'?"));
    }
}
