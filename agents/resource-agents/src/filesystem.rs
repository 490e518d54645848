//! Filesystem: a file system that is mounted on one host at a time. Here are the agent itself and its monitor;
//! start is in `mounting`, stop in `unmounting`, and what they stand on in the files named after it.

mod describe;
mod holders;
mod loop_device;
mod mounting;
pub(crate) mod mounts;
mod obstacles;
mod options;
mod settings;
mod unmounting;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ocf::{Agent, Context, Failure, Metadata, Status};

use crate::bounded::{Deadline, within};
use crate::run_directory::{Level, log};
use mounts::{Mount, mounted_at, mounts};
use settings::{Settings, Source};

/// The agent.
pub struct Filesystem;

/// A device is read and a status file written by this much: the largest block that direct I/O asks for.
const BLOCK_BYTES: usize = 4096;

impl Agent for Filesystem {
    fn metadata(&self) -> Metadata {
        describe::metadata()
    }

    fn may_hang(&self) -> bool {
        true
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        settings.refuse_clone(call)?;
        refuse_moved(&settings)?;
        mounting::start(&settings, Deadline::of(call))
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        if call.environment.check_level == Some(20) {
            remove_status_file(&settings, Deadline::of(call).half());
        }
        unmounting::stop(&settings, Deadline::of(call))
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let settings = Settings::read(call)?;
        let deadline = Deadline::of(call);
        let Some(mount) = find(&settings, deadline)?.seen else {
            refuse_moved(&settings)?;
            return Ok(Status::Stopped);
        };
        match identify(&settings, &mount, deadline)? {
            Identity::Foreign if call.environment.is_probe() => return Ok(Status::Stopped),
            Identity::Foreign => return Err(foreign(&settings, &mount)),
            Identity::Ours | Identity::Unknown => {}
        }
        match call.environment.check_level.unwrap_or(0) {
            0 => Ok(()),
            10 => read_device(&settings, &mount, deadline),
            20 => write_status_file(&settings, &mount, deadline),
            level => Err(Failure::not_configured(format!("OCF_CHECK_LEVEL is {level}; expected 0, 10 or 20"))),
        }?;
        Ok(Status::Running)
    }

    fn stop_check(&self, call: &Context) -> Option<Result<Vec<String>, Failure>> {
        Some(Settings::read(call).and_then(|settings| unmounting::check(&settings, Deadline::of(call))))
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        settings.refuse_clone(call)?;
        if let Some(fstype) = &settings.fstype
            && !mounting::is_known(fstype)
        {
            // The module may be loaded by the start.
            log(Level::Info, &format!("the kernel does not know the file system {fstype} yet"));
        }
        Ok(())
    }
}

/// A stop that did not end may have left the mount beside its place: it holds the device, though nobody sees it.
fn refuse_moved(settings: &Settings) -> Result<(), Failure> {
    let aside = settings.aside();
    match unmounting::is_mounted(&aside)? {
        false => Ok(()),
        true => Err(Failure::error(format!(
            "a stop that did not end has moved it to {}: stop it again",
            aside.directory.display()
        ))),
    }
}

/// What there is at the resource's directory.
struct Found {
    /// The directory with symbolic links resolved, as the kernel shows it.
    point: PathBuf,
    /// The mount that is seen there, if any.
    seen: Option<Mount>,
    /// Every mount of this namespace.
    all: Vec<Mount>,
}

fn find(settings: &Settings, deadline: Deadline) -> Result<Found, Failure> {
    let all = mounts().map_err(|error| Failure::error(format!("reading /proc/self/mountinfo: {error}")))?;
    let directory = settings.directory.clone();
    let point = if mounted_at(&all, &directory).is_some() {
        directory
    } else {
        // Only now is it safe to ask for the directory itself: nothing that could hang is mounted on it.
        let path = directory.clone();
        match within(deadline.left(), move || fs::canonicalize(path)) {
            Some(Ok(point)) => point,
            Some(Err(_)) => directory,
            None => return Err(hangs(&format!("resolving the directory {}", settings.directory.display()))),
        }
    };
    let seen = mounted_at(&all, &point).cloned();
    Ok(Found { point, seen, all })
}

/// Whose mount is it?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Identity {
    /// The device of the resource.
    Ours,
    /// For certain something else.
    Foreign,
    /// It cannot be told, for instance because the device is gone.
    Unknown,
}

fn identify(settings: &Settings, mount: &Mount, deadline: Deadline) -> Result<Identity, Failure> {
    let (source, mount_of) = (settings.source.clone(), mount.clone());
    within(deadline.left(), move || identity(&source, &mount_of))
        .ok_or_else(|| hangs(&format!("looking at what is mounted on {}", mount.point.display())))
}

fn identity(source: &Source, mount: &Mount) -> Identity {
    let ours = |yes: bool| if yes { Identity::Ours } else { Identity::Foreign };
    match source {
        Source::Word(word) => {
            let same = word.trim_end_matches('/') == mount.source.trim_end_matches('/');
            // Servers and paths can be written in several ways.
            if same { Identity::Ours } else { Identity::Unknown }
        }
        Source::Directory(path) => match (fs::metadata(path), fs::metadata(&mount.point)) {
            (Ok(a), Ok(b)) => ours((a.dev(), a.ino()) == (b.dev(), b.ino())),
            _ => Identity::Unknown,
        },
        Source::Device(path) => match fs::metadata(path) {
            Err(_) => Identity::Unknown,
            Ok(about) if about.file_type().is_block_device() => {
                let number = (u64::from(libc::major(about.rdev())), u64::from(libc::minor(about.rdev())));
                // Some file systems have numbers of their own; then the name must do.
                let same_name = || fs::canonicalize(path).is_ok_and(|real| names_device(&mount.source, &real));
                ours(number == mount.device || same_name())
            }
            Ok(about) if about.is_file() && mount.source.starts_with("/dev/loop") => {
                loop_device::shows(Path::new(&mount.source), path).map_or(Identity::Unknown, ours)
            }
            Ok(_) => Identity::Foreign,
        },
    }
}

fn names_device(source: &str, real: &Path) -> bool {
    fs::canonicalize(source).is_ok_and(|source| source == real)
}

fn foreign(settings: &Settings, mount: &Mount) -> Failure {
    Failure::error(format!(
        "{} ({}) is mounted on {}, expected {}: unmount it, or choose another directory",
        mount.source,
        mount.fstype,
        mount.point.display(),
        source_text(&settings.source)
    ))
}

fn source_text(source: &Source) -> String {
    match source {
        Source::Device(path) | Source::Directory(path) => path.display().to_string(),
        Source::Word(word) => word.clone(),
    }
}

fn hangs(doing: &str) -> Failure {
    Failure::error(format!("{doing} did not come back in time: the device or the server behind it does not answer"))
}

/// Depth 10: the device answers. Reads past all caches.
fn read_device(settings: &Settings, mount: &Mount, deadline: Deadline) -> Result<(), Failure> {
    let device = PathBuf::from(&mount.source);
    let is_block = || fs::metadata(&device).is_ok_and(|about| about.file_type().is_block_device());
    // The device below a bind mount is somebody else's.
    if !matches!(settings.source, Source::Device(_)) || !is_block() {
        log(Level::Info, &format!("{} is not a block device: a monitor of depth 10 has nothing to read", mount.source));
        return Ok(());
    }
    let read = within(deadline.left(), move || {
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&device)?;
        file.read_exact(aligned(&mut vec![0; 2 * BLOCK_BYTES]))
    });
    match read {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(Failure::error(format!("reading the device {}: {error}", mount.source))),
        None => Err(hangs(&format!("reading the device {}", mount.source))),
    }
}

/// The part of a buffer of two blocks that direct I/O accepts.
fn aligned(buffer: &mut [u8]) -> &mut [u8] {
    let skip = buffer.as_ptr().align_offset(BLOCK_BYTES);
    &mut buffer[skip..skip + BLOCK_BYTES]
}

/// Depth 20: the file system takes what is written, and gives it back.
fn write_status_file(settings: &Settings, mount: &Mount, deadline: Deadline) -> Result<(), Failure> {
    let path = status_file(settings, &mount.point);
    let text = path.display().to_string();
    match within(deadline.left(), move || write_and_read(&path)) {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(Failure::error(format!("writing and reading the status file {text}: {error}"))),
        None => Err(hangs(&format!("writing and reading the status file {text}"))),
    }
}

fn write_and_read(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut buffer = vec![0; 2 * BLOCK_BYTES];
    let block = aligned(&mut buffer);
    let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let line = format!("{} {}\n", std::process::id(), stamp.as_nanos());
    block[..line.len()].copy_from_slice(line.as_bytes());
    let mut file = open_direct(OpenOptions::new().write(true).create(true).truncate(true), path, libc::O_SYNC)?;
    file.write_all(block)?;
    drop(file);
    let mut back = vec![0; 2 * BLOCK_BYTES];
    let back = aligned(&mut back);
    open_direct(OpenOptions::new().read(true), path, 0)?.read_exact(back)?;
    if back == block { Ok(()) } else { Err(io::Error::other("what was read is not what was written")) }
}

/// Opens past all caches, if the file system can do that.
fn open_direct(how: &mut OpenOptions, path: &Path, flags: i32) -> io::Result<File> {
    match how.custom_flags(flags | libc::O_DIRECT).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => how.custom_flags(flags).open(path),
        opened => opened,
    }
}

fn status_file(settings: &Settings, point: &Path) -> PathBuf {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    point.join(format!("{}_{host}", settings.status_file))
}

fn remove_status_file(settings: &Settings, deadline: Deadline) {
    let path = status_file(settings, &settings.directory);
    let _ = within(deadline.left(), move || fs::remove_file(path));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_file_is_written_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status/x_host");
        write_and_read(&path).unwrap();
        write_and_read(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), BLOCK_BYTES as u64);
        assert!(write_and_read(Path::new("/proc/no/such/place")).is_err());
    }

    #[test]
    fn whose_mount_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let mount = Mount {
            id: 1,
            device: (0, 0),
            root: "/".into(),
            point: directory.path().into(),
            options: String::new(),
            fstype: "nfs".into(),
            source: "server:/export".into(),
        };
        let cases = [
            (Source::Directory(directory.path().into()), Identity::Ours),
            (Source::Directory(other.path().into()), Identity::Foreign),
            (Source::Directory("/no/such/directory".into()), Identity::Unknown),
            (Source::Word("server:/export/".into()), Identity::Ours),
            (Source::Word("elsewhere:/export".into()), Identity::Unknown),
            (Source::Device("/no/such/device".into()), Identity::Unknown),
            (Source::Device("/dev/null".into()), Identity::Foreign),
        ];
        for (source, expected) in cases {
            assert_eq!(identity(&source, &mount), expected, "{source:?}");
        }
    }
}
