//! Exit statuses of the classic tools, which are Pacemaker's, and how they say what went wrong.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use cib::Document;

use crate::client::Client;
use crate::cluster::Live;
use crate::file::CibFile;
use crate::terminal;

/// As asked.
pub const OK: u8 = 0;
/// It could not be done.
pub const ERROR: u8 = 1;
/// The agent cannot do it.
pub const UNIMPLEMENTED: u8 = 3;
/// The agent, or what it needs, is not there.
pub const NOT_INSTALLED: u8 = 5;
/// Something that is needed for it was not set.
pub const NOT_CONFIGURED: u8 = 6;
/// The command line was not understood.
pub const USAGE: u8 = 64;
/// The input is not what it should be.
pub const BAD_DATA: u8 = 65;
/// There is no input.
pub const NO_INPUT: u8 = 66;
/// It was used as it cannot be used.
pub const SOFTWARE: u8 = 70;
/// A file could not be written.
pub const CANNOT_CREATE: u8 = 73;
/// Reading or writing failed.
pub const IO_ERROR: u8 = 74;
/// The configuration is wrong.
pub const BAD_CONFIGURATION: u8 = 78;
/// What was said is against the protocol.
pub const PROTOCOL: u8 = 76;
/// It may not be done by this user.
pub const NOT_PERMITTED: u8 = 4;
/// The cluster does not answer.
pub const DISCONNECTED: u8 = 102;
/// Now is not the time.
pub const TRY_AGAIN: u8 = 75;
/// What was to be written is older than what is there.
pub const OLD: u8 = 103;
/// There is no such thing.
pub const NO_SUCH: u8 = 105;
/// It needs quorum.
pub const NO_QUORUM: u8 = 106;
/// It would do harm.
pub const UNSAFE: u8 = 107;
/// It is there already.
pub const EXISTS: u8 = 108;
/// More than one is meant.
pub const MULTIPLE: u8 = 109;
/// It was so, and is no longer.
pub const EXPIRED: u8 = 110;
/// It will be so, and is not yet.
pub const NOT_YET: u8 = 111;
/// It cannot be told.
pub const UNDETERMINED: u8 = 112;
/// It is not so now.
pub const UNSATISFIED: u8 = 113;
/// It took too long.
pub const TIMEOUT: u8 = 124;

/// What an exit status means, in the words Pacemaker's tools put into their XML.
pub fn text(status: u8) -> &'static str {
    super::crm_error::exit_status(status).map_or("Unknown exit status", |(_, _, text)| text)
}

/// Why a tool leaves, and with which status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// What to say; nothing if it was said already.
    pub message: Option<String>,
}

impl Failure {
    /// A failure that is told.
    pub fn new(status: u8, message: String) -> Self {
        Failure { status, message: Some(message) }
    }

    /// A failure that was told before.
    pub fn silent(status: u8) -> Self {
        Failure { status, message: None }
    }

    /// A file that cannot be written.
    pub fn cannot_create(path: &Path, error: &std::io::Error) -> Self {
        let status = match error.kind() {
            io::ErrorKind::NotFound => NO_SUCH,
            io::ErrorKind::PermissionDenied => NOT_PERMITTED,
            _ => CANNOT_CREATE,
        };
        Failure::new(status, format!("writing {}: {error}", path.display()))
    }

    /// Says it and gives the exit status.
    pub fn tell(&self, tool: &str) -> u8 {
        if let Some(message) = &self.message {
            terminal::complain(&format!("{tool}: {message}"));
        }
        self.status
    }
}

/// Shows what the command line should have been (or the help asked for) and gives the exit status.
pub fn of_usage(error: &clap::Error) -> u8 {
    // A closed pipe is the reader's choice; there is nobody left to tell.
    let _ = error.print();
    if error.use_stderr() { USAGE } else { OK }
}

/// A CIB from a file.
pub fn read_file(path: &Path) -> Result<CibFile, Failure> {
    let name = path.display().to_string();
    parse(fs::read(path).map_err(|error| unreadable(&name, &error))?, name)
}

/// A CIB from standard input.
pub fn read_standard_input() -> Result<CibFile, Failure> {
    let (mut bytes, name) = (Vec::new(), "standard input");
    io::stdin().read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    parse(bytes, name.to_owned())
}

/// The CIB of the running cluster, as its daemon on this machine tells it.
pub fn read_live(socket: &Path) -> Result<Document, Failure> {
    let live = Client::connect(socket).and_then(|mut client| Live::fetch(&mut client));
    match live {
        Ok(live) => Ok(live.view.document),
        Err(error) => Err(Failure::new(DISCONNECTED, format!("CIB query failed: {error:#}"))),
    }
}

/// A CIB from a text, whose place is told as `name`.
pub fn parse(bytes: Vec<u8>, name: String) -> Result<CibFile, Failure> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::new(BAD_DATA, format!("{name}:{line}: this is no UTF-8 text; expected a CIB as XML in UTF-8"))
    })?;
    match Document::parse(&text) {
        Ok(document) => Ok(CibFile { name, text, document }),
        Err(error) => Err(Failure::new(BAD_DATA, error.render(&name, &text))),
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::new(NO_INPUT, format!("reading the CIB from {name}: {error}; expected a file that holds a CIB"))
}

/// Makes a CIB ready to be planned from: with a status section.
pub fn prepare(mut cib: Document) -> Result<Document, Failure> {
    let root = cib.root();
    if cib.name(root) != "cib" {
        let found = cib.name(root).to_owned();
        return Err(Failure::new(
            BAD_CONFIGURATION,
            format!("expected a CIB, whose element is <cib>, found <{found}>"),
        ));
    }
    if cib.child(root, "status").is_none() {
        cib.append(root, "status");
    }
    Ok(cib)
}
