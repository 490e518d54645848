//! What one entry of a history means: success or failure, expired or not, and what its failure leads to.

use cib::{Element, boolean};

use crate::engine::Engine;
use crate::model::{FailedOperation, INFINITY, NodeFlags, NodeId, OnFail, Role, RscFlags, RscId};
use crate::reasons::Source;
use crate::schedule::config_change::{About, DeferredCheck};
use crate::schedule::digest::Verdict;
use crate::status::failcount::Counting;
use crate::status::recorded::Recorded;

// Execution statuses, as histories number them.
const PENDING: i64 = -1;
const DONE: i64 = 0;
const CANCELLED: i64 = 1;
const NOT_SUPPORTED: i64 = 3;
const ERROR: i64 = 4;
const ERROR_HARD: i64 = 5;
const ERROR_FATAL: i64 = 6;
const NOT_INSTALLED: i64 = 7;
const NOT_CONNECTED: i64 = 8;
const NO_FENCE_DEVICE: i64 = 10;
const NO_SECRETS: i64 = 11;

// OCF exit statuses.
const OCF_OK: i64 = 0;
const OCF_INVALID_PARAM: i64 = 2;
const OCF_UNIMPLEMENTED: i64 = 3;
const OCF_INSUFFICIENT_PRIVILEGES: i64 = 4;
const OCF_NOT_INSTALLED: i64 = 5;
const OCF_NOT_CONFIGURED: i64 = 6;
const OCF_NOT_RUNNING: i64 = 7;
const OCF_RUNNING_PROMOTED: i64 = 8;
const OCF_FAILED_PROMOTED: i64 = 9;
const OCF_DEGRADED: i64 = 190;
const OCF_DEGRADED_PROMOTED: i64 = 191;

/// One entry, with its result as it is to be understood.
struct Entry<'a> {
    rsc: RscId,
    node: NodeId,
    /// The entry as it is written.
    as_written: Recorded<'a>,
    xml: Element,
    id: &'a str,
    task: &'a str,
    key: &'a str,
    interval_ms: u32,
    expected: i64,
    exit: i64,
    status: i64,
}

impl Entry<'_> {
    fn is_probe(&self) -> bool {
        self.interval_ms == 0 && self.task == "monitor"
    }

    /// A probe that failed because the agent is not there says no more than that the resource does not run there.
    fn masks_probe_failure(&self) -> bool {
        self.masks_failed_probe(self.as_written.status().unwrap_or(-1), self.as_written.exit().unwrap_or(-1))
    }

    /// The same, with the result as it is understood.
    fn masks_failed_probe(&self, status: i64, exit: i64) -> bool {
        let failed = matches!(exit, OCF_NOT_INSTALLED | OCF_INVALID_PARAM) || status == NOT_INSTALLED;
        failed && self.task == "monitor" && self.as_written.interval() == 0
    }

    fn is_last_failure(&self) -> bool {
        self.id.ends_with("_last_failure_0")
    }
}

impl<'a> Engine<'a> {
    pub fn read_operation(
        &mut self,
        rsc: RscId,
        node: NodeId,
        as_written: Recorded<'a>,
        last_failure: &mut Option<Element>,
        on_fail: &mut OnFail,
    ) {
        let (Some(id), Some(task)) = (as_written.id, as_written.task) else { return };
        const STATEFUL: [&str; 8] =
            ["monitor", "start", "stop", "promote", "demote", "migrate_to", "migrate_from", "asyncmon"];
        if !STATEFUL.contains(&task) {
            return;
        }
        let (Some(status), Some(exit)) = (as_written.status(), as_written.exit()) else { return };
        let xml = as_written.xml;
        if !(PENDING..=NO_SECRETS).contains(&status) || status == CANCELLED || !(0..=255).contains(&exit) {
            self.warn(xml, format!("history entry {id} has no valid result; it is ignored"));
            return;
        }
        let mut entry = Entry {
            rsc,
            node,
            as_written,
            xml,
            id,
            task,
            key: as_written.key(),
            interval_ms: as_written.interval().clamp(0, i64::from(u32::MAX)) as u32,
            expected: as_written.expected(),
            exit,
            status,
        };
        let expired = self.has_expired(&entry);
        let reported = entry.exit;
        self.interpret(&mut entry, on_fail, expired);
        if expired && self.take_expired(&entry, reported) {
            return;
        }
        if entry.masks_failed_probe(status, reported) && !self.is_bundled(rsc) {
            return self.mask_probe_failure(&entry, *last_failure, on_fail);
        }
        self.take_result(entry, last_failure, on_fail);
    }

    fn take_result(&mut self, entry: Entry<'a>, last_failure: &mut Option<Element>, on_fail: &mut OnFail) {
        let (rsc, node) = (entry.rsc, entry.node);
        let banned = if self.is(rsc, RscFlags::UNIQUE) { rsc } else { self.top(rsc) };
        let hard = || Source::Failure(format!("{} on this node", entry.key));
        match entry.status {
            PENDING => return self.take_pending(&entry, *last_failure),
            DONE => return self.update_state(&entry, entry.exit, *last_failure, on_fail),
            NOT_INSTALLED => {
                let (strategy, fail_role) = self.failure_handling(rsc, node, entry.task, entry.interval_ms);
                if strategy == OnFail::Ignore {
                    *on_fail = OnFail::Ban;
                }
                self.add_score(banned, Some(node), -INFINITY, hard());
                return self.take_failure(&entry, strategy, fail_role, last_failure, on_fail);
            }
            NOT_CONNECTED => {
                if let Some(remote) = self.node(node).remote
                    && self.is(remote, RscFlags::MANAGED)
                {
                    self.set_rsc(remote, RscFlags::FAILED | RscFlags::STOP_IF_FAILED);
                }
            }
            _ => {}
        }
        let (strategy, fail_role) = self.failure_handling(rsc, node, entry.task, entry.interval_ms);
        let container_stop = strategy == OnFail::RestartContainer && entry.task == "stop";
        if strategy == OnFail::Ignore || container_stop {
            self.update_state(&entry, entry.expected, *last_failure, on_fail);
            self.set_rsc(rsc, RscFlags::IGNORE_FAILURE);
            self.record_failure(&entry);
            if container_stop && *on_fail <= OnFail::Restart {
                *on_fail = strategy;
            }
            return;
        }
        self.take_failure(&entry, strategy, fail_role, last_failure, on_fail);
        match entry.status {
            ERROR_HARD => self.add_score(banned, Some(node), -INFINITY, hard()),
            ERROR_FATAL => {
                let source = Source::Failure(format!("{} cannot succeed on any node", entry.key));
                self.add_score(banned, None, -INFINITY, source);
            }
            _ => {}
        }
    }

    /// Whether the entry is older than failures count. Forgetting them is planned here, too.
    fn has_expired(&mut self, entry: &Entry) -> bool {
        if entry.status == NOT_INSTALLED {
            return false;
        }
        let (rsc, node) = (entry.rsc, entry.node);
        let timeout = i64::from(self.rsc(rsc).failure_timeout_ms / 1000);
        let now = self.cluster.now;
        let (mut expired, mut effective) = (false, 0);
        if timeout > 0
            && let Some(changed) = self.number(entry.xml, "last-rc-change")
        {
            expired = now >= changed + timeout && !self.ignores_failure_timeout(entry);
            let (count, last) = self.fail_count(node, rsc, Counting::EFFECTIVE, Some(entry.xml));
            effective = count;
            let forgotten = last + timeout + 1;
            if count != 0 && now < forgotten {
                self.recheck_by(forgotten);
            }
        }
        let mut clear = false;
        if expired {
            let (all, _) = self.fail_count(node, rsc, Counting::ALL, Some(entry.xml));
            if all != 0 {
                if effective == 0 {
                    clear = true;
                } else {
                    expired = false;
                }
            } else if entry.is_last_failure() && self.rsc(rsc).reconnect_ms > 0 {
                clear = true;
            }
        }
        if !expired && entry.is_last_failure() && self.parameters_changed(entry) {
            clear = true;
        }
        if clear {
            let action = self.clear_fail_count(rsc, node);
            if self.fences()
                && self.rsc(rsc).reconnect_ms > 0
                && let Some(remote) = self.cluster.find_node(&self.rsc(rsc).id)
            {
                let fencing = self.fencing_action(remote, None, true, None, false);
                self.order_actions(fencing, action, crate::model::OrderFlags::FIRST_IMPLIES_THEN);
            }
        }
        if expired && entry.is_probe() {
            // What a probe found out does not expire.
            const FINDINGS: [i64; 5] =
                [OCF_OK, OCF_NOT_RUNNING, OCF_RUNNING_PROMOTED, OCF_DEGRADED, OCF_DEGRADED_PROMOTED];
            expired = !FINDINGS.contains(&entry.exit);
        }
        expired
    }

    /// The failed monitor of a remote connection counts until the remote node was fenced.
    fn ignores_failure_timeout(&self, entry: &Entry) -> bool {
        self.rsc(entry.rsc).reconnect_ms > 0
            && self.fences()
            && entry.interval_ms != 0
            && entry.task.eq_ignore_ascii_case("monitor")
            && self
                .cluster
                .find_node(&self.rsc(entry.rsc).id)
                .is_some_and(|remote| !self.node(remote).is(NodeFlags::REMOTE_FENCED))
    }

    fn parameters_changed(&mut self, entry: &Entry) -> bool {
        if !matches!(entry.task, "start" | "monitor") {
            return false;
        }
        let Entry { rsc, node, xml, .. } = *entry;
        if self.follows_container(rsc) {
            self.deferred_checks.push(DeferredCheck { rsc, node, entry: xml, about: About::Failure });
            return false;
        }
        matches!(self.compare_digest(rsc, xml, node), Verdict::Restart | Verdict::Mismatch)
    }

    /// Reads the result as it is meant: what was expected is a success, probes only look, degraded is a success.
    fn interpret(&mut self, entry: &mut Entry, on_fail: &mut OnFail, expired: bool) {
        let (rsc, node) = (entry.rsc, entry.node);
        let effective = match entry.exit {
            OCF_DEGRADED => OCF_OK,
            OCF_DEGRADED_PROMOTED => OCF_RUNNING_PROMOTED,
            other => other,
        };
        if effective != entry.exit {
            entry.exit = effective;
            if !expired && (!self.node(node).is(NodeFlags::SHUTDOWN) || self.node(node).online()) {
                self.record_failure(entry);
            }
        }
        if entry.masks_failed_probe(entry.status, entry.exit) && !self.is_bundled(rsc) {
            (entry.status, entry.exit) = (DONE, OCF_NOT_RUNNING);
        }
        match entry.status {
            DONE | ERROR => {}
            NO_FENCE_DEVICE | NO_SECRETS => {
                entry.status = ERROR_HARD;
                return;
            }
            _ => return,
        }
        let probe = entry.is_probe();
        entry.status = if entry.expected >= 0 && entry.exit == entry.expected { DONE } else { ERROR };
        match entry.exit {
            OCF_OK => {
                if probe && entry.expected == OCF_NOT_RUNNING {
                    entry.status = DONE;
                }
            }
            OCF_NOT_RUNNING => {
                if probe || entry.expected == entry.exit || !self.is(rsc, RscFlags::MANAGED) {
                    entry.status = DONE;
                    self.rsc_mut(rsc).role = Role::Stopped;
                    // Whatever failed before: it does not run, so there is nothing to recover.
                    *on_fail = OnFail::Ignore;
                    self.set_next_role(rsc, Role::Unknown);
                }
            }
            OCF_RUNNING_PROMOTED => {
                if probe && entry.exit != entry.expected {
                    entry.status = DONE;
                }
                if !expired || entry.exit == entry.expected {
                    self.rsc_mut(rsc).role = Role::Promoted;
                }
            }
            OCF_FAILED_PROMOTED => {
                if !expired {
                    self.rsc_mut(rsc).role = Role::Promoted;
                }
                entry.status = ERROR;
            }
            OCF_NOT_CONFIGURED => entry.status = ERROR_FATAL,
            OCF_UNIMPLEMENTED if entry.interval_ms > 0 => entry.status = NOT_SUPPORTED,
            OCF_UNIMPLEMENTED | OCF_NOT_INSTALLED | OCF_INVALID_PARAM | OCF_INSUFFICIENT_PRIVILEGES => {
                if !expired {
                    self.block_if_unrecoverable(entry);
                }
                entry.status = ERROR_HARD;
            }
            _ => {
                if entry.status == DONE {
                    entry.status = ERROR;
                }
            }
        }
    }

    /// A failed stop can only be recovered by fencing.
    fn block_if_unrecoverable(&mut self, entry: &Entry) {
        if entry.task == "stop" && !self.can_fence(entry.node) {
            self.clear_rsc(entry.rsc, RscFlags::MANAGED);
            self.set_rsc(entry.rsc, RscFlags::BLOCKED);
        }
    }

    /// Whether an expired failure is done with.
    fn take_expired(&mut self, entry: &Entry, reported: i64) -> bool {
        if reported != entry.expected && entry.masks_probe_failure() && !self.is_bundled(entry.rsc) {
            if self.rsc(entry.rsc).role <= Role::Stopped {
                self.rsc_mut(entry.rsc).role = Role::Unknown;
            }
            return true;
        }
        if entry.exit == entry.expected {
            return false;
        }
        if entry.interval_ms == 0 {
            return true;
        }
        if self.node(entry.node).online() && !self.node(entry.node).unclean() {
            // The monitor must run anew for the cluster to learn whether the failure lasts.
            self.expired_operations.insert(entry.xml);
            return true;
        }
        false
    }

    fn mask_probe_failure(&mut self, entry: &Entry, last_failure: Option<Element>, on_fail: &mut OnFail) {
        let banned = if self.is(entry.rsc, RscFlags::UNIQUE) { entry.rsc } else { self.top(entry.rsc) };
        self.update_state(entry, entry.expected, last_failure, on_fail);
        self.record_failure(entry);
        let source = Source::Failure(format!("{}: the agent cannot be used there", entry.key));
        self.add_score(banned, Some(entry.node), -INFINITY, source);
    }

    fn record_failure(&mut self, entry: &Entry) {
        let Some((resource, _)) = entry.key.rsplit_once('_').and_then(|(rest, _)| rest.rsplit_once('_')) else {
            return;
        };
        let failed = FailedOperation {
            resource: resource.to_owned(),
            node: entry.node,
            operation: entry.task.to_owned(),
            interval_ms: entry.interval_ms,
            rc: entry.as_written.exit().unwrap_or(entry.exit) as i32,
            masked_probe: entry.masks_probe_failure(),
        };
        let known = |other: &FailedOperation| {
            (other.node, &other.resource, &other.operation, other.interval_ms)
                == (failed.node, &failed.resource, &failed.operation, failed.interval_ms)
        };
        if self.node(entry.node).online() && !self.cluster.failed.iter().any(known) {
            self.cluster.failed.push(failed);
        }
    }

    /// A resource that is known to run has the lowest active role unless something says more.
    pub fn set_active_role(&mut self, rsc: RscId) {
        let promotable = self.is(self.top(rsc), RscFlags::PROMOTABLE);
        self.rsc_mut(rsc).role = if promotable { Role::Unpromoted } else { Role::Started };
    }

    fn take_failure(
        &mut self,
        entry: &Entry,
        strategy: OnFail,
        fail_role: Role,
        last_failure: &mut Option<Element>,
        on_fail: &mut OnFail,
    ) {
        let (rsc, node) = (entry.rsc, entry.node);
        *last_failure = Some(entry.xml);
        if self.cluster.options.symmetric || entry.exit != OCF_NOT_INSTALLED {
            self.record_failure(entry);
        }
        *on_fail = strategy.max(*on_fail);
        match entry.task {
            "stop" => {
                self.add_score(rsc, Some(node), -INFINITY, Source::Failure("it could not be stopped there".into()));
            }
            "migrate_to" => self.take_migrate_to_failure(rsc, node, entry.xml),
            "migrate_from" => self.take_migrate_from_failure(rsc, node, entry.xml),
            "promote" => self.rsc_mut(rsc).role = Role::Promoted,
            "demote" => {
                if strategy == OnFail::Block {
                    self.rsc_mut(rsc).role = Role::Promoted;
                    self.set_next_role(rsc, Role::Stopped);
                } else if entry.exit == OCF_NOT_RUNNING {
                    self.rsc_mut(rsc).role = Role::Stopped;
                } else {
                    self.rsc_mut(rsc).role = Role::Unpromoted;
                }
            }
            _ => {}
        }
        if entry.is_probe() && entry.exit == OCF_NOT_INSTALLED {
            self.rsc_mut(rsc).role = Role::Stopped;
        } else if self.rsc(rsc).role < Role::Started {
            self.set_active_role(rsc);
        }
        if fail_role != Role::Started && self.rsc(rsc).next_role < fail_role {
            self.set_next_role(rsc, fail_role);
        }
        if fail_role == Role::Stopped {
            let top = self.top(rsc);
            let banned = if self.rsc(top).is_anonymous_clone() && top != rsc { top } else { rsc };
            self.ban_everywhere(banned, Source::Failure(format!("{} with on-fail=stop", entry.key)));
        }
    }

    fn update_state(&mut self, entry: &Entry, exit: i64, last_failure: Option<Element>, on_fail: &mut OnFail) {
        let rsc = entry.rsc;
        let mut clears = false;
        if exit == OCF_NOT_INSTALLED || (entry.masks_probe_failure() && !self.is_bundled(rsc)) {
            self.rsc_mut(rsc).role = Role::Stopped;
        } else if exit == OCF_NOT_RUNNING {
            clears = true;
        } else {
            match entry.task {
                "monitor" => {
                    clears = last_failure.is_some_and(|failure| self.recorded(failure).key() == entry.key);
                    if self.rsc(rsc).role < Role::Started {
                        self.set_active_role(rsc);
                    }
                }
                "start" | "migrate_from" => {
                    self.rsc_mut(rsc).role = Role::Started;
                    clears = true;
                }
                "stop" => {
                    self.rsc_mut(rsc).role = Role::Stopped;
                    clears = true;
                }
                "promote" => {
                    self.rsc_mut(rsc).role = Role::Promoted;
                    clears = true;
                }
                "demote" => {
                    clears = *on_fail == OnFail::Demote;
                    self.rsc_mut(rsc).role = Role::Unpromoted;
                }
                "migrate_to" => self.take_migrate_to(rsc, entry.node, entry.xml),
                _ => {
                    if self.rsc(rsc).role < Role::Started {
                        self.set_active_role(rsc);
                    }
                }
            }
        }
        if !clears {
            return;
        }
        match *on_fail {
            OnFail::Stop | OnFail::Ban | OnFail::Standby | OnFail::Fence => {}
            OnFail::ResetRemote if self.rsc(rsc).reconnect_ms != 0 => {}
            _ => {
                *on_fail = OnFail::Ignore;
                self.set_next_role(rsc, Role::Unknown);
            }
        }
    }

    /// Whether the last failure of this operation is newer than this entry.
    fn failure_is_newer(&self, entry: &Entry, last_failure: Option<Element>) -> bool {
        let Some(failure) = last_failure else { return false };
        if self.attr(failure, "operation") != Some(entry.task)
            || self.number(failure, "interval") != Some(i64::from(entry.interval_ms))
        {
            return false;
        }
        match (self.number(entry.xml, "last-rc-change"), self.number(failure, "last-rc-change")) {
            (Some(this), Some(failed)) => failed >= this,
            _ => false,
        }
    }

    fn take_pending(&mut self, entry: &Entry, last_failure: Option<Element>) {
        if self.failure_is_newer(entry, last_failure) {
            return;
        }
        let (rsc, node) = (entry.rsc, entry.node);
        match entry.task {
            "start" => {
                self.set_rsc(rsc, RscFlags::START_PENDING);
                self.set_active_role(rsc);
            }
            "promote" => self.rsc_mut(rsc).role = Role::Promoted,
            "migrate_to" if self.node(node).unclean() => {
                // The target may have got it: it must be stopped there.
                let target = self.attr(entry.xml, "migrate_target").and_then(|name| self.cluster.find_node(name));
                if let Some(target) = target {
                    self.stop_action(rsc, target, false);
                }
            }
            _ => {}
        }
        let resource = self.rsc_mut(rsc);
        if resource.pending_action.is_none() && !entry.is_probe() {
            resource.pending_action = Some(entry.task.to_owned());
            resource.pending_node = Some(node);
        }
    }

    /// What the configuration says about a failure of an operation.
    fn failure_handling(&mut self, rsc: RscId, node: NodeId, task: &str, interval_ms: u32) -> (OnFail, Role) {
        let config = self.operation_config(rsc, task, interval_ms, true);
        let meta = self.operation_meta(rsc, Some(node), task, interval_ms, config);
        let on_fail = self.on_fail(rsc, task, interval_ms, meta.get("on-fail"));
        (on_fail, self.role_after_failure(rsc, task, on_fail))
    }

    /// Whether an `<op>` is switched on; what is no boolean counts as on.
    pub fn is_enabled(&self, op: Element) -> bool {
        self.attr(op, "enabled").and_then(boolean::parse).unwrap_or(true)
    }
}
