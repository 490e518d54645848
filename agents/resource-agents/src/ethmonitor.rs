//! ethmonitor: whether a network interface works, as a node attribute for rules to go by. An interface that does not
//! work is no failure of the resource: what follows from it, the rules say.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ocf::{ActionMetadata, Agent, Context, Failure, Metadata, Parameter, Status};

use crate::announce::{Mac, Speaker};
use crate::attribute::run_tool;
use crate::bounded::Deadline;
use crate::netlink::{Link, Netlink};
use crate::run_directory::{Level, log, run_file};

/// The agent.
pub struct EthMonitor;

/// Between two looks at a counter.
const LOOK: Duration = Duration::from_millis(20);

impl Agent for EthMonitor {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        Metadata {
            name: "ethmonitor".into(),
            version: "1.2".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "Watches a network interface".into(),
            longdesc: "At each monitor the interface is looked at: it must be up and have carrier, and then receive a packet, \
                       or else a neighbour of which this host knows must answer. A node attribute is set to the multiplier \
                       if so, and else to 0. Rules can keep resources away from nodes where it is 0; the resource itself \
                       does not fail. Run it as a clone."
                .into(),
            parameters: parameters(),
            actions: vec![
                action("start", "60s"),
                action("stop", "20s"),
                action("status", "60s").every("10s", "0"),
                action("monitor", "60s").every("10s", "0"),
                action("meta-data", "5s"),
                action("validate-all", "20s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        let file = run_file(call, "ethmonitor", "state");
        fs::create_dir_all(file.parent().unwrap_or(&file))
            .and_then(|()| fs::write(&file, ""))
            .map_err(|error| Failure::error(format!("writing the state file {}: {error}", file.display())))?;
        settings.update(call)
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        if let Ok(settings) = Settings::read(call)
            && let Err(failure) = run_tool(call, "attrd_updater", &["-D", "-n", &settings.attribute])
        {
            log(Level::Warning, &failure.reason);
        }
        let file = run_file(call, "ethmonitor", "state");
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::error(format!("removing the state file {}: {error}", file.display())))
            }
            _ => Ok(()),
        }
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let settings = Settings::read(call)?;
        if !run_file(call, "ethmonitor", "state").exists() {
            return Ok(Status::Stopped);
        }
        settings.update(call)?;
        Ok(Status::Running)
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        let link = open()?.link_named(&settings.interface).map_err(reading)?;
        match link {
            Some(_) => Ok(()),
            None => Err(Failure::not_configured(format!(
                "there is no network interface {} on this host: correct parameter interface",
                settings.interface
            ))),
        }
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    vec![
        new("interface", "string", "Interface", "The network interface to watch.")
            .default_value("")
            .unique()
            .required(),
        new("name", "string", "Attribute name", "The node attribute to set; ethmonitor-INTERFACE if empty.")
            .default_value("")
            .unique(),
        new("multiplier", "integer", "Value of a working interface", "What the attribute is set to while it works.")
            .default_value("1"),
        new("repeat_count", "integer", "Number of looks", "How often it is looked at before it counts as not working.")
            .default_value("5"),
        new(
            "repeat_interval",
            "integer",
            "Seconds between looks",
            "Give the monitor a timeout of more than this times repeat_count.",
        )
        .default_value("10"),
        new(
            "pktcnt_timeout",
            "integer",
            "Seconds to wait for a packet",
            "How long to wait until something is received.",
        )
        .default_value("5"),
        new(
            "arping_count",
            "integer",
            "Number of questions",
            "Accepted for compatibility: each neighbour is asked twice.",
        )
        .default_value("1"),
        new("arping_timeout", "integer", "Seconds for an answer", "How long a neighbour has to answer.")
            .default_value("1"),
        new(
            "arping_cache_entries",
            "integer",
            "Number of neighbours",
            "How many neighbours are asked, the latest first.",
        )
        .default_value("5"),
        new(
            "infiniband_device",
            "string",
            "InfiniBand device",
            "For InfiniBand: the device, whose port must be active.",
        ),
        new("infiniband_port", "integer", "InfiniBand port", "The port of that device."),
        new("link_status_only", "boolean", "Look at the link alone", "Neither wait for packets nor ask neighbours.")
            .default_value("false"),
    ]
}

struct Settings {
    interface: String,
    attribute: String,
    multiplier: i64,
    repeat_count: u64,
    repeat_interval: Duration,
    packet_wait: Duration,
    answer_wait: Duration,
    neighbours: usize,
    infiniband: Option<String>,
    link_only: bool,
}

impl Settings {
    fn read(call: &Context) -> Result<Settings, Failure> {
        let interface = call.required("interface")?.to_owned();
        if interface.contains(':') {
            return Err(call.wrong("interface", "an interface, not a label of one of its addresses"));
        }
        let seconds = |name: &str| call.number(name, 0).map(Duration::from_secs);
        call.number("arping_count", 0)?;
        let infiniband = call.given("infiniband_device").map(|device| match call.given("infiniband_port") {
            Some(port) => format!("{device}:{port}"),
            None => device.to_owned(),
        });
        Ok(Settings {
            attribute: match call.parameter("name") {
                "" => format!("ethmonitor-{interface}"),
                name => name.to_owned(),
            },
            interface,
            multiplier: call.parameter("multiplier").parse().map_err(|_| call.wrong("multiplier", "a whole number"))?,
            repeat_count: call.number("repeat_count", 1)?,
            repeat_interval: seconds("repeat_interval")?,
            packet_wait: seconds("pktcnt_timeout")?,
            answer_wait: seconds("arping_timeout")?,
            neighbours: usize::try_from(call.number("arping_cache_entries", 0)?).unwrap_or(usize::MAX),
            infiniband,
            link_only: call.boolean("link_status_only")?,
        })
    }

    /// Looks until it works or has been looked at often enough, and sets the attribute.
    fn update(&self, call: &Context) -> Result<(), Failure> {
        let deadline = Deadline::of(call);
        let mut netlink = open()?;
        let mut works = false;
        for look in 1..=self.repeat_count {
            let begin = Instant::now();
            works = self.works(&mut netlink, deadline)?;
            if works || look == self.repeat_count || deadline.is_over() {
                break;
            }
            log(
                Level::Warning,
                &format!("{} does not work; looking {} times more", self.interface, self.repeat_count - look),
            );
            std::thread::sleep(self.repeat_interval.saturating_sub(begin.elapsed()).min(deadline.left()));
        }
        let value = if works { self.multiplier } else { 0 };
        run_tool(call, "attrd_updater", &["-n", &self.attribute, "-v", &value.to_string()])
    }

    fn works(&self, netlink: &mut Netlink, deadline: Deadline) -> Result<bool, Failure> {
        // A bond may be gone for a while.
        let Some(link) = netlink.link_named(&self.interface).map_err(reading)? else { return Ok(false) };
        if !link.up || link.fault.is_some() {
            return Ok(false);
        }
        if let Some(device) = &self.infiniband {
            return Ok(infiniband_works(device));
        }
        Ok(self.link_only || self.receives(netlink, &link, deadline)? || self.is_answered(netlink, &link, deadline)?)
    }

    fn receives(&self, netlink: &mut Netlink, link: &Link, deadline: Deadline) -> Result<bool, Failure> {
        let before = netlink.received_packets(link.index).map_err(reading)?;
        let deadline = deadline.at_most(self.packet_wait);
        while !deadline.is_over() {
            std::thread::sleep(LOOK.min(deadline.left()));
            if netlink.received_packets(link.index).map_err(reading)? != before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does one of the neighbours answer that this host remembers?
    fn is_answered(&self, netlink: &mut Netlink, link: &Link, deadline: Deadline) -> Result<bool, Failure> {
        let Ok(mac) = Mac::try_from(link.mac.as_slice()) else { return Ok(false) };
        let neighbours = netlink.neighbours(link.index).map_err(reading)?;
        for ip in neighbours.into_iter().take(self.neighbours).take_while(|_| !deadline.is_over()) {
            if asks(link, mac, ip, self.answer_wait.min(deadline.left())) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn asks(link: &Link, mac: Mac, ip: IpAddr, wait: Duration) -> bool {
    let asked = Speaker::open(link.index, mac, ip).and_then(|speaker| speaker.find_owner(wait));
    match asked {
        Ok(owner) => owner.is_some(),
        Err(error) => {
            log(Level::Warning, &format!("asking {ip} on {}: {error}", link.name));
            false
        }
    }
}

/// Does the port say that it is active? Each kind of device has a program of its own that knows.
fn infiniband_works(device: &str) -> bool {
    let (program, arguments, word): (_, &[&str], _) = match device.contains("hfi") {
        true => ("opainfo", &[], "Active"),
        false => ("ibstatus", &[device], "ACTIVE"),
    };
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).contains(word),
        Err(error) => {
            log(Level::Warning, &format!("running {program}: {error}"));
            false
        }
    }
}

fn open() -> Result<Netlink, Failure> {
    Netlink::open().map_err(|error| Failure::error(format!("opening a netlink socket: {error}")))
}

fn reading(error: io::Error) -> Failure {
    Failure::error(format!("reading this host's interfaces over netlink: {error}"))
}
