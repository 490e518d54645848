//! `systole graph`: resources, constraints and where they run, as a picture.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};
use picture::{Picture, dot, svg};

use super::Command;
use crate::client::Client;
use crate::cluster::{Live, View};
use crate::terminal::print;
use crate::{EXIT_OK, file};

/// The command.
pub const COMMAND: Command = Command { name: "graph", grammar, run };

fn grammar() -> clap::Command {
    let flag = |name, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    clap::Command::new("")
        .about("Draw resources, constraints and where they run")
        .after_help("Examples:\n  systole graph > cluster.svg\n  systole graph --dot | dot -Tpng > cluster.png\n  systole graph cib.xml > plan.svg")
        .args([
            Arg::new("file")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("The CIB in this file, not the running cluster; - is standard input"),
            flag("svg", "As an image (as without it)").conflicts_with("dot"),
            flag("dot", "In the language of Graphviz"),
        ])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let view = match arguments.get_one::<PathBuf>("file") {
        Some(path) => View::new(file::read(path)?.document),
        None => Live::fetch(&mut Client::from_arguments(arguments)?)?.view,
    };
    let picture = Picture::of(&view.document, &view.cluster());
    print(&if arguments.get_flag("dot") { dot::write(&picture) } else { svg::write(&picture) })?;
    Ok(EXIT_OK)
}
