//! `systole corosync explain`: what a key of corosync.conf does.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Arg, ArgMatches};
use corosync_conf::Model;
use corosync_conf::keys::{KEYS, Key, find};

use super::ConfFile;
use super::conf_file::DEFAULT;
use crate::commands::Command;
use crate::terminal::print;
use crate::{EXIT_OK, names};

/// The command.
pub const COMMAND: Command = Command { name: "explain", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Explain a key of corosync.conf, or list all")
        .after_help("A part of the name is enough if it is one key's only. With a file, its value there is shown too.\n\nExamples:\n  systole corosync explain token\n  systole corosync explain quorum.two_node")
        .arg(Arg::new("key").value_name("KEY").help("The key, as totem.token; none lists all"))
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Show the value in this file, and timers as they follow from it"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let Some(name) = arguments.get_one::<String>("key") else {
        let lines: String = KEYS.iter().map(|key| format!("{:<50} {}\n", key.path, key.about)).collect();
        print(&lines)?;
        return Ok(EXIT_OK);
    };
    let file = match arguments.contains_id("file") {
        true => Some(ConfFile::from_arguments(arguments)?),
        false => Path::new(DEFAULT).exists().then(|| ConfFile::at(Path::new(DEFAULT))).transpose()?,
    };
    let keys = meant(name)?;
    let texts: Vec<String> = keys.into_iter().map(|key| explain(key, file.as_ref())).collect();
    print(&texts.join("\n"))?;
    Ok(EXIT_OK)
}

/// The keys of a name: the whole path, or its last part.
fn meant(name: &str) -> anyhow::Result<Vec<&'static Key>> {
    if let Some(key) = find(name) {
        return Ok(vec![key]);
    }
    let same_end = |key: &&Key| {
        find(&format!("{}.{name}", key.path.rsplit_once('.').map_or("", |(section, _)| section)))
            .is_some_and(|found| found.path == key.path)
    };
    let keys: Vec<&Key> = KEYS.iter().filter(same_end).collect();
    if keys.is_empty() {
        let last = |key: &'static Key| key.path.rsplit('.').next().unwrap_or_default();
        let near = names::nearest(name, KEYS.iter().map(|key| key.path))
            .or_else(|| names::nearest(name, KEYS.iter().map(last)));
        let hint =
            near.map_or("`systole corosync explain` lists all keys".to_owned(), |near| format!("did you mean {near}?"));
        return Err(anyhow!("Corosync knows no key {name}; {hint}"));
    }
    Ok(keys)
}

fn explain(key: &Key, file: Option<&ConfFile>) -> String {
    let mut text = format!(
        "{}\n  {}.\n  value:    {}\n  default:  {}\n  a change takes effect {}\n",
        key.path,
        key.about,
        key.kind.describe(),
        key.default,
        key.change.describe()
    );
    let Some(file) = file else { return text };
    let parts: Vec<&str> = key.path.split('.').collect();
    if let Some(entry) = file.conf.value(&parts) {
        let (line, _) = file.conf.position(entry.key_span.start);
        text += &format!("  here:     {} ({}, line {line})\n", entry.value, file.name);
    }
    let timing = Model::of(&file.conf).timing();
    let effective = match key.path {
        "totem.token" | "totem.token_coefficient" => Some(timing.token),
        "totem.token_retransmit" => Some(timing.retransmit),
        "totem.hold" => Some(timing.hold),
        "totem.consensus" => Some(timing.consensus),
        _ => None,
    };
    if let Some(effective) = effective {
        text += &format!("  effective: {effective} ms with the nodes of {}\n", file.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_last_part() {
        assert_eq!(meant("token").unwrap()[0].path, "totem.token");
        assert_eq!(meant("ring1_addr").unwrap()[0].path, "nodelist.node.ring*_addr");
        assert_eq!(meant("votes").unwrap().len(), 2);
        let error = meant("two_nodes").unwrap_err().to_string();
        assert_eq!(error, "Corosync knows no key two_nodes; did you mean two_node?");
        assert!(explain(meant("two_node").unwrap()[0], None).contains("0 or 1"));
    }
}
