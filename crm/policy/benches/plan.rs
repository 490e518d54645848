//! How long a plan takes, how that grows, and how it compares with Pacemaker: `cargo bench -p policy` prints it all,
//! `-- growth` and `-- peer` one half. Each case runs in a process of its own, so that its peak of memory is its own. The
//! clusters are made up by `clusters`; `peer.sh` measures whole processes. What a plan costs with the allocator of
//! `systoled` is the other benchmark, `system`, which the same command runs.

// A benchmark is the place for clocks and processes; the crate itself stays without.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod clusters;
mod measure;

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use cib::Document;
use clusters::{NOW, State};
use measure::state_of;
use mimalloc::MiMalloc;
use policy::{Input, plan};

/// As in the program `systole`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Nodes and primitives; each step has four times as many pairs of the two.
const SIZES: [(usize, usize); 4] = [(8, 250), (16, 500), (32, 1000), (64, 2000)];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] if env::args().any(|argument| argument == "--bench") => {
            measure::growth(&SIZES)?;
            println!();
            peer()
        }
        ["growth"] => measure::growth(&SIZES),
        ["peer"] => peer(),
        // `cargo test --benches`: what is measured must be what it is said to be.
        [] => {
            check();
            Ok(())
        }
        ["case", nodes, primitives, state] => measure::case(nodes, primitives, state),
        ["write", nodes, primitives, state, file] => {
            Ok(fs::write(file, clusters::cib(nodes.parse()?, primitives.parse()?, state_of(state)?))?)
        }
        _ => {
            Err("expected nothing, growth, peer, case NODES PRIMITIVES STATE, or write NODES PRIMITIVES STATE FILE"
                .into())
        }
    }
}

/// A steady cluster needs nothing, one that lost a node fencing, a cold one everything.
fn check() {
    for state in State::ALL {
        let document = Document::parse(&clusters::cib(4, 60, state)).expect("what is made here is XML");
        let transition = plan(&Input::new(&document, NOW)).transition;
        let (least, most) = match state {
            State::Steady => (0, 0),
            State::Lost => (10, 200),
            State::Cold => (240, 1000),
        };
        assert!((least..=most).contains(&transition.len()), "{state:?}: {} actions", transition.len());
    }
}

/// Ours and Pacemaker's programs in turn.
fn peer() -> Result<(), Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer.sh");
    let status = Command::new(&script).env("BENCH", env::current_exe()?).status()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", script.display()).into()) }
}
