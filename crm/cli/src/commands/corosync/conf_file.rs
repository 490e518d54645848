//! corosync.conf from the disk: read whatever its bytes are, written back without a moment in which half of it is there,
//! and what this host is like, for the rules that ask.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Arg, ArgMatches};
use corosync_conf::lint::Authkey;
use corosync_conf::model::{Address, address};
use corosync_conf::{Conf, Facts, Model};

/// Where Corosync looks.
pub const DEFAULT: &str = "/etc/corosync/corosync.conf";

/// A file larger than this is no corosync.conf: one of sixteen nodes has two thousand bytes.
const MAX_BYTES: u64 = 4 << 20;

/// Bytes that are no UTF-8 stand in the text as characters from here on, so that they can be written back as they were.
/// The characters are of a private plane that no file holds.
const FOREIGN: u32 = 0x10_FF00;

/// A file, read.
pub struct ConfFile {
    /// Name for messages.
    pub name: String,
    /// Where it is; `None` for standard input.
    path: Option<PathBuf>,
    /// What it says.
    pub conf: Conf,
}

impl ConfFile {
    /// The positional argument `FILE`.
    pub fn argument() -> Arg {
        Arg::new("file")
            .value_name("FILE")
            .default_value(DEFAULT)
            .value_parser(clap::value_parser!(PathBuf))
            .help("The file; - is standard input")
    }

    /// Reads what [`ConfFile::argument`] names.
    ///
    /// # Errors
    /// When the file cannot be read or is no text.
    pub fn from_arguments(arguments: &ArgMatches) -> anyhow::Result<ConfFile> {
        ConfFile::at(arguments.get_one::<PathBuf>("file").expect("it has a default, or was asked for"))
    }

    /// Reads a file; `-` is standard input.
    ///
    /// # Errors
    /// As [`ConfFile::from_arguments`].
    pub fn at(path: &Path) -> anyhow::Result<ConfFile> {
        let stdin = path == Path::new("-");
        let name = if stdin { "standard input".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = match stdin {
            true => std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut bytes),
            false => fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)),
        };
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound if path == Path::new(DEFAULT) => {
                anyhow!("there is no {DEFAULT} on this host: name a file, or set a cluster up first")
            }
            std::io::ErrorKind::NotFound => anyhow!("there is no file {name}"),
            std::io::ErrorKind::IsADirectory => anyhow!("{name} is a directory; expected a corosync.conf"),
            _ => anyhow!("reading {name}: {error}"),
        })?;
        if bytes.len() as u64 > MAX_BYTES || bytes.contains(&0) {
            bail!("{name} is no corosync.conf: it is larger than {} MiB, or holds zero bytes", MAX_BYTES >> 20);
        }
        Ok(ConfFile { name, path: (!stdin).then(|| path.to_owned()), conf: Conf::parse(decode(&bytes)) })
    }

    /// Whether it is the file that this host's Corosync reads.
    pub fn is_this_hosts(&self) -> bool {
        let canonical = |path: &Path| fs::canonicalize(path).ok();
        self.path.as_deref().and_then(canonical).is_some_and(|path| Some(path) == canonical(Path::new(DEFAULT)))
    }

    /// Writes another text in its place: whole or not at all, with the same owner and permissions; what was there stays
    /// beside it. Gives the name of that.
    ///
    /// # Errors
    /// When it cannot be written. The file is then as it was.
    pub fn write(&self, text: &str) -> anyhow::Result<PathBuf> {
        let Some(path) = &self.path else { bail!("standard input cannot be written back: name the file") };
        let path = fs::canonicalize(path).with_context(|| format!("looking for {}", path.display()))?;
        let meta = fs::metadata(&path).with_context(|| format!("looking at {}", path.display()))?;
        let with = |suffix: &str| {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name)
        };
        let (kept, new) = (with("~"), with(".new"));
        let write = || -> std::io::Result<()> {
            fs::copy(&path, &kept)?;
            let mut file = fs::File::create(&new)?;
            file.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o7777))?;
            std::os::unix::fs::chown(&new, Some(meta.uid()), Some(meta.gid()))?;
            file.write_all(&encode(text))?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(|error| {
            // What is left of the attempt; the file itself was not touched.
            let _ = fs::remove_file(&new);
            anyhow!("writing {}: {error}; it is as it was", path.display())
        })?;
        Ok(kept)
    }

    /// What this host is like, as far as rules ask.
    pub fn facts(&self) -> Facts {
        let model = Model::of(&self.conf);
        let names = model.nodes.iter().flat_map(|node| node.addresses.values());
        let names = names.filter(|name| address(&name.value) == Address::Name).map(|name| name.value.clone());
        let look_up = |name: &str| -> Vec<IpAddr> {
            (name, 0).to_socket_addrs().map_or(Vec::new(), |found| found.map(|found| found.ip()).collect())
        };
        let keyfile = self.conf.value(&["totem", "keyfile"]).map_or("/etc/corosync/authkey", |entry| &entry.value);
        let authkey = match fs::metadata(keyfile) {
            Ok(meta) => Some(Authkey::Present { bytes: meta.len(), mode: meta.mode() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Authkey::Missing),
            Err(_) => None,
        };
        Facts {
            hostname: nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()),
            addresses: own_addresses(),
            resolved: names.map(|name| (name.clone(), look_up(&name))).collect(),
            authkey,
        }
    }
}

fn own_addresses() -> Option<Vec<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let ip = |one: nix::ifaddrs::InterfaceAddress| {
        let address = one.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    Some(interfaces.filter_map(ip).collect())
}

/// Bytes as text; see [`FOREIGN`].
fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let foreign = chunk.invalid().iter().filter_map(|byte| char::from_u32(FOREIGN + u32::from(*byte)));
        text.extend(foreign);
    }
    text
}

/// The bytes that [`decode`] made the text of.
fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u32::from(character).checked_sub(FOREIGN).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_kind_are_written_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corosync.conf");
        let text = b"# caf\xe9 \xff\xfe\ntotem {\n version: 2\n}\n";
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let file = ConfFile::at(&path).unwrap();
        assert!(file.conf.problems().is_empty());
        let changed = corosync_conf::edit::set(&file.conf, &["totem", "token"], "5000").unwrap();
        let kept = file.write(changed.text()).unwrap();
        assert_eq!(fs::read(kept).unwrap(), text);
        assert_eq!(fs::read(&path).unwrap(), b"# caf\xe9 \xff\xfe\ntotem {\n version: 2\n token: 5000\n}\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }
}
