//! Alert agents, called for real: a node that comes and is lost, a resource, an attribute; one agent that fails and one
//! that hangs; and Debian's own, where they are installed.

use std::path::Path;

use crate::small::Small;
use wire::{AttributeChange, Dampening, Request, Update};

/// Of the package pacemaker-common.
const DEBIANS: &str = "/usr/share/pacemaker/alerts/alert_file.sh.sample";

/// A resource that is what its file says.
const RESOURCE: &str = r#"#!/bin/sh
state=$OCF_RESKEY_state
case "$1" in
start) : > "$state" ;;
stop) rm -f "$state" ;;
monitor) [ -e "$state" ] || exit 7 ;;
*) exit 3 ;;
esac
"#;

/// Writes all that it is told into a line of the recipient's file.
const AGENT: &str = "#!/bin/sh\nenv | grep ^CRM_alert_ | sort | tr '\\n' ' ' >> \"$CRM_alert_recipient\"\n\
                     echo \"note=$note as=$(id -un)\" >> \"$CRM_alert_recipient\"\n";

fn alert(id: &str, path: &str, inside: &str) -> String {
    format!("<alert id=\"{id}\" path=\"{path}\">{inside}</alert>")
}

#[test]
fn events_reach_the_agents() {
    let mut small = Small::new(1);
    let at = |name: &str| small.at(name).display().to_string();
    small.program("ocf/resource.d/test/File", RESOURCE);
    small.program("agent", AGENT);
    small.program("failing", "#!/bin/sh\necho first >&2\necho 'no route to the pager' >&2\nexit 4\n");
    small.program("hanging", "#!/bin/sh\nsleep 1000\n");
    let recipient = |file: &str| format!("<recipient id=\"{file}-r\" value=\"{}\"/>", at(file));
    let nodes = "<select><select_nodes/></select>";
    let alerts = [
        alert(
            "all",
            &at("agent"),
            &format!(
                "<select><select_nodes/><select_resources/><select_attributes><attribute id=\"s\" name=\"color\"/>\
                 </select_attributes></select><instance_attributes id=\"i\"><nvpair id=\"i1\" name=\"note\" \
                 value=\"two words\"/></instance_attributes>{}",
                recipient("told")
            ),
        ),
        alert("bad", &at("failing"), nodes),
        alert(
            "slow",
            &at("hanging"),
            &format!(
                "<meta_attributes id=\"m\"><nvpair id=\"m1\" name=\"timeout\" value=\"1s\"/></meta_attributes>{nodes}"
            ),
        ),
        alert("debian", DEBIANS, &recipient("debian")),
    ];
    small.configure(
        &format!(
            "<primitive id=\"web\" class=\"ocf\" provider=\"test\" type=\"File\"><instance_attributes id=\"w\">\
             <nvpair id=\"w1\" name=\"state\" value=\"{}\"/></instance_attributes><operations>\
             <op id=\"w2\" name=\"monitor\" interval=\"200ms\" timeout=\"5s\"/></operations></primitive>",
            at("web.running")
        ),
        &format!("<alerts>{}</alerts>", alerts.concat()),
    );
    let line = |small: &Small, words: &[&str]| -> String {
        small.until(&format!("a line with {words:?}"), || {
            let told = small.read("told");
            told.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
    };

    small.start("a", 1);
    small.quiet("a", 1);
    let came = line(&small, &["CRM_alert_kind=node ", "CRM_alert_node=a ", "CRM_alert_desc=member "]);
    assert!(came.contains("CRM_alert_nodeid=1 ") && came.contains("note=two words "), "{came}");
    assert!(came.contains("CRM_alert_node_sequence=1 "), "{came}");
    // The default format: hours, minutes, seconds and microseconds.
    let time = came.split("CRM_alert_timestamp=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "00:00:00.000000", "{time}");
    let started = line(&small, &["CRM_alert_kind=resource ", "CRM_alert_rsc=web ", "CRM_alert_task=start "]);
    assert!(started.contains("CRM_alert_desc=ok ") && started.contains("CRM_alert_rc=0 "), "{started}");

    // The resource fails under the monitor's eyes.
    std::fs::remove_file(small.at("web.running")).unwrap();
    let failed = line(&small, &["CRM_alert_task=monitor ", "CRM_alert_desc=not running ", "CRM_alert_rc=7 "]);
    assert!(failed.contains("CRM_alert_interval=200 ") && failed.contains("CRM_alert_target_rc=0 "), "{failed}");

    for name in ["taste", "color"] {
        let update = Update {
            node: None,
            name: name.into(),
            change: AttributeChange::Set("blue".into()),
            dampening: Dampening::Keep,
            private: false,
        };
        small.ask("a", &Request::Update(update)).unwrap();
    }
    line(&small, &["CRM_alert_kind=attribute ", "CRM_alert_attribute_name=color ", "CRM_alert_attribute_value=blue "]);
    assert!(!small.read("told").contains("attribute_name=taste"), "it was not selected");

    small.start("b", 2);
    line(&small, &["CRM_alert_node=b ", "CRM_alert_desc=member "]);
    small.kill("b");
    line(&small, &["CRM_alert_node=b ", "CRM_alert_desc=lost "]);

    let log = |words: &str| small.until(words, || small.read("a.log").contains(words).then_some(()));
    log("alert bad: ");
    log("exited with code 4: no route to the pager");
    log("did not end within 1000 ms and was killed");
    if Path::new(DEBIANS).exists() {
        small.until("Debian's agent writes", || small.read("debian").contains("Node 'b' is now 'lost'").then_some(()));
        assert!(small.read("debian").contains("Resource operation 'start' for 'web' on 'a': ok"));
    }
}
