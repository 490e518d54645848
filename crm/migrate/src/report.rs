//! A plan for people, in Markdown and in HTML: one value of titles, paragraphs, lists and tables, written twice.

use std::fmt::Write as _;

use crate::configuration::{commands, document};
use crate::plan::Plan;
use crate::verdict::{Item, Question, Verdict};

/// A piece of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// A title: 1 is that of the whole.
    Title(usize, String),
    /// A paragraph.
    Text(String),
    /// A list.
    List(Vec<String>),
    /// A table: its head, and its rows.
    Table(Vec<String>, Vec<Vec<String>>),
    /// A text as it is.
    Code(String),
}

/// The report of a plan.
pub fn report(plan: &Plan<'_>) -> Vec<Piece> {
    let mut out = vec![Piece::Title(1, "From keepalived to a cluster".into())];
    out.push(Piece::Text(summary(plan)));
    if !plan.advice.is_empty() {
        out.push(Piece::Title(2, "What to know".into()));
        out.push(Piece::List(plan.advice.clone()));
    }
    if !plan.questions.is_empty() {
        out.push(Piece::Title(2, "Questions".into()));
        out.push(Piece::Text(
            "Answers are lines NAME = ANSWER in a file that is given by --answers; the line defaults = yes takes the \
             default of every question that has one. A plan with an open question is not applied."
                .into(),
        ));
        for question in &plan.questions {
            ask(question, &mut out);
        }
    }
    out.push(Piece::Title(2, "How long a failover takes".into()));
    out.push(Piece::Text(times(plan)));
    if !plan.conflicts.is_empty() {
        out.push(Piece::Title(2, "What the files disagree on".into()));
        let rows = plan.conflicts.iter().map(|(unit, one)| {
            let places: Vec<String> = one.places.iter().map(|(host, place)| format!("{host} {place}")).collect();
            vec![unit.clone(), one.message.clone(), one.today.clone(), places.join(", ")]
        });
        out.push(Piece::Table(words(&["Unit", "What", "Today, under keepalived", "Where"]), rows.collect()));
    }
    out.push(Piece::Title(2, "What runs where".into()));
    let rows = plan.units.iter().zip(&plan.resources).map(|(unit, id)| {
        let hosts: Vec<String> = unit.contenders.iter().map(|one| format!("{} ({})", one.host, one.priority)).collect();
        let watched: Vec<String> = unit.watched().iter().map(|one| one.describe()).collect();
        let back = if unit.stays() { "stays" } else { "goes back" };
        vec![
            unit.name.clone(),
            id.clone().unwrap_or_else(|| "nothing".into()),
            hosts.join(", "),
            watched.join(", "),
            back.to_owned(),
        ]
    });
    let head = ["Unit", "Resource", "Hosts (priority)", "Watched", "When the better host is back"];
    out.push(Piece::Table(words(&head), rows.collect()));
    out.push(Piece::Title(2, "What becomes of each line".into()));
    for (kind, title) in [
        ("cannot", "Cannot be carried over"),
        ("question", "Depends on a question"),
        ("with a difference", "Carried over with a difference"),
        ("carried over", "Carried over"),
        ("dropped", "Dropped, since it means nothing afterwards"),
    ] {
        lines(plan.items.iter().filter(|item| item.verdict.kind() == kind), title, &mut out);
    }
    out.push(Piece::Title(2, "The configuration".into()));
    out.push(Piece::Code(document(&plan.configuration).to_xml()));
    out.push(Piece::Title(2, "The same as commands".into()));
    out.push(Piece::Code(commands(&plan.configuration)));
    out.push(Piece::Title(2, "corosync.conf".into()));
    out.push(Piece::Code(plan.corosync.clone()));
    for (name, text) in &plan.files {
        out.push(Piece::Title(2, name.clone()));
        out.push(Piece::Code(text.clone()));
    }
    out
}

/// One sentence on the whole.
pub fn summary(plan: &Plan<'_>) -> String {
    let count = |kind: &str| plan.items.iter().filter(|item| item.verdict.kind() == kind).count();
    let resources: usize = plan.configuration.resources.iter().map(|one| one.primitives().len()).sum();
    format!(
        "{} line(s): {} carried over, {} with a difference, {} depend on a question, {} cannot be carried over, {} \
         dropped. {resources} resource(s) and {} constraint(s) for {} node(s). {} question(s), {} of them open.",
        plan.items.len(),
        count("carried over"),
        count("with a difference"),
        count("question"),
        count("cannot"),
        count("dropped"),
        plan.configuration.constraints.len(),
        plan.configuration.nodes.len(),
        plan.questions.len(),
        plan.open().count(),
    )
}

fn times(plan: &Plan<'_>) -> String {
    let times = plan.times;
    if times.before_ms == 0 {
        return "There is no instance: nothing fails over.".into();
    }
    format!(
        "Before: up to {} ms after the last advert of a lost master. Afterwards: about {} ms with Corosync's token at {} \
         ms, and the time of the fencing on top. An orderly move takes about 100 ms.",
        times.before_ms, times.after_ms, times.token_ms
    )
}

fn ask(question: &Question, out: &mut Vec<Piece>) {
    out.push(Piece::Title(3, question.name.clone()));
    let place = question.place.as_ref().map_or(String::new(), |(host, place)| format!(" ({host} {place})"));
    out.push(Piece::Text(format!("{}{place}", question.text)));
    let choices = question.choices.iter().map(|(choice, then)| {
        let default = if question.default.as_deref() == Some(choice) { " (the default)" } else { "" };
        format!("{choice}{default}: {then}")
    });
    out.push(Piece::List(choices.collect()));
    out.push(Piece::Text(match (&question.answer, &question.default) {
        (Some(answer), _) => format!("Answered: {answer}"),
        (None, Some(default)) => format!("Open; the plan is made as if it were answered with {default}."),
        (None, None) => "Open, and without a default: it has to be answered.".into(),
    }));
}

fn lines<'i>(items: impl Iterator<Item = &'i Item>, title: &str, out: &mut Vec<Piece>) {
    let rows: Vec<Vec<String>> = items
        .map(|item| {
            let (by, difference) = match &item.verdict {
                Verdict::Differs { by, difference } => (by.clone(), difference.clone()),
                other => (other.to_string(), String::new()),
            };
            vec![item.host.clone(), item.place.to_string(), item.text.clone(), by, difference]
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    out.push(Piece::Title(3, title.into()));
    let different = rows.iter().any(|row| !row[4].is_empty());
    let mut head = words(&["Host", "Line", "What stands there", "What becomes of it", "What is different"]);
    let mut rows = rows;
    if !different {
        head.truncate(4);
        rows.iter_mut().for_each(|row| row.truncate(4));
    }
    out.push(Piece::Table(head, rows));
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// The report as Markdown.
pub fn markdown(pieces: &[Piece]) -> String {
    /// What Markdown or HTML in it would take for its own.
    fn plain(text: &str) -> String {
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' => out.extend(['\\', c]),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '&' => out.push_str("&amp;"),
                '\n' | '\r' => out.push(' '),
                c => out.push(c),
            }
        }
        out
    }
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Title(depth, text) => drop(write!(out, "{} {}\n\n", "#".repeat(*depth), plain(text))),
            Piece::Text(text) => drop(write!(out, "{}\n\n", plain(text))),
            Piece::List(list) => {
                for one in list {
                    let _ = writeln!(out, "- {}", plain(one));
                }
                out.push('\n');
            }
            Piece::Table(head, rows) => {
                let line =
                    |row: &[String]| format!("| {} |\n", row.iter().map(|c| plain(c)).collect::<Vec<_>>().join(" | "));
                out += &line(head);
                out += &format!("|{}\n", " --- |".repeat(head.len()));
                rows.iter().for_each(|row| out += &line(row));
                out.push('\n');
            }
            Piece::Code(text) => {
                let longest =
                    text.lines().filter(|line| line.trim_start().starts_with("```")).map(|l| l.trim().len()).max();
                let fence = "`".repeat(longest.map_or(3, |length| length + 1));
                let _ = write!(out, "{fence}\n{}\n{fence}\n\n", text.trim_end());
            }
        }
    }
    out
}

/// The report as HTML, in one page that needs nothing else.
pub fn html(pieces: &[Piece]) -> String {
    fn plain(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    }
    let mut out = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>From keepalived to a cluster</title>\n\
         <style>body{font-family:sans-serif;max-width:70em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}\
         td,th{border:1px solid #aaa;padding:.2em .5em;text-align:left;vertical-align:top}pre{background:#f4f4f4;\
         padding:1em;overflow:auto}</style>\n",
    );
    for piece in pieces {
        match piece {
            Piece::Title(depth, text) => drop(writeln!(out, "<h{depth}>{}</h{depth}>", plain(text))),
            Piece::Text(text) => drop(writeln!(out, "<p>{}</p>", plain(text))),
            Piece::List(list) => {
                let items: String = list.iter().map(|one| format!("<li>{}</li>", plain(one))).collect();
                let _ = writeln!(out, "<ul>{items}</ul>");
            }
            Piece::Table(head, rows) => {
                let row = |cells: &[String], tag: &str| {
                    let cells: String = cells.iter().map(|c| format!("<{tag}>{}</{tag}>", plain(c))).collect();
                    format!("<tr>{cells}</tr>\n")
                };
                let body: String = rows.iter().map(|cells| row(cells, "td")).collect();
                let _ = writeln!(out, "<table>\n{}{body}</table>", row(head, "th"));
            }
            Piece::Code(text) => drop(writeln!(out, "<pre>{}</pre>", plain(text))),
        }
    }
    out + "</html>\n"
}

/// The questions as a file of answers: each with its choices as comments, open ones commented out.
pub fn answers(plan: &Plan<'_>) -> String {
    let mut out = String::from("# NAME = ANSWER; the line \"defaults = yes\" takes every default.\n");
    for question in &plan.questions {
        let _ = write!(out, "\n# {}\n", question.text.replace('\n', " "));
        for (choice, then) in &question.choices {
            let _ = writeln!(out, "#   {choice}: {then}");
        }
        let _ = match &question.answer {
            Some(answer) => writeln!(out, "{} = {answer}", question.name),
            None => writeln!(out, "# {} = {}", question.name, question.holds()),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_file_stays_text() {
        let pieces = [Piece::Title(1, "<b>".into()), Piece::Table(words(&["a|b"]), vec![vec!["x_y\n".into()]])];
        assert_eq!(markdown(&pieces), "# &lt;b&gt;\n\n| a\\|b |\n| --- |\n| x\\_y  |\n\n");
        assert!(html(&pieces).contains("<h1>&lt;b&gt;</h1>\n<table>\n<tr><th>a|b</th></tr>\n<tr><td>x_y\n</td></tr>"));
        assert!(markdown(&[Piece::Code("````".into())]).starts_with("`````\n"));
    }
}
