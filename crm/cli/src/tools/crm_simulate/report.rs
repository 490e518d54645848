//! What a simulation prints, section by section: as text for people, as XML for programs. The order of sections is that
//! of `mod.rs`, what stands in them is `output`'s.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::rc::Rc;

use cib::Document;
use policy::model::readable;
use policy::{Cluster, Plan, ScoreLine};

use super::options::{Format, Options};
use super::step::Tell;
use crate::output::list::List;
use crate::output::resources::Show;
use outline::Summary;

use crate::output::summary;
use crate::output::xml::Tree;
use crate::output::{attributes, nodes, resources, xml};
use crate::terminal;
use crate::tools::status::{self, Failure};

/// What is printed, and where it goes.
pub struct Report<'a> {
    form: Form,
    options: &'a Options,
    to: Box<dyn Write>,
    /// Something was printed already, so that the next section needs an empty line before it.
    begun: bool,
}

/// What is printed, kept for somebody else to say.
#[derive(Clone, Default)]
pub struct Kept(Rc<RefCell<Vec<u8>>>);

impl Kept {
    /// All of it so far.
    pub fn take(&self) -> String {
        String::from_utf8_lossy(&self.0.take()).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Form {
    Text(List),
    Xml {
        tree: Tree,
        /// What people would read on standard error.
        errors: Vec<String>,
    },
}

/// Which state of the cluster is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Before anything was changed.
    Current,
    /// After the transition was carried out.
    Revised,
}

impl<'a> Report<'a> {
    /// Opens the output for a tool called with `arguments`.
    pub fn new(options: &'a Options, arguments: &[OsString]) -> Result<Self, Failure> {
        let to: Box<dyn Write> = match options.output_to.as_deref().filter(|path| path.as_os_str() != "-") {
            Some(path) => Box::new(fs::File::create(path).map_err(|error| Failure::cannot_create(path, &error))?),
            None if options.output_as == Format::None => Box::new(io::sink()),
            None => Box::new(io::stdout()),
        };
        let form = match options.output_as {
            Format::Text | Format::None => Form::Text(List::new()),
            Format::Xml => Form::Xml { tree: Tree::result(arguments), errors: Vec::new() },
        };
        Ok(Report { form, options, to, begun: false })
    }

    /// As text, to whoever wants it.
    pub fn to(options: &'a Options, to: Box<dyn Write>) -> Self {
        Report { form: Form::Text(List::new()), options, to, begun: false }
    }

    /// Ends the output with how it went, and gives the exit status.
    pub fn finish(mut self, tool: &str, outcome: Result<(), Failure>) -> u8 {
        let failure = outcome.err();
        let code = failure.as_ref().map_or(status::OK, |failure| failure.status);
        let text = match self.form {
            Form::Text(mut list) => {
                if let Some(failure) = &failure {
                    failure.tell(tool);
                }
                list.take()
            }
            Form::Xml { tree, mut errors } => {
                errors.extend(failure.and_then(|failure| failure.message).map(|message| format!("{tool}: {message}")));
                tree.finish(code, status::text(code), &errors)
            }
        };
        match write(&mut self.to, &text) {
            Ok(()) => code,
            Err(failure) => failure.tell(tool),
        }
    }

    /// Writes out what was said so far; XML is written as a whole.
    pub fn flush(&mut self) -> Result<(), Failure> {
        match &mut self.form {
            Form::Text(list) => write(&mut self.to, &list.take()),
            Form::Xml { .. } => Ok(()),
        }
    }

    /// Says what went wrong without ending anything.
    pub fn complain(&mut self, text: &str) {
        match &mut self.form {
            Form::Text(_) => terminal::complain(text),
            Form::Xml { errors, .. } => errors.push(text.to_owned()),
        }
    }

    /// A remark that belongs to no section.
    pub fn note(&mut self, text: &str) {
        if let Form::Text(list) = &mut self.form {
            list.plain(text);
        }
    }

    /// What holds for the whole cluster and an operator may have forgotten.
    pub fn counts(&mut self, cluster: &Cluster) {
        // Of stop-all-resources nothing is said, as Pacemaker's tool says nothing of it.
        if cluster.options.maintenance {
            self.note("");
            self.note(&format!("{:14}*** Resource management is DISABLED ***", ""));
            self.note("  The cluster will not attempt to start, stop or recover services");
            self.begun = true;
        }
        if cluster.disabled > 0 || cluster.blocked > 0 {
            self.space();
            self.note(&format!(
                "{} of {} resource instances DISABLED and {} BLOCKED from further action due to failure",
                cluster.disabled, cluster.instances, cluster.blocked
            ));
        }
    }

    /// The state of the cluster before anything is changed or planned.
    pub fn current(&mut self, document: &Document, cluster: &Cluster) {
        self.counts(cluster);
        if self.shows_outcome() {
            self.status(Moment::Current, document, cluster);
        } else {
            self.space();
        }
        self.hush();
    }

    /// The state of the cluster.
    pub fn status(&mut self, moment: Moment, document: &Document, cluster: &Cluster) {
        self.space();
        let pending = moment == Moment::Current;
        let (attributes, failcounts) = (self.options.show_attrs, self.options.show_failcounts);
        match &mut self.form {
            Form::Text(list) => {
                list.begin(if pending { "Current cluster status" } else { "Revised Cluster Status" });
                nodes::write(list, cluster);
                if !cluster.nodes.is_empty() {
                    list.space();
                }
                resources::write(list, cluster, Show { inactive: true, pending });
                if attributes {
                    attributes::write(list, cluster);
                }
                if failcounts {
                    attributes::write_failures(list, document, cluster);
                }
                list.end();
            }
            Form::Xml { tree, .. } => {
                tree.begin(if pending { "cluster_status" } else { "revised_cluster_status" }, &[]);
                xml::nodes::write(tree, cluster);
                xml::resources::write(tree, cluster, pending);
                if attributes {
                    xml::attributes::write(tree, cluster);
                }
                if failcounts {
                    xml::attributes::write_failures(tree, document, cluster);
                }
                tree.end();
            }
        }
    }

    /// Begins the changes of the input; `tell` takes them.
    pub fn begin_changes(&mut self) {
        self.space();
        match &mut self.form {
            Form::Text(list) => list.begin("Performing Requested Modifications"),
            Form::Xml { tree, .. } => {
                let set = [("quorum", &self.options.quorum), ("watchdog", &self.options.watchdog)];
                let set = set.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
                tree.begin("modifications", &set.collect::<Vec<_>>());
            }
        }
    }

    /// Begins the steps of a transition; `tell` takes them.
    pub fn begin_execution(&mut self) {
        self.space();
        match &mut self.form {
            Form::Text(list) => list.begin("Executing Cluster Transition"),
            Form::Xml { tree, .. } => tree.begin("transition", &[]),
        }
    }

    /// Where the steps of the section begun last are told.
    pub fn tell(&mut self) -> &mut dyn Tell {
        match &mut self.form {
            Form::Text(list) => list,
            Form::Xml { tree, .. } => tree,
        }
    }

    /// Ends the section begun last.
    pub fn end(&mut self) {
        match &mut self.form {
            Form::Text(list) => list.end(),
            Form::Xml { tree, .. } => tree.end(),
        }
    }

    /// Scores are what is asked for: they are shown however quiet the rest is, and then bare, for programs.
    pub fn scores(&mut self, plan: &Plan) {
        let (title, element) = match (self.options.show_scores, self.options.show_utilization) {
            (true, true) => ("Assignment Scores and Utilization Information", "allocations_utilizations"),
            (true, false) => ("Assignment Scores", "allocations"),
            (false, true) => ("Utilization Information", "utilizations"),
            (false, false) => return,
        };
        self.space();
        match &mut self.form {
            Form::Text(list) if self.options.quiet && self.options.show_scores => {
                list.space();
                plan.scores.iter().for_each(|line| list.plain(&line.to_string()));
            }
            Form::Text(list) => {
                list.begin(title);
                plan.notices.iter().for_each(|notice| list.plain(notice));
                plan.scores.iter().for_each(|line| list.item(&line.to_string()));
                list.end();
            }
            Form::Xml { tree, .. } => {
                tree.begin(element, &[]);
                plan.scores.iter().for_each(|line| score(tree, line));
                tree.end();
            }
        }
    }

    /// What the plan changes.
    pub fn summary(&mut self, plan: &Plan) {
        if self.options.quiet && matches!(self.form, Form::Text(_)) {
            return;
        }
        self.space();
        let changes = Summary::of(&plan.cluster);
        match &mut self.form {
            Form::Text(list) => {
                list.begin("Transition Summary");
                summary::write(&changes, list);
                list.end();
            }
            Form::Xml { tree, .. } => summary::write_xml(&changes, tree),
        }
    }

    /// Begins the list of timings.
    pub fn begin_timings(&mut self) {
        match &mut self.form {
            Form::Text(list) => list.begin("Timings"),
            Form::Xml { tree, .. } => tree.begin("timings", &[]),
        }
    }

    /// How long the plans of one file took.
    pub fn timing(&mut self, file: &str, seconds: f64) {
        match &mut self.form {
            Form::Text(list) => list.item(&format!("Testing {file} ... {seconds:.2} secs")),
            Form::Xml { tree, .. } => tree.leaf("timing", &[("file", file), ("duration", &format!("{seconds:.6}"))]),
        }
    }

    /// Forgets what was said, if only the essential is wanted.
    pub fn hush(&mut self) {
        if let (Form::Text(list), true) = (&mut self.form, self.options.quiet) {
            list.take();
        }
    }

    /// Whether the state of the cluster is to be shown.
    pub fn shows_outcome(&self) -> bool {
        !self.options.quiet || matches!(self.form, Form::Xml { .. })
    }

    fn space(&mut self) {
        if let (Form::Text(list), true) = (&mut self.form, self.begun) {
            list.space();
        }
        self.begun = true;
    }
}

/// A reader that went away is no error of ours.
fn write(to: &mut dyn Write, text: &str) -> Result<(), Failure> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(status::ERROR, format!("writing the output: {error}")))
        }
        _ => Ok(()),
    }
}

fn score(tree: &mut Tree, line: &ScoreLine) {
    let mut values_of = |name, attributes: &[(&str, &str)], values: &[(String, String)]| {
        tree.begin(name, attributes);
        for (name, value) in values {
            // The names are the operator's own, and not all of them can name an element.
            match cib::document::is_name(name) {
                true => tree.text(name, value),
                false => tree.leaf("value", &[("name", name), ("value", value)]),
            }
        }
        tree.end();
    };
    match line {
        ScoreLine::Allocation { step, resource, node, score } => {
            let score = readable(*score);
            let attributes = [("function", *step), ("node", node), ("score", &score), ("id", resource)];
            tree.leaf("node_weight", &attributes);
        }
        ScoreLine::Promotion { resource, node, score } => {
            let score = readable(*score);
            let mut attributes = vec![("id", resource.as_str()), ("score", &score)];
            attributes.extend(node.as_deref().map(|node| ("node", node)));
            tree.leaf("promotion_score", &attributes);
        }
        ScoreLine::Capacity { when, node, values } => {
            values_of("capacity", &[("node", node), ("comment", when)], values);
        }
        ScoreLine::Utilization { step, resource, node, values } => {
            values_of("utilization", &[("function", step), ("resource", resource), ("node", node)], values);
        }
    }
}
