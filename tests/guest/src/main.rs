#![forbid(unsafe_code)]
//! What is tried inside of a guest, whose kernel has what the machine around it may lack, and may be reset: an NFS server,
//! a watchdog.
//!
//! `systole-guest failover` makes the lab's namespaces and is the stage in them; nodes, clients and their programs are this
//! program again. `systole-guest watchdog` ends with the guest. How a guest is made and booted is xtask's.

mod failover;
mod mount;
mod rival;
mod verdict;
mod watchdog;
mod writer;

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    if let Some(code) = lab::machine::take_part() {
        return code;
    }
    run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["failover"] => lab::sandbox::run(&["stage".to_owned()]),
        ["stage"] => Ok(if failover::run()? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        ["watchdog"] => watchdog::run(),
        ["write", protocol, server] => writer::run(protocol.parse()?, server),
        ["rival", server] => rival::run(server),
        _ => bail!("expected `failover` or `watchdog`, inside of a guest: `cargo xtask test --guest` boots one"),
    }
}
