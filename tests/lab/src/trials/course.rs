//! The course of one trial: what it may do with the cluster, and the questions that are asked after each.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use cib::Document;

use super::Options;
use crate::clock::{self, ms_between};
use crate::cluster::Cluster;
use crate::control::{self, systole};
use crate::field::Field;
use crate::holdings::Thing;
use crate::ledger;
use crate::node::Node;
use crate::receipt::sentence;
use crate::recorder::Records;
use crate::sandbox::LAB;
use crate::scene::Scene;
use crate::story::{Happening, Storyteller, What};

/// The attribute of a node that was lost too often.
const QUARANTINE: &str = "systole-quarantine";

/// One trial under way.
pub struct Course<'a> {
    /// The cluster and its witnesses.
    field: &'a Field,
    /// How it is to be tried.
    pub options: &'a Options,
    began_us: u64,
    /// The client's wrong answers before it began.
    wrong: u64,
    /// When the fault came, and who was lost by it.
    fault: RefCell<Option<(u64, String)>>,
    /// The address that two nodes may hold for a while, where nothing fences.
    may_overlap: Cell<Option<IpAddr>>,
}

impl<'a> Course<'a> {
    /// It begins now.
    pub fn begin(field: &'a Field, options: &'a Options) -> Self {
        let (began_us, wrong) = (clock::now_us(), field.client.heard().wrong);
        Self { field, options, began_us, wrong, fault: RefCell::new(None), may_overlap: Cell::new(None) }
    }

    /// When it began.
    pub fn began_us(&self) -> u64 {
        self.began_us
    }

    /// The nodes.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.field.cluster
    }

    /// What is kept alive.
    pub fn scene(&self) -> &Scene {
        &self.field.scene
    }

    /// What happens.
    pub fn story(&self) -> &Storyteller {
        &self.field.story
    }

    /// The field.
    pub fn field(&self) -> &Field {
        self.field
    }

    /// The second address, which is not the client's.
    pub fn spare(&self) -> Result<IpAddr> {
        Ok(self.field.scene.vips.get(1).context("the configuration has no second address")?.ip)
    }

    /// The node that serves the client.
    pub fn active(&self) -> Result<Arc<Node>> {
        self.field.holder().context("not exactly one node serves the client")
    }

    /// The node that coordinates.
    pub fn coordinator(&self) -> Result<Arc<Node>> {
        let name = || Ok(self.field.cluster.coordinator());
        let name = self.field.expect("a coordinator", name)?;
        self.field.cluster.node(&name).with_context(|| format!("the coordinator {name} is none of the nodes"))
    }

    /// A node that is on and none of these.
    pub fn another(&self, than: &[&Arc<Node>]) -> Result<Arc<Node>> {
        let mut nodes = self.field.cluster.nodes().iter().filter(|node| node.is_on());
        let found = nodes.find(|node| !than.iter().any(|other| other.name() == node.name()));
        Ok(Arc::clone(found.context("there is no other node")?))
    }

    /// Moves the services where they are wanted, and waits until all is at rest there.
    pub fn place(&self, node: &Arc<Node>) -> Result<()> {
        if self.active()?.name() == node.name() {
            return Ok(());
        }
        let subject = &self.field.scene.subject;
        systole(node, &["move", subject, node.name()])?;
        self.comes_to(node)?;
        systole(node, &["clear", subject])?;
        self.field.rest()
    }

    /// Makes the active node one that coordinates, or one that does not; gives it.
    pub fn active_that_coordinates(&self, wanted: bool) -> Result<Arc<Node>> {
        let coordinator = self.coordinator()?;
        let active = self.active()?;
        if (active.name() == coordinator.name()) == wanted {
            return Ok(active);
        }
        let target = if wanted { coordinator } else { self.another(&[&coordinator])? };
        self.place(&target)?;
        Ok(target)
    }

    /// The node that holds the second address; sees to it first that it is another than this one.
    pub fn spared_from(&self, node: &Arc<Node>) -> Result<Arc<Node>> {
        let spare = self.field.scene.vips.get(1).context("the configuration has no second address")?;
        let thing = Thing::Address(spare.ip);
        let holder = || self.field.holder_of(&thing).context("not exactly one node has the second address");
        if holder()?.name() == node.name() {
            let target = self.another(&[node])?;
            systole(&target, &["move", &spare.id, target.name()])?;
            let moved = || Ok(holder().ok().filter(|holder| holder.name() == target.name()).map(drop));
            self.field.expect("the second address to move", moved)?;
            systole(&target, &["clear", &spare.id])?;
            self.field.rest()?;
        }
        holder()
    }

    /// The fault comes now, and this node is lost by it.
    pub fn strike(&self, victim: &Node) -> u64 {
        let now = clock::now_us();
        *self.fault.borrow_mut() = Some((now, victim.name().to_owned()));
        now
    }

    /// From here on two nodes may hold this address: nothing fences, so nobody can know.
    pub fn may_overlap(&self, ip: IpAddr) {
        self.may_overlap.set(Some(ip));
    }

    /// Waits until another node than this serves the client.
    pub fn goes_from(&self, node: &Node) -> Result<Arc<Node>> {
        self.field.expect("the services to come up elsewhere", || {
            let holder = self.field.holder().filter(|holder| holder.name() != node.name());
            Ok(holder.filter(|_| self.field.is_answered()))
        })
    }

    /// Waits until this node serves the client.
    pub fn comes_to(&self, node: &Node) -> Result<()> {
        self.field.expect(&format!("the services to come up on {}", node.name()), || {
            let holder = self.field.holder().filter(|holder| holder.name() == node.name());
            Ok(holder.filter(|_| self.field.is_answered()).map(drop))
        })
    }

    /// Waits until something was logged or seen since the trial began.
    pub fn sees(&self, what: &str, wanted: impl Fn(&Happening) -> bool) -> Result<()> {
        self.field.expect(what, || Ok(self.has_seen(&wanted).then_some(())))
    }

    /// Whether something was logged or seen since the fault, or since the trial began.
    pub fn has_seen(&self, wanted: impl Fn(&Happening) -> bool) -> bool {
        let since = self.fault.borrow().as_ref().map_or(self.began_us, |(at, _)| *at);
        self.field.story.any_since(since, wanted)
    }

    /// How often something was logged or seen since the trial began.
    pub fn count(&self, wanted: impl Fn(&Happening) -> bool) -> usize {
        self.field.story.happenings().iter().filter(|one| one.at_us >= self.began_us && wanted(one)).count()
    }

    /// Nobody may have been fenced.
    pub fn nobody_was_fenced(&self) -> Result<()> {
        ensure!(!self.has_seen(|one| is_event(one, "fence_begin")), "a node was fenced that should not have been");
        Ok(())
    }

    /// Nothing that the client needs may have been let go of or stopped.
    pub fn nothing_was_stopped(&self) -> Result<()> {
        self.nothing_was_stopped_by(|_| true)
    }

    /// The same of one node.
    pub fn nothing_was_stopped_on(&self, node: &Node) -> Result<()> {
        self.nothing_was_stopped_by(|who| who == node.name())
    }

    fn nothing_was_stopped_by(&self, counts: impl Fn(&str) -> bool) -> Result<()> {
        let resources = self.field.resources();
        let hurts = |one: &Happening| {
            counts(&one.who)
                && match &one.what {
                    What::Released(thing) => *thing == self.field.address() || matches!(thing, Thing::FileSystem(_)),
                    What::Log(line) => {
                        line.event == "operation_begin"
                            && matches!(line.operation.as_deref(), Some("start" | "stop"))
                            && line.resource.as_ref().is_some_and(|resource| resources.contains(resource))
                    }
                    _ => false,
                }
        };
        ensure!(!self.has_seen(hurts), "something was stopped or started that should have been left alone");
        Ok(())
    }

    /// Changes a property of the cluster by way of a node, and is told that it is done.
    pub fn set_property(&self, by: &Node, name: &str, value: &str) -> Result<()> {
        let file = self.with_property(by, name, value)?;
        systole(by, &["cib", "apply", &file]).map(drop)
    }

    /// The command that changes a property.
    pub fn property_command(&self, by: &Node, name: &str, value: &str) -> Result<Command> {
        let file = self.with_property(by, name, value)?;
        let mut command = control::tool(by);
        command.args(["cib", "apply", &file]);
        Ok(command)
    }

    /// Changes the configuration by way of a node, and is told that it is done. Gives what it was before.
    pub fn change(&self, by: &Node, what: &str, edit: impl FnOnce(&mut Document) -> Result<()>) -> Result<Document> {
        let before = Self::configuration(by)?;
        let mut cib = before.clone();
        edit(&mut cib).with_context(|| format!("changing {what}"))?;
        systole(by, &["cib", "apply", &Self::write(what, &cib)?])?;
        Ok(before)
    }

    /// Takes the configuration back to what it was, whatever was changed since.
    pub fn restore(&self, by: &Node, before: &Document) -> Result<()> {
        systole(by, &["cib", "apply", "--force", &Self::write("before", before)?]).map(drop)
    }

    /// The whole CIB, as a node holds it.
    pub fn configuration(by: &Node) -> Result<Document> {
        let text = systole(by, &["cib", "show"])?;
        Document::parse(&text).map_err(|error| anyhow::anyhow!("{}", error.render("the CIB", &text)))
    }

    fn write(name: &str, cib: &Document) -> Result<String> {
        let file = Path::new(LAB).join(format!("{name}.xml"));
        fs::write(&file, cib.to_xml()).with_context(|| format!("writing {}", file.display()))?;
        Ok(file.display().to_string())
    }

    /// The present configuration with a property, as a file.
    fn with_property(&self, by: &Node, name: &str, value: &str) -> Result<String> {
        let mut cib = Self::configuration(by)?;
        set_property(&mut cib, name, value)?;
        Self::write(name, &cib)
    }

    /// The value of a property, as a node holds it.
    pub fn property(&self, by: &Node, name: &str) -> Result<Option<String>> {
        let cib = Self::configuration(by)?;
        let all = cib.descendants(cib.root());
        let pair = all
            .filter(|element| cib.name(*element) == "nvpair")
            .find(|pair| cib.attribute(*pair, "name") == Some(name));
        Ok(pair.and_then(|pair| cib.attribute(pair, "value")).map(str::to_owned))
    }

    /// What must hold after every trial.
    pub fn judge(&self) -> Result<()> {
        self.field.rest()?;
        self.judge_holdings()?;
        self.judge_records()?;
        let heard = self.field.client.heard();
        if heard.wrong > self.wrong {
            let (at_us, text) = heard.last_wrong.unwrap_or_default();
            let ms = ms_between(self.began_us, at_us);
            bail!("the client had {} wrong answers, the last one after {ms:.0} ms: {text}", heard.wrong - self.wrong);
        }
        let panics = |one: &Happening| matches!(&one.what, What::Log(line) if line.message.contains("panicked"));
        ensure!(!self.field.story.any_since(self.began_us, panics), "a program panicked{}", self.field.last_words());
        // The next one begins without this one's failures.
        systole(&*self.active()?, &["cleanup"]).map(drop)?;
        self.release_all()?;
        self.field.rest()
    }

    /// Trials lose a node more often than one should be lost in an hour, and with enough nodes it is held in quarantine.
    fn release_all(&self) -> Result<()> {
        let active = self.active()?;
        if !Self::configuration(&active)?.to_xml().contains(QUARANTINE) {
            return Ok(());
        }
        let mut nodes = self.cluster().nodes().iter();
        nodes.try_for_each(|node| systole(&active, &["node", "release", node.name()]).map(drop))
    }

    fn judge_holdings(&self) -> Result<()> {
        let allowed = self.may_overlap.get().map(Thing::Address);
        let overlaps = self.field.witness.holdings().overlaps(clock::now_us());
        let wrong: Vec<String> = overlaps
            .iter()
            .filter(|overlap| overlap.from_us >= self.began_us && Some(&overlap.thing) != allowed.as_ref())
            .map(|overlap| sentence(overlap, self.began_us))
            .collect();
        ensure!(wrong.is_empty(), "active twice: {}", wrong.join("; "));
        Ok(())
    }

    fn judge_records(&self) -> Result<()> {
        let (Some(recorder), Some(ledger)) = (&self.field.recorder, &self.field.scene.ledger) else { return Ok(()) };
        let before = recorder.records().acknowledged;
        self.field.expect("the next record", || Ok((recorder.records().acknowledged > before).then_some(())))?;
        let Records { acknowledged, lost, .. } = recorder.records();
        ensure!(lost.is_empty(), "{}", lost.join("; "));
        let active = self.active()?;
        let pid = active.pid().context("the active node is off")?;
        let inside = ledger.file.strip_prefix("/").unwrap_or(&ledger.file);
        let path = Path::new("/proc").join(pid.to_string()).join("root").join(inside);
        let book = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        // One may just be being written.
        let whole = &book[..book.rfind('\n').map_or(0, |end| end + 1)];
        let last = ledger::check(whole).context("the ledger on the shared disk")?;
        ensure!(last >= acknowledged, "record {acknowledged} was acknowledged, but the ledger ends with {last}");
        Ok(())
    }

    /// The client's longest silence since the fault, or since the trial began.
    pub fn outage_ms(&self) -> Option<f64> {
        let since = self.fault.borrow().as_ref().map_or(self.began_us, |(at, _)| *at);
        self.field.client.heard().longest_silence(since, u64::MAX, clock::now_us()).map(|silence| silence.ms())
    }

    /// From the first membership without the lost node, as another one logs it, to the end of the client's silence.
    pub fn after_membership_ms(&self) -> Option<f64> {
        let fault = self.fault.borrow();
        let (at, victim) = fault.as_ref()?;
        let happenings = self.field.story.happenings();
        let tells = |one: &&Happening| one.at_us >= *at && one.who != *victim && is_event(one, "membership");
        let membership = happenings.iter().find(tells)?.at_us;
        let silence = self.field.client.heard().longest_silence(*at, u64::MAX, clock::now_us())?;
        (silence.from_us < membership && silence.to_us > membership).then(|| ms_between(membership, silence.to_us))
    }

    /// Lets some time pass in which nothing may change.
    pub fn let_pass(&self, time: Duration) {
        self.field.let_pass(time);
    }
}

/// Sets a property of the cluster.
pub fn set_property(cib: &mut Document, name: &str, value: &str) -> Result<()> {
    let config = cib.descend(&["configuration", "crm_config"]).context("the CIB has no crm_config")?;
    let set = cib.children(config).next().context("the CIB has no set of properties")?;
    let pair = cib.children_named(set, "nvpair").find(|pair| cib.attribute(*pair, "name") == Some(name));
    let pair = pair.unwrap_or_else(|| {
        let pair = cib.append(set, "nvpair");
        cib.set(pair, "id", &format!("lab-{name}"));
        cib.set(pair, "name", name);
        pair
    });
    cib.set(pair, "value", value);
    Ok(())
}

/// Whether a node logged this event.
pub fn is_event(one: &Happening, event: &str) -> bool {
    matches!(&one.what, What::Log(line) if line.event == event)
}
