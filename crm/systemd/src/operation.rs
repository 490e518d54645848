//! Start, stop, monitor and watch of one unit, and what systemd's words for their failures mean in OCF's.
//! Nothing here waits by time: each wait ends with a signal, and whoever asked for it bounds it.

use std::time::Duration;

use ocf::ExitCode;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use zbus::OwnedObjectPath;

use crate::Answer;
use crate::bus::{Bus, BusError, INVALID_ARGUMENTS, Signal};
use crate::drop_in;
use crate::unit::{Meaning, State, UnitName};

/// What a unit that systemd cannot load is called in its errors.
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
const LOAD_FAILED: &str = "org.freedesktop.systemd1.LoadFailed";
const MASKED: &str = "org.freedesktop.systemd1.UnitMasked";

/// How long an operation that was told to end may take to say where the unit stands: the bus may be what hangs.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// Carries an action out.
pub(crate) async fn carry_out(bus: &Bus, unit: &UnitName, action: &str) -> Result<Answer, BusError> {
    match action {
        "start" => start(bus, unit).await,
        "stop" => stop(bus, unit).await,
        "monitor" | "status" => monitor(bus, unit).await,
        other => Ok(Answer::new(
            ExitCode::Unimplemented,
            format!("a unit of systemd has no action {other}; it has start, stop and monitor"),
        )),
    }
}

/// The unit's object and how it stands; `None` when there can be no such unit.
pub(crate) async fn look(bus: &Bus, unit: &UnitName) -> Result<Option<(OwnedObjectPath, State)>, BusError> {
    let path = match bus.load(unit.as_str()).await {
        Ok(path) => path,
        Err(error) if is_no_unit(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let state = bus.state(&path).await?;
    Ok(Some((path, state)))
}

fn is_no_unit(error: &BusError) -> bool {
    matches!(error.name(), Some(NO_SUCH_UNIT | LOAD_FAILED | INVALID_ARGUMENTS))
}

fn not_installed(unit: &UnitName) -> Answer {
    let reason = format!("systemd has no unit {unit}: install the package it comes from, on this node too");
    Answer::new(ExitCode::NotInstalled, reason)
}

async fn monitor(bus: &Bus, unit: &UnitName) -> Result<Answer, BusError> {
    let mut signals = bus.signals();
    let Some((path, _)) = look(bus, unit).await? else { return Ok(Answer::new(ExitCode::NotRunning, "")) };
    let state = settled(bus, &path, &mut signals).await?;
    Ok(match state.meaning() {
        Meaning::Active => Answer::new(ExitCode::Ok, ""),
        _ if state.active == "failed" => {
            let why = failure(bus, &path).await;
            Answer::new(ExitCode::NotRunning, format!("{unit} has failed{why}"))
        }
        _ => Answer::new(ExitCode::NotRunning, ""),
    })
}

async fn start(bus: &Bus, unit: &UnitName) -> Result<Answer, BusError> {
    // Of a unit that ended at once systemd would know nothing any more when it is asked why; that it could not be held
    // costs no more than that.
    let held = bus.hold(unit.as_str()).await.is_ok();
    let answer = start_held(bus, unit).await;
    if held {
        bus.release(unit.as_str()).await?;
    }
    answer
}

async fn start_held(bus: &Bus, unit: &UnitName) -> Result<Answer, BusError> {
    let Some((path, state)) = look(bus, unit).await? else { return Ok(not_installed(unit)) };
    match state.load.as_str() {
        "not-found" => return Ok(not_installed(unit)),
        "masked" => return Ok(masked(unit)),
        _ => {}
    }
    if let Err(error) = drop_in::put(bus, unit).await? {
        let reason = format!("telling systemd that the cluster runs {unit}, by a file in /run/systemd/system: {error}");
        return Ok(Answer::new(ExitCode::Error, reason));
    }
    if state.active == "failed" {
        // How often it may be tried is for the cluster to say, which counts failures; systemd would refuse at some
        // point. That it could not forget costs at most this start.
        let _ = bus.reset_failed(unit.as_str()).await;
    }
    let mut signals = bus.signals();
    let result = match bus.begin("StartUnit", unit.as_str()).await {
        Ok(job) => job_result(bus, &job, &mut signals).await?,
        Err(error) => return refused(bus, unit, error).await,
    };
    let state = settled(bus, &path, &mut signals).await?;
    if state.meaning() == Meaning::Active {
        return Ok(Answer::new(ExitCode::Ok, ""));
    }
    let why = match result.as_deref() {
        Some("dependency") => ": a unit that it requires could not be started".to_owned(),
        Some("canceled") => ": somebody else stopped it meanwhile".to_owned(),
        Some("done") if state.active == "inactive" => did_nothing(bus, &path).await,
        _ => failure(bus, &path).await,
    };
    // It never came to run as the cluster's; what is left of it is systemd's own again.
    drop_in::remove(bus, unit).await?;
    Ok(Answer::new(ExitCode::Error, format!("{unit} did not start{why}; see `systemctl status {unit}`")))
}

async fn stop(bus: &Bus, unit: &UnitName) -> Result<Answer, BusError> {
    // What systemd does not know does not run; what was never installed cannot keep a node from being left.
    let Some((path, state)) = look(bus, unit).await? else { return Ok(Answer::new(ExitCode::Ok, "")) };
    let mut result = None;
    let mut state = state;
    if state.meaning() != Meaning::Stopped {
        let mut signals = bus.signals();
        result = match bus.begin("StopUnit", unit.as_str()).await {
            Ok(job) => job_result(bus, &job, &mut signals).await?,
            Err(error) if is_no_unit(&error) => None,
            Err(error) => return refused(bus, unit, error).await,
        };
        state = settled(bus, &path, &mut signals).await?;
    }
    if state.meaning() != Meaning::Stopped {
        let how = result.map_or(String::new(), |result| format!(", the job to stop it is {result}"));
        return Ok(Answer::new(
            ExitCode::Error,
            format!("{unit} is still {state}{how}; see `systemctl status {unit}`"),
        ));
    }
    drop_in::remove(bus, unit).await?;
    Ok(Answer::new(ExitCode::Ok, ""))
}

/// Where the unit stands when its time is over.
pub(crate) async fn interrupted(bus: &Bus, unit: &UnitName) -> Answer {
    let looked = tokio::time::timeout(LAST_LOOK, look(bus, unit)).await;
    let reason = match looked {
        Ok(Ok(Some((_, state)))) => format!("{unit} is {state}; what systemd has begun goes on"),
        Ok(Ok(None)) => format!("systemd has no unit {unit}"),
        Ok(Err(error)) => format!("{unit}: {error}"),
        Err(_) => format!("systemd does not say how {unit} stands"),
    };
    Answer::new(ExitCode::Error, reason)
}

/// Waits until a unit is active no longer, and gives what a monitor finds then.
pub(crate) async fn watch(bus: &Bus, unit: &UnitName, armed: impl AsyncFnOnce()) -> Result<Answer, BusError> {
    let mut signals = bus.signals();
    let looked = look(bus, unit).await?;
    // Also where it does not run: it did a moment ago, or nobody would watch it.
    armed().await;
    if let Some((path, mut state)) = looked {
        while state.meaning() == Meaning::Active {
            changed(&path, &mut signals).await?;
            state = bus.state(&path).await?;
        }
    }
    monitor(bus, unit).await
}

/// The state of a unit, as soon as it is on its way nowhere.
async fn settled(bus: &Bus, path: &OwnedObjectPath, signals: &mut Receiver<Signal>) -> Result<State, BusError> {
    loop {
        let state = bus.state(path).await?;
        if state.meaning() != Meaning::Between {
            return Ok(state);
        }
        changed(path, signals).await?;
    }
}

/// Waits until the unit may stand otherwise.
async fn changed(path: &OwnedObjectPath, signals: &mut Receiver<Signal>) -> Result<(), BusError> {
    loop {
        match signals.recv().await {
            Ok(Signal::Changed { unit }) if unit == path.as_str() => return Ok(()),
            Ok(_) => {}
            // Some were missed: this may have been among them.
            Err(RecvError::Lagged(_)) => return Ok(()),
            Err(RecvError::Closed) => return Err(BusError::Lost),
        }
    }
}

/// How a job ended; `None` when that was missed.
async fn job_result(
    bus: &Bus,
    wanted: &OwnedObjectPath,
    signals: &mut Receiver<Signal>,
) -> Result<Option<String>, BusError> {
    loop {
        match signals.recv().await {
            Ok(Signal::JobRemoved { job, result }) if job == wanted.as_str() => return Ok(Some(result)),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) if !bus.has_job(wanted).await => return Ok(None),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err(BusError::Lost),
        }
    }
}

fn masked(unit: &UnitName) -> Answer {
    let reason = format!("{unit} is masked, so systemd refuses to start it: `systemctl unmask {unit}`");
    Answer::new(ExitCode::Error, reason)
}

/// systemd did not even begin.
async fn refused(bus: &Bus, unit: &UnitName, error: BusError) -> Result<Answer, BusError> {
    let answer = match error.name() {
        _ if is_no_unit(&error) => not_installed(unit),
        Some(MASKED) => masked(unit),
        Some(_) => {
            let said = error.said().unwrap_or("it does not say why");
            Answer::new(ExitCode::Error, format!("systemd refuses it: {said}"))
        }
        None => return Err(error),
    };
    drop_in::remove(bus, unit).await?;
    Ok(answer)
}

/// Why a unit failed, as far as systemd says; begins with what joins it to the sentence before.
async fn failure(bus: &Bus, path: &OwnedObjectPath) -> String {
    const SERVICE: &str = "org.freedesktop.systemd1.Service";
    let Ok(result) = bus.property::<String>(path, SERVICE, "Result").await else { return String::new() };
    let code = bus.property::<i32>(path, SERVICE, "ExecMainCode").await.unwrap_or(0);
    let status = bus.property::<i32>(path, SERVICE, "ExecMainStatus").await.unwrap_or(0);
    // Words of systemd.service(5) and of waitid(2): 1 exited, 2 killed, 3 killed with a core.
    match (result.as_str(), code) {
        ("success", _) => String::new(),
        ("start-limit-hit", _) => ": it was started too often (StartLimitBurst)".to_owned(),
        ("timeout", _) => ": it did not do so within the unit's own time (TimeoutStartSec, TimeoutStopSec)".to_owned(),
        (_, 1) if status != 0 => format!(": its main process exited with status {status}"),
        (_, 2 | 3) => format!(": its main process was ended by signal {status}"),
        (other, _) => format!(": result {other}"),
    }
}

/// Why a start that went well left nothing running.
async fn did_nothing(bus: &Bus, path: &OwnedObjectPath) -> String {
    let met = bus.property::<bool>(path, "org.freedesktop.systemd1.Unit", "ConditionResult").await.unwrap_or(true);
    if met {
        ": it ended at once; a unit of type oneshot needs RemainAfterExit=yes".to_owned()
    } else {
        ": a condition in its unit file does not hold on this node".to_owned()
    }
}
