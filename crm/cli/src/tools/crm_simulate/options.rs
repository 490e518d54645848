//! The command line of `crm_simulate`: the options Pacemaker's has. What they do is elsewhere.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser, ValueEnum};

use crate::client;

/// Simulate a cluster's response to events: what would be done from the state in a CIB.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_simulate", version, disable_version_flag = true)]
pub struct Options {
    /// Print the version and leave
    #[arg(short = '$', long, action = ArgAction::Version)]
    pub version: (),

    /// Say what is ignored, and where; with --save-dotfile, the numbers of actions
    #[arg(short = 'V', long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Display only essential output
    #[arg(short = 'Q', long)]
    pub quiet: bool,

    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub output_as: Format,

    /// Write the output to this file instead of standard output ("-")
    #[arg(long, value_name = "DEST")]
    pub output_to: Option<PathBuf>,

    /// Process the input and show what actions the cluster will take in response
    #[arg(short = 'R', long, help_heading = "Operations")]
    pub run: bool,

    /// Like --run, but also simulate taking those actions and show the resulting new status
    #[arg(short = 'S', long, help_heading = "Operations")]
    pub simulate: bool,

    /// Like --simulate, but also store the results back to the input file
    #[arg(short = 'X', long, help_heading = "Operations", conflicts_with = "xml_pipe")]
    pub in_place: bool,

    /// Show node attributes
    #[arg(short = 'A', long, help_heading = "Operations")]
    pub show_attrs: bool,

    /// Show resource fail counts, and operations that failed
    #[arg(short = 'c', long, help_heading = "Operations")]
    pub show_failcounts: bool,

    /// Show allocation scores
    #[arg(short = 's', long, help_heading = "Operations")]
    pub show_scores: bool,

    /// Show utilization information
    #[arg(short = 'U', long, help_heading = "Operations")]
    pub show_utilization: bool,

    /// Time the planning of all XML files in the directory
    #[arg(short = 'P', long, value_name = "DIR", help_heading = "Operations")]
    pub profile: Option<PathBuf>,

    /// With --profile, plan each file N times
    #[arg(short = 'N', long, value_name = "N", default_value_t = 1, help_heading = "Operations")]
    pub repeat: u32,

    /// Operations under way are always shown; taken for old scripts
    #[arg(short = 'j', long, hide = true)]
    pub pending: bool,

    /// Simulate bringing a node online
    #[arg(short = 'u', long, value_name = "NODE", help_heading = "Synthetic Cluster Events")]
    pub node_up: Vec<String>,

    /// Simulate taking a node offline
    #[arg(short = 'd', long, value_name = "NODE", help_heading = "Synthetic Cluster Events")]
    pub node_down: Vec<String>,

    /// Simulate a node failing
    #[arg(short = 'f', long, value_name = "NODE", help_heading = "Synthetic Cluster Events")]
    pub node_fail: Vec<String>,

    /// Put a result of an operation into the history: RESOURCE_OPERATION_INTERVAL@NODE=CODE
    #[arg(short = 'i', long, value_name = "OPSPEC", help_heading = "Synthetic Cluster Events")]
    pub op_inject: Vec<String>,

    /// If this operation comes in the simulation, let it fail: RESOURCE_OPERATION_INTERVAL@NODE=CODE
    #[arg(short = 'F', long, value_name = "OPSPEC", help_heading = "Synthetic Cluster Events")]
    pub op_fail: Vec<String>,

    /// Set date/time (ISO 8601 format)
    #[arg(short = 't', long, value_name = "DATETIME", help_heading = "Synthetic Cluster Events")]
    pub set_datetime: Option<String>,

    /// Set to '1' (or 'true') to indicate cluster has quorum
    #[arg(short = 'q', long, value_name = "QUORUM", help_heading = "Synthetic Cluster Events")]
    pub quorum: Option<String>,

    /// Set to '1' (or 'true') to indicate cluster has an active watchdog device
    #[arg(short = 'w', long, value_name = "DEVICE", help_heading = "Synthetic Cluster Events")]
    pub watchdog: Option<String>,

    /// Simulate granting a ticket
    #[arg(short = 'g', long, value_name = "TICKET", help_heading = "Synthetic Cluster Events")]
    pub ticket_grant: Vec<String>,

    /// Simulate revoking a ticket
    #[arg(short = 'r', long, value_name = "TICKET", help_heading = "Synthetic Cluster Events")]
    pub ticket_revoke: Vec<String>,

    /// Simulate making a ticket standby
    #[arg(short = 'b', long, value_name = "TICKET", help_heading = "Synthetic Cluster Events")]
    pub ticket_standby: Vec<String>,

    /// Simulate activating a ticket
    #[arg(short = 'e', long, value_name = "TICKET", help_heading = "Synthetic Cluster Events")]
    pub ticket_activate: Vec<String>,

    /// Save the input configuration to the named file
    #[arg(short = 'I', long, value_name = "FILE", help_heading = "Artifact Options")]
    pub save_input: Option<PathBuf>,

    /// Save the output configuration to the named file
    #[arg(short = 'O', long, value_name = "FILE", help_heading = "Artifact Options")]
    pub save_output: Option<PathBuf>,

    /// Save the transition graph (XML format) to the named file
    #[arg(short = 'G', long, value_name = "FILE", help_heading = "Artifact Options")]
    pub save_graph: Option<PathBuf>,

    /// Save the transition graph (DOT format) to the named file
    #[arg(short = 'D', long, value_name = "FILE", help_heading = "Artifact Options")]
    pub save_dotfile: Option<PathBuf>,

    /// Show all possible actions in the DOT graph (even if not part of the transition)
    #[arg(short = 'a', long, help_heading = "Artifact Options")]
    pub all_actions: bool,

    /// Ask the running cluster for its CIB
    #[arg(short = 'L', long, conflicts_with = "in_place", help_heading = "Data Source")]
    pub live_check: bool,

    /// Socket of the daemon (systoled) that is asked
    #[arg(long, value_name = "PATH", env = "SYSTOLE_SOCKET", default_value = client::DEFAULT_SOCKET, help_heading = "Data Source")]
    pub socket: PathBuf,

    /// Retrieve XML from the named file ("-" for standard input)
    #[arg(short = 'x', long, value_name = "FILE", help_heading = "Data Source")]
    pub xml_file: Option<PathBuf>,

    /// Retrieve XML from standard input (this is also what happens when no source is named)
    #[arg(short = 'p', long, conflicts_with = "xml_file", help_heading = "Data Source")]
    pub xml_pipe: bool,
}

impl Options {
    /// Whether anything is to be planned.
    pub fn plans(&self) -> bool {
        let writes = self.save_graph.is_some() || self.save_dotfile.is_some();
        self.run || self.executes() || writes || self.show_scores || self.show_utilization
    }

    /// Whether the plan is to be carried out.
    pub fn executes(&self) -> bool {
        self.simulate || self.in_place
    }

    /// Whether the input is to be changed before planning. As in Pacemaker's tool, quorum is changed only together with
    /// something else.
    pub fn injects(&self) -> bool {
        let some = |list: &[String]| !list.is_empty();
        some(&self.node_up)
            || some(&self.node_down)
            || some(&self.node_fail)
            || !self.op_inject.is_empty()
            || some(&self.ticket_grant)
            || some(&self.ticket_revoke)
            || some(&self.ticket_standby)
            || some(&self.ticket_activate)
            || self.watchdog.is_some()
    }

    /// Where the input comes from. A file that is named counts more than the running cluster, as in Pacemaker.
    pub fn source(&self) -> Source<'_> {
        match &self.xml_file {
            Some(path) if path.as_os_str() != "-" => Source::File(path),
            None if self.live_check && !self.xml_pipe => Source::Live,
            _ => Source::StandardInput,
        }
    }
}

/// Where the input comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source<'a> {
    /// A file.
    File(&'a Path),
    /// Standard input.
    StandardInput,
    /// The daemon of this machine.
    Live,
}

/// How the output is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Xml,
    /// Not at all: the exit status tells.
    None,
}

/// A result of an operation, as the command line names it: `RESOURCE_OPERATION_INTERVAL@NODE=CODE`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// The resource.
    pub resource: String,
    /// `start`, `monitor`, …
    pub operation: String,
    /// Interval in milliseconds.
    pub interval_ms: u32,
    /// Where.
    pub node: String,
    /// Exit status of the agent.
    pub rc: i32,
}

impl std::str::FromStr for Operation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "Invalid operation spec: {text}.  Expected RESOURCE_OPERATION_INTERVAL@NODE=CODE such as \
                 web_monitor_10000@one=7"
            )
        };
        let (key, rest) = text.split_once('@').ok_or_else(expected)?;
        let (node, rc) = rest.split_once('=').ok_or_else(expected)?;
        let (resource, interval) = key.rsplit_once('_').ok_or_else(expected)?;
        let interval_ms =
            interval.parse().map_err(|_| format!("{}; \"{interval}\" is no interval in milliseconds", expected()))?;
        let rc = rc.parse().map_err(|_| format!("{}; \"{rc}\" is no exit status", expected()))?;
        // Names of two words have to be looked for first: migrate_to is no operation "to" of a resource "…_migrate".
        let two_words = ["_migrate_to", "_migrate_from"];
        let (resource, operation) = match two_words.iter().find(|word| resource.ends_with(**word)) {
            Some(word) => (&resource[..resource.len() - word.len()], &word[1..]),
            None => resource.rsplit_once('_').ok_or_else(expected)?,
        };
        if resource.is_empty() || operation.is_empty() || node.is_empty() {
            return Err(expected());
        }
        Ok(Operation {
            resource: resource.to_owned(),
            operation: operation.to_owned(),
            interval_ms,
            node: node.to_owned(),
            rc,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_sound_and_letters_may_be_joined() {
        Options::command().debug_assert();
        let options = Options::try_parse_from(["crm_simulate", "-x", "f", "-G", "g", "-sSQ"]).unwrap();
        assert!(options.show_scores && options.simulate && options.quiet && options.plans());
    }

    #[test]
    fn operations_are_taken_apart() {
        let operation: Operation = "my_web:0_monitor_20000@one.example=7".parse().unwrap();
        assert_eq!(
            (operation.resource.as_str(), operation.operation.as_str(), operation.interval_ms, operation.rc),
            ("my_web:0", "monitor", 20_000, 7)
        );
        assert_eq!("vm_migrate_to_0@a=1".parse::<Operation>().unwrap().operation, "migrate_to");
        for wrong in
            ["web", "web@one", "web_monitor_x@one=7", "web_monitor_10@one=seven", "_monitor_10@one=7", "web_start_0@=1"]
        {
            assert!(wrong.parse::<Operation>().unwrap_err().contains("Expected RESOURCE_OPERATION"), "{wrong}");
        }
    }
}
