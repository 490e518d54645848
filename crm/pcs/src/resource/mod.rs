//! `pcs resource …`: primitives, groups, clones and bundles, and what is set on them. Fence devices have commands of their
//! own (`stonith`), of which several are these.

pub mod bundle;
pub mod clone;
pub mod config;
pub mod create;
pub mod defaults;
pub mod delete;
pub mod describe;
pub mod disable;
pub mod enable;
pub mod failcount;
pub mod group;
pub mod list;
pub mod manage;
pub mod meta;
pub mod move_away;
pub mod moves;
pub mod operation;
pub mod relations;
pub mod relocate;
pub mod update;
pub mod utilization;

use crate::commands::Command;

/// The commands, as the help shows them.
pub const COMMANDS: &[&[Command]] = &[
    create::COMMANDS,
    update::COMMANDS,
    delete::COMMANDS,
    enable::COMMANDS,
    disable::COMMANDS,
    manage::COMMANDS,
    move_away::COMMANDS,
    moves::COMMANDS,
    relocate::COMMANDS,
    meta::COMMANDS,
    operation::COMMANDS,
    group::COMMANDS,
    clone::COMMANDS,
    bundle::COMMANDS,
    utilization::COMMANDS,
    defaults::COMMANDS,
    failcount::COMMANDS,
    relations::COMMANDS,
    config::COMMANDS,
    describe::COMMANDS,
    list::COMMANDS,
];
