//! ping: how many of some hosts this node reaches, as a node attribute for rules to go by.

use std::fs;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use ocf::{ActionMetadata, Agent, Context, Failure, Metadata, Parameter, Status};

use crate::attribute::run_tool;
use crate::bounded::{Deadline, within};
use crate::echo;
use crate::run_directory::{Level, log};

/// The agent.
pub struct Ping;

/// What is taken for a `timeout` that makes no sense, and for one longer than five minutes.
const FALLBACK_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

impl Agent for Ping {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        Metadata {
            name: "ping".into(),
            version: "1.2".into(),
            ocf_version: Some("1.1".into()),
            shortdesc: "Counts the hosts that this node reaches".into(),
            longdesc: "At each monitor every host of a list is asked by ICMP echo, all at once, and the number of those that \
                       answer, times the multiplier, is set as a node attribute. Rules can keep resources on nodes with a \
                       good connection. Needs no other program, unless options for ping are given."
                .into(),
            parameters: parameters(),
            actions: vec![
                action("start", "60s"),
                action("stop", "20s"),
                action("monitor", "60s").every("10s", "0"),
                action("meta-data", "5s"),
                action("validate-all", "30s"),
                action("reload-agent", "20s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        let running = settings.pidfile.exists();
        settings.note().map_err(|error| {
            Failure::error(format!("writing the state file {}: {error}", settings.pidfile.display()))
        })?;
        // The first value counts at once; a later one after the dampening alone.
        settings.update(call, !running)
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let pidfile = pidfile(call);
        match fs::remove_file(&pidfile) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::error(format!("removing the state file {}: {error}", pidfile.display())));
            }
            _ => {}
        }
        // A node that the attribute was not taken from can still stop.
        let arguments = ["-D", "-n", call.parameter("name"), "-d", call.parameter("dampen")];
        if let Err(failure) = run_tool(call, "attrd_updater", &arguments) {
            log(Level::Warning, &failure.reason);
        }
        Ok(())
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let settings = Settings::read(call)?;
        if !settings.pidfile.exists() {
            return Ok(Status::Stopped);
        }
        settings.update(call, false)?;
        Ok(Status::Running)
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        if call.environment.check_level == Some(10) {
            let directory = settings.pidfile.parent().map(PathBuf::from).unwrap_or_default();
            let probe = directory.join(format!("ping-{}", std::process::id()));
            fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).map_err(|error| {
                Failure::new(
                    ocf::ExitCode::InvalidParameter,
                    format!("parameter pidfile: nothing can be written to {}: {error}", directory.display()),
                )
            })?;
        }
        Ok(())
    }

    fn other(&self, action: &str, _: &Context) -> Option<Result<(), Failure>> {
        // The next monitor takes the new values.
        (action == "reload-agent").then_some(Ok(()))
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    let reloadable = |parameter: Parameter| Parameter { reloadable: true, ..parameter };
    let grouped = |parameter: Parameter| Parameter { unique_group: Some(parameter.name.clone()), ..parameter };
    vec![
        grouped(
            new("pidfile", "string", "State file", "The file that is there while the resource runs.")
                .default_value("/var/run/ping-RESOURCE_ID"),
        ),
        reloadable(
            new("dampen", "integer", "Dampening", "How long to wait for further changes before the attribute is set.")
                .default_value("5s"),
        ),
        grouped(new("name", "string", "Attribute name", "The node attribute to set.").default_value("pingd")),
        new("multiplier", "integer", "Value of a host", "What each host that answers adds to the attribute.")
            .default_value("1"),
        new("host_list", "string", "Hosts", "The hosts to ask: names or addresses, separated by blanks.")
            .default_value("")
            .required(),
        reloadable(
            new("attempts", "integer", "Number of questions", "How often a host is asked before it counts as gone.")
                .default_value("3"),
        ),
        reloadable(
            new("timeout", "integer", "Time for an answer", "How long to wait for an answer, in seconds.")
                .default_value("2"),
        ),
        new(
            "options",
            "string",
            "Options for ping",
            "If given, hosts are asked by the program ping with these options.",
        )
        .default_value(""),
        new(
            "failure_score",
            "integer",
            "Least value",
            "If given, the resource fails while the attribute would be below this.",
        )
        .default_value(""),
        new("use_fping", "boolean", "Use fping", "Accepted for compatibility: all hosts are always asked at once.")
            .default_value("1"),
        reloadable(
            new("debug", "string", "Say more", "true: log hosts that do not answer; verbose: those that do as well.")
                .default_value("false"),
        ),
    ]
}

fn pidfile(call: &Context) -> PathBuf {
    let resource = call.environment.resource.replace(['/', '\0'], "_");
    let anonymous = call.environment.meta.get("globally_unique").is_some_and(|text| ocf::boolean(text) == Some(false));
    let name = if anonymous { call.parameter("name") } else { resource.as_str() };
    call.given("pidfile").map_or_else(|| PathBuf::from(format!("/var/run/ping-{name}")), PathBuf::from)
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Debug {
    Off,
    On,
    Verbose,
}

struct Settings {
    pidfile: PathBuf,
    hosts: Vec<String>,
    multiplier: i64,
    attempts: u32,
    timeout: Duration,
    failure_score: Option<i64>,
    debug: Debug,
}

impl Settings {
    fn read(call: &Context) -> Result<Settings, Failure> {
        let hosts: Vec<String> = call.required("host_list")?.split_whitespace().map(str::to_owned).collect();
        let failure_score = match call.parameter("failure_score") {
            "" => None,
            text => Some(text.parse().map_err(|_| call.wrong("failure_score", "a whole number"))?),
        };
        Ok(Settings {
            pidfile: pidfile(call),
            hosts,
            multiplier: call.parameter("multiplier").parse().map_err(|_| call.wrong("multiplier", "a whole number"))?,
            attempts: u32::try_from(call.number("attempts", 1)?).unwrap_or(u32::MAX),
            timeout: read_timeout(call.parameter("timeout")),
            failure_score,
            debug: match call.parameter("debug").to_ascii_lowercase().as_str() {
                "verbose" | "2" => Debug::Verbose,
                text if ocf::boolean(text) == Some(true) => Debug::On,
                _ => Debug::Off,
            },
        })
    }

    fn note(&self) -> io::Result<()> {
        if let Some(directory) = self.pidfile.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&self.pidfile, "")
    }

    fn update(&self, call: &Context, at_once: bool) -> Result<(), Failure> {
        let answered = match call.parameter("options") {
            "" => self.ask(Deadline::of(call))?,
            options => self.ask_program(options),
        };
        for (host, answered) in self.hosts.iter().zip(&answered) {
            match answered {
                false if self.debug >= Debug::On => log(Level::Warning, &format!("{host} does not answer")),
                true if self.debug >= Debug::Verbose => log(Level::Info, &format!("{host} answers")),
                _ => {}
            }
        }
        let active = answered.iter().filter(|answered| **answered).count() as i64;
        let score = active.saturating_mul(self.multiplier);
        let set = if at_once { "-B" } else { "-v" };
        let (name, dampen) = (call.parameter("name"), call.parameter("dampen"));
        run_tool(call, "attrd_updater", &["-n", name, set, &score.to_string(), "-d", dampen])?;
        match self.failure_score {
            Some(least) if score < least => Err(Failure::error(format!(
                "{active} of {} hosts answer, so {name} is {score}, below failure_score {least}: look at this node's network",
                self.hosts.len()
            ))),
            _ => Ok(()),
        }
    }

    fn ask(&self, deadline: Deadline) -> Result<Vec<bool>, Failure> {
        let names = self.hosts.clone();
        // Asking for a name may take as long as its servers like.
        let addresses: Vec<Option<IpAddr>> =
            within(deadline.left() / 2, move || names.iter().map(|name| address_of(name)).collect()).unwrap_or_else(
                || {
                    log(
                        Level::Warning,
                        "looking up the hosts' names did not come back in time: write addresses in host_list",
                    );
                    self.hosts.iter().map(|host| host.parse().ok()).collect()
                },
            );
        let known: Vec<IpAddr> = addresses.iter().flatten().copied().collect();
        let timeout = self.timeout.min(deadline.left());
        let answers = echo::answering(&known, self.attempts, timeout).map_err(|error| {
            let code = match error.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => ocf::ExitCode::InsufficientPrivileges,
                _ => ocf::ExitCode::Error,
            };
            Failure::new(
                code,
                format!("asking hosts by ICMP echo: {error}; the agent must run as root or with CAP_NET_RAW"),
            )
        })?;
        let mut answers = answers.into_iter();
        Ok(addresses.iter().map(|address| address.is_some() && answers.next().unwrap_or(false)).collect())
    }

    /// All at once too, each by a process of its own.
    fn ask_program(&self, options: &str) -> Vec<bool> {
        let ask = |host: &String| {
            Command::new("ping")
                .args(["-n", "-q", "-W", &self.timeout.as_secs().max(1).to_string(), "-c", &self.attempts.to_string()])
                .args(options.split_whitespace())
                .arg(host)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .inspect_err(|error| log(Level::Warning, &format!("running ping: {error}")))
        };
        let running: Vec<_> = self.hosts.iter().map(ask).collect();
        running
            .into_iter()
            .map(|process| process.and_then(|mut process| process.wait()).is_ok_and(|end| end.success()))
            .collect()
    }
}

fn address_of(name: &str) -> Option<IpAddr> {
    name.parse().ok().or_else(|| (name, 0).to_socket_addrs().ok()?.next().map(|address| address.ip()))
}

/// Seconds, or a number with a unit; what makes no sense is five seconds.
fn read_timeout(text: &str) -> Duration {
    let milliseconds = match text.parse::<u64>() {
        Ok(seconds) => seconds.checked_mul(1000),
        Err(_) => ocf::duration_ms(text),
    };
    match milliseconds.map(Duration::from_millis) {
        Some(time) if time > Duration::from_secs(1000) => LONGEST_TIMEOUT,
        Some(time) if !time.is_zero() => time,
        _ => FALLBACK_TIMEOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let cases = [
            ("2", 2_000),
            ("1500ms", 1_500),
            ("2s", 2_000),
            ("1min", 60_000),
            ("5000", 300_000),
            ("0", 5_000),
            ("soon", 5_000),
        ];
        for (text, expected) in cases {
            assert_eq!(read_timeout(text).as_millis(), expected, "{text}");
        }
    }
}
