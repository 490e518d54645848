//! What a fence agent is asked: options from standard input or the command line, and the action among them. Pure.

use std::collections::BTreeMap;

use ocf::Metadata;

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Cut the host off; done when it is dead.
    Off,
    /// Let it back.
    On,
    /// Off, then on.
    Reboot,
    /// Is it on?
    Status,
    /// Does the fence device answer?
    Monitor,
    /// Which hosts can it cut off?
    List,
    /// Describe the agent.
    Metadata,
    /// Can the options work?
    ValidateAll,
}

/// Every action, by name.
pub const ACTIONS: &[(&str, Action)] = &[
    ("off", Action::Off),
    ("on", Action::On),
    ("reboot", Action::Reboot),
    ("status", Action::Status),
    ("monitor", Action::Monitor),
    ("list", Action::List),
    ("metadata", Action::Metadata),
    ("validate-all", Action::ValidateAll),
];

/// Options, by the names they have on standard input.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    options: BTreeMap<String, String>,
}

impl Request {
    /// Reads `name=value` lines. Empty lines and those that begin with `#` are passed over; of an option that comes
    /// twice the last counts. Clusters send options that an agent does not know: they are no error.
    pub fn from_lines(text: &str) -> Result<Request, String> {
        let mut request = Request::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                return Err(format!("line {} of standard input is {line:?}; expected name=value", number + 1));
            };
            request.set(name.trim(), value.trim());
        }
        Ok(request)
    }

    /// Reads a command line: `--name=value`, `--name value`, and the short forms that the metadata give.
    pub fn from_arguments(arguments: &[String], metadata: &Metadata) -> Result<Request, String> {
        let mut request = Request::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let option = find(name, metadata).ok_or_else(|| format!("unknown option {name:?}; --help names them"))?;
            let value = match value {
                Some(value) => value,
                None => arguments.next().cloned().ok_or_else(|| format!("option {name} has no value"))?,
            };
            request.set(&option, &value);
        }
        Ok(request)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.options.insert(name.replace('-', "_"), value.to_owned());
    }

    /// The value of an option; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What to do; `reboot` when nothing is said, as fence agents have it. `option` is an older name for it.
    pub fn action(&self) -> Result<Action, String> {
        let name = self.get("action").or_else(|| self.get("option")).unwrap_or("reboot").to_ascii_lowercase();
        let found = ACTIONS.iter().find(|(known, _)| *known == name).map(|(_, action)| *action);
        found.ok_or_else(|| {
            let known: Vec<&str> = ACTIONS.iter().map(|(name, _)| *name).collect();
            format!("unknown action {name:?}; expected one of {}", known.join(", "))
        })
    }

    /// The host it is about.
    pub fn host(&self) -> Result<&str, String> {
        let host = ["port", "plug", "nodename"].iter().find_map(|name| self.get(name));
        let host = host.ok_or("no host is named; set plug (or port, or nodename) to the host to act on")?;
        match host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            true => Err(format!("{host:?} is no name of a host: it contains blanks")),
            false => Ok(host),
        }
    }

    /// A length of time in milliseconds; a bare number means seconds.
    pub fn duration_ms(&self, name: &str, default: u64) -> Result<u64, String> {
        let Some(text) = self.get(name) else { return Ok(default) };
        ocf::duration_ms(text).ok_or_else(|| format!("option {name} is {text:?}; expected a time such as 5 or 500ms"))
    }
}

/// The option with this name on the command line, by its name on standard input.
fn find(name: &str, metadata: &Metadata) -> Option<String> {
    let long = name.strip_prefix("--").map(|long| long.replace('-', "_"));
    let fits = |parameter: &&ocf::Parameter| {
        let mixed = parameter.getopt.as_deref().unwrap_or("");
        let is_short = long.is_none() && mixed.split(", ").any(|form| form.split(['=', ' ']).next() == Some(name));
        is_short || long.as_deref() == Some(&parameter.name)
    };
    metadata.parameters.iter().find(fits).map(|parameter| parameter.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FenceAgent as _;

    #[test]
    fn standard_input() {
        let request =
            Request::from_lines("# a cluster\naction=off\n\n port = n1 \nnodename=n1\npower-wait=2\nx=a=b\n").unwrap();
        assert_eq!(request.action(), Ok(Action::Off));
        assert_eq!(request.host(), Ok("n1"));
        assert_eq!(request.duration_ms("power_wait", 0), Ok(2_000));
        assert_eq!(request.get("x"), Some("a=b"));
        assert!(Request::from_lines("off n1").unwrap_err().contains("line 1"));
        assert_eq!(Request::from_lines("").unwrap().action(), Ok(Action::Reboot));
        assert_eq!(Request::from_lines("option=ON").unwrap().action(), Ok(Action::On));
        assert!(Request::from_lines("action=explode").unwrap().action().unwrap_err().contains("off, on, reboot"));
    }

    #[test]
    fn command_lines() {
        let metadata = crate::fence_demo::FenceDemo.metadata();
        let read = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            Request::from_arguments(&words, &metadata)
        };
        for line in ["--action=off --plug=n1 --power-wait=1", "-o off -n n1 --power-wait 1"] {
            let request = read(line).unwrap();
            assert_eq!((request.action(), request.host()), (Ok(Action::Off), Ok("n1")), "{line}");
            assert_eq!(request.duration_ms("power_wait", 0), Ok(1_000), "{line}");
        }
        for line in ["--no-such=1", "-o", "off", "-z 1"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn hosts_that_are_none() {
        for lines in ["", "port=", "port=two words", "plug=a\tb"] {
            assert!(Request::from_lines(lines).unwrap().host().is_err(), "{lines:?}");
        }
        assert!(Request::from_lines("delay=soon").unwrap().duration_ms("delay", 0).is_err());
    }
}
