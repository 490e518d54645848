//! Whether the token's time bears what the last probe measured, and a watchdog the wait that is kept for it.

use corosync_conf::{Model, Severity};

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let token = Model::of(seen.conf).timing().token;
    if let Some(figures) = seen.figures.filter(|figures| figures.cover(&seen.nodes()))
        && figures.needs() > token
    {
        found.push(
            Finding::new("timing", Severity::Warning, "a host that pauses as was measured is taken for lost")
                .because(figures.against(token))
                .remedy(format!(
                    "`systole cluster config update totem token={}`, or look for what stops the host; `systole cluster \
                     probe --soak 10m` measures again",
                    figures.needs()
                )),
        );
    }
    let Some(wait) = seen.configured.and_then(|configured| configured.watchdog_wait_ms).filter(|wait| *wait > 0) else {
        return;
    };
    if wait < token {
        found.push(
            Finding::new("timing", Severity::Error, "a watchdog is relied on before the others miss its host")
                .because(format!("stonith-watchdog-timeout is {wait} ms, the token's time {token} ms"))
                .remedy("give stonith-watchdog-timeout twice the watchdog's own time, which has to be longer than the token's"),
        );
    }
}
