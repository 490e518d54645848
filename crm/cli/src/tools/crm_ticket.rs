//! `crm_ticket`: the tickets of a site that is one of several, shown, granted, revoked and put on standby. `booth` calls
//! it, and people who have no `booth`. What a ticket makes resources do is the policy's affair.

use cib::boolean::is_true;
use cib::{Document, Element, date};
use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::version;
use super::status::{self, Failure};
use super::store::Store;
use crate::cluster::now;

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crm_ticket", about: "Show, grant and revoke tickets", run: |words| call::run(words, run) };

/// Show the cluster's tickets, and change them.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_ticket", disable_version_flag = true, args_override_self = true)]
struct Options {
    /// Display software version and exit
    #[arg(short = '$', long)]
    version: bool,

    /// Say more; taken for old scripts
    #[arg(short = 'V', long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Show whether tickets are granted
    #[arg(short = 'l', long, help_heading = "Queries", overrides_with_all = ["details", "raw", "query_xml", "constraints", "get_attr", "cleanup"])]
    info: bool,

    /// Show tickets with all their attributes
    #[arg(short = 'L', long, help_heading = "Queries", overrides_with_all = ["raw", "query_xml", "constraints", "get_attr", "cleanup"])]
    details: bool,

    /// Show the tickets' ids
    #[arg(short = 'w', long, help_heading = "Queries", overrides_with_all = ["query_xml", "constraints", "get_attr", "cleanup"])]
    raw: bool,

    /// Show tickets as XML
    #[arg(short = 'q', long, help_heading = "Queries", overrides_with_all = ["constraints", "get_attr", "cleanup"])]
    query_xml: bool,

    /// Show the constraints that tickets have
    #[arg(short = 'c', long, help_heading = "Queries", overrides_with_all = ["get_attr", "cleanup"])]
    constraints: bool,

    /// Grant the ticket to this site (requires --force)
    #[arg(short, long, help_heading = "Commands", overrides_with = "revoke")]
    grant: bool,

    /// Take the ticket from this site (requires --force)
    #[arg(short, long, help_heading = "Commands")]
    revoke: bool,

    /// Put the ticket on standby: what depends on it stops in order
    #[arg(short, long, help_heading = "Commands", overrides_with = "activate")]
    standby: bool,

    /// Take the ticket out of standby
    #[arg(short, long, help_heading = "Commands")]
    activate: bool,

    /// Show one attribute of the ticket
    #[arg(short = 'G', long, value_name = "ATTRIBUTE", help_heading = "Attributes", overrides_with = "cleanup")]
    get_attr: Option<String>,

    /// Set an attribute of the ticket; with -v
    #[arg(short = 'S', long, value_name = "ATTRIBUTE", action = clap::ArgAction::Append, help_heading = "Attributes")]
    set_attr: Vec<String>,

    /// Delete an attribute of the ticket
    #[arg(short = 'D', long, value_name = "ATTRIBUTE", action = clap::ArgAction::Append, help_heading = "Attributes")]
    delete_attr: Vec<String>,

    /// Forget all that is known of the ticket here
    #[arg(short = 'C', long, help_heading = "Attributes")]
    cleanup: bool,

    /// The value for -S; one for each, in their order
    #[arg(short = 'v', long, value_name = "VALUE", action = clap::ArgAction::Append, allow_hyphen_values = true)]
    attr_value: Vec<String>,

    /// What -G shows of an attribute that is not set
    #[arg(short, long, value_name = "VALUE", allow_hyphen_values = true)]
    default: Option<String>,

    /// Also what nothing here can find safe
    #[arg(short, long)]
    force: bool,

    /// The ticket
    #[arg(short, long, value_name = "ID")]
    ticket: Option<String>,

    /// Without meaning; taken for old scripts
    #[arg(short = 'n', long, value_name = "ID", hide = true)]
    set_name: Option<String>,

    /// Without meaning; taken for old scripts
    #[arg(short = 'i', long, value_name = "ID", hide = true)]
    nvpair: Option<String>,

    /// Without meaning; taken for old scripts
    #[arg(short = 'Q', long, hide = true)]
    quiet: bool,
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
    match act(call, &options) {
        Ok(code) => code,
        Err(failure) => call.fail(&failure),
    }
}

fn act(call: &mut Call, options: &Options) -> Result<u8, Failure> {
    let store = Store::of(call);
    let ticket = options.ticket.as_deref();
    let document = || Ok::<Document, Failure>(store.read()?.document);
    if options.info || options.details || options.raw {
        return list(call, &document()?, options);
    }
    if options.query_xml {
        return query(call, &document()?, ticket);
    }
    if options.constraints {
        return constraints(call, &document()?, ticket);
    }
    let changes = Changes::of(options)?;
    let missing = |code| Failure::new(code, "Must supply ticket ID with -t".to_owned());
    if let Some(name) = &options.get_attr {
        let value = attribute(&document()?, ticket.ok_or_else(|| missing(status::NO_SUCH))?, name);
        return match value.or_else(|| options.default.clone()) {
            Some(value) => {
                call.say(value);
                Ok(status::OK)
            }
            None => Err(Failure::silent(status::NO_SUCH)),
        };
    }
    if options.cleanup {
        return forget(call, &store, ticket.ok_or_else(|| missing(status::USAGE))?, options.force);
    }
    if changes.is_empty() {
        return Err(Failure::new(status::USAGE, "Must supply a command".to_owned()));
    }
    let ticket = ticket.ok_or_else(|| missing(status::USAGE))?;
    if !options.force && changes.may_harm(call, ticket) {
        return Err(Failure::new(status::NOT_PERMITTED, "Ticket modification not allowed".to_owned()));
    }
    let at = now();
    store.change(false, |document| {
        changes.make(document, ticket, at);
        Ok(())
    })?;
    Ok(status::OK)
}

/// The states of all tickets, or of one.
fn states(document: &Document, ticket: Option<&str>) -> Vec<Element> {
    let lists =
        document.child(document.root(), "status").into_iter().flat_map(|list| document.children_named(list, "tickets"));
    let all = lists.flat_map(|list| document.children_named(list, "ticket_state"));
    all.filter(|state| ticket.is_none_or(|ticket| document.id(*state) == ticket)).collect()
}

/// The value of an attribute of a ticket; its id is none.
fn attribute(document: &Document, ticket: &str, name: &str) -> Option<String> {
    let state = *states(document, Some(ticket)).first()?;
    document.attribute(state, name).filter(|_| name != "id").map(str::to_owned)
}

fn no_such(ticket: &str) -> Failure {
    Failure::new(status::NO_SUCH, format!("No such ticket '{ticket}'"))
}

fn list(call: &mut Call, document: &Document, options: &Options) -> Result<u8, Failure> {
    let found = states(document, options.ticket.as_deref());
    if let (Some(ticket), true) = (&options.ticket, found.is_empty()) {
        return Err(no_such(ticket));
    }
    for state in found {
        let id = document.id(state);
        if options.raw {
            call.say(id);
            continue;
        }
        let is = |name| is_true(document.attribute(state, name));
        let granted = if is("granted") { "granted" } else { "revoked" };
        let standby = if is("standby") { "[standby]" } else { "" };
        call.say(format!("{id}\t{granted} {standby:9}{}", described(document, state, options.details)));
    }
    Ok(status::OK)
}

/// What a line says of a ticket beside its state: all, or when it was granted last.
fn described(document: &Document, state: Element, all: bool) -> String {
    let told = |(name, value): (&str, &str)| match name {
        // What is no number is told as the beginning of time, as it counts.
        "last-granted" | "expires" => format!("{name}='{}'", date::ctime(value.parse().unwrap_or(0))),
        _ => format!("{name}={value}"),
    };
    let mut told = document.attributes(state).filter(|(name, _)| *name != "id").map(|pair| (pair.0, told(pair)));
    if all {
        let parts: Vec<String> = told.map(|(_, text)| text).collect();
        return if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    }
    told.find(|(name, _)| *name == "last-granted").map_or_else(String::new, |(_, text)| format!(" {text}"))
}

fn query(call: &mut Call, document: &Document, ticket: Option<&str>) -> Result<u8, Failure> {
    let found = match ticket {
        Some(_) => states(document, ticket),
        None => document.descend(&["status", "tickets"]).into_iter().collect(),
    };
    show(call, document, &found, "State XML", "Could not query ticket XML")
}

fn constraints(call: &mut Call, document: &Document, ticket: Option<&str>) -> Result<u8, Failure> {
    let section = document.descend(&["configuration", "constraints"]);
    let all = section.into_iter().flat_map(|list| document.children_named(list, "rsc_ticket"));
    let found: Vec<Element> = all
        .filter(|element| ticket.is_none_or(|ticket| document.attribute(*element, "ticket") == Some(ticket)))
        .collect();
    show(call, document, &found, "Constraints XML", "Could not show ticket constraints")
}

/// Elements as `cibadmin --xpath` shows what it finds.
fn show(call: &mut Call, document: &Document, found: &[Element], title: &str, failed: &str) -> Result<u8, Failure> {
    let xml = match found {
        [] => return Err(Failure::new(status::NO_SUCH, format!("{failed}: No such device or address"))),
        [one] => document.element_to_xml(*one),
        several => {
            let mut list = Document::new("xpath-query");
            several.iter().for_each(|element| {
                list.graft(list.root(), document, *element);
            });
            list.to_xml()
        }
    };
    call.say(format!("{title}:\n\n{}", xml.trim_end()));
    Ok(status::OK)
}

fn forget(call: &mut Call, store: &Store, ticket: &str, force: bool) -> Result<u8, Failure> {
    let document = store.read()?.document;
    let found = states(&document, Some(ticket));
    let Some(state) = found.first() else {
        return if force { Ok(status::OK) } else { Err(no_such(ticket)) };
    };
    if is_true(document.attribute(*state, "granted")) && !force {
        warn_of_loss(call, ticket);
        return Err(Failure::silent(status::NOT_PERMITTED));
    }
    store.change(false, |document| {
        states(document, Some(ticket)).into_iter().for_each(|state| document.remove(state));
        Ok(())
    })?;
    call.say(format!("Cleaned up {ticket}"));
    Ok(status::OK)
}

/// Says what the loss of a ticket may lead to.
fn warn_of_loss(call: &mut Call, ticket: &str) {
    call.say(format!(
        "Revoking '{ticket}' can trigger the specified 'loss-policy'(s) relating to '{ticket}'.\n\n\
         You can check that with:\ncrm_ticket --ticket {ticket} --constraints\n\n\
         Otherwise before revoking '{ticket}', you may want to make '{ticket}' standby with:\n\
         crm_ticket --ticket {ticket} --standby\n\n\
         If you really want to revoke '{ticket}' from this site now, and you know what you are doing,\n\
         please specify --force."
    ));
}

/// What is to become of a ticket's attributes.
#[derive(Debug, Default)]
struct Changes {
    set: Vec<(String, String)>,
    delete: Vec<String>,
}

impl Changes {
    fn of(options: &Options) -> Result<Changes, Failure> {
        let usage = |message: String| Failure::new(status::USAGE, message);
        let mut changes = Changes { set: Vec::new(), delete: options.delete_attr.clone() };
        let words = [
            (options.grant, "granted", "true"),
            (options.revoke, "granted", "false"),
            (options.standby, "standby", "true"),
            (options.activate, "standby", "false"),
        ];
        let given = words.iter().filter(|(given, ..)| *given);
        changes.set.extend(given.map(|(_, name, value)| ((*name).to_owned(), (*value).to_owned())));
        if let Some(name) = options.set_attr.get(options.attr_value.len()) {
            return Err(usage(format!("Must supply value with -v for -S {name}")));
        }
        changes.set.extend(options.set_attr.iter().cloned().zip(options.attr_value.iter().cloned()));
        for name in changes.set.iter().map(|(name, _)| name).chain(&changes.delete) {
            if name == "id" {
                let message = "Could not modify ticket: No such device or address";
                return Err(Failure::new(status::NO_SUCH, message.to_owned()));
            }
            if !is_name(name) {
                return Err(usage(format!("'{name}' cannot be an attribute of a ticket: it is no name in XML")));
            }
        }
        Ok(changes)
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.delete.is_empty()
    }

    /// Whether somebody should think twice; that is said.
    fn may_harm(&self, call: &mut Call, ticket: &str) -> bool {
        match self.set.iter().rev().find(|(name, _)| name == "granted") {
            Some((_, value)) if is_true(Some(value)) => call.say(format!(
                "This command cannot help you verify whether '{ticket}' has been already granted elsewhere.\n\
                 If you really want to grant '{ticket}' to this site now, and you know what you are doing,\n\
                 please specify --force."
            )),
            Some(_) => warn_of_loss(call, ticket),
            None if self.delete.iter().any(|name| name == "granted") => warn_of_loss(call, ticket),
            None => return false,
        }
        true
    }

    fn make(&self, document: &mut Document, ticket: &str, at: i64) {
        let state = states(document, Some(ticket)).first().copied();
        if state.is_none() && self.set.is_empty() {
            return;
        }
        let state = state.unwrap_or_else(|| {
            let root = document.root();
            let section = document.child(root, "status").unwrap_or_else(|| document.append(root, "status"));
            let list = document.child(section, "tickets").unwrap_or_else(|| document.append(section, "tickets"));
            let state = document.append(list, "ticket_state");
            document.set(state, "id", ticket);
            state
        });
        for (name, value) in &self.set {
            // A ticket that changes its owner says since when.
            let granted = name == "granted" && is_true(Some(value)) && !is_true(document.attribute(state, "granted"));
            document.set(state, name, value);
            if granted {
                document.set(state, "last-granted", &at.to_string());
            }
        }
        self.delete.iter().for_each(|name| document.unset(state, name));
    }
}

/// Whether XML takes it as the name of an attribute.
fn is_name(text: &str) -> bool {
    let begins = |character: char| character.is_alphabetic() || matches!(character, '_' | ':');
    text.starts_with(begins) && text.chars().all(|c| begins(c) || c.is_numeric() || matches!(c, '-' | '.'))
}
