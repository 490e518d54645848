//! Whole runs of the tool, as cases: a file `tests/NAME.args`, and what is printed in `tests/NAME.out`, with the exit
//! status. `UPDATE=1 cargo test -p cli` writes the answers anew.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use cib::Document;
use clap::Parser as _;

use super::Clock;
use super::options::Options;

/// Runs one case and compares its answer.
fn check(name: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tools/crm_simulate/tests");
    let output = tempfile::tempdir().unwrap();
    let output = output.path().join("out");
    let arguments = fs::read_to_string(directory.join(format!("{name}.args"))).unwrap();
    let place = |word: &str| match word {
        "OUT" => output.clone().into_os_string(),
        file if file.ends_with(".xml") => directory.join(file).into_os_string(),
        word => OsString::from(word),
    };
    let status =
        super::run(std::iter::once("crm_simulate".into()).chain(arguments.split_whitespace().map(place)).collect());
    let text = fs::read_to_string(&output).unwrap_or_default();
    let text = text.replace(output.to_str().unwrap(), "OUT").replace(directory.to_str().unwrap(), "DIR");
    let answer = directory.join(format!("{name}.out"));
    let text = format!("{text}exit status {status}\n");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&answer, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&answer).unwrap_or_default(), "{name}");
}

#[test]
fn xml_has_what_text_has() {
    check("xml");
}

#[test]
fn xml_of_changes_and_of_what_was_not_understood() {
    check("xml-changes");
}

#[test]
fn attributes_and_fail_counts() {
    check("attributes");
}

#[test]
fn what_is_missing_has_a_status() {
    check("missing-file");
    check("no-cluster");
}

#[test]
fn results_are_newer_than_all_history() {
    let recording = |status: &str| {
        let cib = Document::parse(&format!("<cib execution-date='100'><status>{status}</status></cib>")).unwrap();
        let options = Options::try_parse_from(["crm_simulate"]).unwrap();
        Clock::new(&cib, &options).unwrap_or_else(|_| panic!("the date is good")).recording(&cib)
    };
    assert_eq!(recording(""), 100);
    assert_eq!(recording("<lrm_rsc_op id='a' last-rc-change='50'/>"), 100);
    assert_eq!(recording("<lrm_rsc_op id='a' last-rc-change='500'/><lrm_rsc_op id='b' last-rc-change='?'/>"), 501);
}
