//! exportfs: exports directories over NFS by the program `exportfs`, and takes back exactly those again. The server that
//! serves them is `nfsserver`'s.

mod describe;
mod settings;
mod table;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ocf::{Agent, Context, Failure, Metadata, Status};

use crate::bounded::{Deadline, within};
use crate::command;
use crate::run_directory::{Level, log, run_directory};
use settings::{Export, Settings};
use table::{Entry, is_same_fsid};

/// The agent.
pub struct Exportfs;

/// What is exported, as `exportfs` and `rpc.mountd` keep it.
const ETAB: &str = "/var/lib/nfs/etab";
/// Who mounted what with NFSv3.
const RMTAB: &str = "/var/lib/nfs/rmtab";
/// Writing a directory here makes the server give up its locks.
const UNLOCK: &str = "/proc/fs/nfsd/unlock_filesystem";
const LEASE: &str = "/proc/fs/nfsd/nfsv4leasetime";
/// Clients of NFSv4 that the server knows, a directory for each.
const CLIENTS: &str = "/proc/fs/nfsd/clients";
/// What the server has looked up, and holds the file system with.
const CACHED_EXPORTS: &str = "/proc/net/rpc/nfsd.export/content";
/// Caches that are emptied by writing the time to them: which client, which file handle, which export.
const CACHES: [&str; 3] = ["auth.unix.ip", "nfsd.fh", "nfsd.export"];
/// Between two looks whether the server has let go.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// After its lease a client is forgotten within this.
const LEASE_SPARE: Duration = Duration::from_secs(2);

impl Agent for Exportfs {
    fn metadata(&self) -> Metadata {
        describe::metadata()
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let (settings, deadline) = (Settings::read(call)?, Deadline::of(call));
        let exportfs = command::need("exportfs", "nfs-kernel-server")?;
        settings.directories_exist(deadline)?;
        let entries = entries()?;
        if is_marked(call) && settings.exports.iter().all(|export| is_listed(&entries, export)) {
            return Ok(());
        }
        refuse_shared_fsid(&settings, &entries)?;
        mark(call)?;
        for (done, export) in settings.exports.iter().enumerate() {
            let arguments = ["-o", &export.options, &export.argument];
            let ran = command::run(&exportfs, &arguments, deadline)?;
            if !ran.is_good() {
                for before in &settings.exports[..done] {
                    // A start that failed leaves nothing behind; its own failure is what is told.
                    let _ = command::run(&exportfs, &["-u", &before.argument], deadline);
                }
                return Err(Failure::error(format!(
                    "exporting {} to {} with {}: {}",
                    export.directory.display(),
                    export.client,
                    export.options,
                    ran.words()
                )));
            }
            log(Level::Info, &format!("{} is exported to {}", export.directory.display(), export.client));
        }
        if let Some(missing) = missing(&settings, &self::entries()?).first() {
            return Err(Failure::error(format!(
                "exportfs accepted {}, but lists no {} for the client {}: give clientspec as `exportfs` lists it",
                missing.argument,
                missing.directory.display(),
                missing.client
            )));
        }
        if let Some(name) = &settings.rmtab_backup {
            for export in &settings.exports {
                restore_rmtab(&export.directory, name, deadline);
            }
        }
        Ok(())
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let (settings, deadline) = (Settings::read(call)?, Deadline::of(call));
        if !is_marked(call) {
            return Ok(());
        }
        let exportfs = command::need("exportfs", "nfs-kernel-server")?;
        if let Some(name) = &settings.rmtab_backup {
            settings.exports.iter().for_each(|export| back_up_rmtab(&export.directory, name, deadline));
        }
        let listed = entries()?;
        for export in settings.exports.iter().filter(|export| is_listed(&listed, export)) {
            let ran = command::run(&exportfs, &["-u", &export.argument], deadline)?;
            if !ran.is_good() {
                return Err(Failure::error(format!("taking the export {} back: {}", export.argument, ran.words())));
            }
        }
        let listed = entries()?;
        if let Some(left) = settings.exports.iter().find(|export| is_listed(&listed, export)) {
            return Err(Failure::error(format!(
                "{} is still listed as exported to {}",
                left.directory.display(),
                left.client
            )));
        }
        if settings.unlock {
            settings.exports.iter().for_each(|export| unlock(&export.directory, deadline));
        }
        if settings.wait_for_lease {
            wait_for_lease(deadline)?;
        }
        empty_caches(&settings, deadline)?;
        unmark(call)
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let (settings, deadline) = (Settings::read(call)?, Deadline::of(call));
        // The list outlives a boot: without the mark its word is old.
        if !is_marked(call) {
            return Ok(Status::Stopped);
        }
        let missing = missing(&settings, &entries()?);
        if missing.len() == settings.exports.len() {
            return Ok(Status::Stopped);
        }
        if let Some(export) = missing.first() {
            return Err(Failure::error(format!(
                "{} of {} directories are not exported any more, {} to {} for one: somebody has run `exportfs -u` or `-r`",
                missing.len(),
                settings.exports.len(),
                export.directory.display(),
                export.client
            )));
        }
        if let Some(name) = &settings.rmtab_backup {
            settings.exports.iter().for_each(|export| back_up_rmtab(&export.directory, name, deadline));
        }
        Ok(Status::Running)
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        command::need("exportfs", "nfs-kernel-server")?;
        settings.directories_exist(Deadline::of(call))
    }
}

/// The file that says that this resource was started since the host booted; the shell agent's has the same name.
fn marker(call: &Context) -> PathBuf {
    let resource = call.environment.resource.replace(['/', '\0'], "_");
    run_directory(call).join(if resource.is_empty() { "exportfs-default".to_owned() } else { resource })
}

fn is_marked(call: &Context) -> bool {
    marker(call).exists()
}

fn mark(call: &Context) -> Result<(), Failure> {
    let (directory, file) = (run_directory(call), marker(call));
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&file, ""))
        .map_err(|error| Failure::error(format!("writing {}: {error}", file.display())))
}

fn unmark(call: &Context) -> Result<(), Failure> {
    let file = marker(call);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::error(format!("removing {}: {error}", file.display())))
        }
        _ => Ok(()),
    }
}

fn entries() -> Result<Vec<Entry>, Failure> {
    match fs::read_to_string(ETAB) {
        Ok(text) => Ok(table::parse(&text)),
        // No list, no exports.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Failure::error(format!("reading the list of exports {ETAB}: {error}"))),
    }
}

fn is_listed(entries: &[Entry], export: &Export) -> bool {
    entries.iter().any(|entry| entry.is_for(&export.directory, &export.client))
}

fn missing<'a>(settings: &'a Settings, entries: &[Entry]) -> Vec<&'a Export> {
    settings.exports.iter().filter(|export| !is_listed(entries, export)).collect()
}

/// Two directories with one fsid are one to a client: it would find the files of the other behind its handles.
fn refuse_shared_fsid(settings: &Settings, entries: &[Entry]) -> Result<(), Failure> {
    for export in &settings.exports {
        let Some(fsid) = &export.fsid else { continue };
        let other = entries.iter().find(|entry| {
            entry.directory != export.directory && entry.fsid().is_some_and(|theirs| is_same_fsid(theirs, fsid))
        });
        if let Some(other) = other {
            return Err(Failure::not_configured(format!(
                "fsid {fsid} of {} is that of {} already, exported to {}: clients would take one for the other; give each \
                 exported directory a fsid of its own",
                export.directory.display(),
                other.directory.display(),
                other.client
            )));
        }
    }
    Ok(())
}

/// Keeps the lines about the directory in a file that moves with it. Without it clients have only to mount again, so
/// that it fails is told and no more; and a directory that hangs is not waited for.
fn back_up_rmtab(directory: &Path, name: &str, deadline: Deadline) {
    let (directory, file) = (directory.to_owned(), directory.join(name));
    let shown = file.display().to_string();
    let write = move || -> io::Result<()> {
        let Ok(all) = fs::read_to_string(RMTAB) else { return Ok(()) };
        let ours = table::rmtab_lines(&all, &directory);
        if fs::read_to_string(&file).is_ok_and(|before| before == ours) {
            return Ok(());
        }
        replace(&file, &ours)
    };
    match within(deadline.half().left(), write) {
        Some(Ok(())) => {}
        Some(Err(error)) => log(Level::Warning, &format!("keeping who mounted it in {shown}: {error}")),
        None => log(Level::Warning, &format!("keeping who mounted it in {shown}: the file system does not answer")),
    }
}

fn restore_rmtab(directory: &Path, name: &str, deadline: Deadline) {
    let file = directory.join(name);
    let shown = file.display().to_string();
    let merge = move || -> io::Result<()> {
        let kept = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            kept => kept?,
        };
        let now = fs::read_to_string(RMTAB).unwrap_or_default();
        let merged = table::merge_rmtab(&now, &kept);
        if merged == now { Ok(()) } else { replace(Path::new(RMTAB), &merged) }
    };
    match within(deadline.half().left(), merge) {
        Some(Ok(())) => {}
        Some(Err(error)) => log(Level::Warning, &format!("bringing back who mounted it from {shown}: {error}")),
        None => {
            log(Level::Warning, &format!("bringing back who mounted it from {shown}: the file system does not answer"))
        }
    }
}

/// A file is there whole, the old or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    fs::write(&new, text)?;
    fs::rename(&new, file)
}

fn unlock(directory: &Path, deadline: Deadline) {
    // The kernel reads a line.
    let line = [directory.as_os_str().as_encoded_bytes(), b"\n"].concat();
    let wrote = within(deadline.half().left(), move || fs::write(UNLOCK, line));
    match wrote {
        Some(Ok(())) => log(Level::Info, &format!("locks on {} are given up", directory.display())),
        Some(Err(error)) => {
            log(Level::Warning, &format!("giving up locks on {} through {UNLOCK}: {error}", directory.display()))
        }
        None => log(Level::Warning, &format!("giving up locks on {} takes too long", directory.display())),
    }
}

/// Waits until leases that ran when the export was taken back are over; not longer than there is a client.
fn wait_for_lease(deadline: Deadline) -> Result<(), Failure> {
    let Some(seconds) = fs::read_to_string(LEASE).ok().and_then(|text| text.trim().parse().ok()) else {
        log(
            Level::Warning,
            &format!("{LEASE} cannot be read: no NFS server of the kernel's runs here, nothing to wait for"),
        );
        return Ok(());
    };
    let lease = Duration::from_secs(seconds) + LEASE_SPARE;
    let end = deadline.at_most(lease);
    log(Level::Info, &format!("waiting for the end of leases, {} s at most", lease.as_secs()));
    while has_clients() {
        if deadline.is_over() {
            return Err(Failure::error(format!(
                "the lease time of {} s is longer than the action may take: give stop a timeout above that",
                lease.as_secs()
            )));
        }
        if end.is_over() {
            break;
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Does the server know a client of NFSv4? Kernels before 5.3 do not tell: then there may be one.
fn has_clients() -> bool {
    fs::read_dir(CLIENTS).map_or(true, |mut clients| clients.next().is_some())
}

/// Waits until the server has forgotten the exports: what it has looked up holds the file system.
fn empty_caches(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    loop {
        let Ok(content) = fs::read_to_string(CACHED_EXPORTS) else { return Ok(()) };
        let held = settings.exports.iter().find(|export| table::is_cached(&content, &export.directory, &export.client));
        let Some(held) = held else { return Ok(()) };
        if deadline.is_over() {
            return Err(Failure::error(format!(
                "the NFS server still holds {} after its export was taken back: see {CACHED_EXPORTS}",
                held.directory.display()
            )));
        }
        // Anything up to this moment is old.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for cache in CACHES {
            let file = format!("/proc/net/rpc/{cache}/flush");
            if let Err(error) = fs::write(&file, format!("{now}\n")) {
                return Err(Failure::error(format!("emptying the NFS server's cache through {file}: {error}")));
            }
        }
        thread::sleep(LOOK_AGAIN);
    }
}
