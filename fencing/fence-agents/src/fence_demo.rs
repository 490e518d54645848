//! fence_demo: cuts off hosts that are namespaces of one machine, through a power server on a Unix socket.
//!
//! The server takes one line, `ACTION HOST`, and answers with one, `OK …` or `ERROR …`. It answers `off` only when the
//! host's processes are dead, as a real power switch waits for the outlet.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ocf::{ActionMetadata, Metadata, Parameter};

use crate::request::{Action, Request};
use crate::{Answer, FenceAgent};

/// How long the server may take for an answer, unless told: what fence agents give a power switch.
const POWER_TIMEOUT_S: &str = "20";
/// An answer is a line; the longest is a list of hosts.
const ANSWER_BYTES: u64 = 64 * 1024;

/// The agent.
pub struct FenceDemo;

impl FenceAgent for FenceDemo {
    fn metadata(&self) -> Metadata {
        let new = Parameter::new;
        let action = |name| ActionMetadata::new(name, "");
        Metadata {
            name: "fence_demo".into(),
            shortdesc: "Fence agent for the hosts of a demonstration".into(),
            longdesc: "fence_demo cuts off hosts that are namespaces of one machine, through the demonstration's power server. \
                       An off is done when every process of the host is dead."
                .into(),
            parameters: vec![
                new("action", "string", "Fencing action", "").default_value("reboot").required().getopt("-o, --action=[action]"),
                new("plug", "string", "Host to act on", "").getopt("-n, --plug=[id]"),
                new("port", "string", "Host to act on", "").deprecated().getopt("-n, --plug=[id]"),
                new("nodename", "string", "Host to act on, as the cluster names it", "").getopt("--nodename=[name]"),
                new("socket", "string", "Unix socket of the power server", "").required().getopt("--socket=[path]"),
                new("power_timeout", "second", "Time the power server has for an answer", "")
                    .default_value(POWER_TIMEOUT_S)
                    .getopt("--power-timeout=[seconds]"),
                new("power_wait", "second", "Time to wait after power was switched", "")
                    .default_value("0")
                    .getopt("--power-wait=[seconds]"),
                new("delay", "second", "Time to wait before a host is cut off", "").default_value("0").getopt("--delay=[seconds]"),
            ],
            actions: ["on", "off", "reboot", "status", "list", "monitor", "metadata", "validate-all"].map(action).to_vec(),
            ..Metadata::default()
        }
    }

    fn carry_out(&self, action: Action, request: &Request) -> Result<Answer, String> {
        let server = Server::of(request)?;
        let wait_ms = request.duration_ms("power_wait", 0)?;
        let delay_ms = request.duration_ms("delay", 0)?;
        let switch = |word: &str, host: &str| {
            server.ask(&format!("{word} {host}"))?;
            thread::sleep(Duration::from_millis(wait_ms));
            Ok::<_, String>(Answer::Done)
        };
        let cut_off = || {
            let host = request.host()?;
            thread::sleep(Duration::from_millis(delay_ms));
            switch("off", host)
        };
        match action {
            Action::Off => cut_off(),
            Action::On => switch("on", request.host()?),
            Action::Reboot => {
                cut_off()?;
                // The host is dead, which is what the cluster waits for; that it does not come back is only a pity.
                if let Err(message) = switch("on", request.host()?) {
                    eprintln!("WARNING: the host was cut off, but is not on again: {message}");
                }
                Ok(Answer::Done)
            }
            Action::Status => match server.ask(&format!("status {}", request.host()?))?.to_ascii_lowercase().as_str() {
                "on" => Ok(Answer::Power(true)),
                "off" => Ok(Answer::Power(false)),
                other => Err(format!("the power server says that the host is {other:?}; expected on or off")),
            },
            Action::List => {
                let hosts = server.ask("list")?;
                Ok(Answer::Hosts(hosts.split_ascii_whitespace().map(str::to_owned).collect()))
            }
            Action::Monitor => server.ask("list").map(|_| Answer::Done),
            Action::ValidateAll | Action::Metadata => Ok(Answer::Done),
        }
    }
}

struct Server {
    socket: String,
    timeout: Duration,
}

impl Server {
    fn of(request: &Request) -> Result<Server, String> {
        let socket = request.get("socket").ok_or("no socket is named; set socket to that of the power server")?;
        let default = ocf::duration_ms(POWER_TIMEOUT_S).expect("our own default is a time");
        let timeout = Duration::from_millis(request.duration_ms("power_timeout", default)?);
        Ok(Server { socket: socket.to_owned(), timeout })
    }

    /// Asks and waits for the answer, in all no longer than the timeout; returns what follows `OK`.
    fn ask(&self, question: &str) -> Result<String, String> {
        let about = |what: String| format!("asking the power server at {} to {question:?}: {what}", self.socket);
        let (send, receive) = mpsc::channel();
        let (socket, line, until) = (self.socket.clone(), format!("{question}\n"), Instant::now() + self.timeout);
        // In a thread of its own: even connecting may block, when the server does not accept.
        thread::spawn(move || drop(send.send(exchange(&socket, &line))));
        let answer = match receive.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(about(error.to_string())),
            Err(_) => return Err(about(format!("no answer in {:?}", self.timeout))),
        };
        match answer.trim().split_once(' ').unwrap_or((answer.trim(), "")) {
            ("OK", rest) => Ok(rest.trim().to_owned()),
            ("ERROR", rest) => Err(about(rest.to_owned())),
            _ => Err(about(format!("it answered {:?}; expected OK or ERROR", answer.trim()))),
        }
    }
}

fn exchange(socket: &str, line: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut answer)?;
    Ok(answer)
}
