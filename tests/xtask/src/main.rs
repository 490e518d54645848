#![forbid(unsafe_code)]
//! `cargo xtask`: the project's own commands. Each is a file of its own; what they show and test is elsewhere.

mod bench;
mod build;
mod deb;
mod demo;
mod guest;
mod test;
mod trials;
mod writes;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show a cluster on this machine that loses a node: build it, run it, break it, and print how long clients waited
    #[command(after_long_help = demo::EXPLANATION)]
    Demo(demo::Arguments),
    /// Try a cluster on this machine: one fault after the other, and after each the same questions
    #[command(after_long_help = trials::explanation())]
    Lab(trials::Arguments),
    /// Measure what the README says of failover, memory and idle CPU
    Bench(bench::Arguments),
    /// Measure writes to the configuration, beside Pacemaker's on the same Corosync
    Writes(writes::Arguments),
    /// Build everything and pass all tests, system tests included
    Test(test::Arguments),
    /// Build the Debian package
    #[command(after_long_help = deb::EXPLANATION)]
    Deb(deb::Arguments),
    /// A part of the lab's works, started by the lab itself
    #[command(hide = true)]
    Stage(demo::Arguments),
    /// The same for trials
    #[command(hide = true)]
    TrialsStage(trials::Arguments),
}

fn main() -> ExitCode {
    if let Some(code) = lab::machine::take_part() {
        return code;
    }
    let result = match Cli::parse().task {
        Task::Demo(arguments) => demo::run(arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Deb(arguments) => deb::run(&arguments),
        Task::Stage(arguments) => demo::stage(arguments),
        Task::Lab(arguments) => trials::run(&arguments),
        Task::TrialsStage(arguments) => trials::stage(&arguments),
        Task::Writes(arguments) => writes::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
