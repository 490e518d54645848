//! The classic tools: programs under the names and with the options that Pacemaker's users know.
//!
//! Each is found by the name the program is called under, or as `systole NAME …`. Their exit statuses are
//! Pacemaker's, not those of `systole`'s own commands.

pub mod crm_simulate;
pub mod crm_verify;

pub mod status;

use std::ffi::OsString;

/// One classic tool.
pub struct Tool {
    /// The name it is called by.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Does it: the arguments begin with the tool's name, the result is the exit status.
    pub run: fn(Vec<OsString>) -> u8,
}

/// All classic tools, by name.
pub const TOOLS: &[Tool] = &[crm_simulate::TOOL, crm_verify::TOOL];

/// The tool of that name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}
