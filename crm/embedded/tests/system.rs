//! Hub and clients over a real socket in a temporary directory.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use embedded::frame::{Decoder, PROTOCOL, ToClient, ToHub};
use embedded::{Client, Config, Identity, Reply, Request, SocketPath};
use engine::{Engine, Event, Host, Membership, NodeId, SendError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long anything here may take before a test fails; all of it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

struct Cluster {
    directory: tempfile::TempDir,
    hub: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Cluster {
    fn start(config: Config) -> Cluster {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (hub, stop) = start_hub(&socket(&directory), config);
        Cluster { directory, hub, stop }
    }

    fn socket(&self) -> SocketPath {
        socket(&self.directory)
    }

    fn client(&self, id: u32) -> Client {
        Client::connect(self.socket(), identity(id))
    }

    async fn ask(&self, request: &str) -> Reply {
        let (socket, request) = (self.socket(), request.parse::<Request>().expect("a request"));
        let asked = tokio::task::spawn_blocking(move || embedded::control(&socket, &request));
        asked.await.expect("no panic").expect("the hub answers")
    }

    async fn stop_hub(self) -> tempfile::TempDir {
        self.stop.send(()).expect("the hub runs");
        timeout(PATIENCE, self.hub).await.expect("in time").expect("no panic");
        self.directory
    }
}

fn start_hub(socket: &SocketPath, config: Config) -> (JoinHandle<()>, oneshot::Sender<()>) {
    let listening = embedded::listen(socket).expect("the hub listens");
    let (stop, stopped) = oneshot::channel();
    let hub = tokio::spawn(async move {
        let shutdown = async { stopped.await.expect("told to stop") };
        embedded::serve(listening, &config, shutdown).await.expect("the hub runs");
    });
    (hub, stop)
}

fn socket(directory: &tempfile::TempDir) -> SocketPath {
    directory.path().join("hub").to_str().expect("a name").parse().expect("a path")
}

fn token(ms: u64) -> Config {
    Config::new(Duration::from_millis(ms), None).expect("a configuration")
}

fn identity(id: u32) -> Identity {
    Identity::new(NodeId(id), &format!("node{id}"), 1).expect("a node")
}

async fn event(client: &mut Client) -> Event {
    timeout(PATIENCE, client.event()).await.expect("an event in time")
}

/// The next membership of these members, passing over whatever comes before.
async fn members(client: &mut Client, ids: &[u32]) -> Membership {
    loop {
        if let Event::Membership(membership) = event(client).await
            && membership.members.iter().map(|member| member.id.0).eq(ids.iter().copied())
        {
            return membership;
        }
    }
}

async fn lost(client: &mut Client) -> String {
    loop {
        if let Event::Lost { reason } = event(client).await {
            return reason;
        }
    }
}

async fn three(cluster: &Cluster) -> [Client; 3] {
    let mut clients = [cluster.client(1), cluster.client(2), cluster.client(3)];
    for client in &mut clients {
        let membership = members(client, &[1, 2, 3]).await;
        assert!(membership.quorate && membership.votes == 3 && membership.hosts.len() == 3);
    }
    clients
}

/// Sends, waiting while the engine is busy. Events that come meanwhile are kept for later.
async fn send(client: &mut Client, payload: Vec<u8>, events: &mut Vec<Event>) {
    loop {
        match client.send(payload.clone()) {
            Ok(()) => return,
            Err(SendError::Busy) => events.push(event(client).await),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn three_clients_hear_all_messages_in_one_order() {
    let cluster = Cluster::start(Config::default());
    let clients = three(&cluster).await;
    const EACH: usize = 200;
    let talks = clients.map(|mut client| {
        tokio::spawn(async move {
            let mut events = Vec::new();
            for number in 0..EACH {
                // Long ones among them, so that frames come in pieces and queues fill.
                let mut payload = vec![0; if number % 20 == 0 { 300_000 } else { 10 }];
                payload[..8].copy_from_slice(&number.to_le_bytes());
                send(&mut client, payload, &mut events).await;
            }
            while events.iter().filter(|event| matches!(event, Event::Delivered { .. })).count() < 3 * EACH {
                events.push(event(&mut client).await);
            }
            (client, events)
        })
    });
    let mut histories = Vec::new();
    let mut clients = Vec::new();
    for talk in talks {
        let (client, events) = timeout(PATIENCE, talk).await.expect("in time").expect("no panic");
        clients.push(client);
        histories.push(events);
    }
    assert!(histories[0] == histories[1] && histories[1] == histories[2], "one order for all");
    for id in 1..=3 {
        let numbers = histories[0].iter().filter_map(|event| match event {
            Event::Delivered { from, payload } if from.0 == id => Some(payload[..8].to_vec()),
            _ => None,
        });
        assert!(numbers.eq((0..EACH).map(|number| number.to_le_bytes().to_vec())), "each sender's order is kept");
    }
    cluster.stop_hub().await;
}

#[tokio::test]
async fn a_partition_splits_and_healing_joins() {
    let cluster = Cluster::start(Config::default());
    let [mut one, mut two, mut three] = three(&cluster).await;
    assert_eq!(cluster.ask("partition 1,2|3").await, Reply::Done);
    assert!(members(&mut one, &[1, 2]).await.quorate);
    assert!(members(&mut two, &[1, 2]).await.quorate);
    assert!(!members(&mut three, &[3]).await.quorate);
    three.send(b"alone".to_vec()).expect("taken");
    assert_eq!(event(&mut three).await, Event::Delivered { from: NodeId(3), payload: b"alone".to_vec() });
    assert_eq!(cluster.ask("heal").await, Reply::Done);
    let healed = members(&mut one, &[1, 2, 3]).await;
    assert_eq!(healed, members(&mut three, &[1, 2, 3]).await);
    assert!(healed.eldest().is_some() && healed.quorate);
    assert_eq!(healed, members(&mut two, &[1, 2, 3]).await);
    two.send(b"together".to_vec()).expect("taken");
    for client in [&mut one, &mut two, &mut three] {
        assert_eq!(event(client).await, Event::Delivered { from: NodeId(2), payload: b"together".to_vec() });
    }
    cluster.stop_hub().await;
}

#[tokio::test]
async fn a_daemon_leaves_its_host_behind_and_its_last_words_are_heard() {
    let cluster = Cluster::start(Config::default());
    let [mut one, mut two, three] = three(&cluster).await;
    let (path, who) = (cluster.socket(), identity(2));
    let presence = tokio::task::spawn_blocking(move || embedded::presence(&path, &who));
    let mut presence = presence.await.expect("no panic").expect("the presence is held");
    assert!(presence.is_held());
    two.send(b"farewell".to_vec()).expect("taken");
    two.leave().await;
    assert_eq!(event(&mut one).await, Event::Delivered { from: NodeId(2), payload: b"farewell".to_vec() });
    let membership = members(&mut one, &[1, 3]).await;
    assert!(membership.has_host(NodeId(2)) && membership.votes == 3);
    drop(presence);
    let Event::Membership(membership) = event(&mut one).await else { panic!("a membership was due") };
    assert!(!membership.has_host(NodeId(2)) && membership.votes == 2);
    drop(three);
    assert!(!members(&mut one, &[1]).await.quorate);
    cluster.stop_hub().await;
}

#[tokio::test]
async fn a_hub_that_comes_back_finds_its_clients_again() {
    let cluster = Cluster::start(Config::default());
    let [mut one, two, three] = three(&cluster).await;
    drop((two, three));
    let before = members(&mut one, &[1]).await;
    one.send(b"in time".to_vec()).expect("taken");
    let directory = cluster.stop_hub().await;
    assert!(!socket(&directory).as_ref().exists(), "the socket is removed");
    assert!(lost(&mut one).await.contains("closed the connection"));
    assert_eq!(one.send(b"too late".to_vec()), Err(SendError::Lost));
    assert!(lost(&mut one).await.contains("connecting to the hub"), "why it is still away is told");
    let (hub, stop) = start_hub(&socket(&directory), Config::default());
    let after = members(&mut one, &[1]).await;
    assert!(after.number > before.number, "numbers grow over a restart of the hub");
    one.send(b"again".to_vec()).expect("taken");
    assert_eq!(event(&mut one).await, Event::Delivered { from: NodeId(1), payload: b"again".to_vec() });
    drop(stop);
    hub.abort();
}

#[tokio::test]
async fn who_is_refused_is_told_why_and_comes_in_when_the_reason_is_gone() {
    let cluster = Cluster::start(Config::default());
    let mut first = cluster.client(1);
    members(&mut first, &[1]).await;
    let mut second = cluster.client(1);
    assert!(lost(&mut second).await.contains("has a daemon here already"));
    first.leave().await;
    members(&mut second, &[1]).await;
    cluster.stop_hub().await;
}

/// A client that was welcomed and then does nothing by itself.
fn raw_member(socket: &SocketPath, id: u32) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("connected");
    let host = Host { id: NodeId(id), name: format!("node{id}") };
    stream.write_all(&ToHub::Member { protocol: PROTOCOL, host, votes: 1 }.encode()).expect("written");
    stream
}

/// All that a connection says until it ends.
async fn last_frame(mut stream: UnixStream) -> Option<ToClient> {
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // The end may be a reset, when the hub had not read all we said; what it said before is there all the same.
        let _ = stream.read_to_end(&mut bytes);
        bytes
    });
    let mut decoder = Decoder::default();
    decoder.feed(&read.await.expect("no panic"));
    let mut last = None;
    while let Ok(Some(frame)) = decoder.take(ToClient::decode) {
        last = Some(frame);
    }
    last
}

#[tokio::test]
async fn a_member_that_hangs_is_taken_out_and_told() {
    let cluster = Cluster::start(token(200));
    let mut one = cluster.client(1);
    members(&mut one, &[1]).await;
    let hanging = raw_member(&cluster.socket(), 2);
    members(&mut one, &[1, 2]).await;
    let membership = members(&mut one, &[1]).await;
    assert!(!membership.has_host(NodeId(2)));
    assert!(matches!(last_frame(hanging).await, Some(ToClient::Removed { reason }) if reason.contains("not heard")));
    cluster.stop_hub().await;
}

#[tokio::test]
async fn a_member_that_does_not_read_is_taken_out_and_the_others_lose_nothing() {
    let cluster = Cluster::start(token(300));
    let mut one = cluster.client(1);
    members(&mut one, &[1]).await;
    let deaf = raw_member(&cluster.socket(), 2);
    members(&mut one, &[1, 2]).await;
    // It answers pings, as a process that is stuck in one thread only might; but it never reads.
    let mut answering = deaf.try_clone().expect("a second handle");
    let answers = std::thread::spawn(move || {
        while answering.write_all(&ToHub::Pong.encode()).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let mut events = Vec::new();
    let mut sent = 0;
    while !events.iter().any(|event| matches!(event, Event::Membership(_))) {
        send(&mut one, vec![7; 100_000], &mut events).await;
        sent += 1;
        assert!(sent < 100_000, "the deaf member is never taken out");
        tokio::task::yield_now().await;
        while let Ok(event) = timeout(Duration::ZERO, one.event()).await {
            events.push(event);
        }
    }
    while events.iter().filter(|event| matches!(event, Event::Delivered { .. })).count() < sent {
        events.push(event(&mut one).await);
    }
    assert!(!events.iter().any(|event| matches!(event, Event::Lost { .. })));
    tokio::task::spawn_blocking(move || answers.join()).await.expect("no panic").expect("the deaf one was cut off");
    cluster.stop_hub().await;
}

#[tokio::test]
async fn garbage_costs_only_its_own_connection() {
    let cluster = Cluster::start(Config::default());
    let mut one = cluster.client(1);
    members(&mut one, &[1]).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 0], &[1, 0, 0, 0, 99], &[255; 100]] {
        let mut stream = UnixStream::connect(cluster.socket()).expect("connected");
        stream.write_all(garbage).expect("written");
        assert_eq!(last_frame(stream).await, None, "it is closed without a word");
    }
    one.send(b"still here".to_vec()).expect("taken");
    assert_eq!(event(&mut one).await, Event::Delivered { from: NodeId(1), payload: b"still here".to_vec() });
    cluster.stop_hub().await;
}

#[tokio::test]
async fn what_is_too_long_is_not_taken() {
    let cluster = Cluster::start(Config::default());
    let mut one = cluster.client(1);
    assert_eq!(one.send(vec![]), Err(SendError::Lost), "nothing can be sent before the first membership");
    members(&mut one, &[1]).await;
    assert_eq!(one.send(vec![0; engine::MAX_PAYLOAD + 1]), Err(SendError::TooLong(engine::MAX_PAYLOAD + 1)));
    one.send(vec![3; engine::MAX_PAYLOAD]).expect("taken");
    assert_eq!(event(&mut one).await, Event::Delivered { from: NodeId(1), payload: vec![3; engine::MAX_PAYLOAD] });
    cluster.stop_hub().await;
}

#[tokio::test]
async fn an_operator_is_answered() {
    let cluster = Cluster::start(Config::new(Duration::from_secs(1), Some(3)).expect("a configuration"));
    let mut one = cluster.client(1);
    members(&mut one, &[1]).await;
    let Reply::Status(status) = cluster.ask("status").await else { panic!("a status was asked for") };
    assert_eq!(status.to_string(), "expected votes: 3\nnode 1 node1: member since 1, votes 1, side 0, no quorum\n");
    assert_eq!(cluster.ask("expected-votes 1").await, Reply::Done);
    assert!(members(&mut one, &[1]).await.quorate);
    assert_eq!(cluster.ask("stop").await, Reply::Done);
    lost(&mut one).await;
    let socket = cluster.socket();
    timeout(PATIENCE, cluster.hub).await.expect("in time").expect("no panic");
    assert!(!socket.as_ref().exists());
    let error = embedded::control(&socket, &Request::Status).expect_err("nobody listens");
    assert!(error.to_string().contains("systoled hub --socket"), "{error}");
}
