//! Stand-ins for the cluster's tools, which write down how they were called: what an agent sets, without a cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::space::Space;

/// Makes the tools in the space's directory; agents find them by `HA_SBIN_DIR`, which is returned as a variable.
pub fn install(space: &Space) -> String {
    let directory = space.path("sbin");
    fs::create_dir_all(&directory).unwrap();
    for tool in ["attrd_updater", "crm_attribute"] {
        let path = directory.join(tool);
        let log = space.path("calls");
        fs::write(&path, format!("#!/bin/sh\necho {tool} \"$@\" >> {}\n", log.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("HA_SBIN_DIR={}", directory.display())
}

/// The calls since the last time, one a line.
pub fn calls(space: &Space) -> String {
    let path = space.path("calls");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    text
}
