//! What each write does, and the laws that hold for all of them.

use super::*;
use crate::patch::{self, Change, Patch};
use crate::write::{Author, Lifetime, NodeAttribute, OpResult, OpStatus};
use proptest::prelude::*;

fn cluster() -> Cib {
    let mut cib = Cib::fresh("test");
    let xml = "<configuration><crm_config/><nodes><node id='1' uname='alpha'/></nodes><resources>\
               <primitive id='ip' class='ocf' provider='heartbeat' type='IPaddr2'><operations>\
               <op id='ip-m' name='monitor' interval='10s'/><op id='ip-i' name='monitor' interval='20s' on-fail='ignore'/>\
               </operations></primitive></resources><constraints/></configuration>";
    cib.apply(&Write::Replace { xml: xml.into(), expected: None, author: author("root", 1_709_209_805) }).unwrap();
    cib
}

fn author(user: &str, at: i64) -> Author {
    Author { user: user.into(), at, ..Author::default() }
}

fn result(operation: &str, interval_ms: u64, target_rc: i32, rc: i32) -> OpResult {
    OpResult {
        node: "alpha".into(),
        resource: "ip".into(),
        class: "ocf".into(),
        provider: Some("heartbeat".into()),
        kind: "IPaddr2".into(),
        operation: operation.into(),
        interval_ms,
        number: 5,
        transition: 7,
        coordinator: "c0ffee".into(),
        target_rc,
        rc,
        status: OpStatus::Done,
        call_id: 12,
        started_at: 1000,
        ran_ms: 2500,
        queued_ms: 1,
        exit_reason: "it \u{1b}broke".into(),
        digest: Some("d41d".into()),
        restart: None,
        secure: None,
        migrate_source: None,
        migrate_target: None,
    }
}

fn record(cib: &mut Cib, result: OpResult) -> Applied {
    cib.apply(&Write::Result(result)).unwrap()
}

/// The ids of the entries of `ip` on node 1, and the attributes that count failures.
fn known(cib: &Cib) -> (Vec<String>, Vec<String>) {
    let document = cib.document();
    let all = |name: &'static str, show: &dyn Fn(Element) -> String| {
        let named = document.descendants(cib.status).filter(|e| document.name(*e) == name);
        named.map(show).collect::<Vec<_>>()
    };
    let pair = |e: Element| {
        let get = |name: &str| document.attribute(e, name).unwrap_or("");
        format!("{}={}", get("name"), get("value"))
    };
    (all("lrm_rsc_op", &|e| document.id(e).to_owned()), all("nvpair", &pair))
}

#[test]
fn fresh_and_replaced() {
    let fresh = Cib::fresh("test");
    assert_eq!(fresh.version(), Version::default());
    let cib = cluster();
    assert_eq!(cib.version().to_string(), "0.1.0");
    let root = cib.document().root();
    assert_eq!(cib.document().attribute(root, "cib-last-written"), Some("Thu Feb 29 12:30:05 2024"));
    assert_eq!(cib.document().attribute(root, "crm_feature_set"), Some(FEATURE_SET));
    let names: Vec<&str> = cib.document().children(root).map(|e| cib.document().name(e)).collect();
    assert_eq!(names, ["configuration", "status"]);
}

#[test]
fn versions_rise_and_say_who_was_faster() {
    let mut cib = cluster();
    let change = |at: &str| Patch {
        changes: vec![Change::Modify {
            path: "/cib/configuration/resources/primitive[@id='ip']".into(),
            set: vec![("description".into(), at.into())],
            unset: vec![],
        }],
    };
    let write = |text: &str, expected| Write::Configure { patch: change(text), expected, author: author("me", 1) };
    let applied = cib.apply(&write("a", Some((0, 1).into()))).unwrap();
    assert!(applied.configuration && applied.version.to_string() == "0.2.0");
    let refused = cib.apply(&write("b", Some((0, 1).into()))).unwrap_err();
    assert!(refused.to_string().contains("made for version 0.1, but the cluster has 0.2.0"), "{refused}");
    assert!(!cib.apply(&write("a", None)).unwrap().changed);
    assert_eq!(cib.version().to_string(), "0.2.0");
    record(&mut cib, result("start", 0, 0, 0));
    assert_eq!(cib.version().to_string(), "0.2.1");
    assert_eq!(cib.apply(&write("c", None)).unwrap().version.to_string(), "0.3.0");
}

#[test]
fn versions_never_go_back() {
    let mut cib = cluster();
    let mut replace = |xml: &str| {
        let applied = cib.apply(&Write::Replace { xml: xml.into(), expected: None, author: Author::default() });
        applied.map(|applied| applied.version.to_string()).map_err(|refused| refused.to_string())
    };
    assert_eq!(replace("<cib epoch='99' have-quorum='1'><configuration/><status/></cib>").unwrap(), "0.2.0");
    assert_eq!(
        replace("<cib admin_epoch='3' epoch='9'><configuration><tags/></configuration></cib>").unwrap(),
        "3.10.0"
    );
    assert_eq!(replace("<configuration><tags/><alerts/></configuration>").unwrap(), "3.11.0");
    assert!(replace("<configuration>").unwrap_err().contains("cannot be read"));
    assert!(replace("<resources/>").unwrap_err().contains("found <resources>"));
    assert!(replace("<cib/>").unwrap_err().contains("<configuration>"));
    let delete = Patch { changes: vec![Change::Delete { path: "/cib/status".into() }] };
    let write = Write::Configure { patch: delete, expected: None, author: Author::default() };
    assert_eq!(cib.apply(&write), Err(Refused::Section("status")));
    assert_eq!(cib.version().to_string(), "3.11.0");
}

#[test]
fn a_result_in_the_form_of_pacemaker() {
    let mut cib = cluster();
    let applied = record(&mut cib, result("start", 0, 0, 0));
    assert_eq!((applied.node.as_deref(), applied.resource.as_deref()), (Some("1"), Some("ip")));
    let state = cib.nodes["1"].state;
    let expected = r#"<node_state id="1" uname="alpha">
  <lrm id="1">
    <lrm_resources>
      <lrm_resource id="ip" class="ocf" provider="heartbeat" type="IPaddr2">
        <lrm_rsc_op id="ip_last_0" operation_key="ip_start_0" operation="start" crm-debug-origin="systoled" crm_feature_set="3.16.1" transition-magic="0:0;5:7:0:c0ffee" transition-key="5:7:0:c0ffee" exit-reason="" on_node="alpha" call-id="12" rc-code="0" op-status="0" interval="0" last-rc-change="1000" exec-time="2500" queue-time="1" op-digest="d41d"/>
      </lrm_resource>
    </lrm_resources>
  </lrm>
</node_state>
"#;
    assert_eq!(cib.document().element_to_xml(state), expected);
}

#[test]
fn what_a_result_leaves() {
    let run = |results: Vec<OpResult>| {
        let mut cib = cluster();
        results.into_iter().for_each(|result| {
            record(&mut cib, result);
        });
        known(&cib)
    };
    let check = |results: Vec<OpResult>, entries: &[&str], attributes: &[&str]| {
        let (found, counts) = run(results);
        assert_eq!(found, entries);
        assert_eq!(counts, attributes);
    };
    check(vec![result("monitor", 0, 7, 7)], &["ip_last_0"], &[]);
    // A probe that finds it running is recorded as unexpected, and counts as no failure.
    check(vec![result("monitor", 0, 7, 0)], &["ip_last_failure_0", "ip_last_0"], &[]);
    check(vec![result("start", 0, 0, 0), result("monitor", 10_000, 0, 0)], &["ip_last_0", "ip_monitor_10000"], &[]);
    check(
        vec![result("start", 0, 0, 1)],
        &["ip_last_failure_0", "ip_last_0"],
        &["fail-count-ip#start_0=INFINITY", "last-failure-ip#start_0=1002"],
    );
    check(
        vec![result("monitor", 10_000, 0, 7), result("monitor", 10_000, 0, 7)],
        &["ip_last_failure_0"],
        &["fail-count-ip#monitor_10000=2", "last-failure-ip#monitor_10000=1002"],
    );
    // What someone says has failed (`crm_resource --fail`).
    check(
        vec![result("start", 0, 0, 0), result("asyncmon", 0, 0, 1), result("asyncmon", 0, 0, 1)],
        &["ip_last_0", "ip_last_failure_0"],
        &["fail-count-ip#asyncmon_0=2", "last-failure-ip#asyncmon_0=1002"],
    );
    // on-fail="ignore" keeps the time only.
    check(vec![result("monitor", 20_000, 0, 7)], &["ip_last_failure_0"], &["last-failure-ip#monitor_20000=1002"]);
    let timeout = OpResult { status: OpStatus::Timeout, rc: 1, ..result("stop", 0, 0, 1) };
    check(
        vec![timeout],
        &["ip_last_failure_0", "ip_last_0"],
        &["fail-count-ip#stop_0=INFINITY", "last-failure-ip#stop_0=1002"],
    );
    let cancelled = OpResult { status: OpStatus::Cancelled, ..result("monitor", 10_000, 0, 0) };
    check(vec![result("monitor", 10_000, 0, 0), cancelled], &[], &[]);
    let pending = OpResult { status: OpStatus::Pending, rc: 193, call_id: -1, ..result("start", 0, 0, 193) };
    check(vec![pending], &["ip_last_0"], &[]);
    let migrated = OpResult { migrate_target: Some("beta".into()), ..result("migrate_to", 0, 0, 0) };
    check(vec![migrated], &["ip_migrate_to_0"], &[]);
    check(vec![result("reload-agent", 0, 0, 0)], &["ip_last_0"], &[]);
}

#[test]
fn the_later_of_two_results_of_one_call_has_the_later_time() {
    let mut cib = cluster();
    record(&mut cib, result("monitor", 10_000, 0, 0));
    record(&mut cib, result("monitor", 10_000, 0, 7));
    let document = cib.document();
    let times: Vec<_> =
        document.descendants(cib.status).filter_map(|e| document.attribute(e, "last-rc-change")).collect();
    assert_eq!(times, ["1000", "1001"]);
}

#[test]
fn start_failures_need_not_be_fatal() {
    let mut cib = cluster();
    let set = "<cluster_property_set id='s'><nvpair id='n' name='start-failure-is-fatal' value='false'/></cluster_property_set>";
    let create = Change::Create { path: "/cib/configuration/crm_config".into(), position: 0, xml: set.into() };
    let patch = Patch { changes: vec![create] };
    cib.apply(&Write::Configure { patch, expected: None, author: Author::default() }).unwrap();
    record(&mut cib, result("start", 0, 0, 1));
    record(&mut cib, result("start", 0, 0, 1));
    assert_eq!(known(&cib).1[0], "fail-count-ip#start_0=2");
}

#[test]
fn forgetting() {
    let all = [result("start", 0, 0, 0), result("monitor", 10_000, 0, 7)];
    let forget = |failures_only, resource: Option<&str>, results: &[OpResult]| {
        let mut cib = cluster();
        results.iter().for_each(|r| {
            record(&mut cib, r.clone());
        });
        let write = Write::Forget { node: None, resource: resource.map(str::to_owned), failures_only };
        let changed = cib.apply(&write).unwrap().changed;
        assert!(!cib.apply(&write).unwrap().changed, "forgotten twice");
        let (entries, counts) = known(&cib);
        (changed, entries.join(" "), counts.len())
    };
    assert_eq!(forget(true, Some("ip"), &all), (true, "ip_last_0".into(), 0));
    assert_eq!(forget(false, None, &all), (true, String::new(), 0));
    assert_eq!(forget(false, Some("other"), &all), (false, "ip_last_0 ip_last_failure_0".into(), 2));
    // Nothing is known after a failed start but that it failed: without that it has to be probed.
    assert_eq!(forget(true, Some("ip:3"), &[result("start", 0, 0, 1)]), (true, String::new(), 0));
}

/// A node that left in maintenance left its services running: who cleans up meanwhile must not make that forgotten.
#[test]
fn what_may_run_on_a_node_that_is_away_is_not_forgotten() {
    let mut cib = cluster();
    record(&mut cib, result("start", 0, 0, 0));
    record(&mut cib, result("monitor", 10_000, 0, 7));
    cib.apply(&Write::NodeState {
        id: "1".into(),
        uname: "alpha".into(),
        in_ccm: 5,
        crmd: 0,
        join: "down".into(),
        expected: "down".into(),
        since: 1,
    })
    .unwrap();
    let write =
        |node: Option<&str>| Write::Forget { node: node.map(str::to_owned), resource: None, failures_only: false };
    assert!(cib.apply(&write(None)).unwrap().changed);
    assert!(!cib.apply(&write(Some("alpha"))).unwrap().changed);
    assert_eq!(known(&cib), (vec!["ip_last_0".to_owned()], Vec::new()), "the failure goes, the start stays");
    // A start that failed may have left something behind.
    record(&mut cib, result("start", 0, 0, 1));
    cib.apply(&write(None)).unwrap();
    assert_eq!(known(&cib).0, ["ip_last_0", "ip_last_failure_0"]);
}

#[test]
fn nodes_come_and_go() {
    let mut cib = cluster();
    let state = |in_ccm, crmd, join: &str| Write::NodeState {
        id: "1".into(),
        uname: "alpha".into(),
        in_ccm,
        crmd,
        join: join.into(),
        expected: "member".into(),
        since: 5,
    };
    let get = |cib: &Cib, name: &str| cib.document.attribute(cib.nodes["1"].state, name).unwrap_or("-").to_owned();
    assert!(cib.apply(&state(100, 0, "pending")).unwrap().changed);
    assert!(!cib.apply(&state(100, 0, "pending")).unwrap().changed);
    assert_eq!([get(&cib, "in_ccm"), get(&cib, "crmd")], ["true", "offline"]);
    cib.set_root("crm_feature_set", "3.19.0");
    cib.apply(&state(100, 101, "member")).unwrap();
    assert_eq!([get(&cib, "in_ccm"), get(&cib, "crmd")], ["100", "101"]);

    record(&mut cib, result("start", 0, 0, 1));
    let fenced = |action: &str, since| Write::Fenced {
        node: "alpha".into(),
        since,
        action: action.into(),
        by: "b".into(),
        at: 9,
        coordinator: String::new(),
        transition: 1,
        number: 1,
    };
    // It has joined anew since the order was given: what was ended was an earlier stay.
    assert!(!cib.apply(&fenced("reboot", Some(4))).unwrap().changed);
    cib.apply(&fenced("on", None)).unwrap();
    assert!(known(&cib).1.contains(&"#node-unfenced=9".to_owned()));
    assert!(cib.apply(&fenced("reboot", Some(5))).unwrap().changed);
    assert_eq!(known(&cib), (vec![], vec![]));
    assert_eq!([get(&cib, "in_ccm"), get(&cib, "join"), get(&cib, "expected")], ["0", "down", "down"]);

    assert!(cib.apply(&state(100, 101, "member")).unwrap().changed);
    assert!(cib.apply(&Write::LetGo { node: "alpha".into() }).unwrap().changed);
    assert_eq!([get(&cib, "expected"), get(&cib, "since")], ["down", "5"]);

    record(&mut cib, result("monitor", 0, 7, 7));
    assert!(cib.apply(&Write::Joined { node: "1".into() }).unwrap().changed);
    assert_eq!((known(&cib).0, get(&cib, "since")), (Vec::<String>::new(), "-".to_owned()));

    let applied = cib.apply(&Write::Node { id: "2".into(), uname: "beta".into() }).unwrap();
    assert!(applied.configuration);
    assert!(!cib.apply(&Write::Node { id: "2".into(), uname: "beta".into() }).unwrap().changed);
    // An engine that numbers otherwise: the name decides, and nothing of the old number stays.
    cib.apply(&Write::Node { id: "7".into(), uname: "alpha".into() }).unwrap();
    assert_eq!(cib.configured_node("alpha").map(|e| cib.document.id(e)), Some("7"));
    assert!(!cib.nodes.contains_key("1"));
}

#[test]
fn attributes_of_nodes() {
    let mut cib = cluster();
    let attribute = |node: &str, lifetime, value: Option<&str>| Write::Attribute {
        node: node.into(),
        lifetime,
        name: "a#b".into(),
        value: value.map(str::to_owned),
        author: Author::default(),
    };
    assert!(cib.apply(&attribute("alpha", Lifetime::Permanent, Some("on"))).unwrap().configuration);
    assert!(!cib.apply(&attribute("1", Lifetime::Permanent, Some("on"))).unwrap().changed);
    assert!(cib.document().to_xml().contains(r#"<nvpair id="nodes-1-a.b" name="a#b" value="on"/>"#));
    assert!(cib.apply(&attribute("alpha", Lifetime::Permanent, None)).unwrap().configuration);
    assert_eq!(cib.apply(&attribute("none", Lifetime::Permanent, Some("x"))), Err(Refused::UnknownNode("none".into())));
    let applied = cib.apply(&attribute("alpha", Lifetime::Transient, Some("x"))).unwrap();
    assert!(applied.changed && !applied.configuration);
    assert!(cib.document().to_xml().contains(r#"<nvpair id="status-1-a.b" name="a#b" value="x"/>"#));
}

#[test]
fn attributes_that_change_together() {
    let mut cib = cluster();
    let one = |node: &str, name: &str, value: &str| NodeAttribute {
        node: node.into(),
        name: name.into(),
        value: Some(value.into()),
    };
    let before = cib.digest();
    let nameless = Write::Attributes { values: vec![one("alpha", "ping", "1"), one("alpha", "", "1")] };
    assert_eq!(cib.apply(&nameless), Err(Refused::Nameless("the attribute")));
    assert_eq!(cib.digest(), before, "all or nothing");
    let values = vec![one("alpha", "ping", "1"), one("1", "shutdown", "7")];
    let version = cib.version();
    assert!(cib.apply(&Write::Attributes { values }).unwrap().changed);
    assert_eq!(cib.version().num_updates, version.num_updates + 1, "one step for whoever looks");
    record(&mut cib, result("monitor", 0, 7, 7));

    // A daemon that comes back to its host keeps what is true of the host, and wants to leave no longer.
    assert!(cib.apply(&Write::Returned { node: "1".into() }).unwrap().changed);
    assert_eq!(known(&cib), (vec![], vec!["ping=1".to_owned()]));
}

#[test]
fn memory_stays_bounded() {
    let mut cib = cluster();
    for round in 0..20_000 {
        record(&mut cib, OpResult { call_id: round, ..result("monitor", 10_000, 0, 0) });
    }
    assert!(cib.document.pool_size() < 3 * COMPACT_MARGIN, "{}", cib.document.pool_size());
    assert_eq!(known(&cib).0, ["ip_monitor_10000"]);

    let (large, text) = (cib.document.pool_size(), cib.document.to_xml());
    assert!(large > 2 * REST_MARGIN, "{large}");
    cib.rest();
    assert!(cib.document.pool_size() < REST_MARGIN, "{}", cib.document.pool_size());
    assert_eq!(cib.document.to_xml(), text);
    record(&mut cib, result("monitor", 0, 7, 7));
    assert_eq!(known(&cib).0.len(), 2, "where everything stands is known as before");
}

#[test]
fn what_is_no_cib() {
    for (text, expected) in [
        ("<cib", "not well-formed"),
        ("<configuration/>", "found <configuration>"),
        ("<cib epoch='new'/>", "epoch=\"new\""),
    ] {
        let error = Cib::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(Cib::parse("<cib epoch='18446744073709551615'/>").unwrap().version().epoch, MAX_COUNT);
}

/// Any write at all, with few names so that they meet.
fn write() -> impl Strategy<Value = Write> {
    let node = || prop_oneof!["1", "2", "alpha", "beta", ""];
    let resource = || prop_oneof!["ip", "fs", "fs:1", ""];
    let operation = prop_oneof!["start", "stop", "monitor", "migrate_to", "promote", "reload", "\u{0}"];
    let results =
        (node(), resource(), operation, prop_oneof![Just(0u64), Just(10_000)], -1i32..9, 0usize..14, any::<i64>());
    let results = results.prop_map(|(node, resource, operation, interval_ms, rc, status, started_at)| {
        let status = OpStatus::ALL[status];
        Write::Result(OpResult {
            node,
            resource,
            operation,
            interval_ms,
            rc,
            status,
            started_at,
            ..result("", 0, 0, 0)
        })
    });
    let attribute =
        (node(), any::<bool>(), prop_oneof!["standby", "fail-count-ip#start_0", ".*"], proptest::option::of(".*"));
    let forget = (proptest::option::of(node()), proptest::option::of(resource()), any::<bool>());
    let state = (prop_oneof!["1", "2", "3"], prop_oneof!["alpha", "beta"], any::<i64>(), any::<i64>());
    let path = prop_oneof!["/cib", "/cib/configuration", "/cib/status/node_state", "/cib/configuration/nodes", ".*"];
    let xml = prop_oneof!["<node_state id='1'/>", "<x>", "<nodes/>", "<status/>", "<cib><configuration/></cib>"];
    prop_oneof![
        4 => results,
        1 => (node(), node()).prop_map(|(id, uname)| Write::Node { id, uname }),
        2 => state.prop_map(|(id, uname, in_ccm, crmd)| Write::NodeState {
            id, uname, in_ccm, crmd, join: "member".into(), expected: "member".into(), since: 1,
        }),
        2 => attribute.prop_map(|(node, transient, name, value)| {
            let lifetime = if transient { Lifetime::Transient } else { Lifetime::Permanent };
            Write::Attribute { node, lifetime, name, value, author: Author::default() }
        }),
        1 => forget.prop_map(|(node, resource, failures_only)| Write::Forget { node, resource, failures_only }),
        1 => (node(), prop_oneof!["on", "off"]).prop_map(|(node, action)| Write::Fenced {
            node, since: None, action, by: String::new(), at: 0, coordinator: String::new(), transition: 0, number: 0,
        }),
        1 => node().prop_map(|node| Write::Joined { node }),
        1 => node().prop_map(|node| Write::Returned { node }),
        1 => proptest::collection::vec((node(), ".*", proptest::option::of(".*")), 0..3).prop_map(|values| {
            let value = |(node, name, value)| NodeAttribute { node, name, value };
            Write::Attributes { values: values.into_iter().map(value).collect() }
        }),
        1 => node().prop_map(|node| Write::LetGo { node }),
        1 => (path, xml.clone(), 0usize..3, any::<i64>()).prop_map(|(path, xml, kind, at)| {
            let change = match kind {
                0 => Change::Create { path, position: 0, xml },
                1 => Change::Delete { path },
                _ => Change::Modify { path, set: vec![("epoch".into(), xml)], unset: vec!["admin_epoch".into()] },
            };
            Write::Configure { patch: Patch { changes: vec![change] }, expected: None, author: author("", at) }
        }),
        1 => xml.prop_map(|xml| Write::Replace { xml, expected: None, author: Author::default() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Replicas that apply the same writes are the same, a refused write leaves no trace, versions only rise, the
    /// index says what the document says, and what is written can be read again.
    #[test]
    fn replicas_agree(writes in proptest::collection::vec(write(), 0..40), compact_at in 0usize..40) {
        let mut mine = cluster();
        let mut theirs = Cib::parse(&mine.document().to_xml()).unwrap();
        for (index, write) in writes.iter().enumerate() {
            let (before, digest) = (mine.version(), mine.digest());
            let mut copy = mine.document().clone();
            if index == compact_at {
                // As after a state transfer in the middle.
                theirs = Cib::parse(&theirs.document().to_xml()).unwrap();
            }
            let done = mine.apply(write);
            prop_assert_eq!(&done, &theirs.apply(write));
            match done {
                Ok(applied) => {
                    prop_assert_eq!(applied.version, mine.version());
                    prop_assert_eq!(applied.changed, mine.version() > before);
                    prop_assert_eq!(applied.patch.changes.is_empty(), !applied.configuration);
                    // What a disk is told brings it to the same configuration.
                    patch::apply(&mut copy, &applied.patch).unwrap();
                    let configuration = |d: &Document| d.descend(&["configuration"]).map(|e| d.element_to_xml(e));
                    prop_assert_eq!(configuration(&copy), configuration(mine.document()));
                    if !applied.changed {
                        prop_assert_eq!(mine.digest(), digest);
                    }
                }
                Err(_) => prop_assert_eq!(mine.digest(), digest),
            }
            prop_assert_eq!(mine.digest(), theirs.digest());
            let mut again = mine.clone();
            again.index();
            prop_assert_eq!(format!("{:?}", mine.nodes), format!("{:?}", again.nodes));
        }
        let text = mine.document().to_xml();
        let read = Cib::parse(&text).unwrap();
        prop_assert_eq!(read.digest(), mine.digest());
        prop_assert_eq!(read.version(), mine.version());
        let _ = patch::diff(read.document(), Cib::fresh("x").document());
    }
}
