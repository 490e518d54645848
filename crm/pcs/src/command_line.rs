//! Options and words told apart, as pcs does it: options may stand anywhere, and a negative number is a word.

use std::collections::BTreeMap;

use crate::call::{Done, Refusal};
use crate::tree::listed;

/// Options that take a value; the others are flags.
const WITH_VALUE: &[&str] = &[
    "-f",
    "-p",
    "-u",
    "--after",
    "--before",
    "--booth-conf",
    "--booth-key",
    "--corosync_conf",
    "--from",
    "--group",
    "--name",
    "--node",
    "--output-format",
    "--request-timeout",
    "--to",
    "--token",
];

/// Options without a value. `--wait` may have one behind an equals sign.
const FLAGS: &[&str] = &[
    "--agent-validation",
    "--all",
    "--autodelete",
    "--brief",
    "--config",
    "--confirm",
    "--corosync",
    "--debug",
    "--defaults",
    "--disabled",
    "--enable",
    "--expired",
    "--force",
    "--full",
    "--groups",
    "--help",
    "--hide-inactive",
    "--local",
    "--monitor",
    "--no-default-ops",
    "--no-expire-check",
    "--no-strict",
    "--nodesc",
    "--off",
    "--overwrite",
    "--pacemaker",
    "--plan",
    "--promoted",
    "--safe",
    "--show-secrets",
    "--simulate",
    "--skip-offline",
    "--start",
    "--strict",
    "--version",
    "--wait",
    "--yes",
];

/// Which every command knows.
pub const EVERYWHERE: &[&str] =
    &["-f", "--confirm", "--debug", "--help", "--plan", "--show-secrets", "--wait", "--yes", "--request-timeout"];

/// Whether an option takes a value.
pub fn takes_value(option: &str) -> bool {
    WITH_VALUE.contains(&option)
}

/// A command line, read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CommandLine {
    /// What is no option, in order.
    pub words: Vec<String>,
    /// The options.
    pub options: Options,
}

/// The options that were given; a flag has the value "".
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options(BTreeMap<String, String>);

impl CommandLine {
    /// Reads a command line.
    ///
    /// # Errors
    /// Which option there is not, or what it lacks, and the closest right form.
    pub fn read(arguments: &[String]) -> Result<CommandLine, String> {
        let mut line = CommandLine::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                line.words.extend(rest.cloned());
                break;
            }
            if !argument.starts_with('-') || argument == "-" || is_negative_number(argument) {
                line.words.push(argument.clone());
                continue;
            }
            let (name, value) = split(argument);
            let name = full_name(name)?;
            let takes = WITH_VALUE.contains(&name);
            let value = match value {
                Some(value) if takes || name == "--wait" => value.to_owned(),
                Some(_) => return Err(format!("option {name} takes no value")),
                None if takes => rest.next().cloned().ok_or_else(|| format!("option {name} requires a value"))?,
                None => String::new(),
            };
            if line.options.0.insert(name.to_owned(), value).is_some() {
                return Err(format!("{name} can only be used once"));
            }
        }
        Ok(line)
    }
}

fn split(argument: &str) -> (&str, Option<&str>) {
    match argument.split_once('=') {
        Some((name, value)) if argument.starts_with("--") => (name, Some(value)),
        _ if argument.starts_with("--") || !argument.is_char_boundary(2) => (argument, None),
        // A short option may have its value without a space: -fFILE.
        _ if argument.len() > 2 => (&argument[..2], Some(&argument[2..])),
        _ => (argument, None),
    }
}

/// The option's whole name: long options may be cut short as long as they stay unmistakable.
fn full_name(name: &str) -> Result<&'static str, String> {
    let name = match name {
        "-h" => "--help",
        // The older word for it.
        "--master" => "--promoted",
        other => other,
    };
    let all = || WITH_VALUE.iter().chain(FLAGS);
    if let Some(known) = all().find(|known| **known == name) {
        return Ok(known);
    }
    let candidates: Vec<&&str> = all().filter(|known| name.len() > 3 && known.starts_with(name)).collect();
    match candidates[..] {
        [one] => Ok(one),
        [] => {
            let nearest = nearest(name, all().copied());
            let hint = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            Err(format!("option {name} not recognized{hint}"))
        }
        _ => Err(format!("option {name} not a unique prefix: {}", listed(candidates.iter().map(|name| **name)))),
    }
}

/// The word of some that is most like this one, if any is like it at all.
pub fn nearest<'a>(word: &str, of: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = of.map(|one| (strsim::damerau_levenshtein(word, one), one));
    let (distance, one) = scored.min()?;
    // A third of the letters may be wrong, as in a swap and a slip in a word of six.
    (distance <= word.len().max(one.len()) / 3).then_some(one)
}

fn is_negative_number(argument: &str) -> bool {
    let digits = &argument[1..];
    digits.eq_ignore_ascii_case("infinity")
        || (digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') && digits.parse::<f64>().is_ok())
}

impl Options {
    /// Whether it was given.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Its value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What was given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether objections are set aside.
    pub fn force(&self) -> bool {
        self.has("--force")
    }

    /// Refuses what the command does not know.
    ///
    /// # Errors
    /// When there is an option that the command has no use for.
    pub fn supports(&self, options: &[&str]) -> Done {
        let known = |name: &String| options.contains(&name.as_str()) || EVERYWHERE.contains(&name.as_str());
        let unknown: Vec<&str> = self.0.keys().filter(|name| !known(name)).map(String::as_str).collect();
        match unknown.len() {
            0 => Ok(()),
            1 => Err(Refusal::usage(format!("Specified option {} is not supported in this command", listed(unknown)))),
            _ => {
                Err(Refusal::usage(format!("Specified options {} are not supported in this command", listed(unknown))))
            }
        }
    }

    /// `text` unless another form is asked for.
    ///
    /// # Errors
    /// When it is a form that there is not.
    pub fn output_format(&self) -> Done<&str> {
        match self.value("--output-format").unwrap_or("text") {
            form @ ("text" | "cmd" | "json") => Ok(form),
            other => Err(Refusal::usage(format!(
                "Unknown value '{other}' for '--output-format' option. Supported values are: 'cmd', 'json', 'text'"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CommandLine, String> {
        CommandLine::read(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_anywhere_and_negative_numbers_are_words() {
        let line = read("constraint -f x.xml colocation add a with b -INFINITY --force -5").unwrap();
        assert_eq!(line.words.join(" "), "constraint colocation add a with b -INFINITY -5");
        assert_eq!((line.options.value("-f"), line.options.force()), (Some("x.xml"), true));
        let line = read("resource create --wait=5 --group=g -- --x").unwrap();
        assert_eq!((line.options.value("--wait"), line.options.value("--group")), (Some("5"), Some("g")));
        assert_eq!(line.words.last().unwrap(), "--x");
    }

    #[test]
    fn a_wrong_option_is_told_with_the_right_one() {
        assert!(read("x --forse").unwrap_err().contains("did you mean --force?"));
        assert!(read("x --group").unwrap_err().contains("requires a value"));
        assert!(read("x --force --force").unwrap_err().contains("once"));
        assert!(read("x --force=1").unwrap_err().contains("no value"));
        assert!(read("x --disab").unwrap().options.has("--disabled"));
        assert!(read("x --no-").unwrap_err().contains("not a unique prefix"));
        assert!(read("x -ä").is_err());
    }
}
