//! Fits a configuration to the lab, in a copy: nodes, fence devices, disks. Each change is told in a sentence.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cib::{Document, Element};

use crate::scene::{Scene, agent, parameter};

/// Where the power server listens, as nodes see it.
pub const POWER_SOCKET: &str = "/run/lab/power.sock";

/// What stands in for the shared disks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disks {
    /// Image files with ext4, attached to a loop device where they are mounted.
    Images,
    /// Directories, bound to the place where they are mounted.
    Directories,
}

/// A disk that the lab has to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disk {
    /// Where the nodes look for it.
    pub device: PathBuf,
    /// The file that the service answers with, if it is to be on this disk.
    pub answer: Option<PathBuf>,
}

/// What was changed and what has to be there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Adapted {
    /// One sentence for each change of the configuration.
    pub changes: Vec<String>,
    /// The disks to make.
    pub disks: Vec<Disk>,
}

/// Gives the scene the nodes it needs: as many as are asked for, or as the configuration names, or three.
pub fn set_nodes(scene: &mut Scene, asked: Option<usize>) -> Vec<String> {
    let count = asked.unwrap_or(scene.nodes.len().max(3));
    let mut changes = Vec::new();
    if scene.nodes.len() > count {
        let left_out = scene.nodes.split_off(count);
        changes.push(format!("left out of it: {}, because {count} nodes run", left_out.join(", ")));
    }
    let listed = scene.nodes.len();
    for number in 1.. {
        if scene.nodes.len() >= count {
            break;
        }
        let name = format!("node{number}");
        if !scene.nodes.contains(&name) {
            scene.nodes.push(name);
        }
    }
    if listed > 0 && listed < count {
        changes.push(format!("added to it: {}, because {count} nodes run", scene.nodes[listed..].join(", ")));
    }
    write_nodes(scene);
    changes
}

/// Makes the `<nodes>` section name exactly the nodes that run, with the numbers that the engine gives them.
fn write_nodes(scene: &mut Scene) {
    let cib = &mut scene.cib;
    let Some(configuration) = cib.child(cib.root(), "configuration") else { return };
    let section = cib.child(configuration, "nodes").unwrap_or_else(|| {
        let before = cib.child(configuration, "resources");
        cib.insert(configuration, before, "nodes")
    });
    let listed: Vec<Element> = cib.children_named(section, "node").collect();
    for node in listed {
        match scene.nodes.iter().position(|name| cib.attribute(node, "uname") == Some(name)) {
            Some(index) => cib.set(node, "id", &(index + 1).to_string()),
            None => cib.remove(node),
        }
    }
    for (index, name) in scene.nodes.iter().enumerate() {
        if !cib.children_named(section, "node").any(|node| cib.attribute(node, "uname") == Some(name)) {
            let node = cib.append(section, "node");
            cib.set(node, "id", &(index + 1).to_string());
            cib.set(node, "uname", name);
        }
    }
}

/// Points fence devices and file systems at what the lab has.
pub fn set_hardware(scene: &mut Scene, disks: Disks) -> Result<Adapted> {
    let mut adapted = Adapted::default();
    fence_devices(scene, &mut adapted.changes);
    file_systems(scene, disks, &mut adapted)?;
    if scene.fences && !primitives(&scene.cib).iter().any(|found| agent(&scene.cib, *found).0 == "stonith") {
        adapted.changes.push("no fence device in it: what a lost node runs will not be started elsewhere".to_owned());
    }
    Ok(adapted)
}

/// Every fence device becomes one that talks to the lab's power server, for the nodes that run.
fn fence_devices(scene: &mut Scene, changes: &mut Vec<String>) {
    let cib = &mut scene.cib;
    let all = scene.nodes.join(" ");
    for device in primitives(cib) {
        let (class, _, kind) = agent(cib, device);
        if class != "stonith" {
            continue;
        }
        let (id, kind) = (cib.id(device).to_owned(), kind.to_owned());
        if kind != "fence_demo" {
            cib.set(device, "type", "fence_demo");
            let foreign: Vec<Element> = cib
                .children_named(device, "instance_attributes")
                .flat_map(|set| cib.children_named(set, "nvpair"))
                .filter(|pair| !cib.attribute(*pair, "name").is_some_and(|name| name.starts_with("pcmk_")))
                .collect();
            for pair in foreign {
                cib.remove(pair);
            }
            changes.push(format!("{id} is a fence_demo instead of a {kind}: the nodes have the lab's power switch"));
        }
        set_parameter(cib, device, "socket", POWER_SOCKET);
        if let Some(pair) = parameter(cib, device, "pcmk_host_list") {
            let listed = cib.attribute(pair, "value").unwrap_or_default();
            let mut hosts: Vec<&str> = listed.split([' ', ',', ';']).filter(|host| !host.is_empty()).collect();
            hosts.sort_unstable();
            let mut wanted: Vec<&str> = scene.nodes.iter().map(String::as_str).collect();
            wanted.sort_unstable();
            if hosts != wanted && hosts.len() > 1 {
                cib.set(pair, "value", &all);
                changes.push(format!("pcmk_host_list of {id} is \"{all}\": the nodes that run"));
            }
        }
    }
}

/// Every shared disk becomes an image or a directory of the lab; two resources of one device share it.
fn file_systems(scene: &mut Scene, disks: Disks, adapted: &mut Adapted) -> Result<()> {
    let mut made: Vec<(String, PathBuf)> = Vec::new();
    for file_system in scene.file_systems.clone() {
        let known = made.iter().find(|(device, _)| *device == file_system.device).map(|(_, path)| path.clone());
        let device = known.unwrap_or_else(|| match disks {
            Disks::Images if Path::new(&file_system.device).starts_with("/srv") => file_system.device.clone().into(),
            Disks::Images => format!("/srv/lab-disk-{}.img", made.len() + 1).into(),
            Disks::Directories => format!("/srv/lab-disk-{}", made.len() + 1).into(),
        });
        let answer = scene.answer_in(&file_system).map(Path::to_owned);
        match adapted.disks.iter_mut().find(|disk| disk.device == device) {
            Some(disk) => disk.answer = disk.answer.take().or(answer),
            None => adapted.disks.push(Disk { device: device.clone(), answer }),
        }
        made.push((file_system.device.clone(), device.clone()));

        let cib = &mut scene.cib;
        let Some(primitive) = primitives(cib).into_iter().find(|found| cib.id(*found) == file_system.id) else {
            bail!("the resource {} has vanished from its own CIB", file_system.id);
        };
        let wanted = match disks {
            Disks::Images => vec![("device", device.display().to_string()), ("fstype", "ext4".to_owned())],
            Disks::Directories => vec![
                ("device", device.display().to_string()),
                ("fstype", "none".to_owned()),
                ("options", "bind".to_owned()),
            ],
        };
        let changed: Vec<String> = wanted
            .iter()
            .filter(|(name, value)| set_parameter(cib, primitive, name, value))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !changed.is_empty() {
            adapted.changes.push(format!("{} has {}: the lab's disk", file_system.id, changed.join(" ")));
        }
    }
    Ok(())
}

fn primitives(cib: &Document) -> Vec<Element> {
    let resources = cib.descend(&["configuration", "resources"]);
    let all = resources.into_iter().flat_map(|resources| cib.descendants(resources));
    all.filter(|element| cib.name(*element) == "primitive").collect()
}

/// Sets an instance parameter; says whether that changed something.
fn set_parameter(cib: &mut Document, primitive: Element, name: &str, value: &str) -> bool {
    if let Some(pair) = parameter(cib, primitive, name) {
        let changed = cib.attribute(pair, "value") != Some(value);
        cib.set(pair, "value", value);
        return changed;
    }
    let id = cib.id(primitive).to_owned();
    let set = cib.child(primitive, "instance_attributes").unwrap_or_else(|| {
        let before = cib.children(primitive).next();
        let set = cib.insert(primitive, before, "instance_attributes");
        cib.set(set, "id", &format!("{id}-instance_attributes"));
        set
    });
    let pair = cib.append(set, "nvpair");
    cib.set(pair, "id", &format!("{id}-instance_attributes-{name}"));
    cib.set(pair, "name", name);
    cib.set(pair, "value", value);
    true
}

/// The directories that the configuration wants to be writable on every node, as far as the lab can give them.
///
/// A mount point that exists on this machine is used as it is. One below `/srv`, `/mnt` or `/media` is made, in an empty
/// directory that the lab mounts there for itself.
pub fn writable_directories(scene: &Scene) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from("/srv")];
    for file_system in &scene.file_systems {
        let directory = &file_system.directory;
        match ["/srv", "/mnt", "/media"].into_iter().find(|top| directory.starts_with(top)) {
            Some(top) if found.iter().any(|known| known == Path::new(top)) => {}
            Some(top) => found.push(top.into()),
            None if directory.is_dir() => {}
            None => bail!(
                "the resource {} mounts at {}, which does not exist here, and the nodes share this machine's files: \
                 make it, or mount below /srv, /mnt or /media, which each demonstration has for itself",
                file_system.id,
                directory.display()
            ),
        }
    }
    if let Some(missing) = found.iter().find(|directory| !directory.is_dir()) {
        bail!("the nodes need a directory {} to mount at: make it (it may stay empty)", missing.display());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../examples/file-vip/cib.xml");

    fn adapt(source: &str, nodes: Option<usize>, disks: Disks) -> (Scene, Vec<String>, Vec<Disk>) {
        let mut scene = Scene::parse("cib.xml", source).unwrap();
        let mut changes = set_nodes(&mut scene, nodes);
        let adapted = set_hardware(&mut scene, disks).unwrap();
        changes.extend(adapted.changes);
        (scene, changes, adapted.disks)
    }

    #[test]
    fn the_example_fits_as_it_is() {
        let (scene, changes, disks) = adapt(EXAMPLE, None, Disks::Images);
        assert_eq!(changes, [""; 0]);
        assert_eq!(disks, [Disk { device: "/srv/shared.img".into(), answer: Some("answer".into()) }]);
        assert_eq!(scene.cib.to_xml(), Document::parse(EXAMPLE).unwrap().to_xml());
    }

    #[test]
    fn without_root_the_disk_is_a_directory() {
        let (scene, changes, disks) = adapt(EXAMPLE, None, Disks::Directories);
        assert_eq!(changes, ["export-fs has device=/srv/lab-disk-1 fstype=none options=bind: the lab's disk"]);
        assert_eq!(disks, [Disk { device: "/srv/lab-disk-1".into(), answer: Some("answer".into()) }]);
        assert!(
            scene.cib.to_xml().contains("id=\"export-fs-instance_attributes-options\" name=\"options\" value=\"bind\"")
        );
    }

    #[test]
    fn more_and_fewer_nodes_than_listed() {
        let (scene, changes, _) = adapt(EXAMPLE, Some(4), Disks::Images);
        assert_eq!(
            changes,
            [
                "added to it: node4, because 4 nodes run",
                "pcmk_host_list of fence is \"node1 node2 node3 node4\": the nodes that run"
            ]
        );
        assert!(scene.cib.to_xml().contains("<node id=\"4\" uname=\"node4\"/>"));
        let five = EXAMPLE
            .replace("<node id=\"3\" uname=\"node3\"/>", "<node id=\"33\" uname=\"a\"/><node id=\"9\" uname=\"b\"/>");
        let (scene, changes, _) = adapt(&five, Some(3), Disks::Images);
        assert_eq!(scene.nodes, ["node1", "node2", "a"]);
        assert_eq!(changes[0], "left out of it: b, because 3 nodes run");
        assert!(scene.cib.to_xml().contains("<node id=\"3\" uname=\"a\"/>"));
    }

    #[test]
    fn foreign_hardware_is_replaced() {
        let foreign = EXAMPLE.replace("fence_demo", "fence_ipmilan").replace("/srv/shared.img", "/dev/sdb1");
        let (scene, changes, disks) = adapt(&foreign, None, Disks::Images);
        assert_eq!(
            changes,
            [
                "fence is a fence_demo instead of a fence_ipmilan: the nodes have the lab's power switch",
                "export-fs has device=/srv/lab-disk-1.img: the lab's disk"
            ]
        );
        assert_eq!(disks[0].device, Path::new("/srv/lab-disk-1.img"));
        assert!(scene.cib.to_xml().contains("name=\"socket\" value=\"/run/lab/power.sock\""));
    }
}
