//! The host's own certificate, made at the first start, and its fingerprint, by which others know it. Nobody signs it:
//! who joins is given the fingerprint with the token.

use core::fmt;

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use wire::host::hexadecimal;

use crate::disk::{self, Lock};
use crate::paths::Paths;

/// A certificate or key larger than this is not ours.
const MAX_BYTES: usize = 64 << 10;

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate).into())
    }

    /// Reads 64 hexadecimal digits; colons and blanks between them are left out.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        let digits: String = text.chars().filter(|letter| !matches!(letter, ':' | ' ')).collect();
        let bytes = wire::host::Content::try_from(digits).ok()?.0;
        bytes.try_into().ok().map(Fingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

/// A host's certificate with its key.
pub struct Identity {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The one on the disk; made if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or made and written. One that is there and cannot be read is never replaced: other
    /// hosts know it.
    pub fn load_or_make(paths: &Paths) -> anyhow::Result<Identity> {
        let _lock = Lock::take(paths)?;
        let (certificate, key) = (paths.certificate(), paths.key());
        if !key.exists() {
            let (certificate_pem, key_pem) = make()?;
            disk::write(&certificate, certificate_pem.as_bytes(), 0o644)?;
            // The key comes last: a start that ended between the two makes both anew.
            disk::write(&key, key_pem.as_bytes(), 0o600)?;
        }
        let text = |path| anyhow::Ok(disk::read(path, MAX_BYTES)?.unwrap_or_default());
        let remedy = || {
            format!(
                "{} and {} are no certificate and key: put them back from a backup, or remove both, and every host has to be enrolled here anew",
                certificate.display(),
                key.display()
            )
        };
        Ok(Identity {
            certificate: CertificateDer::from_pem_slice(&text(&certificate)?).with_context(remedy)?,
            key: PrivateKeyDer::from_pem_slice(&text(&key)?).with_context(remedy)?,
        })
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }
}

fn make() -> anyhow::Result<(String, String)> {
    let host = crate::about::host_name();
    let mut parameters = CertificateParams::new(Vec::new()).context("making a certificate")?;
    parameters.distinguished_name.push(DnType::CommonName, format!("systole host agent of {host}"));
    // Hosts know each other by the fingerprint: an end of it would cut them off at night.
    parameters.not_after = rcgen::date_time_ymd(9999, 12, 31);
    let key = KeyPair::generate().context("making a key")?;
    let certificate = parameters.self_signed(&key).context("signing a certificate")?;
    Ok((certificate.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { state: folder.path().join("state"), ..Paths::default() };
        let first = Identity::load_or_make(&paths).unwrap().fingerprint();
        assert_eq!(Identity::load_or_make(&paths).unwrap().fingerprint(), first);
        assert_eq!(Fingerprint::parse(&first.to_string()), Some(first));
        std::fs::write(paths.certificate(), "spoilt").unwrap();
        let error = Identity::load_or_make(&paths).err().unwrap().to_string();
        assert!(error.contains("put them back from a backup"), "{error}");
    }

    #[test]
    fn fingerprints_are_64_digits() {
        assert!(Fingerprint::parse(&"a1:".repeat(32)).is_some());
        for wrong in ["", "a1", &"a1".repeat(33), &"g1".repeat(32)] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
    }
}
