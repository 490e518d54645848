//! What is asked of a host from afar, and what its host agent answers: one [`Envelope`] and one [`Answer`] a
//! connection, each a line of JSON of at most [`MAX_LINE`] bytes. There is nothing to ask for but what [`Call`] lists.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The protocol that this build speaks. A host agent refuses a newer one.
pub const PROTOCOL: u32 = 1;
/// The longest line that either side reads: a corosync.conf of sixteen nodes has two thousand bytes.
pub const MAX_LINE: usize = 1 << 20;
/// The port that host agents listen on unless told otherwise: that of pcsd, which firewalls already let through.
pub const PORT: u16 = 2224;

/// A call with the right to make it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// The sender's [`PROTOCOL`].
    pub protocol: u32,
    /// The access token; every call but [`Call::Enroll`] and [`Call::Login`] needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// What is asked.
    pub call: Call,
}

/// What can be asked of a host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Call {
    /// Trade a join token, which works once, for an access token: [`Answer::Enrolled`].
    Enroll {
        /// The join token, as it was printed on that host.
        token: String,
        /// Who asks, for the list of those who may.
        by: String,
    },
    /// Give a user's name and password for an access token, as pcs does: [`Answer::Enrolled`].
    Login {
        /// The user, whom that host knows.
        user: String,
        /// His password.
        password: Secret,
        /// Who asks, for the list of those who may.
        by: String,
    },
    /// What the host is like: [`Answer::About`].
    About,
    /// Lay files beside those in force, and check them there. What was laid before is dropped, unless it is in force.
    Stage {
        /// The operation that this belongs to.
        operation: String,
        /// The files.
        files: Vec<NewFile>,
        /// What the operation is on all hosts together.
        #[serde(default)]
        whole: Whole,
    },
    /// Put in force what [`Call::Stage`] laid, each file at once; what was in force is kept. Again is no error.
    Activate {
        /// The operation.
        operation: String,
    },
    /// Put back what was in force before the operation, or drop what was laid. Again is no error.
    Undo {
        /// The operation.
        operation: String,
    },
    /// The operation is over: what was in force before it is only a dated backup now. Again is no error.
    Settle {
        /// The operation.
        operation: String,
    },
    /// A file as it is: [`Answer::File`].
    Read {
        /// Which.
        file: HostFile,
    },
    /// Start, stop, enable or disable a service; answered when it is done.
    Unit {
        /// Which.
        unit: Unit,
        /// What.
        act: UnitAct,
    },
    /// Let Corosync read its file again, on all nodes.
    Reload,
    /// On QNetd's host: make its certificates, unless it has them.
    QnetdSetup,
    /// On QNetd's host: the certificate of its authority, [`Answer::File`]; nothing before [`Call::QnetdSetup`].
    QnetdAuthority,
    /// On QNetd's host: sign a cluster's request; [`Answer::File`] with the certificate.
    QnetdSign {
        /// The cluster's name.
        cluster: String,
        /// What [`Call::QdeviceRequest`] gave.
        request: Content,
    },
    /// On a node: make a key for a quorum device, beside those in force; [`Answer::File`] with the request to sign.
    QdeviceRequest {
        /// The cluster's name.
        cluster: String,
        /// The certificate of QNetd's authority.
        authority: Content,
    },
    /// On the same node: what all nodes need to talk to QNetd, [`Answer::File`] with [`HostFile::QdeviceKeys`]. The key
    /// is forgotten there: it counts where it is laid and put in force.
    QdeviceKeys {
        /// What [`Call::QnetdSign`] gave.
        certificate: Content,
    },
    /// What this host's own `systole migrate keepalived` does of a move: [`Answer::File`] with the tar to
    /// [`KeepalivedAct::Collect`], [`Answer::Said`] to the others.
    Keepalived {
        /// The host's name in the move.
        node: String,
        /// What.
        act: KeepalivedAct,
    },
    /// Forget the cluster's state that Corosync and Systole keep on this host; refused while either runs. The state
    /// is moved aside, not deleted.
    Forget,
    /// Answer probes of other hosts for a while: [`Answer::Listens`].
    ProbeListen {
        /// What probes have to carry to be answered.
        session: String,
        /// For how long, in seconds.
        seconds: u32,
        /// At which of its addresses, and on which port each.
        at: Vec<(String, u16)>,
    },
    /// Answer the probes of a session no more, so that its ports are free. Again is no error.
    ProbeEnd {
        /// The session.
        session: String,
    },
    /// Send probes to hosts that listen, and say what came back: [`Answer::Probed`].
    Probe {
        /// What they have to carry.
        session: String,
        /// For how long, in seconds.
        seconds: u32,
        /// How many a second to each.
        rate: u32,
        /// To whom.
        to: Vec<ProbeTarget>,
    },
}

/// A place that probes are sent to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProbeTarget {
    /// The host.
    pub host: String,
    /// The link that the address is of.
    pub link: u32,
    /// The address.
    pub address: String,
    /// The port that answers there.
    pub port: u16,
    /// Where that host's agent listens; asked whether it can be reached, if it stands here.
    pub agent: Option<String>,
}

/// A port that answers probes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listens {
    /// The address.
    pub address: String,
    /// The port that was wished.
    pub wished: u16,
    /// The port that answers: another one where somebody holds that.
    pub port: Option<u16>,
    /// Why none answers.
    pub reason: Option<String>,
}

/// What a host found out by probes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Probed {
    /// What came back, in the order of the targets.
    pub paths: Vec<ProbedPath>,
    /// The longest that a program of this host was not run while it was due, in microseconds.
    pub pause_us: u64,
}

/// What came back from one place.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProbedPath {
    /// The host.
    pub host: String,
    /// The link.
    pub link: u32,
    /// Probes that were sent.
    pub sent: u64,
    /// And that came back in time.
    pub came: u64,
    /// The round trips: all of them together, the shortest and the longest, in microseconds.
    pub total_us: u64,
    /// The shortest.
    pub least_us: u64,
    /// The longest.
    pub most_us: u64,
    /// What one differed from the next, all together, in microseconds.
    pub jitter_us: u64,
    /// The largest packet that comes through whole and back, headers included.
    pub mtu: Option<u32>,
    /// How far its clock is ahead of this host's, in milliseconds, as the shortest round trip tells.
    pub clock_ms: Option<i64>,
    /// Whether its host agent can be reached from here.
    pub agent: Option<bool>,
    /// Why nothing could be sent.
    pub reason: Option<String>,
}

/// What a host answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Call::Enroll`].
    Enrolled {
        /// The token for all other calls.
        access: String,
        /// The host's own name.
        host: String,
    },
    /// To [`Call::About`].
    About(Box<About>),
    /// To [`Call::Read`]; nothing when there is no such file.
    File {
        /// What is in it.
        content: Option<Content>,
    },
    /// To [`Call::ProbeListen`], in the order of the addresses.
    Listens(Vec<Listens>),
    /// To [`Call::Probe`].
    Probed(Box<Probed>),
    /// Done, with a line for people.
    Said {
        /// The line.
        text: String,
    },
    /// Done.
    Done,
    /// Not done.
    Refused {
        /// Of which kind the reason is, for programs.
        why: Denied,
        /// Why, and what to do.
        reason: String,
    },
}

/// A part of a move from keepalived, on one host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeepalivedAct {
    /// All that matters of its keepalived, as a tar.
    Collect,
    /// Hand its addresses to the cluster, which they stay on their interface for.
    Adopt,
    /// The same as guides say: keepalived takes them off.
    AdoptClassic,
    /// Give them back.
    Rollback,
}

/// Of which kind a refusal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Denied {
    /// The token is not known here, was used, is too old or was revoked.
    Token,
    /// Too many wrong tries, or too much at once: later.
    Later,
    /// It was not understood.
    Garbled,
    /// It cannot be done.
    Failed,
}

/// The files that a host takes and gives: a list, so that there is no path to be tricked with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum HostFile {
    /// The engine's configuration.
    CorosyncConf,
    /// The engine's shared key.
    Authkey,
    /// The hosts of the cluster, with what it takes to call them.
    Hosts,
    /// The database with which the nodes know QNetd, and QNetd them: the same on all nodes, as one text.
    QdeviceKeys,
}

impl HostFile {
    /// All of them.
    pub const ALL: [HostFile; 4] = [HostFile::CorosyncConf, HostFile::Authkey, HostFile::Hosts, HostFile::QdeviceKeys];

    /// Its name for people.
    pub fn called(self) -> &'static str {
        match self {
            HostFile::CorosyncConf => "corosync.conf",
            HostFile::Authkey => "authkey",
            HostFile::Hosts => "list of hosts",
            HostFile::QdeviceKeys => "certificates of the quorum device",
        }
    }
}

/// A file to be laid; without content it goes away.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NewFile {
    /// Which.
    pub file: HostFile,
    /// What is to be in it.
    pub content: Option<Content>,
}

/// A password. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret")
    }
}

/// Bytes of a file; hexadecimal on the wire. Never shown: it may be a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Content(pub Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl From<Content> for String {
    fn from(content: Content) -> String {
        hexadecimal(&content.0)
    }
}

/// A content that is not hexadecimal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a file's content is an even number of hexadecimal digits")]
pub struct NotHexadecimal;

impl TryFrom<String> for Content {
    type Error = NotHexadecimal;

    fn try_from(text: String) -> Result<Content, NotHexadecimal> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(NotHexadecimal) };
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(NotHexadecimal);
        // Two digits are at most 255.
        pairs
            .iter()
            .map(|[high, low]| Ok((digit(*high)? * 16 + digit(*low)?) as u8))
            .collect::<Result<_, _>>()
            .map(Content)
    }
}

/// Bytes as hexadecimal digits, two each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The services that a host agent starts and stops.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Unit {
    /// The engine.
    Corosync,
    /// Its quorum device's client.
    Qdevice,
    /// Systole's daemon.
    Systoled,
    /// The quorum device itself, on a host that is no node.
    Qnetd,
}

impl Unit {
    /// All of them, those of a node in the order they start.
    pub const ALL: [Unit; 4] = [Unit::Corosync, Unit::Qdevice, Unit::Systoled, Unit::Qnetd];

    /// The unit's name for systemd.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Corosync => "corosync.service",
            Unit::Qdevice => "corosync-qdevice.service",
            Unit::Systoled => "systoled.service",
            Unit::Qnetd => "corosync-qnetd.service",
        }
    }
}

/// What is done to a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum UnitAct {
    /// Start it; running already is no error.
    Start,
    /// Stop it.
    Stop,
    /// Start it at boot.
    Enable,
    /// Do not.
    Disable,
}

impl UnitAct {
    /// The word for systemd, and for people.
    pub fn word(self) -> &'static str {
        match self {
            UnitAct::Start => "start",
            UnitAct::Stop => "stop",
            UnitAct::Enable => "enable",
            UnitAct::Disable => "disable",
        }
    }
}

/// What a host is like.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct About {
    /// Its name, as `uname -n` says.
    pub host: String,
    /// Systole's version.
    pub systole: String,
    /// Corosync's version; nothing when it is not installed.
    pub corosync: Option<String>,
    /// Its addresses, loopback left out.
    pub addresses: Vec<String>,
    /// Its wall clock, milliseconds since 1970.
    pub clock: u64,
    /// Its files that are there.
    pub files: Vec<FileState>,
    /// The services it has.
    pub units: Vec<UnitState>,
    /// What Corosync says; nothing when it does not run.
    pub engine: Option<Engine>,
    /// An operation that was begun here and neither settled nor undone.
    pub pending: Option<Pending>,
    /// The operation that was settled here last.
    #[serde(default)]
    pub settled: Option<String>,
    /// Whether a cluster left its memory here: a CIB, or Corosync's.
    pub remembers: bool,
    /// Whether the kernel's clock is kept by a time service; nothing where it does not say.
    #[serde(default)]
    pub clock_kept: Option<bool>,
    /// Free space of the file systems that the cluster writes to: folder, percent.
    #[serde(default)]
    pub free: Vec<(String, u8)>,
    /// What the names in its corosync.conf, and its own, stand for there.
    #[serde(default)]
    pub resolved: Vec<(String, Vec<String>)>,
    /// Certificates of the cluster's tools on this host: which, and until when, in seconds since 1970.
    #[serde(default)]
    pub certificates: Vec<(String, i64)>,
    /// Its watchdog; nothing when it has none.
    #[serde(default)]
    pub watchdog: Option<String>,
    /// What filters packets on this host, and the ports of the cluster that it does not name.
    #[serde(default)]
    pub firewall: Option<Firewall>,
}

/// What filters packets on a host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Firewall {
    /// What it is: `firewalld`, `ufw`, `nftables`.
    pub what: String,
    /// Ports of the cluster that its rules do not let in, as far as can be told: `5405/udp`.
    pub closed: Vec<String>,
}

/// A file that is there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FileState {
    /// Which.
    pub file: HostFile,
    /// SHA-256 of what is in it, hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its permissions.
    pub mode: u32,
}

/// A service of a host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UnitState {
    /// Which.
    pub unit: Unit,
    /// Whether it runs.
    pub active: bool,
    /// Whether it starts at boot.
    pub enabled: bool,
}

/// What a host's Corosync says, which is what it runs with and not what its file says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Engine {
    /// The cluster's name.
    pub cluster: Option<String>,
    /// The configuration's version.
    pub config_version: Option<u64>,
    /// The token's time in force, milliseconds.
    pub token: Option<u64>,
    /// This node's number.
    pub me: u32,
    /// Whether it is quorate.
    pub quorate: bool,
    /// The nodes it knows, in the order of their numbers.
    pub nodes: Vec<EngineNode>,
    /// How votes are counted; nothing when votequorum does not provide quorum.
    #[serde(default)]
    pub votes: Option<EngineVotes>,
    /// Its quorum device; nothing when none is registered.
    #[serde(default)]
    pub device: Option<EngineDevice>,
}

/// Votes as a host's Corosync counts them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EngineVotes {
    /// All that there could be.
    pub expected: u32,
    /// Those that are there, the quorum device's included.
    pub total: u32,
    /// How many make a quorum.
    pub quorum: u32,
    /// How it is decided, in corosync.conf's words.
    pub rules: Vec<String>,
}

/// The quorum device as a host's Corosync sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EngineDevice {
    /// Its votes.
    pub votes: u32,
    /// Whether corosync-qdevice keeps in touch with this Corosync.
    pub alive: bool,
    /// Whether this node has its votes.
    pub casts: bool,
}

/// A node as a host's Corosync sees it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct EngineNode {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: Option<String>,
    /// Whether it is a member.
    pub member: bool,
    /// Its votes, where they are known.
    #[serde(default)]
    pub votes: Option<u32>,
    /// Its links: number, and whether it is connected.
    pub links: Vec<(u32, bool)>,
    /// The largest packet that knet sends on each of them, headers left out: number, bytes; of those it has measured.
    #[serde(default)]
    pub mtus: Vec<(u32, u32)>,
}

/// An operation that is neither settled nor undone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Its name.
    pub operation: String,
    /// Whether its files are in force.
    pub active: bool,
    /// What it is on all hosts together.
    #[serde(default)]
    pub whole: Whole,
}

/// An operation as a whole. Each of its hosts keeps it, so that any later command can end what another left half-way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Whole {
    /// The hosts that it gives files to.
    pub hosts: Vec<String>,
    /// What is done once all files are in force, one group after the other.
    pub then: Vec<Vec<Task>>,
}

/// Something that is done on a host, and does no harm when it is done twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The host.
    pub host: String,
    /// What.
    pub deed: Deed,
}

/// What can be done with files in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// [`Call::Unit`].
    Unit {
        /// Which.
        unit: Unit,
        /// What.
        act: UnitAct,
    },
    /// [`Call::Forget`].
    Forget,
}

impl Deed {
    /// The call that does it.
    pub fn call(self) -> Call {
        match self {
            Deed::Unit { unit, act } => Call::Unit { unit, act },
            Deed::Forget => Call::Forget,
        }
    }

    /// The deed that a call asks for, if it is one.
    pub fn of(call: &Call) -> Option<Deed> {
        match call {
            Call::Unit { unit, act } => Some(Deed::Unit { unit: *unit, act: *act }),
            Call::Forget => Some(Deed::Forget),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_travel_as_digits_and_are_not_shown() {
        let content = Content(vec![0, 127, 255]);
        let text = serde_json::to_string(&content).unwrap();
        assert_eq!(text, "\"007fff\"");
        assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content);
        assert_eq!(format!("{content:?}"), "3 bytes");
        assert_eq!(format!("{:?}", Secret("x".into())), "secret");
        for wrong in ["\"0\"", "\"0g\"", "\"é\"", "\"+1\""] {
            assert!(serde_json::from_str::<Content>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn calls_are_read_as_they_were_written() {
        for call in [
            Call::About,
            Call::Unit { unit: Unit::Corosync, act: UnitAct::Start },
            Call::Stage {
                operation: "1".into(),
                files: vec![NewFile { file: HostFile::Authkey, content: Some(Content(vec![1])) }],
                whole: Whole {
                    hosts: vec!["a".into()],
                    then: vec![vec![Task { host: "a".into(), deed: Deed::Forget }]],
                },
            },
        ] {
            let envelope = Envelope { protocol: PROTOCOL, access: Some("x".into()), call };
            let text = serde_json::to_string(&envelope).unwrap();
            assert_eq!(serde_json::from_str::<Envelope>(&text).unwrap(), envelope);
        }
    }
}
