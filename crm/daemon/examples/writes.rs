//! Writes per second and how long each takes: three real daemons on this machine over the embedded engine, each with a disk
//! of its own, with and without resources configured.
//!
//! ```text
//! cargo build -p daemon --bins && cargo run -p daemon --example writes -- [--resources N]... [--seconds N] [--directory DIR] [--socket PATH --node NAME]
//! ```
//!
//! With `--socket` it writes to a cluster that is there, such as one on Corosync, in place of its own: attributes of the
//! node that `--node` names.
//!
//! Every write changes the configuration and is acknowledged once two of the three disks hold it. `one` is one open
//! connection that writes when its last write is acknowledged, `many` are 32 of them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use wire::request::{from_line, to_line};
use wire::write::{AuthorForm, WriteForm};
use wire::{Reply, Request};

/// Connections that write at the same time.
const MANY: usize = 32;
/// How long the cluster may take to come up.
const START: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Options {
    /// How many resources are configured; several give a line each [default: 0 and 300]
    #[arg(long)]
    resources: Vec<usize>,
    /// How long each kind of client writes
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Where the daemons keep their state [default: a temporary directory]
    #[arg(long)]
    directory: Option<PathBuf>,
    /// The socket of a daemon of a cluster that is there
    #[arg(long)]
    socket: Option<PathBuf>,
    /// The node whose attributes are written
    #[arg(long, default_value = "n1")]
    node: String,
}

/// Daemons that end with the measurement.
struct Cluster {
    children: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let resources = if options.resources.is_empty() { vec![0, 300] } else { options.resources.clone() };
    println!("resources  clients  writes/s   p50 ms   p99 ms");
    if let Some(socket) = &options.socket {
        return report("?", socket, &options);
    }
    for count in resources {
        let scratch = tempfile::tempdir().context("making a directory")?;
        let directory =
            options.directory.clone().unwrap_or_else(|| scratch.path().to_owned()).join(format!("r{count}"));
        std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let _cluster = start(&directory, count)?;
        report(&count.to_string(), &directory.join("n2.sock"), &options)?;
    }
    Ok(())
}

fn report(count: &str, socket: &Path, options: &Options) -> anyhow::Result<()> {
    for (name, clients) in [("one", 1), ("many", MANY)] {
        let mut times = measure(socket, &options.node, clients, Duration::from_secs(options.seconds))?;
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
        let rate = times.len() as f64 / options.seconds as f64;
        println!("{count:>9}  {name:>7}  {rate:>8.0}  {:>7.2}  {:>7.2}", at(50), at(99));
    }
    Ok(())
}

fn start(directory: &Path, resources: usize) -> anyhow::Result<Cluster> {
    let program = std::env::current_exe()?;
    let program = program.parent().and_then(Path::parent).context("looking for systoled")?.join("systoled");
    let mut cluster = Cluster { children: Vec::new() };
    let mut spawn = |arguments: &[String]| -> anyhow::Result<()> {
        let child = Command::new(&program).args(arguments).stderr(Stdio::null()).spawn();
        cluster.children.push(child.with_context(|| format!("starting {}; build it first", program.display()))?);
        Ok(())
    };
    let cib = directory.join("cib.xml");
    std::fs::write(&cib, configuration(resources))?;
    let path = |name: &str| directory.join(name).display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    spawn(&words(&["hub", "--socket", &path("hub.sock"), "--expected-votes", "3"]))?;
    for id in ["1", "2", "3"] {
        spawn(&words(&[
            "run",
            "--name",
            &format!("n{id}"),
            "--id",
            id,
            "--cib",
            &path("cib.xml"),
            "--engine",
            &path("hub.sock"),
            "--state",
            &path(&format!("state{id}")),
            "--socket",
            &path(&format!("n{id}.sock")),
        ]))?;
    }
    let begun = Instant::now();
    while begun.elapsed() < START {
        std::thread::sleep(Duration::from_millis(200));
        let Ok(mut client) = Client::connect(&directory.join("n2.sock")) else { continue };
        if let Reply::Status(status) = client.ask(&Request::Status)?
            && status.members.len() == 3
            && status.synced
            && client.write(0).is_ok()
        {
            return Ok(cluster);
        }
    }
    bail!("the cluster did not come up within {} s", START.as_secs())
}

fn configuration(resources: usize) -> String {
    let primitive = |n: usize| {
        format!(
            "<primitive id=\"r{n}\" class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\"><operations>\
             <op id=\"r{n}-m\" name=\"monitor\" interval=\"10s\" timeout=\"20s\"/></operations></primitive>"
        )
    };
    let primitives: String = (0..resources).map(primitive).collect();
    format!(
        "<cib validate-with=\"pacemaker-3.7\"><configuration><crm_config><cluster_property_set id=\"o\">\
         <nvpair id=\"o-f\" name=\"stonith-enabled\" value=\"false\"/>\
         <nvpair id=\"o-p\" name=\"enable-startup-probes\" value=\"false\"/></cluster_property_set></crm_config><nodes/>\
         <resources>{primitives}</resources><constraints/><rsc_defaults><meta_attributes id=\"d\">\
         <nvpair id=\"d-r\" name=\"target-role\" value=\"Stopped\"/></meta_attributes></rsc_defaults></configuration><status/></cib>"
    )
}

/// How long each write took.
fn measure(socket: &Path, node: &str, clients: usize, length: Duration) -> anyhow::Result<Vec<Duration>> {
    let threads: Vec<_> = (0..clients)
        .map(|number| {
            let (socket, node) = (socket.to_owned(), node.to_owned());
            std::thread::spawn(move || -> anyhow::Result<Vec<Duration>> {
                let mut client = Client::connect(&socket)?;
                client.name = format!("bench-{number}");
                client.node = node;
                let (begun, mut times) = (Instant::now(), Vec::new());
                while begun.elapsed() < length {
                    let at = Instant::now();
                    client.write(times.len())?;
                    times.push(at.elapsed());
                }
                Ok(times)
            })
        })
        .collect();
    let mut all = Vec::new();
    for thread in threads {
        all.extend(thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
    }
    Ok(all)
}

struct Client {
    stream: BufReader<UnixStream>,
    node: String,
    name: String,
}

impl Client {
    fn connect(socket: &Path) -> anyhow::Result<Client> {
        Ok(Client { stream: BufReader::new(UnixStream::connect(socket)?), node: "n1".into(), name: "bench".into() })
    }

    fn ask(&mut self, request: &Request) -> anyhow::Result<Reply> {
        self.stream.get_mut().write_all(to_line(request).as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        from_line(&line).map_err(anyhow::Error::msg)
    }

    fn write(&mut self, number: usize) -> anyhow::Result<()> {
        let write = WriteForm::Attribute {
            node: self.node.clone(),
            permanent: true,
            name: self.name.clone(),
            value: Some(number.to_string()),
            author: AuthorForm { user: "bench".into(), host: "here".into(), command: "writes".into(), at: 1 },
        };
        match self.ask(&Request::Write { write, force: false })? {
            Reply::Written { .. } => Ok(()),
            other => bail!("expected that it is written, found {other:?}"),
        }
    }
}
