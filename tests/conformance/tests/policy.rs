//! Cases of the policy: folders `cases/policy/NAME` with a `cib.xml`, whose first line says the rule it shows, and the
//! `plan.txt` it leads to. `UPDATE=1` writes the answers anew; what they mean is for the reader to judge.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use cib::Document;
use policy::{Input, Plan};
use transition::{Outcome, Transition, Walk};

/// Makes the plan of a case and holds it against the answer.
fn check(folder: &Path) -> Result<(), String> {
    let text = fs::read_to_string(folder.join("cib.xml")).map_err(|error| format!("reading cib.xml: {error}"))?;
    let cib = Document::parse(&text).map_err(|error| error.to_string())?;
    let now = cib.attribute(cib.root(), "execution-date").and_then(|when| when.parse().ok()).unwrap_or(1_700_000_000);
    let input = Input { scores: true, explain: true, ..Input::new(&cib, now) };
    let plan = policy::plan(&input);
    transition::check(&plan.transition).map_err(|findings| findings.join("\n"))?;
    let got = render(&plan);
    if got != render(&policy::plan(&input)) {
        return Err("planned twice, it gives two plans".into());
    }
    let answer = folder.join("plan.txt");
    if env::var_os("UPDATE").is_some() {
        return fs::write(&answer, got).map_err(|error| format!("writing plan.txt: {error}"));
    }
    let expected = fs::read_to_string(&answer).unwrap_or_default();
    if got == expected { Ok(()) } else { Err(format!("expected\n{expected}\ngot\n{got}")) }
}

/// A plan in the words of the answers: where each resource goes and why, what is done after what, what was ignored.
fn render(plan: &Plan) -> String {
    let mut out = String::new();
    for explanation in plan.reasons.iter() {
        let _ = write!(out, "{explanation}");
    }
    out.push_str("\nactions\n");
    let transition = &plan.transition;
    let mut lines: Vec<String> = transition.ids().map(|id| render_action(transition, id)).collect();
    lines.sort();
    lines.iter().for_each(|line| {
        let _ = writeln!(out, "  {line}");
    });
    let limits = &transition.settings;
    if limits.batch_limit > 0 || limits.migration_limit.is_some() {
        out.push_str("\nrounds, under the limits\n");
        for round in rounds(transition) {
            let _ = writeln!(out, "  {round}");
        }
    }
    out.push_str("\nscores\n");
    for line in &plan.scores {
        let _ = writeln!(out, "  {line}");
    }
    if !plan.warnings.is_empty() {
        out.push_str("\nwarnings\n");
        for warning in &plan.warnings {
            let _ = writeln!(out, "  {warning}");
        }
    }
    out
}

/// What begins together when everything that begins together ends together.
fn rounds(transition: &Transition) -> Vec<String> {
    let mut walk = Walk::new(transition.clone());
    let mut rounds = Vec::new();
    while !walk.is_over() {
        let begun: Vec<_> = std::iter::from_fn(|| walk.begin()).collect();
        let mut keys: Vec<&str> = begun.iter().map(|id| transition.action(*id).key.as_str()).collect();
        keys.sort_unstable();
        rounds.push(keys.join(", "));
        begun.into_iter().for_each(|id| walk.end(id, Outcome::Done));
    }
    assert!(walk.is_complete(), "the walk is stuck after {rounds:?}");
    rounds
}

fn render_action(transition: &Transition, id: transition::ActionId) -> String {
    let name = |id| {
        let action = transition.action(id);
        let key = action.internal_key.as_deref().unwrap_or(&action.key);
        let cancel = if action.operation == "cancel" { " (cancel)" } else { "" };
        let node = action.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
        format!("{key}{cancel}{node}")
    };
    let mut inputs: Vec<String> = transition.inputs(id).map(name).collect();
    inputs.extend(transition.missing(id).iter().map(|action| format!("{}, which is not done", action.key)));
    inputs.sort();
    let after = if inputs.is_empty() { String::new() } else { format!(" after {}", inputs.join(", ")) };
    format!("{}{after}", name(id))
}

#[test]
fn every_case_leads_to_its_plan() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/policy");
    let mut folders: Vec<_> = fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() > 50, "the cases are missing: {} has only {}", cases.display(), folders.len());
    let failed: Vec<String> = folders
        .iter()
        .filter_map(|folder| check(folder).err().map(|why| format!("{}: {why}", folder.display())))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
