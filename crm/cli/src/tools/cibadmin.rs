//! `cibadmin`: any part of the CIB shown and changed. What a change does is `cib`'s, here as in the cluster; this reads
//! the command line and the input, and says what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use cib::check::{Severity, check, is_taken, whole};
use cib::patch::{self, path_of};
use cib::{Cib, Document, Element, FEATURE_SET, Refused, SCHEMA, Write, upgrade, xpath};
use clap::Parser;
use wire::request::{QueryWhat, Request};
use wire::write::{ExpectedForm, OperationForm, WriteForm};

use super::Tool;
use super::call::{self, Call};
use super::report::version;
use super::scope;
use super::status::{self, Failure};
use super::store::{Refusal, Store, connect, send, warn_of_unreached};
use crate::change;

/// The tool.
pub const TOOL: Tool =
    Tool { name: "cibadmin", about: "Query and edit the cluster's configuration", run: |words| call::run(words, run) };

/// Schemas before this one have other words for some things.
const FIRST_OF_TODAY: &str = "pacemaker-3.0";

/// Query and edit the cluster's configuration and state (the CIB).
#[derive(Parser, Clone, Debug)]
#[command(name = "cibadmin", disable_version_flag = true, args_override_self = true, infer_long_args = true)]
pub struct Options {
    /// Print the version and leave
    #[arg(short = '$', long)]
    version: bool,

    /// Say more; taken for old scripts
    #[arg(short = 'V', long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Query the contents of the CIB
    #[arg(short = 'Q', long, help_heading = "Commands")]
    query: bool,

    /// Create an object; one that exists is an error
    #[arg(short = 'C', long, help_heading = "Commands")]
    create: bool,

    /// Merge an object into the one that exists
    #[arg(short = 'M', long, help_heading = "Commands")]
    modify: bool,

    /// Apply a patch as crm_diff makes it
    #[arg(short = 'P', long, help_heading = "Commands")]
    patch: bool,

    /// Put an object in the place of the one that exists
    #[arg(short = 'R', long, help_heading = "Commands")]
    replace: bool,

    /// Delete the first object that has all the attributes given, or that the XPath finds
    #[arg(short = 'D', long, help_heading = "Commands")]
    delete: bool,

    /// Delete all that the XPath finds
    #[arg(short = 'd', long, help_heading = "Commands")]
    delete_all: bool,

    /// Upgrade the configuration to the latest syntax (requires --force)
    #[arg(short = 'u', long, help_heading = "Commands")]
    upgrade: bool,

    /// Erase the whole configuration (requires --force)
    #[arg(short = 'E', long, help_heading = "Commands")]
    erase: bool,

    /// Raise the CIB's epoch
    #[arg(short = 'B', long, help_heading = "Commands")]
    bump: bool,

    /// Print an empty CIB
    #[arg(short = 'a', long, help_heading = "Commands")]
    empty: bool,

    /// Also without quorum; and what is dangerous
    #[arg(short, long)]
    force: bool,

    /// Taken for old scripts: every call waits
    #[arg(short = 's', long)]
    sync_call: bool,

    /// Taken for old scripts: every query is answered by this node
    #[arg(short, long)]
    local: bool,

    /// With --modify: create what does not exist
    #[arg(short = 'c', long)]
    allow_create: bool,

    /// With --query: without what is in it
    #[arg(short, long)]
    no_children: bool,

    /// Taken for old scripts: a call waits as long as the cluster needs
    #[arg(short, long, value_name = "SECONDS")]
    timeout: Option<String>,

    /// Taken for old scripts: all nodes have the same CIB
    #[arg(short = 'N', long)]
    node: Option<String>,

    /// The XML itself
    #[arg(short = 'X', long, value_name = "XML", allow_hyphen_values = true, help_heading = "Data")]
    xml_text: Option<String>,

    /// A file that holds the XML
    #[arg(short = 'x', long, value_name = "FILE", help_heading = "Data")]
    xml_file: Option<PathBuf>,

    /// The XML comes from standard input
    #[arg(short = 'p', long, help_heading = "Data")]
    xml_pipe: bool,

    /// The section of the CIB
    #[arg(short = 'o', long, alias = "obj_type", value_name = "SECTION", help_heading = "Data")]
    scope: Option<String>,

    /// An XPath instead of a section
    #[arg(short = 'A', long, value_name = "XPATH", help_heading = "Data")]
    xpath: Option<String>,

    /// With --xpath: print where what is found is
    #[arg(short = 'e', long, help_heading = "Data")]
    node_path: bool,
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
    let result = act(call, &options);
    call.end(result)
}

fn act(call: &mut Call, options: &Options) -> Result<u8, Failure> {
    if options.empty {
        call.out.push_str(&empty().to_xml());
        return Ok(status::OK);
    }
    let store = Store::of(call);
    if options.query {
        return query(call, &store, options);
    }
    let dangerous = options.erase || options.upgrade || options.delete_all;
    if dangerous && !options.force {
        let message = "The supplied command is considered dangerous.  To prevent accidental destruction of the cluster, \
                       the --force flag is required in order to proceed.";
        return Err(Failure::new(status::UNSAFE, message.to_owned()));
    }
    if options.upgrade {
        return upgrade_schema(&store, options);
    }
    let given = input(call, options)?;
    let write = wanted(options, given)?;
    make(&store, &write, options.force)?;
    Ok(status::OK)
}

/// A CIB in which there is nothing.
pub(super) fn empty() -> Document {
    let mut document = Document::new("cib");
    let root = document.root();
    let attributes = [
        ("crm_feature_set", FEATURE_SET),
        ("validate-with", SCHEMA),
        ("epoch", "1"),
        ("num_updates", "0"),
        ("admin_epoch", "0"),
    ];
    attributes.iter().for_each(|(name, value)| document.set(root, name, value));
    let configuration = document.append(root, "configuration");
    for section in ["crm_config", "nodes", "resources", "constraints"] {
        document.append(configuration, section);
    }
    document.append(root, "status");
    document
}

/// The XML that is given, wherever it comes from.
fn input(call: &mut Call, options: &Options) -> Result<Option<Document>, Failure> {
    let wrong = |what: String| Failure::new(status::BAD_CONFIGURATION, what);
    let (name, text) = match (&options.xml_text, &options.xml_file) {
        (Some(text), _) => ("input string".to_owned(), text.clone()),
        (None, Some(path)) => {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|error| wrong(format!("reading {name}: {error}")))?;
            (name, text)
        }
        (None, None) if options.xml_pipe => {
            let bytes = call.standard_input()?;
            let text = String::from_utf8(bytes).map_err(|_| wrong("standard input is no UTF-8 text".to_owned()))?;
            ("STDIN".to_owned(), text)
        }
        (None, None) => return Ok(None),
    };
    match Document::parse(&text) {
        Ok(document) => Ok(Some(document)),
        Err(error) => Err(wrong(format!("Couldn't parse input from {name}.\n{}", error.render(&name, &text)))),
    }
}

/// What is to be written.
fn wanted(options: &Options, given: Option<Document>) -> Result<WriteForm, Failure> {
    let author = change::author();
    let missing = || {
        let message = "Call failed: Invalid argument: expected XML by --xml-text, --xml-file or --xml-pipe";
        Failure::new(status::SOFTWARE, message.to_owned())
    };
    if options.erase {
        return Ok(WriteForm::Replace { xml: empty().to_xml(), expected: None, author });
    }
    if options.patch {
        let text = given.ok_or_else(missing)?;
        let expected = made_for(&text);
        let patch = patch::xml::read(&text.to_xml())
            .map_err(|error| Failure::new(status::BAD_DATA, format!("Call failed: {error}")))?;
        return Ok(WriteForm::Configure {
            patch: patch.changes.into_iter().map(Into::into).collect(),
            expected,
            author,
        });
    }
    let (operation, xml) = match () {
        // The change itself raises the epoch once more.
        () if options.bump => (OperationForm::Modify { create: false }, Some(r#"<cib epoch="epoch++"/>"#.to_owned())),
        () if options.create => (OperationForm::Create, given.map(|xml| xml.to_xml())),
        () if options.modify => (OperationForm::Modify { create: options.allow_create }, given.map(|xml| xml.to_xml())),
        () if options.replace => (OperationForm::Replace, given.map(|xml| xml.to_xml())),
        () if options.delete || options.delete_all => (OperationForm::Delete, given.map(|xml| xml.to_xml())),
        () => {
            let message = "cibadmin: expected a command: --query, --create, --modify, --replace, --delete, --patch, \
                           --upgrade, --erase, --bump or --empty; --help tells more";
            return Err(Failure::new(status::USAGE, message.to_owned()));
        }
    };
    let by_path = operation == OperationForm::Delete && options.xpath.is_some();
    if xml.is_none() && !by_path {
        return Err(missing());
    }
    Ok(WriteForm::Edit {
        operation,
        section: options.scope.clone(),
        xpath: options.xpath.clone(),
        all: options.delete_all,
        // Of what is deleted by XPath the XPath says enough.
        xml: xml.filter(|_| !by_path),
        expected: None,
        author,
    })
}

/// The version a patch was made of, if it says so.
fn made_for(patch: &Document) -> Option<ExpectedForm> {
    let source = patch.descend(&["version", "source"])?;
    let number = |name| patch.attribute(source, name)?.parse::<u64>().ok();
    Some(ExpectedForm::Configuration(number("admin_epoch")?, number("epoch")?))
}

/// Makes a write, if it leaves a configuration without new errors.
pub(super) fn make(store: &Store, form: &WriteForm, force: bool) -> Result<(), Failure> {
    let write = Write::try_from(form.clone())
        .map_err(|error| Failure::new(status::BAD_DATA, format!("Call failed: {error}")))?;
    match store {
        Store::File(_) => store.change(force, |document| {
            *document = applied(document, &write)?;
            Ok(())
        }),
        Store::Live(socket) => {
            let mut client = connect(socket)?;
            let before = scope::judged_by(&mut client, form)?;
            let after = applied(&before, &write)?;
            match send(&mut client, Request::Write { write: form.clone(), force })? {
                Ok(()) => {
                    warn_of_unreached(&before, &after);
                    Ok(())
                }
                Err(Refusal { why, reason }) => {
                    let failure = Failure::from(Refusal { why, reason: reason.clone() });
                    Err(Failure::new(failure.status, format!("Call failed: {reason}")))
                }
            }
        }
    }
}

/// The CIB with a write. What a schema would refuse is refused, unless it was so before.
fn applied(document: &Document, write: &Write) -> Result<Document, Failure> {
    let mut cib =
        Cib::new(document.clone()).map_err(|error| Failure::new(status::BAD_DATA, format!("Call failed: {error}")))?;
    cib.apply(write).map_err(|refused| Failure::new(status_of(&refused), format!("Call failed: {refused}")))?;
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let errors = |document: &Document| {
        let findings = check(document).into_iter().filter(|finding| finding.severity == Severity::Error);
        findings.map(|finding| finding.to_string()).collect::<Vec<_>>()
    };
    let now = errors(cib.document());
    if !now.is_empty() {
        errors(document).into_iter().for_each(|error| *known.entry(error).or_default() += 1);
    }
    for error in now {
        match known.get_mut(&error).filter(|left| **left > 0) {
            Some(left) => *left -= 1,
            None => return Err(does_not_conform(&error)),
        }
    }
    let after = cib.document();
    if is_taken(document) && !is_taken(after) {
        let errors = whole(after).into_iter().filter(|finding| finding.severity == Severity::Error);
        let errors: Vec<String> = errors.map(|finding| format!("{finding}; {}", finding.remedy)).collect();
        return Err(does_not_conform(&errors.join("\n")));
    }
    Ok(after.clone())
}

fn does_not_conform(why: &str) -> Failure {
    let message = format!("Call failed: Update does not conform to the configured schema\n{why}");
    Failure::new(status::BAD_CONFIGURATION, message)
}

fn status_of(refused: &Refused) -> u8 {
    match refused {
        Refused::Outdated { .. } | Refused::Older { .. } => status::OLD,
        Refused::NotThere(_) | Refused::UnknownNode(_) => status::NO_SUCH,
        Refused::Exists { .. } => status::EXISTS,
        Refused::Patch(_) => status::ERROR,
        Refused::XPath(_) | Refused::NoSection(_) => status::NO_SUCH,
        Refused::Nameless(_) => status::SOFTWARE,
        Refused::Xml(_) | Refused::NotACib(_) | Refused::Section(_) => status::BAD_CONFIGURATION,
    }
}

fn upgrade_schema(store: &Store, options: &Options) -> Result<u8, Failure> {
    store.change(options.force, |document| {
        let root = document.root();
        let before = document.attribute(root, "validate-with").unwrap_or_default().to_owned();
        if before != "none" && cib::rule::compare_versions(number(&before), number(FIRST_OF_TODAY)).is_lt() {
            let (upgraded, _) = upgrade::upgrade(document);
            let upgraded = upgraded.into_owned();
            *document = upgraded;
        }
        let root = document.root();
        // One that is newer already stays so.
        let now = document.attribute(root, "validate-with").unwrap_or_default();
        if cib::rule::compare_versions(number(now), number(SCHEMA)).is_lt() || number(&before) != number(now) {
            document.set(root, "validate-with", SCHEMA);
        }
        Ok(())
    })?;
    Ok(status::OK)
}

fn number(schema: &str) -> &str {
    schema.strip_prefix("pacemaker-").unwrap_or("0")
}

fn query(call: &mut Call, store: &Store, options: &Options) -> Result<u8, Failure> {
    let what = match (options.node_path && options.xpath.is_some(), options.no_children) {
        (true, _) => QueryWhat::Paths,
        (false, true) => QueryWhat::NoChildren,
        (false, false) => QueryWhat::Whole,
    };
    let (section, path) = (options.scope.as_deref(), options.xpath.as_deref());
    let items = match store {
        Store::File(_) => find(&store.read()?.document, section, path, what)?,
        Store::Live(socket) => {
            let failed = |error: anyhow::Error| Failure::new(status::NO_SUCH, format!("Call failed: {error:#}"));
            connect(socket)?.query(section, path, what).map_err(failed)?.0
        }
    };
    match items.as_slice() {
        [] => Err(Failure::new(status::NO_SUCH, "Call failed: No such device or address".to_owned())),
        paths if what == QueryWhat::Paths => {
            paths.iter().for_each(|path| call.say(path));
            Ok(status::OK)
        }
        [one] => {
            call.out.push_str(one);
            Ok(status::OK)
        }
        several => {
            let mut list = Document::new("xpath-query");
            for item in several {
                let found = Document::parse(item)
                    .map_err(|error| Failure::new(status::BAD_DATA, format!("Call failed: {error}")))?;
                list.graft(list.root(), &found, found.root());
            }
            call.out.push_str(&list.to_xml());
            Ok(status::OK)
        }
    }
}

/// The same as a daemon finds in its CIB.
fn find(
    document: &Document,
    section: Option<&str>,
    path: Option<&str>,
    what: QueryWhat,
) -> Result<Vec<String>, Failure> {
    let found: Vec<Element> = match (path, section) {
        (Some(path), _) => xpath::elements(document, path)
            .map_err(|error| Failure::new(status::NO_SUCH, format!("Call failed: {error}")))?,
        (None, None | Some("" | "all" | "cib")) => vec![document.root()],
        (None, Some(section @ ("configuration" | "status"))) => document.descend(&[section]).into_iter().collect(),
        (None, Some(section)) => document.descend(&["configuration", section]).into_iter().collect(),
    };
    let item = |element| match what {
        QueryWhat::Whole => document.element_to_xml(element),
        QueryWhat::Paths => path_of(document, element),
        QueryWhat::NoChildren => {
            let mut bare = Document::new(document.name(element));
            let root = bare.root();
            document.attributes(element).for_each(|(name, value)| bare.set(root, name, value));
            bare.to_xml()
        }
    };
    Ok(found.into_iter().map(item).collect())
}
