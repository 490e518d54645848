//! What was proved of fencing: which devices have truly cut a node off, as independent evidence showed. It stands in the
//! configuration with the node, as the attribute [`PROVED`]: `1732180000 pdu1:0a1b2c3d,pdu2:99aabbcc`, the time, then the
//! devices with a digest of what they were then. A device that was changed since has to be proved again.

use cib::rule::Context;
use cib::view::{self, FenceDevice};
use cib::{Document, digest};

/// The permanent attribute of a node.
pub const PROVED: &str = "fencing-proved";
/// The transient attribute that tells one start of a host from the next.
pub const BOOT_ID: &str = "#boot-id";
/// The transient attribute of a node whose fencing is held, and its value once it was released.
pub const HELD: &str = "#fencing-held";
/// See [`HELD`].
pub const RELEASED: &str = "released";
/// A digest of eight digits tells one form of a device from the next; it guards against nobody.
const DIGEST_LENGTH: usize = 8;

/// One proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// The node that was cut off.
    pub node: String,
    /// When, in Unix seconds.
    pub at: i64,
    /// The devices that did it, with their digests.
    pub devices: Vec<(String, String)>,
}

impl Proof {
    /// Of devices as they are configured now.
    pub fn new(document: &Document, node: &str, at: i64, devices: &[String]) -> Proof {
        let all = view::fence_devices(document, &Context::at(at));
        let devices = all.iter().filter(|device| devices.iter().any(|name| name == device.id));
        Proof { node: node.into(), at, devices: devices.map(|device| (device.id.to_owned(), form(device))).collect() }
    }

    /// The value of the attribute.
    pub fn value(&self) -> String {
        let devices: Vec<String> = self.devices.iter().map(|(name, digest)| format!("{name}:{digest}")).collect();
        format!("{} {}", self.at, devices.join(","))
    }

    fn read(node: &str, value: &str) -> Option<Proof> {
        let (at, devices) = value.split_once(' ')?;
        let devices = devices.split(',').filter_map(|device| device.rsplit_once(':'));
        let devices = devices.map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect();
        Some(Proof { node: node.to_owned(), at: at.parse().ok()?, devices })
    }
}

/// Every proof on record.
pub fn proofs(document: &Document) -> Vec<Proof> {
    let nodes = view::nodes(document, &Context::at(0));
    nodes.iter().filter_map(|node| Proof::read(node.uname, node.attributes.get(PROVED)?)).collect()
}

/// The latest proof of a device as it is now.
pub fn of_device(document: &Document, name: &str) -> Option<Proof> {
    let devices = view::fence_devices(document, &Context::at(0));
    let device = devices.iter().find(|device| device.id == name)?;
    let now = (device.id.to_owned(), form(device));
    proofs(document).into_iter().filter(|proof| proof.devices.contains(&now)).max_by_key(|proof| proof.at)
}

/// Devices that were never proved as they are now.
pub fn unproved(document: &Document) -> Vec<String> {
    let devices = view::fence_devices(document, &Context::at(0));
    let names = devices.iter().map(|device| device.id.to_owned());
    names.filter(|name| of_device(document, name).is_none()).collect()
}

/// Nodes whose fencing is held, with the reason.
pub fn held(document: &Document) -> Vec<(String, String)> {
    let Some(status) = document.descend(&["status"]) else { return Vec::new() };
    let nodes = document.children_named(status, "node_state").filter_map(|state| {
        let reason = transient(document, state, HELD)?;
        let name = document.attribute(state, "uname").unwrap_or_else(|| document.id(state));
        (reason != RELEASED).then(|| (name.to_owned(), reason.to_owned()))
    });
    nodes.collect()
}

/// A transient attribute of a node's state.
pub fn transient<'d>(document: &'d Document, state: cib::Element, name: &str) -> Option<&'d str> {
    document
        .children_named(document.child(state, "transient_attributes")?, "instance_attributes")
        .flat_map(|set| document.children_named(set, "nvpair"))
        .find(|pair| document.attribute(*pair, "name") == Some(name))
        .and_then(|pair| document.attribute(pair, "value"))
}

/// What a device is: its agent and all its parameters.
fn form(device: &FenceDevice<'_>) -> String {
    let mut text = format!("{}\n", device.agent);
    let mut parameters: Vec<(&str, &str)> =
        device.parameters.iter().map(|(name, setting)| (name, setting.value)).collect();
    parameters.sort_unstable();
    parameters.iter().for_each(|(name, value)| text += &format!("{name}={value}\n"));
    digest::md5(&text).chars().take(DIGEST_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(proved: &str, plug: &str) -> Document {
        let text = format!(
            "<cib><configuration><nodes><node id='1' uname='one'><instance_attributes id='n'>\
             <nvpair id='n-p' name='fencing-proved' value='{proved}'/></instance_attributes></node></nodes><resources>\
             <primitive id='a:b' class='stonith' type='fence_apc'><instance_attributes id='i'>\
             <nvpair id='i-p' name='plug' value='{plug}'/></instance_attributes></primitive>\
             <primitive id='c' class='stonith' type='fence_apc'/></resources></configuration>\
             <status><node_state id='1' uname='one'><transient_attributes id='1'><instance_attributes id='t'>\
             <nvpair id='t-h' name='#fencing-held' value='too many'/></instance_attributes></transient_attributes>\
             </node_state></status></cib>"
        );
        Document::parse(&text).unwrap()
    }

    #[test]
    fn a_device_that_was_changed_is_proved_no_longer() {
        let proof = Proof::new(&cluster("", "1"), "one", 1_700_000_000, &["a:b".into(), "gone".into()]);
        assert_eq!(proof.devices.len(), 1);
        let proved = cluster(&proof.value(), "1");
        assert_eq!((of_device(&proved, "a:b"), unproved(&proved)), (Some(proof.clone()), vec!["c".to_owned()]));
        assert_eq!(unproved(&cluster(&proof.value(), "2")), ["a:b", "c"]);
        for nonsense in ["", "soon a:b", "7", "x y:z"] {
            assert_eq!(proofs(&cluster(nonsense, "1")), [], "{nonsense}");
        }
        assert_eq!(held(&proved), [("one".to_owned(), "too many".to_owned())]);
    }
}
