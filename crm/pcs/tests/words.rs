//! Whatever words stand behind a command, it ends with an answer: a changed CIB that the schema takes, or a reason.

use cib::{Document, check};
use pcs::World;
use pcs::agent::Name;
use pcs::foresight::{Foresight, State, Step};
use pcs::pairs::Pairs;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const CIB: &str = r#"<cib admin_epoch="0" epoch="1" num_updates="0" validate-with="pacemaker-3.9"><configuration>
  <crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="o" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
  <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
  <resources>
    <primitive id="a" class="ocf" provider="x" type="Y"><operations><op id="a-m" name="monitor" interval="10s"/></operations></primitive>
    <group id="g"><primitive id="b" class="ocf" provider="x" type="Y"/><primitive id="c" class="ocf" provider="x" type="Y"/></group>
    <clone id="k"><primitive id="d" class="ocf" provider="x" type="Y"/><meta_attributes id="km"><nvpair id="kp" name="promotable" value="true"/></meta_attributes></clone>
    <clone id="gk"><group id="h"><primitive id="e" class="ocf" provider="x" type="Y"/></group></clone>
    <bundle id="u"><docker image="i"/><network ip-range-start="192.0.2.1"/></bundle>
    <primitive id="f" class="stonith" type="fence_x"/>
  </resources>
  <constraints>
    <rsc_location id="l" rsc="a" node="n1" score="5"/>
    <rsc_location id="r" rsc="a"><rule id="ru" score="1"><expression id="ex" attribute="q" operation="defined"/></rule></rsc_location>
    <rsc_order id="s"><resource_set id="ss"><resource_ref id="a"/><resource_ref id="b"/></resource_set></rsc_order>
  </constraints>
  <fencing-topology><fencing-level id="t1" index="1" devices="f" target="n1"/></fencing-topology>
  <alerts><alert id="al" path="/x"><recipient id="re" value="v"/></alert></alerts>
  <tags><tag id="t"><obj_ref id="a"/><obj_ref id="g"/></tag></tags>
  <acls><acl_role id="ro"><acl_permission id="pe" kind="read" xpath="/x"/></acl_role><acl_target id="us"><role id="ro"/></acl_target></acls>
</configuration><status/></cib>"#;

const WORDS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "k",
    "gk",
    "u",
    "l",
    "r",
    "ru",
    "s",
    "t",
    "al",
    "re",
    "ro",
    "us",
    "pe",
    "n1",
    "n2",
    "x",
    "new",
    "",
    "%",
    "regexp%.*",
    "attrib%x=1",
    "n1=5",
    "n1=x",
    "-INFINITY",
    "INFINITY",
    "5",
    "with",
    "then",
    "start",
    "stop",
    "promoted",
    "set",
    "setoptions",
    "rule",
    "defined",
    "q",
    "eq",
    "gt",
    "date",
    "in_range",
    "2026-01-01",
    "to",
    "duration",
    "hours=5",
    "date-spec",
    "and",
    "or",
    "(",
    ")",
    "((a",
    "add",
    "remove",
    "delete",
    "op",
    "monitor",
    "interval=10s",
    "interval=",
    "meta",
    "x=1",
    "x=",
    "=",
    "id=z",
    "id=a",
    "clone",
    "promotable",
    "bundle",
    "ocf:x:Y",
    "Y",
    "fence_x",
    "container",
    "docker",
    "image=i",
    "network",
    "port-map",
    "port=80",
    "storage-map",
    "source-dir=/a",
    "target-dir=/b",
    "read",
    "xpath",
    "/y",
    "options",
    "value=v",
    "path=/p",
    "description=w",
    "to",
    "user",
    "target",
    "stonith",
    "1",
    "config",
    "nodes",
    "prefers",
    "avoids",
    "ticket=T",
    "role=Promoted",
    "score=1",
    "kind=Optional",
    "sequential=false",
    "lifetime=PT1H",
    "ä",
    "--force",
    "--group=g",
    "--group=new",
    "--after=b",
    "--before=c",
    "--after=a",
    "--before=a",
    "--disabled",
    "--full",
    "--all",
    "--autodelete",
    "--promoted",
    "--monitor",
    "--output-format=json",
    "--output-format=cmd",
    "--name=x",
    "-ä",
    "--",
];

struct One;

impl World for One {
    fn metadata(&self, _: &Name) -> Result<String, String> {
        Ok(r#"<resource-agent><version>1.0</version><parameters><parameter name="x" unique="1"/></parameters>
            <actions><action name="monitor" interval="10"/><action name="monitor" interval="10" depth="5"/><action name="start"/></actions></resource-agent>"#
            .into())
    }
    fn validate(&self, _: &Name, _: &Pairs) -> Result<(), String> {
        Ok(())
    }
    fn foresee(&self, cib: &Document) -> Result<Foresight, String> {
        let primitives = cib.descend(&["configuration", "resources"]).into_iter().flat_map(|all| cib.descendants(all));
        let primitives = primitives.filter(|one| cib.name(*one) == "primitive").map(|one| cib.id(one).to_owned());
        let step = |(id, operation): (String, &str)| Step {
            instance: format!("{id}:0"),
            resource: id,
            operation: operation.into(),
            node: "n1".into(),
        };
        let steps =
            primitives.zip(["start", "stop", "promote", "demote", "migrate_from"].into_iter().cycle()).map(step);
        Ok(Foresight { steps: steps.collect(), text: "Transition Summary:".into(), after: cib.clone() })
    }
    fn state(&self, _: &Document, resource: &str) -> Option<State> {
        let places = [("Started".to_owned(), "n1".to_owned())].into();
        (resource.len() < 3).then_some(State { managed: true, places })
    }
    fn standards(&self) -> Vec<String> {
        vec!["ocf".into()]
    }
    fn providers(&self) -> Vec<String> {
        vec!["x".into()]
    }
    fn agents(&self, _: &str, _: Option<&str>) -> Vec<String> {
        vec!["Y".into()]
    }
    fn now(&self) -> i64 {
        1_800_000_000
    }
    fn local_node(&self) -> Option<String> {
        Some("n1".into())
    }
    fn read(&self, _: &str) -> Result<String, String> {
        Ok(CIB.into())
    }
}

fn line() -> impl Strategy<Value = Vec<String>> {
    let commands: Vec<&'static [&'static str]> = pcs::commands::all().map(|command| command.path).collect();
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..9);
    (prop::sample::select(commands), words)
        .prop_map(|(path, words)| path.iter().chain(&words).map(|word| (*word).to_owned()).collect())
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 6000, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_line_has_an_answer(line in line()) {
        let cib = Document::parse(CIB).expect("it is XML");
        let answer = pcs::run(&line, &cib, &One);
        match answer.status {
            pcs::OK => {}
            _ => {
                prop_assert!(answer.cib.is_none() && answer.save.is_none(), "{line:?} is refused and changes something");
                prop_assert!(!answer.err.is_empty(), "{line:?} is refused without a word");
            }
        }
        if let Some(next) = answer.next {
            let second = pcs::go_on(&next, answer.cib.as_ref().unwrap_or(&cib), &One);
            prop_assert!(second.status == pcs::OK || second.cib.is_none(), "{line:?} fails at last and changes something");
            prop_assert!(second.cib.is_none_or(|after| check::conforms(&after)), "{line:?} ends with what the schema refuses");
        }
        if let Some(after) = answer.cib {
            prop_assert!(check::conforms(&after), "{line:?} makes what the schema refuses");
        }
    }
}

#[test]
fn what_the_lines_begin_with_is_sound() {
    assert!(check::conforms(&Document::parse(CIB).expect("it is XML")));
}
