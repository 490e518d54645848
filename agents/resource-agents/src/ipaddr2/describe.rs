//! What IPaddr2 says about itself: every parameter of the shell agent of the same name, with its default.

use ocf::{ActionMetadata, Metadata, Parameter};

/// How long to listen for another owner before an address is taken, unless told.
///
/// A host on the same link answers within a fraction of a millisecond. Five milliseconds are some times what a loaded one
/// needs, and a tenth of the fifty in which a client is to be served again after a failure; who is slower still is heard
/// by `watch`.
const CONFLICT_WAIT_MS: &str = "5";

/// The metadata.
pub fn metadata() -> Metadata {
    Metadata {
        name: "IPaddr2".into(),
        version: "1.0".into(),
        ocf_version: Some("1.0".into()),
        shortdesc: "Manages virtual IPv4 and IPv6 addresses".into(),
        longdesc: "Gives an address to a network interface of this host and takes it away again. Before the address is \
                   taken, other hosts on the link are asked whether they have it; once it is taken, they are told where it \
                   is now (gratuitous ARP for IPv4, unsolicited neighbour advertisements for IPv6).\n\n\
                   A resource manager that knows the action watch need not ask again and again: it stays, and ends at once \
                   with the result of a monitor when the address, its interface or its route goes, or when another host \
                   claims the address; meanwhile it tells the link once a minute where the address is.\n\n\
                   Takes the parameters of ocf:heartbeat:IPaddr2. It speaks to the kernel itself and needs no other \
                   program. One address shared by several hosts (cluster IP) is not supported and is refused."
            .into(),
        parameters: parameters(),
        actions: vec![
            ActionMetadata::new("start", "20s"),
            ActionMetadata::new("stop", "20s"),
            ActionMetadata::new("status", "20s").every("10s", "0"),
            ActionMetadata::new("monitor", "20s").every("10s", "0"),
            ActionMetadata::new("meta-data", "5s"),
            ActionMetadata::new("validate-all", "20s"),
        ],
        extra_actions: vec!["watch".into(), ocf::served::SERVE.into()],
        ..Metadata::default()
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    vec![
        new("ip", "string", "IPv4 or IPv6 address", "The address, such as 192.0.2.7 or 2001:db8::7.")
            .default_value("")
            .unique()
            .required(),
        new(
            "nic",
            "string",
            "Network interface",
            "The interface that gets the address, by its name or an alternative name. If empty, it is told from the \
             routing table: the interface of the most specific route to the address. NAME:LABEL is understood as well; \
             iflabel is the better place for a label.",
        ),
        new(
            "cidr_netmask",
            "string",
            "Length of the network prefix",
            "Such as 24; 255.255.255.0 is understood as well. If empty, it is told from the routing table.",
        )
        .default_value(""),
        new(
            "broadcast",
            "string",
            "Broadcast address",
            "The broadcast address of the network (IPv4); + or - for the one with all or no host bits set. If empty, that \
             of the address that the interface has already in the same network.",
        )
        .default_value(""),
        new("proto", "string", "Protocol of the route", "Look only at routes of this protocol, such as kernel, to find the network.")
            .default_value(""),
        new(
            "iflabel",
            "string",
            "Interface label",
            "A label for the address (IPv4). With the interface's name and a colon in front it may have 15 characters.",
        )
        .default_value(""),
        new(
            "lvs_support",
            "boolean",
            "Support for LVS direct routing",
            "While this host does not have the address, the loopback device keeps it: an address that the loopback device \
             has as /32 is taken from there at start and given back at stop. IPv4 only.",
        )
        .default_value("false"),
        new(
            "lvs_ipv6_addrlabel",
            "boolean",
            "Set a label for source addresses",
            "Adds a label to the rules for source addresses, so that the address is not used as the source of connections \
             from this host, as LVS direct routing needs. IPv6 only.",
        )
        .default_value("false"),
        new("lvs_ipv6_addrlabel_value", "integer", "Value of that label", "An unused label; ip addrlabel list shows the used ones.")
            .default_value("99"),
        cluster_address(new("mac", "string", "MAC address of a cluster IP", "").default_value("")),
        cluster_address(
            new("clusterip_hash", "string", "Hash of a cluster IP", "").default_value("sourceip-sourceport"),
        ),
        cluster_address(new("clusterip_firewall", "string", "Firewall of a cluster IP", "").default_value("auto")),
        cluster_address(new("clusterip_hash_seed", "string", "Hash seed of a cluster IP", "").default_value("")),
        cluster_address(new("clusterip_table", "string", "Firewall table of a cluster IP", "").default_value("mangle")),
        cluster_address(new("clusterip_chain", "string", "Firewall chain of a cluster IP", "").default_value("PREROUTING")),
        cluster_address(
            new("clusterip_mac_mangle", "boolean", "Change MAC addresses of a cluster IP", "").default_value("false"),
        ),
        new(
            "unique_clone_address",
            "boolean",
            "An address for each instance of a clone",
            "The number of the instance is added to the last part of the address (IPv4). The clone must be globally unique.",
        )
        .default_value("false"),
        new("arp_interval", "integer", "Time between announcements in ms", "Milliseconds between two announcements.")
            .default_value("200"),
        new(
            "arp_count",
            "integer",
            "Number of announcements at start",
            "How often the address is announced at start. The first goes out before the start returns.",
        )
        .default_value("5"),
        new(
            "arp_count_refresh",
            "integer",
            "Number of announcements at each monitor",
            "Announces the address again at each monitor, for neighbours that have learnt something else.",
        )
        .default_value("0"),
        new(
            "arp_bg",
            "string",
            "Announce from background",
            "Whether all announcements but the first are left to a process in the background, which ends by itself. \
             Empty means true; with false the start takes (arp_count - 1) * arp_interval longer.",
        )
        .default_value(""),
        new(
            "arp_sender",
            "string",
            "ARP sender",
            "Accepted for compatibility (send_arp, ipoibarping, iputils_arping, libnet_arping); the agent always sends by \
             itself.",
        )
        .default_value(""),
        new(
            "send_arp_opts",
            "string",
            "Options for the ARP sender",
            "Accepted for compatibility; both forms of gratuitous ARP, request and reply, are always sent.",
        )
        .default_value(""),
        new("flush_routes", "boolean", "Forget cached routes on stop", "Flush the kernel's cache of routes when the address goes.")
            .default_value("false"),
        new(
            "run_arping",
            "string",
            "Look for another owner for a second",
            "Listen for at least a second for another owner of the address (IPv4), whatever conflict_wait_ms says.",
        )
        .default_value("false"),
        new(
            "conflict_wait_ms",
            "integer",
            "How long to listen for another owner, in ms",
            "Before the address is taken, the link is asked twice in this time who has it, and the start fails if somebody \
             answers. 0 asks nobody. Raise it where neighbours are slow to answer, such as over wireless or long-distance \
             links; each start takes that much longer.",
        )
        .default_value(CONFLICT_WAIT_MS),
        new(
            "nodad",
            "string",
            "No duplicate address detection",
            "For IPv6, take the address without asking for another owner. The kernel's own detection, which takes a second \
             and more, is never waited for: the agent asks by itself, see conflict_wait_ms.",
        )
        .default_value("false"),
        new("noprefixroute", "string", "No route to the prefix", "The kernel makes no route to the address's network.")
            .default_value("false"),
        new(
            "preferred_lft",
            "string",
            "Preferred lifetime",
            "Seconds that the address is preferred as a source (IPv6); 0 for never, or forever.",
        )
        .default_value("forever"),
        new("network_namespace", "string", "Network namespace", "Work in this network namespace, as named by ip netns; it must exist.")
            .default_value(""),
        new(
            "check_link_status",
            "string",
            "A link without carrier is a failure",
            "Monitor fails if the interface is DOWN or LOWERLAYERDOWN, or if no route leads to the address's network by it; \
             start refuses an interface that does not come up within five seconds.",
        )
        .default_value("true"),
    ]
}

fn cluster_address(mut parameter: Parameter) -> Parameter {
    parameter.longdesc =
        "Accepted for compatibility. It is for one address shared by several hosts, which is not supported.".into();
    parameter
}
