//! NFSv3 clients that held locks on the host before are told that it has started anew, and get their locks back. They
//! must be told from the service's address, which as a rule comes to this host after the server: so a process waits for it.
//!
//! ```text
//!   stop:   sm ──► sm.ha/kept               as the kernel, before it ends, has rpc.statd forget whom it served
//!   start:  sm, sm.bak, sm.ha/kept ──► sm.ha/ADDRESS/sm, and the server's number goes up: clients know a start by it
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use ocf::Failure;

use super::settings::Settings;
use super::{daemons, memory};
use crate::bounded::Deadline;
use crate::command;
use crate::run_directory::{Level, log};

/// First argument of the process that waits for an address.
pub const NOTIFY: &str = "--nfs-notify";
/// How long `sm-notify` tells clients, in minutes, unless it is told otherwise. So long the address is waited for too.
const USUAL_MINUTES: u64 = 15;
/// Between two looks for the address.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PROGRAM: &str = "sm-notify";
/// Who held locks when the server was stopped, below `rpc.statd`'s directory.
const KEPT: &str = "sm.ha/kept";
/// The server's number, below `rpc.statd`'s directory: odd while it serves, higher at each start.
const STATE: &str = "state";

/// Clients that have lost their locks.
pub struct Lost {
    /// A directory for each address, as `sm-notify` wants it.
    directories: Vec<(Option<IpAddr>, PathBuf)>,
}

impl Lost {
    /// Takes the list of clients before the server starts and fills a new one.
    pub fn gather(settings: &Settings) -> Result<Lost, Failure> {
        let mut directories = Vec::new();
        if settings.v4_only || settings.no_notify {
            return Ok(Lost { directories });
        }
        let ips: Vec<Option<IpAddr>> =
            if settings.ips.is_empty() { vec![None] } else { settings.ips.iter().copied().map(Some).collect() };
        let statd = memory::statd_directory();
        let failed = |error| Failure::error(format!("raising the server's number in {}: {error}", statd.display()));
        raise_state(&statd).map_err(failed)?;
        for ip in ips {
            let name = ip.map_or("any".to_owned(), |ip| ip.to_string());
            let directory = statd.join("sm.ha").join(name);
            let made = hand_over(&statd, &directory).map_err(|error| {
                Failure::error(format!("keeping the list of clients with locks in {}: {error}", directory.display()))
            })?;
            if made {
                directories.push((ip, directory));
            }
        }
        // They are in the lists made above now.
        for name in ["sm", "sm.bak", KEPT] {
            for file in files(&statd.join(name)) {
                fs::remove_file(&file)
                    .map_err(|error| Failure::error(format!("removing {}: {error}", file.display())))?;
            }
        }
        Ok(Lost { directories })
    }

    /// Tells them, as soon as this host has the address.
    pub fn notify(&self, settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
        for (ip, directory) in &self.directories {
            let program = command::need(PROGRAM, "nfs-common")?;
            let own = std::env::current_exe()
                .map_err(|error| Failure::error(format!("finding the agent's own program: {error}")))?;
            let minutes = settings.notify_minutes.unwrap_or(USUAL_MINUTES).to_string();
            let address = ip.map_or("-".to_owned(), |ip| ip.to_string());
            let place = directory.display().to_string();
            let mut all = vec![NOTIFY.to_owned(), address, minutes, place, program.display().to_string()];
            all.extend(words(*ip, directory, settings.notify_minutes));
            if settings.notify_foreground && ip.is_none_or(has) {
                all.push("-d".to_owned());
                let ran = command::run(&own, &all, deadline)?;
                log(Level::Info, &format!("{PROGRAM}: {}", ran.words()));
                continue;
            }
            Command::new(own)
                .args(all)
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|error| Failure::error(format!("starting the process that tells clients: {error}")))?;
        }
        Ok(())
    }
}

/// Before the server is stopped: keeps the list of clients where the kernel does not empty it.
pub fn keep(settings: &Settings) {
    if settings.v4_only || settings.no_notify {
        return;
    }
    let statd = memory::statd_directory();
    if let Err(error) = keep_in(&statd) {
        // A disk that takes nothing must not keep the server from stopping: that would cost the whole node.
        let kept = statd.join(KEPT);
        log(
            Level::Warning,
            &format!(
                "NFSv3 clients will not be told to get their locks back: keeping their list in {}: {error}",
                kept.display()
            ),
        );
    }
}

fn keep_in(statd: &Path) -> io::Result<()> {
    let (list, kept) = (files(&statd.join("sm")), statd.join(KEPT));
    if list.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(&kept)?;
    for file in list {
        let Some(name) = file.file_name() else { continue };
        fs::copy(&file, kept.join(name))?;
    }
    Ok(())
}

/// Clients take a word with the number that they have heard before for a repetition. `sm-notify` counts in a directory
/// of its own, and `rpc.statd` only when the host boots, so each start of the server counts here.
fn raise_state(statd: &Path) -> io::Result<()> {
    let path = statd.join(STATE);
    let number = match fs::read(&path) {
        Ok(bytes) => bytes.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    // Odd, as it serves; it may come to its end after two thousand million starts.
    let next = (number | 1).wrapping_add(2);
    let like = fs::metadata(statd)?;
    let new = statd.join("state.new");
    let mut file = fs::File::create(&new)?;
    file.write_all(&next.to_ne_bytes())?;
    // A host that crashes now must not leave an older number behind.
    file.sync_all()?;
    std::os::unix::fs::chown(&new, Some(like.uid()), Some(like.gid()))?;
    fs::rename(&new, &path)
}

/// Copies the list of clients to a directory of its own. Says whether there is anyone to tell.
fn hand_over(statd: &Path, directory: &Path) -> io::Result<bool> {
    let like = fs::metadata(statd)?;
    let give = |path: &Path| std::os::unix::fs::chown(path, Some(like.uid()), Some(like.gid()));
    for name in ["", "sm", "sm.bak"] {
        let path = directory.join(name);
        fs::create_dir_all(&path)?;
        give(&path)?;
    }
    let mut any = false;
    let old = [statd.join(KEPT), statd.join("sm.bak"), statd.join("sm"), directory.join("sm.bak")];
    for file in old.iter().flat_map(|from| files(from)) {
        let Some(name) = file.file_name() else { continue };
        let to = directory.join("sm").join(name);
        fs::copy(&file, &to)?;
        give(&to)?;
        any = true;
    }
    any |= !files(&directory.join("sm")).is_empty();
    // The number that tells this start from the one before goes on from there.
    fs::copy(statd.join(STATE), directory.join(STATE))?;
    give(&directory.join(STATE))?;
    Ok(any)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

/// `-f`: whether or not it was done since the host has booted, as the server moves without a boot.
fn words(ip: Option<IpAddr>, directory: &Path, minutes: Option<u64>) -> Vec<String> {
    let mut words = vec!["-f".to_owned(), "-P".to_owned(), directory.display().to_string()];
    words.extend(minutes.into_iter().flat_map(|minutes| ["-m".to_owned(), minutes.to_string()]));
    words.extend(ip.into_iter().flat_map(|ip| ["-v".to_owned(), ip.to_string()]));
    words
}

/// Has this host the address?
fn has(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

/// Ends those who still wait or tell.
pub fn end(deadline: Deadline) -> Result<(), Failure> {
    daemons::end(daemons::with_argument(NOTIFY), "the process that tells clients", deadline)?;
    daemons::end(daemons::named(PROGRAM), PROGRAM, deadline)
}

/// The process that waits: an address, minutes, the list's directory, and the program with its words.
pub fn command(arguments: &[String]) -> ExitCode {
    let [ip, minutes, directory, program, words @ ..] = arguments else {
        let _ = writeln!(io::stderr(), "expected an address, minutes, a directory and a program");
        return ExitCode::from(2);
    };
    // A session of its own: whoever ends the agent's process group does not mean this one.
    let _ = nix::unistd::setsid();
    let minutes = minutes.parse().ok().filter(|minutes| *minutes > 0).unwrap_or(USUAL_MINUTES);
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    if let Ok(ip) = ip.parse() {
        while !has(ip) {
            if Instant::now() >= end {
                return ExitCode::FAILURE;
            }
            thread::sleep(LOOK_AGAIN);
        }
        if let Err(error) = name(ip, Path::new(directory)) {
            let _ = writeln!(io::stderr(), "giving {ip} a name: {error}");
        }
    }
    match Command::new(program).args(words).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Gives the address a name for this process and its children: `sm-notify` refuses one without. The name is the address
/// itself, which clients need nobody to look up.
fn name(ip: IpAddr, directory: &Path) -> io::Result<()> {
    const HOSTS: &str = "/etc/hosts";
    let own = directory.join("hosts");
    let others = fs::read_to_string(HOSTS).unwrap_or_default();
    fs::write(&own, format!("{ip} {ip}\n{others}"))?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    if !Path::new(HOSTS).exists() {
        fs::write(HOSTS, "")?;
    }
    Ok(mount(Some(&own), HOSTS, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_has_a_number_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("state");
        let number = || u32::from_ne_bytes(fs::read(&state).unwrap().try_into().unwrap());
        for expected in [3, 5, 7] {
            raise_state(place.path()).unwrap();
            assert_eq!(number(), expected);
        }
        // One that was going down; one that is torn; the highest there is.
        for (bytes, expected) in [(&8u32.to_ne_bytes()[..], 11), (&[1, 2], 3), (&u32::MAX.to_ne_bytes(), 1)] {
            fs::write(&state, bytes).unwrap();
            raise_state(place.path()).unwrap();
            assert_eq!(number(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn the_list_is_handed_over_once_and_what_was_left_is_not_lost() {
        let place = tempfile::tempdir().unwrap();
        let statd = place.path();
        for name in ["sm", "sm.bak"] {
            fs::create_dir(statd.join(name)).unwrap();
        }
        let to = statd.join("sm.ha/192.0.2.9");
        raise_state(statd).unwrap();
        assert!(!hand_over(statd, &to).unwrap(), "nobody held a lock");
        fs::write(statd.join("sm/192.0.2.3"), "three").unwrap();
        fs::write(statd.join("sm.bak/192.0.2.4"), "four").unwrap();
        // One that could not be told the last time.
        fs::write(to.join("sm.bak/192.0.2.5"), "five").unwrap();
        // The kernel empties the list as it ends.
        keep_in(statd).unwrap();
        fs::remove_file(statd.join("sm/192.0.2.3")).unwrap();
        fs::write(statd.join("state"), 7u32.to_ne_bytes()).unwrap();
        raise_state(statd).unwrap();
        assert!(hand_over(statd, &to).unwrap());
        let names: Vec<_> = files(&to.join("sm")).iter().map(|file| file.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["192.0.2.3", "192.0.2.4", "192.0.2.5"]);
        assert_eq!(fs::read(to.join("state")).unwrap(), 9u32.to_ne_bytes());
        let ip = Some("192.0.2.9".parse().unwrap());
        assert_eq!(words(ip, Path::new("/x"), Some(2)).join(" "), "-f -P /x -m 2 -v 192.0.2.9");
    }
}
