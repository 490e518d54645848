//! The trials as their users start them: whole clusters, one fault after the other, watched from outside.
//!
//! Nothing here measures: what must hold after each trial holds on any machine.

mod programs;

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use programs::{has_namespaces, programs};
use serde_json::Value;

/// One cluster at a time: they get along, but a small machine is slow with many nodes.
static TURN: Mutex<()> = Mutex::new(());

/// Milliseconds of silence after which a node is lost: longer than a busy machine lets a process wait for its turn, as that
/// would be a fault that no trial asked for.
const TOKEN_MS: &str = "3000";

/// Holds the trials of a command line; gives the names of those that were held.
fn hold(arguments: &[&str]) -> Vec<String> {
    let programs = programs();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(programs.join("xtask"))
        .args(["lab", "--json", "--token", TOKEN_MS])
        .args(arguments)
        .env("SYSTOLE_BIN_DIR", programs)
        .output()
        .expect("the lab can be started");
    let story = String::from_utf8_lossy(&output.stderr);
    let outcomes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no outcomes ({error}), {}:\n{story}", output.status));
    let outcomes = outcomes.as_array().expect("outcomes are a list");
    for outcome in outcomes {
        assert_ne!(outcome["passed"], Value::Bool(false), "{outcome:#}\n{story}");
    }
    assert!(output.status.success(), "{}\n{story}", output.status);
    // Shown by a test that is asked to show its output: what a failure elsewhere is compared with.
    println!("{story}");
    let held = outcomes.iter().filter(|outcome| outcome["passed"] == Value::Bool(true));
    held.filter_map(|outcome| outcome["trial"].as_str().map(str::to_owned)).collect()
}

#[test]
fn three_nodes_stand_all_trials_and_keep_every_record() {
    if !has_namespaces() {
        return;
    }
    // On Corosync where it is installed, else on the embedded engine.
    let held = hold(&[]);
    let mut expected = vec![
        "crash",
        "crash-coordinator",
        "isolate",
        "walk",
        "clock",
        "watchdog",
        "quorum",
        "power",
        "daemons",
        "disk",
    ];
    if lab::ring::is_installed() {
        expected.extend(["link-loss", "remove", "corosync", "corosync-everywhere"]);
    }
    for expected in expected {
        assert!(held.iter().any(|trial| trial == expected), "{expected} was not tried: {held:?}");
    }
}

#[test]
fn two_nodes_go_on_alone_where_they_may() {
    if !has_namespaces() || !lab::ring::is_installed() {
        return;
    }
    let trials = ["crash", "split", "alone"];
    assert_eq!(hold(&[&["--nodes", "2"][..], &trials].concat()), trials);
    // With a third vote from Debian's quorum device, where that is installed.
    if lab::ring::is_device_installed() {
        let trials = ["isolate", "alone-with-device", "device-lost"];
        assert_eq!(hold(&[&["--nodes", "2", "--device"][..], &trials].concat()), trials);
    }
}

#[test]
fn five_nodes_stand_the_loss_of_two_at_once() {
    if !has_namespaces() {
        return;
    }
    for engine in [&[][..], &["--engine", "embedded"]] {
        assert_eq!(hold(&[engine, &["--nodes", "5", "two-of-five"]].concat()), ["two-of-five"]);
    }
}

#[test]
fn the_embedded_engine_stands_what_daemons_and_disks_do() {
    if !has_namespaces() {
        return;
    }
    let trials = ["crash", "isolate", "isolate-unfenced", "power", "disk"];
    assert_eq!(hold(&[&["--engine", "embedded"][..], &trials].concat()), trials);
}

#[test]
fn an_unknown_trial_is_told_with_those_that_there_are() {
    let output =
        Command::new(programs().join("xtask")).args(["lab", "flood"]).output().expect("the lab can be started");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("there is no trial \"flood\": expected crash, "), "{text}");
}
