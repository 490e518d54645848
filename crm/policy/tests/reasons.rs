//! Every score is accounted for: what is kept as its reasons adds up to it.

use std::fs;
use std::path::Path;

use cib::Document;
use policy::model::add;
use policy::{Input, plan};

#[test]
fn reasons_add_up_to_the_scores() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases/policy");
    let mut wrong = Vec::new();
    let mut checked = 0;
    for folder in fs::read_dir(&cases).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(text) = fs::read_to_string(folder.join("cib.xml")) else { continue };
        let document = Document::parse(&text).unwrap();
        let plan = plan(&Input { explain: true, ..Input::new(&document, 1_700_000_000) });
        for explanation in plan.reasons.iter() {
            for (node, score) in &explanation.scores {
                let changes = explanation.changes.iter().filter(|change| change.node == *node);
                let sum = changes.fold(0, |sum, change| add(sum, change.score));
                checked += 1;
                if sum != *score {
                    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
                    wrong.push(format!(
                        "{name}: {} on {node} has {score}, its reasons give {sum}",
                        explanation.resource
                    ));
                }
            }
        }
    }
    assert!(checked > 200, "only {checked} scores were looked at");
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
}
