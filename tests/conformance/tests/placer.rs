//! The engine against the plain placer. Without colocations it must find the best placement there is. With them it
//! places one primitive after the other and so may miss it, but never breaks a rule, and where each primitive is wanted
//! by at most one other it runs as many as can run.

use std::fmt::Write as _;

use cib::Document;
use conformance::clusters::NODES;
use conformance::placer::{Placement, Problem};
use policy::{Input, plan};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn problems(most_colocations: usize) -> impl Strategy<Value = Problem> {
    (1..=4usize, 1..=5usize).prop_flat_map(move |(nodes, primitives)| {
        let score = prop_oneof![1 => Just(None), 4 => (0..1000i64).prop_map(Some)];
        let scores = prop::collection::vec(prop::collection::vec(score, nodes), primitives);
        let pair = (0..primitives, 0..primitives, any::<bool>());
        (scores, prop::collection::vec(pair, 0..=most_colocations)).prop_map(move |(scores, pairs)| {
            let mut colocations: Vec<(usize, usize, bool)> = Vec::new();
            for (one, other, together) in pairs {
                // One wish for each dependent, and always of a later primitive: nothing contradicts anything.
                if one > other && colocations.iter().all(|(dependent, ..)| *dependent != one) {
                    colocations.push((one, other, together));
                }
            }
            Problem { nodes, scores, colocations }
        })
    })
}

fn to_cib(problem: &Problem) -> String {
    let (mut nodes, mut states, mut resources, mut constraints) =
        (String::new(), String::new(), String::new(), String::new());
    for (index, name) in NODES.iter().take(problem.nodes).enumerate() {
        let id = index + 1;
        let _ = write!(nodes, "<node id=\"{id}\" uname=\"{name}\"/>");
        let state = "in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\"";
        let _ = write!(states, "<node_state id=\"{id}\" uname=\"{name}\" {state}/>");
    }
    for (index, scores) in problem.scores.iter().enumerate() {
        let _ = write!(resources, "<primitive id=\"p{index}\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"/>");
        for (node, score) in scores.iter().enumerate() {
            let score = score.map_or("-INFINITY".to_owned(), |score| score.to_string());
            let _ = write!(
                constraints,
                "<rsc_location id=\"l{index}-{node}\" rsc=\"p{index}\" node=\"{}\" score=\"{score}\"/>",
                NODES[node]
            );
        }
    }
    for (dependent, primary, together) in &problem.colocations {
        let score = if *together { "INFINITY" } else { "-INFINITY" };
        let _ = write!(
            constraints,
            "<rsc_colocation id=\"c{dependent}\" rsc=\"p{dependent}\" with-rsc=\"p{primary}\" score=\"{score}\"/>"
        );
    }
    format!(
        "<cib have-quorum=\"1\"><configuration><crm_config><cluster_property_set id=\"o\">\
         <nvpair id=\"f\" name=\"stonith-enabled\" value=\"false\"/></cluster_property_set></crm_config>\
         <nodes>{nodes}</nodes><resources>{resources}</resources><constraints>{constraints}</constraints>\
         </configuration><status>{states}</status></cib>"
    )
}

fn placed(problem: &Problem) -> Placement {
    let document = Document::parse(&to_cib(problem)).expect("it is XML");
    let plan = plan(&Input { explain: true, ..Input::new(&document, 1_700_000_000) });
    let node_of = |index: usize| {
        let next = plan.reasons.explain(&format!("p{index}")).and_then(|one| one.next.clone())?;
        NODES.iter().position(|name| *name == next)
    };
    (0..problem.scores.len()).map(node_of).collect()
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(3), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn alone_each_goes_where_it_is_best(problem in problems(0)) {
        let found = placed(&problem);
        prop_assert!(problem.best().contains(&found), "{found:?} is none of {:?}", problem.best());
    }

    #[test]
    fn no_rule_is_broken(problem in problems(4)) {
        let found = placed(&problem);
        prop_assert!(problem.allows(&found), "{found:?}");
    }

    #[test]
    fn a_pair_is_placed_as_one(problem in problems(1)) {
        let found = placed(&problem);
        let best = problem.best();
        let running = |placement: &Placement| placement.iter().flatten().count();
        let apart = problem.colocations.iter().any(|(.., together)| !together);
        // Who is to be apart from another yields to it, even out of its best place; who is to be with it weighs in.
        prop_assert!(best.contains(&found) || (apart && running(&found) == running(&best[0])), "{found:?}, not {best:?}");
    }
}
