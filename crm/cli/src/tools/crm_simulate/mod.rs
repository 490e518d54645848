//! `crm_simulate`: what a cluster would do from the state in a CIB, shown and carried out on paper.
//!
//! It reads the input, shows it, changes it as asked, plans, writes the plan down, carries it out and shows the
//! outcome. What is decided is `policy`'s; how it looks is `output`'s; this keeps the order and the options.

pub mod execute;
pub mod history;
pub mod inject;
pub mod options;
mod picture;
mod profile;
mod report;
pub mod step;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cib::Document;
use cib::check::{Severity, is_taken, whole};
use clap::Parser;
use policy::{Input, Plan, Reader};

use self::execute::{End, Execution};
use self::options::{Operation, Options, Source};
use self::report::{Moment, Report};
use super::Tool;
use super::status::{self, Failure};
use crate::file::CibFile;

/// Files are written in pieces of so many bytes: large enough that calls of the system do not count.
const PIECE: usize = 1 << 16;

/// So many errors are told: who has more of them uses `crm_verify`, and wants to see the first ones on the screen.
const MOST_ERRORS: usize = 5;

/// The tool.
pub const TOOL: Tool = Tool { name: "crm_simulate", about: "Simulate a cluster's response to events", run };

fn run(arguments: Vec<OsString>) -> u8 {
    let options = match Options::try_parse_from(&arguments) {
        Ok(options) => options,
        Err(error) => return status::of_usage(&error),
    };
    let mut out = match Report::new(&options, &arguments) {
        Ok(out) => out,
        Err(failure) => return failure.tell("crm_simulate"),
    };
    let outcome = match &options.profile {
        Some(directory) => profile::run(directory, &options, &mut out),
        None => simulate(&options, &mut out),
    };
    out.finish("crm_simulate", outcome)
}

fn simulate(options: &Options, out: &mut Report<'_>) -> Result<(), Failure> {
    let mut cib = admit(read(options)?)?;
    let clock = Clock::new(&cib, options)?;

    clock.tell(out);
    if options.injects() {
        let cluster = policy::read_status(&cib, clock.now);
        out.current(&cib, &cluster);
        out.begin_changes();
        let now = clock.recording(&cib);
        let complaints = inject::inject(&mut cib, &cluster, options, now, out.tell());
        out.end();
        out.hush();
        out.flush()?;
        complaints.iter().for_each(|complaint| out.complain(complaint));
        clock.tell(out);
        out.hush();
    }
    let mut input = clock.input(&cib);
    input.scores = options.show_scores;
    input.utilization = options.show_utilization;
    // What is shown is what the plan is made from, so it is read only once.
    let reader = Reader::new(&input);
    let status = reader.read();
    if !options.injects() {
        out.current(&cib, status.cluster());
    }
    save(options.save_input.as_deref(), || cib.to_xml())?;

    let mut end = End::Complete;
    if options.plans() {
        let plan = status.plan();
        if options.verbose > 0 {
            plan.warnings.iter().for_each(|warning| out.complain(&format!("warning: {warning}")));
        }
        out.scores(&plan);
        save_drawing(options.save_graph.as_deref(), || transition::xml::text(&plan.transition))?;
        save_drawing(options.save_dotfile.as_deref(), || {
            picture::of(&plan.cluster, options.all_actions, options.verbose > 0).write()
        })?;
        out.summary(&plan);
        if options.executes() {
            end = carry_out(out, options, &clock, &mut cib, &plan)?;
        }
        // The process is about to end: giving back what may be a million small pieces would only take time.
        std::mem::forget(plan);
    }
    out.flush()?;
    save(options.save_output.as_deref(), || cib.to_xml())?;
    if let (true, Source::File(path)) = (options.in_place, options.source()) {
        save(Some(path), || cib.to_xml())?;
    }
    match end {
        End::Complete => Ok(()),
        End::Stuck => Err(Failure::silent(status::ERROR)),
    }
}

/// What `crm_simulate --simulate` says of a CIB, the plan, and the CIB once it is carried out.
///
/// # Errors
/// When it is no CIB that could be planned for.
pub fn foresee(cib: &Document) -> Result<(String, Plan, Document), Failure> {
    let options = Options::try_parse_from(["crm_simulate", "--simulate"])
        .map_err(|error| Failure::new(status::USAGE, error.to_string()))?;
    let text = report::Kept::default();
    let mut out = Report::to(&options, Box::new(text.clone()));
    let mut cib = status::prepare(cib.clone())?;
    let clock = Clock::new(&cib, &options)?;
    clock.tell(&mut out);
    let plan = {
        let input = clock.input(&cib);
        let reader = Reader::new(&input);
        let status = reader.read();
        out.current(&cib, status.cluster());
        status.plan()
    };
    out.summary(&plan);
    let end = carry_out(&mut out, &options, &clock, &mut cib, &plan)?;
    out.flush()?;
    match end {
        End::Complete => Ok((text.take(), plan, cib)),
        End::Stuck => Err(Failure::new(status::ERROR, "the plan could not be carried out on paper".to_owned())),
    }
}

fn read(options: &Options) -> Result<CibFile, Failure> {
    let file = match options.source() {
        Source::File(path) => status::read_file(path),
        Source::StandardInput => status::read_standard_input(),
        Source::Live => {
            let document = status::read_live(&options.socket)?;
            return Ok(CibFile { name: "the running cluster".to_owned(), text: String::new(), document });
        }
    };
    // To Pacemaker's tool no input and no CIB are the same.
    file.map_err(|failure| Failure { status: status::BAD_DATA, ..failure })
}

/// The CIB of a file, ready to be planned from, if Pacemaker would take it; if not, why: what is wrong, where, and what
/// to do.
fn admit(file: CibFile) -> Result<Document, Failure> {
    let CibFile { name, text, document } = file;
    let cib = status::prepare(document)?;
    if is_taken(&cib) {
        return Ok(cib);
    }
    let errors = whole(&cib).into_iter().filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|finding| finding.render(&name, &text)).collect();
    let what = "the configuration is not as its schema says, so nothing was done";
    let mut lines = vec![format!("{what}; `systole simulate --force` goes on all the same")];
    lines.extend(errors.iter().take(MOST_ERRORS).cloned());
    if errors.len() > MOST_ERRORS {
        lines.push(format!("{} errors in all; crm_verify tells the others", errors.len()));
    }
    let message = lines.join("\n");
    Err(Failure::new(status::BAD_CONFIGURATION, message))
}

fn save<T: Display>(path: Option<&Path>, text: impl FnOnce() -> T) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let write = || {
        let mut file = BufWriter::with_capacity(PIECE, File::create(path)?);
        write!(file, "{}", text())?;
        file.flush()
    };
    write().map_err(|error: io::Error| Failure::cannot_create(path, &error))
}

/// As [`save`], for a picture of the transition: there Pacemaker's status says only that it failed.
fn save_drawing<T: Display>(path: Option<&Path>, text: impl FnOnce() -> T) -> Result<(), Failure> {
    save(path, text).map_err(|failure| Failure { status: status::IO_ERROR, ..failure })
}

/// The time the plan is made for, and where it comes from.
struct Clock {
    now: i64,
    /// What to say about it, if it is not simply now.
    note: Option<String>,
}

impl Clock {
    fn new(cib: &Document, options: &Options) -> Result<Self, Failure> {
        let today = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        if let Some(text) = &options.set_datetime {
            let now = cib::date::parse(text, today).ok_or_else(|| {
                let message =
                    format!("--set-datetime: expected an ISO 8601 date such as 2024-02-29 12:30:00Z, found \"{text}\"");
                Failure::new(status::USAGE, message)
            })?;
            return Ok(Clock { now, note: Some(format!("Setting effective cluster time: {text}")) });
        }
        let recorded = cib.attribute(cib.root(), "execution-date").and_then(|text| text.parse().ok());
        Ok(match recorded {
            Some(now) => {
                let date = cib::date::format(now);
                Clock { now, note: Some(format!("Using the original execution date of: {date}")) }
            }
            None => Clock { now: today, note: None },
        })
    }

    fn tell(&self, out: &mut Report<'_>) {
        if let Some(note) = &self.note {
            out.note(note);
        }
    }

    /// The time new results get: whatever is in the history came before them, even if the plan is made for a time
    /// before that.
    fn recording(&self, cib: &Document) -> i64 {
        let status = cib.child(cib.root(), "status");
        let entries = status.into_iter().flat_map(|status| cib.descendants(status));
        let times = entries.filter_map(|entry| cib.attribute(entry, "last-rc-change")?.parse::<i64>().ok());
        times.max().map_or(self.now, |last| self.now.max(last.saturating_add(1)))
    }

    fn input<'a>(&self, cib: &'a Document) -> Input<'a> {
        // What people show of their clusters has its secrets hidden; that alone is no change of a configuration.
        Input { sanitized: true, ..Input::new(cib, self.now) }
    }
}

fn carry_out(
    out: &mut Report<'_>,
    options: &Options,
    clock: &Clock,
    cib: &mut Document,
    plan: &Plan,
) -> Result<End, Failure> {
    // What was said so far stands before what execution says, and before its complaints.
    out.flush()?;
    let parsed: Vec<Result<Operation, String>> = options.op_fail.iter().map(|text| text.parse()).collect();
    let (failures, complaints): (Vec<_>, Vec<_>) = parsed.into_iter().partition(Result::is_ok);
    let failures: Vec<Operation> = failures.into_iter().flatten().collect();
    complaints.into_iter().filter_map(Result::err).for_each(|complaint| out.complain(&complaint));
    out.begin_execution();
    let now = clock.recording(cib);
    let mut execution = Execution {
        cib,
        cluster: &plan.cluster,
        failures: &failures,
        now,
        forget_cancelled: false,
        configure_nodes: !options.node_up.is_empty(),
        list: out.tell(),
    };
    let end = execution.run(&plan.transition);
    out.end();
    out.hush();
    let begins = |id| plan.transition.inputs(id).next().is_none() && plan.transition.missing(id).is_empty();
    // As with Pacemaker's tool, a headline below which nothing stands comes after the complaint.
    if end == End::Complete || plan.transition.ids().any(begins) {
        out.flush()?;
    }
    if end == End::Stuck {
        out.complain("Transition failed: terminated");
        out.complain("An invalid transition was produced");
    }
    if out.shows_outcome() {
        clock.tell(out);
        let cluster = policy::read_status(cib, clock.now);
        out.status(Moment::Revised, cib, &cluster);
    }
    Ok(end)
}
