//! `systole migrate export keepalived`: the way back, for a configuration whose services are addresses.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches, value_parser};

use crate::EXIT_OK;
use crate::file;
use crate::terminal::print;

/// `export`, and the systems there is a way back to.
pub(super) fn grammar() -> clap::Command {
    let after = "Each resource or group with IPaddr2 becomes a vrrp_instance; scores become priorities, stickiness becomes \
                 nopreempt. What keepalived cannot do is told.\n\nExamples:\n  \
                 systole migrate export keepalived cib.xml --out conf\n  \
                 systole cib show | systole migrate export keepalived - --interface eth0";
    let keepalived = clap::Command::new("keepalived")
        .about("Write a keepalived.conf for each node, and say what is lost")
        .after_help(after)
        .args([
            file::argument(),
            Arg::new("interface")
                .long("interface")
                .value_name("NAME")
                .help("The interface of addresses that name none"),
            Arg::new("out")
                .long("out")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Write keepalived.NODE.conf into this directory; without it they are printed"),
        ]);
    clap::Command::new("export")
        .about("Go back: write another system's configuration")
        .after_help("Example:\n  systole migrate export keepalived cib.xml --out conf")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(keepalived)
}

pub(super) fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (_, arguments) = arguments.subcommand().expect("the grammar requires one");
    let path = arguments.get_one::<PathBuf>("file").expect("it is required");
    let file = file::read(path)?;
    let interface = arguments.get_one::<String>("interface").map(String::as_str);
    let export = match migrate::export::export(&file.document, interface) {
        Ok(export) => export,
        Err(message) => bail!("{}: {message}", path.display()),
    };
    let mut out = String::new();
    for (node, text) in &export.files {
        match arguments.get_one::<PathBuf>("out") {
            Some(folder) => {
                fs::create_dir_all(folder).with_context(|| format!("making the directory {}", folder.display()))?;
                let path = folder.join(format!("keepalived.{}.conf", node.replace('/', "-")));
                fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
                out += &format!("{}: {}\n", node, path.display());
            }
            None => out += &format!("{text}\n"),
        }
    }
    out += "Lost:\n";
    export.lost.iter().for_each(|line| out += &format!("  {line}.\n"));
    print(&out)?;
    Ok(EXIT_OK)
}
