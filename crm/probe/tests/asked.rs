//! Questions that are really asked: of an NFS server, of what is none, of a lock that nobody holds.

use std::net::SocketAddr;
use std::time::Duration;

use probe::{Event, Pace, Target, ask};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Answers every connection with these bytes, once it has read a whole question.
async fn server(says: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut question = [0; 44];
            if connection.read_exact(&mut question).await.is_ok() {
                // Who asked may have gone.
                let _ = connection.write_all(says).await;
            }
        }
    });
    address
}

/// What came of the first question to a target.
async fn first(target: Target) -> Event {
    let (tell, mut heard) = mpsc::channel(64);
    // Long enough for any machine: nothing here waits for its end.
    let pace = Pace { every: Duration::from_millis(20), patience: Duration::from_secs(600) };
    let asking = tokio::spawn(ask(7, target, pace, tell));
    loop {
        match heard.recv().await.expect("it is asked on and on") {
            (7, _, Event::Asked) => {}
            (7, at_us, event) => {
                assert!(at_us > 0);
                asking.abort();
                return event;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_nfs_server_and_what_is_none() {
    // A last fragment of 24 bytes: the mark, an answer, accepted, nobody's verifier, done.
    let good = server(b"\x80\0\0\x18SYST\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").await;
    assert_eq!(first(Target::Nfs(good)).await, Event::Answered);
    assert_eq!(first(Target::Tcp(good)).await, Event::Answered, "a connection is enough");
    let web = server(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(matches!(first(Target::Nfs(web)).await, Event::Failed(why) if why.contains("no NFS server")));
    assert_eq!(first(Target::Tcp(web)).await, Event::Answered);
}

#[tokio::test]
async fn nobody_listens() {
    // Bound and not listening: it refuses, and nobody else gets the port.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    assert!(matches!(first(Target::Tcp(address)).await, Event::Failed(why) if why.contains("refused")));
}

#[tokio::test]
async fn a_lock_that_nobody_holds_is_lost() {
    let file = std::env::temp_dir().join(format!("probe-lock-{}", std::process::id()));
    std::fs::write(&file, "").unwrap();
    assert_eq!(first(Target::Lock(file.clone())).await, Event::Lost);
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(first(Target::Lock(file)).await, Event::Failed(_)), "there is no such file");
}
