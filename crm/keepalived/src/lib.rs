#![forbid(unsafe_code)]
//! keepalived.conf, read as keepalived reads it: the same words, the same mistakes, the same defaults.
//!
//! A migration starts from what keepalived does today, not from what a file seems to say. So the reader follows
//! keepalived's own, line by line, and notes wherever it does something else than what stands there. It is pure: all
//! files that may be included come in as values, and nothing else is ever read.
//!
//! Read it in this order: [`files`] is what `include` can reach, [`expand`] works off conditions, definitions and
//! generators, [`words`] parts a line, [`keywords`] is the list of all words, [`statement`] makes blocks, [`model`] says
//! what they mean for one host, and [`pairs`] finds what several hosts' files disagree on.

pub mod expand;
pub mod files;
pub mod keywords;
pub mod model;
pub mod note;
pub mod pairs;
pub mod statement;
pub mod words;

pub use expand::Host;
pub use files::Files;
pub use model::Model;
pub use note::{Note, Place, Severity};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_panics(text in "(vrrp_instance [A-C] ?\\{?\n|virtual_ipaddress \\{\n|\\}\n|10\\.0\\.0\\.[0-9]{1,3}(/[0-9]{1,3})?( dev x)?\n|\\$[A-C]=\\$?\\{?[A-C ]{0,3}\\}?\\\\?\n|\\$[A-C]\n|~(SEQ|LST)x?\\([A-C], ?-?[0-9]{1,3}, ?[0-9]\\) .{0,9}\n|@[a-c^]{1,3} .{0,9}\n|priority [0-9]{1,4}\n|track_script \\{\n|script [\"'a\\\\ x]{0,6}\n|include .{0,5}\n|.{0,20}\n){0,20}") {
            Model::read(&Files::one("/etc/keepalived/keepalived.conf", text), &Host::default());
        }
    }
}
