//! Files in the form of tar, written and read as bytes: what a host's `collect` hands over. Whoever has tar can look
//! into it, or make one by hand. What is done with the files is left to others.

use std::collections::BTreeMap;

/// The unit of tar.
const BLOCK: usize = 512;
/// Names up to this many bytes stand in the header itself.
const NAME: usize = 100;
/// Where the header says that it is one.
const MAGIC: std::ops::Range<usize> = 257..262;
/// Of one archive; what keepalived's hosts hand over has some hundred KB.
pub const ARCHIVE_MAX: usize = 64 << 20;
/// Files of one archive; a bound against archives made of headers alone.
const FILES_MAX: usize = 10_000;

/// Whether these bytes begin as an archive does.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.get(MAGIC) == Some(b"ustar")
}

/// An archive of these files, in the order of their names.
pub fn write(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in files {
        if name.len() > NAME {
            // GNU's way for long names, which all tars read: a file of kind L that holds the next one's.
            let mut long = name.clone().into_bytes();
            long.push(0);
            entry(&mut out, "././@LongLink", b'L', &long);
        }
        entry(&mut out, name, b'0', bytes);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn entry(out: &mut Vec<u8>, name: &str, kind: u8, bytes: &[u8]) {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    let short = name.as_bytes();
    put(0, &short[..short.len().min(NAME)]);
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", bytes.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend(header);
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// The regular files of an archive by their names, without a leading `./` or `/`.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    if bytes.len() > ARCHIVE_MAX {
        return Err(format!("it has more than {} MiB", ARCHIVE_MAX >> 20));
    }
    let mut files = BTreeMap::new();
    let mut long: Option<String> = None;
    let mut at = 0;
    loop {
        let Some(header) = bytes.get(at..at + BLOCK) else {
            return Err(format!("it ends at byte {at} in the middle of a header: it is cut off"));
        };
        if header.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        if header.get(MAGIC) != Some(b"ustar") {
            return Err(format!("there is no tar header at byte {at}"));
        }
        let blank: u32 = 8 * u32::from(b' ');
        let sum = header[..148].iter().chain(&header[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + blank;
        if octal(&header[148..156]) != Some(sum as usize) {
            return Err(format!("the header at byte {at} has a wrong checksum: the archive is damaged"));
        }
        let size = octal(&header[124..136]).ok_or_else(|| format!("the header at byte {at} has no size"))?;
        let start = at + BLOCK;
        let content = start.checked_add(size).and_then(|end| bytes.get(start..end));
        let content =
            content.ok_or_else(|| format!("the file at byte {at} is cut off: it should have {size} bytes"))?;
        at = start + size.next_multiple_of(BLOCK);
        match header[156] {
            b'L' => long = Some(text(content)),
            b'x' => long = extended(content).or(long),
            b'0' | 0 => {
                let prefix = text(&header[345..500]);
                let short = text(&header[..NAME]);
                let joined = if prefix.is_empty() { short } else { format!("{prefix}/{short}") };
                let name = long.take().unwrap_or(joined);
                let name = name.trim_start_matches("./").trim_start_matches('/').to_owned();
                if files.len() == FILES_MAX {
                    return Err(format!("it has more than {FILES_MAX} files"));
                }
                files.insert(name, content.to_vec());
            }
            // Directories, links and the like hold nothing.
            _ => long = None,
        }
    }
}

/// The path in POSIX's own records for long names: `LENGTH path=VALUE\n`.
fn extended(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    text.lines().find_map(|line| line.split_once(" path=").map(|(_, path)| path.to_owned()))
}

fn octal(field: &[u8]) -> Option<usize> {
    let digits: Vec<u8> = field.iter().copied().filter(|byte| !matches!(byte, 0 | b' ')).collect();
    if digits.is_empty() || digits.len() > 11 {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

/// What stands before the first zero.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(names in proptest::collection::btree_map("[a-z][a-z/]{0,150}[a-z]", proptest::collection::vec(any::<u8>(), 0..1100), 0..6)) {
            prop_assert_eq!(read(&write(&names)), Ok(names));
        }

        #[test]
        fn damage_is_told_and_does_not_panic(at in 0_usize..4000, byte: u8, end in 0_usize..4000) {
            let files = BTreeMap::from([("a".to_owned(), vec![1; 700]), ("b".repeat(120), vec![2; 10])]);
            let mut bytes = write(&files);
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            bytes.truncate(end);
            let _ = read(&bytes);
        }
    }

    #[test]
    fn an_archive_is_known_and_a_cut_one_refused() {
        let bytes = write(&BTreeMap::from([("root/etc/k".to_owned(), b"x".to_vec())]));
        assert!(is_archive(&bytes) && !is_archive(b"vrrp_instance A {"));
        assert!(read(&bytes[..600]).unwrap_err().contains("cut off"));
    }
}
