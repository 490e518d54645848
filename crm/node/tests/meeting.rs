//! Replicas that meet: whose CIB counts, and that all hold the same afterwards.

use cib::{Cib, Write};
use engine::{Host, Member, Membership, NodeId};
use node::replica::{Delivered, Replica, Step};
use wire::Origin;

fn membership(members: &[(u32, u64)], quorate: bool) -> Membership {
    Membership {
        number: 1,
        hosts: members.iter().map(|(id, _)| Host { id: NodeId(*id), name: format!("node{id}") }).collect(),
        members: members.iter().map(|(id, since)| Member { id: NodeId(*id), since: *since }).collect(),
        quorate,
        votes: members.len() as u32,
        expected_votes: 3,
    }
}

fn replica(id: u32, epoch: u64) -> Replica {
    let text = format!(r#"<cib admin_epoch="0" epoch="{epoch}" num_updates="0"><configuration/><status/></cib>"#);
    Replica::new(NodeId(id), "test", &format!("incarnation {id}"), Cib::parse(&text).unwrap())
}

/// Brings the replicas together and delivers what they say, in one order, to all.
fn meet(replicas: &mut [Replica], ids: &[(u32, u64)], quorate: bool, running: &[bool]) -> Vec<Step> {
    let view = membership(ids, quorate);
    let mut said = std::collections::VecDeque::new();
    let mut ends = Vec::new();
    for (index, replica) in replicas.iter_mut().enumerate() {
        let (_, step) = replica.membership(&view, running[index], Vec::new());
        said.extend(step.map(|step| (NodeId(ids[index].0), step)));
    }
    while let Some((from, step)) = said.pop_front() {
        for (index, replica) in replicas.iter_mut().enumerate() {
            let me = NodeId(ids[index].0);
            let next = match &step {
                Step::Hello(hello) => replica.hello(from, hello.clone()),
                Step::State(state) => replica.state(from, state),
                _ => Vec::new(),
            };
            for step in next {
                match step {
                    Step::Hello(_) | Step::State(_) => said.push_back((me, step)),
                    end => ends.push(end),
                }
            }
        }
    }
    ends
}

fn epochs(replicas: &[Replica]) -> Vec<u64> {
    replicas.iter().map(|replica| replica.cib().version().epoch).collect()
}

#[test]
fn at_a_cold_start_the_newest_counts() {
    let mut all = [replica(1, 3), replica(2, 7), replica(3, 5)];
    let ends = meet(&mut all, &[(1, 1), (2, 2), (3, 3)], true, &[false; 3]);
    assert_eq!(ends.len(), 3);
    assert_eq!(epochs(&all), [7, 7, 7]);
    assert!(all.iter().all(Replica::in_step));
    assert!(all.windows(2).all(|pair| pair[0].cib().digest() == pair[1].cib().digest()));
    let aside = ends.iter().filter(|end| matches!(end, Step::InStep { set_aside: Some(_), .. })).count();
    assert_eq!(aside, 0, "who was only behind has lost nothing");
}

#[test]
fn a_cluster_of_most_nodes_that_acts_counts_before_a_newer_file() {
    let mut all = [replica(1, 3), replica(2, 3), replica(3, 7)];
    meet(&mut all[..2], &[(1, 1), (2, 2)], true, &[false; 2]);
    let ends = meet(&mut all, &[(1, 1), (2, 2), (3, 3)], true, &[true, true, false]);
    assert_eq!(epochs(&all), [3, 3, 3]);
    assert!(ends.iter().any(|end| matches!(end, Step::InStep { set_aside: Some(_), .. })), "the newer file is kept");
}

#[test]
fn a_minority_that_acts_does_not_count_before_a_newer_file() {
    let mut all = [replica(1, 3), replica(2, 7)];
    // One daemon; the other hosts vote, but theirs have not come yet.
    meet(&mut all[..1], &[(1, 1)], true, &[false]);
    meet(&mut all, &[(1, 1), (2, 2)], true, &[true, false]);
    assert_eq!(epochs(&all), [7, 7], "what was acknowledged may be in it");
}

#[test]
fn a_failure_needs_no_meeting() {
    let mut all = [replica(1, 3), replica(2, 3)];
    meet(&mut all, &[(1, 1), (2, 2)], true, &[false; 2]);
    let (settled, step) = all[0].membership(&membership(&[(1, 1)], false), true, Vec::new());
    assert!(settled.is_empty() && step.is_none() && all[0].in_step());
}

#[test]
fn writes_during_a_meeting_are_held_back_and_applied_after_it() {
    let mut one = replica(1, 3);
    let (_, step) = one.membership(&membership(&[(1, 1)], false), false, Vec::new());
    let write = Write::Node { id: "9".into(), uname: "node9".into() };
    assert!(one.write(Delivered { from: NodeId(1), origin: Origin::Local, write }).is_none());
    let Some(Step::Hello(hello)) = step else { panic!("a meeting begins with a hello") };
    assert!(one.release().is_empty(), "not before it is over");
    assert!(matches!(one.hello(NodeId(1), hello).as_slice(), [Step::InStep { .. }]));
    assert_eq!(one.release().len(), 1);
    assert_eq!(one.cib().version().epoch, 4);
}

#[test]
fn another_cluster_is_left_alone() {
    let mut all = [replica(1, 3), Replica::new(NodeId(2), "other", "incarnation 2", Cib::fresh("other"))];
    let ends = meet(&mut all, &[(1, 1), (2, 2)], true, &[true, false]);
    assert!(ends.iter().any(|end| matches!(end, Step::Leave { reason } if reason.contains("\"test\""))));
}
