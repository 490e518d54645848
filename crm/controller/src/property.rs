//! The cluster properties that the controller itself goes by. All others are the policy's.

use std::time::Duration;

use cib::Cib;
use cib::nvset::Values;
use cib::rule::Context;

/// The value of a cluster property.
pub fn property<'a>(cib: &'a Cib, name: &str, unix: i64) -> Option<&'a str> {
    let document = cib.document();
    let crm_config = document.descend(&["configuration", "crm_config"])?;
    let mut properties = Values::default();
    properties.read(document, crm_config, "cluster_property_set", Some("cib-bootstrap-options"), &Context::at(unix));
    properties.get(name)
}

/// A length of time, or what counts when it is not set or no time.
pub fn time(cib: &Cib, name: &str, unix: i64, default: Duration) -> Duration {
    let set = property(cib, name, unix).and_then(|text| cib::duration::parse_ms(text).ok());
    set.map_or(default, Duration::from_millis)
}

/// Whether nothing may begin on nodes without quorum: `no-quorum-policy=freeze`.
///
/// Pacemaker begins what is needed to recover in place what it believes to be running here. That belief may rest on a
/// probe that failed or never ended, and then it is a second copy; so nothing begins at all before there is quorum.
pub fn freezes(cib: &Cib, unix: i64) -> bool {
    property(cib, "no-quorum-policy", unix).is_some_and(|policy| policy.eq_ignore_ascii_case("freeze"))
}
