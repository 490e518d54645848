#![forbid(unsafe_code)]
//! The command line that Pacemaker's users know: the grammar of `pcs`, as far as its work is on the CIB.
//!
//! [`run`] takes the words of a command line, a CIB and the [`World`] (what agents there are and what they say of
//! themselves), and gives an [`Answer`]: the CIB as it should be, what to print, and the exit status. Nothing is read or
//! written here; a file, a cluster and a terminal are the caller's.
//!
//! 1. [`command_line`] tells options from words; [`commands`] is the list of all commands and finds the one that is meant;
//!    [`call`] is one run of it: what it was given, what it says, why it refuses.
//!    A command that has to wait for the cluster in between gives its second half as [`call::Next`]; [`go_on`] does it.
//! 2. What the families share: [`foresight`] (what a cluster would do), [`tree`] (ids, sections), [`pairs`] (`name=value`), [`nvset`], [`agent`] (names and
//!    metadata), [`rule`], [`removal`] (what goes with an element that goes).
//! 3. One family of commands a directory, one command or a few a file.
//!
//! The rules are pcs 0.11's, down to the ids it makes; the words of errors are ours. What pcs refuses without `--force` is
//! refused here without it.
//!
//! ```
//! use cib::Document;
//! use pcs::call::NoWorld;
//!
//! let cib = Document::parse("<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>")?;
//! let words: Vec<String> = "property set no-quorum-policy=freeze".split(' ').map(str::to_owned).collect();
//! let answer = pcs::run(&words, &cib, &NoWorld);
//! assert_eq!(answer.status, 0);
//! let after = answer.cib.expect("it changes the CIB");
//! assert!(after.to_xml().contains(r#"id="cib-bootstrap-options-no-quorum-policy""#));
//! # Ok::<(), cib::ParseError>(())
//! ```

pub mod call;
pub mod command_line;
pub mod commands;

pub mod agent;
pub mod foresight;
pub mod nvset;
pub mod pairs;
pub mod removal;
pub mod rule;
pub mod tree;

mod acl;
mod alert;
mod cluster;
mod constraint;
mod elsewhere;
mod node;
mod property;
mod remote;
mod resource;
mod stonith;
mod tag;

use cib::{Document, check};

pub use call::{Answer, World};
use call::{Call, Next, Refusal};
use command_line::CommandLine;

/// The version of pcs whose grammar this is.
pub const GRAMMAR: &str = "0.11.5";

/// Everything was as asked.
pub const OK: u8 = 0;
/// It could not be done.
pub const FAILED: u8 = 1;
/// The command line was not understood. pcs itself says 1 here.
pub const USAGE: u8 = 2;

/// Does what a command line asks for, on a CIB. `arguments` come without the program's name.
pub fn run(arguments: &[String], cib: &Document, world: &dyn World) -> Answer {
    let line = match CommandLine::read(arguments) {
        Ok(line) => line,
        Err(message) => return Answer::refused(USAGE, &format!("Error: {message}\n")),
    };
    if line.options.has("--version") {
        return Answer::told(format!("{GRAMMAR}\n"));
    }
    if line.options.has("--help") || line.words.is_empty() || line.words.first().is_some_and(|word| word == "help") {
        return Answer::told(commands::help(&line.words));
    }
    if line.words.get(1).is_some_and(|word| word == "help") {
        let words = [&line.words[..1], &line.words[2..]].concat();
        return Answer::told(commands::help(&words));
    }
    let found = match commands::find(&line.words) {
        Ok(found) => found,
        Err(message) => return Answer::refused(USAGE, &message),
    };
    let mut call = Call::new(line.words[found.path.len()..].to_vec(), line.options, cib.clone(), world);
    let done = call.options.supports(found.options).and_then(|()| (found.run)(&mut call)).and_then(|()| call.settled());
    let done = done.and_then(|()| fits_the_schema(&mut call, cib));
    answer(call, cib, done, Some(found))
}

/// Does the second half of a command, on the CIB as it is by now.
pub fn go_on(next: &Next, cib: &Document, world: &dyn World) -> Answer {
    let mut call = Call::new(next.words.clone(), next.options.clone(), cib.clone(), world);
    let done = (next.run)(&mut call).and_then(|()| call.settled());
    let done = done.and_then(|()| fits_the_schema(&mut call, cib));
    answer(call, cib, done, None)
}

fn answer(call: Call<'_>, cib: &Document, done: call::Done, command: Option<&commands::Command>) -> Answer {
    match done {
        Ok(()) => call.answer(cib),
        Err(Refusal::Usage(message)) => {
            let message = if message.is_empty() { String::new() } else { format!("Error: {message}\n") };
            let usage = command.map(|command| format!("Usage: pcs {}\n", command.usage())).unwrap_or_default();
            Answer::refused(USAGE, &format!("{}{message}{usage}", call.err))
        }
        Err(Refusal::Failed) => Answer { out: call.out, ..Answer::refused(FAILED, &call.err) },
    }
}

/// A command must not make a CIB that no cluster takes; one that was wrong before may be changed.
fn fits_the_schema(call: &mut Call<'_>, before: &Document) -> call::Done {
    let same = call.cib.same(call.cib.root(), before, before.root());
    if same || check::conforms(&call.cib) || !check::conforms(before) {
        return Ok(());
    }
    let reasons = check::strict(&call.cib);
    let wrong = reasons.iter().filter(|finding| finding.severity == check::Severity::Error);
    let wrong: Vec<String> = wrong.map(|finding| format!("  {finding}")).collect();
    call.fail(format!("the CIB would not be valid, so nothing is changed:\n{}", wrong.join("\n")))
}
