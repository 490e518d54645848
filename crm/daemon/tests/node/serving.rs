//! A monitor that is served by one process for many finds what the daemon was started with, as every other action does.

use std::fs;

use crate::small::Small;

/// Its state lies where the resource manager's environment says, as of most agents. It notes each process that asks.
const AGENT: &str = r#"#!/bin/sh
state=$HA_RSCTMP/state
look() { if [ -e "$state" ]; then echo 0; else echo "7 $state has vanished"; fi; }
echo "$1" >> "$HA_RSCTMP/called"
case "$1" in
meta-data)
    echo '<?xml version="1.0"?><?systole actions="serve"?><resource-agent name="Served" version="1.0"><version>1.1</version>'
    echo '<parameters/><actions><action name="start" timeout="5s"/><action name="stop" timeout="5s"/>'
    echo '<action name="monitor" timeout="5s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>' ;;
start) : > "$state" ;;
stop) rm -f "$state" ;;
monitor) [ -e "$state" ] || exit 7 ;;
serve) while IFS= read -r line; do [ -n "$line" ] || { echo served >> "$HA_RSCTMP/called"; look; }; done ;;
*) exit 3 ;;
esac
"#;

#[test]
fn a_served_monitor_finds_the_daemons_environment() {
    let mut small = Small::new(1);
    let place = small.at("rsctmp");
    fs::create_dir(&place).unwrap();
    small.environment.push(("HA_RSCTMP".into(), place.display().to_string()));
    small.program("ocf/resource.d/test/Served", AGENT);
    small.configure(
        "<primitive id=\"web\" class=\"ocf\" provider=\"test\" type=\"Served\"><operations>\
         <op id=\"w\" name=\"monitor\" interval=\"200ms\" timeout=\"30s\"/></operations></primitive>",
        "",
    );
    small.start("a", 1);
    let served = |small: &Small| small.read("rsctmp/called").lines().filter(|line| *line == "served").count();
    small.until("monitors are served", || (served(&small) > 3).then_some(()));
    small.quiet("a", 1);
    assert!(!small.read("a.log").contains("has vanished"), "it was running all the time");
    // What goes wrong is seen by the one who serves.
    fs::remove_file(place.join("state")).unwrap();
    small.until("it is missed", || small.read("a.log").contains("has vanished").then_some(()));
    small.until("it is started again", || place.join("state").exists().then_some(()));
    let called = small.read("rsctmp/called");
    assert_eq!(called.lines().filter(|line| *line == "serve").count(), 1, "one process serves\n{called}");
}
