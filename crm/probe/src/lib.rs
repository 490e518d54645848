#![forbid(unsafe_code)]
//! What a client sees of a service: it is asked again and again, each question by itself, and silences between two good
//! answers are kept. What is done with them is left to others.
//!
//! ```text
//!   target    tcp:, nfs:, icmp: and lock:, as people write them
//!   record    answers become silences                                   no clock, no socket
//!   histogram silences as monitoring systems read them                  likewise
//!   rpc, echo the words on the wire                                     likewise
//!   ask       questions at their time, answers as they come
//! ```

mod ask;
mod echo;
mod histogram;
mod lock;
mod record;
mod rpc;
mod target;

pub use ask::{Pace, ask, now_us};
pub use histogram::{BOUNDS_MS, Histogram, label};
pub use lock::hold;
pub use record::{Event, Record, Silence, Told};
pub use target::{Target, Wrong};
