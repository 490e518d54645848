//! The lists of the NFS programs, read as text: what is exported, who mounted it, what the server has looked up.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// A line of `/var/lib/nfs/etab`: a directory for a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The directory.
    pub directory: PathBuf,
    /// The client, as it was given.
    pub client: String,
    /// The options between the parentheses.
    pub options: String,
}

impl Entry {
    /// Is it this directory for this client?
    pub fn is_for(&self, directory: &Path, client: &str) -> bool {
        self.directory == directory && is_same_client(&self.client, client)
    }

    /// Its fsid, if one was given.
    pub fn fsid(&self) -> Option<&str> {
        self.options.split(',').rev().find_map(|option| option.strip_prefix("fsid="))
    }
}

/// Clients are compared as `exportfs` lists them: everybody is `*` or `<world>`, IPv6 has no brackets.
fn is_same_client(one: &str, other: &str) -> bool {
    let plain = |client: &str| match client {
        "<world>" => "*".to_owned(),
        _ if client.matches(':').count() >= 2 => client.replace(['[', ']'], ""),
        _ => client.to_owned(),
    };
    plain(one) == plain(other)
}

/// Reads `etab`. A line that is none is passed over.
pub fn parse(text: &str) -> Vec<Entry> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let (path, rest) = line.split_once('\t')?;
    let (client, options) = rest.rsplit_once('(')?;
    let options = options.strip_suffix(')')?;
    Some(Entry { directory: unescape(path), client: client.to_owned(), options: options.to_owned() })
}

/// What a path cannot hold in a line, such as a space, is written as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 4).filter(|_| bytes[at] == b'\\');
        let number = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match number {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

/// Do two fsids mean the same? The root's is 0, and a UUID's signs and case do not count.
pub fn is_same_fsid(one: &str, other: &str) -> bool {
    let plain = |fsid: &str| match fsid {
        "root" => "0".to_owned(),
        _ if fsid.len() > 20 => fsid.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase(),
        _ => fsid.parse::<u64>().map_or_else(|_| fsid.to_owned(), |number| number.to_string()),
    };
    plain(one) == plain(other)
}

/// The lines of `rmtab`, `CLIENT:DIRECTORY:COUNT`, about this directory.
pub fn rmtab_lines(text: &str, directory: &Path) -> String {
    let of = |line: &str| {
        let (rest, _count) = line.rsplit_once(':')?;
        let directory = directory.as_os_str().as_bytes();
        rest.as_bytes().strip_suffix(directory)?.strip_suffix(b":").map(drop)
    };
    text.lines().filter(|line| of(line).is_some()).map(|line| format!("{line}\n")).collect()
}

/// `rmtab` with lines that were kept, each once, in the order of the alphabet.
pub fn merge_rmtab(now: &str, kept: &str) -> String {
    let lines: std::collections::BTreeSet<&str> =
        now.lines().chain(kept.lines()).filter(|line| !line.trim().is_empty()).collect();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

/// Does the server hold an export of the directory to the client? `content` is that of its cache.
pub fn is_cached(content: &str, directory: &Path, client: &str) -> bool {
    content.lines().filter(|line| !line.starts_with('#')).any(|line| {
        let Some((path, rest)) = line.split_once(' ').or_else(|| line.split_once('\t')) else { return false };
        let held = rest.split_once('(').map_or(rest, |(client, _)| client).trim();
        unescape(path) == directory && is_same_client(held, client)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAB: &str = "\
/srv/a\t*(rw,sync,wdelay,fsid=7,sec=sys,rw,secure,root_squash)
/srv/my\\040data\tfd00::/64(ro,fsid=0,sec=sys)
/srv/a\t192.168.1.0/24(ro,sec=sys)
no line of ours
/srv/b\t@trusted(rw,fsid=5C48-4D7F-9b3a-2a1b00000000f00d)
";

    #[test]
    fn exports_are_found_by_directory_and_client() {
        let entries = parse(ETAB);
        let has = |directory: &str, client: &str| entries.iter().any(|e| e.is_for(Path::new(directory), client));
        for (directory, client, expected) in [
            ("/srv/a", "*", true),
            ("/srv/a", "<world>", true),
            ("/srv/a", "192.168.1.0/24", true),
            ("/srv/a", "192.168.1.0/2", false),
            ("/srv", "*", false),
            ("/srv/my data", "[fd00::]/64", true),
            ("/srv/my data", "fd00::/64", true),
            ("/srv/my", "fd00::/64", false),
            ("/srv/b", "@trusted", true),
        ] {
            assert_eq!(has(directory, client), expected, "{directory} {client}");
        }
        let fsids: Vec<_> = entries.iter().map(Entry::fsid).collect();
        assert_eq!(fsids, [Some("7"), Some("0"), None, Some("5C48-4D7F-9b3a-2a1b00000000f00d")]);
    }

    #[test]
    fn fsids_are_compared_by_what_they_mean() {
        for (one, other, same) in [
            ("0", "root", true),
            ("07", "7", true),
            ("7", "77", false),
            ("5c484d7f:9b3a2a1b:00000000:0000f00d", "5C484D7F-9b3a-2a1b-0000-00000000f00d", true),
        ] {
            assert_eq!(is_same_fsid(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn rmtab_lines_of_a_directory_and_no_other() {
        let rmtab =
            "10.0.0.1:/srv/a:0x00000001\nfd00::1:/srv/a:0x00000002\nhost:/srv/aa:0x1\nhost:/x/srv/a:0x1\nnonsense\n";
        let ours = rmtab_lines(rmtab, Path::new("/srv/a"));
        assert_eq!(ours, "10.0.0.1:/srv/a:0x00000001\nfd00::1:/srv/a:0x00000002\n");
        assert_eq!(merge_rmtab("b:/b:1\na:/a:1\n", "c:/c:1\na:/a:1\n\n"), "a:/a:1\nb:/b:1\nc:/c:1\n");
    }

    #[test]
    fn what_the_server_holds() {
        let content =
            "#path domain(flags)\n/srv/a\t*(rw,root_squash,fsid=7)\n/srv/my\\040data fd00::/64(ro)\n# /srv/b *(rw)\n";
        for (directory, client, held) in [
            ("/srv/a", "*", true),
            ("/srv/a", "10.0.0.1", false),
            ("/srv/my data", "[fd00::]/64", true),
            ("/srv/b", "*", false),
        ] {
            assert_eq!(is_cached(content, Path::new(directory), client), held, "{directory} {client}");
        }
    }
}
