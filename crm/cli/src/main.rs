#![forbid(unsafe_code)]
//! The `systole` program: hands its arguments to the library and leaves with the exit status that comes back.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Plans are made of millions of small pieces: a tenth of the time goes with the system's own allocator, and a cold start
/// of a large cluster takes more memory.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os().collect()))
}
