//! What portblock says about itself: every parameter of the shell agent of the same name, with its default.

use ocf::{ActionMetadata, Metadata, Parameter};

/// The metadata.
pub fn metadata() -> Metadata {
    let new = Parameter::new;
    Metadata {
        name: "portblock".into(),
        version: "1.0".into(),
        ocf_version: Some("1.0".into()),
        shortdesc: "Blocks and unblocks access to TCP and UDP ports".into(),
        longdesc: "Drops packets to ports of an address while the service there is started or stopped, so that clients wait and are \
                   not refused. Two resources make a pair: the first of a group with action=block, the last one with \
                   action=unblock.\n\n\
                   With tickle_dir the one that unblocks keeps a list of the address's TCP connections. On the next host it makes \
                   the clients on that list notice at once that their connections are over. Put it on the file system that moves \
                   with the address.\n\n\
                   Takes the parameters of ocf:heartbeat:portblock. Rules are those of iptables, or ip6tables for an IPv6 address."
            .into(),
        parameters: vec![
            new("protocol", "string", "Protocol", "tcp or udp.").required().default_value(""),
            new("portno", "string", "Ports", "Ports, with commas between them; a range is FROM:TO.").required().default_value(""),
            new("action", "string", "block or unblock", "What start does with the ports: block or unblock. Stop does the other.")
                .required()
                .default_value(""),
            new(
                "reset_local_on_unblock_stop",
                "boolean",
                "Reset connections when blocking again",
                "Before the stop of the one that unblocks blocks the ports again, end this host's own side of TCP connections to \
                 them. Servers in the kernel, such as NFS, keep connections of an address that has left; when it comes back, \
                 these are in the clients' way.",
            )
            .default_value("false"),
            new("ip", "string", "Address", "The address of this host whose ports are meant, or a network.").default_value("0.0.0.0/0"),
            new(
                "tickle_dir",
                "string",
                "Directory for the list of connections",
                "Where the list of TCP connections is kept, by its absolute path; for a single ip and action=unblock. If it is not \
                 on a shared or moving file system, sync_script has to bring the list to the other hosts.",
            )
            .default_value(""),
            new(
                "sync_script",
                "string",
                "Command that copies the list",
                "A command that brings a file to the other hosts. It is called with the file as its last argument whenever the \
                 list has been written, such as csync2 -xv.",
            )
            .default_value(""),
            new("direction", "string", "Direction", "What is blocked: packets that come in, that go out, or both.").default_value("in"),
        ],
        actions: vec![
            ActionMetadata::new("start", "20s"),
            ActionMetadata::new("stop", "20s"),
            ActionMetadata::new("status", "10s").every("10s", "0"),
            ActionMetadata::new("monitor", "10s").every("10s", "0"),
            ActionMetadata::new("meta-data", "5s"),
            ActionMetadata::new("validate-all", "5s"),
        ],
        ..Metadata::default()
    }
}
