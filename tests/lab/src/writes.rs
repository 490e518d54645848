//! Writes to the configuration, Systole's and Pacemaker's, one after the other on the same hosts and the same running
//! Corosync: how many a second, and how long each takes, by each way that agents and programs have of making them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::unistd::{Gid, Group, Uid, User, chown};
use wire::request::{from_line, to_line};
use wire::write::{AuthorForm, WriteForm};
use wire::{Reply, Request};

use crate::bare::{self, Host, Networks};
use crate::network::Address;
use crate::ring::{Setup, Votes};

/// First argument of a process that is to be a client on a host.
const CLIENT: &str = "lab-writes-client";
/// Where hosts find this program.
const OWN: &str = "/usr/bin/lab-writes";
/// Where hosts find the program that keeps a connection to Pacemaker's CIB.
const KEPT: &str = "/usr/bin/lab-open-connection";
/// Where hosts find Systole's tools under their classic names.
const TOOLS: &str = "/usr/lib/systole-tools";
/// Where Pacemaker's are.
const PEER: &str = "/usr/sbin";
/// Where a node's daemon listens.
const SOCKET: &str = "/run/systole/systoled.sock";

/// As many hosts as most clusters have.
const HOSTS: u8 = 3;
/// The host that clients write on.
const WRITER: usize = 1;
/// Clients that write at the same time.
const MANY: usize = 32;
/// How long a cluster may take to come up, or to go.
const PATIENCE: Duration = Duration::from_secs(180);
/// What follows from a new configuration is over after this, or disturbs all that is measured in the same way.
const CALM: Duration = Duration::from_secs(5);

/// What is measured.
pub struct Measurement {
    /// The directory with Systole's programs.
    pub programs: PathBuf,
    /// How many resources are configured; a table each.
    pub resources: Vec<usize>,
    /// For how long each kind of client writes.
    pub span: Duration,
    /// Leaves Pacemaker out.
    pub is_alone: bool,
}

/// One of the two that are compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Stack {
    Systole,
    Pacemaker,
}

/// A way of writing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Way {
    /// A process of `cibadmin` for each write.
    Cibadmin,
    /// A process of `crm_attribute` for each write.
    CrmAttribute,
    /// One connection that stays open.
    Open,
    /// Many of these at once.
    Many,
}

const WAYS: [(Way, &str, &str); 4] = [
    (Way::Cibadmin, "cibadmin", "cibadmin, a process each"),
    (Way::CrmAttribute, "crm_attribute", "crm_attribute, a process each"),
    (Way::Open, "open", "one open connection"),
    (Way::Many, "many", "32 open connections"),
];

impl Way {
    fn word(self) -> &'static str {
        WAYS.iter().find(|(way, ..)| *way == self).map_or("", |(_, word, _)| word)
    }
}

impl Stack {
    fn name(self) -> &'static str {
        match self {
            Stack::Systole => "Systole",
            Stack::Pacemaker => "Pacemaker",
        }
    }

    /// The directory with its tools.
    fn tools(self) -> &'static str {
        match self {
            Stack::Systole => TOOLS,
            Stack::Pacemaker => PEER,
        }
    }
}

/// What one kind of client came to.
struct Figure {
    rate: f64,
    /// The middle and the slowest hundredth, in milliseconds.
    p50: f64,
    p99: f64,
    /// Processor time of all hosts for one write, in milliseconds: clients, daemons and Corosync.
    cpu: f64,
}

/// If this process was started to be a client, is one; `None` if it was not.
pub fn take_part(arguments: &[String]) -> Option<ExitCode> {
    let [_, part, words @ ..] = arguments else { return None };
    if part != CLIENT {
        return None;
    }
    Some(client(words).map_or_else(
        |error| {
            eprintln!("{CLIENT}: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    ))
}

/// Why it cannot be measured on this machine, or without this peer; `None` when it can.
pub fn refusal(is_alone: bool) -> Option<String> {
    let peer = [("/usr/sbin/pacemakerd", "pacemaker"), ("/usr/sbin/cibadmin", "pacemaker-cli-utils")];
    let needed = if is_alone { &[][..] } else { &peer };
    bare::refusal(&[&[bare::COROSYNC], needed].concat())
}

/// Measures, and prints the tables.
///
/// # Errors
/// When a cluster does not come up, or a write fails.
pub fn run(measurement: &Measurement) -> Result<()> {
    // Not in memory: what is compared is mostly what disks do.
    let scratch = tempfile::Builder::new().prefix("systole-writes-").tempdir().context("making a directory")?;
    let kept = if measurement.is_alone { None } else { compile(scratch.path()) };
    let field = Field::make(&measurement.programs, scratch.path(), kept.as_deref())?;
    let mut figures = BTreeMap::new();
    for stack in [Stack::Pacemaker, Stack::Systole] {
        if stack == Stack::Pacemaker && measurement.is_alone {
            continue;
        }
        let started = field.start(stack)?;
        for resources in &measurement.resources {
            field.configure(stack, *resources)?;
            for (way, _, about) in WAYS {
                if stack == Stack::Pacemaker && kept.is_none() && matches!(way, Way::Open | Way::Many) {
                    continue;
                }
                eprintln!("{}, {resources} resources: {about} …", stack.name());
                figures.insert((*resources, way, stack), field.measure(stack, way, measurement.span)?);
            }
        }
        field.stop(stack, started)?;
    }
    if !measurement.is_alone && kept.is_none() {
        println!("Pacemaker's open connections were not measured: apt-get install gcc pacemaker-dev pkg-config\n");
    }
    print!("{}", tables(&measurement.resources, &figures));
    Ok(())
}

fn tables(resources: &[usize], figures: &BTreeMap<(usize, Way, Stack), Figure>) -> String {
    let mut text = String::new();
    for count in resources {
        let _ = writeln!(text, "{:<32}{:>37}{:>37}   ratio of", format!("{count} resources"), "Systole", "Pacemaker");
        let columns = format!("{:>10}{:>9}{:>9}{:>9}", "1/s", "p50 ms", "p99 ms", "CPU ms");
        let _ = writeln!(text, "{:<32}{columns}{columns}{:>8} {:>8}", "", "1/s", "CPU");
        for (way, _, about) in WAYS {
            let shown = |stack| figures.get(&(*count, way, stack));
            let cell = |figure: Option<&Figure>| {
                figure.map_or_else(
                    || "-".to_owned(),
                    |Figure { rate, p50, p99, cpu }| format!("{rate:>10.1}{p50:>9.2}{p99:>9.2}{cpu:>9.2}"),
                )
            };
            let (ours, theirs) = (shown(Stack::Systole), shown(Stack::Pacemaker));
            let ratio = |of: fn(&Figure, &Figure) -> f64| {
                ours.zip(theirs).map_or_else(|| "-".to_owned(), |(ours, theirs)| format!("{:.1}", of(ours, theirs)))
            };
            let (rate, cpu) =
                (ratio(|ours, theirs| ours.rate / theirs.rate), ratio(|ours, theirs| theirs.cpu / ours.cpu));
            let _ = writeln!(text, "{about:<32}{:>37}{:>37}{rate:>8} {cpu:>8}", cell(ours), cell(theirs));
        }
        text.push('\n');
    }
    text
}

/// Builds the program that keeps a connection to Pacemaker's CIB, if this machine has what that needs.
fn compile(directory: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/open_connection.c");
    let flags = Command::new("pkg-config").args(["--cflags", "glib-2.0", "libxml-2.0"]).output().ok()?;
    let program = directory.join("open-connection");
    let built = Command::new("gcc")
        .args(["-O2", "-I/usr/include/pacemaker", "-o"])
        .args([&program, &source])
        .args(String::from_utf8_lossy(&flags.stdout).split_whitespace())
        .args(["-lcib", "-lcrmcommon", "-lxml2", "-lglib-2.0"])
        .stderr(Stdio::null())
        .status();
    built.is_ok_and(|status| status.success()).then_some(program)
}

/// The hosts, on which Corosync runs.
struct Field {
    hosts: Vec<Host>,
    _networks: Networks,
}

impl Field {
    fn make(programs: &Path, scratch: &Path, kept: Option<&Path>) -> Result<Field> {
        let own = std::env::current_exe().context("finding this program's own file")?;
        let (systole, systoled) = (programs.join("systole"), programs.join("systoled"));
        let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crm/daemon/systemd/systoled.service");
        let address = |lan: u8, number: u8| Address { ip: [10, 77 + lan, 0, number].into(), prefix: 24 };
        let setup = Setup {
            names: (1..=HOSTS).map(|number| format!("node{number}")).collect(),
            addresses: (1..=HOSTS).map(|number| vec![address(0, number), address(1, number)]).collect(),
            // On a busy machine nobody is to be lost while clients write.
            token_ms: 5000,
            votes: Votes::Nodes,
        };
        let (configuration, key) = (scratch.join("corosync.conf"), scratch.join("authkey"));
        fs::write(&configuration, setup.configuration()).context("writing corosync.conf")?;
        fs::write(&key, [b'k'; 256]).context("writing the key")?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).context("writing the key")?;
        let networks = Networks::make()?;
        let mut hosts = Vec::new();
        for number in 1..=HOSTS {
            let disk = scratch.join(format!("disk{number}"));
            let (ours, theirs) = (disk.join("systole"), disk.join("pacemaker"));
            fs::create_dir_all(&ours).with_context(|| format!("making {}", ours.display()))?;
            furnish(&theirs)?;
            let mut places: Vec<(&Path, &str)> = vec![
                (&systole, "/usr/bin/systole"),
                (&systoled, "/usr/sbin/systoled"),
                (&unit, "/lib/systemd/system/systoled.service"),
                (&own, OWN),
                (&configuration, "/etc/corosync/corosync.conf"),
                (&key, "/etc/corosync/authkey"),
                (&ours, "/var/lib/systole"),
                (&theirs, "/var/lib/pacemaker"),
            ];
            places.extend(kept.map(|kept| (kept, KEPT)));
            hosts.push(Host::boot(&networks, number, &places)?);
        }
        hosts.iter_mut().try_for_each(Host::booted)?;
        for host in &hosts {
            host.say("systemctl start corosync.service")?;
            host.say(&format!("systole tools install {TOOLS}"))?;
        }
        Ok(Field { hosts, _networks: networks })
    }

    fn writer(&self) -> &Host {
        &self.hosts[WRITER]
    }

    /// Starts a stack on all hosts and waits until they are together.
    fn start(&self, stack: Stack) -> Result<Vec<Child>> {
        let mut started = Vec::new();
        for host in &self.hosts {
            match stack {
                Stack::Systole => drop(host.say("systemctl start systoled.service")?),
                Stack::Pacemaker => {
                    let mut command = host.command("pacemakerd", &[]);
                    command.stdout(Stdio::null()).stderr(Stdio::null());
                    started.push(command.spawn().context("starting pacemakerd")?);
                }
            }
        }
        until(&format!("{} is up on all hosts", stack.name()), || {
            let seen = self.monitor(stack)?;
            let online = seen.matches("online=\"true\"").count();
            ensure!(online == self.hosts.len() && seen.contains("with_quorum=\"true\""), "{online} are online");
            Ok(())
        })?;
        Ok(started)
    }

    fn monitor(&self, stack: Stack) -> Result<String> {
        self.writer().say(&format!("timeout 20 {}/crm_mon -1 --output-as=xml", stack.tools()))
    }

    fn stop(&self, stack: Stack, started: Vec<Child>) -> Result<()> {
        for host in &self.hosts {
            host.say(match stack {
                Stack::Systole => "systemctl stop systoled.service",
                Stack::Pacemaker => "pacemakerd --shutdown",
            })?;
        }
        let until = Instant::now() + PATIENCE;
        for mut child in started {
            while child.try_wait().context("waiting for pacemakerd")?.is_none() {
                ensure!(Instant::now() < until, "pacemakerd did not end within {PATIENCE:?}");
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// Puts a configuration with so many resources in the place of what there is.
    fn configure(&self, stack: Stack, resources: usize) -> Result<()> {
        let mut load = self.writer().command(
            &format!("{}/cibadmin", stack.tools()),
            &["--replace", "--scope", "configuration", "--force", "--xml-pipe"],
        );
        let mut loading = load.stdin(Stdio::piped()).spawn().context("starting cibadmin")?;
        let mut input = loading.stdin.take().context("cibadmin's input")?;
        input.write_all(configuration(resources).as_bytes()).context("giving cibadmin the configuration")?;
        drop(input);
        let status = loading.wait().context("waiting for cibadmin")?;
        ensure!(status.success(), "{} did not take the configuration ({status})", stack.name());
        until("the resources are there", || {
            let seen = self.monitor(stack)?;
            ensure!(seen.contains(&format!("<resources_configured number=\"{resources}\"")), "they are not");
            Ok(())
        })?;
        thread::sleep(CALM);
        Ok(())
    }

    fn measure(&self, stack: Stack, way: Way, span: Duration) -> Result<Figure> {
        let host = self.writer();
        let clients = if way == Way::Many { MANY } else { 1 };
        let (seconds, id) = (span.as_secs().to_string(), (WRITER + 1).to_string());
        let used = || self.hosts.iter().map(Host::processor_time).sum::<Result<Duration>>();
        let before = used()?;
        let start = |number: usize| {
            let attribute = format!("bench-{number}");
            let words = [CLIENT, stack.name(), way.word(), &seconds, &id, &host.name, &attribute];
            let mut command = host.command(OWN, &words);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("starting a client")
        };
        let children = (0..clients).map(start).collect::<Result<Vec<Child>>>()?;
        let mut times: Vec<u64> = Vec::new();
        for child in children {
            let output = child.wait_with_output().context("waiting for a client")?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "a client of {} failed: {}", stack.name(), said.trim());
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            times.extend(text.lines().map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().context("a time")?);
        }
        ensure!(!times.is_empty(), "{} made no write within {span:?}", stack.name());
        let cpu = used()?.saturating_sub(before).as_secs_f64() * 1000.0 / times.len() as f64;
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100] as f64 / 1000.0;
        // Each client wrote without a pause, so that the times of one add up to how long it wrote.
        let rate = times.len() as f64 * clients as f64 / (times.iter().sum::<u64>() as f64 / 1e6);
        Ok(Figure { rate, p50: at(50), p99: at(99), cpu })
    }
}

/// What Pacemaker's package has in its directory.
fn furnish(directory: &Path) -> Result<()> {
    let user = User::from_name("hacluster").ok().flatten().map_or(Uid::from_raw(0), |user| user.uid);
    let group = Group::from_name("haclient").ok().flatten().map_or(Gid::from_raw(0), |group| group.gid);
    for name in ["", "cib", "pengine", "blackbox", "cores"] {
        let place = directory.join(name);
        fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
        chown(&place, Some(user), Some(group)).with_context(|| format!("giving {} away", place.display()))?;
    }
    Ok(())
}

/// Resources that are configured and not started: what they do is not what is measured.
fn configuration(resources: usize) -> String {
    let nodes: String = (1..=HOSTS).map(|number| format!("<node id=\"{number}\" uname=\"node{number}\"/>")).collect();
    let primitives: String = (0..resources)
        .map(|number| {
            format!(
                "<primitive id=\"r{number}\" class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\"><operations>\
                 <op id=\"r{number}-monitor\" name=\"monitor\" interval=\"10s\" timeout=\"20s\"/></operations></primitive>"
            )
        })
        .collect();
    format!(
        "<configuration><crm_config><cluster_property_set id=\"options\">\
         <nvpair id=\"fencing\" name=\"stonith-enabled\" value=\"false\"/>\
         <nvpair id=\"probes\" name=\"enable-startup-probes\" value=\"false\"/></cluster_property_set></crm_config>\
         <nodes>{nodes}</nodes><resources>{primitives}</resources><constraints/>\
         <rsc_defaults><meta_attributes id=\"defaults\">\
         <nvpair id=\"role\" name=\"target-role\" value=\"Stopped\"/></meta_attributes></rsc_defaults></configuration>"
    )
}

fn until(what: &str, mut holds: impl FnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match holds() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error.context(format!("{what}: not in time"))),
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// A client on a host: stack, way, seconds, the node's number and name, and the attribute that it sets. Prints how many
/// microseconds each write took.
fn client(words: &[String]) -> Result<()> {
    let [stack, way, seconds, id, node, attribute] = words else { bail!("expected six words") };
    let stack = if stack == Stack::Systole.name() { Stack::Systole } else { Stack::Pacemaker };
    let span = Duration::from_secs(seconds.parse().context("the seconds")?);
    let program = |name: &str| Path::new(stack.tools()).join(name);
    match way.as_str() {
        "cibadmin" => repeat(span, |number| {
            let set = format!("nodes-{id}");
            let change = format!(
                "<node id=\"{id}\" uname=\"{node}\"><instance_attributes id=\"{set}\"><nvpair id=\"{set}-{attribute}\" \
                 name=\"{attribute}\" value=\"{number}\"/></instance_attributes></node>"
            );
            // The first creates what the others change.
            finish(Command::new(program("cibadmin")).args(["--modify", "--allow-create", "-o", "nodes", "-X", &change]))
        }),
        "crm_attribute" => repeat(span, |number| {
            let value = number.to_string();
            finish(Command::new(program("crm_attribute")).args(["-N", node, "-n", attribute, "-v", &value]))
        }),
        _ if stack == Stack::Pacemaker => finish(Command::new(KEPT).args([seconds, id, node, attribute])),
        _ => {
            let mut stream = BufReader::new(UnixStream::connect(SOCKET).context("connecting to systoled")?);
            repeat(span, |number| {
                let write = WriteForm::Attribute {
                    node: node.clone(),
                    permanent: true,
                    name: attribute.clone(),
                    value: Some(number.to_string()),
                    author: AuthorForm { user: "bench".into(), host: node.clone(), command: "writes".into(), at: 1 },
                };
                let request = to_line(&Request::Write { write, force: false });
                stream.get_mut().write_all(request.as_bytes()).context("asking systoled")?;
                let mut line = String::new();
                stream.read_line(&mut line).context("hearing systoled")?;
                match from_line(&line).map_err(anyhow::Error::msg)? {
                    Reply::Written { .. } => Ok(()),
                    other => bail!("expected that it is written, found {other:?}"),
                }
            })
        }
    }
}

/// Writes until the time is over, and prints how long each write took.
fn repeat(span: Duration, mut write: impl FnMut(usize) -> Result<()>) -> Result<()> {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < span {
        let at = Instant::now();
        write(times.len())?;
        times.push(at.elapsed());
    }
    // Printed at the end, so that printing costs no write.
    let text: String = times.iter().map(|time| format!("{}\n", time.as_micros())).collect();
    std::io::stdout().write_all(text.as_bytes()).context("printing")
}

fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(status.success(), "{} failed ({status})", command.get_program().display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_stand_where_both_were_measured() {
        let figure = |rate| Figure { rate, p50: 1.5, p99: 20.0, cpu: 1000.0 / rate };
        let figures = BTreeMap::from([
            ((300, Way::Cibadmin, Stack::Systole), figure(200.0)),
            ((300, Way::Cibadmin, Stack::Pacemaker), figure(10.0)),
            ((300, Way::Open, Stack::Systole), figure(900.0)),
        ]);
        let text = tables(&[300], &figures);
        let line = |about: &str| text.lines().find(|line| line.starts_with(about)).unwrap().to_owned();
        assert!(text.starts_with("300 resources"), "{text}");
        assert!(line("cibadmin").ends_with(" 20.0     20.0"), "{text}");
        assert!(line("one open").ends_with(" -        -"), "{text}");
    }

    #[test]
    fn the_configuration_is_as_the_schema_says() {
        let document = cib::Document::parse(&format!("<cib>{}<status/></cib>", configuration(2))).unwrap();
        let findings = cib::check::check(&document);
        assert!(findings.iter().all(|finding| finding.severity != cib::check::Severity::Error), "{findings:?}");
    }
}
