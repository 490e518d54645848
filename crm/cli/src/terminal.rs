//! What is printed, and in which colours: colours only for a person at a terminal, and no complaint when the reader of
//! a pipe has gone.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};

/// Prints to standard output. A reader that went away is no error of ours.
///
/// # Errors
/// When the output cannot be written, as to a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing to standard output"),
        _ => Ok(()),
    }
}

/// Prints a line to standard error. Whoever closed it does not want to know.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a value for programs.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}

/// Asks a question that is answered by yes or no.
///
/// # Errors
/// When there is nobody to ask.
pub fn ask(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!(
            "nothing was changed: --confirm asks on a terminal, and there is none; look with --plan and leave --confirm out"
        );
    }
    print(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("reading the answer")?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Colours if standard output is a terminal and `NO_COLOR` does not forbid them.
    pub fn for_output() -> Paint {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint { on: io::stdout().is_terminal() && !forbidden }
    }

    /// No colours, whatever the terminal.
    pub fn plain() -> Paint {
        Paint { on: false }
    }

    /// No colours.
    #[cfg(test)]
    pub const PLAIN: Paint = Paint { on: false };

    /// Whether there are colours.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// What is wrong.
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// What is well.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// A title.
    pub fn title(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_one() {
        for (answer, yes) in [("y\n", true), ("YES\n", true), ("\n", false), ("yep\n", false), ("", false)] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }

    #[test]
    fn colours_are_for_terminals_only() {
        assert_eq!(Paint::PLAIN.bad("lost"), "lost");
        assert_eq!(Paint { on: true }.bad("lost"), "\x1b[1;31mlost\x1b[0m");
    }
}
