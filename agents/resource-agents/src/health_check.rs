//! HealthCheck: whether something is well on this host, as a node attribute for rules to go by: what a script says, how
//! many processes there are, whether a link carries, which number a file holds. That something is not well is no failure
//! of the resource; what follows from it, the rules say.

use std::fs;
use std::io;
use std::path::Path;

use ocf::{ActionMetadata, Agent, Context, Failure, Metadata, Parameter, Status};

use crate::attribute::run_tool;
use crate::bounded::Deadline;
use crate::netlink::Netlink;
use crate::people;
use crate::run_directory::{Level, log, run_file};

/// The agent.
pub struct HealthCheck;

/// Looks after which the attribute is set again though nothing changed: someone may have deleted it.
const SET_AGAIN: u64 = 30;
/// A file with a number in it is short; of a longer one the beginning is read.
const NUMBER_BYTES: usize = 64;

impl Agent for HealthCheck {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        Metadata {
            name: "HealthCheck".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "Watches something on each host, and sets a node attribute".into(),
            longdesc: "At each monitor one thing is looked at: a script is run, processes are counted, a link is read, or a \
                       number in a file. A node attribute is set to 1 if it is well and to 0 if not (for a file: to the \
                       number times weight). Rules can then prefer or avoid nodes; the resource itself does not fail. Run \
                       it as a clone."
                .into(),
            parameters: parameters(),
            actions: vec![
                action("start", "60s"),
                action("stop", "20s"),
                action("monitor", "60s").every("10s", "0"),
                action("meta-data", "5s"),
                action("validate-all", "20s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        let state = State { good: !settings.init_fail, ..State::default() };
        if settings.init_fail || !matches!(settings.what, What::Script { .. }) {
            return settings.look(call, state);
        }
        // As long as it never ran, it counts as well.
        settings.look(call, State { good: true, row: settings.rise, ..state })
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        if let Err(failure) = run_tool(call, "attrd_updater", &["-D", "-n", call.parameter("attribute")]) {
            log(Level::Warning, &failure.reason);
        }
        let file = run_file(call, "HealthCheck", "state");
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::error(format!("removing the state file {}: {error}", file.display())))
            }
            _ => Ok(()),
        }
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let file = run_file(call, "HealthCheck", "state");
        let Ok(text) = fs::read_to_string(&file) else { return Ok(Status::Stopped) };
        Settings::read(call)?.look(call, State::parse(&text))?;
        Ok(Status::Running)
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        Settings::read(call).map(drop)
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    vec![
        new("attribute", "string", "Attribute", "The node attribute to set.").required().unique(),
        new(
            "script",
            "string",
            "Command",
            "Well if this command ends with 0. Quotes hold words together; no shell is called.",
        ),
        new("interface", "string", "Interface", "Well if this interface is up and carries."),
        new(
            "process",
            "string",
            "Process",
            "Well if there are processes with this name; with full_command, with this command line.",
        ),
        new("file", "string", "File", "The attribute is the number in this file, times weight; 0 if there is none."),
        new("user", "string", "User", "USER or USER:GROUP to run the script as."),
        new("timeout", "string", "Timeout", "How long the script may take; longer is a failure.").default_value("30s"),
        new("rise", "integer", "Rise", "So many times well in a row before it counts as well.").default_value("1"),
        new("fall", "integer", "Fall", "So many times not well in a row before it counts as that.").default_value("1"),
        new("init_fail", "boolean", "Bad at first", "Whether it counts as not well before it was ever well.")
            .default_value("false"),
        new("param_match", "string", "How parameters match", "With full_command: exact, initial or partial.")
            .default_value("exact"),
        new("full_command", "boolean", "Compare the command line", "Compare the whole command line, not the name.")
            .default_value("false"),
        new("quorum", "integer", "Least number", "The fewest processes that are well.").default_value("1"),
        new("quorum_max", "integer", "Greatest number", "The most processes that are well; 0 is any number.")
            .default_value("0"),
        new("weight", "integer", "Weight", "What the file's number is multiplied by.").default_value("1"),
        new("fault", "integer", "Fault", "The product at which the attribute becomes -INFINITY.")
            .default_value("-1000000"),
    ]
}

/// What is looked at.
enum What {
    Script { command: String, user: String },
    Interface(String),
    Process { words: Vec<String>, full: bool, matching: String, least: u64, most: u64 },
    File { path: String, weight: i64, fault: i64 },
}

struct Settings {
    attribute: String,
    what: What,
    rise: u64,
    fall: u64,
    init_fail: bool,
}

impl Settings {
    fn read(call: &Context) -> Result<Settings, Failure> {
        let given: Vec<&str> = ["script", "interface", "process", "file"]
            .into_iter()
            .filter(|name| !call.parameter(name).is_empty())
            .collect();
        let [kind] = given[..] else {
            let message = format!("expected one of script, interface, process and file, not {}", given.len());
            return Err(Failure::not_configured(message));
        };
        let text = call.parameter(kind).to_owned();
        let integer = |name: &str| call.parameter(name).parse::<i64>().map_err(|_| call.wrong(name, "a whole number"));
        let what = match kind {
            "script" => {
                people::words(&text).map_err(Failure::not_configured)?;
                What::Script { command: text, user: call.parameter("user").to_owned() }
            }
            "interface" => What::Interface(text),
            "process" => What::Process {
                words: people::words(&text).map_err(Failure::not_configured)?,
                full: call.boolean("full_command")?,
                matching: call.parameter("param_match").to_owned(),
                least: call.number("quorum", 0)?,
                most: call.number("quorum_max", 0)?,
            },
            _ => What::File { path: text, weight: integer("weight")?, fault: integer("fault")? },
        };
        if ocf::duration_ms(call.parameter("timeout")).is_none_or(|ms| ms == 0) {
            return Err(call.wrong("timeout", "a time such as 5s"));
        }
        Ok(Settings {
            attribute: call.required("attribute")?.to_owned(),
            what,
            rise: call.number("rise", 1)?,
            fall: call.number("fall", 1)?,
            init_fail: call.boolean("init_fail")?,
        })
    }

    /// Looks, counts, and sets the attribute if that changed it.
    fn look(&self, call: &Context, before: State) -> Result<(), Failure> {
        let (value, after) = match &self.what {
            What::File { path, weight, fault } => {
                let product = number_in(Path::new(path)).saturating_mul(*weight);
                let value = if product <= *fault { "-INFINITY".to_owned() } else { product.to_string() };
                (value, before.clone())
            }
            what => {
                let after = before.count(is_well(what, call)?, self.rise, self.fall);
                (u8::from(after.good).to_string(), after)
            }
        };
        let again = before.looks >= SET_AGAIN;
        if before.value != value || again {
            run_tool(call, "attrd_updater", &["-n", &self.attribute, "-U", &value])?;
        }
        let looks = if again { 0 } else { before.looks + 1 };
        let file = run_file(call, "HealthCheck", "state");
        fs::create_dir_all(file.parent().unwrap_or(&file))
            .and_then(|()| fs::write(&file, State { value, looks, ..after }.text()))
            .map_err(|error| Failure::error(format!("writing the state file {}: {error}", file.display())))
    }
}

/// What is remembered from look to look.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct State {
    /// The attribute as it was set last.
    value: String,
    good: bool,
    /// Looks in a row that say the other thing than `good`.
    row: u64,
    looks: u64,
}

impl State {
    fn parse(text: &str) -> State {
        let mut words = text.split(' ');
        let value = words.next().unwrap_or_default().to_owned();
        let mut number = || words.next().and_then(|word| word.trim().parse().ok()).unwrap_or(0);
        State { value, good: number() == 1, row: number(), looks: number() }
    }

    fn text(&self) -> String {
        format!("{} {} {} {}", self.value, u8::from(self.good), self.row, self.looks)
    }

    /// One look more.
    fn count(&self, well: bool, rise: u64, fall: u64) -> State {
        if well == self.good {
            return State { row: 0, ..self.clone() };
        }
        let row = self.row + 1;
        let turns = row >= if well { rise } else { fall };
        State { good: self.good != turns, row: if turns { 0 } else { row }, ..self.clone() }
    }
}

fn is_well(what: &What, call: &Context) -> Result<bool, Failure> {
    match what {
        What::Script { command, user } => {
            let limit = ocf::duration_ms(call.parameter("timeout")).unwrap_or(u64::MAX);
            let deadline = Deadline::of(call).at_most(std::time::Duration::from_millis(limit));
            match people::run(command, &[], user, deadline) {
                Ok(ran) => Ok(ran.is_good()),
                Err(failure) => {
                    log(Level::Warning, &failure.reason);
                    Ok(false)
                }
            }
        }
        What::Interface(name) => {
            let reading = |error| Failure::error(format!("reading the interface {name} over netlink: {error}"));
            let link = Netlink::open().map_err(reading)?.link_named(name).map_err(reading)?;
            Ok(link.is_some_and(|link| link.up && link.fault.is_none()))
        }
        What::Process { words, full, matching, least, most } => {
            let count = count_processes(Path::new("/proc"), words, *full, matching);
            Ok(count >= *least && (*most == 0 || count <= *most))
        }
        What::File { .. } => Ok(true),
    }
}

/// The number at the beginning of a file; 0 if there is none.
fn number_in(path: &Path) -> i64 {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(NUMBER_BYTES)]).into_owned();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn count_processes(proc: &Path, wanted: &[String], full: bool, matching: &str) -> u64 {
    let Ok(entries) = fs::read_dir(proc) else { return 0 };
    let is_one = |folder: &Path| {
        let name = || fs::read_to_string(folder.join("comm")).unwrap_or_default().trim_end().to_owned();
        if !full {
            // The kernel keeps fifteen characters of a name.
            let wanted = wanted[0].rsplit('/').next().unwrap_or_default();
            return name() == wanted.chars().take(15).collect::<String>();
        }
        let line = fs::read(folder.join("cmdline")).unwrap_or_default();
        let words: Vec<String> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let words = words.strip_suffix(&[String::new()]).unwrap_or(&words);
        match matching {
            "initial" => words.starts_with(wanted),
            "partial" => words.join(" ").starts_with(&wanted.join(" ")),
            _ => words == wanted,
        }
    };
    let processes = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())));
    processes.filter(|entry| is_one(&entry.path())).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted() {
        let mut state = State { good: true, ..State::default() };
        let goods: Vec<bool> = [false, false, true, false, false, false, true, true]
            .into_iter()
            .map(|well| {
                state = state.count(well, 2, 3);
                state.good
            })
            .collect();
        assert_eq!(goods, [true, true, true, true, true, false, false, true]);
        assert_eq!(State::parse(&state.text()), state);
        assert_eq!(State::parse("nonsense"), State { value: "nonsense".into(), ..State::default() });
    }

    #[test]
    fn processes_and_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for (pid, comm, line) in
            [("7", "httpd\n", "/usr/sbin/httpd\0-k\0start\0"), ("8", "httpd\n", "/usr/sbin/httpd\0")]
        {
            fs::create_dir(folder.path().join(pid)).unwrap();
            fs::write(folder.path().join(pid).join("comm"), comm).unwrap();
            fs::write(folder.path().join(pid).join("cmdline"), line).unwrap();
        }
        let count = |text: &str, full, matching: &str| {
            count_processes(folder.path(), &people::words(text).unwrap(), full, matching)
        };
        assert_eq!(count("/usr/sbin/httpd", false, "exact"), 2);
        assert_eq!(count("/usr/sbin/httpd -k start", true, "exact"), 1);
        assert_eq!(count("/usr/sbin/httpd", true, "initial"), 2);
        let file = folder.path().join("number");
        fs::write(&file, "-12\n").unwrap();
        assert_eq!((number_in(&file), number_in(Path::new("/no/such"))), (-12, 0));
    }

    #[test]
    fn one_thing_is_watched() {
        let call = |pairs: &[(&str, &str)]| {
            let mut environment = ocf::Environment::new("x", "systole", "HealthCheck", "monitor");
            for (name, value) in pairs {
                environment.parameters.insert((*name).into(), (*value).into());
            }
            Context::new(environment, HealthCheck.metadata())
        };
        assert!(HealthCheck.validate(&call(&[("attribute", "a"), ("interface", "lo")])).is_ok());
        assert!(HealthCheck.validate(&call(&[("attribute", "a")])).is_err());
        assert!(HealthCheck.validate(&call(&[("attribute", "a"), ("interface", "lo"), ("script", "x")])).is_err());
        assert!(HealthCheck.validate(&call(&[("interface", "lo")])).is_err());
    }
}
