//! Hosts with different files of one cluster: whose is the old one, and what to do. A node that was removed while it was
//! off comes back with such a file, and must not give it to the others.

use corosync_conf::{Conf, Model};

use crate::conf::version;

/// What the files of this host and of another one say of each other, and what to do.
///
/// ```
/// use corosync_conf::Conf;
/// let file = |version, nodes: &[&str]| {
///     let node = |name: &&str| format!("node {{\nname: {name}\n}}\n");
///     let nodes: String = nodes.iter().map(node).collect();
///     Conf::parse(format!("totem {{\nconfig_version: {version}\n}}\nnodelist {{\n{nodes}}}\n"))
/// };
/// let said = setup::stale::differs("c", &file(4, &["a", "b", "c"]), "a", &file(5, &["a", "b"]));
/// assert!(said.contains("this host was removed from the cluster"));
/// ```
pub fn differs(me: &str, mine: &Conf, other: &str, theirs: &Conf) -> String {
    let (my_version, their_version) = (version(mine).unwrap_or(0), version(theirs).unwrap_or(0));
    if is_removed(me, mine, theirs) {
        return format!(
            "this host was removed from the cluster: {other} has version {their_version} of its configuration, which does \
             not name {me}, and what is here is the old version {my_version}. `systole cluster destroy --yes` here puts it \
             aside; then `systole cluster node add {me}` on {other} takes this host in again"
        );
    }
    if is_removed(other, theirs, mine) {
        return format!(
            "{other} has version {their_version} of the configuration, from when it was a node; in version {my_version}, \
             which is here, it is none: `systole cluster destroy --yes` there puts the old one aside"
        );
    }
    let which = match my_version.cmp(&their_version) {
        std::cmp::Ordering::Less => format!(
            "{other} has a newer configuration of Corosync than this host (version {their_version}, here {my_version}): \
             `systole cluster sync` there gives it to all"
        ),
        std::cmp::Ordering::Greater => format!(
            "{other} has an older configuration of Corosync than this host (version {their_version}, here {my_version}): \
             `systole cluster sync` here gives this host's to all"
        ),
        std::cmp::Ordering::Equal => format!(
            "{other} and {me} have different configurations of Corosync with the same version {my_version}: look at both, \
             then `systole cluster sync` gives this host's to all"
        ),
    };
    which + "; `--plan` shows what that changes"
}

/// Whether a host's own file names it, and a newer one of the same cluster does not.
pub fn is_removed(host: &str, own: &Conf, other: &Conf) -> bool {
    let names = |conf: &Conf| Model::of(conf).nodes.iter().any(|node| node.called() == host);
    names(own) && !names(other) && !Model::of(other).nodes.is_empty() && version(other) > version(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u64, nodes: &[&str]) -> Conf {
        let nodes: String = nodes.iter().map(|name| format!("node {{\nname: {name}\n}}\n")).collect();
        Conf::parse(format!("totem {{\nconfig_version: {version}\n}}\nnodelist {{\n{nodes}}}\n"))
    }

    #[test]
    fn the_old_file_is_told_from_the_new_one() {
        let (old, new, other) = (file(4, &["a", "b"]), file(5, &["a", "b"]), file(4, &["a", "b", "x"]));
        for (mine, theirs, expected) in [
            (&old, &new, "b has a newer configuration of Corosync than this host (version 5, here 4)"),
            (&new, &old, "b has an older configuration of Corosync than this host (version 4, here 5)"),
            (&old, &other, "b and a have different configurations of Corosync with the same version 4"),
            (&file(9, &["a"]), &old, "b has version 4 of the configuration, from when it was a node"),
            (&old, &file(9, &["b"]), "this host was removed from the cluster: b has version 9"),
            (&old, &file(9, &[]), "b has a newer configuration"),
        ] {
            let said = differs("a", mine, "b", theirs);
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
