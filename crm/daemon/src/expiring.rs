//! Changes that end by themselves: the coordinator's daemon asks its own node to write what the crate `expiring` says is
//! due, as any tool would. A wish that cannot be written now, for want of quorum, is asked again.

use std::time::{Duration, Instant};

use cib::{Cib, patch};
use expiring::due;
use node::ClientId;
use wire::Request;
use wire::write::{AuthorForm, ExpectedForm, WriteForm};

/// Who asks: connections count from 1.
pub const OWN: ClientId = ClientId(0);
/// When a write has not changed anything, how soon it is asked for again.
const AGAIN: Duration = Duration::from_secs(10);
/// The longest sleep towards an end: a wall clock may be set meanwhile.
const LONGEST: Duration = Duration::from_secs(60);

/// What ends, as far as it is known.
#[derive(Debug, Default)]
pub struct Expiring {
    /// Of which configuration: looked through once.
    version: Option<(u64, u64)>,
    /// When the next thing ends, in seconds since 1970.
    next: Option<i64>,
    /// Not to be asked again before.
    again: Option<Instant>,
}

/// What is to be written, and what it does.
#[derive(Debug)]
pub struct Asked {
    /// For the node.
    pub request: Request,
    /// For the operator.
    pub told: Vec<String>,
}

impl Expiring {
    /// Another node sees to it.
    pub fn forget(&mut self) {
        *self = Expiring::default();
    }

    /// When to look again; `unix` is the time now.
    pub fn wake(&self, unix: i64, now: Instant) -> Option<Instant> {
        let next = self.next?;
        let sleep = Duration::from_secs(u64::try_from(next.saturating_sub(unix)).unwrap_or(0)).min(LONGEST);
        Some((now + sleep).max(self.again.unwrap_or(now)))
    }

    /// What is due now.
    pub fn due(&mut self, cib: &Cib, host: &str, unix: i64, now: Instant) -> Option<Asked> {
        let version = cib.version();
        let version = (version.admin_epoch, version.epoch);
        if self.version != Some(version) {
            *self = Expiring { version: Some(version), next: due::next(cib.document(), unix), again: None };
        }
        if self.next.is_none_or(|next| next > unix) || self.again.is_some_and(|again| again > now) {
            return None;
        }
        let first = self.again.is_none();
        self.again = Some(now + AGAIN);
        let Some(settled) = due::settle(cib.document(), unix) else {
            self.next = due::next(cib.document(), unix).filter(|next| *next > unix);
            return None;
        };
        let told: Vec<String> = settled.outcomes.iter().map(ToString::to_string).collect();
        let write = WriteForm::Configure {
            patch: patch::diff(cib.document(), &settled.cib).changes.into_iter().map(Into::into).collect(),
            expected: Some(ExpectedForm::Configuration(version.0, version.1)),
            author: AuthorForm { user: "systoled".into(), host: host.to_owned(), command: told.join("; "), at: unix },
        };
        let told = if first { told } else { Vec::new() };
        Some(Asked { request: Request::Write { write, force: false }, told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expiring::{Kind, mark};

    fn cib() -> Cib {
        let before = Cib::fresh("x");
        let mut after = before.document().clone();
        let nodes = after.descend(&["configuration", "nodes"]).unwrap();
        after.set(nodes, "description", "x");
        mark::add(before.document(), &mut after, Kind::Trial, 100, "systole apply").unwrap();
        Cib::new(after).unwrap()
    }

    #[test]
    fn it_is_asked_for_at_its_time_and_then_now_and_again() {
        let (cib, now) = (cib(), Instant::now());
        let mut expiring = Expiring::default();
        assert!(expiring.due(&cib, "one", 40, now).is_none());
        assert_eq!(expiring.wake(40, now), Some(now + LONGEST));
        assert_eq!(expiring.wake(90, now), Some(now + Duration::from_secs(10)));
        let asked = expiring.due(&cib, "one", 100, now).unwrap();
        assert!(asked.told[0].contains("nobody confirmed it in time"), "{asked:?}");
        let Request::Write { write: WriteForm::Configure { author, .. }, force: false } = &asked.request else {
            panic!()
        };
        assert_eq!((author.user.as_str(), author.host.as_str()), ("systoled", "one"));
        assert!(expiring.due(&cib, "one", 101, now).is_none());
        assert_eq!(expiring.wake(101, now), Some(now + AGAIN));
        let again = expiring.due(&cib, "one", 110, now + AGAIN).unwrap();
        let patch = |asked: &Asked| match &asked.request {
            Request::Write { write: WriteForm::Configure { patch, .. }, .. } => patch.clone(),
            other => panic!("{other:?}"),
        };
        assert!(again.told.is_empty() && patch(&again) == patch(&asked));
        expiring.forget();
        assert_eq!(expiring.wake(110, now), None);
        assert!(expiring.due(&Cib::fresh("x"), "one", 110, now).is_none());
    }
}
