//! Filters that do not let the cluster's packets in. What they really let through, `cluster probe` measures.

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for (host, about) in seen.known {
        let Some(firewall) = about.firewall.as_ref().filter(|firewall| !firewall.closed.is_empty()) else { continue };
        let ports = firewall.closed.join(", ");
        let remedy = match firewall.what.as_str() {
            "firewalld" => {
                "`firewall-cmd --permanent --add-service=high-availability && firewall-cmd --reload` there".into()
            }
            "ufw" => format!(
                "there: {}",
                firewall.closed.iter().map(|port| format!("`ufw allow {port}`")).collect::<Vec<_>>().join(", ")
            ),
            _ => "let these ports in from the other nodes; `systole cluster probe` shows whether they come through"
                .into(),
        };
        found.push(
            Finding::new("firewall", Severity::Warning, format!("{} does not name {ports}", firewall.what))
                .on(host)
                .because("its rules let in only what they name, and these ports of the cluster are not among them")
                .remedy(remedy),
        );
    }
}
