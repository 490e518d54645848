//! `systole migrate keepalived prove`: for all that may be up or down, good or bad, whether the plan does what keepalived
//! did.

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use migrate::plan::Plan;
use migrate::prove::{Proof, ROWS_MAX, prove};
use serde_json::{Value, json};

use super::plan::{Source, arguments};
use crate::commands::Command;
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "prove", grammar, run };

/// Rows of one kind that are shown; --json has all of them.
const SHOWN_MAX: usize = 20;

fn grammar() -> clap::Command {
    let after = "For each unit, every combination of hosts up and down and of watched things good and bad is tried: \
                 keepalived's election against the policy that would plan the cluster. Of more than 65536 states as many are \
                 picked evenly, and that is said. A row that differs is told with its reason; what never changed anything \
                 under keepalived is told as well.\n\nThe exit status is 1 if a row differs and nothing explains it.\n\n\
                 --json keys: \"rows\", \"sampled\", \"differences\", \"mistakes\".\n\nExamples:\n  \
                 systole migrate keepalived prove one=one.conf two=two.conf --answers plan/answers.txt";
    clap::Command::new("")
        .about("Prove that the plan does what keepalived did, state by state, and say where not")
        .after_help(after)
        .args(arguments())
        .args([
            Arg::new("rows")
                .long("rows")
                .value_name("NUMBER")
                .value_parser(value_parser!(u32).range(1..=1_000_000))
                .help("States to try for a unit at most [65536]"),
            Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs; the keys are below"),
        ])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let source = Source::read(arguments)?;
    let Some(plan) = source.plan_or_say_why(arguments)? else { return Ok(EXIT_FAILURE) };
    let rows = arguments.get_one::<u32>("rows").map_or(ROWS_MAX, |rows| *rows as usize);
    let proof = prove(&plan, rows);
    if arguments.get_flag("json") {
        print_json(&as_json(&plan, &proof))?;
    } else {
        print(&text(&plan, &proof, Paint::for_output()))?;
    }
    let unexplained = proof.differences.iter().any(|row| row.cause.is_none());
    Ok(if unexplained { EXIT_FAILURE } else { EXIT_OK })
}

fn text(plan: &Plan<'_>, proof: &Proof, paint: Paint) -> String {
    let mut out = format!("{} states tried, {} of them differ.\n", proof.rows, proof.differences.len());
    for (unit, total) in &proof.sampled {
        out += &format!("Of the {total} states of {unit} only a sample was tried.\n");
    }
    for (title, explained) in [("Different, and nothing explains it", false), ("Different, with a reason", true)] {
        let rows: Vec<_> = proof.differences.iter().filter(|row| row.cause.is_some() == explained).collect();
        if !rows.is_empty() {
            out += &format!("\n{}\n", paint.title(title));
            rows.iter().take(SHOWN_MAX).for_each(|row| out += &format!("  {}\n", row.describe(plan)));
            if rows.len() > SHOWN_MAX {
                out += &format!("  … and {} more\n", rows.len() - SHOWN_MAX);
            }
        }
    }
    if !proof.mistakes.is_empty() {
        out += &format!("\n{}\n", paint.title("What never did anything, under keepalived"));
        proof.mistakes.iter().for_each(|line| out += &format!("  {line}.\n"));
    }
    out
}

fn as_json(plan: &Plan<'_>, proof: &Proof) -> Value {
    json!({
        "rows": proof.rows,
        "sampled": proof.sampled.iter().map(|(unit, total)| json!({"unit": unit, "states": total})).collect::<Value>(),
        "differences": proof.differences.iter().map(|row| json!({
            "unit": plan.units[row.unit].name, "before": row.before, "after": row.after, "holder": row.holder,
            "cause": row.cause.map(|cause| cause.text()), "text": row.describe(plan),
        })).collect::<Value>(),
        "mistakes": proof.mistakes,
    })
}
