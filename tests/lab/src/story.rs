//! The story: everything that happened, with its time, kept for the receipt and printed as it happens.

use std::io::{IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::holdings::Thing;
use crate::log::Line;

/// More than any demonstration tells; a cluster that is kept up for days must not fill the memory.
const MAX_HAPPENINGS: usize = 100_000;

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// A node wrote this to its log.
    Log(Line),
    /// A node holds something from now on.
    Held(Thing),
    /// A node holds something no more.
    Released(Thing),
    /// For the client the address leads to another node from now on.
    Announced(IpAddr),
    /// The lab did something.
    Lab(String),
}

/// Something that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Happening {
    /// When, in microseconds of the common clock.
    pub at_us: u64,
    /// Where: a node, `client` or `lab`.
    pub who: String,
    /// What.
    pub what: What,
}

/// Where the story is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// For people.
    Stdout,
    /// Beside a receipt for programs.
    Stderr,
}

/// Takes everything that happens; clones tell the same story.
#[derive(Clone)]
pub struct Storyteller {
    inner: Arc<Mutex<Story>>,
}

struct Story {
    happenings: Vec<Happening>,
    /// The moment that times are counted from; before it nothing but troubles is printed.
    zero_us: Option<u64>,
    page: Page,
    colours: bool,
}

impl Storyteller {
    /// An empty story.
    pub fn new(page: Page) -> Self {
        let terminal = match page {
            Page::Stdout => std::io::stdout().is_terminal(),
            Page::Stderr => std::io::stderr().is_terminal(),
        };
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { inner: Arc::new(Mutex::new(Story { happenings: Vec::new(), zero_us: None, page, colours })) }
    }

    /// A line outside of the story's time: headings, progress.
    pub fn say(&self, text: &str) {
        self.lock().print(text);
    }

    /// A heading, bold on a terminal.
    pub fn heading(&self, text: &str) {
        let story = self.lock();
        let text = story.paint("1", text);
        story.print(&text);
    }

    /// From now on everything is printed, with the time since `zero_us`.
    pub fn begin(&self, zero_us: u64) {
        self.lock().zero_us = Some(zero_us);
    }

    /// From now on nothing but troubles is printed.
    pub fn rest(&self) {
        self.lock().zero_us = None;
    }

    /// A node's log.
    pub fn log(&self, node: &str, line: Line) {
        self.tell(line.mono_us, node, What::Log(line));
    }

    /// A node holds something.
    pub fn held(&self, at_us: u64, node: &str, thing: &Thing) {
        self.tell(at_us, node, What::Held(thing.clone()));
    }

    /// A node holds something no more.
    pub fn released(&self, at_us: u64, node: &str, thing: &Thing) {
        self.tell(at_us, node, What::Released(thing.clone()));
    }

    /// The client sees an address somewhere else.
    pub fn announced(&self, at_us: u64, ip: IpAddr) {
        self.tell(at_us, "client", What::Announced(ip));
    }

    /// The lab did something.
    pub fn lab(&self, text: String) {
        self.tell(clock::now_us(), "lab", What::Lab(text));
    }

    /// Everything so far, by time.
    pub fn happenings(&self) -> Vec<Happening> {
        let mut happenings = self.lock().happenings.clone();
        happenings.sort_by_key(|happening| happening.at_us);
        happenings
    }

    /// Prints again what happened since a moment, with the time since then.
    pub fn tell_again(&self, since_us: u64) {
        let happenings = self.happenings();
        let mut story = self.lock();
        let zero_us = story.zero_us.replace(since_us);
        happenings.iter().filter(|one| one.at_us >= since_us).for_each(|one| story.show(one));
        story.zero_us = zero_us;
    }

    /// Whether something happened since a moment.
    pub fn any_since(&self, since_us: u64, wanted: impl Fn(&Happening) -> bool) -> bool {
        self.lock().happenings.iter().rev().any(|happening| happening.at_us >= since_us && wanted(happening))
    }

    fn tell(&self, at_us: u64, who: &str, what: What) {
        let mut story = self.lock();
        let happening = Happening { at_us, who: who.to_owned(), what };
        story.show(&happening);
        if story.happenings.len() < MAX_HAPPENINGS {
            story.happenings.push(happening);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Story> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Story {
    fn show(&self, happening: &Happening) {
        let (colour, text) = match &happening.what {
            What::Log(line) => {
                let colour = match line.level.to_ascii_lowercase().as_str() {
                    "error" => "31",
                    "warn" | "warning" => "33",
                    "debug" | "trace" => return,
                    _ => "0",
                };
                (colour, line.message.clone())
            }
            What::Held(thing) => ("32", format!("holds {thing}")),
            What::Released(thing) => ("32", format!("holds {thing} no more")),
            What::Announced(ip) => ("36", format!("learns that {ip} leads to another machine")),
            What::Lab(text) => ("1", text.clone()),
        };
        let time = match self.zero_us {
            Some(zero) => format!("{:>+9.1} ms", clock::ms_between(zero, happening.at_us)),
            None if colour == "31" => " ".repeat(12),
            None => return,
        };
        // Some messages are many lines; the first says it.
        let text = text.lines().next().unwrap_or_default();
        self.print(&format!("{time}  {:<7} {}", happening.who, self.paint(colour, text)));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours && colour != "0" { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn print(&self, text: &str) {
        // Who closed our output does not want to read it; the demonstration itself goes on.
        let _ = match self.page {
            Page::Stdout => writeln!(std::io::stdout(), "{text}"),
            Page::Stderr => writeln!(std::io::stderr(), "{text}"),
        };
    }
}
