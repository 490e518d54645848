//! `systole migrate keepalived apply`: the move of all hosts, step by step with a journal, and all of it back. Which step
//! comes next is decided in `migrate::course`; what is done on a host, `adopt` and `rollback` do there.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cib::Document;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use migrate::checklist::{Answer, checklist};
use migrate::collected::{Collected, at_this_moment};
use migrate::configuration::document;
use migrate::course::{Course, Mark, Step, Way};
use migrate::handover::{Agent, agents, held};
use migrate::load::{load, primitives, seen, set_property, unload};
use nix::fcntl::{Flock, FlockArg};
use wire::host::KeepalivedAct;
use wire::write::WriteForm;

use super::collect::{checksum, write_private};
use super::plan::{Source, arguments};
use super::reach::{self, Reach};
use super::{keeper, own_cluster};
use crate::change::{self, Edit, How};
use crate::client::Client;
use crate::cluster::{Live, now};
use crate::commands::Command;
use crate::terminal::print;
use crate::{EXIT_FAILURE, EXIT_OK};
use outline::Summary;

/// The command.
pub const COMMAND: Command = Command { name: "apply", grammar, run };

/// Where the course is if nothing is said.
const FOLDER: &str = "/var/lib/systole-migrate/course";
/// How long the cluster may take for what a step waits for: probes and monitors take some tenths of a second.
const CLUSTER_WAIT: Duration = Duration::from_secs(60);

/// The option that names the course's directory.
pub(super) fn journal() -> Arg {
    Arg::new("journal")
        .long("journal")
        .value_name("DIR")
        .default_value(FOLDER)
        .value_parser(value_parser!(PathBuf))
        .help("Where the move's journal, backups and configurations are")
}

fn grammar() -> clap::Command {
    let after = "First it is checked that the plan has no open question, that keepalived runs on every host with the given \
                 file, and that each address is on one host alone. Then, each step noted before and after it: back-up HOST, \
                 cluster (the one there, which must have all hosts as members; where there is none, it is set up on all \
                 hosts that are enrolled here, by `systole host auth`), maintenance, load, probe (the cluster sees \
                 each address where it is), simulate (let go, it would leave them there), adopt HOST (who holds addresses \
                 last), release, watch, verify. The addresses never leave their interfaces. With --classic keepalived takes \
                 them off and the cluster puts them on, about a second later.\n\nInterrupted, the same command goes on where \
                 it was. A step that fails has everything taken back: keepalived is in charge then, and that is said. \
                 `rollback --all` takes it back at any time.\n\nExamples:\n  \
                 systole migrate keepalived apply one=one.tar two=two.tar --answers plan/answers.txt\n  \
                 systole migrate keepalived apply one=one.tar two=two.tar --answers plan/answers.txt --until adopt";
    clap::Command::new("")
        .about("Move all hosts from keepalived to the cluster, step by step, with a journal and a way back")
        .after_help(after)
        .args(arguments())
        .args(reach::arguments())
        .args([
            journal(),
            Arg::new("classic")
                .long("classic")
                .action(ArgAction::SetTrue)
                .help("Have keepalived take the addresses off, and the cluster put them on"),
            Arg::new("until")
                .long("until")
                .value_name("STEP")
                .help("Stop before this step, such as adopt; the same command without it goes on"),
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Check, name the steps, and do nothing"),
        ])
}

/// A move with all that it needs.
struct Move {
    folder: PathBuf,
    course: Course,
    reach: Reach,
    plan: Document,
    socket: PathBuf,
    /// What follows `cluster setup`, where there is no cluster.
    setup: Vec<String>,
    _lock: Flock<File>,
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let source = Source::read(arguments)?;
    let Some(plan) = source.plan_or_say_why(arguments)? else { return Ok(EXIT_FAILURE) };
    let open: Vec<&str> = plan.open().map(|question| question.name.as_str()).collect();
    if !open.is_empty() {
        bail!(
            "nothing was done: the plan has open questions ({}); answer them in the file that `plan --out` writes, and give \
             it by --answers",
            open.join(", ")
        );
    }
    let hosts: Vec<String> = source.hosts.iter().map(|(host, _)| host.clone()).collect();
    let way = if arguments.get_flag("classic") { Way::Classic } else { Way::Adopt };
    let reach = Reach::from_arguments(arguments, &hosts)?;
    let setup = own_cluster::words(&plan);
    let plan = document(&plan.configuration);
    let inputs = checksum(format!("{way:?} {hosts:?} {}", plan.to_xml()).as_bytes());
    let inputs = inputs[..16].to_owned();
    let dry_run = arguments.get_flag("dry-run");
    let folder = folder(arguments);
    let lock = lock(&folder)?;
    let known = read_course(&folder)?;
    let half_way = known.as_ref().is_some_and(|course| !course.undo().is_empty());
    let course = match known {
        Some(course) if half_way && course.inputs != inputs => bail!(
            "another move is half-way here ({}): go on with it by the command it was begun with, or take it back by \
             `systole migrate keepalived rollback --all`",
            folder.display()
        ),
        Some(course) if half_way => course,
        _ => Course::new(way, inputs, check(&source, &reach)?),
    };
    if dry_run {
        let steps: Vec<String> = course.steps().iter().map(ToString::to_string).collect();
        print(&format!("Nothing was done. The steps:\n  {}\n", steps.join("\n  ")))?;
        return Ok(EXIT_OK);
    }
    if !half_way {
        write_private(&folder.join("plan.xml"), plan.to_xml().as_bytes())?;
        write_private(&folder.join("reach"), reach.to_text().as_bytes())?;
        write_private(&folder.join("journal"), course.head().as_bytes())?;
    }
    let socket = socket(arguments);
    let mut moving = Move { folder, course, reach, plan, socket, setup, _lock: lock };
    moving.go(arguments.get_one::<String>("until").map(String::as_str))
}

fn folder(arguments: &ArgMatches) -> PathBuf {
    arguments.get_one::<PathBuf>("journal").expect("it has a default").clone()
}

fn socket(arguments: &ArgMatches) -> PathBuf {
    arguments.get_one::<std::ffi::OsString>("socket").expect("the socket has a default").into()
}

/// One move at a time: who was killed holds it no more.
fn lock(folder: &Path) -> anyhow::Result<Flock<File>> {
    fs::create_dir_all(folder).with_context(|| format!("making the directory {}", folder.display()))?;
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, error)| anyhow::anyhow!("another command is at work in {}: {error}", folder.display()))
}

fn read_course(folder: &Path) -> anyhow::Result<Option<Course>> {
    let path = folder.join("journal");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    Course::read(&text).map_err(|error| anyhow::anyhow!("reading {}: {error}", path.display()))
}

/// Whether all is as the plan says, and the order in which the hosts hand over.
fn check(source: &Source, reach: &Reach) -> anyhow::Result<Vec<String>> {
    let mut holders: BTreeMap<bool, Vec<String>> = BTreeMap::new();
    let mut found = Vec::new();
    for ((host, _), files) in source.hosts.iter().zip(&source.scanned) {
        let (_, collected) = reach.collect(host, None)?;
        if collected.arguments.is_empty() {
            bail!("nothing was done: keepalived does not run on {host}");
        }
        let theirs = collected.to_files();
        if theirs.text(theirs.main()) != files.text(files.main()) {
            bail!("nothing was done: keepalived on {host} runs with another {} than the file given", theirs.main());
        }
        let model = collected.model(host);
        if !model.servers.is_empty() {
            bail!(
                "nothing was done: {host} has virtual servers, whose checks would end: have keepalived serve IPVS alone first, \
                 with the plan's keepalived-ipvs.{host}.conf, as a second instance"
            );
        }
        holders.entry(!held(&model, &collected.addresses).is_empty()).or_default().push(host.clone());
        found.push((host.clone(), model, collected));
    }
    let known: Vec<(String, keepalived::Model, &Collected)> =
        found.iter().map(|(host, model, collected)| (host.clone(), model.clone(), collected)).collect();
    let wrong: Vec<String> = at_this_moment(&known)
        .into_iter()
        .filter(|line| line.contains(" at once: ") || line.starts_with("nobody "))
        .collect();
    if !wrong.is_empty() {
        bail!("nothing was done: {}", wrong.join("; "));
    }
    Ok(holders.into_values().flatten().collect())
}

impl Move {
    fn go(&mut self, until: Option<&str>) -> anyhow::Result<u8> {
        if self.course.next().is_none() {
            print("This move is done; `rollback --all` takes it back.\n")?;
            return Ok(EXIT_OK);
        }
        while let Some(step) = self.course.next() {
            let name = step.to_string();
            if until.is_some_and(|until| name == until || name.split(' ').next() == Some(until)) {
                print(&format!("Stopped before {name}. The same command without --until goes on.\n"))?;
                return Ok(EXIT_OK);
            }
            self.note(Mark::Begun, &step)?;
            let begin = Instant::now();
            match self.perform(&step) {
                Ok(told) => {
                    self.note(Mark::Done, &step)?;
                    print(&format!("{name}: {told} ({} ms)\n", begin.elapsed().as_millis()))?;
                }
                Err(error) => {
                    self.say(&format!("{name} failed: {error:#}"))?;
                    print(&format!("{name} failed: {error:#}\nEverything is taken back:\n"))?;
                    self.back().context(
                        "taking it back failed too; `systole migrate keepalived rollback --all` tries again from there",
                    )?;
                    bail!("the move was not made: keepalived is in charge on all hosts");
                }
            }
        }
        print("The move is done: the cluster has the addresses.\n")?;
        Ok(EXIT_OK)
    }

    /// Notes a step; what is noted is on the disk.
    fn note(&mut self, mark: Mark, step: &Step) -> anyhow::Result<()> {
        self.write(&Course::line(now(), mark, step))?;
        self.course.note(mark, step.clone());
        Ok(())
    }

    /// Notes something for people.
    fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.write(&format!("{} note {}\n", now(), text.replace('\n', " ")))
    }

    fn write(&mut self, line: &str) -> anyhow::Result<()> {
        let path = self.folder.join("journal");
        let context = || format!("writing {}", path.display());
        // The line that one who was killed was writing is not to be the beginning of this one.
        let text = fs::read(&path).with_context(context)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut file = OpenOptions::new().append(true).open(&path).with_context(context)?;
        file.set_len(whole as u64).with_context(context)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).with_context(context)
    }

    fn hosts(&self) -> Vec<String> {
        self.course.order.clone()
    }

    /// All hosts as they are now.
    fn facts(&self) -> anyhow::Result<Vec<Collected>> {
        facts(&self.reach, &self.hosts(), &self.folder)
    }

    fn perform(&mut self, step: &Step) -> anyhow::Result<String> {
        match step {
            Step::BackUp(host) => self.back_up(host),
            Step::Cluster => self.cluster(),
            Step::Maintenance => {
                self.configure(|live| {
                    let mut new = live.clone();
                    set_property(&mut new, "maintenance-mode", Some("true"));
                    Ok(new)
                })?;
                Ok("the cluster does nothing by itself".to_owned())
            }
            Step::Load => {
                let plan = self.plan.clone();
                self.configure(|live| load(live, &plan))?;
                Ok(format!("{} resources", primitives(&self.plan).len()))
            }
            Step::Probe => self.probe(),
            Step::Simulate => self.simulate(),
            Step::Adopt(host) => {
                let act = match self.course.way {
                    Way::Adopt => KeepalivedAct::Adopt,
                    Way::Classic => KeepalivedAct::AdoptClassic,
                };
                let said = self.reach.act(host, act)?;
                Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
            }
            Step::Reprobe => self.reprobe(),
            Step::Release => {
                self.configure(|live| {
                    let mut new = live.clone();
                    set_property(&mut new, "maintenance-mode", Some("false"));
                    Ok(new)
                })?;
                Ok("the cluster may act".to_owned())
            }
            Step::Watch => self.watch(),
            Step::Verify => {
                let live = Live::fetch(&mut self.client()?)?;
                let found = checklist(&live.view.document, &self.plan, &self.facts()?, &[]);
                let bad: Vec<String> = found
                    .iter()
                    .filter(|one| one.answer == Answer::Bad)
                    .map(|one| format!("{} {}", one.question, one.evidence.join("; ")))
                    .collect();
                if !bad.is_empty() {
                    bail!("{}", bad.join("; "));
                }
                Ok("each address is on one host alone, and no keepalived runs".to_owned())
            }
        }
    }

    fn back_up(&self, host: &str) -> anyhow::Result<String> {
        let (bytes, collected) = self.reach.collect(host, None)?;
        let path = self.folder.join(format!("{host}.tar"));
        write_private(&path, &bytes)?;
        let sum = checksum(&bytes);
        write_private(&self.folder.join(format!("{host}.tar.sha256")), format!("{sum}  {host}.tar\n").as_bytes())?;
        Ok(format!("{} files in {}", collected.files.len(), path.display()))
    }

    fn cluster(&mut self) -> anyhow::Result<String> {
        let hosts = self.hosts();
        if let Err(error) = self.client() {
            own_cluster::set_up(&self.folder, &hosts, &self.setup)
                .map_err(|reason| anyhow::anyhow!("{error:#}. None can be set up: {reason:#}"))?;
            // Its daemon listens once it has read its configuration.
            keeper::wait(CLUSTER_WAIT, || Ok(self.client().is_ok()))?;
        }
        let live = self.until("all hosts to be members", |live| {
            let away: Vec<&str> =
                hosts.iter().filter(|host| !live.status.members.contains(host)).map(String::as_str).collect();
            match (away.is_empty(), live.status.quorate && live.status.synced) {
                (true, true) => Ok(()),
                (true, false) => Err("there is no quorum".to_owned()),
                (false, _) => Err(format!("{} is no member; `systole cluster setup` makes a cluster", away.join(", "))),
            }
        })?;
        write_private(&self.folder.join("before.xml"), live.view.document.to_xml().as_bytes())?;
        let done = if own_cluster::is_there(&self.folder) { "it was set up; " } else { "" };
        let members = live.status.members.len();
        Ok(format!("{done}{} of {members} are members of {:?}", hosts.len(), live.status.cluster))
    }

    fn client(&self) -> anyhow::Result<Client> {
        Client::connect(&self.socket)
    }

    /// Where each address is, as the hosts say.
    fn places(&self) -> anyhow::Result<Vec<(Agent, Vec<String>)>> {
        let facts = self.facts()?;
        let holders = |agent: Agent| {
            let on = migrate::checklist::holders(&facts, agent.ip).into_iter().map(str::to_owned).collect();
            (agent, on)
        };
        Ok(agents(&self.plan, "", now()).into_iter().map(holders).collect())
    }

    fn probe(&mut self) -> anyhow::Result<String> {
        let places = self.places()?;
        let hosts = self.hosts();
        self.until("its probes to see each address where it is", |live| {
            for (agent, on) in &places {
                let history = seen(&live.view.document, &agent.id);
                for host in &hosts {
                    let wanted = if on.contains(host) { 0 } else { 7 };
                    let is = history.get(host).and_then(|seen| seen.once);
                    if is != Some(wanted) {
                        let is = is.map_or("nothing".to_owned(), |rc| rc.to_string());
                        return Err(format!("the probe of {} on {host} gave {is}, and not {wanted}", agent.id));
                    }
                }
            }
            Ok(())
        })?;
        let told = places.iter().map(|(agent, on)| format!("{} on {}", agent.ip, on.join(" and ")));
        Ok(told.collect::<Vec<_>>().join(", "))
    }

    fn simulate(&mut self) -> anyhow::Result<String> {
        let live = Live::fetch(&mut self.client()?)?;
        let mut released = live.view.document.clone();
        set_property(&mut released, "maintenance-mode", Some("false"));
        let plan = live.view.with(released).plan_unexplained();
        let own: Vec<String> = agents(&self.plan, "", now()).into_iter().map(|agent| agent.id).collect();
        let touched: Vec<String> = Summary::of(&plan.cluster)
            .resources
            .iter()
            .filter(|change| own.contains(&change.resource))
            .map(|change| format!("{} {} {}", change.verb, change.resource, change.details))
            .collect();
        if !touched.is_empty() {
            bail!("let go, the cluster would not leave the addresses where they are: {}", touched.join("; "));
        }
        Ok("let go, the cluster leaves every address where it is".to_owned())
    }

    fn reprobe(&mut self) -> anyhow::Result<String> {
        let own: Vec<String> = agents(&self.plan, "", now()).into_iter().map(|agent| agent.id).collect();
        self.forget(&own)?;
        let hosts = self.hosts();
        self.until("its probes to see that the addresses are off", |live| {
            for id in &own {
                let history = seen(&live.view.document, id);
                if let Some(host) = hosts.iter().find(|host| history.get(*host).and_then(|one| one.once) != Some(7)) {
                    return Err(format!("the probe of {id} on {host} has not found it stopped"));
                }
            }
            Ok(())
        })?;
        Ok("the addresses are off".to_owned())
    }

    fn watch(&mut self) -> anyhow::Result<String> {
        let own: Vec<String> = agents(&self.plan, "", now()).into_iter().map(|agent| agent.id).collect();
        self.until("it to watch each address", |live| {
            let unwatched = own.iter().find(|id| {
                let history = seen(&live.view.document, id);
                !history.values().any(|one| one.recurring == Some(0))
            });
            match unwatched {
                Some(id) => Err(format!("there is no good monitor of {id} yet")),
                None => Ok(()),
            }
        })?;
        Ok(format!("{} address(es) are watched", own.len()))
    }

    /// Forgets all that was seen of these resources.
    fn forget(&mut self, resources: &[String]) -> anyhow::Result<()> {
        let mut client = self.client()?;
        for resource in resources {
            let write = WriteForm::Forget { node: None, resource: Some(resource.clone()), failures_only: false };
            if let Err(reason) = client.write(write, false)? {
                bail!("what was seen of {resource} cannot be forgotten: {reason}");
            }
        }
        Ok(())
    }

    /// Looks at the cluster until something is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Live) -> Result<(), String>) -> anyhow::Result<Live> {
        let mut last = String::new();
        let mut found = None;
        let mut client = self.client()?;
        keeper::wait(CLUSTER_WAIT, || {
            let live = Live::fetch(&mut client)?;
            match is_so(&live) {
                Ok(()) => found = Some(live),
                Err(why) => last = why,
            }
            Ok(found.is_some())
        })?;
        found.with_context(|| format!("waited for {what} for {} s: {last}", CLUSTER_WAIT.as_secs()))
    }

    fn configure(&mut self, new: impl Fn(&Document) -> Result<Document, String>) -> anyhow::Result<()> {
        change::write(&mut self.client()?, How::default(), |live| {
            let document = new(&live.view.document).map_err(|error| anyhow::anyhow!("{error}"))?;
            Ok(Edit { document, done: Vec::new(), notes: Vec::new() })
        })?;
        Ok(())
    }

    /// Takes all back that was begun, who holds addresses first.
    fn back(&mut self) -> anyhow::Result<()> {
        let mut steps = self.course.undo();
        let adopts = steps.iter().any(|step| matches!(step, Step::Adopt(_)));
        if adopts {
            let facts = self.facts()?;
            let own = agents(&self.plan, "", now());
            let holds = |host: &str| {
                let here = facts.iter().find(|one| one.host == host);
                here.is_some_and(|one| one.addresses.iter().any(|held| own.iter().any(|agent| agent.ip == held.ip)))
            };
            let at: Vec<usize> = (0..steps.len()).filter(|at| matches!(steps.get(*at), Some(Step::Adopt(_)))).collect();
            let mut sorted: Vec<Step> = at.iter().map(|at| steps[*at].clone()).collect();
            sorted.sort_by_key(|step| !matches!(step, Step::Adopt(host) if holds(host)));
            at.into_iter().zip(sorted).for_each(|(at, step)| steps[at] = step);
        }
        for step in steps {
            let begin = Instant::now();
            let told = self.undo(&step).with_context(|| format!("taking back {step}"))?;
            self.note(Mark::Undone, &step)?;
            if let Some(told) = told {
                print(&format!("{step} taken back: {told} ({} ms)\n", begin.elapsed().as_millis()))?;
            }
        }
        Ok(())
    }

    fn undo(&mut self, step: &Step) -> anyhow::Result<Option<String>> {
        Ok(match step {
            Step::Release => {
                self.configure(|live| {
                    let mut new = live.clone();
                    set_property(&mut new, "maintenance-mode", Some("true"));
                    Ok(new)
                })?;
                let (quiet, told) = change::quiet_within(&mut self.client()?, CLUSTER_WAIT)?;
                if !quiet {
                    bail!("the cluster is still at work: {told}");
                }
                Some("the cluster does nothing by itself".to_owned())
            }
            Step::Adopt(host) => {
                let said = self.reach.act(host, KeepalivedAct::Rollback)?;
                Some(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
            }
            Step::Load => {
                let before = self.before()?;
                let plan = self.plan.clone();
                self.configure(|live| Ok(unload(live, &plan, &before)))?;
                // What is not configured and was seen running would be stopped once the cluster may act.
                let known: Vec<String> = primitives(&before);
                let own: Vec<String> = primitives(&plan).into_iter().filter(|id| !known.contains(id)).collect();
                self.forget(&own)?;
                Some("the cluster has its configuration from before".to_owned())
            }
            Step::Maintenance => {
                let before = self.before()?;
                let value = cib::view::property(&before, "maintenance-mode", now()).map(str::to_owned);
                self.configure(|live| {
                    let mut new = live.clone();
                    set_property(&mut new, "maintenance-mode", value.as_deref());
                    Ok(new)
                })?;
                None
            }
            Step::Cluster => own_cluster::end(&self.folder, &self.hosts())?,
            _ => None,
        })
    }

    fn before(&self) -> anyhow::Result<Document> {
        read_document(&self.folder.join("before.xml"))
    }
}

fn read_document(path: &Path) -> anyhow::Result<Document> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Document::parse(&text).with_context(|| format!("reading {}", path.display()))
}

/// All hosts as they are now. Where keepalived does not run, its file is the one that was backed up.
fn facts(reach: &Reach, hosts: &[String], folder: &Path) -> anyhow::Result<Vec<Collected>> {
    let of = |host: &String| {
        let bytes = fs::read(folder.join(format!("{host}.tar")))
            .with_context(|| format!("reading the backup of {host} in {}", folder.display()))?;
        let kept = Collected::from_archive(&bytes).map_err(|error| anyhow::anyhow!("the backup of {host}: {error}"))?;
        Ok(reach.collect(host, Some(&kept.configuration))?.1)
    };
    hosts.iter().map(of).collect()
}

/// What was moved by `apply`, for those that look at it later.
pub(super) struct Moved {
    pub hosts: Vec<String>,
    pub plan: Document,
    pub reach: Reach,
    pub folder: PathBuf,
}

impl Moved {
    pub fn read(arguments: &ArgMatches) -> anyhow::Result<Moved> {
        let folder = folder(arguments);
        let Some(course) = read_course(&folder)? else {
            bail!("there is no move in {}: was apply run here, with the same --journal?", folder.display());
        };
        let reach = fs::read_to_string(folder.join("reach")).context("reading how the hosts are reached")?;
        let plan = read_document(&folder.join("plan.xml"))?;
        Ok(Moved { hosts: course.order, plan, reach: Reach::from_text(&reach), folder })
    }

    /// All hosts as they are now.
    pub fn facts(&self) -> anyhow::Result<Vec<Collected>> {
        facts(&self.reach, &self.hosts, &self.folder)
    }
}

/// `rollback --all`.
pub(super) fn roll_back(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let moved = Moved::read(arguments)?;
    let lock = lock(&moved.folder)?;
    let course = read_course(&moved.folder)?.context("the journal is there")?;
    if course.undo().is_empty() {
        print("There is nothing to take back: keepalived is in charge.\n")?;
        return Ok(EXIT_OK);
    }
    let Moved { folder, plan, reach, .. } = moved;
    let mut moving = Move { folder, course, reach, plan, socket: socket(arguments), setup: Vec::new(), _lock: lock };
    moving.back()?;
    print("All is as before: keepalived is in charge on all hosts.\n")?;
    Ok(EXIT_OK)
}
