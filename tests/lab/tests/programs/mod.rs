//! Where the programs under test are; for the tests that start them as their users do.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The directory with the programs: named by `cargo xtask test`, or built now.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        if let Some(named) = env::var_os("SYSTOLE_BIN_DIR") {
            return named.into();
        }
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet"]);
        for package in ["daemon", "cli", "resource-agents", "fence-agents", "xtask"] {
            cargo.args(["--package", package]);
        }
        let status = cargo.status().expect("cargo runs, as it runs this test");
        assert!(status.success(), "the programs under test are built: cargo build --workspace");
        // This test lies in TARGET/debug/deps.
        let own = env::current_exe().expect("a test knows where it lies");
        own.ancestors().nth(2).expect("a test lies in cargo's target directory").to_owned()
    })
}

/// Whether whole clusters can be tried here; `cargo xtask test` finds out, and says so at its end if not.
pub fn has_namespaces() -> bool {
    let refusal = env::var("SYSTOLE_NO_NAMESPACES").ok();
    if let Some(why) = &refusal {
        println!("not tested: this machine gives no namespaces ({why})");
    }
    refusal.is_none()
}
