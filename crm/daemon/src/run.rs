//! A node's one loop: it carries out what the machine asks for, and tells it what happened. It decides nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use acl::requests::Admitted;
use alerts::timestamp::Moment;
use anyhow::{Context as _, bail};
use cib::Cib;
use controller::{Level, Note};
use engine::SendError;
use node::{Command, Event, FencingSettings, Node, Now, Process, Program, Settings};
use store::Found;
use systemd::Systemd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::alerting::Alerting;
use crate::callers::Callers;
use crate::clock::Clock;
use crate::engines::{self, Chosen, ClusterEngine};
use crate::evidence::Looker;
use crate::expiring::{Expiring, OWN};
use crate::kept::Kept;
use crate::leftovers::Leftovers;
use crate::log;
use crate::memory::Keeper;
use crate::metadata::Descriptions;
use crate::options::Run;
use crate::processes::{self, Agents, Running};
use crate::served::Servers;
use crate::socket::{self, FromTool, Waiting};
use crate::spare::{self, Spare};
use crate::store::{Told, Writer};
use crate::warned::Warned;
use crate::watchdog::Watchdog;
use crate::watchers::Watchers;

/// Ends of processes, plans and disk writes that wait for the loop: each was asked for by the machine, which asks for
/// no more than its limits, so it never fills.
const EVENTS: usize = 4096;
/// Requests of tools that wait for the loop.
const REQUESTS: usize = 64;
/// Stack for a thread that plans: the planner follows chains of constraints.
const STACK: usize = 8 * 1024 * 1024;
/// A boot id is a UUID; whatever the file holds beyond this is none.
const BOOT_ID_LENGTH: usize = 128;
/// When an engine is busy, how soon it is tried again if it says nothing before.
const BUSY_WAIT: Duration = Duration::from_millis(5);

/// Runs a node until it is let go.
pub fn run(options: Run) -> anyhow::Result<()> {
    let chosen = engines::choose(&options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_stack_size(STACK)
        .build()
        .context("starting the runtime")?;
    runtime.block_on(serve(options, chosen))
}

/// The configuration on disk, or the one to begin with.
fn first_cib(found: Found, options: &Run, chosen: &Chosen) -> anyhow::Result<Cib> {
    for problem in found.problems {
        log::note(&chosen.me.name, &Note::new(Level::Error, "damaged", problem));
    }
    if let Some(cib) = found.cib {
        return Ok(cib);
    }
    let Some(path) = &options.cib else { return Ok(Cib::fresh(&chosen.cluster)) };
    let text = std::fs::read_to_string(path).with_context(|| format!("reading the CIB {}", path.display()))?;
    let file = path.display().to_string();
    let document = cib::Document::parse(&text).map_err(|error| anyhow::anyhow!("{}", error.render(&file, &text)))?;
    let findings = cib::check::check(&document);
    let wrong: Vec<String> =
        findings.iter().filter(|f| f.severity == cib::check::Severity::Error).map(|f| f.render(&file, &text)).collect();
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Cib::new(document).with_context(|| format!("reading the CIB {file}"))
}

struct Shell {
    name: String,
    node: Node,
    engine: ClusterEngine,
    writer: Writer,
    /// Plans are made on other threads; what they warn of is told from there.
    warned: Arc<Mutex<Warned>>,
    agents: Agents,
    descriptions: Descriptions,
    watchers: Watchers,
    servers: Servers,
    looker: Looker,
    clock: Clock,
    events: mpsc::Sender<Event>,
    running: BTreeMap<Process, Running>,
    leftovers: Leftovers,
    /// What the engine was too busy to take, in order.
    outbox: VecDeque<Vec<u8>>,
    waiting: Waiting,
    callers: Callers,
    watchdog: Option<Watchdog>,
    /// Why the watchdog was not fed last time.
    unfed: Option<String>,
    /// The history of fencing that is to be kept; the newest one only.
    fencings: watch::Sender<String>,
    /// Failovers, likewise.
    failovers: watch::Sender<String>,
    alerting: Alerting,
    memory: Keeper,
    expiring: Expiring,
    spare: Spare,
    exit: Option<Result<(), String>>,
}

async fn serve(options: Run, chosen: Chosen) -> anyhow::Result<()> {
    // Whoever ends us from here on lets the node leave: an armed watchdog must not be left behind by accident.
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let (name, cluster) = (chosen.me.name.clone(), chosen.cluster.clone());
    let (events, mut happened) = mpsc::channel(EVENTS);
    let (to, mut asked) = mpsc::channel(REQUESTS);
    let listening = socket::listen(&options.socket)?;
    // Only now is it certain that no other daemon works here.
    let (told, mut from_disk) = mpsc::channel(EVENTS);
    let memory = Keeper::start(&options.state, &name, told.clone(), events.clone())?;
    let (writer, found) = Writer::start(&options.state, told)?;
    let cib = first_cib(found, &options, &chosen)?;
    let (fencings, failovers) = (Kept::fencings(&options.state), Kept::failovers(&options.state));
    let leftovers = Leftovers::open(&options.socket.with_extension("agents"))?;
    let left = leftovers.end_all()?;
    if left > 0 {
        let text = format!("{left} agents that an earlier daemon had started were ended");
        log::note(&name, &Note::new(Level::Warning, "leftovers", text));
    }
    let tools = tokio::spawn(listening.serve(to));
    // Opening it arms it, and one that a daemon leaves armed is its host's end. So first comes all that can fail: a mistake
    // in a file must not reset a host.
    let mark = options.socket.with_extension("armed");
    let watchdog = options.watchdog.as_deref();
    let watchdog = watchdog.map(|path| Watchdog::open(path, options.watchdog_timeout, &mark)).transpose()?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = Settings {
        me: chosen.me.clone(),
        cluster: cluster.clone(),
        incarnation: incarnation(),
        protocol: wire::PROTOCOL,
        payload: engine::MAX_PAYLOAD,
        limit: options.limit.map_or(processors * 2, |limit| limit as usize),
        seed: u64::from(std::process::id()),
        fencing: FencingSettings {
            boot_id: boot_id(&options.boot_id),
            watchdog_s: watchdog.as_ref().map(Watchdog::timeout_s),
            was_left_armed: watchdog.as_ref().is_some_and(Watchdog::was_left_armed),
            history: fencings.read(),
        },
        failovers: failovers.read(),
    };
    let clock = Clock::start(options.clock_offset);
    let keeper = |kept: Kept, event| {
        let (newest, to_keep) = watch::channel(String::new());
        tokio::spawn(keep(to_keep, kept, event, name.clone()));
        newest
    };
    let fencings = keeper(fencings, "fence_history");
    let failovers = keeper(failovers, "failovers");
    let agents = Agents {
        ocf_root: options.ocf_root,
        fence_agents: options.fence_agents,
        init_scripts: options.init_scripts,
        systemd: Systemd::new(),
    };
    let descriptions = Descriptions::default();
    let watchers = Watchers {
        agents: agents.clone(),
        descriptions: descriptions.clone(),
        leftovers: leftovers.clone(),
        events: events.clone(),
    };
    let servers = Servers {
        agents: agents.clone(),
        descriptions: descriptions.clone(),
        leftovers: leftovers.clone(),
        events: events.clone(),
        running: Arc::default(),
    };
    let alerting = Alerting::new(&name);
    let mut shell = Shell {
        name,
        node: Node::new(settings, cib, clock.now()),
        engine: chosen.connect(&cluster)?,
        writer,
        warned: Arc::default(),
        agents,
        descriptions,
        watchers,
        servers,
        looker: Looker::default(),
        clock,
        events,
        running: BTreeMap::new(),
        leftovers,
        outbox: VecDeque::new(),
        waiting: Waiting::new(),
        callers: Callers::default(),
        watchdog,
        unfed: None,
        fencings,
        failovers,
        alerting,
        memory,
        expiring: Expiring::default(),
        spare: Spare::default(),
        exit: None,
    };
    shell.note(&Note::new(Level::Info, "started", format!("systoled {} runs", env!("CARGO_PKG_VERSION"))));
    let mut stops = 0;
    while shell.exit.is_none() {
        let deadline = shell.next_deadline();
        tokio::select! {
            event = shell.engine.event() => shell.tell(Event::Engine(event)),
            Some(event) = happened.recv() => shell.happened(event),
            Some(told) = from_disk.recv() => shell.written(told),
            Some(tool) = asked.recv() => shell.tool(tool),
            _ = terminate.recv() => shell.stop(&mut stops),
            _ = interrupt.recv() => shell.stop(&mut stops),
            () = sleep_until(deadline) => shell.tell(Event::Timeout),
        }
        shell.carry_out();
        shell.expire();
        shell.give_back();
        // Here and nowhere else: a loop that hangs feeds nobody.
        shell.feed();
    }
    shell.disarm();
    tools.abort();
    // Gone with its file, before the supervisor hears of our end.
    let _ = tools.await;
    shell.engine.leave().await;
    match shell.exit {
        Some(Err(reason)) => bail!("{reason}"),
        _ => Ok(()),
    }
}

impl Shell {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn tell(&mut self, event: Event) {
        let now = self.now();
        self.node.handle(now, event);
    }

    fn happened(&mut self, event: Event) {
        if let Event::Ended { process, .. } = &event
            && let Some(group) = self.running.remove(process).and_then(|running| running.group())
        {
            self.leftovers.ended(group);
        }
        self.tell(event);
    }

    fn tool(&mut self, tool: FromTool) {
        match tool {
            FromTool::Came(client, caller) => self.callers.came(client, caller),
            FromTool::Asked((client, request, answer)) => {
                self.waiting.insert(client, answer);
                match self.callers.admit(client, self.node.cib(), self.now().unix, request) {
                    Admitted::Ask(request) => self.tell(Event::Asked { client, request }),
                    Admitted::Look { document, section, xpath, what } => {
                        let version = self.node.cib().version();
                        let reply = node::look(&document, version, section.as_deref(), xpath.as_deref(), what);
                        self.answer(client, reply);
                    }
                    Admitted::Answer(reply) => self.answer(client, reply),
                }
            }
            FromTool::Gone(client) => {
                self.callers.gone(client);
                self.waiting.remove(&client);
                self.tell(Event::Gone { client });
            }
        }
    }

    /// The first signal lets the node leave; a second one ends the daemon at once, and what runs runs on.
    fn stop(&mut self, stops: &mut u32) {
        *stops += 1;
        if *stops == 1 {
            self.tell(Event::Shutdown);
        } else {
            self.note(&Note::new(Level::Warning, "stopped", "told a second time to end: what runs here runs on"));
            self.exit = Some(Ok(()));
        }
    }

    fn carry_out(&mut self) {
        self.flush();
        while let Some(command) = self.node.poll(self.now()) {
            match command {
                Command::Send(payload) => {
                    // Whatever a node does beside looking on is told to others.
                    self.spare.happened(Instant::now());
                    self.outbox.push_back(payload);
                    self.flush();
                }
                Command::Spawn { process, program: Program::Watch(operation) } => {
                    self.running.insert(process, Running::Task(self.watchers.start(process, &operation)));
                }
                Command::Examine { process } => {
                    let (group, events) = (self.running.get(&process).and_then(Running::group), self.events.clone());
                    self.looker.look(group, move |evidence| {
                        // A daemon that has gone does not want to know.
                        let _ = events.blocking_send(Event::Examined { process, evidence });
                    });
                }
                Command::Spawn { process, program } => {
                    if let Program::Operation(operation) = &program
                        && let Some(asked) = self.servers.start(process, operation)
                    {
                        self.running.insert(process, Running::Task(asked));
                    } else if let Some(running) = processes::start(&self.agents, process, &program, &self.events) {
                        running.group().into_iter().for_each(|group| self.leftovers.begun(group));
                        self.running.insert(process, running);
                    }
                }
                Command::Describe { agent } => self.descriptions.ask(&self.agents, agent, &self.events),
                Command::Signal { process, signal } => {
                    if let Some(running) = self.running.get(&process) {
                        running.signal(signal);
                    }
                }
                Command::Plan { generation, cib } => {
                    self.spare.happened(Instant::now());
                    self.plan(generation, cib);
                }
                Command::Persist { number, entry } => {
                    if let Some(event) = self.writer.put(number, entry) {
                        self.tell(event);
                    }
                }
                Command::History { client, version } => {
                    if let Some(reply) = self.writer.history(client, version) {
                        self.reply(client, reply);
                    }
                }
                Command::Record(record) => self.memory.record(record),
                Command::Recall { client, request } => {
                    if let Some(reply) = self.memory.recall(client, request) {
                        self.reply(client, reply);
                    }
                }
                Command::KeepFenceHistory(text) => drop(self.fencings.send_replace(text)),
                Command::KeepFailovers(text) => drop(self.failovers.send_replace(text)),
                Command::SetAside(cib) => {
                    if let Some(error) = self.writer.set_aside(cib) {
                        self.note(&Note::new(Level::Error, "set_aside", error));
                    }
                }
                Command::Reply { client, reply } => self.reply(client, reply),
                Command::Note(note) => self.note(&note),
                Command::Alert(call) => self.alerting.call(call, moment()),
                Command::Exit(how) => self.exit = Some(how),
            }
        }
    }

    fn flush(&mut self) {
        while let Some(payload) = self.outbox.pop_front() {
            match self.engine.send(payload.clone()) {
                Ok(()) => {}
                Err(SendError::Busy) => {
                    self.outbox.push_front(payload);
                    return;
                }
                // What was meant for a membership that is gone is of no use to the next one: members meet anew.
                Err(SendError::Lost | SendError::TooLong(_)) => {}
            }
        }
    }

    fn plan(&self, generation: u64, cib: Arc<Cib>) {
        let (events, unix) = (self.events.clone(), self.now().unix);
        let (name, warned) = (self.name.clone(), Arc::clone(&self.warned));
        let plans = self.memory.plans();
        tokio::task::spawn_blocking(move || {
            let plan = || policy::plan(&policy::Input::new(cib.document(), unix));
            // A panic is a fault of ours; it must cost a plan, not the coordinator.
            let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(plan));
            let mut changes = false;
            let (event, plan) = match made {
                Ok(mut plan) => {
                    let transition = std::mem::take(&mut plan.transition);
                    changes = !transition.is_empty();
                    (Event::Planned { generation, transition }, Some(plan))
                }
                Err(panic) => (Event::NotPlanned { generation, reason: said(panic.as_ref()) }, None),
            };
            // A failover waits for this one; telling the rest and putting it away does not hurry.
            let _ = events.blocking_send(event);
            if let Some(plan) = plan {
                if changes {
                    plans.keep(unix, Arc::clone(&cib));
                }
                let mut warned = warned.lock().unwrap_or_else(PoisonError::into_inner);
                warned.news(cib.version(), plan.warnings).iter().for_each(|news| log::note(&name, news));
            }
        });
    }

    /// Asks for the end of what was to last until now, if it is for this node to see to that.
    fn expire(&mut self) {
        if !self.node.is_coordinator() || !self.node.in_step() {
            self.expiring.forget();
            return;
        }
        let now = self.now();
        if let Some(asked) = self.expiring.due(self.node.cib(), &self.name, now.unix, Instant::now()) {
            asked.told.iter().for_each(|text| self.note(&Note::new(Level::Info, "expired", text.clone())));
            self.tell(Event::Asked { client: OWN, request: asked.request });
            self.carry_out();
        }
    }

    /// Gives memory back that is not needed any more, on a thread that the loop does not wait for.
    fn give_back(&mut self) {
        if self.spare.is_due(Instant::now()) {
            self.node.rest();
            drop(tokio::task::spawn_blocking(spare::give_back));
        }
    }

    /// Answers with what the one who asked may see of it.
    fn reply(&mut self, client: node::ClientId, reply: wire::Reply) {
        let reply = self.callers.shown(client, self.node.cib(), self.now().unix, reply);
        self.answer(client, reply);
    }

    fn answer(&mut self, client: node::ClientId, reply: wire::Reply) {
        if let Some(answer) = self.waiting.remove(&client) {
            // The tool may have gone: its write was made all the same.
            let _ = answer.send(reply);
        }
    }

    fn written(&mut self, told: Told) {
        match told {
            Told::Event(event) => self.tell(event),
            Told::Reply(client, reply) => self.reply(client, reply),
            Told::SetAside(kept) => self.note(&match kept {
                Ok(path) => Note::new(Level::Warning, "set_aside", format!("kept as {path}")),
                Err(error) => Note::new(Level::Error, "set_aside", error),
            }),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let machine = self.node.deadline().map(|deadline| self.clock.started() + deadline);
        let busy = (!self.outbox.is_empty()).then(|| Instant::now() + BUSY_WAIT);
        let meal = self.watchdog.as_ref().map(Watchdog::next_meal);
        let ends = self.expiring.wake(self.now().unix, Instant::now());
        [machine, busy, meal, ends, self.spare.due()].into_iter().flatten().min()
    }

    /// Feeds the watchdog, when it is time and the node may live.
    fn feed(&mut self) {
        let now = self.now();
        let Some(watchdog) = self.watchdog.as_mut().filter(|watchdog| watchdog.next_meal() <= Instant::now()) else {
            return;
        };
        let unfed = match self.node.may_feed(now) {
            Ok(()) => watchdog.feed().err().map(|error| format!("{error:#}")),
            Err(reason) => {
                watchdog.skip();
                Some(format!("the watchdog is not fed and will end this host: {reason}"))
            }
        };
        if self.unfed != unfed {
            let note = match &unfed {
                Some(text) => Note::new(Level::Error, "watchdog", text.clone()),
                None => Note::new(Level::Info, "watchdog", "the watchdog is fed again"),
            };
            self.note(&note);
            self.unfed = unfed;
        }
    }

    /// Closes the watchdog, unless something runs on that nobody would guard then.
    fn disarm(&mut self) {
        let Some(watchdog) = self.watchdog.take() else { return };
        if self.node.may_run_anything() {
            let text = "resources run on, so the watchdog stays armed: it ends this host unless systoled is back soon";
            return self.note(&Note::new(Level::Warning, "watchdog", text));
        }
        if let Err(error) = watchdog.disarm() {
            self.note(&Note::new(Level::Error, "watchdog", format!("{error:#}; it ends this host")));
        }
    }

    fn note(&self, note: &Note) {
        log::note(&self.name, note);
    }
}

/// Keeps the newest text, away from the loop: a disk may hang.
async fn keep(mut wanted: watch::Receiver<String>, file: Kept, event: &'static str, name: String) {
    while wanted.changed().await.is_ok() {
        let text = wanted.borrow_and_update().clone();
        let file = file.clone();
        let kept = tokio::task::spawn_blocking(move || file.keep(&text)).await;
        if let Ok(Err(error)) = kept {
            log::note(&name, &Note::new(Level::Warning, event, format!("{error:#}")));
        }
    }
}

/// What tells this start of the host from the next; nothing when it cannot be read.
fn boot_id(path: &std::path::Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().chars().filter(|character| !character.is_control()).take(BOOT_ID_LENGTH).collect()
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// This moment, as alert agents are told it.
fn moment() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment { unix: since.as_secs() as i64, microseconds: since.subsec_micros() }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the planner failed: {}", text.unwrap_or("it did not say why"))
}

/// Differs at every start: made of the time to the nanosecond and the process, in the form of a UUID.
fn incarnation() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let text = format!("{:024x}{:08x}", nanos, std::process::id());
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..32])
}
