//! Commands of pcs that act on a running cluster or on this machine. They stand here for the help and for who mistypes them;
//! a caller that has a cluster does them itself before it asks this crate.

use crate::call::{Call, Done};
use crate::commands::Command;

const FORGET: &str = "[<resource id>] [node=<node>] [operation=<operation> [interval=<interval>]]";
const BY_HAND: &str = "Runs the resource's agent on this machine, whatever the cluster thinks of it";

/// The commands.
pub const COMMANDS: &[&[Command]] = &[&[
    here(&["resource", "restart"], "<resource id> [<node>]", "Stops a resource and starts it again", &[]),
    here(&["resource", "cleanup"], FORGET, "Forgets failures, and asks how resources are", &["--strict"]),
    here(&["stonith", "cleanup"], FORGET, "Forgets failures, and asks how fence devices are", &["--strict"]),
    here(&["resource", "refresh"], "[<resource id>] [node=<node>]", "Forgets all that was, and asks anew", REFRESH),
    here(&["stonith", "refresh"], "[<stonith id>] [node=<node>]", "Forgets all that was, and asks anew", REFRESH),
    here(&["resource", "debug-start"], "<resource id>", BY_HAND, DEBUG),
    here(&["resource", "debug-stop"], "<resource id>", BY_HAND, DEBUG),
    here(&["resource", "debug-promote"], "<resource id>", BY_HAND, DEBUG),
    here(&["resource", "debug-demote"], "<resource id>", BY_HAND, DEBUG),
    here(&["resource", "debug-monitor"], "<resource id>", BY_HAND, DEBUG),
    here(&["status", "resources"], "[<resource id>] [node=<node>]", "Shows where resources run", &["--hide-inactive"]),
    here(&["cluster", "edit"], "[scope=<scope>]", "Edits the CIB in an editor", &["--config", "--force"]),
    here(&["cluster", "report"], "<directory>", "Gathers what tells what happened", &["--from"]),
    here(&["status", "quorum"], "", "Shows votes and quorum", &[]),
    here(&["status", "xml"], "", "Shows how the cluster is, for programs", &[]),
]];

const REFRESH: &[&str] = &["--force", "--strict"];
const DEBUG: &[&str] = &["--force", "--full"];

const fn here(
    path: &'static [&'static str],
    arguments: &'static str,
    about: &'static str,
    options: &'static [&'static str],
) -> Command {
    Command { path, arguments, about, options, run: refuse }
}

fn refuse(call: &mut Call<'_>) -> Done {
    call.fail("this needs a cluster, or this machine's agents, and here is a CIB alone")
}
