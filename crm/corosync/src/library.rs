//! Corosync's client libraries, opened when they are first asked for. What their functions mean is for the modules that
//! call them.
//!
//! Opened at run time, so that a machine without Corosync can build and start us, and is told which package it lacks.

use std::fmt;

use crate::error::{Error, Result};

/// A library of Corosync's, by the name that its ABI has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    /// The file to open; its number is the ABI that our declarations were checked against.
    pub file: &'static str,
    /// The Debian package that holds it.
    pub package: &'static str,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)
    }
}

/// All that we use.
pub const ALL: &[Name] = &[CPG, QUORUM, VOTEQUORUM, CMAP, CFG];

/// Process groups.
pub const CPG: Name = Name { file: "libcpg.so.4", package: "libcpg4" };
/// Quorum, whoever provides it.
pub const QUORUM: Name = Name { file: "libquorum.so.5", package: "libquorum5" };
/// Votes.
pub const VOTEQUORUM: Name = Name { file: "libvotequorum.so.8", package: "libvotequorum8" };
/// The configuration and the statistics as a map.
pub const CMAP: Name = Name { file: "libcmap.so.4", package: "libcmap4" };
/// Links.
pub const CFG: Name = Name { file: "libcfg.so.7", package: "libcfg7" };

/// Declares a library's functions. Each gives Corosync's error code; the table is made once and stays for good.
macro_rules! library {
    ($(#[$meta:meta])* $table:ident, $name:expr, { $( fn $function:ident($($argument:ty),* $(,)?); )* }) => {
        $(#[$meta])*
        pub(crate) struct $table {
            // The functions are of use only while the library is open; the table is static, so it stays open.
            _library: libloading::os::unix::Library,
            $( $function: unsafe extern "C" fn($($argument),*) -> u32, )*
        }

        impl $table {
            /// The functions, or why there are none.
            fn get() -> crate::error::Result<&'static $table> {
                static TABLE: std::sync::OnceLock<std::result::Result<$table, String>> = std::sync::OnceLock::new();
                TABLE.get_or_init(Self::open).as_ref().map_err(|reason| crate::error::Error::Library {
                    library: $name,
                    reason: reason.clone(),
                })
            }

            fn open() -> std::result::Result<$table, String> {
                let library = crate::library::open($name)?;
                // SAFETY: each type is the function's declaration in the headers of Corosync 3, as the ABI number in
                // the file's name promises. The pointers are kept beside the library that they point into.
                #[allow(unsafe_code)]
                unsafe {
                    $( let $function = *library
                        .get::<unsafe extern "C" fn($($argument),*) -> u32>(concat!(stringify!($function), "\0").as_bytes())
                        .map_err(|error| crate::library::chain(&error))?; )*
                    Ok($table { _library: library, $( $function, )* })
                }
            }
        }
    };
}
pub(crate) use library;

/// Opens a library of that name from where the system keeps its libraries.
pub(crate) fn open(name: Name) -> std::result::Result<libloading::os::unix::Library, String> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: Corosync's client libraries have no initialisers beyond libqb's, which touch nothing of ours.
    #[allow(unsafe_code)]
    unsafe { Library::open(Some(name.file), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| chain(&error))
}

/// An error with its causes: the loader's own words are in the last of them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Whether all libraries are there; if not, an error that names every package that is missing.
pub fn check() -> Result<()> {
    let missing: Vec<(Name, String)> = ALL.iter().filter_map(|name| Some((*name, open(*name).err()?))).collect();
    match missing.as_slice() {
        [] => Ok(()),
        [(library, reason)] => Err(Error::Library { library: *library, reason: reason.clone() }),
        several => Err(Error::Libraries { packages: several.iter().map(|(name, _)| name.package).collect() }),
    }
}
