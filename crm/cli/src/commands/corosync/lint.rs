//! `systole corosync lint`: what is wrong with a corosync.conf, shown in its lines, and mended if asked.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::{Conf, Facts, Finding, Severity, apply, lint};
use serde_json::{Value, json};

use super::ConfFile;
use crate::commands::Command;
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "lint", grammar, run };

/// Fixing one thing can show another; a file is looked at again at most so often.
const ROUNDS: usize = 8;

fn grammar() -> clap::Command {
    let after = "Knows what `corosync -t` does not say: options that do not go together, keys nobody reads, addresses that \
                 stand there twice, words that mean off. For /etc/corosync/corosync.conf, and with --here for any file, \
                 this host's name, addresses, look-ups and key are compared as well.\n\nThe exit status is 1 if there is \
                 an error, 0 with warnings and advice alone.\n\nExamples:\n  systole corosync lint\n  systole corosync lint corosync.conf --fix";
    clap::Command::new("")
        .about("Say what is wrong with a corosync.conf, why, and what to do")
        .after_help(after)
        .arg(ConfFile::argument())
        .arg(Arg::new("fix").long("fix").action(ArgAction::SetTrue).help("Mend what can be mended without asking; the file as it was stays beside it, with ~ behind its name"))
        .arg(Arg::new("here").long("here").action(ArgAction::SetTrue).help("The file is for this host"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs: a list of {\"rule\", \"severity\", \"line\", \"column\", \"message\", \"why\", \"remedy\", \"fixable\"}"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut file = ConfFile::from_arguments(arguments)?;
    let facts = if arguments.get_flag("here") || file.is_this_hosts() { file.facts() } else { Facts::default() };
    let json = arguments.get_flag("json");
    if arguments.get_flag("fix") {
        let (conf, fixed) = fix(&file.conf, &facts);
        if !fixed.is_empty() {
            let kept = file.write(conf.text())?;
            file.conf = conf;
            if !json {
                let lines: String = fixed.iter().map(|line| format!("  {line}\n")).collect();
                print(&format!("Mended in {} (as it was: {}):\n{lines}\n", file.name, kept.display()))?;
            }
        } else if !json {
            print("Nothing can be mended without you.\n")?;
        }
    }
    let found = lint(&file.conf, &facts);
    if json {
        print_json(&as_json(&file.conf, &found))?;
    } else {
        print(&text(&file.name, &file.conf, &found, Paint::for_output().is_on()))?;
    }
    let errors = found.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if errors { EXIT_FAILURE } else { EXIT_OK })
}

/// The file with all fixes made, and what was made, a line each.
fn fix(conf: &Conf, facts: &Facts) -> (Conf, Vec<String>) {
    let mut conf = conf.clone();
    let mut made = Vec::new();
    for _ in 0..ROUNDS {
        let found: Vec<Finding> = lint(&conf, facts).into_iter().filter(|finding| !finding.fix.is_empty()).collect();
        let text = apply(conf.text(), &found);
        if text == conf.text() {
            break;
        }
        made.extend(found.iter().map(|finding| format!("{}: {}", finding.message, finding.remedy)));
        conf = Conf::parse(text);
    }
    made.dedup();
    (conf, made)
}

fn text(name: &str, conf: &Conf, found: &[Finding], colour: bool) -> String {
    let count = |severity| found.iter().filter(|finding| finding.severity == severity).count();
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out: String = found.iter().map(|finding| renderer.render(&[group(name, conf, finding)]) + "\n\n").collect();
    let number = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let counts = [
        number(count(Severity::Error), "error", "errors"),
        number(count(Severity::Warning), "warning", "warnings"),
        number(count(Severity::Advice), "piece of advice", "pieces of advice"),
    ];
    out += &if found.is_empty() {
        format!("{name}: nothing is wrong.\n")
    } else {
        format!("{name}: {}.\n", counts.join(", "))
    };
    let fixable = found.iter().filter(|finding| !finding.fix.is_empty()).count();
    if fixable > 0 {
        out += &format!("{fixable} of them can be mended with --fix.\n");
    }
    out
}

fn group<'f>(name: &'f str, conf: &'f Conf, finding: &'f Finding) -> Group<'f> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Advice => Level::INFO.with_name("advice"),
    };
    let title = level.primary_title(&finding.message).id(finding.rule);
    let mut group = Group::with_title(title);
    if let Some(span) = finding.span {
        let mut snippet = Snippet::source(conf.text()).path(name);
        snippet = snippet.annotation(AnnotationKind::Primary.span(span.start..span.end));
        for (span, what) in &finding.also {
            snippet = snippet.annotation(AnnotationKind::Context.span(span.start..span.end).label(what));
        }
        group = group.element(snippet);
    }
    group.element(Level::NOTE.with_name("why").message(&finding.why)).element(Level::HELP.message(&finding.remedy))
}

fn as_json(conf: &Conf, found: &[Finding]) -> Value {
    let object = |finding: &Finding| {
        let position = finding.span.map(|span| conf.position(span.start));
        json!({
            "rule": finding.rule,
            "severity": match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Advice => "advice",
            },
            "line": position.map(|(line, _)| line),
            "column": position.map(|(_, column)| column),
            "message": finding.message,
            "why": finding.why,
            "remedy": finding.remedy,
            "fixable": !finding.fix.is_empty(),
        })
    };
    found.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "totem {\n    version: 2\n    config_version: 1\n    secauth: on\n    tokn: 5000\n}\nnodelist {\n    node {\n        name: a\n        nodeid: 1\n        ring0_addr: 10.0.0.1\n    }\n    node {\n        name: b\n        nodeid: 1\n        ring0_addr: 10.0.0.2\n    }\n}\nquorum {\n    provider: corosync_votequorum\n    two_node: yes\n}\n";

    #[test]
    fn findings_are_shown_in_their_lines() {
        let conf = Conf::parse(FILE);
        let found = lint(&conf, &Facts::default());
        let shown = text("corosync.conf", &conf, &found, false);
        let expected = "\
error[nodes]: nodeid 1 stands there twice
  --> corosync.conf:15:17
   |
10 |         nodeid: 1
   |                 - the first one
...
15 |         nodeid: 1
   |                 ^
   |
   = why: Corosync refuses the file
   = help: give each node an id of its own; keep those of nodes that are running
";
        assert!(shown.starts_with(expected), "{shown}");
        assert!(
            shown.ends_with(
                "corosync.conf: 2 errors, 1 warning, 1 piece of advice.\n2 of them can be mended with --fix.\n"
            ),
            "{shown}"
        );
        assert_eq!(as_json(&conf, &found)[0]["line"], 15);
    }

    #[test]
    fn what_is_mended_is_said() {
        let (conf, made) = fix(&Conf::parse(FILE), &Facts::default());
        assert!(
            conf.text().contains("    token: 5000\n") && conf.text().contains("    two_node: 1\n"),
            "{}",
            conf.text()
        );
        assert_eq!(
            made,
            [
                "quorum.two_node is `yes`; it has to be 0 or 1: write `two_node: 1`",
                "totem.tokn is not known to Corosync: did you mean token?"
            ]
        );
    }
}
