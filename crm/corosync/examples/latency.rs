//! Measures on this node's Corosync: how long a message takes to come back, and how fast many go through.
//!
//! `latency [COUNT] [BYTES]`; with several nodes start it on one, and `latency 0` on the others to have members there.

use std::time::{Duration, Instant};

use corosync::{Client, find};
use engine::{Engine as _, Event, SendError};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let found = find()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = Client::connect(&found, "latency")?;
        let begun = Instant::now();
        loop {
            match client.event().await {
                Event::Membership(view) => {
                    let took = begun.elapsed();
                    println!(
                        "{took:?}: {} members, {} hosts, quorate: {}",
                        view.members.len(),
                        view.hosts.len(),
                        view.quorate
                    );
                    if count > 0 {
                        break;
                    }
                }
                Event::Lost { reason } => println!("lost: {reason}"),
                Event::Delivered { .. } => {}
            }
        }
        let mut took: Vec<Duration> = Vec::with_capacity(count);
        for _ in 0..count {
            let sent = Instant::now();
            client.send(vec![7; bytes])?;
            returned(&mut client).await;
            took.push(sent.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        took.sort();
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
        println!("{bytes} bytes, one after the other: p50 {:?} p90 {:?} p99 {:?}", at(0.5), at(0.9), at(0.99));

        let (begun, mut sent, mut back) = (Instant::now(), 0, 0);
        while back < count {
            while sent < count {
                match client.send(vec![7; bytes]) {
                    Ok(()) => sent += 1,
                    Err(SendError::Busy) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            returned(&mut client).await;
            back += 1;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let (rate, megabytes) = (count as f64 / seconds, (count * bytes) as f64 / seconds / 1e6);
        println!("{bytes} bytes, as many as go: {rate:.0} a second, {megabytes:.1} MB/s");
        client.leave().await;
        Ok(())
    })
}

async fn returned(client: &mut Client) {
    let me = client.me().id;
    loop {
        match client.event().await {
            Event::Delivered { from, .. } if from == me => return,
            Event::Lost { reason } => println!("lost: {reason}"),
            _ => {}
        }
    }
}
