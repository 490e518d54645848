//! Until when the certificates on this host hold: the host agent's own, and those with which a quorum device and its
//! clients know each other.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::disk;
use crate::paths::Paths;
use crate::units::run;

/// A certificate larger than this is not ours.
const MAX_BYTES: usize = 64 << 10;
/// `certutil` reads a database of some kilobytes.
const ASK_TIME: Duration = Duration::from_secs(10);

/// Each certificate of this host, as people call it, and until when it holds, in seconds since 1970. Where one cannot be
/// read it is left out: whoever needs it says so better.
pub fn of_this_host(paths: &Paths) -> Vec<(String, i64)> {
    let own = disk::read(&paths.certificate(), MAX_BYTES).ok().flatten().and_then(|pem| {
        let der = CertificateDer::from_pem_slice(&pem).ok()?;
        Some(("the host agent's certificate".to_owned(), not_after(&der)?))
    });
    let device = [
        (paths.qdevice().join("net/nssdb"), "Cluster Cert", "the quorum device's certificate of this cluster"),
        (paths.qdevice().join("net/nssdb"), "QNet CA", "the certificate of QNetd's authority"),
        (paths.qnetd(), "QNetd Cert", "QNetd's certificate"),
    ];
    let of_device = |(folder, name, called): &(std::path::PathBuf, &str, &str)| {
        let until = folder.exists().then(|| of_database(folder, name)).flatten()?;
        Some(((*called).to_owned(), until))
    };
    own.into_iter().chain(device.iter().filter_map(of_device)).collect()
}

/// One of a database as Corosync's tools keep them.
fn of_database(folder: &Path, name: &str) -> Option<i64> {
    let said = run("certutil", &["-L", "-d", &format!("sql:{}", folder.display()), "-n", name], ASK_TIME).ok()?;
    let line = said.text.lines().find_map(|line| line.trim().strip_prefix("Not After : "))?.trim();
    // `Fri Nov 21 16:51:33 2146`: as C prints a time, and it is GMT.
    let parsed = jiff::fmt::strtime::parse("%a %b %d %H:%M:%S %Y", line).ok()?.to_datetime().ok()?;
    Some(seconds(parsed))
}

/// Of a time in GMT; timestamps end before the last day of 9999, which certificates without an end have.
fn seconds(time: jiff::civil::DateTime) -> i64 {
    jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0).duration_until(time).as_secs()
}

/// The end of a certificate's validity, in seconds since 1970, of one in DER: the second time of the third field behind the version in what is signed.
pub fn not_after(certificate: &[u8]) -> Option<i64> {
    let (_, whole, _) = element(certificate)?;
    let (_, mut signed, _) = element(whole)?;
    // Version (if it is there), serial number, algorithm, issuer; then the validity.
    let before = if signed.first() == Some(&0xa0) { 4 } else { 3 };
    for _ in 0..before {
        (_, _, signed) = element(signed)?;
    }
    let (_, validity, _) = element(signed)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    // RFC 5280: years of two digits are those from 1950 to 2049.
    let text = match tag {
        0x17 if text.get(..2)? < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        _ => text.to_owned(),
    };
    let parsed = jiff::fmt::strtime::parse("%Y%m%d%H%M%S", &text).ok()?.to_datetime().ok()?;
    Some(seconds(parsed))
}

/// DER: the first element's tag and content, and what is behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(*short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { state: folder.path().join("state"), corosync: folder.path().into(), memory: Vec::new() };
        assert_eq!(of_this_host(&paths), [], "none yet");
        let identity = Identity::load_or_make(&paths).unwrap();
        // The last day of 9999.
        assert_eq!(of_this_host(&paths), [("the host agent's certificate".to_owned(), 253_402_214_400)]);
        for length in 0..identity.certificate.len() {
            // Whatever is cut off, it is read as far as it goes, and no further.
            let _ = not_after(&identity.certificate[..length]);
        }
        for (time, expected) in [
            (b"\x17\x0d491231235959Z".as_slice(), Some(2_524_607_999)),
            (b"\x17\x0d991231235959Z", Some(946_684_799)),
            (b"\x17\x0d99123123595xZ", None),
            (b"\x17\x01\xff", None),
        ] {
            let sequence = |content: &[u8]| [&[0x30, u8::try_from(content.len()).unwrap()], content].concat();
            let validity = sequence(&[b"\x17\x0d700101000000Z", time].concat());
            let signed = sequence(&[b"\x02\x01\x01\x30\x00\x30\x00".as_slice(), &validity].concat());
            assert_eq!(not_after(&sequence(&signed)), expected, "{time:?}");
        }
    }
}
