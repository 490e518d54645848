//! `systole completions` and `systole man`: what shells complete and manuals say, made from the same definitions as the help:
//! our own commands, and those of pcs's grammar beside them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches};
use clap_complete::Shell;
use pcs::command_line::{EVERYWHERE, takes_value};
use pcs::commands;

use super::Command;
use crate::EXIT_OK;
use crate::terminal::print;

/// `systole completions`.
pub const COMPLETIONS: Command = Command { name: "completions", grammar: completions_grammar, run: completions };
/// `systole man`.
pub const MAN: Command = Command { name: "man", grammar: man_grammar, run: man };

fn completions_grammar() -> clap::Command {
    let after = "Examples:\n  systole completions bash > /etc/bash_completion.d/systole\n  \
                 systole completions zsh > /usr/local/share/zsh/site-functions/_systole\n  \
                 systole completions fish > ~/.config/fish/completions/systole.fish\n  \
                 systole completions bash --for pcs > /etc/bash_completion.d/pcs";
    clap::Command::new("").about("Write what a shell needs to complete commands").after_help(after).args([
        Arg::new("shell").value_name("SHELL").required(true).value_parser(["bash", "zsh", "fish"]).help("Which shell"),
        Arg::new("for")
            .long("for")
            .value_name("NAME")
            .default_value("systole")
            .value_parser(["systole", "pcs"])
            .help("For the program called by this name"),
    ])
}

fn completions(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let shell = match arguments.get_one::<String>("shell").map(String::as_str) {
        Some("bash") => Shell::Bash,
        Some("zsh") => Shell::Zsh,
        _ => Shell::Fish,
    };
    let name = arguments.get_one::<String>("for").expect("it has a default");
    let mut grammar = of(name);
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut grammar, name, &mut text);
    print(&String::from_utf8(text).context("what completes is no text")?)?;
    Ok(EXIT_OK)
}

fn man_grammar() -> clap::Command {
    let after = "Examples:\n  systole man resource create | man -l -\n  systole man --dir /usr/local/share/man/man1";
    clap::Command::new("").about("Write manual pages").after_help(after).args([
        Arg::new("words").value_name("COMMAND").num_args(0..).help("The page of this command, to standard output"),
        Arg::new("dir")
            .long("dir")
            .value_name("DIR")
            .value_parser(clap::value_parser!(PathBuf))
            .action(ArgAction::Set)
            .conflicts_with("words")
            .help("A page for each command, in this directory"),
    ])
}

fn man(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut grammar = of("systole");
    grammar.build();
    if let Some(directory) = arguments.get_one::<PathBuf>("dir") {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        let mut count = 0;
        for (name, text) in pages(&grammar)? {
            let path = directory.join(format!("{name}.1"));
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            count += 1;
        }
        print(&format!("{count} pages are in {}.\n", directory.display()))?;
        return Ok(EXIT_OK);
    }
    let words: Vec<&String> = arguments.get_many("words").into_iter().flatten().collect();
    let mut command = &grammar;
    for word in &words {
        let Some(below) = command.find_subcommand(word) else {
            let behind = command.get_bin_name().unwrap_or("systole").to_owned();
            bail!("'{word}' is no command behind '{behind}'; `systole --help` lists them");
        };
        command = below;
    }
    print(&String::from_utf8(page(command)?).context("a page is no text")?)?;
    Ok(EXIT_OK)
}

fn page(command: &clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text).context("writing a page")?;
    Ok(text)
}

/// A page for each command and all below it, by name.
fn pages(command: &clap::Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let name = command.get_bin_name().unwrap_or("systole").replace(' ', "-");
    let mut found = vec![(name, page(command)?)];
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        found.extend(pages(below)?);
    }
    Ok(found)
}

/// The whole grammar of `systole`, or that of `pcs` alone.
fn of(name: &str) -> clap::Command {
    let begin = match name {
        "pcs" => clap::Command::new("pcs").about("Configure the cluster, as pcs does it").version(pcs::GRAMMAR),
        _ => crate::grammar(),
    };
    commands::all().fold(begin, |grammar, command| with(grammar, command.path, command))
}

/// The grammar with a command of pcs's below it; what is there under that name stays.
fn with(grammar: clap::Command, path: &[&'static str], command: &commands::Command) -> clap::Command {
    let Some((first, rest)) = path.split_first() else { return grammar };
    let known = grammar.find_subcommand(first).is_some();
    if rest.is_empty() {
        return match known {
            true => grammar,
            false => grammar.subcommand(leaf(clap::Command::new(*first), command)),
        };
    }
    match known {
        true => grammar.mut_subcommand(*first, |below| with(below, rest, command)),
        false => grammar.subcommand(with(clap::Command::new(*first).about(about(first)), rest, command)),
    }
}

fn about(family: &str) -> String {
    format!("Commands about {family}, as pcs has them")
}

fn leaf(new: clap::Command, command: &commands::Command) -> clap::Command {
    let options = command.options.iter().chain(EVERYWHERE).filter(|option| !matches!(**option, "--help" | "-f"));
    let mut seen = Vec::new();
    let options = options.filter_map(|option| {
        let long = option.strip_prefix("--")?.split(['=', '[', ' ']).next()?;
        if seen.contains(&long) {
            return None;
        }
        seen.push(long);
        let arg = Arg::new(long).long(long);
        Some(if takes_value(&format!("--{long}")) { arg.value_name("VALUE") } else { arg.action(ArgAction::SetTrue) })
    });
    let options: Vec<Arg> = options.collect();
    let words = Arg::new("arguments").value_name("ARGUMENTS").num_args(0..).help(command.arguments);
    let file = Arg::new("-f").short('f').value_name("FILE").help("Work on the CIB in this file, without a cluster");
    let new = new.about(command.about).args(options).arg(file);
    let new = if command.arguments.is_empty() { new } else { new.arg(words) };
    new.after_help(format!("Usage: systole {}", command.usage()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_commands_are_completed_and_have_a_page() {
        let mut grammar = of("systole");
        grammar.build();
        let pages = pages(&grammar).unwrap();
        for name in [
            "systole",
            "systole-status",
            "systole-config-history",
            "systole-resource-create",
            "systole-constraint-location",
        ] {
            let (_, text) =
                pages.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} has no page"));
            assert!(String::from_utf8_lossy(text).contains(".TH"), "{name}");
        }
        for (shell, words) in
            [(Shell::Bash, "resource__create"), (Shell::Zsh, "no-default-ops"), (Shell::Fish, "colocation")]
        {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut of("systole"), "systole", &mut text);
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains(words) || text.contains(&words.replace("__", "__subcmd__")), "{shell}");
        }
        assert!(of("pcs").find_subcommand("status").is_some() && of("pcs").find_subcommand("doctor").is_none());
    }
}
