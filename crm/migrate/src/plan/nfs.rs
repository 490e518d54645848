//! `--with nfs`: a disk, its server and its exports before the first unit's addresses, as one group: who has the
//! addresses has the disk, and the addresses come last and go first.

use super::Draft;
use crate::configuration::{Parameters, Primitive};
use crate::verdict::Question;

/// Where the agent keeps the server's state: on the disk, so that locks move with it.
const STATE: &str = ".nfs";

/// What the disk is and who may mount it.
pub(super) fn questions(draft: &mut Draft<'_, '_>) {
    let asked: [(&str, &str, &str, Option<&str>, &str); 4] = [
        (
            "nfs.device",
            "Which disk do the hosts share for NFS?",
            "<DEVICE>",
            None,
            "a path that is the same on all hosts, such as /dev/disk/by-id/…; it is mounted on the host with the addresses only: take it out of /etc/fstab on all hosts",
        ),
        ("nfs.fstype", "Which file system is on it?", "<TYPE>", Some("ext4"), "as mount -t takes it"),
        (
            "nfs.directory",
            "Where is it mounted and exported?",
            "<DIRECTORY>",
            Some("/srv/nfs"),
            "the directory has to be there on each host, empty",
        ),
        ("nfs.clients", "Who may mount it?", "<CLIENTS>", None, "a network or host, such as 192.0.2.0/24"),
    ];
    for (name, text, choice, default, then) in asked {
        draft.ask(Question {
            name: name.to_owned(),
            text: text.to_owned(),
            choices: vec![(choice.to_owned(), then.to_owned())],
            default: default.map(str::to_owned),
            answer: None,
            place: None,
        });
    }
    if draft.answers.get("fencing").is_none_or(|fencing| fencing == "none") {
        draft.advice.push(
            "WARNING: a disk that both hosts can mount, without fencing: if both do, it is destroyed. Answer the question \
             fencing with a device"
                .to_owned(),
        );
    }
}

/// What starts before the addresses.
pub(super) fn members(draft: &mut Draft<'_, '_>) -> Vec<Primitive> {
    let [device, kind, directory, clients] =
        ["nfs.device", "nfs.fstype", "nfs.directory", "nfs.clients"].map(|name| draft.holds(name).to_owned());
    let mut primitive = |id: &str, agent: &str, monitor: &str, pairs: &[(&str, String)]| {
        let id = draft.ids.take(id);
        Primitive::new(id, ("ocf", Some("heartbeat"), agent), monitor).with(Parameters::all(pairs))
    };
    vec![
        primitive(
            "nfs-disk",
            "Filesystem",
            "20s",
            &[("device", device), ("directory", directory.clone()), ("fstype", kind)],
        ),
        primitive("nfs-server", "nfsserver", "10s", &[("nfs_shared_infodir", format!("{directory}/{STATE}"))]),
        primitive(
            "nfs-export",
            "exportfs",
            "10s",
            &[
                ("directory", directory),
                ("clientspec", clients),
                ("options", "rw,sync,no_subtree_check".to_owned()),
                ("fsid", "1".to_owned()),
            ],
        ),
    ]
}
