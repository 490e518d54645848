#![forbid(unsafe_code)]
//! `systole-fence-agents`: every fence agent in one program. All it does is in the library's `program`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fence_agents::program::main(std::env::args_os().collect())
}
