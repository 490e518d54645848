//! The quorum device votes on every node, or there is none.

use corosync_conf::{Model, Severity};
use wire::host::Unit;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let model = Model::of(seen.conf);
    let configured = model.quorum.device.is_some();
    let host = crate::conf::device::host_of(seen.conf).unwrap_or_default();
    let engines = seen.known.iter().filter_map(|(name, about)| Some((name, about, about.engine.as_ref()?)));
    for (name, about, engine) in engines {
        let runs = about.units.iter().any(|state| state.unit == Unit::Qdevice && state.active);
        let finding = |severity, message: &str| Finding::new("device", severity, message).on(name);
        match (&engine.device, configured) {
            (None, true) => found.push(
                finding(Severity::Error, "its Corosync has no quorum device, and the configuration has one")
                    .because(match runs {
                        true => "corosync-qdevice runs there and did not register",
                        false => "corosync-qdevice does not run there: without it the node lacks the device's votes",
                    })
                    .remedy("`systole cluster start NODE`; `journalctl -u corosync-qdevice` says why it ended"),
            ),
            (Some(_), false) => found.push(
                finding(Severity::Warning, "its Corosync has a quorum device that the configuration does not have")
                    .because("corosync-qdevice was not stopped when the device was removed")
                    .remedy("stop corosync-qdevice.service there"),
            ),
            (Some(device), true) if !device.alive => found.push(
                finding(Severity::Error, "its quorum device is silent")
                    .because("corosync-qdevice is registered with Corosync and does not answer it in time")
                    .remedy("`journalctl -u corosync-qdevice` there"),
            ),
            // Of two halves that do not hear each other one is meant to be without the vote.
            (Some(device), true) if !device.casts && engine.nodes.iter().all(|node| node.member) => found.push(
                finding(Severity::Error, "the witness is lost: the quorum device gives it no votes")
                    .because(format!(
                        "all nodes are members, and QNetd at {host} does not vote for them: it does not run, cannot be \
                         reached at its TCP port, or does not take the certificate"
                    ))
                    .remedy("`systemctl status corosync-qnetd` on its host; `corosync-qdevice-tool -s -v` here"),
            ),
            _ => {}
        }
    }
}
