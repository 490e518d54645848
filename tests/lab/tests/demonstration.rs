//! The demonstration as its users start it, once for each fault: real daemons, real agents, real fencing, and a receipt.
//!
//! Nothing here measures: that the service comes back, and that it was never active twice, holds on any machine.

mod programs;

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use programs::{has_namespaces, programs};
use serde_json::Value;

/// One demonstration at a time: they get along, but a small machine is slow with many nodes.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds of silence after which a node is lost: longer than a busy machine lets a daemon wait for its turn, as that
/// would be a fault that nobody asked for.
const TOKEN_MS: &str = "3000";

fn demo(arguments: &[&str]) -> Output {
    let programs = programs();
    Command::new(programs.join("xtask"))
        .arg("demo")
        .args(arguments)
        .env("SYSTOLE_BIN_DIR", programs)
        .output()
        .expect("the demonstration can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a demonstration and gives its receipt, having looked at what holds for all of them.
fn receipt(arguments: &[&str]) -> Value {
    let _turn = turn();
    let output = demo(&[arguments, &["--json", "--token", TOKEN_MS]].concat());
    let story = text(&output.stderr);
    let receipt: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no receipt ({error}), {}:\n{story}", output.status));
    assert_eq!(receipt["dual_active"], Value::Array(Vec::new()), "nothing was active twice\n{receipt:#}\n{story}");
    assert_eq!(receipt["dual_active_ms"], 0.0, "{receipt:#}");
    assert_eq!(receipt["recovered"], true, "the service came back\n{receipt:#}\n{story}");
    assert!(output.status.success(), "{}\n{story}", output.status);
    assert!(receipt["outage_ms"].is_number(), "the client measured its outage\n{receipt:#}");
    receipt
}

fn moved(receipt: &Value) {
    assert_ne!(receipt["from"], receipt["to"], "it runs on another node\n{receipt:#}");
    assert!(receipt["announced_ms"].is_number(), "the client was told\n{receipt:#}");
    assert!(receipt["started_ms"].is_number(), "it was started there\n{receipt:#}");
}

#[test]
fn a_lost_node_is_fenced_and_its_service_comes_up_elsewhere() {
    if !has_namespaces() {
        return;
    }
    let receipt = receipt(&["--fault", "crash"]);
    moved(&receipt);
    assert!(receipt["fenced_ms"].is_number(), "{receipt:#}");
    assert!(receipt["detected_ms"].as_f64() <= receipt["fenced_ms"].as_f64(), "{receipt:#}");
}

#[test]
fn an_isolated_node_is_dead_before_its_service_comes_up_elsewhere() {
    if !has_namespaces() {
        return;
    }
    let receipt = receipt(&["--fault", "isolate"]);
    moved(&receipt);
    assert!(receipt["stopped_ms"].as_f64() <= receipt["started_ms"].as_f64(), "{receipt:#}");
}

#[test]
fn a_deleted_address_is_found_and_restored() {
    if !has_namespaces() {
        return;
    }
    let receipt = receipt(&["--fault", "fail"]);
    assert_eq!(receipt["from"], receipt["to"], "one failure does not move it\n{receipt:#}");
    assert!(receipt["detected_ms"].is_number(), "the monitor found it\n{receipt:#}");
}

#[test]
fn standby_moves_the_service_away() {
    if !has_namespaces() {
        return;
    }
    moved(&receipt(&["--fault", "standby"]));
}

#[test]
fn a_move_moves_the_service() {
    if !has_namespaces() {
        return;
    }
    moved(&receipt(&["--fault", "move"]));
}

#[test]
fn without_quorum_the_service_stops_and_comes_back_with_it() {
    if !has_namespaces() {
        return;
    }
    let receipt = receipt(&["--fault", "quorum-loss"]);
    assert!(receipt["stopped_without_quorum_ms"].as_f64() < receipt["power_restored_ms"].as_f64(), "{receipt:#}");
}

#[test]
fn a_daemon_that_is_killed_finds_its_service_running_and_leaves_it_alone() {
    if !has_namespaces() {
        return;
    }
    // The daemon coordinates in the first case; in the second the coordinator is elsewhere.
    for (arguments, coordinates) in
        [(&["--fault", "daemon"][..], true), (&["--fault", "daemon", "--coordinator", "node2"], false)]
    {
        let receipt = receipt(arguments);
        assert_eq!(receipt["from"], receipt["to"], "{receipt:#}");
        assert_eq!(receipt["was_coordinator"], coordinates, "{receipt:#}");
        assert!(receipt["known_again_ms"].is_number(), "{receipt:#}");
        assert_eq!(receipt["stopped_ms"], Value::Null, "nothing is stopped\n{receipt:#}");
        assert_eq!(receipt["started_ms"], Value::Null, "nothing is started\n{receipt:#}");
        assert_eq!(receipt["fenced_ms"], Value::Null, "nobody is fenced\n{receipt:#}");
    }
}

#[test]
fn a_node_that_leaves_hands_its_service_over_first() {
    if !has_namespaces() {
        return;
    }
    for arguments in [&["--fault", "leave"][..], &["--fault", "leave", "--coordinator", "node2"]] {
        let receipt = receipt(arguments);
        moved(&receipt);
        assert!(receipt["stopped_ms"].as_f64() <= receipt["started_ms"].as_f64(), "{receipt:#}");
        assert_eq!(receipt["fenced_ms"], Value::Null, "nobody is fenced\n{receipt:#}");
    }
}

#[test]
fn an_address_alone_fails_over_among_five_nodes() {
    if !has_namespaces() {
        return;
    }
    let vip = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/vip");
    let receipt = receipt(&[vip, "--nodes", "5", "--coordinator", "node2"]);
    moved(&receipt);
    assert_eq!((&receipt["nodes"], &receipt["was_coordinator"]), (&Value::from(5), &Value::from(false)), "{receipt:#}");
}

#[test]
fn wrong_input_is_told_with_place_and_remedy() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let broken = scratch.path().join("cib.xml");
    std::fs::write(&broken, "<cib>\n  <configuration>\n</cib>\n").expect("a file");
    let broken = scratch.path().display().to_string();
    let example = include_str!("../../../examples/vip/cib.xml");
    let changed = |name: &str, from: &str, to: &str| {
        let directory = scratch.path().join(name);
        std::fs::create_dir(&directory).expect("a directory");
        assert!(example.contains(from), "{name}");
        std::fs::write(directory.join("cib.xml"), example.replace(from, to)).expect("a file");
        directory.display().to_string()
    };
    let dangling = changed("dangling", "rsc=\"vip\"", "rsc=\"vop\"");
    let doubled = changed("doubled", "<rsc_location id=\"location-vip-node1-100\"", "<rsc_location id=\"vip\"");
    let stranger = "<primitive id=\"x\" class=\"ocf\" provider=\"a\" type=\"b\"/>\n<primitive id=\"vip\"";
    let unknown = changed("unknown", "<primitive id=\"vip\"", stranger);
    for (arguments, code, expected) in [
        (&[&*dangling][..], 1, "cib.xml:38:"),
        (&[&doubled], 1, "cib.xml:38:"),
        (&[&unknown], 1, "cib.xml:25: the agent ocf:a:b of the resource x"),
        (&["/nonexistent"], 2, "there is no configuration /nonexistent/cib.xml"),
        (&["--nodes", "2"], 2, "expected a number from 3 to 16"),
        (
            &["--fault", "flood"],
            2,
            "[possible values: crash, isolate, fail, standby, move, quorum-loss, daemon, leave]",
        ),
        (&[&broken], 1, "cib.xml:3:"),
        (&["--coordinator", "node9"], 1, "there is no node \"node9\""),
    ] {
        // Which agents there are is seen inside.
        if arguments == [unknown.as_str()] && !has_namespaces() {
            continue;
        }
        let output = demo(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
        assert!(!text(&output.stdout).contains("receipt"), "{arguments:?}: {}", text(&output.stdout));
    }
}
