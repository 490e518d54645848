//! What becomes of each word of keepalived's, by itself: one line a word. Where it depends on more than the word, the
//! planner says so in its place; where a word is missing here, a test fails.

/// What becomes of a word.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The same as before, by this.
    Carried(&'static str),
    /// By this, with a difference.
    Differs(&'static str, &'static str),
    /// The question of this name decides.
    Asked(&'static str),
    /// Lost, and what to do.
    Cannot(&'static str),
    /// Without meaning, and why.
    Dropped(&'static str),
}

use Fate::{Asked, Cannot, Carried, Differs, Dropped};

const VRRP: &str = "a detail of VRRP's protocol; Corosync has its own";
const PROCESS: &str = "how keepalived's own processes run; there are none afterwards";
const FIREWALL: &str = "keepalived's own firewall rules go with it; the addresses take packets as usual";
const KERNEL: &str = "buffers between keepalived and the kernel; there are none afterwards";
const ALERT: &str = "an alert by mail";
const WORDING: &str = "sent by the cluster, once for the host that acts, in other words";
const HOOK: &str = "a NotifyHook resource, last in its group";
const HOOK_DIFFERENCE: &str = "called when the addresses come and go, not at each start of a backup; a script that fails is \
                               reported and does not undo the start";

/// The fate of a word in a kind of block; `top` for those outside of blocks.
pub fn fate(block: &str, word: &str) -> Option<Fate> {
    match block {
        "top" => top(word),
        "global_defs" => global(word),
        "vrrp_instance" => instance(word),
        "authentication" => matches!(word, "auth_type" | "auth_pass").then_some(Differs(
            "Corosync signs and encrypts with a key of its own",
            "the password is not used again: it went over the network in clear",
        )),
        "vrrp_sync_group" => group(word),
        "vrrp_script" => script(word),
        "vrrp_track_process" => process(word),
        "track_file" | "vrrp_track_file" => file(word),
        "garp_group" => matches!(word, "garp_interval" | "gna_interval" | "interface" | "interfaces")
            .then_some(Dropped("the addresses of a group are announced one after the other anyway")),
        "track_group" => (word == "group").then_some(Asked("static")),
        "bfd_instance" => Some(Asked("bfd")),
        _ => None,
    }
}

fn top(word: &str) -> Option<Fate> {
    Some(match word {
        "global_defs" | "vrrp_instance" | "vrrp_script" => Carried("see the lines in it"),
        "vrrp_sync_group" => Carried("one group of resources: they run on one node, and fail together"),
        "static_ipaddress" | "static_routes" | "static_rules" | "track_group" => Asked("static"),
        "net_namespace" | "net_namespace_ipvs" | "namespace_with_ipsets" => Asked("namespace"),
        "use_pid_dir" | "instance" | "child_wait_time" => Dropped(PROCESS),
        "linkbeat_use_polling" | "linkbeat_interfaces" => Dropped("the agent reads the link's state itself"),
        "interface_up_down_delays" => {
            Differs("rise and fall of the HealthCheck of the interface", "counted in checks of one second each")
        }
        "garp_group" => Dropped("the addresses of a group are announced one after the other anyway"),
        "vrrp_track_process" => Carried("a HealthCheck clone that counts the processes into a node attribute"),
        "track_file" | "vrrp_track_file" => Carried("a HealthCheck clone that reads the file into a node attribute"),
        "bfd_instance" => Asked("bfd"),
        "virtual_server" | "virtual_server_group" | "SSL" => Asked("ipvs"),
        _ => return None,
    })
}

fn instance(word: &str) -> Option<Fate> {
    Some(match word {
        "state" => Dropped("who begins as MASTER means nothing after the first second; the priorities decide"),
        "interface" => Carried("parameter nic of the addresses, and a HealthCheck clone that watches the link"),
        "dont_track_primary" => Carried("no rule about the link of the interface"),
        "virtual_router_id" => Dropped("it told routers apart on the wire; resources have names"),
        "priority" => Carried("a location constraint for each node, with the priority as its score"),
        "nopreempt" => Carried("resource-stickiness=INFINITY: what runs stays where it is"),
        "preempt" => Carried("resource-stickiness=0: the better node takes over when it is back"),
        "preempt_delay" => Differs(
            "resource-stickiness=0",
            "the addresses go back as soon as the better node is back and found healthy, not later; set \
             resource-stickiness=INFINITY to move them by hand instead",
        ),
        "advert_int" | "down_timer_adverts" => {
            Differs("Corosync's token", "one time for all that runs in the cluster; see the times of a failover")
        }
        "virtual_ipaddress" | "virtual_ipaddress_excluded" => Carried("an IPaddr2 resource for each address"),
        "virtual_routes" => Carried("an IpObject resource for each route, behind the addresses"),
        "virtual_rules" => Carried("an IpObject resource for each rule, behind the addresses"),
        "promote_secondaries" => Differs(
            "sysctl net.ipv4.conf.IF.promote_secondaries=1",
            "set it in /etc/sysctl.d on each host: it is the host's, not the cluster's",
        ),
        "use_vmac" | "use_vmac_addr" | "use_ipvlan" | "vmac_xmit_base" => Asked("vmac"),
        "vrf" => Cannot("put the interface into its VRF by the host's own network configuration"),
        "unicast_peer" | "unicast_src_ip" | "mcast_src_ip" => Carried("addresses of the nodes in corosync.conf"),
        "track_src_ip" => Differs(
            "membership of Corosync",
            "a host whose address of the cluster's network is gone is lost to the others, and fenced",
        ),
        "authentication" => Carried("see the lines in it"),
        "track_interface" => Carried("HealthCheck clones and rules about their attributes"),
        "track_script" => Carried("rules about the attribute that the script's HealthCheck sets"),
        "track_process" => Carried("rules about the attribute that the process's HealthCheck sets"),
        "track_file" => Carried("a rule whose score is the attribute that the file's HealthCheck sets"),
        "track_bfd" => Asked("bfd"),
        "notify" | "notify_master" | "notify_backup" | "notify_fault" | "notify_stop" | "notify_deleted" => {
            Differs(HOOK, HOOK_DIFFERENCE)
        }
        "notify_master_rx_lower_pri" => {
            Dropped("it tells of a router of lower priority on the wire; Corosync's members cannot be of two minds")
        }
        "notify_priority_changes" => Dropped("scores are the cluster's; systole why shows them at any time"),
        "smtp_alert" => Differs(ALERT, WORDING),
        "accept" => Carried("the addresses take packets, as all addresses do"),
        "no_accept" | "strict_mode" => Differs(
            "a plain address",
            "it takes packets: keepalived dropped those that were not its own; refuse them in the host's firewall if \
             that was meant",
        ),
        "garp_master_repeat" => Carried("parameter arp_count of the addresses"),
        "garp_master_refresh" | "garp_master_refresh_repeat" => {
            Differs("parameter arp_count_refresh of the addresses", "the refresh comes with each monitor, every 10 s")
        }
        "garp_master_delay" => Differs("one burst when the address comes", "there is no second burst later"),
        "garp_lower_prio_delay" | "garp_lower_prio_repeat" | "garp_extra_if" => {
            Dropped("it answers routers of lower priority on the wire; there are none")
        }
        "lvs_sync_daemon_interface" => Asked("ipvs"),
        "linkbeat_use_polling" => Dropped("the agent reads the link's state itself"),
        "native_ipv6"
        | "mcast_dst_ip"
        | "version"
        | "skip_check_adv_addr"
        | "debug"
        | "check_unicast_src"
        | "unicast_fault_no_peer"
        | "unicast_ttl"
        | "lower_prio_no_advert"
        | "higher_prio_send_advert"
        | "owner_ignore_adverts"
        | "kernel_rx_buf_size"
        | "old_unicast_checksum"
        | "v3_checksum_as_v2"
        | "timer_expired_backup"
        | "thread_timer_expired" => Dropped(VRRP),
        _ => return None,
    })
}

fn group(word: &str) -> Option<Fate> {
    Some(match word {
        "group" => Carried("all addresses of the instances are members of one group"),
        "track_interface" | "track_script" | "track_process" | "track_file" => {
            Carried("HealthCheck clones and rules about their attributes, for the whole group")
        }
        "track_bfd" => Asked("bfd"),
        "notify" | "notify_master" | "notify_backup" | "notify_fault" | "notify_stop" => Differs(HOOK, HOOK_DIFFERENCE),
        "smtp_alert" => Differs(ALERT, WORDING),
        "notify_priority_changes" => Dropped("scores are the cluster's; systole why shows them at any time"),
        "global_tracking" | "sync_group_tracking_weight" => Carried("weights count in the group as they do outside"),
        _ => return None,
    })
}

fn script(word: &str) -> Option<Fate> {
    Some(match word {
        "script" => Carried("a HealthCheck clone that runs it on each node, and sets a node attribute"),
        "interval" => Carried("the interval of its monitor"),
        "timeout" => Carried("parameter timeout of its HealthCheck"),
        "weight" => Carried("the score of the rules about its attribute"),
        "rise" | "fall" | "user" | "init_fail" => Carried("the parameter of this name of its HealthCheck"),
        _ => return None,
    })
}

fn process(word: &str) -> Option<Fate> {
    Some(match word {
        "process" | "full_command" | "param_match" => Carried("parameter process of its HealthCheck, matched likewise"),
        "weight" => Carried("the score of the rules about its attribute"),
        "quorum" | "quorum_max" => Carried("the parameter of this name of its HealthCheck"),
        "delay" | "fork_delay" | "terminate_delay" => {
            Differs("rise and fall of its HealthCheck", "the processes are counted once a second, not at each fork")
        }
        _ => return None,
    })
}

fn file(word: &str) -> Option<Fate> {
    Some(match word {
        "file" => Carried("parameter file of its HealthCheck"),
        "weight" => Carried("parameter weight of its HealthCheck: the attribute is value times weight"),
        "init_file" => Differs(
            "the file as it is",
            "it is not made anew at the start: make it before, and leave its value to who changes it",
        ),
        _ => return None,
    })
}

fn global(word: &str) -> Option<Fate> {
    Some(match word {
        "router_id" => Dropped("a host's name for itself; nodes have the hosts' names"),
        "notification_email"
        | "notification_email_from"
        | "smtp_server"
        | "smtp_helo_name"
        | "smtp_alert"
        | "smtp_alert_vrrp" => Differs(ALERT, WORDING),
        "smtp_connect_timeout" | "no_email_faults" => Dropped("the alert's program has its own"),
        "smtp_alert_checker"
        | "checker_log_all_failures"
        | "no_checker_emails"
        | "rs_init_notifies"
        | "lvs_timeouts"
        | "lvs_flush"
        | "lvs_flush_on_stop"
        | "lvs_flush_onstop"
        | "lvs_sync_daemon"
        | "lvs_notify_fifo"
        | "lvs_notify_fifo_script"
        | "nftables_ipvs"
        | "nftables_ipvs_start_fwmark"
        | "ipvs_nftables"
        | "ha_suspend"
        | "snmp_vs_stats_update_interval"
        | "snmp_rs_stats_update_interval" => Asked("ipvs"),
        "default_interface" => Carried("parameter nic of the addresses that name no interface"),
        "dynamic_interfaces" => Carried("IPaddr2 takes an interface that is not there as: the address is not there"),
        "script_user" => Carried("parameter user of HealthCheck and NotifyHook"),
        "enable_script_security" | "use_symlink_paths" | "set_supplementary_groups" => Differs(
            "parameter user of HealthCheck and NotifyHook",
            "who may write the scripts is not checked: keep them root's alone",
        ),
        "startup_script" | "startup_script_timeout" | "shutdown_script" | "shutdown_script_timeout" => {
            Cannot("put it into the unit of the cluster's daemon: ExecStartPre=, ExecStopPost=")
        }
        "notify_fifo" | "vrrp_notify_fifo" => Differs(
            "parameter fifo of the NotifyHook resources, which write the same lines",
            "FAULT is not told: the address that is taken away tells BACKUP",
        ),
        "notify_fifo_script" | "vrrp_notify_fifo_script" => {
            Cannot("run it as a service of its own that reads the pipe: make a unit for it, and a clone of the unit")
        }
        "fifo_write_vrrp_states_on_reload" => Dropped("there is no reload that could lose a state"),
        "vrrp_startup_delay" | "vrrp_delay_after_boot" => Differs(
            "the cluster's own waiting for the others at its start",
            "it ends when all are there, or after dc-deadtime",
        ),
        "vrrp_garp_master_repeat" => Carried("parameter arp_count of the addresses"),
        "vrrp_garp_master_refresh" | "vrrp_garp_master_refresh_repeat" => {
            Differs("parameter arp_count_refresh of the addresses", "the refresh comes with each monitor, every 10 s")
        }
        "vrrp_garp_master_delay" => Differs("one burst when the address comes", "there is no second burst later"),
        "vrrp_min_garp" => Carried("parameter arp_count of the addresses"),
        "vrrp_down_timer_adverts" => {
            Differs("Corosync's token", "one time for all that runs in the cluster; see the times of a failover")
        }
        "vrrp_strict" => Differs(
            "a plain address",
            "it takes packets: keepalived dropped those that were not its own; refuse them in the host's firewall if \
             that was meant",
        ),
        "enable_snmp_vrrp"
        | "enable_snmp_keepalived"
        | "enable_snmp_checker"
        | "enable_snmp_rfc"
        | "enable_snmp_rfcv2"
        | "enable_snmp_rfcv3"
        | "enable_traps"
        | "snmp_socket"
        | "enable_dbus"
        | "dbus_service_name"
        | "dbus_no_interface_name" => Asked("monitoring"),
        "net_namespace" | "net_namespace_ipvs" | "namespace_with_ipsets" => Asked("namespace"),
        "vrrp_iptables" | "vrrp_ipsets" | "nftables" | "nftables_priority" | "nftables_counters"
        | "nftables_ifindex" | "disable_local_igmp" => Dropped(FIREWALL),
        "lvs_netlink_cmd_rcv_bufs"
        | "lvs_netlink_cmd_rcv_bufs_force"
        | "lvs_netlink_monitor_rcv_bufs"
        | "lvs_netlink_monitor_rcv_bufs_force"
        | "vrrp_netlink_cmd_rcv_bufs"
        | "vrrp_netlink_cmd_rcv_bufs_force"
        | "vrrp_netlink_monitor_rcv_bufs"
        | "vrrp_netlink_monitor_rcv_bufs_force"
        | "process_monitor_rcv_bufs"
        | "process_monitor_rcv_bufs_force"
        | "vrrp_rx_bufs_policy"
        | "vrrp_rx_bufs_multiplier" => Dropped(KERNEL),
        "vrrp_mcast_group4"
        | "vrrp_mcast_group6"
        | "vrrp_garp_lower_prio_delay"
        | "vrrp_garp_lower_prio_repeat"
        | "vrrp_garp_interval"
        | "vrrp_gna_interval"
        | "vrrp_garp_extra_if"
        | "vrrp_lower_prio_no_advert"
        | "vrrp_higher_prio_send_advert"
        | "vrrp_owner_ignore_adverts"
        | "vrrp_version"
        | "vrrp_check_unicast_src"
        | "vrrp_skip_check_adv_addr"
        | "vrrp_notify_priority_changes"
        | "vmac_prefix"
        | "vmac_addr_prefix"
        | "log_unknown_vrids" => Dropped(VRRP),
        "linkbeat_use_polling" => Dropped("the agent reads the link's state itself"),
        "process_names"
        | "process_name"
        | "vrrp_process_name"
        | "checker_process_name"
        | "bfd_process_name"
        | "vrrp_priority"
        | "checker_priority"
        | "bfd_priority"
        | "vrrp_no_swap"
        | "checker_no_swap"
        | "bfd_no_swap"
        | "vrrp_rt_priority"
        | "checker_rt_priority"
        | "bfd_rt_priority"
        | "vrrp_cpu_affinity"
        | "checker_cpu_affinity"
        | "bfd_cpu_affinity"
        | "vrrp_rlimit_rttime"
        | "checker_rlimit_rttime"
        | "bfd_rlimit_rttime"
        | "vrrp_rlimit_rtime"
        | "checker_rlimit_rtime"
        | "bfd_rlimit_rtime"
        | "max_auto_priority"
        | "min_auto_priority_delay"
        | "reload_check_config"
        | "reload_time_file"
        | "reload_repeat"
        | "reload_date_specific"
        | "reload_file"
        | "data_use_instance"
        | "config_save_dir"
        | "tmp_config_directory"
        | "use_pid_dir"
        | "umask"
        | "random_seed"
        | "include_check"
        | "json_version"
        | "iproute_usr_dir"
        | "iproute_etc_dir"
        | "state_dump_file"
        | "stats_dump_file"
        | "json_dump_file"
        | "instance"
        | "child_wait_time" => Dropped(PROCESS),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use keepalived::keywords::{Shape, TOP, Word};

    use super::fate;

    /// Servers go as a whole, by one question.
    const WHOLE: &[&str] = &["virtual_server", "SSL"];

    fn walk(block: &str, words: &'static [Word], missing: &mut Vec<String>) {
        for word in words {
            if fate(block, word.name).is_none() {
                missing.push(format!("{block}/{}", word.name));
            }
            if let (Shape::Block(inner), false) = (word.shape, WHOLE.contains(&word.name)) {
                walk(word.name, inner, missing);
            }
        }
    }

    #[test]
    fn every_word_of_keepalived_has_a_fate() {
        let mut missing = Vec::new();
        walk("top", TOP, &mut missing);
        assert!(missing.is_empty(), "no fate for {missing:?}");
    }
}
