//! The real engine: membership and totally ordered messages from Corosync's process groups (CPG), quorum from its
//! votequorum, names from its configuration.
//!
//! Its libraries are opened when they are needed, so all programs build and start on a machine without them, and say
//! which package is missing. Besides this crate only the host agent calls a library of C, PAM.
//!
//! ```text
//!   daemon ── Client ═ queues ═ thread "corosync" ── Session ── Cpg, Quorum, Votequorum, Cmap   (shell)
//!                                                        └───── Group                           (decides)
//! ```
//!
//! # What Corosync gives, and what an engine must give
//!
//! CPG gives one order of messages and changes: all processes that stay together see the same changes of the group and
//! of the ring between the same messages. Three things are missing for an [`engine::Engine`].
//!
//! 1. **Quorum comes on another channel**, at another moment at each member. But whether an order counts depends on it,
//!    and all must judge alike. So quorum must be brought into the order.
//! 2. **Nobody knows who was here first.** CPG tells sets. The order of joining must be agreed upon.
//! 3. **Who was away unnoticed.** If a host loses the others and finds them again while they do not notice, or a daemon
//!    restarts at an unlucky moment, both sides must know that they meet. Corosync takes care of that for its rings;
//!    we do not rest on it.
//!
//! # The cut
//!
//! Each change of the ring or of the group is a *cut*, and has a number made of the ring's identity and the processes.
//! At a cut each process multicasts one report: the cut, its place in the order of joining, its *lineage*, its name and
//! cluster — and what the quorum services say **of this very ring**, so it reports only when they have spoken of it.
//! Reports of other cuts are dropped. When the last report is delivered, all members have the same reports, at the same
//! place in the order. There they call the [roll](roll), each for itself and all with the same outcome:
//!
//! * members are those who reported; who has no place in the order of joining gets one behind all others;
//! * there is quorum if **all** report it. The votes can differ only while a quorum device speaks to one node and not
//!   yet to another; who is not sure says no;
//! * who is of another cluster, or has a name or a node that is taken, is refused: of the smaller side, then the younger,
//!   so that nothing that runs can be pushed out by something that comes.
//!
//! Then the membership is told, and after it what was delivered since the cut; until then that is held back, and nobody
//! sends payloads, so it is little. This costs one message in the order at each change (a third of a millisecond on an
//! idle network), and gives what a daemon needs: a membership that never has to be taken back, with a quorum that all
//! agree on. An engine may say "no quorum" between the change and the word on it; that would make every daemon act as
//! its `no-quorum-policy` says for that moment, and so it is avoided.
//!
//! **A cut within a cut.** If the ring changes again before the roll is called, whoever joined at the second cut has not
//! seen what was delivered between the two. So if anything was held back it is told at once, before the second cut: in
//! what is left of the membership that was told last, without quorum, for nobody knows it. All who went through the same
//! do this at the same place.
//!
//! **Lineage.** A number that changes at each membership told and at each loss, made of what was told and lost. Two
//! members have the same lineage exactly when they went through the same. At the roll, whoever has another one than we
//! has been away, whatever Corosync said: it is told as gone first and as back after it.
//!
//! **Quorum that changes within a ring** (a quorum device, `corosync-quorumtool -e`) is reported again; the place of the
//! report in the order is where it changes for all.
//!
//! **Places.** The upper half of a place counts joins, as the start of the process in seconds if nobody was there
//! before; the lower half is by chance. A place is kept through partitions and lost with the connection to Corosync: who
//! had to join anew is new.
//!
//! # Hosts and daemons
//!
//! CPG's ring tells the hosts, the group tells the daemons on them. A daemon that dies leaves its host in the ring; a
//! host that dies, or whose Corosync dies, leaves the ring. A daemon that hangs keeps its connection: so members say
//! every second that they are there, and who is not heard for five is called absent by whoever misses it first. The
//! word counts if nothing of it was heard until it was delivered. Who finds itself called absent begins anew.
//!
//! # Strangers
//!
//! Anybody with access to Corosync can join a group. What is not of our [form](frame), of a newer version of it, or
//! silent at a cut is a stranger: it is logged once with its process and node, left out of the membership, and named in
//! the reports to whoever comes later. A process whose reports name us as a stranger we believe, and begin anew.
//!
//! # Losing Corosync
//!
//! If it ends, does not answer or takes us out, the daemon is told [`engine::Event::Lost`] with the reason, and acts as
//! a node without quorum. The thread tries again after 20 ms, then less and less often, at last every second. If it is
//! the daemon that takes no events for five seconds, the thread leaves the group: others may then act.
//!
//! Flow control: Corosync takes no message while its queues are full or it works on a membership. The thread keeps one
//! payload and tries again every half millisecond; behind it are a bounded queue and `Busy`. Payloads above 64 KiB go in
//! [parts](parts).
//!
//! Read in this order: [`find()`], [`Client`], [`group`], [`roll`], [`parts`], [`frame`]; then [`Status`] for operators,
//! and the libraries: [`cpg`], [`quorum`], [`cmap`], [`cfg`](mod@cfg).

mod find;
mod status;

mod client;
mod session;

pub mod frame;
pub mod group;
pub mod parts;
pub mod ring;
pub mod roll;

pub mod cfg;
pub mod cmap;
pub mod cpg;
pub mod error;
pub mod library;
pub mod quorum;

pub use client::Client;
pub use error::Error;
pub use find::{Found, NotFound, find};
pub use frame::MAX_MESSAGE;
pub use status::{NodeStatus, Status};
