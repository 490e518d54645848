//! `pcs stonith …`, as far as it is configuration: fence devices, and in which order they are tried.

pub mod device;
pub mod level;

use crate::commands::Command;

/// The commands, as the help shows them.
pub const COMMANDS: &[&[Command]] = &[device::COMMANDS, level::COMMANDS];
