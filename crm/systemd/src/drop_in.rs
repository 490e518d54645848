//! The file by which a unit belongs to the cluster while it runs: systemd does not start it again by itself, and on the
//! way down stops the resource manager first, which stops the unit in its turn. When it is read is decided here too:
//! reading all unit files anew is dear, so operations that come together share one reload.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::UnitName;
use crate::bus::{Bus, BusError};

/// Where systemd looks for what lasts until the next boot.
const DIRECTORY: &str = "/run/systemd/system";
/// Behind the files of packages, before most of an administrator's own.
const FILE: &str = "50-systole.conf";

/// Which changes systemd has read.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    read: u64,
}

/// How many changes of files there were. It is one for all connections: a reload counts for the host.
static CHANGES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn text(unit: &UnitName) -> String {
    let service = if unit.is_service() { "\n[Service]\nRestart=no\n" } else { "" };
    format!(
        "# Written by systoled while the cluster runs this unit, and removed when it has stopped it.\n\
         [Unit]\nBefore=systoled.service pacemaker.service\n{service}"
    )
}

fn path(unit: &UnitName) -> PathBuf {
    PathBuf::from(DIRECTORY).join(format!("{unit}.d")).join(FILE)
}

/// Puts the file there and has systemd read it.
pub(crate) async fn put(bus: &Bus, unit: &UnitName) -> Result<Result<(), io::Error>, BusError> {
    let (path, text) = (path(unit), text(unit));
    if fs::read_to_string(&path).is_ok_and(|found| found == text) {
        return Ok(Ok(()));
    }
    let written =
        fs::create_dir_all(path.parent().expect("it lies in a directory")).and_then(|()| fs::write(&path, text));
    if let Err(error) = written {
        return Ok(Err(error));
    }
    reload(bus).await.map(Ok)
}

/// Takes the file away and has systemd notice; that there was none is as good.
pub(crate) async fn remove(bus: &Bus, unit: &UnitName) -> Result<(), BusError> {
    let path = path(unit);
    if fs::remove_file(&path).is_err() {
        return Ok(());
    }
    // An administrator's own files may lie beside it; then it stays.
    let _ = path.parent().map(fs::remove_dir);
    reload(bus).await
}

async fn reload(bus: &Bus) -> Result<(), BusError> {
    use std::sync::atomic::Ordering::SeqCst;
    let mine = CHANGES.fetch_add(1, SeqCst) + 1;
    let mut reloads = bus.reloads.lock().await;
    if reloads.read >= mine {
        return Ok(());
    }
    // All that was changed up to here is read by the reload that begins now.
    let up_to = CHANGES.load(SeqCst);
    bus.reload().await?;
    reloads.read = up_to;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_are_told_not_to_start_again() {
        let of = |name| text(&UnitName::new(name).unwrap());
        assert!(of("web").contains("[Service]\nRestart=no\n") && of("web").contains("Before=systoled.service"));
        assert!(!of("srv.mount").contains("[Service]") && of("srv.mount").contains("[Unit]"));
        assert_eq!(
            path(&UnitName::new("web").unwrap()),
            PathBuf::from("/run/systemd/system/web.service.d/50-systole.conf")
        );
    }
}
