//! All words that keepalived knows, by where they may stand and what follows them. The reader needs them to read at all:
//! a block behind an unknown word is read as if its lines stood outside. Source: keepalived.conf(5) of 2.2.7, and what
//! 2.2.7 accepts.

/// What follows a word.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Words on its line.
    Line,
    /// Words on its line, read as a shell does: a command.
    Command,
    /// A block in which each line is a value.
    Values,
    /// A block of words of its own.
    Block(&'static [Word]),
}

/// Which of keepalived's processes reads a word at the top of a file; the others skip its block without looking.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Side {
    /// All.
    All,
    /// That for VRRP.
    Vrrp,
    /// That for virtual servers.
    Checker,
    /// That for BFD.
    Bfd,
}

/// A word and what follows it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// What follows.
    pub shape: Shape,
    /// Who reads it.
    pub side: Side,
    /// Whether keepalived ends, and does not start, if nothing stands behind it.
    pub needs: bool,
}

const fn word(name: &'static str, shape: Shape) -> Word {
    Word { name, shape, side: Side::All, needs: false }
}

/// A word that needs another one behind it.
const fn needs(name: &'static str, shape: Shape) -> Word {
    Word { name, shape, side: Side::All, needs: true }
}

const fn top(name: &'static str, shape: Shape, side: Side) -> Word {
    Word { name, shape, side, needs: false }
}

impl Word {
    /// The same word, which needs a name behind it.
    const fn named(self) -> Word {
        Word { needs: true, ..self }
    }
}

use Shape::{Block, Command, Line, Values};

/// Words at the top of a file.
pub const TOP: &[Word] = &[
    word("global_defs", Block(GLOBAL)),
    word("net_namespace", Line),
    word("net_namespace_ipvs", Line),
    word("namespace_with_ipsets", Line),
    word("use_pid_dir", Line),
    word("instance", Line),
    needs("child_wait_time", Line),
    word("linkbeat_use_polling", Line),
    top("linkbeat_interfaces", Values, Side::Vrrp),
    top("interface_up_down_delays", Values, Side::Vrrp),
    top("static_ipaddress", Values, Side::Vrrp),
    top("static_routes", Values, Side::Vrrp),
    top("static_rules", Values, Side::Vrrp),
    top("track_group", Block(&[word("group", Values)]), Side::Vrrp),
    top("garp_group", Block(GARP_GROUP), Side::Vrrp),
    top("vrrp_script", Block(SCRIPT), Side::Vrrp).named(),
    top("vrrp_track_process", Block(PROCESS), Side::Vrrp).named(),
    needs("track_file", Block(FILE)),
    needs("vrrp_track_file", Block(FILE)),
    top("vrrp_sync_group", Block(SYNC_GROUP), Side::Vrrp),
    top("vrrp_instance", Block(INSTANCE), Side::Vrrp),
    top("bfd_instance", Block(BFD), Side::Bfd),
    top("virtual_server_group", Values, Side::Checker),
    top("virtual_server", Block(VIRTUAL_SERVER), Side::Checker).named(),
    top("SSL", Block(SSL), Side::Checker),
];

const GLOBAL: &[Word] = &[
    word("router_id", Line),
    word("notification_email_from", Line),
    needs("smtp_server", Line),
    word("smtp_helo_name", Line),
    needs("smtp_connect_timeout", Line),
    word("notification_email", Values),
    word("smtp_alert", Line),
    word("smtp_alert_vrrp", Line),
    word("smtp_alert_checker", Line),
    word("checker_log_all_failures", Line),
    word("no_email_faults", Line),
    word("no_checker_emails", Line),
    word("rs_init_notifies", Line),
    word("default_interface", Line),
    word("lvs_timeouts", Line),
    word("lvs_flush", Line),
    word("lvs_flush_on_stop", Line),
    word("lvs_flush_onstop", Line),
    word("lvs_sync_daemon", Line),
    word("lvs_netlink_cmd_rcv_bufs", Line),
    word("lvs_netlink_cmd_rcv_bufs_force", Line),
    word("lvs_netlink_monitor_rcv_bufs", Line),
    word("lvs_netlink_monitor_rcv_bufs_force", Line),
    word("lvs_notify_fifo", Line),
    word("lvs_notify_fifo_script", Command),
    needs("vrrp_mcast_group4", Line),
    needs("vrrp_mcast_group6", Line),
    needs("vrrp_garp_master_delay", Line),
    needs("vrrp_garp_master_repeat", Line),
    needs("vrrp_garp_master_refresh", Line),
    needs("vrrp_garp_master_refresh_repeat", Line),
    needs("vrrp_garp_lower_prio_delay", Line),
    needs("vrrp_garp_lower_prio_repeat", Line),
    needs("vrrp_garp_interval", Line),
    needs("vrrp_gna_interval", Line),
    word("vrrp_garp_extra_if", Line),
    word("vrrp_min_garp", Line),
    needs("vrrp_down_timer_adverts", Line),
    word("vrrp_lower_prio_no_advert", Line),
    word("vrrp_higher_prio_send_advert", Line),
    word("vrrp_owner_ignore_adverts", Line),
    needs("vrrp_version", Line),
    word("vrrp_iptables", Line),
    word("vrrp_ipsets", Line),
    word("nftables", Line),
    needs("nftables_priority", Line),
    word("nftables_counters", Line),
    word("nftables_ifindex", Line),
    word("nftables_ipvs", Line),
    needs("nftables_ipvs_start_fwmark", Line),
    word("ipvs_nftables", Line),
    word("vrrp_check_unicast_src", Line),
    word("vrrp_skip_check_adv_addr", Line),
    word("vrrp_strict", Line),
    word("vrrp_notify_priority_changes", Line),
    word("vrrp_notify_fifo", Line),
    word("vrrp_notify_fifo_script", Command),
    word("notify_fifo", Line),
    word("notify_fifo_script", Command),
    word("fifo_write_vrrp_states_on_reload", Line),
    needs("vrrp_startup_delay", Line),
    word("vrrp_delay_after_boot", Line),
    word("vrrp_rx_bufs_policy", Line),
    word("vrrp_rx_bufs_multiplier", Line),
    word("vrrp_netlink_cmd_rcv_bufs", Line),
    word("vrrp_netlink_cmd_rcv_bufs_force", Line),
    word("vrrp_netlink_monitor_rcv_bufs", Line),
    word("vrrp_netlink_monitor_rcv_bufs_force", Line),
    word("process_monitor_rcv_bufs", Line),
    word("process_monitor_rcv_bufs_force", Line),
    word("process_names", Line),
    needs("process_name", Line),
    needs("vrrp_process_name", Line),
    needs("checker_process_name", Line),
    needs("bfd_process_name", Line),
    word("vrrp_priority", Line),
    word("checker_priority", Line),
    word("bfd_priority", Line),
    word("vrrp_no_swap", Line),
    word("checker_no_swap", Line),
    word("bfd_no_swap", Line),
    word("vrrp_rt_priority", Line),
    word("checker_rt_priority", Line),
    word("bfd_rt_priority", Line),
    word("vrrp_cpu_affinity", Line),
    word("checker_cpu_affinity", Line),
    word("bfd_cpu_affinity", Line),
    needs("vrrp_rlimit_rttime", Line),
    needs("checker_rlimit_rttime", Line),
    needs("bfd_rlimit_rttime", Line),
    needs("vrrp_rlimit_rtime", Line),
    needs("checker_rlimit_rtime", Line),
    needs("bfd_rlimit_rtime", Line),
    word("max_auto_priority", Line),
    word("min_auto_priority_delay", Line),
    word("snmp_socket", Line),
    word("enable_snmp_vrrp", Line),
    word("enable_snmp_keepalived", Line),
    word("enable_snmp_checker", Line),
    word("enable_snmp_rfc", Line),
    word("enable_snmp_rfcv2", Line),
    word("enable_snmp_rfcv3", Line),
    word("enable_traps", Line),
    word("snmp_vs_stats_update_interval", Line),
    word("snmp_rs_stats_update_interval", Line),
    word("enable_dbus", Line),
    word("dbus_service_name", Line),
    word("dbus_no_interface_name", Line),
    word("script_user", Line),
    word("enable_script_security", Line),
    word("use_symlink_paths", Line),
    word("set_supplementary_groups", Line),
    word("startup_script", Command),
    word("startup_script_timeout", Line),
    word("shutdown_script", Command),
    word("shutdown_script_timeout", Line),
    word("dynamic_interfaces", Line),
    word("disable_local_igmp", Line),
    word("reload_check_config", Line),
    word("reload_time_file", Line),
    word("reload_repeat", Line),
    word("reload_date_specific", Line),
    word("reload_file", Line),
    word("data_use_instance", Line),
    needs("config_save_dir", Line),
    word("tmp_config_directory", Line),
    word("use_pid_dir", Line),
    needs("umask", Line),
    needs("random_seed", Line),
    word("include_check", Line),
    word("json_version", Line),
    word("iproute_usr_dir", Line),
    word("iproute_etc_dir", Line),
    word("state_dump_file", Line),
    word("stats_dump_file", Line),
    word("json_dump_file", Line),
    needs("vmac_prefix", Line),
    needs("vmac_addr_prefix", Line),
    word("log_unknown_vrids", Line),
    word("ha_suspend", Line),
    word("linkbeat_use_polling", Line),
    word("net_namespace", Line),
    word("net_namespace_ipvs", Line),
    word("namespace_with_ipsets", Line),
    word("instance", Line),
    word("child_wait_time", Line),
];

const GARP_GROUP: &[Word] =
    &[needs("garp_interval", Line), needs("gna_interval", Line), needs("interface", Line), word("interfaces", Values)];

const SCRIPT: &[Word] = &[
    word("script", Command),
    needs("interval", Line),
    needs("timeout", Line),
    needs("weight", Line),
    needs("rise", Line),
    needs("fall", Line),
    needs("user", Line),
    word("init_fail", Line),
];

const PROCESS: &[Word] = &[
    needs("process", Command),
    word("param_match", Line),
    word("weight", Line),
    needs("quorum", Line),
    needs("quorum_max", Line),
    needs("delay", Line),
    needs("fork_delay", Line),
    needs("terminate_delay", Line),
    word("full_command", Line),
];

const FILE: &[Word] = &[word("file", Line), word("weight", Line), word("init_file", Line)];

const SYNC_GROUP: &[Word] = &[
    word("group", Values),
    word("track_interface", Values),
    word("track_script", Values),
    word("track_file", Values),
    word("track_process", Values),
    word("track_bfd", Values),
    needs("notify_backup", Command),
    needs("notify_master", Command),
    needs("notify_fault", Command),
    needs("notify_stop", Command),
    needs("notify", Command),
    word("smtp_alert", Line),
    word("notify_priority_changes", Line),
    word("global_tracking", Line),
    word("sync_group_tracking_weight", Line),
];

const INSTANCE: &[Word] = &[
    word("use_vmac", Line),
    word("use_vmac_addr", Line),
    word("use_ipvlan", Line),
    word("vmac_xmit_base", Line),
    word("unicast_peer", Values),
    word("check_unicast_src", Line),
    word("unicast_fault_no_peer", Line),
    needs("unicast_ttl", Line),
    word("native_ipv6", Line),
    needs("state", Line),
    needs("interface", Line),
    word("dont_track_primary", Line),
    word("linkbeat_use_polling", Line),
    word("track_interface", Values),
    word("track_script", Values),
    word("track_file", Values),
    word("track_process", Values),
    word("track_bfd", Values),
    needs("mcast_src_ip", Line),
    needs("mcast_dst_ip", Line),
    needs("unicast_src_ip", Line),
    word("track_src_ip", Line),
    needs("virtual_router_id", Line),
    needs("version", Line),
    needs("priority", Line),
    needs("advert_int", Line),
    word("virtual_ipaddress", Values),
    word("virtual_ipaddress_excluded", Values),
    word("promote_secondaries", Line),
    word("virtual_routes", Values),
    word("virtual_rules", Values),
    word("accept", Line),
    word("no_accept", Line),
    word("skip_check_adv_addr", Line),
    word("strict_mode", Line),
    word("preempt", Line),
    word("nopreempt", Line),
    needs("preempt_delay", Line),
    needs("debug", Line),
    needs("notify_backup", Command),
    needs("notify_master", Command),
    needs("notify_fault", Command),
    needs("notify_stop", Command),
    word("notify_deleted", Line),
    needs("notify", Command),
    needs("notify_master_rx_lower_pri", Command),
    word("notify_priority_changes", Line),
    word("smtp_alert", Line),
    needs("lvs_sync_daemon_interface", Line),
    needs("garp_master_delay", Line),
    needs("garp_master_repeat", Line),
    needs("garp_master_refresh", Line),
    needs("garp_master_refresh_repeat", Line),
    needs("garp_lower_prio_delay", Line),
    needs("garp_lower_prio_repeat", Line),
    word("garp_extra_if", Line),
    needs("down_timer_adverts", Line),
    word("lower_prio_no_advert", Line),
    word("higher_prio_send_advert", Line),
    word("owner_ignore_adverts", Line),
    word("kernel_rx_buf_size", Line),
    word("old_unicast_checksum", Line),
    word("v3_checksum_as_v2", Line),
    word("timer_expired_backup", Line),
    word("thread_timer_expired", Line),
    needs("vrf", Line),
    word("authentication", Block(&[needs("auth_type", Line), needs("auth_pass", Line)])),
];

const BFD: &[Word] = &[
    needs("source_ip", Line),
    word("neighbor_ip", Line),
    needs("min_rx", Line),
    needs("min_tx", Line),
    needs("idle_tx", Line),
    needs("multiplier", Line),
    word("passive", Line),
    needs("ttl", Line),
    needs("hoplimit", Line),
    needs("max_hops", Line),
    needs("weight", Line),
    word("vrrp", Line),
    word("checker", Line),
];

const SSL: &[Word] = &[word("password", Line), word("ca", Line), word("certificate", Line), word("key", Line)];

const VIRTUAL_SERVER: &[Word] = &[
    needs("ip_family", Line),
    needs("delay_loop", Line),
    needs("delay_before_retry", Line),
    needs("retry", Line),
    needs("warmup", Line),
    needs("connect_timeout", Line),
    needs("lb_algo", Line),
    needs("lvs_sched", Line),
    word("hashed", Line),
    word("flag-1", Line),
    word("flag-2", Line),
    word("flag-3", Line),
    word("sh-port", Line),
    word("sh-fallback", Line),
    word("mh-port", Line),
    word("mh-fallback", Line),
    word("ops", Line),
    needs("lb_kind", Line),
    needs("lvs_method", Line),
    word("nat_mask", Line),
    needs("persistence_engine", Line),
    word("persistence_timeout", Line),
    needs("persistence_granularity", Line),
    needs("protocol", Line),
    word("ha_suspend", Line),
    word("smtp_alert", Line),
    word("virtualhost", Line),
    word("snmp_name", Line),
    word("alpha", Line),
    word("omega", Line),
    word("inhibit_on_failure", Line),
    needs("quorum_up", Command),
    needs("quorum_down", Command),
    needs("quorum", Line),
    needs("hysteresis", Line),
    needs("weight", Line),
    needs("sorry_server", Line),
    word("sorry_server_inhibit", Line),
    word("sorry_server_lvs_method", Line),
    word("real_server", Block(REAL_SERVER)),
];

const REAL_SERVER: &[Word] = &[
    needs("weight", Line),
    needs("lvs_method", Line),
    needs("uthreshold", Line),
    needs("lthreshold", Line),
    word("inhibit_on_failure", Line),
    needs("notify_up", Command),
    needs("notify_down", Command),
    word("alpha", Line),
    needs("delay_loop", Line),
    needs("delay_before_retry", Line),
    needs("retry", Line),
    needs("warmup", Line),
    needs("connect_timeout", Line),
    word("smtp_alert", Line),
    word("virtualhost", Line),
    word("snmp_name", Line),
    word("TCP_CHECK", Block(TCP_CHECK)),
    word("HTTP_GET", Block(HTTP_GET)),
    word("SSL_GET", Block(HTTP_GET)),
    word("SMTP_CHECK", Block(SMTP_CHECK)),
    word("DNS_CHECK", Block(DNS_CHECK)),
    word("MISC_CHECK", Block(MISC_CHECK)),
    word("PING_CHECK", Block(TCP_CHECK)),
    word("UDP_CHECK", Block(UDP_CHECK)),
    word("BFD_CHECK", Block(&[word("name", Line), word("alpha", Line)])),
    word("FILE_CHECK", Block(&[needs("track_file", Line), needs("weight", Line)])),
];

/// Words of a check, with those that every check has: when it is repeated.
macro_rules! repeating {
    ($($more:expr),* $(,)?) => {
        &[
            needs("warmup", Line),
            needs("delay_loop", Line),
            needs("retry", Line),
            needs("delay_before_retry", Line),
            word("alpha", Line),
            $($more),*
        ]
    };
}

/// Words of a check, with those of every check that connects: where to, where from, and when it is repeated.
macro_rules! connecting {
    ($($more:expr),* $(,)?) => {
        repeating![
            needs("connect_ip", Line),
            needs("connect_port", Line),
            needs("bindto", Line),
            needs("bind_if", Line),
            needs("bind_port", Line),
            needs("fwmark", Line),
            needs("connect_timeout", Line),
            $($more),*
        ]
    };
}

const TCP_CHECK: &[Word] = connecting![];

const HTTP_GET: &[Word] = connecting![
    needs("nb_get_retry", Line),
    word("virtualhost", Line),
    word("http_protocol", Line),
    word("enable_sni", Line),
    word("tls_compliant", Line),
    word("fast_recovery", Line),
    word("url", Block(URL)),
];

const URL: &[Word] = &[
    needs("path", Command),
    needs("digest", Line),
    word("status_code", Line),
    word("virtualhost", Line),
    word("regex", Command),
    word("regex_no_match", Line),
    word("regex_options", Line),
    word("regex_stack", Line),
    word("regex_min_offset", Line),
    word("regex_max_offset", Line),
    word("tls_compliant", Line),
];

const SMTP_CHECK: &[Word] = connecting![word("helo_name", Line), word("host", Block(TCP_CHECK)),];

const DNS_CHECK: &[Word] = connecting![needs("type", Line), needs("name", Line),];

const MISC_CHECK: &[Word] = repeating![
    word("misc_path", Command),
    needs("misc_timeout", Line),
    word("misc_dynamic", Line),
    word("user", Line),
];

const UDP_CHECK: &[Word] = connecting![
    word("payload", Line),
    word("require_reply", Line),
    needs("min_reply_length", Line),
    needs("max_reply_length", Line),
];

/// A word of a list.
pub fn find(words: &'static [Word], name: &str) -> Option<&'static Word> {
    words.iter().find(|word| word.name == name)
}
