#![forbid(unsafe_code)]
//! `systole-agents`: every resource agent in one program. All it does is in the library's `program`.

use std::process::ExitCode;

fn main() -> ExitCode {
    resource_agents::program::main(std::env::args_os().collect())
}
