//! The classic tools: programs under the names and with the options that Pacemaker's users know.
//!
//! Each is found by the name the program is called under, or as `systole NAME …`. Their exit statuses are
//! Pacemaker's, not those of `systole`'s own commands.

pub mod attrd_updater;
pub mod cibadmin;
pub mod crm_attribute;
pub mod crm_diff;
pub mod crm_error;
pub mod crm_failcount;
pub mod crm_master;
pub mod crm_mon;
pub mod crm_node;
pub mod crm_resource;
pub mod crm_rule;
pub mod crm_shadow;
pub mod crm_simulate;
pub mod crm_standby;
pub mod crm_ticket;
pub mod crm_verify;
pub mod crmadmin;
pub mod iso8601;
pub mod pacemakerd;
pub mod pcs;
pub mod stonith_admin;

pub mod call;
pub mod report;
mod scope;
pub mod status;
pub mod store;

pub(crate) mod agent;
mod pairs;
mod target;

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
pub const TOOLS: &[Tool] = &[
    attrd_updater::TOOL,
    cibadmin::TOOL,
    crm_attribute::TOOL,
    crm_diff::TOOL,
    crm_error::TOOL,
    crm_failcount::TOOL,
    crm_master::TOOL,
    crm_mon::TOOL,
    crm_node::TOOL,
    crm_resource::TOOL,
    crm_rule::TOOL,
    crm_shadow::TOOL,
    crm_simulate::TOOL,
    crm_standby::TOOL,
    crm_ticket::TOOL,
    crm_verify::TOOL,
    crmadmin::TOOL,
    iso8601::TOOL,
    pacemakerd::TOOL,
    pcs::TOOL,
    stonith_admin::TOOL,
];

/// The tool of that name.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

#[cfg(test)]
mod tests;
