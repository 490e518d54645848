//! Rules of the host's packet filter, by the program `iptables` (or `ip6tables`): looked for, added once, removed whole.
//! The same rules as the shell agent's, so that one finds what the other has left.

use std::path::PathBuf;

use ocf::Failure;

use super::settings::Settings;
use crate::bounded::Deadline;
use crate::command;

/// The same rule more often than this is not removed: nobody adds it so often.
const DOUBLES: u32 = 32;
/// Exit status of `iptables --check` for a rule that is not there.
const NOT_THERE: i32 = 1;
/// What it says with the same status when it may not look.
const REFUSED: &str = "Permission denied";

/// A rule: its chain, and what it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    chain: &'static str,
    words: Vec<String>,
}

impl Rule {
    /// Drops what comes in to the ports.
    pub fn drop_in(settings: &Settings) -> Rule {
        Rule::new(settings, "INPUT", "-d", "--dports", &["-j", "DROP"])
    }

    /// Drops what goes out from the ports.
    pub fn drop_out(settings: &Settings) -> Rule {
        Rule::new(settings, "OUTPUT", "-s", "--sports", &["-j", "DROP"])
    }

    /// Answers what goes out from the ports with a reset.
    pub fn reset(settings: &Settings) -> Rule {
        Rule::new(settings, "OUTPUT", "-s", "--sports", &["-j", "REJECT", "--reject-with", "tcp-reset"])
    }

    fn new(settings: &Settings, chain: &'static str, end: &str, ports: &str, target: &[&str]) -> Rule {
        let own = ["-p", &settings.protocol, end, &settings.address, "-m", "multiport", ports, settings.ports.text()];
        Rule { chain, words: own.iter().chain(target).map(|word| (*word).to_owned()).collect() }
    }
}

/// The program that knows the rules.
pub struct Firewall {
    program: PathBuf,
    deadline: Deadline,
}

impl Firewall {
    /// The one for the address's family.
    pub fn find(settings: &Settings, deadline: Deadline) -> Result<Firewall, Failure> {
        let name = if settings.address.contains(':') { "ip6tables" } else { "iptables" };
        Ok(Firewall { program: command::need(name, "iptables")?, deadline })
    }

    /// Are all of them there?
    pub fn has_all(&self, rules: &[Rule]) -> Result<bool, Failure> {
        for rule in rules {
            if !self.has(rule)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds those that are not there, in front of all others.
    pub fn add(&self, rules: &[Rule]) -> Result<(), Failure> {
        for rule in rules {
            if !self.has(rule)? {
                self.insert(rule)?;
            }
        }
        Ok(())
    }

    /// Removes them, however often they are there.
    pub fn remove(&self, rules: &[Rule]) -> Result<(), Failure> {
        for rule in rules {
            for _ in 0..DOUBLES {
                let ran = self.call("-D", rule)?;
                match ran.code {
                    Some(0) => {}
                    Some(NOT_THERE) if !ran.words().contains(REFUSED) => break,
                    _ => return Err(self.failed("removing", rule, &ran.words())),
                }
            }
        }
        Ok(())
    }

    /// Adds one in front of all others, without a look.
    pub fn insert(&self, rule: &Rule) -> Result<(), Failure> {
        let ran = self.call("-I", rule)?;
        if ran.is_good() { Ok(()) } else { Err(self.failed("adding", rule, &ran.words())) }
    }

    fn has(&self, rule: &Rule) -> Result<bool, Failure> {
        let ran = self.call("-C", rule)?;
        match ran.code {
            Some(0) => Ok(true),
            Some(NOT_THERE) if !ran.words().contains(REFUSED) => Ok(false),
            _ => Err(self.failed("looking for", rule, &ran.words())),
        }
    }

    fn call(&self, order: &str, rule: &Rule) -> Result<command::Ran, Failure> {
        // Others may be at work on the tables: wait for them.
        let words = ["-w", order, rule.chain].into_iter().chain(rule.words.iter().map(String::as_str));
        command::run(&self.program, &words.collect::<Vec<_>>(), self.deadline)
    }

    fn failed(&self, doing: &str, rule: &Rule, words: &str) -> Failure {
        Failure::error(format!(
            "{doing} the rule {} {} with {}: {words}",
            rule.chain,
            rule.words.join(" "),
            self.program.display()
        ))
    }
}
