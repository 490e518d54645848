//! How commands are run on the hosts of a move: on this host directly, elsewhere through ssh or what was given for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command as Program, Stdio};

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches};
use migrate::collected::Collected;

use super::files::this_host;

/// How other hosts are reached if nothing is said.
const SSH: &[&str] = &["ssh", "-o", "BatchMode=yes"];

/// The options for it.
pub(super) fn arguments() -> Vec<Arg> {
    vec![
        Arg::new("over")
            .long("over")
            .value_name("NODE=COMMAND")
            .action(ArgAction::Append)
            .help("How a command is run on a host, such as two='ssh root@10.0.0.2' [ssh NODE; nothing for this host]"),
        Arg::new("pid-file")
            .long("pid-file")
            .value_name("FILE")
            .help("keepalived's pid file on the hosts; %n is the host's name [/run/keepalived.pid]"),
        Arg::new("state")
            .long("state")
            .value_name("DIR")
            .default_value("/var/lib/systole/migrate")
            .help("Where each host keeps its backup and journal; %n is the host's name"),
        Arg::new("program")
            .long("program")
            .value_name("PATH")
            .default_value("systole")
            .help("This program on the hosts"),
    ]
}

/// The way to each host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reach {
    over: BTreeMap<String, Vec<String>>,
    pid_file: Option<String>,
    state: String,
    program: String,
}

impl Reach {
    pub fn from_arguments(arguments: &ArgMatches, hosts: &[String]) -> anyhow::Result<Reach> {
        let text = |name: &str| arguments.get_one::<String>(name).cloned();
        let mut over = BTreeMap::new();
        for given in arguments.get_many::<String>("over").into_iter().flatten() {
            match given.split_once('=') {
                Some((host, command)) if hosts.iter().any(|one| one == host) => {
                    over.insert(host.to_owned(), command.split_ascii_whitespace().map(str::to_owned).collect());
                }
                _ => bail!("--over {given}: expected NODE=COMMAND, with one of {}", hosts.join(", ")),
            }
        }
        let reach = Reach {
            over,
            pid_file: text("pid-file"),
            state: text("state").unwrap_or_default(),
            program: text("program").unwrap_or_default(),
        };
        for word in reach.pid_file.iter().chain([&reach.state, &reach.program]).chain(hosts) {
            // What ssh hands over is read by a shell on the other side.
            if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-%:@+".contains(c)) {
                bail!("{word:?} would not pass a shell on the other host: expected letters, digits and /._-%:@+ only");
            }
        }
        Ok(reach)
    }

    /// As lines, to be found again by a later command.
    pub fn to_text(&self) -> String {
        let mut out = format!("state {}\nprogram {}\n", self.state, self.program);
        if let Some(path) = &self.pid_file {
            out += &format!("pid-file {path}\n");
        }
        for (host, words) in &self.over {
            out += &format!("over {host} {}\n", words.join(" "));
        }
        out
    }

    /// From such lines.
    pub fn from_text(text: &str) -> Reach {
        let mut reach =
            Reach { over: BTreeMap::new(), pid_file: None, state: String::new(), program: "systole".to_owned() };
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("state", value)) => value.clone_into(&mut reach.state),
                Some(("program", value)) => value.clone_into(&mut reach.program),
                Some(("pid-file", value)) => reach.pid_file = Some(value.to_owned()),
                Some(("over", rest)) => {
                    let mut words = rest.split_ascii_whitespace().map(str::to_owned);
                    if let Some(host) = words.next() {
                        reach.over.insert(host, words.collect());
                    }
                }
                _ => {}
            }
        }
        reach
    }

    /// Runs `migrate keepalived WORDS` on a host, and gives what it prints.
    pub fn run(&self, host: &str, words: &[&str]) -> anyhow::Result<Vec<u8>> {
        let mut all: Vec<String> = match self.over.get(host) {
            Some(over) => over.clone(),
            None if host == this_host() => Vec::new(),
            None => SSH.iter().map(|word| (*word).to_owned()).chain([host.to_owned()]).collect(),
        };
        let here = all.is_empty();
        all.push(self.program.clone());
        all.extend(["migrate", "keepalived"].map(str::to_owned));
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all.extend(["--node".to_owned(), host.to_owned()]);
        if let Some(path) = &self.pid_file {
            all.extend(["--pid-file".to_owned(), path.replace("%n", host)]);
        }
        let own = std::env::current_exe().ok().filter(|_| here && !Path::new(&self.program).is_absolute());
        let program = own.unwrap_or_else(|| all[0].clone().into());
        let output = Program::new(&program)
            .args(&all[1..])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running {} for {host}", all[0]))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("on {host}: `{}` failed: {}", all.join(" "), said.trim());
        }
        Ok(output.stdout)
    }

    /// The directory where a host keeps its journal.
    pub fn state(&self, host: &str) -> String {
        self.state.replace("%n", host)
    }

    /// What is so on a host now: the bytes of its archive, and what they mean.
    pub fn collect(&self, host: &str, config: Option<&str>) -> anyhow::Result<(Vec<u8>, Collected)> {
        let words: Vec<&str> =
            ["collect", "-"].into_iter().chain(config.into_iter().flat_map(|path| ["--config", path])).collect();
        let bytes = self.run(host, &words)?;
        let collected = Collected::from_archive(&bytes)
            .map_err(|error| anyhow::anyhow!("what {host} handed over cannot be read: {error}"))?;
        Ok((bytes, collected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_found_again() {
        let grammar = clap::Command::new("x").args(arguments());
        let words = ["x", "--over", "two=ip netns exec two", "--pid-file", "/run/%n.pid"];
        let matches = grammar.clone().get_matches_from(words);
        let hosts = ["one".to_owned(), "two".to_owned()];
        let reach = Reach::from_arguments(&matches, &hosts).unwrap();
        assert_eq!(Reach::from_text(&reach.to_text()), reach);
        assert_eq!(reach.state("two"), "/var/lib/systole/migrate");
        let wrong = grammar.get_matches_from(["x", "--over", "three=ssh three"]);
        assert!(Reach::from_arguments(&wrong, &hosts).unwrap_err().to_string().contains("one of one, two"));
    }
}
