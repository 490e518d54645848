//! What the store asks of a directory. Names are plain, without a slash.

use std::io;

/// A directory of files. Nothing is safe from a crash before it was flushed: bytes by [`sync`](Files::sync), names by
/// [`sync_names`](Files::sync_names).
pub trait Files {
    /// All names.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// All bytes of a file.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;

    /// A file with these bytes, in the place of one of that name.
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// More bytes at the end of a file that is there. On an error some of them may be.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the bytes of a file are on the disk.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in one step; a file that had it is gone.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file away.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Waits until names are on the disk as they are.
    fn sync_names(&mut self) -> io::Result<()>;
}
