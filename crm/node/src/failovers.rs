//! The receipt of each failover: what was noticed, and how long it took until the node was fenced, all was stopped, started
//! and announced, and until clients had an answer again. Each member makes its own from what all members hear in the same
//! order; nothing is decided by it.

use std::collections::VecDeque;
use std::time::Duration;

use cib::{OpResult, OpStatus, Write};
use engine::Membership;
use wire::failover::{Cause, Failover, Seen, Silence, failovers_from_text, failovers_to_text};

use crate::event::{Command, Now};
use crate::machine::Node;

/// How many are kept: weeks of a bad cluster.
pub const KEPT: usize = 256;
/// One is over when so long nothing has happened that belongs to it: the reports of probes are there by then.
pub const SETTLED: Duration = Duration::from_secs(10);
/// One that goes on for longer than this is cut here: the cluster is not recovering, it is at work.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Of one failover so many causes, started resources and silences are named; the figures count all.
pub const NAMED: usize = 64;
/// Agents whose start tells the link where an address is.
const ADDRESSES: [&str; 3] = ["IPaddr2", "IPaddr", "IPv6addr"];

/// The failovers that this node has seen.
#[derive(Debug, Default)]
pub struct Failovers {
    over: VecDeque<Failover>,
    open: Option<Open>,
    changed: bool,
}

#[derive(Debug)]
struct Open {
    failover: Failover,
    noticed: Duration,
    last: Duration,
}

impl Failovers {
    /// With those that were kept on disk.
    pub fn from_text(text: &str) -> Self {
        let mut over: VecDeque<Failover> = failovers_from_text(text).into();
        over.drain(..over.len().saturating_sub(KEPT));
        Failovers { over, ..Failovers::default() }
    }

    fn caused(&mut self, now: Now, cause: Cause) {
        let monotonic = now.monotonic;
        let open = self.open.get_or_insert_with(|| Open {
            failover: Failover { at: now.unix, ..Failover::default() },
            noticed: monotonic,
            last: monotonic,
        });
        open.last = monotonic;
        push(&mut open.failover.causes, cause);
    }

    /// A node is not a member any more.
    pub fn lost(&mut self, now: Now, node: &str) {
        self.caused(now, Cause::Lost { node: node.to_owned() });
    }

    /// A node is known to be dead.
    pub fn fenced(&mut self, now: Now) {
        if let Some((open, ms)) = self.at(now) {
            open.fenced_ms = Some(ms);
        }
    }

    /// An operation has a result.
    pub fn result(&mut self, now: Now, result: &OpResult) {
        let OpResult { operation, resource, node, .. } = result;
        let is_probe = operation == "monitor" && result.interval_ms == 0;
        if is_probe || matches!(result.status, OpStatus::Unknown | OpStatus::Pending | OpStatus::Cancelled) {
            return;
        }
        let (operation, resource, node) = (operation.clone(), resource.clone(), node.clone());
        if result.status != OpStatus::Done || result.rc != result.target_rc {
            return self.caused(now, Cause::Failed { operation, resource, node });
        }
        match operation.as_str() {
            "stop" => {
                if self.open.is_none() {
                    self.caused(now, Cause::Stopped { resource, node });
                }
                if let Some((open, ms)) = self.at(now) {
                    open.stopped_ms = Some(ms);
                }
            }
            "start" | "promote" | "migrate_from" => {
                if let Some((open, ms)) = self.at(now) {
                    open.started_ms = Some(ms);
                    if ADDRESSES.contains(&result.kind.as_str()) {
                        open.announced_ms = Some(ms);
                    }
                    push(&mut open.started, format!("{resource} on {node}"));
                }
            }
            _ => {}
        }
    }

    /// A probe tells of a silence.
    pub fn seen(&mut self, now: Now, seen: &Seen) {
        let Some(open) = &mut self.open else { return };
        let since = now.monotonic.saturating_sub(open.noticed);
        let first_answer_ms = i64::try_from(since.as_millis())
            .unwrap_or(i64::MAX)
            .saturating_sub(i64::try_from(seen.age_ms).unwrap_or(i64::MAX));
        let of_it = &mut open.failover.seen;
        match of_it.iter_mut().find(|known| known.target == seen.target) {
            Some(known) => {
                known.silent_ms = known.silent_ms.max(seen.silent_ms);
                known.first_answer_ms = known.first_answer_ms.max(first_answer_ms);
                known.locks_kept = known.locks_kept.into_iter().chain(seen.locks).reduce(|all, one| all && one);
            }
            None => push(
                of_it,
                Silence {
                    target: seen.target.clone(),
                    silent_ms: seen.silent_ms,
                    first_answer_ms,
                    locks_kept: seen.locks,
                },
            ),
        }
    }

    /// The one under way, with the milliseconds since it was noticed.
    fn at(&mut self, now: Now) -> Option<(&mut Failover, u64)> {
        let open = self.open.as_mut()?;
        open.last = now.monotonic;
        let ms = now.monotonic.saturating_sub(open.noticed).as_millis();
        Some((&mut open.failover, u64::try_from(ms).unwrap_or(u64::MAX)))
    }

    /// When to look whether it is over.
    pub fn deadline(&self) -> Option<Duration> {
        self.open.as_ref().map(|open| open.last + SETTLED)
    }

    /// Time has passed; `is_quiet`: nothing is being done. Puts one away that is over.
    pub fn look(&mut self, now: Now, is_quiet: bool) {
        let Some(open) = &mut self.open else { return };
        if now.monotonic < open.last + SETTLED {
            return;
        }
        if !is_quiet && now.monotonic < open.noticed + LONGEST {
            open.last = now.monotonic;
            return;
        }
        let Some(Open { mut failover, .. }) = self.open.take() else { return };
        // Somebody stopped something, or a node left that ran nothing: nothing has moved.
        let is_one = failover.started_ms.is_some()
            || failover.fenced_ms.is_some()
            || failover.causes.iter().any(|cause| matches!(cause, Cause::Failed { .. }));
        if is_one {
            failover.is_over = true;
            self.over.push_back(failover);
            self.over.drain(..self.over.len().saturating_sub(KEPT));
            self.changed = true;
        }
    }

    /// All of them, oldest first, with the one under way.
    pub fn all(&self) -> Vec<Failover> {
        self.over.iter().cloned().chain(self.open.as_ref().map(|open| open.failover.clone())).collect()
    }

    /// The text for the disk, when it is another one than last time.
    pub fn text_if_changed(&mut self) -> Option<String> {
        std::mem::take(&mut self.changed).then(|| failovers_to_text(self.over.make_contiguous()))
    }
}

fn push<T>(list: &mut Vec<T>, one: T) {
    if list.len() < NAMED {
        list.push(one);
    }
}

impl Node {
    /// Who is here changes.
    pub(crate) fn failover_of_members(&mut self, now: Now, view: &Membership) {
        let name = |id| self.view.hosts.iter().find(|host| host.id == id).map(|host| host.name.as_str());
        let lost = self.view.members.iter().filter(|old| !view.has_member(old.id));
        for node in lost.filter_map(|old| name(old.id)) {
            self.failovers.lost(now, node);
        }
    }

    /// A write was applied here, as on every member.
    pub(crate) fn failover_of_write(&mut self, now: Now, write: &Write) {
        match write {
            Write::Result(result) => self.failovers.result(now, result),
            Write::Fenced { action, .. } if action != "on" => self.failovers.fenced(now),
            _ => {}
        }
    }

    /// Looks whether one is over. Whether there was anything to do.
    pub(crate) fn put_failovers_away(&mut self, now: Now) -> bool {
        if self.failovers.deadline().is_none_or(|deadline| deadline > now.monotonic) {
            return false;
        }
        self.failovers.look(now, self.is_quiet());
        let text = self.failovers.text_if_changed();
        let is_any = text.is_some();
        self.out.extend(text.map(Command::KeepFailovers));
        is_any
    }
}
