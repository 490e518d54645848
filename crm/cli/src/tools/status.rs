//! Exit statuses of the classic tools, which are Pacemaker's, and how they say what went wrong.

use std::path::Path;

use cib::Document;

/// As asked.
pub const OK: u8 = 0;
/// It could not be done.
pub const ERROR: u8 = 1;
/// The command line was not understood.
pub const USAGE: u8 = 64;
/// The input is not what it should be.
pub const BAD_DATA: u8 = 65;
/// There is no input.
pub const NO_INPUT: u8 = 66;
/// A file could not be written.
pub const CANNOT_CREATE: u8 = 73;
/// The configuration is wrong.
pub const BAD_CONFIGURATION: u8 = 78;
/// The cluster does not answer.
pub const DISCONNECTED: u8 = 102;

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
        Failure::new(CANNOT_CREATE, format!("writing {}: {error}", path.display()))
    }

    /// Says it and gives the exit status.
    pub fn tell(&self, tool: &str) -> u8 {
        if let Some(message) = &self.message {
            eprintln!("{tool}: {message}");
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

/// Makes a CIB ready to be planned from: with a status section.
pub fn prepare(mut cib: Document) -> Result<Document, Failure> {
    let root = cib.root();
    if cib.name(root) != "cib" {
        let found = cib.name(root).to_owned();
        return Err(Failure::new(BAD_DATA, format!("expected a CIB, whose element is <cib>, found <{found}>")));
    }
    if cib.child(root, "status").is_none() {
        cib.append(root, "status");
    }
    Ok(cib)
}
