//! QNetd's own certificates, on the host that only votes: an authority, made once by Corosync's own
//! `corosync-qnetd-certutil`, which signs a certificate for each cluster.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::unistd::Group;

use crate::disk::{self, Lock};
use crate::paths::Paths;
use crate::qdevice::check_cluster;
use crate::units::run;

/// Two keys are made and two certificates signed.
const MAKE_TIME: Duration = Duration::from_secs(50);
/// No certificate is larger: with its text it has 4 KiB.
const MAX_FILE: usize = 100 << 10;
/// The program.
const CERTUTIL: &str = "corosync-qnetd-certutil";
/// Debian's QNetd runs as a user of this group, and has to read these.
const GROUP: &str = "coroqnetd";
const FOR_GROUP: [&str; 4] = ["", "cert9.db", "key4.db", "pkcs11.txt"];

/// Makes the authority and QNetd's certificate, unless they are there: clusters know them, so they are never replaced.
///
/// # Errors
/// When the tool is not installed, or fails.
pub fn set_up(paths: &Paths) -> anyhow::Result<()> {
    let _lock = Lock::take(paths)?;
    if authority(paths)?.is_some() {
        return Ok(());
    }
    let folder = paths.qnetd();
    let above = crate::paths::folder(&folder);
    fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
    let said = run(CERTUTIL, &["-i", "-G"], MAKE_TIME).context("apt-get install corosync-qnetd")?;
    let made = said.success && authority(paths)?.is_some();
    ensure!(made, "{CERTUTIL} -i: {}", said.text.replace('\n', " | "));
    // Where QNetd is root, or its folder belongs to its user, there is no such group, or nothing is changed by this.
    if let Some(group) = Group::from_name(GROUP).context("looking the group of QNetd up")? {
        for name in FOR_GROUP {
            let path = folder.join(name);
            std::os::unix::fs::chown(&path, None, Some(group.gid.as_raw()))
                .with_context(|| format!("giving {} to the group {GROUP}", path.display()))?;
        }
    }
    Ok(())
}

/// The authority's certificate; nothing before it is made.
///
/// # Errors
/// When it cannot be read.
pub fn authority(paths: &Paths) -> anyhow::Result<Option<Vec<u8>>> {
    disk::read(&paths.qnetd().join("qnetd-cacert.crt"), MAX_FILE)
}

/// Signs a cluster's request, and gives the certificate.
///
/// # Errors
/// When there is no authority yet, or the request is none.
pub fn sign(paths: &Paths, cluster: &str, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    check_cluster(cluster)?;
    let _lock = Lock::take(paths)?;
    ensure!(
        authority(paths)?.is_some(),
        "QNetd is not set up here: `systole qdevice setup model net --enable --start`"
    );
    let given = paths.state.join("qnetd.given");
    let made = paths.qnetd().join(format!("cluster-{cluster}.crt"));
    // An earlier cluster of the name had another key.
    disk::remove(&made)?;
    disk::write(&given, request, 0o600)?;
    let said = run(CERTUTIL, &["-G", "-s", "-c", &given.to_string_lossy(), "-n", cluster], MAKE_TIME);
    disk::remove(&given)?;
    let said = said.context("apt-get install corosync-qnetd")?;
    let certificate = disk::read(&made, MAX_FILE)?.filter(|_| said.success);
    certificate.with_context(|| format!("{CERTUTIL} -s: {}", said.text.replace('\n', " | ")))
}
