//! What commands ask of the world, and what they do when it says no: an agent that does not like its parameters, a file where
//! a cluster is needed, nobody who makes plans.

use cib::Document;
use pcs::agent::Name;
use pcs::call::NoWorld;
use pcs::foresight::{Foresight, State};
use pcs::pairs::{self, Pairs};
use pcs::{Answer, FAILED, OK, USAGE, World};

const CIB: &str = "<cib validate-with='pacemaker-3.9' epoch='1' num_updates='0' admin_epoch='0'><configuration><crm_config/>\
                   <nodes><node id='1' uname='n1'/></nodes><resources>\
                   <primitive id='a' class='ocf' provider='test' type='Agent'/></resources><constraints/></configuration>\
                   <status/></cib>";

/// One agent, which works with a port above 1023 alone.
struct OneAgent;

impl World for OneAgent {
    fn metadata(&self, _: &Name) -> Result<String, String> {
        Ok("<resource-agent name='Agent'><parameters><parameter name='port'/><parameter name='host'/></parameters>\
            <actions><action name='start' timeout='20s'/><action name='stop' timeout='20s'/>\
            <action name='monitor' timeout='20s' interval='10s'/></actions></resource-agent>"
            .to_owned())
    }
    fn validate(&self, _: &Name, parameters: &Pairs) -> Result<(), String> {
        let port: u16 = pairs::get(parameters, "port").and_then(|port| port.parse().ok()).unwrap_or(8080);
        if port > 1023 { Ok(()) } else { Err(format!("port {port} is not mine")) }
    }
    fn foresee(&self, cib: &Document) -> Result<Foresight, String> {
        NoWorld.foresee(cib)
    }
    fn state(&self, cib: &Document, resource: &str) -> Option<State> {
        NoWorld.state(cib, resource)
    }
    fn standards(&self) -> Vec<String> {
        vec!["ocf".to_owned()]
    }
    fn providers(&self) -> Vec<String> {
        vec!["test".to_owned()]
    }
    fn agents(&self, _: &str, _: Option<&str>) -> Vec<String> {
        vec!["Agent".to_owned()]
    }
    fn now(&self) -> i64 {
        0
    }
    fn local_node(&self) -> Option<String> {
        None
    }
    fn read(&self, path: &str) -> Result<String, String> {
        NoWorld.read(path)
    }
}

fn run(words: &str) -> Answer {
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    pcs::run(&words, &Document::parse(CIB).expect("it is XML"), &OneAgent)
}

#[test]
fn an_agent_is_asked_when_that_is_wanted_and_overruled_by_force() {
    let create = "resource create b ocf:test:Agent port=80";
    assert_eq!(run(create).status, OK);
    let refused = run(&format!("{create} --agent-validation"));
    assert!(refused.status == FAILED && refused.cib.is_none(), "{}", refused.err);
    assert!(refused.err.contains("port 80 is not mine, use --force to override"), "{}", refused.err);
    let forced = run(&format!("{create} --agent-validation --force"));
    assert!(forced.status == OK && forced.cib.is_some() && forced.err.starts_with("Warning: "), "{}", forced.err);
    assert_eq!(run("resource create b ocf:test:Agent port=8080 --agent-validation").status, OK);
}

#[test]
fn a_change_is_judged_with_what_was_set_before() {
    assert_eq!(run("resource update a host=x --agent-validation").status, OK);
    assert_eq!(run("resource update a port=80 --agent-validation").status, FAILED);
}

#[test]
fn what_ends_in_a_cluster_is_refused_on_a_file() {
    for (words, instead) in [
        ("-f cib.xml resource move a n1", "move-with-constraint"),
        ("-f cib.xml resource relocate run", "relocate dry-run"),
    ] {
        let answer = run(words);
        assert!(answer.status == USAGE && answer.err.contains(instead), "{words}: {}", answer.err);
    }
    assert!(run("resource restart a").err.contains("this needs a cluster"));
}

#[test]
fn without_a_plan_nothing_that_depends_on_it_is_done() {
    for words in ["resource disable a --safe", "resource disable a --simulate", "resource relocate run"] {
        let answer = run(words);
        assert!(answer.status == FAILED && answer.cib.is_none(), "{words}: {}", answer.err);
        assert!(answer.err.contains("what the cluster would do cannot be told"), "{words}: {}", answer.err);
    }
    assert_eq!(run("resource safe-disable a --force").status, OK);
}
