#![forbid(unsafe_code)]
//! From bare hosts to a cluster, and from one engine configuration to the next: what each host is to hold, and in which
//! steps all of them get it or none. It is pure: what hosts said comes in, what to ask them goes out.
//!
//! [`words`] reads pcs's grammar, [`conf`] makes corosync.conf from it, [`timing`] derives its timers from one number,
//! [`probe`] says what the network and the hosts bear, [`change`] carries a change through on all hosts, or back,
//! [`doctor`] says what is wrong with them, [`stale`] whose file is old, [`votes`] whom it waits for, and [`pvecm`] reads what Proxmox's people type.

pub mod change;
pub mod conf;
pub mod doctor;
pub mod probe;
pub mod pvecm;
pub mod stale;
pub mod timing;
pub mod votes;
pub mod words;

pub use words::Wrong;
