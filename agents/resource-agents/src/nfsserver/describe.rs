//! What nfsserver says about itself: every parameter of the shell agent of the same name, with its default, and a few more.

use ocf::{ActionMetadata, Metadata, Parameter};

/// The metadata.
pub fn metadata() -> Metadata {
    Metadata {
        name: "nfsserver".into(),
        version: "1.0".into(),
        ocf_version: Some("1.0".into()),
        shortdesc: "Manages an NFS server".into(),
        longdesc: "Runs the kernel's NFS server, or NFS-Ganesha, on one host at a time. With nfs_shared_infodir, a directory on a \
                   file system that is mounted before it, the server finds there whom the host before it has served; with \
                   nfs_server_scope its NFSv4 clients know it again, and with nfs_ip its NFSv3 clients are told. So they get \
                   their locks back.\n\n\
                   It is run by its units where systemd is process 1, else by its programs, or by an init script if one is \
                   given. Monitor looks for the kernel's threads and each helper that has to be there.\n\n\
                   Takes the parameters of ocf:heartbeat:nfsserver."
            .into(),
        parameters: parameters(),
        actions: vec![
            ActionMetadata::new("start", "40s"),
            ActionMetadata::new("stop", "20s"),
            ActionMetadata::new("monitor", "20s").every("10s", "0"),
            ActionMetadata::new("meta-data", "5s"),
            ActionMetadata::new("validate-all", "30s"),
        ],
        ..Metadata::default()
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    vec![
        new("nfs_init_script", "string", "Init script", "An init script that starts and stops the server. If it is not given, systemd's units or the programs are used.").default_value("auto detected"),
        new("nfsv4_only", "boolean", "NFSv4 only", "Serve no NFSv3, and run nothing that only NFSv3 needs: no rpcbind, no rpc.statd.").default_value("false"),
        new("nfs_no_notify", "boolean", "Do not tell NFSv3 clients", "Do not tell NFSv3 clients after a start that they have to get their locks back.").default_value("false"),
        new("nfs_notify_foreground", "boolean", "Wait until clients are told", "Start returns only when the NFSv3 clients have been told.").default_value("false"),
        new("nfs_smnotify_retry_time", "integer", "Minutes to go on telling", "For how many minutes clients that do not answer are told again; 0 for ever. If empty, 15 minutes.").default_value(""),
        new(
            "nfs_server_scope",
            "string",
            "Scope of the server",
            "The name that NFSv4 clients know the server by (the server scope of RFC 8881). It must be the same on every host, or \
             clients do not try to get their locks back. The service's address is a good one. If empty, it is the host's name.",
        )
        ,
        new("nfs_ip", "string", "Addresses", "The service's addresses, with commas between them. NFSv3 clients are told from these, as soon as this host has them."),
        new(
            "nfs_shared_infodir",
            "string",
            "Directory of the server's memory",
            "A directory on a file system that moves with the server. It is shown at /var/lib/nfs while the server runs.",
        )
        .default_value(""),
        new("rpcpipefs_dir", "string", "Directory of the kernel's pipes", "Where the pipes between the kernel and the server's helpers are mounted.").default_value("/var/lib/nfs/rpc_pipefs"),
        new("nfs_lease_time", "integer", "Lease in seconds", "After how many seconds of silence an NFSv4 client has lost its locks, 10 at least. If empty, as the host is set up; the kernel's own is 90. Not in ocf:heartbeat:nfsserver.").default_value(""),
        new("nfs_grace_time", "integer", "Grace in seconds", "For how many seconds after a start locks can only be got back, 10 at least; for NFSv4 and NFSv3. If empty, as the host is set up; the kernel's own is 90, and 50 for NFSv3. Not in ocf:heartbeat:nfsserver.").default_value(""),
        new("nfs_threads", "integer", "Threads", "How many threads serve, where the server is run by its programs. If empty, as the host is set up. Not in ocf:heartbeat:nfsserver.").default_value(""),
        new("nfs_server", "string", "Which server", "kernel, or ganesha for NFS-Ganesha. Not in ocf:heartbeat:nfsserver.").default_value("kernel"),
        new("ganesha_config", "string", "Ganesha's configuration", "The configuration that NFS-Ganesha is started with. Not in ocf:heartbeat:nfsserver.").default_value("/etc/ganesha/ganesha.conf"),
    ]
}
