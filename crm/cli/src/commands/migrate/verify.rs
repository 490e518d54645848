//! `systole migrate keepalived verify`: the checklist after a move, with evidence; and its drills.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cib::Document;
use clap::{Arg, ArgAction, ArgMatches};
use migrate::checklist::{Answer, Drill, Finding, checklist, directories, holders, mounted};
use migrate::handover::agents;
use serde_json::{Value, json};

use super::apply::{Moved, journal};
use super::keeper;
use crate::client::Client;
use crate::cluster::{Live, now};
use crate::commands::Command;
use crate::commands::standby::{STANDBY, UNSTANDBY};
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "verify", grammar, run };

/// How long a drained host's addresses may take to be elsewhere, and to be back.
const DRILL_WAIT: Duration = Duration::from_secs(60);

fn grammar() -> clap::Command {
    let after = "Asks every host of the move that apply made: is each address on one host alone, is keepalived out of the \
                 way, does the cluster look after the addresses, is the disk mounted where the address is and nowhere else. \
                 --drill drains each host that holds an address, waits until another has it, looks at the disks, and lets \
                 the host come back: its clients notice each move.\n\nThe exit status is 1 if an answer is bad.\n\n\
                 --json keys: \"findings\".\n\nExamples:\n  systole migrate keepalived verify\n  \
                 systole migrate keepalived verify --drill";
    clap::Command::new("")
        .about("Check after a move, with evidence: where addresses and disks are, and that they jump")
        .after_help(after)
        .args([
            journal(),
            Arg::new("drill").long("drill").action(ArgAction::SetTrue).help("Drain each holder, and let it come back"),
            Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs; the keys are below"),
        ])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let moved = Moved::read(arguments)?;
    let mut client = Client::from_arguments(arguments)?;
    let mut drills = Vec::new();
    if arguments.get_flag("drill") {
        let facts = moved.facts()?;
        let own = agents(&moved.plan, "", now());
        let mut hosts: Vec<String> =
            own.iter().flat_map(|agent| holders(&facts, agent.ip)).map(str::to_owned).collect();
        hosts.sort();
        hosts.dedup();
        for host in hosts {
            drills.push(drill(arguments, &moved, &host)?);
        }
    }
    let live = Live::fetch(&mut client)?;
    let found = checklist(&live.view.document, &moved.plan, &moved.facts()?, &drills);
    if arguments.get_flag("json") {
        let list = found
            .iter()
            .map(|one| json!({"question": one.question, "answer": word(one.answer), "evidence": one.evidence}));
        print_json(&json!({"findings": list.collect::<Value>()}))?;
    } else {
        print(&text(&found, Paint::for_output()))?;
    }
    Ok(if found.iter().any(|one| one.answer == Answer::Bad) { EXIT_FAILURE } else { EXIT_OK })
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Good => "yes",
        Answer::Open => "open",
        Answer::Bad => "NO",
    }
}

fn text(found: &[Finding], paint: Paint) -> String {
    let mut out = String::new();
    for one in found {
        let answer = if one.answer == Answer::Bad { paint.bad(word(one.answer)) } else { word(one.answer).to_owned() };
        out += &format!("{} {answer}\n", paint.title(one.question));
        one.evidence.iter().for_each(|line| out += &format!("  {line}.\n"));
    }
    out
}

/// Drains a host, sees where its addresses go, and has it come back.
fn drill(arguments: &ArgMatches, moved: &Moved, host: &str) -> anyhow::Result<Drill> {
    let socket = arguments.get_one::<std::ffi::OsString>("socket").context("the socket has a default")?;
    let own: Vec<_> = agents(&moved.plan, "", now()).into_iter().map(|agent| agent.ip).collect();
    let facts = moved.facts()?;
    let mine: Vec<_> = own.into_iter().filter(|ip| holders(&facts, *ip) == [host]).collect();
    let call = |command: crate::commands::Command| {
        let grammar = (command.grammar)().name(command.name).no_binary_name(true).arg(crate::client::socket_argument());
        let words = ["--socket".into(), socket.clone(), "--wait".into(), host.into()];
        let matches = grammar.try_get_matches_from(words).context("draining the host")?;
        (command.run)(&matches)
    };
    let begin = Instant::now();
    call(STANDBY)?;
    let mut to = Vec::new();
    let mut disks = Vec::new();
    let there = keeper::wait(DRILL_WAIT, || {
        let facts = moved.facts()?;
        to = mine.iter().flat_map(|ip| holders(&facts, *ip)).map(str::to_owned).collect();
        let document: &Document = &moved.plan;
        disks = directories(document)
            .into_iter()
            .map(|directory| {
                let on = mounted(&facts, &directory).into_iter().map(str::to_owned).collect();
                (directory, on)
            })
            .collect();
        Ok(to.len() == mine.len() && to.iter().all(|other| other != host))
    });
    let ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    // Whatever happened, the host is let back in.
    call(UNSTANDBY)?;
    let back = keeper::wait(DRILL_WAIT, || {
        let mut client = Client::from_arguments(arguments)?;
        let live = Live::fetch(&mut client)?;
        Ok(live.status.quiet && live.status.under_way.is_empty())
    })?;
    if !back {
        bail!("the cluster is still at work {} s after {host} was let back in", DRILL_WAIT.as_secs());
    }
    to.dedup();
    let to = match there? {
        true => Ok(to.join(" and ")),
        false => Err(format!(
            "after {} s its addresses were on {}",
            DRILL_WAIT.as_secs(),
            if to.is_empty() { "no host".to_owned() } else { to.join(" and ") }
        )),
    };
    Ok(Drill { host: host.to_owned(), to, ms, disks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_with_their_evidence() {
        let found = [Finding { question: "Is it so?", answer: Answer::Bad, evidence: vec!["it is not".into()] }];
        assert_eq!(text(&found, Paint::PLAIN), "Is it so? NO\n  it is not.\n");
    }
}
