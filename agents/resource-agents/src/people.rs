//! Commands that people wrote into a resource: parted into words, and run as one of the host's users. What the commands
//! mean is left to the agents.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::unistd::{Group, User};
use ocf::Failure;

use crate::bounded::Deadline;
use crate::command::{self, Ran};

/// The words of a command: blanks part them, quotes hold them together as in a shell; nothing is put in for a `$`.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), character) if character == open => quote = None,
            (Some('\''), character) => word.get_or_insert_default().push(character),
            (_, '\\') => word.get_or_insert_default().extend(characters.next()),
            (Some(_), character) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, character) if character.is_whitespace() => words.extend(word.take()),
            (None, character) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    match quote {
        Some(quote) => Err(format!("a {quote} in {text:?} is not closed")),
        None if words.is_empty() => Err("there is no command".to_owned()),
        None => Ok(words),
    }
}

/// Runs a command with more words behind it, as `USER` or `USER:GROUP`; as whom the agent runs if that is empty.
pub fn run(text: &str, more: &[&str], user: &str, deadline: Deadline) -> Result<Ran, Failure> {
    let words = words(text).map_err(Failure::not_configured)?;
    let program = command::find(&words[0])
        .ok_or_else(|| Failure::not_installed(format!("there is no program {} on this host", words[0])))?;
    let mut command = Command::new(&program);
    command.args(&words[1..]).args(more).stdin(Stdio::null());
    if !user.is_empty() {
        let (user, group) = user.split_once(':').unwrap_or((user, ""));
        let found = User::from_name(user).ok().flatten();
        let found = found.ok_or_else(|| Failure::not_installed(format!("there is no user {user} on this host")))?;
        let group = match group {
            "" => found.gid,
            name => {
                let group = Group::from_name(name).ok().flatten();
                group.ok_or_else(|| Failure::not_installed(format!("there is no group {name} on this host")))?.gid
            }
        };
        command.gid(group.as_raw()).uid(found.uid.as_raw());
    }
    command::finish(command, &program, deadline)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(words(r#"/bin/x 'a b' "c \" d" e\ f $g"#).unwrap(), ["/bin/x", "a b", "c \" d", "e f", "$g"]);
        assert_eq!(words(r"a 'it'\''s'").unwrap(), ["a", "it's"]);
        assert!(words("a 'b").is_err() && words("  ").is_err());
    }
}
