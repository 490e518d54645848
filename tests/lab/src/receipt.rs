//! The receipt: what the clients' users felt, and which part of it took how long.
//!
//! Made from the story, the client's answers and what the witness saw; nothing is asked of the cluster.

use serde::Serialize;

use crate::client::{Heard, Silence};
use crate::clock::ms_between;
use crate::fault::Fault;
use crate::holdings::Overlap;
use crate::idle::Idle;
use crate::story::{Happening, What};

/// All times in milliseconds since the fault unless said; absent is what did not happen.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Receipt {
    /// The fault's name.
    pub fault: &'static str,
    /// The node that was active before it.
    pub from: String,
    /// The node that is active after it.
    pub to: Option<String>,
    /// How many nodes there are.
    pub nodes: usize,
    /// Whether `from` coordinated the cluster.
    pub was_coordinator: bool,
    /// Whether the service came back, and is where it belongs.
    pub recovered: bool,
    /// The longest silence at the client that began before all was started again; not a time since the fault.
    pub outage_ms: Option<f64>,
    /// Whether there was an answer after that silence.
    pub outage_ended: bool,
    /// The longest silence after the fault whatever it came from; more than the outage on a busy machine.
    pub longest_silence_ms: Option<f64>,
    /// Another node knew of it: of the loss, of the failure, of the order.
    pub detected_ms: Option<f64>,
    /// The lost node was known to be dead.
    pub fenced_ms: Option<f64>,
    /// The last resource was stopped where it was active, or was gone with its node.
    pub stopped_ms: Option<f64>,
    /// The last resource was started.
    pub started_ms: Option<f64>,
    /// For the client the address led to the new node.
    pub announced_ms: Option<f64>,
    /// With the daemon killed: the one started in its place had found all of the service running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_again_ms: Option<f64>,
    /// The client had its first answer after the silence.
    pub first_answer_ms: Option<f64>,
    /// From detection to the first answer: the resource manager's own part. Not a time since the fault.
    pub after_detection_ms: Option<f64>,
    /// For so long two nodes held the address or a file system at once; not a time since the fault.
    pub dual_active_ms: f64,
    /// Each such time, in a sentence.
    pub dual_active: Vec<String>,
    /// With quorum lost: everything was stopped by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_without_quorum_ms: Option<f64>,
    /// With quorum lost: the other nodes were switched on again then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_restored_ms: Option<f64>,
    /// Questions that the client asked.
    pub asked: u64,
    /// Good answers that it had.
    pub answered: usize,
    /// Answers that said something else than they should.
    pub wrong: u64,
    /// What the daemons needed before the fault, if that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Vec<Idle>>,
    /// How the configuration was fitted to the lab.
    pub changes: Vec<String>,
}

/// What the receipt is made from.
pub struct Evidence<'a> {
    /// The fault.
    pub fault: Fault,
    /// When it struck.
    pub fault_us: u64,
    /// The node that was active.
    pub active: &'a str,
    /// Everything that happened, by time.
    pub happenings: &'a [Happening],
    /// What the client heard.
    pub heard: &'a Heard,
    /// When we stopped looking.
    pub until_us: u64,
    /// Resources that the client's service is made of.
    pub resources: &'a [String],
}

/// The moments of a recovery, in microseconds of the common clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moments {
    /// See [`Receipt::detected_ms`].
    pub detected: Option<u64>,
    /// See [`Receipt::fenced_ms`].
    pub fenced: Option<u64>,
    /// See [`Receipt::stopped_ms`].
    pub stopped: Option<u64>,
    /// See [`Receipt::started_ms`].
    pub started: Option<u64>,
    /// See [`Receipt::announced_ms`].
    pub announced: Option<u64>,
    /// See [`Receipt::known_again_ms`].
    pub known_again: Option<u64>,
    /// See [`Receipt::first_answer_ms`].
    pub first_answer: Option<u64>,
}

impl Evidence<'_> {
    /// The longest silence that began before all was started again. A later one is not the fault's: a busy machine
    /// keeps everyone waiting now and then.
    pub fn outage(&self) -> Option<Silence> {
        let started = self.happenings.iter().rfind(|one| one.at_us >= self.fault_us && self.is_done(one, "start"));
        self.heard.longest_silence(self.fault_us, started.map_or(u64::MAX, |one| one.at_us), self.until_us)
    }

    /// The longest silence of all after the fault.
    pub fn longest_silence(&self) -> Option<Silence> {
        self.heard.longest_silence(self.fault_us, u64::MAX, self.until_us)
    }

    /// Finds the moments.
    pub fn moments(&self) -> Moments {
        let after: Vec<&Happening> = self.happenings.iter().filter(|one| one.at_us >= self.fault_us).collect();
        let first = |wanted: &dyn Fn(&Happening) -> bool| after.iter().find(|one| wanted(one)).map(|one| one.at_us);
        let last = |wanted: &dyn Fn(&Happening) -> bool| after.iter().rfind(|one| wanted(one)).map(|one| one.at_us);

        let tells: &[&str] = match self.fault {
            Fault::Crash | Fault::Isolate | Fault::Daemon => &["membership", "node_lost", "node_unclean"],
            Fault::QuorumLoss => &["quorum_lost"],
            Fault::Fail => &["failure"],
            Fault::Standby | Fault::Move => &["cib_changed", "plan"],
            Fault::Leave => &["shutdown"],
        };
        // Who is cut off sees the others go; that is not what helps the client.
        let by_others = matches!(self.fault, Fault::Crash | Fault::Isolate | Fault::Daemon);
        let detected = first(&|one| is_event(one, tells) && !(by_others && one.who == self.active));
        let fenced = first(&|one| is_event(one, &["fenced"]));
        let started = last(&|one| self.is_done(one, "start"));
        let first_answer = self.outage().filter(|silence| silence.has_ended).map(|silence| silence.to_us);
        let before_start = |at: u64| started.is_none_or(|started| at <= started);
        let let_go = |one: &Happening| matches!(one.what, What::Released(_)) && one.who == self.active;
        let stopped = match self.fault {
            Fault::Crash => last(&|one| let_go(one) && before_start(one.at_us)),
            _ => last(&|one| (self.is_done(one, "stop") || let_go(one)) && before_start(one.at_us)),
        };
        let announced = last(&|one| matches!(one.what, What::Announced(_)));
        let found = |resource: &String| first(&|one| one.who == self.active && finds_running(one, resource));
        let known_again = match self.fault {
            Fault::Daemon => self.resources.iter().map(found).collect::<Option<Vec<u64>>>(),
            _ => None,
        };
        let known_again = known_again.and_then(|moments| moments.into_iter().max());
        Moments { detected, fenced, stopped, started, announced, known_again, first_answer }
    }

    fn is_done(&self, one: &Happening, operation: &str) -> bool {
        let What::Log(line) = &one.what else { return false };
        line.event == "operation_end"
            && line.operation.as_deref() == Some(operation)
            && line.rc == Some(0)
            && line.resource.as_ref().is_some_and(|resource| self.resources.contains(resource))
    }

    /// Since the fault, in milliseconds.
    pub fn since(&self, at: Option<u64>) -> Option<f64> {
        at.map(|at| tenth(ms_between(self.fault_us, at)))
    }
}

/// Whether a node tells that it found a resource running.
pub fn finds_running(one: &Happening, resource: &str) -> bool {
    let What::Log(line) = &one.what else { return false };
    line.operation.as_deref() == Some("monitor") && line.rc == Some(0) && line.resource.as_deref() == Some(resource)
}

fn is_event(one: &Happening, events: &[&str]) -> bool {
    matches!(&one.what, What::Log(line) if events.contains(&line.event.as_str()))
}

/// Milliseconds to a tenth: the client asks every five.
pub fn tenth(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

/// Two nodes held the same: one sentence.
pub fn sentence(overlap: &Overlap, fault_us: u64) -> String {
    let [first, second] = &overlap.nodes;
    let (thing, from, ms) = (&overlap.thing, ms_between(fault_us, overlap.from_us), overlap.ms);
    format!("{first} and {second} both held {thing} for {ms:.1} ms, from {from:+.1} ms on")
}

impl Receipt {
    /// Whether the demonstration shows what it is to show.
    pub fn is_good(&self) -> bool {
        self.recovered && self.dual_active.is_empty()
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, ms: Option<f64>, note: &str| {
            let ms = ms.map_or_else(|| format!("{:>13}", "-"), |ms| format!("{ms:>10.1} ms"));
            text.push_str(&format!("  {name:<13}{ms}  {note}\n"));
        };
        let knows = match self.fault {
            "crash" | "isolate" => "another node knows that it is lost",
            "quorum-loss" => "the node knows that it has no quorum",
            "fail" => "the monitor found it",
            "daemon" => "another node knows that the daemon is gone",
            _ => "the order arrived",
        };
        line("detected", self.detected_ms, knows);
        if self.fenced_ms.is_some() || matches!(self.fault, "crash" | "isolate") {
            line("fenced", self.fenced_ms, "the lost node is known to be dead");
        }
        match self.fault {
            "daemon" => line("known again", self.known_again_ms, "the new daemon has found all of it running"),
            fault => {
                if fault == "quorum-loss" {
                    line("stopped", self.stopped_without_quorum_ms, "everything is stopped without quorum");
                    line("power back", self.power_restored_ms, "the other nodes are switched on again");
                } else {
                    line("stopped", self.stopped_ms, &format!("nothing is active on {} any more", self.from));
                }
                let nowhere = || "it runs nowhere".to_owned();
                let where_to = self.to.as_ref().map_or_else(nowhere, |to| format!("all of it runs on {to}"));
                line("started", self.started_ms, &where_to);
                if self.announced_ms.is_some() || self.to.as_ref().is_some_and(|to| *to != self.from) {
                    line("announced", self.announced_ms, "the client's address leads there");
                }
                line("first answer", self.first_answer_ms, "the client is served again");
            }
        }
        let ended = if self.outage_ended { "" } else { ", and it goes on" };
        line("outage", self.outage_ms, &format!("the longest silence at the client, who asks every 5 ms{ended}"));
        if self.after_detection_ms.is_some() {
            line("of that", self.after_detection_ms, "from detected to the first answer: the cluster's own part");
        }
        // Twice the client's rhythm more is no matter of chance.
        if self.longest_silence_ms > self.outage_ms.map(|ms| ms + 10.0) {
            line("also", self.longest_silence_ms, "the longest silence after that: this machine is busy");
        }
        if self.dual_active.is_empty() {
            text.push_str("  active twice          never  no two nodes held the address or a file system at once\n");
        }
        for sentence in &self.dual_active {
            text.push_str(&format!("  active twice            YES  {sentence}\n"));
        }
        if self.wrong > 0 {
            text.push_str(&format!("  wrong answers    {:>8}  the service answered something else\n", self.wrong));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holdings::Thing;
    use crate::log::Line;

    fn log(at_us: u64, who: &str, event: &str, operation: Option<(&str, &str, i32)>) -> Happening {
        let mut line = Line { mono_us: at_us, event: event.to_owned(), ..Line::default() };
        if let Some((operation, resource, rc)) = operation {
            line.operation = Some(operation.to_owned());
            line.resource = Some(resource.to_owned());
            line.rc = Some(rc);
        }
        Happening { at_us, who: who.to_owned(), what: What::Log(line) }
    }

    #[test]
    fn a_crash_is_taken_apart() {
        let vip = Thing::Address("10.0.0.1".parse().unwrap());
        let happening = |at_us, who: &str, what| Happening { at_us, who: who.to_owned(), what };
        let happenings = [
            log(900, "node2", "membership", None),
            happening(1_001, "node1", What::Released(vip.clone())),
            log(1_002, "node1", "membership", None),
            log(3_000, "node2", "membership", None),
            log(9_000, "node2", "fenced", None),
            log(9_500, "node2", "operation_end", Some(("start", "fs", 1))),
            log(12_000, "node2", "operation_end", Some(("start", "fs", 0))),
            happening(13_000, "client", What::Announced("10.0.0.1".parse().unwrap())),
            log(14_000, "node2", "operation_end", Some(("start", "ip", 0))),
            log(15_000, "node2", "operation_end", Some(("start", "fence", 0))),
            happening(16_000, "node2", What::Held(vip)),
        ];
        let evidence = Evidence {
            fault: Fault::Crash,
            fault_us: 1_000,
            active: "node1",
            happenings: &happenings,
            heard: &Heard { answers_us: vec![990, 998, 13_900, 14_100, 30_000], ..Heard::default() },
            until_us: 30_100,
            resources: &["fs".to_owned(), "ip".to_owned()],
        };
        let expected = Moments {
            detected: Some(3_000),
            fenced: Some(9_000),
            stopped: Some(1_001),
            started: Some(14_000),
            announced: Some(13_000),
            known_again: None,
            first_answer: Some(13_900),
        };
        assert_eq!(evidence.moments(), expected);
        assert_eq!(evidence.outage(), Some(Silence { from_us: 998, to_us: 13_900, has_ended: true }));
        assert_eq!(evidence.longest_silence().map(|silence| silence.from_us), Some(14_100));
        assert_eq!(evidence.since(Some(13_940)), Some(12.9));
        assert_eq!(evidence.since(None), None);
    }
}
