//! `systole quorum config`: what corosync.conf says of quorum, as pcs shows it.

use std::fmt::Write as _;

use clap::ArgMatches;
use corosync_conf::Conf;

use crate::EXIT_OK;
use crate::commands::Command;
use crate::commands::corosync::ConfFile;
use crate::terminal::print;

/// The command.
pub const COMMAND: Command = Command { name: "config", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show what corosync.conf says of quorum and of its device")
        .after_help("Example:\n  systole quorum config")
        .arg(ConfFile::argument())
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    print(&text(&ConfFile::from_arguments(arguments)?.conf))?;
    Ok(EXIT_OK)
}

fn text(conf: &Conf) -> String {
    let mut text = String::from("Options:\n");
    let entries = |path: &[&str]| -> Vec<(String, String)> {
        let sections = conf.sections(path);
        let entries = sections.iter().flat_map(|section| conf.entries(*section));
        entries.map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    };
    // Writing to a string does not fail, here and below.
    for (key, value) in entries(&["quorum"]).into_iter().filter(|(key, _)| key != "provider") {
        let _ = writeln!(text, "  {key}: {value}");
    }
    let device = entries(&["quorum", "device"]);
    let Some((_, model)) = device.iter().find(|(key, _)| key == "model") else { return text };
    text += "Device:\n";
    for (key, value) in device.iter().filter(|(key, _)| key != "model") {
        let _ = writeln!(text, "  {key}: {value}");
    }
    let _ = writeln!(text, "  Model: {model}");
    for (key, value) in entries(&["quorum", "device", model]) {
        let _ = writeln!(text, "    {key}: {value}");
    }
    let heuristics = entries(&["quorum", "device", "heuristics"]);
    if !heuristics.is_empty() {
        text += "  Heuristics:\n";
    }
    for (key, value) in heuristics {
        let _ = writeln!(text, "    {key}: {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_device_are_shown() {
        let file = "quorum {\n provider: corosync_votequorum\n wait_for_all: 1\n device {\n  model: net\n  votes: 1\n  net {\n   host: q\n   algorithm: ffsplit\n  }\n  heuristics {\n   mode: on\n  }\n }\n}\n";
        let expected = "Options:\n  wait_for_all: 1\nDevice:\n  votes: 1\n  Model: net\n    host: q\n    algorithm: ffsplit\n  Heuristics:\n    mode: on\n";
        assert_eq!(text(&Conf::parse(file)), expected);
        assert_eq!(text(&Conf::parse("quorum {\n provider: corosync_votequorum\n}\n")), "Options:\n");
    }
}
