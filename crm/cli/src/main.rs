#![forbid(unsafe_code)]
//! The `systole` program: hands its arguments to the library and leaves with the exit status that comes back.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os().collect()))
}
