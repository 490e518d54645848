//! The answer to "what would a failure do", as a table for people and as JSON for programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::service::Outcome;

/// What was tried, and what came of it.
#[derive(Debug)]
pub struct Report {
    /// All services, by name, in the configuration's order.
    pub services: Vec<Service>,
    /// One entry for each failure, or pair of failures.
    pub cases: Vec<Case>,
}

/// A service as it is before anything fails.
#[derive(Debug)]
pub struct Service {
    /// Its id.
    pub name: String,
    /// It runs, or is to run, and so must not be lost.
    pub counts: bool,
    /// The user says that it may be lost.
    pub may_lose: bool,
    /// Why it does not run although nothing has failed yet.
    pub down: Option<String>,
}

/// One failure and what follows.
#[derive(Debug)]
pub struct Case {
    /// What fails.
    pub fails: Vec<String>,
    /// What becomes of the services that feel it: position in [`Report::services`], outcome, operations.
    pub outcomes: Vec<(usize, Outcome, usize)>,
    /// Operations in all, fencing included.
    pub steps: usize,
    /// The cluster came to rest.
    pub quiet: bool,
    /// The partition has no quorum then.
    pub inquorate: bool,
    /// Nodes that should be fenced and cannot be.
    pub unfenced: Vec<String>,
}

impl Case {
    fn name(&self) -> String {
        self.fails.join(" + ")
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.inquorate {
            remarks.push("those who are left have no quorum".to_owned());
        }
        if !self.unfenced.is_empty() {
            remarks.push(format!("nothing can fence {}", self.unfenced.join(", ")));
        }
        if !self.quiet {
            remarks.push("the cluster does not come to rest".to_owned());
        }
        remarks
    }
}

impl Report {
    /// Names of the services that would be lost and must not be, in order.
    pub fn lost(&self) -> Vec<&str> {
        let mut lost = BTreeSet::new();
        for (at, service) in self.services.iter().enumerate() {
            if service.counts && !service.may_lose && (service.down.is_some() || self.losses(at).next().is_some()) {
                lost.insert(at);
            }
        }
        lost.into_iter().map(|at| &*self.services[at].name).collect()
    }

    fn losses(&self, service: usize) -> impl Iterator<Item = (&Case, &Outcome)> {
        self.felt(service).filter(|(_, outcome)| outcome.is_lost())
    }

    fn felt(&self, service: usize) -> impl Iterator<Item = (&Case, &Outcome)> {
        let of = move |case: &'_ Case| case.outcomes.iter().position(|(at, ..)| *at == service);
        self.cases.iter().filter_map(move |case| of(case).map(|at| (case, &case.outcomes[at].1)))
    }

    /// The table.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.write_cases(&mut out);
        out.push('\n');
        self.write_services(&mut out);
        out.push('\n');
        self.write_verdict(&mut out);
        out
    }

    fn write_cases(&self, out: &mut String) {
        let mut rows = vec![["WHAT FAILS".to_owned(), "STEPS".to_owned(), "WHAT BECOMES OF THE SERVICES".to_owned()]];
        for case in &self.cases {
            let mut lines: Vec<String> = case.remarks().into_iter().map(|remark| format!("({remark})")).collect();
            for (at, outcome, steps) in &case.outcomes {
                let steps = if *steps > 0 && case.outcomes.len() > 1 { format!(" [{steps}]") } else { String::new() };
                lines.push(format!("{} {}{steps}", self.services[*at].name, outcome.text()));
            }
            if lines.is_empty() {
                lines.push("nothing changes".into());
            }
            for (index, line) in lines.into_iter().enumerate() {
                let first = index == 0;
                let name = if first { case.name() } else { String::new() };
                rows.push([name, if first { case.steps.to_string() } else { String::new() }, line]);
            }
        }
        write_table(out, &rows);
    }

    fn write_services(&self, out: &mut String) {
        let mut rows = vec![["SERVICE".to_owned(), "SURVIVES".to_owned(), "LOST WHEN".to_owned()]];
        for (at, service) in self.services.iter().enumerate() {
            if let Some(why) = &service.down {
                rows.push([
                    service.name.clone(),
                    "-".into(),
                    format!("it does not run now, without any failure: {why}"),
                ]);
                continue;
            }
            if !service.counts {
                rows.push([service.name.clone(), "-".into(), "it is told to be stopped".into()]);
                continue;
            }
            let losses: Vec<String> = self.losses(at).map(|(case, _)| case.name()).collect();
            let survives = format!("{} of {}", self.cases.len() - losses.len(), self.cases.len());
            let end = if losses.is_empty() || !service.may_lose { "" } else { " (it may be lost)" };
            let mut losses = losses.into_iter();
            let first = losses.next().map_or("-".into(), |name| format!("{name} fails{end}"));
            rows.push([service.name.clone(), survives, first]);
            rows.extend(losses.map(|name| [String::new(), String::new(), format!("{name} fails")]));
        }
        write_table(out, &rows);
    }

    fn write_verdict(&self, out: &mut String) {
        let lost = self.lost();
        let tried = match self.cases.len() {
            1 => "one case was".to_owned(),
            count => format!("{count} cases were"),
        };
        let _ = match lost.as_slice() {
            [] => writeln!(out, "{tried} tried: no service is lost that must not be."),
            [one] => writeln!(out, "{tried} tried: {one} would be lost."),
            many => writeln!(out, "{tried} tried: {} services would be lost: {}.", many.len(), many.join(", ")),
        };
        let unwatched: BTreeSet<usize> = (0..self.services.len())
            .filter(|at| self.felt(*at).any(|(_, outcome)| *outcome == Outcome::Unnoticed))
            .collect();
        if !unwatched.is_empty() {
            let names: Vec<&str> = unwatched.into_iter().map(|at| &*self.services[at].name).collect();
            let _ = writeln!(
                out,
                "Nobody would notice that {} failed: add <op name=\"monitor\" interval=\"10s\"/>.",
                names.join(", ")
            );
        }
    }

    /// It for programs.
    pub fn json(&self) -> Value {
        let outcome = |(at, outcome, steps): &(usize, Outcome, usize)| {
            let to = match outcome {
                Outcome::Moved { to } | Outcome::PromotedElsewhere { to } => Some(to),
                Outcome::Fewer { left, .. } => Some(left),
                _ => None,
            };
            let why = if let Outcome::Lost { why } = outcome { Some(why) } else { None };
            let nodes: Option<Vec<&str>> = to.map(|to| to.split(", ").collect());
            json!({"service": self.services[*at].name, "outcome": outcome.word(), "nodes": nodes, "steps": steps, "why": why})
        };
        let case = |case: &Case| {
            json!({
                "fails": case.fails,
                "steps": case.steps,
                "settled": case.quiet,
                "quorum": !case.inquorate,
                "unfenced": case.unfenced,
                "services": case.outcomes.iter().map(outcome).collect::<Vec<_>>(),
            })
        };
        let service = |(at, service): (usize, &Service)| {
            let losses: Vec<&Vec<String>> = self.losses(at).map(|(case, _)| &case.fails).collect();
            json!({
                "service": service.name,
                "must_survive": service.counts && !service.may_lose,
                "down_now": service.down,
                "survives": self.cases.len() - losses.len(),
                "lost_when": losses,
            })
        };
        json!({
            "cases": self.cases.iter().map(case).collect::<Vec<_>>(),
            "services": self.services.iter().enumerate().map(service).collect::<Vec<_>>(),
            "lost": self.lost(),
        })
    }
}

/// Columns as wide as their widest cell; the last is not filled up.
fn write_table(out: &mut String, rows: &[[String; 3]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    for [a, b, c] in rows {
        let _ = writeln!(out, "{}", format!("{a:<first$}  {b:<second$}  {c}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(may_lose: bool) -> Report {
        let service = |name: &str, down: Option<&str>| Service {
            name: name.into(),
            counts: true,
            may_lose,
            down: down.map(str::to_owned),
        };
        let case = |name: &str, outcomes| Case {
            fails: vec![name.into()],
            outcomes,
            steps: 3,
            quiet: true,
            inquorate: false,
            unfenced: vec![],
        };
        let lost = Outcome::Lost { why: "so".into() };
        Report {
            services: vec![service("web", None), service("db", Some("no disk"))],
            cases: vec![
                case("node one", vec![(0, Outcome::Moved { to: "two".into() }, 2)]),
                case("node two", vec![(0, lost, 1)]),
                case("fence device x", vec![]),
            ],
        }
    }

    #[test]
    fn it_is_a_table() {
        let expected = "\
WHAT FAILS      STEPS  WHAT BECOMES OF THE SERVICES
node one        3      web moves to two
node two        3      web IS LOST: so
fence device x  3      nothing changes

SERVICE  SURVIVES  LOST WHEN
web      2 of 3    node two fails
db       -         it does not run now, without any failure: no disk

3 cases were tried: 2 services would be lost: web, db.
";
        assert_eq!(report(false).text(), expected);
    }

    #[test]
    fn what_may_be_lost_is_no_loss() {
        assert_eq!(report(false).lost(), ["web", "db"]);
        assert!(report(true).lost().is_empty() && report(true).text().contains("node two fails (it may be lost)"));
        assert_eq!(report(true).json()["services"][0]["lost_when"], json!([["node two"]]));
    }
}
