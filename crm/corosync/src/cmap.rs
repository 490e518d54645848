//! Corosync's map of its configuration and statistics: cluster name, node list, what runs now.

#![allow(unsafe_code)] // Calls into C; each says why it may.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::fmt;
use std::marker::PhantomData;

use engine::NodeId;

use crate::error::{Error, NO_SECTIONS, OK, Result, check};
use crate::library::{CMAP, library};

/// The longest key, without the zero that ends it.
const MAX_KEY: usize = 255;

/// A value may grow between asking for its size and asking for it. After so many times something is wrong.
const MAX_ATTEMPTS: usize = 8;

/// A value larger than this is none of Corosync's.
const MAX_VALUE: usize = 1024 * 1024;

library!(
    /// libcmap.
    Library, CMAP, {
        fn cmap_initialize_map(*mut u64, u32);
        fn cmap_finalize(u64);
        fn cmap_get(u64, *const c_char, *mut c_void, *mut usize, *mut u32);
        fn cmap_iter_init(u64, *const c_char, *mut u64);
        fn cmap_iter_next(u64, u64, *mut c_char, *mut usize, *mut u32);
        fn cmap_iter_finalize(u64, u64);
    }
);

/// Which of the maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Map {
    /// The configuration and what runs now.
    Configuration = 0,
    /// Statistics.
    Statistics = 1,
}

/// A value of the map.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Any of the whole numbers.
    Number(i128),
    /// Any of the others.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Float(number) => number.fmt(f),
            Value::Text(text) => f.write_str(text),
            Value::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

/// C's text in a buffer, up to its zero. What is no UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Bytes of a type that Corosync numbers, as a value.
fn decode(kind: u32, bytes: &[u8]) -> Option<Value> {
    fn number<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i128) -> Option<Value> {
        bytes.try_into().ok().map(|bytes| Value::Number(read(bytes)))
    }
    match kind {
        1 => number(bytes, |b| i8::from_ne_bytes(b).into()),
        2 => number(bytes, |b| u8::from_ne_bytes(b).into()),
        3 => number(bytes, |b| i16::from_ne_bytes(b).into()),
        4 => number(bytes, |b| u16::from_ne_bytes(b).into()),
        5 => number(bytes, |b| i32::from_ne_bytes(b).into()),
        6 => number(bytes, |b| u32::from_ne_bytes(b).into()),
        7 => number(bytes, |b| i64::from_ne_bytes(b).into()),
        8 => number(bytes, |b| u64::from_ne_bytes(b).into()),
        9 => bytes.try_into().ok().map(|b| Value::Float(f32::from_ne_bytes(b).into())),
        10 => bytes.try_into().ok().map(|b| Value::Float(f64::from_ne_bytes(b))),
        11 => Some(Value::Text(text(bytes))),
        12 => Some(Value::Bytes(bytes.to_vec())),
        _ => None,
    }
}

/// A connection to the map.
pub struct Cmap {
    library: &'static Library,
    handle: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl Cmap {
    /// Connects.
    ///
    /// # Errors
    /// When the library is not there, or Corosync does not answer.
    pub fn connect(map: Map) -> Result<Cmap> {
        let library = Library::get()?;
        let mut handle = 0;
        // SAFETY: the pointer is to a value that lives during the call.
        check("connecting to corosync's configuration", unsafe {
            (library.cmap_initialize_map)(&mut handle, map as u32)
        })?;
        Ok(Cmap { library, handle, not_sync: PhantomData })
    }

    fn key(key: &str) -> Result<CString> {
        let bad = || Error::BadName(key.to_owned(), MAX_KEY);
        if key.len() > MAX_KEY { Err(bad()) } else { CString::new(key).map_err(|_| bad()) }
    }

    /// A value; none when the key is not there.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn get(&self, key: &str) -> Result<Option<Value>> {
        match self.read(key) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_exist() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, key: &str) -> Result<Value> {
        /// The buffer was too small.
        const TOO_SMALL: u32 = 7;
        let name = Self::key(key)?;
        let (mut length, mut kind) = (0, 0);
        for _ in 0..MAX_ATTEMPTS {
            // SAFETY: without a buffer the library only gives the length; all pointers live during the call.
            check("reading corosync's configuration", unsafe {
                (self.library.cmap_get)(self.handle, name.as_ptr(), std::ptr::null_mut(), &mut length, &mut kind)
            })?;
            let mut bytes = vec![0; length.min(MAX_VALUE)];
            length = bytes.len();
            // SAFETY: the buffer is as long as `length` says.
            let code = unsafe {
                (self.library.cmap_get)(self.handle, name.as_ptr(), bytes.as_mut_ptr().cast(), &mut length, &mut kind)
            };
            match code {
                OK => {
                    bytes.truncate(length);
                    return decode(kind, &bytes).ok_or_else(|| Error::Answer(format!("{key} is of no known type")));
                }
                TOO_SMALL => {}
                code => check("reading corosync's configuration", code)?,
            }
        }
        Err(Error::Answer(format!("{key} changes its size again and again")))
    }

    /// A text, or a number as text.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        Ok(self.get(key)?.map(|value| value.to_string()))
    }

    /// All keys that begin so.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let prefix = Self::key(prefix)?;
        let mut walk = 0;
        // SAFETY: the pointers live during the call.
        check("listing corosync's configuration", unsafe {
            (self.library.cmap_iter_init)(self.handle, prefix.as_ptr(), &mut walk)
        })?;
        let mut keys = Vec::new();
        let end = loop {
            let mut name = [0_u8; MAX_KEY + 1];
            // SAFETY: the library writes at most MAX_KEY bytes and a zero; length and type may be null.
            let code = unsafe {
                (self.library.cmap_iter_next)(
                    self.handle,
                    walk,
                    name.as_mut_ptr().cast(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            };
            match code {
                OK => keys.push(text(&name)),
                NO_SECTIONS => break Ok(keys),
                code => break check("listing corosync's configuration", code).map(|()| Vec::new()),
            }
        };
        // SAFETY: the walk was begun above and is not used any more.
        unsafe { (self.library.cmap_iter_finalize)(self.handle, walk) };
        end
    }

    /// The cluster's name; none when `corosync.conf` gives none.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn cluster_name(&self) -> Result<Option<String>> {
        Ok(self.text("totem.cluster_name")?.filter(|name| !name.is_empty()))
    }

    /// The node list.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        let mut fields: BTreeMap<u32, BTreeMap<String, Value>> = BTreeMap::new();
        for key in self.keys("nodelist.node.")? {
            let mut parts = key.splitn(4, '.').skip(2);
            let (Some(Ok(place)), Some(field)) = (parts.next().map(str::parse), parts.next()) else { continue };
            if let Some(value) = self.get(&key)? {
                fields.entry(place).or_default().insert(field.to_owned(), value);
            }
        }
        Ok(fields.into_values().filter_map(Node::read).collect())
    }
}

impl Drop for Cmap {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used any more.
        unsafe { (self.library.cmap_finalize)(self.handle) };
    }
}

/// A node of `corosync.conf`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// Its name: what the file says; without that, the name that stands for its first address.
    pub name: Option<String>,
    /// Its addresses, by link.
    pub addresses: BTreeMap<u8, String>,
}

impl Node {
    fn read(fields: BTreeMap<String, Value>) -> Option<Node> {
        let Some(Value::Number(id)) = fields.get("nodeid") else { return None };
        let id = NodeId(u32::try_from(*id).ok()?);
        let address = |link: u8| fields.get(&format!("ring{link}_addr")).map(Value::to_string);
        let addresses: BTreeMap<u8, String> = (0..8).filter_map(|link| Some((link, address(link)?))).collect();
        let given = fields.get("name").map(Value::to_string);
        // Files of Corosync 2's time have no names, but a host's name for an address.
        let by_address = || addresses.get(&0).filter(|text| text.parse::<std::net::IpAddr>().is_err()).cloned();
        let name = given.or_else(by_address).filter(|name| !name.is_empty());
        Some(Node { id, name, addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_their_type_and_refused_when_they_do_not_fit() {
        assert_eq!(decode(6, &7_u32.to_ne_bytes()), Some(Value::Number(7)));
        assert_eq!(decode(7, &(-7_i64).to_ne_bytes()), Some(Value::Number(-7)));
        assert_eq!(decode(8, &u64::MAX.to_ne_bytes()), Some(Value::Number(u64::MAX.into())));
        assert_eq!(
            decode(11, b"a name of more than fifteen\0"),
            Some(Value::Text("a name of more than fifteen".into()))
        );
        assert_eq!(decode(6, &[1, 2]), None);
        assert_eq!(decode(99, &[1]), None);
    }

    #[test]
    fn a_node_is_called_as_the_file_says_or_after_its_first_address() {
        let fields = |pairs: &[(&str, Value)]| {
            Node::read(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
        };
        let text = |text: &str| Value::Text(text.to_owned());
        let named = fields(&[("nodeid", Value::Number(3)), ("name", text("c")), ("ring0_addr", text("10.0.0.3"))]);
        assert_eq!(named.map(|node| (node.id, node.name)), Some((NodeId(3), Some("c".into()))));
        let by_address = fields(&[("nodeid", Value::Number(3)), ("ring0_addr", text("host3"))]);
        assert_eq!(by_address.and_then(|node| node.name), Some("host3".into()));
        let nameless = fields(&[("nodeid", Value::Number(3)), ("ring0_addr", text("10.0.0.3"))]);
        assert_eq!(nameless.map(|node| node.name), Some(None));
        assert_eq!(fields(&[("name", text("c"))]), None);
    }
}
