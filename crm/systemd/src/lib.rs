#![forbid(unsafe_code)]
//! Units of systemd as resources: started, stopped, looked at and watched over D-Bus, answered in the words of OCF.
//!
//! Nothing is polled. A job's end comes as systemd's signal `JobRemoved`, a unit's change as `PropertiesChanged`; what
//! they say is only a reason to look, so that a signal that was missed costs nothing. [`Systemd`] is the door: it
//! connects when it is first needed and again after the bus was gone. [`unit`] says what a unit is called and what its
//! state means, `operation` carries a start, stop or monitor out, `bus` is the connection, `drop_in` the file by which
//! the unit belongs to the cluster while it runs.
//!
//! How long an operation may take is the caller's business: it tells it to end, and learns where the unit stands.

mod bus;
mod drop_in;
mod operation;
pub mod unit;

use std::path::Path;
use std::sync::Arc;

use ocf::ExitCode;
use tokio::sync::{Mutex, oneshot};

use bus::Bus;
pub use bus::BusError;
pub use unit::UnitName;

/// Is there while systemd is process 1, as sd_booted(3) has it.
const BOOTED: &str = "/run/systemd/system";

/// What became of an operation, as an OCF agent would tell it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The exit status.
    pub code: ExitCode,
    /// Why, for the operator; empty when there is nothing to say.
    pub reason: String,
}

impl Answer {
    pub(crate) fn new(code: ExitCode, reason: impl Into<String>) -> Self {
        Answer { code, reason: reason.into() }
    }
}

/// systemd, as this host has it.
#[derive(Clone, Debug, Default)]
pub struct Systemd {
    bus: Arc<Mutex<Option<Arc<Bus>>>>,
}

impl Systemd {
    /// Connects to nothing yet.
    pub fn new() -> Self {
        Systemd::default()
    }

    /// Carries out `start`, `stop`, `monitor` or `status` of a unit, until it is done or `end` says that its time is
    /// over. What systemd has begun by then goes on; the answer says where the unit stands.
    ///
    /// # Errors
    /// When systemd cannot be spoken to. Whether it has begun something is not known then.
    pub async fn carry_out(
        &self,
        unit: &UnitName,
        action: &str,
        end: oneshot::Receiver<()>,
    ) -> Result<Answer, BusError> {
        let bus = self.bus().await?;
        tokio::select! {
            answer = operation::carry_out(&bus, unit, action) => answer,
            // A sender that is gone without a word has nobody left who waits.
            _ = end => Ok(operation::interrupted(&bus, unit).await),
        }
    }

    /// Waits until a unit is active no longer, which it may not be to begin with; gives what a monitor finds then.
    /// `armed` is called when nothing that happens from then on is missed.
    ///
    /// # Errors
    /// When systemd cannot be spoken to any more.
    pub async fn watch(&self, unit: &UnitName, armed: impl AsyncFnOnce()) -> Result<Answer, BusError> {
        operation::watch(&*self.bus().await?, unit, armed).await
    }

    /// Whether systemd has a unit of this name that it could start.
    ///
    /// # Errors
    /// When systemd cannot be spoken to.
    pub async fn knows(&self, unit: &UnitName) -> Result<bool, BusError> {
        let bus = self.bus().await?;
        Ok(operation::look(&bus, unit).await?.is_some_and(|(_, state)| state.is_known()))
    }

    async fn bus(&self) -> Result<Arc<Bus>, BusError> {
        let mut held = self.bus.lock().await;
        if let Some(bus) = held.as_ref().filter(|bus| bus.is_alive()) {
            return Ok(bus.clone());
        }
        if !Path::new(BOOTED).exists() {
            return Err(BusError::NoSystemd);
        }
        let bus = Arc::new(Bus::connect().await?);
        *held = Some(bus.clone());
        Ok(bus)
    }
}
