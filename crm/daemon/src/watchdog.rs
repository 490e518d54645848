//! The watchdog device: opened, given its timeout, fed, and disarmed in good order. Whether it may be fed is decided by
//! the node; here it is only done. A plain file does as well, to try it: it is written to each time.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A watchdog is fed so many times within its timeout: one that is missed, or two, are no reason to die.
const MEALS: u32 = 4;
/// What the kernel takes as the wish to close a watchdog without being reset.
const MAGIC_CLOSE: &[u8] = b"V";

/// The numbers that the kernel knows a watchdog's requests by: `WDIOC_SETTIMEOUT` and `WDIOC_KEEPALIVE`.
mod request {
    #![allow(missing_docs, reason = "the macros write the functions")]
    #![allow(
        unsafe_code,
        reason = "an ioctl is a call into the kernel with a pointer; the calls below say why it holds"
    )]
    nix::ioctl_readwrite!(set_timeout, b'W', 6, nix::libc::c_int);
    nix::ioctl_read!(keep_alive, b'W', 5, nix::libc::c_int);
}

/// An armed watchdog.
#[derive(Debug)]
pub struct Watchdog {
    path: PathBuf,
    /// There while it is armed, as far as the host has not been started anew.
    mark: PathBuf,
    was_left_armed: bool,
    file: File,
    is_device: bool,
    timeout: Duration,
    fed: Instant,
}

impl Watchdog {
    /// Opens it, which arms it, and gives it its timeout; the device may round that up. `mark`: a file that a start of the
    /// host takes away; it says that an earlier daemon left the watchdog armed.
    ///
    /// # Errors
    /// When it cannot be opened or does not take the timeout: a node must not say that it has one then.
    pub fn open(path: &Path, seconds: u32, mark: &Path) -> anyhow::Result<Watchdog> {
        let was_left_armed = mark.exists();
        // First the mark, so that there is none armed without it.
        std::fs::write(mark, "").with_context(|| format!("writing {}", mark.display()))?;
        Self::arm(path, seconds, mark, was_left_armed).inspect_err(|_| {
            if !was_left_armed {
                // What keeps it from going is told with the error that is on its way.
                let _ = std::fs::remove_file(mark);
            }
        })
    }

    fn arm(path: &Path, seconds: u32, mark: &Path, was_left_armed: bool) -> anyhow::Result<Watchdog> {
        let doing = || format!("opening the watchdog {} (--watchdog)", path.display());
        let existing = std::fs::metadata(path).ok();
        let is_device = existing.is_some_and(|metadata| metadata.file_type().is_char_device());
        // Somebody who meant a device must not get a plain file below /dev that guards nothing.
        if !is_device && path.starts_with("/dev") {
            bail!("{} is no device; load the module of your watchdog, or softdog", path.display());
        }
        let file = OpenOptions::new().write(true).create(!is_device).truncate(false).open(path).with_context(doing)?;
        let mut watchdog = Watchdog {
            path: path.to_owned(),
            mark: mark.to_owned(),
            was_left_armed,
            file,
            is_device,
            timeout: Duration::from_secs(seconds.into()),
            fed: Instant::now(),
        };
        if is_device {
            watchdog.set_timeout(seconds).with_context(doing)?;
        }
        watchdog.feed().with_context(doing)?;
        Ok(watchdog)
    }

    fn set_timeout(&mut self, seconds: u32) -> anyhow::Result<()> {
        let mut value = nix::libc::c_int::try_from(seconds).context("the timeout is too long")?;
        #[allow(unsafe_code, reason = "the pointer is to a live int, which is what WDIOC_SETTIMEOUT reads and writes")]
        let set = unsafe { request::set_timeout(self.file.as_raw_fd(), &raw mut value) };
        set.context("giving it its timeout")?;
        let granted = u32::try_from(value).unwrap_or(0);
        if granted < seconds {
            bail!("it takes {granted} s at most, and --watchdog-timeout asks for {seconds}");
        }
        self.timeout = Duration::from_secs(granted.into());
        Ok(())
    }

    /// After how many seconds unfed it ends the host.
    pub fn timeout_s(&self) -> u64 {
        self.timeout.as_secs()
    }

    /// Whether an earlier daemon left it armed since the host started.
    pub fn was_left_armed(&self) -> bool {
        self.was_left_armed
    }

    /// When it is to be fed next.
    pub fn next_meal(&self) -> Instant {
        self.fed + self.timeout / MEALS
    }

    /// Feeds it.
    ///
    /// # Errors
    /// When the device refuses: then it will end the host, and the operator is told why.
    pub fn feed(&mut self) -> anyhow::Result<()> {
        self.fed = Instant::now();
        let doing = || format!("feeding the watchdog {}", self.path.display());
        if self.is_device {
            let mut ignored: nix::libc::c_int = 0;
            #[allow(unsafe_code, reason = "WDIOC_KEEPALIVE writes at most an int, and this is a live one")]
            let fed = unsafe { request::keep_alive(self.file.as_raw_fd(), &raw mut ignored) };
            fed.with_context(doing)?;
            return Ok(());
        }
        let unix =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let line = format!("fed {unix}\n");
        self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(line.as_bytes())).with_context(doing)?;
        self.file.set_len(line.len() as u64).with_context(doing)
    }

    /// Not fed this time: looked at again at the next meal.
    pub fn skip(&mut self) {
        self.fed = Instant::now();
    }

    /// Closes it so that it does not end the host.
    ///
    /// # Errors
    /// When the device does not take the wish.
    pub fn disarm(mut self) -> anyhow::Result<()> {
        let doing = format!("disarming the watchdog {}", self.path.display());
        if !self.is_device {
            self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)).map(drop)).context(doing.clone())?;
        }
        self.file.write_all(MAGIC_CLOSE).context(doing)?;
        std::fs::remove_file(&self.mark).with_context(|| format!("removing {}", self.mark.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_file_is_fed_and_disarmed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("watchdog");
        let mark = directory.path().join("armed");
        let mut watchdog = Watchdog::open(&path, 8, &mark).unwrap();
        assert!(!watchdog.was_left_armed());
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("fed "));
        assert!(watchdog.next_meal() <= Instant::now() + Duration::from_secs(2));
        watchdog.feed().unwrap();
        assert_eq!((watchdog.timeout_s(), std::fs::read_to_string(&path).unwrap().lines().count()), (8, 1));
        drop(watchdog);
        let watchdog = Watchdog::open(&path, 8, &mark).unwrap();
        assert!(watchdog.was_left_armed());
        watchdog.disarm().unwrap();
        assert!(!mark.exists());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "V");
    }

    #[test]
    fn what_is_no_watchdog_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("armed");
        assert!(
            Watchdog::open(Path::new("/dev/no-such-watchdog"), 5, &mark).unwrap_err().to_string().contains("softdog")
        );
        // A device, but not one that takes a timeout.
        let error = format!("{:#}", Watchdog::open(Path::new("/dev/null"), 5, &mark).unwrap_err());
        assert!(error.contains("giving it its timeout"), "{error}");
    }
}
