//! One run of a command: what it was given, what it says, and why it refuses. Which command it is, `commands` knows; what a
//! cluster makes of a CIB, `foresight`.

use cib::Document;

use crate::OK;
use crate::agent::Name;
use crate::command_line::Options;
use crate::foresight::{Foresight, State};
use crate::pairs::Pairs;

/// What a command may ask about the machine it runs on.
pub trait World {
    /// What an agent says of itself, as XML; or why that is not known.
    ///
    /// # Errors
    /// When there is no such agent, or it does not answer.
    fn metadata(&self, agent: &Name) -> Result<String, String>;
    /// Asks an agent whether it could work with parameters (its `validate-all`).
    ///
    /// # Errors
    /// When it could not: what it says.
    fn validate(&self, agent: &Name, parameters: &Pairs) -> Result<(), String>;
    /// What the cluster would do with a CIB, and how it would look then.
    ///
    /// # Errors
    /// When nobody here can tell.
    fn foresee(&self, cib: &Document) -> Result<Foresight, String>;
    /// How a resource of a CIB is at the moment; `None` when there is no such resource, or nobody here can tell.
    fn state(&self, cib: &Document, resource: &str) -> Option<State>;
    /// The standards of agents there are.
    fn standards(&self) -> Vec<String>;
    /// The providers of OCF agents.
    fn providers(&self) -> Vec<String>;
    /// The agents of a standard, and of a provider if one is named.
    fn agents(&self, standard: &str, provider: Option<&str>) -> Vec<String>;
    /// Seconds since 1970: rules may have expired.
    fn now(&self) -> i64;
    /// The name of the node this machine is, where that is known.
    fn local_node(&self) -> Option<String>;
    /// The text of a file that the user names.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &str) -> Result<String, String>;
}

/// A machine without agents, at the beginning of time: for what asks nothing of it.
#[derive(Copy, Clone, Debug)]
pub struct NoWorld;

impl World for NoWorld {
    fn metadata(&self, agent: &Name) -> Result<String, String> {
        Err(format!("there is no agent {agent} here"))
    }
    fn validate(&self, agent: &Name, _: &Pairs) -> Result<(), String> {
        Err(format!("there is no agent {agent} here"))
    }
    fn foresee(&self, _: &Document) -> Result<Foresight, String> {
        Err("there is nobody here who makes plans".into())
    }
    fn state(&self, _: &Document, _: &str) -> Option<State> {
        None
    }
    fn standards(&self) -> Vec<String> {
        Vec::new()
    }
    fn providers(&self) -> Vec<String> {
        Vec::new()
    }
    fn agents(&self, _: &str, _: Option<&str>) -> Vec<String> {
        Vec::new()
    }
    fn now(&self) -> i64 {
        0
    }
    fn local_node(&self) -> Option<String> {
        None
    }
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("there is no file {path}"))
    }
}

/// The second half of a command: what is left to be done when the cluster has done what the first half made it do.
#[derive(Clone, Debug)]
pub struct Next {
    pub(crate) words: Vec<String>,
    pub(crate) options: Options,
    pub(crate) run: fn(&mut Call<'_>) -> Done,
    /// What stays as it is when the second half does not come.
    pub left: String,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The CIB as it should be; `None` when nothing is to be written.
    pub cib: Option<Document>,
    /// A file to write, and its text.
    pub save: Option<(String, String)>,
    /// What is to be done when the cluster has come to rest: [`go_on`](crate::go_on).
    pub next: Option<Next>,
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// [`OK`], [`FAILED`](crate::FAILED) or [`USAGE`](crate::USAGE).
    pub status: u8,
}

impl Answer {
    /// Nothing was done, and why.
    pub fn refused(status: u8, err: &str) -> Answer {
        Answer { cib: None, save: None, next: None, out: String::new(), err: err.to_owned(), status }
    }

    /// Something to read.
    pub fn told(out: String) -> Answer {
        Answer { cib: None, save: None, next: None, out, err: String::new(), status: OK }
    }
}

/// Why a command does nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The command line is none of this command's; the usage is shown with it.
    Usage(String),
    /// It cannot be done; why was said.
    Failed,
}

impl Refusal {
    /// A command line that is none of this command's.
    pub fn usage(message: impl Into<String>) -> Refusal {
        Refusal::Usage(message.into())
    }
}

/// What a step of a command gives.
pub type Done<T = ()> = Result<T, Refusal>;

/// One run.
pub struct Call<'a> {
    /// The words behind the command's own.
    pub words: Vec<String>,
    /// The options.
    pub options: Options,
    /// The CIB, changed in place; written only when the whole command is valid.
    pub cib: Document,
    /// The machine.
    pub world: &'a dyn World,
    /// Said to standard output.
    pub out: String,
    /// Said to standard error.
    pub err: String,
    /// A file to write.
    pub save: Option<(String, String)>,
    /// What is left to be done when the cluster has come to rest.
    pub next: Option<Next>,
    errors: usize,
}

impl<'a> Call<'a> {
    pub(crate) fn new(words: Vec<String>, options: Options, cib: Document, world: &'a dyn World) -> Call<'a> {
        Call { words, options, cib, world, out: String::new(), err: String::new(), save: None, next: None, errors: 0 }
    }

    /// A line to standard output.
    pub fn say(&mut self, line: impl AsRef<str>) {
        self.out.push_str(line.as_ref());
        self.out.push('\n');
    }

    /// A line to standard error that is neither a warning nor an error.
    pub fn note(&mut self, line: impl AsRef<str>) {
        self.err.push_str(line.as_ref());
        self.err.push('\n');
    }

    /// What the user should look at, though it is done.
    pub fn warn(&mut self, line: impl AsRef<str>) {
        self.note(format!("Warning: {}", line.as_ref()));
    }

    /// What is still understood, but has a newer form.
    pub fn deprecated(&mut self, line: impl AsRef<str>) {
        self.note(format!("Deprecation Warning: {}", line.as_ref()));
    }

    /// One reason why it is not done; there may be more to say.
    pub fn error(&mut self, line: impl AsRef<str>) {
        self.errors += 1;
        self.note(format!("Error: {}", line.as_ref()));
    }

    /// A reason that `--force` sets aside.
    pub fn object(&mut self, line: impl AsRef<str>) {
        match self.options.force() {
            true => self.warn(line),
            false => self.error(format!("{}, use --force to override", line.as_ref())),
        }
    }

    /// The one reason why it is not done.
    pub fn fail<T>(&mut self, line: impl AsRef<str>) -> Done<T> {
        self.error(line);
        Err(Refusal::Failed)
    }

    /// Ends here if there was a reason not to go on.
    ///
    /// # Errors
    /// When something was wrong.
    pub fn settled(&self) -> Done {
        if self.errors == 0 { Ok(()) } else { Err(Refusal::Failed) }
    }

    /// Takes the next word.
    ///
    /// # Errors
    /// When there is none: `what` was expected.
    pub fn next(&mut self, what: &str) -> Done<String> {
        if self.words.is_empty() {
            return Err(Refusal::usage(format!("expected {what}")));
        }
        Ok(self.words.remove(0))
    }

    /// Refuses words that nobody asked for.
    ///
    /// # Errors
    /// When there are any.
    pub fn no_more(&self) -> Done {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(Refusal::usage(format!("'{word}' is one word too many"))),
        }
    }

    pub(crate) fn answer(self, before: &Document) -> Answer {
        let same = self.cib.same(self.cib.root(), before, before.root());
        let cib = (!same).then_some(self.cib);
        Answer { cib, save: self.save, next: self.next, out: self.out, err: self.err, status: OK }
    }
}
