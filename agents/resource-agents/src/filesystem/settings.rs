//! What the parameters of Filesystem say, checked and as types. It does not look at this host.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use ocf::{Context, Failure};

use super::options::Options;
use crate::run_directory::{Level, log};

/// `fast_stop`: a stop tries no longer than this.
const FAST_STOP: Duration = Duration::from_secs(6);

/// What is to be mounted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A block device, or a file with a file system in it; only the host can tell which.
    Device(PathBuf),
    /// A directory, seen at a second place.
    Directory(PathBuf),
    /// A word for the file system to understand, or a server and a path.
    Word(String),
}

/// When to check a file system before it is mounted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fsck {
    /// When its type has no journal.
    Auto,
    /// Always.
    Force,
    /// Never.
    Never,
}

/// The parameters of one file system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What is mounted.
    pub source: Source,
    /// Where, without slashes at its end; symbolic links are not resolved.
    pub directory: PathBuf,
    /// Kind of file system; `None` to try what the kernel knows.
    pub fstype: Option<String>,
    /// Options as given.
    pub option_text: String,
    /// Options, sorted.
    pub options: Options,
    /// The file that a deep monitor writes, but for the host's name at its end.
    pub status_file: String,
    /// When to check.
    pub fsck: Fsck,
    /// A limit for the stop below that of the action.
    pub stop_limit: Option<Duration>,
    /// Are holders ended?
    pub end_holders: bool,
    /// Is the mount moved aside before, so that nobody new finds it?
    pub move_aside: bool,
    /// Signals for the first half of a stop.
    pub term_signals: Vec<Signal>,
    /// Signals for the second half.
    pub kill_signals: Vec<Signal>,
    /// Between two rounds of signals.
    pub signal_delay: Duration,
}

/// File systems that live on a server or in several places, and so may be mounted by several hosts.
const SHARED: &[&str] = &[
    "nfs",
    "nfs4",
    "efs",
    "smb3",
    "smbfs",
    "cifs",
    "none",
    "gfs2",
    "glusterfs",
    "ceph",
    "ocfs2",
    "overlay",
    "overlayfs",
    "tmpfs",
    "cvfs",
    "lustre",
];
/// File systems without a block device.
const WITHOUT_DEVICE: &[&str] = &[
    "nfs",
    "nfs4",
    "efs",
    "smb3",
    "smbfs",
    "cifs",
    "none",
    "glusterfs",
    "ceph",
    "tmpfs",
    "overlay",
    "overlayfs",
    "rozofs",
    "zfs",
    "cvfs",
    "lustre",
];
/// File systems on servers: `umount -f` may help, and asking them may hang.
const REMOTE: &[&str] =
    &["nfs", "nfs4", "efs", "smb3", "smbfs", "cifs", "glusterfs", "ceph", "rozofs", "cvfs", "lustre"];
/// File systems that look after themselves when they are mounted.
const WITHOUT_FSCK: &[&str] =
    &["ext4", "ext4dev", "ext3", "reiserfs", "reiser4", "nss", "xfs", "jfs", "vfat", "fat", "ocfs2", "gfs2", "btrfs"];
/// The shell agent refuses clones of these even when they are read-only.
const WITH_JOURNAL: &[&str] = &["ext4", "ext4dev", "ext3", "reiserfs", "reiser4", "xfs", "jfs"];

impl Settings {
    /// Reads the parameters.
    pub fn read(call: &Context) -> Result<Settings, Failure> {
        let device = call.required("device")?;
        let directory = read_directory(call)?;
        let option_text = call.parameter("options").to_owned();
        let options = Options::parse(&option_text).map_err(Failure::not_configured)?;
        let fstype = match call.parameter("fstype") {
            "" | "auto" => None,
            "overlayfs" => Some("overlay".to_owned()),
            "efs" => Some("nfs4".to_owned()),
            // For a bind mount the word means that there is nothing to say.
            "none" => None,
            text => Some(text.to_owned()),
        };
        let source = read_source(call, device, &options)?;
        let (end_holders, move_aside) = read_force_unmount(call)?;
        let settings = Settings {
            source,
            directory,
            fstype,
            option_text,
            options,
            status_file: status_file(call),
            fsck: match call.parameter("run_fsck") {
                "auto" => Fsck::Auto,
                "force" => Fsck::Force,
                "no" => Fsck::Never,
                // A wrong word here must not fail a stop, so it is no error; the shell agent says the same.
                word => {
                    log(
                        Level::Warning,
                        &format!("parameter run_fsck is {word:?}, expected auto, force or no: taken for auto"),
                    );
                    Fsck::Auto
                }
            },
            stop_limit: call.boolean("fast_stop")?.then_some(FAST_STOP),
            end_holders,
            move_aside,
            term_signals: read_signals(call, "term_signals")?,
            kill_signals: read_signals(call, "kill_signals")?,
            signal_delay: Duration::from_secs(call.number("signal_delay", 0)?),
        };
        Ok(settings)
    }

    /// The same file system at the place where a stop moves it: beside its own, hidden.
    pub fn aside(&self) -> Settings {
        let name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        Settings { directory: self.directory.with_file_name(format!(".{name}.stopping")), ..self.clone() }
    }

    /// Is it on a server, so that asking for it may hang?
    pub fn is_remote(&self) -> bool {
        self.fstype.as_deref().is_some_and(|fstype| REMOTE.contains(&fstype) || fstype.starts_with("fuse"))
    }

    /// Is it to be checked before it is mounted?
    pub fn wants_fsck(&self) -> bool {
        match (self.fsck, &self.source) {
            (Fsck::Never, _) | (_, Source::Directory(_) | Source::Word(_)) => false,
            (Fsck::Force, _) => true,
            // Of a type that is not named nothing is known; the shell agent checks it.
            (Fsck::Auto, _) => !self.fstype.as_deref().is_some_and(|fstype| WITHOUT_FSCK.contains(&fstype)),
        }
    }

    /// A clone mounts the same device on several hosts at once, which destroys most file systems.
    pub fn refuse_clone(&self, call: &Context) -> Result<(), Failure> {
        let instances: u64 = call.environment.meta.get("clone_max").and_then(|text| text.parse().ok()).unwrap_or(1);
        if instances < 2 {
            return Ok(());
        }
        let fstype = call.parameter("fstype");
        let read_only = self.options.is_read_only() && !WITH_JOURNAL.contains(&fstype);
        if SHARED.contains(&fstype) || self.options.is_bind() {
            return Ok(());
        }
        if read_only || call.boolean("force_clones")? {
            log(
                Level::Warning,
                &format!("{fstype} on {} is not made for several hosts at once", call.parameter("device")),
            );
            return Ok(());
        }
        Err(Failure::not_configured(format!(
            "{fstype:?} on {} is not made for several hosts at once, and a clone would destroy its data: run it as a \
             primitive, or set force_clones=true if each host has a device of its own under that name",
            call.parameter("device"),
        )))
    }
}

fn read_directory(call: &Context) -> Result<PathBuf, Failure> {
    let text = call.required("directory")?;
    let path = Path::new(text);
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        return Err(call.wrong("directory", "an absolute path without .."));
    }
    let path: PathBuf = path.components().collect();
    if path == Path::new("/") {
        return Err(Failure::not_configured(
            "parameter directory is /: the root of this host cannot be mounted and unmounted as a resource",
        ));
    }
    Ok(path)
}

fn read_source(call: &Context, device: &str, options: &Options) -> Result<Source, Failure> {
    let fstype = call.parameter("fstype");
    if options.is_bind() {
        let path: PathBuf = Path::new(device).components().collect();
        return match path.is_absolute() {
            true => Ok(Source::Directory(path)),
            false => Err(call.wrong("device", "the absolute path of a directory, for a bind mount")),
        };
    }
    for (words, directory) in [
        (["LABEL=", "--label=", "--label ", "-L"], "/dev/disk/by-label"),
        (["UUID=", "--uuid=", "--uuid ", "-U"], "/dev/disk/by-uuid"),
        (["PARTUUID=", "PARTUUID=", "PARTUUID=", "PARTUUID="], "/dev/disk/by-partuuid"),
        (["PARTLABEL=", "PARTLABEL=", "PARTLABEL=", "PARTLABEL="], "/dev/disk/by-partlabel"),
    ] {
        if let Some(name) = words.iter().find_map(|word| device.strip_prefix(word)) {
            let name = name.trim().trim_matches('"');
            if name.is_empty() || name.contains('/') {
                return Err(call.wrong("device", "a name after LABEL= or UUID="));
            }
            return Ok(Source::Device(Path::new(directory).join(udev_name(name))));
        }
    }
    if WITHOUT_DEVICE.contains(&fstype) || fstype.starts_with("fuse") {
        return Ok(Source::Word(device.to_owned()));
    }
    match Path::new(device).is_absolute() {
        true => Ok(Source::Device(Path::new(device).components().collect())),
        false => {
            Err(call.wrong("device", "an absolute path, LABEL=NAME or UUID=ID, or a network file system in fstype"))
        }
    }
}

/// udev writes what a file name should not have as \xNN.
fn udev_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii();
    name.chars().map(|c| if plain(c) { c.to_string() } else { format!("\\x{:02x}", c as u32) }).collect()
}

fn status_file(call: &Context) -> String {
    let prefix = call.parameter("statusfile_prefix");
    let resource = call.environment.resource.replace('/', "_");
    match call.environment.meta.get("clone") {
        Some(instance) => format!("{prefix}{resource}_{instance}"),
        None => format!("{prefix}{resource}"),
    }
}

/// Whether holders are ended, and whether the mount is moved aside before.
fn read_force_unmount(call: &Context) -> Result<(bool, bool), Failure> {
    let (mut end, mut aside) = (true, false);
    for word in call.parameter("force_unmount").split(',').map(str::trim) {
        match word {
            "safe" => end = true,
            "move" => (end, aside) = (true, true),
            "nomove" => aside = false,
            "xargs" | "noxargs" | "ps" | "nops" => {}
            _ => end = ocf::boolean(word).ok_or_else(|| call.wrong("force_unmount", "true, safe, false or move"))?,
        }
    }
    Ok((end, aside))
}

fn read_signals(call: &Context, name: &str) -> Result<Vec<Signal>, Failure> {
    let one = |word: &str| {
        let number = word.parse::<i32>().ok().and_then(|number| Signal::try_from(number).ok());
        let upper = word.to_ascii_uppercase();
        number.or_else(|| format!("SIG{}", upper.trim_start_matches("SIG")).parse().ok())
    };
    let signals: Option<Vec<Signal>> = call.parameter(name).split_ascii_whitespace().map(one).collect();
    signals.filter(|list| !list.is_empty()).ok_or_else(|| call.wrong(name, "names or numbers of signals, such as TERM"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocf::Agent as _;

    fn call(line: &str) -> Context {
        let mut environment = ocf::Environment::new("fs", "systole", "Filesystem", "start");
        environment.add_attributes(line.split(' ').filter_map(|word| word.split_once('=')));
        Context::new(environment, crate::filesystem::Filesystem.metadata())
    }

    #[test]
    fn sources() {
        let cases = [
            ("device=/dev/sdb1 fstype=ext4", Source::Device("/dev/sdb1".into())),
            ("device=LABEL=data fstype=xfs", Source::Device("/dev/disk/by-label/data".into())),
            ("device=-Uabc-def fstype=xfs", Source::Device("/dev/disk/by-uuid/abc-def".into())),
            ("device=/srv/ fstype=none options=bind,ro", Source::Directory("/srv".into())),
            ("device=srv:/x fstype=nfs", Source::Word("srv:/x".into())),
            ("device=scratch fstype=tmpfs", Source::Word("scratch".into())),
        ];
        for (line, expected) in cases {
            let settings = Settings::read(&call(&format!("{line} directory=/mnt/x//"))).unwrap();
            assert_eq!((settings.source, settings.directory), (expected, PathBuf::from("/mnt/x")), "{line}");
        }
        assert_eq!(udev_name("my data/1"), "my\\x20data\\x2f1");
    }

    #[test]
    fn refused() {
        let good = "device=/dev/sdb1 directory=/mnt/x fstype=ext4";
        assert!(Settings::read(&call(good)).is_ok());
        let cases = [
            ("directory=/mnt/x fstype=ext4", "device is not set"),
            ("device=/dev/sdb1 fstype=ext4", "directory is not set"),
            ("device=/dev/sdb1 directory=mnt fstype=ext4", "absolute path"),
            ("device=/dev/sdb1 directory=/mnt/../etc fstype=ext4", "without .."),
            ("device=/dev/sdb1 directory=/ fstype=ext4", "the root of this host"),
            ("device=sdb1 directory=/mnt/x fstype=ext4", "absolute path, LABEL"),
            ("device=LABEL= directory=/mnt/x fstype=ext4", "a name after"),
            ("device=here directory=/mnt/x options=bind", "bind mount"),
            (&format!("{good} term_signals=STOPPIT"), "term_signals"),
            (&format!("{good} force_unmount=gently"), "force_unmount"),
            (&format!("{good} options=loop=/dev/loop1"), "loop"),
        ];
        for (line, expected) in cases {
            let failure = Settings::read(&call(line)).expect_err(line);
            assert_eq!(failure.code, ocf::ExitCode::NotConfigured);
            assert!(failure.reason.contains(expected), "{line}: {}", failure.reason);
        }
    }

    #[test]
    fn clones_of_what_one_host_must_have_alone() {
        let base = "device=/dev/sdb1 directory=/mnt/x CRM_meta_clone_max=2";
        let cases = [
            ("fstype=ext4", false),
            ("fstype=ext4 options=ro", false),
            ("fstype=ext4 force_clones=true", true),
            ("fstype=iso9660 options=ro", true),
            ("fstype=btrfs", false),
            ("fstype=gfs2", true),
            ("fstype=nfs", true),
            ("fstype=none options=bind", true),
        ];
        for (line, allowed) in cases {
            let call = call(&format!("{base} {line}"));
            assert_eq!(Settings::read(&call).unwrap().refuse_clone(&call).is_ok(), allowed, "{line}");
        }
    }

    #[test]
    fn checks_and_signals() {
        let read = |line: &str| Settings::read(&call(&format!("directory=/mnt/x {line}"))).unwrap();
        assert!(!read("device=/dev/sdb1 fstype=ext4").wants_fsck());
        assert!(read("device=/dev/sdb1 fstype=ext2").wants_fsck());
        assert!(read("device=/dev/sdb1 fstype=ext4 run_fsck=force").wants_fsck());
        assert!(!read("device=/dev/sdb1 fstype=ext2 run_fsck=no").wants_fsck());
        assert!(!read("device=/srv options=bind run_fsck=force").wants_fsck());
        let settings = read("device=/dev/sdb1 fstype=ext4 term_signals=hup fast_stop=yes force_unmount=safe,nomove");
        assert_eq!(settings.term_signals, [Signal::SIGHUP]);
        assert_eq!(settings.kill_signals, [Signal::SIGKILL]);
        assert!(settings.end_holders && !settings.move_aside && settings.stop_limit.is_some());
        let moved = read("device=/dev/sdb1 force_unmount=move");
        assert!(moved.end_holders && moved.move_aside);
        assert_eq!(moved.aside().directory, PathBuf::from("/mnt/.x.stopping"));
        assert_eq!(read("device=/dev/sdb1 kill_signals=9").kill_signals, [Signal::SIGKILL]);
    }
}
