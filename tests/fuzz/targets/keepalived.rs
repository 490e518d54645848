#![no_main]
//! From any bytes as a keepalived.conf to the end of a plan for two hosts: the reader, the plan, its CIB, its report and
//! a proof of a few states. What is planned is sound, whatever stood in the file.

use cib::{Document, check};
use keepalived::{Files, Host, Model};
use libfuzzer_sys::fuzz_target;
use migrate::configuration::{commands, document};
use migrate::plan::{Wishes, plan};
use migrate::verdict::Answers;
use migrate::{export, prove, report};

/// States that are tried; the policy takes the most of the time.
const ROWS: usize = 4;
/// Units beyond which the proof is left out.
const UNITS_MAX: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    // What stands behind a zero is the other host's; without one both have the same.
    let (one, two) = text.split_once('\0').unwrap_or((&text, &text));
    let host = |name: &str, text: &str| {
        let mut files = Files::one("/etc/keepalived/keepalived.conf", text);
        files.add("/etc/keepalived/conf.d/a.conf", two);
        (name.to_owned(), Model::read(&files, &Host { config_id: name.into(), instance: name.into() }))
    };
    let hosts = [host("low", one), host("high", two)];
    let answers = Answers::read("defaults = yes").expect("it is well formed");
    let Ok(plan) = plan(&hosts, &answers, &Wishes { nfs: bytes.len() % 2 == 0 }) else { return };
    let xml = document(&plan.configuration).to_xml();
    let again = Document::parse(&xml).expect("what was written can be read");
    assert!(check::conforms(&again), "{xml}");
    let errors: Vec<_> = check::check(&again).into_iter().filter(|one| one.severity == check::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?} {xml}");
    let pieces = report::report(&plan);
    assert!(!report::markdown(&pieces).is_empty() && !report::html(&pieces).is_empty());
    assert!(!commands(&plan.configuration).contains('\0'));
    if plan.units.len() <= UNITS_MAX {
        let proof = prove::prove(&plan, ROWS);
        proof.differences.iter().for_each(|row| drop(row.describe(&plan)));
    }
    let _ = export::export(&again, Some("eth0"));
});
