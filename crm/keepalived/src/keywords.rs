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
}

const fn word(name: &'static str, shape: Shape) -> Word {
    Word { name, shape, side: Side::All }
}

const fn top(name: &'static str, shape: Shape, side: Side) -> Word {
    Word { name, shape, side }
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
    word("child_wait_time", Line),
    word("linkbeat_use_polling", Line),
    top("linkbeat_interfaces", Values, Side::Vrrp),
    top("interface_up_down_delays", Values, Side::Vrrp),
    top("static_ipaddress", Values, Side::Vrrp),
    top("static_routes", Values, Side::Vrrp),
    top("static_rules", Values, Side::Vrrp),
    top("track_group", Block(&[word("group", Values)]), Side::Vrrp),
    top("garp_group", Block(GARP_GROUP), Side::Vrrp),
    top("vrrp_script", Block(SCRIPT), Side::Vrrp),
    top("vrrp_track_process", Block(PROCESS), Side::Vrrp),
    word("track_file", Block(FILE)),
    word("vrrp_track_file", Block(FILE)),
    top("vrrp_sync_group", Block(SYNC_GROUP), Side::Vrrp),
    top("vrrp_instance", Block(INSTANCE), Side::Vrrp),
    top("bfd_instance", Block(BFD), Side::Bfd),
    top("virtual_server_group", Values, Side::Checker),
    top("virtual_server", Block(VIRTUAL_SERVER), Side::Checker),
    top("SSL", Block(SSL), Side::Checker),
];

const GLOBAL: &[Word] = &[
    word("router_id", Line),
    word("notification_email_from", Line),
    word("smtp_server", Line),
    word("smtp_helo_name", Line),
    word("smtp_connect_timeout", Line),
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
    word("vrrp_mcast_group4", Line),
    word("vrrp_mcast_group6", Line),
    word("vrrp_garp_master_delay", Line),
    word("vrrp_garp_master_repeat", Line),
    word("vrrp_garp_master_refresh", Line),
    word("vrrp_garp_master_refresh_repeat", Line),
    word("vrrp_garp_lower_prio_delay", Line),
    word("vrrp_garp_lower_prio_repeat", Line),
    word("vrrp_garp_interval", Line),
    word("vrrp_gna_interval", Line),
    word("vrrp_garp_extra_if", Line),
    word("vrrp_min_garp", Line),
    word("vrrp_down_timer_adverts", Line),
    word("vrrp_lower_prio_no_advert", Line),
    word("vrrp_higher_prio_send_advert", Line),
    word("vrrp_owner_ignore_adverts", Line),
    word("vrrp_version", Line),
    word("vrrp_iptables", Line),
    word("vrrp_ipsets", Line),
    word("nftables", Line),
    word("nftables_priority", Line),
    word("nftables_counters", Line),
    word("nftables_ifindex", Line),
    word("nftables_ipvs", Line),
    word("nftables_ipvs_start_fwmark", Line),
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
    word("vrrp_startup_delay", Line),
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
    word("process_name", Line),
    word("vrrp_process_name", Line),
    word("checker_process_name", Line),
    word("bfd_process_name", Line),
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
    word("vrrp_rlimit_rttime", Line),
    word("checker_rlimit_rttime", Line),
    word("bfd_rlimit_rttime", Line),
    word("vrrp_rlimit_rtime", Line),
    word("checker_rlimit_rtime", Line),
    word("bfd_rlimit_rtime", Line),
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
    word("config_save_dir", Line),
    word("tmp_config_directory", Line),
    word("use_pid_dir", Line),
    word("umask", Line),
    word("random_seed", Line),
    word("include_check", Line),
    word("json_version", Line),
    word("iproute_usr_dir", Line),
    word("iproute_etc_dir", Line),
    word("state_dump_file", Line),
    word("stats_dump_file", Line),
    word("json_dump_file", Line),
    word("vmac_prefix", Line),
    word("vmac_addr_prefix", Line),
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
    &[word("garp_interval", Line), word("gna_interval", Line), word("interface", Line), word("interfaces", Values)];

const SCRIPT: &[Word] = &[
    word("script", Command),
    word("interval", Line),
    word("timeout", Line),
    word("weight", Line),
    word("rise", Line),
    word("fall", Line),
    word("user", Line),
    word("init_fail", Line),
];

const PROCESS: &[Word] = &[
    word("process", Command),
    word("param_match", Line),
    word("weight", Line),
    word("quorum", Line),
    word("quorum_max", Line),
    word("delay", Line),
    word("fork_delay", Line),
    word("terminate_delay", Line),
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
    word("notify_backup", Command),
    word("notify_master", Command),
    word("notify_fault", Command),
    word("notify_stop", Command),
    word("notify", Command),
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
    word("unicast_ttl", Line),
    word("native_ipv6", Line),
    word("state", Line),
    word("interface", Line),
    word("dont_track_primary", Line),
    word("linkbeat_use_polling", Line),
    word("track_interface", Values),
    word("track_script", Values),
    word("track_file", Values),
    word("track_process", Values),
    word("track_bfd", Values),
    word("mcast_src_ip", Line),
    word("mcast_dst_ip", Line),
    word("unicast_src_ip", Line),
    word("track_src_ip", Line),
    word("virtual_router_id", Line),
    word("version", Line),
    word("priority", Line),
    word("advert_int", Line),
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
    word("preempt_delay", Line),
    word("debug", Line),
    word("notify_backup", Command),
    word("notify_master", Command),
    word("notify_fault", Command),
    word("notify_stop", Command),
    word("notify_deleted", Line),
    word("notify", Command),
    word("notify_master_rx_lower_pri", Command),
    word("notify_priority_changes", Line),
    word("smtp_alert", Line),
    word("lvs_sync_daemon_interface", Line),
    word("garp_master_delay", Line),
    word("garp_master_repeat", Line),
    word("garp_master_refresh", Line),
    word("garp_master_refresh_repeat", Line),
    word("garp_lower_prio_delay", Line),
    word("garp_lower_prio_repeat", Line),
    word("garp_extra_if", Line),
    word("down_timer_adverts", Line),
    word("lower_prio_no_advert", Line),
    word("higher_prio_send_advert", Line),
    word("owner_ignore_adverts", Line),
    word("kernel_rx_buf_size", Line),
    word("old_unicast_checksum", Line),
    word("v3_checksum_as_v2", Line),
    word("timer_expired_backup", Line),
    word("thread_timer_expired", Line),
    word("vrf", Line),
    word("authentication", Block(&[word("auth_type", Line), word("auth_pass", Line)])),
];

const BFD: &[Word] = &[
    word("source_ip", Line),
    word("neighbor_ip", Line),
    word("min_rx", Line),
    word("min_tx", Line),
    word("idle_tx", Line),
    word("multiplier", Line),
    word("passive", Line),
    word("ttl", Line),
    word("hoplimit", Line),
    word("max_hops", Line),
    word("weight", Line),
    word("vrrp", Line),
    word("checker", Line),
];

const SSL: &[Word] = &[word("password", Line), word("ca", Line), word("certificate", Line), word("key", Line)];

const VIRTUAL_SERVER: &[Word] = &[
    word("ip_family", Line),
    word("delay_loop", Line),
    word("delay_before_retry", Line),
    word("retry", Line),
    word("warmup", Line),
    word("connect_timeout", Line),
    word("lb_algo", Line),
    word("lvs_sched", Line),
    word("hashed", Line),
    word("flag-1", Line),
    word("flag-2", Line),
    word("flag-3", Line),
    word("sh-port", Line),
    word("sh-fallback", Line),
    word("mh-port", Line),
    word("mh-fallback", Line),
    word("ops", Line),
    word("lb_kind", Line),
    word("lvs_method", Line),
    word("nat_mask", Line),
    word("persistence_engine", Line),
    word("persistence_timeout", Line),
    word("persistence_granularity", Line),
    word("protocol", Line),
    word("ha_suspend", Line),
    word("smtp_alert", Line),
    word("virtualhost", Line),
    word("snmp_name", Line),
    word("alpha", Line),
    word("omega", Line),
    word("inhibit_on_failure", Line),
    word("quorum_up", Command),
    word("quorum_down", Command),
    word("quorum", Line),
    word("hysteresis", Line),
    word("weight", Line),
    word("sorry_server", Line),
    word("sorry_server_inhibit", Line),
    word("sorry_server_lvs_method", Line),
    word("real_server", Block(REAL_SERVER)),
];

const REAL_SERVER: &[Word] = &[
    word("weight", Line),
    word("lvs_method", Line),
    word("uthreshold", Line),
    word("lthreshold", Line),
    word("inhibit_on_failure", Line),
    word("notify_up", Command),
    word("notify_down", Command),
    word("alpha", Line),
    word("delay_loop", Line),
    word("delay_before_retry", Line),
    word("retry", Line),
    word("warmup", Line),
    word("connect_timeout", Line),
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
    word("FILE_CHECK", Block(&[word("track_file", Line), word("weight", Line)])),
];

/// Words of a check, with those that every check has: when it is repeated.
macro_rules! repeating {
    ($($more:expr),* $(,)?) => {
        &[
            word("warmup", Line),
            word("delay_loop", Line),
            word("retry", Line),
            word("delay_before_retry", Line),
            word("alpha", Line),
            $($more),*
        ]
    };
}

/// Words of a check, with those of every check that connects: where to, where from, and when it is repeated.
macro_rules! connecting {
    ($($more:expr),* $(,)?) => {
        repeating![
            word("connect_ip", Line),
            word("connect_port", Line),
            word("bindto", Line),
            word("bind_if", Line),
            word("bind_port", Line),
            word("fwmark", Line),
            word("connect_timeout", Line),
            $($more),*
        ]
    };
}

const TCP_CHECK: &[Word] = connecting![];

const HTTP_GET: &[Word] = connecting![
    word("nb_get_retry", Line),
    word("virtualhost", Line),
    word("http_protocol", Line),
    word("enable_sni", Line),
    word("tls_compliant", Line),
    word("fast_recovery", Line),
    word("url", Block(URL)),
];

const URL: &[Word] = &[
    word("path", Command),
    word("digest", Line),
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

const DNS_CHECK: &[Word] = connecting![word("type", Line), word("name", Line),];

const MISC_CHECK: &[Word] =
    repeating![word("misc_path", Command), word("misc_timeout", Line), word("misc_dynamic", Line), word("user", Line),];

const UDP_CHECK: &[Word] = connecting![
    word("payload", Line),
    word("require_reply", Line),
    word("min_reply_length", Line),
    word("max_reply_length", Line),
];

/// A word of a list.
pub fn find(words: &'static [Word], name: &str) -> Option<&'static Word> {
    words.iter().find(|word| word.name == name)
}
