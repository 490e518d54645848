//! A segment as bytes: a whole configuration, sealed, and the records of the changes after it.

use cib::{Cib, Document, Element, file, patch};
use memchr::memmem;

use crate::record::{self, Change};

const PREFIX: &str = "history-";
const SUFFIX: &str = ".cib";
const SEAL: &[u8] = b"\n<!--systole-cib bytes=";

/// The name of the segment with that number.
pub fn name(number: u64) -> String {
    format!("{PREFIX}{number:08}{SUFFIX}")
}

/// The number of the segment with that name.
pub fn number(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

/// A CIB without its status, as it stands on disks: what was known of nodes is no news when it is read again.
pub fn without_status(cib: &Cib) -> Cib {
    let mut document = cib.document().clone();
    let old: Vec<Element> =
        document.descend(&["status"]).map(|status| document.children(status).collect()).unwrap_or_default();
    old.into_iter().for_each(|entry| document.remove(entry));
    document.compact();
    Cib::new(document).unwrap_or_else(|_| cib.clone())
}

/// What a segment holds.
#[derive(Debug)]
pub struct Segment {
    /// The configuration it begins with.
    pub base: Cib,
    /// How many bytes that takes.
    pub base_bytes: usize,
    /// The changes after it, up to the first that is not whole or does not follow.
    pub changes: Vec<Change>,
    /// How many bytes are good.
    pub good: usize,
    /// There is more than that, and a whole record in it: something in the middle was damaged.
    pub hole: bool,
}

impl Segment {
    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Result<Segment, file::Error> {
        let end = base_end(bytes).ok_or(file::Error::Torn)?;
        let base = file::decode(&bytes[..end])?;
        let (mut changes, mut good, mut at) = (Vec::new(), end, configuration(&base));
        while let Some((change, length)) = record::next(&bytes[good..]) {
            if change.from != at {
                break;
            }
            at = change.to;
            good += length;
            changes.push(change);
        }
        let hole = good < bytes.len() && record::is_anywhere(&bytes[good..]);
        Ok(Segment { base, base_bytes: end, changes, good, hole })
    }

    /// The configuration after the first so many changes. Says how many of them fitted.
    pub fn after(&self, count: usize) -> (Cib, usize) {
        let mut document = self.base.document().clone();
        let mut fitted = 0;
        for change in self.changes.iter().take(count) {
            if patch::apply(&mut document, &change.patch).is_err() {
                break;
            }
            fitted += 1;
        }
        match Cib::new(document) {
            Ok(cib) => (cib, fitted),
            Err(_) => (self.base.clone(), 0),
        }
    }

    /// `admin_epoch` and `epoch` of the last of it.
    pub fn last(&self) -> (u64, u64) {
        self.changes.last().map_or_else(|| configuration(&self.base), |change| change.to)
    }
}

/// Where the records begin: behind the first seal that tells its own place. A comment in the configuration that looks like
/// one tells another.
fn base_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = memmem::find(&bytes[from..], SEAL) {
        let at = from + found + 1;
        let rest = &bytes[at + SEAL.len() - 1..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let told = std::str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse::<usize>().ok());
        if told == Some(at) {
            return rest.iter().position(|byte| *byte == b'\n').map(|end| at + SEAL.len() - 1 + end + 1);
        }
        from = at;
    }
    None
}

/// The part of a version that counts what people wrote.
pub fn configuration(cib: &Cib) -> (u64, u64) {
    let version = cib.version();
    (version.admin_epoch, version.epoch)
}

/// Whether two CIBs have the same configuration, root attributes that belong to a moment aside.
pub fn same(a: &Cib, b: &Cib) -> bool {
    let of = |document: &Document| document.descend(&["configuration"]);
    configuration(a) == configuration(b)
        && match (of(a.document()), of(b.document())) {
            (Some(mine), Some(theirs)) => a.document().same(mine, b.document(), theirs),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_ends_where_its_own_seal_says() {
        let cib = Cib::parse(
            "<cib epoch='3'><configuration><!--\n<!- -systole-cib bytes=7 md5=x- ->\n--></configuration><status><a/></status></cib>",
        )
        .unwrap();
        let bytes = file::encode(&without_status(&cib)).into_bytes();
        let segment = Segment::decode(&bytes).unwrap();
        assert_eq!((segment.base_bytes, segment.good, segment.hole), (bytes.len(), bytes.len(), false));
        assert!(!segment.base.document().to_xml().contains("<a/>"));
        for end in 0..bytes.len() {
            assert!(Segment::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn names_are_numbers() {
        assert_eq!(number(&name(17)), Some(17));
        assert_eq!(number("history-x.cib"), None);
        assert_eq!(number("history-00000001.cib.new"), None);
    }
}
