//! The same files everywhere, and the shared key for root alone.

use std::collections::BTreeSet;

use corosync_conf::{Model, Severity};
use wire::host::{FileState, HostFile};

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let encrypted = seen.conf.value(&["totem", "crypto_cipher"]).is_some_and(|entry| entry.value != "none")
        || seen.conf.value(&["totem", "secauth"]).is_some_and(|entry| entry.value == "on");
    let device = Model::of(seen.conf).quorum.device.is_some() && crate::conf::device::is_encrypted(seen.conf);
    for file in [HostFile::CorosyncConf, HostFile::Authkey, HostFile::QdeviceKeys] {
        let state = |files: &Vec<FileState>| files.iter().find(|state| state.file == file).cloned();
        let states: Vec<(&String, Option<FileState>)> =
            seen.known.iter().map(|(host, about)| (host, state(&about.files))).collect();
        let sums: BTreeSet<&str> =
            states.iter().filter_map(|(_, state)| Some(state.as_ref()?.sha256.as_str())).collect();
        // What an earlier device left is of no use to anybody, and of no harm.
        if sums.len() > 1 && (device || file != HostFile::QdeviceKeys) {
            let line = |(host, state): &(&String, Option<FileState>)| {
                let sum = &state.as_ref()?.sha256;
                Some(format!("{host} {}", sum.get(..12).unwrap_or(sum)))
            };
            let list: Vec<String> = states.iter().filter_map(line).collect();
            found.push(
                Finding::new("files", Severity::Error, format!("the hosts have different files {}", file.called()))
                    .because(format!("SHA-256: {}", list.join(", ")))
                    .remedy(
                        "look at them, then `systole cluster sync` on the host that has the right one gives it to all",
                    ),
            );
        }
        let (needed, service) = match file {
            HostFile::CorosyncConf => (true, "Corosync"),
            HostFile::QdeviceKeys => (device, "corosync-qdevice"),
            _ => (encrypted, "Corosync"),
        };
        for (host, _) in states.iter().filter(|(_, state)| state.is_none() && needed) {
            found.push(
                Finding::new(
                    "files",
                    Severity::Error,
                    match file {
                        HostFile::QdeviceKeys => format!("there are no {}", file.called()),
                        _ => format!("there is no {}", file.called()),
                    },
                )
                .on(host)
                .because(format!("{service} does not start without it"))
                .remedy("`systole cluster sync` on a host that has it"),
            );
        }
        for (host, state) in &states {
            let Some(state) = state.as_ref().filter(|state| file == HostFile::Authkey && state.mode & 0o077 != 0)
            else {
                continue;
            };
            found.push(
                Finding::new("files", Severity::Warning, "the authkey can be read by others than root")
                    .on(host)
                    .because(format!("its mode is {:o}; who has it can send messages as a node", state.mode))
                    .remedy("chmod 400 /etc/corosync/authkey"),
            );
        }
    }
}
