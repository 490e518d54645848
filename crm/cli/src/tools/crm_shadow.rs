//! `crm_shadow`: copies of the configuration that the other tools work on instead of the cluster (`CIB_shadow`), to try
//! changes on and then make all of them at once. crmsh keeps its own copies with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cib::Document;
use cib::patch::{self, Change};
use clap::Parser;
use wire::write::{OperationForm, WriteForm};

use super::Tool;
use super::call::{self, Call};
use super::cibadmin;
use super::report::version;
use super::status::{self, Failure};
use super::store::{self, Store, shadow_file};
use crate::change;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "crm_shadow",
    about: "Try changes on a copy of the configuration",
    run: |words| call::run(words, run),
};

/// Make copies of the configuration, which the other tools work on where CIB_shadow names one, and commit them.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_shadow", disable_version_flag = true, args_override_self = true)]
#[command(group = clap::ArgGroup::new("command").required(true).args([
    "version", "which", "display", "edit", "diff", "file", "create", "create_empty", "commit", "delete", "reset",
    "switch",
]))]
struct Options {
    /// Display software version and exit
    #[arg(short = '$', long)]
    version: bool,

    /// Say more; taken for old scripts
    #[arg(short = 'V', long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Show which copy CIB_shadow names
    #[arg(short, long, help_heading = "Queries")]
    which: bool,

    /// Show what is in that copy
    #[arg(short = 'p', long, help_heading = "Queries")]
    display: bool,

    /// Edit that copy with $EDITOR
    #[arg(short = 'E', long, help_heading = "Queries")]
    edit: bool,

    /// Show in what that copy differs from the cluster; exit status 1 if it does
    #[arg(short, long, help_heading = "Queries")]
    diff: bool,

    /// Show in which file that copy is
    #[arg(short = 'F', long, help_heading = "Queries")]
    file: bool,

    /// Make a copy of the cluster's configuration, with this name
    #[arg(short, long, value_name = "NAME", help_heading = "Commands")]
    create: Option<String>,

    /// Make an empty configuration, with this name
    #[arg(short = 'e', long, value_name = "NAME", help_heading = "Commands")]
    create_empty: Option<String>,

    /// Put the copy of this name in the place of the cluster's configuration (requires --force)
    #[arg(short = 'C', long, value_name = "NAME", help_heading = "Commands")]
    commit: Option<String>,

    /// Delete the copy of this name (requires --force)
    #[arg(short = 'D', long, value_name = "NAME", help_heading = "Commands")]
    delete: Option<String>,

    /// Make the copy of this name anew from the cluster's configuration
    #[arg(short, long, value_name = "NAME", help_heading = "Commands")]
    reset: Option<String>,

    /// Work on the copy of this name from now on
    #[arg(short, long, value_name = "NAME", help_heading = "Commands")]
    switch: Option<String>,

    /// Also over a copy that is there, and what is dangerous
    #[arg(short, long)]
    force: bool,

    /// Say how to use the copy instead of beginning a shell that does
    #[arg(short, long)]
    batch: bool,

    /// With --commit: the status too
    #[arg(short, long)]
    all: bool,

    /// With --create-empty: the schema that it is written for
    #[arg(short, long, value_name = "SCHEMA")]
    validate_with: Option<String>,
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
    if (options.commit.is_some() || options.delete.is_some()) && !options.force {
        let message = "The supplied command is considered dangerous.  To prevent accidental destruction of the cluster, \
                       the --force flag is required in order to proceed.";
        return Err(Failure::new(status::USAGE, message.to_owned()));
    }
    let cluster = Store::behind_shadows(call);
    if let Some(name) = &options.create_empty {
        let mut document = cibadmin::empty();
        let root = document.root();
        document.set(root, "epoch", "0");
        options.validate_with.iter().for_each(|schema| document.set(root, "validate-with", schema));
        let file = new_file(call, name, options.force)?;
        write(&file, name, &document)?;
        let schema = document.attribute(root, "validate-with").unwrap_or_default();
        call.say(format!("Created new {schema} configuration"));
        return begin(call, options, name, true);
    }
    if let Some(name) = &options.create {
        let file = new_file(call, name, options.force)?;
        write(&file, name, &cluster.read()?.document)?;
        return begin(call, options, name, true);
    }
    if let Some(name) = &options.reset {
        let file = existing(call, name)?;
        write(&file, name, &cluster.read()?.document)?;
        return begin(call, options, name, true);
    }
    if let Some(name) = &options.switch {
        existing(call, name)?;
        return begin(call, options, name, false);
    }
    if let Some(name) = &options.commit {
        let file = existing(call, name)?;
        commit(&cluster, Store::File(file).read()?.document, options.all)?;
        return Ok(end(call, name));
    }
    if let Some(name) = &options.delete {
        let file = shadow_file(call, name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let message = format!("Could not remove the shadow instance '{name}': {}: {error}", file.display());
                return Err(Failure::new(status::ERROR, message));
            }
            _ => return Ok(end(call, name)),
        }
    }
    let Some(name) = call.variable("CIB_shadow").map(str::to_owned) else {
        return Err(Failure::new(status::NO_SUCH, "No active shadow configuration defined".to_owned()));
    };
    if options.which {
        call.say(name);
        return Ok(status::OK);
    }
    if options.file {
        call.say(shadow_file(call, &name).display().to_string());
        return Ok(status::OK);
    }
    let file = existing(call, &name)?;
    if options.edit {
        return edit(call, &file);
    }
    let document = Store::File(file).read()?.document;
    if options.display {
        call.out.push_str(&document.to_xml());
        return Ok(status::OK);
    }
    let lines = differences(&cluster.read()?.document, &document);
    lines.iter().for_each(|line| call.say(line));
    Ok(if lines.is_empty() { status::OK } else { status::ERROR })
}

/// Where the copy of that name is.
fn existing(call: &Call, name: &str) -> Result<PathBuf, Failure> {
    let file = shadow_file(call, name);
    match fs::metadata(&file) {
        Ok(_) => Ok(file),
        Err(error) => {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "No such file or directory".to_owned(),
                _ => format!("{}: {error}", file.display()),
            };
            Err(Failure::new(status::NO_SUCH, format!("Could not access shadow instance '{name}': {why}")))
        }
    }
}

/// Where a copy of that name can be made.
fn new_file(call: &Call, name: &str, force: bool) -> Result<PathBuf, Failure> {
    if name.contains('/') {
        let message = format!("Could not create the shadow instance '{name}': expected a name without '/'");
        return Err(Failure::new(status::NO_SUCH, message));
    }
    let file = shadow_file(call, name);
    if file.exists() && !force {
        let message = format!(
            "A shadow instance '{name}' already exists.\n  To prevent accidental destruction of the cluster, the \
             --force flag is required in order to proceed."
        );
        return Err(Failure::new(status::CANNOT_CREATE, message));
    }
    Ok(file)
}

fn write(file: &Path, name: &str, document: &Document) -> Result<(), Failure> {
    store::write_private(file, &document.to_xml()).map_err(|failure| {
        let why = failure.message.unwrap_or_default();
        Failure::new(failure.status, format!("Could not create the shadow instance '{name}': {why}"))
    })
}

fn commit(cluster: &Store, document: Document, all: bool) -> Result<(), Failure> {
    let part = match all {
        true => Some(document.root()),
        false => document.child(document.root(), "configuration"),
    };
    let Some(part) = part else {
        return Err(Failure::new(status::BAD_DATA, "there is no <configuration> in the copy".to_owned()));
    };
    let form = WriteForm::Edit {
        operation: OperationForm::Replace,
        section: (!all).then(|| "configuration".to_owned()),
        xpath: None,
        all: false,
        xml: Some(document.element_to_xml(part)),
        expected: None,
        author: change::author(),
    };
    // That this is dangerous was confirmed; that there is no quorum was not.
    cibadmin::make(cluster, &form, false)
}

/// Lets the user work on a copy: in a shell that knows of it, or by what is to be pasted into one.
fn begin(call: &mut Call, options: &Options, name: &str, new: bool) -> Result<u8, Failure> {
    call.say("Setting up shadow instance");
    if options.batch {
        call.say(match new {
            true => "A new shadow instance was created.  To begin using it paste the following into your shell:",
            false => "To switch to the named shadow instance, paste the following into your shell:",
        });
        call.say(format!("  CIB_shadow={name} ; export CIB_shadow"));
        return Ok(status::OK);
    }
    let shell = call.variable("SHELL").unwrap_or("/bin/sh").to_owned();
    call.say("Type Ctrl-D to exit the crm_shadow shell");
    let failed = |what: &str, error: std::io::Error| Failure::new(status::IO_ERROR, format!("{what}: {error}"));
    call.flush().map_err(|error| failed("writing the output", error))?;
    let mut command = Command::new(&shell);
    // Start-up files would give the prompt another text.
    if shell.ends_with("/bash") {
        command.args(["--norc", "--noprofile"]);
    }
    let done = command.env("CIB_shadow", name).env("PS1", prompt(name)).status();
    let code = done.map_err(|error| failed(&format!("beginning the shell {shell}"), error))?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(status::ERROR))
}

fn prompt(name: &str) -> String {
    format!("shadow[{name}] # ")
}

/// Says how to go back to the cluster itself.
fn end(call: &mut Call, name: &str) -> u8 {
    let inside = call.variable("CIB_shadow") == Some(name) && call.variable("PS1") == Some(&prompt(name));
    if inside {
        call.say("Now type Ctrl-D to exit the crm_shadow shell");
    } else {
        call.say("Please remember to unset the CIB_shadow variable by pasting the following into your shell:");
        call.say("  unset CIB_shadow");
    }
    status::OK
}

fn edit(call: &mut Call, file: &Path) -> Result<u8, Failure> {
    let Some(editor) = call.variable("EDITOR") else {
        return Err(Failure::new(status::NOT_CONFIGURED, "No value for EDITOR defined".to_owned()));
    };
    match Command::new(editor).arg(file).status() {
        Ok(done) if done.success() => Ok(status::OK),
        Ok(_) => Ok(status::ERROR),
        Err(error) => Err(Failure::new(status::ERROR, format!("Could not invoke EDITOR ({editor}): {error}"))),
    }
}

/// What says when and by whom a CIB was written last; a copy that is changed has another author, and that is no news.
const SIGNED: [&str; 4] = ["cib-last-written", "update-origin", "update-client", "update-user"];

/// In what one CIB differs from another, for people: a line each, several for a new element.
fn differences(from: &Document, to: &Document) -> Vec<String> {
    let changes = patch::diff(from, to).changes;
    if changes.is_empty() {
        return Vec::new();
    }
    let version = |document: &Document| {
        ["admin_epoch", "epoch", "num_updates"]
            .map(|name| document.attribute(document.root(), name).unwrap_or("0"))
            .join(".")
    };
    let (old, new) = (version(from), version(to));
    let mut lines = match old == new {
        true => vec![format!("  : Local-only Change: {old}")],
        // Behind the versions stand the patch's form, and a digest that it does not have.
        false => vec![format!("Diff: --- {old} 2"), format!("Diff: +++ {new} (null)")],
    };
    // What goes is told first, as in a patch of Pacemaker's.
    let (gone, other): (Vec<&Change>, _) = changes.iter().partition(|change| matches!(change, Change::Delete { .. }));
    gone.into_iter().chain(other).for_each(|change| tell(change, &mut lines));
    lines
}

fn tell(change: &Change, lines: &mut Vec<String>) {
    match change {
        Change::Create { path, xml, .. } => {
            let margin = " ".repeat(path.chars().count() + 3);
            // A document prints its elements with their places; what was made by hand stays as it is.
            let xml = Document::parse(xml).map_or_else(|_| xml.clone(), |element| element.to_xml());
            for (number, line) in xml.lines().enumerate() {
                lines.push(match number {
                    0 => format!("++ {path}:  {line}"),
                    _ => format!("++ {margin}{line}"),
                });
            }
        }
        Change::Modify { path, set, unset } => {
            let set = set.iter().filter(|(name, _)| !SIGNED.contains(&name.as_str()));
            let set: Vec<String> = set.map(|(name, value)| format!("@{name}={value}")).collect();
            let unset: Vec<String> = unset.iter().map(|name| format!("@{name}")).collect();
            lines.extend((!set.is_empty()).then(|| format!("+  {path}:  {}", set.join(", "))));
            lines.extend((!unset.is_empty()).then(|| format!("-- {path}:  {}", unset.join(", "))));
        }
        Change::Delete { path } => lines.push(format!("-- {path}")),
        Change::Move { path, position } => lines.push(format!("+~ {path} moved to offset {position}")),
    }
}
