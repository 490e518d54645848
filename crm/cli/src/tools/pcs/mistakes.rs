//! What `systole` says of mistakes beyond pcs's own words: which name was meant by one that there is not, which word of a
//! command, and what a change would make of the configuration that nobody wants.

use std::collections::BTreeSet;
use std::ffi::OsString;

use ::pcs::command_line::{CommandLine, nearest};
use ::pcs::commands;
use cib::Document;
use cib::check::{self, Finding, Severity};

use crate::names;

/// What has a name that people type.
const NAMED: [&str; 18] = [
    "primitive",
    "template",
    "group",
    "clone",
    "master",
    "bundle",
    "rsc_location",
    "rsc_colocation",
    "rsc_order",
    "rsc_ticket",
    "tag",
    "alert",
    "recipient",
    "acl_role",
    "acl_target",
    "acl_group",
    "acl_permission",
    "node",
];

/// Names in a refused command line that are nearly those of something in the configuration, if the refusal is about them.
pub fn meant(line: &CommandLine, refusal: &str, cib: &Document) -> Vec<String> {
    let elements = cib.descendants(cib.root()).filter(|one| NAMED.contains(&cib.name(*one)));
    let known: BTreeSet<&str> = elements
        .map(|one| cib.attribute(one, "uname").unwrap_or_else(|| cib.id(one)))
        .filter(|id| !id.is_empty())
        .collect();
    let about = |word: &str| {
        refusal.split(|c: char| c.is_whitespace() || matches!(c, '\'' | ',' | ':' | '.')).any(|said| said == word)
    };
    let words = line.words.iter().skip(2).map(|word| word.split('=').next().unwrap_or(word));
    let unknown = words.filter(|word| !known.contains(word) && about(word));
    let near = unknown.filter_map(|word| {
        let near = names::nearest(word, known.iter().copied())?;
        Some(format!("'{word}': did you mean '{near}'?"))
    });
    near.collect()
}

/// What is wrong with a command line that neither `systole` nor pcs knows, if its first word is, or may have been meant
/// for, one of pcs's: the word, and what could stand there.
pub fn unknown(arguments: &[OsString]) -> Option<String> {
    let words: Vec<String> = arguments.iter().map(|word| word.to_str().map(str::to_owned)).collect::<Option<_>>()?;
    let families = || commands::all().map(|command| command.path[0]);
    match CommandLine::read(&words) {
        Ok(line) => {
            let first = line.words.first()?;
            let meant = families().any(|family| family == first)
                || (line.options.has("-f") && nearest(first, families()).is_some());
            let error = commands::find(&line.words).err().filter(|_| meant && !commands::knows(&line.words))?;
            Some(error.replace("'pcs ", "'systole ").trim_end().to_owned())
        }
        Err(error) => {
            let value = |at: usize| at > 0 && words[at - 1] == "-f";
            let first = words.iter().enumerate().find(|(at, word)| !word.starts_with('-') && !value(*at))?.1;
            families().any(|family| family == first).then(|| format!("Error: {error}"))
        }
    }
}

/// What a change brings that is wrong, or that has no effect.
pub fn brought(before: &Document, after: &Document) -> Vec<Finding> {
    let mut found = check::check(after);
    if !found.is_empty() {
        let known: BTreeSet<String> = check::check(before).into_iter().map(|finding| finding.message).collect();
        found.retain(|finding| !known.contains(&finding.message));
    }
    found
}

/// These in words: what refuses the change, and what only warns.
pub fn told(found: &[Finding]) -> (Vec<String>, Vec<String>) {
    let words = |finding: &Finding| {
        let (message, remedy) = (&finding.message, &finding.remedy);
        // What a value may be is said already; which of these was meant is not.
        match message.split_once(" is not one of: ") {
            Some((value, known)) => {
                let typed = value.split('"').nth(1).unwrap_or_default();
                let near = names::nearest(typed, known.split(", "));
                near.map_or_else(|| message.clone(), |near| format!("{message}; did you mean '{near}'?"))
            }
            None => format!("{message}: {remedy}"),
        }
    };
    let (errors, warnings): (Vec<&Finding>, Vec<&Finding>) =
        found.iter().partition(|finding| finding.severity == Severity::Error);
    (errors.into_iter().map(words).collect(), warnings.into_iter().map(words).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    fn line(text: &str) -> CommandLine {
        CommandLine::read(&text.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_name_that_is_nearly_right_is_named() {
        let cib = cluster().document;
        let hints = |text: &str, refusal: &str| meant(&line(text), refusal, &cib).join(" ");
        assert_eq!(
            hints("resource update wbe a=b", "Error: Unable to find resource: wbe"),
            "'wbe': did you mean 'web'?"
        );
        assert_eq!(
            hints("constraint location web prefers tow=5", "Error: Node 'tow' does not exist"),
            "'tow': did you mean 'two'?"
        );
        // The refusal is about something else, or nothing is like it.
        assert_eq!(hints("resource update wbe a=b", "Error: something else"), "");
        assert_eq!(hints("resource update mail a=b", "Error: Unable to find resource: mail"), "");
    }

    #[test]
    fn a_mistyped_command_is_told_with_the_right_one() {
        let told = |text: &str| unknown(&text.split(' ').map(OsString::from).collect::<Vec<_>>()).unwrap_or_default();
        for (typed, expected) in [
            ("-f x resource crate a b", "'crate' is no command behind 'systole resource'; did you mean 'create'?"),
            ("resource enabel a", "did you mean 'enable'?"),
            ("-f x constrain location a prefers b", "did you mean 'constraint'?"),
            ("-f x.xml resource create x Dummy --grup g", "did you mean --group?"),
            ("resource create x Dummy --grup g", "option --grup not recognized; did you mean --group?"),
        ] {
            assert!(told(typed).contains(expected), "{typed}: {}", told(typed));
        }
        for other in ["simulate --nonsense", "frobnicate", "statsu", "resource create x y"] {
            assert_eq!(told(other), "", "{other}");
        }
    }

    #[test]
    fn only_what_a_change_brings_is_spoken_of() {
        let before = cluster().document;
        let mut after = before.clone();
        let web = after.descendants(after.root()).find(|one| after.id(*one) == "web").unwrap();
        let meta = after.append(web, "meta_attributes");
        after.set(meta, "id", "m");
        for (id, name, value) in [("m1", "target-role", "Stoped"), ("m2", "migration-treshold", "3")] {
            let pair = after.append(meta, "nvpair");
            [("id", id), ("name", name), ("value", value)].iter().for_each(|(key, value)| after.set(pair, key, value));
        }
        assert!(brought(&before, &before).is_empty());
        let (errors, warnings) = told(&brought(&before, &after));
        assert!(
            errors.len() == 1 && errors[0].contains("Stoped") && errors[0].ends_with("did you mean 'Stopped'?"),
            "{errors:?}"
        );
        assert!(warnings.len() == 1 && warnings[0].contains("migration-threshold"), "{warnings:?}");
    }
}
