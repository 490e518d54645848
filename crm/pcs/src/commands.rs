//! The list of all commands, which of them a command line means, and what helps someone who mistyped one.

use crate::call::{Call, Done};
use crate::command_line::nearest;
use crate::{acl, alert, cluster, constraint, elsewhere, node, property, remote, resource, stonith, tag};

/// One command.
pub struct Command {
    /// Its words.
    pub path: &'static [&'static str],
    /// What stands behind them.
    pub arguments: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// The options it knows beside those that all know.
    pub options: &'static [&'static str],
    /// Does it.
    pub run: fn(&mut Call<'_>) -> Done,
}

impl Command {
    /// Its words and what stands behind them.
    pub fn usage(&self) -> String {
        let options: String = self.options.iter().map(|option| format!(" [{option}]")).collect();
        format!("{} {}", self.path.join(" "), self.arguments).trim_end().to_owned() + &options
    }
}

/// All commands, family by family.
pub fn all() -> impl Iterator<Item = &'static Command> {
    let families: [&'static [&'static [Command]]; 11] = [
        resource::COMMANDS,
        stonith::COMMANDS,
        constraint::COMMANDS,
        property::COMMANDS,
        node::COMMANDS,
        tag::COMMANDS,
        acl::COMMANDS,
        alert::COMMANDS,
        cluster::COMMANDS,
        remote::COMMANDS,
        elsewhere::COMMANDS,
    ];
    families.into_iter().flatten().copied().flatten()
}

/// Commands of pcs that are no work on a CIB, and what to do instead.
const NOT_HERE: &[(&[&str], &str)] = &[
    (&["resource", "show"], "use 'pcs resource config'"),
    (&["stonith", "show"], "use 'pcs stonith config'"),
    (&["resource", "master"], "use 'pcs resource promotable'"),
    (&["cluster", "standby"], "use 'pcs node standby'"),
    (&["cluster", "unstandby"], "use 'pcs node unstandby'"),
    (
        &["config", "backup"],
        "'pcs cluster cib FILE' saves the configuration, and 'pcs cluster cib-push FILE' puts it back",
    ),
    (&["config", "restore"], "'pcs cluster cib-push FILE' puts back what 'pcs cluster cib FILE' saved"),
    (
        &["stonith", "update-scsi-devices"],
        "use 'pcs stonith update DEVICE devices=LIST'; what the device guards is restarted by it",
    ),
    (&["stonith", "sbd"], "systoled feeds the watchdog itself; there is no sbd to set up"),
];

fn matches(command: &Command, words: &[String]) -> bool {
    words.len() >= command.path.len() && command.path.iter().zip(words).all(|(own, word)| own == word)
}

/// Whether the first words of a command line are a command of this grammar.
pub fn knows(words: &[String]) -> bool {
    longest(words).is_some()
}

/// Whether a command asks for agents alone, and no CIB is needed for it.
pub fn is_about_agents(words: &[String]) -> bool {
    let about = ["agents", "describe", "list", "providers", "standards"];
    matches!(words, [family, word, ..] if matches!(family.as_str(), "resource" | "stonith") && about.contains(&word.as_str()))
}

fn longest(words: &[String]) -> Option<&'static Command> {
    all().filter(|command| matches(command, words)).max_by_key(|command| command.path.len())
}

/// The command that is meant.
///
/// # Errors
/// Which word is wrong, and what could stand there.
pub fn find(words: &[String]) -> Result<&'static Command, String> {
    let begins = |path: &[&str]| words.len() >= path.len() && path.iter().zip(words).all(|(own, word)| own == word);
    if let Some((path, instead)) = NOT_HERE.iter().find(|(path, _)| begins(path)) {
        return Err(format!("Error: there is no 'pcs {}' here; {instead}\n", path.join(" ")));
    }
    let found = longest(words);
    // A command that lists something when nothing follows is not meant by a word that it does not know.
    if let Some(command) = found {
        let next = words.get(command.path.len());
        let deeper: Vec<&str> = below(command.path).collect();
        let bare = command.arguments.is_empty() && !deeper.is_empty();
        match next {
            Some(next) if bare => return Err(unknown(command.path, next, &deeper)),
            _ => return Ok(command),
        }
    }
    let mut path: Vec<&'static str> = Vec::new();
    for word in words {
        let known: Vec<&str> = below(&path).collect();
        match known.iter().find(|known| *known == word) {
            Some(known) => path.push(known),
            None => return Err(unknown(&path, word, &known)),
        }
    }
    Err(format!("Error: the command is not complete\n{}", help(words)))
}

/// The words that may follow some.
fn below<'a>(path: &'a [&'static str]) -> impl Iterator<Item = &'static str> + 'a {
    let deeper = all().filter(|command| command.path.len() > path.len() && command.path.starts_with(path));
    let mut words: Vec<&'static str> = deeper.map(|command| command.path[path.len()]).collect();
    words.sort_unstable();
    words.dedup();
    words.into_iter()
}

fn unknown(path: &[&str], word: &str, known: &[&str]) -> String {
    let behind = if path.is_empty() { String::new() } else { format!(" behind 'pcs {}'", path.join(" ")) };
    let near = nearest(word, known.iter().copied());
    let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
    format!("Error: '{word}' is no command{behind}{near}\nThere are: {}\n", known.join(", "))
}

/// The usage of all commands that begin with these words.
pub fn help(words: &[String]) -> String {
    let begins = |command: &&Command| command.path.iter().zip(words).all(|(own, word)| own == word);
    let lines = all().filter(begins).map(|command| format!("    {}\n        {}\n", command.usage(), command.about));
    format!("Usage: pcs [-f FILE] COMMAND …\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_longest_command_is_meant() {
        assert_eq!(find(&words("constraint order set a b")).unwrap().path, ["constraint", "order", "set"]);
        assert_eq!(find(&words("constraint order a then b")).unwrap().path, ["constraint", "order"]);
        assert_eq!(find(&words("resource create a b")).unwrap().path, ["resource", "create"]);
    }

    #[test]
    fn a_mistyped_word_is_named_with_the_nearest() {
        let error = find(&words("resource craete a b")).err().unwrap();
        assert!(error.contains("'craete' is no command behind 'pcs resource'; did you mean 'create'?"), "{error}");
        assert!(find(&words("resorce")).err().unwrap().contains("did you mean 'resource'?"));
        assert!(find(&words("resource show a")).err().unwrap().contains("pcs resource config"));
    }

    #[test]
    fn what_is_not_here_is_not_there_either() {
        for (path, _) in NOT_HERE {
            assert!(all().all(|command| command.path != *path), "{path:?} is a command");
        }
    }

    #[test]
    fn no_command_stands_twice() {
        let mut paths: Vec<_> = all().map(|command| command.path).collect();
        let before = paths.len();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), before);
    }

    #[test]
    fn help_shows_every_command_below() {
        let text = help(&words("resource group"));
        assert!(text.contains("resource group add") && !text.contains("resource create"), "{text}");
    }
}
