//! `crm_mon`: the state of the cluster, once or again and again, as text, as XML or as a page. This file reads the command line and
//! settles which sections are shown; `text`, `xml` and `html` write them.

mod daemon;
mod history;
mod html;
mod text;
mod xml;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use cib::unreached::Unreached;
use cib::{Document, duration};
use clap::{ArgAction, Parser, ValueEnum};
use policy::model::{NodeId, RscId};
use policy::{Cluster, model};

use super::Tool;
use super::call::{self, Call};
use super::report::version;
use super::status::{self, Failure};
use super::store::{self, Store};
use crate::cluster::View;
use crate::output::resources::active_nodes;

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crm_mon", about: "Show the state of the cluster", run: |words| call::run(words, run) };

/// How often the display is renewed unless told.
const INTERVAL: Duration = Duration::from_secs(5);
/// It is not renewed more often than this: whoever wants less asks for nothing.
const MOST_OFTEN: Duration = Duration::from_millis(100);

/// Show the state of the cluster.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_mon", disable_version_flag = true, args_override_self = true, disable_help_flag = true)]
pub struct Options {
    /// Display software version and exit
    #[arg(short = '$', long)]
    version: bool,

    /// Print help
    #[arg(short = '?', long, action = ArgAction::Help, alias = "help-all")]
    help: Option<bool>,

    /// Say more
    #[arg(short = 'V', long, action = ArgAction::Count)]
    verbose: u8,

    /// Without times and by whom the configuration was changed
    #[arg(short = 'Q', long)]
    quiet: bool,

    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum)]
    output_as: Option<Format>,

    /// Write the output to this file instead of standard output ("-")
    #[arg(long, value_name = "DEST")]
    output_to: Option<PathBuf>,

    /// Sections to show as well
    #[arg(short = 'I', long, value_name = "SECTION(s)", action = ArgAction::Append)]
    include: Vec<String>,

    /// Sections not to show
    #[arg(short = 'U', long, value_name = "SECTION(s)", action = ArgAction::Append)]
    exclude: Vec<String>,

    /// Only what is about this node, or about nodes with this tag
    #[arg(long)]
    node: Option<String>,

    /// Only what is about this resource, or about resources with this tag
    #[arg(long, value_name = "RSC")]
    resource: Option<String>,

    /// Resources below the nodes they run on
    #[arg(short = 'n', long)]
    group_by_node: bool,

    /// Also what is stopped
    #[arg(short = 'r', long)]
    inactive: bool,

    /// How often resources failed
    #[arg(short = 'f', long)]
    failcounts: bool,

    /// The operations of resources
    #[arg(short = 'o', long)]
    operations: bool,

    /// The operations of resources, with times
    #[arg(short = 't', long)]
    timing_details: bool,

    /// Tickets
    #[arg(short = 'c', long)]
    tickets: bool,

    /// Taken for old scripts: `systole stonith history` shows fencing
    #[arg(short = 'm', long, value_name = "LEVEL", num_args = 0..=1, require_equals = false, default_missing_value = "2")]
    fence_history: Option<String>,

    /// Location constraints that keep resources off nodes, by the beginning of their ids
    #[arg(short = 'L', long, value_name = "PREFIX", num_args = 0..=1, default_missing_value = "")]
    neg_locations: Option<String>,

    /// Attributes of nodes
    #[arg(short = 'A', long)]
    show_node_attributes: bool,

    /// Without the summary
    #[arg(short = 'D', long)]
    hide_headers: bool,

    /// With ids of nodes, and each instance of a clone
    #[arg(short = 'R', long)]
    show_detail: bool,

    /// Resources of one kind together
    #[arg(short = 'b', long)]
    brief: bool,

    /// Operations under way are always shown; taken for old scripts
    #[arg(short = 'j', long, hide = true)]
    pending: bool,

    /// One line for monitoring systems
    #[arg(short = 's', long)]
    simple_status: bool,

    /// How often the display is renewed
    #[arg(short = 'i', long, value_name = "TIME")]
    interval: Option<String>,

    /// Show it once and leave
    #[arg(short = '1', long)]
    one_shot: bool,

    /// As --output-as xml, in the form of old programs
    #[arg(short = 'X', long)]
    as_xml: bool,

    /// As --output-as html --output-to FILE, in the form of old programs
    #[arg(short = 'h', long, value_name = "FILE")]
    as_html: Option<PathBuf>,

    /// Go on in the background; needs a file to write to
    #[arg(short = 'd', long)]
    daemonize: bool,

    /// Where the number of the process in the background is written
    #[arg(short = 'p', long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// Text without control of the screen
    #[arg(short = 'N', long)]
    disable_ncurses: bool,
}

/// How the output is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// For people.
    Console,
    /// The same.
    Text,
    /// For programs.
    Xml,
    /// For browsers.
    Html,
}

/// A part of the output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Section {
    Stack,
    Dc,
    Times,
    Counts,
    MaintenanceMode,
    Options,
    Nodes,
    Resources,
    Attributes,
    Failcounts,
    Operations,
    Failures,
    Tickets,
    Bans,
}

use Section::{
    Attributes, Bans, Counts, Dc, Failcounts, Failures, MaintenanceMode, Nodes, Operations, Resources, Stack, Tickets,
    Times,
};

const SUMMARY: [Section; 6] = [Stack, Dc, Times, Counts, MaintenanceMode, Section::Options];
const ALL: [Section; 14] = [
    Stack,
    Dc,
    Times,
    Counts,
    MaintenanceMode,
    Section::Options,
    Nodes,
    Resources,
    Attributes,
    Failcounts,
    Operations,
    Failures,
    Tickets,
    Bans,
];
/// What is shown as text when nothing else is said.
const DEFAULT: [Section; 8] = [Stack, Dc, Times, Counts, MaintenanceMode, Nodes, Resources, Failures];

const WORDS: &str = "all, attributes, bans[:PREFIX], counts, dc, default, failcounts, failures, fencing, fencing-failed, \
                     fencing-pending, fencing-succeeded, maint-mode, nodes, none, operations, options, resources, stack, \
                     summary, tickets, times";

/// What is to be shown.
struct Wanted {
    sections: BTreeSet<Section>,
    ban_prefix: String,
}

impl Wanted {
    fn of(options: &Options) -> Result<Wanted, Failure> {
        let xml = options.is_xml();
        let sections = if xml { ALL.into() } else { DEFAULT.into() };
        let mut wanted = Wanted { sections, ban_prefix: options.neg_locations.clone().unwrap_or_default() };
        for (list, add) in [(&options.include, true), (&options.exclude, false)] {
            for word in list.iter().flat_map(|words| words.split(',')) {
                wanted.apply(word, add, xml)?;
            }
        }
        let flags = [
            (options.failcounts, Failcounts),
            (options.operations || options.timing_details, Operations),
            (options.tickets, Tickets),
            (options.neg_locations.is_some(), Bans),
            (options.show_node_attributes, Attributes),
        ];
        wanted.sections.extend(flags.iter().filter(|(given, _)| *given).map(|(_, section)| *section));
        if options.hide_headers {
            wanted.sections.retain(|section| !SUMMARY.contains(section));
        }
        if options.quiet {
            wanted.sections.remove(&Times);
        }
        Ok(wanted)
    }

    fn apply(&mut self, word: &str, add: bool, xml: bool) -> Result<(), Failure> {
        let named: &[Section] = match word {
            "all" => &ALL,
            "none" if add => {
                self.sections.clear();
                &[]
            }
            "none" => {
                self.sections = ALL.into();
                &[]
            }
            "default" if add => {
                self.sections = if xml { ALL.into() } else { DEFAULT.into() };
                &[]
            }
            "attributes" => &[Attributes],
            "counts" => &[Counts],
            "dc" => &[Dc],
            "failcounts" => &[Failcounts],
            "failures" => &[Failures],
            "fencing" | "fencing-failed" | "fencing-pending" | "fencing-succeeded" => &[],
            "maint-mode" => &[MaintenanceMode],
            "nodes" => &[Nodes],
            "operations" => &[Operations],
            "options" => &[Section::Options],
            "resources" => &[Resources],
            "stack" => &[Stack],
            "summary" => &SUMMARY,
            "tickets" => &[Tickets],
            "times" => &[Times],
            bans if bans == "bans" || bans.starts_with("bans:") => {
                self.ban_prefix = bans.strip_prefix("bans:").unwrap_or_default().to_owned();
                &[Bans]
            }
            _ => {
                let option = if add { "--include" } else { "--exclude" };
                return Err(Failure::new(status::USAGE, format!("{option} options: {WORDS}")));
            }
        };
        match add {
            true => self.sections.extend(named),
            false => self.sections.retain(|section| !named.contains(section)),
        }
        Ok(())
    }

    fn has(&self, section: Section) -> bool {
        self.sections.contains(&section)
    }
}

impl Options {
    fn is_xml(&self) -> bool {
        self.as_xml || self.output_as == Some(Format::Xml)
    }

    fn is_html(&self) -> bool {
        self.as_html.is_some() || self.output_as == Some(Format::Html)
    }

    /// The file that is written, if it is not standard output.
    fn file(&self) -> Option<&Path> {
        let file = self.as_html.as_deref().or(self.output_to.as_deref());
        file.filter(|path| path.as_os_str() != "-")
    }

    /// How often it is shown anew.
    fn every(&self) -> Result<Duration, Failure> {
        let Some(text) = &self.interval else { return Ok(INTERVAL) };
        duration::parse_ms(text)
            .map(|ms| Duration::from_millis(ms).max(MOST_OFTEN))
            .map_err(|_| Failure::new(status::USAGE, format!("--interval: expected a time such as 5s, found '{text}'")))
    }
}

/// Everything that is shown.
struct Picture<'a> {
    options: &'a Options,
    wanted: Wanted,
    document: &'a Document,
    cluster: &'a Cluster,
    now: i64,
    /// The node that coordinates.
    coordinator: Option<NodeId>,
    /// The version of the program that answered.
    program: Option<String>,
    /// What the cluster does not run, a sentence each.
    not_run: Vec<String>,
    nodes: Vec<NodeId>,
    resources: Vec<RscId>,
}

impl Picture<'_> {
    fn attribute(&self, name: &str) -> &str {
        self.document.attribute(self.document.root(), name).unwrap_or_default()
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.cluster.options.raw.get(name)
    }

    /// What the nodes are members of.
    fn stack(&self) -> &str {
        self.option("cluster-infrastructure").unwrap_or("unknown")
    }

    fn version(&self) -> &str {
        self.option("dc-version").or(self.program.as_deref()).unwrap_or("unknown")
    }

    /// The one node that is looked at.
    fn only_node(&self) -> Option<NodeId> {
        let named = self.options.node.as_ref().map(|_| self.nodes.as_slice());
        match named {
            Some([one]) => Some(*one),
            _ => None,
        }
    }
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    let options = match call.options::<Options>() {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.version {
        call.out.push_str(version());
        return status::OK;
    }
    let once = options.one_shot || options.simple_status;
    let done = match options.daemonize {
        true if daemon::stays(call) => write_on(call, &options),
        true => daemon::leave_behind(call, &options),
        // A page is renewed; what else is written or read by programs is not.
        false if options.as_html.is_some() && !once => write_on(call, &options),
        false if once || options.is_xml() || options.is_html() || options.file().is_some() => show(call, &options),
        false => renew(call, &options),
    };
    match done {
        Ok(status) => status,
        Err(failure) => call.fail(&failure),
    }
}

/// Shows it again and again, until somebody ends us or nobody reads any more.
fn renew(call: &mut Call, options: &Options) -> Result<u8, Failure> {
    let every = options.every()?;
    loop {
        // To the upper left corner, and the screen empty.
        call.out.push_str("\x1b[H\x1b[2J");
        if let Err(failure) = show(call, options) {
            let message = failure.message.unwrap_or_default();
            call.say(format!("{message}\nTrying again …"));
        }
        match call.flush() {
            Ok(()) if !call.is_read() => return Ok(status::OK),
            Ok(()) => {}
            Err(error) => return Err(Failure::new(status::IO_ERROR, format!("writing the output: {error}"))),
        }
        thread::sleep(every);
    }
}

/// Writes a file again and again, until somebody ends us. While no cluster answers, the file says so.
fn write_on(call: &mut Call, options: &Options) -> Result<u8, Failure> {
    let every = options.every()?;
    loop {
        if let Err(failure) = show(call, options) {
            let message = failure.message.unwrap_or_default();
            put(call, options, &format!("{message}\n"))?;
        }
        thread::sleep(every);
    }
}

/// Writes what is to be shown where it belongs, in the form that is wanted.
fn put(call: &mut Call, options: &Options, text: &str) -> Result<(), Failure> {
    let page = options.is_html().then(|| options.every().map(|every| html::page(text, every))).transpose()?;
    let text = page.as_deref().unwrap_or(text);
    match options.file() {
        // A pipe or a terminal is written to; nothing is put in its place.
        Some(path) if fs::metadata(path).is_ok_and(|found| !found.is_file()) => {
            fs::write(path, text).map_err(|error| Failure::cannot_create(path, &error))?;
        }
        // Whoever reads it reads the whole of it, however often it is renewed.
        Some(path) => store::write_file(path, text)?,
        None => call.out.push_str(text),
    }
    Ok(())
}

fn show(call: &mut Call, options: &Options) -> Result<u8, Failure> {
    let wanted = Wanted::of(options)?;
    let store = Store::of(call);
    let found = store.read()?;
    let view = View { ours: found.status.is_some(), ..View::new(found.document) };
    let cluster = view.cluster();
    let coordinator = match &found.status {
        Some(status) => status.coordinator.as_deref().and_then(|name| cluster.find_node(name)),
        None => cluster.dc,
    };
    let picture = Picture {
        nodes: nodes(&view.document, &cluster, options.node.as_deref()),
        resources: resources(&view.document, &cluster, options.resource.as_deref()),
        options,
        wanted,
        document: &view.document,
        cluster: &cluster,
        now: view.now,
        coordinator,
        not_run: view.unreached().iter().map(Unreached::sentence).collect(),
        program: found.status.map(|status| format!("systole-{}", status.program)),
    };
    let text = match (options.simple_status, options.is_xml()) {
        (true, _) => text::simple(&picture),
        (false, true) => xml::write(&picture, &call.arguments),
        (false, false) => text::write(&picture),
    };
    put(call, options, &text)?;
    Ok(status::OK)
}

/// The names that a tag stands for.
fn tagged(document: &Document, tag: &str) -> Vec<String> {
    let tags = document.descend(&["configuration", "tags"]);
    let found =
        tags.into_iter().flat_map(|tags| document.children_named(tags, "tag")).find(|one| document.id(*one) == tag);
    let names = found.into_iter().flat_map(|tag| document.children_named(tag, "obj_ref"));
    names.map(|name| document.id(name).to_owned()).collect()
}

fn nodes(document: &Document, cluster: &Cluster, only: Option<&str>) -> Vec<NodeId> {
    let all = cluster.nodes_by_name.iter().copied();
    let Some(name) = only else { return all.collect() };
    let tagged = tagged(document, name);
    let meant = |node: &model::Node| node.name == name || tagged.contains(&node.name) || tagged.contains(&node.id);
    all.filter(|id| meant(cluster.node(*id))).collect()
}

/// The top-level resources that are meant, or that hold what is meant.
fn resources(document: &Document, cluster: &Cluster, only: Option<&str>) -> Vec<RscId> {
    let Some(name) = only else { return cluster.top.clone() };
    let tagged = tagged(document, name);
    let meant = |resource: &model::Resource| {
        [&resource.id, &resource.xml_id].iter().any(|id| *id == name || tagged.contains(id))
    };
    let holds = |top: &&RscId| {
        let mut below = vec![**top];
        while let Some(id) = below.pop() {
            if meant(cluster.resource(id)) {
                return true;
            }
            below.extend(&cluster.resource(id).children);
        }
        false
    };
    cluster.top.iter().filter(holds).copied().collect()
}

/// Whether a resource, by the name its history has, belongs to what is looked at, and so does the node.
fn is_about(picture: &Picture<'_>, node: NodeId, resource: &str) -> bool {
    let of = picture.cluster.resources.iter().position(|one| one.id == resource || one.xml_id == resource);
    let top = of.map(|index| picture.cluster.top_of(RscId(index as u32), true));
    let shown = top.map_or(picture.options.resource.is_none(), |top| picture.resources.contains(&top));
    shown && picture.nodes.contains(&node)
}

/// Whether a resource is active on one of the nodes, or nowhere.
fn concerns(picture: &Picture<'_>, id: RscId) -> bool {
    let on = active_nodes(picture.cluster, id);
    picture.options.node.is_none() || on.is_empty() || on.iter().any(|node| picture.nodes.contains(node))
}
