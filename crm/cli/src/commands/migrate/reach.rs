//! How commands are run on the hosts of a move: on this host directly, elsewhere as was given for it, by its host agent
//! if it is enrolled here, or through ssh.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command as Program, Stdio};

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches};
use migrate::collected::Collected;
use wire::host::{Answer, Call, Content, KeepalivedAct};

use super::files::this_host;
use crate::hosts::Field;

/// Where each host keeps its part, and what this program is called there; a host agent knows nothing else.
const STATE: &str = "/var/lib/systole-migrate";
const PROGRAM: &str = "systole";
/// How hosts are reached that have no host agent we may call.
const SSH: &[&str] = &["ssh", "-o", "BatchMode=yes"];

/// The options for it.
pub(super) fn arguments() -> Vec<Arg> {
    vec![
        Arg::new("over")
            .long("over")
            .value_name("NODE=COMMAND")
            .action(ArgAction::Append)
            .help("How a command is run on a host, such as two='ssh root@10.0.0.2' [its host agent where it is enrolled, else ssh NODE; nothing for this host]"),
        Arg::new("pid-file")
            .long("pid-file")
            .value_name("FILE")
            .help("keepalived's pid file on the hosts; %n is the host's name [/run/keepalived.pid]"),
        Arg::new("state")
            .long("state")
            .value_name("DIR")
            .default_value(STATE)
            .help("Where each host keeps its backup and journal; %n is the host's name"),
        Arg::new("program")
            .long("program")
            .value_name("PATH")
            .default_value(PROGRAM)
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

    /// Does a part of the move on a host, and gives what it prints.
    pub fn act(&self, host: &str, act: KeepalivedAct) -> anyhow::Result<Vec<u8>> {
        if let Some(field) = self.agent(host)? {
            return by_agent(&field, host, act);
        }
        let state = self.state(host);
        let words: &[&str] = match act {
            KeepalivedAct::Collect => &["collect", "-"],
            KeepalivedAct::Adopt => &["adopt", "--state", &state],
            KeepalivedAct::AdoptClassic => &["adopt", "--classic", "--state", &state],
            KeepalivedAct::Rollback => &["rollback", "--state", &state],
        };
        self.run(host, words)
    }

    /// The hosts that can be called, if this one is reached by its host agent.
    fn agent(&self, host: &str) -> anyhow::Result<Option<Field>> {
        if self.over.contains_key(host) || host == this_host() {
            return Ok(None);
        }
        // Who may not read the list, or has none, has ssh.
        let Some(field) = Field::load().ok().filter(|field| field.agent(host).is_some()) else { return Ok(None) };
        if self.pid_file.is_some() || self.state != STATE || self.program != PROGRAM {
            bail!(
                "{host} is reached by its host agent, which takes no --pid-file, --state or --program: leave them out, or \
                 say how to reach it, --over {host}='ssh {host}'"
            );
        }
        Ok(Some(field))
    }

    /// Runs `migrate keepalived WORDS` on a host, and gives what it prints.
    fn run(&self, host: &str, words: &[&str]) -> anyhow::Result<Vec<u8>> {
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
        let bytes = match config {
            // A host agent looks into the backup for it.
            Some(path) if self.agent(host)?.is_none() => self.run(host, &["collect", "-", "--config", path])?,
            _ => self.act(host, KeepalivedAct::Collect)?,
        };
        let collected = Collected::from_archive(&bytes)
            .map_err(|error| anyhow::anyhow!("what {host} handed over cannot be read: {error}"))?;
        Ok((bytes, collected))
    }
}

/// The same by a host's agent.
fn by_agent(field: &Field, host: &str, act: KeepalivedAct) -> anyhow::Result<Vec<u8>> {
    let call = Call::Keepalived { node: host.to_owned(), act };
    let (_, answer) = field.ask(vec![(host.to_owned(), call)]).remove(0);
    match answer {
        Ok(Answer::File { content: Some(Content(bytes)) }) => Ok(bytes),
        Ok(Answer::Said { text }) => Ok(text.into_bytes()),
        Ok(other) => bail!("on {host}: its host agent answered something else: {other:?}"),
        Err(reason) => bail!("on {host}: {reason}"),
    }
}

/// All that matters of a host's keepalived, by its host agent; of this host without one.
pub(super) fn collect_by_agent(host: &str) -> anyhow::Result<Vec<u8>> {
    let reach = Reach { over: BTreeMap::new(), pid_file: None, state: STATE.to_owned(), program: PROGRAM.to_owned() };
    if host == this_host() {
        return reach.run(host, &["collect", "-"]);
    }
    let field = Field::load()?;
    field.need(&[host.to_owned()])?;
    by_agent(&field, host, KeepalivedAct::Collect)
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
        assert_eq!(reach.state("two"), STATE);
        let wrong = grammar.get_matches_from(["x", "--over", "three=ssh three"]);
        assert!(Reach::from_arguments(&wrong, &hosts).unwrap_err().to_string().contains("one of one, two"));
    }
}
