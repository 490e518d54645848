//! `crm_diff`: what differs between two documents, as a patch, and a patch applied. How a patch is made is `cib::patch`'s.

use std::fs;

use cib::patch::{self, xml};
use cib::{Cib, Document};
use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::version;
use super::status::{self, Failure};

/// The tool.
pub const TOOL: Tool = Tool {
    name: "crm_diff",
    about: "Compare two configurations, or apply a patch",
    run: |words| call::run(words, run),
};

/// Compare two configurations and print the difference as a patch, or apply such a patch.
///
/// Exit status: 0 if they are the same (or the patch was applied), 1 if they differ, 65 if one cannot be read.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_diff", disable_version_flag = true, args_override_self = true)]
struct Options {
    /// Display software version and exit
    #[arg(short = '$', long)]
    version: bool,

    /// Say more; taken for old scripts
    #[arg(short = 'V', long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// The original is in this file ("-" for standard input)
    #[arg(short = 'o', long, value_name = "FILE", help_heading = "Original XML")]
    original: Option<String>,

    /// The original itself
    #[arg(short = 'O', long, value_name = "XML", allow_hyphen_values = true, help_heading = "Original XML")]
    original_string: Option<String>,

    /// Compare the original to this file ("-" for standard input)
    #[arg(short = 'n', long = "new", value_name = "FILE", allow_hyphen_values = true, help_heading = "Operation")]
    new_file: Option<String>,

    /// Compare the original to this text
    #[arg(short = 'N', long, value_name = "XML", allow_hyphen_values = true, help_heading = "Operation")]
    new_string: Option<String>,

    /// Apply the patch in this file to the original
    #[arg(short = 'p', long, value_name = "FILE", help_heading = "Operation")]
    patch: Option<String>,

    /// Both are CIBs
    #[arg(short = 'c', long)]
    cib: bool,

    /// What is not named otherwise comes from standard input
    #[arg(short = 's', long, hide = true)]
    stdin: bool,

    /// Leave the versions out
    #[arg(short = 'u', long)]
    no_version: bool,
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
    if options.cib && options.no_version {
        let message = "error: -u/--no-version incompatible with -c/--cib";
        return Err(Failure::new(status::USAGE, message.to_owned()));
    }
    let original = read(call, options.original.as_deref(), options.original_string.as_deref(), options.stdin, "first")?;
    if let Some(file) = &options.patch {
        let text = text(call, Some(file), None, false, "second")?;
        let patch = xml::read(&text).map_err(|error| Failure::new(status::BAD_DATA, format!("{file}: {error}")))?;
        let mut patched = original;
        patch::apply(&mut patched, &patch)
            .map_err(|error| Failure::new(status::ERROR, format!("Could not apply patch: {error}")))?;
        call.out.push_str(&patched.to_xml());
        return Ok(status::OK);
    }
    let new = read(call, options.new_file.as_deref(), options.new_string.as_deref(), options.stdin, "second")?;
    let patch = patch::diff(&original, &new);
    if patch.changes.is_empty() {
        return Ok(status::OK);
    }
    let mut told = Document::parse(&xml::write(&patch, &original, &new))
        .map_err(|error| Failure::new(status::SOFTWARE, format!("the patch cannot be read again: {error}")))?;
    let root = told.root();
    if options.no_version
        && let Some(versions) = told.child(root, "version")
    {
        told.remove(versions);
    }
    if options.cib
        && let Ok(cib) = Cib::new(new)
    {
        told.set(root, "digest", &cib.digest());
    }
    call.out.push_str(&told.to_xml());
    Ok(status::ERROR)
}

fn read(
    call: &mut Call,
    file: Option<&str>,
    given: Option<&str>,
    stdin: bool,
    which: &str,
) -> Result<Document, Failure> {
    let text = text(call, file, given, stdin, which)?;
    Document::parse(&text).map_err(|error| {
        let name = file.unwrap_or("the given text");
        let message = format!("Could not parse the {which} XML fragment\n{}", error.render(name, &text));
        Failure::new(status::BAD_DATA, message)
    })
}

fn text(call: &mut Call, file: Option<&str>, given: Option<&str>, stdin: bool, which: &str) -> Result<String, Failure> {
    let wrong =
        |why: String| Failure::new(status::BAD_DATA, format!("Could not parse the {which} XML fragment: {why}"));
    match (given, file) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Some(file)) if file != "-" => {
            fs::read_to_string(file).map_err(|error| wrong(format!("reading {file}: {error}")))
        }
        (None, None) if !stdin => Err(wrong("it is not given".to_owned())),
        _ => String::from_utf8(call.standard_input()?).map_err(|_| wrong("it is no UTF-8 text".to_owned())),
    }
}
