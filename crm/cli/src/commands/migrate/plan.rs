//! `systole migrate keepalived plan`: what becomes of each line of the hosts' files, as a configuration, as commands of
//! pcs and as a report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use keepalived::{Files, Model, Note, Severity};
use migrate::collected::Collected;
use migrate::configuration::{commands, document};
use migrate::plan::{Plan, Refusal, Wishes, plan};
use migrate::report;
use migrate::verdict::{Answers, Mistake};
use serde_json::{Value, json};

use super::files::{self, render};
use crate::commands::Command;
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "plan", grammar, run };

/// A file of answers is written by hand; a larger one is something else.
const ANSWERS_MAX: u64 = 1 << 20;

/// The arguments that make a plan, for all commands that need one.
pub(super) fn arguments() -> Vec<Arg> {
    vec![
        files::argument(),
        Arg::new("answers")
            .long("answers")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Answers to the plan's questions: lines NAME = ANSWER; defaults = yes takes every default"),
        Arg::new("with")
            .long("with")
            .value_name("WHAT")
            .value_parser(["nfs"])
            .action(ArgAction::Append)
            .help("nfs: a disk that is exported by NFS goes with the first addresses; the plan asks which"),
    ]
}

fn grammar() -> clap::Command {
    let after = "Every line of every file becomes one of: carried over, with a difference, a question, cannot be carried \
                 over, dropped; each with a sentence. --out writes answers.txt (the questions, to be filled in), plan.md, \
                 plan.html, cib.xml, pcs.sh (the same as commands), corosync.conf, and what else there is to keep.\n\n\
                 The exit status is 1 if a file cannot be used, or if a question is open.\n\n--json keys: \"refused\", \
                 \"questions\", \"items\", \"advice\", \"times\", \"cib\".\n\nExamples:\n  \
                 systole migrate keepalived plan one=one.conf two=two.conf --out plan\n  \
                 systole migrate keepalived plan one=one.conf two=two.conf --answers plan/answers.txt --out plan";
    clap::Command::new("")
        .about("Plan the same as a cluster's configuration, and say what becomes of each line")
        .after_help(after)
        .args(arguments())
        .args([
            Arg::new("out")
                .long("out")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Write the plan's files into this directory"),
            Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs; the keys are below"),
        ])
}

/// What a plan is made from.
pub(super) struct Source {
    pub hosts: Vec<(String, Model)>,
    pub scanned: Vec<Files>,
    pub collected: Vec<Option<Collected>>,
    pub answers: Answers,
    pub wishes: Wishes,
}

impl Source {
    pub(super) fn read(arguments: &ArgMatches) -> anyhow::Result<Source> {
        let files::Given { hosts, scanned, collected } = files::hosts(arguments)?;
        let answers = match arguments.get_one::<PathBuf>("answers") {
            Some(path) => read_answers(path)?,
            None => Answers::default(),
        };
        let wishes =
            Wishes { nfs: arguments.get_many::<String>("with").is_some_and(|mut all| all.any(|w| w == "nfs")) };
        Ok(Source { hosts, scanned, collected, answers, wishes })
    }

    /// The plan; mistakes in the answers are an error with their place.
    fn plan(&self, arguments: &ArgMatches) -> anyhow::Result<Result<Box<Plan<'_>>, Vec<Refusal>>> {
        let plan = plan(&self.hosts, &self.answers, &self.wishes);
        if let (Ok(plan), Some(path)) = (&plan, arguments.get_one::<PathBuf>("answers"))
            && !plan.mistakes.is_empty()
        {
            let text = fs::read_to_string(path).unwrap_or_default();
            let shown: Vec<String> = plan.mistakes.iter().map(|one| shown_mistake(path, &text, one)).collect();
            bail!("{}", shown.join("\n"));
        }
        Ok(plan)
    }

    /// The plan, for a command that needs one; where there is none, why is printed.
    pub(super) fn plan_or_say_why(&self, arguments: &ArgMatches) -> anyhow::Result<Option<Box<Plan<'_>>>> {
        match self.plan(arguments)? {
            Ok(plan) => Ok(Some(plan)),
            Err(refusals) => {
                print(&self.refused(&refusals, Paint::for_output()))?;
                Ok(None)
            }
        }
    }

    /// Why there is no plan, each with its line and a caret.
    fn refused(&self, refusals: &[Refusal], paint: Paint) -> String {
        let line = |one: &Refusal| {
            let at = self.hosts.iter().position(|(host, _)| *host == one.host).unwrap_or(0);
            // What is missing is missing in the whole file.
            let place = match one.place.line {
                0 => keepalived::Place { file: self.scanned[at].main().to_owned(), line: 1 },
                _ => one.place.clone(),
            };
            let note = Note {
                severity: Severity::Error,
                place,
                message: format!("no plan: {}: {}", one.host, one.message),
                word: one.word.clone(),
            };
            render(&self.scanned[at], &note, paint.is_on()) + "\n"
        };
        refusals.iter().map(line).collect()
    }
}

fn read_answers(path: &Path) -> anyhow::Result<Answers> {
    let meta = fs::metadata(path).with_context(|| format!("looking at the answers in {}", path.display()))?;
    if meta.len() > ANSWERS_MAX {
        bail!(
            "{} has {} bytes; expected lines NAME = ANSWER, as in the plan's answers.txt",
            path.display(),
            meta.len()
        );
    }
    let bytes = fs::read(path).with_context(|| format!("reading the answers in {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    Answers::read(&text).map_err(|mistake| anyhow::anyhow!("{}", shown_mistake(path, &text, &mistake)))
}

fn shown_mistake(path: &Path, text: &str, mistake: &Mistake) -> String {
    let place = keepalived::Place { file: path.display().to_string(), line: mistake.line };
    // The reader's files have absolute names; the one that is shown is the one that was given.
    let files = Files::one(place.file.clone(), text);
    let place = keepalived::Place { file: files.main().to_owned(), ..place };
    let note = Note { severity: Severity::Error, place, message: mistake.message.clone(), word: mistake.word.clone() };
    render(&files, &note, false)
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let source = Source::read(arguments)?;
    let plan = match source.plan(arguments)? {
        Ok(plan) => plan,
        Err(refusals) => {
            if arguments.get_flag("json") {
                let list: Vec<Value> = refusals
                    .iter()
                    .map(|one| json!({"host": one.host, "file": one.place.file, "line": one.place.line, "message": one.message}))
                    .collect();
                print_json(&json!({ "refused": list }))?;
            } else {
                print(&source.refused(&refusals, Paint::for_output()))?;
            }
            return Ok(EXIT_FAILURE);
        }
    };
    if let Some(folder) = arguments.get_one::<PathBuf>("out") {
        write(folder, &plan)?;
    }
    match (arguments.get_flag("json"), arguments.get_one::<PathBuf>("out")) {
        (true, _) => print_json(&as_json(&plan))?,
        (false, Some(folder)) => print(&short(&plan, Some(folder), Paint::for_output()))?,
        (false, None) => print(&report::markdown(&report::report(&plan)))?,
    }
    Ok(if plan.open().next().is_some() { EXIT_FAILURE } else { EXIT_OK })
}

/// All files of a plan.
pub(super) fn write(folder: &Path, plan: &Plan<'_>) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making the directory {}", folder.display()))?;
    let pieces = report::report(plan);
    let mut all = vec![
        ("answers.txt".to_owned(), report::answers(plan)),
        ("plan.md".to_owned(), report::markdown(&pieces)),
        ("plan.html".to_owned(), report::html(&pieces)),
        ("cib.xml".to_owned(), document(&plan.configuration).to_xml()),
        ("pcs.sh".to_owned(), commands(&plan.configuration)),
        ("corosync.conf".to_owned(), plan.corosync.clone()),
    ];
    // Names of hosts are part of these; none of them leads out of the directory.
    all.extend(plan.files.iter().map(|(name, text)| (name.replace('/', "-"), text.clone())));
    for (name, text) in all {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn short(plan: &Plan<'_>, folder: Option<&Path>, paint: Paint) -> String {
    let mut out = report::summary(plan) + "\n";
    for advice in &plan.advice {
        out += &format!("\n{advice}.\n");
    }
    let open: Vec<_> = plan.open().collect();
    if !open.is_empty() {
        out += &format!("\n{}\n", paint.title("Open questions"));
        for question in open {
            let default = question.default.as_ref().map_or("none".to_owned(), |default| format!("{default:?}"));
            out += &format!("  {}: {} (default: {default})\n", question.name, question.text);
        }
    }
    if let Some(folder) = folder {
        out += &format!(
            "\nThe plan is in {0}: plan.md, plan.html, cib.xml, pcs.sh, corosync.conf, and answers.txt to fill in.\n",
            folder.display()
        );
    }
    out
}

fn as_json(plan: &Plan<'_>) -> Value {
    let place = |host: &str, place: &keepalived::Place| json!({"host": host, "file": place.file, "line": place.line});
    json!({
        "questions": plan.questions.iter().map(|one| json!({
            "name": one.name, "text": one.text, "default": one.default, "answer": one.answer,
            "choices": one.choices.iter().map(|(choice, then)| json!({"answer": choice, "then": then})).collect::<Value>(),
        })).collect::<Value>(),
        "items": plan.items.iter().map(|one| json!({
            "place": place(&one.host, &one.place), "path": one.path, "text": one.text, "verdict": one.verdict.kind(),
            "sentence": one.verdict.to_string(),
        })).collect::<Value>(),
        "advice": plan.advice,
        "times": {"before_ms": plan.times.before_ms, "after_ms": plan.times.after_ms, "token_ms": plan.times.token_ms},
        "cib": document(&plan.configuration).to_xml(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_written_with_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, priority: u8| {
            let path = folder.path().join(name);
            let text = format!(
                "vrrp_instance WEB {{\n interface eth0\n virtual_router_id 51\n priority {priority}\n virtual_ipaddress {{\n 10.0.0.9/24\n }}\n}}\n"
            );
            fs::write(&path, text).unwrap();
            format!("{name}={}", path.display())
        };
        let (one, two) = (file("one", 150), file("two", 100));
        let out = folder.path().join("out");
        let out = out.to_str().unwrap();
        let matches = grammar().no_binary_name(true).get_matches_from([one.as_str(), &two, "--out", out]);
        assert_eq!(run(&matches).unwrap(), EXIT_FAILURE, "questions are open");
        let answers = format!("{out}/answers.txt");
        let text = fs::read_to_string(&answers).unwrap();
        assert!(text.contains("# fencing = none\n"), "{text}");
        fs::write(&answers, text + "defaults = yes\n").unwrap();
        let words = [one.as_str(), &two, "--answers", &answers, "--out", out];
        assert_eq!(run(&grammar().no_binary_name(true).get_matches_from(words)).unwrap(), EXIT_OK);
        assert!(fs::read_to_string(format!("{out}/cib.xml")).unwrap().contains("10.0.0.9"));
        fs::write(&answers, "fencing = none\nnonsense = 1\n").unwrap();
        let error = run(&grammar().no_binary_name(true).get_matches_from(words)).unwrap_err().to_string();
        assert!(error.contains("nonsense is not asked") && error.contains("2 | nonsense = 1\n  | ^^^^^^^^"), "{error}");
    }
}
