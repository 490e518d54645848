//! Loop devices: a file as a block device, which the kernel takes away by itself with the last mount of it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Several agents may take free devices at the same time; after so many lost races something else is wrong.
const TRIES: u32 = 64;

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4c82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4c0a;
const LOOP_GET_STATUS64: libc::c_ulong = 0x4c05;
const BLKFLSBUF: libc::c_ulong = 0x1261;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl LoopInfo {
    const fn zero() -> LoopInfo {
        LoopInfo {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: 0,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        }
    }
}

/// `struct loop_config` of linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

#[allow(unsafe_code)] // nix makes the four calls unsafe functions; each use says why it is sound.
mod call {
    use super::{BLKFLSBUF, LOOP_CONFIGURE, LOOP_CTL_GET_FREE, LOOP_GET_STATUS64, LoopConfig, LoopInfo};
    nix::ioctl_none_bad!(get_free, LOOP_CTL_GET_FREE);
    nix::ioctl_write_ptr_bad!(configure, LOOP_CONFIGURE, LoopConfig);
    nix::ioctl_read_bad!(get_status, LOOP_GET_STATUS64, LoopInfo);
    nix::ioctl_none_bad!(flush_buffers, BLKFLSBUF);
}

/// A loop device that was made for a file. While this value lives the device stays; then only a mount keeps it.
pub struct LoopDevice {
    /// Its path.
    pub path: PathBuf,
    _open: File,
}

/// What part of the file, and whether it may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Part {
    /// First byte.
    pub offset: u64,
    /// Number of bytes, 0 for all.
    pub size_limit: u64,
    /// For reading only.
    pub read_only: bool,
}

/// Makes a free loop device show the file.
pub fn attach(file: &Path, part: Part) -> io::Result<LoopDevice> {
    let control_path = Path::new("/dev/loop-control");
    let about = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    let backing = OpenOptions::new()
        .read(true)
        .write(!part.read_only)
        .open(file)
        .map_err(|error| about(&format!("opening {}", file.display()), error))?;
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open(control_path)
        .map_err(|error| about("opening /dev/loop-control (is the kernel module loop there?)", error))?;
    for _ in 0..TRIES {
        // SAFETY: the call takes no argument beyond the descriptor, which `control` keeps open.
        #[allow(unsafe_code)]
        let number = unsafe { call::get_free(control.as_raw_fd()) }
            .map_err(|e| about("finding a free loop device", e.into()))?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new()
            .read(true)
            .write(!part.read_only)
            .open(&path)
            .map_err(|error| about(&format!("opening {}", path.display()), error))?;
        let config = LoopConfig {
            fd: u32::try_from(backing.as_raw_fd()).map_err(io::Error::other)?,
            block_size: 0,
            info: LoopInfo {
                offset: part.offset,
                size_limit: part.size_limit,
                flags: LO_FLAGS_AUTOCLEAR | if part.read_only { LO_FLAGS_READ_ONLY } else { 0 },
                file_name: file_name(file),
                ..LoopInfo::zero()
            },
            reserved: [0; 8],
        };
        // SAFETY: the kernel reads one whole `loop_config` through the pointer during the call and keeps nothing of it.
        #[allow(unsafe_code)]
        let result = unsafe { call::configure(device.as_raw_fd(), &raw const config) };
        match result {
            Ok(_) => return Ok(LoopDevice { path, _open: device }),
            // Another process took the device between the two calls.
            Err(nix::errno::Errno::EBUSY) => {}
            Err(error) => {
                return Err(about(&format!("attaching {} to {}", file.display(), path.display()), error.into()));
            }
        }
    }
    Err(io::Error::other(format!("no loop device stayed free in {TRIES} tries")))
}

/// Does this loop device show this file? `None` when that cannot be told.
pub fn shows(device: &Path, file: &Path) -> Option<bool> {
    let expected = fs::metadata(file).ok()?;
    match status(device) {
        Ok(info) => Some(info.inode == expected.ino() && info.device == expected.dev()),
        // Not permitted: the path that the kernel shows to everyone must do.
        Err(_) => {
            let name = device.file_name()?.to_str()?;
            let shown = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()?;
            Some(Path::new(shown.trim_end()) == fs::canonicalize(file).ok()?)
        }
    }
}

fn status(device: &Path) -> io::Result<LoopInfo> {
    let file = File::open(device)?;
    let mut info = LoopInfo::zero();
    // SAFETY: the kernel writes one whole `loop_info64` through the pointer during the call; any bytes are valid in it.
    #[allow(unsafe_code)]
    unsafe { call::get_status(file.as_raw_fd(), &raw mut info) }?;
    Ok(info)
}

/// Drops what the kernel remembers of a block device, so that what another host wrote is seen. Not for other files.
pub fn flush_buffers(device: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(device)?;
    if !file.metadata()?.file_type().is_block_device() {
        return Ok(());
    }
    // SAFETY: the call takes no argument beyond the descriptor, which `file` keeps open.
    #[allow(unsafe_code)]
    unsafe { call::flush_buffers(file.as_raw_fd()) }?;
    Ok(())
}

/// The name for people to see, cut to what fits, with a zero at its end.
fn file_name(file: &Path) -> [u8; 64] {
    let mut out = [0; 64];
    let bytes = file.as_os_str().as_encoded_bytes();
    let length = bytes.len().min(out.len() - 1);
    out[..length].copy_from_slice(&bytes[..length]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_have_the_kernels_size() {
        assert_eq!(size_of::<LoopInfo>(), 232);
        assert_eq!(size_of::<LoopConfig>(), 304);
    }

    #[test]
    fn names_are_cut() {
        assert_eq!(file_name(Path::new("/a"))[..3], *b"/a\0");
        assert_eq!(file_name(Path::new(&"x".repeat(100)))[63], 0);
    }
}
