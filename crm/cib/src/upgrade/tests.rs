//! Small configurations before and after.

use super::*;

/// The content of `<configuration>` before and after; both are compared as documents.
fn check(schema: &str, before: &str, after: &str) {
    let parse = |schema: &str, content: &str| {
        let text = format!("<cib validate-with='{schema}'><configuration>{content}</configuration></cib>");
        Document::parse(&text).unwrap()
    };
    let old = parse(schema, before);
    let (new, changes) = upgrade(&old);
    let expected = parse(if changes.is_empty() { schema } else { NEWEST }, after);
    assert_eq!(new.to_xml(), expected.to_xml());
    assert_eq!(matches!(new, Cow::Borrowed(_)), before == after, "copied only if changed");
    let (again, none) = upgrade(&new);
    assert!(none.is_empty(), "upgrading twice changes {none:?}");
    assert_eq!(again.to_xml(), new.to_xml());
}

fn same(schema: &str, content: &str) {
    check(schema, content, content);
}

#[test]
fn access_lists() {
    check(
        "pacemaker-1.3",
        "<acls>
           <acl_role id='r'><read id='a' xpath='/cib'/><write id='b' tag='primitive' attribute='id'/><deny id='c' ref='r'/></acl_role>
           <acl_user id='u1'><role_ref id='r'/></acl_user>
           <acl_user id='u2'><read id='d' xpath='//node' attribute='uname'/><write id='e' tag='nodes'/></acl_user>
           <acl_user id='u3'/>
         </acls>",
        "<acls>
           <acl_role id='r'><acl_permission id='a' kind='read' xpath='/cib'/><acl_permission id='b' kind='write' object-type='primitive' attribute='id'/><acl_permission id='c' kind='deny' reference='r'/></acl_role>
           <acl_target id='u1'><role id='r'/></acl_target>
           <acl_target id='u2'><role id='auto-u2'/></acl_target>
           <acl_role id='auto-u2'><acl_permission id='d' kind='read' xpath='//node[@uname]'/><acl_permission id='e' kind='write' object-type='nodes'/></acl_role>
           <acl_target id='u3'/>
         </acls>",
    );
    same("pacemaker-2.0", "<acls><acl_target id='u'><role id='r'/></acl_target><acl_role id='r'/></acls>");
}

#[test]
fn spelling_of_properties() {
    let set = |name: &str| {
        format!(
            "<crm_config><cluster_property_set id='o'><nvpair id='p' name='{name}' value='v'/></cluster_property_set></crm_config>"
        )
    };
    for (old, new) in [
        ("stonith_enabled", "stonith-enabled"),
        ("symmetric_cluster", "symmetric-cluster"),
        ("transition_idle_timeout", "cluster-delay"),
    ] {
        check("pacemaker-2.10", &set(old), &set(new));
        check("pacemaker-1.3", &set(old), &set(new));
        same("pacemaker-3.0", &set(old));
        same("none", &set(old));
    }
    same("pacemaker-2.10", &set("no-quorum-policy"));
    same("pacemaker-2.10", &set("my_own"));
    let empty = "<crm_config><cluster_property_set id='o'/></crm_config>";
    check("pacemaker-2.10", &set("expected-quorum-votes"), empty);
    check("pacemaker-2.10", &set("default_migration_threshold"), empty);
}

#[test]
fn properties_that_became_defaults() {
    check(
        "pacemaker-2.10",
        "<crm_config><cluster_property_set id='o'>
           <nvpair id='a' name='default-resource-stickiness' value='7'/>
           <nvpair id='b' name='is_managed_default' value='false'/>
           <nvpair id='c' name='default-action-timeout' value='33s'/>
           <nvpair id='d' name='default-resource-failure-stickiness' value='-INFINITY'/>
         </cluster_property_set></crm_config>
         <rsc_defaults><meta_attributes id='r'><nvpair id='r1' name='is-managed' value='true'/></meta_attributes></rsc_defaults>",
        "<crm_config><cluster_property_set id='o'/></crm_config>
         <rsc_defaults><meta_attributes id='r'><nvpair id='r1' name='is-managed' value='true'/>
           <nvpair id='rsc_defaults-upgraded-meta-resource-stickiness' name='resource-stickiness' value='7'/>
           <nvpair id='rsc_defaults-upgraded-meta-migration-threshold' name='migration-threshold' value='1'/>
         </meta_attributes></rsc_defaults>
         <op_defaults><meta_attributes id='op_defaults-upgraded-meta'>
           <nvpair id='op_defaults-upgraded-meta-timeout' name='timeout' value='33s'/></meta_attributes></op_defaults>",
    );
    // What holds at times only, does so in its new place.
    check(
        "pacemaker-2.10",
        "<crm_config><cluster_property_set id='o' score='3'><rule id='r' boolean-op='or'/>
         <nvpair id='a' name='default-resource-stickiness' value='7'/></cluster_property_set></crm_config>",
        "<crm_config><cluster_property_set id='o' score='3'><rule id='r' boolean-op='or'/></cluster_property_set></crm_config>
         <rsc_defaults><meta_attributes id='o-upgraded-meta' score='3'><rule id-ref='r'/>
         <nvpair id='o-upgraded-meta-resource-stickiness' name='resource-stickiness' value='7'/></meta_attributes></rsc_defaults>",
    );
}

#[test]
fn resources() {
    let primitive = |content: &str| {
        format!("<resources><primitive id='p' class='stonith' type='x'>{content}</primitive></resources>")
    };
    check(
        "pacemaker-2.10",
        &primitive(
            "<instance_attributes id='i'><nvpair id='i1' name='pcmk_off_cmd' value='kill'/>
             <nvpair id='i2' name='pcmk_arg_map' value='port:plug'/></instance_attributes>
             <meta_attributes id='m'><nvpair id='m1' name='isolation' value='true'/>
             <nvpair id='m2' name='resource-failure-stickiness' value='-5'/></meta_attributes>",
        ),
        &primitive(
            "<instance_attributes id='i'><nvpair id='i1' name='pcmk_off_action' value='kill'/>
             <nvpair id='i2' name='pcmk_host_argument' value='plug'/></instance_attributes>
             <meta_attributes id='m'><nvpair id='m1' name='target-role' value='Stopped'/></meta_attributes>",
        ),
    );
}

#[test]
fn operations() {
    let primitive = |operations: &str, meta: &str| {
        format!(
            "<resources><group id='g'><primitive id='p' class='lsb' type='x'><operations>{operations}</operations>{meta}
             </primitive></group></resources>"
        )
    };
    let requires = |value: &str| {
        format!(
            "<meta_attributes id='p-upgraded-meta'><nvpair id='p-upgraded-meta-requires' name='requires' value='{value}'/>
             </meta_attributes>"
        )
    };
    check(
        "pacemaker-2.5",
        &primitive(
            "<op id='s' name='start' requires='nothing'/><op id='q' name='promote' requires='quorum'/>
             <op id='t' name='stop' requires='fencing'/>",
            "",
        ),
        &primitive("<op id='s' name='start'/><op id='q' name='promote'/><op id='t' name='stop'/>", &requires("quorum")),
    );
    let own = "<meta_attributes id='m'><nvpair id='m1' name='requires' value='fencing'/></meta_attributes>";
    check(
        "pacemaker-2.5",
        &primitive("<op id='s' name='start' requires='nothing'/>", own),
        &primitive("<op id='s' name='start'/>", own),
    );
    check(
        "pacemaker-2.5",
        &primitive(
            "<op id='s' name='start'><instance_attributes id='i'><nvpair id='i1' name='on-fail' value='block'/>
             <nvpair id='i2' name='requires' value='quorum'/><nvpair id='i3' name='role' value='x'/>
             <nvpair id='i4' name='depth' value='1'/></instance_attributes>
             <meta_attributes id='m'><nvpair id='m1' name='role' value='y'/></meta_attributes></op>",
            "",
        ),
        &primitive(
            "<op id='s' name='start'><instance_attributes id='i'><nvpair id='i4' name='depth' value='1'/></instance_attributes>
             <meta_attributes id='m'><nvpair id='m1' name='role' value='y'/>
             <nvpair id='s-upgraded-meta-on-fail' name='on-fail' value='block'/></meta_attributes></op>",
            &requires("quorum"),
        ),
    );
}

#[test]
fn nodes_and_promotable_resources() {
    check(
        "pacemaker-3.10",
        "<nodes><node id='1' uname='a' type='ping'/><node id='2' uname='b' type='member'/></nodes><constraints/>",
        "<nodes><node id='1' uname='a' type='member'/><node id='2' uname='b' type='member'/></nodes><constraints>
         <rsc_location id='a-upgraded-ping-node' rsc-pattern='.*' node='a' score='-INFINITY' resource-discovery='never'/>
         </constraints>",
    );
    let primitive = "<primitive id='p' class='lsb' type='x'/>";
    check(
        "pacemaker-3.10",
        &format!(
            "<resources><master id='m'>{primitive}</master><bundle id='b'><docker image='i' masters='2'/></bundle></resources>"
        ),
        &format!(
            "<resources><clone id='m'>{primitive}<meta_attributes id='m-upgraded-promotable' score='INFINITY'>
             <nvpair id='m-upgraded-promotable-promotable' name='promotable' value='true'/></meta_attributes></clone>
             <bundle id='b'><docker image='i' promoted-max='2'/></bundle></resources>"
        ),
    );
    same("pacemaker-4.0", "<resources><master id='m'/></resources>");
}

#[test]
fn meta_attributes_that_are_gone() {
    let set = |content: &str| {
        format!(
            "<resources><primitive id='p' class='lsb' type='x'><operations><op id='o' name='start'><meta_attributes id='om'>
             {content}</meta_attributes></op></operations></primitive></resources>
             <op_defaults><meta_attributes id='d'>{content}</meta_attributes></op_defaults>"
        )
    };
    check("pacemaker-3.0", &set("<nvpair id='x' name='can_fail' value='true'/>"), &set(""));
    same("pacemaker-3.0", &set("<nvpair id='x' name='restart-type' value='restart'/>"));
}

#[test]
fn agents_that_are_gone() {
    let lsb = |id: &str| format!("<primitive id='{id}' class='lsb' type='x'/>");
    let gone = |id: &str| format!("<primitive id='{id}' class='Upstart' type='x'/>");
    let order = |first: &str, then: &str| format!("<rsc_order id='{first}-{then}' first='{first}' then='{then}'/>");
    check(
        "pacemaker-3.10",
        &format!(
            "<resources><template id='t' class='nagios' type='x'/><primitive id='made' template='t'/>
             <clone id='c'><group id='g'>{}{}</group></clone><group id='h'>{}{}</group>{}
             <bundle id='r'><rkt image='i'/>{}</bundle></resources>
             <constraints>{}{}{}<rsc_colocation id='co' score='1'><resource_set id='s'><resource_ref id='u3'/>
             <resource_ref id='a'/></resource_set><resource_set id='s2'><resource_ref id='c'/></resource_set></rsc_colocation>
             <rsc_ticket id='ti' ticket='x'><resource_set id='s3'><resource_ref id='r'/></resource_set></rsc_ticket></constraints>",
            gone("u1"), gone("u2"), gone("u3"), lsb("b"), lsb("a"), gone("in"),
            order("made", "a"), order("a", "g"), order("a", "h"),
        ),
        &format!(
            "<resources><group id='h'>{}</group>{}</resources>
             <constraints>{}<rsc_colocation id='co' score='1'><resource_set id='s'><resource_ref id='a'/></resource_set>
             </rsc_colocation></constraints>",
            lsb("b"), lsb("a"), order("a", "h"),
        ),
    );
}

#[test]
fn lifetimes() {
    let date =
        |id: &str| format!("<rule id='{id}'><date_expression id='{id}d' operation='gt' start='2030-01-01'/></rule>");
    let (one, two) = (date("one"), date("two"));
    check(
        "pacemaker-3.10",
        &format!(
            "<constraints><rsc_location id='l' rsc='p' node='n' score='5' role='Promoted'><lifetime>{one}{two}</lifetime>
             </rsc_location><rsc_order id='o' first='a' then='b'><lifetime>{one}</lifetime></rsc_order></constraints>"
        ),
        &format!(
            "<constraints><rsc_location id='l' rsc='p' role='Promoted'>
             <rule id='l-upgraded' boolean-op='and' role='Promoted' score='5'>
             <expression id='l-upgraded-node' attribute='#uname' operation='eq' value='n'/>
             <rule id='l-upgraded-lifetime' boolean-op='or'>{one}{two}</rule></rule></rsc_location>
             <rsc_order id='o' first='a' then='b'><lifetime>{one}</lifetime></rsc_order></constraints>"
        ),
    );
    let rule = |id: &str, score: i32| {
        format!("<rule id='{id}' score='{score}'><expression id='{id}e' attribute='x' operation='defined'/></rule>")
    };
    check(
        "pacemaker-3.10",
        &format!(
            "<constraints><rsc_location id='l' rsc='p'>{}{}<lifetime>{one}</lifetime></rsc_location></constraints>",
            rule("a", 1),
            rule("b", 2)
        ),
        &format!(
            "<constraints><rsc_location id='l' rsc='p'>
             <rule id='l-upgraded-1' boolean-op='and' score='1'>{}<rule id='l-upgraded-lifetime' boolean-op='or'>{one}</rule></rule>
             <rule id='l-upgraded-2' boolean-op='and' score='2'>{}<rule id-ref='l-upgraded-lifetime'/></rule>
             </rsc_location></constraints>",
            rule("a", 1),
            rule("b", 2)
        ),
    );
}

#[test]
fn any_age() {
    let old =
        Document::parse("<cib><configuration><resources><master id='m'/></resources></configuration></cib>").unwrap();
    let (new, changes) = upgrade(&old);
    assert_eq!(changes.len(), 1);
    assert_eq!(new.attribute(new.root(), "validate-with"), Some(NEWEST));
    for text in
        ["<cib/>", "<x validate-with='pacemaker-x.y'/>", "<cib validate-with='pacemaker-1.0'><configuration/></cib>"]
    {
        assert!(upgrade(&Document::parse(text).unwrap()).1.is_empty(), "{text}");
    }
}
