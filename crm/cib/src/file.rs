//! The CIB as bytes on a disk, so that a torn or altered file is told from a whole one. Writing, renaming and flushing
//! are the daemon's.
//!
//! A file is the XML, then one comment as its last line: `<!--systole-cib bytes=N md5=DIGEST-->`, both about everything
//! before it. Any XML tool reads such a file; [`decode`] says whether all of it is there.

use crate::digest;
use crate::replica::{Cib, Error as CibError};

const SEAL: &str = "<!--systole-cib ";

/// Why bytes on a disk are not used. The last good file has to be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The writing was cut off: the end is missing.
    #[error("the file ends before its last line, which tells its length; it was not written to its end")]
    Torn,
    /// The seal is there, but there is more or less before it than it says.
    #[error("the file holds {found} bytes of XML, but was written with {expected}; part of it is lost")]
    Length {
        /// What the seal says.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// The length is right, the bytes are not.
    #[error("the file's digest is {found}, but it was written with {expected}; it was changed after it was written")]
    Digest {
        /// What the seal says.
        expected: String,
        /// What the bytes have.
        found: String,
    },
    /// It is whole, and yet no CIB.
    #[error("the file is whole, but holds no CIB: {0}")]
    NotACib(#[from] CibError),
}

/// The bytes to write.
///
/// ```
/// use cib::{Cib, file};
/// let cib = Cib::fresh("demo");
/// let text = file::encode(&cib);
/// assert_eq!(file::decode(text.as_bytes()).unwrap().digest(), cib.digest());
/// assert_eq!(file::decode(&text.as_bytes()[..text.len() / 2]).unwrap_err(), file::Error::Torn);
/// ```
pub fn encode(cib: &Cib) -> String {
    let mut text = cib.document().to_xml();
    let seal = format!("{SEAL}bytes={} md5={}-->\n", text.len(), digest::md5(&text));
    text.push_str(&seal);
    text
}

/// Reads what [`encode`] made, and nothing else.
pub fn decode(bytes: &[u8]) -> Result<Cib, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Torn)?;
    // The last line begins behind the last line end but one.
    let body = text.strip_suffix("-->\n").ok_or(Error::Torn)?;
    let at = body.rfind(SEAL).filter(|at| *at == 0 || body.as_bytes()[at - 1] == b'\n').ok_or(Error::Torn)?;
    let (xml, seal) = (&body[..at], &body[at + SEAL.len()..]);
    let (length, expected) =
        seal.strip_prefix("bytes=").and_then(|seal| seal.split_once(" md5=")).ok_or(Error::Torn)?;
    let length: usize = length.parse().map_err(|_| Error::Torn)?;
    if length != xml.len() {
        return Err(Error::Length { expected: length, found: xml.len() });
    }
    let found = digest::md5(xml);
    if found != expected {
        return Err(Error::Digest { expected: expected.to_owned(), found });
    }
    Ok(Cib::parse(xml)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comes_back_as_it_was() {
        let xml = "<cib epoch='3'><!-- why --><configuration><x:future a='&lt;&#10;'>text &amp; more</x:future></configuration></cib>";
        let cib = Cib::parse(xml).unwrap();
        let again = decode(encode(&cib).as_bytes()).unwrap();
        assert_eq!(again.document().to_xml(), cib.document().to_xml());
        assert_eq!((again.version(), again.digest()), (cib.version(), cib.digest()));
        assert!(encode(&cib).contains("<!-- why -->"));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_seen() {
        let text = encode(&Cib::fresh("demo")).into_bytes();
        for end in 0..text.len() {
            assert!(decode(&text[..end]).is_err(), "cut at {end}");
        }
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert!(decode(&other).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn the_reason_is_told() {
        let text = encode(&Cib::fresh("demo"));
        let changed = text.replace("demo", "omed");
        assert!(matches!(decode(changed.as_bytes()), Err(Error::Digest { .. })));
        let longer = text.replace("demo", "demonstration");
        assert!(matches!(decode(longer.as_bytes()), Err(Error::Length { .. })));
        let other = "<x/>\n";
        let sealed = format!("{other}{SEAL}bytes=5 md5={}-->\n", digest::md5(other));
        assert!(matches!(decode(sealed.as_bytes()), Err(Error::NotACib(_))));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), tail in ".{0,40}") {
            let _ = decode(&bytes);
            let _ = decode(format!("<cib/>\n{SEAL}{tail}-->\n").as_bytes());
        }
    }
}
