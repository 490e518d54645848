//! A configuration, events, and who is told what.

use alerts::{Call, Happened, calls};
use cib::{Document, OpResult, OpStatus};

const CIB: &str = r#"<cib><configuration><alerts>
  <alert id="all" path="/a/all">
    <meta_attributes id="m"><nvpair id="m1" name="timeout" value="15s"/>
      <nvpair id="m2" name="timestamp-format" value="%s"/></meta_attributes>
    <instance_attributes id="i"><nvpair id="i1" name="debug" value="false"/>
      <nvpair id="i2" name="CRM_alert_kind" value="mine"/></instance_attributes>
    <recipient id="r1" value="/var/log/one"/>
    <recipient id="r2" value="two">
      <meta_attributes id="n"><nvpair id="n1" name="timeout" value="soon"/>
        <nvpair id="n2" name="timestamp-format" value="%H"/></meta_attributes>
      <instance_attributes id="j"><nvpair id="j1" name="debug" value="true"/></instance_attributes>
    </recipient>
    <recipient id="r3" value="three">
      <meta_attributes id="o"><nvpair id="o1" name="enabled" value="false"/></meta_attributes>
    </recipient>
  </alert>
  <alert id="bare" path="/a/bare"><select><select_nodes/></select></alert>
  <alert id="attributes" path="/a/attributes">
    <select><select_attributes><attribute id="x" name="pingd"/></select_attributes></select>
  </alert>
  <alert id="every" path="/a/every"><select><select_fencing/><select_attributes/></select></alert>
  <alert id="off" path="/a/off">
    <meta_attributes id="p"><nvpair id="p1" name="enabled" value="no"/></meta_attributes>
    <recipient id="q" value="q"/>
  </alert>
</alerts></configuration></cib>"#;

fn called(happened: &Happened<'_>) -> Vec<Call> {
    calls(&Document::parse(CIB).unwrap(), 0, 7, happened)
}

fn ids(happened: &Happened<'_>) -> Vec<String> {
    called(happened).into_iter().map(|call| call.id).collect()
}

fn words(call: &Call) -> String {
    let own = call.environment.iter().filter_map(|(name, value)| Some((name.strip_prefix("CRM_alert_")?, value)));
    own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn who_is_told_is_what_was_selected() {
    let node = Happened::Node { name: "n2", id: "2", member: true };
    assert_eq!(ids(&node), ["all/r1", "all/r2", "bare"]);
    let fencing = Happened::Fencing { target: "n2", action: "off", delegate: "n1", origin: "n3", failed: None };
    assert_eq!(ids(&fencing), ["all/r1", "all/r2", "every"]);
    let attribute = |name| ids(&Happened::Attribute { node: "n1", id: "1", name, value: Some("5") });
    assert_eq!(attribute("pingd"), ["attributes", "every"]);
    assert_eq!(attribute("other"), ["every"]);
    let monitor = |rc, interval_ms| OpResult {
        operation: "monitor".into(),
        status: OpStatus::Done,
        target_rc: 7,
        interval_ms,
        rc,
        ..OpResult::default()
    };
    assert_eq!(ids(&Happened::Resource(&monitor(7, 0))), Vec::<String>::new(), "a probe that found nothing");
    assert_eq!(ids(&Happened::Resource(&monitor(0, 0))), ["all/r1", "all/r2"]);
    assert_eq!(ids(&Happened::Resource(&monitor(7, 10_000))), ["all/r1", "all/r2"]);
}

#[test]
fn a_recipient_says_it_anew_or_takes_what_the_alert_says() {
    let calls = called(&Happened::Node { name: "n2", id: "2", member: false });
    let of = |call: &Call| (call.timeout_ms, call.timestamp_format.clone(), call.environment.get("debug").cloned());
    assert_eq!(of(&calls[0]), (15_000, "%s".into(), Some("false".into())));
    assert_eq!(of(&calls[1]), (15_000, "%H".into(), Some("true".into())), "a timeout that is none says nothing");
    assert_eq!(of(&calls[2]), (30_000, "%H:%M:%S.%06N".into(), None));
    assert_eq!(calls[0].environment["CRM_alert_kind"], "node", "no parameter hides what happened");
    assert!(!calls[2].environment.contains_key("CRM_alert_recipient"));
}

fn first(happened: Happened<'_>) -> String {
    words(&called(&happened)[0])
}

#[test]
fn events_are_told_in_pacemakers_words() {
    assert_eq!(
        first(Happened::Node { name: "n2", id: "2", member: false }),
        "desc=lost kind=node node=n2 node_sequence=7 nodeid=2 recipient=/var/log/one version=2.1.5"
    );
    assert_eq!(
        first(Happened::Fencing {
            target: "n2",
            action: "off",
            delegate: "n1",
            origin: "n3",
            failed: Some("no power")
        }),
        "desc=Operation off of n2 by n1 for n3: failed, no power kind=fencing node=n2 node_sequence=7 rc=1 \
         recipient=/var/log/one task=off version=2.1.5"
    );
    let mut result = OpResult {
        node: "n1".into(),
        resource: "web:0".into(),
        operation: "monitor".into(),
        interval_ms: 10_000,
        status: OpStatus::Done,
        rc: 7,
        ran_ms: 12,
        ..OpResult::default()
    };
    assert_eq!(
        first(Happened::Resource(&result)),
        "desc=not running exec_time=12 interval=10000 kind=resource node=n1 node_sequence=7 rc=7 \
         recipient=/var/log/one rsc=web:0 status=0 target_rc=0 task=monitor version=2.1.5"
    );
    for (status, rc, said) in
        [(OpStatus::Done, 0, "ok"), (OpStatus::Timeout, 1, "Timed Out"), (OpStatus::Cancelled, 1, "Cancelled")]
    {
        (result.status, result.rc) = (status, rc);
        assert!(first(Happened::Resource(&result)).starts_with(&format!("desc={said} ")));
    }
    let attribute = Happened::Attribute { node: "n1", id: "1", name: "pingd", value: None };
    assert_eq!(
        words(&called(&attribute)[0]),
        "attribute_name=pingd attribute_value= kind=attribute node=n1 node_sequence=7 nodeid=1 version=2.1.5"
    );
}
