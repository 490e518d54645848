//! What exportfs says about itself: every parameter of the shell agent of the same name, with its default.

use ocf::{ActionMetadata, Metadata, Parameter};

/// The metadata.
pub fn metadata() -> Metadata {
    let new = Parameter::new;
    Metadata {
        name: "exportfs".into(),
        version: "1.0".into(),
        ocf_version: Some("1.0".into()),
        shortdesc: "Manages NFS exports".into(),
        longdesc: "Exports directories over NFS with the program exportfs, and takes exactly these exports back. The server is not \
                   its own: see nfsserver.\n\n\
                   Monitor looks whether all of the directories are still exported to the client. Start refuses an fsid that \
                   another directory on this host is exported with.\n\n\
                   Takes the parameters of ocf:heartbeat:exportfs."
            .into(),
        parameters: vec![
            new(
                "clientspec",
                "string",
                "Client",
                "Who may mount: a host, a network as ADDRESS/PREFIX, a netgroup as @NAME, or * for everybody, as exports(5) has \
                 it. One of them; make a resource for each of several.",
            )
            .required(),
            new("options", "string", "Export options", "Options of the export, with commas between them, see exports(5)."),
            new("directory", "string", "Directories", "The directory to export, or several with spaces between them.").required(),
            new(
                "fsid",
                "string",
                "Number of the file system",
                "By what clients know the file system again when another host serves it: a number, a UUID, or root (the same as \
                 0, the root of NFSv4's file systems). It has to be another one for each exported directory. Of several \
                 directories the first one gets it, which then is a number, and the others the next ones. It counts instead of \
                 one among the options. Without it the file system's own UUID is taken, where it has one; the shell agent refuses that.",
            )
            .required(),
            new(
                "unlock_on_stop",
                "boolean",
                "Give up locks when stopping",
                "Make the server give up all locks on the file system when the export is taken back; otherwise it cannot be \
                 unmounted while a client holds one. Set it to false only where another export of the same file system stays.",
            )
            .default_value("1"),
            new(
                "wait_for_leasetime_on_stop",
                "boolean",
                "Wait for leases when stopping",
                "When stopping, wait until NFSv4's leases are over and so nothing is held for clients any more. It waits no \
                 longer than the server knows a client. The timeout of stop must be above the lease time.",
            )
            .default_value("0"),
            new(
                "rmtab_backup",
                "string",
                "File for who mounted it",
                "A file, relative to the directory, that keeps which NFSv3 clients have mounted it, for the next host; none for \
                 no such file. It is written by monitor and stop, and read by start.",
            )
            .default_value(".rmtab"),
        ],
        actions: vec![
            ActionMetadata::new("start", "40s"),
            ActionMetadata::new("stop", "120s"),
            ActionMetadata::new("monitor", "20s").every("10s", "0"),
            ActionMetadata::new("meta-data", "5s"),
            ActionMetadata::new("validate-all", "30s"),
        ],
        ..Metadata::default()
    }
}
