//! Plans for keepalived.conf files of our own, one folder a case: `HOST.conf` for each host, `answers.txt` if not all
//! questions have their default, and what comes of it in `plan.txt`. A name that begins with `with-nfs` asks for that as
//! well. Every word that keepalived knows stands in at least one case, in each block that knows it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cib::{Document, check};
use conformance::clusters::Chance;
use keepalived::expand::expand;
use keepalived::keywords::{Shape, Side, TOP, Word};
use keepalived::statement::{Statement, parse};
use keepalived::{Files, Host, Model};
use migrate::configuration::{commands, document};
use migrate::plan::{Wishes, plan};
use migrate::prove::prove;
use migrate::verdict::Answers;

/// States that are tried of each unit; the cases are small.
const ROWS: usize = 1024;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/keepalived");
    let entries = fs::read_dir(&folder).expect("the cases are there");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    found.sort();
    found
}

fn confs(case: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(case).expect("a case is a folder");
    let mut found: Vec<(String, String)> = entries
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .map(|path| {
            let name = path.file_stem().and_then(|name| name.to_str()).expect("names are plain").to_owned();
            (name, fs::read_to_string(&path).expect("it is text"))
        })
        .collect();
    found.sort();
    found
}

/// Everything that a plan says, in lines.
fn answer(case: &Path) -> String {
    let mut out = String::new();
    let hosts: Vec<(String, Model)> = confs(case)
        .into_iter()
        .map(|(host, text)| {
            let files = Files::one(format!("/{host}.conf"), text);
            let model = Model::read(&files, &Host { config_id: host.clone(), instance: host.clone() });
            (host, model)
        })
        .collect();
    for (_, model) in &hosts {
        for note in &model.notes {
            let _ = writeln!(out, "note {}: {}", note.place, note.message);
        }
    }
    let answers = fs::read_to_string(case.join("answers.txt")).unwrap_or_else(|_| "defaults = yes\n".to_owned());
    let answers = Answers::read(&answers).expect("the answers are well formed");
    let nfs = case.file_name().is_some_and(|name| name.to_string_lossy().starts_with("with-nfs"));
    let plan = match plan(&hosts, &answers, &Wishes { nfs }) {
        Ok(plan) => plan,
        Err(refusals) => {
            for one in refusals {
                let _ = writeln!(out, "refused {}: {}", one.place, one.message);
            }
            return out;
        }
    };
    assert!(plan.mistakes.is_empty(), "{}: {:?}", case.display(), plan.mistakes);
    for item in &plan.items {
        let _ = writeln!(out, "{} {}: {}: {}", item.place, item.path, item.verdict.kind(), item.verdict);
    }
    for one in &plan.questions {
        let answer = one.answer.as_deref().unwrap_or("(open)");
        let _ = writeln!(out, "question {} = {answer}", one.name);
    }
    for advice in &plan.advice {
        let _ = writeln!(out, "advice: {advice}");
    }
    for (unit, conflict) in &plan.conflicts {
        let _ = writeln!(out, "conflict {unit}: {}", conflict.message);
    }
    let times = plan.times;
    let _ = writeln!(out, "failover: {} ms, then {} ms with token {}", times.before_ms, times.after_ms, times.token_ms);
    let proof = prove(&plan, ROWS);
    let _ = writeln!(out, "proof: {} states, {} differ", proof.rows, proof.differences.len());
    for row in &proof.differences {
        let _ = writeln!(out, "  {}", row.describe(&plan));
        assert!(row.cause.is_some(), "{}: nothing explains {}", case.display(), row.describe(&plan));
    }
    for mistake in &proof.mistakes {
        let _ = writeln!(out, "mistake: {mistake}");
    }
    let xml = document(&plan.configuration).to_xml();
    let again = Document::parse(&xml).expect("it is XML");
    assert!(check::conforms(&again), "{}: the CIB does not conform to its schema", case.display());
    let errors: Vec<_> =
        check::check(&again).into_iter().filter(|one| one.severity == check::Severity::Error).collect();
    assert!(errors.is_empty(), "{}: {errors:?}", case.display());
    out += &commands(&plan.configuration);
    for (name, text) in &plan.files {
        let _ = write!(out, "file {name}:\n{text}");
    }
    out
}

#[test]
fn plans_are_as_recorded() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let path = case.join("plan.txt");
        let found = answer(&case);
        if update {
            fs::write(&path, &found).expect("the answer can be written");
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if let Some((one, other)) = expected.lines().zip(found.lines()).find(|(one, other)| one != other) {
            wrong.push(format!("{}:\n  expected {one}\n  found    {other}", case.display()));
        } else if expected != found {
            wrong.push(format!("{}: one is longer than the other", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 writes them anew", wrong.join("\n"));
}

/// All words by where they stand, such as `vrrp_instance/track_script`, as keepalived knows them.
fn known(words: &'static [Word], path: &str, found: &mut BTreeSet<String>) {
    for word in words {
        let path = format!("{path}{}", word.name);
        if let Shape::Block(inner) = word.shape {
            known(inner, &format!("{path}/"), found);
        }
        found.insert(path);
    }
}

/// The same of what was read.
fn used(statements: &[Statement], path: &str, found: &mut BTreeSet<String>) {
    for statement in statements {
        let path = format!("{path}{}", statement.word());
        used(&statement.block, &format!("{path}/"), found);
        found.insert(path);
    }
}

#[test]
fn every_word_stands_in_a_case() {
    let (mut words, mut tried) = (BTreeSet::new(), BTreeSet::new());
    known(TOP, "", &mut words);
    for (_, text) in cases().iter().flat_map(|case| confs(case)) {
        let (lines, _) = expand(&Files::one("/k", text), &Host::default());
        for side in [Side::Vrrp, Side::Checker, Side::Bfd] {
            used(&parse(&lines, side).0, "", &mut tried);
        }
    }
    let missing: Vec<&String> = words.difference(&tried).collect();
    assert!(missing.is_empty(), "{} of {} words stand in no case: {missing:?}", missing.len(), words.len());
}

/// Texts that are tried by the test; MUTATIONS asks for more.
const MUTATIONS: usize = 300;

/// A text with some of its lines taken out, doubled, moved, cut or mixed with another's.
fn damaged(text: &str, other: &str, chance: &mut Chance) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let others: Vec<&str> = other.lines().collect();
    for _ in 0..=chance.below(6) {
        let (at, to) = (chance.below(lines.len()), chance.below(lines.len()));
        if lines.is_empty() || others.is_empty() {
            break;
        }
        match chance.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            2 => lines.swap(at, to),
            3 => lines.insert(at, others[chance.below(others.len())].to_owned()),
            4 => {
                lines[at] =
                    chance.one(&["}", "{", "@low priority 7", "$A=${A} ${A}", "$A", "\"", "weight -300"]).to_owned()
            }
            5 => {
                let mut words: Vec<&str> = lines[at].split(' ').collect();
                let word = chance.below(words.len());
                words[word] = chance.one(&["0", "-1", "99999999999999999999", "'", "::1/200", "é\u{1}", "a/b", "255"]);
                lines[at] = words.join(" ");
            }
            6 => {
                let bytes = lines[at].as_bytes();
                let cut = chance.below(bytes.len() + 1);
                lines[at] = String::from_utf8_lossy(&bytes[..cut]).into_owned();
            }
            _ => lines[at] = lines[at].replace(' ', chance.one(&["\t", "", " \"", "  #", " !", " {"])),
        }
    }
    lines.join("\n")
}

#[test]
fn whatever_stands_in_a_file_the_plan_is_sound() {
    let texts: Vec<String> = cases().iter().flat_map(|case| confs(case)).map(|(_, text)| text).collect();
    let wanted = std::env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTATIONS);
    let (mut plans, answers) = (0, Answers::read("defaults = yes").expect("it is well formed"));
    for seed in 0..wanted as u64 {
        let mut chance = Chance::new(seed);
        let mut host = |name: &str| {
            let (one, other) = (&texts[chance.below(texts.len())], &texts[chance.below(texts.len())]);
            let files = Files::one(format!("/{name}.conf"), damaged(one, other, &mut chance));
            (name.to_owned(), Model::read(&files, &Host { config_id: name.to_owned(), instance: String::new() }))
        };
        let hosts = [host("low"), host("two")];
        let Ok(plan) = plan(&hosts, &answers, &Wishes::default()) else { continue };
        plans += 1;
        let xml = document(&plan.configuration).to_xml();
        let again = Document::parse(&xml).unwrap_or_else(|error| panic!("seed {seed}: {error}: {xml}"));
        assert!(check::conforms(&again), "seed {seed}: {xml}");
        let errors: Vec<_> =
            check::check(&again).into_iter().filter(|one| one.severity == check::Severity::Error).collect();
        assert!(errors.is_empty(), "seed {seed}: {errors:?}");
        let proof = prove(&plan, 16);
        for row in &proof.differences {
            assert!(row.cause.is_some(), "seed {seed}: nothing explains {}", row.describe(&plan));
        }
        assert!(!migrate::report::html(&migrate::report::report(&plan)).is_empty());
        let _ = migrate::export::export(&again, Some("eth0"));
    }
    assert!(plans > wanted / 20, "only {plans} of {wanted} texts gave a plan: nothing was tried");
}
