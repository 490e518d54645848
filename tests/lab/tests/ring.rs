//! Corosync in the lab's nodes: it starts, is killed, started again, loses a link and both, and is healed.
//!
//! A program of its own instead of cargo's harness, as the lab's parts are this program started again. Without root it
//! runs in a user namespace; where Corosync or namespaces are missing it says so and tests nothing.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::ring::{self, COROSYNC, Quorum, Ring};
use lab::sandbox;
use lab::story::{Page, Storyteller};

/// Milliseconds; longer than a busy machine lets a process wait for its turn, as that would lose a node too.
const TOKEN_MS: u64 = 3000;

/// First argument of the part that runs in the lab's namespaces.
const STAGE: &str = "ring-stage";

fn main() -> ExitCode {
    if let Some(code) = lab::machine::take_part() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == STAGE) {
        return done(stage());
    }
    // As cargo's harness would: a filter that is not for us.
    if arguments.iter().any(|word| !word.starts_with('-') && !"corosync in namespaces, ring".contains(word.as_str())) {
        return ExitCode::SUCCESS;
    }
    if !ring::is_installed() {
        println!("not tested: Corosync is not installed here (apt-get install corosync)");
        return ExitCode::SUCCESS;
    }
    sandbox::run(&[STAGE.to_owned()]).unwrap_or_else(|error| {
        println!("not tested: {error:#}");
        ExitCode::SUCCESS
    })
}

fn done(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => {
            println!("test result: ok. 1 passed; 0 failed; Corosync in namespaces");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error:#}\ntest result: FAILED. 0 passed; 1 failed; Corosync in namespaces");
            ExitCode::FAILURE
        }
    }
}

fn stage() -> Result<()> {
    sandbox::enter(Path::new("/usr/sbin"), &[])?;
    let story = Storyteller::new(Page::Stderr);
    let ring = Ring::bare(3, TOKEN_MS, &story)?;
    ring.switch_on().context("all three meet")?;
    let [first, second, third] = ring.nodes() else { unreachable!("three nodes were asked for") };
    let all = Quorum { is_quorate: true, members: vec![1, 2, 3] };
    let without_third = Quorum { is_quorate: true, members: vec![1, 2] };
    let alone = Quorum { is_quorate: false, members: vec![3] };

    third.kill_service(COROSYNC)?;
    ring.wait_for(first, &without_third).context("Corosync of node3 was killed")?;
    ensure!(ring::quorum(third)?.is_none(), "a killed Corosync does not answer");
    third.start_service(COROSYNC)?;
    ring.wait_for(third, &all).context("Corosync of node3 was started again")?;

    third.plug_link(0, false)?;
    // Longer than the token and the consensus after it: whoever is to be lost would be.
    std::thread::sleep(Duration::from_millis(3 * TOKEN_MS));
    ensure!(ring::quorum(third)?.as_ref() == Some(&all), "with one of two links nobody is lost");
    third.plug_link(1, false)?;
    ring.wait_for(third, &alone).context("node3 has no link")?;
    ring.wait_for(second, &without_third).context("node3 has no link")?;
    third.plug(true)?;
    ring.wait_for(third, &all).context("node3 has its links again")?;

    third.switch_off()?;
    ring.wait_for(first, &without_third).context("node3 has no power")?;
    third.switch_on()?;
    ring.wait_for(first, &all).context("node3 has power again")
}
