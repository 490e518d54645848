//! One controller, told what happens step by step: what it asks for, and what it must not.

use std::time::Duration;

use cib::{Author, Cib, Lifetime, OpResult, OpStatus, Write};
use controller::event::Order;
use controller::follow_up::MOST_FOLLOW_UPS;
use controller::machine::GATHER;
use controller::pace::{BREATH, STORM_PLANS};
use controller::{Command, Controller, Event};
use engine::{Host, Member, Membership, NodeId};
use transition::{Action, ActionKind, ClusterAction, Settings, Transition};
use wire::{OrderId, RunOrder};

const INCARNATION: &str = "incarnation";

/// A controller on node 1 with its CIB; what it writes is applied at once, as the engine would bring it back.
struct Bench {
    controller: Controller,
    cib: Cib,
    now: Duration,
    /// What it told the operator.
    told: Vec<String>,
}

fn members(ids: &[u32]) -> Membership {
    let hosts = ids.iter().map(|id| Host { id: NodeId(*id), name: format!("node{id}") }).collect();
    let members = ids.iter().map(|id| Member { id: NodeId(*id), since: u64::from(*id) }).collect();
    Membership { number: 1, hosts, members, quorate: ids.len() > 1, votes: ids.len() as u32, expected_votes: 3 }
}

impl Bench {
    /// In step with nodes 1 to 3, and the first plan asked for.
    fn new() -> Self {
        let mut bench = Bench {
            controller: Controller::new(NodeId(1), INCARNATION),
            cib: Cib::fresh("test"),
            now: Duration::ZERO,
            told: Vec::new(),
        };
        bench.tell(Event::Membership(members(&[1, 2, 3])));
        assert!(bench.ask().is_empty(), "nothing is asked for before all hold the same");
        bench.tell(Event::Synced { running: false });
        bench
    }

    fn tell(&mut self, event: Event) {
        self.controller.handle(self.now, event);
    }

    /// All it asks for but notes; writes are applied on the way.
    fn ask(&mut self) -> Vec<Command> {
        let mut asked = Vec::new();
        while let Some(command) = self.controller.poll(self.now, 1000, &self.cib) {
            match command {
                Command::Note(note) => self.told.push(note.message),
                Command::Write(write) => {
                    let refused = self.cib.apply(&write).err().map(|error| error.to_string());
                    self.tell(Event::Applied { write, refused, own: true });
                }
                other => asked.push(other),
            }
        }
        asked
    }

    /// The number of the plan it asks for, and nothing else.
    fn asked_to_plan(&mut self) -> u64 {
        match self.ask().as_slice() {
            [Command::Plan { generation }] => *generation,
            other => panic!("expected a question for a plan, found {other:?}"),
        }
    }

    fn orders(&mut self) -> Vec<RunOrder> {
        let asked = self.ask();
        asked
            .into_iter()
            .map(|command| match command {
                Command::Run(order) => {
                    self.tell(Event::Ordered { order: Order::Run(order.clone()), valid: true, own: true });
                    order
                }
                other => panic!("expected an order to run, found {other:?}"),
            })
            .collect()
    }

    fn result(&mut self, order: &RunOrder, rc: i32) {
        let write = Write::Result(OpResult {
            node: order.node.clone(),
            resource: order.resource.id.clone(),
            class: "ocf".into(),
            provider: Some("test".into()),
            kind: "Dummy".into(),
            operation: order.operation.clone(),
            coordinator: order.id.coordinator.clone(),
            transition: order.id.transition,
            number: order.id.number,
            rc,
            status: OpStatus::Done,
            call_id: 1,
            ..OpResult::default()
        });
        let refused = self.cib.apply(&write).err().map(|error| error.to_string());
        self.tell(Event::Applied { write, refused, own: false });
    }
}

fn run(number: u32, operation: &str, resource: &str, node: &str) -> Action {
    let mut action = Action::new(number, ActionKind::Resource, operation, format!("{resource}_{operation}_0"));
    action.node = Some(node.into());
    action.resource = Some(transition::Resource { id: resource.into(), class: "ocf".into(), ..Default::default() });
    action
}

/// `stop a on node1`, then `start a on node2`.
fn a_move() -> Transition {
    let mut transition = Transition::new(Settings::default());
    let stop = transition.add(run(1, "stop", "a", "node1"));
    let start = transition.add(run(2, "start", "a", "node2"));
    transition.order(stop, start);
    transition
}

#[test]
fn a_plan_is_walked_in_its_order() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: a_move() });
    let stop = bench.orders().remove(0);
    assert_eq!((stop.operation.as_str(), stop.to), ("stop", 1));
    assert!(bench.ask().is_empty(), "the start waits for the stop");
    bench.result(&stop, 0);
    let start = bench.orders().remove(0);
    assert_eq!((start.operation.as_str(), start.to), ("start", 2));
    bench.result(&start, 0);
    assert!(!bench.controller.is_quiet(), "what was started may draw others to itself");
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: Transition::new(Settings::default()) });
    assert!(bench.ask().is_empty());
    assert!(bench.controller.is_quiet());
}

#[test]
fn plans_that_undo_each_other_wait_for_news() {
    let mut bench = Bench::new();
    for _ in 0..=MOST_FOLLOW_UPS {
        let generation = bench.asked_to_plan();
        bench.tell(Event::Planned { generation, transition: a_move() });
        for _ in 0..2 {
            let order = bench.orders().remove(0);
            bench.result(&order, 0);
        }
    }
    assert!(bench.ask().is_empty());
    assert!(bench.controller.is_quiet());
}

#[test]
fn a_failure_ends_the_walk_and_begins_a_plan() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: a_move() });
    let stop = bench.orders().remove(0);
    bench.result(&stop, 1);
    bench.asked_to_plan();
}

#[test]
fn an_answer_to_an_old_question_is_dropped() {
    let mut bench = Bench::new();
    let old = bench.asked_to_plan();
    bench.tell(Event::Membership(members(&[1, 2])));
    bench.tell(Event::Planned { generation: old, transition: a_move() });
    assert_eq!(bench.asked_to_plan(), old + 1);
}

#[test]
fn nothing_is_planned_while_an_order_is_under_way_anywhere() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: a_move() });
    let stop = bench.orders().remove(0);
    // Another node goes: the plan is stale, but the stop still runs on node 1.
    bench.tell(Event::Membership(members(&[1, 2])));
    assert!(bench.ask().is_empty());
    bench.result(&stop, 0);
    bench.asked_to_plan();
}

/// A start on node 3 that another coordinator has ordered.
fn order_of_the_one_before() -> RunOrder {
    RunOrder {
        id: OrderId { coordinator: "the one before".into(), transition: 4, number: 7 },
        to: 3,
        quorate: true,
        node: "node3".into(),
        resource: wire::Resource { id: "a".into(), class: "ocf".into(), provider: None, kind: "Dummy".into() },
        operation: "start".into(),
        interval_ms: 0,
        cancels: None,
        timeout_ms: 1000,
        start_delay_ms: 0,
        target_rc: 0,
        parameters: std::collections::BTreeMap::new(),
    }
}

#[test]
fn an_order_of_the_coordinator_before_us_is_waited_for() {
    let mut bench = Bench {
        controller: Controller::new(NodeId(2), INCARNATION),
        cib: Cib::fresh("test"),
        now: Duration::ZERO,
        told: Vec::new(),
    };
    bench.tell(Event::Membership(members(&[1, 2, 3])));
    bench.tell(Event::Synced { running: true });
    let order = order_of_the_one_before();
    bench.tell(Event::Ordered { order: Order::Run(order.clone()), valid: true, own: false });
    bench.tell(Event::Membership(members(&[2, 3])));
    assert!(bench.ask().is_empty(), "the start on node 3 is under way");
    bench.result(&order, 0);
    bench.asked_to_plan();
}

#[test]
fn an_order_to_a_node_that_is_gone_by_then_holds_nothing_up() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    let mut transition = Transition::new(Settings::default());
    transition.add(run(1, "start", "a", "node3"));
    bench.tell(Event::Planned { generation, transition });
    let asked = bench.ask();
    let [Command::Run(order)] = asked.as_slice() else { panic!("{asked:?}") };
    bench.tell(Event::Membership(members(&[1, 2])));
    bench.tell(Event::Ordered { order: Order::Run(order.clone()), valid: true, own: true });
    bench.asked_to_plan();
}

#[test]
fn a_failed_fencing_is_tried_again_after_a_pause() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    let mut fence = Action::new(1, ActionKind::Cluster(ClusterAction::Fence), "stonith", "stonith-node3-reboot".into());
    fence.node = Some("node3".into());
    let mut transition = Transition::new(Settings::default());
    transition.add(fence);
    bench.tell(Event::Planned { generation, transition });
    let asked = bench.ask();
    let [Command::Fence(order)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(order.to, 1);
    bench.tell(Event::Ordered { order: Order::Fence(order.clone()), valid: true, own: true });
    bench.tell(Event::FenceFailed { order: order.id.clone(), reason: "no power".into() });
    assert!(bench.ask().is_empty(), "not at once");
    bench.now = bench.controller.deadline().expect("a pause has an end");
    bench.tell(Event::Timeout);
    bench.asked_to_plan();
}

#[test]
fn a_daemon_that_is_away_is_given_time() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: Transition::default() });
    let mut view = members(&[1, 2, 3]);
    view.members.pop();
    bench.tell(Event::Membership(view));
    assert!(bench.ask().is_empty());
    bench.now = bench.controller.deadline().expect("the time ends");
    bench.tell(Event::Timeout);
    bench.asked_to_plan();
    let states = controller::membership::node_states(&bench.cib);
    assert!(states.iter().any(|state| state.uname == "node3" && state.present && !state.daemon));
}

#[test]
fn who_has_quorum_again_waits_a_moment_for_those_who_come_last() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: Transition::new(Settings::default()) });
    let lonely = |votes| Membership { votes, quorate: votes > 1, ..members(&[1]) };
    bench.tell(Event::Membership(lonely(1)));
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: Transition::new(Settings::default()) });

    // One host is back, its daemon still to come; then there are all.
    bench.tell(Event::Membership(lonely(2)));
    assert!(bench.ask().is_empty(), "the third may be on its way");
    bench.tell(Event::Membership(members(&[1, 2, 3])));
    bench.tell(Event::Synced { running: true });
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: Transition::new(Settings::default()) });

    // The same again, but the third does not come.
    bench.tell(Event::Membership(lonely(1)));
    let generation = bench.asked_to_plan();
    bench.tell(Event::Planned { generation, transition: Transition::new(Settings::default()) });
    bench.tell(Event::Membership(lonely(2)));
    assert!(bench.ask().is_empty());
    assert_eq!(bench.controller.deadline(), Some(bench.now + GATHER));
    bench.now += GATHER;
    bench.tell(Event::Timeout);
    bench.asked_to_plan();
}

// On Corosync a daemon is told of itself first, without quorum. One that came to a cluster at work gave it the time of a
// cluster that starts, and so did not act for twenty seconds when the coordinator was lost right after.
#[test]
fn who_came_to_a_cluster_at_work_does_not_wait_when_it_has_to_go_on_with_it() {
    let mut bench = Bench {
        controller: Controller::new(NodeId(2), INCARNATION),
        cib: Cib::fresh("test"),
        now: Duration::ZERO,
        told: Vec::new(),
    };
    bench.tell(Event::Membership(members(&[2])));
    bench.tell(Event::Synced { running: false });
    assert!(bench.ask().is_empty(), "alone in a cluster that starts");
    bench.tell(Event::Membership(members(&[1, 2, 3])));
    bench.tell(Event::Synced { running: true });
    let order = order_of_the_one_before();
    bench.tell(Event::Ordered { order: Order::Run(order.clone()), valid: true, own: false });
    bench.result(&order, 0);
    bench.tell(Event::Membership(members(&[2, 3])));
    bench.asked_to_plan();
}

/// The pauses of a coordinator that plans whenever something is written, all the time, and what it said; `busy`: its plans
/// have something to do.
fn pauses(busy: bool, written: fn(usize) -> Write) -> (Vec<Duration>, Vec<String>) {
    let mut bench = Bench::new();
    let mut pauses = Vec::new();
    for number in 0..4 * STORM_PLANS {
        let write = written(number);
        bench.cib.apply(&write).unwrap();
        bench.tell(Event::Applied { write, refused: None, own: false });
        let mut asked = bench.ask();
        if asked.is_empty() {
            let until = bench.controller.deadline().expect("a pause has an end");
            pauses.push(until - bench.now);
            bench.now = until;
            bench.tell(Event::Timeout);
            asked = bench.ask();
        }
        let [Command::Plan { generation }] = asked.as_slice() else { panic!("{asked:?}") };
        let mut transition = Transition::new(Settings::default());
        if busy {
            transition.add(Action::new(1, ActionKind::Pseudo, "stopped", "group_stopped_0".into()));
        }
        bench.tell(Event::Planned { generation: *generation, transition });
    }
    (pauses, bench.told)
}

/// Something happens in the CIB that no plan knows.
fn node(number: usize) -> Write {
    Write::Node { id: "9".into(), uname: format!("node9-{number}") }
}

/// An agent says what it measures.
fn attribute(number: usize) -> Write {
    Write::Attribute {
        node: "node2".into(),
        lifetime: Lifetime::Transient,
        name: "load".into(),
        value: Some(number.to_string()),
        author: Author::default(),
    }
}

// A coordinator whose clock was ahead took fresh failures for expired ones, and tried again 300 times a minute.
#[test]
fn a_storm_of_plans_is_paused_longer_each_time() {
    let (pauses, told) = pauses(true, node);
    assert_eq!(pauses, [10, 20, 40].map(Duration::from_secs));
    let storms = told.iter().filter(|text| text.contains("something fails as fast as it is tried"));
    assert_eq!(storms.count(), 3, "{told:?}");
}

// Somebody set an attribute in a loop, and what failed meanwhile waited for the end of a pause.
#[test]
fn who_writes_without_end_holds_up_nobody() {
    let (pauses, _) = pauses(false, node);
    assert!(pauses.len() > STORM_PLANS && pauses.iter().all(|pause| *pause == BREATH), "{pauses:?}");
}

// A script wrote an attribute that a rule goes by, twenty times a second, and the log spoke of failures.
#[test]
fn a_storm_that_an_attribute_makes_is_said_to_be_one() {
    let (pauses, told) = pauses(true, attribute);
    assert_eq!(pauses, [10, 20, 40].map(Duration::from_secs));
    let words = "attribute load of node2 is written again and again";
    assert_eq!(told.iter().filter(|text| text.contains(words)).count(), 3, "{told:?}");
    assert!(!told.iter().any(|text| text.contains("fails")), "{told:?}");
}

#[test]
fn a_follower_asks_for_nothing() {
    let mut bench = Bench {
        controller: Controller::new(NodeId(3), INCARNATION),
        cib: Cib::fresh("test"),
        now: Duration::ZERO,
        told: Vec::new(),
    };
    bench.tell(Event::Membership(members(&[1, 2, 3])));
    bench.tell(Event::Synced { running: true });
    assert!(bench.ask().is_empty());
    assert_eq!(bench.controller.deadline(), None);
}

#[test]
fn a_plan_that_cannot_be_made_is_tried_again_later() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    bench.tell(Event::NotPlanned { generation, reason: "a fault".into() });
    assert!(bench.ask().is_empty(), "not at once");
    bench.now = bench.controller.deadline().expect("a pause has an end");
    bench.tell(Event::Timeout);
    assert_eq!(bench.asked_to_plan(), generation + 1);
}

// A failure was to be forgotten after 22 seconds, and was after a quarter of an hour.
#[test]
fn what_changes_by_itself_is_planned_for_when_it_does() {
    for (in_seconds, expected) in [(22, 22), (10_000, 900), (-5, 1)] {
        let mut bench = Bench::new();
        let generation = bench.asked_to_plan();
        let mut transition = Transition::new(Settings::default());
        transition.settings.recheck_by = Some(1000 + in_seconds);
        bench.tell(Event::Planned { generation, transition });
        assert!(bench.ask().is_empty());
        let due = bench.controller.deadline().expect("it is looked again");
        assert_eq!(due - bench.now, Duration::from_secs(expected));
        bench.now = due;
        bench.tell(Event::Timeout);
        bench.asked_to_plan();
    }
}

#[test]
fn what_waits_for_something_that_no_plan_does_waits_for_news() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    let mut transition = Transition::new(Settings::default());
    let start = transition.add(run(2, "start", "a", "node2"));
    transition.order_after_missing(run(1, "stop", "b", "node2"), start);
    bench.tell(Event::Planned { generation, transition });
    assert!(bench.ask().is_empty(), "it does not begin, and it is no reason to plan anew");
    assert!(bench.controller.is_quiet());
}

#[test]
fn what_is_known_of_a_removed_resource_is_forgotten_and_no_agent_is_asked_to() {
    let mut bench = Bench::new();
    let generation = bench.asked_to_plan();
    let mut transition = Transition::new(Settings::default());
    transition.add(run(1, "delete", "a", "node2"));
    bench.tell(Event::Planned { generation, transition });
    let asked = bench.ask();
    assert!(!asked.iter().any(|command| matches!(command, Command::Run(_))), "{asked:?}");
    assert!(asked.is_empty() || matches!(asked.as_slice(), [Command::Plan { .. }]), "{asked:?}");
}
