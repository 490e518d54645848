//! The service on a real port: who is let in, and what others can do to it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use host_agent::hosts::JoinToken;
use host_agent::tokens::Tokens;
use host_agent::{Host, Identity, Paths, about, client, server};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use wire::host::{Answer, Call, Content, HostFile, NewFile, Whole};

struct Service {
    address: SocketAddr,
    paths: Paths,
    join: JoinToken,
    folder: tempfile::TempDir,
}

/// Serves on a free port of the loopback until the test's process ends.
fn service(limits: server::Limits) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let paths =
        Paths { state: folder.path().join("state"), corosync: folder.path().join("corosync"), memory: Vec::new() };
    std::fs::create_dir(&paths.corosync).unwrap();
    let identity = Identity::load_or_make(&paths).unwrap();
    let join = JoinToken::new(identity.fingerprint()).unwrap();
    let until = about::clock() / 1000 + 60;
    Tokens::change(&paths, |tokens| tokens.add_join(&join.secret, until)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = paths.clone();
    std::thread::spawn(move || server::serve(&listener, &served, identity, limits));
    Service { address, paths, join, folder }
}

impl Service {
    fn enroll(&self) -> Host {
        client::enroll(&[self.address.to_string()], &self.join, "tester").unwrap()
    }
}

fn told(result: anyhow::Result<Answer>) -> String {
    format!("{:#}", result.unwrap_err())
}

#[test]
fn a_token_lets_in_once_and_until_it_is_revoked() {
    let service = service(server::Limits::default());
    let host = service.enroll();
    let again = client::enroll(&[service.address.to_string()], &service.join, "other").unwrap_err();
    assert!(again.to_string().contains("not known on that host"), "{again:#}");
    let Answer::About(about) = client::call(&host, &Call::About).unwrap() else { panic!("about") };
    assert_eq!(about.host, host.name);

    let key = NewFile { file: HostFile::Authkey, content: Some(Content(vec![7; 128])) };
    for call in [
        Call::Stage { operation: "one".into(), files: vec![key], whole: Whole::default() },
        Call::Activate { operation: "one".into() },
        Call::Settle { operation: "one".into() },
    ] {
        assert_eq!(client::call(&host, &call).unwrap(), Answer::Done);
    }
    let read = client::call(&host, &Call::Read { file: HostFile::Authkey }).unwrap();
    assert_eq!(read, Answer::File { content: Some(Content(vec![7; 128])) });

    Tokens::change(&service.paths, |tokens| tokens.revoke("tester")).unwrap();
    assert!(told(client::call(&host, &Call::About)).contains("was revoked"));
    let stranger = Host { access: "guess".into(), ..host };
    for _ in 0..5 {
        let said = told(client::call(&stranger, &Call::About));
        if said.contains("too many wrong tokens") {
            return;
        }
        assert!(said.contains("not known on that host"), "{said}");
    }
    assert!(told(client::call(&stranger, &Call::About)).contains("too many wrong tokens"));
}

#[test]
fn another_certificate_is_not_believed() {
    let service = service(server::Limits::default());
    let host = service.enroll();
    let other = tempfile::tempdir().unwrap();
    let other = Paths { state: other.path().join("state"), ..Paths::default() };
    let fingerprint = Identity::load_or_make(&other).unwrap().fingerprint();
    let said = told(client::call(&Host { fingerprint, ..host }, &Call::About));
    assert!(said.contains("another certificate"), "{said}");
}

#[test]
fn tricks_with_names_and_paths_lead_nowhere() {
    let service = service(server::Limits::default());
    let host = service.enroll();
    let before = std::fs::read_dir(service.folder.path()).unwrap().count();
    for operation in ["../../../etc/x", "", "a/b", &"x".repeat(1000)] {
        let said = told(client::call(
            &host,
            &Call::Stage { operation: operation.into(), files: Vec::new(), whole: Whole::default() },
        ));
        assert!(said.contains("an operation's name is"), "{said}");
    }
    assert_eq!(std::fs::read_dir(service.folder.path()).unwrap().count(), before);
    // A file that is not on the list is no call at all.
    let said = raw(&service, br#"{"protocol":1,"access":"x","call":{"Read":{"file":"/etc/shadow"}}}"#);
    assert!(said.contains("no call was understood"), "{said}");
}

#[test]
fn garbage_huge_calls_and_newer_protocols_are_refused() {
    let service = service(server::Limits::default());
    let mut huge = b"{\"protocol\":1,\"access\":\"".to_vec();
    huge.resize(3 << 20, b'x');
    for (sent, expected) in [
        (b"GET / HTTP/1.1\r\n".as_slice(), "no call was understood"),
        (b"\xff\xfe\x00", "no call was understood"),
        (br#"{"protocol":99,"call":"About"}"#, "upgrade Systole here"),
        (br#"{"protocol":1,"call":"About"}"#, "not known on that host"),
    ] {
        let said = raw(&service, sent);
        assert!(said.contains(expected), "{said}");
    }
    // The sender may be cut off while it still sends.
    let said = raw(&service, &huge);
    assert!(said.is_empty() || said.contains("more than"), "{said}");
    // Not TLS at all.
    let mut plain = TcpStream::connect(service.address).unwrap();
    plain.write_all(b"{\"protocol\":1,\"call\":\"About\"}\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("About"), "no answer in the clear");
    service.enroll();
}

#[test]
fn callers_that_say_nothing_take_no_place_for_ever_and_others_get_in() {
    let limits = server::Limits { request: Duration::from_millis(300), ..server::Limits::default() };
    let service = service(limits);
    let silent: Vec<TcpStream> = (0..1000).filter_map(|_| TcpStream::connect(service.address).ok()).collect();
    assert!(silent.len() > 500, "connections were made");
    // Those beyond the bound were closed at once, the others are when their time is over: then there is a place.
    let address = [service.address.to_string()];
    let mut tries = 0;
    while client::enroll(&address, &service.join, "tester").is_err() {
        tries += 1;
        assert!(tries < 200, "nobody gets in any more");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A byte now and then is no call: its time is over whatever still comes.
#[test]
fn a_call_that_trickles_in_is_cut_off() {
    let limits = server::Limits { request: Duration::from_millis(300), ..server::Limits::default() };
    let service = service(limits);
    let mut tls = anyones(&service);
    let mut sent = 0;
    while tls.write_all(b"{").and_then(|()| tls.flush()).is_ok() {
        sent += 1;
        assert!(sent < 1000, "it is listened to for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut answer = Vec::new();
    // The connection may be reset before its last words are read.
    let _ = tls.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("About"), "no answer to no call");
    service.enroll();
}

/// Sends bytes over TLS without looking at the certificate, and gives what comes back.
fn raw(service: &Service, bytes: &[u8]) -> String {
    let mut tls = anyones(service);
    // Either side may close in the middle; what was answered is what counts.
    let _ = tls.write_all(bytes).and_then(|()| tls.write_all(b"\n")).and_then(|()| tls.flush());
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A connection to a service whose certificate is not looked at.
fn anyones(service: &Service) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("anyone").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(service.address).unwrap())
}

/// Believes every certificate: these tests are about the other side.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
