//! Agents that watch, and agents that are slow: what becomes known at once, and what is told of a timeout.

use std::fs;

use crate::small::Small;

/// A resource that is what its file says; it can be watched, and its monitor hangs while another file is there.
const AGENT: &str = r#"#!/bin/sh
state=$OCF_RESKEY_state
case "$1" in
meta-data)
    echo '<?xml version="1.0"?><?systole actions="watch"?><resource-agent name="Watched" version="1.0"><version>1.1</version>'
    echo '<parameters/><actions><action name="start" timeout="5s"/><action name="stop" timeout="5s"/>'
    echo '<action name="monitor" timeout="5s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>' ;;
start) : > "$state" ;;
stop)
    [ ! -e "$state.watched" ] || echo "stopped while it was watched" >> "$state.wrong"
    rm -f "$state" ;;
monitor)
    [ -e "$state" ] || exit 7
    echo "asked" >> "$state.asked"
    [ ! -e "$state.slow" ] || sleep 1000 ;;
watch)
    trap 'rm -f "$state.watched"; exit 0' TERM
    : > "$state.watched"
    env | grep ^OCF_RESKEY_ | sort > "$state.environment"
    echo watching
    while [ -e "$state" ]; do sleep 0.02; done
    rm -f "$state.watched"
    echo "ocf-exit-reason:the file went away" >&2
    exit 7 ;;
*) exit 3 ;;
esac
"#;

fn resource(id: &str, state: &str, monitor: &str) -> String {
    format!(
        "<primitive id=\"{id}\" class=\"ocf\" provider=\"test\" type=\"Watched\"><instance_attributes id=\"{id}-i\">\
         <nvpair id=\"{id}-s\" name=\"state\" value=\"{state}\"/></instance_attributes><operations>{monitor}</operations>\
         </primitive>"
    )
}

/// The reason of a failure that the history keeps.
fn reason(small: &Small) -> Option<String> {
    let cib = small.status("a")?.cib;
    let reasons = cib.split(" exit-reason=\"").skip(1).filter_map(|rest| rest.split('"').next());
    reasons.map(str::to_owned).find(|reason| !reason.is_empty())
}

#[test]
fn a_failure_is_known_when_it_happens() {
    let mut small = Small::new(1);
    let state = small.at("web").display().to_string();
    small.program("ocf/resource.d/test/Watched", AGENT);
    let once_a_minute = "<op id=\"w\" name=\"monitor\" interval=\"60s\" timeout=\"5s\"/>";
    small.configure(&resource("web", &state, once_a_minute), "");
    small.start("a", 1);
    let watched = |what: &str| small.until(what, || small.at("web.watched").exists().then_some(()));
    watched("it is watched");
    // It has the monitor's environment, so that it watches the same thing in the same way.
    let environment =
        small.until("what it found", || Some(small.read("web.environment")).filter(|text| !text.is_empty()));
    for line in
        ["OCF_RESKEY_CRM_meta_interval=60000", "OCF_RESKEY_CRM_meta_name=monitor", &format!("OCF_RESKEY_state={state}")]
    {
        assert!(environment.lines().any(|found| found == line), "{line} is missing in\n{environment}");
    }
    small.quiet("a", 1);
    // Armed by now: what it says is read before anything else is done for it.
    let asked = small.read("web.asked").lines().count();
    fs::remove_file(small.at("web")).unwrap();
    small.until("the failure is logged", || small.read("a.log").contains("the file went away").then_some(()));
    // It was recovered, and is watched again, a minute before anybody would have asked.
    watched("it is watched again");
    assert!(small.read("web.asked").lines().count() <= asked + 2, "the monitor was asked, not the watcher heard");
}

/// It says that it watches, and what it saw, in one breath: nobody has read the first when the second comes.
#[test]
fn what_is_seen_at_once_counts_as_seen() {
    let mut small = Small::new(1);
    let state = small.at("web").display().to_string();
    let hasty = AGENT.replace("while [ -e \"$state\" ]; do sleep 0.02; done", "rm -f \"$state\"");
    assert_ne!(hasty, AGENT);
    small.program("ocf/resource.d/test/Watched", &hasty);
    let once_a_minute = "<op id=\"w\" name=\"monitor\" interval=\"60s\" timeout=\"5s\"/>";
    small.configure(&resource("web", &state, once_a_minute), "");
    small.start("a", 1);
    // It goes each time it is watched, and is started again, a minute before anybody would have asked.
    let lost = || small.read("a.log").matches("the file went away").count();
    small.until("it is seen to go, more than once", || (lost() > 1).then_some(()));
}

#[test]
fn who_stops_a_resource_is_not_told_that_it_went() {
    let mut small = Small::new(1);
    let state = small.at("web").display().to_string();
    small.program("ocf/resource.d/test/Watched", AGENT);
    let once_a_minute = "<op id=\"w\" name=\"monitor\" interval=\"60s\" timeout=\"5s\"/>";
    small.configure(&resource("web", &state, once_a_minute), "");
    small.start("a", 1);
    small.until("it is watched", || small.at("web.watched").exists().then_some(()));
    small.quiet("a", 1);
    small.ask("a", &wire::Request::StopCluster);
    small.until("it is stopped", || (!small.at("web").exists()).then_some(()));
    small.until("the daemon has gone", || small.status("a").is_none().then_some(()));
    assert!(!small.at("web.watched").exists() && !small.at("web.wrong").exists(), "{}", small.read("web.wrong"));
    assert!(!small.read("a.log").contains("the file went away"), "{}", small.read("a.log"));
}

#[test]
fn slow_is_told_apart_from_dead() {
    let mut small = Small::new(1);
    let state = small.at("web").display().to_string();
    // Without watching, so that it is the monitor that is slow.
    small.program("ocf/resource.d/test/Watched", &AGENT.replace("<?systole actions=\"watch\"?>", ""));
    let asks_again = "<op id=\"w\" name=\"monitor\" interval=\"60s\" start-delay=\"200ms\" timeout=\"1s\" on-fail=\"ignore\">\
                      <meta_attributes id=\"m\"><nvpair id=\"m1\" name=\"ask-again\" value=\"true\"/></meta_attributes></op>";
    fs::write(small.at("web.slow"), "").unwrap();
    small.configure(&resource("web", &state, asks_again), "");
    small.start("a", 1);
    small.until("it is asked a second time", || {
        small.read("a.log").contains("it is asked a second time before that counts").then_some(())
    });
    // A host may be so busy that even looking takes too long, which is told as well. Then it is asked once more.
    let forget = wire::write::WriteForm::from(&cib::Write::Forget {
        node: None,
        resource: Some("web".into()),
        failures_only: false,
    });
    let reason = small.until("then it counts", || {
        let reason = reason(&small)?;
        if reason.contains("cannot even be looked at") {
            small.ask("a", &wire::Request::Write { write: forget.clone(), force: false });
            return None;
        }
        Some(reason)
    });
    // What it waits for, and how the host is.
    for word in ["monitor did not end within 1 s", "sleep (", "host: load "] {
        assert!(reason.contains(word), "{word} is missing in {reason}");
    }
}
