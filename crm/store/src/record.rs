//! One change as bytes in a segment: a line with length and digest, then the change as XML, the patch in Pacemaker's form.

use cib::patch::{Patch, xml};
use cib::{Author, Document, digest};
use memchr::memmem;

const HEAD: &str = "<!--systole-change ";

/// A change of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// `admin_epoch` and `epoch` before it.
    pub from: (u64, u64),
    /// `admin_epoch` and `epoch` with it.
    pub to: (u64, u64),
    /// Who made it, and when.
    pub author: Author,
    /// What changed, the root's attributes included.
    pub patch: Patch,
}

/// Its bytes.
///
/// ```
/// use store::{Change, record};
/// let change = Change { from: (0, 1), to: (0, 2), author: Default::default(), patch: Default::default() };
/// let bytes = record::encode(&change);
/// assert_eq!(record::next(&bytes), Some((change, bytes.len())));
/// assert_eq!(record::next(&bytes[..bytes.len() - 1]), None);
/// ```
pub fn encode(change: &Change) -> Vec<u8> {
    let mut document = Document::new("change");
    let root = document.root();
    for (name, value) in [
        ("from", version(change.from)),
        ("to", version(change.to)),
        ("user", change.author.user.clone()),
        ("host", change.author.host.clone()),
        ("command", change.author.command.clone()),
        ("at", change.author.at.to_string()),
    ] {
        document.set(root, name, &value);
    }
    let [source, target] = [change.from, change.to].map(|(admin_epoch, epoch)| {
        let mut cib = Document::new("cib");
        let root = cib.root();
        cib.set(root, "admin_epoch", &admin_epoch.to_string());
        cib.set(root, "epoch", &epoch.to_string());
        cib
    });
    let diff = Document::parse(&xml::write(&change.patch, &source, &target)).unwrap_or_else(|_| Document::new("diff"));
    document.graft(root, &diff, diff.root());
    let body = document.to_xml();
    format!("{HEAD}bytes={} md5={}-->\n{body}", body.len(), digest::md5(&body)).into_bytes()
}

/// The change that these bytes begin with, and how many of them are its own. `None`: not all of it is there, or not as it
/// was written.
pub fn next(bytes: &[u8]) -> Option<(Change, usize)> {
    let (body, length) = frame(bytes)?;
    let document = Document::parse(body).ok()?;
    let get = |name: &str| document.attribute(document.root(), name);
    let text = |name: &str| get(name).unwrap_or_default().to_owned();
    let diff = document.child(document.root(), "diff")?;
    let author = Author {
        user: text("user"),
        host: text("host"),
        command: text("command"),
        at: get("at").and_then(|at| at.parse().ok())?,
    };
    let patch = xml::read(&document.element_to_xml(diff)).ok()?;
    Some((Change { from: read_version(get("from")?)?, to: read_version(get("to")?)?, author, patch }, length))
}

/// Whether a whole record stands anywhere in these bytes.
pub fn is_anywhere(bytes: &[u8]) -> bool {
    memmem::find_iter(bytes, HEAD).any(|at| frame(&bytes[at..]).is_some())
}

/// The text behind a head, when length and digest are right, and the length of both.
fn frame(bytes: &[u8]) -> Option<(&str, usize)> {
    let rest = bytes.strip_prefix(HEAD.as_bytes())?;
    let end = rest.iter().take(100).position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&rest[..end]).ok()?;
    let (length, md5) = head.strip_prefix("bytes=")?.strip_suffix("-->")?.split_once(" md5=")?;
    let length: usize = length.parse().ok()?;
    let body = rest.get(end + 1..)?.get(..length)?;
    let body = std::str::from_utf8(body).ok()?;
    (digest::md5(body) == md5).then_some((body, HEAD.len() + end + 1 + length))
}

/// `0.12`.
pub fn version((admin_epoch, epoch): (u64, u64)) -> String {
    format!("{admin_epoch}.{epoch}")
}

/// Reads `0.12`.
pub fn read_version(text: &str) -> Option<(u64, u64)> {
    let (admin_epoch, epoch) = text.split_once('.')?;
    Some((admin_epoch.parse().ok()?, epoch.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib::patch::Change as Step;
    use proptest::prelude::*;

    fn change() -> Change {
        let author = Author { user: "o'n\"e".into(), host: "<n>".into(), command: "a\tb\nc".into(), at: -3 };
        let changes = vec![
            Step::Create {
                path: "/cib/a".into(),
                position: usize::MAX,
                xml: "<b id=\"x\"><!-- why -->\n  <c/></b>".into(),
            },
            Step::Modify { path: "/cib".into(), set: vec![("e".into(), "1\n2".into())], unset: vec!["f".into()] },
            Step::Delete { path: "/cib/a[@id=\"o'clock\"]".into() },
            Step::Move { path: "/cib/b".into(), position: 2 },
        ];
        Change { from: (0, 7), to: (1, 8), author, patch: Patch { changes } }
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_seen() {
        let bytes = encode(&change());
        let (read, length) = next(&bytes).unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!(encode(&read), bytes, "what is read is what was written");
        assert_eq!((read.from, read.to, &read.author), ((0, 7), (1, 8), &change().author));
        for end in 0..bytes.len() {
            assert_eq!(next(&bytes[..end]), None, "cut at {end}");
            let mut flipped = bytes.clone();
            flipped[end] ^= 1;
            assert_eq!(next(&flipped), None, "flipped at {end}");
        }
        assert!(is_anywhere(&[b"garbage".as_slice(), &bytes].concat()));
        assert!(!is_anywhere(&bytes[1..]));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), length in any::<u32>()) {
            let head = format!("{HEAD}bytes={length} md5=x-->\n").into_bytes();
            let _ = (next(&bytes), next(&[head, bytes].concat()));
        }
    }
}
