//! A fixed scenario as text: what happens, line by line, and what is expected at which point. Each file of
//! `tests/sim/scripts` and `tests/sim/incidents` is one. What a line may say is in [`Script::deed`] and
//! [`Script::expectation`]; `#` begins a remark, at the
//! beginning of a line or after a blank.
//!
//! ```text
//! cluster 3 no-quorum-policy=freeze     # node1..node3: group g1 (g1-1, g1-2) on node1, p1 on node2; and what other
//!                                       # words add, see `Shape::scripted`
//! up                                    # all are switched on, and are given a minute
//! crash node1 back 30s
//! wait 60s
//! expect g1-1 on node2
//! ends well                             # all is mended; everything must run again
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use cib::patch::Change;
use engine::NodeId;
use wire::{AttributeChange, Dampening, Request, Update};

use crate::agents::{State, Trouble};
use crate::changes::{property, release, standby};
use crate::faults::{Fault, Trap};
use crate::operator::Wish;
use crate::power::Mood;
use crate::run::{settle, world_of};
use crate::scenario::{DEVICE, Shape, device};
use crate::trace::Keep;
use crate::world::{Happening, World};

/// So many lines of the trace are kept to be searched and shown.
const KEPT: usize = 4_000;
/// So many of them are shown when an expectation is not met.
const SHOWN: usize = 60;
/// What a cluster is given to come up.
const UP: Duration = Duration::from_secs(60);

/// Plays a script. The error says which line was not met, and the last of what happened.
pub fn play(text: &str) -> Result<(), String> {
    let mut script: Option<Script> = None;
    for (number, line) in text.lines().enumerate() {
        let line = if line.starts_with('#') { "" } else { line.split(" #").next().unwrap_or("").trim() };
        if line.is_empty() {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let done = match (&mut script, words.as_slice()) {
            (None, ["cluster", nodes, rest @ ..]) => Script::new(nodes, rest).map(|new| script = Some(new)),
            (None, _) => Err("expected `cluster NODES …` first".to_owned()),
            (Some(script), ["expect", what @ ..]) => script.expectation(what),
            (Some(script), words) => script.deed(words),
        };
        let broken = script.as_ref().and_then(|script| script.world.watch.broken.clone());
        let wrong = done.err().or(broken.map(|rule| format!("a rule was broken: {rule}")));
        if let Some(wrong) = wrong {
            let lines: Vec<&str> = script.iter().flat_map(|script| script.world.trace.kept()).collect();
            let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
            return Err(format!("line {}: {line}: {wrong}\n{last}", number + 1));
        }
    }
    match script {
        Some(script) if script.ended => Ok(()),
        _ => Err("a script ends with `ends well`".to_owned()),
    }
}

/// A script that is being played.
struct Script {
    shape: Shape,
    world: World,
    /// The line of the trace from which on `expect said` and its like look.
    since: u64,
    ended: bool,
}

impl Script {
    fn new(nodes: &str, rest: &[&str]) -> Result<Script, String> {
        let nodes = nodes.parse().map_err(|_| format!("expected a number of nodes, found {nodes}"))?;
        let shape = Shape::scripted(nodes, rest);
        let world = world_of(&shape, 7, Keep::Last(KEPT));
        Ok(Script { shape, world, since: 0, ended: false })
    }

    /// What happens.
    fn deed(&mut self, words: &[&str]) -> Result<(), String> {
        let fault = match words {
            // Before the first node is on.
            ["constraint", xml @ ..] => {
                let end = "</constraints>";
                let cib = self.shape.cib.replace(end, &format!("{}{end}", xml.join(" ")));
                cib::Cib::parse(&cib).map_err(|error| error.to_string())?;
                self.shape.cib = cib;
                self.world = world_of(&self.shape, 7, Keep::Last(KEPT));
                return Ok(());
            }
            ["up"] => {
                self.shape.ids().into_iter().for_each(|id| self.world.power_on(id));
                return self.wait(UP);
            }
            ["on", nodes @ ..] => {
                for node in nodes {
                    let id = self.node(node)?;
                    self.world.power_on(id);
                }
                return Ok(());
            }
            ["wait", time] => {
                let time = self.time(time)?;
                return self.wait(time);
            }
            ["remember"] => {
                self.since = self.world.trace.lines();
                return Ok(());
            }
            ["ends", "well"] => {
                settle(&mut self.world, &self.shape);
                self.ended = true;
                return Ok(());
            }
            ["start", "daemon", node] => {
                let id = self.node(node)?;
                let boot = self.world.hosts[&id].boot;
                self.world.after(Duration::ZERO, Happening::DaemonStarts(id, boot));
                return Ok(());
            }
            ["speaks", node, protocol] => {
                let id = self.node(node)?;
                self.world.host(id).protocol = self.number(protocol)? as u32;
                return Ok(());
            }
            ["add", "device"] => {
                let hosts: Vec<String> = self.shape.hosts.iter().map(|host| host.name.clone()).collect();
                let xml = device(DEVICE, &hosts.join(" "), "0");
                let path = "/cib/configuration/resources".to_owned();
                let change = Change::Create { path, position: 0, xml };
                self.world.wish(Wish { write: self.world.configure(vec![change]), mark: None, insists: true });
                return Ok(());
            }
            ["release", node] => {
                let write = release(&self.world.name(self.node(node)?));
                self.world.wish(Wish { write, mark: None, insists: true });
                return Ok(());
            }
            ["standby", node, on] => {
                let write = standby(&self.world.name(self.node(node)?), *on == "on");
                self.world.wish(Wish { write, mark: None, insists: true });
                return Ok(());
            }
            ["property", name, value] => {
                let write = self.world.configure(property(name, value));
                self.world.wish(Wish { write, mark: None, insists: true });
                return Ok(());
            }
            ["says", node, name, value, gathered @ ..] => {
                let ms = match gathered {
                    ["gathered", time] => self.time(time)?.as_millis() as u64,
                    _ => 0,
                };
                let update = Update {
                    node: None,
                    name: (*name).to_owned(),
                    change: match *value {
                        "nothing" => AttributeChange::Clear,
                        value => AttributeChange::Set(value.to_owned()),
                    },
                    dampening: Dampening::IfNew(ms),
                    private: false,
                };
                let id = self.node(node)?;
                self.world.request(id, Request::Update(update));
                return Ok(());
            }
            ["crash", node] => Fault::Crash(self.node(node)?, None),
            ["crash", node, "back", time] => Fault::Crash(self.node(node)?, Some(self.time(time)?)),
            ["kill", "daemon", node, "back", time] => Fault::KillDaemon(self.node(node)?, self.time(time)?),
            ["kill", "engine", node, "back", time] => Fault::EngineDies(self.node(node)?, self.time(time)?),
            ["leave", node] => Fault::Shutdown(self.node(node)?, Duration::from_secs(100_000)),
            ["leave", node, "back", time] => Fault::Shutdown(self.node(node)?, self.time(time)?),
            ["stop", "cluster"] => Fault::StopCluster(Duration::from_secs(100_000)),
            ["stop", "cluster", "back", time] => Fault::StopCluster(self.time(time)?),
            ["rolling", "restart"] => Fault::RollingRestart(Duration::from_secs(1)),
            ["part", sides @ ..] => Fault::Part(self.sides(sides)?),
            ["heal"] => Fault::Heal,
            ["blackout"] => Fault::PowerCut,
            ["power", mood] => Fault::PowerMood(match *mood {
                "good" => Mood::Good,
                "slow" => Mood::Slow,
                "failing" => Mood::Failing,
                "late" => Mood::Late,
                "lying" => Mood::Lying,
                "leaving" => Mood::LeavingOff,
                "babbling" => Mood::Babbling,
                other => return Err(format!("no such mood of a switch: {other}")),
            }),
            ["pause", "daemon", node, time] => Fault::PauseDaemon(self.node(node)?, self.time(time)?),
            ["pause", node, time] => Fault::Pause(self.node(node)?, self.time(time)?),
            ["deaf", node, time] => Fault::OneWay(self.node(node)?, self.time(time)?),
            ["clock", node, seconds] => {
                let seconds = seconds.parse().map_err(|_| format!("expected seconds, found {seconds}"))?;
                Fault::ClockJump(self.node(node)?, seconds)
            }
            ["slow", "disk", node, time] => Fault::SlowDisk(self.node(node)?, self.time(time)?.as_millis() as u64),
            ["full", "disk", node] => Fault::DiskFull(self.node(node)?, true),
            ["version", node, protocol] => Fault::Version(self.node(node)?, self.number(protocol)? as u32),
            ["slow", "network", ms] => Fault::SlowNetwork(self.number(ms)?),
            ["garbage", node] => Fault::Garbage(self.node(node)?, self.world.random.number()),
            ["dies", resource] => Fault::ResourceDies((*resource).to_owned(), None),
            ["breaks", resource] => Fault::ResourceDies((*resource).to_owned(), Some(State::Failed)),
            ["trouble", node, resource, action, troubles @ ..] => {
                let all = Trouble::ALL;
                let named = |word: &&str| all.into_iter().find(|one| format!("{one:?}") == **word);
                let troubles: Option<Vec<Trouble>> = troubles.iter().map(named).collect();
                let troubles = troubles.ok_or_else(|| format!("expected some of {all:?}"))?;
                Fault::AgentTrouble(self.node(node)?, (*resource).to_owned(), (*action).to_owned(), troubles)
            }
            ["trap", left] => {
                let back = Duration::from_secs(30);
                Fault::CoordinatorTrap(Trap { left: self.number(left)? as u32, power: true, back })
            }
            ["move", resource, node] => Fault::Move((*resource).to_owned(), self.node(node)?),
            ["disable", resource] => Fault::Disable((*resource).to_owned(), true),
            ["enable", resource] => Fault::Disable((*resource).to_owned(), false),
            ["parameter", resource, value] => Fault::Parameter((*resource).to_owned(), self.number(value)?),
            ["mark", node, number] => Fault::Mark(self.node(node)?, self.number(number)?),
            ["cleanup"] => Fault::Cleanup(None),
            ["maintenance", on] => {
                let write =
                    self.world.configure(property("maintenance-mode", if *on == "on" { "true" } else { "false" }));
                self.world.wish(Wish { write, mark: None, insists: true });
                return Ok(());
            }
            _ => return Err("nothing of that kind happens here".into()),
        };
        self.world.strike(fault);
        Ok(())
    }

    /// What is expected now.
    fn expectation(&mut self, words: &[&str]) -> Result<(), String> {
        let equal = |what: &str, found: u64, wanted: u64| match found == wanted {
            true => Ok(()),
            false => Err(format!("{what}: found {found}")),
        };
        match words {
            [resource, "nowhere"] => self.places(resource, &[]),
            [resource, "on", "one"] => match self.found(resource).len() {
                1 => Ok(()),
                many => Err(format!("it is on {many} nodes")),
            },
            [resource, "not", "on", node] => match self.found(resource).contains(&self.node(node)?) {
                false => Ok(()),
                true => Err("it is".into()),
            },
            [resource, "on", nodes @ ..] => self.places(resource, nodes),
            ["promoted", resource, node] => {
                let chosen = |id: &NodeId| self.world.hosts[id].agents.state(resource) == Some(State::Promoted);
                let found: Vec<NodeId> = self.shape.ids().into_iter().filter(chosen).collect();
                let met = if *node == "one" { found.len() == 1 } else { found == [self.node(node)?] };
                if met { Ok(()) } else { Err(format!("it is promoted on {found:?}")) }
            }
            ["cut", "off", number] => equal("hosts cut off", self.world.counts.cut_off, self.number(number)?),
            ["acknowledged", number] => {
                equal("writes acknowledged", self.world.counts.acknowledged, self.number(number)?)
            }
            ["daemons", nodes @ ..] => {
                let wanted: Result<Vec<NodeId>, String> = nodes.iter().map(|node| self.node(node)).collect();
                let found: Vec<NodeId> = self.world.daemons().map(|(id, _)| id).collect();
                if found == wanted? { Ok(()) } else { Err(format!("daemons run on {found:?}")) }
            }
            ["coordinator", node] => {
                let found = self.world.coordinators();
                if found == [self.node(node)?] { Ok(()) } else { Err(format!("it is {found:?}")) }
            }
            // Operations of resources since `remember`; fence devices are started in the daemon itself and do not count.
            [action @ ("start" | "stop" | "promote" | "demote"), number] => {
                equal("operations begun", self.begun(action), self.number(number)?)
            }
            ["attribute", node, name, value] => {
                let id = self.node(node)?;
                let held = self.attribute(id, name);
                let wanted = (*value != "none").then(|| (*value).to_owned());
                if held == wanted { Ok(()) } else { Err(format!("it is {held:?}")) }
            }
            ["said", rest @ ..] => match self.said(&rest.join(" ")) {
                0 => Err("nobody said so".into()),
                _ => Ok(()),
            },
            ["never", "said", rest @ ..] => match self.said(&rest.join(" ")) {
                0 => Ok(()),
                many => Err(format!("it was said {many} times")),
            },
            ["once", "said", rest @ ..] => equal("it was said", self.said(&rest.join(" ")), 1),
            _ => Err("no such expectation".into()),
        }
    }

    fn wait(&mut self, time: Duration) -> Result<(), String> {
        let end = self.world.now + time;
        self.world.run_until(end);
        Ok(())
    }

    fn found(&self, resource: &str) -> Vec<NodeId> {
        let there =
            |id: &NodeId| matches!(self.world.hosts[id].agents.state(resource), Some(State::Running | State::Promoted));
        self.shape.ids().into_iter().filter(there).collect()
    }

    fn places(&self, resource: &str, nodes: &[&str]) -> Result<(), String> {
        let wanted: Result<Vec<NodeId>, String> = nodes.iter().map(|node| self.node(node)).collect();
        let found = self.found(resource);
        if found == wanted? { Ok(()) } else { Err(format!("it runs on {found:?}")) }
    }

    /// Lines of the trace since `remember`.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let kept = self.world.trace.kept().count() as u64;
        let first = self.world.trace.lines() - kept;
        self.world.trace.kept().skip(self.since.saturating_sub(first) as usize)
    }

    fn begun(&self, action: &str) -> u64 {
        let text = format!("action: \"{action}\"");
        self.lines().filter(|l| l.contains(&text) && l.ends_with("begins") && !l.contains("\"fence")).count() as u64
    }

    fn said(&self, text: &str) -> u64 {
        self.lines().filter(|line| line.contains(text)).count() as u64
    }

    /// The value of a transient attribute in the CIB of the node that coordinates.
    fn attribute(&self, of: NodeId, name: &str) -> Option<String> {
        let coordinator = self.world.coordinators().first().copied()?;
        let cib = self.world.hosts[&coordinator].daemon.as_ref()?.node.cib().clone();
        let document = cib.document();
        let status = document.descend(&["status"])?;
        let state =
            document.children_named(status, "node_state").find(|state| document.id(*state) == of.to_string())?;
        let attributes = document.child(state, "transient_attributes")?;
        let pair = document.descendants(attributes).find(|pair| document.attribute(*pair, "name") == Some(name))?;
        document.attribute(pair, "value").map(str::to_owned)
    }

    fn node(&self, name: &str) -> Result<NodeId, String> {
        self.world.named(name).ok_or_else(|| format!("there is no node {name}"))
    }

    fn number(&self, text: &str) -> Result<u64, String> {
        text.parse().map_err(|_| format!("expected a number, found {text}"))
    }

    fn time(&self, text: &str) -> Result<Duration, String> {
        cib::duration::parse_ms(text).map(Duration::from_millis).map_err(|error| error.to_string())
    }

    /// `node1 | node2 node3`: who is on which side.
    fn sides(&self, words: &[&str]) -> Result<BTreeMap<NodeId, u32>, String> {
        let mut sides = BTreeMap::new();
        let mut side = 1;
        for word in words {
            match *word {
                "|" => side += 1,
                node => drop(sides.insert(self.node(node)?, side)),
            }
        }
        Ok(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::play;

    #[test]
    fn what_is_not_met_or_not_understood_is_said_with_its_line() {
        for (text, expected) in [
            ("crash node1", "line 1: crash node1: expected `cluster NODES"),
            ("cluster 3\nup\nexpect p1 on node3\nends well", "line 3: expect p1 on node3: it runs on [NodeId(2)]"),
            ("cluster 3\nsing", "line 2: sing: nothing of that kind"),
            ("cluster 3\nup", "ends with `ends well`"),
        ] {
            let error = play(text).expect_err(text);
            assert!(error.contains(expected), "{error}");
        }
    }
}
