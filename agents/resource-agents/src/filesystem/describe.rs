//! What Filesystem says about itself: every parameter of the shell agent of the same name, with its default.

use ocf::{ActionMetadata, Metadata, Parameter};

/// The metadata.
pub fn metadata() -> Metadata {
    Metadata {
        name: "Filesystem".into(),
        version: "1.1".into(),
        ocf_version: Some("1.0".into()),
        shortdesc: "Manages file system mounts".into(),
        longdesc: "Mounts a file system and unmounts it again. Processes that hold the mount are named and ended before it is \
                   unmounted; mounts inside it are unmounted first.\n\n\
                   Monitor looks whether the right device is mounted on the right directory. With OCF_CHECK_LEVEL=10 it also \
                   reads from the block device, past all caches; with OCF_CHECK_LEVEL=20 it writes a file and reads it back \
                   (not for file systems mounted read-only). A device or server that no longer answers makes an action fail \
                   within its timeout.\n\n\
                   Takes the parameters of ocf:heartbeat:Filesystem."
            .into(),
        parameters: parameters(),
        actions: vec![
            ActionMetadata::new("start", "60s"),
            ActionMetadata::new("stop", "60s"),
            ActionMetadata::new("monitor", "40s").every("20s", "0"),
            ActionMetadata::new("validate-all", "5s"),
            ActionMetadata::new("meta-data", "5s"),
        ],
        extra_actions: vec!["stop-check".into()],
        ..Metadata::default()
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    vec![
        new(
            "device",
            "string",
            "Block device",
            "What is mounted: a block device, LABEL=NAME or UUID=ID (-L NAME and -U ID as well), SERVER:PATH of a network file \
             system, a directory (with the option bind), or a file with a file system in it, which gets a loop device for as \
             long as it is mounted.",
        )
        .default_value("")
        .required(),
        new("directory", "string", "Mount point", "Where it is mounted. The directory is made if it is not there.")
            .default_value("")
            .required(),
        new(
            "fstype",
            "string",
            "File system type",
            "Such as ext4 or nfs; none for bind mounts; auto to try what the kernel knows.",
        )
        .default_value("")
        .required(),
        new(
            "options",
            "string",
            "Mount options",
            "Comma-separated, as for mount -o. For a bind mount add bind; bind,ro is understood.",
        )
        .default_value(""),
        new(
            "statusfile_prefix",
            "string",
            "Prefix of the status file",
            "The file that a monitor of depth 20 writes, relative to the mount point; the resource's id and the host's name \
             follow.",
        )
        .default_value(".Filesystem_status/"),
        new(
            "run_fsck",
            "string",
            "When to run fsck",
            "auto: for file systems without a journal; force: always; no: never. Only for block devices.",
        )
        .default_value("auto"),
        new(
            "fast_stop",
            "boolean",
            "Give up a stop early",
            "If true, a stop tries for six seconds at most; else for as long as the action may take.",
        )
        .default_value("no"),
        new(
            "force_clones",
            "boolean",
            "Allow clones of any file system",
            "A file system that is not made for it is destroyed when several hosts mount it at once, so a clone of one is \
             refused. true allows it, for local devices that only have the same name on every host.",
        )
        .default_value("false"),
        new(
            "force_unmount",
            // More than a boolean takes; but this is what the shell agent says, and tools compare.
            "boolean",
            "End processes that hold the mount",
            "true: end the processes that hold the mount; safe: the same here, since finding them never touches the file \
             system; move: first move the mount to a hidden place beside its own, so that nobody new finds it; false: end no \
             process.",
        )
        .default_value("true"),
        new(
            "term_signals",
            "string",
            "Signals to ask with",
            "Names or numbers, separated by blanks: sent for the first half of a stop to the processes that hold the mount.",
        )
        .default_value("TERM"),
        new("kill_signals", "string", "Signals to force with", "The same, for the second half.").default_value("KILL"),
        new(
            "signal_delay",
            "string",
            "Seconds between signals",
            "How long to wait after signals before they are sent again. Whether the mount is free is looked at more often.",
        )
        .default_value("1"),
    ]
}
