//! Whether this node may feed its watchdog. Who does not feed it dies, so this is both the last guard against a node
//! that has lost its mind and the promise on which others start what it held: a node without quorum that still runs
//! something must be dead before `stonith-watchdog-timeout` has passed for them.

use std::time::Duration;

use cib::{Cib, Element, view};
use controller::walking::relied_on_ms;

use crate::event::Now;
use crate::machine::Node;

impl Node {
    /// Whether the watchdog may be fed now; if not, why. A node without a watchdog is asked in vain.
    ///
    /// # Errors
    /// The reason, in words for the operator.
    pub fn may_feed(&self, now: Now) -> Result<(), String> {
        if let Some(reason) = &self.cut.condemned {
            return Err(reason.clone());
        }
        let cib = self.replica.cib();
        let relied_on = Duration::from_millis(relied_on_ms(cib, now.unix, || self.settings.fencing.watchdog_s));
        let policy = view::property(cib.document(), "no-quorum-policy", now.unix);
        // Nobody relies on it, or the operator wants a part without quorum to go on.
        if relied_on.is_zero() || policy == Some("ignore") {
            return Ok(());
        }
        // The history of what runs here went with the earlier daemon, and how long ago quorum was lost as well.
        if self.cut.may_run_on && !self.view.quorate {
            return Err(
                "an earlier daemon left the watchdog armed, and without quorum nobody can tell what still runs here"
                    .to_owned(),
            );
        }
        let Some(since) = self.cut.no_quorum_since else { return Ok(()) };
        let own = Duration::from_secs(self.settings.fencing.watchdog_s.unwrap_or(0));
        let patience = patience(relied_on, own);
        let without = now.monotonic.saturating_sub(since);
        if without < patience || !runs_anything(cib, &self.settings.me.name) {
            return Ok(());
        }
        Err(format!(
            "there has been no quorum for {} s and resources are still active here, which others may start {} s after \
             they lost this node",
            without.as_secs(),
            relied_on.as_secs()
        ))
    }
}

impl Node {
    /// Whether any resource may be active here, as far as history says: then nobody is to be left without a guard. Nor where
    /// history is not known.
    pub fn may_run_anything(&self) -> bool {
        self.cut.may_run_on || runs_anything(self.replica.cib(), &self.settings.me.name)
    }
}

/// How long a node without quorum is fed that has not stopped everything yet. Half of the time belongs to those who may
/// have noticed earlier; within the other half the watchdog must have fired.
fn patience(relied_on: Duration, own: Duration) -> Duration {
    (relied_on / 2).saturating_sub(own)
}

/// Whether any resource may be active on the node, as far as its history says.
fn runs_anything(cib: &Cib, node: &str) -> bool {
    let document = cib.document();
    let is = |element: &Element, name: &str, value: &str| document.attribute(*element, name) == Some(value);
    let Some(status) = document.descend(&["status"]) else { return false };
    let Some(state) = document.children_named(status, "node_state").find(|state| is(state, "uname", node)) else {
        return false;
    };
    let resources = document.child(state, "lrm").and_then(|lrm| document.child(lrm, "lrm_resources"));
    let mut resources = resources.into_iter().flat_map(|resources| document.children(resources));
    resources.any(|resource| {
        let last = format!("{}_last_0", document.id(resource));
        let stopped = document.children(resource).find(|entry| document.id(*entry) == last).is_some_and(|entry| {
            // OCF: a stop gives 0, a probe of what does not run 7.
            is(&entry, "operation", "stop") && is(&entry, "rc-code", "0")
                || is(&entry, "operation", "monitor") && is(&entry, "rc-code", "7")
        });
        !is(&resource, "class", "stonith") && !stopped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_leaves_half_of_the_time_to_others() {
        let seconds = Duration::from_secs;
        for (relied_on, own, expected) in [(20, 5, 5), (10, 5, 0), (60, 10, 20), (4, 5, 0)] {
            assert_eq!(patience(seconds(relied_on), seconds(own)), seconds(expected));
        }
    }

    #[test]
    fn what_history_says_runs() {
        let with = |class: &str, operation: &str, rc: &str| {
            let text = format!(
                "<cib><configuration/><status><node_state id='1' uname='node1'><lrm id='1'><lrm_resources>\
                 <lrm_resource id='web' class='{class}' type='x'>\
                 <lrm_rsc_op id='web_last_0' operation='{operation}' rc-code='{rc}'/>\
                 </lrm_resource></lrm_resources></lrm></node_state></status></cib>"
            );
            runs_anything(&Cib::parse(&text).unwrap(), "node1")
        };
        assert!(with("ocf", "start", "0") && with("ocf", "stop", "1") && with("ocf", "monitor", "0"));
        assert!(!with("ocf", "stop", "0") && !with("ocf", "monitor", "7") && !with("stonith", "start", "0"));
        assert!(!runs_anything(&Cib::fresh("x"), "node1"));
    }
}
