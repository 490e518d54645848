//! `crm_attribute`: options of the cluster and attributes of nodes, asked for, set and deleted. Agents call it to say
//! what they know of their node, above all promotion scores.

use clap::Parser;
use regex::Regex;
use wire::attribute::{AttributeChange, Dampening, Update};

use super::Tool;
use super::call::{self, Call};
use super::pairs::{self, Section, Selector};
use super::report::{Common, Report, tell};
use super::status::{self, Failure};
use super::store::{Found, Part, Store};
use super::target;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "crm_attribute",
    about: "Query and update cluster options and node attributes",
    run: |words| call::run(words, run),
};

/// Query and update cluster options and node attributes.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_attribute", disable_version_flag = true, args_override_self = true)]
pub struct Options {
    #[command(flatten)]
    common: Common,

    /// Operate on the attribute with this id in the CIB
    #[arg(short, long, value_name = "ID", alias = "attr-id", help_heading = "Selecting attributes")]
    id: Option<String>,

    /// Operate on the attribute or option with this name; all are queried without one
    #[arg(short, long, alias = "attr-name", help_heading = "Selecting attributes")]
    name: Option<String>,

    /// Operate on all attributes whose names match (with -G, or with -v or -D and -l reboot)
    #[arg(short = 'P', long, help_heading = "Selecting attributes")]
    pattern: Option<String>,

    /// Operate on the promotion score of this resource, or of the one in OCF_RESOURCE_INSTANCE
    #[arg(short, long, value_name = "RESOURCE", num_args = 0..=1, default_missing_value = "", help_heading = "Selecting attributes")]
    promotion: Option<String>,

    /// Operate on the attribute in the set with this id
    #[arg(short, long, value_name = "ID", help_heading = "Selecting attributes")]
    set_name: Option<String>,

    /// Delete the attribute or option
    #[arg(short = 'D', long, alias = "delete-attr", help_heading = "Commands")]
    delete: bool,

    /// Query it; this is also what happens without a command
    #[arg(short = 'G', long, alias = "get-value", help_heading = "Commands")]
    query: bool,

    /// Set it
    #[arg(
        short = 'v',
        long,
        value_name = "VALUE",
        alias = "attr-value",
        allow_hyphen_values = true,
        help_heading = "Commands"
    )]
    update: Option<String>,

    /// What to show when it is not set
    #[arg(short, long, value_name = "VALUE", allow_hyphen_values = true)]
    default: Option<String>,

    /// How long a node's attribute lasts: reboot or forever
    #[arg(short, long)]
    lifetime: Option<String>,

    /// The node; an agent means its own
    #[arg(short = 'N', long, alias = "uname", short_alias = 'U')]
    node: Option<String>,

    /// Part of the CIB: crm_config, rsc_defaults, op_defaults, tickets, nodes or status
    #[arg(short = 't', long = "type", value_name = "SECTION")]
    section: Option<String>,

    /// A utilization attribute of the node
    #[arg(short = 'z', long)]
    utilization: bool,

    /// Print only the value
    #[arg(short = 'q', long, short_alias = 'Q')]
    quiet: bool,

    /// Without meaning; taken for old scripts
    #[arg(short = '!', long, hide = true)]
    inhibit_policy_engine: bool,
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    match call.options::<Options>() {
        Ok(options) => tell(call, &options.common.clone(), |report| operate(report, options)),
        Err(status) => status,
    }
}

/// Runs the tool with another command line than the call's own: for the tools that are but a form of this one.
pub fn run_as(call: &mut Call, words: &[&str]) -> u8 {
    let words = std::iter::once("crm_attribute").chain(words.iter().copied()).map(Into::into).collect();
    let asked = std::mem::replace(&mut call.arguments, words);
    let status = run(call);
    call.arguments = asked;
    status
}

fn operate(report: &mut Report<'_>, mut options: Options) -> Result<u8, Failure> {
    let store = Store::of(report.call);
    if let Some(resource) = options.promotion.take() {
        let resource = match resource.as_str() {
            "" => report.call.variable("OCF_RESOURCE_INSTANCE").unwrap_or_default().to_owned(),
            _ => resource,
        };
        if resource.is_empty() {
            let message = "-p/--promotion must be called from an OCF resource agent or with a resource ID specified";
            return Err(Failure::new(status::USAGE, message.to_owned()));
        }
        options.name = Some(format!("master-{resource}"));
        options.lifetime.get_or_insert_with(|| "reboot".to_owned());
    }
    let wanted = Wanted::of(&options)?;
    // What is said of a node as it is now needs no look at the CIB before, however large that is.
    if let Some(update) = update(report.call, &options).filter(|_| wanted == Wanted::Status && store.is_live()) {
        set_transient(&store, update)?;
        return Ok(status::OK);
    }
    let mut part = wanted.part(options.node.as_deref().or(target::of_agent(report.call)));
    let mut found = store.read_part(part)?;
    let transient = wanted == Wanted::Status;
    let section = match wanted {
        Wanted::Cluster(section) => section,
        Wanted::Node | Wanted::Status => {
            let name = target::node(report.call, &store, Some(&found), options.node.as_deref())?;
            let mut id = target::id(&found.document, &name);
            // A node that only the status knows; then a guest, or a remote node that has said nothing yet: resources tell.
            for wider in [Part::Nodes, Part::Whole] {
                if id.is_err() && part != Part::Whole {
                    found = store.read_part(wider)?;
                    part = wider;
                    id = target::id(&found.document, &name);
                }
            }
            let id = id?;
            if transient { Section::Status(id) } else { Section::Node(id) }
        }
    };
    let selector = Selector {
        utilization: options.utilization,
        set: options.set_name.clone(),
        name: options.name.clone(),
        id: options.id.clone(),
        pattern: options.pattern.as_deref().map(regex).transpose()?,
    };
    if selector.pattern.is_some() && (options.update.is_some() || options.delete) && !transient {
        let message = "Error: pattern can only be used with query, or with till-reboot update or delete";
        return Err(Failure::new(status::USAGE, message.to_owned()));
    }
    let meant = pairs::find(&found.document, &section, &selector);
    let names = |elements: &[cib::Element]| -> Vec<[String; 3]> {
        let text = |element, name| found.document.attribute(element, name).unwrap_or_default().to_owned();
        elements.iter().map(|pair| ["id", "name", "value"].map(|name| text(*pair, name))).collect()
    };
    let meant = names(&meant);
    let by_set_alone = selector.set.is_none() && !selector.utilization && selector.id.is_none();
    match (&options.update, options.delete) {
        (Some(_), _) | (None, true)
            if selector.name.is_none() && selector.pattern.is_none() && selector.id.is_none() =>
        {
            let what = if options.delete { "delete" } else { "update" };
            let message = format!("Error: must specify attribute name or pattern to {what}");
            Err(Failure::new(status::USAGE, message))
        }
        (Some(value), _) if selector.pattern.is_some() => {
            for [_, name, _] in &meant {
                set_or_write(
                    &store,
                    part,
                    None,
                    &section,
                    &Selector { name: Some(name.clone()), ..Selector::default() },
                    value,
                )?;
            }
            Ok(status::OK)
        }
        (Some(value), _) => {
            if meant.len() > 1 {
                report.call.complain(
                    "crm_attribute: Please choose from one of the matches below and supply the 'id' with --attr-id",
                );
                several(report, selector.name.as_deref(), &meant);
                return Err(Failure::silent(status::MULTIPLE));
            }
            match by_set_alone {
                true => set_or_write(&store, part, Some(found), &section, &selector, value)?,
                false => set(&store, part, Some(found), &section, &selector, value)?,
            }
            Ok(status::OK)
        }
        (None, true) => {
            if meant.len() > 1 && selector.pattern.is_none() {
                several(report, selector.name.as_deref(), &meant);
                return Ok(status::OK);
            }
            for [id, name, _] in &meant {
                delete(&store, part, &section, &selector, id, name)?;
                if selector.pattern.is_none() && !options.quiet && !(store.is_live() && transient) {
                    report.line(format!("Deleted {} attribute: id={id} name={name}", section.scope()));
                }
            }
            Ok(status::OK)
        }
        (None, false) => query(report, &options, &section, &meant),
    }
}

/// The change of one transient attribute, if that is all that is asked for.
fn update(call: &Call, options: &Options) -> Option<Update> {
    let selects = options.pattern.is_some() || options.set_name.is_some() || options.id.is_some();
    if selects || options.utilization || !(options.delete || options.update.is_some()) {
        return None;
    }
    let named = options.node.as_deref().filter(|name| !matches!(*name, "auto" | "localhost"));
    let node = named.or_else(|| target::of_agent(call));
    Some(plain(node, options.name.as_deref()?, options.update.as_deref()))
}

/// What is operated on, before nodes are looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Wanted {
    Cluster(Section),
    Node,
    Status,
}

impl Wanted {
    fn of(options: &Options) -> Result<Wanted, Failure> {
        let by_lifetime = match options.lifetime.as_deref() {
            None => None,
            Some("reboot") => Some(Wanted::Status),
            Some("forever") => Some(Wanted::Node),
            Some("nodes") => Some(Wanted::Node),
            Some("status") => Some(Wanted::Status),
            Some(other) => {
                let message = format!("Error: '{other}' is no lifetime; expected reboot or forever");
                return Err(Failure::new(status::PROTOCOL, message));
            }
        };
        let named = options.node.is_some() || options.utilization || options.promotion.is_some();
        Ok(match options.section.as_deref() {
            Some("status") => Wanted::Status,
            Some("nodes") => by_lifetime.unwrap_or(Wanted::Node),
            Some("crm_config") => Wanted::Cluster(Section::CrmConfig),
            Some("rsc_defaults") => Wanted::Cluster(Section::RscDefaults),
            Some("op_defaults") => Wanted::Cluster(Section::OpDefaults),
            Some("tickets") => Wanted::Cluster(Section::Tickets),
            Some(other) => {
                let message = format!(
                    "Error: there are no attributes in '{other}'; expected crm_config, rsc_defaults, op_defaults, \
                     tickets, nodes or status"
                );
                return Err(Failure::new(status::NO_SUCH, message));
            }
            None => match by_lifetime {
                Some(wanted) => wanted,
                None if named => Wanted::Node,
                None => Wanted::Cluster(Section::CrmConfig),
            },
        })
    }
}

impl Wanted {
    /// How much of the CIB is needed for it. `node`: the one that is named.
    fn part(&self, node: Option<&str>) -> Part {
        let named = node.is_some_and(|name| !matches!(name, "auto" | "localhost"));
        match self {
            Wanted::Cluster(section @ (Section::CrmConfig | Section::RscDefaults | Section::OpDefaults)) => {
                Part::Section(section.scope())
            }
            Wanted::Node if named => Part::Section("nodes"),
            Wanted::Cluster(_) | Wanted::Node | Wanted::Status => Part::Whole,
        }
    }
}

fn regex(pattern: &str) -> Result<Regex, Failure> {
    Regex::new(pattern).map_err(|error| {
        Failure::new(status::USAGE, format!("--pattern: expected a regular expression, found '{pattern}': {error}"))
    })
}

fn several(report: &mut Report<'_>, name: Option<&str>, meant: &[[String; 3]]) {
    report.line(format!("Multiple attributes match name={}", name.unwrap_or("<any>")));
    for [id, _, value] in meant {
        report.line(format!("  Value: {value} \t(id={id})"));
    }
}

fn query(report: &mut Report<'_>, options: &Options, section: &Section, meant: &[[String; 3]]) -> Result<u8, Failure> {
    let mut shown = meant.to_vec();
    if shown.is_empty() {
        let name = options.name.clone().unwrap_or_default();
        match (&options.default, &options.pattern) {
            (Some(default), _) => shown.push([String::new(), name, default.clone()]),
            (None, Some(_)) => return Ok(status::OK),
            (None, None) => {
                let message = "Error performing operation: No such device or address";
                return Err(Failure::new(status::NO_SUCH, message.to_owned()));
            }
        }
    }
    for [id, name, value] in &shown {
        if options.quiet {
            report.line(value);
        } else {
            // Agents look for "value=" in this line.
            let id = if options.id.is_some() { format!("id={id}") } else { String::new() };
            report.line(format!("scope={} {id} name={name} value={value}", section.scope()));
        }
        if let Some(tree) = report.xml() {
            let mut attributes = vec![("name", name.as_str()), ("value", value), ("scope", section.scope())];
            attributes.extend(options.id.is_some().then_some(("id", id.as_str())));
            let host = options.node.as_deref().filter(|_| meant.is_empty());
            attributes.extend(host.map(|host| ("host", host)));
            tree.leaf("attribute", &attributes);
        }
    }
    Ok(status::OK)
}

/// Sets a pair; a transient one goes to the cluster as such, so that it counts as no change of the configuration.
fn set_or_write(
    store: &Store,
    part: Part,
    found: Option<Found>,
    section: &Section,
    selector: &Selector,
    value: &str,
) -> Result<(), Failure> {
    match (section, &selector.name) {
        (Section::Status(node), Some(name)) if store.is_live() && !value.starts_with("value+") => {
            set_transient(store, plain(Some(node), name, Some(value)))
        }
        _ => set(store, part, found, section, selector, value),
    }
}

/// Sets a pair in the configuration. `found`: the part, if it was read just now.
fn set(
    store: &Store,
    part: Part,
    found: Option<Found>,
    section: &Section,
    selector: &Selector,
    value: &str,
) -> Result<(), Failure> {
    let found = found.map_or_else(|| store.read_part(part), Ok)?;
    store.change_found(found, part, false, |document| match pairs::set(document, section, selector, value) {
        true => Ok(()),
        false => {
            let message = format!("there is no place for it in section {}", section.scope());
            Err(Failure::new(status::NO_SUCH, message))
        }
    })
}

fn delete(
    store: &Store,
    part: Part,
    section: &Section,
    selector: &Selector,
    id: &str,
    name: &str,
) -> Result<(), Failure> {
    match section {
        Section::Status(node) if store.is_live() && !selector.utilization => {
            set_transient(store, plain(Some(node), name, None))
        }
        _ => store.change_part(part, false, |document| {
            let exact = Selector { id: Some(id.to_owned()), pattern: None, ..selector.clone() };
            pairs::find(document, section, &exact).into_iter().for_each(|pair| document.remove(pair));
            Ok(())
        }),
    }
}

/// Changes a transient attribute of a node.
pub fn set_transient(store: &Store, update: Update) -> Result<(), Failure> {
    let (node, name, change) = (update.node.clone(), update.name.clone(), update.change.clone());
    store.update(update, |document| {
        let node = node.clone().map_or_else(target::host, Ok)?;
        let section = Section::Status(target::id(document, &node)?);
        let selector = Selector { name: Some(name.clone()), ..Selector::default() };
        match &change {
            AttributeChange::Keep => {}
            AttributeChange::Set(value) => drop(pairs::set(document, &section, &selector, value)),
            AttributeChange::Clear => {
                pairs::find(document, &section, &selector).into_iter().for_each(|pair| document.remove(pair));
            }
        }
        Ok(())
    })
}

/// An update without dampening, of an attribute that all see.
fn plain(node: Option<&str>, name: &str, value: Option<&str>) -> Update {
    let change = value.map_or(AttributeChange::Clear, |value| AttributeChange::Set(value.to_owned()));
    Update {
        node: node.map(str::to_owned),
        name: name.to_owned(),
        change,
        dampening: Dampening::IfNew(0),
        private: false,
    }
}
