//! Many monitors in one process: the action `serve`, beyond the contract. An agent that announces it reads calls on its
//! standard input until that ends, one after the other, and answers each on its standard output. Who starts it, and what
//! becomes of calls that are not answered, is left to others.
//!
//! A call is lines: the name of an agent, then the environment of a monitor as `NAME=VALUE`, then an empty line; a
//! backslash stands as `\\` and a line's end as `\n`. An answer is one line: the exit status, and behind a space the exit
//! reason if there is one.

use std::io::{self, BufRead, Read as _};

use crate::{Agent, Environment, Outcome};

/// The action, as agents announce it in [`crate::Metadata::extra_actions`].
pub const SERVE: &str = "serve";
/// Longer calls and answers are read as none: parameters of all resources of a large configuration would fit.
pub const LONGEST: u64 = 256 * 1024;

/// Names and values, as in an environment.
pub type Variables = Vec<(String, String)>;

/// Whether an agent answers monitors so.
pub fn is_served(agent: &dyn Agent) -> bool {
    agent.metadata().extra_actions.iter().any(|action| action == SERVE)
}

/// A call's lines.
pub fn call(agent: &str, environment: &Environment) -> String {
    let mut out = format!("{}\n", escaped(agent));
    for (name, value) in environment.variables() {
        out.push_str(&escaped(&format!("{name}={value}")));
        out.push('\n');
    }
    out.push('\n');
    out
}

/// Reads a call: the agent's name, and its environment. `None` at the end.
///
/// # Errors
/// When reading fails, the input ends within a call, or one is longer than [`LONGEST`].
pub fn read_call(input: &mut impl BufRead) -> io::Result<Option<(String, Variables)>> {
    let mut input = input.take(LONGEST);
    let mut line = |is_first: bool| -> io::Result<Option<String>> {
        let mut line = String::new();
        match input.read_line(&mut line)? {
            0 if is_first => Ok(None),
            _ => match line.strip_suffix('\n') {
                Some(whole) => Ok(Some(unescaped(whole))),
                None => Err(io::Error::new(io::ErrorKind::InvalidData, "a call that is cut off, or too long")),
            },
        }
    };
    let Some(agent) = line(true)? else { return Ok(None) };
    let mut variables = Vec::new();
    while let Some(field) = line(false)?.filter(|field| !field.is_empty()) {
        if let Some((name, value)) = field.split_once('=') {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(Some((agent, variables)))
}

/// An answer's line.
pub fn answer(outcome: &Outcome) -> String {
    match &outcome.reason {
        Some(reason) => format!("{} {}\n", outcome.code.code(), reason.replace('\n', " ")),
        None => format!("{}\n", outcome.code.code()),
    }
}

/// Reads an answer's line: the exit status and the exit reason. `None` for what is none.
pub fn read_answer(line: &str) -> Option<(i32, Option<&str>)> {
    let line = line.strip_suffix('\n')?;
    let (code, reason) = line.split_once(' ').map_or((line, None), |(code, reason)| (code, Some(reason)));
    Some((code.parse::<u8>().ok()?.into(), reason))
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n")
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.push(if chars.next() == Some('n') { '\n' } else { '\\' }),
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExitCode;

    #[test]
    fn calls_come_through_whatever_their_parameters_hold() {
        let mut environment = Environment::new("web:1", "heartbeat", "apache", "monitor");
        environment.add_attributes([("script", "one\ntwo\\n=three\\"), ("empty", ""), ("port", "80")]);
        let text = call("apache", &environment).repeat(2);
        let mut input = text.as_bytes();
        for _ in 0..2 {
            let (agent, variables) = read_call(&mut input).unwrap().unwrap();
            assert_eq!(agent, "apache");
            assert_eq!(Environment::parse(variables, "monitor").unwrap(), environment);
        }
        assert!(read_call(&mut input).unwrap().is_none());
        for cut in 1..text.len() / 2 {
            assert!(read_call(&mut &text.as_bytes()[..cut]).is_err(), "{cut}");
        }
        let endless = vec![b'x'; LONGEST as usize + 1];
        assert!(read_call(&mut &endless[..]).is_err());
    }

    #[test]
    fn answers_are_a_line() {
        let outcome = |reason: Option<&str>| Outcome {
            code: ExitCode::NotRunning,
            output: String::new(),
            reason: reason.map(str::to_owned),
        };
        assert_eq!(read_answer(&answer(&outcome(None))), Some((7, None)));
        assert_eq!(read_answer(&answer(&outcome(Some("it is\ngone")))), Some((7, Some("it is gone"))));
        for nonsense in ["", "7", "7 cut off", "\n", "seven\n", "-1\n", "256\n", " 7\n"] {
            assert_eq!(read_answer(nonsense), None, "{nonsense:?}");
        }
    }
}
