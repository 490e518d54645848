//! `systole why`: where a resource is, or why it is not running.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Arg, ArgMatches};

use super::Command;
use crate::client::Client;
use crate::cluster::{self, Live, View};
use crate::terminal::print;
use crate::{EXIT_OK, explain, failures, file};

/// The command.
pub const COMMAND: Command = Command { name: "why", grammar, run };

fn grammar() -> clap::Command {
    let resource = Arg::new("resource").value_name("RESOURCE").required(true).help("Resource, group or clone");
    let file = Arg::new("file")
        .long("file")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Look into this CIB, not into the running cluster; - is standard input");
    clap::Command::new("")
        .about("Say where a resource is, or why it is not running")
        .after_help("Examples:\n  systole why web\n  systole why web --file cib.xml")
        .args([resource, file])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("resource").expect("it is required");
    let view = match arguments.get_one::<PathBuf>("file") {
        Some(path) => View::new(file::read(path)?.document),
        None => Live::fetch(&mut Client::from_arguments(arguments)?)?.view,
    };
    print(&answer(&view, name)?)?;
    Ok(EXIT_OK)
}

fn answer(view: &View, name: &str) -> anyhow::Result<String> {
    let plan = view.plan();
    if plan.cluster.nodes.is_empty() {
        bail!("there is no node in this CIB, so nothing can run; nodes come into it when their daemons start");
    }
    let id = cluster::resource(&plan.cluster, name)?;
    let mut lines = explain::sentences(&plan, &failures::of(view, &plan.cluster), id);
    if !plan.cluster.quorate {
        lines.push("This partition has no quorum.".to_owned());
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    #[test]
    fn known_and_unknown() {
        assert!(answer(&cluster(), "web").unwrap().starts_with("web runs on one.\n"));
        assert!(answer(&cluster(), "wep").unwrap_err().to_string().contains("did you mean 'web'?"));
    }

    #[test]
    fn a_cib_without_nodes_says_so() {
        let document = ::cib::Document::parse("<cib><configuration/></cib>").unwrap();
        assert!(answer(&View::new(document), "web").unwrap_err().to_string().contains("no node"));
    }
}
