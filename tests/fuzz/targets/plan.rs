#![no_main]
//! The whole way from a CIB's text to the end of its plan. Whatever the text says, there is a plan that can be written,
//! and the same text gives the same one.

use cib::{Document, check, upgrade};
use fuzz::{Chance, damage};
use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target, fuzzer_mutate};
use policy::Input;

/// The time of the plans: the cases' own.
const NOW: i64 = 1_700_000_000;
/// Larger documents are the affair of the benchmarks.
const MAX_ELEMENTS: usize = 2_000;

fuzz_target!(|text: &str| {
    let Ok(document) = Document::parse(text) else { return };
    if document.descendants(document.root()).count() > MAX_ELEMENTS {
        return;
    }
    check::check(&document);
    let (today, changes) = upgrade::upgrade(&document);
    assert!(changes.iter().all(|change| !change.to_string().is_empty()));
    Document::parse(&today.to_xml()).expect("what was upgraded can be read");
    let input = Input { scores: true, utilization: true, explain: true, ..Input::new(&document, NOW) };
    let plan = policy::plan(&input);
    let graph = transition::xml::text(&plan.transition).to_string();
    assert_eq!(graph, transition::xml::text(&policy::plan(&input).transition).to_string());
    let graph = Document::parse(&graph).expect("a graph is XML");
    transition::xml::read(&graph).expect("a graph that was written can be read");
    let _findings = transition::check(&plan.transition);
    for explanation in plan.reasons.iter() {
        let _ = explanation.to_string();
    }
});

fn read(data: &[u8]) -> Option<Document> {
    Document::parse(std::str::from_utf8(data).ok()?).ok()
}

fn give(document: &Document, data: &mut [u8], max: usize) -> Option<usize> {
    let text = document.to_xml();
    let fits = text.len() <= max && text.len() <= data.len();
    fits.then(|| {
        data[..text.len()].copy_from_slice(text.as_bytes());
        text.len()
    })
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut chance = Chance::new(u64::from(seed));
    let by_bytes = chance.below(20) == 0;
    let damaged = read(&data[..size]).filter(|_| !by_bytes).and_then(|mut document| {
        let other = document.clone();
        damage(&mut document, &other, &mut chance);
        give(&document, data, max_size)
    });
    damaged.unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});

fuzz_crossover!(|one: &[u8], two: &[u8], out: &mut [u8], seed: u32| {
    let mut chance = Chance::new(u64::from(seed));
    let (Some(mut document), Some(other)) = (read(one), read(two)) else { return 0 };
    damage(&mut document, &other, &mut chance);
    let max = out.len();
    give(&document, out, max).unwrap_or(0)
});
