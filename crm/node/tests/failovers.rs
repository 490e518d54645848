//! The receipts of failovers: what makes one, what stands in it, when it is over.

use std::time::Duration;

use cib::{OpResult, OpStatus};
use node::Now;
use node::failovers::{Failovers, KEPT, NAMED};
use wire::failover::{Cause, Seen};

fn at(ms: u64) -> Now {
    Now { monotonic: Duration::from_millis(ms), unix: 1_000 + (ms / 1000) as i64 }
}

fn result(operation: &str, resource: &str, kind: &str, node: &str, rc: i32) -> OpResult {
    OpResult {
        operation: operation.into(),
        resource: resource.into(),
        kind: kind.into(),
        node: node.into(),
        rc,
        status: OpStatus::Done,
        interval_ms: if operation == "monitor" { 10_000 } else { 0 },
        ..OpResult::default()
    }
}

#[test]
fn a_lost_node_leaves_a_receipt() {
    let mut failovers = Failovers::default();
    failovers.result(at(10), &result("start", "web", "Dummy", "b", 0));
    assert!(failovers.deadline().is_none(), "a start alone is none");
    failovers.lost(at(1_000), "a");
    failovers.fenced(at(1_050));
    failovers.result(at(1_100), &result("start", "ip", "IPaddr2", "b", 0));
    failovers.result(at(1_130), &result("start", "web", "Dummy", "b", 0));
    let seen = |silent_ms, age_ms, locks| Seen { target: "tcp:x".into(), silent_ms, age_ms, locks };
    failovers.seen(at(1_200), &seen(150, 60, Some(true)));
    failovers.seen(at(1_210), &seen(100, 90, None));
    assert!(!failovers.all()[0].is_over);
    failovers.look(at(11_129), true);
    assert!(failovers.text_if_changed().is_none());
    failovers.look(at(11_130), true);
    let text = failovers.text_if_changed().expect("it is over");
    let [failover] = &Failovers::from_text(&text).all()[..] else { panic!("{text}") };
    assert_eq!(failover.at, 1_001);
    assert_eq!(failover.causes, [Cause::Lost { node: "a".into() }]);
    let ms = [failover.fenced_ms, failover.stopped_ms, failover.announced_ms, failover.started_ms];
    assert_eq!(ms, [Some(50), None, Some(100), Some(130)]);
    assert_eq!(failover.started, ["ip on b", "web on b"]);
    assert_eq!((failover.first_answer_ms(), failover.locks_kept()), (Some(140), Some(true)));
    assert_eq!(failover.seen[0].silent_ms, 150);
}

#[test]
fn a_move_is_one_and_a_stop_is_none() {
    let mut failovers = Failovers::default();
    failovers.result(at(0), &result("stop", "web", "Dummy", "a", 0));
    failovers.result(at(20), &result("start", "web", "Dummy", "b", 0));
    failovers.look(at(60_000), true);
    assert_eq!(failovers.all().len(), 1);
    failovers.result(at(70_000), &result("stop", "web", "Dummy", "b", 0));
    failovers.look(at(90_000), true);
    assert_eq!(failovers.all().len(), 1, "somebody stopped it");
    failovers.lost(at(95_000), "c");
    failovers.look(at(120_000), true);
    assert_eq!(failovers.all().len(), 1, "it ran nothing and nobody fenced it");
}

#[test]
fn a_failure_is_one_and_waits_until_all_is_done() {
    let mut failovers = Failovers::default();
    failovers.result(at(0), &result("monitor", "web", "Dummy", "a", 7));
    failovers.look(at(10_000), false);
    assert_eq!(failovers.deadline(), Some(Duration::from_secs(20)), "a slow start is under way");
    failovers.result(at(15_000), &result("start", "web", "Dummy", "a", 0));
    failovers.look(at(25_000), true);
    let all = failovers.all();
    assert!(all[0].is_over && all[0].started_ms == Some(15_000), "{all:?}");
    let probe = OpResult { interval_ms: 0, ..result("monitor", "web", "Dummy", "a", 1) };
    let pending = OpResult { status: OpStatus::Pending, ..result("start", "web", "Dummy", "a", -1) };
    for not_one in [probe, pending] {
        failovers.result(at(30_000), &not_one);
        assert!(failovers.deadline().is_none(), "{not_one:?}");
    }
}

#[test]
fn what_is_kept_has_a_bound() {
    let mut failovers = Failovers::default();
    for number in 0..(KEPT as u64 + 3) {
        for _ in 0..100 {
            failovers.result(at(number * 20_000), &result("monitor", "web", "Dummy", "a", 7));
        }
        failovers.look(at(number * 20_000 + 10_000), true);
    }
    let all = failovers.all();
    assert_eq!((all.len(), all[0].causes.len()), (KEPT, NAMED));
    // One that never comes to rest is cut.
    failovers.lost(at(10_000_000), "a");
    failovers.fenced(at(10_000_000));
    for step in 1..400 {
        failovers.look(at(10_000_000 + step * 10_000), false);
    }
    assert!(failovers.all().last().is_some_and(|last| last.is_over));
}
