//! What several commands and tools print. Each module takes values of `cib` and `policy` and gives text.

pub mod attributes;
pub mod list;
pub mod nodes;
pub mod resources;
pub mod summary;
pub mod xml;
