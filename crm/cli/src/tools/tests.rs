//! Whole runs of the tools, as cases: `tests/TOOL.txt` holds command lines and, below each, what came of it: what was
//! printed, `! ` before what went to standard error, `~ ` before what changed in the CIB, and the exit status behind
//! `= `. A line `cib FILE` says which CIB the commands below it work on, each on a copy of its own in a directory `HERE`;
//! several on a line, with ` ; ` between them, work on one after the other. `UPDATE=1 cargo test
//! -p cli` writes the answers anew; `tests/conformance/peer/tools.py` runs the same command lines on Pacemaker's tools.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cib::Document;
use cib::patch::{self, Change};

use super::call::Call;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tools/tests");

/// Runs the cases of a file and compares their answers.
fn check(name: &str) {
    let path = Path::new(DIRECTORY).join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap();
    let (mut cib, mut found) = (String::new(), String::new());
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("cib", file)) => {
                cib = file.to_owned();
                found.push_str(&format!("{line}\n\n"));
            }
            Some(("$", command)) => {
                found.push_str(&format!("{line}\n{}\n", answer(command, &cib)));
            }
            _ if line.starts_with('#') => found.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &found).unwrap();
        return;
    }
    let (mut wanted, mut got) = (text.lines(), found.lines());
    let mut command = "";
    loop {
        let (wanted, got) = (wanted.next(), got.next());
        if let Some(line) = got.filter(|line| line.starts_with('$')) {
            command = line;
        }
        assert_eq!(got, wanted, "in {name}.txt, at {command}");
        if got.is_none() {
            break;
        }
    }
}

/// What runs under a tool's name.
fn tool(name: &str) -> fn(&mut Call) -> u8 {
    match name {
        "cibadmin" => super::cibadmin::run,
        "crm_attribute" => super::crm_attribute::run,
        "crm_diff" => super::crm_diff::run,
        "crm_error" => super::crm_error::run,
        "crm_failcount" => super::crm_failcount::run,
        "crm_master" => super::crm_master::run,
        "crm_mon" => super::crm_mon::run,
        "crm_resource" => super::crm_resource::run,
        "crm_rule" => super::crm_rule::run,
        "crm_shadow" => super::crm_shadow::run,
        "crm_standby" => super::crm_standby::run,
        "crm_ticket" => super::crm_ticket::run,
        "iso8601" => super::iso8601::run,
        _ => panic!("no case can run {name} yet"),
    }
}

fn answer(line: &str, cib: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cib.xml");
    fs::copy(Path::new(DIRECTORY).join(cib), &file).unwrap();
    let before = Document::parse(&fs::read_to_string(&file).unwrap()).unwrap();
    let began = crate::cluster::now();
    let (mut text, mut status) = (String::new(), 0);
    for command in line.split(" ; ") {
        status = run(command, directory.path(), &mut text);
    }
    let after = Document::parse(&fs::read_to_string(&file).unwrap()).unwrap();
    for change in patch::diff(&before, &after).changes {
        text.push_str(&format!("~ {}\n", told(&change)));
    }
    // When it happened is another moment each time.
    for moment in began..=crate::cluster::now() {
        text = text.replace(&format!("\"{moment}\""), "\"NOW\"");
    }
    text.push_str(&format!("= {status}\n"));
    text
}

/// Runs one command in a directory, adds what it says, and gives its exit status.
fn run(command: &str, here: &Path, text: &mut String) -> u8 {
    let mut words = words(command);
    let mut input = Vec::new();
    if let Some(at) = words.iter().position(|word| word == "<") {
        input = fs::read(Path::new(DIRECTORY).join(&words[at + 1])).unwrap();
        words.truncate(at);
    }
    let directory = here.display().to_string();
    let mut variables = BTreeMap::from([("CIB_file".to_owned(), format!("{directory}/cib.xml"))]);
    while let Some((name, value)) = words[0].split_once('=').map(|(name, value)| (name.to_owned(), value)) {
        variables.insert(name, value.replace("HERE", &directory));
        words.remove(0);
    }
    let place = |word: &String| match word.strip_prefix("DIR/") {
        Some(file) => Path::new(DIRECTORY).join(file).into_os_string(),
        None => word.into(),
    };
    let mut call = Call::kept(words.iter().map(place).collect(), variables, input);
    let status = tool(&words[0])(&mut call);
    let place = |text: &str| text.replace(&directory, "HERE").replace(DIRECTORY, "DIR");
    text.push_str(&place(&call.out));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    call.err.lines().for_each(|line| text.push_str(&format!("! {}\n", place(line))));
    status
}

/// What says when and by whom a CIB was written.
const SIGNED: [&str; 4] = ["cib-last-written", "update-origin", "update-client", "update-user"];

fn told(change: &Change) -> String {
    match change {
        Change::Create { path, position, xml } => {
            let xml: Vec<&str> = xml.lines().map(str::trim).collect();
            format!("create {path} {position} {}", xml.concat())
        }
        Change::Modify { path, set, unset } => {
            let set = set
                .iter()
                .filter(|(name, _)| !SIGNED.contains(&name.as_str()))
                .map(|(name, value)| format!(" {name}=\"{value}\""));
            let unset = unset.iter().filter(|name| !SIGNED.contains(&name.as_str())).map(|name| format!(" -{name}"));
            format!("modify {path}{}", set.chain(unset).collect::<String>())
        }
        Change::Delete { path } => format!("delete {path}"),
        Change::Move { path, position } => format!("move {path} {position}"),
    }
}

/// A command line as a shell divides it: blanks divide, quotation marks keep together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut open, mut any) = (Vec::new(), String::new(), None, false);
    for character in command.chars() {
        match (open, character) {
            (Some(mark), character) if character == mark => open = None,
            (Some(_), character) => word.push(character),
            (None, '\'' | '"') => (open, any) = (Some(character), true),
            (None, ' ') => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (None, character) => word.push(character),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

#[test]
fn changes_are_told_by_path() {
    let (a, b) = ("<cib><a id='1' x='1'/></cib>", "<cib><a id='1' x='2'/><b/></cib>");
    let (a, b) = (Document::parse(a).unwrap(), Document::parse(b).unwrap());
    let changes: Vec<String> = patch::diff(&a, &b).changes.iter().map(told).collect();
    assert_eq!(changes, ["modify /cib/a[@id='1'] x=\"2\"", "create /cib 1 <b/>"]);
}

#[test]
fn crm_attribute() {
    check("crm_attribute");
}

#[test]
fn crm_resource() {
    check("crm_resource");
}

#[test]
fn small_tools() {
    check("crm_master");
    check("crm_standby");
    check("crm_failcount");
    check("crm_error");
}

#[test]
fn crm_shadow() {
    check("crm_shadow");
}

#[test]
fn crm_ticket() {
    check("crm_ticket");
}

#[test]
fn cibadmin() {
    check("cibadmin");
}

#[test]
fn crm_mon() {
    check("crm_mon");
}

#[test]
fn crm_diff() {
    check("crm_diff");
}

#[test]
fn dates_and_rules() {
    check("crm_rule");
    check("iso8601");
}
