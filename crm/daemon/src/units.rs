//! Operations of units, class `systemd`: each a task that waits for systemd's answer and can be signalled like a process.
//! What a unit's state means is in the crate `systemd`.

use executor::{End, Output, Signal};
use systemd::{Answer, BusError, Systemd, UnitName};
use tokio::sync::{mpsc, oneshot};

use crate::processes::Asked;

/// Asks systemd; the second value waits for what becomes of it.
pub fn ask(systemd: &Systemd, unit: UnitName, action: &str) -> (Asked, impl Future<Output = End> + Send + 'static) {
    let (asked, told) = Asked::new();
    let (systemd, action) = (systemd.clone(), action.to_owned());
    (asked, async move { wait(&systemd, &unit, &action, told).await })
}

async fn wait(systemd: &Systemd, unit: &UnitName, action: &str, mut told: mpsc::Receiver<Signal>) -> End {
    let (say_where, end) = oneshot::channel();
    let answer = systemd.carry_out(unit, action, end);
    tokio::pin!(answer);
    let mut say_where = Some(say_where);
    loop {
        tokio::select! {
            answer = &mut answer => return answered(answer),
            signal = told.recv() => match (signal, say_where.take()) {
                // It may have its answer this very moment.
                (Some(Signal::Term), Some(say_where)) => drop(say_where.send(())),
                _ => {
                    let reason = format!("systemd does not answer about {unit}");
                    return End::NotStarted { reason, missing: false };
                }
            },
        }
    }
}

/// A unit's answer, as an agent would have given it.
pub(crate) fn answered(answer: Result<Answer, BusError>) -> End {
    match answer {
        Ok(Answer { code, reason }) => {
            let stderr = if reason.is_empty() { reason } else { format!("{}{reason}", ocf::EXIT_REASON_PREFIX) };
            End::Exited { code: code.code().into(), output: Output { stdout: String::new(), stderr } }
        }
        Err(error) => {
            let missing = matches!(error, BusError::NoSystemd);
            End::NotStarted { reason: format!("{:#}", anyhow::Error::new(error)), missing }
        }
    }
}
