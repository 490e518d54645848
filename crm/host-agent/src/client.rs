//! The other side of the host agent: one call to one host, over TLS 1.3 to the certificate that is known of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use wire::host::{Answer, Call, Envelope, MAX_LINE, PORT, PROTOCOL, Secret};

use crate::hosts::{Host, JoinToken};
use crate::identity::Fingerprint;
use crate::server::Timed;

/// The longest wait for a connection to one address.
const CONNECT_TIME: Duration = Duration::from_secs(4);
/// Seconds of silence after which the kernel of a host is asked whether it is there, and how often before it is not: less
/// than a quarter of a minute, and no lost packet or two end a connection.
const SILENCE: u32 = 3;
const QUESTIONS: u32 = 4;
/// The longest wait for an answer that needs no service to start or stop.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(60);
/// And for one that does: longer than the host agent waits for systemd.
const UNIT_TIME: Duration = Duration::from_secs(240);

/// Asks a host, at the first of its addresses that answers.
///
/// # Errors
/// When no address answers, the host shows another certificate, or it refuses; each with what to do.
pub fn call(host: &Host, call: &Call) -> anyhow::Result<Answer> {
    let envelope = Envelope { protocol: PROTOCOL, access: Some(host.access.clone()), call: call.clone() };
    first(&host.addresses, |address| exchange(address, host.fingerprint, &envelope))
        .with_context(|| format!("asking {}", host.name))
}

/// Trades a join token for the right to call a host.
///
/// # Errors
/// As [`call`].
pub fn enroll(addresses: &[String], token: &JoinToken, by: &str) -> anyhow::Result<Host> {
    let call = Call::Enroll { token: token.secret.clone(), by: by.into() };
    let envelope = Envelope { protocol: PROTOCOL, access: None, call };
    match first(addresses, |address| exchange(address, token.fingerprint, &envelope))? {
        Answer::Enrolled { access, host } => {
            ensure!(
                crate::hosts::is_name(&host),
                "the host calls itself {host:?}: it needs a name of letters, digits and dashes"
            );
            Ok(Host { name: host, fingerprint: token.fingerprint, access, addresses: addresses.to_vec() })
        }
        other => bail!("the host answered something else: {other:?}"),
    }
}

/// Gives a password for the right to call a host. Its certificate is believed as it is shown, for nobody knows it yet: the
/// fingerprint is in the answer, to be compared.
///
/// # Errors
/// As [`call`].
pub fn log_in(addresses: &[String], user: &str, password: &str, by: &str) -> anyhow::Result<Host> {
    let call = Call::Login { user: user.into(), password: Secret(password.into()), by: by.into() };
    let envelope = Envelope { protocol: PROTOCOL, access: None, call };
    let seen = Arc::new(OnceLock::new());
    match first(addresses, |address| talk(address, Known::Shown(seen.clone()), &envelope))? {
        Answer::Enrolled { access, host } => {
            ensure!(
                crate::hosts::is_name(&host),
                "the host calls itself {host:?}: it needs a name of letters, digits and dashes"
            );
            let fingerprint = *seen.get().context("the host showed no certificate")?;
            Ok(Host { name: host, fingerprint, access, addresses: addresses.to_vec() })
        }
        other => bail!("the host answered something else: {other:?}"),
    }
}

/// `ADDRESS[:PORT]` with its port.
pub fn with_port(address: &str) -> String {
    let bare_v6 = address.parse::<std::net::Ipv6Addr>().is_ok();
    match address.rsplit_once(':') {
        _ if bare_v6 => format!("[{address}]:{PORT}"),
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:{PORT}"),
    }
}

/// Only an address that cannot be reached is followed by the next: a host that refused has answered.
fn first(addresses: &[String], ask: impl Fn(TcpStream) -> anyhow::Result<Answer>) -> anyhow::Result<Answer> {
    let mut failures = Vec::new();
    for address in addresses {
        match connect(address) {
            Ok(stream) => {
                return match ask(stream)? {
                    Answer::Refused { reason, .. } => Err(anyhow!(reason)),
                    answer => Ok(answer),
                };
            }
            Err(error) => failures.push(format!("{address}: {error:#}")),
        }
    }
    bail!(
        "no host agent answers ({}): does `systole host-agent run` run there, and does its firewall let port {PORT} through?",
        failures.join("; ")
    )
}

fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let mut last = anyhow!("the name is not known");
    for found in address.to_socket_addrs().context("looking the name up")? {
        match TcpStream::connect_timeout(&found, CONNECT_TIME) {
            Ok(stream) => {
                watch(&stream).context("having the connection watched")?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// A host that is lost while it works gives no answer, and none is waited for much longer than a packet takes: a service
/// may take minutes, its host's kernel answers all the while.
fn watch(stream: &TcpStream) -> nix::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &SILENCE)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &SILENCE)?;
    setsockopt(stream, sockopt::TcpKeepCount, &QUESTIONS)?;
    setsockopt(stream, sockopt::TcpUserTimeout, &(SILENCE * QUESTIONS * 1000))
}

fn exchange(stream: TcpStream, fingerprint: Fingerprint, envelope: &Envelope) -> anyhow::Result<Answer> {
    talk(stream, Known::As(fingerprint), envelope)
}

fn talk(stream: TcpStream, known: Known, envelope: &Envelope) -> anyhow::Result<Answer> {
    let waits = matches!(envelope.call, Call::Unit { .. } | Call::Keepalived { .. });
    let time = if waits { UNIT_TIME } else { ANSWER_TIME };
    let provider = Arc::new(ring::default_provider());
    let pinned = Arc::new(Believer { known, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("setting TLS up")?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_no_client_auth();
    // The name is not what the host is known by, but TLS wants one.
    let name = ServerName::try_from("systole-host-agent").context("setting TLS up")?;
    let connection = ClientConnection::new(Arc::new(config), name).context("setting TLS up")?;
    let mut tls = StreamOwned::new(connection, Timed { stream, until: Instant::now() + time });
    let mut line = serde_json::to_vec(envelope).context("writing the call")?;
    line.push(b'\n');
    tls.write_all(&line).and_then(|()| tls.flush()).map_err(explain)?;
    let mut answer = Vec::new();
    BufReader::new(tls.take(MAX_LINE as u64 + 1)).read_until(b'\n', &mut answer).map_err(explain)?;
    ensure!(!answer.is_empty(), "the host closed the connection without an answer: it may be busy, try again");
    serde_json::from_slice(&answer).context("the host's answer is not understood: is its version of Systole the same?")
}

fn explain(error: std::io::Error) -> anyhow::Error {
    let other_certificate = "it shows another certificate than the one that is known: it was installed anew, or another \
                             host answers at its address. If it was installed anew, enroll it anew: `systole host auth`";
    match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => anyhow!("it did not answer in time"),
        _ if error.to_string().contains("ApplicationVerificationFailure") => anyhow!(other_certificate),
        _ => anyhow::Error::new(error).context("talking to it"),
    }
}

/// The certificate that is believed.
#[derive(Debug)]
enum Known {
    /// This one.
    As(Fingerprint),
    /// Whichever is shown; which that was is kept.
    Shown(Arc<OnceLock<Fingerprint>>),
}

/// Believes one certificate.
#[derive(Debug)]
struct Believer {
    known: Known,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Fingerprint::of(end_entity);
        let expected = match &self.known {
            Known::As(fingerprint) => fingerprint,
            Known::Shown(seen) => seen.get_or_init(|| shown),
        };
        if shown == *expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_the_port() {
        for (given, expected) in [
            ("node1", "node1:2224"),
            ("node1:99", "node1:99"),
            ("10.0.0.1", "10.0.0.1:2224"),
            ("fe80::1", "[fe80::1]:2224"),
            ("[fe80::1]:99", "[fe80::1]:99"),
        ] {
            assert_eq!(with_port(given), expected);
        }
    }
}
