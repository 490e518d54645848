//! What plans are made from where remote nodes and guests are configured.

use std::sync::Arc;

use cib::Cib;
use node::remote::{plannable, without_connections};

fn cib(resources: &str) -> Arc<Cib> {
    let text = format!(
        "<cib validate-with='pacemaker-3.9'><configuration><crm_config/><nodes/><resources>{resources}</resources>\
         <constraints/></configuration><status/></cib>"
    );
    Arc::new(Cib::parse(&text).unwrap())
}

#[test]
fn what_needs_a_connection_is_left_out_of_plans_and_told() {
    let with = cib("<primitive id='far' class='ocf' provider='pacemaker' type='remote'><meta_attributes id='m'>\
         <nvpair id='m-1' name='target-role' value='Started'/></meta_attributes></primitive>\
         <primitive id='vm' class='ocf' provider='x' type='VM'><meta_attributes id='v'>\
         <nvpair id='v-1' name='remote-node' value='guest'/></meta_attributes></primitive>\
         <bundle id='b'><podman image='i'/><primitive id='p' class='ocf' provider='x' type='y'/></bundle>\
         <bundle id='plain'><podman image='i'/></bundle>");
    let (without, told) = without_connections(&with).unwrap();
    assert_eq!(told, ["the remote node far", "the guest guest", "the bundle b, for there is a resource in it"]);
    let text = without.document().to_xml();
    for (word, stays) in [("remote", false), ("\"b\"", false), ("\"p\"", false), ("\"vm\"", true), ("\"plain\"", true)]
    {
        assert_eq!(text.contains(word), stays, "{word}: {text}");
    }
    assert!(with.document().to_xml().contains("remote-node"), "what people wrote stays");
    assert_eq!(plannable(&with).document().to_xml(), text);
}

#[test]
fn one_in_another_is_left_out_with_it() {
    let odd = cib(
        "<bundle id='b'><podman image='i'/><primitive id='far' class='ocf' provider='pacemaker' type='remote'>\
         <meta_attributes id='m'><nvpair id='m-1' name='remote-node' value='x'/></meta_attributes></primitive></bundle>",
    );
    assert!(plannable(&odd).document().to_xml().contains("<resources/>"));
}

#[test]
fn what_needs_none_is_taken_as_it_is() {
    let plain =
        cib("<primitive id='a' class='ocf' provider='x' type='y'/><bundle id='plain'><podman image='i'/></bundle>");
    assert!(Arc::ptr_eq(&plannable(&plain), &plain));
}
