//! `/var/lib/nfs`: what the server remembers of its clients. While it runs here it is the shared directory, shown there;
//! the kernel's pipes to the server's helpers are mounted inside of it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use ocf::Failure;

use super::settings::Settings;
use crate::bounded::Deadline;
use crate::filesystem::mounts::{mounted_at, mounts};

/// Where the server's programs keep what they remember; it is compiled into them.
pub const OWN: &str = "/var/lib/nfs";
/// Red Hat's rpc.statd has a directory of its own in there.
const STATD: &str = "statd";
const PIPES: &str = "rpc_pipefs";
/// A helper that was ended a moment ago may still hold it.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// The directory of `rpc.statd`.
pub fn statd_directory() -> std::path::PathBuf {
    let own = Path::new(OWN).join(STATD);
    if own.is_dir() { own } else { OWN.into() }
}

/// Is this directory shown at `/var/lib/nfs`?
pub fn is_shown(directory: &Path) -> Result<bool, Failure> {
    let mounts = mounts().map_err(|error| Failure::error(format!("looking at what is mounted: {error}")))?;
    if mounted_at(&mounts, Path::new(OWN)).is_none() {
        return Ok(false);
    }
    let (Ok(one), Ok(other)) = (fs::metadata(directory), fs::metadata(OWN)) else { return Ok(false) };
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Makes the shared directory complete and shows it.
pub fn show(settings: &Settings) -> Result<(), Failure> {
    let Some(directory) = &settings.shared_directory else { return Ok(()) };
    if is_shown(directory)? {
        return Ok(());
    }
    let failed = |doing: &str, path: &Path, error: io::Error| {
        Failure::error(format!("{doing} {} for the server's memory: {error}", path.display()))
    };
    // Who owns what is as on this host: rpc.statd becomes the user that owns its directory.
    let statd = statd_directory();
    let within = |path: &Path| directory.join(path.strip_prefix(OWN).unwrap_or(Path::new("")));
    let mut wanted = vec![Path::new(OWN).to_owned(), statd.clone()];
    wanted.extend(["sm", "sm.bak", "sm.ha"].map(|name| statd.join(name)));
    wanted.extend(["v4recovery", "nfsdcld", PIPES].map(|name| Path::new(OWN).join(name)));
    for own in wanted {
        let here = within(&own);
        if here.is_dir() {
            continue;
        }
        fs::create_dir_all(&here).map_err(|error| failed("making", &here, error))?;
        let like = fs::metadata(&own).or_else(|_| fs::metadata(statd.join("sm"))).or_else(|_| fs::metadata(OWN));
        if let Ok(like) = like {
            std::os::unix::fs::chown(&here, Some(like.uid()), Some(like.gid()))
                .and_then(|()| fs::set_permissions(&here, like.permissions()))
                .map_err(|error| failed("giving away", &here, error))?;
        }
    }
    for name in ["etab", "xtab", "rmtab"] {
        let file = directory.join(name);
        fs::File::options().create(true).append(true).open(&file).map_err(|error| failed("making", &file, error))?;
    }
    mount(Some(directory), OWN, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|error| failed("showing", directory, error.into()))
}

/// Mounts the kernel's pipes, unless they are there.
pub fn show_pipes(settings: &Settings) -> Result<(), Failure> {
    let mounts = mounts().map_err(|error| Failure::error(format!("looking at what is mounted: {error}")))?;
    if mounted_at(&mounts, &settings.pipes).is_some_and(|mount| mount.fstype == PIPES) {
        return Ok(());
    }
    let failed = |error: io::Error| {
        Failure::error(format!("mounting the kernel's pipes on {}: {error}", settings.pipes.display()))
    };
    fs::create_dir_all(&settings.pipes).map_err(failed)?;
    mount(Some("sunrpc"), &settings.pipes, Some(PIPES), MsFlags::empty(), None::<&str>)
        .map_err(|error| failed(error.into()))
}

/// Takes away what `show` and `show_pipes` have mounted. Pipes of a host that has no shared directory stay: other parts
/// of NFS use them.
pub fn hide(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    let Some(directory) = &settings.shared_directory else { return Ok(()) };
    loop {
        let mounts = mounts().map_err(|error| Failure::error(format!("looking at what is mounted: {error}")))?;
        let shown = mounted_at(&mounts, Path::new(OWN)).is_some() && (is_shown(directory)? || !directory.exists());
        let pipes = mounted_at(&mounts, &settings.pipes).filter(|mount| mount.fstype == PIPES);
        let next = match pipes {
            Some(pipes) if shown || !pipes.point.starts_with(OWN) => pipes.point.clone(),
            _ if shown => OWN.into(),
            _ => return Ok(()),
        };
        match umount2(&next, MntFlags::empty()) {
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(Errno::EBUSY) if !deadline.is_over() => thread::sleep(TRY_AGAIN),
            Err(error) => return Err(Failure::error(format!("unmounting {}: {}", next.display(), error.desc()))),
        }
    }
}
