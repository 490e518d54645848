//! What a classic tool says, as text or as XML, to standard output or a file, and how it ends.

use std::fs;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::call::Call;
use super::status::{self, Failure};
use crate::output::xml::{Api, Tree};

/// What `--version` says: programs look for the first line to know which options there are.
const VERSION: &str = concat!(
    "Pacemaker 2.1.5\n",
    "That is whose options and output this has; it is Systole ",
    env!("CARGO_PKG_VERSION"),
    "\n"
);

/// Options that all tools have.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Display software version and exit
    #[arg(short = '$', long)]
    pub version: bool,

    /// Say more; may be given several times
    #[arg(short = 'V', long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub output_as: Format,

    /// Write the output to this file instead of standard output ("-")
    #[arg(long, value_name = "DEST")]
    pub output_to: Option<PathBuf>,
}

/// The version alone, for tools that have but one format.
pub fn version() -> &'static str {
    VERSION
}

/// How the output is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    #[value(alias = "console")]
    Text,
    /// For programs.
    Xml,
}

/// Says something in the format that is wanted.
#[derive(Debug)]
pub struct Report<'c> {
    /// The run.
    pub call: &'c mut Call,
    tree: Option<Tree>,
}

impl Report<'_> {
    /// The XML that grows, if that is the format.
    pub fn xml(&mut self) -> Option<&mut Tree> {
        self.tree.as_mut()
    }

    /// Whether the format is XML.
    pub fn is_xml(&self) -> bool {
        self.tree.is_some()
    }

    /// A line of text; nothing in XML.
    pub fn line(&mut self, line: impl AsRef<str>) {
        if self.tree.is_none() {
            self.call.say(line);
        }
    }
}

/// Does what a tool does and ends its output. The closure gives the exit status.
pub fn tell(call: &mut Call, common: &Common, act: impl FnOnce(&mut Report<'_>) -> Result<u8, Failure>) -> u8 {
    if common.version {
        call.out.push_str(VERSION);
        return status::OK;
    }
    let tree = (common.output_as == Format::Xml).then(|| Tree::result_in(Api::Old, &call.arguments));
    let mut report = Report { call, tree };
    let done = act(&mut report);
    let Report { call, tree } = report;
    let code = match (&done, tree) {
        (Ok(code), None) => *code,
        (Ok(code), Some(tree)) => {
            call.out.push_str(&tree.finish(*code, status::text(*code), &[]));
            *code
        }
        (Err(failure), None) => call.fail(failure),
        (Err(failure), Some(tree)) => {
            let name = call.name();
            let errors: Vec<String> = failure.message.iter().map(|message| format!("{name}: {message}")).collect();
            call.out.push_str(&tree.finish(failure.status, status::text(failure.status), &errors));
            failure.status
        }
    };
    match common.output_to.as_deref().filter(|path| path.as_os_str() != "-") {
        Some(path) => match fs::write(path, std::mem::take(&mut call.out)) {
            Ok(()) => code,
            Err(error) => call.fail(&Failure::cannot_create(path, &error)),
        },
        None => code,
    }
}
