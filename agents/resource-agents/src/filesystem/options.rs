//! Mount options as people write them, sorted into what the kernel takes as flags, what the file system takes as
//! text, and what is for the loop device.

use nix::mount::MsFlags;

/// Options, sorted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Flags for mount(2), without those for propagation.
    pub flags: MsFlags,
    /// Options that were given and turn a flag off, such as `suid`: a bind mount does not take these over.
    pub cleared: MsFlags,
    /// How mounts and unmounts spread; each is a call of its own.
    pub propagation: Vec<MsFlags>,
    /// For the file system.
    pub data: String,
    /// A loop device was asked for.
    pub is_loop: bool,
    /// Where in the file the file system begins, in bytes.
    pub offset: u64,
    /// How much of the file it is, in bytes; 0 for all.
    pub size_limit: u64,
}

impl Options {
    /// Reads a comma-separated list; commas in double quotes belong to a value.
    ///
    /// Returns the option that cannot be read and what was expected in its place.
    pub fn parse(text: &str) -> Result<Options, String> {
        let mut out = Options {
            flags: MsFlags::empty(),
            cleared: MsFlags::empty(),
            propagation: Vec::new(),
            data: String::new(),
            is_loop: false,
            offset: 0,
            size_limit: 0,
        };
        for word in split(text) {
            out.add(word)?;
        }
        Ok(out)
    }

    fn add(&mut self, word: &str) -> Result<(), String> {
        if let Some((_, flags, set)) = FLAGS.iter().find(|(name, ..)| *name == word) {
            if *set {
                self.flags |= *flags;
                self.cleared &= !*flags;
            } else {
                self.flags &= !*flags;
                self.cleared |= *flags;
            }
            return Ok(());
        }
        if let Some((_, flags)) = PROPAGATION.iter().find(|(name, _)| *name == word) {
            self.propagation.push(*flags);
            return Ok(());
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse().map_err(|_| format!("mount option {word:?}: expected {name}=NUMBER of bytes"));
        match name {
            "" => {}
            // For fstab, for mount(8) or for systemd, not for the kernel.
            "defaults" | "auto" | "noauto" | "nouser" | "_netdev" | "nofail" | "comment" => {}
            "user" | "users" => self.flags |= MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
            "owner" | "group" => self.flags |= MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            _ if name.starts_with("x-") || name.starts_with("X-") => {}
            "loop" if value.is_empty() => self.is_loop = true,
            "loop" => {
                return Err(format!(
                    "mount option {word:?}: the loop device is chosen by the agent; write loop, or nothing"
                ));
            }
            "offset" => (self.is_loop, self.offset) = (true, number()?),
            "sizelimit" => (self.is_loop, self.size_limit) = (true, number()?),
            _ => {
                if !self.data.is_empty() {
                    self.data.push(',');
                }
                self.data.push_str(word);
            }
        }
        Ok(())
    }

    /// Is one directory to be seen at another place?
    pub fn is_bind(&self) -> bool {
        self.flags.contains(MsFlags::MS_BIND)
    }

    /// Is it to be read only?
    pub fn is_read_only(&self) -> bool {
        self.flags.contains(MsFlags::MS_RDONLY)
    }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    })
    .map(str::trim)
}

/// Name, flags, and whether the option sets or clears them.
const FLAGS: &[(&str, MsFlags, bool)] = &[
    ("ro", MsFlags::MS_RDONLY, true),
    ("rw", MsFlags::MS_RDONLY, false),
    ("nosuid", MsFlags::MS_NOSUID, true),
    ("suid", MsFlags::MS_NOSUID, false),
    ("nodev", MsFlags::MS_NODEV, true),
    ("dev", MsFlags::MS_NODEV, false),
    ("noexec", MsFlags::MS_NOEXEC, true),
    ("exec", MsFlags::MS_NOEXEC, false),
    ("sync", MsFlags::MS_SYNCHRONOUS, true),
    ("async", MsFlags::MS_SYNCHRONOUS, false),
    ("dirsync", MsFlags::MS_DIRSYNC, true),
    ("remount", MsFlags::MS_REMOUNT, true),
    ("mand", MsFlags::MS_MANDLOCK, true),
    ("nomand", MsFlags::MS_MANDLOCK, false),
    ("noatime", MsFlags::MS_NOATIME, true),
    ("atime", MsFlags::MS_NOATIME, false),
    ("nodiratime", MsFlags::MS_NODIRATIME, true),
    ("diratime", MsFlags::MS_NODIRATIME, false),
    ("relatime", MsFlags::MS_RELATIME, true),
    ("norelatime", MsFlags::MS_RELATIME, false),
    ("strictatime", MsFlags::MS_STRICTATIME, true),
    ("nostrictatime", MsFlags::MS_STRICTATIME, false),
    ("lazytime", MsFlags::MS_LAZYTIME, true),
    ("nolazytime", MsFlags::MS_LAZYTIME, false),
    ("silent", MsFlags::MS_SILENT, true),
    ("loud", MsFlags::MS_SILENT, false),
    ("iversion", MsFlags::MS_I_VERSION, true),
    ("noiversion", MsFlags::MS_I_VERSION, false),
    ("bind", MsFlags::MS_BIND, true),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC), true),
];

const PROPAGATION: &[(&str, MsFlags)] = &[
    ("private", MsFlags::MS_PRIVATE),
    ("rprivate", MsFlags::MS_PRIVATE.union(MsFlags::MS_REC)),
    ("shared", MsFlags::MS_SHARED),
    ("rshared", MsFlags::MS_SHARED.union(MsFlags::MS_REC)),
    ("slave", MsFlags::MS_SLAVE),
    ("rslave", MsFlags::MS_SLAVE.union(MsFlags::MS_REC)),
    ("unbindable", MsFlags::MS_UNBINDABLE),
    ("runbindable", MsFlags::MS_UNBINDABLE.union(MsFlags::MS_REC)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted() {
        let cases = [
            ("", MsFlags::empty(), ""),
            ("defaults,_netdev,nofail,x-systemd.automount", MsFlags::empty(), ""),
            ("ro,noatime,data=ordered", MsFlags::MS_RDONLY | MsFlags::MS_NOATIME, "data=ordered"),
            ("ro,rw", MsFlags::empty(), ""),
            ("bind,ro", MsFlags::MS_BIND | MsFlags::MS_RDONLY, ""),
            ("rbind", MsFlags::MS_BIND | MsFlags::MS_REC, ""),
            ("size=1m, mode=0700", MsFlags::empty(), "size=1m,mode=0700"),
            ("context=\"a:b:c0,c1\",nodev", MsFlags::MS_NODEV, "context=\"a:b:c0,c1\""),
            ("user,exec", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, ""),
        ];
        for (text, flags, data) in cases {
            let options = Options::parse(text).unwrap();
            assert_eq!((options.flags, options.data.as_str()), (flags, data), "{text:?}");
        }
        let options = Options::parse("loop,offset=1048576,suid,rslave").unwrap();
        assert!(options.is_loop);
        assert_eq!((options.offset, options.cleared), (1 << 20, MsFlags::MS_NOSUID));
        assert_eq!(options.propagation, [MsFlags::MS_SLAVE | MsFlags::MS_REC]);
        for wrong in ["loop=/dev/loop3", "offset=one", "sizelimit="] {
            assert!(Options::parse(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
