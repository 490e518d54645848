//! Fencing for the commands and the classic tool: asking the daemon for it, and what was proved of it.

pub mod levels;
pub mod proof;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use wire::stonith::{FenceOutcome, FenceRecord, StonithReply, StonithRequest, StonithView};
use wire::{OrderId, Reply, Request};

use crate::change;
use crate::client::Client;

/// How often it is looked whether a fencing is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How much longer than all devices together may take an answer is waited for.
const MARGIN: Duration = Duration::from_secs(30);

/// What a person wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The node.
    pub target: String,
    /// `reboot`, `off` or `on`.
    pub action: &'static str,
    /// What one device may take.
    pub timeout: Duration,
    /// What to wait before.
    pub delay: Duration,
    /// Who wants it, as it will stand in the history.
    pub user: String,
}

impl Wanted {
    /// With the times that count unless somebody says otherwise.
    pub fn new(target: &str, action: &'static str) -> Wanted {
        let timeout = Duration::from_secs(60);
        Wanted { target: target.into(), action, timeout, delay: Duration::ZERO, user: change::author().user }
    }
}

/// Fencing as the daemon sees it.
///
/// # Errors
/// When the connection breaks.
pub fn view(client: &mut Client) -> anyhow::Result<StonithView> {
    match client.ask(&Request::Stonith(StonithRequest::Show))? {
        Reply::Stonith(reply) => match *reply {
            StonithReply::View(view) => Ok(view),
            StonithReply::Begun(_) => bail!("systoled answered another question; are both of the same release?"),
        },
        Reply::Refused { reason, .. } => bail!("systoled does not tell of fencing: {reason}"),
        _ => bail!("systoled answered another question; are both of the same release?"),
    }
}

/// Forgets fencings that are over.
///
/// # Errors
/// When the daemon refuses.
pub fn forget(client: &mut Client, target: Option<String>) -> anyhow::Result<()> {
    match client.ask(&Request::Stonith(StonithRequest::Forget { target }))? {
        Reply::Done => Ok(()),
        Reply::Refused { reason, .. } => bail!("nothing was forgotten: {reason}"),
        _ => bail!("systoled answered another question; are both of the same release?"),
    }
}

/// Orders a fencing; the number it is known by.
///
/// # Errors
/// When the daemon refuses it. Nothing was done then.
pub fn begin(client: &mut Client, wanted: &Wanted) -> anyhow::Result<OrderId> {
    let request = StonithRequest::Fence {
        target: wanted.target.clone(),
        action: wanted.action.to_owned(),
        timeout_ms: wanted.timeout.as_millis() as u64,
        delay_ms: wanted.delay.as_millis() as u64,
        user: wanted.user.clone(),
    };
    match client.ask(&Request::Stonith(request))? {
        Reply::Stonith(reply) => match *reply {
            StonithReply::Begun(id) => Ok(id),
            StonithReply::View(_) => bail!("systoled answered another question; are both of the same release?"),
        },
        Reply::Refused { reason, .. } => bail!("nothing was done: {reason}"),
        _ => bail!("systoled answered another question; are both of the same release?"),
    }
}

/// Waits until a fencing is over. `meanwhile` is called each time before it is looked.
///
/// # Errors
/// When the daemon is gone or nothing is known of the fencing in the time it may take: whether the node was fenced is
/// not known then.
pub fn wait(
    client: &mut Client,
    wanted: &Wanted,
    id: &OrderId,
    mut meanwhile: impl FnMut(&mut Client) -> anyhow::Result<()>,
) -> anyhow::Result<FenceRecord> {
    let longest = wanted.timeout * wire::order::FENCE_ROUNDS + wanted.delay + MARGIN;
    let begun = Instant::now();
    loop {
        meanwhile(client)?;
        let view = view(client).context("waiting for the fencing, which may go on; see `systole stonith history`")?;
        let over = view.history.into_iter().find(|record| record.id == *id);
        if let Some(record) = over.filter(|record| record.outcome != FenceOutcome::Pending) {
            return Ok(record);
        }
        if begun.elapsed() > longest {
            bail!(
                "nothing is known of the fencing of {} after {} s; see `systole stonith history` and the log",
                wanted.target,
                longest.as_secs()
            );
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// A fencing in a sentence.
pub fn sentence(record: &FenceRecord) -> String {
    let FenceRecord { target, action, origin, delegate, .. } = record;
    let at = |unix| cib::date::format(unix);
    match &record.outcome {
        FenceOutcome::Pending => {
            format!("{action} of {target} under way since {} by {delegate}, for {origin}", at(record.begun))
        }
        FenceOutcome::Done(devices) if devices.is_empty() => {
            format!("{target} confirmed to be down at {} by {origin}", at(record.ended))
        }
        FenceOutcome::Done(devices) => format!(
            "{action} of {target} done at {} by {delegate} with {}, for {origin}, in {} s",
            at(record.ended),
            devices.join(", "),
            (record.ended - record.begun).max(0)
        ),
        FenceOutcome::Failed(reason) => {
            format!("{action} of {target} FAILED at {} on {delegate}, for {origin}: {reason}", at(record.ended))
        }
    }
}
