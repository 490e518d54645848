//! Reads recorded corosync.conf files and courses of votequorum and compares: `corosync_conf DIR`, where DIR holds
//! `index.json`, the files it names, and `votequorum-vectors.json`. No valid file may have an error, every invalid one
//! must; every course must end each step as it was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use corosync_conf::votequorum::{Cluster, NodeId, Rules};
use corosync_conf::{Conf, Facts, Model, Severity, lint};
use serde_json::Value;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("which directory? It holds index.json and votequorum-vectors.json");
        return ExitCode::from(2);
    };
    let folder = Path::new(&folder);
    let wrong = files(folder) + courses(folder);
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

fn files(folder: &Path) -> usize {
    let mut wrong = 0;
    let index = read(&folder.join("index.json"));
    let index = index.as_array().expect("a list of files");
    for file in index {
        let name = file["file"].as_str().expect("each has a file");
        let bytes = std::fs::read(folder.join(name)).expect("the file is there");
        let conf = Conf::parse(String::from_utf8_lossy(&bytes));
        let errors: Vec<_> =
            lint(&conf, &Facts::default()).into_iter().filter(|one| one.severity == Severity::Error).collect();
        let valid = file["valid"] == "valid";
        if valid != errors.is_empty() {
            wrong += 1;
            println!("WRONG {name}: recorded as {} {}", file["valid"], file["why"]);
        }
        for error in &errors {
            println!("{}: {}: {}", file["id"].as_str().unwrap_or(name), error.rule, error.message);
        }
    }
    println!("{} of {} files judged as recorded", index.len() - wrong, index.len());
    wrong
}

fn courses(folder: &Path) -> usize {
    let mut wrong = 0;
    let courses = read(&folder.join("votequorum-vectors.json"));
    let courses = courses.as_array().expect("a list of courses");
    for course in courses {
        if let Err(why) = run(course) {
            wrong += 1;
            println!("WRONG {}: {why}", course["name"].as_str().unwrap_or("?"));
        }
    }
    println!("{} of {} courses of votequorum end as recorded", courses.len() - wrong, courses.len());
    wrong
}

fn run(course: &Value) -> Result<(), String> {
    let nodes = course["nodes"].as_u64().ok_or("no number of nodes")?;
    let vote = |id: u64| course["votes"].get(usize::try_from(id).unwrap_or(0) - 1).and_then(Value::as_u64).unwrap_or(1);
    let node = |id| format!("node {{\nnodeid: {id}\nquorum_votes: {}\nring0_addr: 10.0.0.{id}\n}}\n", vote(id));
    let list: String = (1..=nodes).map(node).collect();
    let lines: Vec<&str> = course["quorum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let text = format!("nodelist {{\n{list}}}\nquorum {{\nprovider: corosync_votequorum\n{}\n}}\n", lines.join("\n"));
    let conf = Conf::parse(text);
    let rules = Rules::of(&Model::of(&conf)).ok_or("no rules")?;
    // The recorder waited after each step unless the window is one that nobody waits for.
    let waited = !lines.contains(&"last_man_standing_window: 30000");
    let mut cluster = Cluster::new(rules.clone());
    let all: Vec<NodeId> = rules.votes.keys().copied().collect();
    for step in course["steps"].as_array().into_iter().flatten() {
        let what = step[0].as_str().ok_or("a step without words")?;
        let ids: Vec<NodeId> = what.split([' ', ':', ',']).filter_map(|word| word.parse().ok()).collect();
        match what.split(' ').next() {
            Some("start") => cluster.start(&all),
            Some("up") => cluster.start(&ids),
            Some("down" | "stop") => cluster.lose(&ids),
            Some("move") => cluster.split(&[ids[1..].iter().copied().collect()]),
            Some("join") => cluster.heal(),
            _ => return Err(format!("unknown step {what}")),
        }
        if waited {
            cluster.window_passes();
        }
        // At the start some nodes were recorded before they were quorate, or before they saw all.
        let recorded: BTreeMap<NodeId, (bool, BTreeSet<NodeId>)> = step[1]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(node, state)| {
                let members = state[1].as_str()?.split(' ').filter_map(|id| id.parse().ok()).collect();
                Some((node.parse().ok()?, (state[0] == 1, members)))
            })
            .collect();
        let quorate = cluster.quorate();
        let start = what == "start";
        for (node, (is, members)) in recorded {
            if (is || !start) && quorate.contains(&node) != is || !start && !cluster.groups().contains(&members) {
                return Err(format!(
                    "after `{what}` node {node} was recorded as quorate={is} with {members:?}; here {quorate:?} are"
                ));
            }
        }
    }
    Ok(())
}
