//! Start of a file system: looks, checks, mounts. System calls that may hang have a limit.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use ocf::{ExitCode, Failure};

use super::loop_device::{self, LoopDevice, Part};
use super::mounts::{Mount, mounted_at, mounted_below, mounts};
use super::options::Options;
use super::settings::{Settings, Source};
use super::{Found, Identity, find, foreign, hangs, identify, source_text};
use crate::bounded::{Deadline, within};
use crate::run_directory::{Level, log};

/// Tried first when no type is given: the older drivers of the family take some of its disks as well.
const FIRST_TRIED: [&str; 3] = ["ext4", "xfs", "btrfs"];
/// `fsck` has found errors that it did not correct, or could not look.
const FSCK_FAILED: i32 = 4;
/// Flags of a mount that a bind mount of it takes over: without them the kernel refuses the change in a user namespace.
const INHERITED: [(&str, MsFlags); 6] = [
    ("nosuid", MsFlags::MS_NOSUID),
    ("nodev", MsFlags::MS_NODEV),
    ("noexec", MsFlags::MS_NOEXEC),
    ("noatime", MsFlags::MS_NOATIME),
    ("nodiratime", MsFlags::MS_NODIRATIME),
    ("relatime", MsFlags::MS_RELATIME),
];

/// Mounts it, unless it is mounted.
pub(super) fn start(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    let found = find(settings, deadline)?;
    if let Some(seen) = &found.seen {
        return match identify(settings, seen, deadline)? {
            Identity::Foreign => Err(foreign(settings, seen)),
            Identity::Ours | Identity::Unknown => {
                log(Level::Info, &format!("{} is mounted on {} already", seen.source, seen.point.display()));
                Ok(())
            }
        };
    }
    if let Some(inner) = mounted_below(&found.all, &found.point).next() {
        return Err(Failure::not_configured(format!(
            "{} is mounted on {}, below {}, and would be hidden: unmount it first",
            inner.source,
            inner.point.display(),
            found.point.display()
        )));
    }
    let (settings, limit) = (settings.clone(), deadline.left());
    let doing = format!("mounting {} on {}", source_text(&settings.source), found.point.display());
    within(limit, move || carry_out(&settings, &found)).unwrap_or_else(|| Err(hangs(&doing)))
}

fn carry_out(settings: &Settings, found: &Found) -> Result<(), Failure> {
    let kind = source_kind(&settings.source)?;
    if let Some(fstype) = settings.fstype.as_deref().filter(|_| kind != Kind::Directory) {
        require_support(fstype)?;
    }
    if settings.wants_fsck() {
        check_device(settings)?;
    }
    // Resolved only now: a directory that was not there yet may lie below a symbolic link.
    let point = &fs::create_dir_all(&found.point).and_then(|()| fs::canonicalize(&found.point)).map_err(|error| {
        Failure::not_installed(format!("making the directory {} to mount on: {error}", found.point.display()))
    })?;
    let source = source_text(&settings.source);
    if kind == Kind::Block
        && let Err(error) = loop_device::flush_buffers(Path::new(&source))
    {
        log(Level::Warning, &format!("dropping what is remembered of {source}: {error}"));
    }
    match kind {
        Kind::Directory => bind(settings, point)?,
        Kind::File => {
            let device = attach(settings)?;
            mount_device(settings, &device.path.display().to_string(), point)?;
        }
        Kind::Block | Kind::Word => mount_device(settings, &source, point)?,
    }
    for propagation in &settings.options.propagation {
        call(None, point, None, *propagation, "").map_err(|error| refused(settings, point, error))?;
    }
    let seen = read_mounts()?;
    match mounted_at(&seen, point) {
        Some(_) => {
            log(Level::Info, &format!("mounted {source} on {}", point.display()));
            Ok(())
        }
        None => Err(Failure::error(format!("{source} was mounted on {}, but is not there", point.display()))),
    }
}

/// What the source is on this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Block,
    File,
    Directory,
    Word,
}

fn source_kind(source: &Source) -> Result<Kind, Failure> {
    let look = |path: &Path, expected: &str| {
        fs::metadata(path).map_err(|error| {
            Failure::not_installed(format!("looking for {}: {error}; expected {expected} there", path.display()))
        })
    };
    match source {
        Source::Word(_) => Ok(Kind::Word),
        Source::Directory(path) => match look(path, "a directory or file to bind")? {
            about if about.is_dir() || about.is_file() => Ok(Kind::Directory),
            _ => Err(Failure::not_installed(format!("{} is neither a directory nor a file", path.display()))),
        },
        Source::Device(path) => match look(path, "a block device or a file with a file system")?.file_type() {
            kind if kind.is_block_device() => Ok(Kind::Block),
            kind if kind.is_file() => Ok(Kind::File),
            kind if kind.is_dir() => Err(Failure::not_configured(format!(
                "{} is a directory: to see it at a second place, add bind to parameter options",
                path.display()
            ))),
            _ => Err(Failure::not_installed(format!(
                "{} is neither a block device nor a file with a file system",
                path.display()
            ))),
        },
    }
}

/// Does the kernel know this kind of file system already?
pub(super) fn is_known(fstype: &str) -> bool {
    let name = match fstype {
        "glusterfs" | "rozofs" => "fuse",
        _ if fstype.starts_with("fuse.") => "fuse",
        "smbfs" => "cifs",
        _ => fstype,
    };
    known().iter().any(|known| known.0 == name)
}

/// Name, and whether it needs a device.
fn known() -> Vec<(String, bool)> {
    let text = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(mark, name)| (name.trim().to_owned(), mark.trim() != "nodev")).collect()
}

fn require_support(fstype: &str) -> Result<(), Failure> {
    if is_known(fstype) || helper(fstype).is_some() {
        return Ok(());
    }
    let loaded = Command::new("modprobe").arg("--").arg(fstype).output();
    if is_known(fstype) {
        return Ok(());
    }
    let why = match loaded {
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("modprobe: {error}"),
    };
    Err(Failure::not_installed(format!(
        "the kernel does not know the file system {fstype}, and its module could not be loaded ({why})"
    )))
}

/// The program that mounts this kind of file system, if it needs one of its own.
fn helper(fstype: &str) -> Option<PathBuf> {
    ["/sbin", "/usr/sbin"]
        .iter()
        .map(|place| Path::new(place).join(format!("mount.{fstype}")))
        .find(|path| path.is_file())
}

fn check_device(settings: &Settings) -> Result<(), Failure> {
    let device = source_text(&settings.source);
    let mut command = Command::new("fsck");
    if let Some(fstype) = &settings.fstype {
        command.args(["-t", fstype]);
    }
    let output = command.args(["-p", &device]).output().map_err(|error| {
        Failure::not_installed(format!("checking {device} with fsck: {error}; install it, or set run_fsck=no"))
    })?;
    match output.status.code() {
        Some(code) if code < FSCK_FAILED => Ok(()),
        _ => Err(Failure::error(format!(
            "fsck of {device} found what it cannot repair by itself ({}): {}; repair it by hand",
            output.status,
            String::from_utf8_lossy(&output.stdout).trim()
        ))),
    }
}

fn attach(settings: &Settings) -> Result<LoopDevice, Failure> {
    let Source::Device(file) = &settings.source else {
        return Err(Failure::not_configured("only a file gets a loop device"));
    };
    let options = &settings.options;
    let part = Part { offset: options.offset, size_limit: options.size_limit, read_only: options.is_read_only() };
    loop_device::attach(file, part).map_err(|error| {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => ExitCode::InsufficientPrivileges,
            _ => ExitCode::Error,
        };
        Failure::new(code, format!("attaching {} to a loop device: {error}", file.display()))
    })
}

fn mount_device(settings: &Settings, source: &str, point: &Path) -> Result<(), Failure> {
    let options = &settings.options;
    let Some(fstype) = settings.fstype.as_deref() else {
        return try_each(source, point, options).map_err(|error| refused(settings, point, error));
    };
    if settings.is_remote() || helper(fstype).is_some() {
        return mount_by_program(settings, fstype, source, point);
    }
    call(Some(source), point, Some(fstype), options.flags, &options.data)
        .map_err(|error| refused(settings, point, error))
}

/// Tries each kind of file system that the kernel knows: the superblock decides.
fn try_each(source: &str, point: &Path, options: &Options) -> nix::Result<()> {
    let mut names: Vec<String> = known().into_iter().filter(|(_, device)| *device).map(|(name, _)| name).collect();
    names.sort_by_key(|name| FIRST_TRIED.iter().position(|first| first == name).unwrap_or(FIRST_TRIED.len()));
    let mut last = Errno::ENODEV;
    for fstype in names {
        match call(Some(source), point, Some(&fstype), options.flags, &options.data) {
            // Not its superblock.
            Err(error @ (Errno::EINVAL | Errno::ENODEV | Errno::EUCLEAN)) => last = error,
            result => return result,
        }
    }
    Err(last)
}

fn mount_by_program(settings: &Settings, fstype: &str, source: &str, point: &Path) -> Result<(), Failure> {
    let mut command = Command::new("mount");
    command.args(["-t", fstype]);
    if !settings.option_text.is_empty() {
        command.args(["-o", &settings.option_text]);
    }
    let output = command.arg("--").arg(source).arg(point).output();
    let output = output.map_err(|error| Failure::not_installed(format!("mounting {source} with mount: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::error(format!("mounting {source} ({fstype}) on {}: {said}", point.display())))
}

/// A bind mount takes no other flags at first; they come with a second call, which must not drop what it inherited.
fn bind(settings: &Settings, point: &Path) -> Result<(), Failure> {
    let source = source_text(&settings.source);
    let both = MsFlags::MS_BIND | MsFlags::MS_REC;
    let flags = settings.options.flags;
    call(Some(&source), point, None, flags & both, "").map_err(|error| refused(settings, point, error))?;
    let wanted = flags - both;
    if wanted.is_empty() && settings.options.cleared.is_empty() {
        return Ok(());
    }
    let mounts = read_mounts()?;
    let inherited = mounted_at(&mounts, point).map_or(MsFlags::empty(), inherited);
    let all = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | wanted | (inherited - settings.options.cleared);
    call(None, point, None, all, "").map_err(|error| {
        // A start that failed leaves nothing behind.
        let _ = nix::mount::umount(point);
        refused(settings, point, error)
    })
}

fn inherited(mount: &Mount) -> MsFlags {
    let has = |name: &str| mount.options.split(',').any(|option| option == name);
    INHERITED.iter().filter(|(name, _)| has(name)).fold(MsFlags::empty(), |flags, (_, flag)| flags | *flag)
}

fn call(source: Option<&str>, point: &Path, fstype: Option<&str>, flags: MsFlags, data: &str) -> nix::Result<()> {
    mount(source, point, fstype, flags, Some(data).filter(|data| !data.is_empty()))
}

fn read_mounts() -> Result<Vec<Mount>, Failure> {
    mounts().map_err(|error| Failure::error(format!("reading /proc/self/mountinfo: {error}")))
}

fn refused(settings: &Settings, point: &Path, error: Errno) -> Failure {
    let source = source_text(&settings.source);
    let fstype = settings.fstype.as_deref().unwrap_or("any known file system");
    let options = &settings.option_text;
    let hint = match error {
        Errno::EPERM => "; the agent must run as root or with CAP_SYS_ADMIN".to_owned(),
        Errno::EINVAL => {
            format!("; expected {fstype} on it and options that it knows, found neither or not both ({options:?})")
        }
        Errno::ENODEV => format!("; the kernel does not know {fstype}"),
        Errno::EBUSY => {
            "; it is in use in another way, such as by LVM, as swap, or mounted with other options".to_owned()
        }
        Errno::EROFS | Errno::EACCES => {
            "; it is write-protected: add ro to parameter options, or lift the protection".to_owned()
        }
        _ => String::new(),
    };
    let code = if error == Errno::EPERM { ExitCode::InsufficientPrivileges } else { ExitCode::Error };
    Failure::new(code, format!("mounting {source} on {}: {}{hint}", point.display(), error.desc()))
}
