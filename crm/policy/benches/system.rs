//! What a plan costs with the system's own allocator, which `systoled` has for the sake of its idle memory: this is what a
//! failover waits for. `cargo bench -p policy` runs it behind `plan`, whose other figures are no affair of an allocator.

mod clusters;
mod measure;

use std::env;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["case", nodes, primitives, state] => measure::case(nodes, primitives, state),
        ["peer"] => Ok(()),
        // `cargo test --benches`: it does what it says.
        [] if env::args().all(|argument| argument != "--bench") => measure::case("4", "60", "lost"),
        _ => {
            println!("with the system's allocator, as in systoled:");
            measure::growth(&[(32, 1000)])
        }
    }
}
