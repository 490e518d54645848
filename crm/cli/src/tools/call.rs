//! One run of a classic tool: what it was given, and what it says. A tool sees its arguments, the environment and
//! standard input through this alone, so that a case can be tried without a process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Parser;

use super::status::{self, Failure};
use crate::client::DEFAULT_SOCKET;
use crate::terminal;

/// A standard input longer than this is no CIB and no patch; see [`crate::file`].
const MAX_INPUT: u64 = 512 * 1024 * 1024;

/// One run.
#[derive(Debug)]
pub struct Call {
    /// The command line, the tool's name first.
    pub arguments: Vec<OsString>,
    /// The environment; what is no text is left out.
    pub variables: BTreeMap<String, String>,
    /// Standard input; `None` is the process's own.
    pub input: Option<Vec<u8>>,
    /// What is to be printed to standard output.
    pub out: String,
    /// What is to be printed to standard error.
    pub err: String,
    /// Whether `out` and `err` are the process's own, and not kept.
    prints: bool,
    /// Whoever read it has gone.
    unread: bool,
}

/// Runs a tool as this process and gives its exit status.
pub fn run(arguments: Vec<OsString>, tool: fn(&mut Call) -> u8) -> u8 {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let variables = std::env::vars_os().filter_map(text).collect();
    let mut call =
        Call { arguments, variables, input: None, out: String::new(), err: String::new(), prints: true, unread: false };
    let status = tool(&mut call);
    match call.flush() {
        Ok(()) => status,
        Err(error) => {
            terminal::complain(&format!("{}: writing the output: {error}", call.name()));
            status::IO_ERROR
        }
    }
}

impl Call {
    /// A run whose output is kept.
    pub fn kept(arguments: Vec<OsString>, variables: BTreeMap<String, String>, input: Vec<u8>) -> Call {
        Call {
            arguments,
            variables,
            input: Some(input),
            out: String::new(),
            err: String::new(),
            prints: false,
            unread: false,
        }
    }

    /// The name the tool was called by, without directories.
    pub fn name(&self) -> String {
        let name = self.arguments.first().and_then(|name| Path::new(name).file_name());
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The value of an environment variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where the daemon listens.
    pub fn socket(&self) -> PathBuf {
        self.variable("SYSTOLE_SOCKET").unwrap_or(DEFAULT_SOCKET).into()
    }

    /// Reads the command line, or says what is wrong with it and gives the exit status.
    ///
    /// # Errors
    /// The exit status to leave with, everything said.
    pub fn options<O: Parser>(&mut self) -> Result<O, u8> {
        self.options_from(self.arguments.clone())
    }

    /// As [`options`](Self::options), from another command line.
    ///
    /// # Errors
    /// The exit status to leave with, everything said.
    pub fn options_from<O: Parser>(&mut self, arguments: Vec<OsString>) -> Result<O, u8> {
        O::try_parse_from(arguments).map_err(|error| {
            let text = error.render().to_string();
            match error.use_stderr() {
                true => {
                    self.err.push_str(&text);
                    status::USAGE
                }
                false => {
                    self.out.push_str(&text);
                    status::OK
                }
            }
        })
    }

    /// A line to standard output.
    pub fn say(&mut self, line: impl AsRef<str>) {
        self.out.push_str(line.as_ref());
        self.out.push('\n');
    }

    /// A line to standard error.
    pub fn complain(&mut self, line: impl AsRef<str>) {
        self.err.push_str(line.as_ref());
        self.err.push('\n');
    }

    /// Gives the exit status; what failed is said as it is.
    pub fn end(&mut self, result: Result<u8, Failure>) -> u8 {
        result.unwrap_or_else(|failure| {
            if let Some(message) = failure.message {
                self.complain(message);
            }
            failure.status
        })
    }

    /// Says what failed, behind the tool's name, and gives the exit status.
    pub fn fail(&mut self, failure: &Failure) -> u8 {
        if let Some(message) = &failure.message {
            let name = self.name();
            self.complain(format!("{name}: {message}"));
        }
        failure.status
    }

    /// All of standard input.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than any input of ours.
    pub fn standard_input(&mut self) -> Result<Vec<u8>, Failure> {
        if let Some(bytes) = self.input.take() {
            return Ok(bytes);
        }
        let mut bytes = Vec::new();
        let read = io::stdin().take(MAX_INPUT + 1).read_to_end(&mut bytes);
        read.map_err(|error| Failure::new(status::NO_INPUT, format!("reading standard input: {error}")))?;
        if bytes.len() as u64 > MAX_INPUT {
            let message = format!("standard input is longer than {} MiB", MAX_INPUT >> 20);
            return Err(Failure::new(status::BAD_DATA, message));
        }
        Ok(bytes)
    }

    /// Whether somebody reads what is printed, as far as that is known; nobody reads what is kept while the tool runs.
    pub fn is_read(&self) -> bool {
        self.prints && !self.unread
    }

    /// Prints what was said so far. A reader that went away is no error of ours.
    ///
    /// # Errors
    /// When it cannot be written, as to a full disk.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.prints {
            return Ok(());
        }
        let (out, err) = (std::mem::take(&mut self.out), std::mem::take(&mut self.err));
        let mut stdout = io::stdout().lock();
        let printed = stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush());
        // Whoever closed standard error does not want to know.
        let _ = io::stderr().write_all(err.as_bytes());
        match printed {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.unread = true;
                Ok(())
            }
            other => other,
        }
    }
}
