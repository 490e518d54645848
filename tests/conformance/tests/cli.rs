//! The grammar of pcs against pcs itself: what Debian's made of the command lines in `cases/cli`, with its exit statuses,
//! what it printed and the configuration at the end, is recorded there (`peer/pcs.py record`), and ours must be the same.
//! Errors are said in our own words, so standard error is not compared. Commands that need a cluster (`live`) have one on
//! paper: `crm_simulate`, Pacemaker's there and ours here, does what the cluster would do.

use std::fs;
use std::path::{Path, PathBuf};

use cib::Document;
use cli::tools::pcs::foresight;
use pcs::World;
use pcs::agent::Name;
use pcs::foresight::{Foresight, State};
use pcs::pairs::Pairs;

/// The agents whose facts lie beside the cases.
struct Recorded(PathBuf);

impl Recorded {
    fn folder(&self, standard: &str, provider: Option<&str>) -> PathBuf {
        self.0.join(standard).join(provider.unwrap_or(""))
    }
}

fn names(folder: &Path, strip: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(strip).map(str::to_owned)).collect();
    names.sort();
    names
}

impl World for Recorded {
    fn metadata(&self, agent: &Name) -> Result<String, String> {
        let folder = self.folder(&agent.standard, agent.provider.as_deref());
        fs::read_to_string(folder.join(format!("{}.xml", agent.kind))).map_err(|error| error.to_string())
    }
    fn validate(&self, agent: &Name, _: &Pairs) -> Result<(), String> {
        Err(format!("of {agent} only its metadata is here"))
    }
    fn foresee(&self, cib: &Document) -> Result<Foresight, String> {
        foresight::of(cib)
    }
    fn state(&self, cib: &Document, resource: &str) -> Option<State> {
        foresight::state(cib, resource)
    }
    fn standards(&self) -> Vec<String> {
        names(&self.0, "")
    }
    fn providers(&self) -> Vec<String> {
        names(&self.0.join("ocf"), "")
    }
    fn agents(&self, standard: &str, provider: Option<&str>) -> Vec<String> {
        names(&self.folder(standard, provider), ".xml")
    }
    fn now(&self) -> i64 {
        cib::date::parse("2026-06-01", 0).expect("it is a date")
    }
    fn local_node(&self) -> Option<String> {
        None
    }
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("there is no file {path}"))
    }
}

/// Parts a command line at blanks; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut inside) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => (quote, inside) = (Some(c), true),
            (' ', None) if !word.is_empty() || inside => {
                words.push(std::mem::take(&mut word));
                inside = false;
            }
            (' ', None) => {}
            (c, None) => word.push(c),
        }
    }
    if !word.is_empty() || inside {
        words.push(word);
    }
    words
}

/// The configuration with each element's attributes sorted, as the recorder writes it.
fn configuration(cib: &Document) -> Document {
    let mut sorted = cib.subtree(cib.child(cib.root(), "configuration").expect("there is a configuration"));
    for element in sorted.descendants(sorted.root()).collect::<Vec<_>>() {
        let mut attributes: Vec<(String, String)> =
            sorted.attributes(element).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        attributes.sort();
        attributes.iter().for_each(|(name, _)| sorted.unset(element, name));
        attributes.iter().for_each(|(name, value)| sorted.set(element, name, value));
    }
    sorted
}

/// What is printed, but for blanks that mean nothing: those in JSON, and those that bring the moves of a plan below each
/// other, where Pacemaker counts in what it does not show.
fn printed(out: &str) -> Vec<String> {
    out.lines()
        .map(|line| match serde_json::from_str::<serde_json::Value>(line) {
            Ok(value) if value.is_object() => value.to_string(),
            _ if line.contains(" -> ") => line.split_whitespace().collect::<Vec<_>>().join(" "),
            _ => line.trim_end().to_owned(),
        })
        .collect()
}

/// The first line in which two texts differ, with what stands around it.
fn first_difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let at = (0..expected.len().max(found.len())).find(|at| expected.get(*at) != found.get(*at)).unwrap_or(0);
    let some = |lines: &[&str]| {
        let from = at.saturating_sub(3).min(lines.len());
        let cut = |line: &&str| line.chars().take(300).collect::<String>();
        lines[from..(at + 4).min(lines.len())].iter().map(cut).collect::<Vec<_>>().join("\n")
    };
    format!("expected (line {}):\n{}\nfound:\n{}", at + 1, some(&expected), some(&found))
}

/// Whether a case was recorded as on a cluster.
fn is_live(case: &Path) -> bool {
    case.join("live").exists()
}

/// Runs a command line; on a cluster, to its very end.
fn run(live: bool, command: &str, cib: &Document, world: &Recorded) -> pcs::Answer {
    let mut arguments = if live { Vec::new() } else { vec!["-f".to_owned(), "cib.xml".to_owned()] };
    arguments.extend(words(command));
    let mut answer = pcs::run(&arguments, cib, world);
    while let Some(next) = answer.next.take() {
        let changed = answer.cib.take().expect("the first half of a command makes the cluster do something");
        let settled = foresight::of(&changed).expect("the cluster can do it").after;
        let second = pcs::go_on(&next, &settled, world);
        answer.cib = Some(second.cib.unwrap_or(settled));
        answer.out.push_str(&second.out);
        answer.err.push_str(&second.err);
        (answer.status, answer.next) = (second.status, second.next);
    }
    answer
}

fn play(case: &Path, shared: &Path, world: &Recorded) -> Vec<String> {
    let mut wrong = Vec::new();
    let live = is_live(case);
    let own = case.join("base.xml");
    let base = match live {
        true => shared.join("running.xml"),
        false if own.exists() => own,
        false => shared.join("base.xml"),
    };
    let base = fs::read_to_string(base).expect("the case has something to begin with");
    let mut cib = Document::parse(&base).expect("it is XML");
    let expected = fs::read_to_string(case.join("expected.txt")).expect("the case is recorded");
    let steps: Vec<&str> = expected.split("$ ").skip(1).collect();
    let commands = case.join(if live { "live" } else { "commands" });
    let commands = fs::read_to_string(commands).expect("the case has commands");
    assert_eq!(commands.lines().count(), steps.len(), "{} was recorded for other commands", case.display());
    for step in steps {
        let mut lines: Vec<&str> = step.lines().collect();
        let command = lines.remove(0);
        let ended = lines.pop().expect("each step tells how it ended");
        let answer = run(live, command, &cib, world);
        let status = if answer.status == pcs::USAGE { pcs::FAILED } else { answer.status };
        let changed = answer.cib.as_ref().is_some_and(|after| {
            let (after, before) = (configuration(after), configuration(&cib));
            after.to_xml() != before.to_xml()
        });
        let found = format!("exit {status}, {}", if changed { "changed" } else { "unchanged" });
        if found != ended {
            wrong.push(format!("$ {command}\nexpected {ended}, found {found}\n{}", answer.err));
        }
        let theirs: String =
            lines.iter().map(|line| format!("{}\n", line.strip_prefix("| ").unwrap_or("").trim_end())).collect();
        let (theirs, ours) = (printed(&theirs).join("\n"), printed(&answer.out).join("\n"));
        // pcs tells nothing of an error to standard output either.
        if theirs.trim_end() != ours.trim_end() {
            wrong.push(format!("$ {command}\n{}\n{}", first_difference(&theirs, &ours), answer.err));
        }
        if let Some(after) = answer.cib {
            cib = after;
        }
    }
    let after = fs::read_to_string(case.join("after.xml")).expect("the case is recorded");
    let (theirs, ours) = (Document::parse(&after).expect("after.xml is XML").to_xml(), configuration(&cib).to_xml());
    if theirs != ours {
        wrong.push(format!("the configuration at the end: {}", first_difference(&theirs, &ours)));
    }
    wrong
}

#[test]
fn commands_do_what_they_do_in_pcs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/cli");
    let world = Recorded(folder.join("agents"));
    let only = std::env::var("CASE").ok();
    let mut cases: Vec<PathBuf> =
        fs::read_dir(&folder).expect("the cases are there").flatten().map(|one| one.path()).collect();
    cases.retain(|case| case.join("commands").exists() || is_live(case));
    cases.sort();
    assert!(cases.len() > 15, "the cases were found");
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| only.as_deref().is_none_or(|only| case.ends_with(only))) {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        wrong.extend(play(case, &folder, &world).into_iter().map(|text| format!("== {name}: {text}")));
    }
    assert!(wrong.is_empty(), "{} differences\n{}\n", wrong.len(), wrong.join("\n"));
}
