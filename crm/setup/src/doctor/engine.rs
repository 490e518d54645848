//! What Corosync runs with is what its file says.

use corosync_conf::{Model, Severity};

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let model = Model::of(seen.conf);
    let token = model.timing().token;
    let version = crate::conf::version(seen.conf);
    for (host, about) in seen.known {
        let Some(engine) = &about.engine else { continue };
        if let Some((runs, file)) = engine.config_version.zip(version).filter(|(runs, file)| runs != file) {
            found.push(
                Finding::new(
                    "engine",
                    Severity::Error,
                    format!("Corosync runs with version {runs} of the configuration, its file has {file}"),
                )
                .on(host)
                .because("a reload says that it is done also when a node refused its file")
                .remedy("`systole cluster reload`; `journalctl -u corosync` on the host says why a file was refused"),
            );
        } else if let Some(runs) = engine.token.filter(|runs| *runs != token && seen.known.len() == model.nodes.len()) {
            found.push(
                Finding::new(
                    "engine",
                    Severity::Warning,
                    format!("the token's time in force is {runs} ms, the file means {token} ms"),
                )
                .on(host)
                .because("the file was changed after Corosync read it")
                .remedy("`systole cluster reload`"),
            );
        }
    }
}
