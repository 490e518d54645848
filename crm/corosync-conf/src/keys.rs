//! All sections and keys that Corosync 3 knows: type, bounds, default, and when a change takes effect. It is the list
//! that `explain` shows and that several rules read. Source: corosync.conf(5), votequorum(5), corosync-qdevice(8) and
//! the behaviour of Corosync 3.1.7.

/// What a value may be.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A whole number within bounds, decimal; anything else is refused.
    Number {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// 0 or 1; Corosync takes every number up to 255 and means 1 by it.
    Switch,
    /// One of these words; anything else is refused.
    Words(&'static [&'static str]),
    /// One of these words; anything else counts as the default, without a message.
    Lenient(&'static [&'static str]),
    /// An address or a host's name.
    Address,
    /// Anything.
    Text,
}

/// When a changed value takes effect.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// At `corosync-cfgtool -R`.
    Reload,
    /// When Corosync is restarted; a reload says it is done and keeps the old value.
    Restart,
    /// For links that are added afterwards.
    NewLink,
    /// When corosync-qdevice is restarted.
    DeviceRestart,
    /// Not at all: nothing reads it any more.
    Never,
}

/// One key.
#[derive(Copy, Clone, Debug)]
pub struct Key {
    /// Sections and name; `*` stands for any run of characters within one part.
    pub path: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds without it, in words.
    pub default: &'static str,
    /// When a change takes effect.
    pub change: Change,
    /// What it does, as a sentence.
    pub about: &'static str,
}

const fn key(path: &'static str, kind: Kind, default: &'static str, change: Change, about: &'static str) -> Key {
    Key { path, kind, default, change, about }
}

const U8: Kind = Kind::Number { min: 0, max: u8::MAX as i64 };
const U16: Kind = Kind::Number { min: 0, max: u16::MAX as i64 };
const U32: Kind = Kind::Number { min: 0, max: u32::MAX as i64 };
const I32: Kind = Kind::Number { min: i32::MIN as i64, max: i32::MAX as i64 };
const COUNTER: Kind = Kind::Number { min: 0, max: i64::MAX };
const SWITCH: Kind = Kind::Switch;
const YES_NO: Kind = Kind::Words(&["yes", "no"]);
const YES_ON: Kind = Kind::Words(&["yes", "no", "on", "off"]);
const ON_OFF: Kind = Kind::Words(&["on", "off"]);
const PRIORITIES: Kind = Kind::Words(&["alert", "crit", "debug", "emerg", "err", "info", "notice", "warning"]);
const FACILITIES: Kind = Kind::Words(&[
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp", "local0",
    "local1", "local2", "local3", "local4", "local5", "local6", "local7",
]);

use Change::{DeviceRestart, Never, NewLink, Reload, Restart};

/// The list.
pub const KEYS: &[Key] = &[
    key(
        "totem.version",
        Kind::Number { min: 2, max: 2 },
        "none: it has to be there",
        Restart,
        "Version of this file's format",
    ),
    key(
        "totem.transport",
        Kind::Words(&["knet", "udpu", "udp"]),
        "knet",
        Restart,
        "How packets go between nodes; only knet knows several links and encryption",
    ),
    key(
        "totem.cluster_name",
        Kind::Text,
        "none",
        Restart,
        "The cluster's name: QNetd tells clusters apart by it, udp makes its multicast address of it",
    ),
    key(
        "totem.config_version",
        COUNTER,
        "0: not checked",
        Reload,
        "Number of this file's edition: a node with an older file than the others' leaves at once",
    ),
    key(
        "totem.ip_version",
        Kind::Words(&["ipv4", "ipv6", "ipv4-6", "ipv6-4"]),
        "ipv6-4 (ipv4 with udp)",
        Restart,
        "Which address a name stands for when it has several",
    ),
    key("totem.netmtu", U32, "1500 with udp and udpu, 65536 with knet", Restart, "Largest packet, in bytes"),
    key(
        "totem.secauth",
        Kind::Lenient(&["on", "off"]),
        "off",
        Reload,
        "Encrypt with aes256 and sign with sha256, by the shared key; every word but `on` means off",
    ),
    key("totem.crypto_model", Kind::Words(&["nss", "openssl"]), "nss", Reload, "Library for encryption"),
    key(
        "totem.crypto_cipher",
        Kind::Words(&["none", "aes256", "aes192", "aes128"]),
        "none",
        Reload,
        "Encryption; needs crypto_hash",
    ),
    key(
        "totem.crypto_hash",
        Kind::Words(&["none", "md5", "sha1", "sha256", "sha384", "sha512"]),
        "none",
        Reload,
        "Signature of packets",
    ),
    key("totem.keyfile", Kind::Text, "/etc/corosync/authkey", Reload, "File of the shared key, 128 to 4096 bytes"),
    key("totem.key", Kind::Text, "none", Reload, "The shared key itself; whoever reads this file has it"),
    key(
        "totem.link_mode",
        Kind::Words(&["passive", "active", "rr"]),
        "passive",
        Reload,
        "Use of several links: the best one, all at once, or in turn",
    ),
    key(
        "totem.token",
        Kind::Number { min: 30, max: u32::MAX as i64 },
        "3000",
        Reload,
        "Milliseconds without the token after which a node counts as lost; with n nodes, n - 2 times token_coefficient is added",
    ),
    key("totem.token_coefficient", U32, "650", Reload, "Milliseconds added to token for each node beyond two"),
    key(
        "totem.token_warning",
        Kind::Number { min: 0, max: 100 },
        "75",
        Reload,
        "Percent of the token's time after which a warning is logged",
    ),
    key(
        "totem.token_retransmit",
        Kind::Number { min: 30, max: u32::MAX as i64 },
        "token / (token_retransmits_before_loss_const + 0.2)",
        Reload,
        "Milliseconds after which the token is sent again",
    ),
    key(
        "totem.token_retransmits_before_loss_const",
        U32,
        "4",
        Reload,
        "How often the token is sent again before it is lost",
    ),
    key(
        "totem.hold",
        Kind::Number { min: 14, max: u32::MAX as i64 },
        "0.8 * token_retransmit - 10",
        Reload,
        "Milliseconds an idle cluster keeps the token",
    ),
    key(
        "totem.join",
        Kind::Number { min: 30, max: u32::MAX as i64 },
        "50",
        Reload,
        "Milliseconds to wait for join messages",
    ),
    key(
        "totem.send_join",
        U32,
        "0",
        Reload,
        "Milliseconds, at most, a join message waits for others; for very many nodes",
    ),
    key(
        "totem.consensus",
        Kind::Number { min: 30, max: u32::MAX as i64 },
        "1.2 * token",
        Reload,
        "Milliseconds to agree on a membership before a new round; at least 1.2 times token",
    ),
    key(
        "totem.merge",
        Kind::Number { min: 30, max: u32::MAX as i64 },
        "200",
        Reload,
        "Milliseconds between looks for another partition",
    ),
    key(
        "totem.downcheck",
        Kind::Number { min: 30, max: u32::MAX as i64 },
        "1000",
        Reload,
        "Milliseconds between looks for an interface that is back",
    ),
    key(
        "totem.fail_recv_const",
        U32,
        "2500",
        Reload,
        "Turns of the token without a message that is awaited, before a new membership is formed",
    ),
    key("totem.seqno_unchanged_const", U32, "30", Reload, "Turns without traffic before the token may be held"),
    key(
        "totem.heartbeat_failures_allowed",
        U32,
        "0: off",
        Reload,
        "Missed heartbeats before a node counts as lost; for networks that lose nothing",
    ),
    key(
        "totem.max_network_delay",
        Kind::Number { min: 30, max: u32::MAX as i64 },
        "50",
        Reload,
        "Milliseconds a packet takes at most; with heartbeats only",
    ),
    key("totem.window_size", U32, "50", Reload, "Messages on the way at once; at most 256000 / netmtu"),
    key("totem.max_messages", U32, "17", Reload, "Messages a node sends with one token; at most 256000 / netmtu"),
    key("totem.miss_count_const", U32, "5", Reload, "Turns a message may be missing before it is asked for again"),
    key("totem.knet_pmtud_interval", U32, "30", Reload, "Seconds between measurements of the path's MTU"),
    key("totem.knet_mtu", U32, "0: measured", Reload, "Largest packet of knet, in bytes"),
    key(
        "totem.knet_compression_model",
        Kind::Words(&["none", "zlib", "lz4", "lz4hc", "lzo2", "lzma", "bzip2", "zstd"]),
        "none",
        Reload,
        "Compression of messages",
    ),
    key("totem.knet_compression_threshold", U32, "100", Reload, "Bytes below which a message is not compressed"),
    key("totem.knet_compression_level", I32, "the library's", Reload, "How hard to compress"),
    key(
        "totem.block_unlisted_ips",
        Kind::Lenient(&["yes", "no"]),
        "yes",
        Reload,
        "Take no packet from an address that is not in the nodelist",
    ),
    key(
        "totem.cancel_token_hold_on_retransmit",
        Kind::Lenient(&["yes", "no"]),
        "no",
        Reload,
        "Do not hold the token when something has to be sent again",
    ),
    key(
        "totem.clear_node_high_bit",
        Kind::Lenient(&["yes", "no"]),
        "no",
        Restart,
        "Keep node ids made of addresses positive; without effect where each node has its nodeid",
    ),
    key("totem.nodeid", U32, "none", Never, "This host's id, in files without a nodelist"),
    key("totem.threads", U32, "0", Never, "Threads for encryption, in old versions"),
    key("totem.vsftype", Kind::Text, "none", Never, "Virtual synchrony filter, in old versions"),
    key("totem.rrp_mode", Kind::Text, "none", Never, "Redundant rings of Corosync 2; knet's link_mode came instead"),
    key("totem.rrp_token_expired_timeout", U32, "47", Never, "Redundant rings of Corosync 2"),
    key("totem.rrp_problem_count_timeout", U32, "2000", Never, "Redundant rings of Corosync 2"),
    key("totem.rrp_problem_count_threshold", U32, "10", Never, "Redundant rings of Corosync 2"),
    key("totem.rrp_problem_count_mcast_threshold", U32, "100", Never, "Redundant rings of Corosync 2"),
    key("totem.rrp_autorecovery_check_timeout", U32, "1000", Never, "Redundant rings of Corosync 2"),
    key("totem.interface.linknumber", U8, "0", NewLink, "Which link this section is about"),
    key("totem.interface.ringnumber", Kind::Text, "0", NewLink, "linknumber's name in Corosync 2"),
    key(
        "totem.interface.knet_link_priority",
        U8,
        "1",
        Reload,
        "Of several links in passive mode, the one with the highest priority is used",
    ),
    key(
        "totem.interface.knet_ping_interval",
        U32,
        "token / (knet_pong_count * 2)",
        Reload,
        "Milliseconds between pings on the link",
    ),
    key(
        "totem.interface.knet_ping_timeout",
        U32,
        "token / knet_pong_count",
        Reload,
        "Milliseconds without a pong after which the link is down",
    ),
    key(
        "totem.interface.knet_ping_precision",
        U32,
        "2048",
        Reload,
        "How many values the link's latency is averaged over",
    ),
    key("totem.interface.knet_pong_count", U32, "2", Reload, "Pongs after which a link is up"),
    key("totem.interface.knet_transport", Kind::Words(&["udp", "sctp"]), "udp", NewLink, "Protocol of the link"),
    key("totem.interface.mcastport", U16, "5405 + linknumber", NewLink, "UDP port of the link"),
    key(
        "totem.interface.bindnetaddr",
        Kind::Address,
        "none",
        Restart,
        "Network that udp binds to; a nodelist goes before it",
    ),
    key("totem.interface.mcastaddr", Kind::Address, "made of cluster_name", Restart, "Multicast address of udp"),
    key(
        "totem.interface.broadcast",
        Kind::Lenient(&["yes", "no"]),
        "no",
        Restart,
        "Broadcast instead of multicast, with udp",
    ),
    key("totem.interface.ttl", U8, "1", Restart, "Hops a multicast packet may go, with udp"),
    key(
        "nodelist.node.ring*_addr",
        Kind::Address,
        "none: at least one link has to be there",
        Reload,
        "Address of the node on a link; a change in place is refused, take the link away and add it anew",
    ),
    key("nodelist.node.nodeid", U32, "none: knet needs it", Restart, "The node's number"),
    key(
        "nodelist.node.name",
        Kind::Text,
        "none: several links need it",
        Reload,
        "The node's name; by it a host finds itself in the list",
    ),
    key("nodelist.node.quorum_votes", U32, "1", Reload, "The node's votes"),
    key(
        "quorum.provider",
        Kind::Words(&["corosync_votequorum"]),
        "none: without it there is no quorum",
        Restart,
        "What decides on quorum",
    ),
    key(
        "quorum.expected_votes",
        U32,
        "the sum of the nodes' votes and the device's",
        Reload,
        "Votes of the whole cluster",
    ),
    key("quorum.votes", U32, "1", Reload, "This node's votes, in files without a nodelist"),
    key("quorum.two_node", SWITCH, "0", Reload, "Two nodes of which each alone is quorate; fencing decides who lives"),
    key(
        "quorum.wait_for_all",
        SWITCH,
        "0; 1 with two_node",
        Restart,
        "After a start, no quorum before all nodes were seen once",
    ),
    key("quorum.auto_tie_breaker", SWITCH, "0", Restart, "The half that holds the tie breaker stays quorate"),
    key("quorum.auto_tie_breaker_node", Kind::Text, "lowest", Restart, "lowest, highest, or a list of node ids"),
    key(
        "quorum.last_man_standing",
        SWITCH,
        "0",
        Restart,
        "Expect only those who are left, after last_man_standing_window",
    ),
    key("quorum.last_man_standing_window", U32, "10000", Restart, "Milliseconds before expected votes are taken down"),
    key(
        "quorum.allow_downscale",
        SWITCH,
        "0",
        Restart,
        "Expect less when nodes leave in good order; not supported upstream",
    ),
    key("quorum.expected_votes_tracking", SWITCH, "0", Restart, "Remember on disk the most votes that were expected"),
    key("quorum.leaving_timeout", U32, "0", Restart, "Milliseconds to wait for a node that says it leaves"),
    key("quorum.device.model", Kind::Words(&["net"]), "none", Reload, "Kind of the quorum device"),
    key(
        "quorum.device.votes",
        U32,
        "the number of nodes less one",
        Reload,
        "Votes of the device: 1 with ffsplit, not set with lms",
    ),
    key(
        "quorum.device.timeout",
        U32,
        "10000",
        DeviceRestart,
        "Milliseconds without the device's vote before it counts as lost",
    ),
    key("quorum.device.sync_timeout", U32, "30000", DeviceRestart, "The same while a membership is formed"),
    key("quorum.device.master_wins", SWITCH, "0", Restart, "The partition with the device's vote is quorate"),
    key("quorum.device.net.host", Kind::Address, "none: it has to be there", DeviceRestart, "Host of corosync-qnetd"),
    key("quorum.device.net.port", U16, "5403", DeviceRestart, "TCP port of corosync-qnetd"),
    key(
        "quorum.device.net.tls",
        Kind::Words(&["on", "off", "required"]),
        "on",
        DeviceRestart,
        "Encryption and certificates",
    ),
    key(
        "quorum.device.net.algorithm",
        Kind::Words(&["ffsplit", "lms", "test", "2nodelms"]),
        "ffsplit",
        DeviceRestart,
        "ffsplit: one vote, to exactly one half; lms: the last node that is left stays quorate",
    ),
    key(
        "quorum.device.net.tie_breaker",
        Kind::Text,
        "lowest",
        DeviceRestart,
        "Who gets the vote of two equal halves: lowest, highest, or a node id",
    ),
    key(
        "quorum.device.net.connect_timeout",
        U32,
        "0.8 * timeout",
        DeviceRestart,
        "Milliseconds to wait for a connection",
    ),
    key(
        "quorum.device.net.force_ip_version",
        Kind::Words(&["0", "4", "6"]),
        "0: either",
        DeviceRestart,
        "Address family",
    ),
    key(
        "quorum.device.net.keep_active_partition_tie_breaker",
        Kind::Lenient(&["on", "off"]),
        "on",
        DeviceRestart,
        "Of two equal halves, the one that was active keeps the vote",
    ),
    key(
        "quorum.device.heuristics.mode",
        Kind::Words(&["on", "sync", "off"]),
        "off",
        DeviceRestart,
        "When the commands below are asked",
    ),
    key("quorum.device.heuristics.timeout", U32, "5000", DeviceRestart, "Milliseconds a command may take"),
    key("quorum.device.heuristics.sync_timeout", U32, "15000", DeviceRestart, "The same while a membership is formed"),
    key("quorum.device.heuristics.interval", U32, "30000", DeviceRestart, "Milliseconds between two rounds"),
    key(
        "quorum.device.heuristics.exec_*",
        Kind::Text,
        "none",
        DeviceRestart,
        "A command with its absolute path; exit status 0 means that the node is well",
    ),
    key("logging.to_stderr", YES_ON, "yes", Reload, "Log to standard error"),
    key("logging.to_logfile", YES_ON, "no", Reload, "Log to the file that logfile names"),
    key("logging.to_syslog", YES_ON, "yes", Reload, "Log to syslog"),
    key("logging.logfile", Kind::Text, "none", Reload, "File of the log"),
    key("logging.logfile_priority", PRIORITIES, "info", Reload, "Least priority in the file"),
    key("logging.syslog_facility", FACILITIES, "daemon", Reload, "Facility of syslog"),
    key("logging.syslog_priority", PRIORITIES, "info", Reload, "Least priority in syslog"),
    key("logging.debug", Kind::Words(&["on", "off", "trace"]), "off", Reload, "Log very much"),
    key("logging.timestamp", Kind::Words(&["on", "off", "hires"]), "off", Reload, "Put the time before each line"),
    key("logging.fileline", ON_OFF, "off", Reload, "Log the place in the source"),
    key("logging.function_name", ON_OFF, "off", Reload, "Log the function"),
    key("logging.blackbox", ON_OFF, "on", Reload, "Keep a log in memory for corosync-blackbox"),
    key("logging.tags", Kind::Text, "none", Never, "Filter of old versions"),
    key(
        "logging.logger_subsys.subsys",
        Kind::Text,
        "none: it has to come first",
        Reload,
        "Which part these lines are about: TOTEM, QUORUM …",
    ),
    key("logging.logger_subsys.debug", Kind::Words(&["on", "off", "trace"]), "logging's", Reload, "Log very much"),
    key("logging.logger_subsys.to_stderr", YES_ON, "logging's", Reload, "Log to standard error"),
    key("logging.logger_subsys.to_logfile", YES_ON, "logging's", Reload, "Log to the file that logfile names"),
    key("logging.logger_subsys.to_syslog", YES_ON, "logging's", Reload, "Log to syslog"),
    key("logging.logger_subsys.logfile", Kind::Text, "logging's", Reload, "File of the log"),
    key("logging.logger_subsys.logfile_priority", PRIORITIES, "logging's", Reload, "Least priority in the file"),
    key("logging.logger_subsys.syslog_facility", FACILITIES, "logging's", Reload, "Facility of syslog"),
    key("logging.logger_subsys.syslog_priority", PRIORITIES, "logging's", Reload, "Least priority in syslog"),
    key("logging.logger_subsys.tags", Kind::Text, "none", Never, "Filter of old versions"),
    key(
        "system.qb_ipc_type",
        Kind::Words(&["native", "shm", "socket"]),
        "native",
        Restart,
        "How programs on this host talk with Corosync",
    ),
    key("system.sched_rr", YES_NO, "yes", Restart, "Run with real-time priority"),
    key("system.priority", Kind::Text, "max", Restart, "Which: min, max, or a number"),
    key(
        "system.move_to_root_cgroup",
        Kind::Words(&["yes", "no", "auto"]),
        "auto",
        Restart,
        "Leave the control group for the root's, where real time is allowed",
    ),
    key(
        "system.allow_knet_handle_fallback",
        YES_NO,
        "no",
        Restart,
        "Start knet without its privileged buffers when they are refused",
    ),
    key("system.state_dir", Kind::Text, "/var/lib/corosync", Restart, "Directory of ring ids and votes"),
    key("resources.watchdog_device", Kind::Text, "off", Restart, "Watchdog that Corosync feeds"),
    key(
        "resources.watchdog_timeout",
        Kind::Number { min: 2, max: 120 },
        "6",
        Restart,
        "Seconds before the watchdog resets the host",
    ),
    key(
        "resources.system.*.max",
        Kind::Text,
        "none",
        Restart,
        "Most that may be used: memory_used in percent, load_15min",
    ),
    key("resources.system.*.poll_period", U32, "none", Restart, "Milliseconds between two looks"),
    key("resources.system.*.recovery", Kind::Text, "none", Restart, "What follows: watchdog, or nothing"),
    key("resources.process.*.max", Kind::Text, "none", Restart, "Most that may be used"),
    key("resources.process.*.poll_period", U32, "none", Restart, "Milliseconds between two looks"),
    key(
        "resources.process.*.recovery",
        Kind::Text,
        "none",
        Restart,
        "What follows: quit, shutdown, watchdog, or nothing",
    ),
    key("nozzle.name", Kind::Text, "none", Reload, "Name of a virtual interface that runs over the cluster's links"),
    key("nozzle.ipaddr", Kind::Address, "none", Reload, "Its network"),
    key("nozzle.ipprefix", Kind::Text, "none", Reload, "Its prefix"),
    key("nozzle.macaddr", Kind::Text, "made of the address", Reload, "Its MAC address, the first two parts of it"),
    key("uidgid.uid", Kind::Text, "none", Reload, "A user who may talk with Corosync"),
    key("uidgid.gid", Kind::Text, "none", Reload, "A group that may talk with Corosync"),
];

/// The key of a path, `totem.token`; a numbered or named part is found by its pattern.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| matches(key.path, path))
}

/// Whether keys may stand in a section of this path, or in one below it; for the file itself, the empty path.
pub fn is_section(path: &str) -> bool {
    let depth = path.split('.').count();
    path.is_empty()
        || KEYS.iter().any(|key| {
            let parts: Vec<&str> = key.path.split('.').collect();
            parts.len() > depth && matches(&parts[..depth].join("."), path)
        })
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('.');
    let all = pattern.split('.').all(|pattern| {
        parts.next().is_some_and(|part| match pattern.split_once('*') {
            None => part == pattern,
            Some((before, after)) => {
                let middle = part.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                // `ring0_addr` is an address, `ringx_addr` is nothing.
                middle.is_some_and(|middle| {
                    before != "ring" || !middle.is_empty() && middle.bytes().all(|byte| byte.is_ascii_digit())
                })
            }
        })
    });
    all && parts.next().is_none()
}

impl Kind {
    /// What a value may be, in words.
    pub fn describe(self) -> String {
        match self {
            Kind::Number { min: 0, max: i64::MAX } => "a whole number".to_owned(),
            Kind::Number { min, max } if max == i64::from(u32::MAX) => format!("a whole number from {min}"),
            Kind::Number { min, max } if min == max => format!("{min}"),
            Kind::Switch => "0 or 1".to_owned(),
            Kind::Number { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Words(words) | Kind::Lenient(words) => match words.split_last() {
                Some((last, [])) => format!("`{last}`"),
                Some((last, before)) => format!("{} or {last}", before.join(", ")),
                None => String::new(),
            },
            Kind::Address => "an IP address or a host's name".to_owned(),
            Kind::Text => "any text".to_owned(),
        }
    }
}

impl Change {
    /// When a change takes effect, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Reload => "at a reload, `corosync-cfgtool -R`, on all nodes",
            Restart => "when Corosync is restarted; a reload keeps the old value and says it is done",
            NewLink => "for links that are added afterwards: take the link away, reload, add it anew",
            DeviceRestart => "when corosync-qdevice is restarted",
            Never => "never: nothing reads it any more",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_by_name_and_by_pattern() {
        assert_eq!(find("totem.token").unwrap().default, "3000");
        assert_eq!(find("nodelist.node.ring7_addr").unwrap().path, "nodelist.node.ring*_addr");
        assert!(
            find("nodelist.node.ringx_addr").is_none() && find("totem").is_none() && find("totem.token.x").is_none()
        );
        assert!(is_section("totem") && is_section("quorum.device.net") && is_section("resources.system.memory_used"));
        assert!(!is_section("totem.token") && !is_section("service"));
    }

    #[test]
    fn no_key_stands_there_twice() {
        let mut paths: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count);
    }
}
