//! What daemons do by themselves and what they remember: a change that nobody confirms is taken back, and both nodes know
//! what was planned, when and why.

use cib::{Document, patch};
use expiring::{Kind, mark};
use wire::record::{Happening, Record};
use wire::write::{AuthorForm, ExpectedForm, WriteForm};
use wire::{Reply, Request, WhichPlan};

use crate::small::Small;

/// A resource that is what its file says.
const RESOURCE: &str = "#!/bin/sh\ncase \"$1\" in\nstart) : > \"$OCF_RESKEY_state\" ;;\nstop) rm -f \"$OCF_RESKEY_state\" ;;\n\
                        monitor) [ -e \"$OCF_RESKEY_state\" ] || exit 7 ;;\n*) exit 3 ;;\nesac\n";

fn cluster() -> Small {
    let mut small = Small::new(2);
    small.program("ocf/resource.d/test/File", RESOURCE);
    let state = small.at("web.state").display().to_string();
    small.configure(
        &format!(
            "<primitive id=\"web\" class=\"ocf\" provider=\"test\" type=\"File\"><instance_attributes id=\"w\">\
             <nvpair id=\"w1\" name=\"state\" value=\"{state}\"/></instance_attributes></primitive>"
        ),
        "",
    );
    small.start("one", 1);
    small.start("two", 2);
    small.quiet("one", 2);
    small.until("web runs", || small.at("web.state").exists().then_some(()));
    small
}

fn records(small: &Small, node: &str) -> Vec<Record> {
    match small.ask(node, &Request::Records { since: 0 }) {
        Some(Reply::Records(records)) => records,
        other => panic!("{other:?}"),
    }
}

fn starts(record: &Record) -> Option<&str> {
    let Happening::Planned(planned) = &record.what;
    planned.changes.iter().any(|change| change.verb == "Start" && change.of == "web").then_some(&planned.input)
}

#[test]
fn a_trial_is_taken_back_and_every_node_remembers_what_was_planned() {
    let small = cluster();
    // It stops the resource, and its time is over as soon as it is made.
    let written = small.until("the change is made", || {
        let status = small.status("two")?;
        let before = Document::parse(&status.cib).unwrap();
        let mut after = before.clone();
        let resources = after.descend(&["configuration", "resources"]).unwrap();
        let web = after.child(resources, "primitive").unwrap();
        let meta = after.append(web, "meta_attributes");
        after.set(meta, "id", "web-meta");
        let pair = after.append(meta, "nvpair");
        [("id", "web-target"), ("name", "target-role"), ("value", "Stopped")]
            .iter()
            .for_each(|(name, value)| after.set(pair, name, value));
        mark::add(&before, &mut after, Kind::Trial, 1, "a trial").unwrap();
        let write = WriteForm::Configure {
            patch: patch::diff(&before, &after).changes.into_iter().map(Into::into).collect(),
            expected: Some(ExpectedForm::Configuration(status.version.0, status.version.1)),
            author: AuthorForm::default(),
        };
        match small.ask("two", &Request::Write { write, force: false })? {
            Reply::Written { version } => Some(version),
            _ => None,
        }
    });
    small.until("it is taken back", || {
        let status = small.status("one")?;
        let back = !status.cib.contains("target-role") && !status.cib.contains(mark::SET);
        (back && status.version.1 > written.1).then_some(())
    });
    // Whoever coordinates does it, and says so.
    small.until("a log says so", || {
        let says = |log: &str| small.read(log).contains("nobody confirmed it in time");
        (says("one.log") || says("two.log")).then_some(())
    });
    for node in ["one", "two"] {
        let planned = small.until("the start is remembered", || {
            let records = records(&small, node);
            records.into_iter().find(|record| starts(record).is_some())
        });
        // Who planned it has its input; the other says who has.
        let kept = small.ask(node, &Request::Plan(WhichPlan::At(planned.at)));
        match kept {
            Some(Reply::Plan(kept)) => {
                assert_eq!(planned.node, node);
                assert!(kept.xml.contains("<primitive id=\"web\"") && kept.plan.contains("web"), "{kept:?}");
            }
            Some(Reply::Refused { reason, .. }) => {
                assert!(planned.node != node && reason.contains(&planned.node), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}
