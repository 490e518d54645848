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

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cib::Document;
use clap::Parser;
use policy::{Cluster, Input, Plan};

use self::execute::{End, Execution};
use self::options::Options;
use super::Tool;
use super::status::{self, Failure};
use crate::output::list::List;
use crate::output::resources::Show;
use crate::output::summary::Summary;
use crate::output::{nodes, resources};

/// The tool.
pub const TOOL: Tool = Tool { name: "crm_simulate", about: "Simulate a cluster's response to events", run };

fn run(arguments: Vec<OsString>) -> u8 {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => return status::of_usage(&error),
    };
    let outcome = match &options.profile {
        Some(directory) => profile::run(directory, &options),
        None => simulate(&options),
    };
    match outcome {
        Ok(()) => status::OK,
        Err(failure) => failure.tell("crm_simulate"),
    }
}

/// What is printed, and where it goes.
struct Output {
    list: List,
    quiet: bool,
    to: Box<dyn Write>,
    /// Something was printed already, so that the next section needs an empty line before it.
    begun: bool,
}

impl Output {
    fn new(options: &Options) -> Result<Self, Failure> {
        let to: Box<dyn Write> = match options.output_to.as_deref().filter(|path| path.as_os_str() != "-") {
            Some(path) => Box::new(fs::File::create(path).map_err(|error| Failure::cannot_create(path, &error))?),
            None => Box::new(io::stdout()),
        };
        Ok(Output { list: List::new(), quiet: options.quiet, to, begun: false })
    }

    fn space(&mut self) {
        if self.begun {
            self.list.space();
        }
        self.begun = true;
    }

    /// Writes out what was said so far. A reader that went away is no error of ours.
    fn flush(&mut self) -> Result<(), Failure> {
        let text = self.list.take();
        match self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(status::ERROR, format!("writing the output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Forgets what was said, if only the essential is wanted.
    fn hush(&mut self) {
        if self.quiet {
            self.list.take();
        }
    }
}

fn simulate(options: &Options) -> Result<(), Failure> {
    let mut cib = status::prepare(read(options)?)?;
    let clock = Clock::new(&cib, options)?;
    let mut out = Output::new(options)?;

    clock.tell(&mut out.list);
    let mut cluster = policy::read_status(&cib, clock.now);
    show_counts(&mut out, &cluster);
    show_status(&mut out, &cluster, "Current cluster status", true);
    out.hush();

    if options.injects() {
        out.space();
        let now = clock.recording(&cib);
        let complaints = inject::inject(&mut cib, &cluster, options, now, &mut out.list);
        clock.tell(&mut out.list);
        out.hush();
        out.flush()?;
        complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
        cluster = policy::read_status(&cib, clock.now);
    }
    save(options.save_input.as_deref(), || cib.to_xml())?;

    let mut end = End::Complete;
    if options.plans() {
        let mut input = clock.input(&cib);
        input.scores = options.show_scores;
        input.utilization = options.show_utilization;
        let plan = policy::plan(&input);
        show_scores(&mut out, options, &plan);
        save(options.save_graph.as_deref(), || transition::xml::write(&plan.transition).to_xml())?;
        save(options.save_dotfile.as_deref(), || {
            picture::of(&plan.cluster, options.all_actions, options.verbose > 0).write()
        })?;
        show_summary(&mut out, &plan);
        if options.executes() {
            end = carry_out(&mut out, options, &clock, &mut cib, &plan)?;
        }
    } else {
        drop(cluster);
    }
    out.flush()?;
    save(options.save_output.as_deref(), || cib.to_xml())?;
    if options.in_place {
        save(options.source().map(|path| path.as_path()), || cib.to_xml())?;
    }
    match end {
        End::Complete => Ok(()),
        End::Stuck => Err(Failure::silent(status::ERROR)),
    }
}

fn read(options: &Options) -> Result<Document, Failure> {
    let (name, text) = match options.source() {
        Some(path) => (path.display().to_string(), fs::read_to_string(path)),
        None => {
            let mut text = String::new();
            ("standard input".to_owned(), io::stdin().read_to_string(&mut text).map(|_| text))
        }
    };
    let text = text.map_err(|error| Failure::new(status::NO_INPUT, format!("reading the CIB from {name}: {error}")))?;
    Document::parse(&text).map_err(|error| Failure::new(status::BAD_DATA, error.render(&name, &text)))
}

fn save(path: Option<&Path>, text: impl FnOnce() -> String) -> Result<(), Failure> {
    match path {
        Some(path) => fs::write(path, text()).map_err(|error| Failure::cannot_create(path, &error)),
        None => Ok(()),
    }
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

    fn tell(&self, list: &mut List) {
        if let Some(note) = &self.note {
            list.plain(note);
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

fn show_counts(out: &mut Output, cluster: &Cluster) {
    let rest = match (cluster.options.maintenance, cluster.options.stop_all) {
        (true, _) => Some((14, "attempt to start, stop or recover services", "not ")),
        (false, true) => Some((4, "keep all resources stopped", "")),
        (false, false) => None,
    };
    if let Some((indent, what, not)) = rest {
        out.list.space();
        out.list.plain(&format!("{:indent$}*** Resource management is DISABLED ***", ""));
        out.list.plain(&format!("  The cluster will {not}{what}"));
        out.begun = true;
    }
    if cluster.disabled > 0 || cluster.blocked > 0 {
        out.space();
        out.list.plain(&format!(
            "{} of {} resource instances DISABLED and {} BLOCKED from further action due to failure",
            cluster.disabled, cluster.instances, cluster.blocked
        ));
    }
}

fn show_status(out: &mut Output, cluster: &Cluster, title: &str, pending: bool) {
    out.space();
    out.list.begin(title);
    nodes::write(&mut out.list, cluster);
    if !cluster.nodes.is_empty() {
        out.list.space();
    }
    resources::write(&mut out.list, cluster, Show { inactive: true, pending });
    out.list.end();
}

/// Scores are what is asked for: they are shown however quiet the rest is, and then bare, for programs.
fn show_scores(out: &mut Output, options: &Options, plan: &Plan) {
    let title = match (options.show_scores, options.show_utilization) {
        (true, true) => "Assignment Scores and Utilization Information",
        (true, false) => "Assignment Scores",
        (false, true) => "Utilization Information",
        (false, false) => return,
    };
    out.space();
    if options.quiet && options.show_scores {
        out.list.space();
        plan.scores.iter().for_each(|line| out.list.plain(&line.to_string()));
        return;
    }
    out.list.begin(title);
    plan.notices.iter().for_each(|notice| out.list.plain(notice));
    plan.scores.iter().for_each(|line| out.list.item(&line.to_string()));
    out.list.end();
}

fn show_summary(out: &mut Output, plan: &Plan) {
    if out.quiet {
        return;
    }
    out.space();
    out.list.begin("Transition Summary");
    Summary::of(&plan.cluster).write(&mut out.list);
    out.list.end();
}

fn carry_out(
    out: &mut Output,
    options: &Options,
    clock: &Clock,
    cib: &mut Document,
    plan: &Plan,
) -> Result<End, Failure> {
    // What was said so far stands before what execution says, and before its complaints.
    out.flush()?;
    out.space();
    out.list.begin("Executing Cluster Transition");
    let (now, failures) = (clock.recording(cib), &options.op_fail);
    let mut execution = Execution { cib, cluster: &plan.cluster, failures, now, list: &mut out.list };
    let end = execution.run(&plan.transition);
    out.list.end();
    out.hush();
    out.flush()?;
    if end == End::Stuck {
        eprintln!("Transition failed: terminated");
        eprintln!("An invalid transition was produced");
    }
    if !out.quiet {
        clock.tell(&mut out.list);
        let cluster = policy::read_status(cib, clock.now);
        show_status(out, &cluster, "Revised Cluster Status", false);
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_newer_than_all_history() {
        let recording = |status: &str| {
            let cib = Document::parse(&format!("<cib execution-date='100'><status>{status}</status></cib>")).unwrap();
            let options = Options::try_parse_from(["crm_simulate"]).unwrap();
            Clock::new(&cib, &options).unwrap_or_else(|_| panic!("the date is good")).recording(&cib)
        };
        assert_eq!(recording(""), 100);
        assert_eq!(recording("<lrm_rsc_op id='a' last-rc-change='50'/>"), 100);
        assert_eq!(recording("<lrm_rsc_op id='a' last-rc-change='500'/><lrm_rsc_op id='b' last-rc-change='?'/>"), 501);
    }
}
