//! The connection to systemd over the system's D-Bus: calls, properties, and its signals as one stream.
//! What the answers mean is left to others.

use std::num::NonZeroUsize;

use futures_util::StreamExt as _;
use futures_util::stream::select;
use tokio::sync::{Mutex, broadcast};
use zbus::message::Type;
use zbus::{Connection, DynamicType, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant};

use crate::unit::State;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";
const UNITS: &str = "/org/freedesktop/systemd1/unit";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// How the bus calls a value that cannot be, such as a name that no unit can have.
pub(crate) const INVALID_ARGUMENTS: &str = "org.freedesktop.DBus.Error.InvalidArgs";

/// Signals that a waiting operation may be behind. One that is further behind looks for itself: a host that boots has
/// some hundreds of jobs.
const SIGNALS: usize = 1024;
/// Signals between the connection's reader and ours, which does nothing but hand them on.
const QUEUE: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");

/// Why systemd cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// It is not what runs this host. Nothing was changed.
    #[error("systemd does not run this host: /run/systemd/system is not there")]
    NoSystemd,
    /// The bus is not there, or does not let us in. Nothing was changed.
    #[error("connecting to systemd over the system's D-Bus; see `systemctl status dbus.socket`")]
    Connecting(#[source] zbus::Error),
    /// The bus has gone while we waited. What was begun goes on without us.
    #[error("the connection to systemd was lost")]
    Lost,
    /// systemd answered with an error, or with something else than its interface says.
    #[error("asking systemd for {what}")]
    Asking {
        /// What was asked for.
        what: String,
        /// What came back.
        #[source]
        error: Box<zbus::Error>,
    },
}

impl BusError {
    /// The D-Bus name of systemd's error, such as `org.freedesktop.systemd1.NoSuchUnit`.
    pub fn name(&self) -> Option<&str> {
        match self {
            BusError::Asking { error, .. } => match error.as_ref() {
                zbus::Error::MethodError(name, ..) => Some(name.as_str()),
                zbus::Error::FDO(error) => {
                    matches!(**error, zbus::fdo::Error::InvalidArgs(_)).then_some(INVALID_ARGUMENTS)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// What systemd said in words.
    pub fn said(&self) -> Option<&str> {
        match self {
            BusError::Asking { error, .. } => match error.as_ref() {
                zbus::Error::MethodError(_, said, _) => said.as_deref(),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What systemd told everybody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    /// A job has ended.
    JobRemoved {
        /// Its object.
        job: String,
        /// `done`, `failed`, `canceled`, `timeout`, `dependency`, `skipped`, ….
        result: String,
    },
    /// A unit may stand otherwise now.
    Changed {
        /// Its object.
        unit: String,
    },
}

#[derive(Debug)]
pub(crate) struct Bus {
    connection: Connection,
    /// Never read from: others begin where it stands. It closes when the connection does.
    signals: broadcast::Receiver<Signal>,
    pub reloads: Mutex<crate::drop_in::Reloads>,
}

impl Bus {
    /// Connects, and has systemd send its signals.
    pub async fn connect() -> Result<Bus, BusError> {
        let connection = Connection::system().await.map_err(BusError::Connecting)?;
        let jobs = rule(MANAGER, "JobRemoved", ROOT, None).map_err(BusError::Connecting)?;
        let changes = rule(PROPERTIES, "PropertiesChanged", UNITS, Some(UNIT)).map_err(BusError::Connecting)?;
        let jobs = MessageStream::for_match_rule(jobs, &connection, Some(QUEUE)).await.map_err(BusError::Connecting)?;
        let changes =
            MessageStream::for_match_rule(changes, &connection, Some(QUEUE)).await.map_err(BusError::Connecting)?;
        let (sender, signals) = broadcast::channel(SIGNALS);
        tokio::spawn(async move {
            let mut told = select(jobs, changes);
            while let Some(Ok(message)) = told.next().await {
                if let Some(signal) = read(&message) {
                    // Nobody may wait just now.
                    let _ = sender.send(signal);
                }
            }
        });
        let bus = Bus { connection, signals, reloads: Mutex::default() };
        bus.manage::<()>("Subscribe", &()).await?;
        Ok(bus)
    }

    /// Whether the connection stands, and signals come.
    pub fn is_alive(&self) -> bool {
        !self.connection.is_closed() && !self.signals.is_closed()
    }

    /// The signals from now on.
    pub fn signals(&self) -> broadcast::Receiver<Signal> {
        self.signals.resubscribe()
    }

    /// The object of a unit, also of one that is not there.
    pub async fn load(&self, unit: &str) -> Result<OwnedObjectPath, BusError> {
        self.manage("LoadUnit", &(unit,)).await
    }

    /// Has systemd read all unit files anew.
    pub async fn reload(&self) -> Result<(), BusError> {
        self.manage("Reload", &()).await
    }

    /// Begins `StartUnit` or `StopUnit`; gives the job.
    pub async fn begin(&self, method: &'static str, unit: &str) -> Result<OwnedObjectPath, BusError> {
        // What is under way for the unit gives way: the cluster's word is the last.
        self.manage(method, &(unit, "replace")).await
    }

    /// Forgets that a unit has failed, and how often it was started of late.
    pub async fn reset_failed(&self, unit: &str) -> Result<(), BusError> {
        self.manage("ResetFailedUnit", &(unit,)).await
    }

    /// Has systemd keep what it knows of a unit, also when it runs no longer; until `release`, or we are gone.
    pub async fn hold(&self, unit: &str) -> Result<(), BusError> {
        self.manage("RefUnit", &(unit,)).await
    }

    /// systemd may forget the unit again.
    pub async fn release(&self, unit: &str) -> Result<(), BusError> {
        self.manage("UnrefUnit", &(unit,)).await
    }

    /// Whether a job is still there.
    pub async fn has_job(&self, job: &OwnedObjectPath) -> bool {
        self.property::<String>(job, "org.freedesktop.systemd1.Job", "State").await.is_ok()
    }

    /// How a unit stands.
    pub async fn state(&self, unit: &OwnedObjectPath) -> Result<State, BusError> {
        Ok(State {
            load: self.property(unit, UNIT, "LoadState").await?,
            active: self.property(unit, UNIT, "ActiveState").await?,
            sub: self.property(unit, UNIT, "SubState").await?,
        })
    }

    /// A property.
    pub async fn property<T>(&self, path: &OwnedObjectPath, interface: &str, name: &str) -> Result<T, BusError>
    where
        T: TryFrom<OwnedVariant>,
        zbus::Error: From<T::Error>,
    {
        let what = || format!("{name} of {}", path.as_str());
        let asking = |error: zbus::Error| BusError::Asking { what: what(), error: Box::new(error) };
        let body = (interface, name);
        let call = self.connection.call_method(Some(SYSTEMD), path, Some(PROPERTIES), "Get", &body);
        let reply = call.await.map_err(|error| self.lost_or(asking(error)))?;
        let value: OwnedVariant = reply.body().deserialize().map_err(asking)?;
        T::try_from(value).map_err(|error| asking(error.into()))
    }

    async fn manage<T>(
        &self,
        method: &'static str,
        body: &(impl serde::Serialize + DynamicType + Sync),
    ) -> Result<T, BusError>
    where
        T: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        let asking = |error| BusError::Asking { what: method.to_owned(), error: Box::new(error) };
        let call = self.connection.call_method(Some(SYSTEMD), ROOT, Some(MANAGER), method, body);
        let reply = call.await.map_err(|error| self.lost_or(asking(error)))?;
        reply.body().deserialize().map_err(asking)
    }

    fn lost_or(&self, error: BusError) -> BusError {
        if self.connection.is_closed() { BusError::Lost } else { error }
    }
}

fn rule(
    interface: &'static str,
    member: &'static str,
    below: &'static str,
    first: Option<&'static str>,
) -> zbus::Result<MatchRule<'static>> {
    let builder = MatchRule::builder().msg_type(Type::Signal).sender(SYSTEMD).interface(interface).member(member);
    let builder = builder.path_namespace(below);
    match first {
        Some(first) => builder.add_arg(first).build(),
        None => builder.build(),
    }
}

fn read(message: &Message) -> Option<Signal> {
    let header = message.header();
    match header.member()?.as_str() {
        "JobRemoved" => {
            let body = message.body();
            let (_, job, _, result): (u32, OwnedObjectPath, String, String) = body.deserialize().ok()?;
            Some(Signal::JobRemoved { job: job.as_str().to_owned(), result })
        }
        "PropertiesChanged" => Some(Signal::Changed { unit: header.path()?.as_str().to_owned() }),
        _ => None,
    }
}
