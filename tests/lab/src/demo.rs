//! The demonstration: a cluster, a client, a fault, and a receipt.

use std::io::{self, Write as _};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::adapt;
use crate::clock::{self, ms_between};
use crate::cluster::{EngineKind, Ground, program};
use crate::control;
use crate::disk;
use crate::fault::{Fault, at_once};
use crate::field::{Field, RECOVER};
use crate::idle::{self, Idle};
use crate::node::Node;
use crate::power::BOOT;
use crate::receipt::{Evidence, Receipt, finds_running, sentence, tenth};
use crate::sandbox::{self, Privilege};
use crate::scene::Scene;
use crate::story::{Happening, Page, Storyteller, What};
use crate::wait::until;

/// The most nodes that one machine's demonstration is made for.
pub const MAX_NODES: usize = 16;

/// The monitor's interval in the examples: a failure may come at any moment of it.
const PHASE: Duration = Duration::from_secs(1);

/// So long the cluster is left without quorum.
const ALONE: Duration = Duration::from_secs(1);

/// What is to be demonstrated.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory with `cib.xml`.
    pub directory: PathBuf,
    /// How many nodes; as many as the configuration names, or three, when absent.
    pub nodes: Option<usize>,
    /// What they run on.
    pub engine: EngineKind,
    /// What goes wrong.
    pub fault: Fault,
    /// The receipt for programs.
    pub json: bool,
    /// Leave the cluster up at the end.
    pub keep: bool,
    /// The node that starts first, and so coordinates.
    pub coordinator: Option<String>,
    /// Before the fault, measure for so long what the daemons need when nothing happens.
    pub idle: Option<Duration>,
    /// After how many milliseconds of silence the engine counts a daemon as lost.
    pub token_ms: u64,
    /// Where the programs under test are.
    pub programs: PathBuf,
}

impl Options {
    /// What can be checked before anything is built or started.
    pub fn check(&self) -> Result<()> {
        let mut scene = Scene::read(&self.directory)?;
        adapt::set_nodes(&mut scene, self.nodes);
        adapt::writable_directories(&scene)?;
        if let Some(name) = &self.coordinator
            && !scene.nodes.contains(name)
        {
            bail!("there is no node {name:?} to coordinate: the nodes are {}", scene.nodes.join(", "));
        }
        Ok(())
    }
}

/// Shows it all, in a process that [`sandbox::run`] has started. Says whether all went as it should.
pub fn run(options: &Options) -> Result<bool> {
    let mut scene = Scene::read(&options.directory)?;
    let mut changes = adapt::set_nodes(&mut scene, options.nodes);
    let privilege = sandbox::enter(&options.programs, &adapt::writable_directories(&scene)?)?;
    let (disks, why) = disk::kind(privilege);
    let adapted = adapt::set_hardware(&mut scene, disks)?;
    changes.extend(why.filter(|_| !adapted.disks.is_empty()));
    changes.extend(adapted.changes);

    let answer = format!("served from the shared disk, demonstration {}", clock::now_us());
    for wanted in &adapted.disks {
        disk::make(wanted, disks, &answer)?;
    }
    let story = Storyteller::new(if options.json { Page::Stderr } else { Page::Stdout });
    let stage = Stage::build(options, scene, changes, &answer, story)?;
    let receipt = stage.play(options)?;
    stage.story.rest();
    if options.json {
        let receipt = serde_json::to_string_pretty(&receipt).context("writing the receipt")?;
        writeln!(io::stdout(), "{receipt}").context("printing the receipt")?;
    } else {
        stage.story.heading(&format!("\nThe receipt: {} of {}", receipt.fault, receipt.from));
        stage.story.say(receipt.to_text().trim_end());
    }
    if options.keep {
        stage.explain(privilege);
        loop {
            // Ctrl-C ends the keeper, and with it everything.
            thread::park();
        }
    }
    Ok(receipt.is_good())
}

/// The field, and what was changed for it.
struct Stage {
    field: Field,
    changes: Vec<String>,
}

impl Deref for Stage {
    type Target = Field;

    fn deref(&self) -> &Field {
        &self.field
    }
}

impl Stage {
    fn build(options: &Options, scene: Scene, changes: Vec<String>, answer: &str, story: Storyteller) -> Result<Self> {
        let engine = match options.engine {
            EngineKind::Embedded => "on the embedded engine",
            EngineKind::Corosync => "on Corosync",
        };
        story.heading(&format!(
            "{} nodes in namespaces of this machine, {engine}, with the configuration {}",
            scene.nodes.len(),
            options.directory.join("cib.xml").display()
        ));
        if !changes.is_empty() {
            story.say("  fitted to this machine, in a copy:");
        }
        for change in &changes {
            story.say(&format!("  - {change}"));
        }
        let coordinator = options.coordinator.clone();
        let ground = Ground {
            engine: options.engine,
            token_ms: options.token_ms,
            coordinator,
            has_device: false,
            is_for_trials: false,
        };
        Ok(Self { field: Field::build(scene, &ground, answer, story)?, changes })
    }

    /// From the first start to the receipt.
    fn play(&self, options: &Options) -> Result<Receipt> {
        let active = self.wait_for_service()?;
        let was_coordinator = self.cluster.coordinator().as_deref() == Some(active.name());
        self.story.say(&format!(
            "  {} runs {}; the client has its answers from {}{}",
            active.name(),
            self.scene.subject,
            self.scene.network.ip,
            if was_coordinator { format!("; {} coordinates", active.name()) } else { String::new() },
        ));
        let idle = options.idle.map(|span| self.measure_idle(span)).transpose()?;
        self.story.heading(&format!("\nThe fault: {}", options.fault.name()));

        if options.fault == Fault::Fail {
            // Anywhere between two monitors, whose rhythm the cluster's quiet has just told us.
            thread::sleep(Duration::from_micros(clock::now_us() % PHASE.as_micros() as u64));
        }
        let fault_us = clock::now_us();
        self.story.begin(fault_us);
        options.fault.strike(&self.cluster, &self.scene, &active)?;
        let mut quorum = None;
        let recovered = match options.fault {
            Fault::QuorumLoss => {
                let (stopped, restored, as_it_should) = self.live_without_quorum(&active)?;
                quorum = Some((stopped, restored));
                self.wait_for_recovery(options.fault, &active, restored)? && as_it_should
            }
            Fault::Leave => self.wait_for_recovery(options.fault, &active, fault_us)? && self.boot_again(&active)?,
            _ => self.wait_for_recovery(options.fault, &active, fault_us)?,
        };
        let settled = recovered && self.settle() && self.is_spared(options.fault, fault_us);
        let mut receipt = self.receipt(options, &active, was_coordinator, fault_us, settled, quorum);
        receipt.idle = idle;
        Ok(receipt)
    }

    /// What the daemons need when nothing happens.
    fn measure_idle(&self, span: Duration) -> Result<Vec<Idle>> {
        self.story.say(&format!("  measuring for {} s what the daemons need when nothing happens", span.as_secs()));
        let idle = idle::measure(self.cluster.nodes(), span)?;
        for program in &idle {
            self.story.say(&format!("  {program}"));
        }
        Ok(idle)
    }

    /// The active node is alone: it must stop everything, unless its policy is another one. Then the others come back.
    /// Gives when everything was stopped, when the power was back, and whether the policy was kept.
    fn live_without_quorum(&self, active: &Node) -> Result<(Option<u64>, u64, bool)> {
        let stops = self.scene.stops_without_quorum;
        let mut stopped = None;
        if stops {
            let released = || Ok((!self.witness.holdings().is_anything_held()).then(clock::now_us));
            let what = format!("{} to stop everything", active.name());
            stopped = until(&self.story, &what, RECOVER, released)?;
        }
        // Whatever runs now runs without quorum.
        thread::sleep(ALONE);
        let as_it_should = if stops {
            stopped.is_some() && !self.witness.holdings().is_anything_held()
        } else {
            self.holder().is_some_and(|holder| holder.name() == active.name())
        };
        if !as_it_should {
            let expected = if stops { "stop everything" } else { "keep everything" };
            self.story.lab(format!("{} did not {expected} without quorum", active.name()));
        }
        let restored = clock::now_us();
        at_once(self.cluster.nodes().iter().filter(|node| !node.is_on()), |node| self.cluster.switch_on(node))?;
        Ok((stopped, restored, as_it_should))
    }

    /// The node that was told to shut down goes off of itself; then it boots. Says whether it went.
    fn boot_again(&self, left: &Arc<Node>) -> Result<bool> {
        let what = format!("{} to go off", left.name());
        let is_off = until(&self.story, &what, RECOVER, || Ok((!left.is_on()).then_some(())))?.is_some();
        if is_off {
            self.cluster.boot_later(Arc::clone(left), BOOT);
        } else {
            self.story.lab(format!("{} does not go off", left.name()));
        }
        Ok(is_off)
    }

    /// Whether nothing was done that the fault gives no reason for: a service whose daemon dies runs on, and a node that
    /// leaves in good order is not fenced.
    fn is_spared(&self, fault: Fault, since_us: u64) -> bool {
        let hurts = |one: &Happening| match (fault, &one.what) {
            (Fault::Daemon | Fault::Leave, What::Log(line)) if line.event == "fence_begin" => true,
            (Fault::Daemon, What::Log(line)) => {
                line.event == "operation_begin"
                    && matches!(line.operation.as_deref(), Some("start" | "stop"))
                    && line.resource.as_ref().is_some_and(|resource| self.resources().contains(resource))
            }
            (Fault::Daemon, What::Released(_)) => true,
            _ => false,
        };
        let is_spared = !self.story.any_since(since_us, hurts);
        if !is_spared {
            self.story.lab("something was stopped, started or fenced that should have been left alone".to_owned());
        }
        is_spared
    }

    /// Waits until the service is where it belongs after the fault, and answers.
    fn wait_for_recovery(&self, fault: Fault, active: &Node, since_us: u64) -> Result<bool> {
        let lost = |one: &Happening| matches!(&one.what, What::Released(thing) if *thing == self.address());
        let recovered = || {
            let happened = match fault {
                Fault::Fail => self.story.any_since(since_us, lost),
                Fault::QuorumLoss => self.cluster.members()? == self.cluster.nodes().len(),
                Fault::Daemon => self.is_known_again(active, since_us),
                _ => true,
            };
            let holder = self.holder().filter(|holder| !fault.moves() || holder.name() != active.name());
            Ok((happened && holder.is_some() && self.is_answered()).then_some(()))
        };
        Ok(until(&self.story, "the service", RECOVER, recovered)?.is_some())
    }

    /// Whether all of the service was found running again, by a daemon that did not start it.
    fn is_known_again(&self, active: &Node, since_us: u64) -> bool {
        self.resources().iter().all(|resource| {
            self.story.any_since(since_us, |one| one.who == active.name() && finds_running(one, resource))
        })
    }

    /// Waits until the cluster is at rest. Says whether it came to that.
    fn settle(&self) -> bool {
        self.rest().inspect_err(|error| self.story.lab(format!("{error:#}"))).is_ok()
    }

    fn receipt(
        &self,
        options: &Options,
        active: &Node,
        was_coordinator: bool,
        fault_us: u64,
        recovered: bool,
        quorum: Option<(Option<u64>, u64)>,
    ) -> Receipt {
        let heard = self.client.heard();
        let happenings = self.story.happenings();
        let overlaps = self.witness.holdings().overlaps(clock::now_us());
        let resources = self.resources();
        let evidence = Evidence {
            fault: options.fault,
            fault_us,
            active: active.name(),
            happenings: &happenings,
            heard: &heard,
            until_us: clock::now_us(),
            resources: &resources,
        };
        let moments = evidence.moments();
        let outage = evidence.outage();
        let after_detection = match (moments.detected, moments.first_answer) {
            (Some(detected), Some(answer)) if options.fault.interrupts() && answer > detected => {
                Some(tenth(ms_between(detected, answer)))
            }
            _ => None,
        };
        Receipt {
            fault: options.fault.name(),
            from: active.name().to_owned(),
            to: self.holder().map(|holder| holder.name().to_owned()),
            nodes: self.cluster.nodes().len(),
            was_coordinator,
            recovered,
            outage_ms: outage.map(|silence| tenth(silence.ms())),
            outage_ended: outage.is_some_and(|silence| silence.has_ended),
            longest_silence_ms: evidence.longest_silence().map(|silence| tenth(silence.ms())),
            detected_ms: evidence.since(moments.detected),
            fenced_ms: evidence.since(moments.fenced),
            stopped_ms: evidence.since(moments.stopped),
            started_ms: evidence.since(moments.started),
            announced_ms: evidence.since(moments.announced),
            known_again_ms: evidence.since(moments.known_again),
            first_answer_ms: evidence.since(moments.first_answer),
            after_detection_ms: after_detection,
            dual_active_ms: overlaps.iter().fold(0.0, |sum, overlap| sum + overlap.ms),
            dual_active: overlaps.iter().map(|overlap| sentence(overlap, fault_us)).collect(),
            stopped_without_quorum_ms: evidence.since(quorum.and_then(|(stopped, _)| stopped)),
            power_restored_ms: evidence.since(quorum.map(|(_, restored)| restored)),
            asked: heard.asked,
            answered: heard.answers_us.len(),
            wrong: heard.wrong,
            idle: None,
            changes: self.changes.clone(),
        }
    }

    /// How to look into a cluster that is kept.
    fn explain(&self, privilege: Privilege) {
        let credentials = if privilege == Privilege::UserNamespace { " --preserve-credentials" } else { "" };
        let sudo = if privilege == Privilege::Root { "" } else { " (as the user who started this)" };
        self.story.heading("\nThe cluster stays up until you press Ctrl-C");
        self.story.say(&format!("In another terminal{sudo}:"));
        for node in self.cluster.nodes() {
            match node.pid().and_then(sandbox::outer_pid) {
                Some(pid) => {
                    let enter = format!("nsenter --target {pid} --all{credentials}");
                    self.story.say(&format!("  {enter} {} status", program("systole").display()));
                    self.story.say(&format!("  {enter} bash        # a shell on {}", node.name()));
                }
                None => self.story.say(&format!("  # {} is off", node.name())),
            }
        }
        if let Some(pid) = sandbox::outer_pid(1) {
            self.story.say(&format!("  nsenter --target {pid} --all{credentials} bash        # beside the nodes"));
            if let Some(node) = self.cluster.nodes().iter().find(|node| node.is_on()) {
                let socket = control::socket(node);
                self.story.say(&format!(
                    "    there: {} --socket {} status",
                    program("systole").display(),
                    socket.display()
                ));
            }
        }
    }
}
