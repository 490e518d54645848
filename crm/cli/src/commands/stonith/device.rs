//! `systole stonith device`: the fence devices, what is known of them, and whether they were ever proved.

use cib::rule::Context;
use cib::view::{self, FenceDevice};
use cib::{Document, date};
use clap::{Arg, ArgMatches};
use policy::model::RscFlags;
use wire::stonith::StonithView;

use crate::EXIT_OK;
use crate::client::Client;
use crate::cluster::{Live, View};
use crate::commands::Command;
use crate::output::resources::active_nodes;
use crate::stonith::{self, proof};
use crate::terminal::print;
use crate::{cluster, names};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "device", grammar, run };

fn grammar() -> clap::Command {
    let device = Arg::new("device").value_name("DEVICE").help("This one only");
    clap::Command::new("")
        .about("Show the fence devices")
        .after_help("Examples:\n  systole stonith device status\n  systole stonith device show pdu1")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(clap::Command::new("list").about("Names and agents"))
        .subcommand(clap::Command::new("show").about("How they are configured").arg(device))
        .subcommand(
            clap::Command::new("status").about("Where they are watched, whether they are proved, what is wrong"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut client = Client::from_arguments(arguments)?;
    let live = Live::fetch(&mut client)?;
    let (name, below) = arguments.subcommand().expect("the grammar requires one");
    let text = match name {
        "list" => list(&live.view.document),
        "show" => show(&live.view, below.get_one::<String>("device").map(String::as_str))?,
        _ => status(&live.view, &stonith::view(&mut client)?),
    };
    print(&text)?;
    Ok(EXIT_OK)
}

fn devices(document: &Document) -> Vec<FenceDevice<'_>> {
    view::fence_devices(document, &Context::at(0))
}

fn list(document: &Document) -> String {
    let devices = devices(document);
    match devices.is_empty() {
        true => "There is no fence device: add a primitive of class stonith.\n".into(),
        false => devices.iter().map(|device| format!("{}\t(stonith:{})\n", device.id, device.agent)).collect(),
    }
}

fn show(view: &View, wanted: Option<&str>) -> anyhow::Result<String> {
    let devices = devices(&view.document);
    if let Some(name) = wanted
        && !devices.iter().any(|device| device.id == name)
    {
        return Err(names::unknown("fence device", name, devices.iter().map(|device| device.id)));
    }
    let mut text = String::new();
    for device in devices.iter().filter(|device| wanted.is_none_or(|name| name == device.id)) {
        text += &format!("{} (stonith:{})\n", device.id, device.agent);
        for (name, setting) in device.parameters.iter() {
            // Who looks over a shoulder should not see how to cut nodes off.
            let secret = ["passwd", "password", "secret"].iter().any(|word| name.contains(word));
            let value = if secret { "********" } else { setting.value };
            text += &format!("  {name}={value}\n");
        }
        text += &format!("  {}\n", proved(&view.document, device.id));
    }
    Ok(text)
}

fn proved(document: &Document, device: &str) -> String {
    match proof::of_device(document, device) {
        Some(proof) => format!("proved: it cut {} off at {}", proof.node, date::format(proof.at)),
        None => "never proved as it is now; `systole stonith test NODE` does that".into(),
    }
}

fn status(view: &View, seen: &StonithView) -> String {
    let cluster = view.cluster();
    let mut text = list(&view.document);
    if !devices(&view.document).is_empty() {
        text.clear();
    }
    for device in devices(&view.document) {
        let watched = match cluster::resource(&cluster, device.id) {
            Ok(id) => {
                let nodes = active_nodes(&cluster, id);
                let nodes: Vec<&str> = nodes.iter().map(|node| &*cluster.node(*node).name).collect();
                let failed = if cluster.resource(id).is(RscFlags::FAILED) { ", FAILED" } else { "" };
                match nodes.is_empty() {
                    true => format!("watched nowhere{failed}"),
                    false => format!("watched on {}{failed}", nodes.join(", ")),
                }
            }
            Err(_) => "not part of the cluster".into(),
        };
        let known = seen.devices.iter().find(|known| known.name == device.id);
        let agent = match known {
            None => "; not used for fencing (is it disabled?)",
            Some(known) if known.actions.is_empty() => "; its agent says nothing of itself here (is it installed?)",
            Some(known) if !known.allowed_here => "; a constraint keeps it away from this node",
            Some(_) => "",
        };
        text += &format!("{} (stonith:{}): {watched}{agent}\n", device.id, device.agent);
        text += &format!("  {}\n", proved(&view.document, device.id));
    }
    for (node, reason) in proof::held(&view.document) {
        text += &format!("Fencing of {node} is held: {reason}; `systole stonith release`\n");
    }
    text + &seen.problems.iter().chain(&seen.unfed).map(|problem| format!("Problem: {problem}\n")).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::stonith::DeviceView;

    #[test]
    fn devices_are_shown_with_their_proof_and_without_their_secrets() {
        let text = "<cib><configuration><crm_config/><nodes><node id='1' uname='one'/></nodes><resources>\
                    <primitive id='pdu' class='stonith' type='fence_apc'><instance_attributes id='i'>\
                    <nvpair id='i1' name='ip' value='10.0.0.9'/><nvpair id='i2' name='password' value='hush'/>\
                    </instance_attributes></primitive></resources><constraints/></configuration></cib>";
        let view = View::new(Document::parse(text).unwrap());
        assert_eq!(list(&view.document), "pdu\t(stonith:fence_apc)\n");
        let shown = show(&view, None).unwrap();
        assert!(shown.contains("ip=10.0.0.9") && shown.contains("password=****") && !shown.contains("hush"), "{shown}");
        assert!(show(&view, Some("pud")).unwrap_err().to_string().contains("did you mean 'pdu'"));
        let device = |actions: &[&str]| DeviceView {
            name: "pdu".into(),
            agent: "fence_apc".into(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            allowed_here: true,
        };
        let seen = StonithView { devices: vec![device(&[])], problems: vec!["x".into()], ..StonithView::default() };
        let told = status(&view, &seen);
        for words in ["watched nowhere", "is it installed?", "never proved", "Problem: x"] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert!(!status(&view, &StonithView { devices: vec![device(&["off"])], ..seen }).contains("installed"));
    }
}
