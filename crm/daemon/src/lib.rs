//! systoled: the one program that touches the world.
//!
//! A thin shell around [`node::Node`], which decides everything: [`run`] is the one loop that carries its commands out
//! and tells it what happened; [`engines`] finds the cluster engine, [`processes`] starts agents, [`units`] asks systemd
//! for units, [`alerting`] calls alert agents, `watchers` has agents watch, `evidence` looks at those
//! that do not end, [`leftovers`] ends agents of a daemon that was killed, [`store`] keeps the configuration on disk, [`socket`] talks to tools, `callers` knows who they are, [`log`] to
//! operators, once of what plans warn of (`warned`); `memory` is that of plans and of what happened, `expiring` ends what was to last until now; `spare` gives free memory back; [`watchdog`] is fed while the loop turns; [`clock`] is the time. [`supervise`] is a node's pid 1. [`options`] is the command line, [`manual`] its pages.

pub mod alerting;
mod callers;
pub mod clock;
pub mod engines;
mod evidence;
mod expiring;
mod kept;
pub mod leftovers;
pub mod log;
pub mod manual;
mod memory;
mod metadata;
pub mod options;
pub mod processes;
pub mod run;
pub mod served;
pub mod socket;
mod spare;
pub mod store;
pub mod supervise;
pub mod units;
mod warned;
pub mod watchdog;
mod watchers;
