//! Plans for recorded keepalived.conf files, each alone and those of one cluster together: `keepalived_plan DIR [PCS]`,
//! where DIR holds `index.json` and the files it names. Each gives a plan whose CIB is sound, or a reason with its place
//! why there is none; no file that keepalived accepts may be refused without one. For every PCS-th plan (none if it is
//! not given) the commands are run by pcs on an empty file, and have to give the same CIB.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, ExitCode};

use cib::{Document, Element, check};
use keepalived::{Files, Host, Model};
use migrate::configuration::{commands, document};
use migrate::plan::{Plan, Wishes, plan};
use migrate::verdict::Answers;
use migrate::{prove, report};
use serde_json::Value;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("which directory? It holds index.json and files");
        return ExitCode::from(2);
    };
    let every: usize = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let folder = Path::new(&folder);
    let text = std::fs::read_to_string(folder.join("index.json")).expect("index.json can be read");
    let index: Value = serde_json::from_str(&text).expect("index.json is JSON");
    let mut sets: BTreeMap<String, Vec<(String, Model)>> = BTreeMap::new();
    for file in index.as_array().expect("a list of files") {
        let id = file["id"].as_str().expect("each has an id");
        let name = file["file"].as_str().expect("each has a file");
        let bytes = std::fs::read(folder.join(name)).expect("the file is there");
        let files = Files::one("/etc/keepalived/keepalived.conf", String::from_utf8_lossy(&bytes));
        let read = |host: &str| {
            let model = Model::read(&files, &Host { config_id: host.to_owned(), instance: String::new() });
            (host.to_owned(), model)
        };
        if let Some(pair) = file["pair"].as_str() {
            sets.entry(format!("pair {pair}")).or_default().push(read(id));
        }
        // A file with conditional lines is one for several hosts.
        let hosts = config_ids(files.text(files.main()).unwrap_or_default());
        let hosts = if hosts.is_empty() { vec![read(id)] } else { hosts.iter().map(|host| read(host)).collect() };
        sets.insert(id.to_owned(), hosts);
    }
    let (mut plans, mut refused, mut wrong, mut by_pcs, mut rows, mut differing) = (0, 0, 0, 0, 0, 0);
    for (name, hosts) in &sets {
        let answers = Answers::read("defaults = yes\n").expect("it is well formed");
        match plan(hosts, &answers, &Wishes::default()) {
            Err(refusals) => {
                refused += 1;
                for one in &refusals {
                    println!("no plan for {name}: {}: {}", one.place, one.message);
                }
                wrong += usize::from(refusals.iter().any(|one| one.message.is_empty()));
            }
            Ok(plan) => {
                plans += 1;
                let mut faults = faults(&plan);
                let proof = prove::prove(&plan, prove::ROWS_MAX / 64);
                rows += proof.rows;
                for row in &proof.differences {
                    differing += 1;
                    if row.cause.is_none() {
                        faults.push(format!("not proved: {}", row.describe(&plan)));
                    }
                }
                if every > 0 && plans % every == 0 {
                    by_pcs += 1;
                    faults.extend(run_pcs(&plan));
                }
                if !faults.is_empty() {
                    wrong += 1;
                    println!("WRONG {name}:");
                    faults.iter().take(5).for_each(|line| println!("    {line}"));
                }
            }
        }
    }
    println!(
        "{plans} plans, {refused} refused with reasons; {rows} states compared, {differing} of them differ for a reason that \
         is told; {by_pcs} of the plans run by pcs; {wrong} wrong"
    );
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The hosts that a file has lines for: `@HOST …`.
fn config_ids(text: &str) -> BTreeSet<String> {
    let id = |line: &str| {
        let word = line.trim_start().strip_prefix('@')?.split_whitespace().next()?;
        let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| word.to_owned())
    };
    text.lines().filter_map(id).collect()
}

/// What is wrong with a plan by itself.
fn faults(plan: &Plan<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let document = document(&plan.configuration);
    match Document::parse(&document.to_xml()) {
        Ok(again) => {
            if !check::conforms(&again) {
                faults.push("the CIB does not conform to its schema".to_owned());
            }
            let errors = check::check(&again).into_iter().filter(|one| one.severity == check::Severity::Error);
            faults.extend(errors.map(|one| one.message));
        }
        Err(error) => faults.push(format!("the CIB is no XML: {error}")),
    }
    faults.extend(plan.mistakes.iter().map(|one| one.message.clone()));
    let pieces = report::report(plan);
    let (markdown, html) = (report::markdown(&pieces), report::html(&pieces));
    if markdown.len() < 100 || html.len() < 100 {
        faults.push("the report is empty".to_owned());
    }
    let conf = corosync_conf::Conf::parse(plan.corosync.clone());
    faults.extend(conf.problems().iter().map(|one| format!("corosync.conf: {}", one.message)));
    for item in &plan.items {
        if item.verdict.to_string().is_empty() || item.place.line == 0 {
            faults.push(format!("{} has no verdict or no place", item.path));
        }
    }
    faults
}

/// What pcs makes of the commands, compared with the CIB.
fn run_pcs(plan: &Plan<'_>) -> Vec<String> {
    let folder = std::env::temp_dir().join(format!("systole-pcs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room for temporary files");
    let (file, script) = (folder.join("cib.xml"), folder.join("pcs.sh"));
    let mut empty = plan.configuration.clone();
    (empty.properties, empty.resources, empty.constraints, empty.alerts) = Default::default();
    std::fs::write(&file, document(&empty).to_xml()).expect("the file can be written");
    std::fs::write(&script, commands(&plan.configuration)).expect("the file can be written");
    let output = Command::new("sh").arg(&script).arg(&file).output().expect("there is a shell");
    let mut faults = Vec::new();
    if !output.status.success() {
        faults.push(format!("pcs: {}", String::from_utf8_lossy(&output.stderr).trim()));
    } else {
        let text = std::fs::read_to_string(&file).expect("pcs leaves the file");
        let theirs = Document::parse(&text).expect("pcs writes XML");
        let (mut one, mut other) = (shown(&document(&plan.configuration)), shown(&theirs));
        one.retain(|line| !other.contains(line));
        let ours = shown(&document(&plan.configuration));
        other.retain(|line| !ours.contains(line));
        faults.extend(one.iter().map(|line| format!("pcs leaves out {line}")));
        faults.extend(other.iter().map(|line| format!("pcs adds {line}")));
    }
    std::fs::remove_dir_all(&folder).expect("the folder was made here");
    faults
}

/// A configuration as one line an element, with its path and its attributes in their order by name. What pcs adds to an
/// empty `operations` or as a default is the same as if it were not there.
fn shown(document: &Document) -> Vec<String> {
    fn walk(document: &Document, element: Element, path: &str, lines: &mut Vec<String>) {
        let mut attributes: Vec<String> =
            document.attributes(element).map(|(name, value)| format!("{name}={value:?}")).collect();
        attributes.sort();
        let path = format!("{path}/{}", document.name(element));
        lines.push(format!("{path} {}", attributes.join(" ")));
        for child in document.children(element) {
            walk(document, child, &path, lines);
        }
    }
    let mut lines = Vec::new();
    if let Some(configuration) = document.descend(&["configuration"]) {
        for child in document.children(configuration) {
            walk(document, child, "", &mut lines);
        }
    }
    lines
}
