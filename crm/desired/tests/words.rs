//! What people write: the short form they begin with, and what they mistype.

use cib::Document;

const EMPTY: &str = "<cib><configuration><crm_config/><nodes><node id='1' uname='one'/></nodes><resources/><constraints/>\
                     </configuration><status/></cib>";

fn built(text: &str, live: &str) -> Result<String, String> {
    let desired = desired::read(text).map_err(|problem| problem.to_string())?;
    let live = Document::parse(live).unwrap();
    desired::build(&desired, &live).map(|cib| cib.to_xml()).map_err(|problem| problem.to_string())
}

#[test]
fn a_short_text_makes_a_configuration_with_the_ids_that_pcs_gives() {
    let text = "[properties]\nno-quorum-policy = \"freeze\"\n[node.one]\nattributes = { site = \"a\" }\n\
                [resource.web]\ngroup = [\"vip\", \"site\"]\n\
                [resource.vip]\nagent = \"ocf:heartbeat:IPaddr2\"\nparameters = { ip = \"10.0.0.5\", cidr_netmask = 24 }\n\
                operations = { monitor = { interval = \"10s\" } }\n\
                [resource.site]\nagent = \"systemd:nginx\"\n\
                [[location]]\nscore = 100\nresource = \"web\"\nnode = \"one\"\n";
    let xml = built(text, EMPTY).unwrap();
    for part in [
        "<nvpair id=\"cib-bootstrap-options-no-quorum-policy\" name=\"no-quorum-policy\" value=\"freeze\"/>",
        "<instance_attributes id=\"nodes-1\">",
        "<primitive id=\"vip\" class=\"ocf\" provider=\"heartbeat\" type=\"IPaddr2\">",
        "<nvpair id=\"vip-instance_attributes-cidr_netmask\" name=\"cidr_netmask\" value=\"24\"/>",
        "<op id=\"vip-monitor-interval-10s\" name=\"monitor\" interval=\"10s\"/>",
        "<primitive id=\"site\" class=\"systemd\" type=\"nginx\"/>",
        "<rsc_location id=\"location-web-one-100\" rsc=\"web\" node=\"one\" score=\"100\"/>",
    ] {
        assert!(xml.contains(part), "{part} in\n{xml}");
    }
    assert_eq!(xml.find("<group id=\"web\">").map(|at| at < xml.find("\"vip\"").unwrap()), Some(true));
    assert_eq!(built(text, &xml).unwrap(), xml, "a second time changes nothing");
}

#[test]
fn what_is_not_wanted_goes_and_what_is_the_clusters_stays() {
    let live = EMPTY.replace(
        "<crm_config/>",
        "<crm_config><cluster_property_set id='o'><nvpair id='o-1' name='cluster-name' value='x'/><nvpair id='o-2' \
         name='stop-all-resources' value='true'/></cluster_property_set><cluster_property_set id='systole-expiring'/></crm_config>",
    );
    let xml = built("", &live).unwrap();
    assert!(xml.contains("cluster-name") && xml.contains("systole-expiring") && !xml.contains("stop-all"), "{xml}");
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_the_closest_word() {
    for (text, words) in [
        ("[properties\n", "line 1: this is no TOML"),
        ("[resorce.x]\n", "'resorce' is no word here; did you mean 'resource'?"),
        (
            "[resource.x]\nagent = \"a:b\"\nparamters = {}\n",
            "line 3: 'paramters' is no word here; did you mean 'parameters'?",
        ),
        ("[resource.x]\nmeta = {}\n", "resource x needs one of agent"),
        ("[resource.x]\nagent = \"nginx\"\n", "'nginx' is no agent"),
        ("[resource.x]\ngroup = [\"y\"]\nparameters = {}\n", "belong to a resource with an agent"),
        ("[resource.x]\ngroup = [\"y\"]\n", "x holds y, and there is no [resource.y]"),
        ("[resource.x]\nclone = \"x\"\n", "stands in itself"),
        ("[resource.a]\ngroup=[\"c\"]\n[resource.b]\ngroup=[\"c\"]\n[resource.c]\nagent=\"a:b\"\n", "stands in two"),
        ("[resource.x]\nagent = \"a:b\"\noperations = 5\n", "line 3: expected operations such as"),
        ("[[location]]\nresouce = \"x\"\n", "did you mean 'resource'?"),
        ("[node.two]\nattributes = { a = 1 }\n", "node two is not in the cluster, where there is one"),
        ("[[xml]]\nsection = \"acl\"\ntext = \"\"\n", "did you mean 'acls'?"),
        ("[[xml]]\nsection = \"acls\"\ntext = \"<a\"\n", "is not well-formed XML"),
        ("properties = 7\n", "line 1: expected a table of names and values"),
        ("[properties]\na = [1]\n", "line 2: expected a text, a number, true or false"),
        ("[location]\nresource = \"x\"\n", "expected tables that each begin with [[location]]"),
    ] {
        let error = built(text, EMPTY).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
}
