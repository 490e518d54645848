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
                Step::Chunk(chunk) => replica.chunk(from, chunk),
                Step::Taken(taken) => replica.taken(from, taken),
                Step::Again(again) => replica.again(again),
                _ => Vec::new(),
            };
            for step in next {
                match step {
                    Step::Hello(_) | Step::State(_) | Step::Chunk(_) | Step::Taken(_) | Step::Again(_) => {
                        said.push_back((me, step));
                    }
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

/// A replica with a configuration of several pieces.
fn large(id: u32, epoch: u64) -> Replica {
    let comment = "x".repeat(node::transfer::PIECE * 3);
    let text = format!(
        r#"<cib admin_epoch="0" epoch="{epoch}" num_updates="0"><configuration><!--{comment}--></configuration><status/></cib>"#
    );
    Replica::new(NodeId(id), "test", &format!("incarnation {id}"), Cib::parse(&text).unwrap())
}

/// Hellos of a meeting of two, and what the first, who holds more, says then.
fn begin(all: &mut [Replica; 2], since: u64) -> Vec<Step> {
    let view = membership(&[(1, 1), (2, since)], true);
    let hellos: Vec<Step> = all.iter_mut().filter_map(|one| one.membership(&view, false, Vec::new()).1).collect();
    let mut said = Vec::new();
    for (place, hello) in hellos.into_iter().enumerate() {
        let Step::Hello(hello) = hello else { panic!("a meeting begins with a hello") };
        for one in all.iter_mut() {
            said.extend(one.hello(NodeId(place as u32 + 1), hello.clone()));
        }
    }
    said
}

#[test]
fn a_large_one_goes_in_pieces_and_writes_wait_between_them() {
    let mut all = [large(1, 7), replica(2, 3)];
    let mut said = std::collections::VecDeque::from(begin(&mut all, 2));
    let (mut pieces, mut at_once) = (0, 0);
    let mut taken = false;
    while let Some(step) = said.pop_front() {
        match step {
            Step::Chunk(chunk) => {
                pieces += 1;
                at_once = at_once.max(said.len() + 1);
                let write = Write::Node { id: format!("9{pieces}"), uname: format!("n{pieces}") };
                for one in &mut all {
                    let delivered = Delivered { from: NodeId(2), origin: Origin::Local, write: write.clone() };
                    assert!(one.write(delivered).is_none(), "held back");
                }
                let more: Vec<Step> = all.iter_mut().flat_map(|one| one.chunk(NodeId(1), &chunk)).collect();
                said.extend(more);
            }
            Step::Taken(of) => {
                let ends: Vec<Step> = all.iter_mut().flat_map(|one| one.taken(NodeId(2), &of)).collect();
                taken = ends.len() == 2 && ends.iter().all(|end| matches!(end, Step::InStep { .. }));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(taken && pieces == 4 && at_once <= 2, "{pieces} pieces, {at_once} at once");
    assert!(all.iter_mut().all(|one| one.release().len() == 4));
    assert_eq!(all[0].cib().digest(), all[1].cib().digest());
    assert_eq!(epochs(&all), [11, 11]);
}

#[test]
fn a_piece_that_does_not_fit_is_sent_again_and_in_the_end_the_member_leaves() {
    let mut all = [large(1, 7), replica(2, 3)];
    let mut said = begin(&mut all, 2);
    for attempt in 0..3 {
        let Some(Step::Chunk(mut chunk)) = said.drain(..).next() else { panic!("a piece") };
        assert_eq!((chunk.attempt, chunk.index), (attempt, 0));
        chunk.index = 1;
        let answer = all[1].chunk(NodeId(1), &chunk);
        match answer.as_slice() {
            [Step::Again(again)] if attempt < 2 => said = all.iter_mut().flat_map(|one| one.again(again)).collect(),
            [Step::Leave { reason }] if attempt == 2 => assert!(reason.contains("piece 1"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_sender_that_dies_midway_is_forgotten() {
    let mut all = [large(1, 7), replica(2, 3)];
    let Some(Step::Chunk(chunk)) = begin(&mut all, 2).into_iter().next() else { panic!("a piece") };
    assert!(all[1].chunk(NodeId(1), &chunk).is_empty());
    let mut left = [std::mem::replace(&mut all[1], replica(9, 0))];
    meet(&mut left, &[(2, 2)], true, &[false]);
    assert!(left[0].in_step());
    assert!(left[0].chunk(NodeId(1), &chunk).is_empty(), "a piece that comes late");
    assert_eq!(epochs(&left), [3]);
    // It comes back: all from the beginning.
    let [rest] = left;
    let mut all = [large(1, 7), rest];
    let ends = meet(&mut all, &[(1, 9), (2, 2)], true, &[false, false]);
    assert_eq!((ends.len(), epochs(&all)), (2, vec![7, 7]));
}
